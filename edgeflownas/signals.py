"""Graceful shutdown: on SIGINT, SIGTERM or SIGUSR1 the work stops at the next point from which it can be resumed."""

import contextlib
import signal
import threading
from types import FrameType
from typing import Callable, Iterator, List, Optional

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Interrupted(Exception):
    """The work was stopped by a signal, after everything needed to resume it was saved.

    Attributes:
        signum: Number of the signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class StopFlag:
    """A flag that is set by signals.

    Attributes:
        received: Numbers of the received signals, in order.
        callbacks: Functions that are called on each signal.
    """

    def __init__(self) -> None:
        self.received: List[int] = []
        self.callbacks: List[Callable[[], None]] = []

    def __bool__(self) -> bool:
        """Return whether a signal was received."""
        return bool(self.received)

    def raise_if_set(self) -> None:
        """Stop the work if a signal was received.

        Raises:
            Interrupted: A signal was received.
        """
        if self.received:
            raise Interrupted(self.received[0])

    def note(self, signum: int, frame: Optional[FrameType]) -> None:
        """Handle a signal."""
        if signum == signal.SIGINT and self:
            raise KeyboardInterrupt
        self.received.append(signum)
        for callback in self.callbacks:
            callback()


@contextlib.contextmanager
def stop_flag(callback: Callable[[], None] = lambda: None) -> Iterator[StopFlag]:
    """Set a flag on signals while the block runs; a second SIGINT raises KeyboardInterrupt at once.

    Nested blocks share one flag, so that a signal just before the start of the inner block is not lost. Outside the
    main thread, where Python allows no handlers, the flag is never set.

    Args:
        callback: Function that is called on each signal. It runs in the signal handler and must not write to any file.
    """
    if threading.current_thread() is not threading.main_thread():
        yield StopFlag()
        return
    outer = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if isinstance(outer, StopFlag):
        with _register(outer, callback):
            yield outer
        return
    flag = StopFlag()
    before = {signum: signal.signal(signum, flag.note) for signum in SIGNALS}
    try:
        with _register(flag, callback):
            yield flag
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


@contextlib.contextmanager
def _register(flag: StopFlag, callback: Callable[[], None]) -> Iterator[None]:
    flag.callbacks.append(callback)
    try:
        yield
    finally:
        flag.callbacks.remove(callback)
