"""The archive of a search as a group of an HDF5 file, in the layout that docs/search_file.md specifies."""

import json
from pathlib import Path
from typing import Any, Mapping, Optional

import h5py
import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.network.space import Space
from edgeflownas.storage import sealed
from search.nsga2.archive import COLUMNS, Archive
from search.nsga2.scoring import COST_FIGURES

_CHUNK = 1024  # rows


def check_genes(path: Path, attributes: Mapping[str, Any], space: Space, purpose: str) -> None:
    """Check that a file of scores has the genes of a space.

    Args:
        path: Path of the file, for the message.
        attributes: Root attributes of the file.
        space: The space.
        purpose: What the user wants to do with the file, in the imperative, for the message.

    Raises:
        InputError: The genes differ.
    """
    if json.loads(attributes["genes"]) != {gene.name: list(gene.options) for gene in space.genes}:
        raise InputError(
            f"{path}: its genes differ from those of this version; {purpose} with the version that wrote it"
        )


def create_archive(group: h5py.Group, space: Space, compression: Optional[str] = None) -> None:
    """Create the empty data sets of an archive."""
    shapes = {"genes": ((len(space.genes),), "u1"), **{name: ((), dtype) for name, dtype in COLUMNS.items()}}
    for name, (shape, dtype) in shapes.items():
        whole, chunks = (0, *shape), (_CHUNK, *shape)
        group.create_dataset(
            name, whole, dtype, maxshape=(None, *shape), chunks=chunks, fletcher32=True, compression=compression
        )


def append_archive(group: h5py.Group, archive: Archive) -> None:
    """Append the rows of an archive that its data sets do not contain, and update the rows that were changed."""
    known = len(group["genes"])
    changed = sorted(row for row in archive.changed if row < known)
    for name in ("genes", *COLUMNS):
        group[name].resize(len(archive), axis=0)
        group[name][known:] = archive.column(name)[known:]
        if changed and name in ("epe", *COST_FIGURES, "cost_source"):
            group[name][changed] = archive.column(name)[changed]
    archive.changed.clear()


def read_archive(group: h5py.Group, space: Space) -> Archive:
    """Read an archive.

    Raises:
        sealed.MALFORMED: The group does not contain an archive of the space.
    """
    columns = {name: read_whole(sealed.member(group, name), dtype, space.size) for name, dtype in COLUMNS.items()}
    columns["genes"] = read_whole(sealed.member(group, "genes"), np.uint8, space.size * len(space.genes))
    return Archive.restore(space, columns)


def read_whole(dataset: h5py.Dataset, dtype: type, most: int) -> np.ndarray:
    """Read a data set after checking its size.

    Raises:
        ValueError: The data set has a different type or more than ``most`` elements.
    """
    if dataset.dtype != dtype or dataset.size > most:
        raise ValueError(f"{dataset.name} has another type or is too large")
    return np.asarray(dataset[()])
