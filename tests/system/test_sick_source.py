#!/usr/bin/python3
"""A sick source: the backup's table stays, status turns with the reason, and all recovers when the source does."""
import os
import subprocess

from lib import child, runner
from lib.postfix import Postfix
from lib.rxfer import Pair
from lib.wait import stays, wait_for

KEYS = {f"user{n}@example.com" for n in range(40)}


class SickSource(runner.TestCase):
    def start(self, source, zone="settle_ms = 20"):
        self.pair = Pair(self.folder, source, zone=zone)
        self.addCleanup(self.pair.stop)
        self.pair.start()
        self.pair.wait_keys(KEYS)

    def write(self, path, keys=KEYS):
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.writelines(f"{key} x\n" for key in sorted(keys))
        os.rename(path + ".new", path)

    def wait_sick(self, *words):
        """Waits until status isn't well and says all the words; the table still has everybody."""
        def sick():
            code, out, _ = self.pair.master.rxfer("status")
            shown = " ".join(out.split())                # long sentences are wrapped
            return code in (1, 2) and all(word in shown for word in words)
        wait_for(sick, 20, lambda: f"a status with {words}\n{self.pair.master.rxfer('status')[1]}\n{self.pair.logs()}")
        self.assertEqual(self.pair.keys(), KEYS)

    def wait_well(self):
        """Recovery is real: a new address gets through, and status says OK."""
        self.pair.wait_keys(KEYS | {"recovered@example.com"})
        wait_for(lambda: self.pair.master.rxfer("status")[0] == 0, 20,
                 lambda: f"a good status\n{self.pair.master.rxfer('status')[1]}")

    def text(self):
        path = os.path.join(self.folder, "users")
        self.write(path)
        self.start(f'map = "{path}"  interval = 1')
        return path

    def test_missing(self):
        path = self.text()
        os.unlink(path)
        self.wait_sick(path, "No such file")
        self.write(path, KEYS | {"recovered@example.com"})
        self.wait_well()

    def test_missing_across_a_restart_of_the_master(self):
        path = self.text()
        os.unlink(path)
        self.pair.master.stop()
        self.pair.master.start()
        self.wait_sick(path, "No such file")
        self.write(path, KEYS | {"recovered@example.com"})
        self.wait_well()

    def test_unreadable(self):
        path = self.text()
        os.unlink(path)
        os.mkdir(path)                       # root reads files of any mode; nobody reads a folder as a map
        self.wait_sick(path)
        os.rmdir(path)
        self.write(path, KEYS | {"recovered@example.com"})
        self.wait_well()

    def test_truncated_to_nothing(self):
        path = self.text()
        with open(path, "w", encoding="utf-8"):
            pass
        self.wait_sick("held", "rxfer approve example")
        self.write(path, KEYS | {"recovered@example.com"})
        self.wait_well()
        self.assertEqual(self.pair.master.status()["zones"][0]["held_deletions"], 0)

    def test_half_of_it_is_held_and_a_restart_does_not_let_go(self):
        path = self.text()
        self.write(path, sorted(KEYS)[:20])
        self.wait_sick("held")
        self.write(path, sorted(KEYS)[:39])          # almost recovered: what was held stays held
        wait_for(lambda: self.pair.master.status()["zones"][0]["held_deletions"] == 1, 20, "one held deletion")
        self.pair.master.stop()
        self.pair.master.start()
        self.wait_sick("held")
        # Refused until the source has been read again.
        wait_for(lambda: self.pair.master.rxfer("approve", "example")[0] == 0, 20,
                 lambda: f"approval\n{self.pair.master.rxfer('approve', 'example')}")
        self.pair.wait_keys(sorted(KEYS)[:39])

    def test_index_with_pages_lost(self):
        primary = Postfix("primary", self.folder)
        path = os.path.join(self.folder, "virtual")
        primary.write_map(path, sorted(KEYS))
        self.start(f'map = "hash:{path}"  interval = 1')
        with open(path + ".db", "r+b") as f:
            f.truncate(4096)
        self.wait_sick(path)
        primary.write_map(path, sorted(KEYS | {"recovered@example.com"}))
        self.wait_well()

    def test_index_killed_in_the_middle_of_postmap(self):
        """A real postmap, killed as soon as it has begun to write; what it leaves is an empty or a partial index."""
        primary = Postfix("primary", self.folder)
        path = os.path.join(self.folder, "virtual")
        primary.write_map(path, sorted(KEYS))
        self.start(f'map = "hash:{path}"  interval = 1')

        def look():
            try:
                now = os.stat(path + ".db")
            except FileNotFoundError:        # postmap removes an empty one, then makes its own
                return None
            return now.st_size, now.st_mtime_ns
        before = look()
        many = [f"many{n}@example.com" for n in range(60000)] + sorted(KEYS)
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(f"{key} x\n" for key in many)
        for _ in range(5):
            process = subprocess.Popen([os.path.join(primary.where.bin, "postmap"), "-c", primary.config, f"hash:{path}"],
                                       env=primary._environment())

            def begun():
                return look() not in (None, before) or process.poll() is not None
            wait_for(begun, 20, "a postmap that writes")
            process.kill()
            process.wait()
            before = look()
            self.pair.master.rxfer("refresh", "example")
            stays(lambda: KEYS <= self.pair.keys(), 0.5, lambda: f"everybody is accepted\n{self.pair.logs()}")
        primary.write_map(path, many + ["recovered@example.com"])
        wait_for(lambda: "recovered@example.com" in self.pair.keys(), 30, lambda: f"recovery\n{self.pair.logs()}")
        self.assertLessEqual(KEYS, self.pair.keys())
        wait_for(lambda: self.pair.master.rxfer("status")[0] == 0, 20, "a good status")

    def command(self, body):
        path = os.path.join(self.folder, "list")
        users = os.path.join(self.folder, "users")
        self.write(users)
        self.script(path, f"sed 's/ x$//' {users}")
        self.start(f'command = "{path}"  interval = 1  timeout = 1')
        self.script(path, body)
        return path

    def script(self, path, body):
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\n{body}\n")
        os.chmod(path + ".new", 0o755)
        os.rename(path + ".new", path)

    def heal(self, path):
        self.write(os.path.join(self.folder, "users"), KEYS | {"recovered@example.com"})
        self.script(path, f"sed 's/ x$//' {self.folder}/users")
        self.wait_well()

    def test_command_fails(self):
        path = self.command("echo user1@example.com; echo 'directory server is down' >&2; exit 3")
        self.wait_sick("ended with status 3", "directory server is down")
        self.heal(path)

    def test_command_hangs(self):
        path = self.command("echo user1@example.com; exec sleep 1000")
        self.wait_sick("1 s")
        self.heal(path)
        self.assertEqual(self.sleepers(), [])

    def sleepers(self):
        """Processes of the master's group beside itself."""
        return [pid for pid in child.group_members(self.pair.master.pid) if pid != self.pair.master.pid]

    def test_command_prints_rubbish(self):
        path = self.command("cat /bin/sh")
        self.wait_sick("line 1")
        self.heal(path)

    def test_command_prints_an_error_page(self):
        path = self.command("echo '<html>'; echo 'Internal error'; echo '</html>'")
        self.wait_sick("line")
        self.heal(path)

    def test_one_sick_of_two_does_not_stop_the_other(self):
        first, second = os.path.join(self.folder, "first"), os.path.join(self.folder, "second")
        half = sorted(KEYS)[:20]
        self.write(first, half)
        self.write(second, KEYS - set(half))
        pair = self.pair = Pair(self.folder, f'map = "{first}"  interval = 1', zone=f'''settle_ms = 20
            source "second" {{ map = "{second}"  interval = 1 }}''')
        self.addCleanup(pair.stop)
        pair.start()
        pair.wait_keys(KEYS)
        os.unlink(second)
        self.wait_sick(second)
        self.write(first, half + ["added@example.com"])
        pair.wait_keys(KEYS | {"added@example.com"})
        # After a restart nobody knows what the sick one holds: additions go on, deletions wait.
        pair.master.stop()
        pair.master.start()
        self.write(first, half[1:] + ["later@example.com"])
        pair.wait_keys(KEYS | {"added@example.com", "later@example.com"})
        stays(lambda: half[0] in pair.keys(), 0.5, f"{half[0]} is still accepted")
        self.write(second, KEYS - set(half))
        pair.wait_keys((KEYS | {"later@example.com"}) - {half[0]})


if __name__ == "__main__":
    runner.main()
