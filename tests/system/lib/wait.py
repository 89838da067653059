"""wait.py: waiting for an event with a deadline, the only way in which a test may wait.

An event that doesn't come is a failure that says what was waited for, and how long.
"""
import time


class Deadline(AssertionError):
    """What was waited for didn't happen in time."""


def wait_for(predicate, deadline_seconds, what):
    """Asks predicate() every 10 ms until it gives something true, which is returned.

    `what` names the event, as in "the backup takes alice@example.com"; when it is a function, it is asked at the end,
    so that the message can show the last state.
    """
    end = time.monotonic() + deadline_seconds
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() >= end:
            text = what() if callable(what) else what
            raise Deadline(f"waited {deadline_seconds:g} s in vain for: {text}")
        time.sleep(0.01)


def stays(predicate, seconds, what):
    """The opposite: predicate() must hold all the while. For things that must not happen; keep `seconds` short."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not predicate():
            raise AssertionError(f"no longer so: {what() if callable(what) else what}")
        time.sleep(0.01)
