"""Whose word a file is: one that nobody but its owner and root can have written.

A watched folder is where others drop files. What gives power (hosts, keys, commands) is only taken from a
file that belongs to us or to root, in a folder that does, and that no one else may write to.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Collection, Sequence
from pathlib import Path

MOUNTED = (Path("/run/secrets"), Path("/var/run/secrets"))
"""Where Docker, Podman and Kubernetes mount secrets, for one container alone and readable by all in it. Elsewhere
only root could make such a folder."""


def fault_of_file(path: Path) -> str:
    """Why `path`, or the folder it lies in, may be the work of others; "" when it is not. Links are not
    followed: whoever made one may make another."""
    return _fault(path, regular=True) or _fault(path.parent, regular=False)


def fault_of(found: os.stat_result) -> str:
    """What is wrong with whom it belongs to and who may write to it, or ""."""
    if found.st_uid not in (os.geteuid(), 0):
        return "belongs to another user"
    who = open_to(found)
    return f"can be written by {who}" if who else ""


def open_to(found: os.stat_result) -> str:
    """Who but its owner may write to it: "everybody", "its group" or ""."""
    if found.st_mode & stat.S_IWOTH:
        return "everybody"
    return "its group" if found.st_mode & stat.S_IWGRP and not _is_private_group(found.st_gid) else ""


def movers(folder: Path) -> str:
    """Who else could rename what lies in `folder`, as `open_to` says it. With the sticky bit nobody; of what is not
    there nothing is said."""
    try:
        found = folder.stat()
    except OSError:
        return ""
    return "" if found.st_mode & stat.S_ISVTX else open_to(found)


def fault_of_secret(
    found: os.stat_result,
    real: Path,
    *,
    euid: int,
    groups: Collection[int],
    mounted: Sequence[Path] = MOUNTED,
) -> str:
    """Why the file at `real`, without links, is not a secret of ours alone, or "". `euid` and `groups` are ours.

    What root gives a group of ours to read, is: so does libpq, and so Kubernetes mounts with fsGroup.
    """
    mode = found.st_mode
    if not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return ""
    if any(real.is_relative_to(place) for place in mounted):
        return "others can change this secret" if mode & (stat.S_IWGRP | stat.S_IWOTH) else ""
    from_root = found.st_uid == 0 != euid and found.st_gid in groups
    if from_root and not mode & (stat.S_IRWXO | stat.S_IWGRP):
        return ""
    return "others can read this secret"


def _fault(path: Path, *, regular: bool) -> str:
    try:
        found = path.lstat() if regular else path.stat()
    except OSError as error:
        return f"{path} cannot be looked at: {error.strerror}"
    if regular and not stat.S_ISREG(found.st_mode):
        return f"{path} is no regular file"
    fault = fault_of(found)
    return f"{path} {fault}" if fault else ""


def _is_private_group(gid: int) -> bool:
    """Whether the group is that of one user only, who is us: there a umask of 002 lets nobody else write."""
    try:
        name, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(gid)
    except KeyError:
        return False
    return group.gr_name == name and set(group.gr_mem) <= {name}
