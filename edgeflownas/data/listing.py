"""Listing of the files that form the pairs of a data set, and of what is left out."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Set

from edgeflownas.errors import name_first


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
    """Pairs of one part of a data set, and what is left out.

    Attributes:
        root: Folder to which the names of files are relative.
        pairs: Complete pairs, in a fixed order.
        missing: Missing files of incomplete pairs.
        incomplete: Number of incomplete pairs.
        ignored: Files and folders of pairs whose names do not match the official layout.
        excluded: Number of pairs that a list of bad files excludes.
        unmatched: Entries of that list that name no file of the data set.
    """

    root: Path
    pairs: List[Pair] = field(default_factory=list)
    missing: List[Path] = field(default_factory=list)
    incomplete: int = 0
    ignored: List[Path] = field(default_factory=list)
    excluded: int = 0
    unmatched: List[str] = field(default_factory=list)

    def name(self, file: Path) -> str:
        """Return the name of a file relative to the root, which does not depend on where the data set is stored."""
        text = file.as_posix()
        prefix = self.root.as_posix().rstrip("/") + "/"
        return text[len(prefix) :] if text.startswith(prefix) else text

    def describe_omissions(self) -> List[str]:
        """Describe each kind of omission in a phrase."""
        phrases = {
            f"pairs with missing files: {self.incomplete:,} ({self._name_first(self.missing)})": self.missing,
            f"excluded pairs: {self.excluded:,}": self.excluded,
            f"entries of the list of bad files that name no file: {name_first(self.unmatched)}": self.unmatched,
            f"names that are not of the official layout: {self._name_first(self.ignored)}": self.ignored,
        }
        return [phrase for phrase, applies in phrases.items() if applies]

    def record_omissions(self) -> Dict[str, Any]:
        """Return the omissions as plain Python types, for JSON."""
        return {
            "incomplete_pairs": self.incomplete,
            "missing_files": [show_name(self.name(file)) for file in self.missing],
            "excluded_pairs": self.excluded,
            "unmatched_exclusions": self.unmatched,
            "ignored": [show_name(self.name(path)) for path in self.ignored],
        }

    def _name_first(self, files: List[Path]) -> str:
        return name_first([show_name(self.name(file)) for file in files])


def show_name(name: str) -> str:
    """Return the name of a file as text, in which bytes that are not UTF-8 are escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


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
        if missing:
            listing.incomplete += 1
        else:
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

        An entry is absolute, relative to the data set, or begins with ~, the home folder. Those of FlyingThings3D's
        official list, such as TRAIN/A/0000/left/0006.png, refer to the frame in every rendering pass.
        """
        name = os.path.expanduser(entry.replace("\\", "/"))
        names = [name, f"frames_cleanpass/{name}", f"frames_finalpass/{name}"]
        return [self.of_file(self._root / one) for one in names]
