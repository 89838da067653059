"""postfix.py: a Postfix of its own, in a folder of its own, on a loopback port, for a test or the demo.

    p = Postfix("backup", folder, {"relay_domains": "example.com", "relay_recipient_maps": "hash:/..."})
    p.start(); smtp.verdict(p.port, "alice@example.com"); p.stop()

As many at once as one likes. The machine's own Postfix, its configuration and queue are never touched: every folder
that the instance writes to lies below `folder`. We start master(8) itself, not `postfix start`, whose script checks and
mends permissions for an installed system; master leads a process group, and stop() ends only when the group is empty
(child.py sees to it should the test itself be killed).

An smtpd that met a table that doesn't exist goes on saying 451 after the table has come, for its next hundred clients:
reload() mends that, as `postfix reload` does.
"""
import grp
import os
import pwd
import signal
import socket
import subprocess
import time

from . import child, env
from .wait import wait_for

# 127.0.0.1 isn't among mynetworks: an SMTP client on loopback is a stranger, as on the real net.
MAIN_CF = {
    "compatibility_level": "3.6",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "mynetworks": "192.0.2.255/32",
    "mydestination": "",
    "myorigin": "$myhostname",
    "alias_maps": "",
    "alias_database": "",
    "default_database_type": "hash",
    "smtpd_relay_restrictions": "reject_unauth_destination",
    "smtpd_recipient_restrictions": "",
    "smtpd_peername_lookup": "no",
    "in_flow_delay": "0",                      # else a second for each accepted recipient once many were asked for
    "smtpd_error_sleep_time": "0",
    "smtpd_soft_error_limit": "1000000",
    "smtpd_hard_error_limit": "1000000",
    "smtpd_junk_command_limit": "1000000",
    "smtpd_client_connection_count_limit": "0",
    "smtpd_client_port_logging": "yes",
    "default_transport": "discard:",
    "relay_transport": "discard:",
    "local_transport": "discard:",
    "virtual_transport": "discard:",
    "default_process_limit": "20",
    "disable_dns_lookups": "yes",
    "notify_classes": "",
    "biff": "no",
}

MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp      unix - - n - - smtp
relay     unix - - n - - smtp
showq     unix n - n - - showq
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
local     unix - n n - - local
virtual   unix - n n - - virtual
lmtp      unix - - n - - lmtp
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

# What Postfix's postfix-files gives to the mail owner, and with which mode.
OWNED_FOLDERS = {
    "active": 0o700, "bounce": 0o700, "corrupt": 0o700, "defer": 0o700, "deferred": 0o700, "flush": 0o700,
    "hold": 0o700, "incoming": 0o700, "private": 0o700, "saved": 0o700, "trace": 0o700,
    "maildrop": 0o730, "public": 0o710,
}


