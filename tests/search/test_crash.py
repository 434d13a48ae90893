"""A search that is killed at any moment and restarted ends like an uninterrupted search."""

import itertools
import os
import random
import signal
import time
from pathlib import Path
from typing import Any, Callable, Counter, Dict, List, Optional

import pytest

from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture
from edgeflownas.signals import Interrupted
from edgeflownas.storage import sealed
from edgeflownas.storage.files import remove_leftovers
from edgeflownas.storage.lock import locked
from search.nsga2.evolution import Evolution
from search.storage import search_file
from search.storage.search_file import SearchFile
from search.strategies import loop
from search.strategies.loop import Status, evolve
from tests.processes import ended, in_child
from tests.search.stand_ins import MEDIUM, Oracle, Table, epe_of, evolution_config, identity
from tests.search.storage.searches import content

IDENTITY = identity(MEDIUM)


def search(
    folder: Path,
    generations: int = 12,
    seconds: float = 0.0,
    show: Callable[[Status], None] = lambda status: None,
    oracle: Optional[Oracle] = None,
) -> None:
    """Search as ``evolve`` does."""
    path = folder / "search.h5"
    with locked(folder / "search.lock", "the search") as lock:
        remove_leftovers(path)
        file = SearchFile(path, IDENTITY)
        file.zero_flow_epe = 7.5
        config = evolution_config(generations=generations)
        evolution = Evolution(MEDIUM, config, Table(), 3, file.archive, file.last)
        evolve(evolution, oracle or Oracle(MEDIUM, seconds=seconds), file, lock, show)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, Any]:
    folder = tmp_path_factory.mktemp("reference")
    search(folder)
    return content(folder / "search.h5")


def test_search_killed_at_random_moments_resumes(tmp_path: Path, reference: Dict[str, Any]) -> None:
    """Kill each search until it has finished in spite of that; a new one takes 96 ms, and is killed before that."""
    rng = random.Random(0)
    kills = 0
    folder = tmp_path / "0"
    folder.mkdir()
    for index in range(30):
        child = in_child(lambda folder=folder: search(folder, seconds=0.001))  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.06))
        os.kill(child, signal.SIGKILL)
        killed = ended(child) == -signal.SIGKILL
        kills += killed
        for path in (folder / "search.h5", folder / "search.h5.previous"):
            if path.exists():
                sealed.read(path).close()
        if not killed:
            assert content(folder / "search.h5") == reference
            folder = tmp_path / str(index + 1)
            folder.mkdir()
    assert kills >= 10
    search(folder)
    assert content(folder / "search.h5") == reference


FILE_CALLS = ["open", "fsync", "link", "replace", "unlink", "utime"]


def make_fault(at: int, after: bool) -> Callable[[], None]:
    """Return a function that makes this process die before or after the n-th call that changes a file."""
    numbers = itertools.count(1)

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **others: Any) -> Any:
            number = next(numbers)
            if number == at and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return function(*args, **others)
            finally:
                if number == at:
                    os.kill(os.getpid(), signal.SIGKILL)

        return call

    def install() -> None:
        for name in FILE_CALLS:
            setattr(os, name, wrap(getattr(os, name)))

    return install


