#!/usr/bin/python3
"""Bad input on every door: configuration, identity, control socket, network. One clear line, no crash, nothing lost."""
import os
import re
import socket
import subprocess

from lib import env, runner
from lib.rxfer import Pair, Replica, run
from lib.wait import wait_for

KEYS = {"alice@example.com", "bob@example.com"}


class Doors(runner.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.folder, "users")
        self.write(KEYS)
        self.pair = Pair(self.folder, f'map = "{self.path}"')
        self.addCleanup(self.pair.stop)

    def write(self, keys):
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            f.writelines(f"{key} x\n" for key in sorted(keys))
        os.rename(self.path + ".new", self.path)

    def start(self):
        self.pair.start()
        self.pair.wait_keys(KEYS)

    def still_alive(self):
        """Both daemons still do their work."""
        self.write(KEYS | {"after@example.com"})
        self.pair.wait_keys(KEYS | {"after@example.com"})

    # ---- configuration ----

    def refused(self, daemon, text, *words):
        """The daemon doesn't start with this configuration, and says so in one line with all the words."""
        with open(daemon.config, "w", encoding="utf-8") as f:
            f.write(text)
        done = subprocess.run([env.program(daemon.program), "-t", "-c", daemon.config], capture_output=True, text=True,
                              timeout=20, check=False)
        self.assertIn(done.returncode, (1, 2), done.stderr)
        lines = done.stderr.strip().splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        for word in words:
            self.assertIn(word, lines[0])

    def test_configuration_of_the_master(self):
        daemon = self.pair.master
        with open(daemon.config, encoding="utf-8") as f:
            good = f.read()
        key = self.pair.replica.key
        for bad, words in (
                (good + "nonsense = 1\n", ("master.conf:", "nonsense")),
                (good.replace('map = "', 'maps = "'), ("master.conf:", "maps")),
                (good.replace('map = "', 'map = "mysql:'), ("master.conf:", "mysql", "command")),
                (good.replace('map = "', 'map = "made-up:'), ("master.conf:", "made-up")),
                (good.replace(key, key[:-1] + ("A" if key[-1] != "A" else "B")), ("master.conf:", "check sum")),
                (good.replace(key, key[:-4]), ("master.conf:",)),
                (good.replace('zones = { "example" }', 'zones = { "exmaple" }'), ("master.conf:", "exmaple")),
                (good.replace("127.0.0.1:", "127.0.0.1:x"), ("127.0.0.1:x",)),
                (good.replace('zone "example" {', 'zone "example" { refresh = 0'), ("master.conf:", "refresh")),
                (good.replace('zone "example" {', 'zone "ex/../ample" {'), ("master.conf:", "ex/../ample")),
                (good.rstrip().rstrip("}"), ("master.conf:",)),
                (good.replace('identity = "', 'identity = "not/absolute'), ("master.conf:", "identity")),
                (good + '\x00\x01\xff"', ("master.conf:",)),
                ("", ("master.conf",))):
            with self.subTest(words):
                self.refused(daemon, bad, *words)

    def test_configuration_of_the_replica(self):
        daemon = self.pair.replica
        with open(daemon.config, encoding="utf-8") as f:
            good = f.read()
        path = daemon.table("relay_domains")
        for bad, words in (
                (good + "nonsense = 1\n", ("replica.conf:", "nonsense")),
                (good.replace('domains = { "example.com" }', ""), ("replica.conf:", "domains")),
                (good.replace('master = "primary"', 'master = "secondary"'), ("replica.conf:", "secondary")),
                (good.replace('type = "hash"', 'type = "hush"'), ("replica.conf:", "hush")),
                (good.replace('holds = "domains"', 'holds = "everything"'), ("replica.conf:", "everything")),
                (good.replace(path, daemon.table("relay_recipients")), ("replica.conf:", "relay_recipients")),
                (good.replace("rxfer1:", "rxfer9:"), ("replica.conf:", "rxfer")),
                (good.replace("tcp://", "tpc://"), ("replica.conf:", "tpc"))):
            with self.subTest(words):
                self.refused(daemon, bad, *words)

    def test_check_names_the_keys_that_are_skipped(self):
        with open(self.path, "w", encoding="utf-8") as f:
            f.writelines(f"{key} x\n" for key in ("alice@example.com", "bob", "carol", "dan", "eve", "a..b@", "x@example.org",
                                                  f"{'l' * 63}.{'m' * 63}@example.org"))
        self.pair.master.write_config(self.pair.master_text.replace('zone "example" {',
                                                                    'zone "example" { domains = { "example.com" }'))
        code, out, err = run("check", "--master", "-c", self.pair.master.config)
        self.assertEqual((code, err), (1, ""), out)
        self.assertIn("8 keys, 1 recipients", out)
        self.assertIn("or give the source domains = { ... }): 4 keys: bob, carol, dan, ...\n", out)
        self.assertIn("no addresses: 1 key: a..b@\n", out)
        self.assertIn("the zone's domains or exclude: 2 keys: x@example.org, llll", out)
        self.assertIn("mm...\n", out)

    def test_identity(self):
        self.assertEqual(run("keygen", self.pair.master.identity)[0] != 0, True, "an identity was overwritten")
        self.assertEqual(os.stat(self.pair.master.identity).st_mode & 0o777, 0o600)
        os.chmod(self.pair.master.identity, 0o640)
        done = subprocess.run([env.program("rxfer-master"), "-c", self.pair.master.config], capture_output=True, text=True,
                              timeout=20, check=False)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (1, 1), done.stderr)
        self.assertIn("chmod", done.stderr)
        os.chmod(self.pair.master.identity, 0o600)
        with open(self.pair.master.identity, "r+b") as f:
            data = f.read()
            f.seek(0)
            f.write(data[:-10])
            f.truncate()
        code, _, err = run("key", self.pair.master.identity)
        self.assertEqual((code != 0, err.count("\n")), (True, 1), err)

    # ---- control socket ----

    def ask_raw(self, daemon, data):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(daemon.socket)
            answer = b""
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
            except BrokenPipeError:              # it had heard enough
                pass
            while True:
                try:
                    more = s.recv(65536)
                except ConnectionResetError:
                    return answer
                if not more:
                    return answer
                answer += more

    def test_control_socket(self):
        self.start()
        for daemon in (self.pair.master, self.pair.replica):
            for data in (b"\n", b"nonsense\n", b"status", b"", b"\x00\xff\x00\n", b"status\tx\ty\n", b"a" * 100000,
                         b"a" * 4095 + b"\n", b"list\tno-such-zone\n", b"list\t" + b"\t" * 100 + b"\n", b"approve\n",
                         b"refresh\t\n", b"status\nstatus\n", b"refresh\t../../etc\n"):
                answer = self.ask_raw(daemon, data)
                if answer and not answer.startswith(b"ok\n"):
                    self.assertTrue(answer.startswith(b"error "), answer[:100])
                    self.assertEqual(answer.count(b"\n"), 1, answer[:100])
            self.assertTrue(daemon.running(), daemon.log())
        # Many that connect and say nothing don't keep an administrator out for good.
        silent = [socket.socket(socket.AF_UNIX) for _ in range(20)]
        for s in silent:
            s.connect(self.pair.master.socket)
        self.assertEqual(self.pair.master.rxfer("status")[0], 0)
        for s in silent:
            s.close()
        self.still_alive()

    def test_commands_that_make_no_sense(self):
        self.start()
        for words in (("approve", "example"), ("approve", "nothing"), ("refresh", "nothing"), ("list", "nothing"),
                      ("made-up",), ("status", "too", "many")):
            code, out, err = self.pair.master.rxfer(*words)
            self.assertNotEqual(code, 0, words)
            self.assertEqual((out, err.count("\n")), ("", 1), (words, out, err))
        code, out, err = run("-s", os.path.join(self.folder, "nobody.sock"), "status")
        self.assertEqual((code, out, err.count("\n")), (3, "", 1), err)

    # ---- network ----

    def test_strangers_on_the_port(self):
        self.start()
        greeting = b"\xff" + b"\x00" * 8 + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\x00") + b"\x00" * 32
        for data in (b"GET / HTTP/1.0\r\n\r\n", b"\x00" * 1000, b"\xff" * 1000, os.urandom(5000), greeting,
                     greeting.replace(b"NULL\x00", b"CURVE") + b"\x04\xff" + b"\x7f" * 8 + os.urandom(300),
                     greeting.replace(b"NULL\x00", b"CURVE") + b"\x04\xc8\x05HELLO\x01\x00" + os.urandom(192)):
            with socket.create_connection(("127.0.0.1", self.pair.master.port)) as s:
                s.settimeout(0.2)
                try:
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(4096):
                        pass
                except OSError:
                    pass
        self.assertTrue(self.pair.master.running())
        self.still_alive()

    def test_refused_wrong_key_unreachable(self):
        """A key that isn't admitted, a wrong key and a dead network are told apart."""
        self.start()
        stranger = Replica("stranger", self.folder)
        text = self.pair.replica_text.replace(self.pair.replica.folder, stranger.folder)
        self.addCleanup(stranger.stop)
        for state, change in (
                ("refused", lambda t: t),
                ("wrong-key", lambda t: t.replace(self.pair.master.key, stranger.key)),
                ("unreachable", lambda t: t.replace(f":{self.pair.master.port}\"", ":1\""))):
            stranger.write_config(change(text))
            stranger.start()
            wait_for(lambda: stranger.status()["masters"][0]["state"] == state, 20,
                     lambda: f"state {state}\n{stranger.rxfer('status')[1]}\n{stranger.log()}")
            self.assertEqual(stranger.rxfer("status")[0], 2)
            self.assertFalse(os.path.exists(stranger.table() + ".db"))
            stranger.stop()
        refused = self.pair.master.status()["refused"]
        self.assertGreater(refused["handshakes"], 0)
        self.assertGreater(refused["keys"], 0)
        self.assertEqual(refused["last_address"], "127.0.0.1")
        self.still_alive()
        # What the master shows of it, pasted into its configuration, admits it.
        line = re.search(r'^    (key = "rxfer1:.*")$', self.pair.master.rxfer("status")[1], re.MULTILINE)[1]
        self.assertIn(refused["last_key"], line)
        self.assertIn(f"from 127.0.0.1: no replica in the configuration has the key {refused['last_key']}",
                      self.pair.master.log())
        self.assertEqual(self.pair.master.log().count(refused["last_key"]), 1)
        self.pair.master.write_config(self.pair.master_text + f'replica "stranger" {{ {line} zones = {{ "example" }} }}\n')
        self.pair.master.reload()
        stranger.write_config(text)
        stranger.start()
        wait_for(lambda: os.path.exists(stranger.table() + ".db"), 20, stranger.log)
        self.refused(stranger, text.replace(self.pair.master.key, refused["last_key"]), "replica.conf:", "half that signs")


if __name__ == "__main__":
    runner.main(root=False)
