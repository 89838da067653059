#!/usr/bin/python3
"""read.py: what reading a large map costs rxfer-master, in processor time, memory, and patience of those who ask it.

    RXFER_BUILD=build/gcc bench/read.py                       a million addresses in each kind of map, 5 readings each
    bench/read.py --count 100000 --runs 3 --types text,lmdb --json figures.json

For each kind of map a master is started on it, with a second source that keeps silent for a while. So the first line is
the reading alone: the helper process reads the map, the daemon takes its keys; nothing can be published. The next is what
publishing costs then: store, journal, signature. After that one address is added and taken away by turns, in a map that
is renamed into place: the whole is read again, compared, and the change published; the lines are medians. "restart" is a
daemon that finds its records on disk, proves them, and reads.

With --postfix the zone is a Postfix whose virtual_mailbox_maps the map is, so that each address is looked at for its
domain's class.

cpu      user and system time of the daemon and its helper process together, until the daemon says that it's done
memory   the daemon's largest resident memory above what it had before it read anything, and its helper's largest, added
         up, by record (for a reading again: what the daemon has kept since the first one is in it)
stall    the longest that `status` had to wait for its answer, in readings of their own, for asking costs as well
"""
import argparse
import contextlib
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "system"))
sys.dont_write_bytecode = True
from lib import child, env          # noqa: E402
from lib.postfix import Postfix    # noqa: E402
from lib.rxfer import Master        # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
SUFFIX = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb", "text": ""}
DOMAINS = 100
LIMIT_SECONDS = 300


def addresses(count):
    """Made of words, about 30 bytes each, in no order, always the same."""
    rng = random.Random(1)
    first = [f"{a}{b}" for a in "bcdfglmnprst" for b in ("ana", "erta", "ilbo", "onny", "ulrik")]
    names = [f"{rng.choice(first)}.{rng.choice(first)}{n}@mail{n % DOMAINS:02}.example.com" for n in range(count)]
    rng.shuffle(names)
    return names


def make_map(kind, path, keys):
    """A map as postmap makes it, at `path` without suffix."""
    with open(path, "w", encoding="ascii") as f:
        f.writelines(f"{key}\tOK\n" for key in keys)
    if kind != "text":
        subprocess.run([os.path.join(env.postfix().bin, "postmap"), f"{kind}:{path}"], check=True)
        os.unlink(path)


def put(source, target):
    """Renames another file into place, and keeps the first."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(target + ".new")
    os.link(source, target + ".new")
    os.rename(target + ".new", target)


# ---- Processes ----

def cpu_seconds(pid):
    """Of a process, with what its ended children used."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rpartition(")")[2].split()
    return sum(int(fields[i]) for i in (11, 12, 13, 14)) / TICK


def memory(pid, name):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        for line in f:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    return 0


def readers(pid):
    """The processes that list a map for this master; not one that is a copy of the daemon still, just forked."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as f:
        for child_pid in f.read().split():
            with contextlib.suppress(OSError), open(f"/proc/{child_pid}/cmdline", "rb") as line:
                if b"\0--read\0" in line.read():
                    yield int(child_pid)


def ask(path):
    """The status over the control socket, without a process in between."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.connect(path)
        s.sendall(b"status\n")
        answer = b"".join(iter(lambda: s.recv(1 << 16), b""))
    return json.loads(answer.removeprefix(b"ok\n").removesuffix(b".\n"))


class Sampler(threading.Thread):
    """Watches the helpers' memory (every 2 ms), or how long an answer takes (without a pause)."""

    def __init__(self, master, patience):
        super().__init__(daemon=True)
        self.master, self.patience = master, patience
        self.helpers = 0
        self.stall = 0.0
        self.over = False

    def run(self):
        while not self.over:
            if self.patience:
                begin = time.monotonic()
                ask(self.master.socket)
                self.stall = max(self.stall, time.monotonic() - begin)
            for pid in () if self.patience else readers(self.master.pid):
                with contextlib.suppress(OSError):
                    self.helpers = max(self.helpers, memory(pid, "VmHWM"))
            time.sleep(0.002)


