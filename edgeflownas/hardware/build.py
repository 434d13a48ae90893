"""Makes a cost table: compiles the few architectures that it predicts from, then others that it is checked on."""

import concurrent.futures
import functools
import multiprocessing
import signal
import time
from concurrent.futures.process import BrokenProcessPool
from typing import Dict, List, Sequence

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import (
    CostTable,
    Figures,
    Network,
    Origin,
    Predictor,
    TableFile,
    prediction_errors,
    single_changes,
)
from edgeflownas.progress import progress
from edgeflownas.signals import stop_flag
from edgeflownas.skeleton import Skeleton
from edgeflownas.space import Architecture, Space

_LOOK_FOR_SIGNALS = 0.5  # seconds


def build_table(
    compiler: Compiler, skeleton: Skeleton, height: int, width: int, checks: int, jobs: int, command: str
) -> CostTable:
    """Makes the table of a skeleton's space on a board.

    Args:
        compiler: for the board.
        skeleton: the network's definition.
        height: of the images, pixels.
        width: of the images, pixels.
        checks: held-out random architectures.
        jobs: compiles side by side.
        command: that is written into the table.

    Raises:
        InputError: an architecture cannot be compiled.
        Interrupted: a signal came; what has been compiled is in the cache.
    """
    import tensorflow.compat.v1 as tf

    start = time.monotonic()
    space = Space.of(skeleton)
    needed = single_changes(space.counts)
    others = _held_out(space, needed, checks)
    figures = _compile_all(compiler, skeleton, height, width, needed + others, jobs)
    compiled = {architecture: figures[architecture] for architecture in needed}
    held_out = {architecture: figures[architecture] for architecture in others}
    content = TableFile(
        origin=Origin(
            command=command,
            date=time.strftime("%Y-%m-%d", time.gmtime()),
            seconds=round(time.monotonic() - start, 1),
            vela=compiler.vela.version,
            tensorflow=tf.__version__,
        ),
        board=compiler.board.description(),
        network=Network.of(skeleton, height, width),
        error_percent=prediction_errors(Predictor(space.counts, compiled), held_out),
        compiled={space.format(architecture): value for architecture, value in compiled.items()},
        held_out={space.format(architecture): value for architecture, value in held_out.items()},
    )
    return CostTable(content)


def _held_out(space: Space, needed: Sequence[Architecture], count: int) -> List[Architecture]:
    """Random architectures, always the same, that the table is not made from."""
    if count > space.size - len(needed):
        raise InputError(f"--checks {count}: the space has only {space.size - len(needed)} other architectures")
    rng = np.random.default_rng(0)
    drawn: Dict[Architecture, None] = {}
    while len(drawn) < count:
        architecture = space.random(rng)
        if architecture not in needed:
            drawn[architecture] = None
    return list(drawn)


def _compile_all(
    compiler: Compiler, skeleton: Skeleton, height: int, width: int, architectures: Sequence[Architecture], jobs: int
) -> Dict[Architecture, Figures]:
    """Compiles side by side, in processes of their own: TensorFlow can convert one network at a time in each."""
    figures = {}
    work = functools.partial(_compile, compiler, skeleton, height, width)
    processes = concurrent.futures.ProcessPoolExecutor(
        min(jobs, len(architectures)), multiprocessing.get_context("spawn"), _leave_signals
    )
    title = f"compiling for {compiler.board.settings.name}"
    with stop_flag() as stop, processes as pool, progress(title, len(architectures)) as bar:
        pending = {pool.submit(work, architecture): architecture for architecture in architectures}
        try:
            while pending:
                done, _ = concurrent.futures.wait(pending, _LOOK_FOR_SIGNALS, concurrent.futures.FIRST_COMPLETED)
                stop.raise_if_set()
                for future in done:
                    architecture = pending.pop(future)
                    figures[architecture] = _result(future)
                    bar.advance(Space.of(skeleton).format(architecture))
        finally:
            for future in pending:
                future.cancel()
    return figures


def _compile(compiler: Compiler, skeleton: Skeleton, height: int, width: int, architecture: Architecture) -> Figures:
    return compiler.inspect(skeleton, architecture, height, width).figures


def _result(future: "concurrent.futures.Future[Figures]") -> Figures:
    try:
        return future.result()
    except BrokenProcessPool:
        raise OSError(
            "a compiling process was killed, perhaps for want of memory; try again with fewer --jobs"
        ) from None


def _leave_signals() -> None:
    """Ctrl-C reaches all processes of a terminal; the first one decides, and what is being compiled is finished."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
