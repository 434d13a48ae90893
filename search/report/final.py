"""The final front, of retrained and compiled networks, beside EdgeFlowNet."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.errors import InputError
from search.nsga2.objectives import find_nondominated
from search.queue.published import EDGEFLOWNET
from search.report.chart import Chart, Section, Series, Table, counted
from search.report.contents import Contents

TITLE = "Final front"
_NUMBERS = ("epe", "zero_flow_epe", "fps", "latency_ms", "sram_kib", "npu_cycles")
_SHOWN = ("architecture", "epe", "supernet_epe", "fps", "sram_kib", "npu_cycles", "cost_source", "on_front")
_HEADINGS = (
    "architecture", "EPE, px", "supernet EPE, px", "FPS", "SRAM, KiB", "NPU cycles", "cost", "on the front",
)  # fmt: skip


def final_section(runs: Sequence[Contents]) -> Section:
    """EPE and FPS of what was retrained, with EdgeFlowNet's FPS where the two may be compared."""
    text: List[str] = []
    tables: List[Table] = []
    series: List[Series] = []
    comparable = False
    for number, contents in enumerate(runs):
        if not contents.final:
            continue
        found = [_parsed(contents, row) for row in contents.final]
        series += _series(contents.name, f"run {number}", found)
        board, size = contents.board.settings.name, contents.run.config.data.padded_size
        retrained = f"{counted(len(found), 'architecture')} retrained"
        text.append(f"{contents.name}: {retrained}. {EDGEFLOWNET.describe(board, size)}")
        comparable = comparable or EDGEFLOWNET.is_comparable(board, size)
        tables.append(_table(contents.name, found, EDGEFLOWNET.is_comparable(board, size)))
    if not text:
        return Section("final", TITLE, ("Nothing retrained is collected yet: `queue collect` gathers what is done.",))
    if comparable:
        epes = [epe for each in series for epe in each.y]
        ends = [min(epes), max(epes)]
        series.append(Series("EdgeFlowNet, FPS as published", [EDGEFLOWNET.fps] * 2, ends, "exact", dashed=True))
    chart = Chart("After retraining", "FPS (more is better)", "EPE, px (less is better)", tuple(series))
    return Section("final", TITLE, tuple(text), (chart,), tuple(tables))


def _parsed(contents: Contents, row: Dict[str, str]) -> Dict[str, Any]:
    try:
        numbers: Dict[str, Optional[float]] = {name: float(row[name]) for name in _NUMBERS}
        numbers["supernet_epe"] = float(row["supernet_epe"]) if row["supernet_epe"] else None  # not without a supernet
        return {**row, **numbers, "on_front": row["on_front"] == "1"}
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{contents.run.final_front_file}: is damaged; `queue collect` writes it anew") from None


def _series(name: str, role: str, found: Sequence[Dict[str, Any]]) -> List[Series]:
    """All as points, and a line through those that no other beats in EPE and FPS."""
    fps, epe = [row["fps"] for row in found], [row["epe"] for row in found]
    best = find_nondominated(np.stack([np.array(epe), -np.array(fps)], axis=1))
    best = best[np.argsort(np.array(fps)[best])]
    line = Series(name, [fps[i] for i in best], [epe[i] for i in best], role, "front", dashed=True)
    labels = [row["architecture"] for row in found]
    return [line, Series(f"{name}, retrained", fps, epe, role, "points", labels=labels)]


def _table(name: str, found: Sequence[Dict[str, Any]], comparable: bool) -> Table:
    rows: List[Tuple[Any, ...]] = [
        tuple("yes" if row[key] is True else "" if row[key] is False else row[key] for key in _SHOWN) for row in found
    ]
    if comparable:
        rows.append((EDGEFLOWNET.name, None, None, EDGEFLOWNET.fps, EDGEFLOWNET.sram_kib, None, "published", ""))
    return Table(name, _HEADINGS, tuple(rows))
