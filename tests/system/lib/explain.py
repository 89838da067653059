"""explain.py: a pair of daemons that are asked about addresses.

    class Something(ExplainCase):
        def test_x(self):
            self.pair_of('source "a" { map = "/..." }').start()
            self.zone("alice@example.com")["verdict"]
"""
import json
import os
import subprocess

from . import env, runner
from .postfix import Postfix
from .rxfer import Pair
from .wait import wait_for

EXIT = {"accept": 0, "refuse": 1, "foreign": 1, "defer": 2}


class ExplainCase(runner.TestCase):
    def pair_of(self, zone, domains=("example.com",), **settings):
        """zone: the inside of the master's zone, sources and all."""
        self.pair = Pair(self.folder, "", domains=domains, **settings)
        self.pair.master_text = self.pair.master_text.replace('source "map" {  }', zone)
        self.pair.write()
        self.addCleanup(self.pair.stop)
        return self.pair

    def explain(self, address, daemon=None, *more):
        """The answer, parsed; the exit status must be the verdict's."""
        status, out, err = (daemon or self.pair.master).rxfer("explain", "--json", *more, "--", address)
        self.assertIn(status, (0, 1, 2), err)
        self.assertTrue(out, f"{address}: {err}\n{self.pair.logs()}")
        answer = json.loads(out)
        self.assertEqual(status, EXIT[answer["verdict"]], answer)
        return answer

    def zone(self, address, daemon=None):
        zones = self.explain(address, daemon)["zones"]
        self.assertEqual(len(zones), 1)
        return zones[0]

    def places(self, address, key=None):
        """Where the key (or the address) stands: (source, file without its folder, line, key, state)."""
        lookups = {x["key"]: x for x in self.zone(address)["lookups"]}
        return [(p["source"], os.path.basename(p["file"]), p["line"], p["key"], p["state"])
                for p in lookups[key or address].get("places", [])]

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        """Put in place whole."""
        with open(self.path(name) + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(self.path(name) + ".new", self.path(name))
        return self.path(name)

    def rewrite(self, name, text):
        """In place, as an editor may do it: a text that was changed so must settle before it's read."""
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)

    def wait_for_answer(self, address, predicate, what):
        last = []

        def so():
            last[:] = [self.zone(address)]
            return predicate(last[0])
        return wait_for(so, 20, lambda: f"{what}: {json.dumps(last, indent=1)}\n{self.pair.logs()}")

    def postmap(self, kind, name, text, command="postmap"):
        self.write(name, text)
        subprocess.run([os.path.join(env.postfix().bin, command), "-c", Postfix("tool", self.path("x")).config,
                        f"{kind}:{self.path(name)}"], check=True)
