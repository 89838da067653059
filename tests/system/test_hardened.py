#!/usr/bin/python3
"""Both daemons under their units' limits (lib/sandbox.py): they, Postfix's commands and the readers need nothing that the
units deny, and what their user may not read is named with the way to allow it."""
import os
import platform
import shutil
import subprocess
import tempfile

from lib import env, limits, runner
from lib.postfix import Postfix
from lib.rxfer import Pair
from lib.sandbox import HEADERS
from lib.wait import wait_for

USER = limits.USER


class Hardened(runner.TestCase):
    def setUp(self):
        super().setUp()
        if platform.machine() != "x86_64" or not any(map(os.path.exists, HEADERS)) or not shutil.which("systemd-analyze"):
            self.skipTest("system call filters can be made here on x86-64 alone, with the kernel's headers and systemd")
        done = self.run_limited("true")
        if done.returncode != 0:
            self.skipTest(f"a unit's limits can't be had here: {done.stderr.strip()}")

    def wrapper(self, unit="rxfer-master"):
        keep = [self.folder, env.BUILD, env.SOURCE, os.path.dirname(env.postfix().bin), env.postfix().meta_directory,
                env.postfix().shlib_directory, env.postfix().daemon_directory, env.postfix().command_directory]
        keep += [path for path in env.postfix().library_path.split(":") if path]
        return ("/usr/bin/python3", "-B", os.path.join(env.SYSTEM, "lib", "sandbox.py"),
                os.path.join(env.SOURCE, "systemd", f"{unit}.service.in"), USER, ":".join(keep))

    def run_limited(self, *command):
        return subprocess.run([*self.wrapper(), *command], text=True, capture_output=True, check=False)

    def postfix(self):
        """Something of everything that is read."""
        primary = Postfix("primary", self.folder)
        maps = os.path.join(self.folder, "maps")
        os.mkdir(maps)
        for kind in ("hash", "btree", "lmdb", "cdb"):
            primary.write_map(f"{maps}/{kind}", {f"{kind}@vm.example": "a"}, kind)
        primary.write_map(f"{maps}/transport", {"gone@vm.example": "error:no", "*": "smtp:"})
        for name, text in (("text", "text@vm.example a\n"), ("names", "rl.example\n"), ("aliases", "alias: x\n")):
            with open(f"{maps}/{name}", "w", encoding="utf-8") as f:
                f.write(text)
        primary.command("postalias", f"hash:{maps}/aliases")
        primary.main_cf.update({
            "mydestination": "lo.example", "alias_maps": f"hash:{maps}/aliases", "virtual_mailbox_domains": "vm.example",
            "relay_domains": f"{maps}/names", "transport_maps": f"hash:{maps}/transport",
            "virtual_mailbox_maps": f"hash:{maps}/hash btree:{maps}/btree lmdb:{maps}/lmdb cdb:{maps}/cdb "
                                    f"texthash:{maps}/text",
            "relay_recipient_maps": "inline:{inline@rl.example=x} "
                                    f"pipemap:{{inline:{{pipe@rl.example=alias}} hash:{maps}/aliases}}"})
        primary.write_config()
        self.maps = maps
        return primary

    def plan(self, primary, wrapper=()):
        done = subprocess.run([*wrapper, env.program("rxfer-master"), "--postfix",
                               f"{primary.config}\037commands\037{env.postfix().bin}"],
                              text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_limits_hold(self):
        """Else the other tests say nothing."""
        outside = tempfile.mkdtemp(dir="/tmp")
        self.addCleanup(os.rmdir, outside)
        tries = {
            "a read-only file system": f"open({env.SOURCE + '/x'!r}, 'w')",
            "no home": "import os; os.listdir('/root')",
            "a /tmp of its own": f"import os; os.stat({outside!r})",
            "no devices": "import os; os.stat('/dev/kmsg')",
            "nobody else's processes": "open('/proc/1/stat')",
            "no other sockets": "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
            "no privileges": "import os; os.setuid(0)",
            "no privileged calls": "import os; os.chroot('/')",
            "no resources": "import os; os.setpriority(os.PRIO_PROCESS, 0, 5)",
            "no written code": "import mmap; mmap.mmap(-1, 4096, prot=7)",
        }
        for name, text in tries.items():
            with self.subTest(name):
                done = self.run_limited("python3", "-c", text)
                self.assertEqual(done.returncode, 1, f"{text}: allowed")
                self.assertRegex(done.stderr, "(Permission|FileNotFound|OS)Error")

    def test_the_plan_is_the_same(self):
        primary = self.postfix()
        ours = self.plan(primary)
        self.assertNotIn("\nproblem\t", ours)
        self.assertIn("\naway\tgone@vm.example\n", ours)
        self.assertEqual(self.plan(primary, self.wrapper()), ours)

    def test_both_daemons(self):
        primary = self.postfix()
        pair = Pair(self.folder, "", domains=("*",), zone="settle_ms = 20")
        where = f'config_directory = "{primary.config}"  command_directory = "{env.postfix().bin}"'
        pair.master_text = pair.master_text.replace(
            'source "map" {  }', f"postfix {{ {where} }}\n"
            'source "more" { command = "echo command@vm.example | cat"  interval = 3600 }')
        pair.write()
        for daemon in (pair.master, pair.replica):
            daemon.give_to(USER)
            daemon.wrapper = self.wrapper(daemon.program)
        self.addCleanup(pair.stop)
        pair.start()

        def keys():
            return {key for key in pair.keys() or () if key.endswith(("@vm.example", "@rl.example"))}
        members = {f"{name}@vm.example" for name in ("hash", "btree", "lmdb", "cdb", "text", "command")}
        members |= {"inline@rl.example", "pipe@rl.example"}
        wait_for(lambda: keys() == members, 30, lambda: f"{members}\n{keys()}\n{pair.logs()}")
        self.assertLessEqual({"root@lo.example", "alias@lo.example"}, pair.keys())
        primary.write_map(f"{self.maps}/lmdb", ["lmdb@vm.example", "new@vm.example"], "lmdb")
        wait_for(lambda: keys() == members | {"new@vm.example"}, 30, lambda: f"the new one\n{pair.logs()}")

    def test_what_may_not_be_read(self):
        primary = self.postfix()
        shutil.chown(f"{self.maps}/names", 0, "mail")
        os.chmod(f"{self.maps}/names", 0o640)
        os.chmod(f"{self.maps}/transport.db", 0o600)
        said = self.plan(primary, self.wrapper())
        self.assertIn(f"\nproblem\trelay_domains\t{self.maps}/names\tcan't open {self.maps}/names: Permission denied; "
                      f"{USER} needs permission for it: usermod -aG mail {USER}, and start it again\n", said)
        self.assertIn(f"\nproblem\ttransport_maps\thash:{self.maps}/transport\tcan't open {self.maps}/transport.db: "
                      f"Permission denied; {USER} needs permission for it: its mode is 0600, and it's of user id 0\n",
                      said)


if __name__ == "__main__":
    runner.main()
