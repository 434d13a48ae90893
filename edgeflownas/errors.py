"""Errors that are reported to the user in one line."""

import errno
from typing import Any, Collection

_NAMED = 3  # things that a message names

# Errors of calls that a file system does not support, such as EPERM for changing a mode on CIFS.
UNSUPPORTED = frozenset({errno.EINVAL, errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY})

_REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space or raise the quota",
    errno.EACCES: "grant permission or name another place",
    errno.EPERM: "grant permission or name another place",
    errno.EROFS: "grant write permission or name another place",
    errno.EEXIST: "a file has the name of the folder: name another place",
    errno.ENOTDIR: "a part of the path is a file: name another place",
    errno.EISDIR: "a folder has the name of the file: name another place",
    errno.ENOTEMPTY: "a folder has the name of the file: name another place",
    errno.ENOENT: "name another place",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "its links form a circle: name another place",
}


class InputError(Exception):
    """Wrong usage, configuration or data; the message is one line: the subject, the problem and the remedy."""


class FailedError(Exception):
    """Work that failed through no fault of the user; the message is one line: what failed, and what happens next."""


def find_reason(error: Exception) -> str:
    """Return why a file cannot be read, without the path and the number that Python adds."""
    return getattr(error, "strerror", None) or str(error)


def suggest_remedy(error: OSError) -> str:
    """Return the end of a message about a file that cannot be written: what the user can do."""
    remedy = _REMEDIES.get(error.errno or 0, "free some space or grant write permission")
    return f"{remedy}, then run the same command again"


def name_first(things: Collection[Any]) -> str:
    """Return the names of the first things and the number of the others, such as "a, b, c and 4 others"."""
    names = list(map(str, things))
    rest = len(names) - _NAMED
    others = "" if rest <= 0 else f" and {rest:,} other{'s' if rest > 1 else ''}"
    return ", ".join(names[:_NAMED]) + others
