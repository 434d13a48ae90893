"""Compare the bilinear skeleton with EdgeFlowNet's transposed convolutions on a board, compiled by the same Vela.

    .venv/bin/python -m benchmarks.hardware_premise

At base width 32, for 172x224 (padded to 176x224) and 192x256, optimised for size and for speed. Weights are random:
they affect figures by a fraction of a percent. Prints a table and writes JSON.
"""

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Tuple

from rich.console import Console
from rich.table import Table

from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cache import user_cache_folder
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import Figures
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.vela import default_command
from edgeflownas.network.definition import default_skeleton

SIZES = ((176, 224), (192, 256))
PUBLISHED = "published: transposed 1694 KiB and 5.32 FPS, bilinear 1386 KiB"


def compile_transposed(options: argparse.Namespace, compiler: Compiler, height: int, width: int) -> Tuple[Figures, int]:
    """Return the figures and multiply-accumulates of EdgeFlowNet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.tflite"
        command = [options.vela_python, "benchmarks/transposed_network.py", "--output", str(path)]
        command += ["--width", str(options.width), "--height", str(height), "--columns", str(width)]
        macs = int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        compiled = compiler.compile(f"edgeflownet_{height}x{width}", path.read_bytes())
    assert all(layer.target == "NPU" for layer in compiled.layers)
    return compiled.figures, macs


def measure(options: argparse.Namespace) -> List[Dict[str, Any]]:
    """Return the figures of all networks, sizes and optimisation goals."""
    board = Board.load(options.board)
    skeleton = default_skeleton(options.width)
    rows = []
    for height, width in SIZES:
        networks = Networks(skeleton, height, width)
        counts = networks.space.counts
        architectures = [tuple(0 for _ in counts), tuple(n // 2 for n in counts), tuple(n - 1 for n in counts)]
        for optimise in ("Size", "Performance"):
            compiler = Compiler(board.with_settings(optimise=optimise), options.vela, 600.0, options.cache)
            cases = [("EdgeFlowNet, transposed", *compile_transposed(options, compiler, height, width))]
            for name, architecture in zip(("lightest", "middle", "heaviest"), architectures):
                figures = compiler.inspect(networks, architecture).figures
                text = f"bilinear, {name} {networks.space.format(architecture)}"
                cases.append((text, figures, skeleton.macs(architecture, height, width)))
            for name, figures, macs in cases:
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
    parser.add_argument("--vela-python", default=".venv-vela/bin/python")
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
