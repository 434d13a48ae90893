"""``search.h5``: the checkpoint of a search, in a layout that readers outside the project rely on.

- Root attributes: ``format``, ``format_version``, ``config_yaml``, ``config_sha256``, ``supernet_sha256``,
  ``cost_table_sha256``, ``skeleton_sha256``, ``genes`` (JSON: options by gene), ``seed``, ``code_version``,
  ``zero_flow_epe``, ``tensorflow`` (versions that computed the EPEs), ``pairs`` (JSON: number of pairs and SHA-256 of
  their names and of the contents of their files, for each use of them; only for data sets stored in files).
- ``archive/genes`` uint8 [N, genes]; ``archive/epe`` (NaN: failed), ``fps``, ``latency_ms``, ``sram_kib``,
  ``npu_cycles`` float64 [N]; ``archive/generation`` int32 [N]; ``archive/requested`` bool [N];
  ``archive/cost_source`` uint8 [N] (0 predicted, 1 compiled).
- ``generations/NNNN/genes`` uint8 [P, genes] and ``objectives`` float64 [P, M], the population; attributes
  ``hypervolume``, ``reference_point`` (JSON), ``rng_state``, ``evaluations``, ``backbones``, ``duplicates``,
  ``wall_s``, the last four counted from the start of the search. The objectives are in the order of
  ``evolution.objectives``.

The file is sealed (``edgeflownas.storage.sealed``) and written as a whole: after each generation, or, if it is large
and generations are quick, less often. New generations are kept in memory until the next write.
"""

import json
import time
from pathlib import Path
from typing import Dict, Optional

import h5py
import numpy as np

from edgeflownas import __version__
from edgeflownas.config import EvolutionConfig, Objective
from edgeflownas.errors import InputError
from edgeflownas.storage import sealed
from edgeflownas.storage.files import free_name, previous
from edgeflownas.storage.origin import TENSORFLOW, add_version
from search.nsga2.archive import Archive
from search.nsga2.evolution import Generation
from search.nsga2.objectives import SIGNS
from search.nsga2.operators import dump_rng, load_rng
from search.storage.archive_group import append_archive, create_archive, read_archive, read_whole
from search.storage.identity import Identity

FORMAT = "edgeflownas-search"
FORMAT_VERSION = 1

_SMALL = 1 << 20  # bytes; a file up to this size is written after every generation
_APART = 20.0  # minimum time between two writes of a larger file, in multiples of the time of a write
_RESTART = "start from scratch with `evolve --restart` (the damaged file is kept)"
_RESUME = f"resume from {{}} with `evolve --from-previous`, or {_RESTART}"


