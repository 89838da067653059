"""link.py: the process between two network namespaces: packets come from one TUN device and go to the other, late, out
of order, or never. Started by network.py: link.py PID PID SEED, the processes whose namespaces are joined.

Commands, a line each, on standard input: "set DELAY_MS JITTER_MS LOSS REORDER" (shares of 1; a reordered packet
overtakes those that wait), "dead" (nothing passes, and nobody is told), "count". Each is answered by a line: "ok", or for count
the packets and bytes that were sent into the link, in both directions, whether or not they arrived.

It stands in for netem, which many kernels don't have."""
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
PACKET_MAX = 65536


def device(pid, address, peer):
    """Opens a TUN device in the namespace of a process, and gives it an address."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/proc/{pid}/ns/net", "rb") as namespace:
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", b"wire", IFF_TUN | IFF_NO_PI))
    for words in (f"addr add {address} peer {peer} dev wire", "link set wire up", "link set lo up",
                  "route add default dev wire"):
        subprocess.run(["ip", *words.split()], check=True)
    return fd


class Link:
    def __init__(self, ends, seed):
        self.ends = ends
        self.random = random.Random(seed)
        self.delay = self.jitter = self.loss = self.reorder = 0.0
        self.dead = False
        self.waiting = []        # (due, number, end to write to, packet)
        self.packets = self.bytes = 0

    def take(self, end):
        try:
            packet = os.read(self.ends[end], PACKET_MAX)
        except BlockingIOError:
            return
        self.packets += 1
        self.bytes += len(packet)
        if self.dead or self.random.random() < self.loss:
            return
        delay = self.delay + self.random.uniform(0, self.jitter)
        if self.random.random() < self.reorder:
            delay = 0
        heapq.heappush(self.waiting, (time.monotonic() + delay, self.packets, 1 - end, packet))

    def give(self):
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            _, _, end, packet = heapq.heappop(self.waiting)
            try:
                os.write(self.ends[end], packet)
            except OSError:
                pass              # its queue is full, or it has no such address any more: lost, as on any wire

    def command(self, line):
        words = line.split()
        if words == ["count"]:
            return f"{self.packets} {self.bytes}"
        if words == ["dead"]:
            self.dead, self.waiting = True, []
            return "ok"
        delay, jitter, self.loss, self.reorder = map(float, words[1:])
        self.delay, self.jitter, self.dead = delay / 1000, jitter / 1000, False
        return "ok"

    def run(self):
        while True:
            wait = max(0, self.waiting[0][0] - time.monotonic()) if self.waiting else None
            ready, _, _ = select.select([*self.ends, sys.stdin], [], [], wait)
            for end, fd in enumerate(self.ends):
                if fd in ready:
                    self.take(end)
            self.give()
            if sys.stdin in ready:
                line = sys.stdin.readline()
                if not line:
                    return
                print(self.command(line), flush=True)


def main():
    near, far, seed = map(int, sys.argv[1:])
    link = Link([device(near, "10.9.0.1", "10.9.0.2"), device(far, "10.9.0.2", "10.9.0.1")], seed)
    print("ready", flush=True)
    link.run()


main()
