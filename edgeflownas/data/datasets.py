"""The data set that a configuration names."""

import hashlib
from pathlib import Path
from typing import Dict, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.config import DataConfig, FileData, ProceduralData
from edgeflownas.data.exclusion import read_exclusion
from edgeflownas.data.layouts import list_pairs
from edgeflownas.data.listing import Listing
from edgeflownas.data.pairs import PairDataset
from edgeflownas.data.procedural import ProceduralDataset
from edgeflownas.data.sample import FlowDataset, Sample, pad
from edgeflownas.errors import InputError
from edgeflownas.progress import say


class PaddedDataset:
    """A data set whose samples are grown to the size that the network works at."""

    def __init__(self, dataset: FlowDataset, size: Tuple[int, int]) -> None:
        """Wraps a data set; the size is height and width in pixels."""
        self.dataset, self._size = dataset, size

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.dataset)

    def sample(self, index: int, rng: Optional[np.random.Generator]) -> Sample:
        """Reads a sample, and pads it."""
        return pad(self.dataset.sample(index, rng), *self._size)

    def full_sample(self, index: int) -> Sample:
        """Reads a sample as large as it is."""
        return self.dataset.full_sample(index)

    def select(self, count: int) -> Sequence[int]:
        """Indices of samples that stand for the whole set."""
        return self.dataset.select(count)

    def files(self, index: int) -> Tuple[str, ...]:
        """Names of what a sample is read from."""
        return self.dataset.files(index)


def open_datasets(config: DataConfig, key: str = "data") -> Tuple[FlowDataset, FlowDataset]:
    """Opens the training and the validation part, padded to the size that the network works at.

    Args:
        config: names the data set.
        key: of the section of the configuration that it is, for messages.

    Raises:
        InputError: a folder is missing or holds no pairs, or the data set has no pairs to train on.
    """
    train, val = (open_part(config, part, key) for part in ("train", "val"))
    if not len(train):
        raise InputError(
            f"{key}: {config.kind} as configured has no pairs to train on; say which of them are for validation "
            f"(val_scenes, val_every, or a train_list), or name another data set"
        )
    if config.padded_size == (config.height, config.width):
        return train, val
    return PaddedDataset(train, config.padded_size), PaddedDataset(val, config.padded_size)


def open_part(config: DataConfig, part: str, key: str = "data") -> FlowDataset:
    """Opens a part, "train" or "val", and says how much of it is left out.

    Raises:
        InputError: a folder or list is missing, or nothing of the data set is left.
    """
    if isinstance(config, ProceduralData):
        return ProceduralDataset(config, part)
    listing = list_pairs(config, part, key)
    if listing.missing:
        say(
            f"{key}: {len(listing.missing)} files are missing and their pairs left out, {len(listing.pairs)} {part} "
            f"pairs remain; the first is {listing.missing[0]}"
        )
    _leave_out(listing, config, part, key)
    if part == "val" and not listing.pairs:
        raise InputError(f"{key}: no validation pair is left of {listing.root}; see {key}.exclude")
    return PairDataset(listing, config, key)


def _leave_out(listing: Listing, config: FileData, part: str, key: str) -> None:
    """Leaves out the pairs with a bad file, and says how many these are."""
    if config.exclude is None:
        return
    bad = read_exclusion(Path(config.exclude), f"{key}.exclude")
    kept = [pair for pair in listing.pairs if not any(listing.name(file) in bad for file in pair.files)]
    say(f"{key}: {len(listing.pairs) - len(kept)} of {len(listing.pairs)} {part} pairs left out by {config.exclude}")
    listing.pairs[:] = kept


def identify_pairs(dataset: FlowDataset) -> Dict[str, str]:
    """What a training that is continued must share of the files on disk; nothing where there are none."""
    if isinstance(dataset, PaddedDataset):
        return identify_pairs(dataset.dataset)
    if not isinstance(dataset, PairDataset):
        return {}
    names = "\n".join(" ".join(dataset.files(index)) for index in range(len(dataset)))
    return {"training pairs": hashlib.sha256(names.encode()).hexdigest()}
