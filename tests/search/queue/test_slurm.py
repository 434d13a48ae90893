"""The queue on a real Slurm: an array job disturbed in many ways, compared with the same tasks left undisturbed."""

import contextlib
import os
import signal
import threading
import time
import typing
from collections import Counter
from pathlib import Path
from queue import SimpleQueue
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

import pytest
import yaml

from edgeflownas.config import ClusterConfig
from edgeflownas.storage import checkpoint, record
from search.queue import control, submit
from search.queue.build import build
from search.queue.queue import Queue
from search.queue.retrain import retrain
from search.queue.status import Row, read_rows
from tests.search.queue.cluster import Cluster, find_obstacle, running_cluster
from tests.search.queue.small import FRONT, small_archive, small_run, wait_for

pytestmark = [
    pytest.mark.skipif(find_obstacle() is not None, reason=f"Slurm cannot be started: {find_obstacle()}"),
    pytest.mark.timeout(1800),  # an idle machine needs one minute
]

REQUEUED, WARNED, KILLED, CRASHING, DRAINED, CANCELLED = range(6)  # tasks, named after what is done to them
WHOLE = (REQUEUED, WARNED, KILLED, DRAINED)  # tasks that must be done in the end

# Six architectures whose networks are built fast; all are on the front.
ARCHITECTURES = ("000000000", "000010000", "000001000", "000000100", "000000010", "000000001")
LITERAL = """$(touch injected) `touch injected`; touch injected # ' " \\ $HOME"""
SETTINGS = ClusterConfig(hours=0.5, cpus=1, throttle=2, environment={"LITERAL": LITERAL}, directives=["--comment=six"])
PATIENCE = 600.0  # seconds allowed for one step, on a busy machine


def six_tasks(folder: Path) -> Queue:
    run = small_run(folder, size=6, rule="list", architectures=list(ARCHITECTURES), train=RECIPE)
    return build(run, small_archive(run, dict.fromkeys(ARCHITECTURES, (3.0, 10.0))), FRONT)


RECIPE = {"epochs": 8, "batch_size": 2, "learning_rate": 1e-3}


class Observer:
    """Observes continuously which processes run tasks of a queue.

    Attributes:
        most: Largest number of processes seen at once, by task.
        tasks_at_once: Largest number of tasks seen at once, without those that Slurm is ending, which the throttle does
            not count.
        variables: Environment variables of one process.
    """

    def __init__(self, queue: Queue, cluster: Cluster) -> None:
        self.most: typing.Counter[int] = Counter()
        self.tasks_at_once = 0
        self.variables: List[str] = []
        self._cluster = cluster
        self._folder = str(queue.paths.folder.resolve())
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Observer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.2):
            processes = Counter(self._find_processes())
            if len(processes) > self.tasks_at_once:
                running = self._cluster.count_running()
                self.tasks_at_once = max(self.tasks_at_once, min(len(processes), running))
            self.most |= processes

    def _find_processes(self) -> Iterator[int]:
        """Return the task of every process that runs one."""
        processes: Dict[str, Tuple[int, str]] = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError, IndexError):
                words = (entry / "cmdline").read_bytes().decode().split("\0")
                if "retrain" in words and self._folder in words:
                    self.variables = self.variables or (entry / "environ").read_bytes().decode().split("\0")
                    parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                    processes[entry.name] = int(words[words.index("--index") + 1]), parent
        # Without a process that a task's process has forked and that has not yet called exec.
        return (index for index, parent in processes.values() if parent not in processes)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", running.environment["SLURM_CONF"])
        yield running


class Story(NamedTuple):
    """Outcomes of six disturbed tasks."""

    queue: Queue
    undisturbed: Queue
    observed: Observer
    rows: List[Row]
    second: Optional[str]  # result of a second `queue submit`
    element: str  # the Slurm job of the task that was requeued


