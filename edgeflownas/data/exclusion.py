"""List of the bad files of a data set, written by ``data check``; training and evaluation leave out the files in it."""

from pathlib import Path
from typing import Dict, Mapping

from edgeflownas.errors import InputError
from edgeflownas.storage.files import write_text

_HEADING = "# Bad files, from `data check`: name and reason, separated by a tab"


def write_exclusion(path: Path, bad: Mapping[str, str]) -> None:
    """Write a list of bad files.

    Args:
        path: Path of the list.
        bad: Reason by name of the file, as returned by ``Listing.name``.
    """
    lines = [f"{name}\t{' '.join(reason.split())}" for name, reason in sorted(bad.items())]
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
        lines = path.read_text(encoding="utf-8-sig", errors="surrogateescape").split("\n")
    except OSError as error:
        raise InputError(
            f"{key}: {path}: cannot be read: {error}; create it with `data check`, or set {key} to null"
        ) from None
    parts = [line.partition("\t") for line in lines if line.strip() and not line.startswith("#")]
    return {name.strip(): reason for name, _, reason in parts}
