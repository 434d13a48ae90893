"""The command line ``edgeflownas-search``, which runs a command and turns errors into one line and an exit code.

Exit codes: 0 done; 1 failed; 2 wrong usage, configuration or data; 130 interrupted, with the command that continues
or repeats the work.
"""

import importlib
import os
import sys
import warnings
from typing import Any, Dict, List, NamedTuple, Optional

import click

from edgeflownas import __version__
from edgeflownas.encoding import replace_unencodable
from edgeflownas.errors import FailedError, InputError, suggest_remedy
from edgeflownas.signals import Interrupted
from search.groups import SuggestingGroup
from search.hints import PROGRAM, format_command


class _Entry(NamedTuple):
    """An entry in the list of commands: a summary and an example, both short enough for 80 columns."""

    summary: str
    example: str

    @property
    def line(self) -> str:
        """The example as the user types it."""
        text = self.example.format(config="tiny", program=PROGRAM)
        return text if PROGRAM in text else f"{PROGRAM} {text}"


# In the order of the workflow. A command's module is imported when the command is called, so that help appears at once.
COMMANDS: Dict[str, _Entry] = {
    "data": _Entry("Check a data set, and list its unusable files.", "data check --config my.yaml"),
    "space": _Entry("Check and draw the file of a search space.", "space check edgeflownet_bilinear"),
    "cost": _Entry("Show costs on a board, and build tables that predict them.", "cost build --config {config}"),
    "train": _Entry("Train a supernet with strict fairness.", "train --config {config}"),
    "evaluate": _Entry("Score architectures on validation pairs.", "evaluate 000000000 --config {config}"),
    "predict": _Entry("Draw the flow of your own frames.", "predict 210012001 a.png b.png --config {config}"),
    "evolve": _Entry("Search with NSGA-II, and build the retrain queue.", "evolve --config {config}"),
    "enumerate": _Entry("Score every architecture to find the true front.", "enumerate --config {config}"),
    "queue": _Entry("Retrain the best: build, run, submit, status, collect.", "queue run --config {config}"),
    "retrain": _Entry("Retrain one task of the queue.", "retrain --queue results/tiny/queue --index 0"),
    "rank": _Entry("Compare a supernet with children trained from scratch.", "rank --config {config}"),
    "report": _Entry("Show runs on one HTML page that works offline.", "report results/tiny"),
    "import-weights": _Entry("Import the published EdgeFlowNet.", "import-weights checkpoints/best.ckpt"),
    "export": _Entry("Quantise and compile an architecture.", "export 210012001 --config {config}"),
    "dask": _Entry("Start a Dask scheduler, or workers on several machines.", "dask scheduler --port 8786"),
    "completion": _Entry("Print a script for shell completion.", 'eval "$({program} completion bash)"'),
}

_NO_HOME = "/nonexistent"  # as Debian calls the home of users that have none

# Flags that only apply to the start of a run; the command that continues the run leaves them out.
_START_FLAGS = ("--restart", "--from-previous", "--no-resume")

# Commands that save nothing when they are interrupted.
_STATELESS = {"data", "evaluate", "predict", "rank", "report", "import-weights", "export", "dask", "completion"}


class _Commands(SuggestingGroup):
    """A group that imports the module of a command when it is called."""

    def list_commands(self, ctx: click.Context) -> List[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> Optional[click.Command]:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"search.commands.{name.replace('-', '_')}")
        command: click.Command = module.command
        command.epilog = command.epilog or f"Example: {COMMANDS[name].line}"
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands, in the order of the workflow, each with an example"):
            for name, entry in COMMANDS.items():
                formatter.write(f"  {name:<16}{entry.summary}\n{'':6}{entry.line}\n")


# click 8.2 and later raise this for a group without arguments, with its help as the message; earlier ones print it.
_NO_ARGUMENTS: Any = getattr(click.exceptions, "NoArgsIsHelpError", ())
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "show_default": True}


@click.group(cls=_Commands, context_settings=_SETTINGS)
@click.version_option(__version__, package_name="edgeflownas")
def cli() -> None:
    """Find the best optical-flow networks for a microcontroller NPU.

    A run is a folder, results/NAME, that is created from a configuration. To resume an interrupted search or training
    run, run the same command again. See COMMAND --help for details.
    """


def main() -> None:
    """Run a command and exit with its exit code."""
    replace_unencodable()
    _configure_libraries()
    try:
        code = cli.main(prog_name=PROGRAM, standalone_mode=False) or 0
    except click.exceptions.Exit as leave:
        code = leave.exit_code
    except _NO_ARGUMENTS as error:
        click.echo(error.format_message())
        code = 0
    except click.ClickException as error:
        click.echo(f"edgeflownas-search: {error.format_message()}", file=sys.stderr)
        code = 2
    except InputError as error:
        click.echo(f"edgeflownas-search: {error}", file=sys.stderr)
        code = 2
    except (OSError, MemoryError, FloatingPointError, FailedError) as error:
        click.echo(f"edgeflownas-search: failed: {_describe_failure(error)}", file=sys.stderr)
        code = 1
    except (KeyboardInterrupt, click.Abort, Interrupted):
        code = 130
    if code == 130:
        words = [word for word in sys.argv[1:] if word not in _START_FLAGS]
        command = format_command(words)
        purpose = "run it again" if _STATELESS.intersection(words[:1]) else "continue"
        click.echo(f"\ninterrupted; to {purpose}: {command}", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def _describe_failure(error: Exception) -> str:
    """Return the message of an error; that of a system call names the file, the problem and the remedy."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}: {suggest_remedy(error)}"
    return str(error) or "out of memory"


def _configure_libraries() -> None:
    """Silence warnings about internals of libraries, keep NumPy's threads from busy waiting, and provide a home."""
    if not os.path.isabs(os.path.expanduser("~")):  # an unknown user: matplotlib and others fail without any home
        os.environ["HOME"] = _NO_HOME
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's threads wait busily and take TensorFlow's cores
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"tensor(flow|board).*")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
