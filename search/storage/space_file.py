"""``space.h5``: every architecture of the space with its score, the exact front and the exact hypervolume.

The file is sealed (``edgeflownas.storage.sealed``) and holds:

- Root attributes as ``search.h5``, with ``format`` "edgeflownas-space"; ``complete``: whether it is the whole space.
- ``archive/``: as in ``search.h5``, rows in the order of the architectures' digits, so that the content does not depend
  on the order in which they were scored.
- Where it is complete: attribute ``hypervolume``, and ``front/genes`` uint8 [F, genes], best first objective first.
"""

from pathlib import Path
from typing import Iterable, Optional

import numpy as np

from edgeflownas import __version__
from edgeflownas.errors import InputError
from edgeflownas.progress import say
from edgeflownas.storage import sealed
from edgeflownas.storage.files import previous
from search.nsga2.archive import Archive
from search.storage.identity import SCORES, Identity
from search.storage.search_file import MALFORMED, append_archive, create_archive, read_archive

FORMAT = "edgeflownas-space"
FORMAT_VERSION = 1


class OtherSpaceError(InputError):
    """A file whose scores come about in another way than asked for."""


class SpaceFile:
    """The scores of a space, as far as they are known.

    Attributes:
        path: of the file.
        archive: of what is scored; an enumeration puts a larger one in its place.
        zero_flow_epe: EPE of predicting no motion, pixels; NaN until it is set.
    """

    def __init__(self, path: Path, identity: Identity) -> None:
        """Opens the file, or begins one where there is none; the disk is left as it is.

        Raises:
            InputError: the file is damaged, or its scores are of another supernet, other data or another board.
        """
        self.path = path
        self._identity = identity
        self.zero_flow_epe = float("nan")
        if path.exists():
            self.archive = self._read()
        elif previous(path).exists():
            raise InputError(f"{path}: is missing, but not the one before it; {_offer(path)}")
        else:
            self.archive = Archive(identity.space)

    @property
    def complete(self) -> bool:
        """Whether every architecture of the space is scored."""
        return len(self.archive) == self._identity.space.size

    def write(self, front: Optional[np.ndarray] = None, hypervolume: float = float("nan")) -> None:
        """Writes the archive to disk.

        Args:
            front: rows of the exact front, where the archive is the whole space.
            hypervolume: of that front.
        """
        with sealed.create() as file:
            file.attrs.update(format=FORMAT, format_version=FORMAT_VERSION, code_version=__version__)
            file.attrs.update(self._identity.attributes(), zero_flow_epe=self.zero_flow_epe, complete=self.complete)
            group = file.create_group("archive")
            create_archive(group, self._identity.space, compression="gzip")
            append_archive(group, self.archive)
            if front is not None:
                file.attrs["hypervolume"] = hypervolume
                file.create_group("front")["genes"] = self.archive.column("genes")[front]
            sealed.write(file, self.path)

    def _read(self) -> Archive:
        """The archive in the file."""
        try:
            with sealed.read(self.path) as file:
                attributes = dict(file.attrs)
                if attributes.get("format") != FORMAT or attributes.get("format_version") != FORMAT_VERSION:
                    raise InputError(
                        f"{self.path}: is no {FORMAT} file of version {FORMAT_VERSION}; {_offer(self.path)}"
                    )
                differences = self._identity.differences(attributes, SCORES)
                if differences:
                    raise OtherSpaceError(f"{self.path}: is of other scores: {'; '.join(differences)}")
                self.zero_flow_epe = float(attributes["zero_flow_epe"])
                return read_archive(sealed.member(file, "archive"), self._identity.space)
        except sealed.DamagedError as error:
            raise InputError(f"{self.path}: is {error}; {_offer(self.path)}") from None
        except MALFORMED as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{self.path}: holds no space: {reason}; {_offer(self.path)}") from None


def _offer(path: Path) -> str:
    """How to go on without a file."""
    try:
        with sealed.read(previous(path)) as file:
            rows = len(file["archive/genes"])
    except (sealed.DamagedError, *MALFORMED):
        return "move it and its .previous away, and `enumerate` begins anew"
    return f"`enumerate --from-previous` goes on from {previous(path).name} ({rows:,} architectures)"


def whole_space(paths: Iterable[Path], identity: Identity) -> Optional[Archive]:
    """The archive of the first of some files that holds the whole space, scored as the identity says; None without.

    A file of other scores is passed over, with a word.

    Raises:
        InputError: a file is damaged.
    """
    for path in paths:
        if not path.exists():
            continue
        try:
            file = SpaceFile(path, identity)
        except OtherSpaceError as error:
            say(f"no share of the exact hypervolume: {error}")
            continue
        if file.complete:
            return file.archive
    return None
