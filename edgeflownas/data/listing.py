"""The pairs of a part of a data set, by their files, and what is missing for others."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Set


@dataclass(frozen=True)
class Pair:
    """The files of a pair.

    Attributes:
        first: image.
        second: image.
        flow: from the first to the second.
        invalid: mask of pixels whose flow is not to be used, if there is one.
        occluded: mask of pixels that the second image does not show, if there is one.
    """

    first: Path
    second: Path
    flow: Path
    invalid: Optional[Path] = None
    occluded: Optional[Path] = None

    @property
    def files(self) -> List[Path]:
        """All that there are."""
        return [file for file in (self.first, self.second, self.flow, self.invalid, self.occluded) if file is not None]


@dataclass
class Listing:
    """The pairs of one part of a data set.

    Attributes:
        root: that names of files are relative to.
        pairs: in a fixed order.
        missing: files without which a pair could not be listed.
    """

    root: Path
    pairs: List[Pair] = field(default_factory=list)
    missing: List[Path] = field(default_factory=list)

    def name(self, file: Path) -> str:
        """A file's name, the same wherever the data set lies."""
        text = file.as_posix()
        prefix = self.root.as_posix().rstrip("/") + "/"
        return text[len(prefix) :] if text.startswith(prefix) else text


class Disk:
    """Which files there are: a folder is listed once, as asking a file server for every file takes long."""

    def __init__(self) -> None:
        self._names: Dict[Path, Set[str]] = {}

    def names(self, folder: Path) -> Set[str]:
        """Names in a folder; none if it is not there."""
        if folder not in self._names:
            self._names[folder] = set(os.listdir(str(folder))) if folder.is_dir() else set()
        return self._names[folder]

    def add(self, listing: Listing, pair: Pair) -> None:
        """Lists a pair, or what it lacks."""
        missing = [file for file in pair.files if file.name not in self.names(file.parent)]
        listing.missing += missing
        if not missing:
            listing.pairs.append(pair)
