"""The command line ``edgeflownas-search``: finds the command, and turns what goes wrong into one line and an exit code.

Exit codes: 0 done; 1 failed; 2 wrong usage, configuration or data; 130 interrupted, with the command that
continues or begins again.
"""

import importlib
import os
import shlex
import sys
import warnings
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional

import click

from edgeflownas import __version__
from edgeflownas.errors import FailedError, InputError
from edgeflownas.signals import Interrupted

_PROGRAM = "edgeflownas-search"


class _Entry(NamedTuple):
    """A command in the list of commands: what it does, and an example, both short enough for 80 columns."""

    summary: str
    example: str

    @property
    def line(self) -> str:
        """The example as it is typed."""
        text = self.example.format(config="configs/tiny.yaml", program=_PROGRAM)
        return text if _PROGRAM in text else f"{_PROGRAM} {text}"


# In the order of work. A command is imported when it is called, so that help comes at once.
COMMANDS: Dict[str, _Entry] = {
    "data": _Entry("Check a data set; list its bad files to leave them out.", "data check --config my.yaml"),
    "cost": _Entry("Build and show hardware cost tables from Arm's compiler.", "cost build --config {config}"),
    "train": _Entry("Train a supernet with strict fairness.", "train --config {config}"),
    "evaluate": _Entry("Score architectures, beside the EPE of zero flow.", "evaluate 000000000 --config {config}"),
    "evolve": _Entry("Search with NSGA-II; queue the survivors.", "evolve --config {config}"),
    "enumerate": _Entry("Score every architecture: the true front.", "enumerate --config {config}"),
    "queue": _Entry("Retrain the survivors: build, run, submit, status, collect.", "queue run --config {config}"),
    "retrain": _Entry("Retrain one task of the queue.", "retrain --queue results/tiny/queue --index 0"),
    "rank": _Entry("Judge a supernet by children trained alone.", "rank --config {config}"),
    "report": _Entry("Show runs on a page that opens from disk.", "report results/tiny"),
    "export": _Entry("Quantise and compile an architecture.", "export 210012001 --config {config}"),
    "dask": _Entry("Start a scheduler, or workers that score elsewhere.", "dask scheduler --port 8786"),
    "completion": _Entry("Print what completes commands in a shell.", 'eval "$({program} completion bash)"'),
}

# Flags that say how to begin, which a command that is continued has done.
_NOT_AGAIN = ("--restart", "--from-previous", "--no-resume")

# Commands that keep nothing of what they did before they were stopped.
_ANEW = {"data", "evaluate", "rank", "report", "export", "dask", "completion"}


class _Commands(click.Group):
    """Commands by name, imported when called."""

    def list_commands(self, ctx: click.Context) -> List[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> Optional[click.Command]:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"search.commands.{name}")
        command: click.Command = module.command
        command.epilog = command.epilog or f"Example: {COMMANDS[name].line}"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands, in the order of work, with an example each"):
            for name, entry in COMMANDS.items():
                formatter.write(f"  {name:<11}{entry.summary}\n{'':13}{entry.line}\n")


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}


@click.group(cls=_Commands, context_settings=_SETTINGS)
@click.version_option(__version__, package_name="edgeflownas")
def cli() -> None:
    """Finds the best optical-flow networks for a microcontroller NPU.

    A run is a folder, results/NAME, made from a configuration; a search or a training that was stopped goes on
    when it is called again. COMMAND --help says more.
    """


def main() -> None:
    """Runs a command, and exits."""
    _prepare_libraries()
    try:
        code = cli.main(prog_name=_PROGRAM, standalone_mode=False) or 0
    except click.exceptions.Exit as leave:
        code = leave.exit_code
    except click.ClickException as error:
        click.echo(f"edgeflownas-search: {error.format_message()}", err=True)
        code = 2
    except InputError as error:
        click.echo(f"edgeflownas-search: {error}", err=True)
        code = 2
    except (OSError, MemoryError, FloatingPointError, FailedError) as error:
        click.echo(f"edgeflownas-search: failed: {str(error) or 'out of memory'}", err=True)
        code = 1
    except (KeyboardInterrupt, click.Abort, Interrupted):
        code = 130
    if code == 130:
        words = [word for word in sys.argv[1:] if word not in _NOT_AGAIN]
        again = " ".join(shlex.quote(word) for word in [_program(), *words])
        what = "do it again" if _ANEW.intersection(words[:1]) else "continue"
        click.echo(f"\ninterrupted; to {what}: {again}", err=True)
    sys.exit(code if isinstance(code, int) else 0)


def _program() -> str:
    """How the user called this program, so that the same words call it again."""
    called = sys.argv[0]
    return called if Path(called).name == "edgeflownas-search" else "edgeflownas-search"


def _prepare_libraries() -> None:
    """Keeps libraries from printing pages of warnings about their own insides, and from wasting the cores."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's threads wait busily, and take TensorFlow's cores
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"tensor(flow|board).*")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
