"""The output of commands, in terminals of 80 and 160 columns and without a terminal."""

import re
import signal
import subprocess
import sys

import click
import pytest

from search import cli
from tests.search.report.made import REFERENCE
from tests.terminal import ROOT, in_terminal

# A search with a slow evaluator that needs no network; the output is that of the real command.
EVOLVE = """
import contextlib, sys
from search import cli
from search.workers.evaluator import Opened
from search.strategies import one_shot
from tests.search.stand_ins import Oracle
one_shot.open_evaluator = lambda run, weights: contextlib.nullcontext(Opened(Oracle(run.space, seconds=0.01), 8.0))
cli.main()
"""
BARS = """
import time
from edgeflownas.progress import progress, say
with progress("collecting what was retrained", 3) as outer:
    for number in range(3):
        with progress("212001210 on flyingthings3d", 40) as inner:
            for pair in range(40):
                time.sleep(0.01)
                inner.advance("TRAIN/A/0000/left/optical_flow_into_future/" + str(pair))
        say("architecture done")
        outer.advance("212001210")
"""
COMPILING = """
import tempfile
import time
from pathlib import Path
from search.nsga2.evolution import Evolution
from search.strategies.loop import Status
from search.run import Run
from search.strategies.view import SearchView
from tests.search.report.made import CONFIG
run = Run.open(CONFIG)
evolution = Evolution(run.space, run.config.evolution, run.cost_table()[0], 1)
with SearchView(evolution, Path(tempfile.mkdtemp())) as view:
    view.show(Status(2, 5, 27, 4, 60.0))
    for done in range(1, 6):
        time.sleep(0.5)
        view.show_compiling(done, 5)
"""
QUEUE = """
import sys, time
from pathlib import Path
from search.queue.status import read_rows
from search.queue.watch import show_tasks
from tests.search.queue.small import small_queue
queue = small_queue(Path(sys.argv[1]))
with show_tasks(lambda: read_rows(queue)):
    time.sleep(1.3)
    if sys.argv[2] == "stopped":
        raise SystemExit(3)
"""
# A task with a slow training that needs no TensorFlow.
RETRAIN = """
import sys, time
from pathlib import Path
from search import cli
from search.queue import retrain
from tests.search.queue.small import small_queue
def train_slowly(task, claim, stop):
    print("for the log")
    while True:
        time.sleep(0.05)
        stop.raise_if_set()
assert hasattr(retrain, "_train")
retrain._train = train_slowly
queue = small_queue(Path(sys.argv[1]))
sys.argv = ["edgeflownas-search", "retrain", "--queue", str(queue.paths.folder), "--index", "1"]
cli.main()
"""
FIGURES = ("generation", "requested", "scored", "hypervolume", "best EPE", "front", "duplicates avoided")


@pytest.fixture
def words(tmp_path):
    settings = [f"supernet={REFERENCE / 'supernet.h5'}", "hardware.compile_front=false", "evolution.generations=4",
                "evolution.patience=0"]  # fmt: skip
    overrides = [word for setting in settings for word in ("--set", setting)]
    return ["evolve", "--config", "configs/demo.yaml", "--run", str(tmp_path / "run"), *overrides]


@pytest.mark.parametrize("columns", [60, 80, 160])
def test_live_view_of_a_search_fits_and_leaves_its_final_state(words, columns):
    seen = in_terminal(EVOLVE, words, columns)
    assert seen.code == 0, seen.lines
    text_of = ["\n".join(screen) for screen in seen.screens]
    live = [text for text in text_of if "this generation" in text and "Front:" not in text]  # the table scrolls it away
    assert len(live) > 4, "the view is live"
    for text in live:
        assert all(text.count(f"{name} ") == 1 for name in ("hypervolume", "duplicates avoided")), text
        assert re.search(r"this generation\s+[━╸╺ ]*\s+\d+ of \d+\s+scored", text), text
    final = "\n".join(seen.lines)
    assert re.search(r"generation +4 of 4", final) and all(name in final for name in FIGURES), final
    assert any("time left" in text for text in live) and "time left" not in final
    assert "…" not in final and "front compiled in" not in final
    assert not seen.hidden and seen.settings[0] == seen.settings[1]


