"""Promise 1: a command that is killed at any moment and called again ends as without the kill, bit for bit.

Commands run as a user calls them, in processes forked from one that has imported everything; ``stand_ins`` replaces
long computations. A killed run is resumed and killed again until a call completes. So many kills need few complete
runs, and reach states that follow several crashes.
"""

import contextlib
import gc
import os
import random
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import yaml

from edgeflownas.network.definition import default_skeleton
from edgeflownas.storage import checkpoint, record, sealed
from tests.processes import in_child
from tests.reliability import stand_ins
from tests.search.storage.searches import content
from tests.small import weights_for

ROOT = Path(__file__).parents[2]
_SETTINGS = (
    "data.train_pairs=8", "data.val_pairs=2", "train.epochs=6", "train.batch_size=2", "train.devices=[]",
    "evaluation.calibration_pairs=2", "evaluation.calibration_batch=2", "evaluation.batch_size=2",
    "evolution.population=8", "evolution.generations=6", "evolution.complete_outputs=false",
    "queue.size=2", "queue.attempts=1000000",
    "queue.train={epochs: 4, batch_size: 2, devices: []}",
)  # fmt: skip
LIMIT = 120.0  # seconds after which a run counts as hanging


class Scene:
    """A folder with a supernet and a compiler, in which commands are run.

    Attributes:
        folder: Folder of all runs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._weights = folder / "supernet.h5"
        checkpoint.save(self._weights, weights_for(default_skeleton(4)), {"epoch": 1, "epe": 1.0})
        gc.freeze()  # objects exempt from collection are not copied in every forked process

    def arguments(self, name: str, run: Path) -> List[str]:
        """Return the command line of a command in a run folder."""
        settings = [*_SETTINGS, f"supernet={self._weights}"]
        rest = ["--config", str(ROOT / "configs" / "tiny.yaml"), "--run", str(run)]
        rest += [argument for setting in settings for argument in ("--set", setting)]
        return {
            "train": ["train", *rest],
            "evolve": ["evolve", *rest],
            "enumerate": ["enumerate", *rest, "--heads", stand_ins.HEADS],
            "cost build": ["cost", "build", *rest, "--checks", "3", "--output", str(run / "table.yaml")],
            "queue run": ["queue", "run", *rest],
            "retrain": ["retrain", "--queue", str(run / "queue"), "--index", "0"],
        }[name]

    def start(self, name: str, run: Path, first: Callable[[], None] = lambda: None, more: Sequence[str] = ()) -> int:
        """Start a command, with more arguments, in its own process group, after calling ``first`` there."""

        def work() -> None:
            os.setpgid(0, 0)
            with (run / "output.log").open("ab") as log:
                for handle in (1, 2):
                    os.dup2(log.fileno(), handle)
            os.chdir(str(ROOT))
            for key, place in (("XDG_CACHE_HOME", run / "cache"), ("TMPDIR", run / "tmp")):
                place.mkdir(exist_ok=True)
                os.environ[key] = str(place)
            tempfile.tempdir = None
            stand_ins.install()
            first()
            stand_ins.call([*self.arguments(name, run), *more])

        run.mkdir(parents=True, exist_ok=True)
        return in_child(work)

    def call(self, name: str, run: Path, first: Callable[[], None] = lambda: None, more: Sequence[str] = ()) -> int:
        """Run a command; return its exit code, or the negative number of the signal that ended it."""
        pid = self.start(name, run, first, more)
        code, _ = wait_for(pid, LIMIT)
        if code is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        kill_group(pid)
        assert code is not None, f"{name} hangs in {run}"
        return code

    def prepare(self, name: str, run: Path) -> None:
        """Create the run folder, with a queue for commands that need one."""
        run.mkdir(parents=True)
        if name in ("queue run", "retrain"):
            searched = self.folder / "searched"
            if not searched.exists():
                assert self.call("evolve", searched) == 0, (searched / "output.log").read_text()
            shutil.copytree(str(searched / "queue"), str(run / "queue"))


def wait_for(pid: int, seconds: float) -> Tuple[Optional[int], float]:
    """Wait for a process, not counting time in which both processes were delayed by other work.

    Returns:
        The exit code, the negative number of a signal, or None if the process is still running; and the time waited, in
        seconds.
    """
    waited = 0.0
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), waited
        if waited >= seconds:
            return None, waited
        began = time.monotonic()
        time.sleep(0.001)
        waited += min(time.monotonic() - began, 0.005)


def kill(pid: int, rng: random.Random) -> None:
    """Kill all processes of a command at once, or sometimes its first process before the others."""
    alone = rng.random() < 0.3
    if not alone:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if alone:
        time.sleep(rng.uniform(0, 0.2))
    kill_group(pid)


def kill_group(pid: int) -> None:
    """Kill the remaining processes of an ended command, and wait until they are gone."""
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.killpg(pid, signal.SIGKILL)
            time.sleep(0.001)


def result(run: Path) -> Dict[str, Any]:
    """Return the names of all files of a command, and the relevant content except times, logs and events.

    Each start of a command writes a new file of events.
    """
    files: Dict[str, Any] = {}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        others = name.startswith(("cache", "output.log")) or name.startswith("tmp/") and "edgeflownas" not in name
        others |= path.parent.name == "events"
        if path.is_dir() or others or path.suffix == ".previous":
            continue
        files[name] = _content(path)
    return files


def _content(path: Path) -> Any:
    if path.name in ("search.h5", "space.h5"):
        return content(path)
    if path.suffix == ".h5":
        tensors, state = checkpoint.load(path)
        return checkpoint.digest(tensors), _remove_times(state)
    if path.name in ("state.json", "result.json"):
        record.read(path)
    if path.suffix in (".json", ".yaml"):
        return _remove_times(yaml.safe_load(path.read_text()))
    if path.name == "log.csv":
        return [line.rsplit(",", 1)[0] for line in path.read_text().splitlines()]
    return path.read_bytes() if path.suffix == ".csv" else None


_TIMES = (
    "wall_s", "seconds", "date", "command", "sha256", "search_sha256", "attempts", "crashes", "reason", "rate", "pid",
    "started", "changed",
)  # fmt: skip


def _remove_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _remove_times(item) for key, item in value.items() if key not in _TIMES}
    return [_remove_times(item) for item in value] if isinstance(value, list) else value


def check_intact(run: Path) -> None:
    """Check that no file is incomplete; call it at any moment."""
    for path in run.rglob("*"):
        if path.name.endswith((".h5", ".h5.previous")) and not path.name.startswith("."):
            sealed.read(path).close()
        elif path.name in ("state.json", "state.json.previous", "result.json"):
            record.read(path)
        elif path.name == "table.yaml":
            yaml.safe_load(path.read_text())


COMMANDS = ("train", "evolve", "enumerate", "cost build", "queue run", "retrain")


class Reference(NamedTuple):
    """Result of an undisturbed command, and its duration in seconds."""

    result: Dict[str, Any]
    seconds: float


def reference(scene: Scene, name: str) -> Reference:
    """Run a command undisturbed."""
    run = scene.folder / f"{name} undisturbed"
    scene.prepare(name, run)
    code, seconds = wait_for(scene.start(name, run), LIMIT)
    assert code == 0, (run / "output.log").read_text()
    return Reference(result(run), seconds)


def check_kills(scene: Scene, name: str, kills: int, seed: int) -> Dict[str, Any]:
    """Kill a command at random moments spread over its duration, and resume it each time.

    Returns:
        The figures.
    """
    rng, (expected, takes) = random.Random(f"{seed} {name}"), reference(scene, name)
    done, ends, started = 0, 0, time.monotonic()
    while done < kills:
        run = scene.folder / f"{name} {ends}"
        scene.prepare(name, run)
        code, before = None, done
        while code is None:
            delay = rng.uniform(0, takes) if done < kills else LIMIT
            pid = scene.start(name, run)
            code, waited = wait_for(pid, delay)
            if code is None:
                kill(pid, rng)
                done += 1
                check_intact(run)
                if not done % 50:
                    print(f"  {name}: {done} of {kills} kills, {ends} runs", flush=True)
        assert code == 0, f"{name}, seed {seed}, after {done} kills: {(run / 'output.log').read_text()[-3000:]}"
        if done == before:  # undisturbed: adapt to the present speed of the machine
            takes = waited
        compare(name, result(run), expected, f"seed {seed}, {done} kills")
        shutil.rmtree(str(run))
        ends += 1
    seconds = time.monotonic() - started
    return {"command": name, "kills": done, "runs": ends, "equal": ends, "seconds": round(seconds, 1)}


def compare(name: str, actual: Dict[str, Any], expected: Dict[str, Any], when: str) -> None:
    assert sorted(actual) == sorted(expected), f"{name}, {when}: other files: {set(actual) ^ set(expected)}"
    for file, value in expected.items():
        assert actual[file] == value, f"{name}, {when}: {file} differs"
