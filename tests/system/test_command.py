#!/usr/bin/python3
"""test_command.py: the rxfer command against daemons that are played here: exit statuses, broken answers, sockets that
nobody listens at, and the daemon's check found beside the command."""
import fcntl
import json
import os
import pty
import shutil
import socket
import struct
import subprocess
import termios
import threading

from lib import env, runner

GOLDEN = os.path.join(env.SOURCE, "tests", "golden")


class Played:
    """A control socket that gives each client the same bytes and keeps what was asked."""

    def __init__(self, path, answer):
        self.asked = []
        self.answer = answer
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client:
                self.asked.append(client.makefile("rb").readline().decode())
                try:
                    client.sendall(self.answer)
                except OSError:
                    pass         # the command had seen enough

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


class Command(runner.TestCase):
    """One daemon at FOLDER/s."""

    def setUp(self):
        super().setUp()
        self.socket = os.path.join(self.folder, "s")

    def play(self, answer):
        played = Played(self.socket, answer if isinstance(answer, bytes) else answer.encode())
        self.addCleanup(os.unlink, self.socket)
        self.addCleanup(played.close)
        return played

    def rxfer(self, *args, program=None, **settings):
        done = subprocess.run([program or env.program("rxfer"), *args], capture_output=True, timeout=60, check=False,
                              env={**os.environ, "COLUMNS": "", **settings})
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def golden(self, name, suffix):
        with open(os.path.join(GOLDEN, f"status-{name}.{suffix}"), encoding="utf-8") as f:
            return f.read()

    def test_status(self):
        for name, wanted in (("master-healthy", 0), ("master-sick-source", 1), ("replica-expired", 2), ("hostile", 3)):
            with self.subTest(name=name):
                played = Played(self.socket, f"ok\n{self.golden(name, 'json')}.\n".encode())
                status, out, err = self.rxfer("status", "-s", self.socket)
                self.assertEqual((status, out, err), (wanted, self.golden(name, "txt"), ""))
                status, out, err = self.rxfer("status", "-s", self.socket, "--json")
                self.assertEqual((status, json.loads(out), err), (wanted, json.loads(self.golden(name, "json")), ""))
                self.assertEqual(played.asked, ["status\n"] * 2)
                played.close()
                os.unlink(self.socket)

    def on_terminal(self, columns, *args):
        """What rxfer writes on a terminal that is so wide."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
        with subprocess.Popen([env.program("rxfer"), *args], stdout=theirs,
                              env={**os.environ, "COLUMNS": "", "NO_COLOR": "1"}) as process:
            os.close(theirs)
            text = b""
            try:
                while piece := os.read(ours, 4096):
                    text += piece
            except OSError:              # its last word: the terminal is closed
                pass
            os.close(ours)
            self.assertEqual(process.wait(60), 0)
        return text.decode().replace("\r\n", "\n")

    def test_width(self):
        name = "master-two-zones"
        self.play(f"ok\n{self.golden(name, 'json')}.\n")
        for columns in (60, 160):
            self.assertEqual(self.on_terminal(columns, "status", "-s", self.socket), self.golden(name, f"{columns}.txt"))
            self.assertEqual(self.rxfer("status", "-s", self.socket, COLUMNS=str(columns))[1],
                             self.golden(name, f"{columns}.txt"))
        for nonsense in ("0", "-60", "60x", "99999999999999999999", " 60"):
            self.assertEqual(self.rxfer("status", "-s", self.socket, COLUMNS=nonsense)[1], self.golden(name, "txt"))
        self.assertEqual(self.rxfer("status", "-s", self.socket, COLUMNS="1")[1],
                         self.rxfer("status", "-s", self.socket, COLUMNS="40")[1])
        self.assertEqual(self.on_terminal(0, "status", "-s", self.socket), self.golden(name, "txt"))

    def test_cannot_tell(self):
        """Whatever is wrong with the answer: exit 3, one line on standard error, nothing on standard output."""
        status, out, err = self.rxfer("status", "-s", self.socket)
        self.assertEqual((status, out), (3, ""))
        self.assertIn("systemctl", err)
        for answer, word in (("", "cut off"), ("ok\n{}\n", "cut off"), ("ok\nnonsense\n.\n", "isn't JSON"),
                             ("error I won't\n", "I won't"), ("HTTP/1.1 400 Bad Request\n", "cut off"),
                             (b"ok\n" + b"[" * 100000 + b"\n.\n", "isn't JSON"), (b"ok\n\xff\n.\n", "isn't JSON"),
                             (b"error \x1b[2J\n", "?[2J")):
            with self.subTest(answer=answer[:40]):
                played = Played(self.socket, answer if isinstance(answer, bytes) else answer.encode())
                status, out, err = self.rxfer("status", "-s", self.socket)
                played.close()
                os.unlink(self.socket)
                self.assertEqual((status, out), (3, ""))
                self.assertIn(word, err)
                self.assertEqual(err.count("\n"), 1)
                self.assertNotIn("\x1b", err)

    def test_stale_socket(self):
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(self.socket)
        self.addCleanup(os.unlink, self.socket)
        status, out, err = self.rxfer("status", "-s", self.socket)
        self.assertEqual((status, out), (3, ""))
        self.assertIn("the daemon isn't running", err)

    def test_list(self):
        played = self.play("ok\nRCPT b@example.com\nRCPT a@example.com\nDOMAIN example.com\n.\n")
        status, out, err = self.rxfer("list", "example", "-s", self.socket)
        self.assertEqual((status, out, err), (0, "DOMAIN example.com\nRCPT a@example.com\nRCPT b@example.com\n", ""))
        status, out, err = self.rxfer("-s", self.socket, "list", "--json")
        self.assertEqual([record["key"] for record in json.loads(out)],
                         ["example.com", "a@example.com", "b@example.com"])
        self.assertEqual(played.asked, ["list\texample\n", "list\n"])
        with open("/dev/full", "wb") as full:
            done = subprocess.run([env.program("rxfer"), "list", "-s", self.socket], stdout=full, check=False,
                                  stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"standard output", done.stderr)

    def test_large_list(self):
        """Cut into many pieces, and none is lost."""
        lines = [f"RCPT user{(i * 7919) % 100000:06}@example.com\n" for i in range(100000)]
        self.play("ok\n" + "".join(lines) + ".\n")
        status, out, _ = self.rxfer("list", "-s", self.socket)
        self.assertEqual(status, 0)
        self.assertEqual(out, "".join(sorted(lines)))

    def test_orders(self):
        played = self.play("ok\nreading the sources of zone example\n.\n")
        self.assertEqual(self.rxfer("refresh", "example", "-s", self.socket),
                         (0, "reading the sources of zone example\n", ""))
        self.assertEqual(self.rxfer("approve", "-s", self.socket)[0], 0)
        self.assertEqual(played.asked, ["refresh\texample\n", "approve\n"])
        status, _, err = self.rxfer("approve", "a\tb", "-s", self.socket)
        self.assertEqual(status, 1)
        self.assertIn("TAB", err)
        self.assertEqual(len(played.asked), 2)

    def test_misuse(self):
        for args, status in ((("status", "extra"), 3), (("status", "--json", "--watch"), 3), (("list", "a", "b"), 2),
                             (("key",), 2), (("keygen", "f", "--json"), 2), (("dance",), 3), ((), 3), (("--odd",), 3),
                             (("check", "--master", "--replica"), 2), (("list", "--odd"), 2),
                             (("--odd", "refresh", "zone"), 2), (("status", "--odd"), 3), (("--odd", "dance"), 3),
                             (("list", "--socket"), 2), (("key", "--odd", "--help"), 2)):
            with self.subTest(args=args):
                got, out, err = self.rxfer(*args)
                self.assertEqual((got, out), (status, ""))
                self.assertNotEqual(err, "")
        status, out, err = self.rxfer("--help")
        self.assertEqual((status, err), (0, ""))
        for command in ("status", "list", "refresh", "approve", "check", "audit", "keygen", "key"):
            self.assertIn(f"\n  {command} ", out)
        self.assertRegex(self.rxfer("--version")[1], r"^rxfer [0-9]")

    def test_keygen(self):
        path = os.path.join(self.folder, "identity")
        status, out, _ = self.rxfer("keygen", path)
        self.assertEqual(status, 0)
        self.assertRegex(out, r"^rxfer1:[A-Za-z0-9_-]+\n$")
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)
        self.assertEqual(self.rxfer("key", path), (0, out, ""))
        status, again, err = self.rxfer("keygen", path)
        self.assertEqual((status, again), (1, ""))
        self.assertEqual(self.rxfer("key", path)[1], out)
        os.chmod(path, 0o644)
        status, again, err = self.rxfer("key", path)
        self.assertEqual((status, again), (1, ""))
        self.assertIn(path, err)

    def test_check(self):
        """The daemon beside the command is run, the one that the configuration is for."""
        program = os.path.join(self.folder, "rxfer")
        shutil.copy(env.program("rxfer"), program)
        for name in ("rxfer-master", "rxfer-replica"):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
                f.write(f'#!/bin/sh\necho {name} "$@"\nexit 5\n')
            os.chmod(os.path.join(self.folder, name), 0o755)
        for role in ("master", "replica"):
            path = os.path.join(env.SOURCE, "examples", f"{role}.conf")
            self.assertEqual(self.rxfer("check", "-c", path, program=program),
                             (5, f"rxfer-{role} --check -c {path}\n", ""))
        path = os.path.join(self.folder, "unclear.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write('identity = "/x"\n')
        status, out, err = self.rxfer("check", "-c", path, program=program)
        self.assertEqual((status, out), (2, ""), "1 is for warnings")
        self.assertIn("--master or --replica", err)
        self.assertEqual(self.rxfer("check", "-c", path, "--replica", program=program)[0], 5)
        with open(path, "w", encoding="utf-8") as f:
            f.write('identity = "/x\n')
        self.assertIn(f"{path}:1: ", self.rxfer("check", "-c", path, program=program)[2])


if __name__ == "__main__":
    runner.main()
