"""The front as a CSV file and as a table for the terminal."""

from pathlib import Path
from typing import Any, Dict, List, Mapping

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgeflownas.storage.files import write_csv
from edgeflownas.wording import format_count
from search.nsga2.archive import Archive
from search.nsga2.scoring import COST_SOURCES


def records(archive: Archive, rows: np.ndarray) -> List[Dict[str, Any]]:
    """Return architectures with the option of each gene and all figures, as plain Python types.

    Args:
        archive: Archive of the architectures.
        rows: Rows of the archive, shape [n].
    """
    space = archive.space
    result = []
    for row, architecture in zip(rows, archive.architectures(rows)):
        record: Dict[str, Any] = {"architecture": space.format(architecture)}
        for gene, option in zip(space.genes, architecture):
            record[gene.name] = gene.options[option]
        for name in ("epe", "fps", "latency_ms", "sram_kib"):
            record[name] = float(archive.column(name)[row])
        record["npu_cycles"] = round(float(archive.column("npu_cycles")[row]))
        record["cost_source"] = COST_SOURCES[archive.column("cost_source")[row]]
        record["generation"] = int(archive.column("generation")[row])
        result.append(record)
    return result


def write_front(path: Path, archive: Archive, rows: np.ndarray, hardware: Mapping[str, str]) -> None:
    """Write ``front.csv`` atomically; floats keep all digits.

    Args:
        path: Path of the file.
        archive: Archive of the architectures.
        rows: Rows of the archive, shape [n].
        hardware: Versions that the figures depend on, by column; see ``Board.provenance``.
    """
    write_csv(path, [{**record, **hardware} for record in records(archive, rows)])


def front_table(archive: Archive, rows: np.ndarray) -> Table:
    """Return the front as a table of at most 80 columns."""
    title = f"Front: {format_count(len(rows), 'architecture')}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("architecture", no_wrap=True)
    for heading in ("EPE px", "FPS", "ms", "SRAM KiB", "Mcycles", "gen."):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("cost", no_wrap=True)
    for record in records(archive, rows):
        table.add_row(
            record["architecture"],
            f"{record['epe']:.4f}",
            f"{record['fps']:.2f}",
            f"{record['latency_ms']:.1f}",
            f"{record['sram_kib']:.1f}",
            f"{record['npu_cycles'] / 1e6:.3f}",
            str(record["generation"]),
            record["cost_source"],
        )
    return table
