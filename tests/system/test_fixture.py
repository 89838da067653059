#!/usr/bin/python3
"""test_fixture.py: the ground that the system tests stand on: real Postfix instances that answer as a backup MX does,
take changed tables at once, and leave nothing behind, whatever happens to the test."""
import os
import signal
import socket
import subprocess
import sys
import threading
import unittest

from lib import child, env, rxfer, runner, smtp
from lib.postfix import Postfix
from lib.wait import Deadline, stays, wait_for

BACKUP = {"relay_domains": "example.com"}


class Verdicts(runner.TestCase):
    """A primary and a backup side by side, one round for each table type."""

    def backup(self, kind):
        if kind not in env.postfix().types:
            self.skipTest(f"this Postfix has no {kind}:")
        path = os.path.join(self.folder, "relay_recipients")
        backup = Postfix("backup", self.folder, {**BACKUP, "relay_recipient_maps": f"{kind}:{path}"})
        return backup, path

    def table_type(self, kind):
        backup, path = self.backup(kind)
        backup.write_map(path, ["alice@example.com", "@sub.example.com"], kind)
        self.running(backup)
        code, text = smtp.verdict(backup.port, "alice@example.com")
        self.assertEqual(code, 250, text)
        code, text = smtp.verdict(backup.port, "nobody@example.com")
        self.assertEqual(code, 550, text)
        self.assertIn("User unknown in relay recipient table", text)
        code, text = smtp.verdict(backup.port, "alice@example.org")
        self.assertEqual(code, 554, text)
        self.assertIn("Relay access denied", text)
        backup.write_map(path, ["bob@example.com"], kind)
        wait_for(lambda: smtp.code(backup.port, "bob@example.com") == 250, 10, "the new table's bob")
        self.assertEqual(smtp.code(backup.port, "alice@example.com"), 550)

    def test_hash(self):
        self.table_type("hash")

    def test_btree(self):
        self.table_type("btree")

    def test_lmdb(self):
        self.table_type("lmdb")

    def test_cdb(self):
        self.table_type("cdb")

    def test_no_table_defers(self):
        backup, _ = self.backup("hash")
        self.running(backup)
        code, text = smtp.verdict(backup.port, "alice@example.com")
        self.assertEqual(code, 451, text)

    def test_primary(self):
        path = os.path.join(self.folder, "virtual")
        primary = Postfix("primary", self.folder, {
            "virtual_alias_domains": "example.com", "virtual_alias_maps": f"hash:{path}", "recipient_delimiter": "+"})
        primary.write_map(path, {"alice@example.com": "alice@example.net", "@example.org": "bob@example.net"})
        self.running(primary)
        with smtp.Session(primary.port) as session:
            self.assertEqual(session.verdict("alice@example.com")[0], 250)
            self.assertEqual(session.verdict("Alice+list@EXAMPLE.com")[0], 250)
            self.assertEqual(session.verdict("stranger@example.com")[0], 550)
            self.assertEqual(session.verdict("anyone@example.org")[0], 554)

    def test_mail_is_relayed(self):
        inbox = os.path.join(self.folder, "primary", "mail")
        primary = Postfix("primary", self.folder, {
            "virtual_mailbox_domains": "example.com", "virtual_mailbox_base": inbox,
            "virtual_mailbox_maps": "static:alice", "virtual_transport": "virtual",
            "virtual_uid_maps": "static:65534", "virtual_gid_maps": "static:65534"})
        self.running(primary)
        backup = Postfix("backup", self.folder, {
            **BACKUP, "relay_recipient_maps": "static:all", "relay_transport": f"relay:[127.0.0.1]:{primary.port}"})
        self.running(backup)
        with smtp.Session(backup.port) as session:
            code, text = session.send("alice@example.com", "Subject: x\n\n.a line with a dot\n")
        self.assertEqual(code, 250, text)
        path = os.path.join(inbox, "alice")
        wait_for(lambda: os.path.exists(path) and os.path.getsize(path), 20, lambda: f"the mail\n{backup.log()}")
        with open(path, encoding="utf-8") as f:
            self.assertIn("\n.a line with a dot\n", f.read())


class Many(runner.TestCase):
    def test_five_at_once(self):
        instances = [self.running(Postfix(f"mx{i}", self.folder, {
            **BACKUP, "relay_recipient_maps": f"inline:{{user{i}@example.com=x}}"})) for i in range(5)]
        for i, instance in enumerate(instances):
            self.assertEqual(smtp.code(instance.port, f"user{i}@example.com"), 250)
            self.assertEqual(smtp.code(instance.port, f"user{i + 1}@example.com"), 550)
            self.assertEqual(instance.postconf("queue_directory"), instance.queue)

    def test_settings_change(self):
        backup = self.running(Postfix("backup", self.folder, {
            **BACKUP, "relay_recipient_maps": "inline:{a@example.com=x}"}))
        self.assertEqual(smtp.code(backup.port, "b@example.com"), 550)
        backup.set(unknown_relay_recipient_reject_code="450")
        wait_for(lambda: smtp.code(backup.port, "b@example.com") == 450, 10, "the new reject code")

    def test_same_port_again(self):
        backup = Postfix("backup", self.folder, BACKUP)
        for _ in range(3):
            with backup:
                self.assertEqual(smtp.code(backup.port, "a@example.com"), 250)
            with self.assertRaises(ConnectionRefusedError):
                smtp.Session(backup.port)


