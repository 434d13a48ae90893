"""Section on the final front of retrained and compiled networks, compared with EdgeFlowNet."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.config import pad_size
from edgeflownas.errors import InputError
from edgeflownas.wording import format_count
from search.nsga2.objectives import find_nondominated
from search.queue.outdated import describe_dominated, list_dominated
from search.queue.published import EDGEFLOWNET
from search.queue.status import read_rows
from search.ranking.steps import measure_steps
from search.report.chart import Chart, ReportSection, Series, Table
from search.report.contents import Contents

TITLE = "Final front"
_NUMBERS = (
    "epe", "zero_flow_epe", "deploy_epe", "int8_epe", "deploy_zero_flow_epe", "fps", "search_fps", "latency_ms",
    "sram_kib", "npu_cycles",
)  # fmt: skip
_COLUMNS = {
    "architecture": "architecture",
    "supernet_epe": "supernet EPE, px",
    "epe": "retrained EPE, px",
    "deploy_epe": "EPE with the board's input, px",
    "int8_epe": "in int8, px",
    "fps": "FPS",
    "sram_kib": "SRAM, KiB",
    "npu_cycles": "NPU cycles",
    "cost_source": "cost source",
    "on_front": "on the front",
    "since": "in the search",
}  # by key


def final_section(runs: Sequence[Contents]) -> ReportSection:
    """Return the section with the EPE in int8 and the FPS on the board, and EdgeFlowNet's FPS if it is comparable."""
    text: List[str] = []
    tables: List[Table] = []
    series: List[Series] = []
    comparable = False
    for number, contents in enumerate(runs):
        if not contents.final:
            continue
        if "int8_epe" not in contents.final[0]:
            again = contents.run.command("queue collect")
            text.append(f"{contents.name}: an earlier version collected the networks, without int8; use `{again}`.")
            continue
        networks = [_parse_row(contents, row) for row in contents.final]
        series += _make_series(contents.name, f"run {number}", networks)
        shape = networks[0]["deploy_size"]
        board, size = contents.board.settings.name, pad_size(*map(int, shape.split("x")))
        retrained = f"{format_count(len(networks), 'architecture')} retrained"
        zero = networks[0]["deploy_zero_flow_epe"]
        text.append(
            f"{contents.name}: {retrained}. EPE in int8 with an input of {shape} pixels; zero flow has {zero:.3f} px. "
            f"{EDGEFLOWNET.describe(board, size)}"
        )
        text += _describe_steps(contents.name, networks)
        dominated = _list_dominated(contents)
        for network in networks:
            network["since"] = "dominated since" if network["architecture"] in dominated else ""
        text += _describe_changes(contents, networks, dominated)
        comparable = comparable or EDGEFLOWNET.is_comparable(board, size)
        tables.append(_make_table(contents.name, networks, EDGEFLOWNET.is_comparable(board, size)))
    if not text:
        reason = "No retrained networks yet: `queue collect` collects them from the queue."
        return ReportSection("final", TITLE, (reason,))
    if comparable:
        epes = [epe for line in series for epe in line.y]
        ends = [min(epes), max(epes)]
        series.append(Series("EdgeFlowNet, FPS as published", [EDGEFLOWNET.fps] * 2, ends, "exact", dashed=True))
    if not series:
        return ReportSection("final", TITLE, tuple(text))
    chart = Chart("On the board", "FPS (higher is better)", "EPE in int8, px (lower is better)", tuple(series))
    return ReportSection("final", TITLE, tuple(text), (chart,), tuple(tables))


def _describe_steps(name: str, networks: Sequence[Dict[str, Any]]) -> List[str]:
    """Return a sentence on how each step from the supernet to the board changed the order."""
    steps = measure_steps(lambda column: [network[column] for network in networks])
    taus = "; ".join(f"{step.description}: {step.agreement}" for step in steps)
    return [f"{name}: Kendall's tau of the orders by {taus}."] if taus else []


def _list_dominated(contents: Contents) -> List[str]:
    """Return the queued architectures that are dominated now that the search has been extended."""
    if contents.queue is None or contents.archive is None or not contents.shares_weights:
        return []
    front = set(contents.archive.architectures(contents.front(contents.archive)))
    return list_dominated(contents.queue, contents.run.space, front)


def _describe_changes(contents: Contents, networks: Sequence[Dict[str, Any]], dominated: Sequence[str]) -> List[str]:
    """Return sentences on what has changed since the networks were selected and collected."""
    if contents.queue is None:
        return []
    sentences = []
    if dominated:
        sentences.append(
            f"{contents.name}: the search was extended after the queue was built: "
            f"{describe_dominated(contents.queue, dominated)}. They are marked below."
        )
    collected = [network["architecture"] for network in networks]
    done = [row.architecture for row in read_rows(contents.queue) if row.word == "done"]
    if sorted(collected) != sorted(name or "" for name in done):
        sentences.append(
            f"{contents.name}: these networks are not those that the queue has retrained by now; `queue collect` "
            f"updates them."
        )
    return sentences


def _parse_row(contents: Contents, row: Dict[str, str]) -> Dict[str, Any]:
    try:
        numbers: Dict[str, Optional[float]] = {name: float(row[name]) for name in _NUMBERS}
        numbers["supernet_epe"] = float(row["supernet_epe"]) if row["supernet_epe"] else None  # without a supernet
        return {**row, **numbers, "on_front": row["on_front"] == "1"}
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{contents.run.final_front_file}: is damaged; "
            f"`{contents.run.command('queue collect')}` writes it again") from None


def _make_series(name: str, role: str, networks: Sequence[Dict[str, Any]]) -> List[Series]:
    """Return all networks as points, and a line through those that are not dominated in EPE and FPS."""
    fps, epe = [network["fps"] for network in networks], [network["int8_epe"] for network in networks]
    best = find_nondominated(np.stack([np.array(epe), -np.array(fps)], axis=1))
    best = best[np.argsort(np.array(fps)[best])]
    line = Series(name, [fps[i] for i in best], [epe[i] for i in best], role, "front", dashed=True)
    labels = [network["architecture"] for network in networks]
    return [line, Series(f"{name}, retrained", fps, epe, role, "points", labels=labels)]


def _make_table(name: str, networks: Sequence[Dict[str, Any]], comparable: bool) -> Table:
    rows: List[Tuple[Any, ...]] = [
        tuple({True: "yes", False: ""}[network[key]] if key == "on_front" else network[key] for key in _COLUMNS)
        for network in networks
    ]
    if comparable:
        figures = {
            "architecture": EDGEFLOWNET.name, "fps": EDGEFLOWNET.fps, "sram_kib": EDGEFLOWNET.sram_kib,
            "cost_source": "published", "on_front": "", "since": "",
        }  # fmt: skip
        rows.append(tuple(figures.get(key) for key in _COLUMNS))
    return Table(name, tuple(_COLUMNS.values()), tuple(rows))
