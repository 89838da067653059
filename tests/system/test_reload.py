#!/usr/bin/python3
"""SIGHUP at the replica: domains, zones, masters and tables come and go in a running daemon, and no valid address is
refused meanwhile; what can't be put to work leaves the old configuration in force."""
import os
import signal

from lib import runner
from lib.rxfer import Master, Replica, table_keys
from lib.wait import stays, wait_for


class Reload(runner.TestCase):
    """Two masters, one zone each, and a replica whose configuration is put together anew for each reload."""

    def setUp(self):
        super().setUp()
        self.replica = Replica("replica", self.folder)
        self.masters = {}
        for zone, domain in (("com", "example.com"), ("org", "example.org")):
            self.write_map(zone, {f"alice@{domain}", f"bob@{domain}"})
            master = Master(f"master-{zone}", self.folder)
            master.write_config(
                f'zone "{zone}" {{ source "map" {{ map = "{self.map(zone)}" }}  refresh = 1  retry = 1 }}\n'
                f'replica "mx2" {{ key = "{self.replica.key}"  zones = {{ "{zone}" }} }}\n')
            self.masters[zone] = self.running(master)
        self.addCleanup(self.replica.stop)
        self.com = {"alice@example.com", "bob@example.com"}
        self.org = {"alice@example.org", "bob@example.org"}

    def map(self, zone):
        return os.path.join(self.folder, zone)

    def write_map(self, zone, keys):
        with open(self.map(zone) + ".new", "w", encoding="utf-8") as f:
            f.writelines(f"{key} x\n" for key in sorted(keys))
        os.rename(self.map(zone) + ".new", self.map(zone))

    # ---- the replica's configuration ----

    def master_text(self, zone, connect=None, key=None):
        master = self.masters[zone]
        return (f'master "{zone}" {{ connect = "{connect or f"tcp://127.0.0.1:{master.port}"}"  '
                f'keys = {{ "{key or master.key}" }} }}\n')

    def zone_text(self, zone, *domains, master=None):
        listed = ", ".join(f'"{domain}"' for domain in domains)
        return f'zone "{zone}" {{ master = "{master or zone}"  domains = {{ {listed} }} }}\n'

    def table_text(self, name="relay_recipients", holds="recipients", zones=()):
        listed = ", ".join(f'"{zone}"' for zone in zones)
        chosen = f"zones = {{ {listed} }}" if zones else ""
        return f'table "{name}" {{ holds = "{holds}"  {chosen}  path = "{self.replica.table(name)}" }}\n'

    def configure(self, *texts):
        self.replica.write_config("".join(texts))

    def begin(self, *texts):
        self.configure(*texts)
        self.replica.start()

    def reload(self, *texts, good=True):
        """Reads a new configuration and waits until it's in force, or refused."""
        word = "the configuration was read again" if good else "stays in force"
        before = self.whole_log().count(word)
        self.configure(*texts)
        self.replica.notices.clear()
        self.replica.reload()
        self.replica.wait_notice("READY=1", 10)
        wait_for(lambda: self.whole_log().count(word) > before, 10, lambda: f'"{word}"\n{self.replica.log()}')

    def whole_log(self):
        return self.replica.log(100000)

    # ---- what is looked at ----

    def keys(self, name="relay_recipients"):
        path = self.replica.table(name)
        return table_keys(f"hash:{path}") if os.path.exists(path + ".db") else None

    def wait_keys(self, expected, name="relay_recipients"):
        wait_for(lambda: self.keys(name) == expected, 20,
                 lambda: f"{expected} in {name}, not {self.keys(name)}\n{self.replica.log()}")

    def wait_well(self):
        wait_for(lambda: self.replica.rxfer("status")[0] == 0, 20,
                 lambda: f"a healthy replica\n{self.replica.rxfer('status')[1]}{self.replica.log()}")

    def zones(self):
        return [zone["name"] for zone in self.replica.status()["zones"]]

    def test_domains(self):
        org_at_com = self.com | {"carol@example.org"}
        self.write_map("com", org_at_com)
        self.begin(self.master_text("com"), self.zone_text("com", "example.com"), self.table_text())
        self.wait_keys(self.com)
        self.assertEqual(self.replica.rxfer("status")[0], 1, "a domain that isn't allowed is a warning")
        self.reload(self.master_text("com"), self.zone_text("com", "example.com", "example.org"), self.table_text())
        self.wait_keys(org_at_com)
        self.wait_well()
        self.reload(self.master_text("com"), self.zone_text("com", "example.org"), self.table_text())
        self.wait_keys({"carol@example.org"})
        self.reload(self.master_text("com"), self.zone_text("com", "example.net"), self.table_text())
        wait_for(lambda: self.replica.rxfer("status")[0] == 2, 10, "critical: nothing is left for the table")
        self.assertEqual(self.keys(), {"carol@example.org"}, "an empty table would refuse everybody")

    def test_zone_and_master_added_and_removed(self):
        com = self.master_text("com") + self.zone_text("com", "example.com")
        org = self.master_text("org") + self.zone_text("org", "example.org")
        self.begin(com, self.table_text())
        self.wait_keys(self.com)
        self.masters["org"].stop()
        self.reload(com, org, self.table_text())
        self.assertEqual(self.zones(), ["com", "org"])
        self.assertEqual(self.keys(), self.com, "a zone that isn't here yet takes nothing away")
        self.com |= {"carol@example.com"}
        self.write_map("com", self.com)
        self.wait_keys(self.com)
        self.masters["org"].start()
        self.wait_keys(self.com | self.org)
        self.wait_well()
        self.reload(org, self.table_text())
        self.assertEqual(self.zones(), ["org"])
        self.wait_keys(self.org)
        self.wait_well()
        self.reload(com, org, self.table_text())
        self.wait_keys(self.com | self.org)
        self.wait_well()

    def test_tables_added_moved_and_removed(self):
        zones = "".join((self.master_text("com"), self.zone_text("com", "example.com"), self.master_text("org"),
                         self.zone_text("org", "example.org")))
        self.begin(zones)
        self.reload(zones, self.table_text(), self.table_text("only_com", zones=("com",)),
                    self.table_text("relay_domains", "domains"))
        self.wait_keys(self.com | self.org)
        self.wait_keys(self.com, "only_com")
        self.wait_keys({"example.com", "example.org"}, "relay_domains")
        self.reload(zones, self.table_text(zones=("org",)), self.table_text("relay_domains", "domains"))
        self.wait_keys(self.org)
        self.assertEqual(self.keys("only_com"), self.com, "a table that isn't ours any more stands")
        swapped = (self.table_text("a").replace("/tables/a", "/tables/relay_domains") +
                   self.table_text("relay_domains", "domains").replace("/tables/relay_domains", "/tables/a"))
        self.reload(zones, swapped)
        self.wait_keys(self.com | self.org, "relay_domains")
        self.wait_keys({"example.com", "example.org"}, "a")
        self.wait_well()

    def test_zone_moves_to_another_master(self):
        """By name, by address, by key: its records stay, the talk begins anew."""
        zone = self.zone_text("com", "example.com")
        self.begin(self.master_text("com"), zone, self.table_text())
        self.wait_keys(self.com)
        self.reload(self.master_text("com", key=self.masters["org"].key), zone, self.table_text())
        wait_for(lambda: self.replica.status()["masters"][0]["state"] == "wrong-key", 10, "wrong-key in the status")
        self.assertEqual(self.replica.rxfer("status")[0], 1)
        self.assertEqual(self.keys(), self.com)
        self.com |= {"carol@example.com"}
        self.write_map("com", self.com)
        self.reload(self.master_text("com"), zone, self.table_text())
        self.wait_keys(self.com)
        renamed = self.master_text("com").replace('master "com"', 'master "other"')
        self.reload(renamed, self.zone_text("com", "example.com", master="other"), self.table_text())
        self.com |= {"dave@example.com"}
        self.write_map("com", self.com)
        self.wait_keys(self.com)
        self.wait_well()

    def test_what_cannot_be_put_to_work(self):
        """The old configuration stays in force, and the daemon goes on."""
        good = self.master_text("com") + self.zone_text("com", "example.com") + self.table_text()
        self.begin(good)
        self.wait_keys(self.com)
        pid = self.replica.pid
        org = self.zone_text("org", "example.org")
        blocked = os.path.join(self.replica.state, "zones", "org")
        with open(blocked, "w", encoding="utf-8"):
            pass
        for bad in (self.master_text("com") + self.zone_text("com", "*", "example.com") + self.table_text(),
                    good.replace(str(self.masters["com"].port), "port"),
                    good.replace(str(self.masters["com"].port), "99999"),
                    good.replace("tcp://127.0.0.1", "tcp://no where"),
                    good.replace("tcp://127.0.0.1", "tcp://"),
                    good + self.master_text("org") + org):
            with self.subTest(bad):
                self.reload(bad, good=False)
                self.assertTrue(self.replica.running())
                self.assertEqual(self.replica.pid, pid)
                self.com |= {f"user{len(self.com)}@example.com"}
                self.write_map("com", self.com)
                self.wait_keys(self.com)
                self.assertEqual(self.zones(), ["com"])
        os.unlink(blocked)
        self.reload(good, self.master_text("org"), org)
        self.wait_keys(self.com | self.org)

    def test_domains_never_come_before_their_recipients(self):
        """With a domain in relay_domains and its users not yet in relay_recipients, Postfix would refuse them."""
        many = self.com | {f"user{i}@example.com" for i in range(30000)}
        self.write_map("com", many)
        domains, recipients = self.table_text("relay_domains", "domains"), self.table_text()
        self.begin(self.master_text("com"), self.zone_text("com", "example.com", "example.org"), domains, recipients)
        self.wait_keys(many)
        self.wait_keys({"example.com"}, "relay_domains")
        self.write_map("com", many | self.org)
        self.wait_keys({"example.com", "example.org"}, "relay_domains")
        self.assertLessEqual(self.org, self.keys(), "a moment later is too late")
        self.wait_well()

    def test_many_reloads(self):
        """Descriptors and memory don't grow, and a burst of signals does no harm."""
        both = "".join((self.master_text("com"), self.zone_text("com", "example.com"), self.master_text("org"),
                        self.zone_text("org", "example.org"), self.table_text()))
        one = self.master_text("com") + self.zone_text("com", "example.com") + self.table_text()
        self.begin(both)
        self.wait_keys(self.com | self.org)
        for _ in range(3):
            self.reload(one)
            self.reload(both)
        self.wait_keys(self.com | self.org)
        self.wait_well()
        before = len(os.listdir(f"/proc/{self.replica.pid}/fd"))
        for _ in range(20):
            os.kill(self.replica.pid, signal.SIGHUP)
        for _ in range(10):
            self.reload(one)
            self.reload(both)
        self.wait_keys(self.com | self.org)
        self.wait_well()
        wait_for(lambda: len(os.listdir(f"/proc/{self.replica.pid}/fd")) <= before, 10, "no more descriptors")
        stays(lambda: self.keys() == self.com | self.org, 0.2, "the table")


if __name__ == "__main__":
    runner.main(postfix=True)
