"""limits.py: commands to run a daemon under: another user, no privileges, a folder of its own where others see another.

    master.give_to(limits.USER)
    master.wrapper = limits.unprivileged()
"""
USER = "nobody"


def unprivileged(groups=()):
    """No root, no capability, none to be got; groups: beside the user's own."""
    extra = ("--groups", ",".join(groups)) if groups else ("--clear-groups",)
    return ("setpriv", "--reuid", USER, "--regid", "nogroup", *extra, "--inh-caps=-all", "--bounding-set=-all",
            "--no-new-privs", "--")


def with_folder(folder, place):
    """With `folder` bound to `place`, for it and its children alone."""
    return ("unshare", "--mount", "--propagation", "private", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"',
            folder, place)
