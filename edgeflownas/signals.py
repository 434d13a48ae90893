"""A polite end: SIGINT, SIGTERM and SIGUSR1 are noted, and the work stops where it can go on later."""

import contextlib
import signal
import threading
from types import FrameType
from typing import Callable, Iterator, List, Optional

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Interrupted(Exception):
    """The work was stopped by a signal, with everything saved that is needed to continue.

    Attributes:
        signum: the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class StopFlag:
    """Whether a signal has come."""

    def __init__(self) -> None:
        self.received: List[int] = []
        self.tell: List[Callable[[], None]] = []

    def __bool__(self) -> bool:
        """Whether to stop."""
        return bool(self.received)

    def raise_if_set(self) -> None:
        """Ends the work if a signal has come.

        Raises:
            Interrupted: it has.
        """
        if self.received:
            raise Interrupted(self.received[0])

    def note(self, signum: int, frame: Optional[FrameType]) -> None:
        """Handles a signal."""
        if signum == signal.SIGINT and self:
            raise KeyboardInterrupt
        self.received.append(signum)
        for tell in self.tell:
            tell()


@contextlib.contextmanager
def stop_flag(tell: Callable[[], None] = lambda: None) -> Iterator[StopFlag]:
    """Notes signals while the block runs; a second SIGINT ends it at once.

    A block within such a block has the same flag: a signal that comes just before the inner one begins is not lost.
    Outside the main thread, where Python allows no handlers, the flag is never set.

    Args:
        tell: is called when a signal has come, within its handler, so it must not write to any file.
    """
    if threading.current_thread() is not threading.main_thread():
        yield StopFlag()
        return
    outer = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if isinstance(outer, StopFlag):
        with _told(outer, tell):
            yield outer
        return
    flag = StopFlag()
    before = {signum: signal.signal(signum, flag.note) for signum in SIGNALS}
    try:
        with _told(flag, tell):
            yield flag
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextlib.contextmanager
def _told(flag: StopFlag, tell: Callable[[], None]) -> Iterator[None]:
    flag.tell.append(tell)
    try:
        yield
    finally:
        flag.tell.remove(tell)
