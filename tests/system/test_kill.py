#!/usr/bin/python3
"""kill -9 at random moments of master and replica while changes flow.

RXFER_ROUNDS says how often (50), RXFER_SEED repeats a run. After each round both converge, the table equals the master's
set, no valid address was ever refused by the backup's Postfix, no serial was ever used for other contents.
"""
import os
import random
import threading

from lib import runner, smtp
from lib.postfix import Postfix
from lib.rxfer import Pair
from lib.wait import wait_for

ROUNDS = int(os.environ.get("RXFER_ROUNDS", "50"))
SEED = int(os.environ.get("RXFER_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
PERMANENT = [f"permanent{n}@example.com" for n in range(200)]


class Asker(threading.Thread):
    """Asks the backup for valid addresses without pause, a new session every few questions."""

    def __init__(self, port, seed):
        super().__init__(daemon=True)
        self.port, self.random = port, random.Random(seed)
        self.asked, self.wrong, self.end = 0, [], threading.Event()

    def run(self):
        while not self.end.is_set() and not self.wrong:
            with smtp.Session(self.port) as session:
                for _ in range(5):
                    address = self.random.choice(PERMANENT)
                    code, text = session.verdict(address)
                    self.asked += 1
                    if code != 250:
                        self.wrong.append(f"{address}: {code} {text}")


class Kill(runner.TestCase):
    def write(self, path, users):
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.writelines(f"{user} x\n" for user in PERMANENT + sorted(users))
        os.rename(path + ".new", path)

    def note_serials(self, serials):
        """(epoch, serial) -> digest, from both ends: the same wherever and whenever it is seen."""
        for daemon in (self.pair.master, self.pair.replica):
            zone = daemon.status()["zones"][0]
            digest = serials.setdefault((zone["epoch"], zone["serial"]), zone["digest"])
            self.assertEqual(digest, zone["digest"],
                             f"serial {zone['serial']} of epoch {zone['epoch']} has been used for two contents")

    def test_random_moments(self):
        print(f"RXFER_SEED={SEED} RXFER_ROUNDS={ROUNDS}")
        rng = random.Random(SEED)
        path = os.path.join(self.folder, "users")
        users = {f"user{n}@example.com" for n in range(300)}
        self.write(path, users)
        pair = self.pair = Pair(self.folder, f'map = "{path}"', zone="max_shrink_percent = 100")
        self.addCleanup(pair.stop)
        pair.start()
        pair.wait_keys(set(PERMANENT) | users)
        backup = self.running(Postfix("backup", self.folder, {
            "relay_domains": pair.table("relay_domains"), "relay_recipient_maps": pair.table()}))
        asker = Asker(backup.port, SEED)
        asker.start()
        serials, epochs = {}, set()
        moment = threading.Event()           # never set: its wait is the random moment
        for number in range(ROUNDS):
            victims = rng.choice(([pair.master], [pair.replica], [pair.master, pair.replica]))
            for _ in range(rng.randrange(1, 6)):
                users ^= {f"user{rng.randrange(600)}@example.com" for _ in range(rng.randrange(1, 20))}
                self.write(path, users)
                moment.wait(rng.random() * 0.01)
            moment.wait(rng.random() * 0.03)
            for victim in victims:
                victim.kill()
            if rng.random() < 0.5:
                users ^= {f"user{rng.randrange(600)}@example.com"}
                self.write(path, users)
            rng.shuffle(victims)
            for victim in victims:
                victim.start()
            pair.wait_keys(set(PERMANENT) | users, 30)
            wait_for(lambda: self.converged(), 30, lambda: f"equal serials in round {number}\n{pair.logs()}")
            self.note_serials(serials)
            epochs |= {epoch for epoch, _ in serials}
            self.assertEqual(asker.wrong, [], f"round {number}")
            self.assertTrue(asker.is_alive(), f"round {number}: the asking stopped")
        asker.end.set()
        asker.join(30)
        self.assertEqual(asker.wrong, [])
        listed = {line.split(" ", 1)[1] for line in pair.replica.list("example") if line.startswith("RCPT ")}
        self.assertEqual(listed, set(PERMANENT) | users)
        self.assertGreater(asker.asked, ROUNDS)
        # The journal is the commit point: a kill costs no history.
        self.assertEqual(len(epochs), 1, "a kill made the master begin a new epoch")
        print(f"{ROUNDS} rounds, {len(serials)} serials seen, {asker.asked} verdicts, none wrong")


    def converged(self):
        master, replica = (daemon.status()["zones"][0] for daemon in (self.pair.master, self.pair.replica))
        return (master["epoch"], master["serial"]) == (replica["epoch"], replica["serial"])


if __name__ == "__main__":
    runner.main(limit_seconds=60 + 6 * ROUNDS)
