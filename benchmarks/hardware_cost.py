"""Build the cost tables of the included boards, and measure the speed of compiling and the errors of predictions.

    .venv/bin/python -m benchmarks.hardware_cost --width 32 --height 176 --columns 224 --checks 100

Weights are random and always the same. Cached figures are not compiled again, and the speed counts only the compiles of
this run; ``--cache`` sets a folder other than the user's cache. Prints a table and writes JSON.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

from rich.console import Console
from rich.table import Table

from edgeflownas.hardware.board import Board
from edgeflownas.hardware.build import build_tables
from edgeflownas.hardware.cache import user_cache_folder
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.hardware.cost import CostTable
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.vela import default_command
from edgeflownas.network.definition import default_skeleton

BOARDS = ("grove_vision_ai_v2", "u55_128_high_end_embedded", "u65_256", "u85_256")


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=32, help="base width c")
    parser.add_argument("--height", type=int, default=176, help="pixels")
    parser.add_argument("--columns", type=int, default=224, help="pixels")
    parser.add_argument("--checks", type=int, default=100, help="held-out random architectures per board")
    parser.add_argument("--jobs", type=int, default=2, help="compiles in parallel")
    parser.add_argument("--vela", default=default_command())
    parser.add_argument("--cache", type=Path, default=user_cache_folder())
    parser.add_argument("--json", type=Path, default=Path("results/benchmarks/hardware_cost.json"))
    return parser.parse_args()


def describe_table(compiler: Compiler, table: CostTable) -> Dict[str, Any]:
    """Return the board, the number of compiles and the errors of a table."""
    content = table.content
    return {
        "board": content.board["name"],
        "settings": compiler.summary(),
        "compiles": len(content.compiled),
        "together": [interaction.model_dump() for interaction in content.together],
        "checks": len(content.held_out),
        "error_percent": {name: error.model_dump() for name, error in content.error_percent.items()},
    }


def format_table(records: List[Dict[str, Any]]) -> Table:
    """Format the errors as a table."""
    table = Table("board", "compiles", "checks", "NPU cycles, mean / max %", "time, mean / max %", "SRAM, mean / max %")
    for record in records:
        errors = record["error_percent"]
        cells = [f"{errors[name]['mean']:.4f} / {errors[name]['max']:.4f}" for name in errors]
        table.add_row(record["board"], str(record["compiles"]), str(record["checks"]), *cells)
    return table


def main() -> None:
    """Run the measurements, print a table and write JSON."""
    options = parse_arguments()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # inherited by the processes that export
    compilers = [
        Compiler(Board.load(Path(f"configs/hardware/{name}.yaml")), options.vela, 600.0, options.cache)
        for name in BOARDS
    ]
    before, start = _count_entries(options.cache), time.monotonic()
    networks = Networks(default_skeleton(options.width), options.height, options.columns)
    command = " ".join(["python -m benchmarks.hardware_cost", *sys.argv[1:]])
    tables = build_tables(compilers, networks, options.checks, options.jobs, command)
    minutes, done = (time.monotonic() - start) / 60, _count_entries(options.cache) - before
    records = [describe_table(compiler, table) for compiler, table in zip(compilers, tables)]
    console = Console()
    console.print(format_table(records))
    for record in records:
        console.print(record["settings"], "; interactions:", record["together"], highlight=False)
    rate = done / minutes if done else None
    rate_text = f"{rate:.1f} per minute" if rate else "all were in the cache"
    console.print(f"{done} compiles (one board each), {options.jobs} in parallel: {rate_text}")
    setting = {name: str(value) for name, value in vars(options).items() if name not in ("json", "cache")}
    content = {**setting, "compiled_now": done, "compiles_per_minute": rate, "boards": records}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(content, indent=2) + "\n")


def _count_entries(cache: Path) -> int:
    return len(list(cache.glob("*.json")))


if __name__ == "__main__":
    main()
