"""Reads a whole data set and finds every file that cannot be used. Every file is read once, whatever pairs it is in."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

from edgeflownas.config import FileData
from edgeflownas.data.formats import BadFileError, read_flow, read_image, read_mask
from edgeflownas.data.layouts import PARTS, list_pairs
from edgeflownas.data.listing import Listing, Pair
from edgeflownas.data.reading import read_ahead
from edgeflownas.progress import progress

Size = Tuple[int, ...]


@dataclass
class Findings:
    """What is in a data set.

    Attributes:
        pairs: number of complete pairs, of each part.
        files: number of files that were read.
        bad: reason by name of the file, of those that cannot be used.
        missing: names of files without which a pair is not listed.
        spoilt: number of pairs with a bad file.
    """

    pairs: Dict[str, int] = field(default_factory=dict)
    files: int = 0
    bad: Dict[str, str] = field(default_factory=dict)
    missing: List[str] = field(default_factory=list)
    spoilt: int = 0


def check(config: FileData, threads: int, key: str = "data") -> Findings:
    """Reads all files of both parts, also those that an earlier check has found bad.

    Args:
        config: names the data set.
        threads: that read.
        key: of the section of the configuration that it is, for messages.

    Raises:
        InputError: the data set is not there.
    """
    listings = {part: list_pairs(config, part, key) for part in PARTS}
    name = listings["val"].name
    pairs = [pair for listing in listings.values() for pair in listing.pairs]
    found = Findings({part: len(listing.pairs) for part, listing in listings.items()})
    sizes: Dict[Path, Size] = {}
    work = _work(pairs)
    found.files = len(work)
    with progress(f"checking {config.kind}", len(work)) as bar:
        for path, size, reason in read_ahead(_probe, list(work.items()), threads):
            if size is None:
                found.bad[name(path)] = reason
            else:
                sizes[path] = size
            bar.advance(f"{len(found.bad)} bad")
    for pair in pairs:
        _compare(pair, sizes, listings["val"], found)
    found.spoilt = sum(any(name(file) in found.bad for file in pair.files) for pair in pairs)
    missing = {name(file) for listing in listings.values() for file in listing.missing}
    found.missing = sorted(missing)
    return found


def _image_size(path: Path) -> Size:
    return tuple(read_image(path).shape[:2])


def _flow_size(path: Path) -> Size:
    flow, valid = read_flow(path)
    if not valid.any():
        raise BadFileError("flow", path, "knows of no pixel")
    return tuple(flow.shape[:2])


def _mask_size(path: Path) -> Size:
    return tuple(read_mask(path).shape)


def _work(pairs: List[Pair]) -> Dict[Path, Callable[[Path], Size]]:
    """How each file is to be read, in the order of the pairs."""
    work: Dict[Path, Callable[[Path], Size]] = {}
    for pair in pairs:
        for path in pair.files:
            work[path] = _mask_size
        work.update({pair.first: _image_size, pair.second: _image_size, pair.flow: _flow_size})
    return work


def _probe(item: Tuple[Path, Callable[[Path], Size]]) -> Tuple[Path, Optional[Size], str]:
    """Height and width of what a file holds, or why it holds nothing."""
    path, read = item
    try:
        return path, read(path), ""
    except BadFileError as error:
        return path, None, error.reason


def _compare(pair: Pair, sizes: Dict[Path, Size], listing: Listing, found: Findings) -> None:
    """Notes the files of a pair whose size is not that of the others."""
    known = [sizes[path] for path in pair.files if path in sizes]
    common = max(known, key=known.count, default=None)
    for path in pair.files:
        if path in sizes and sizes[path] != common:
            height, width = sizes[path]
            reason = f"is {width} x {height} pixels, but the pair of {listing.name(pair.flow)} is not"
            found.bad.setdefault(listing.name(path), reason)
