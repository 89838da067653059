#!/usr/bin/python3
"""A bad network between two namespaces: slow, lossy, out of order; dead without a word; addresses that change. All
converges, and what it costs is bounded."""
import os
import subprocess
import time

from lib import runner
from lib.network import MASTER, Network
from lib.rxfer import Pair
from lib.wait import wait_for

KEYS = {"alice@example.com", "bob@example.com"}
PORT = 7353


def many(count):
    return {f"user{i:06}@example.com" for i in range(count)}


class NetworkTest(runner.TestCase):
    def setUp(self):
        if not os.path.exists("/dev/net/tun"):
            self.skipTest("there is no /dev/net/tun")
        if subprocess.run(["unshare", "--net", "true"], check=False).returncode != 0:
            self.skipTest("network namespaces can't be made here")
        super().setUp()

    def begin(self, keys, name=MASTER, hosts=None):
        self.net = Network(self.folder, hosts)
        self.addCleanup(self.net.close)
        if hosts:
            self.net.name(name, MASTER)
        self.path = os.path.join(self.folder, "users")
        self.write(keys)
        self.pair = Pair(self.folder, f'map = "{self.path}"', zone="refresh = 4  retry = 1")
        self.pair.write()
        for daemon, text in ((self.pair.master, self.pair.master_text), (self.pair.replica, self.pair.replica_text)):
            with open(daemon.config, encoding="utf-8") as f:
                text = f.read()
            here = f"tcp://127.0.0.1:{self.pair.master.port}"
            text = text.replace(f'listen = {{ "{here}"', f'listen = {{ "tcp://*:{PORT}"')
            text = text.replace(here, f"tcp://{name}:{PORT}")
            with open(daemon.config, "w", encoding="utf-8") as f:
                f.write(text)
        self.addCleanup(self.pair.stop)
        self.pair.master.start(wrapper=self.net.near)

    def write(self, keys):
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            f.writelines(f"{key} x\n" for key in sorted(keys))
        os.rename(self.path + ".new", self.path)

    def wait_current(self, seconds):
        """Served at the backup is what the master has published, and both say that all is well."""
        def well():
            return all(end.rxfer("status")[0] == 0 for end in (self.pair.master, self.pair.replica))
        wait_for(well, seconds, lambda: "".join(end.rxfer("status")[1] for end in (self.pair.master, self.pair.replica)) +
                 self.pair.logs())

    def test_slow_lossy_and_out_of_order(self):
        """200 ms each way, a tenth lost, a quarter overtaking: a whole transfer and a series of changes come through."""
        users = many(5000)
        self.begin(users)
        self.net.set(delay_ms=200, jitter_ms=50, loss=0.1, reorder=0.25)
        self.pair.replica.start(wrapper=self.net.far)
        self.pair.wait_keys(users, 240)
        whole = self.net.count()[1]
        # About 21 bytes an address; acknowledgements and what is sent twice come on top.
        self.assertLess(whole, 5000 * 80, "bytes for the whole transfer")
        for i in range(10):
            users = users - {f"user{i:06}@example.com"} | {f"new{i}@example.com"}
            self.write(users)
        self.pair.wait_keys(users, 120)
        self.wait_current(60)
        self.assertLess(self.net.count()[1] - whole, 200_000, "bytes for ten changes, and polls meanwhile")

    def test_dead_without_a_word(self):
        """No FIN, no RST, no ICMP. Both ends notice; what they send meanwhile is little; all goes on when it's back."""
        self.begin(KEYS)
        self.pair.replica.start(wrapper=self.net.far)
        self.pair.wait_keys(KEYS)
        self.wait_current(20)
        self.net.dead()
        self.write(KEYS | {"carol@example.com"})
        wait_for(lambda: self.pair.replica.status()["masters"][0]["state"] != "connected", 60,
                 lambda: "the replica notices\n" + self.pair.logs())
        wait_for(lambda: self.pair.master.rxfer("status")[0] != 0, 60,
                 lambda: "the master notices\n" + self.pair.logs())
        self.assertEqual(self.pair.keys(), KEYS)
        before, began = self.net.count(), time.monotonic()
        wait_for(lambda: time.monotonic() - began > 10, 20, "ten seconds of silence, to count what is sent into it")
        packets = self.net.count()[0] - before[0]
        self.assertLess(packets, 60, "packets in ten seconds into a dead wire")
        self.net.set()
        self.pair.wait_keys(KEYS | {"carol@example.com"}, 60)
        self.wait_current(30)

    def test_both_move(self):
        """Both hosts have other addresses from one moment to the next; the master's name is looked up anew."""
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
            self.skipTest("a file of hosts of its own can't be mounted here (below chroot?)")
        self.begin(KEYS, "mx1.test", os.path.join(self.folder, "hosts"))
        self.pair.replica.start(wrapper=self.net.far)
        self.pair.wait_keys(KEYS)
        self.net.move("near", "10.9.0.99")
        self.net.move("far", "10.9.0.77")
        self.net.name("mx1.test", "10.9.0.99")
        self.write(KEYS | {"carol@example.com"})
        self.pair.wait_keys(KEYS | {"carol@example.com"}, 90)
        self.wait_current(30)


if __name__ == "__main__":
    runner.main()
