import os
import signal
import threading

import pytest

from edgeflownas.signals import Interrupted, stop_flag

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]


@pytest.mark.parametrize("signum", SIGNALS)
def test_signal_is_noted_and_raised_where_the_work_can_stop(signum: signal.Signals) -> None:
    with stop_flag() as stop:
        assert not stop
        stop.raise_if_set()
        os.kill(os.getpid(), signum)
        assert stop
        with pytest.raises(Interrupted) as interrupted:
            stop.raise_if_set()
    assert interrupted.value.signum == signum
    assert signum.name in str(interrupted.value)


def test_handlers_are_as_before_afterwards() -> None:
    before = [signal.getsignal(signum) for signum in SIGNALS]
    with stop_flag():
        assert [signal.getsignal(signum) for signum in SIGNALS] != before
        with stop_flag():
            pass
        assert [signal.getsignal(signum) for signum in SIGNALS] != before
    assert [signal.getsignal(signum) for signum in SIGNALS] == before


def test_second_ctrl_c_ends_the_work_at_once() -> None:
    with stop_flag() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert stop


def test_signal_before_an_inner_block_stops_it_and_one_within_stops_the_outer() -> None:
    with stop_flag() as outer:
        os.kill(os.getpid(), signal.SIGTERM)
        with stop_flag() as inner:
            assert inner
    with stop_flag() as outer:
        with stop_flag() as inner:
            os.kill(os.getpid(), signal.SIGUSR1)
        assert outer and inner


def test_who_wants_to_is_told_while_the_block_runs() -> None:
    told = []
    with stop_flag(lambda: told.append("outer")):
        with stop_flag(lambda: told.append("inner")):
            os.kill(os.getpid(), signal.SIGINT)
            assert told == ["outer", "inner"]
        os.kill(os.getpid(), signal.SIGTERM)
        assert told == ["outer", "inner", "outer"]


def test_other_threads_get_a_flag_that_is_never_set() -> None:
    flags = []

    def work() -> None:
        with stop_flag() as stop:
            flags.append(bool(stop))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert flags == [False]
