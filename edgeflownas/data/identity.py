"""Fingerprints of the pairs that are read: their number, their names and the contents of their files."""

import hashlib
import json
from pathlib import Path
from typing import Iterable, List, Optional, Sequence, Tuple

from edgeflownas.config import EvaluationConfig
from edgeflownas.data.formats import BadFileError
from edgeflownas.data.listing import Listing, Pair
from edgeflownas.data.pairs import PairDataset
from edgeflownas.data.reading import read_ahead
from edgeflownas.data.sample import FlowDataset
from edgeflownas.data.sizes import find_source
from edgeflownas.storage.pairs import Fingerprint, Identities

_BLOCK = 1 << 14  # bytes; of a longer training file, this many at its beginning, in its middle and at its end are read


def identify_scoring(
    train: FlowDataset, val: FlowDataset, config: EvaluationConfig, threads: int
) -> Identities:
    """Identify the pairs that architectures are scored with, by the whole contents of their files.

    Args:
        train: Training pairs, some of which are for calibration.
        val: Validation pairs.
        config: Numbers of pairs.
        threads: Number of threads that read files.

    Returns:
        Fingerprint by use; empty for drawn scenes, which their configuration determines.

    Raises:
        BadFileError: A file cannot be read.
    """
    used = {
        "calibration": (train, train.select(config.calibration_pairs)),
        "validation": (val, val.select(config.val_pairs or len(val))),
    }
    return {
        use: identify_pairs(dataset, indices, True, threads)
        for use, (dataset, indices) in used.items()
        if is_in_files(dataset)
    }


def identify_training(
    train: FlowDataset, val: FlowDataset, config: EvaluationConfig, threads: int
) -> Identities:
    """Identify the pairs that training reads, including those used for scoring.

    Long files that are used only for training are compared in parts. Arguments and result are as in
    ``identify_scoring``.
    """
    if not is_in_files(train):
        return {}
    training = identify_pairs(train, range(len(train)), False, threads)
    return {"training": training, **identify_scoring(train, val, config, threads)}


def identify_pairs(dataset: FlowDataset, indices: Iterable[int], whole: bool, threads: int) -> Fingerprint:
    """Return the fingerprint of pairs in files; it does not depend on where the data set is stored.

    Args:
        dataset: Data set of the pairs.
        indices: Indices of the pairs, in order.
        whole: Whether to read long files as a whole, rather than in parts.
        threads: Number of threads that read files.

    Raises:
        BadFileError: A file cannot be read.
    """
    source = find_source(dataset)
    assert isinstance(source, PairDataset)
    listing = source.listing
    pairs: Sequence[Pair] = [listing.pairs[index] for index in indices]
    files: List[Path] = list(dict.fromkeys(file for pair in pairs for file in pair.files))
    contents = hashlib.sha256()
    for digest in read_ahead(lambda path: _hash_file(path, whole), files, threads):
        contents.update(digest)
    names = json.dumps([_name_files(listing, pair) for pair in pairs])  # always ASCII
    return {
        "pairs": len(pairs),
        "names": hashlib.sha256(names.encode()).hexdigest(),
        "contents": contents.hexdigest(),
    }


def _name_files(listing: Listing, pair: Pair) -> List[Optional[str]]:
    """Return the names of a pair's files by their roles; None stands for a missing mask of invalid pixels."""
    named = [listing.name(file) for file in pair.files]
    return [*named[:3], None, *named[3:]] if pair.invalid is None and pair.occluded is not None else [*named]


def is_in_files(dataset: FlowDataset) -> bool:
    """Return whether the pairs of a data set are in files, rather than drawn."""
    return isinstance(find_source(dataset), PairDataset)


def _hash_file(path: Path, whole: bool) -> bytes:
    """Return the SHA-256 of a file, or of its size and three blocks of it."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            parts: Tuple[Tuple[int, int], ...] = ((0, _BLOCK), (size // 2, _BLOCK), (max(0, size - _BLOCK), _BLOCK))
            if whole or size <= 3 * _BLOCK:
                parts = tuple((start, 1 << 20) for start in range(0, size, 1 << 20))
            digest.update(f"{size}\n".encode())
            for start, count in parts:
                file.seek(start)
                digest.update(file.read(count))
    except OSError as error:
        raise BadFileError("file", path, f"cannot be read: {error.strerror}") from None
    return digest.digest()
