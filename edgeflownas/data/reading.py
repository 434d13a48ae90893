"""Parallel reading of files, with results in order and only a few of them in memory at a time."""

import collections
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Deque, Iterable, Iterator, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def read_ahead(function: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Apply a function to items in several threads; OpenCV and zlib release Python's global lock.

    Args:
        function: Function to apply.
        items: Arguments of the function.
        threads: Number of threads.

    Yields:
        Results, in the order of the items.

    Raises:
        Exception: The function raised it; results of earlier items are yielded first.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: Deque[Future[R]] = collections.deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