@pytest.fixture(scope="module")
def story(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("a b")  # with a space in it
    queue, undisturbed = six_tasks(folder / "disturbed"), six_tasks(folder / "undisturbed")
    crashing = queue.task(CRASHING).paths.task
    crashing.write_text(yaml.safe_dump({**yaml.safe_load(crashing.read_text()), "first_weights": "gone.h5"}))
    with Observer(queue, cluster) as observed:
        job = submit.submit(queue, SETTINGS)
        second = submit.submit(queue, SETTINGS)
        disturb(cluster, queue, str(job))
        wait_for(lambda: cluster.node_state() == "drained", PATIENCE)
        assert all(row.word != "running" for row in read_rows(queue)), "a drained node runs no task"
        cluster.call("scontrol", "update", f"NodeName={cluster.node}", "State=RESUME")
        for index in WHOLE:
            assert retrain(undisturbed.task(index)) == "done"
        wait_for(lambda: {row.word for row in read_rows(queue)} <= {"done", "failed"}, PATIENCE)
        wait_for(lambda: not cluster.call("squeue", "-h"), PATIENCE)
    return Story(queue, undisturbed, observed, read_rows(queue), second, f"{job}_{REQUEUED}")


def disturb(cluster: Cluster, queue: Queue, job: str) -> None:
    """Disturb each task once, in the middle of its training; return after the last one."""
    node = f"NodeName={cluster.node}"
    acts: Dict[int, Callable[[int], object]] = {
        REQUEUED: lambda pid: cluster.call("scontrol", "requeue", f"{job}_{REQUEUED}"),
        WARNED: lambda pid: cluster.warn(f"{job}_{WARNED}"),
        KILLED: lambda pid: os.kill(pid, signal.SIGKILL),
        CANCELLED: lambda pid: control.cancel(queue, [CANCELLED]),
        DRAINED: lambda pid: cluster.call("scontrol", "update", node, "State=DRAIN", "Reason=test"),
    }
    with Catcher(queue, set(acts)) as catcher:
        while acts:
            index, pid = catcher.caught.get(timeout=PATIENCE)
            if index == DRAINED and len(acts) > 1:
                # Draining must be last: afterwards no task starts until all running ones have ended.
                catcher.caught.put((index, pid))
                time.sleep(0.1)
                continue
            acts.pop(index)(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


class Catcher:
    """Stops the process of each task once during its training, so that it is certainly disturbed there.

    Attributes:
        caught: Indices of tasks and ids of their stopped processes.
    """

    def __init__(self, queue: Queue, indices: Set[int]) -> None:
        self.caught: SimpleQueue[Tuple[int, int]] = SimpleQueue()
        self._queue, self._indices = queue, indices
        self._thread = threading.Thread(target=self._catch, daemon=True)

    def __enter__(self) -> "Catcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._indices.clear()
        self._thread.join()

    def _catch(self) -> None:
        while self._indices:
            time.sleep(0.01)
            for index in list(self._indices):
                task = self._queue.task(index)
                if task.paths.curve.exists():
                    state = task.state()
                    assert state.state == "running" and state.pid, f"task {index} ended before it could be disturbed"
                    os.kill(state.pid, signal.SIGSTOP)
                    self._indices.discard(index)
                    self.caught.put((index, state.pid))


def weights(queue: Queue, index: int) -> Dict[str, str]:
    """Return the digests of all tensors that a training has written."""
    paths = queue.task(index).paths
    return {path.name: checkpoint.digest(checkpoint.load(path)[0]) for path in (paths.last, paths.best)}


def test_every_task_ends_as_expected(story: Story) -> None:
    assert {row.index: (row.word, row.attempts, row.crashes) for row in story.rows} == {
        REQUEUED: ("done", 2, 0),
        WARNED: ("done", 2, 0),
        KILLED: ("done", 2, 1),
        CRASHING: ("failed", 2, 2),
        DRAINED: ("done", 1, 0),
        CANCELLED: ("failed", 1, 0),
    }
    assert "gone.h5" in str(story.rows[CRASHING].reason) and "gone.h5" in str(story.rows[CRASHING].log)
    assert story.rows[CANCELLED].reason == "cancelled"
    assert story.rows[REQUEUED].job == story.element


def test_disturbed_training_equals_an_undisturbed_one_bit_for_bit(story: Story) -> None:
    for index in WHOLE:
        assert weights(story.queue, index) == weights(story.undisturbed, index)
        left, right = (record.read(queue.task(index).paths.result) for queue in (story.queue, story.undisturbed))
        assert {**left, "wall_s": 0} == {**right, "wall_s": 0}
        log = story.queue.task(index).paths.output.read_text()
        assert log.count("resuming") == (index != DRAINED), "it did not start from scratch"


def test_no_task_runs_twice_at_once_and_the_throttle_is_kept(story: Story) -> None:
    assert story.observed.most == Counter(range(6))
    assert story.observed.tasks_at_once == 2
    assert story.second is None, "a second submission has nothing to submit"
    assert [job["tasks"] for job in record.read(story.queue.paths.submissions)["jobs"]] == [list(range(6))]


def test_nothing_in_the_configuration_is_run_as_a_command(story: Story) -> None:
    assert f"LITERAL={LITERAL}" in story.observed.variables
    assert not list(story.queue.paths.folder.parent.parent.rglob("injected")) and not Path("injected").exists()
