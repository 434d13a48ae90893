"""Data of the page's explorer of the front: all architectures as compact columns."""

import base64
from typing import Any, Callable, Dict, List, Optional, Sequence

import numpy as np

from search.nsga2.scoring import COST_SOURCES
from search.report.contents import Contents
from search.report.parts import PartCycles
from search.report.points import ORIGINS, Points
from search.run import Run

_TYPES = {"f8": np.float64, "i4": np.int32, "u1": np.uint8}


def explorer_data(
    runs: Sequence[Contents], points: Sequence[Optional[Points]], parts: Sequence[Optional[PartCycles]]
) -> Optional[Dict[str, Any]]:
    """Return the explorer's data for JSON; None if nothing is scored.

    Args:
        runs: Runs of the report.
        points: Points of each run; None if it has none.
        parts: Cycles by part of each run; None if they are not known.
    """
    records = [
        _make_record(number, run, run_points, parts[number])
        for number, (run, run_points) in enumerate(zip(runs, points))
        if run_points is not None
    ]
    if not records:
        return None
    return {"origins": ORIGINS, "sources": COST_SOURCES, "runs": records}


def select_representatives(points: Points) -> List[int]:
    """Return the rows that represent a front: its best EPE, its knee, and its best FPS.

    The knee is the point farthest from the line through the other two, with each axis scaled to the front's range.
    """
    rows = points.sort_by_fps(np.flatnonzero(points.front))[::-1]
    if not len(rows):
        return []
    epe, fps = points.columns["epe"][rows], points.columns["fps"][rows]
    knee = (fps / max(np.ptp(fps), 1e-12) - epe / max(np.ptp(epe), 1e-12)).argmax()
    return list(dict.fromkeys(int(row) for row in (rows[epe.argmin()], rows[knee], rows[fps.argmax()])))


def _make_record(number: int, contents: Contents, points: Points, parts: Optional[PartCycles]) -> Dict[str, Any]:
    columns = {
        "genes": points.genes, **points.columns,
        "origin": points.origin, "front": points.front, "exact": points.exact,
    }  # fmt: skip
    return {
        "number": number,
        "name": contents.name,
        "space": [{"name": gene.name, "place": gene.place, "options": gene.options} for gene in points.space.genes],
        "gene": points.most_informative_gene(),
        "chosen": select_representatives(points),
        "clock_khz": contents.board.clock_hz / 1e3,
        "arena_kib": contents.board.arena_kib,
        "fps_limits": _list_fps_limits(contents.run),
        "sizes": _count_sizes(contents.run),
        "export": contents.run.command("export"),
        "parts": None if parts is None else [{"name": name, "cycles": cycles} for name, cycles in parts.items()],
        "columns": {name: _encode(values) for name, values in columns.items()},
    }


def _list_fps_limits(run: Run) -> List[Dict[str, Any]]:
    """Return the limits of FPS and latency as FPS, with the text of each."""
    limits = []
    for figure, unit in (("fps", "FPS"), ("latency_ms", "ms")):
        bound = run.config.evolution.constraints.get(figure)  # type: ignore[call-overload]
        for sign, value in (("≥", bound.min), ("≤", bound.max)) if bound is not None else ():
            if value is not None:
                fps = value if figure == "fps" else 1e3 / value
                limits.append({"fps": fps, "text": f"limit: {sign} {value:g} {unit}"})
    return limits


def _count_sizes(run: Run) -> Dict[str, Dict[str, Any]]:
    """Return multiply-accumulates and parameters of the lightest architecture, and the additional ones by option."""
    size = run.config.data.padded_size

    def count_parameters(architecture: Sequence[int]) -> int:
        return sum(int(np.prod(shape)) for shape in run.skeleton.parameters(architecture).values())

    return {
        "MACs": _count_by_option(run, lambda architecture: run.skeleton.macs(architecture, *size)),
        "parameters": _count_by_option(run, count_parameters),
    }


def _count_by_option(run: Run, count: Callable[[Sequence[int]], int]) -> Dict[str, Any]:
    lightest = [0] * len(run.space.genes)
    fixed = count(lightest)
    more = [
        [count([*lightest[:gene], option, *lightest[gene + 1 :]]) - fixed for option in range(options)]
        for gene, options in enumerate(run.space.counts)
    ]
    return {"fixed": fixed, "more": more}


def _encode(values: np.ndarray) -> Dict[str, str]:
    """Encode a column as its type and its little-endian bytes in base64."""
    kind = "f8" if values.dtype.kind == "f" else "i4" if values.dtype == np.int32 or values.dtype == np.int64 else "u1"
    content = np.ascontiguousarray(values, np.dtype(_TYPES[kind]).newbyteorder("<")).tobytes()
    return {"type": kind, "base64": base64.b64encode(content).decode()}
