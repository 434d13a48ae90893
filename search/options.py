"""Options that the commands share."""

from pathlib import Path
from typing import Any, Callable, Optional, Tuple, TypeVar

import click

from search.run import Run

F = TypeVar("F", bound=Callable[..., Any])


def run_options(function: F) -> F:
    """Adds --config, --run and --set, and hands the command a ``run``."""

    def with_run(config: Path, folder: Optional[Path], overrides: Tuple[str, ...], **others: Any) -> Any:
        return function(run=Run.open(config, folder, overrides), **others)

    with_run.__doc__ = function.__doc__
    with_run.__name__ = function.__name__
    with_run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    decorated: Any = with_run
    for option in (
        click.option(
            "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Overrides a configuration key."
        ),
        click.option("--run", "folder", type=click.Path(path_type=Path), help="Run folder; default results/NAME."),
        click.option(
            "--config", required=True, type=click.Path(path_type=Path), help="Configuration of the run, a YAML file."
        ),
    ):
        decorated = option(decorated)
    return decorated
