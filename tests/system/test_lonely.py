#!/usr/bin/python3
"""A backup whose master is gone, hangs, or comes back: expiry in both choices and over restarts, a connection that is
dead without a word, how soon the master is found again, and what waiting costs."""
import os
import signal
import time

from lib import runner
from lib.rxfer import Pair
from lib.wait import stays, wait_for

KEYS = {"alice@example.com", "bob@example.com"}
CATCH_ALL = {"@example.com", "@example.org"}


class Lonely(runner.TestCase):
    def pair_with(self, zone, on_expire="keep"):
        self.path = os.path.join(self.folder, "users")
        self.write(KEYS)
        self.pair = Pair(self.folder, f'map = "{self.path}"', domains=("example.com", "example.org"), zone=zone)
        self.pair.replica_text = self.pair.replica_text.replace(
            'zone "example" {', f'zone "example" {{ on_expire = "{on_expire}" ')
        self.pair.write()
        self.addCleanup(self.pair.stop)
        self.pair.start()
        self.pair.wait_keys(KEYS)

    def write(self, keys):
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            f.writelines(f"{key} x\n" for key in sorted(keys))
        os.rename(self.path + ".new", self.path)

    def zone(self):
        return self.pair.replica.status()["zones"][0]

    def wait_zone(self, seconds, **wanted):
        wait_for(lambda: wanted.items() <= self.zone().items(), seconds,
                 lambda: f"{wanted} in {self.zone()}\n{self.pair.logs()}")

    def wait_state(self, *states, seconds):
        wait_for(lambda: self.pair.replica.status()["masters"][0]["state"] in states, seconds,
                 lambda: f"state {states}\n{self.pair.replica.rxfer('status')[1]}{self.pair.logs()}")

    # ---- expiry ----

    def test_expired_accepts(self):
        self.pair_with("refresh = 1  retry = 1  expire = 6", "accept")
        self.pair.master.stop()
        self.wait_zone(10, freshness="stale", health="warning")
        self.assertEqual(self.pair.keys(), KEYS)
        self.wait_zone(10, freshness="expired", health="critical")
        self.assertIn("all recipients of its domains are accepted", self.zone()["reason"])
        self.pair.wait_keys(KEYS | CATCH_ALL)
        self.assertEqual(self.pair.keys("relay_domains"), {"example.com"}, "domains are nobody's to make up")
        for end in (self.pair.replica.stop, self.pair.replica.kill):
            index = os.stat(self.pair.replica.table() + ".db")
            end()
            self.pair.replica.start()
            self.wait_zone(5, freshness="expired", health="critical")
            self.assertEqual(self.pair.keys(), KEYS | CATCH_ALL)
            self.assertEqual(os.stat(self.pair.replica.table() + ".db").st_ino, index.st_ino, "written for nothing")
        self.write(KEYS | {"carol@example.com"})
        self.pair.master.start()
        self.pair.wait_keys(KEYS | {"carol@example.com"})
        self.wait_zone(5, freshness="fresh", health="ok")
        self.assertIn("no longer expired", self.pair.replica.log(100))

    def test_expired_while_it_was_stopped(self):
        self.pair_with("refresh = 1  retry = 1  expire = 2", "accept")
        self.pair.master.stop()
        self.pair.replica.stop()
        announced = time.time()
        wait_for(lambda: time.time() > announced + 2.1, 10, "the end of the last announcement's time")
        self.assertEqual(self.pair.keys(), KEYS)
        self.pair.replica.start()
        self.pair.wait_keys(KEYS | CATCH_ALL)
        self.pair.master.start()
        self.pair.wait_keys(KEYS)

    def test_expired_keeps(self):
        self.pair_with("refresh = 1  retry = 1  expire = 3")
        self.pair.master.stop()
        self.wait_zone(10, freshness="expired", health="critical")
        self.assertIn("the last list is in use", self.zone()["reason"])
        self.assertEqual(self.pair.replica.rxfer("status")[0], 2)
        self.assertEqual(self.pair.keys(), KEYS)
        self.pair.replica.kill()
        self.pair.replica.start()
        self.wait_zone(5, freshness="expired")
        self.assertEqual(self.pair.keys(), KEYS)
        self.pair.master.start()
        self.wait_zone(10, freshness="fresh", health="ok")

    # ---- the link ----

    def test_a_master_that_hangs(self):
        """No FIN, no answer. The status tells within the heartbeat's time, and all goes on when it wakes up."""
        self.pair_with("refresh = 2  retry = 1")
        os.kill(self.pair.master.pid, signal.SIGSTOP)
        try:
            self.wait_zone(20, freshness="stale", health="warning")
            self.wait_state("unreachable", "connecting", seconds=60)
            self.assertEqual(self.pair.replica.rxfer("status")[0], 1)
            self.assertEqual(self.pair.keys(), KEYS)
        finally:
            os.kill(self.pair.master.pid, signal.SIGCONT)
        self.write(KEYS | {"carol@example.com"})
        self.pair.wait_keys(KEYS | {"carol@example.com"}, 30)
        self.wait_zone(10, freshness="fresh", health="ok")

    def test_a_replica_that_hangs(self):
        """The master shows it as lost, and isn't held up by it."""
        self.pair_with("refresh = 2  retry = 1")

        def master_says():
            return self.pair.master.rxfer("status")[0]
        wait_for(lambda: master_says() == 0, 10, lambda: self.pair.master.rxfer("status")[1])
        os.kill(self.pair.replica.pid, signal.SIGSTOP)
        try:
            wait_for(lambda: master_says() == 2 or master_says() == 1, 30, lambda: self.pair.master.rxfer("status")[1])
            self.write(KEYS | {"carol@example.com"})
            wait_for(lambda: self.pair.master.status()["zones"][0]["serial"] == 2, 10, "serial 2 at the master")
        finally:
            os.kill(self.pair.replica.pid, signal.SIGCONT)
        self.pair.wait_keys(KEYS | {"carol@example.com"}, 30)
        wait_for(lambda: master_says() == 0, 20, lambda: self.pair.master.rxfer("status")[1])

    def test_a_restarted_master_is_found_soon(self):
        self.pair_with("refresh = 60  retry = 15")
        for i in range(3):
            self.pair.master.kill()
            self.wait_state("unreachable", seconds=5)
            self.write(KEYS | {f"user{i}@example.com"})
            self.pair.master.start()
            ready = time.monotonic()
            self.pair.wait_keys(KEYS | {f"user{i}@example.com"})
            self.assertLess(time.monotonic() - ready, 2, "seconds until a restarted master is found again")

    def test_waiting_costs_nothing(self):
        self.pair_with("refresh = 60  retry = 15")
        self.wait_zone(10, state="current")

        def used(daemon):
            with open(f"/proc/{daemon.pid}/schedstat", encoding="ascii") as f:
                return int(f.read().split()[0]) / 1e6          # ms

        def waiting(what):
            before = used(self.pair.replica)
            stays(lambda: True, 6, "time")          # a span to measure, longer than the poll of the table's file
            self.assertLess(used(self.pair.replica) - before, 30, f"ms of processor time in 6 s while {what}")
        waiting("connected")
        self.pair.master.stop()
        waiting("the master is away")


if __name__ == "__main__":
    runner.main()