@pytest.mark.parametrize("columns", [80, 160])
def test_live_view_shows_compilation_with_its_generation_and_remaining_time(columns):
    seen = in_terminal(COMPILING, [], columns)
    assert seen.code == 0, seen.lines
    compiling = [text for text in map("\n".join, seen.screens) if "compiling the front" in text]
    assert re.search(r"compiling the front\s+[━╸╺ ]*\s+1 of 5\s+compiled", compiling[0])
    assert all(re.search(r"^generation +3 of 30", text, re.M) for text in compiling)
    left = [int(seconds) for text in compiling for seconds in re.findall(r"front compiled in +0:00:(\d\d)", text)]
    assert 2 <= left[0] <= 4 and left == sorted(left, reverse=True) and left[-1] == 0


@pytest.mark.parametrize("columns", [80, 160])
def test_ctrl_c_restores_the_terminal_and_prints_the_command_to_continue(words, columns):
    words = [*words, "--set", "evolution.generations=8"]
    slow = EVOLVE.replace("seconds=0.01", "seconds=0.1")  # on a busy machine Ctrl-C may come late
    assert slow != EVOLVE
    seen = in_terminal(slow, words, columns, interrupt=lambda text: "2 of 8" in text)
    output = "".join(seen.lines)
    assert seen.code == 130 and "interrupted; to continue: edgeflownas-search evolve" in output
    assert "Traceback" not in output
    assert not seen.hidden and seen.settings[0] == seen.settings[1]
    again = in_terminal(EVOLVE, words, columns)
    assert again.code == 0 and "resuming after" in "\n".join(again.lines)


def test_output_without_a_terminal_is_plain_lines(words):
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "COLUMNS": "60", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", EVOLVE, *words], cwd=ROOT, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"\x1b" not in done.stdout + done.stderr and b"\r" not in done.stdout + done.stderr
    row = rb"000000000[ |]+6\.8986[ |]+271\.07[ |]+3\.7[ |]+150\.4[ |]+1\.162[ |]+0[ |]+\w{8,}[ |]*\n"
    assert re.search(row, done.stdout)
    assert len(re.findall(rb"time left at most", done.stderr)) == 3, "none after the last generation"
    assert len(re.findall(rb"^generation \d of 4, requested", done.stderr, re.MULTILINE)) == 4


@pytest.mark.parametrize("columns", [80, 160])
def test_bars_show_task_progress_and_time_on_one_line_each(columns):
    seen = in_terminal(BARS, [], columns)
    assert seen.code == 0 and max(len(line) for screen in seen.screens for line in screen) < columns and not seen.hidden
    both = [screen for screen in seen.screens if re.search(r"collecting.*flyingthings3d.*/40", "\n".join(screen), re.S)]
    bars = [line for screen in both for line in screen if re.search(r"\d+/40", line)]
    assert bars and all(re.search(r"\d/3 +\d:\d\d:\d\d (elapsed|left)", "\n".join(screen)) for screen in both)
    named = r"212001210 on flyingthings3d .* \d+/40 (in \d:\d\d:\d\d|\d:\d\d:\d\d (left|elapsed))"
    assert all(re.search(named, line) for line in bars)
    assert all(line == "" or line.startswith(("212001210 on", "collecting", "architecture"))
               for screen in both for line in screen), "no line is wrapped"  # fmt: skip
    assert sum("flyingthings3d" in line for line in seen.lines) == 0, "finished bars disappear"
    assert seen.lines.count("architecture done") == 3


