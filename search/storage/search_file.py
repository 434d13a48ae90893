"""``search.h5``: the checkpoint of an evolution, and what readers outside the project know it by.

- Root attributes: ``format``, ``format_version``, ``config_yaml``, ``config_sha256``, ``supernet_sha256``,
  ``cost_table_sha256``, ``skeleton_sha256``, ``genes`` (JSON: options by gene), ``seed``, ``code_version``,
  ``zero_flow_epe``.
- ``archive/genes`` uint8 [N, genes]; ``archive/epe`` (NaN: failed), ``fps``, ``latency_ms``, ``sram_kib``,
  ``npu_cycles`` float64 [N]; ``archive/generation`` int32 [N]; ``archive/requested`` bool [N];
  ``archive/cost_source`` uint8 [N] (0 predicted, 1 compiled).
- ``generations/NNNN/genes`` uint8 [P, genes] and ``objectives`` float64 [P, M], the population; attributes
  ``hypervolume``, ``rng_state``, ``evaluations``, ``backbones``, ``duplicates``, ``wall_s``, the last four counted from
  the beginning of the search. The order of the objectives is that of ``evolution.objectives``.

The file is sealed (``edgeflownas.storage.sealed``), and written whole: after each generation, or, if it is large and
generations are quick, now and then. What was not written yet is kept in memory.
"""

import time
from pathlib import Path
from typing import Optional

import h5py
import numpy as np
import yaml

from edgeflownas import __version__
from edgeflownas.errors import InputError
from edgeflownas.network.space import Space
from edgeflownas.storage import sealed
from edgeflownas.storage.files import duplicate, free_name, previous
from search.nsga2.archive import COLUMNS, Archive
from search.nsga2.evolution import Generation
from search.nsga2.objectives import SIGNS
from search.nsga2.operators import dump_rng, load_rng
from search.nsga2.scoring import COST_FIGURES
from search.storage.identity import Identity

FORMAT = "edgeflownas-search"
FORMAT_VERSION = 1

_CHUNK = 1024  # rows
_SMALL = 1 << 20  # bytes of a file that is written after every generation, however quick that is
_APART = 20.0  # times as long as writing took, at least, between two writes of a larger one
MALFORMED = (*sealed.MALFORMED, yaml.YAMLError)


class SearchFile:
    """The checkpoint of one search. Only the holder of the run's lock may append to it.

    Attributes:
        path: of the file.
        archive: of the search.
        last: generation in the file; None in a new one.
        wall_s: seconds that the search has taken so far.
        zero_flow_epe: EPE of predicting no motion, pixels; NaN until it is set.
    """

    def __init__(self, path: Path, identity: Identity) -> None:
        """Opens the checkpoint, or begins one where there is none; the disk is left as it is.

        Raises:
            InputError: the file is damaged, or that of another search, or missing where there was one.
        """
        self.path = path
        self.archive = Archive(identity.space)
        self.last: Optional[Generation] = None
        self.wall_s = 0.0
        self._saved, self._due = True, 0.0  # whether nothing waits to be written; when what waits is to be
        self.zero_flow_epe = float("nan")
        if path.exists():
            self._file = _read(path)
            self._refuse_other(identity)
            try:
                self._restore(identity.space)
            except MALFORMED as error:
                raise InputError(f"{path}: holds no search: {_line(error)}; {_offer(path)}") from None
        elif previous(path).exists():
            raise InputError(f"{path}: is missing, but not the one before it; {_offer(path)}")
        else:
            self._file = sealed.create()
            self._file.attrs.update(format=FORMAT, format_version=FORMAT_VERSION)
            self._file.create_group("generations")
            create_archive(self._file.create_group("archive"), identity.space)
        self._file.attrs.update(identity.attributes(), code_version=__version__)

    def append(self, generation: Generation, wall_s: float) -> None:
        """Takes up the archive as it now is, and a generation, and writes them to disk.

        A large file waits until twenty times as long has passed as writing it took, so that a long search does not
        come to spend its time on that. One that is killed meanwhile does again what was not written, to the last bit.

        Args:
            generation: the next one.
            wall_s: seconds that the search has taken so far.
        """
        self.last, self.wall_s = generation, wall_s
        group = self._file["generations"].create_group(f"{generation.number:04d}")
        group["genes"] = generation.genes
        group["objectives"] = generation.objectives
        for name in ("hypervolume", "rng_state", "evaluations", "backbones", "duplicates"):
            group.attrs[name] = getattr(generation, name)
        group.attrs["wall_s"] = wall_s
        self._file.attrs["zero_flow_epe"] = self.zero_flow_epe
        self._saved = False
        if time.monotonic() >= self._due:
            self.save()

    def save(self) -> None:
        """Writes to disk what waits for it.

        Raises:
            InputError: what was written before has been damaged since.
        """
        if not self._saved:
            started = time.monotonic()
            append_archive(self._file["archive"], self.archive)
            try:
                sealed.write(self._file, self.path)
            except sealed.DamagedError as error:
                raise InputError(f"{self.path}: is {error}; {_offer(self.path)}") from None
            self._saved, self._due = True, time.monotonic()
            if self.path.stat().st_size > _SMALL:
                self._due += _APART * (self._due - started)

    def _restore(self, space: Space) -> None:
        """Reads what the next generation depends on."""
        self.archive = read_archive(sealed.member(self._file, "archive"), space)
        names = list(sealed.member(self._file, "generations"))
        number = len(names) - 1
        if set(names) != {f"{each:04d}" for each in range(number + 1)} or not names:
            raise ValueError("its generations are not numbered from 0000 on")
        if self.archive.column("generation").max(initial=-1) != number:
            raise ValueError("its archive and its generations are not of one age")
        group = sealed.member(self._file, f"generations/{number:04d}")
        genes = read_whole(sealed.member(group, "genes"), np.uint8, space.size * len(space.genes))
        if not all(tuple(each) in self.archive for each in genes.tolist()):
            raise ValueError("its population is not in its archive")
        self.last = Generation(
            number=number,
            genes=genes,
            objectives=read_whole(sealed.member(group, "objectives"), np.float64, space.size * len(SIGNS)),
            hypervolume=float(group.attrs["hypervolume"]),
            rng_state=dump_rng(load_rng(group.attrs["rng_state"])),
            evaluations=int(group.attrs["evaluations"]),
            backbones=int(group.attrs["backbones"]),
            duplicates=int(group.attrs["duplicates"]),
        )
        self.wall_s = float(group.attrs["wall_s"])
        self.zero_flow_epe = float(self._file.attrs["zero_flow_epe"])

    def _refuse_other(self, identity: Identity) -> None:
        """Refuses the file of another search, and says what is different."""
        try:
            attributes = dict(self._file.attrs)
        except MALFORMED as error:
            raise InputError(f"{self.path}: holds no search: {_line(error)}; {_offer(self.path)}") from None
        if attributes.get("format") != FORMAT or attributes.get("format_version") != FORMAT_VERSION:
            raise InputError(f"{self.path}: is no {FORMAT} file of version {FORMAT_VERSION}; {_offer(self.path)}")
        try:
            differences = identity.differences(attributes)
        except (InputError, *MALFORMED) as error:
            raise InputError(f"{self.path}: holds no search: {_line(error)}; {_offer(self.path)}") from None
        if differences:
            raise InputError(
                f"{self.path}: is of another search: {'; '.join(differences)}. Undo the change, name another folder "
                f"with --run, or begin anew with --restart (the file is kept)"
            )


