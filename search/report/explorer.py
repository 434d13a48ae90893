"""What the page's explorer of the front is given: all architectures as columns, compactly."""

import base64
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from search.nsga2.scoring import COST_SOURCES
from search.report.contents import Contents
from search.report.parts import PartCycles
from search.report.points import ORIGINS, Points

_TYPES = {"f8": np.float64, "i4": np.int32, "u1": np.uint8}


def explorer_data(
    runs: Sequence[Contents], points: Sequence[Optional[Points]], parts: Sequence[Optional[PartCycles]]
) -> Optional[Dict[str, Any]]:
    """For JSON; None where nothing is scored. All runs have the space of the first.

    Args:
        runs: that are reported.
        points: of each; None where it has none.
        parts: cycles by part of each; None where they are not known.
    """
    found = [
        _run(number, run, each, parts[number])
        for number, (run, each) in enumerate(zip(runs, points))
        if each is not None
    ]
    if not found:
        return None
    genes = [{"name": gene.name, "place": gene.place, "options": gene.options} for gene in runs[0].run.space.genes]
    return {"genes": genes, "origins": ORIGINS, "sources": COST_SOURCES, "runs": found}


def chosen(points: Points) -> List[int]:
    """The rows that stand for a front: its best EPE, its knee, and its best FPS.

    The knee is farthest from the line through the other two, each axis scaled to the front's range.
    """
    rows = points.along(np.flatnonzero(points.front))[::-1]
    if not len(rows):
        return []
    epe, fps = points.columns["epe"][rows], points.columns["fps"][rows]
    middle = (fps / max(np.ptp(fps), 1e-12) - epe / max(np.ptp(epe), 1e-12)).argmax()
    return list(dict.fromkeys(int(row) for row in (rows[epe.argmin()], rows[middle], rows[fps.argmax()])))


def _run(number: int, contents: Contents, points: Points, parts: Optional[PartCycles]) -> Dict[str, Any]:
    columns = {
        "genes": points.genes, **points.columns,
        "origin": points.origin, "front": points.front, "exact": points.exact,
    }  # fmt: skip
    return {
        "number": number,
        "name": contents.name,
        "gene": points.telling_gene(),
        "chosen": chosen(points),
        "clock_khz": contents.board.clock_hz / 1e3,
        "parts": None if parts is None else [{"name": name, "cycles": cycles} for name, cycles in parts.items()],
        "columns": {name: _packed(values) for name, values in columns.items()},
    }


def _packed(values: np.ndarray) -> Dict[str, str]:
    """A column's bytes, little-endian, as base64, and their type."""
    kind = "f8" if values.dtype.kind == "f" else "i4" if values.dtype == np.int32 or values.dtype == np.int64 else "u1"
    content = np.ascontiguousarray(values, np.dtype(_TYPES[kind]).newbyteorder("<")).tobytes()
    return {"type": kind, "base64": base64.b64encode(content).decode()}