class SearchFile:
    """The checkpoint of one search. Only the holder of the run's lock may append to it.

    Attributes:
        path: Path of the file.
        archive: Archive of the search.
        last: Last generation in the file; None in a new file.
        wall_s: Duration of the search so far, in seconds.
        zero_flow_epe: EPE of predicting no motion, in pixels; NaN until it is set.
        remark: Remark on the file for the user; empty if there is none.
    """

    def __init__(self, path: Path, identity: Identity) -> None:
        """Open the checkpoint, or start a new one if there is none. The disk is not changed.

        Raises:
            InputError: The file is damaged, belongs to a different search, or is missing while there is a previous one.
        """
        self.path = path
        self.archive = Archive(identity.space)
        self.last: Optional[Generation] = None
        self.wall_s = 0.0
        self._saved, self._due = True, 0.0  # whether everything is on disk; time of the next write
        self.zero_flow_epe, self.remark = float("nan"), ""
        if path.exists() or previous(path).exists():
            with sealed.named_errors(path, "a search", _RESUME, _RESTART):
                self._file = sealed.read(path)
                sealed.check_format(self._file, FORMAT, FORMAT_VERSION)
                differences = identity.differences(dict(self._file.attrs))
                if differences:
                    raise InputError(
                        f"{path}: belongs to a different search: {'; '.join(differences)}. Undo the change, choose "
                        f"another folder with --run, or start from scratch with `evolve --restart` (the existing file "
                        f"is kept)"
                    )
                self.remark = identity.describe_gap(path, self._file.attrs)
                self._restore(identity)
        else:
            self._file = sealed.create()
            self._file.attrs.update(format=FORMAT, format_version=FORMAT_VERSION)
            self._file.create_group("generations")
            create_archive(self._file.create_group("archive"), identity.space)
        self._file.attrs.update(identity.attributes(), code_version=__version__)
        self._file.attrs[TENSORFLOW] = add_version(str(self._file.attrs.get(TENSORFLOW, "")))

    def append(self, generation: Generation, wall_s: float) -> None:
        """Add a generation and the current archive, and write them to disk.

        The time between two writes of a large file is at least 20 times the duration of the last write, so that a long
        search does not spend its time on writing. A search that is killed in between repeats the unwritten generations
        with identical results.

        Args:
            generation: Next generation.
            wall_s: Duration of the search so far, in seconds.
        """
        self.last, self.wall_s = generation, wall_s
        group = self._file["generations"].create_group(f"{generation.number:04d}")
        group["genes"] = generation.genes
        group["objectives"] = generation.objectives
        group.attrs["reference_point"] = json.dumps(generation.reference_point)
        for name in ("hypervolume", "rng_state", "evaluations", "backbones", "duplicates"):
            group.attrs[name] = getattr(generation, name)
        group.attrs["wall_s"] = wall_s
        self._file.attrs["zero_flow_epe"] = self.zero_flow_epe
        self._saved = False
        if time.monotonic() >= self._due:
            self.save()

    def save(self) -> None:
        """Write everything that is not on disk yet.

        Raises:
            InputError: The file on disk has been damaged since the last write.
        """
        if not self._saved:
            started = time.monotonic()
            append_archive(self._file["archive"], self.archive)
            try:
                sealed.write(self._file, self.path)
            except sealed.DamagedError:
                with sealed.named_errors(self.path, "a search", _RESUME, _RESTART):
                    raise
            self._saved, self._due = True, time.monotonic()
            if self.path.stat().st_size > _SMALL:
                self._due += _APART * (self._due - started)

    def _restore(self, identity: Identity) -> None:
        """Read everything that the next generation depends on."""
        space = identity.space
        self.archive = read_archive(sealed.member(self._file, "archive"), space)
        names = list(sealed.member(self._file, "generations"))
        number = len(names) - 1
        if set(names) != {f"{index:04d}" for index in range(number + 1)} or not names:
            raise ValueError("its generations are not numbered from 0000")
        if self.archive.column("generation").max(initial=-1) != number:
            raise ValueError("its archive and its generations do not match")
        group = sealed.member(self._file, f"generations/{number:04d}")
        genes = read_whole(sealed.member(group, "genes"), np.uint8, space.size * len(space.genes))
        if not all(tuple(architecture) in self.archive for architecture in genes.tolist()):
            raise ValueError("its population is not in its archive")
        self.last = Generation(
            number=number,
            genes=genes,
            objectives=read_whole(sealed.member(group, "objectives"), np.float64, space.size * len(SIGNS)),
            hypervolume=float(group.attrs["hypervolume"]),
            reference_point=read_reference_point(group, identity.config.evolution),
            rng_state=dump_rng(load_rng(group.attrs["rng_state"])),
            evaluations=int(group.attrs["evaluations"]),
            backbones=int(group.attrs["backbones"]),
            duplicates=int(group.attrs["duplicates"]),
        )
        self.wall_s = float(group.attrs["wall_s"])
        self.zero_flow_epe = float(self._file.attrs["zero_flow_epe"])


def read_reference_point(group: h5py.Group, config: EvolutionConfig) -> Dict[Objective, float]:
    """Return the reference point of a generation, each objective in its own unit.

    Earlier versions did not record it, as it was always configured.

    Raises:
        ValueError, KeyError: The group does not contain a reference point.
    """
    if "reference_point" not in group.attrs and config.reference_point is not None:
        return config.reference_point
    point = json.loads(group.attrs["reference_point"])
    if not isinstance(point, dict) or not set(config.objectives) <= set(point):
        raise ValueError("its reference point does not have a value for every objective")
    return {name: float(point[name]) for name in config.objectives}


def set_aside(path: Path) -> None:
    """Rename a checkpoint and the previous one to names with the next free number."""
    aside = free_name(path)
    # The previous one first: if the process is killed in between, the search continues from the checkpoint.
    for old, new in ((previous(path), previous(aside)), (path, aside)):
        if old.exists():
            old.replace(new)
