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
    """What is printed: numbered headings, plain sentences, commands, files and dialogues, indented."""

    def __init__(self):
        self._number = 0

    def heading(self, text):
        self._number += 1
        print(f"\n{paint(f'{self._number}. {text}', '1')}\n")

    @staticmethod
    def tell(text):
        print(text)

    @staticmethod
    def file(name, text):
        print(f"\n    {paint(name, '2')}")
        for line in text.rstrip("\n").split("\n"):
            print(f"      {line}")
        print()

    @staticmethod
    def dialogue(who, line):
        colour = "0"
        if who == "S" and line[:1] == "2":
            colour = "32"
        elif who == "S" and line[:1] in "45":
            colour = "31"
        print(f"    {paint(who + ':', '2')} {paint(line, colour) if COLOUR else line}")

    @staticmethod
    def command(text):
        print(f"\n    {paint('$', '2')} {text}")

    @staticmethod
    def output(text):
        for line in text.rstrip("\n").split("\n"):
            print(f"    {line}".rstrip())

    @staticmethod
    def result(text):
        print(f"\n    {paint('=>', '36')} {text}")


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
        self.write_aliases()
        for postfix in (self.primary, self.backup):
            postfix.start()
        story.tell(f"Postfix {self.primary.where.version}, twice, each with a folder and a loopback port of its own.\n"
                   f"The primary, at port {self.primary.port}, knows the users of example.com from an alias map:")
        self.show_aliases()
        story.tell(f"The backup MX, at port {self.backup.port}, has these lines, and no table yet:")
        story.file("main.cf of the backup",
                   f"relay_domains = example.com\nrelay_recipient_maps = {self.short(self.pair.table())}")
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
        story.result(f"both run, and {self.since(start)} after the start the backup has its first table\n")
        story.tell("An smtpd that met no table goes on deferring, so once, after the first table:")
        story.command("postfix reload")
        self.backup.reload()
        self.wait_verdict("alice@example.com", 250)

    def known_and_unknown(self):
        self.story.heading("A stranger's mail is refused, a user's is taken")
        self.ask("nobody@example.com", "refused in the dialogue: nothing to queue, nothing to bounce", 550)
        self.ask("alice@example.com", "taken", 250)

    def new_alias(self):
        story = self.story
        story.heading("A new alias on the primary")
        self.ask("carol@example.com", "the backup doesn't know Carol", 550)
        self.aliases["carol@example.com"] = "carol@mail.example.net"
        took = self.change("echo 'carol@example.com carol@mail.example.net' >> virtual", "carol@example.com", 250)
        self.ask("carol@example.com", f"taken, {took} after postmap ended", 250)

    def deleted_alias(self):
        self.story.heading("The alias goes again")
        del self.aliases["carol@example.com"]
        took = self.change("sed -i /^carol@/d virtual", "carol@example.com", 550)
        self.ask("carol@example.com", f"refused, {took} after postmap ended", 550)

    def primary_down(self):
        story = self.story
        story.heading("The primary goes down")
        story.tell("Its Postfix is stopped, and rxfer-master with it. Now the backup is on its own.\n")
        self.primary.stop()
        self.pair.master.stop()
        try:
            smtp.Session(self.primary.port).close()
        except ConnectionRefusedError:
            story.output(f"connect to 127.0.0.1 port {self.primary.port}: connection refused\n")
        for address in self.aliases:
            self.ask(address, None, 250)
        self.ask("nobody@example.com", "the backup still knows everybody, and nobody else", 550)

    def primary_back(self):
        story = self.story
        story.heading("The primary is back; how are both ends?")
        self.primary.start()
        self.pair.master.start()
        self.wait_well()
        for title, daemon in (("on the primary", self.pair.master), ("on the backup", self.pair.replica)):
            story.command(f"rxfer -s {self.short(daemon.socket)} status        {paint('# ' + title, '2')}")
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

    def write_aliases(self):
        self.primary.write_map(self.virtual, self.aliases)

    def show_aliases(self):
        width = max(map(len, self.aliases))
        self.story.file(self.short(self.virtual),
                        "\n".join(f"{key:<{width}}  {value}" for key, value in self.aliases.items()))

    def change(self, edit, address, code):
        """Shows an edit of the map, does it, and waits for the verdict. Returns how long that took, for people."""
        self.story.command(f"cd {self.short(os.path.dirname(self.virtual))}; {edit}; postmap hash:virtual\n")
        self.write_aliases()
        start = time.monotonic()
        self.wait_verdict(address, code)
        return self.since(start)

    def ask(self, address, comment, code):
        """One dialogue with the backup, shown from MAIL on; it must end as the story says."""
        lines = []
        with smtp.Session(self.backup.port, hello="HELO client.example.net",
                          transcript=lambda who, line: lines.append((who, line))) as session:
            reply = session.verdict(address)
        begin = next(i for i, (who, line) in enumerate(lines) if line.startswith("MAIL"))
        end = next(i for i, (who, line) in enumerate(lines) if line == "RSET")
        for who, line in lines[begin:end] if comment else lines[begin + 2:end]:
            self.story.dialogue(who, line)
        if reply[0] != code:
            raise AssertionError(f"the backup should have said {code} for {address}")
        if comment:
            self.story.result(comment + "\n")

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
    except (AssertionError, OSError, smtp.SmtpError) as e:
        print(f"\ndemo: {e}\ndemo: failed; everything is stopped and removed", file=sys.stderr)
        sys.exit(1)
    next_steps()


if __name__ == "__main__":
    main()
