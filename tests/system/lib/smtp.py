"""smtp.py: a small SMTP client that asks what a mail server makes of an address.

    code, text = verdict(port, "alice@example.com")      # one session, one question
    with Session(port) as s:                             # one session, many questions
        s.verdict("alice@example.com"); s.verdict("bob@example.com")

`transcript` is a function that gets each line of the dialogue, as ("C", line) or ("S", line).
"""
import socket

SENDER = "sender@example.net"


class SmtpError(Exception):
    """The server hung up, or said something that isn't SMTP."""


class Session:
    """One connection, greeted and introduced. Use it with `with`."""

    def __init__(self, port, host="127.0.0.1", seconds=10, transcript=None, hello="EHLO client.example.net"):
        self._transcript = transcript or (lambda who, line: None)
        self._extensions = ()
        self._socket = socket.create_connection((host, port), timeout=seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        try:
            self._must(self._reply(), 220)
            code, text = self.command(hello)
            self._must((code, text), 250)
            self._extensions = tuple(line.split(" ")[0].upper() for line in text.split("\n")[1:])
        except BaseException:
            self.close()
            raise

    def command(self, line):
        """Sends one line, returns (code, text); the lines of a long reply are joined by newlines."""
        self._transcript("C", line)
        self._socket.sendall(line.encode("utf-8") + b"\r\n")
        return self._reply()

    def verdict(self, address, sender=SENDER):
        """What the server says to RCPT TO for this address: (code, text). Leaves the session as it was."""
        option = "" if (sender + address).isascii() or "SMTPUTF8" not in self._extensions else " SMTPUTF8"
        self._must(self.command(f"MAIL FROM:<{sender}>{option}"), 250)
        reply = self.command(f"RCPT TO:<{address}>")
        self._must(self.command("RSET"), 250)
        return reply

    def send(self, address, body, sender=SENDER):
        """Hands over a whole message. Returns the reply to the first command that was refused, or to the final dot."""
        for line, good in ((f"MAIL FROM:<{sender}>", 250), (f"RCPT TO:<{address}>", 250), ("DATA", 354)):
            reply = self.command(line)
            if reply[0] != good:
                return reply
        lines = body.replace("\r\n", "\n").rstrip("\n").split("\n")
        return self.command("\r\n".join("." + x if x.startswith(".") else x for x in lines) + "\r\n.")

    def quit(self):
        try:
            self.command("QUIT")
        finally:
            self.close()

    def close(self):
        self._file.close()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.quit()
        else:
            self.close()

    def _reply(self):
        lines = []
        while True:
            raw = self._file.readline(4096)
            if not raw.endswith(b"\n"):
                raise SmtpError(f"the server hung up after {lines!r}")
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            self._transcript("S", line)
            if len(line) < 3 or not line[:3].isdigit():
                raise SmtpError(f"not an SMTP reply: {line!r}")
            lines.append(line[4:])
            if line[3:4] != "-":
                return int(line[:3]), "\n".join(lines)

    @staticmethod
    def _must(reply, code):
        if reply[0] != code:
            raise SmtpError(f"expected {code}, got {reply[0]} {reply[1]}")


def verdict(port, address, sender=SENDER, transcript=None):
    """What the server at this port says to RCPT TO for this address: (code, text)."""
    with Session(port, transcript=transcript) as session:
        return session.verdict(address, sender)


def code(port, address):
    return verdict(port, address)[0]
