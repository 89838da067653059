#!/usr/bin/python3
"""The master's key is changed under way: announced, kept by every backup, switched to, without a visit to any of them;
taken back; interrupted at each step; with a backup that is away; with the former key stolen. And by hand, as before.
All the while addresses come, and none that a backup has ever had may go away. A key that is revoked."""
import os
import shutil
import socket
import threading
import types

from lib import child, env, runner
from lib.rxfer import Master, Replica, keygen, run, table_keys
from lib.wait import wait_for


class Watcher(threading.Thread):
    """Adds an address again and again, and looks into the tables: what was there once must stay."""

    def __init__(self, stage):
        super().__init__(daemon=True)
        self.stage = stage
        self.ending = threading.Event()
        self.seen = {replica.name: set() for replica in stage.replicas}
        self.looks = 0
        self.missing = []

    def look(self, replica):
        have = self.stage.table(replica)
        self.missing += [(replica.name, key) for key in self.seen[replica.name] - have]
        self.seen[replica.name] |= have
        self.looks += 1

    def run(self):
        while not self.ending.wait(0.1):
            self.stage.add()
            for replica in self.stage.replicas:
                self.look(replica)

    def finish(self, test):
        wait_for(lambda: self.looks > 20, 30, "enough looks into the tables")
        self.ending.set()
        self.join(20)
        test.assertEqual(self.missing, [])


class Stage(runner.TestCase):
    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.folder, "users")
        self.keys = []
        self.adding = threading.Lock()
        self.add("alice@example.com")
        self.master = Master("master", self.folder)
        self.replicas = [Replica(name, self.folder) for name in ("mx2", "mx3")]
        for replica in self.replicas:
            os.makedirs(os.path.dirname(replica.table()), exist_ok=True)
            self.write_replica(replica, self.master.key)
        self.write_master(self.master, self.replicas)
        for daemon in [*self.replicas, self.master]:
            self.addCleanup(daemon.stop)

    def add(self, key=None):
        """One more address; the watcher adds too."""
        with self.adding:
            self.keys.append(key or f"user{len(self.keys)}@example.com")
            with open(self.path + ".new", "w", encoding="utf-8") as f:
                f.writelines(f"{key} x\n" for key in self.keys)
            os.rename(self.path + ".new", self.path)

    refresh = 1

    def write_master(self, master, replicas, path=None):
        text = (f'zone "example" {{ source "map" {{ map = "{path or self.path}" }}\n'
                f'refresh = {self.refresh}  retry = 1 }}\n')
        for replica in replicas:
            text += f'replica "{replica.name}" {{ key = "{replica.key}"  zones = {{ "example" }} }}\n'
        master.write_config(text)

    def write_replica(self, replica, *keys, port=None):
        listed = ", ".join(f'"{key}"' for key in keys)
        replica.write_config(
            f'master "primary" {{ connect = "tcp://127.0.0.1:{port or self.master.port}"  keys = {{ {listed} }} }}\n'
            'zone "example" { master = "primary"  domains = { "example.com" } }\n'
            f'table "relay_recipients" {{ holds = "recipients"  type = "hash"  path = "{replica.table()}" }}\n')

    def logs(self):
        return "".join(f"--- {d.name}\n{d.log()}" for d in [self.master, *self.replicas])

    def start(self):
        self.master.start()
        for replica in self.replicas:
            replica.start()
        self.converge()

    @staticmethod
    def table(replica):
        """The keys of its table; none when there is no table yet."""
        path = replica.table()
        return table_keys(f"hash:{path}") if os.path.exists(path + ".db") else set()

    def converge(self, replicas=None):
        """They have what the file has at this moment, or more."""
        wanted = set(self.keys)
        for replica in replicas or self.replicas:
            wait_for(lambda r=replica: wanted <= self.table(r), 30,
                     lambda r=replica: f"the addresses at {r.name}\n{self.logs()}")

    def state(self, replica):
        return replica.status()["masters"][0]

    def wait_state(self, replica, state):
        wait_for(lambda: self.state(replica)["state"] == state, 30,
                 lambda: f"state {state} at {replica.name}: {self.state(replica)}\n{self.logs()}")

    def rotate(self, *options):
        """rxfer rotate-key: (exit status, what it says)."""
        status, out, err = run("rotate-key", "-c", self.master.config, *options, seconds=60)
        return status, out + err

    def next_identity(self):
        return self.master.identity + ".next"

    def announced(self):
        return self.master.status()["next_key"]

    def wait_kept(self, count):
        wait_for(lambda: self.announced()["kept"] == count, 40,
                 lambda: f"{count} replicas with the next key: {self.announced()}\n{self.logs()}")

    def announce(self, kept=2):
        status, text = self.rotate()
        self.assertEqual(status, 0, text)
        self.wait_kept(kept)
        return text.split()[0]

    def assert_runs_with(self, key):
        self.assertEqual(self.master.status()["key"], key)
        self.assertEqual(run("key", self.master.identity)[1].strip(), key)
        self.assertFalse(os.path.exists(self.next_identity()))
        for replica in self.replicas:
            self.wait_state(replica, "connected")
        self.add()
        self.converge()


