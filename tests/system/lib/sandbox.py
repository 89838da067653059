#!/usr/bin/python3
"""sandbox.py: runs a command as systemd would by a unit's limits, as far as that can be done without systemd.

    sandbox.py UNIT USER FOLDER:FOLDER... COMMAND...

Done, each when the unit says so: another user without capabilities; no new privileges; all file systems read-only but for
the FOLDERs; empty /home and /root; a /tmp of its own (the FOLDERs below it stay); a /dev with the harmless devices alone;
other users' processes invisible; system calls filtered; no memory that is written and executed; no sockets but of the
families that are named. Not done: namespaces, setuid bits, real-time, personality, clock, kernel and control group
protection (nobody without capabilities gets far there), and the limits of systemd's version of the filters on other
architectures than x86-64.

An option of the unit that this program doesn't know ends it: so a new one isn't forgotten.
"""
import ctypes
import os
import pwd
import re
import struct
import subprocess
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
HEADERS = ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h")
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
OTHERS = """Type NotifyAccess ExecStart ExecReload Restart RestartSec User Group StateDirectory StateDirectoryMode
    RuntimeDirectory RuntimeDirectoryPreserve UMask LimitCORE CapabilityBoundingSet AmbientCapabilities ProtectClock
    ProtectHostname ProtectControlGroups ProtectKernelLogs ProtectKernelModules ProtectKernelTunables KeyringMode
    LockPersonality RemoveIPC RestrictNamespaces RestrictRealtime RestrictSUIDSGID SystemCallArchitectures
    SystemCallErrorNumber LimitMEMLOCK LimitNOFILE""".split()
KNOWN = """NoNewPrivileges ProtectSystem ProtectHome PrivateTmp PrivateDevices ProtectProc ProcSubset MemoryDenyWriteExecute
    RestrictAddressFamilies SystemCallFilter""".split()

# Classic BPF over struct seccomp_data: nr at 0, arch at 4, arguments at 16 + 8n.
LOAD, EQUAL, MASK, RETURN = 0x20, 0x15, 0x54, 0x06
ALLOW, EPERM, EAFNOSUPPORT = 0x7fff0000, 0x00050001, 0x00050061
ARCHITECTURE = 0xc000003e


def options(path):
    """The unit's [Service]: name -> [value]."""
    found, inside = {}, False
    with open(path, encoding="utf-8") as f:
        for line in f:
            line = line.strip()
            if line.startswith("["):
                inside = line == "[Service]"
            elif inside and "=" in line and not line.startswith("#"):
                name, value = line.split("=", 1)
                found.setdefault(name, []).append(value)
    unknown = set(found) - set(OTHERS) - set(KNOWN)
    if unknown:
        sys.exit(f"sandbox: what is to be done for {', '.join(sorted(unknown))}?")
    return found


def run(*command):
    subprocess.run(command, check=True)


# -- what it sees ------------------------------------------------------------------------------------------------------

def remount_read_only(folders):
    for folder in folders:
        run("mount", "--bind", folder, folder)
    with open("/proc/self/mounts", encoding="utf-8") as f:
        places = [line.split()[1].encode().decode("unicode_escape") for line in f]
    for place in places:
        if place not in folders and not place.startswith(("/proc", "/dev")):
            subprocess.run(["mount", "-o", "remount,bind,ro", place], stderr=subprocess.DEVNULL, check=False)


def bind(descriptor, place):
    """What was opened before it was covered."""
    if LIBC.mount(f"/proc/self/fd/{descriptor}".encode(), place.encode(), None, 4096, None) != 0:         # MS_BIND
        sys.exit(f"sandbox: {place}: {os.strerror(ctypes.get_errno())}")
    os.close(descriptor)


def empty_home():
    for place in ("/home", "/root", "/run/user"):
        if os.path.isdir(place):
            run("mount", "-t", "tmpfs", "-o", "ro,mode=000", "tmpfs", place)


def own_tmp(folders):
    kept = [(folder, os.open(folder, os.O_PATH)) for folder in folders if folder.startswith("/tmp/")]
    run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/tmp")
    for folder, descriptor in kept:
        os.makedirs(folder, 0o755, exist_ok=True)
        bind(descriptor, folder)


def own_devices():
    kept = [(name, os.open(f"/dev/{name}", os.O_PATH)) for name in DEVICES if os.path.exists(f"/dev/{name}")]
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/dev")
    for name, descriptor in kept:
        with open(f"/dev/{name}", "w", encoding="utf-8"):
            pass
        bind(descriptor, f"/dev/{name}")


