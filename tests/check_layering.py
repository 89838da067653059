#!/usr/bin/python3
"""Dependencies run one way, and one module touches each library: read from the #include lines."""
import os
import re
import sys

TOP = os.path.join(os.environ.get("srcdir", "."))

# folder -> folders it may include from
ALLOWED = {
    "common": {"common"},
    "postfix": {"common", "postfix"},
    "protocol": {"common", "protocol"},
    "master": {"common", "postfix", "protocol", "master"},
    "replica": {"common", "postfix", "protocol", "replica"},
    "ctl": {"common", "ctl"},
}

# library header -> the only files that may include it
OWNERS = {
    r"zmq\.h": {"common/loop.c", "protocol/link_server.c", "protocol/link_client.c", "protocol/link_zap.c",
                "protocol/link_private.h", "protocol/link_monitor.c"},
    r"sodium\.h": {"common/identity.c", "common/record.c", "protocol/link_zap.c"},
    r"tc\w+\.h": {"common/store.c"},
    r"confuse\.h": {"common/conf.c"},
    r"unicode/.*": {"common/address.c"},
    r"db\.h": {"master/read_bdb.c", "replica/table_hash.c"},
    r"lmdb\.h": {"master/read_lmdb.c"},
    r"cdb\.h": {"master/read_cdb.c"},
    r"jansson\.h": {"common/status_json.h", "master/status.c", "replica/replica_status.c"},
    r"sys/inotify\.h": {"master/watch.c"},
}
# ctl parses JSON wherever it shows some
FOLDER_OWNERS = {r"jansson\.h": "ctl"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def sources():
    for folder in ALLOWED:
        for name in sorted(os.listdir(os.path.join(TOP, folder))):
            if name.endswith((".c", ".h")):
                yield folder, f"{folder}/{name}"


def complaints():
    seen = 0
    for folder, path in sources():
        seen += 1
        with open(os.path.join(TOP, path), encoding="utf-8") as file:
            lines = file.readlines()
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            kind, target = match.groups()
            if kind == '"' and target != "config.h":
                if "/" not in target:
                    yield f"{path}:{number}: write the include from the top: \"{folder}/{target}\""
                elif target.split("/")[0] not in ALLOWED[folder]:
                    yield f"{path}:{number}: {folder} may not include {target}"
                elif not os.path.exists(os.path.join(TOP, target)):
                    yield f"{path}:{number}: {target} isn't there"
            if kind == "<":
                for pattern, owners in OWNERS.items():
                    if re.fullmatch(pattern, target) and path not in owners \
                            and FOLDER_OWNERS.get(pattern) != folder:
                        yield f"{path}:{number}: <{target}> belongs to {', '.join(sorted(owners))}"
    if seen < 20:
        yield f"only {seen} sources found under {TOP}: is srcdir right?"


found = list(complaints())
for complaint in found:
    print(complaint)
print(f"layering: {len(found)} complaints")
sys.exit(1 if found else 0)
