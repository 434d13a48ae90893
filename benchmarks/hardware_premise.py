"""Compare the bilinear space with the original EdgeFlowNet on a board, compiled by the same Vela.

    .venv/bin/python -m benchmarks.hardware_premise

At base width 32, for 172x224 (padded to 176x224) and 192x256, optimised for size and for speed. Weights are random:
they affect figures by a fraction of a percent. Prints a table and writes JSON.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any, Dict, List, Tuple

from rich.console import Console
from rich.table import Table

from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cache import user_cache_folder
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.vela import default_command
from edgeflownas.network.definition import default_skeleton, read_space
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Architecture, Space

SIZES = ((176, 224), (192, 256))
PUBLISHED = "published: transposed 1694 KiB and 5.32 FPS, bilinear 1386 KiB"


def measure(options: argparse.Namespace) -> List[Dict[str, Any]]:
    """Return the figures of all networks, sizes and optimisation goals."""
    board = Board.load(options.board)
    transposed = Skeleton(options.width, read_space("edgeflownet").lay_out())
    bilinear = default_skeleton(options.width)
    counts = Space.from_skeleton(bilinear).counts
    networks: Dict[str, Tuple[Skeleton, Architecture]] = {"EdgeFlowNet, transposed": (transposed, ())}
    for name, architecture in (
        ("lightest", tuple(0 for _ in counts)),
        ("middle", tuple(n // 2 for n in counts)),
        ("heaviest", tuple(n - 1 for n in counts)),
    ):
        networks[f"bilinear, {name} {''.join(map(str, architecture))}"] = bilinear, architecture
    rows = []
    for height, width in SIZES:
        for optimise in ("Size", "Performance"):
            compiler = Compiler(board.with_settings(optimise=optimise), options.vela, 600.0, options.cache)
            for name, (skeleton, architecture) in networks.items():
                entry = compiler.inspect(Networks(skeleton, height, width), architecture)
                assert all(layer.target == "NPU" for layer in entry.layers)
                figures, macs = entry.figures, skeleton.macs(architecture, height, width)
                cost = figures.cost(board.clock_hz, "compiled")
                fits = figures.sram_kib <= board.arena_kib
                rows.append(
                    {
                        "size": f"{height}x{width}",
                        "optimise": optimise,
                        "network": name,
                        "sram_kib": figures.sram_kib,
                        "fits": fits,
                        "fps": cost.fps,
                        "cycles": figures.cycles,
                        "npu_cycles": figures.npu_cycles,
                        "macs": macs,
                        "settings": compiler.summary(),
                    }
                )
    return rows


def format_table(rows: List[Dict[str, Any]]) -> Table:
    """Format the figures as a table."""
    table = Table("size", "optimise", "network", "SRAM KiB", "fits", "FPS", "Mcycles", "MMACs")
    for row in rows:
        table.add_row(
            row["size"],
            row["optimise"],
            row["network"],
            f"{row['sram_kib']:.1f}",
            "yes" if row["fits"] else "no",
            f"{row['fps']:.2f}",
            f"{row['cycles'] / 1e6:.2f}",
            f"{row['macs'] / 1e6:.0f}",
        )
    return table


def main() -> None:
    """Run the measurements, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=32, help="base width c")
    parser.add_argument("--board", type=Path, default=Path("configs/hardware/grove_vision_ai_v2.yaml"))
    parser.add_argument("--vela", default=default_command())
    parser.add_argument("--cache", type=Path, default=user_cache_folder())
    parser.add_argument("--json", type=Path, default=Path("results/benchmarks/hardware_premise.json"))
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    rows = measure(options)
    console = Console(width=120)
    console.print(format_table(rows))
    console.print(rows[0]["settings"].replace("Size, ", ""), "; ", PUBLISHED, sep="", highlight=False)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"published": PUBLISHED, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
