#!/usr/bin/python3
"""demo.py: rxfer at work, told as a story: two real Postfix instances, a master, a replica, and what SMTP says.

Run by `./bootstrap demo`. Everything lives in one temporary folder and on loopback ports, and is gone at the end, also
after Ctrl-C. Set KEEP to look at the folder afterwards.
"""
import contextlib
import os
import signal
import subprocess
import sys
import time

from lib import child, env, rxfer, smtp
from lib.postfix import Postfix
from lib.wait import wait_for

STEPS_SECONDS = 20
COLOUR = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and "NO_COLOR" not in os.environ


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


class Story:
    """What is printed: numbered headings, plain sentences, commands, files and dialogues; a blank line before each."""

    def __init__(self):
        self._number = 0

    @staticmethod
    def _block(lines, indent=4):
        print("\n" + "\n".join((" " * indent + line).rstrip() for line in lines))

    def heading(self, text):
        self._number += 1
        self._block(["", paint(f"{self._number}. {text}", "1")], 0)

    def tell(self, *lines):
        self._block(lines, 0)

    def file(self, name, *lines):
        self._block([paint(name, "2"), *("  " + line for line in lines)])

    def command(self, text):
        self._block([f"{paint('$', '2')} {text}"])

    def output(self, text):
        print("\n".join(("    " + line).rstrip() for line in text.rstrip("\n").split("\n")))

    def result(self, text):
        self._block([f"{paint('=>', '36')} {text}"])

    def dialogue(self, lines):
        self._block([f"{paint(who + ':', '2')} {self._line(who, line)}" for who, line in lines])

    @staticmethod
    def _line(who, line):
        if who == "C":
            return line
        return paint(line, "31" if line[:1] in "45" else "32")


