"""Workers of a Dask cluster."""

import contextlib
import logging
from typing import Iterator

from edgeflownas.errors import InputError
from search.workers.shared import WorkerGroup

_ANSWERS_WITHIN = 10  # seconds


@contextlib.contextmanager
def open_cluster(address: str) -> Iterator[WorkerGroup]:
    """Uses a cluster while the block runs.

    Args:
        address: of its scheduler.

    Raises:
        InputError: Dask is not installed, or the scheduler does not answer.
    """
    try:
        from distributed import Client
        from distributed.scheduler import KilledWorker
    except ImportError:
        raise InputError("evaluation.scheduler: needs Dask; pip install .[dask], here and for the workers") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what goes wrong is told in one line
    try:
        client = Client(address, timeout=_ANSWERS_WITHIN, set_as_default=False)
    except OSError:
        raise InputError(
            f"evaluation.scheduler {address}: does not answer; start one with `edgeflownas-search dask scheduler`, or "
            f"set evaluation.scheduler=null"
        ) from None
    with client:
        executor = client.get_executor(pure=False)
        yield WorkerGroup(executor, lambda: len(client.scheduler_info()["workers"]), KilledWorker)
