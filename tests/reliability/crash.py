"""Promise 1: killed at any moment and called again, a command ends as if nothing had been, bit for bit.

Commands run as a user calls them, in processes forked from one that has imported everything; what computes for long is
replaced by ``stand_ins``. A killed run is continued, and killed again, until one call reaches the end: so many kills
need few whole runs, and find states that many crashes in a row make.
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

from edgeflownas.network.skeleton import Skeleton
from edgeflownas.storage import checkpoint, record, sealed
from tests.processes import in_child
from tests.reliability import stand_ins
from tests.search.storage.test_search_file import content
from tests.small import weights_for

ROOT = Path(__file__).parents[2]
_SETTINGS = (
    "data.train_pairs=8", "data.val_pairs=2", "train.epochs=6", "train.batch_size=2", "train.devices=[]",
    "evaluation.calibration_pairs=2", "evaluation.calibration_batch=2", "evaluation.batch_size=2",
    "evolution.population=8", "evolution.generations=6", "evolution.complete_outputs=false",
    "queue.size=2", "queue.attempts=1000000",
    "queue.train={epochs: 4, batch_size: 2, devices: []}",
)  # fmt: skip
LIMIT = 120.0  # seconds after which a run hangs


class Scene:
    """A folder with a supernet and a compiler, in which commands are run.

    Attributes:
        folder: that holds all.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._weights = folder / "supernet.h5"
        checkpoint.save(self._weights, weights_for(Skeleton(4)), {"epoch": 1, "epe": 1.0})
        gc.freeze()  # what is collected no more is not copied in every process that is forked

    def words(self, name: str, run: Path) -> List[str]:
        """A command's words in a run folder."""
        settings = [*_SETTINGS, f"supernet={self._weights}"]
        rest = ["--config", str(ROOT / "configs" / "tiny.yaml"), "--run", str(run)]
        rest += [word for setting in settings for word in ("--set", setting)]
        return {
            "train": ["train", *rest],
            "evolve": ["evolve", *rest],
            "enumerate": ["enumerate", *rest, "--heads", stand_ins.HEADS],
            "cost build": ["cost", "build", *rest, "--checks", "3", "--output", str(run / "table.yaml")],
            "queue run": ["queue", "run", *rest],
            "retrain": ["retrain", "--queue", str(run / "queue"), "--index", "0"],
        }[name]

    def start(self, name: str, run: Path, first: Callable[[], None] = lambda: None, more: Sequence[str] = ()) -> int:
        """Starts a command, with more words, in a process group of its own; ``first`` is called in it."""

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
            stand_ins.call([*self.words(name, run), *more])

        run.mkdir(parents=True, exist_ok=True)
        return in_child(work)

    def call(self, name: str, run: Path, first: Callable[[], None] = lambda: None, more: Sequence[str] = ()) -> int:
        """Runs a command to its end; its exit code, or the negative number of the signal that ended it."""
        pid = self.start(name, run, first, more)
        code, _ = ended(pid, LIMIT)
        if code is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        kill_group(pid)
        assert code is not None, f"{name} hangs in {run}"
        return code

    def prepared(self, name: str, run: Path) -> None:
        """Makes what a command needs that works on a queue."""
        run.mkdir(parents=True)
        if name in ("queue run", "retrain"):
            there = self.folder / "searched"
            if not there.exists():
                assert self.call("evolve", there) == 0, (there / "output.log").read_text()
            shutil.copytree(str(there / "queue"), str(run / "queue"))


def ended(pid: int, seconds: float) -> Tuple[Optional[int], float]:
    """Waits so long for a process, not counting the time in which this one was held up, as the other was then, too.

    Returns:
        Its exit code, or the negative number of a signal, or None: it goes on; and how long was waited.
    """
    waited = 0.0
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), waited
        if waited >= seconds:
            return None, waited
        began = time.monotonic()
        time.sleep(0.001)
        waited += min(time.monotonic() - began, 0.005)


def kill(pid: int, rng: random.Random) -> None:
    """Kills a command with all its processes, or, of one that has started others, only itself at first."""
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
    """Kills what a command that has ended has left, and waits for it: it is nobody's child any more."""
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.killpg(pid, signal.SIGKILL)
            time.sleep(0.001)


