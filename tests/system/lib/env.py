"""env.py: where things are: the source, the built programs, Postfix, a folder for each test.

A test file is run from the build folder, by `make check` or by hand; RXFER_BUILD names the build folder when the test
is started elsewhere. Temporary folders are made in $TMPDIR and removed at the end, unless KEEP is set.

Environment: RXFER_BUILD, RXFER_POSTFIX (the folder that get-postfix made), RXFER_SERVERS (the folder that get-servers
made), RXFER_TESTS=unit (skip all system tests), TMPDIR, KEEP.
"""
import os
import shutil
import subprocess
import tempfile

SYSTEM = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCE = os.path.dirname(os.path.dirname(SYSTEM))
BUILD = os.path.abspath(os.environ.get("RXFER_BUILD") or os.environ.get("top_builddir") or ".")
NAME_SHOWN = 24         # of a test, in its folder's: sockets below it have names of 107 bytes at most
PROGRAMS = ("rxfer-master", "rxfer-replica", "rxfer")


class Missing(Exception):
    """Something that the tests need isn't there: a reason to skip."""


def program(name):
    """The path of a program that was built."""
    path = os.path.join(BUILD, name)
    if not os.access(path, os.X_OK):
        raise Missing(f"{path} isn't built: run make there, or set RXFER_BUILD")
    return path


class Where:
    """What get-postfix found: daemon_directory, command_directory, shlib_directory, meta_directory, library_path, bin,
    version, types (a list of map types), mail_owner, setgid_group."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            for line in f:
                name, _, value = line.rstrip("\n").partition("=")
                setattr(self, name, value.split() if name == "types" else value)


_where = None


def postfix():
    """The Postfix to use. Without RXFER_POSTFIX only an installed one or one that get-postfix put into the build folder
    before is taken: a test downloads nothing."""
    global _where
    if _where is None:
        folder = os.path.abspath(os.environ.get("RXFER_POSTFIX") or os.path.join(BUILD, "real-postfix"))
        where = os.path.join(folder, "where")
        if not os.path.exists(where):
            get = os.path.join(SYSTEM, "get-postfix")
            if subprocess.run([get, "--installed", os.path.dirname(folder)], check=False).returncode != 0:
                raise Missing(f"no Postfix installed; to unpack one for the tests:  {get} {BUILD}")
        _where = Where(where)
    return _where


def servers():
    """What get-servers found, which from then on is also the Postfix to use. Attributes beside those of postfix(): root
    (what was unpacked), and those of each part, or why it is missing: pgsql_missing, ..."""
    global _where
    folder = os.path.abspath(os.environ.get("RXFER_SERVERS") or os.path.join(BUILD, "servers"))
    where = os.path.join(folder, "where")
    if not os.path.exists(where):
        raise Missing(f"no database servers; to unpack some for the tests:  {os.path.join(SYSTEM, 'get-servers')} "
                      f"{os.path.dirname(folder)} {os.environ.get('RXFER_POSTFIX', '')}".rstrip())
    _where = Where(where)
    return _where


def open_to_all(path):
    """Whether any account can reach what is at this path."""
    while path != "/":
        if not os.stat(path).st_mode & 0o001:
            return False
        path = os.path.dirname(path)
    return True


def need(root=True, use_postfix=True, programs=True, use_servers=False):
    """Raises Missing unless all that is asked for is there."""
    if os.environ.get("RXFER_TESTS") == "unit":
        raise Missing("RXFER_TESTS=unit: system tests left out")
    if root and os.geteuid() != 0:
        raise Missing("real Postfix daemons need root")
    if programs:
        for name in PROGRAMS:
            program(name)
    if use_postfix:
        postfix()
    if use_servers:
        servers()


_folders = set()


def new_folder(name):
    """A fresh folder that other accounts can pass through, for Postfix's daemons give up root."""
    path = tempfile.mkdtemp(prefix=f"rxfer-{name[:NAME_SHOWN]}.")
    _folders.add(path)
    os.chmod(path, 0o755)
    return path


def remove_folder(path):
    _folders.discard(path)
    if os.environ.get("KEEP"):
        print(f"kept: {path}", flush=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def remove_folders():
    """All that are left, when a test was interrupted."""
    for path in list(_folders):
        remove_folder(path)