def count_calls(monkeypatch: pytest.MonkeyPatch, function: Callable[[], None]) -> Counter[str]:
    """Return how often a function makes each of the calls that change a file."""
    counts: Counter[str] = Counter()

    def wrap(name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        def call(*args: Any, **others: Any) -> Any:
            counts[name] += 1
            return original(*args, **others)

        return call

    with monkeypatch.context() as patch:
        for name in FILE_CALLS:
            patch.setattr(os, name, wrap(name))
        function()
    return counts


@pytest.mark.parametrize("after", [False, True])
def test_search_killed_at_any_step_of_a_write_resumes(
    tmp_path: Path, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill at each call that creates, syncs, links, renames or removes a file, until no call is left."""
    (tmp_path / "whole").mkdir()
    calls = count_calls(monkeypatch, lambda: search(tmp_path / "whole", generations=2))
    reference = content(tmp_path / "whole" / "search.h5")
    for at in range(1, 10**6):
        folder = tmp_path / str(at)
        folder.mkdir()
        install = make_fault(at, after)

        def run(folder: Path = folder, install: Callable[[], None] = install) -> None:
            install()
            search(folder, generations=2)

        code = ended(in_child(run))
        search(folder, generations=2)
        assert content(folder / "search.h5") == reference
        assert sorted(file.name for file in folder.iterdir()) == ["search.h5", "search.h5.previous"]
        if code == 0:
            break
    assert at == sum(calls.values()) + 1 and calls["fsync"] >= 4 and calls["replace"] >= 2


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signal_stops_between_backbones_and_keeps_complete_generations(
    tmp_path: Path, reference: Dict[str, Any], signum: int
) -> None:
    seen: List[Status] = []

    def show(status: Status) -> None:
        seen.append(status)
        if status.generation == 2 and status.done < status.total:
            os.kill(os.getpid(), signum)

    with pytest.raises(Interrupted) as stopped:
        search(tmp_path, show=show)
    assert stopped.value.signum == signum
    assert sum(status.generation == 2 for status in seen) == 1
    assert SearchFile(tmp_path / "search.h5", IDENTITY).last.number == 1  # type: ignore[union-attr]
    search(tmp_path)
    assert content(tmp_path / "search.h5") == reference


def test_signal_during_the_last_backbone_stops_the_search(tmp_path: Path) -> None:
    calls: List[Architecture] = []

    def epe(architecture: Architecture) -> float:
        calls.append(architecture)
        if len(calls) == 8:
            os.kill(os.getpid(), signal.SIGTERM)
        return epe_of(architecture)

    oracle = Oracle(MEDIUM, epe)
    with pytest.raises(Interrupted):
        search(tmp_path, oracle=oracle)
    assert SearchFile(tmp_path / "search.h5", IDENTITY).last.number == 0  # type: ignore[union-attr]
    assert len(oracle.scored) == 8


def test_error_of_the_evaluator_keeps_complete_generations(tmp_path: Path, reference: Dict[str, Any]) -> None:
    calls: List[int] = []

    def epe(architecture: Architecture) -> float:
        calls.append(1)
        if len(calls) > 20:
            raise KeyError
        return 1.0

    with pytest.raises(KeyError):
        search(tmp_path, oracle=Oracle(MEDIUM, epe))
    assert not (tmp_path / "search.lock").exists()
    assert len(SearchFile(tmp_path / "search.h5", IDENTITY).archive) == 16


def test_full_disk_keeps_the_checkpoint(
    tmp_path: Path, reference: Dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    search(tmp_path, generations=2)
    before = (tmp_path / "search.h5").read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(sealed, "keep", full)
        with pytest.raises(OSError, match="No space left"):
            search(tmp_path)
    assert (tmp_path / "search.h5").read_bytes() == before
    search(tmp_path)
    assert content(tmp_path / "search.h5") == reference


def test_second_search_is_refused_without_affecting_the_first(tmp_path: Path, reference: Dict[str, Any]) -> None:
    child = in_child(lambda: search(tmp_path, seconds=0.005))
    while not (tmp_path / "search.h5").exists():
        time.sleep(0.005)
    with pytest.raises(InputError, match=f"the search: in use by process {child}"):
        search(tmp_path)
    assert ended(child) == 0
    assert content(tmp_path / "search.h5") == reference


def test_search_without_its_lock_stops_writing(tmp_path: Path) -> None:
    def show(status: Status) -> None:
        if status.generation == 1:
            (tmp_path / "search.lock").write_text("another")

    with pytest.raises(InputError, match="lost its lock"):
        search(tmp_path, show=show)
    assert SearchFile(tmp_path / "search.h5", IDENTITY).last.number == 0  # type: ignore[union-attr]


def test_pending_generations_are_not_written_without_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_file, "_SMALL", 0)
    monkeypatch.setattr(search_file, "_APART", 1e9)  # all generations after the first are pending

    def show(status: Status) -> None:
        if status.generation == 4:
            (tmp_path / "search.lock").write_text("another")

    with pytest.raises(InputError, match="lost its lock"):
        search(tmp_path, show=show)
    assert SearchFile(tmp_path / "search.h5", IDENTITY).last.number == 0  # type: ignore[union-attr]


def test_remaining_time_equals_the_remaining_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that ticks once per scored architecture, it is the number of those left, of 12 generations of 8."""

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return len(oracle.scored)

    def show(status: Status) -> None:
        assert status.seconds_left == pytest.approx(12 * 8 - len(oracle.scored))
        seen.append(status)

    oracle = Oracle(MEDIUM)
    seen: List[Status] = []
    monkeypatch.setattr(loop, "time", Clock)
    search(tmp_path, show=show, oracle=oracle)
    assert len(seen) > 24
