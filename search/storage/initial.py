"""The architectures that a search scores first, from ``evolution.initial``."""

import csv
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture, Space

_FRONT = "front.csv"
_COLUMN = "architecture"


def read_initial(space: Space, entries: Sequence[str]) -> List[Architecture]:
    """Return the architectures that are named by digits, by files or by the folders of other runs, without duplicates.

    A CSV file that has a column for each gene, as a front has, may come from another space with the same genes: its
    options are found by name.

    Args:
        space: Search space.
        entries: Digits and paths.

    Raises:
        InputError: A file cannot be read, or names an architecture that is not in the space.
    """
    found: Dict[Architecture, None] = {}
    for entry in entries:
        for architecture in [space.parse(entry)] if entry.isdigit() else _read_file(space, Path(entry)):
            found[architecture] = None
    return list(found)


def _read_file(space: Space, path: Path) -> List[Architecture]:
    path = path / _FRONT if path.is_dir() else path
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not a text file"
        raise InputError(f"evolution.initial: {path}: {reason}; give digits, a file or the folder of a run") from None
    try:
        if lines and _COLUMN in lines[0].split(","):
            return [_read_row(space, row) for row in csv.DictReader(lines)]
        return [space.parse(line.strip()) for line in lines if line.strip()]
    except InputError as error:
        raise InputError(f"evolution.initial: {path}: {error}") from None


def _read_row(space: Space, row: Mapping[str, Optional[str]]) -> Architecture:
    """Return the architecture of a row, from the names of its options or else from its digits."""
    if not all(gene.name in row for gene in space.genes):
        return space.parse(row[_COLUMN] or "")
    for gene in space.genes:
        if row[gene.name] not in gene.options:
            raise InputError(
                f"architecture {row[_COLUMN]}: gene {gene.name} has the options {', '.join(gene.options)}, not "
                f"{row[gene.name]}"
            )
    return tuple(gene.options.index(str(row[gene.name])) for gene in space.genes)