def test_ctrl_c_leaves_one_line_per_unfinished_bar():
    seen = in_terminal(BARS, [], 80, interrupt=lambda text: "1/3" in text and "/40" in text)
    # An unhandled KeyboardInterrupt ends Python 3.7 with 1, later versions by the signal.
    assert seen.code in (1, -signal.SIGINT) and not seen.hidden
    assert sum("collecting" in line for line in seen.lines) == 1
    assert sum("flyingthings3d" in line for line in seen.lines) == 0


@pytest.mark.parametrize(("end", "tables"), [("done", 0), ("stopped", 1)])
def test_watched_queue_leaves_its_table_only_if_interrupted(tmp_path, end, tables):
    seen = in_terminal(QUEUE, [str(tmp_path), end], 80)
    assert any("Retrain queue" in line for screen in seen.screens for line in screen)
    assert seen.lines.count("Retrain queue") == tables and not seen.hidden


@pytest.mark.parametrize("columns", [80, 160])
def test_retrain_shows_its_task_and_ctrl_c_prints_the_command_to_continue(tmp_path, columns):
    seen = in_terminal(RETRAIN, [str(tmp_path)], columns, interrupt=lambda text: re.search(r"1 \d{9} +running", text))
    assert seen.code == 130 and not seen.hidden and seen.settings[0] == seen.settings[1]
    output = "".join(line.ljust(columns) for line in seen.lines)
    assert "task 1: preempted: stopped by SIGINT" in output
    assert "interrupted; to continue: edgeflownas-search retrain --queue" in output
    assert "for the log" not in output and "for the log" in (tmp_path / "run/queue/tasks/001/log.txt").read_text()
    assert not any(line.startswith("  1 ") for line in seen.lines), "the table disappears"


def test_program_without_arguments_lists_commands_and_examples_in_80_columns():
    seen = in_terminal("from search import cli; cli.main()", [], 80)
    assert seen.code == 0
    for name, entry in cli.COMMANDS.items():
        place = next(i for i, line in enumerate(seen.lines) if line.startswith(f"  {name} "))
        assert entry.summary in seen.lines[place] and seen.lines[place + 1].strip() == entry.line


def parse(words):
    """Parse a command line with click, which raises an error if it is wrong."""
    context, command = click.Context(cli.cli), cli.cli
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, list(words))
        if not isinstance(command, click.Group):
            context = command.make_context(name, words, parent=context)
    return context


@pytest.mark.parametrize("name", [name for name in cli.COMMANDS if name != "completion"])
def test_examples_are_valid_command_lines(name):
    program, *words = cli.COMMANDS[name].line.split()
    assert program == "edgeflownas-search" and words[0] == name
    assert parse(words)


def test_groups_list_commands_in_the_order_of_definition_with_their_whole_first_sentence():
    seen = in_terminal("import sys; sys.argv = ['x', 'queue']; from search import cli; cli.main()", [], 80)
    text = "\n".join(seen.lines)
    assert re.findall(r"^  (\w+) +[A-Z]", text, re.M)[-7:] == [
        "build", "run", "status", "submit", "cancel", "retry", "collect",
    ]  # fmt: skip
    assert "..." not in text.split("Commands")[1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_the_script_of_this_program(shell):
    program = "import sys; from search import cli; sys.argv = ['x', 'completion', sys.argv[1]]; cli.main()"
    done = subprocess.run([sys.executable, "-c", program, shell], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and f"_EDGEFLOWNAS_SEARCH_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize(("typed", "offered"), [("ev", {"evaluate", "evolve"}), ("queue s", {"status", "submit"}),
                                                ("evolve --re", {"--restart"})])  # fmt: skip
def test_completion_offers_commands_and_options(typed, offered):
    typed = f"edgeflownas-search {typed}"
    environment = {
        "PATH": "/usr/bin:/bin", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" ")),
        "_EDGEFLOWNAS_SEARCH_COMPLETE": "bash_complete",
    }  # fmt: skip
    program = [sys.executable, "-c", "from search import cli; cli.main()"]
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert {line.split(",")[1] for line in done.stdout.split()} == offered

