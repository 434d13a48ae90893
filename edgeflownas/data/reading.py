"""Files read in parallel and ahead, each result in its turn, without holding more than a few at once."""

import collections
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Deque, Iterable, Iterator, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def read_ahead(function: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Applies a function to items, several at a time; OpenCV and zlib let other threads run meanwhile.

    Yields:
        The results, in the order of the items.

    Raises:
        Exception: what the function raised, in its turn.
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
