#!/usr/bin/python3
"""Both daemons under valgrind through a whole life: first transfer, changes, a sick source, reload, retransfer, end.

Clean means: no invalid access, no use of what was never set, nothing definitely lost, and no descriptor left behind.
"""
import os
import shutil

from lib import env, runner
from lib.rxfer import Pair
from lib.wait import wait_for

VALGRIND = ("valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", "--show-leak-kinds=definite",
            "--errors-for-leak-kinds=definite", "--child-silent-after-fork=yes", "--trace-children=no")


class Valgrind(runner.TestCase):
    def setUp(self):
        if shutil.which("valgrind") is None:
            self.skipTest("valgrind isn't installed")
        with open(env.program("rxfer-master"), "rb") as f:
            if b"__asan_init" in f.read():
                self.skipTest("built with sanitizers")
        super().setUp()

    def write(self, keys):
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            f.writelines(f"{key} x\n" for key in sorted(keys))
        os.rename(self.path + ".new", self.path)

    def test_a_whole_life(self):
        self.path = os.path.join(self.folder, "users")
        keys = {f"user{n}@example.com" for n in range(500)}
        self.write(keys)
        pair = self.pair = Pair(self.folder, f'map = "{self.path}"  interval = 1', zone="refresh = 1  retry = 1")
        self.addCleanup(pair.stop)
        pair.master.start(VALGRIND)
        pair.replica.start(VALGRIND)
        pair.wait_keys(keys, 60)
        for n in range(5):
            keys = (keys | {f"new{n}@example.com"}) - {f"user{n}@example.com"}
            self.write(keys)
            pair.wait_keys(keys, 60)
        os.unlink(self.path)
        wait_for(lambda: pair.master.rxfer("status")[0] == 1, 30, "a warning")
        self.write(keys)
        wait_for(lambda: pair.master.rxfer("status")[0] == 0, 30, "all well again")
        for daemon in (pair.master, pair.replica):
            daemon.reload()
        serial = pair.master.status()["zones"][0]["serial"]
        self.assertEqual(pair.replica.rxfer("retransfer", "example")[0], 0)
        wait_for(lambda: pair.master.status()["replicas"][0]["zones"][0]["served"] == serial, 30, "served")
        self.assertEqual(len(pair.replica.list("example")), len(pair.master.list("example")))
        keys |= {"last@example.com"}
        self.write(keys)
        pair.wait_keys(keys, 60)
        pair.stop()                          # fails unless both end with 0; valgrind's 99 shows its log


if __name__ == "__main__":
    runner.main(root=False)
