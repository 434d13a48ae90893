"""Check of a whole data set for unusable files. Each file is read once, even if several pairs use it."""

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
    """Result of a check.

    Attributes:
        pairs: Number of complete pairs per part.
        files: Number of files that were read.
        bad: Unusable files: reason by name of the file.
        missing: Names of missing files. Their pairs are not listed.
        ignored: Names of files and folders of pairs that do not match the official layout.
        spoilt: Number of pairs with a bad file.
    """

    pairs: Dict[str, int] = field(default_factory=dict)
    files: int = 0
    bad: Dict[str, str] = field(default_factory=dict)
    missing: List[str] = field(default_factory=list)
    ignored: List[str] = field(default_factory=list)
    spoilt: int = 0


def check(config: FileData, threads: int, key: str = "data") -> Findings:
    """Read all files of both parts, including those that an earlier check found to be bad.

    Args:
        config: Data set to check.
        threads: Number of threads that read files.
        key: Key of the data set in the configuration, for messages.

    Raises:
        InputError: The data set is missing.
    """
    listings = {part: list_pairs(config, part, key) for part in PARTS}
    name = listings["val"].name
    pairs = [pair for listing in listings.values() for pair in listing.pairs]
    findings = Findings({part: len(listing.pairs) for part, listing in listings.items()})
    sizes: Dict[Path, Size] = {}
    work = _plan(pairs)
    findings.files = len(work)
    with progress(f"checking {config.kind}", len(work)) as bar:
        for path, size, reason in read_ahead(_probe, list(work.items()), threads):
            if size is None:
                findings.bad[name(path)] = reason
            else:
                sizes[path] = size
            bar.advance(f"{len(findings.bad)} bad")
    for pair in pairs:
        _compare(pair, sizes, listings["val"], findings)
    findings.spoilt = sum(any(name(file) in findings.bad for file in pair.files) for pair in pairs)
    missing = {name(file) for listing in listings.values() for file in listing.missing}
    findings.missing = sorted(missing)
    findings.ignored = sorted({name(path) for listing in listings.values() for path in listing.ignored})
    return findings


def _read_image_size(path: Path) -> Size:
    return tuple(read_image(path).shape[:2])


def _read_flow_size(path: Path) -> Size:
    flow, valid = read_flow(path)
    if not valid.any():
        raise BadFileError("flow", path, "contains no pixel with known flow")
    return tuple(flow.shape[:2])


def _read_mask_size(path: Path) -> Size:
    return tuple(read_mask(path).shape)


def _plan(pairs: List[Pair]) -> Dict[Path, Callable[[Path], Size]]:
    """Return by file, in the order of the pairs, the function that reads it."""
    work: Dict[Path, Callable[[Path], Size]] = {}
    for pair in pairs:
        for path in pair.files:
            work[path] = _read_mask_size
        work.update({pair.first: _read_image_size, pair.second: _read_image_size, pair.flow: _read_flow_size})
    return work


def _probe(item: Tuple[Path, Callable[[Path], Size]]) -> Tuple[Path, Optional[Size], str]:
    """Read a file; return its height and width, or the reason why it is unusable."""
    path, read = item
    try:
        return path, read(path), ""
    except BadFileError as error:
        return path, None, error.reason


def _compare(pair: Pair, sizes: Dict[Path, Size], listing: Listing, findings: Findings) -> None:
    """Record the files of a pair whose size differs from that of the other files."""
    known = [sizes[path] for path in pair.files if path in sizes]
    common = max(known, key=known.count, default=None)
    for path in pair.files:
        if path in sizes and sizes[path] != common:
            height, width = sizes[path]
            reason = f"is {width} x {height} pixels, unlike the rest of the pair of {listing.name(pair.flow)}"
            findings.bad.setdefault(listing.name(path), reason)
