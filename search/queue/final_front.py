"""The final front as a file and as tables."""

import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgeflownas.storage.files import write_text
from search.queue.collect import Collection, Survivor
from search.queue.published import Published


def write_final_front(path: Path, collection: Collection, hardware: Mapping[str, str]) -> None:
    """Writes ``final_front.csv``: everything that was retrained, best EPE first.

    ``on_front`` is 1 on the front; ``final_epe NAME`` is on the validation pairs of a data set, whole images.

    Args:
        path: of the file.
        collection: what was retrained.
        hardware: what the figures hang on, columns of their own; see ``Board.provenance``.
    """
    text = io.StringIO()
    records = [{**_record(each, each in collection.front), **hardware} for each in collection.survivors]
    columns = dict.fromkeys(name for record in records for name in record)
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write_text(path, text.getvalue())


def _record(each: Survivor, on_front: bool) -> Dict[str, Any]:
    record = asdict(each)
    del record["final"]
    epes = {f"final_epe {name}": found.epe for name, found in each.final.items()}
    return {**record, "on_front": int(on_front), **epes}


def render_final_table(collection: Collection, published: Optional[Published] = None) -> Table:
    """The survivors for people, within 80 columns; below them a published network that may stand beside them."""
    title = f"Final front: {len(collection.front)} of {len(collection.survivors)} retrained architectures"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("architecture", no_wrap=True)
    for heading in ("EPE px", "supernet", "of zero", "FPS", "SRAM KiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("cost", no_wrap=True)
    table.add_column("front", no_wrap=True)
    for each in collection.survivors:
        table.add_row(
            each.architecture,
            f"{each.epe:.4f}",
            "" if each.supernet_epe is None else f"{each.supernet_epe:.4f}",
            f"{each.epe / each.zero_flow_epe:.3f}",
            f"{each.fps:.2f}",
            f"{each.sram_kib:.1f}",
            each.cost_source,
            "yes" if each in collection.front else "no",
        )
    if published is not None:
        figures = f"{published.fps:.2f}", f"{published.sram_kib:.1f}"
        table.add_section()
        table.add_row(published.name, "", "", "", *figures, "published", "")
    return table


def render_epe_table(collection: Collection) -> Table:
    """The final EPE by data set, for people."""
    table = Table(title="Final EPE, px", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("architecture", no_wrap=True)
    names = list(dict.fromkeys(name for each in collection.survivors for name in each.final))
    for name in names:
        pairs = max(each.final[name].pairs for each in collection.survivors if name in each.final)
        table.add_column(f"{name}, {pairs:,} pairs", justify="right")
    zeros: Dict[str, float] = {}
    for each in collection.survivors:
        epes = (f"{each.final[name].epe:.4f}" if name in each.final else "" for name in names)
        table.add_row(each.architecture, *epes)
        zeros.update({name: each.final[name].zero_flow_epe for name in each.final})
    table.add_row("zero flow", *(f"{zeros[name]:.4f}" for name in names))
    return table
