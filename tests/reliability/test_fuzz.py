"""Promise 5 with few inputs, and general properties: nothing is executed, and nothing outside the folder is used."""

import ast
import re
import shutil
import struct
import tempfile
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgeflownas
import search
import supernet
from edgeflownas.config import dump, load
from edgeflownas.errors import InputError
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.space import Space
from search.queue.paths import QueuePaths
from search.queue.queue import Queue
from search.queue.status import read_row
from search.queue.task import Task
from tests.reliability import fuzz, inputs
from tests.search.queue.small import small_queue

SPACE = Space.from_skeleton(default_skeleton(4))


@pytest.mark.parametrize("target", inputs.TARGETS, ids=lambda target: target.name)
def test_any_input_is_read_or_refused(target: inputs.Target) -> None:
    assert fuzz.check(target, 120, seed=2)["inputs"] == 120


def test_guard_detects_started_programs_and_writes_outside(tmp_path: Path) -> None:
    import os
    import pickle

    for act in (
        lambda: os.system("true"),
        lambda: pickle.loads(pickle.dumps(1)),
        lambda: (tmp_path.parent / "outside").write_text(""),
        lambda: eval("1"),  # noqa: PLW0123
    ):
        with pytest.raises(fuzz.Forbidden), fuzz.guarded(tmp_path):
            act()
    with fuzz.guarded(tmp_path):
        (tmp_path / "inside").write_text("")


@given(st.one_of(st.text(max_size=12), st.text("0123456789", min_size=8, max_size=10)))
def test_only_nine_digits_of_the_genes_are_an_architecture(text: str) -> None:
    right = len(text) == 9 and all(letter in "012" for letter in text)
    try:
        assert SPACE.format(SPACE.parse(text)) == text and right
    except InputError as error:
        assert not right and "\n" not in str(error)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(1, 99), st.floats(1e-9, 1e9), st.booleans())
def test_written_configuration_is_read_back_unchanged(seed: int, epochs: int, rate: float, warm: bool) -> None:
    values = {"seed": seed, "train.epochs": epochs, "train.learning_rate": repr(rate), "queue.warm_start": warm}
    config = load(inputs.CONFIGS / "tiny.yaml", [f"{key}={value}" for key, value in values.items()])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(dump(config))
        assert load(path) == config and config.train.learning_rate == rate


@pytest.mark.parametrize(
    "name", ["../../outside.h5", "/etc/passwd", "..", "tasks/../../outside.h5", "link.h5", "loop.h5", '"\\0"']
)
def test_foreign_task_reads_nothing_outside_its_queue(tmp_path: Path, name: str) -> None:
    queue = small_queue(tmp_path)
    (queue.paths.folder / "link.h5").symlink_to(tmp_path / "outside.h5")
    (queue.paths.folder / "loop.h5").symlink_to(queue.paths.folder / "loop.h5")
    path = queue.paths.task(0).task
    text = path.read_text()
    assert "first_weights: supernet.h5" in text
    path.write_text(text.replace("first_weights: supernet.h5", f"first_weights: {name}"))
    with pytest.raises(InputError, match="leads out of the queue's folder"):
        Task(QueuePaths(queue.paths.folder), 0).load_first_weights()


@pytest.mark.parametrize("name", ["log.txt", "events", "state.json", "."])
@pytest.mark.parametrize("target", ["outside", "no such place", "loop"])
def test_foreign_task_writes_nothing_outside_its_queue(tmp_path: Path, name: str, target: str) -> None:
    queue = small_queue(tmp_path)
    place, outside = queue.paths.task(0).folder / name, tmp_path / target
    if target == "outside":
        shutil.copytree(str(queue.paths.task(0).folder), str(outside))
    if place.is_dir():
        shutil.rmtree(str(place))
    elif place.exists():
        place.unlink()
    (place.parent / place.name).symlink_to(place.name if target == "loop" else outside)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=f"task 0: .*{re.escape(place.name)} leads out of the queue's folder"):
        Task(QueuePaths(queue.paths.folder), 0)
    shown = read_row(Queue(queue.paths.folder), 0)
    assert shown.word == "damaged" and "leads out" in str(shown.reason) and sorted(tmp_path.rglob("*")) == before
    assert read_row(Queue(queue.paths.folder), 1).word == "queued"


def test_links_within_a_queue_and_to_a_queue_are_followed(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    task = queue.paths.task(0)
    task.output.symlink_to(queue.paths.queue)
    (tmp_path / "elsewhere").symlink_to(queue.paths.folder)
    assert Task(QueuePaths(tmp_path / "elsewhere"), 0).load_first_weights() is not None


def test_flow_file_that_claims_2_to_31_pixels_takes_no_memory(tmp_path: Path) -> None:
    from edgeflownas.data.formats import read_flow

    path = tmp_path / "huge.flo"
    for width, height in ((1 << 15, 1 << 16), (1 << 30, 2), (-1, -1), (0, 5)):
        path.write_bytes(struct.pack("<4sii", b"PIEH", width, height))
        with pytest.raises(InputError, match=r"huge\.flo: is truncated or damaged"):
            read_flow(path)
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(InputError, match="too large for an image or flow"):
        read_flow(path)


# Sources

PACKAGES = (edgeflownas, supernet, search)
_FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
_FORBIDDEN_CALLS = {"eval", "exec", "os.system", "os.popen", "yaml.unsafe_load", "yaml.full_load", "np.load"}


def find_calls(tree: ast.AST) -> Iterator[Tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function, names = node.func, []
            while isinstance(function, ast.Attribute):
                names.append(function.attr)
                function = function.value
            if isinstance(function, ast.Name):
                yield ".".join([function.id, *reversed(names)]), node


def find_violations(text: str) -> List[str]:
    """Return forbidden imports and calls in a source."""
    tree, violations = ast.parse(text), []
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        violations += [name for name in names if name.split(".")[0] in _FORBIDDEN_MODULES]
    for name, node in find_calls(tree):
        if name in _FORBIDDEN_CALLS:
            violations.append(name)
        if name == "yaml.load" and not (len(node.args) == 2 and ast.dump(node.args[1]).find("_Loader") > 0):
            violations.append(name)
        violations += ["shell=True" for word in node.keywords if word.arg in ("shell", "allow_pickle")]
    return violations


def test_no_source_unpickles_evaluates_or_calls_a_shell() -> None:
    paths = [path for package in PACKAGES for path in Path(str(package.__file__)).parent.rglob("*.py")]
    assert len(paths) > 100
    assert {str(path): find_violations(path.read_text()) for path in paths if find_violations(path.read_text())} == {}


@pytest.mark.parametrize(
    "text", ["import pickle", "from pickle import loads", "eval('1')", "yaml.load(t)", "yaml.load(t, yaml.Loader)",
             "subprocess.run('x', shell=True)", "np.load('x', allow_pickle=True)", "os.system('x')"],
)  # fmt: skip
def test_violations_are_found(text: str) -> None:
    assert find_violations(text)
