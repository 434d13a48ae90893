"""``dask``: the scheduler and the workers of a Dask cluster, with Dask's own options.

Dask's own programs cannot be used: in its last version for Python 3.7 they do not start with current versions of click.
"""

import click

from edgeflownas.errors import InputError
from edgeflownas.process_pool import isolate_workers
from search.groups import OrderedGroup

try:
    from distributed.cli.dask_scheduler import main as scheduler
    from distributed.cli.dask_worker import main as worker
except ImportError:
    raise InputError("dask: is not installed; pip install .[dask]") from None


isolate_workers()
scheduler.help = "Start a scheduler, whose address is to be set in evaluation.scheduler."
worker.help = "Start a worker that scores for searches that use a scheduler."


@click.group(cls=OrderedGroup)
def command() -> None:
    """Start a Dask scheduler, or workers that score for a search."""


command.add_command(scheduler, "scheduler")
command.add_command(worker, "worker")
