"""``space.h5``: every architecture of the space with its score, the exact front and the exact hypervolume.

The file is sealed (``edgeflownas.storage.sealed``) and contains:

- Root attributes as in ``search.h5``, with ``format`` "edgeflownas-space", and ``complete``, which is true if the whole
  space is scored.
- ``archive/`` as in ``search.h5``, with rows in the order of the architectures' digits, so that the content does not
  depend on the order of scoring.
- In a complete file, the attributes ``hypervolume`` and ``reference_point`` (JSON), and ``front/genes`` uint8
  [F, genes], sorted by the first objective, best first.
"""

import json
from pathlib import Path
from typing import Iterable, List, Mapping, Optional, Tuple

import numpy as np

from edgeflownas import __version__
from edgeflownas.config import Objective
from edgeflownas.errors import InputError
from edgeflownas.storage import sealed
from edgeflownas.storage.files import previous
from edgeflownas.storage.origin import TENSORFLOW, add_version
from search.nsga2.archive import Archive
from search.storage.archive_group import append_archive, create_archive, read_archive
from search.storage.identity import Identity

FORMAT = "edgeflownas-space"
FORMAT_VERSION = 1

_RESUME = "`enumerate --from-previous` resumes from {}"
_RESTART = "move it and its .previous file away, and `enumerate` starts from scratch"


class OtherSpaceError(InputError):
    """The scores of a file depend on weights, data or settings that differ from the requested ones."""


class SpaceFile:
    """The known scores of a space.

    Attributes:
        path: Path of the file.
        archive: Archive of the scored architectures; an enumeration replaces it by a larger one.
        zero_flow_epe: EPE of predicting no motion, in pixels; NaN until it is set.
        remark: Remark on the file for the user; empty if there is none.
    """

    def __init__(self, path: Path, identity: Identity) -> None:
        """Open the file; a missing file counts as empty. Nothing is written.

        Raises:
            InputError: The file is damaged or missing, or its scores depend on another supernet, other data or another
                board.
        """
        self.path = path
        self._identity = identity
        self.zero_flow_epe, self.remark, self._versions = float("nan"), "", ""
        if path.exists() or previous(path).exists():
            with sealed.named_errors(path, "the scores of a space", _RESUME, _RESTART):
                self.archive = self._read()
        else:
            self.archive = Archive(identity.space)

    @property
    def complete(self) -> bool:
        """Whether every architecture of the space is scored."""
        return len(self.archive) == self._identity.space.size

    def write(
        self,
        front: Optional[np.ndarray] = None,
        hypervolume: float = float("nan"),
        reference_point: Optional[Mapping[Objective, float]] = None,
    ) -> None:
        """Write the archive to disk.

        Args:
            front: Rows of the exact front, shape [F], if the archive contains the whole space.
            hypervolume: Hypervolume of that front.
            reference_point: Its reference point, each objective in its own unit.
        """
        with sealed.create() as file:
            file.attrs.update(format=FORMAT, format_version=FORMAT_VERSION, code_version=__version__)
            file.attrs.update(self._identity.attributes(), zero_flow_epe=self.zero_flow_epe, complete=self.complete)
            file.attrs[TENSORFLOW] = add_version(self._versions)
            group = file.create_group("archive")
            create_archive(group, self._identity.space, compression="gzip")
            append_archive(group, self.archive)
            if front is not None:
                file.attrs.update(hypervolume=hypervolume, reference_point=json.dumps(reference_point))
                file.create_group("front")["genes"] = self.archive.column("genes")[front]
            sealed.write(file, self.path)

    def _read(self) -> Archive:
        """Return the archive of the file."""
        with sealed.read(self.path) as file:
            sealed.check_format(file, FORMAT, FORMAT_VERSION)
            attributes = dict(file.attrs)
            differences = self._identity.differences(attributes, scores_only=True)
            if differences:
                raise OtherSpaceError(
                    f"{self.path}: contains other scores: {'; '.join(differences)}. Undo the change, choose another "
                    f"folder with --run, or move the file away"
                )
            self.remark = self._identity.describe_gap(self.path, attributes)
            self._versions = str(attributes.get(TENSORFLOW, ""))
            self.zero_flow_epe = float(attributes["zero_flow_epe"])
            return read_archive(sealed.member(file, "archive"), self._identity.space)


def read_whole_space(paths: Iterable[Path], identity: Identity) -> Tuple[Optional[Archive], List[str]]:
    """Find the scores of the whole space among some files.

    Returns:
        Archive of the first file that contains the whole space with the scores of the identity, or None; and remarks
        for the user on files that were skipped because they contain other scores, and on the file that was used.

    Raises:
        InputError: A file is damaged.
    """
    remarks = []
    for path in paths:
        if not path.exists():
            continue
        try:
            file = SpaceFile(path, identity)
        except OtherSpaceError as error:
            remarks.append(f"no share of the exact hypervolume: {error}")
            continue
        if file.complete:
            return file.archive, [*remarks, *filter(None, [file.remark])]
    return None, remarks