class Demo:
    def __init__(self, folder):
        self.folder = folder
        self.story = Story()
        self.virtual = os.path.join(folder, "primary", "etc", "virtual")
        self.aliases = {"alice@example.com": "alice@mail.example.net", "bob@example.com": "bob@mail.example.net",
                        "postmaster@example.com": "alice@mail.example.net"}

    def run(self):
        self.postfixes()
        self.daemons()
        self.known_and_unknown()
        self.new_alias()
        self.deleted_alias()
        self.primary_down()
        self.primary_back()
        self.stop()

    # --- the steps of the story

    def postfixes(self):
        story = self.story
        story.heading("Two mail servers")
        self.pair = self.make_pair()
        self.primary = Postfix("primary", self.folder, {
            "virtual_alias_domains": "example.com", "virtual_alias_maps": f"hash:{self.virtual}"})
        self.backup = Postfix("backup", self.folder, {
            "relay_domains": "example.com", "relay_recipient_maps": self.pair.table()})
        self.primary.write_map(self.virtual, self.aliases)
        for postfix in (self.primary, self.backup):
            postfix.start()
        story.tell(f"Postfix {self.primary.where.version}, twice, each with a folder and a loopback port of its own.",
                   f"The primary, at port {self.primary.port}, knows the users of example.com from an alias map:")
        self.show_aliases()
        story.tell(f"The backup MX, at port {self.backup.port}, has these lines, and no table yet:")
        story.file("main.cf of the backup",
                   "relay_domains = example.com", f"relay_recipient_maps = {self.short(self.pair.table())}")
        self.ask("alice@example.com", "not knowing, it asks to try again later: no valid mail is lost", 451)

    def daemons(self):
        story = self.story
        story.heading("rxfer-master beside the primary, rxfer-replica beside the backup")
        story.tell("Each has an identity, made by `rxfer keygen`; each knows the other by its public line:")
        story.file("public line of the master", self.pair.master.key)
        story.file("zone in master.conf", f'zone "example" {{ source "map" {{ {self.short(self.source())} }} }}')
        start = time.monotonic()
        self.pair.start()
        wait_for(self.pair.keys, STEPS_SECONDS, lambda: f"the backup's first table\n{self.pair.logs()}")
        story.result(f"both run, and {self.since(start)} after the start the backup has its first table")
        story.tell("An smtpd that met no table goes on deferring, so once, after the first table:")
        story.command("postfix reload")
        self.backup.command("postfix", "reload")
        self.wait_verdict("alice@example.com", 250)

    def known_and_unknown(self):
        self.story.heading("A stranger's mail is refused, a user's is taken")
        self.ask("nobody@example.com", "refused in the dialogue: nothing to queue, nothing to bounce", 550)
        self.ask("alice@example.com", "taken", 250)

    def new_alias(self):
        story = self.story
        story.heading("A new alias on the primary")
        self.ask("carol@example.com", "the backup doesn't know Carol", 550)
        took = self.change("echo 'carol@example.com carol@mail.example.net' >> virtual", "carol@example.com", 250)
        self.ask("carol@example.com", f"taken, {took} after postmap ended", 250)

    def deleted_alias(self):
        self.story.heading("The alias goes again")
        took = self.change("sed -i /^carol@/d virtual", "carol@example.com", 550)
        self.ask("carol@example.com", f"refused, {took} after postmap ended", 550)

    def primary_down(self):
        story = self.story
        story.heading("The primary goes down")
        story.tell("Its Postfix is stopped, and rxfer-master with it. Now the backup is on its own.")
        self.primary.stop()
        self.pair.master.stop()
        try:
            smtp.Session(self.primary.port).close()
        except ConnectionRefusedError:
            story.result(f"port {self.primary.port}: connection refused")
        story.dialogue([line for address in self.aliases for line in self.question(address, 250)[2:]])
        self.ask("nobody@example.com", "the backup still knows everybody, and nobody else", 550)

    def primary_back(self):
        story = self.story
        story.heading("The primary is back; how are both ends?")
        self.primary.start()
        self.pair.master.start()
        self.wait_well()
        for title, daemon in (("on the primary", self.pair.master), ("on the backup", self.pair.replica)):
            story.command(f"rxfer -s {self.short(daemon.socket)} status    {paint('# ' + title, '2')}")
            story.output(self.status(daemon)[1])

    def stop(self):
        """The regular end, in which a daemon that ends badly is a failure of the demo."""
        self.pair.stop()
        self.primary.stop()
        self.backup.stop()

    # --- helpers

    def make_pair(self):
        os.makedirs(os.path.dirname(self.virtual), exist_ok=True)
        return rxfer.Pair(self.folder, self.source())

    def source(self):
        return f'map = "hash:{self.virtual}"  domains = {{ "example.com" }}'

    def show_aliases(self):
        width = max(map(len, self.aliases))
        self.story.file(self.short(self.virtual),
                        *(f"{key:<{width}}  {value}" for key, value in self.aliases.items()))

    def change(self, edit, address, code):
        """Shows an edit of the map, does it, and waits for the verdict. Returns how long that took, for people."""
        command = f"{edit} && postmap hash:virtual"
        self.story.command(f"cd {self.short(os.path.dirname(self.virtual))} && {command}")
        subprocess.run(["/bin/sh", "-c", command], cwd=os.path.dirname(self.virtual), check=True,
                       env={"PATH": f"{self.primary.where.bin}:/usr/bin:/bin", "MAIL_CONFIG": self.primary.config})
        start = time.monotonic()
        self.wait_verdict(address, code)
        return self.since(start)

    def question(self, address, code):
        """Asks the backup about one address; returns the dialogue from MAIL to the verdict, which must be `code`."""
        lines = []
        with smtp.Session(self.backup.port, hello="HELO client.example.net",
                          transcript=lambda who, line: lines.append((who, line))) as session:
            reply = session.verdict(address)
        if reply[0] != code:
            raise AssertionError(f"the backup should have said {code} for {address}, not {reply[0]} {reply[1]}")
        begin = next(i for i, (who, line) in enumerate(lines) if line.startswith("MAIL"))
        return lines[begin:lines.index(("C", "RSET"))]

    def ask(self, address, comment, code):
        self.story.dialogue(self.question(address, code))
        self.story.result(comment)

    def wait_verdict(self, address, code):
        wait_for(lambda: smtp.code(self.backup.port, address) == code, STEPS_SECONDS,
                 lambda: f"{code} for {address}\n{self.pair.logs()}")

    @staticmethod
    def status(daemon):
        """rxfer status as the reader would see it: with colour when we have it. Returns (exit status, text)."""
        command = [env.program("rxfer"), "-s", daemon.socket, "status"]
        if not COLOUR:
            status, out, err = daemon.rxfer("status")
            return status, out + err
        main, other = os.openpty()          # rxfer uses colour on a terminal only
        with subprocess.Popen(command, stdout=other, stderr=other, stdin=subprocess.DEVNULL) as process:
            os.close(other)
            text = b""
            with contextlib.suppress(OSError):
                while chunk := os.read(main, 4096):
                    text += chunk
            os.close(main)
        return process.returncode, text.decode("utf-8", "replace").replace("\r\n", "\n")

    def wait_well(self):
        """Until each end says that all is well."""
        both = (self.pair.master, self.pair.replica)
        wait_for(lambda: all(d.rxfer("status")[0] == 0 for d in both), STEPS_SECONDS,
                 lambda: "both ends to be well\n" + "".join(d.rxfer("status")[1] for d in both) + self.pair.logs())

    def short(self, text):
        """Paths below the demo's folder without it: they are long, and gone afterwards."""
        return text.replace(self.folder + "/", "")

    @staticmethod
    def since(start):
        return f"{(time.monotonic() - start) * 1000:.0f} ms"


def next_steps():
    print(f"""
{paint('What next', '1')}

All of this is stopped and removed. To set up a primary and a backup of your own, step by step
with the exact lines for main.cf: see "First set-up" in README. To run all tests: ./bootstrap check
""")


def main():
    def stop(number, frame):
        raise KeyboardInterrupt
    signals = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    for number in signals:
        signal.signal(number, stop)
    sys.stdout.reconfigure(line_buffering=True)
    try:
        env.need()
    except env.Missing as missing:
        sys.exit(f"demo: {missing}")
    folder = env.new_folder("demo")
    try:
        try:
            Demo(folder).run()
        finally:
            for number in signals:
                signal.signal(number, signal.SIG_IGN)
            child.kill_all()
            env.remove_folder(folder)
    except KeyboardInterrupt:
        print("\ndemo: interrupted; everything is stopped and removed", file=sys.stderr)
        sys.exit(130)
    except (AssertionError, OSError, subprocess.SubprocessError, smtp.SmtpError) as e:
        print(f"\ndemo: {e}\ndemo: failed; everything is stopped and removed", file=sys.stderr)
        sys.exit(1)
    next_steps()


if __name__ == "__main__":
    main()
