"""Promise 4: without space, permission, data or memory one line is printed, nothing is lost, and work can resume."""

import itertools
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np
import pytest

from edgeflownas.config import TrainConfig
from edgeflownas.data.formats import read_flow
from edgeflownas.data.sample import Sample
from edgeflownas.errors import InputError
from edgeflownas.storage import checkpoint
from edgeflownas.storage.files import previous
from edgeflownas.storage.lock import locked
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf
from edgeflownas.training.loop import Training
from edgeflownas.training.schedule import Schedule
from search.storage.search_file import SearchFile
from tests.reliability import damage
from tests.reliability.hungry import Hungry
from tests.reliability.stand_ins import Cycle
from tests.search.storage.searches import IDENTITY, content, search


@pytest.fixture()
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.getuid() or shutil.which("mount") is None or subprocess.run(words, check=False).returncode:
        pytest.skip("only root can mount a disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # exceptions may keep files on it open


def fill(disk: Path) -> Path:
    """Fill the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                pass
    return filler


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


@pytest.mark.parametrize("name", damage.KINDS)
def test_full_disk_is_reported_and_existing_files_stay_intact(disk: Path, name: str) -> None:
    kind, path = damage.KINDS[name], disk / "run" / name
    for number in (0, 1):
        kind.write(path, number)
    before = path.read_bytes(), previous(path).read_bytes()
    filler = fill(disk)
    with pytest.raises(OSError, match="cannot be written: No space left on device; its old content is intact") as error:
        kind.write(path, 2)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert (path.read_bytes(), previous(path).read_bytes()) == before
    assert sorted(file.name for file in path.parent.iterdir()) == sorted([name, previous(path).name])
    filler.unlink()
    kind.write(path, 2)
    assert path.read_bytes() != before[0] and previous(path).read_bytes() == before[0]


@pytest.mark.parametrize("name", damage.KINDS)
def test_read_only_folder_is_reported_and_can_be_read(disk: Path, name: str) -> None:
    kind, path = damage.KINDS[name], disk / "run" / name
    kind.write(path, 0)
    remount(disk, "ro")
    assert kind.read(path) == 0
    with pytest.raises(OSError, match="Read-only file system") as error:
        kind.write(path, 1)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    refused = pytest.raises(OSError, match=r"run x: the lock .* cannot be written: Read-only file system")
    with refused, locked(path.parent / "lock", "run x"):
        pytest.fail("held")
    remount(disk, "rw")
    kind.write(path, 1)
    assert kind.read(path) == 1


@pytest.mark.parametrize("cause", ["full", "read-only"])
def test_search_resumes_when_the_cause_is_removed(disk: Path, tmp_path: Path, cause: str) -> None:
    search(tmp_path / "undisturbed" / "search.h5", 6)
    path = disk / "run" / "search.h5"
    search(path, 2)
    filler: Optional[Path] = None
    if cause == "full":
        filler = fill(disk)
    else:
        remount(disk, "ro")
    with pytest.raises(OSError, match="cannot be written"):
        search(path, 6)
    last = SearchFile(path, IDENTITY).last
    assert last is not None and last.number == 1
    if filler is not None:
        filler.unlink()
    else:
        remount(disk, "rw")
    search(path, 6)
    assert content(path) == content(tmp_path / "undisturbed" / "search.h5")


class Flows:
    """Pairs with flow in files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.paths = [folder / f"{number}.flo" for number in range(8)]
        for number, path in enumerate(self.paths):
            path.write_bytes(struct.pack("<4sii", b"PIEH", 16, 16) + np.full(512, number, "<f4").tobytes())

    def __len__(self) -> int:
        return len(self.paths)

    def files(self, index: int) -> Tuple[str, ...]:
        return (str(self.paths[index]),)

    def full_sample(self, index: int) -> Sample:
        return self.sample(index, None)

    def select(self, count: int) -> List[int]:
        return list(range(count))

    def sample(self, index: int, rng: Any) -> Sample:
        flow, valid = read_flow(self.paths[index])
        return Sample(np.full((16, 16, 6), index, np.uint8), flow, valid)


def train(folder: Path, data: Flows, step: Optional[Cycle] = None) -> Dict[str, Any]:
    recipe = TrainConfig(epochs=4, batch_size=2, learning_rate=1e-3)
    step = step or Cycle({"kernel": np.ones((3, 3), np.float32)}, None)
    training = Training(Schedule(step, data, recipe, 1, folder, 1), {}, 2.0)
    training.resume()
    training.run()
    return {name: value.tobytes() for name, value in checkpoint.load(folder / "last.h5")[0].items()}


def test_training_resumes_when_there_is_space_again(disk: Path, tmp_path: Path) -> None:
    """The disk fills up within an epoch, while TensorFlow's writer of events has a file open on it, too."""
    data = Flows(tmp_path / "data")
    expected = train(tmp_path / "undisturbed", data)

    class Filling(Cycle):
        steps = 0

        def run(self, *words: Any) -> float:
            self.steps += 1
            if self.steps == 6:
                fill(disk)
            return super().run(*words)

    run = disk / "run"
    for step in (Filling({"kernel": np.ones((3, 3), np.float32)}, None), None):  # twice, with the disk still full
        with pytest.raises(OSError, match="cannot be written: No space left on device") as error:
            train(run, data, step)
        assert "\n" not in str(error.value)
        assert checkpoint.load(run / "last.h5")[1]["place"]["epoch"] == 1
    (disk / "filler").unlink()
    assert train(run, data) == expected


def test_missing_data_set_is_reported_and_the_training_resumes_when_it_is_back(tmp_path: Path) -> None:
    data, taken = Flows(tmp_path / "data"), tmp_path / "taken"

    class Vanishing(Cycle):
        steps = 0

        def run(self, *words: Any) -> float:
            Vanishing.steps += 1
            if Vanishing.steps == 6 and not taken.exists():
                (tmp_path / "data").rename(taken)
            return super().run(*words)

    expected = train(tmp_path / "undisturbed", data)
    kernel = {"kernel": np.ones((3, 3), np.float32)}
    with pytest.raises(InputError, match=r"flow .*\d\.flo: cannot be read: No such file") as error:
        train(tmp_path / "run", data, Vanishing(kernel, None))
    assert "\n" not in str(error.value)
    state = checkpoint.load(tmp_path / "run" / "last.h5")[1]
    assert state["place"]["epoch"] >= 1
    taken.rename(tmp_path / "data")
    assert train(tmp_path / "run", data) == expected


def test_worker_out_of_memory_is_reported_and_the_search_resumes_with_more(tmp_path: Path) -> None:
    """The worker process has a real memory limit."""
    search(tmp_path / "undisturbed" / "search.h5", 4)
    path, enough = tmp_path / "run" / "search.h5", 1 << 30
    with pytest.raises(MemoryError, match="Unable to allocate 64.0 MiB") as error:
        search(path, 4, evaluator=Hungry(iter([enough, enough, 1 << 20])))
    assert "\n" not in str(error.value)
    last = SearchFile(path, IDENTITY).last
    assert last is not None and last.number == 1
    search(path, 4, evaluator=Hungry(itertools.repeat(enough)))
    assert content(path) == content(tmp_path / "undisturbed" / "search.h5")


def test_tensorflow_out_of_memory_is_reported() -> None:
    with tf.Graph().as_default() as graph:
        huge = tf.fill(tf.placeholder_with_default(np.array([2**24, 2**24]), [2]), 1.0)
        with open_session(graph, 1) as opened, pytest.raises(MemoryError, match="^out of memory: .*smaller") as error:
            opened.run(huge)
    assert "\n" not in str(error.value)