class Bench:
    def __init__(self, folder, kind, options):
        self.kind, self.options = kind, options
        self.folder = os.path.join(folder, kind)
        os.mkdir(self.folder)
        keys = addresses(options.count)
        self.maps = [os.path.join(self.folder, name) for name in ("without", "with")]
        make_map(kind, self.maps[0], keys)
        make_map(kind, self.maps[1], keys + ["one.more@mail00.example.com"])
        self.path = os.path.join(self.folder, "map")
        self.place(0)
        self.gate = os.path.join(self.folder, "gate")
        self.master = Master("master", self.folder)
        self.source, section = self.of_postfix() if options.postfix else self.of_map()
        self.master.write_config(
            f'zone "example" {{\n\tmax_shrink_percent = 100\n\t{section}\n'
            f'\tsource "late" {{ command = "while ! test -e {self.gate}; do sleep 0.01; done; echo late@example.com"'
            '  interval = 3600  timeout = 600 }\n}\n'
            f'replica "mx2" {{ key = "{self.master.key}"  zones = {{ "example" }} }}\n')

    def of_map(self):
        name = self.path if self.kind == "text" else f"{self.kind}:{self.path}"
        return "map", f'source "map" {{ map = "{name}"  interval = 3600 }}'

    def of_postfix(self):
        name = f"{self.kind}:{self.path}"
        primary = Postfix("primary", self.folder, {
            "virtual_mailbox_domains": " ".join(f"mail{n:02}.example.com" for n in range(DOMAINS)),
            "virtual_mailbox_maps": name})
        return f"virtual_mailbox_maps {name}", (
            f'postfix {{ config_directory = "{primary.config}"  command_directory = "{env.postfix().bin}"'
            '  interval = 3600 }')

    def place(self, which):
        put(self.maps[which] + SUFFIX[self.kind], self.path + SUFFIX[self.kind])

    def status(self):
        return ask(self.master.socket)["zones"][0]

    def is_in(self, zone, state):
        return any(s["name"] == self.source and s["state"] == state for s in zone["sources"])

    def wait(self, done):
        end = time.monotonic() + LIMIT_SECONDS
        while not done(self.status()):
            if time.monotonic() > end:
                sys.exit(f"{self.kind}: waited {LIMIT_SECONDS} s in vain\n{self.master.log()}")
            time.sleep(0.05)

    def measure(self, action, done, patience=False):
        """What happens from action() on until done(status)."""
        pid = self.master.pid
        with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as f:
            f.write("5\n")          # the largest resident memory is counted anew
        sampler = Sampler(self.master, patience)
        before, begin = cpu_seconds(pid), time.monotonic()
        sampler.start()
        action()
        self.wait(done)
        figures = {"cpu": cpu_seconds(pid) - before, "wall": time.monotonic() - begin,
                   "daemon": memory(pid, "VmHWM") - self.idle, "anonymous": memory(pid, "RssAnon")}
        sampler.over = True
        sampler.join()
        figures.update(helper=sampler.helpers, stall=sampler.stall)
        return figures

    def change(self, which, patience=False):
        serial = self.status()["serial"]
        return self.measure(lambda: self.place(which), lambda zone: zone["serial"] > serial and
                            all(s["state"] == "ok" for s in zone["sources"]), patience)

    def first(self):
        """An address file that doesn't exist yet makes an idle daemon."""
        os.unlink(self.path + SUFFIX[self.kind])
        self.master.start()
        self.wait(lambda zone: self.is_in(zone, "failed"))
        self.idle = memory(self.master.pid, "VmRSS")
        reading = self.measure(lambda: self.place(0), lambda zone: self.is_in(zone, "ok"))
        publishing = self.measure(lambda: open(self.gate, "w", encoding="ascii").close(),
                                  lambda zone: zone["serial"] == 1 and
                                  all(s["state"] == "ok" for s in zone["sources"]))
        return reading, publishing

    def restart(self):
        """From the start of the process on."""
        self.master.stop()
        begin = time.monotonic()
        self.master.start()
        self.wait(lambda zone: self.is_in(zone, "ok") and all(s["state"] == "ok" for s in zone["sources"]))
        return {"cpu": cpu_seconds(self.master.pid), "wall": time.monotonic() - begin}

    def run(self):
        reading, publishing = self.first()
        again = [self.change((i + 1) % 2) for i in range(self.options.runs)]
        patience = [self.change((self.options.runs + i + 1) % 2, True) for i in range(3)]
        median = {name: statistics.median(one[name] for one in again) for name in again[0]}
        median["stall"] = statistics.median(one["stall"] for one in patience)
        result = {"first reading": reading, "publishing it": publishing, "reading again": median,
                  "restart": self.restart()}
        self.master.stop()
        return result


def show(kind, result, options):
    for name, figures in result.items():
        line = f"{kind:6} {name:14} {figures['cpu']:7.2f} s cpu {figures['wall']:7.2f} s"
        if "daemon" in figures:
            both = (figures["daemon"] + figures["helper"]) / options.count
            line += (f"  {both:5.0f} bytes a record ({figures['daemon'] / options.count:.0f} daemon, "
                     f"{figures['helper'] / options.count:.0f} helper)")
        if figures.get("stall"):
            line += f"  stall {figures['stall'] * 1000:.0f} ms"
        print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--types", default="text,lmdb,hash,btree,cdb")
    parser.add_argument("--postfix", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    try:
        env.need(root=options.postfix)
        types = [kind for kind in options.types.split(",")
                 if kind in env.postfix().types or (kind == "text" and not options.postfix)]
    except env.Missing as missing:
        sys.exit(str(missing))
    folder = env.new_folder("bench")
    results = {}
    print(f"{options.count} addresses, n = {options.runs}; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    try:
        for kind in types:
            results[kind] = Bench(folder, kind, options).run()
            show(kind, results[kind], options)
    finally:
        child.kill_all()
        env.remove_folders()
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump({"count": options.count, "runs": options.runs, "results": results}, f, indent="\t")


if __name__ == "__main__":
    main()
