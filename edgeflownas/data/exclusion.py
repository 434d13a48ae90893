"""List of the bad files of a data set, written by ``data check``; training and evaluation leave out the files in it."""

import re
from pathlib import Path
from typing import Dict, Mapping, Tuple

from edgeflownas.errors import InputError, find_reason
from edgeflownas.storage.files import write_text

_QUOTED = re.compile(r"""(["'])(.+)\1\s*(?:\t(.*))?""")
_HEADING = "# Bad files, from `data check`: name and reason, separated by a tab"


def write_exclusion(path: Path, bad: Mapping[str, str]) -> None:
    """Write a list of bad files.

    Args:
        path: Path of the list.
        bad: Reason by name of the file, as returned by ``Listing.name``.
    """
    lines = [f"{_quote(name)}\t{' '.join(reason.split())}" for name, reason in sorted(bad.items())]
    write_text(path, "\n".join([_HEADING, *lines]) + "\n")  # names that are not UTF-8 are written as they are


def read_exclusion(path: Path, key: str) -> Dict[str, str]:
    """Read a list of bad files. Reasons may be missing, so that a list can be written by hand.

    Args:
        path: Path of the list.
        key: Key of the configuration that names the list, for messages.

    Returns:
        Reason by name of the file.

    Raises:
        InputError: The list cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise InputError(
            f"{key}: {path}: cannot be read: {find_reason(error)}; create it with `data check`, or set {key} to null"
        ) from None
    if "\0" in text:
        raise InputError(f"{key}: {path}: is not a text file in UTF-8; save it in that encoding")
    lines = [line.strip() for line in text.split("\n")]
    return dict(_split(line) for line in lines if line and not line.startswith("#"))


def _quote(name: str) -> str:
    """Return a name with quotes around it if it would be read as something else without them."""
    is_plain = name == name.strip() and "\t" not in name and name[:1] not in tuple("#\"'")
    quote = "'" if '"' in name else '"'
    return name if is_plain else f"{quote}{name}{quote}"


def _split(line: str) -> Tuple[str, str]:
    """Return the name in a line, without the quotes around it, and the reason."""
    quoted = _QUOTED.fullmatch(line)
    if quoted is not None:
        return quoted.group(2), (quoted.group(3) or "").strip()
    name, _, reason = line.partition("\t")
    return name.strip(), reason.strip()
