"""Whether what is written to a place stays what it is.

A file that nobody else can write is not enough: whoever may rename a folder above it can put another file in its place,
and kubectl would send its credentials where that one says.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

_IDENTITY_MAP = ["0", "0", "4294967295"]


class UntrustedPlace(OSError):
    """Somebody else can put something else there; the text says of which folder."""


def trusted(path: Path) -> Path:
    """``path`` without links, when only the user and root can change what is found there. Raises OSError.

    It need not exist; then it is the folders above it that count. A folder such as /tmp, where everybody may write and
    nobody may touch what is another's, is trusted.
    """
    resolved = path.resolve()
    for folder in (resolved, *resolved.parents):
        try:
            status = folder.stat()
        except FileNotFoundError:
            continue
        if not (_is_owner_trusted(status.st_uid) and _is_closed(status)):
            raise UntrustedPlace(None, f"others can change what is in {folder}", str(path))
    return resolved


def _is_owner_trusted(owner: int) -> bool:
    return owner in (0, os.geteuid()) or (owner == 65534 and _is_in_user_namespace())


def _is_in_user_namespace() -> bool:
    """There, what belongs to the real root seems to be nobody's."""
    try:
        return Path("/proc/self/uid_map").read_text().split() != _IDENTITY_MAP
    except OSError:
        return False


def _is_closed(status: os.stat_result) -> bool:
    if status.st_mode & stat.S_ISVTX:
        return True
    if status.st_mode & stat.S_IWOTH:
        return False
    return not status.st_mode & stat.S_IWGRP or _is_alone_in(status.st_gid)


def _is_alone_in(gid: int) -> bool:
    """Many systems give each user a group of the same name; root's has only root."""
    if gid == 0:
        return True
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
