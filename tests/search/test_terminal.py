"""Commands as a person sees them, in terminals of 80 and 160 columns; and elsewhere."""

import re
import subprocess
import sys

import click
import pytest

from search import cli
from tests.search.report.made import REFERENCE
from tests.terminal import ROOT, in_terminal

# The search with an evaluator that takes its time and needs no network; what it prints is the command's own.
EVOLVE = """
import contextlib, sys
from search import cli
from search.evaluator import Opened
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
FIGURES = ("generation", "requested", "scored", "hypervolume", "best EPE", "front", "duplicates avoided", "time left")


@pytest.fixture
def words(tmp_path):
    settings = [f"supernet={REFERENCE / 'supernet.h5'}", "hardware.compile_front=false", "evolution.generations=4",
                "evolution.patience=0"]  # fmt: skip
    overrides = [word for setting in settings for word in ("--set", setting)]
    return ["evolve", "--config", "configs/demo.yaml", "--run", str(tmp_path / "run"), *overrides]


@pytest.mark.parametrize("columns", [80, 160])
def test_the_live_view_of_a_search_fits_and_leaves_its_last_state(words, columns):
    seen = in_terminal(EVOLVE, words, columns)
    assert seen.code == 0, seen.lines
    text_of = ["\n".join(screen) for screen in seen.screens]
    live = [text for text in text_of if "this generation" in text and "Front:" not in text]  # which scrolls it away
    assert len(live) > 4, "it is live"
    for text in live:
        assert all(text.count(f"{name} ") == 1 for name in ("hypervolume", "duplicates avoided")), text
        assert re.search(r"this generation\s+[━╸╺ ]*\s+\d+ of \d+\s+scored", text), text
    final = "\n".join(seen.lines)
    assert re.search(r"generation +4 of 4", final) and all(name in final for name in FIGURES), final
    assert not seen.hidden and seen.settings[0] == seen.settings[1]


@pytest.mark.parametrize("columns", [80, 160])
def test_ctrl_c_leaves_a_usable_terminal_and_says_how_to_go_on(words, columns):
    seen = in_terminal(EVOLVE, words, columns, interrupt=lambda text: "2 of 4" in text)
    said = "".join(seen.lines)
    assert seen.code == 130 and "interrupted; to continue: edgeflownas-search evolve" in said
    assert "Traceback" not in said
    assert not seen.hidden and seen.settings[0] == seen.settings[1]
    again = in_terminal(EVOLVE, words, columns)
    assert again.code == 0 and "going on after" in "\n".join(again.lines)


def test_elsewhere_there_are_plain_lines(words):
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", EVOLVE, *words], cwd=ROOT, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"\x1b" not in done.stdout + done.stderr and b"\r" not in done.stdout + done.stderr
    assert len(re.findall(rb"^generation \d of 4, requested", done.stderr, re.MULTILINE)) == 4


@pytest.mark.parametrize("columns", [80, 160])
def test_bars_say_what_how_far_and_how_long_on_one_line_each(columns):
    seen = in_terminal(BARS, [], columns)
    assert seen.code == 0 and not seen.hidden
    both = [screen for screen in seen.screens if re.search(r"collecting.*flyingthings3d.*/40", "\n".join(screen), re.S)]
    bars = [line for screen in both for line in screen if re.search(r"\d+/40", line)]
    assert bars and all(re.search(r"\d/3 +\d:\d\d:\d\d", "\n".join(screen)) for screen in both)
    assert all(re.search(r"212001210 on flyingthings3d .* \d+/40 \d:\d\d:\d\d [-\d:]+", line) for line in bars)
    assert all(line == "" or line.startswith(("212001210 on", "collecting", "architecture"))
               for screen in both for line in screen), "nothing is wrapped"  # fmt: skip
    assert sum("flyingthings3d" in line for line in seen.lines) == 0, "what is done has left"
    assert seen.lines.count("architecture done") == 3


def test_alone_it_shows_each_command_with_an_example_in_80_columns():
    seen = in_terminal("from search import cli; cli.main()", [], 80)
    assert seen.code == 0
    for name, entry in cli.COMMANDS.items():
        place = next(i for i, line in enumerate(seen.lines) if line.startswith(f"  {name} "))
        assert entry.summary in seen.lines[place] and seen.lines[place + 1].strip() == entry.line


@pytest.mark.parametrize("name", [name for name in cli.COMMANDS if name != "completion"])
def test_examples_can_be_typed(name):
    program, *words = cli.COMMANDS[name].line.split()
    assert program == "edgeflownas-search" and words[0] == name
    context, command = click.Context(cli.cli), cli.cli
    while isinstance(command, click.Group):
        _, command, words = command.resolve_command(context, words)
        if not isinstance(command, click.Group):
            command.make_context(name, words, parent=context)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_for_this_program(shell):
    program = "import sys; from search import cli; sys.argv = ['x', 'completion', sys.argv[1]]; cli.main()"
    done = subprocess.run([sys.executable, "-c", program, shell], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and f"_EDGEFLOWNAS_SEARCH_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize(("typed", "offered"), [("ev", {"evaluate", "evolve"}), ("queue s", {"status", "submit"}),
                                                ("evolve --re", {"--restart"})])  # fmt: skip
def test_what_is_typed_is_completed(typed, offered):
    typed = f"edgeflownas-search {typed}"
    environment = {
        "PATH": "/usr/bin:/bin", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" ")),
        "_EDGEFLOWNAS_SEARCH_COMPLETE": "bash_complete",
    }  # fmt: skip
    program = [sys.executable, "-c", "from search import cli; cli.main()"]
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert {line.split(",")[1] for line in done.stdout.split()} == offered

