#!/usr/bin/python3
"""A Postfix that can't be understood or read: the zone stays as it was, status names parameter, map and mend, and all
recovers by itself when the cause is gone. The daemon runs as its unit's user does, without root's rights.

Syntax errors in main.cf and a smtpd that isn't there are in test_postfix.py, account databases that hang or can't be
listed in test_accounts.py, and what single sources can suffer from in test_sick_source.py.
"""
import os
import threading
import time
import unittest

from lib import env, limits, runner, smtp
from lib.both import BothCase
from lib.wait import stays, wait_for

MEMBERS = ["lola@lo.example", "vala@va.example", "vmla@vm.example", "rlla@rl.example", "postmaster@lo.example"]
STRANGERS = ["nobody@lo.example", "nobody@va.example", "nobody@vm.example", "nobody@rl.example", "lola@else.example",
             "new@lo.example"]


class BrokenPostfix(BothCase):
    LIMITS = "interval = 5  timeout = 4"

    @classmethod
    def setUpClass(cls):
        if not (env.open_to_all(env.program("rxfer-master")) and env.open_to_all(env.postfix().bin)):
            raise unittest.SkipTest("what was built lies in a folder that an unprivileged daemon may not pass")
        super().setUpClass()

    @classmethod
    def commands(cls):
        """A folder of our own, with links to the real ones."""
        folder = os.path.join(cls.shared, "bin")
        os.mkdir(folder)
        for name in ("postconf", "postmap"):
            os.symlink(os.path.join(env.postfix().bin, name), os.path.join(folder, name))
        return folder

    @classmethod
    def start_primary(cls):
        """It is only looked at: whether its own daemons would run with all this isn't asked."""
        cls.pair.master.give_to(limits.USER)
        cls.pair.master.wrapper = limits.unprivileged()
        cls.pair.start()

    def setUp(self):
        super().setUp()
        self.domains = self.table("hash", "domains", ["rl.example"])
        self.names = self.file("names", ["va.example"])
        self.boxes = self.table("hash", "boxes", ["vmla@vm.example"])
        self.settings = {
            "mydestination": "lo.example", "virtual_alias_domains": self.names, "virtual_mailbox_domains": "vm.example",
            "relay_domains": self.domains, "local_recipient_maps": "inline:{lola=x}",
            "virtual_alias_maps": "inline:{vala@va.example=x}", "virtual_mailbox_maps": self.boxes,
            "relay_recipient_maps": "inline:{rlla@rl.example=x}"}
        self.primary_has(self.settings)
        self.backup_says(MEMBERS, STRANGERS)
        self.wait_well()
        self.serial = self.zone()["serial"]

    def wait_well(self):
        """Whatever this test, or one before it, took away may go."""
        def well():
            self.pair.master.rxfer("approve", "example")
            return self.status()[0] == 0
        wait_for(well, 30, lambda: f"a good status\n{self.status()[1]}")

    def zone(self):
        return self.pair.master.status()["zones"][0]

    def status(self):
        status, out, _ = self.pair.master.rxfer("status")
        return status, " ".join(out.split())

    def verdicts(self, addresses):
        with smtp.Session(self.backup.port) as session:
            return {address: session.verdict(address)[0] // 100 for address in addresses}

    def backup_says(self, accepted, refused):
        expected = {**dict.fromkeys(accepted, 2), **dict.fromkeys(refused, 5)}

        def says():
            self._domains_changed()
            self.pair.master.rxfer("approve", "example")
            return self.verdicts(expected) == expected
        wait_for(says, 30, lambda: f"{expected}\n{self.verdicts(expected)}\n{self.status()[1]}")

    def sick(self, *words):
        """Status isn't well and says all these words; the zone is what it was."""
        def told():
            status, text = self.status()
            return status in (1, 2) and all(word in text for word in words)
        wait_for(told, 30, lambda: f"a status with {words}\n{self.status()[1]}\n{self.pair.logs()}")
        self.assertEqual(self.zone()["serial"], self.serial)
        self.assertEqual(self.verdicts(MEMBERS + STRANGERS),
                         {**dict.fromkeys(MEMBERS, 2), **dict.fromkeys(STRANGERS, 5)})

    def well(self, accepted=(), refused=()):
        """By itself. A change gets through."""
        self.backup_says(MEMBERS + list(accepted), [s for s in STRANGERS if s not in accepted] + list(refused))
        self.wait_well()
        self.change({"local_recipient_maps": "inline:{lola=x new=x}"})
        self.backup_says(MEMBERS + ["new@lo.example"], [])

    # -- permissions ---------------------------------------------------------------------------------------------------

    def test_a_map_of_wrong_permission(self):
        os.chmod(f"{self.files}/boxes.db", 0o640)
        self.sick("virtual_mailbox_maps", f"{self.files}/boxes.db", "Permission denied", "usermod -aG root nobody")
        os.chmod(f"{self.files}/boxes.db", 0o644)
        self.well()

    def test_a_table_of_domains_of_wrong_permission(self):
        os.chmod(f"{self.files}/domains.db", 0o600)
        self.sick(f"relay_domains = {self.domains}", f"{self.files}/domains.db", "Permission denied",
                  "nobody needs permission for it", "0600")
        os.chmod(f"{self.files}/domains.db", 0o644)
        self.well()

    def test_an_unreadable_file_of_domains(self):
        os.chmod(self.names, 0o600)
        self.sick(f"virtual_alias_domains = {self.names}", "Permission denied", "nobody needs permission for it", "0600")
        os.chmod(self.names, 0o644)
        self.well()

    def test_main_cf_of_wrong_permission(self):
        path = os.path.join(self.primary.config, "main.cf")
        os.chmod(path, 0o600)
        self.sick(path, "Permission denied")
        os.chmod(path, 0o644)
        self.well()

    # -- what isn't there ----------------------------------------------------------------------------------------------

    def test_an_index_that_is_missing(self):
        self.change({"virtual_mailbox_maps": f"{self.boxes} hash:{self.files}/more"})
        self.sick("virtual_mailbox_maps", f"{self.files}/more.db", f"run postmap hash:{self.files}/more")
        self.table("hash", "more", ["nobody@vm.example"])
        self.well(["nobody@vm.example"])

    def test_a_table_of_domains_that_is_missing(self):
        self.change({"relay_domains": f"{self.domains} hash:{self.files}/more"})
        self.sick(f"relay_domains = hash:{self.files}/more", "No such file", f"postmap hash:{self.files}/more")
        self.table("hash", "more", ["more.example"])
        self.well()

    def test_a_table_of_transports_that_is_missing(self):
        self.change({"transport_maps": f"hash:{self.files}/transport"})
        self.sick(f"transport_maps = hash:{self.files}/transport", "No such file")
        self.table("hash", "transport", {"else.example": "smtp:"})
        self.well()

    def test_a_file_of_domains_that_is_missing(self):
        os.unlink(self.names)
        self.sick(f"virtual_alias_domains = {self.names}", "No such file")
        self.file("names", ["va.example"])
        self.well()

    def moved(self, path, *words):
        os.rename(path, f"{path}.away")
        try:
            self.sick(*words)
        finally:
            os.rename(f"{path}.away", path)
        self.well()

    def test_main_cf_is_missing(self):
        path = os.path.join(self.primary.config, "main.cf")
        self.moved(path, path, "No such file")

    def test_master_cf_is_missing(self):
        path = os.path.join(self.primary.config, "master.cf")
        self.moved(path, path, "No such file")

    def test_config_directory_is_missing(self):
        self.moved(self.primary.config, self.primary.config, "No such file")

    # -- what can't be understood --------------------------------------------------------------------------------------

    def test_a_map_type_that_is_unknown(self):
        self.change({"virtual_mailbox_maps": f"{self.boxes} hsah:/etc/postfix/boxes"})
        self.sick("virtual_mailbox_maps = hsah:/etc/postfix/boxes", "doesn't know maps of this type")
        self.change(self.settings)
        self.well()

    def test_master_cf_with_a_syntax_error(self):
        path = os.path.join(self.primary.config, "master.cf")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        self.primary._write("master.cf", f"{text}smtp inet n\n")
        self.sick(path)
        self.primary._write("master.cf", text)
        self.well()

    # -- damage --------------------------------------------------------------------------------------------------------

    def test_an_index_that_is_truncated(self):
        many = [f"user{n}@vm.example" for n in range(2000)]
        self.table("hash", "boxes", ["vmla@vm.example", *many])
        self.backup_says(MEMBERS + many[:1], STRANGERS)
        self.serial = self.zone()["serial"]
        with open(f"{self.files}/boxes.db", "r+b") as f:
            f.truncate(8192)
        self.sick("virtual_mailbox_maps", f"{self.files}/boxes", f"run postmap {self.boxes}")
        self.table("hash", "boxes", ["vmla@vm.example", *many])
        self.well(many[-1:])

    def test_a_table_of_domains_that_is_truncated(self):
        many = [f"a{n}.other.example" for n in range(2000)]
        self.table("hash", "domains", ["rl.example", *many])
        self.change({"relay_recipient_maps": "inline:{rlla@rl.example=x zoe@a7.other.example=x}"})
        self.backup_says([*MEMBERS, "zoe@a7.other.example"], STRANGERS)
        self.wait_well()
        self.serial = self.zone()["serial"]
        with open(f"{self.files}/domains.db", "r+b") as f:
            f.truncate(8192)
        self.sick(f"relay_domains = {self.domains}", f"postmap {self.domains}")
        self.table("hash", "domains", ["rl.example", *many])
        self.well(["zoe@a7.other.example"])

    def test_a_map_that_changes_while_it_is_read(self):
        """Texts written in place and slowly, an index made again and again: whatever is read, nobody is lost."""
        lines = [f"user{n}@vm.example" for n in range(20000)]
        text = self.table("texthash", "text", ["vmla@vm.example", *lines])
        self.change({"virtual_mailbox_maps": f"{self.boxes} {text}"})
        self.backup_says(MEMBERS + [lines[0], lines[-1]], STRANGERS)
        done = threading.Event()

        def write():
            while not done.is_set():
                with open(f"{self.files}/text", "w", encoding="utf-8") as f:
                    f.writelines(f"{line} x\n" for line in lines)
                self.primary.postmap(self.boxes)
        writer = threading.Thread(target=write)
        writer.start()
        members = MEMBERS + lines[::1999]
        try:
            stays(lambda: set(self.verdicts(members).values()) == {2}, 4, lambda: f"{self.verdicts(members)}")
        finally:
            done.set()
            writer.join()
        self.table("texthash", "text", [*lines[:-1], "nobody@vm.example"])
        past = time.time() - 60                  # of a text that rests
        os.utime(f"{self.files}/text", (past, past))
        self.well(["nobody@vm.example"], lines[-1:])

    # -- Postfix's own commands ----------------------------------------------------------------------------------------

    def broken_command(self, name, script):
        """Puts a script in its place until the test's cure()."""
        path = os.path.join(self.shared, "bin", name)
        real = os.readlink(path)

        def replace(make):
            make(f"{path}.new")
            os.rename(f"{path}.new", path)

        def write(new):
            with open(new, "w", encoding="utf-8") as f:
                f.write(f"#!/bin/sh\n{script}\n")
            os.chmod(new, 0o755)
        replace(write)
        self.addCleanup(lambda: os.path.islink(path) or replace(lambda new: os.symlink(real, new)))
        return lambda: replace(lambda new: os.symlink(real, new))

    def test_postconf_fails(self):
        cure = self.broken_command("postconf", "echo 'postconf: fatal: out of ideas' >&2; exit 1")
        self.pair.master.rxfer("refresh", "example")
        self.sick(self.primary.config, "out of ideas")
        cure()
        self.well()

    def test_postconf_prints_rubbish(self):
        cure = self.broken_command("postconf", "echo rubbish")
        self.pair.master.rxfer("refresh", "example")
        self.sick(self.primary.config, "rubbish")
        cure()
        self.well()

    def test_postconf_hangs(self):
        cure = self.broken_command("postconf", "exec sleep 1000")
        self.pair.master.rxfer("refresh", "example")
        self.sick(self.primary.config, "within 4000 ms", "timeout")
        cure()
        self.well()

    def test_postconf_is_missing(self):
        path = os.path.join(self.shared, "bin", "postconf")
        self.addCleanup(lambda: os.path.lexists(path) or os.rename(f"{path}.away", path))
        os.rename(path, f"{path}.away")
        self.pair.master.rxfer("refresh", "example")
        self.sick("there is no postconf in", "correct command_directory")
        os.rename(f"{path}.away", path)
        self.well()

    def test_postmap_fails(self):
        """It is asked for what pipes and transports answer."""
        pipe = f"pipemap:{{{self.boxes}, inline:{{x=y}}}}"
        cure = self.broken_command("postmap", "echo 'postmap: fatal: no memory' >&2; exit 1")
        self.change({"virtual_mailbox_maps": pipe})
        self.sick("virtual_mailbox_maps", pipe, "no memory")
        cure()
        self.well()


if __name__ == "__main__":
    runner.main()
