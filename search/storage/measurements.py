"""Latencies measured on the board that were imported into a run, and their use instead of other figures."""

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost import Cost, Network
from edgeflownas.hardware.measured import NO_MEASUREMENTS, Measurements
from edgeflownas.progress import say
from search.nsga2.archive import Archive
from search.nsga2.scoring import COST_FIGURES, COST_SOURCES
from search.run import Run


def read_measurements(run: Run, board: Board) -> Measurements:
    """Return the measurements of a run; none if they are damaged or belong to a different network or board.

    A file that is not used is reported.
    """
    if not run.measured_file.exists():
        return NO_MEASUREMENTS
    try:
        measurements = Measurements.load(run.measured_file)
        _check(run, board, measurements)
    except InputError as error:
        say(f"measurements are not used: {error}")
        return NO_MEASUREMENTS
    return measurements


def prefer_measured(archive: Archive, measurements: Measurements) -> None:
    """Replace costs of an archive by measured ones and, if the measurements ask for it, others by corrected ones."""
    content = measurements.content
    if content is None:
        return
    if content.correct:
        rows = list(range(len(archive)))
    else:
        known = (archive.space.parse(name) for name in content.architectures)
        rows = [archive.row(architecture) for architecture in known if architecture in archive]
    changed, costs = [], []
    for row, architecture in zip(rows, archive.architectures(rows)):
        figures = {name: float(archive.column(name)[row]) for name in COST_FIGURES}
        cost = Cost(**figures, source=COST_SOURCES[archive.column("cost_source")[row]])
        better = measurements.prefer(archive.space.format(architecture), cost)
        if better is not cost:
            changed.append(row)
            costs.append(better)
    archive.replace_costs(np.array(changed, int), costs)


def _check(run: Run, board: Board, measurements: Measurements) -> None:
    """Check that measurements are of the run's networks on its board.

    Raises:
        InputError: They are not; the message names the difference.
    """
    assert measurements.content is not None
    network = Network.of(run.skeleton, *run.config.data.padded_size)
    for part, there, here in (
        ("network", measurements.content.network.model_dump(), network.model_dump()),
        ("board", measurements.content.board, board.description()),
    ):
        for key in {**there, **here}:
            if there.get(key) != here.get(key):
                raise InputError(
                    f"{run.measured_file}: is of a different {part}: {key} is {there.get(key)!s:.80} there and "
                    f"{here.get(key)!s:.80} here; measure again, and import the result: `cost import latencies.csv`"
                )
