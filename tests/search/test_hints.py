"""Every command that a message suggests is a whole command for the run at hand."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from search import cli, hints
from search.hints import complete, folder_options, format_command
from search.run import Run
from tests.search.test_cli import command_paths
from tests.terminal import make_runner

ROOT = Path(__file__).parents[2]
OPTIONS = ["--config", "my configs/it's mine.yaml", "--run", "results/a run", "--set", "train.epochs=3"]


def parse(words):
    """Parse the words of a command without running it; fails for unknown commands and options."""
    command, context = cli.cli, click.Context(cli.cli)
    while isinstance(command, click.Group):
        name, command, words = command.resolve_command(context, list(words))
    return name, command.make_context(name, list(words)).params


def find_hints():
    """Return the commands in backticks in the sources, with placeholders for the values in them."""
    pattern = re.compile(r"`((?:{})(?: [^`]*)?)`".format("|".join(sorted(hints.RUN_COMMANDS))))
    for folder in ("edgeflownas", "search"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for line in path.read_text(encoding="utf-8").splitlines():
                if '"' in line and not any(word in line for word in ('"""', "help=", "description=")):
                    for found in pattern.findall(line):
                        yield re.sub(r"\{[^}]*\}", "3", found)


def test_lists_of_commands_are_complete():
    leaves = [path for path in command_paths(cli.cli, []) if path not in ("", "cost", "data", "queue", "dask", "space")]
    assert set(leaves) == hints.RUN_COMMANDS | hints.OTHER_COMMANDS | {"completion"}
    for path in sorted(hints.RUN_COMMANDS):
        with pytest.raises(click.exceptions.Exit):
            parse([*path.split(), "--help"])


@pytest.mark.parametrize("hint", sorted(set(find_hints())))
def test_hint_in_a_message_becomes_a_command_with_the_options_of_the_run(hint):
    message = complete(f"nothing there; use `{hint}` first", OPTIONS)
    command = message[len("nothing there; use `") : -len("` first")]
    program, *words = shlex.split(command)
    name, params = parse(words)
    assert program == "edgeflownas-search" and name in hint.split()[:2]
    assert params["config_path"] == Path("my configs/it's mine.yaml") and params["folder"] == Path("results/a run")
    assert params["overrides"] == ("train.epochs=3",)


def test_there_are_many_hints():
    assert len(set(find_hints())) > 12


def test_only_commands_are_completed_and_only_once():
    text = "set `exclude`, or `queue status` or `report results/x`; not `it's`"
    completed = complete(text, ["--config", "a b.yaml"])
    assert completed == (
        "set `exclude`, or `edgeflownas-search queue status --config 'a b.yaml'` or "
        "`edgeflownas-search report results/x`; not `it's`"
    )
    assert complete(completed, OPTIONS) == completed


def test_check_of_another_data_set_names_it():
    options = ["--data", "configs/data/kitti.yaml", "--root", "/my data"]
    assert complete("`data check`", ["--config", "c.yaml"], options) == (
        "`edgeflownas-search data check --config c.yaml --data configs/data/kitti.yaml --root '/my data'`"
    )


@pytest.mark.parametrize(
    ("called", "program"),
    [
        (".venv/bin/edgeflownas-search", ".venv/bin/edgeflownas-search"),
        ("/my env/bin/edgeflownas-search", "'/my env/bin/edgeflownas-search'"),
        ("/checkout/search/__main__.py", f"{shlex.quote(sys.executable)} -m search"),
        ("-c", "edgeflownas-search"),
    ],
)
def test_program_is_named_as_the_user_called_it(monkeypatch, called, program):
    monkeypatch.setattr(sys, "argv", [called])
    assert format_command(["evolve"]) == f"{program} evolve"


def test_program_on_the_path_is_named_without_its_folder(monkeypatch, tmp_path):
    program = tmp_path / "edgeflownas-search"
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert format_command(["evolve"]) == "edgeflownas-search evolve"


def test_hints_lead_from_an_empty_folder_to_the_training(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = tmp_path / "my demo.yaml"
    config.write_text((ROOT / "configs" / "tiny.yaml").read_text())
    words = ["queue", "run", "--config", str(config), "--run", str(tmp_path / "a run")]
    followed = []
    for _ in range(3):
        result = make_runner().invoke(cli.cli, words)
        hint = re.search("`(edgeflownas-search [^`]*)`", str(result.exception))
        assert hint, result.exception
        _, *words = shlex.split(hint.group(1))
        followed.append(" ".join(words[: words.index("--config")]))
        assert words[words.index("--config") + 1 :] == [str(config), "--run", str(tmp_path / "a run")]
    assert followed == ["queue build", "evolve", "train"]


def test_run_that_is_opened_by_its_folder_names_its_own_configuration(tmp_path):
    run = Run.open(ROOT / "configs" / "tiny.yaml")
    assert Run(run.config, tmp_path).options == folder_options(tmp_path)
    assert Run(run.config, tmp_path).command("rank") == format_command(["rank", *folder_options(tmp_path)])


WORDS = ("l\udce9 \"x'\n$(touch x)\\n", "\xe9t\xe9", "it's", "$HOME", "`id`", "*", "~x", "\xa0")


@pytest.mark.parametrize("word", WORDS)
def test_any_word_can_be_pasted_into_a_shell(word):
    quoted = format_command(["report", word]).split(" report ", 1)[1]
    result = subprocess.run(["bash", "-c", f"printf %s {quoted}"], stdout=subprocess.PIPE, check=True)
    assert os.fsdecode(result.stdout) == word
    assert quoted.isprintable()
