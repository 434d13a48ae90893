"""The command line ``edgeflownas-search``: finds the command, and turns what goes wrong into one line and an exit code.

Exit codes: 0 done; 1 failed; 2 wrong usage, configuration or data; 130 interrupted, with the command that continues.
"""

import importlib
import os
import shlex
import sys
import warnings
from pathlib import Path
from typing import List, Optional

import click

from edgeflownas import __version__
from edgeflownas.errors import InputError
from edgeflownas.signals import Interrupted

# In the order of work. A command is imported when it is called, so that help comes at once.
COMMANDS = {
    "data": "Check a data set, and list its bad files to leave them out.",
    "train": "Train a supernet with strict fairness.",
    "evolve": "Search with NSGA-II over the supernet's weights, and queue the survivors.",
    "enumerate": "Score every architecture exactly: the true front.",
    "evaluate": "Score architectures, beside the EPE of zero flow.",
    "cost": "Build and show hardware cost tables from Arm's compiler.",
    "export": "Quantise an architecture, compile it for the board, and measure what int8 costs it.",
    "queue": "Build, run, watch and collect the retrain queue.",
    "retrain": "Retrain one task of the queue.",
    "dask": "Start a scheduler or workers that score on other machines.",
}

# Flags that say how to begin, which a command that is continued has done.
_NOT_AGAIN = ("--restart", "--from-previous", "--no-resume")


class _Commands(click.Group):
    """Commands by name, imported when called."""

    def list_commands(self, ctx: click.Context) -> List[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> Optional[click.Command]:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"search.commands.{name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands, in the order of work"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, package_name="edgeflownas")
def cli() -> None:
    """Finds the best optical-flow networks for a microcontroller NPU.

    \b
    edgeflownas-search train  --config configs/tiny.yaml     train a supernet
    edgeflownas-search evolve --config configs/tiny.yaml     search over its weights
    edgeflownas-search queue run --config configs/tiny.yaml  retrain the survivors
    """  # noqa: D301 (click's mark for text that is not to be wrapped is a backspace)


def main() -> None:
    """Runs a command, and exits."""
    _prepare_libraries()
    try:
        code = cli.main(prog_name="edgeflownas-search", standalone_mode=False) or 0
    except click.exceptions.Exit as leave:
        code = leave.exit_code
    except click.ClickException as error:
        click.echo(f"edgeflownas-search: {error.format_message()}", err=True)
        code = 2
    except InputError as error:
        click.echo(f"edgeflownas-search: {error}", err=True)
        code = 2
    except (OSError, MemoryError, FloatingPointError) as error:
        click.echo(f"edgeflownas-search: failed: {str(error) or 'out of memory'}", err=True)
        code = 1
    except (KeyboardInterrupt, click.Abort, Interrupted):
        words = [word for word in sys.argv[1:] if word not in _NOT_AGAIN]
        again = " ".join(shlex.quote(word) for word in [_program(), *words])
        click.echo(f"\ninterrupted; to continue: {again}", err=True)
        code = 130
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
