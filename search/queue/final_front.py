"""The final front as a CSV file and as tables."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgeflownas.storage.files import write_csv
from edgeflownas.wording import format_count
from search.queue.collect import Collection, Survivor
from search.queue.published import Published


def write_final_front(path: Path, collection: Collection, hardware: Mapping[str, str]) -> None:
    """Write ``final_front.csv`` with all retrained architectures, sorted by EPE from best to worst.

    ``on_front`` is 1 for those on the front; ``final_epe NAME`` is the EPE on the validation pairs of a data set, on
    whole images.

    Args:
        path: Path of the file.
        collection: Retrained architectures.
        hardware: Settings on which the cost depends, as additional columns; see ``Board.provenance``.
    """
    front = collection.front
    write_csv(path, [{**_make_record(survivor, survivor in front), **hardware} for survivor in collection.survivors])


def _make_record(survivor: Survivor, on_front: bool) -> Dict[str, Any]:
    record = asdict(survivor)
    del record["final"]
    epes = {f"final_epe {name}": final.epe for name, final in survivor.final.items()}
    return {**record, "on_front": int(on_front), **epes}


def render_final_table(collection: Collection, published: Optional[Published] = None) -> Table:
    """Return a table of the survivors, at most 80 columns wide, with a comparable published network below them."""
    retrained = format_count(len(collection.survivors), "retrained architecture")
    height, width = collection.size
    title = f"Final front: {len(collection.front)} of {retrained}, at {height}x{width} pixels"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("architecture", no_wrap=True)
    for heading in ("EPE px", "supernet", "of zero", "FPS", "SRAM KiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("cost", no_wrap=True)
    table.add_column("front", no_wrap=True)
    for survivor in collection.survivors:
        table.add_row(
            survivor.architecture,
            f"{survivor.epe:.4f}",
            "" if survivor.supernet_epe is None else f"{survivor.supernet_epe:.4f}",
            f"{100 * survivor.epe / survivor.zero_flow_epe:.1f} %",
            f"{survivor.fps:.2f}",
            f"{survivor.sram_kib:.1f}",
            survivor.cost_source,
            "yes" if survivor in collection.front else "no",
        )
    if published is not None:
        figures = f"{published.fps:.2f}", f"{published.sram_kib:.1f}"
        table.add_section()
        table.add_row(published.name, "", "", "", *figures, "published", "")
    return table


def render_epe_table(collection: Collection) -> Table:
    """Return a table of the final EPE by data set."""
    table = Table(title="Final EPE on whole images, px", title_justify="left", box=SIMPLE_HEAD)
    table.pad_edge, table.collapse_padding = False, True
    table.add_column("architecture", no_wrap=True)
    names = list(dict.fromkeys(name for survivor in collection.survivors for name in survivor.final))
    for name in names:
        pairs = max(survivor.final[name].pairs for survivor in collection.survivors if name in survivor.final)
        table.add_column(f"{name}, {format_count(pairs, 'pair')}", justify="right")
    zeros: Dict[str, float] = {}
    for survivor in collection.survivors:
        epes = (f"{survivor.final[name].epe:.4f}" if name in survivor.final else "" for name in names)
        table.add_row(survivor.architecture, *epes)
        zeros.update({name: final.zero_flow_epe for name, final in survivor.final.items()})
    table.add_row("zero flow", *(f"{zeros[name]:.4f}" for name in names))
    return table
