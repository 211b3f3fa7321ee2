"""Whose word a file is: one that nobody but its owner and root can have written.

A watched folder is where others drop files. What gives power (hosts, keys, commands) is only taken from a
file that belongs to us or to root, in a folder that does, and that no one else may write to.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path


def fault_of_file(path: Path) -> str:
    """Why `path`, or the folder it lies in, may be the work of others; "" when it is not. Links are not
    followed: whoever made one may make another."""
    return _fault(path, regular=True) or _fault(path.parent, regular=False)


def fault_of(found: os.stat_result) -> str:
    """What is wrong with whom it belongs to and who may write to it, or ""."""
    if found.st_uid not in (os.geteuid(), 0):
        return "belongs to another user"
    if found.st_mode & stat.S_IWOTH:
        return "can be written by everybody"
    if found.st_mode & stat.S_IWGRP and not _is_private_group(found.st_gid):
        return "can be written by its group"
    return ""


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