class Rotate(Stage):
    def test_a_whole_roll_over_under_way(self):
        self.start()
        old = self.master.key
        stolen = os.path.join(self.folder, "stolen")
        shutil.copy2(self.master.identity, stolen)
        epoch = self.master.status()["zones"][0]["epoch"]
        watcher = Watcher(self)
        watcher.start()
        new = self.announce()
        self.assertNotEqual(new, old)
        self.assertEqual(os.stat(self.next_identity()).st_mode & 0o777, 0o600)
        status, out, _ = self.master.rxfer("status")
        self.assertEqual(status, 0, out)
        self.assertIn("kept by 2 of 2 replicas", out)
        self.assertIn(new, out)
        self.assertEqual(self.state(self.replicas[0])["next_key"], new)
        # Once more is no second key.
        self.assertEqual(self.rotate()[1].split()[0], new)
        status, text = self.rotate("--finish")
        self.assertEqual(status, 0, text)
        self.assertIn(f"the new key is in use: {new}", text)
        self.assert_runs_with(new)
        self.assertNotEqual(self.master.status()["zones"][0]["epoch"], epoch)
        for replica in self.replicas:
            wait_for(lambda r=replica: self.state(r)["new_key"] == new, 10,
                     lambda: f"a note of the new key\n{self.logs()}")
            status, out, _ = replica.rxfer("status")
            self.assertEqual(status, 0, out)
            self.assertIn(new, out)
            # A restart goes on with it, with the configuration as it was.
            replica.stop()
            replica.start()
        self.assert_runs_with(new)
        # The new key is written into one of them: then there is nothing more to be said.
        first, second = self.replicas
        since = self.state(first)["since"]
        self.write_replica(first, new)
        first.reload()
        wait_for(lambda: self.state(first)["new_key"] == "", 10, "no more note")
        self.assertEqual(self.state(first)["since"], since)
        watcher.finish(self)
        self.converge()
        # The former key was stolen: who has it is nobody, though one replica.conf still names it.
        before = [self.table(replica) for replica in self.replicas]
        self.master.stop()
        evil = Master("evil", self.folder)
        self.addCleanup(evil.stop)
        shutil.copy2(stolen, evil.identity)
        evil.port = self.master.port
        other = os.path.join(self.folder, "other")
        with open(other, "w", encoding="utf-8") as f:
            f.write("mallory@example.com x\n")
        self.write_master(evil, self.replicas, other)
        evil.start()
        for replica in self.replicas:
            self.wait_state(replica, "wrong-key")
        self.assertEqual([self.table(replica) for replica in self.replicas], before)
        evil.stop()
        # A second roll-over, on the same configurations.
        self.master.start()
        self.assert_runs_with(new)
        newer = self.announce()
        self.assertEqual(self.rotate("--finish")[0], 0)
        self.assert_runs_with(newer)
        self.assertEqual(self.state(second)["new_key"], newer)

    def test_a_replica_that_is_away_is_waited_for(self):
        self.start()
        first, second = self.replicas
        second.stop()
        new = self.announce(kept=1)
        status, text = self.rotate("--finish")
        self.assertEqual(status, 1)
        self.assertIn("1 of 2", text)
        self.assertIn("mx3 (it isn't connected)", text)
        self.assertIn("--force", text)
        self.assertNotEqual(self.master.status()["key"], new)
        # It comes, and is told.
        second.start()
        self.wait_kept(2)
        # Who keeps it is known after a restart too, with nobody there.
        for replica in self.replicas:
            replica.kill()
        self.master.kill()
        self.master.start()
        self.assertEqual((self.announced()["key"], self.announced()["kept"]), (new, 2))
        status, text = self.rotate("--finish")
        self.assertEqual(status, 0, text)
        for replica in self.replicas:
            replica.start()
        self.assert_runs_with(new)
        self.assertEqual(self.state(first)["new_key"], new)

    def test_forced(self):
        self.start()
        first, second = self.replicas
        second.stop()
        new = self.announce(kept=1)
        status, text = self.rotate("--finish", "--force")
        self.assertEqual(status, 0, text)
        self.assertIn("mx3", text)
        self.wait_state(first, "connected")
        second.start()
        self.wait_state(second, "wrong-key")
        self.assertIn("keys", self.state(second)["error"])
        status, out, _ = second.rxfer("status")
        self.assertEqual(status, 1, out)
        self.write_replica(second, new)
        second.reload()
        self.assert_runs_with(new)

    def test_taken_back(self):
        self.start()
        old = self.master.key
        self.announce()
        status, text = self.rotate("--cancel")
        self.assertEqual(status, 0, text)
        self.assertIn("no next key", text)
        for replica in self.replicas:
            wait_for(lambda r=replica: self.state(r)["next_key"] == "", 10, lambda: f"no next key\n{self.logs()}")
        self.assertEqual(self.rotate("--finish")[0], 1)
        self.assert_runs_with(old)
        # Another one instead, while the daemon doesn't run; it's announced at its start.
        self.master.stop()
        status, text = self.rotate()
        self.assertEqual(status, 0, text)
        self.assertIn("isn't running", text)
        new = text.split()[0]
        self.assertEqual(self.rotate("--finish")[0], 1)
        self.master.start()
        self.wait_kept(2)
        self.assertEqual(self.announced()["key"], new)
        self.assertEqual(self.rotate("--finish")[0], 0)
        self.assert_runs_with(new)

    def test_killed_at_each_step(self):
        self.start()
        watcher = Watcher(self)
        watcher.start()
        first, second = self.replicas
        # The identity is made, the daemon isn't told: the next reload announces it.
        keygen(self.next_identity())
        new = run("key", self.next_identity())[1].strip()
        self.master.reload()
        self.wait_kept(2)
        # Killed after it was announced, and after it was kept.
        self.master.kill()
        first.kill()
        self.master.start()
        self.assertEqual(self.announced()["key"], new)
        first.start()
        self.assertEqual(self.state(first)["next_key"], new)
        self.converge()
        # Renamed, and killed before the daemon was told.
        os.rename(self.next_identity(), self.master.identity)
        self.master.kill()
        second.kill()
        self.master.start()
        second.start()
        self.assert_runs_with(new)
        # Renamed, and rxfer killed: a reload finishes it.
        new = self.announce()
        os.rename(self.next_identity(), self.master.identity)
        self.master.reload()
        wait_for(lambda: self.master.status()["key"] == new, 20, lambda: f"the new key\n{self.logs()}")
        self.assert_runs_with(new)
        # The same, finished by the command.
        new = self.announce()
        os.rename(self.next_identity(), self.master.identity)
        status, text = self.rotate("--finish")
        self.assertEqual(status, 0, text)
        self.assert_runs_with(new)
        # Killed while it switches; a replica that has just kept the key is killed too, and has lost nothing.
        new = self.announce()
        first.kill()
        switching = child.start([env.program("rxfer"), "rotate-key", "-c", self.master.config, "--finish"],
                                os.path.join(self.folder, "rotate.log"))
        wait_for(lambda: not os.path.exists(self.next_identity()), 20, "the rename")
        self.master.kill()
        switching.wait(60)
        self.master.start()
        first.start()
        self.assert_runs_with(new)
        watcher.finish(self)

    def test_the_master_is_restored_from_an_old_copy(self):
        """Its word on the keys is older than what the replicas keep: they show it, and it's dated after that."""
        self.start()
        self.master.stop()
        shutil.copytree(self.master.state, self.master.state + ".old")
        self.master.start()
        self.announce()
        self.assertEqual(self.rotate("--cancel")[0], 0)
        self.announce()
        self.master.stop()
        os.unlink(self.next_identity())
        shutil.rmtree(self.master.state)
        os.rename(self.master.state + ".old", self.master.state)
        self.master.start()
        wait_for(lambda: "a later word on our keys" in self.master.log(), 20, lambda: f"evidence\n{self.logs()}")
        for replica in self.replicas:
            wait_for(lambda r=replica: self.state(r)["next_key"] == "", 40, lambda: f"no next key\n{self.logs()}")
        new = self.announce()
        self.assertEqual(self.rotate("--finish")[0], 0)
        self.assert_runs_with(new)

    def test_what_is_wrong_is_told(self):
        self.start()
        with open(self.next_identity(), "w", encoding="utf-8") as f:
            f.write("rubbish\n")
        status, text = self.rotate()
        self.assertEqual(status, 1)
        self.assertIn(self.next_identity(), text)
        self.master.reload()
        wait_for(lambda: self.announced()["error"], 10, lambda: f"trouble in the status\n{self.logs()}")
        status, out, _ = self.master.rxfer("status")
        self.assertEqual(status, 1)
        self.assertIn("isn't an rxfer identity", out)
        self.assertEqual(self.rotate("--cancel")[0], 0)
        self.assertEqual(self.announced()["error"], "")
        # The present key as the next one; another identity without a word.
        shutil.copy2(self.master.identity, self.next_identity())
        status, text = self.rotate()
        self.assertEqual(status, 1)
        self.assertIn("in use", text)
        self.assertEqual(self.rotate("--finish")[0], 1)
        os.unlink(self.next_identity())
        os.rename(self.master.identity, self.master.identity + ".away")
        keygen(self.master.identity)
        self.assertEqual(self.rotate("--cancel")[0], 1)
        self.assertIn("wasn't announced", self.announced()["error"])
        os.rename(self.master.identity + ".away", self.master.identity)
        self.assertEqual(self.rotate("--cancel")[0], 0)
        self.assertEqual(run("rotate-key", "--force")[0], 2)
        self.assertEqual(run("rotate-key", "--finish", "--cancel")[0], 2)
        self.assertEqual(run("rotate-key", "-c", "/nonexistent")[0], 1)

    def test_a_damaged_file_of_kept_keys(self):
        self.start()
        new = self.announce()
        first = self.replicas[0]
        first.stop()
        with open(os.path.join(first.state, "keys", "primary"), "r+b") as f:
            f.seek(100)
            f.write(b"XXXX")
        first.start()
        self.assertIn("is damaged", first.log())
        # The master says it again, and it's kept again.
        wait_for(lambda: self.state(first)["next_key"] == new and self.state(first)["keys_error"] == "", 20,
                 lambda: f"the next key once more\n{self.logs()}")
        self.assertEqual(self.rotate("--finish")[0], 0)
        self.assert_runs_with(new)

    def test_by_hand_with_two_configured_keys(self):
        self.start()
        old, other = self.master.key, os.path.join(self.folder, "by-hand")
        new = keygen(other)
        for replica in self.replicas:
            self.write_replica(replica, old, new)
            replica.reload()
        self.converge()
        self.master.stop()
        os.rename(other, self.master.identity)
        self.master.start()
        self.assert_runs_with(new)
        for replica in self.replicas:
            self.assertEqual(self.state(replica)["new_key"], "")


