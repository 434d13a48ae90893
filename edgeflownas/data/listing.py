"""Listing of the files that form the pairs of a data set, and of missing files."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Set


@dataclass(frozen=True)
class Pair:
    """Files of a pair.

    Attributes:
        first: First image.
        second: Second image.
        flow: Flow from the first to the second image.
        invalid: Mask of pixels whose flow must not be used, or None.
        occluded: Mask of pixels that the second image does not show, or None.
    """

    first: Path
    second: Path
    flow: Path
    invalid: Optional[Path] = None
    occluded: Optional[Path] = None

    @property
    def files(self) -> List[Path]:
        """All files of the pair."""
        return [file for file in (self.first, self.second, self.flow, self.invalid, self.occluded) if file is not None]


@dataclass
class Listing:
    """Pairs of one part of a data set.

    Attributes:
        root: Folder to which the names of files are relative.
        pairs: Complete pairs, in a fixed order.
        missing: Missing files of incomplete pairs.
    """

    root: Path
    pairs: List[Pair] = field(default_factory=list)
    missing: List[Path] = field(default_factory=list)

    def name(self, file: Path) -> str:
        """Return the name of a file relative to the root, which does not depend on where the data set is stored."""
        text = file.as_posix()
        prefix = self.root.as_posix().rstrip("/") + "/"
        return text[len(prefix) :] if text.startswith(prefix) else text


class Disk:
    """Cache of folder listings, because looking up every single file on a file server would be slow."""

    def __init__(self) -> None:
        self._names: Dict[Path, Set[str]] = {}

    def names(self, folder: Path) -> Set[str]:
        """Return the names in a folder, or none if the folder is missing."""
        if folder not in self._names:
            self._names[folder] = set(os.listdir(str(folder))) if folder.is_dir() else set()
        return self._names[folder]

    def add(self, listing: Listing, pair: Pair) -> None:
        """Add a pair to a listing or, if the pair is incomplete, its missing files."""
        missing = [file for file in pair.files if file.name not in self.names(file.parent)]
        listing.missing += missing
        if not missing:
            listing.pairs.append(pair)


class PlaceFinder:
    """Resolver of file names, so that different names of the same file compare equal; caches resolved folders."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders: Dict[str, str] = {}

    def of_file(self, file: Path) -> str:
        """Return the path of a file with its folder resolved."""
        folder, name = os.path.split(str(file))
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)

    def of_entry(self, entry: str) -> List[str]:
        """Return the paths that an entry of a list of bad files may refer to.

        An entry is absolute or relative to the data set. Those of FlyingThings3D's official list, such as
        TRAIN/A/0000/left/0006.png, refer to the frame in every rendering pass.
        """
        name = entry.replace("\\", "/")
        names = [name, f"frames_cleanpass/{name}", f"frames_finalpass/{name}"]
        return [self.of_file(self._root / one) for one in names]
