import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from search import cli

ROOT = Path(__file__).parents[2]


def run(*arguments):
    command = [sys.executable, "-c", "from search.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_help_lists_the_commands_in_the_order_of_the_workflow():
    result = run("--help")
    places = [result.stdout.index(f"\n  {name} ") for name in cli.COMMANDS]
    assert result.returncode == 0 and places == sorted(places)


SLOW = {
    "numpy", "pydantic", "rich", "scipy.sparse", "scipy.stats", "matplotlib", "plotly", "tensorboardX", "tensorflow"
}  # fmt: skip


@pytest.mark.parametrize(
    ("module", "needed"),
    [
        ("search.cli", set()),
        ("search.commands.queue", {"numpy", "pydantic", "rich"}),
        ("search.commands.report", {"numpy", "pydantic", "rich"}),
        ("search.commands.evolve", {"numpy", "pydantic", "rich"}),
    ],
)
def test_commands_start_without_libraries_that_are_slow_to_import(module, needed):
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=-1, text=True)
    assert SLOW.intersection(done.stdout.split()) == needed


def helps(command, context):
    """Return the help of a command and of all its subcommands."""
    yield command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            subcommand = command.get_command(context, name)
            yield from helps(subcommand, click.Context(subcommand, parent=context, info_name=name))


def test_help_is_ascii_for_terminals_with_other_encodings():
    texts = list(helps(cli.cli, click.Context(cli.cli)))
    assert len(texts) > 20 and all(text.isascii() for text in texts)


ALL_HELP = """
import os, sys
from search import cli
for words in sys.argv[1:]:
    sys.argv = ["edgeflownas-search", *words.split(), "--help"]
    if not os.fork():
        cli.main()
    if os.wait()[1]:
        sys.exit(f"{words}: failed")
"""


def command_paths(command, path):
    yield " ".join(path)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from command_paths(command.get_command(context, name), [*path, name])


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
def test_help_of_every_command_can_be_printed_in_other_encodings(encoding):
    paths = list(command_paths(cli.cli, []))
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "60"}
    done = subprocess.run(
        [sys.executable, "-c", ALL_HELP, *paths], cwd=ROOT, env=environment, stdout=-1, stderr=-1, check=False
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert done.stdout.decode("ascii").count("Usage: edgeflownas-search") == len(paths) > 20


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_command_has_help_with_an_example(name):
    result = run(name, "--help")
    assert result.returncode == 0 and "Usage: edgeflownas-search " + name in result.stdout
    assert cli.COMMANDS[name].line in " ".join(result.stdout.split()) or "Examples:" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fly"], "No such command 'fly'; the commands are data, space, cost, train"),
        (["evlove"], "No such command 'evlove'; did you mean evolve?"),
        (["queue", "statsu"], "No such command 'statsu'; did you mean status?"),
        (["train"], "Missing option '--config'"),
        (["train", "--config", "nothing.yaml"], "config nothing.yaml: cannot be read: No such file or directory"),
        (["train", "--config", "configs/tniy.yaml"], "; did you mean configs/tiny.yaml?"),
        (["evaluate", "00000000", "--config", "configs/demo.yaml"], "architecture '00000000': must be 9 digits"),
        (["evaluate", "000000000", "--config", "configs/demo.yaml", "--weights", "no.h5"], "no.h5: no such file"),
        (["train", "--config", "configs/demo.yaml", "--set", "network.width=3"], "network.width: should be a multiple"),
        (["train", "--config", "configs/tiny.yaml", "--run", "results/none", "--resume"], "holds no training"),
        (["evolve", "--config", "configs/tiny.yaml", "--run", "README.md"], "README.md is a file; name the folder"),
        (["train", "--config", "configs/tiny.yaml", "--run", "README.md/x"], "README.md is a file; name the folder"),
        (["train", "--config", "configs"], "config configs: is a folder; name a YAML file, such as configs/"),
        (["evaluate", "000000000", "--config", "configs/demo.yaml", "--weights", "docs"], "weights docs: is a folder"),
        (["evaluate", "000000000", "--config", "configs/demo.yaml", "--save", "README.md/x"], "README.md is not a"),
        (["export", "000000000", "--config", "configs/demo.yaml", "--output", "README.md"], "README.md is not a"),
        (["export", "000000000", "--config", "configs/demo.yaml", "--bundle", "/proc/x"], "x: cannot write to /proc"),
        (["report", "results/demo", "--output", "README.md/x.html"], "README.md is not a"),
        (["report", "README.md"], "README.md: is a file; name the folder of a run"),
    ],
)
def test_wrong_usage_is_reported_in_one_line_with_exit_code_2(arguments, message):
    result = run(*arguments)
    lines = [line for line in result.stderr.splitlines() if line.startswith("edgeflownas-search:")]
    assert result.returncode == 2 and len(lines) == 1 and message in lines[0] and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (OSError(28, "No space left on device", "search.h5"), 1, "search.h5: No space left on device: free some space"),
        (FloatingPointError("the loss is not finite"), 1, "the loss is not finite"),
        (MemoryError(), 1, "failed: out of memory"),
        (KeyboardInterrupt(), 130, "to continue: edgeflownas-search evolve --config 'my run.yaml'"),
    ],
)
def test_failures_and_interruptions_have_exit_codes(monkeypatch, capsys, error, code, message):
    def fail(**_):
        raise error

    monkeypatch.setattr(cli.cli, "main", fail)
    monkeypatch.setattr(sys, "argv", ["edgeflownas-search", "evolve", "--config", "my run.yaml"])
    with pytest.raises(SystemExit) as leave:
        cli.main()
    assert leave.value.code == code and message in capsys.readouterr().err


def test_interrupted_command_that_keeps_nothing_is_to_be_run_again(monkeypatch, capsys):
    def interrupt(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.cli, "main", interrupt)
    purposes = {"run it again": ["rank", "--config", "my.yaml"], "continue": ["train", "--config", "rank"]}
    for purpose, words in purposes.items():
        monkeypatch.setattr(sys, "argv", ["edgeflownas-search", *words])
        with pytest.raises(SystemExit):
            cli.main()
        assert f"interrupted; to {purpose}: edgeflownas-search {' '.join(words)}\n" in capsys.readouterr().err


def test_error_of_the_system_names_the_file_and_the_remedy(monkeypatch, capsys):
    def fail(**_):
        Path("/proc/nothing/file").write_text("")

    monkeypatch.setattr(cli.cli, "main", fail)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert "failed: /proc/nothing/file: No such file or directory: name another place" in capsys.readouterr().err
