"""runner.py: runs the unittest classes of one test file under automake's rules: exit 0 passed, 1 failed, 77 skipped.

    class Something(runner.TestCase):
        def test_x(self): ...                     # self.folder is fresh and empty
    if __name__ == "__main__":
        runner.main()

Arguments: names of tests (Class.test_x) to run only these; -l lists them. When a test fails, the ends of all *.log
files in its folder are printed. A file that takes longer than its limit is ended with a trace of where it stood.
"""
import faulthandler
import os
import signal
import sys
import unittest

from . import child, env

LIMIT_SECONDS = 300


class TestCase(unittest.TestCase):
    """A test with a folder of its own. Give what must be stopped to addCleanup, or use `running`."""

    maxDiff = 2000

    def setUp(self):
        self.folder = env.new_folder(self._testMethodName.removeprefix("test_"))
        self.addCleanup(env.remove_folder, self.folder)

    def running(self, thing):
        """Starts a Postfix, Master or Replica, and stops it at the end of the test."""
        self.addCleanup(thing.stop)
        thing.start()
        return thing

    def print_logs(self):
        for path, _, names in sorted(os.walk(self.folder)):
            for name in sorted(names):
                file = os.path.join(path, name)
                if name.endswith(".log") and os.path.getsize(file):
                    print(f"--- {os.path.relpath(file, self.folder)}\n{child.tail(file, 40)}", end="")
        sys.stdout.flush()


class _Result(unittest.TextTestResult):
    """Prints the logs while they are still there."""

    def addError(self, test, err):
        super().addError(test, err)
        self._logs(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._logs(test)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._logs(test)

    @staticmethod
    def _logs(test):
        if isinstance(test, TestCase) and hasattr(test, "folder"):
            test.print_logs()


def _interrupted(number, frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def _names(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from _names(item)
        else:
            yield ".".join(item.id().split(".")[-2:])


def main(root=True, postfix=True, programs=True, servers=False, limit_seconds=LIMIT_SECONDS):
    """What the file needs: root, a Postfix, rxfer's programs, other servers. Never returns."""
    sys.stdout.reconfigure(line_buffering=True)
    module = sys.modules["__main__"]
    loader = unittest.defaultTestLoader
    if sys.argv[1:] == ["-l"]:
        print("\n".join(_names(loader.loadTestsFromModule(module))))
        sys.exit(0)
    try:
        env.need(root, postfix, programs, servers)
    except env.Missing as missing:
        print(f"skipped: {missing}")
        sys.exit(77)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    faulthandler.dump_traceback_later(limit_seconds, exit=True)
    suite = loader.loadTestsFromNames(sys.argv[1:], module) if sys.argv[1:] else loader.loadTestsFromModule(module)
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2, resultclass=_Result)
    try:
        result = runner.run(suite)
    except KeyboardInterrupt:
        sys.exit("interrupted")
    finally:
        child.kill_all()
        env.remove_folders()
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.testsRun == len(result.skipped) else 0)