class NothingLeft(runner.TestCase):
    def test_stop_ends_all(self):
        backup = Postfix("backup", self.folder, BACKUP).start()
        group = backup._process.pid
        smtp.verdict(backup.port, "a@example.com")
        self.assertGreater(len(child.group_members(group)), 2)
        backup.stop()
        self.assertEqual(child.group_members(group), [])

    def test_master_killed(self):
        backup = Postfix("backup", self.folder, BACKUP).start()
        group = backup._process.pid
        backup._process.kill()
        backup._process.wait()
        backup.stop()
        self.assertEqual(child.group_members(group), [])
        with backup:
            self.assertEqual(smtp.code(backup.port, "a@example.com"), 250)

    def test_runner_killed(self):
        script = ("import sys; sys.path.insert(0, sys.argv[1])\n"
                  "from lib.postfix import Postfix\n"
                  "p = Postfix('orphan', sys.argv[2], {'relay_domains': 'example.com'}).start()\n"
                  "print(p._process.pid, p.port, flush=True); sys.stdin.read()\n")
        with subprocess.Popen([sys.executable, "-B", "-c", script, env.SYSTEM, self.folder], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env={**os.environ, "RXFER_BUILD": env.BUILD}) as runner_process:
            group, port = map(int, runner_process.stdout.readline().split())
            self.addCleanup(child.kill_group, group)
            self.assertEqual(smtp.code(port, "a@example.com"), 250)
            runner_process.send_signal(signal.SIGKILL)
            runner_process.wait()
        wait_for(lambda: not child.group_members(group), 10, lambda: f"the end of {child.group_members(group)}")


class Notify(rxfer.Daemon):
    """A shell script in a daemon's place: the process part of lib/rxfer.py, without rxfer."""

    program = "rxfer-fake"

    def __init__(self, folder, script):
        self.command = script
        super().__init__("fake", folder)

    def start(self, wrapper=()):
        return super().start(wrapper=("/usr/bin/python3", "-B", "-c", self.command))


SAY = ("import os, socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
       "def say(x): s.sendto(x, os.environ['NOTIFY_SOCKET'])\n")


class Daemons(runner.TestCase):
    def setUp(self):
        super().setUp()
        for module, name in ((rxfer, "keygen"), (env, "program")):
            self.addCleanup(setattr, module, name, getattr(module, name))
            setattr(module, name, lambda x: x)

    def test_ready_and_stop(self):
        fake = Notify(self.folder, SAY + "import signal\nsignal.signal(15, lambda *a: os._exit(0))\n"
                                         "say(b'STATUS=reading\\nREADY=1')\nsignal.pause()")
        fake.start()
        self.assertIn("STATUS=reading", fake.notices)
        fake.stop()
        fake.start()
        fake.kill()
        self.assertFalse(fake.running())

    def test_ends_before_ready(self):
        fake = Notify(self.folder, "print('no such zone'); raise SystemExit(2)")
        with self.assertRaisesRegex(AssertionError, r"exit 2.*\n.*no such zone"):
            fake.start()

    def test_bad_exit_is_a_failure(self):
        fake = Notify(self.folder, SAY + "say(b'READY=1')\nos._exit(1)")
        fake.start()
        fake._process.wait()
        with self.assertRaisesRegex(AssertionError, "exit 1"):
            fake.stop()

    def test_child_left_is_a_failure(self):
        fake = Notify(self.folder, SAY + "import signal, subprocess\nsignal.signal(15, lambda *a: os._exit(0))\n"
                                         "c = subprocess.Popen(['/bin/sleep', '1000'])\nsay(b'READY=1')\n"
                                         "signal.pause()")
        fake.start()
        group = fake.pid
        with self.assertRaisesRegex(AssertionError, "left 1 child"):
            fake.stop()
        self.assertEqual(child.group_members(group), [])


class Small(unittest.TestCase):
    def test_deadline_says_what(self):
        with self.assertRaisesRegex(Deadline, "0.05 s in vain for: rain"):
            wait_for(lambda: False, 0.05, "rain")
        with self.assertRaisesRegex(AssertionError, "no longer so: calm"):
            stays(lambda: False, 1, "calm")

    def test_ports_are_ours(self):
        ports = {child.free_port() for _ in range(50)}
        self.assertEqual(len(ports), 50)
        with socket.socket() as s:
            with self.assertRaises(OSError):
                s.bind(("127.0.0.1", next(iter(ports))))

    def test_hung_up_server(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            def answer():
                connection, _ = server.accept()
                with connection:
                    connection.sendall(b"220 x\r\n")
                    connection.recv(100)
            thread = threading.Thread(target=answer)
            thread.start()
            with self.assertRaisesRegex(smtp.SmtpError, "hung up"):
                smtp.Session(server.getsockname()[1])
            thread.join()


if __name__ == "__main__":
    runner.main(programs=False)
