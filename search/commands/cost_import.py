"""``cost import``: latencies measured on the board, compared with compiled ones."""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost import Cost, CostTable, Network
from edgeflownas.hardware.measured import LINE_POINTS, Line, MeasuredFile, Measurement, Measurements, read_latencies
from edgeflownas.network.space import Architecture
from edgeflownas.progress import progress, say
from edgeflownas.storage.lock import locked
from edgeflownas.terminal import open_console, print_table
from edgeflownas.wording import format_count
from search.commands.options import PathOption, json_option, print_json, run_options
from search.run import Run
from search.storage.compiled_costs import read_compiled_costs
from search.storage.measurements import read_measurements


@click.command("import")
@run_options
@click.argument("file", type=PathOption())
@click.option("--correct", is_flag=True, help="Correct all other latencies by a line through the measured ones.")
@json_option
def command(run: Run, file: Path, correct: bool, as_json: bool) -> None:
    """Import latencies measured on the board from a CSV file.

    The file needs a column `architecture`, and a column `latency_ms` or `fps`. An architecture may have several lines;
    their median counts. The latencies replace compiled and predicted ones in all results of the run. Earlier imports
    are kept, except for the architectures in the file.
    """
    latencies = read_latencies(file, run.space)
    table, board = run.cost_table()
    known = _find_known_costs(run, table, [run.space.parse(name) for name in latencies])
    with locked(run.folder / "measured.lock", f"measurements {run.folder}"):
        earlier = read_measurements(run, board).content
        measurements = Measurements(
            MeasuredFile(
                board=board.description(),
                network=Network.of(run.skeleton, *run.config.data.padded_size),
                correct=correct,
                architectures={
                    **({} if earlier is None else earlier.architectures),
                    **{name: _compare(values, known[run.space.parse(name)]) for name, values in latencies.items()},
                },
            )
        )
        if correct:
            _check_line(run, measurements.line, table)
        measurements.save(run.measured_file)
    if as_json:
        print_json(_to_record(run, measurements))
    else:
        _print(run, board, measurements)


def _find_known_costs(run: Run, table: CostTable, architectures: Sequence[Architecture]) -> Dict[Architecture, Cost]:
    """Return the compiled costs of architectures, or predicted ones if they are not known and Vela is missing."""
    from edgeflownas.hardware.compiler import Compiler

    table = table.for_weights(run.networks_origin().sha256, run.config.hardware.vela_version)
    costs = {architecture: table.cost(architecture) for architecture in architectures}
    costs.update({name: cost for name, cost in read_compiled_costs(run).items() if name in costs})
    missing = [architecture for architecture, cost in costs.items() if cost.source != "compiled"]
    if not missing:
        return costs
    compiler = Compiler.from_config(run.config.hardware)
    try:
        say(f"compiling with Vela {compiler.vela.version}")
    except InputError as error:
        say(f"measured latencies are compared with predicted ones: {error}")
        return costs
    networks = run.networks()
    with progress(f"compiling for {compiler.board.settings.name}", len(missing)) as bar:
        for architecture in missing:
            costs[architecture] = compiler.cost(networks, architecture)
            bar.advance(run.space.format(architecture))
    return costs


def _compare(latencies: List[float], cost: Cost) -> Measurement:
    return Measurement.model_validate(
        {"latency_ms": latencies, "known_ms": cost.latency_ms, "known_source": cost.source}
    )


def _check_line(run: Run, line: Optional[Line], table: CostTable) -> None:
    """Check that a line can correct the latency of every architecture.

    Raises:
        InputError: There is no line, or a corrected latency would not be positive.
    """
    if line is None:
        raise InputError(f"--correct: needs measurements of {LINE_POINTS} architectures with different latencies")
    lightest = table.cost((0,) * len(run.space.genes))
    if line.slope <= 0 or line.correct(lightest.latency_ms) <= 0:
        raise InputError(
            f"--correct: the line through the measurements, {_describe_line(line)}, does not predict latencies; check "
            f"the file, or import it without --correct"
        )


def _describe_line(line: Line) -> str:
    return (
        f"measured ms = {line.slope:.4f} x known ms {'-' if line.offset_ms < 0 else '+'} {abs(line.offset_ms):.3f}, "
        f"residual {line.residual_ms:.3f} ms, n = {line.points}"
    )


def _to_record(run: Run, measurements: Measurements) -> Dict[str, Any]:
    """Return the measurements and the line as plain Python types, for JSON."""
    assert measurements.content is not None
    content = measurements.content
    rows = [
        {
            "architecture": name,
            "measured_ms": measurement.median_ms,
            "fps": 1e3 / measurement.median_ms,
            "repeats": len(measurement.latency_ms),
            "spread_percent": measurement.spread_percent,
            "known_ms": measurement.known_ms,
            "known_source": measurement.known_source,
            "error_percent": measurement.error_percent,
        }
        for name, measurement in content.architectures.items()
    ]
    line = None if measurements.line is None else measurements.line._asdict()
    return {"measured": rows, "line": line, "correct": content.correct, "file": str(run.measured_file)}


def _print(run: Run, board: Board, measurements: Measurements) -> None:
    """Print how far the known latencies were off, and the line."""
    assert measurements.content is not None
    content = measurements.content
    console = open_console()
    print_table(_render(content.architectures, board), console)
    errors = [measurement.error_percent for measurement in content.architectures.values()]
    measured = format_count(len(errors), "architecture")
    say(
        f"{measured} measured; the known latency is off by {sum(errors) / len(errors):+.2f} % on average and "
        f"{max(errors, key=abs):+.2f} % at most.",
        console,
    )
    if measurements.line is None:
        say(f"A line needs {LINE_POINTS} architectures with different latencies.", console)
    else:
        use = "corrects the latency of all other architectures" if content.correct else "is not used; --correct uses it"
        say(f"Line: {_describe_line(measurements.line)}. It {use}.", console)
    say(f"Measurements: {run.measured_file}.", console)
    again = [
        f"`{run.command(name)}`"
        for name, path in (("evolve", run.front_file), ("queue collect", run.final_front_file))
        if path.exists()
    ]
    if again:
        say(f"To use them in the tables of the run: {' and '.join(again)}.", console)


def _render(measurements: Mapping[str, Measurement], board: Board) -> Table:
    """Return a table of measured and known latencies, at most 80 columns wide."""
    table = Table(title=f"Measured on {board.settings.name}", title_justify="left", box=SIMPLE_HEAD)
    table.pad_edge, table.collapse_padding = False, True
    table.add_column("architecture", no_wrap=True)
    for heading in ("repeats", "ms", "spread", "FPS", "known ms", "off"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("known", no_wrap=True)
    for name, measurement in measurements.items():
        table.add_row(
            name,
            str(len(measurement.latency_ms)),
            f"{measurement.median_ms:.3f}",
            f"{measurement.spread_percent:.1f} %",
            f"{1e3 / measurement.median_ms:.2f}",
            f"{measurement.known_ms:.3f}",
            f"{measurement.error_percent:+.2f} %",
            measurement.known_source,
        )
    return table
