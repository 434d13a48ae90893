"""``dask``: a scheduler and workers of a Dask cluster, with its own options.

Its own commands cannot be used: those of the last version for Python 3.7 do not start with today's click.
"""

import click

from edgeflownas.errors import InputError
from search.commands.options import InOrder

try:
    from distributed.cli.dask_scheduler import main as scheduler
    from distributed.cli.dask_worker import main as worker
except ImportError:
    raise InputError("dask: is not installed; pip install .[dask]") from None


scheduler.help = "Starts a scheduler, which evaluation.scheduler names."
worker.help = "Starts a worker, which scores for the searches of a scheduler."


@click.group(cls=InOrder)
def command() -> None:
    """Starts a scheduler, or workers that score for evaluation.scheduler."""


command.add_command(scheduler, "scheduler")
command.add_command(worker, "worker")
