"""network.py: two hosts, each a network namespace of its own, and a wire between them that can be bad.

    net = Network()
    master.start(wrapper=net.near); replica.start(wrapper=net.far)     # 10.9.0.1 and 10.9.0.2
    net.set(delay_ms=200, loss=0.1); net.dead(); net.move("far", "10.9.0.77"); net.count(); net.close()

Nothing outlives the test: a namespace is there as long as a process is in it."""
import os
import subprocess
import sys

from . import child, env
from .wait import wait_for

MASTER = "10.9.0.1"
NO_HOSTS = "127.0.0.1 localhost\n"


class Network:
    def __init__(self, folder, hosts=None, seed=1):
        """folder: for logs. hosts: a file that stands for /etc/hosts on the far host."""
        self.folder = folder
        self.hosts = hosts
        self._holders = [child.start(["unshare", "--net", "sleep", "infinity"], os.path.join(folder, "holder.log"))
                         for _ in range(2)]
        for holder in self._holders:
            wait_for(lambda pid=holder.pid: self._alone(pid), 10, "a network namespace of its own")
        self.near = ("nsenter", f"--net=/proc/{self._holders[0].pid}/ns/net")
        self.far = ("nsenter", f"--net=/proc/{self._holders[1].pid}/ns/net")
        if hosts:
            self.name("nobody", "127.0.0.1")
            self.far += ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts)
        pids = [str(holder.pid) for holder in self._holders]
        self._link = subprocess.Popen([sys.executable, "-B", os.path.join(env.SYSTEM, "lib/link.py"), *pids, str(seed)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self._expect("ready")

    @staticmethod
    def _alone(pid):
        try:
            return os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")
        except FileNotFoundError:
            return False

    def _expect(self, wanted):
        line = self._link.stdout.readline().strip()
        if line != wanted:
            raise AssertionError(f"the wire says {line!r} instead of {wanted!r}")

    def _tell(self, line):
        self._link.stdin.write(line + "\n")
        self._link.stdin.flush()

    def set(self, delay_ms=0, jitter_ms=0, loss=0, reorder=0):
        """The delay is for one direction, loss and reorder are shares of 1."""
        self._tell(f"set {delay_ms} {jitter_ms} {loss} {reorder}")
        self._expect("ok")

    def dead(self):
        """Nothing passes any more, and neither end is told."""
        self._tell("dead")
        self._expect("ok")

    def count(self):
        """(packets, bytes) that both ends have sent so far."""
        self._tell("count")
        packets, size = self._link.stdout.readline().split()
        return int(packets), int(size)

    def name(self, name, address):
        """What the far host finds under a name. Written in place: the file is a mount point there."""
        with open(self.hosts, "w", encoding="utf-8") as f:
            f.write(f"{NO_HOSTS}{address} {name}\n")

    def move(self, host, address):
        """"near" or "far" has another address from now on, without a word to anybody."""
        enter = ["nsenter", f"--net=/proc/{self._holders[host == 'far'].pid}/ns/net", "ip"]
        for words in ("addr flush dev wire", f"addr add {address} dev wire", "route replace default dev wire"):
            subprocess.run([*enter, *words.split()], check=True)

    def close(self):
        self._link.stdin.close()
        self._link.wait(10)
        self._link.stdout.close()
        for holder in self._holders:
            child.kill_group(holder.pid)
