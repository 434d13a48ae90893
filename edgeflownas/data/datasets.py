"""Data sets, opened as a configuration describes them."""

from pathlib import Path
from typing import Tuple

from edgeflownas.config import DataConfig, FileData, FlyingShapesData, ProceduralData, pad_size
from edgeflownas.data.exclusion import read_exclusion
from edgeflownas.data.flying_shapes import FlyingShapesDataset
from edgeflownas.data.layouts import list_pairs
from edgeflownas.data.listing import Listing, PlaceFinder, show_name
from edgeflownas.data.pairs import PairDataset
from edgeflownas.data.procedural import ProceduralDataset
from edgeflownas.data.sample import FlowDataset
from edgeflownas.data.sizes import PaddedDataset, ResizedDataset, WholeDataset
from edgeflownas.errors import InputError, name_first
from edgeflownas.progress import say
from edgeflownas.wording import format_count


def open_datasets(config: DataConfig, key: str = "data", quiet: bool = False) -> Tuple[FlowDataset, FlowDataset]:
    """Open the training and validation parts of a data set, padded to a size that the network accepts.

    Args:
        config: Data set to open.
        key: Key of the data set in the configuration, for messages.
        quiet: Whether to suppress the report of pairs that are left out.

    Raises:
        InputError: A folder is missing or contains no pairs, or the data set has no training pairs.
    """
    train, val = (open_part(config, part, key, quiet) for part in ("train", "val"))
    if not len(train):
        raise InputError(
            f"{key}: {config.kind} as configured has no training pairs; choose some of its pairs for validation "
            f"(val_scenes, val_every or train_list), or use another data set"
        )
    if config.padded_size == config.size:
        return train, val
    return PaddedDataset(train, config.padded_size), PaddedDataset(val, config.padded_size)


def open_whole(config: DataConfig, part: str, size: Tuple[int, int], key: str = "data") -> FlowDataset:
    """Open one part of a data set, with whole images that are resized, and padded to a size that the network accepts.

    Args:
        config: Data set to open.
        part: "train" or "val".
        size: Height and width to which the images are resized, in pixels.
        key: Key of the data set in the configuration, for messages.

    Raises:
        InputError: A folder or list is missing, or no validation pair is left.
    """
    return resize_whole(open_part(config, part, key), size)


def resize_whole(dataset: FlowDataset, size: Tuple[int, int]) -> FlowDataset:
    """Return a data set with its whole images, resized, and padded to a size that the network accepts.

    Args:
        dataset: Data set with the images, whose cropping and padding are ignored.
        size: Height and width to which the images are resized, in pixels.
    """
    return PaddedDataset(ResizedDataset(WholeDataset(dataset), size), pad_size(*size))


def open_part(config: DataConfig, part: str, key: str = "data", quiet: bool = False) -> FlowDataset:
    """Open one part of a data set, resized if configured, and report how many pairs are left out.

    Args:
        config: Data set to open.
        part: "train" or "val".
        key: Key of the data set in the configuration, for messages.
        quiet: Whether to suppress the report of pairs that are left out.

    Raises:
        InputError: A folder or list is missing, or no validation pair is left.
    """
    dataset = _open_source(config, part, key, quiet)
    return dataset if config.resize is None else ResizedDataset(dataset, config.size)


def _open_source(config: DataConfig, part: str, key: str, quiet: bool) -> FlowDataset:
    if isinstance(config, ProceduralData):
        return ProceduralDataset(config, part)
    if isinstance(config, FlyingShapesData):
        return FlyingShapesDataset(config, part)
    listing = list_pairs(config, part, key)
    if listing.missing and not quiet:
        missing = name_first([show_name(str(file)) for file in listing.missing])
        say(
            f"{key}: pairs with missing files are left out ({len(listing.missing)} missing: {missing}); {part} pairs "
            f"left: {len(listing.pairs)}"
        )
    if listing.ignored and part == "val" and not quiet:
        ignored = name_first([show_name(listing.name(path)) for path in listing.ignored])
        say(
            f"{key}: ignored, as the names are not of the official {config.kind} ({len(listing.ignored)}): {ignored}; "
            f"to use them, name their pairs in lists (kind: list)"
        )
    _leave_out(listing, config, part, key, quiet)
    if part == "val" and not listing.pairs:
        raise InputError(f"{key}: no validation pair of {listing.root} is left; check {key}.exclude")
    return PairDataset(listing, config, key)


def _leave_out(listing: Listing, config: FileData, part: str, key: str, quiet: bool) -> None:
    """Remove the pairs with a bad file from a listing, and report their number."""
    if config.exclude is None:
        return
    places = PlaceFinder(listing.root)
    entries = {name: places.of_entry(name) for name in read_exclusion(Path(config.exclude), f"{key}.exclude")}
    bad = {path for paths in entries.values() for path in paths}
    kept = [pair for pair in listing.pairs if not any(places.of_file(file) in bad for file in pair.files)]
    if part == "val":
        listings = [listing, list_pairs(config, "train", key)]
        known = {places.of_file(file) for one in listings for pair in one.pairs for file in pair.files}
        known |= {places.of_file(file) for one in listings for file in one.missing}
        listing.unmatched = [show_name(name) for name, paths in entries.items() if not known.intersection(paths)]
        if listing.unmatched and not quiet:
            say(
                f"{key}: {config.exclude}: entries without a file in the data set: {len(listing.unmatched)}, "
                f"such as {name_first(listing.unmatched)}"
            )
    listing.excluded = len(listing.pairs) - len(kept)
    if not quiet:
        total = format_count(len(listing.pairs), f"{part} pair")
        say(f"{key}: {config.exclude} excludes {listing.excluded} of {total}")
    listing.pairs[:] = kept
