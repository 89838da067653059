"""child.py: processes and ports that a test can be sure of: nothing outlives the test, nobody else takes its port.

Each process that start() makes leads a process group. A warden, one small shell for each test program, knows the
groups; when the test ends without having ended them, even by SIGKILL, the warden's input is at its end, and it kills
what is left. (A parent-death signal won't do: the kernel forgets it when a process changes its user, as master does.)
"""
import contextlib
import os
import signal
import socket
import subprocess

from .wait import wait_for

_reserved = {}
_groups = set()


def free_port():
    """A port on 127.0.0.1 that is ours until the test ends.

    The socket that found it stays bound, not listening, with SO_REUSEADDR: a server that sets the option too (Postfix
    and ZeroMQ do) can listen there, again and again; the kernel gives the port to nobody else.
    """
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
    _reserved[port] = s
    return port


_WARDEN = """
groups=
while read -r what group; do
	case $what in
	add) groups="$groups $group " ;;
	forget) case $groups in *" $group "*) groups=${groups%% $group *}${groups#* $group } ;; esac ;;
	esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"""
_warden = None


def _tell_warden(line):
    global _warden
    if _warden is None:
        _warden = subprocess.Popen(["/bin/sh", "-c", _WARDEN], stdin=subprocess.PIPE, start_new_session=True)
    _warden.stdin.write(line.encode() + b"\n")
    _warden.stdin.flush()


def start(command, log_path, env=None, cwd=None):
    """Starts a command with its output appended to log_path, as the leader of a session of its own (Ctrl-C at a
    terminal reaches the test alone, which then ends its processes in good order). Returns the Popen; its pid is the
    group's id. The command begins only when the warden knows of it. End it with kill_group."""
    with open(log_path, "ab") as log:
        process = subprocess.Popen(["/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "sh", *command],
                                   stdin=subprocess.PIPE, stdout=log, stderr=log, env=env, cwd=cwd,
                                   start_new_session=True)
    _groups.add(process.pid)
    _tell_warden(f"add {process.pid}")
    process.stdin.write(b"go\n")
    process.stdin.close()
    return process


def group_members(group):
    """The processes of a group. Zombies don't count: whose parent is gone they wait for init, which may be slow."""
    members = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()          # state ppid pgrp
        except OSError:
            continue
        if fields[2] == str(group) and fields[0] not in "ZX":
            members.append(int(name))
    return members


def kill_group(group, seconds=10):
    """SIGKILL to every process that is left of a group that we started; returns when none is."""
    def gone():
        if not group_members(group):
            return True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        return False
    wait_for(gone, seconds, f"the end of process group {group}")
    _groups.discard(group)
    _tell_warden(f"forget {group}")


def kill_all():
    """Ends everything that start() started and nobody ended, without ceremony."""
    for group in list(_groups):
        kill_group(group)


def exit_text(status):
    """An exit status for people: "exit 1", "SIGKILL"."""
    if status is None:
        return "running"
    return signal.Signals(-status).name if status < 0 else f"exit {status}"


def tail(path, lines=20):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-lines:])
    except OSError as e:
        return f"({e})\n"
