#!/usr/bin/python3
"""test_units.py: the systemd files: right by systemd's own judgement, and hardened: exposure below 2.0 for each."""
import os
import re
import shutil
import subprocess

from lib import env, runner

UNITS = ("rxfer-master", "rxfer-replica")
FOLDER = os.path.join(env.SOURCE, "systemd")
THRESHOLD = 20      # systemd's scale here is 0 to 100: exposure 2.0


def run(*command):
    """Exit status, and all that was printed."""
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout


class Units(runner.TestCase):
    """Each unit, with its @words@ replaced as make does."""

    def setUp(self):
        super().setUp()
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is not installed (package systemd)")
        for unit in UNITS:       # something to start, for systemd-analyze verify
            path = os.path.join(self.folder, unit)
            with open(path, "w", encoding="utf-8") as f:
                f.write("#!/bin/sh\n")
            os.chmod(path, 0o755)

    def unit(self, name, *extra):
        """Writes the finished unit, `extra` lines at the end of its [Service], returns its path."""
        with open(os.path.join(FOLDER, f"{name}.service.in"), encoding="utf-8") as f:
            text = f.read()
        text = text.replace("@sbindir@", self.folder).replace("@sysconfdir@", "/etc")
        self.assertIsNone(re.search(r"@[a-z]+dir@", text), "a word that make doesn't replace")
        text = text.replace("\n[Install]", "".join(f"\n{line}" for line in extra) + "\n[Install]")
        path = os.path.join(self.folder, f"{name}.service")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def security(self, path):
        return run("systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={THRESHOLD}", path)

    def test_exposure(self):
        for name in UNITS:
            with self.subTest(unit=name):
                status, text = self.security(self.unit(name))
                self.assertRegex(text, r"Overall exposure level for")
                self.assertEqual(status, 0, text)

    def test_exposure_would_be_noticed(self):
        """The same judge finds a unit without its limits too exposed."""
        status, text = self.security(self.unit("rxfer-master", "NoNewPrivileges=no", "ProtectSystem=no",
                                               "CapabilityBoundingSet=~", "User=root"))
        self.assertNotEqual(status, 0, text)

    def test_verify(self):
        for name in UNITS:
            with self.subTest(unit=name):
                status, text = run("systemd-analyze", "verify", "--man=no", self.unit(name))
                if "Failed to" in text and "manager" in text:
                    self.skipTest(f"systemd-analyze verify can't work here: {text.strip()}")
                complaints = [line for line in text.splitlines() if f"{name}.service" in line]
                self.assertEqual(complaints, [], text)
                self.assertEqual(status, 0, text)

    def test_needs(self):
        """What the daemons need is granted, and shared folders stay."""
        for name in UNITS:
            with open(self.unit(name), encoding="utf-8") as f:
                text = f.read()
            for line in ("Type=notify", "User=rxfer", "ExecReload=kill -HUP $MAINPID", "Restart=on-failure",
                         "RuntimeDirectory=rxfer", "RuntimeDirectoryPreserve=yes", "StateDirectoryMode=0755",
                         "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK"):
                self.assertIn(f"\n{line}\n", text)
            for line in ("NoExecPaths", "PrivateNetwork=yes", "DynamicUser=yes"):
                self.assertNotIn(line, text)

    def test_sysusers_and_tmpfiles(self):
        if shutil.which("systemd-sysusers") is not None:
            status, text = run("systemd-sysusers", "--dry-run", os.path.join(FOLDER, "rxfer.sysusers"))
            self.assertEqual(status, 0, text)
        root = os.path.join(self.folder, "root")
        os.makedirs(os.path.join(root, "etc"))
        for name, line in (("passwd", "rxfer:x:0:0::/:/bin/false\n"), ("group", "rxfer:x:0:\n")):
            with open(os.path.join(root, "etc", name), "w", encoding="utf-8") as f:
                f.write(line)
        if shutil.which("systemd-tmpfiles") is None or os.geteuid() != 0:
            self.skipTest("systemd-tmpfiles and root are needed for the rest")
        status, text = run("systemd-tmpfiles", "--create", f"--root={root}", os.path.join(FOLDER, "rxfer.tmpfiles"))
        self.assertEqual(status, 0, text)
        mode = os.stat(os.path.join(root, "var/lib/rxfer/tables")).st_mode & 0o7777
        self.assertEqual(mode, 0o755)


if __name__ == "__main__":
    runner.main()
