"""Options and output that several commands share."""

import contextlib
import functools
import inspect
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional, Sequence, TypeVar

import click

from edgeflownas.config import DataConfig, DataFile, read_yaml, validate
from edgeflownas.errors import FailedError, InputError, find_reason, suggest_remedy
from edgeflownas.shipped.locate import locate_named
from search.hints import complete
from search.run import Run

F = TypeVar("F", bound=Callable[..., Any])


class PathOption(click.Path):
    """A path, in which ~ is the home folder: a shell leaves it as it is in ``--run=~/runs``."""

    def __init__(self) -> None:
        """Set up the type; the value is a ``Path``."""
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> Any:
        """Return the path with the home folder inserted."""
        if not value:  # as in --run "$RUN" without a value for RUN
            self.fail("is empty; name a file or a folder", param, ctx)
        return super().convert(os.path.expanduser(value), param, ctx)


class NamedFile(PathOption):
    """A YAML file, given by its path or by its name in a folder of the working folder or the package."""

    def __init__(self, folder: str, what: str) -> None:
        """Set up the type; see ``locate_named``."""
        super().__init__()
        self._folder, self._what = folder, what

    def convert(self, value: Any, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> Any:
        """Return the path of the file."""
        return locate_named(super().convert(value, param, ctx), self._folder, self._what)


class GpuDevices(click.ParamType):
    """A parameter that names GPUs by number, such as ``0`` or ``0,1,2``, or is ``none``."""

    name = "gpus"

    def convert(self, value: Any, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> List[int]:
        """Return the numbers of the GPUs; an empty list for ``none``."""
        if value == "none" or isinstance(value, list):
            return [] if value == "none" else value
        numbers = value.split(",")
        if not all(number.isdecimal() for number in numbers):
            self.fail(f"{value!r} is neither a list of GPU numbers such as 0 or 0,1,2 nor none", param, ctx)
        if len(set(map(int, numbers))) != len(numbers):
            self.fail(f"{value!r} names a GPU twice", param, ctx)
        return [int(number) for number in numbers]


gpu_option = click.option(
    "--gpu-device",
    "devices",
    type=GpuDevices(),
    metavar="0[,1,...]|none",
    help="Train on the GPUs with these numbers, or on the CPU (none). Overrides train.devices.",
)

set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Override a configuration key. docs/configuration.md lists all keys.",
)

weights_option = click.option(
    "--weights",
    type=PathOption(),
    help="Weights of a supernet or of a retrained architecture. Default: the supernet of the run.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")

_config_option = click.option(
    "--config",
    "config_path",
    required=True,
    type=PathOption(),
    help="YAML file with the configuration of the run, or the name of one in configs/, such as demo.",
)

_optional_config_option = click.option(
    "--config",
    "config_path",
    type=PathOption(),
    help="YAML file with the configuration of the run, or the name of one in configs/. An exported network needs none.",
)

_folder_option = click.option("--run", "folder", type=PathOption(), help="Run folder. Default: results/NAME.")

_data_option = click.option(
    "--data",
    "data_file",
    type=PathOption(),
    help="YAML file of a different data set, or the name of one in configs/data/, such as sintel_final.",
)

_root_option = click.option("--root", help="Folder of the data set of --data. Default: the folder named in that file.")


def _replace_options(name: str, convert: Callable[..., Any], *options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Return a decorator that adds options to a command, and replaces their values by one argument.

    Args:
        name: Name of the argument.
        convert: Function that makes the argument; its parameters are named like those of the options.
        options: Options, in the order of the help.
    """
    parameters = list(inspect.signature(convert).parameters)

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def command(**values: Any) -> Any:
            values[name] = convert(**{parameter: values.pop(parameter) for parameter in parameters})
            return function(**values)

        decorated: Any = command
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


def _read_data(data_file: Optional[Path], root: Optional[str]) -> Optional[DataConfig]:
    """Return the data set that a file describes, with its folder replaced by ``root`` if that is given."""
    if data_file is None:
        if root is not None:
            raise click.UsageError("--root requires --data; for the run's own data set, use --set data.root=DIR")
        return None
    content = read_yaml(locate_named(data_file, "configs/data", "data"), "data")
    if root is not None and isinstance(content.get("data"), dict):
        content["data"]["root"] = root
    return validate(content, DataFile, f"data {data_file}").data


_replace_run_options = _replace_options("run", Run.open, _config_option, _folder_option, set_option)


def run_options(function: F) -> F:
    """Add --config, --run and --set to a command, and pass it the run that they name as ``run``.

    The commands that its errors name become whole commands for this run.
    """

    @functools.wraps(function)
    def command(run: Run, **values: Any) -> Any:
        with complete_errors(run.options):
            return function(run=run, **values)

    replaced: Any = _replace_run_options(command)
    return replaced


def _open_if_named(
    config_path: Optional[Path], folder: Optional[Path], overrides: Sequence[str]
) -> Optional[Run]:
    """Return the run that --config names; None without it."""
    if config_path is not None:
        return Run.open(config_path, folder, overrides)
    if folder is not None or overrides:
        raise click.UsageError("--run and --set require --config")
    return None


_replace_optional_run_options = _replace_options(
    "run", _open_if_named, _optional_config_option, _folder_option, set_option
)


def optional_run_options(function: F) -> F:
    """Add the options of ``run_options`` to a command that also works without a run; ``run`` is then None."""

    @functools.wraps(function)
    def command(run: Optional[Run], **values: Any) -> Any:
        with complete_errors([] if run is None else run.options):
            return function(run=run, **values)

    replaced: Any = _replace_optional_run_options(command)
    return replaced


# Adds --data and --root to a command, and passes it the data set that they name, or None, as ``other_data``.
data_options = _replace_options("other_data", _read_data, _data_option, _root_option)


@contextlib.contextmanager
def complete_errors(run_options: Sequence[str]) -> Iterator[None]:
    """Turn the commands that errors name into whole commands for a run, and for the data set of --data."""
    try:
        yield
    except (InputError, FailedError, FloatingPointError) as error:
        values = click.get_current_context().params
        named = {"--data": values.get("data_file"), "--root": values.get("root")}
        options = [word for name, value in named.items() if value is not None for word in (name, str(value))]
        error.args = (complete(str(error), run_options, options), *error.args[1:])
        raise


def check_output_folder(option: str, folder: Optional[Path]) -> None:
    """Check before any work that a folder for results can be created or written to.

    Args:
        option: Option that names the folder.
        folder: Folder of the results; None if the option is not given.

    Raises:
        InputError: A part of the path is a file, or the place cannot be written to.
    """
    if folder is None:
        return
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(str(path)))
    if not existing.is_dir():
        raise InputError(f"{option} {folder}: {existing} is not a folder; name another place")
    try:
        tempfile.TemporaryDirectory(dir=str(existing)).cleanup()
    except OSError as error:
        raise InputError(
            f"{option} {folder}: cannot write to {existing}: {find_reason(error)}: {suggest_remedy(error)}"
        ) from None


def print_json(record: Any) -> None:
    """Print a value made of plain Python types as JSON."""
    click.echo(json.dumps(record, indent=2, allow_nan=False))
