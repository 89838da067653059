#!/usr/bin/python3
"""README's map of the files names every file that is there, and nothing else.

An entry is a line "    PATH   description" in the section "Map of the files"; NAME.{c,h} stands for two files, a path
that ends in '/' for all that the folder holds."""
import os
import re
import sys

TOP = os.environ.get("srcdir", ".")
FOLDERS = ["common", "postfix", "protocol", "master", "replica", "ctl", "recipes", "tests", "systemd", "man", "examples", "bench", "debian"]
# what autotools make in the source folder, and what isn't ours
IGNORED = {"configure", "aclocal.m4", "config.h.in", "Makefile.in", "configure~", "config.h.in~", ".gitignore",
           ".git", "INSTALL", "ChangeLog", "NEWS", "AUTHORS"}
ENTRY = re.compile(r"^    (\S+)\s{2,}\S")


def expanded(entry):
    match = re.match(r"(.*)\{(.*)\}(.*)", entry)
    if not match:
        return [entry]
    return [match.group(1) + part + match.group(3) for part in match.group(2).split(",")]


def mapped():
    inside = False
    for line in open(os.path.join(TOP, "README"), encoding="utf-8"):
        if re.match(r"^(## )?Map of the files", line, re.IGNORECASE):
            inside = True
            continue
        if inside and re.match(r"^## ", line):
            break
        match = ENTRY.match(line)
        if inside and match:
            yield from expanded(match.group(1))


def present():
    for name in sorted(os.listdir(TOP)):
        if os.path.isfile(os.path.join(TOP, name)) and name not in IGNORED:
            if os.path.exists(os.path.join(TOP, "config.status")) and name in (
                    "config.status", "config.log", "config.h", "Makefile", "stamp-h1"):
                continue        # built in the source folder
            yield name
    if os.path.exists(os.path.join(TOP, ".ci/run")):
        yield ".ci/run"
    for folder in FOLDERS:
        for root, folders, names in os.walk(os.path.join(TOP, folder)):
            folders[:] = [name for name in folders if name not in ("__pycache__", ".deps")]
            for name in names:
                if not name.endswith((".o", ".a", ".pyc", ".log", ".trs", ".dirstamp")):
                    yield os.path.relpath(os.path.join(root, name), TOP)


listed = list(mapped())
entries = set(listed)
files = set(present())
wholes = {entry for entry in entries if entry.endswith("/")}
complaints = [f"the map names {path} twice" for path in sorted(entries) if listed.count(path) > 1]
for path in sorted(files):
    if path not in entries and not any(path.startswith(whole) for whole in wholes):
        complaints.append(f"README: the map doesn't name {path}")
for entry in sorted(entries):
    # the distribution doesn't carry what only a checkout needs
    if entry in (".ci/run", ".gitignore") and not os.path.exists(os.path.join(TOP, entry)):
        continue
    if not os.path.exists(os.path.join(TOP, entry)):
        complaints.append(f"README: the map names {entry}, which isn't there")
for complaint in complaints:
    print(complaint)
print(f"file map: {len(entries)} entries, {len(files)} files, {len(complaints)} complaints")
sys.exit(1 if complaints or len(entries) < 20 else 0)
