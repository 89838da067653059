#!/usr/bin/python3
"""A backup whose disk is full or can't be written: Postfix's table stays as it was, status says why, and all recovers
by itself when there is room. Each test has a small file system of its own."""
import os
import subprocess

from lib import runner
from lib.rxfer import Pair
from lib.wait import wait_for


class Disk(runner.TestCase):
    def setUp(self):
        super().setUp()
        self.disk = os.path.join(self.folder, "disk")
        os.mkdir(self.disk)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "rxfer-test", self.disk], capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"can't mount a small file system: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", self.disk], check=True)
        self.path = os.path.join(self.folder, "users")
        self.keys = {f"user{i}@example.com" for i in range(2000)}
        self.write()
        self.pair = Pair(self.folder, f'map = "{self.path}"', zone="refresh = 1  retry = 1")
        self.addCleanup(self.pair.stop)

    def write(self):
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            f.writelines(f"{key} x\n" for key in sorted(self.keys))
        os.rename(self.path + ".new", self.path)

    def change(self, count=1):
        self.keys = self.keys | {f"new{len(self.keys) + i}@example.com" for i in range(count)}
        self.write()

    def fill(self):
        """Not a byte is left."""
        with open(os.path.join(self.disk, "filler"), "wb", buffering=0) as f:
            for size in (65536, 4096, 1):
                try:
                    while True:
                        f.write(b"x" * size)
                except OSError:
                    pass

    def free(self):
        os.unlink(os.path.join(self.disk, "filler"))

    def state_on_disk(self):
        self.pair.replica.state = os.path.join(self.disk, "state")
        self.pair.write()

    def tables_on_disk(self):
        tables = self.pair.replica.table("")
        self.pair.replica_text = self.pair.replica_text.replace(tables, os.path.join(self.disk, "tables/"))
        self.pair.replica.table = lambda name="relay_recipients": os.path.join(self.disk, "tables", name)
        self.pair.write()

    def told(self, *words):
        """Status isn't well, and says all the words."""
        def says():
            status, out, _ = self.pair.replica.rxfer("status")
            return status in (1, 2) and all(word in out for word in words)
        wait_for(says, 20, lambda: f"{words} in\n{self.pair.replica.rxfer('status')[1]}{self.pair.logs()}")

    def well(self):
        wait_for(lambda: self.pair.replica.rxfer("status")[0] == 0, 30,
                 lambda: f"a healthy replica\n{self.pair.replica.rxfer('status')[1]}{self.pair.logs()}")

    def begin(self):
        self.pair.start()
        self.pair.wait_keys(self.keys)
        self.well()

    def test_no_room_for_changes(self):
        self.state_on_disk()
        self.begin()
        before = self.keys
        self.fill()
        self.change(200)
        self.told("No space")
        self.assertEqual(self.pair.replica.rxfer("status")[0], 2, "there are changes, and they can't be taken")
        self.assertEqual(self.pair.keys(), before)
        self.free()
        self.pair.wait_keys(self.keys, 30)
        self.well()

    def test_killed_and_started_without_room(self):
        self.state_on_disk()
        self.begin()
        before = self.keys
        self.fill()
        self.change(200)
        self.told("No space")
        self.pair.replica.kill()
        self.pair.replica.start()
        self.assertEqual(self.pair.keys(), before)
        self.told("No space")
        self.assertEqual(self.pair.keys(), before)
        self.free()
        self.pair.wait_keys(self.keys, 30)
        self.well()

    def test_no_room_for_the_table(self):
        self.tables_on_disk()
        self.begin()
        before = self.keys
        self.fill()
        self.change()
        self.told("make room", "relay_recipients")
        self.assertEqual(self.pair.replica.rxfer("status")[0], 2)
        self.assertEqual(self.pair.keys(), before)
        self.pair.replica.kill()
        self.pair.replica.start()
        self.told("make room", "relay_recipients")
        self.assertEqual(self.pair.keys(), before)
        self.free()
        self.pair.replica.rxfer("refresh")
        self.pair.wait_keys(self.keys)
        self.well()

    def test_tables_read_only(self):
        self.tables_on_disk()
        self.begin()
        before = self.keys
        subprocess.run(["mount", "-o", "remount,ro", self.disk], check=True)
        self.change()
        self.told("relay_recipients", "ead-only")
        self.assertEqual(self.pair.replica.rxfer("status")[0], 2)
        self.assertEqual(self.pair.keys(), before)
        subprocess.run(["mount", "-o", "remount,rw", self.disk], check=True)
        self.pair.replica.rxfer("refresh")
        self.pair.wait_keys(self.keys)
        self.well()

    def test_no_room_for_the_whole_zone(self):
        """It isn't even begun: the disk isn't filled for nothing."""
        self.keys = {f"user{i}@{'x' * 50}.example.com" for i in range(30000)}
        self.write()
        self.pair.replica_text = self.pair.replica_text.replace('"example.com"', f'"{"x" * 50}.example.com"')
        self.state_on_disk()
        self.pair.start()
        self.told("there is no room for a whole transfer", "make room")
        self.assertEqual(self.pair.replica.rxfer("status")[0], 2)
        self.assertIsNone(self.pair.keys(), "no table before the first transfer")
        self.assertGreater(os.statvfs(self.disk).f_bavail * os.statvfs(self.disk).f_bsize, 2_000_000)
        subprocess.run(["mount", "-o", "remount,size=60m", self.disk], check=True)
        self.pair.wait_keys(self.keys, 30)
        self.well()


if __name__ == "__main__":
    runner.main()
