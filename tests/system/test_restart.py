#!/usr/bin/python3
"""After any restart of either side, in any order, both converge by themselves; also when one has lost its state."""
import contextlib
import os
import shutil

from lib import runner
from lib.rxfer import Pair
from lib.wait import wait_for


class Restart(runner.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.folder, "users")
        self.generation = 0
        self.change()
        self.pair = Pair(self.folder, f'map = "{self.path}"', zone="refresh = 1  retry = 1")
        self.addCleanup(self.pair.stop)

    def change(self):
        """One user is new, another is gone; two stay for ever."""
        self.generation += 1
        self.keys = {"alice@example.com", "bob@example.com", f"user{self.generation}@example.com"}
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            f.writelines(f"{key} x\n" for key in sorted(self.keys))
        os.rename(self.path + ".new", self.path)

    def converge(self):
        self.pair.wait_keys(self.keys)
        wait_for(lambda: self.acknowledged(), 20,
                 lambda: f"lag 0 in the master's status\n{self.pair.master.rxfer('status')[1]}\n{self.pair.logs()}")

    def acknowledged(self):
        status = self.pair.master.status()
        zone = status["replicas"][0]["zones"][0]
        return zone["lag"] == 0 and zone["served"] == status["zones"][0]["serial"]

    def zone(self, daemon):
        return daemon.status()["zones"][0]

    def test_replica_first(self):
        self.pair.replica.start()
        self.assertEqual(self.pair.replica.rxfer("status")[0], 2)
        self.assertIsNone(self.pair.keys(), "a table before the first transfer")
        self.pair.master.start()
        self.converge()
        self.assertEqual(self.pair.replica.rxfer("status")[0], 0)
        self.assertEqual(self.pair.master.rxfer("status")[0], 0)

    def test_every_order(self):
        self.pair.start()
        self.converge()
        epoch = self.zone(self.pair.master)["epoch"]
        for order in ("mM", "rR", "mrMR", "mrRM", "rmMR", "rmRM"):
            for step in order:
                daemon = self.pair.master if step in "mM" else self.pair.replica
                if step.islower():
                    daemon.stop()
                    self.change()
                else:
                    daemon.start()
            with self.subTest(order):
                self.converge()
        self.assertEqual(self.zone(self.pair.master)["epoch"], epoch)

    def test_replica_lost_its_state(self):
        self.pair.start()
        self.converge()
        self.pair.replica.stop()
        shutil.rmtree(self.pair.replica.state)
        self.change()
        self.pair.replica.start()
        self.converge()

    def test_master_lost_its_state(self):
        self.pair.start()
        self.converge()
        before = self.zone(self.pair.master)
        self.pair.master.stop()
        shutil.rmtree(self.pair.master.state)
        self.change()
        self.pair.master.start()
        self.converge()
        self.assertNotEqual(self.zone(self.pair.master)["epoch"], before["epoch"])

    def test_master_restored_from_an_old_copy(self):
        self.pair.start()
        self.converge()
        self.pair.master.stop()
        shutil.copytree(self.pair.master.state, self.pair.master.state + ".old")
        self.pair.master.start()
        for _ in range(3):
            self.change()
            self.converge()
        before = self.zone(self.pair.master)
        self.pair.master.stop()
        shutil.rmtree(self.pair.master.state)
        os.rename(self.pair.master.state + ".old", self.pair.master.state)
        self.change()
        self.pair.master.start()
        self.converge()
        self.assertNotEqual(self.zone(self.pair.master)["epoch"], before["epoch"])

    def test_a_quiet_zone_is_no_lost_replica(self):
        """While nothing changes the replica is heard all the same: each announcement is acknowledged."""
        self.pair.start()
        self.converge()

        def contact():
            return self.pair.master.status()["replicas"][0]["last_contact"]

        before = contact()
        wait_for(lambda: contact() > before + 2500, 15, lambda: f"a sign of life\n{self.pair.logs()}")

    def test_table_removed_or_overwritten_is_put_right(self):
        """While the daemon runs, and while it doesn't."""
        self.pair.start()
        self.converge()
        index = self.pair.replica.table() + ".db"

        def damage(how):
            if how == "remove":
                os.unlink(index)
            else:
                with open(index + ".bad", "wb") as f:
                    f.write(b"rubbish")
                os.rename(index + ".bad", index)

        def right():
            with contextlib.suppress(AssertionError):        # postmap can't read rubbish
                return self.pair.keys() == self.keys
            return False

        for how in ("remove", "overwrite"):
            with self.subTest(how):
                damage(how)
                wait_for(right, 20, lambda: f"a table put right\n{self.pair.logs()}")
                self.pair.replica.stop()
                damage(how)
                self.pair.replica.start()
                wait_for(right, 20, lambda: f"a table put right\n{self.pair.logs()}")
        self.converge()

    def test_reload_keeps_the_old_configuration_when_the_new_is_bad(self):
        self.pair.start()
        self.converge()
        for daemon in (self.pair.master, self.pair.replica):
            with open(daemon.config, encoding="utf-8") as f:
                good = f.read()
            with open(daemon.config, "a", encoding="utf-8") as f:
                f.write("nonsense = 1\n")
            daemon.reload()
            wait_for(lambda: "nonsense" in daemon.log(), 10, f"a complaint in the log of {daemon.name}")
            self.change()
            self.converge()
            with open(daemon.config, "w", encoding="utf-8") as f:
                f.write(good)

    def test_replica_added_and_revoked_by_reload(self):
        good = self.pair.master_text
        self.pair.master_text = good.split("replica ")[0]
        self.pair.write()
        self.pair.start()
        wait_for(lambda: self.pair.replica.status()["masters"][0]["state"] == "refused", 20,
                 lambda: f"state refused\n{self.pair.replica.rxfer('status')[1]}\n{self.pair.logs()}")
        self.pair.master_text = good
        self.pair.write()
        self.pair.master.reload()
        self.converge()
        self.pair.master_text = good.split("replica ")[0]
        self.pair.write()
        self.pair.master.reload()
        wait_for(lambda: self.pair.master.status()["replicas"] == [], 10, "a master without replicas")
        old = self.keys
        self.change()
        wait_for(lambda: self.zone(self.pair.master)["records"] and self.zone(self.pair.master)["serial"] > 1, 10,
                 "a published change")
        self.assertEqual(self.pair.keys(), old)
        self.pair.master_text = good
        self.pair.write()
        self.pair.master.reload()
        self.converge()


if __name__ == "__main__":
    runner.main()