def result(run: Path) -> Dict[str, Any]:
    """All that a command has left, but times and logs: names of all files, and the content of those that matter."""
    found: Dict[str, Any] = {}
    for path in sorted(run.rglob("*")):
        name = str(path.relative_to(run))
        others = name.startswith(("cache", "output.log")) or name.startswith("tmp/") and "edgeflownas" not in name
        if path.is_dir() or others or path.suffix == ".previous":
            continue
        found[name] = _content(path)
    return found


def _content(path: Path) -> Any:
    if path.name in ("search.h5", "space.h5"):
        return content(path)
    if path.suffix == ".h5":
        tensors, state = checkpoint.load(path)
        return checkpoint.digest(tensors), _timeless(state)
    if path.name in ("state.json", "result.json"):
        record.read(path)
    if path.suffix in (".json", ".yaml"):
        return _timeless(yaml.safe_load(path.read_text()))
    if path.name == "log.csv":
        return [line.rsplit(",", 1)[0] for line in path.read_text().splitlines()]
    return path.read_bytes() if path.suffix == ".csv" else None


_TIMES = (
    "wall_s", "seconds", "date", "command", "sha256", "search_sha256", "attempts", "crashes", "reason", "rate", "pid",
    "started", "changed",
)  # fmt: skip


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(each) for key, each in value.items() if key not in _TIMES}
    return [_timeless(each) for each in value] if isinstance(value, list) else value


def whole(run: Path) -> None:
    """Makes sure that no file is there in part, at whatever moment this is."""
    for path in run.rglob("*"):
        if path.name.endswith((".h5", ".h5.previous")) and not path.name.startswith("."):
            sealed.read(path).close()
        elif path.name in ("state.json", "state.json.previous", "result.json"):
            record.read(path)
        elif path.name == "table.yaml":
            yaml.safe_load(path.read_text())


COMMANDS = ("train", "evolve", "enumerate", "cost build", "queue run", "retrain")


class Reference(NamedTuple):
    """What a command comes to that nobody disturbs, and how long it takes."""

    result: Dict[str, Any]
    seconds: float


def reference(scene: Scene, name: str) -> Reference:
    """Runs a command undisturbed."""
    run = scene.folder / f"{name} undisturbed"
    scene.prepared(name, run)
    code, seconds = ended(scene.start(name, run), LIMIT)
    assert code == 0, (run / "output.log").read_text()
    return Reference(result(run), seconds)


def check_kills(scene: Scene, name: str, kills: int, seed: int) -> Dict[str, Any]:
    """Kills a command at random moments, spread over the time that it takes, and continues it each time.

    Returns:
        The figures.
    """
    rng, (expected, takes) = random.Random(f"{seed} {name}"), reference(scene, name)
    done, ends, started = 0, 0, time.monotonic()
    while done < kills:
        run = scene.folder / f"{name} {ends}"
        scene.prepared(name, run)
        code, before = None, done
        while code is None:
            delay = rng.uniform(0, takes) if done < kills else LIMIT
            pid = scene.start(name, run)
            code, waited = ended(pid, delay)
            if code is None:
                kill(pid, rng)
                done += 1
                whole(run)
                if not done % 50:
                    print(f"  {name}: {done} of {kills} kills, {ends} runs", flush=True)
        assert code == 0, f"{name}, seed {seed}, after {done} kills: {(run / 'output.log').read_text()[-3000:]}"
        if done == before:  # it ran undisturbed: so long it takes now, on a machine that others use
            takes = waited
        compare(name, result(run), expected, f"seed {seed}, {done} kills")
        shutil.rmtree(str(run))
        ends += 1
    seconds = time.monotonic() - started
    return {"command": name, "kills": done, "runs": ends, "equal": ends, "seconds": round(seconds, 1)}


def compare(name: str, found: Dict[str, Any], expected: Dict[str, Any], when: str) -> None:
    assert sorted(found) == sorted(expected), f"{name}, {when}: other files: {set(found) ^ set(expected)}"
    for file, value in expected.items():
        assert found[file] == value, f"{name}, {when}: {file} differs"