class Postfix:
    """One instance. Attributes: name, port, folder, config (the folder of main.cf), queue, log_path; wrapper: a command to
    run it under."""

    wrapper = ()

    def __init__(self, name, folder, main_cf=None, port=None, master_cf=""):
        """main_cf: settings over those above; master_cf: lines added to master.cf. Nothing runs before start()."""
        self.where = env.postfix()
        self.name = name
        self.folder = os.path.join(folder, name)
        self.port = port or child.free_port()
        self.config = os.path.join(self.folder, "etc")
        self.queue = os.path.join(self.folder, "queue")
        self.log_path = os.path.join(self.folder, "mail.log")
        self.main_cf = {"myhostname": f"{name}.example.net", **MAIN_CF, **(main_cf or {}), **self._places()}
        self.master_cf = master_cf
        self._process = None
        self._make_folders()
        self.write_config()

    def _places(self):
        places = {
            "queue_directory": self.queue,
            "data_directory": os.path.join(self.folder, "data"),
            "mail_spool_directory": os.path.join(self.folder, "mail") + "/",
            "maillog_file": self.log_path,
            "maillog_file_prefixes": self.folder,
            "import_environment": "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME",
        }
        for name in ("daemon_directory", "command_directory", "shlib_directory", "meta_directory", "mail_owner",
                     "setgid_group"):
            places[name] = getattr(self.where, name)
        if self.where.library_path:
            places["import_environment"] += f" LD_LIBRARY_PATH={self.where.library_path}"
        return places

    def _make_folders(self):
        owner = pwd.getpwnam(self.where.mail_owner).pw_uid
        group = grp.getgrnam(self.where.setgid_group).gr_gid
        for path in (self.folder, self.config, self.queue, os.path.join(self.queue, "pid")):
            os.makedirs(path, exist_ok=True)
            os.chmod(path, 0o755)
        for name, mode in OWNED_FOLDERS.items():
            path = os.path.join(self.queue, name)
            os.makedirs(path, exist_ok=True)
            os.chown(path, owner, group if mode & 0o070 else 0)
            os.chmod(path, mode)
        for name, mode in (("data", 0o700), ("mail", 0o1777)):
            path = os.path.join(self.folder, name)
            os.makedirs(path, exist_ok=True)
            os.chown(path, owner, 0)
            os.chmod(path, mode)

    def write_config(self):
        """Writes main.cf and master.cf anew; reload() makes a running instance follow."""
        self._write("main.cf", "".join(f"{k} = {v}\n" for k, v in self.main_cf.items()))
        self._write("master.cf", MASTER_CF.format(port=self.port) + self.master_cf)

    def _write(self, name, text):
        path = os.path.join(self.config, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        past = time.time() - 60              # Postfix waits until main.cf is 2 seconds old
        os.utime(path, (past, past))

    def set(self, **settings):
        """Changes main.cf and reloads when it runs."""
        self.main_cf.update(settings)
        self.write_config()
        if self.running():
            self.reload()

    def start(self):
        """Starts it, and waits until it greets with 220."""
        assert not self.running(), f"{self.name} runs already"
        self._process = child.start(
            [*self.wrapper, os.path.join(self.where.daemon_directory, "master"), "-c", self.config, "-s"],
            os.path.join(self.folder, "master.out.log"), env=self._environment(), cwd="/")
        wait_for(self._greets, 30, lambda: f"220 from the Postfix {self.name} at port {self.port}\n{self.log()}")
        return self

    def _greets(self):
        status = self._process.poll()
        if status is not None:
            raise AssertionError(f"the Postfix {self.name} ended at start ({child.exit_text(status)})\n{self.log()}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
                s.settimeout(5)
                return s.recv(3) == b"220"
        except OSError:
            return False

    def running(self):
        return self._process is not None and self._process.poll() is None

    def stop(self):
        """Stops it; when it returns, no process of the instance is left. Harmless when it doesn't run."""
        if self._process is None:
            return
        group = self._process.pid
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        child.kill_group(group)
        self._process = None

    def reload(self):
        """Reads main.cf and master.cf again. Sessions that are open go on with the old settings."""
        self._process.send_signal(signal.SIGHUP)

    def _environment(self):
        environment = {"PATH": f"{self.where.bin}:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C",
                       "MAIL_CONFIG": self.config}
        if self.where.library_path:
            environment["LD_LIBRARY_PATH"] = self.where.library_path
        return environment

    def command(self, name, *args, text=None):
        """Runs one of Postfix's commands on this instance; returns its output, raises when it fails."""
        done = subprocess.run([os.path.join(self.where.bin, name), "-c", self.config, *args], input=text, text=True,
                              capture_output=True, check=False, env=self._environment())
        if done.returncode != 0:
            raise AssertionError(f"{name} {' '.join(args)}: exit {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout

    def postmap(self, table):
        """`table` as in main.cf: "hash:/path"."""
        self.command("postmap", table)

    def postconf(self, name):
        return self.command("postconf", "-hx", name).rstrip("\n")

    def write_map(self, path, entries, kind="hash"):
        """Writes a map file in place, as an editor does, and runs postmap. entries: a dict, or a list of keys.

        A Postfix daemon that has the table open sees a change in place by st_mtime, in whole seconds: two changes
        within a second look like one to it. So each gets a second of its own.
        """
        if not isinstance(entries, dict):
            entries = {key: "OK" for key in entries}
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(f"{key}\t{value}\n" for key, value in entries.items())
        index = path + {"hash": ".db", "btree": ".db"}.get(kind, f".{kind}")
        before = os.stat(index).st_mtime if os.path.exists(index) else 0
        self.postmap(f"{kind}:{path}")
        after = os.stat(index).st_mtime
        if int(after) <= int(before):
            os.utime(index, (after, int(before) + 1))

    def log(self, lines=30):
        return child.tail(os.path.join(self.folder, "master.out.log"), lines) + child.tail(self.log_path, lines)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, error, trace):
        self.stop()
