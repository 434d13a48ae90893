"""The list of bad files of a data set: `data check` writes it, training and evaluation leave out what it names."""

from pathlib import Path
from typing import Dict, Mapping

from edgeflownas.errors import InputError
from edgeflownas.storage.files import write_text

_HEADING = "# Bad files, from `data check`: name and reason, separated by a tab"


def write_exclusion(path: Path, bad: Mapping[str, str]) -> None:
    """Writes a list.

    Args:
        path: of the list.
        bad: reason by the name of the file, as ``Listing.name`` gives it.
    """
    lines = [f"{name}\t{' '.join(reason.split())}" for name, reason in sorted(bad.items())]
    write_text(path, "\n".join([_HEADING, *lines]) + "\n")


def read_exclusion(path: Path, key: str) -> Dict[str, str]:
    """Reads a list; reasons may be left out, so that a list can be written by hand.

    Raises:
        InputError: it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{key}: {path}: cannot be read: {error}; `data check` writes it (null: leave nothing out)"
        ) from None
    parts = [line.partition("\t") for line in lines if line.strip() and not line.startswith("#")]
    return {name.strip(): reason for name, _, reason in parts}
