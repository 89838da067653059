#!/usr/bin/python3
"""The accounts of the system as recipients: local_recipient_maps as it is by default. Primary and master see an /etc of
their own, a copy that the test changes; the machine's stays as it is."""
import os
import shutil
import subprocess
import unittest

from lib import env, limits, runner
from lib.both import BothCase
from lib.wait import wait_for

ENTRY = "{name}:x:{number}:65534:a test:/nonexistent:/usr/sbin/nologin\n"


class Accounts(BothCase):
    LIMITS = "interval = 86400  timeout = 4"

    @classmethod
    def setUpClass(cls):
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
            raise unittest.SkipTest("no mount namespace of our own can be had here")
        if not env.open_to_all(env.postfix().shlib_directory):
            raise unittest.SkipTest("proxymap can't reach this Postfix's libraries when it has given up root")
        super().setUpClass()

    @classmethod
    def start_primary(cls):
        cls.etc = os.path.join(cls.shared, "etc")
        subprocess.run(["cp", "-a", "/etc", cls.etc], check=True)
        cls.primary.wrapper = cls.pair.master.wrapper = limits.with_folder(cls.etc, "/etc")
        super().start_primary()

    def replace(self, name, change):
        """Rewrites a file of this /etc as useradd does: whole."""
        path = os.path.join(self.etc, name)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(f"{path}.new", "w", encoding="utf-8") as f:
            f.write(change(text))
        os.rename(f"{path}.new", path)

    def status(self):
        status, out, _ = self.pair.master.rxfer("status")
        return status, " ".join(out.split())

    def sick(self, *words):
        wait_for(lambda: self.status()[0] in (1, 2) and all(word in self.status()[1] for word in words), 30,
                 lambda: f"a status with {words}\n{self.status()[1]}\n{self.pair.logs()}")
        self.agree_at_backup()

    def agree_at_backup(self):
        self.assertEqual({a: self.verdict(a) for a in ("root@lo.example", "anne@lo.example", "nobody.here@lo.example")},
                         {"root@lo.example": 2, "anne@lo.example": 2, "nobody.here@lo.example": 5})

    def well(self):
        wait_for(lambda: self.status()[0] == 0, 30, lambda: f"a good status\n{self.status()[1]}")

    def setUp(self):
        super().setUp()
        self.primary_has({"mydestination": "lo.example", "alias_maps": ""})
        self.replace("passwd", lambda text: text + ENTRY.format(name="anne", number=60001))
        self.addCleanup(shutil.copyfile, "/etc/passwd", os.path.join(self.etc, "passwd"))
        self.agree(["root@lo.example", "anne@lo.example"], ["nobody.here@lo.example"])
        self.well()

    def test_an_account_comes_and_goes(self):
        self.replace("passwd", lambda text: text + ENTRY.format(name="bert", number=60002))
        self.agree(["root@lo.example", "anne@lo.example", "bert@lo.example"])
        self.replace("passwd", lambda text: "".join(x for x in text.splitlines(True) if not x.startswith("anne:")))
        self.agree(["root@lo.example", "bert@lo.example"], ["anne@lo.example"])

    def test_accounts_from_a_directory_too(self):
        """They can't be listed, so the list stays as it was, until what lists them is said."""
        self.replace("nsswitch.conf", lambda text: text.replace("passwd:", "passwd: sss"))
        self.sick("unix:passwd.byname", "accounts come from \"sss\" too", "getent passwd | cut -d: -f1")
        self.replace("nsswitch.conf", lambda text: text.replace("passwd: sss", "passwd:"))
        self.well()

    def test_an_account_database_that_hangs(self):
        """A pipe that nobody writes into is one: whoever opens it waits for ever, in a directory's client's stead."""
        path = os.path.join(self.etc, "passwd")
        os.mkfifo(f"{path}.new")
        shutil.copyfile(path, f"{path}.before")
        os.rename(f"{path}.new", path)
        try:
            self.sick("unix:passwd.byname", "account database doesn't answer within 4000 ms", "/etc/nsswitch.conf")
        finally:
            os.rename(f"{path}.before", path)
        self.replace("passwd", lambda text: text + ENTRY.format(name="carl", number=60003))
        self.agree(["root@lo.example", "anne@lo.example", "carl@lo.example"])
        self.well()


if __name__ == "__main__":
    runner.main()
