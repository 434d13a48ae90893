"""What stands at the top of the page: what was searched, and how far it came."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from search.report.chart import Table, counted
from search.report.contents import Contents
from search.report.points import Points


class Tile(NamedTuple):
    """A figure."""

    name: str
    value: str
    unit: str = ""
    note: str = ""


def subtitle(contents: Contents) -> str:
    """What a run is about, in a line."""
    config = contents.run.config
    size = f"{config.data.height}x{config.data.width}"
    text = f"{contents.board.settings.name}, base width {config.network.width}, {size} pixels, {config.data.kind} data"
    return f"{text}. {_state(contents)}"


def _state(contents: Contents) -> str:
    if contents.searching:
        return "The search is running: this is how far it is."
    if contents.generations is not None:
        return f"{counted(len(contents.generations.hypervolume), 'generation')} searched."
    return "The whole space is scored." if contents.exact is not None else "There is no search yet."


def tiles(contents: Contents, points: Optional[Points]) -> Tuple[Tile, ...]:
    """The figures of one run."""
    found: List[Tile] = []
    if points is not None and points.front.any():
        zero = float(contents.attributes.get("zero_flow_epe", np.nan))
        epe, fps = points.columns["epe"][points.front], points.columns["fps"][points.front]
        best, fast = int(epe.argmin()), int(fps.argmax())
        share = f"{epe[best] / zero:.3f} of zero flow, {fps[best]:.0f} FPS" if zero > 0 else f"{fps[best]:.0f} FPS"
        found.append(Tile("Best EPE", f"{epe[best]:.3f}", "px", share))
        found.append(Tile("Fastest on the front", f"{fps[fast]:.0f}", "FPS", f"{epe[fast]:.3f} px"))
    if contents.archive is not None and contents.exact is not None:
        reached = contents.hypervolume(contents.archive) / contents.hypervolume(contents.exact)
        found.append(Tile("Of the exact hypervolume", f"{100 * reached:.2f}", "%", "whole space enumerated"))
    if contents.archive is not None and contents.generations is not None:
        asked = f"{contents.archive.evaluations:,} asked for"
        found.append(Tile("Scored", f"{len(contents.archive):,}", "", f"{asked}, of {contents.run.space.size:,}"))
        last = contents.generations
        found.append(Tile("Search time", *_duration(last.wall_s[-1]), counted(len(last.wall_s), "generation")))
    if not found and contents.trainings and contents.trainings[-1].log:
        line = contents.trainings[-1].log[-1]
        found.append(Tile("EPE of the pool", f"{line['epe']:.3f}", "px", f"epoch {line['epoch']:.0f}"))
    return tuple(found)


def overview(runs: Sequence[Contents], points: Sequence[Optional[Points]]) -> Table:
    """Several runs side by side: the tiles of each in a row."""
    listed: List[Dict[str, Any]] = [
        {tile.name: f"{tile.value} {tile.unit}".strip() for tile in tiles(run, each)} for run, each in zip(runs, points)
    ]
    names = list(dict.fromkeys(name for each in listed for name in each))
    rows = tuple((run.name, *(each.get(name, "") for name in names)) for run, each in zip(runs, listed))
    return Table("", ("run", *names), rows)


def _duration(seconds: float) -> Tuple[str, str]:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f}", unit
    return f"{seconds:.0f}", "s"
