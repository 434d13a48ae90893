import os
import signal
import threading

import pytest

from edgeflownas.signals import Interrupted, stop_flag

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]


@pytest.mark.parametrize("signum", SIGNALS)
def test_signal_sets_the_flag_and_raises_interrupted_on_request(signum: signal.Signals) -> None:
    with stop_flag() as stop:
        assert not stop
        stop.raise_if_set()
        os.kill(os.getpid(), signum)
        assert stop
        with pytest.raises(Interrupted) as interrupted:
            stop.raise_if_set()
    assert interrupted.value.signum == signum
    assert signum.name in str(interrupted.value)


def test_handlers_are_restored_at_the_end_of_the_block() -> None:
    before = [signal.getsignal(signum) for signum in SIGNALS]
    with stop_flag():
        assert [signal.getsignal(signum) for signum in SIGNALS] != before
        with stop_flag():
            pass
        assert [signal.getsignal(signum) for signum in SIGNALS] != before
    assert [signal.getsignal(signum) for signum in SIGNALS] == before


def test_second_ctrl_c_raises_keyboard_interrupt() -> None:
    with stop_flag() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert stop


def test_nested_blocks_share_their_flag() -> None:
    with stop_flag() as outer:
        os.kill(os.getpid(), signal.SIGTERM)
        with stop_flag() as inner:
            assert inner
    with stop_flag() as outer:
        with stop_flag() as inner:
            os.kill(os.getpid(), signal.SIGUSR1)
        assert outer and inner


def test_callback_is_called_while_its_block_runs() -> None:
    calls = []
    with stop_flag(lambda: calls.append("outer")):
        with stop_flag(lambda: calls.append("inner")):
            os.kill(os.getpid(), signal.SIGINT)
            assert calls == ["outer", "inner"]
        os.kill(os.getpid(), signal.SIGTERM)
        assert calls == ["outer", "inner", "outer"]


def test_flag_in_another_thread_is_never_set() -> None:
    flags = []

    def work() -> None:
        with stop_flag() as stop:
            flags.append(bool(stop))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert flags == [False]
