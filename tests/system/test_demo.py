#!/usr/bin/python3
"""The demo runs to its end and says what it should; Ctrl-C in the middle leaves nothing behind."""
import os
import signal
import subprocess
import sys

from lib import child, env, runner
from lib.wait import wait_for

DEMO = os.path.join(env.SYSTEM, "demo.py")


class Demo(runner.TestCase):
    def start(self):
        """The demo with a folder of its own for everything temporary, so that leftovers show."""
        self.out = os.path.join(self.folder, "demo.log")
        self.tmp = os.path.join(self.folder, "tmp")
        os.mkdir(self.tmp)
        os.chmod(self.tmp, 0o755)
        with open(self.out, "wb") as log:
            process = subprocess.Popen([sys.executable, DEMO], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                       start_new_session=True,
                                       env={**os.environ, "RXFER_BUILD": env.BUILD, "TMPDIR": self.tmp})
        self.addCleanup(process.kill)
        return process

    def text(self):
        return child.tail(self.out, 1000)

    def nothing_left(self):
        """No process has the demo's folder in its command line, no file is in it."""
        left = []
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid():
                try:
                    with open(f"/proc/{name}/cmdline", "rb") as f:
                        if self.tmp.encode() in f.read():
                            left.append(name)
                except OSError:
                    pass
        return not left and not os.listdir(self.tmp)

    def test_to_its_end(self):
        process = self.start()
        self.assertEqual(process.wait(120), 0, self.text())
        text = self.text()
        for part in ("550 5.1.1", "250 2.1.5", "rxfer-master OK", "rxfer-replica OK", "README"):
            self.assertIn(part, text)
        self.assertNotIn("\033[", text, "colour without a terminal")
        wait_for(self.nothing_left, 10, "the end of all that the demo started")

    def test_ctrl_c(self):
        process = self.start()
        wait_for(lambda: "550" in self.text(), 60, lambda: f"the first refusal\n{self.text()}")
        process.send_signal(signal.SIGINT)
        status = process.wait(30)
        self.assertNotEqual(status, 0)
        self.assertNotIn("Traceback", self.text())
        wait_for(self.nothing_left, 10, "the end of all that the demo started")


if __name__ == "__main__":
    runner.main()
