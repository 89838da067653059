#!/usr/bin/python3
"""The protocol's model (rxfer.pml) under spin: every order of events, and that the model notices what is broken.

RXFER_MODEL=large looks at more of it: some minutes instead of half a one."""
import os
import re
import subprocess
import sys
import tempfile

MODEL = os.path.join(os.environ.get("srcdir", "."), "tests/model/rxfer.pml")
SAFETY = ["-DSAFETY", "-DNOCLAIM"]

# what spin is told, whether convergence is looked at (or only the assertions)
SIZES = {
    "small": [({"CHANGES": 2, "FAULTS": 2, "QUEUE": 2}, True), ({"CHANGES": 3, "FAULTS": 2, "QUEUE": 2}, False)],
    "large": [({"CHANGES": 3, "FAULTS": 2, "QUEUE": 2}, True), ({"CHANGES": 3, "FAULTS": 3, "QUEUE": 2}, False),
              ({"CHANGES": 3, "FAULTS": 2, "QUEUE": 3}, False)],
}

# A model in which nothing can be wrong proves nothing: each of these must be found out.
BREAKS = [
    ("an older serial is believed", r"#define ORDERED\(e, s\).*", "#define ORDERED(e, s) (true || (e) + (s))", False),
    ("a master doesn't look at evidence", r"\trenew\(epoch\)", "\tskip", True),
    ("a signature isn't looked at", r"good && SIGNED\(epoch, serial, set\)", "true", False),
    ("a digest isn't looked at", r"from == r_serial && before == r_set ->", "from == r_serial ->", False),
    ("a trimmed journal leads nowhere", r":: r_state == FETCHING -> r_state = WHOLE; ask\(AXFR\)",
     ":: r_state == FETCHING -> r_state = CURRENT", True),
    ("a lost answer isn't asked for again", r"\(r_state == ASKED \|\| r_state == FETCHING \|\| r_state == WHOLE\)",
     "r_state == ASKED", True),
]


def run(text, sizes, convergence):
    """(number of errors, number of states)"""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "model.pml"), "w", encoding="utf-8") as file:
            file.write(text)
        defines = [f"-D{name}={value}" for name, value in sizes.items()]
        spin = subprocess.run(["spin", *defines, "-a", "model.pml"], cwd=folder, capture_output=True, text=True)
        if spin.returncode:
            sys.exit(f"spin: {spin.stdout}{spin.stderr}")
        kind = [] if convergence else SAFETY
        subprocess.run(["cc", "-O2", "-DCOLLAPSE", "-DMEMLIM=4000", *kind, "-o", "pan", "pan.c"], cwd=folder, check=True)
        how = ["-a", "-f"] if convergence else []
        out = subprocess.run(["./pan", *how, "-m1000000", "-w22"], cwd=folder, check=True, capture_output=True,
                             text=True).stdout
    errors = re.search(r"errors: (\d+)", out)
    states = re.search(r"(\d+) states, stored", out)
    if not errors or not states or ("Search not completed" in out and errors[1] == "0") or \
            "max search depth too small" in out:
        sys.exit(f"spin's search didn't come to an end:\n{out}")
    return int(errors[1]), int(states[1])


def main():
    if os.environ.get("RXFER_TESTS") == "unit":
        print("SKIP: only unit tests are wanted")
        sys.exit(77)
    with open(os.path.join(os.environ.get("RXFER_BUILD", "."), "rxfer-master"), "rb") as program:
        if b"__asan_init" in program.read():
            print("SKIP: built with sanitizers: a model is the same in every build")
            sys.exit(77)
    try:
        version = subprocess.run(["spin", "-V"], capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        print("SKIP: spin isn't installed (Debian: spin)")
        sys.exit(77)
    print(version)
    with open(MODEL, encoding="utf-8") as file:
        text = file.read()
    bad = 0
    for sizes, convergence in SIZES[os.environ.get("RXFER_MODEL", "small")]:
        errors, states = run(text, sizes, convergence)
        print(f"{sizes}, {'convergence' if convergence else 'assertions'}: {states} states, {errors} errors", flush=True)
        bad += errors
    for name, pattern, replacement, convergence in BREAKS:
        broken, count = re.subn(pattern, replacement, text)
        if count == 0:
            sys.exit(f"{name}: the pattern isn't in the model any more")
        errors, _ = run(broken, {"CHANGES": 2, "FAULTS": 1, "QUEUE": 2}, convergence)
        print(f"broken on purpose: {name}: {'found out' if errors else 'NOT FOUND OUT'}", flush=True)
        bad += errors == 0
    sys.exit(1 if bad else 0)


main()
