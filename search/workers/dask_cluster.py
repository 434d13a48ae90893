"""Workers on a Dask cluster."""

import contextlib
import logging
from typing import Iterator

from edgeflownas.errors import InputError
from search.workers.shared import WorkerGroup

_CONNECT_TIMEOUT = 10  # seconds


@contextlib.contextmanager
def open_cluster(address: str) -> Iterator[WorkerGroup]:
    """Connect to a Dask cluster for the duration of a block.

    Args:
        address: Address of the scheduler.

    Yields:
        Workers of the cluster.

    Raises:
        InputError: Dask is not installed, or the scheduler does not answer.
    """
    try:
        from distributed import Client
        from distributed.scheduler import KilledWorker
    except ImportError:
        raise InputError("evaluation.scheduler: needs Dask; run pip install .[dask] here and for the workers") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # errors are reported in one line
    try:
        client = Client(address, timeout=_CONNECT_TIMEOUT, set_as_default=False)
    except OSError:
        raise InputError(
            f"evaluation.scheduler {address}: does not answer; start one with `edgeflownas-search dask scheduler`, or "
            f"set evaluation.scheduler=null"
        ) from None
    with client:
        executor = client.get_executor(pure=False)
        yield WorkerGroup(executor, lambda: len(client.scheduler_info()["workers"]), KilledWorker)