def create_archive(group: h5py.Group, space: Space, compression: Optional[str] = None) -> None:
    """Makes the empty data sets of an archive."""
    shapes = {"genes": ((len(space.genes),), "u1"), **{name: ((), dtype) for name, dtype in COLUMNS.items()}}
    for name, (shape, dtype) in shapes.items():
        whole, chunks = (0, *shape), (_CHUNK, *shape)
        group.create_dataset(
            name, whole, dtype, maxshape=(None, *shape), chunks=chunks, fletcher32=True, compression=compression
        )


def append_archive(group: h5py.Group, archive: Archive) -> None:
    """Adds the rows that an archive has, and its data sets have not, and writes those anew that were changed."""
    known = len(group["genes"])
    changed = sorted(row for row in archive.changed if row < known)
    for name in ("genes", *COLUMNS):
        group[name].resize(len(archive), axis=0)
        group[name][known:] = archive.column(name)[known:]
        if changed and name in ("epe", *COST_FIGURES, "cost_source"):
            group[name][changed] = archive.column(name)[changed]
    archive.changed.clear()


def read_archive(group: h5py.Group, space: Space) -> Archive:
    """Reads an archive.

    Raises:
        MALFORMED: the group holds no archive of the space.
    """
    columns = {name: read_whole(sealed.member(group, name), dtype, space.size) for name, dtype in COLUMNS.items()}
    columns["genes"] = read_whole(sealed.member(group, "genes"), np.uint8, space.size * len(space.genes))
    return Archive.restore(space, columns)


def read_whole(dataset: h5py.Dataset, dtype: type, most: int) -> np.ndarray:
    """Reads a data set, after a look at how much it is.

    Raises:
        ValueError: it is of another type, or holds more elements than it can.
    """
    if dataset.dtype != dtype or dataset.size > most:
        raise ValueError(f"{dataset.name} is of another type or too large")
    return np.asarray(dataset[()])


def set_aside(path: Path) -> None:
    """Gives a checkpoint, and the one before it, names with the next free number."""
    aside = free_name(path)
    # The one before first: if this is stopped in between, the search goes on as if nothing had been.
    for old, new in ((previous(path), previous(aside)), (path, aside)):
        if old.exists():
            old.replace(new)


def use_previous(path: Path) -> None:
    """Puts the checkpoint before the last in the place of the last, which is set aside, whether damaged or not.

    Raises:
        InputError: there is none, or it is damaged.
    """
    _read(previous(path)).close()
    if path.exists():
        duplicate(path, free_name(path))
    previous(path).replace(path)


def _read(path: Path) -> h5py.File:
    """Reads a checkpoint into memory."""
    try:
        return sealed.read(path)
    except sealed.DamagedError as error:
        raise InputError(f"{path}: is {error}; {_offer(path)}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; {_offer(path)}") from None


def _offer(path: Path) -> str:
    """How to go on without a checkpoint."""
    anew = "begin anew with --restart (what is there is kept)"
    try:
        with sealed.read(previous(path)) as file:
            generations = len(file["generations"])
    except (sealed.DamagedError, *MALFORMED):
        return anew
    return f"go on from {previous(path).name} ({generations} generations) with --from-previous, or {anew}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
