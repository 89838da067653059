#!/usr/bin/python3
"""What `rxfer-master --postfix` makes of typical primaries: tests/golden/plan-NAME.main.cf (and .master.cf) -> .out.

RXFER_WRITE_GOLDEN=1 writes the outputs anew; look at the difference before you keep it.
"""
import glob
import os
import subprocess

from lib import env, runner
from lib.postfix import Postfix

GOLDEN = os.path.join(env.SOURCE, "tests", "golden")


def settings(path):
    """The lines of a main.cf, as a dict."""
    with open(path, encoding="utf-8") as f:
        pairs = [line.rstrip("\n").partition("=") for line in f if not line.startswith("#")]
    return {name.strip(): value.strip().replace("@GOLDEN@", GOLDEN) for name, _, value in pairs}


class Plans(runner.TestCase):
    def plan(self, name):
        path = os.path.join(GOLDEN, f"plan-{name}")
        master_cf = ""
        if os.path.exists(f"{path}.master.cf"):
            with open(f"{path}.master.cf", encoding="utf-8") as f:
                master_cf = f.read()
        primary = Postfix(name, self.folder, settings(f"{path}.main.cf"), master_cf=master_cf)
        done = subprocess.run([env.program("rxfer-master"), "--postfix",
                               f"{primary.config}\037commands\037{env.postfix().bin}"],
                              text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.replace(GOLDEN, "@GOLDEN@").replace(primary.config, "@CONFIG@")

    def test_golden_plans(self):
        names = sorted(os.path.basename(path)[5:-8] for path in glob.glob(os.path.join(GOLDEN, "plan-*.main.cf")))
        self.assertGreaterEqual(len(names), 12)
        for name in names:
            with self.subTest(name):
                text = self.plan(name)
                path = os.path.join(GOLDEN, f"plan-{name}.out")
                if os.environ.get("RXFER_WRITE_GOLDEN"):
                    with open(path, "w", encoding="utf-8") as f:
                        f.write(text)
                with open(path, encoding="utf-8") as f:
                    self.assertEqual(text, f.read())


if __name__ == "__main__":
    runner.main()