class Proxy:
    """A wire that counts what comes from the master, connection by connection, and notes who ended each."""

    def __init__(self, port):
        self.port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.mine = self.listener.getsockname()[1]
        self.connections = []        # [bytes from the master, who ended it]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.port))
            count = [0, None]
            self.connections.append(count)
            threading.Thread(target=self._copy, args=(near, far, None, "replica", count), daemon=True).start()
            threading.Thread(target=self._copy, args=(far, near, count, "master", count), daemon=True).start()

    @staticmethod
    def _copy(source, target, counted, name, connection):
        try:
            while data := source.recv(65536):
                if counted is not None:
                    counted[0] += len(data)
                target.sendall(data)
        except OSError:
            pass
        connection[1] = connection[1] or name
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


class Revoke(Stage):
    refresh = 600           # the replica has no reason to say anything, and so to be noticed
    HANDSHAKE = 1000        # bytes from the master until it has refused a key

    def revoke(self, replicas):
        proxy = Proxy(self.master.port)
        self.addCleanup(proxy.close)
        first, second = self.replicas
        self.write_replica(first, self.master.key, port=proxy.mine)
        self.start()
        self.assertEqual(len(proxy.connections), 1)
        self.write_master(self.master, replicas)
        self.master.reload()
        wait_for(lambda: proxy.connections[0][1], 10, lambda: f"the end of the connection\n{self.logs()}")
        self.assertEqual(proxy.connections[0][1], "master")
        sent = proxy.connections[0][0]
        before = self.table(first)
        for _ in range(5):
            self.add()
            self.converge([second])
        self.wait_state(first, "refused")
        self.assertEqual(proxy.connections[0][0], sent)
        self.assertTrue(all(count < self.HANDSHAKE for count, _ in proxy.connections[1:]), proxy.connections)
        self.assertEqual(self.table(first), before)
        self.assertEqual(first.rxfer("status")[0], 1)
        self.assertGreater(self.master.status()["refused"]["keys"], 0)
        self.assertEqual(self.state(second)["state"], "connected")

    def test_a_section_that_is_removed(self):
        self.revoke(self.replicas[1:])
        # And put back.
        self.write_master(self.master, self.replicas)
        self.master.reload()
        self.converge()

    def test_a_key_that_is_changed(self):
        another = keygen(os.path.join(self.folder, "another"))
        self.revoke([types.SimpleNamespace(name="mx2", key=another), self.replicas[1]])


if __name__ == "__main__":
    runner.main()
