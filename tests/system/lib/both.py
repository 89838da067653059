"""both.py: a primary, and a backup that rxfer feeds; both are asked, and must say the same.

    class Something(BothCase):
        def test_x(self):
            self.primary_has({"mydestination": "lo.example", ...})
            self.agree(accepted=["anne@lo.example"], refused=["nobody@lo.example"])

One pair for a whole class, as a start costs more than all the questions: each test gives the primary a main.cf of its own.
Nothing but a change that was noticed makes rxfer look again: its intervals are a day long.
"""
import os
import tempfile
import time

from . import env, runner, smtp
from .postfix import Postfix
from .rxfer import Pair
from .wait import wait_for

ZONE = "settle_ms = 20"
CLASSES = {"lo": "mydestination", "va": "virtual_alias_domains", "vm": "virtual_mailbox_domains", "rl": "relay_domains"}
TABLES = {"lo": "local_recipient_maps", "va": "virtual_alias_maps", "vm": "virtual_mailbox_maps",
          "rl": "relay_recipient_maps"}


class Primary(Postfix):
    """One whose master.cf can give options to its smtpd."""

    options = ""

    def write_config(self):
        super().write_config()
        with open(os.path.join(self.config, "master.cf"), encoding="utf-8") as f:
            first, rest = f.read().split("\n", 1)
        self._write("master.cf", f"{first}\n{self.options}{rest}")

    def _write(self, name, text):
        """Whole, as by a good editor: rxfer sees the old file or the new one."""
        super()._write(f"{name}.new", text)
        os.rename(os.path.join(self.config, f"{name}.new"), os.path.join(self.config, name))


class BothCase(runner.TestCase):
    """Attributes: primary, pair, backup, folder (of them all), files (a folder for the test's own)."""

    LIMITS = "interval = 86400"
    seen = None              # the backup's table of domains

    @classmethod
    def setUpClass(cls):
        cls.shared = env.new_folder(cls.__name__)
        cls.addClassCleanup(env.remove_folder, cls.shared)
        cls.primary = Primary("primary", cls.shared)
        cls.plain = dict(cls.primary.main_cf)
        pair = cls.pair = Pair(cls.shared, "", domains=("*",), zone=ZONE)
        section = f'config_directory = "{cls.primary.config}"  command_directory = "{cls.commands()}"  {cls.LIMITS}'
        pair.master_text = pair.master_text.replace('source "map" {  }', f"postfix {{ {section} }}")
        pair.write()
        cls.backup = Postfix("backup", cls.shared, {
            "relay_domains": pair.table("relay_domains"), "relay_recipient_maps": pair.table(),
            "recipient_delimiter": "+"})
        cls._serve({"mydestination": "first.example", "local_recipient_maps": "inline:{first=x}"})
        for thing in (cls.primary, pair):
            cls.addClassCleanup(thing.stop)
        cls.start_primary()
        wait_for(lambda: None not in (pair.keys(), pair.keys("relay_domains")), 30, pair.logs)
        cls.addClassCleanup(cls.backup.stop)
        cls.backup.start()

    @classmethod
    def start_primary(cls):
        cls.primary.start()
        cls.pair.start()

    @classmethod
    def commands(cls):
        """Where postconf and postmap are."""
        return env.postfix().bin

    @classmethod
    def _serve(cls, settings, options=None):
        cls.primary.main_cf = {**cls.plain, "recipient_delimiter": "+", **settings}
        cls.primary.options = "".join(f"  -o {{ {name} = {value} }}\n" for name, value in (options or {}).items())
        cls.primary.write_config()

    def setUp(self):
        self.folder = self.shared
        self.files = tempfile.mkdtemp(prefix="files.", dir=self.shared)
        os.chmod(self.files, 0o755)

    # -- what a test does ----------------------------------------------------------------------------------------------

    def primary_has(self, settings, options=None):
        """Its whole main.cf but for the places; options: smtpd's in master.cf. Reloads it, as its administrator would."""
        self._serve(settings, options)
        if self.primary.running():
            self.primary.reload()

    def change(self, settings, options=None):
        """As primary_has, for what is different now."""
        known = {name: value for name, value in self.primary.main_cf.items() if name not in self.plain or
                 value != self.plain[name]}
        self.primary_has({**known, **settings}, options)

    def file(self, name, lines, reload=False):
        """A text, put there whole; its path. reload: Postfix reads a /file of a list once only."""
        path = os.path.join(self.files, name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.writelines(f"{line}\n" for line in lines)
        self._another_second(path, path + ".new")
        os.rename(path + ".new", path)
        if reload:
            self.primary.reload()
        return path

    def table(self, kind, name, entries):
        """As main.cf names it; made or changed by postmap. entries: a dict, or a list of keys."""
        path = os.path.join(self.files, name)
        if kind == "texthash":
            self.file(name, [f"{k} {v}" for k, v in (entries if isinstance(entries, dict) else
                                                     dict.fromkeys(entries, "x")).items()])
        else:
            self.primary.write_map(path, entries, kind)
        return f"{kind}:{path}"

    def aliases(self, name, names):
        """An alias database, by postalias."""
        path = self.file(name, [f"{alias}: somebody" for alias in names])
        index = path + ".db"
        before = os.stat(index).st_mtime if os.path.exists(index) else 0
        self.primary.command("postalias", f"hash:{path}")
        if int(os.stat(index).st_mtime) <= int(before):
            os.utime(index, (time.time(), int(before) + 1))
        return f"hash:{path}"

    @staticmethod
    def _another_second(old, new):
        """smtpd sees a change by whole seconds."""
        if os.path.exists(old) and int(os.stat(new).st_mtime) <= int(os.stat(old).st_mtime):
            os.utime(new, (time.time(), int(os.stat(old).st_mtime) + 1))

    def _domains_changed(self):
        """trivial-rewrite looks for changed tables each ten seconds; who reloads needn't wait."""
        now = os.stat(self.pair.replica.table("relay_domains") + ".db").st_ino
        if now != BothCase.seen:
            BothCase.seen = now
            self.backup.reload()

    def verdict(self, address):
        """The backup's, as a class."""
        return smtp.code(self.backup.port, address) // 100

    def agree(self, accepted=(), refused=(), put_off=(), seconds=30):
        """Waits until both servers accept and refuse these, and the backup accepts what the primary puts off."""
        expected = {**{a: (2, 2) for a in accepted}, **{a: (5, 5) for a in refused}, **{a: (4, 2) for a in put_off}}
        said = {}

        def agreed():
            said.clear()
            self._domains_changed()
            for address in expected:
                said[address] = []
            try:
                for server in (self.primary, self.backup):
                    with smtp.Session(server.port) as session:
                        for address in expected:
                            said[address].append(session.verdict(address))
            except (smtp.SmtpError, OSError) as e:            # it was about to end
                said.update({a: said[a] + [(0, str(e))] * (2 - len(said[a])) for a in expected})
            fine = all(tuple(reply[0] // 100 for reply in said[a]) == expected[a] for a in expected)
            if not fine:                                      # so much at once looks suspicious
                self.pair.master.rxfer("approve", "example")
            return fine

        def report():
            wrong = [f"{a}: expected {expected[a]}: primary {said[a][0]}, backup {said[a][1]}" for a in expected
                     if tuple(reply[0] // 100 for reply in said[a]) != expected[a]]
            return "\n  ".join(["the primary's and the backup's verdicts", *wrong,
                                self.pair.master.rxfer("status")[1], *sorted(self.pair.keys() or ())])
        wait_for(agreed, seconds, report)