# -- what it may do ----------------------------------------------------------------------------------------------------

def call_sets():
    """@set -> its members, which may be sets."""
    sets, name = {}, None
    out = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"], capture_output=True, text=True, check=True)
    for line in out.stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
            sets[name] = set()
        elif line.startswith(" ") and name and not line.strip().startswith("#"):
            sets[name].add(line.strip())
    return sets


def system_calls(filters):
    """The names that the filters leave: `@set ...`, then `~@set ...` takes away."""
    sets = call_sets()

    def expand(word):
        return set().union(*map(expand, sets[word])) if word.startswith("@") else {word}
    allowed = expand("@default")
    for line in filters:
        words = set().union(*map(expand, line.removeprefix("~").split()))
        allowed = allowed - words if line.startswith("~") else allowed | words
    return allowed


def numbers():
    path = next(path for path in HEADERS if os.path.exists(path))
    with open(path, encoding="utf-8") as f:
        return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+)\s+(\d+)", f.read())}


def statement(code, value, yes=0, no=0):
    return struct.pack("HBBI", code, yes, no, value)


def argument(call, number, mask, value, result):
    """For this call: when its argument masked is the value, the result; the filter goes on for all else."""
    return [statement(EQUAL, call, 0, 5), statement(LOAD, 16 + 8 * number), statement(MASK, mask),
            statement(EQUAL, value, 0, 1), statement(RETURN, result), statement(LOAD, 0)]


def filter_of(unit):
    by_name = numbers()
    program = [statement(LOAD, 4), statement(EQUAL, ARCHITECTURE, 1, 0), statement(RETURN, EPERM), statement(LOAD, 0)]
    if unit.get("MemoryDenyWriteExecute") == ["yes"]:
        program += argument(by_name["mmap"], 2, 6, 6, EPERM)
        for name in ("mprotect", "pkey_mprotect"):
            program += argument(by_name[name], 2, 4, 4, EPERM)
    if "RestrictAddressFamilies" in unit:
        allowed = [FAMILIES[word] for line in unit["RestrictAddressFamilies"] for word in line.split()]
        for family in set(range(64)) - set(allowed):
            program += argument(by_name["socket"], 0, 0xffffffff, family, EAFNOSUPPORT)
    if "SystemCallFilter" not in unit:
        return program + [statement(RETURN, ALLOW)]
    for name in sorted(system_calls(unit["SystemCallFilter"])):
        if name in by_name:
            program += [statement(EQUAL, by_name[name], 0, 1), statement(RETURN, ALLOW)]
    return program + [statement(RETURN, EPERM)]


def install(program):
    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
    code = Program(len(program), b"".join(program))
    if LIBC.prctl(22, 2, ctypes.byref(code), 0, 0) != 0:             # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        sys.exit(f"sandbox: no filter: {os.strerror(ctypes.get_errno())}")


def drop_to(user):
    entry = pwd.getpwnam(user)
    for capability in range(64):
        LIBC.prctl(24, capability, 0, 0, 0)                          # PR_CAPBSET_DROP; those that there are
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


def main():
    unit, user, folders = options(sys.argv[1]), sys.argv[2], sys.argv[3].split(":")
    program = filter_of(unit)
    if LIBC.unshare(0x00020000) != 0:                                # CLONE_NEWNS
        sys.exit(f"sandbox: no mount namespace: {os.strerror(ctypes.get_errno())}")
    run("mount", "--make-rprivate", "/")
    if unit.get("PrivateTmp") == ["yes"]:
        own_tmp(folders)
    if unit.get("ProtectHome") == ["yes"]:
        empty_home()
    if unit.get("PrivateDevices") == ["yes"]:
        own_devices()
    if unit.get("ProtectSystem") == ["strict"]:
        remount_read_only(folders[:1])
    if "ProtectProc" in unit:
        run("mount", "-t", "proc", "-o", f"hidepid={unit['ProtectProc'][0]},subset={unit['ProcSubset'][0]}", "proc", "/proc")
    os.umask(int(unit["UMask"][0], 8))
    drop_to(user)
    if unit.get("NoNewPrivileges") == ["yes"]:
        LIBC.prctl(38, 1, 0, 0, 0)
    install(program)
    os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0")           # that wants to trace, and may not
    os.execvp(sys.argv[4], sys.argv[4:])


if __name__ == "__main__":
    main()
