"""Options that the commands share."""

import functools
from pathlib import Path
from typing import Any, Callable, List, Optional, Tuple, TypeVar

import click

from edgeflownas.config import DataConfig, DataFile, read_yaml, validate
from search.run import Run

F = TypeVar("F", bound=Callable[..., Any])


class InOrder(click.Group):
    """Commands in the order in which they were added, that of work, each with its whole first sentence."""

    def list_commands(self, ctx: click.Context) -> List[str]:
        """Their names."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list of commands."""
        with formatter.section("Commands, in the order of work"):
            formatter.write_dl([(name, each.get_short_help_str(200)) for name, each in self.commands.items()])


class GpuDevices(click.ParamType):
    """GPUs by number, such as ``0`` or ``0,1,2``; or ``none``."""

    name = "gpus"

    def convert(
        self, value: Any, param: Optional[click.Parameter], ctx: Optional[click.Context]
    ) -> List[int]:
        """The numbers."""
        if value == "none" or isinstance(value, list):
            return [] if value == "none" else value
        numbers = value.split(",")
        if not all(number.isdecimal() for number in numbers):
            self.fail(f"{value!r} is not 0, nor 0,1,2 or the like, nor none", param, ctx)
        if len(set(map(int, numbers))) != len(numbers):
            self.fail(f"{value!r} names a GPU twice", param, ctx)
        return [int(number) for number in numbers]


gpu_option = click.option(
    "--gpu-device",
    "devices",
    type=GpuDevices(),
    metavar="0[,1…]|none",
    help="GPUs to train on, by number; none: the CPU. Overrides train.devices.",
)


set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Overrides a key of the configuration; docs/configuration.md lists them.",
)


def run_options(function: F) -> F:
    """Adds --config, --run and --set, and hands the command a ``run``."""

    def with_run(config: Path, folder: Optional[Path], overrides: Tuple[str, ...], **others: Any) -> Any:
        return function(run=Run.open(config, folder, overrides), **others)

    with_run.__doc__ = function.__doc__
    with_run.__name__ = function.__name__
    with_run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    decorated: Any = with_run
    for option in (
        set_option,
        click.option("--run", "folder", type=click.Path(path_type=Path), help="Run folder; default results/NAME."),
        click.option(
            "--config", required=True, type=click.Path(path_type=Path), help="Configuration of the run, a YAML file."
        ),
    ):
        decorated = option(decorated)
    return decorated


def data_options(function: F) -> F:
    """Adds --data and --root, and hands the command the data set they name as ``other``; None without them."""

    @functools.wraps(function)
    def with_data(data_file: Optional[Path], root: Optional[str], **others: Any) -> Any:
        return function(other=_data(data_file, root), **others)

    decorated: Any = with_data
    for option in (
        click.option("--root", help="Where the data set of --data lies; default: what the file says."),
        click.option(
            "--data",
            "data_file",
            type=click.Path(path_type=Path),
            help="Another data set, such as configs/data/sintel_final.yaml.",
        ),
    ):
        decorated = option(decorated)
    return decorated


def _data(path: Optional[Path], root: Optional[str]) -> Optional[DataConfig]:
    """The data set of a file, at another place if one is given."""
    if path is None:
        if root is not None:
            raise click.UsageError("--root goes with --data; without it, --set data.root=DIR")
        return None
    content = read_yaml(path, "data")
    if root is not None and isinstance(content.get("data"), dict):
        content["data"]["root"] = root
    return validate(content, DataFile, f"data {path}").data
