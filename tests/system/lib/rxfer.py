"""rxfer.py: rxfer-master and rxfer-replica as processes of a test, and the rxfer command.

    m = Master("primary", folder, config_text)    # written to FOLDER/primary/master.conf
    m.start()                                     # waits for READY=1, as systemd does
    m.status()["..."]; m.rxfer("refresh", "example"); m.kill(); m.start(); m.stop()

Pair puts both ends together for the usual case. Each daemon has a folder of its own with configuration, identity,
state, control socket and log.
"""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess

from . import child, env
from .wait import wait_for

START_SECONDS = 30


def run(*args, text=None, seconds=30):
    """Runs `rxfer ARGS...`: (exit status, standard output, standard error)."""
    done = subprocess.run([env.program("rxfer"), *args], input=text, text=True, capture_output=True, timeout=seconds,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def keygen(path):
    """Makes an identity, returns its public line."""
    for command in ("keygen", "key"):
        status, out, err = run(command, path)
        if status != 0:
            raise AssertionError(f"rxfer {command} {path}: exit {status}: {err}")
    return out.strip()


def table_keys(table):
    """The keys of a Postfix table ("hash:/path", also btree and lmdb), read with postmap, under Postfix's lock."""
    done = subprocess.run([os.path.join(env.postfix().bin, "postmap"), "-s", table], text=True, capture_output=True,
                          check=False)
    if done.returncode != 0:
        raise AssertionError(f"postmap -s {table}: {done.stderr}")
    return {line.split("\t", 1)[0] for line in done.stdout.splitlines()}


class Daemon:
    """One daemon. Attributes: name, folder, config (path), socket (control socket), identity (path), key (public line).
    """

    program = None       # set by Master and Replica
    wrapper = ()

    def __init__(self, name, folder, config_text=""):
        """Makes folder and identity; writes the configuration when there is a text."""
        self.name = name
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder, exist_ok=True)
        self.config = os.path.join(self.folder, f"{self.role}.conf")
        self.socket = os.path.join(self.folder, "control.sock")
        self.identity = os.path.join(self.folder, "identity")
        self.state = os.path.join(self.folder, "state")
        self.log_path = os.path.join(self.folder, "daemon.log")
        self.key = keygen(self.identity)
        self.notices = []        # what it told the service manager, in order
        self._process = None
        self._notify = None
        if config_text:
            self.write_config(config_text)

    @property
    def role(self):
        return self.program.removeprefix("rxfer-")

    def write_config(self, text):
        """Writes the configuration: the three settings that every daemon has, then `text`."""
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(f'identity = "{self.identity}"\nstate = "{self.state}"\ncontrol = "{self.socket}"\n{text}')

    def start(self, wrapper=None):
        """Starts it and waits until it says READY=1. wrapper: a command to run it under, such as valgrind; by default the
        attribute."""
        assert not self.running(), f"{self.name} runs already"
        path = os.path.join(self.folder, "notify.sock")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._close_notify()
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(path)
        os.chmod(path, 0o777)                # whoever it runs as
        self._notify.setblocking(False)
        self.notices = []
        wrapper = self.wrapper if wrapper is None else wrapper
        self._process = child.start([*wrapper, env.program(self.program), "-c", self.config], self.log_path,
                                    env={**os.environ, "NOTIFY_SOCKET": path}, cwd=self.folder)
        self.wait_notice("READY=1", START_SECONDS)
        return self

    def _read_notices(self):
        while True:
            try:
                self.notices += self._notify.recv(4096).decode("utf-8", "replace").split("\n")
            except BlockingIOError:
                return

    def wait_notice(self, line, seconds):
        """Waits until the daemon has told the service manager this line since its start."""
        def told():
            self._read_notices()
            if line in self.notices:
                return True
            status = self._process.poll()
            if status is not None:
                raise AssertionError(f"{self.program} ended ({child.exit_text(status)}) before {line}\n{self.log()}")
            return False
        wait_for(told, seconds, lambda: f"{line} from {self.program}\n{self.log()}")

    def reload(self):
        self._process.send_signal(signal.SIGHUP)

    def give_to(self, user):
        """Its folder, and so its identity, to another account, before it's started as that (lib/limits.py)."""
        for path, _, names in os.walk(self.folder):
            for name in [".", *names]:
                shutil.chown(os.path.join(path, name), user)

    @property
    def pid(self):
        return self._process.pid

    def running(self):
        return self._process is not None and self._process.poll() is None

    def stop(self):
        """SIGTERM, waits, and fails unless it ended with exit status 0 and left no child. Harmless when not running."""
        if self._process is None:
            return
        process, self._process = self._process, None
        status = process.poll()
        try:
            if status is None:
                process.terminate()
                status = process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.program} didn't end after SIGTERM\n{self.log()}") from None
        finally:
            orphans = child.group_members(process.pid)
            child.kill_group(process.pid)
            self._close_notify()
        if status != 0:
            raise AssertionError(f"{self.program} ended with {child.exit_text(status)}\n{self.log()}")
        if orphans:
            raise AssertionError(f"{self.program} left {len(orphans)} child processes behind\n{self.log()}")

    def kill(self):
        """SIGKILL, to the daemon and its children, and no questions asked."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.wait()
        child.kill_group(process.pid)
        self._close_notify()

    def _close_notify(self):
        if self._notify is not None:
            self._notify.close()
            self._notify = None

    def rxfer(self, *args, text=None):
        """`rxfer -s SOCKET ARGS...`: (exit status, standard output, standard error)."""
        return run("-s", self.socket, *args, text=text)

    def status(self):
        """`rxfer status --json`, parsed."""
        status, out, err = self.rxfer("status", "--json")
        if status not in (0, 1, 2):
            raise AssertionError(f"rxfer status of {self.name}: exit {status}: {err}\n{self.log()}")
        return json.loads(out)

    def list(self, *zone):
        """`rxfer list`, as lines."""
        status, out, err = self.rxfer("list", *zone)
        if status != 0:
            raise AssertionError(f"rxfer list of {self.name}: exit {status}: {err}")
        return out.splitlines()

    def log(self, lines=30):
        return child.tail(self.log_path, lines)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.stop()
        else:
            self.kill()


class Master(Daemon):
    program = "rxfer-master"

    def __init__(self, name, folder, config_text=""):
        self.port = child.free_port()
        super().__init__(name, folder, config_text)

    def write_config(self, text):
        super().write_config(f'listen = {{ "tcp://127.0.0.1:{self.port}" }}\n{text}')


class Replica(Daemon):
    program = "rxfer-replica"

    def table(self, name="relay_recipients"):
        """The path of a table, as relay_recipient_maps would name it, without type."""
        return os.path.join(self.folder, "tables", name)


class Pair:
    """One primary and one backup with one zone "example", neither started.

        pair = Pair(folder, 'map = "hash:/.../virtual"')
        pair.start(); pair.wait_keys({"alice@example.com"}); pair.stop()

    source: the inside of the source's braces. domains: those that the backup allows. zone: more lines for the master's
    zone. tables: table name -> (holds, type). Change master_text or replica_text and call write() for more.
    """

    def __init__(self, folder, source, domains=("example.com",), zone="", tables=None):
        self.tables = tables or {"relay_recipients": ("recipients", "hash"), "relay_domains": ("domains", "hash")}
        self.master = Master("master", folder)
        self.replica = Replica("replica", folder)
        os.makedirs(os.path.join(self.replica.folder, "tables"), exist_ok=True)
        self.master_text = (
            f'zone "example" {{\n\tsource "map" {{ {source} }}\n\t{zone}\n}}\n'
            f'replica "mx2" {{ key = "{self.replica.key}"  zones = {{ "example" }} }}\n')
        listed = ", ".join(f'"{d}"' for d in domains)
        self.replica_text = (
            f'master "primary" {{ connect = "tcp://127.0.0.1:{self.master.port}"  keys = {{ "{self.master.key}" }} }}\n'
            f'zone "example" {{ master = "primary"  domains = {{ {listed} }} }}\n')
        for name, (holds, kind) in self.tables.items():
            self.replica_text += (
                f'table "{name}" {{ holds = "{holds}"  type = "{kind}"  path = "{self.replica.table(name)}" }}\n')
        self.write()

    def write(self):
        self.master.write_config(self.master_text)
        self.replica.write_config(self.replica_text)

    def start(self):
        self.master.start()
        self.replica.start()
        return self

    def stop(self):
        """Stops both, also when one of them ended badly."""
        try:
            self.replica.stop()
        finally:
            self.master.stop()

    def table(self, name="relay_recipients"):
        """As main.cf names it: "hash:/path"."""
        return f"{self.tables[name][1]}:{self.replica.table(name)}"

    def keys(self, name="relay_recipients"):
        """The keys of a table of the backup; None when there is no table yet."""
        suffix = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb"}[self.tables[name][1]]
        return table_keys(self.table(name)) if os.path.exists(self.replica.table(name) + suffix) else None

    def wait_keys(self, expected, seconds=20, name="relay_recipients"):
        """Waits until the backup's table holds exactly these keys."""
        expected = set(expected)

        def report():
            have = self.keys(name)
            if have is None:
                return f"a table {name}\n{self.logs()}"
            missing, extra = sorted(expected - have), sorted(have - expected)
            return (f"{len(expected)} keys in {name}: {len(missing)} are missing ({missing[:3]}), "
                    f"{len(extra)} too many ({extra[:3]})\n{self.logs()}")
        wait_for(lambda: self.keys(name) == expected, seconds, report)

    def logs(self):
        return f"--- master\n{self.master.log()}--- replica\n{self.replica.log()}"
