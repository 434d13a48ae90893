"""Promises 7 and 8: results are repeatable, and long searches stay fast, with files that open quickly."""

import time
from pathlib import Path

import numpy as np
import pytest

from edgeflownas.config import load
from edgeflownas.data.datasets import open_datasets
from edgeflownas.evaluation.child import EvaluationData
from edgeflownas.network.definition import open_skeleton
from edgeflownas.storage import checkpoint
from search.run import SCORING_THREADS, Run
from search.storage.identity import Identity
from search.storage.space_file import SpaceFile
from supernet.tree import TreeEvaluator
from tests.reliability import long_search
from tests.search.storage.searches import content, search

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "results" / "reference" / "demo"
TOLERANCE = 1e-4  # relative difference of an EPE between machines with different orders of summation


@pytest.fixture()
def golden(monkeypatch: pytest.MonkeyPatch) -> SpaceFile:
    monkeypatch.chdir(ROOT)
    run = Run(load(Path("configs/demo.yaml")), Path("results/demo"))
    weights = checkpoint.digest(run.supernet_weights())
    return SpaceFile(DEMO / "space.h5", Identity.of(run, weights))


def test_demo_reproduces_its_reference_scores(golden: SpaceFile) -> None:
    config = load(ROOT / "configs" / "demo.yaml")
    skeleton = open_skeleton(config)
    data = EvaluationData(*open_datasets(config.data), config.evaluation, 1)
    tensors, _ = checkpoint.load(DEMO / "supernet.h5")
    evaluator = TreeEvaluator(skeleton, {name: tensors[name] for name in skeleton.parameters()}, data, SCORING_THREADS)
    requested = [(0,) * 9, (2,) * 9, (2, 1, 0, 0, 1, 2, 0, 0, 1)]
    scores = dict(pair for part in evaluator.score(requested) for pair in part)
    for architecture in requested:
        expected = golden.archive.column("epe")[golden.archive.row(architecture)]
        assert scores[architecture] == pytest.approx(expected, rel=TOLERANCE)


def test_archive_depends_on_the_seed_only(tmp_path: Path) -> None:
    contents = []
    for number, seed in enumerate((1, 1, 2)):
        path = tmp_path / str(number) / "search.h5"
        search(path, 6, seed=seed, complete=False)
        contents.append(content(path))
    assert contents[0] == contents[1]
    assert contents[0]["archive/genes"] != contents[2]["archive/genes"]


def test_scores_of_the_whole_space_open_quickly(golden: SpaceFile) -> None:
    assert golden.complete and len(golden.archive) == 19_683
    seconds = []
    for _ in range(3):
        started = time.process_time()
        SpaceFile(golden.path, golden._identity)
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.2


def test_long_search_grows_linearly_with_its_archive(tmp_path: Path) -> None:
    *parts, first, middle, last, whole = long_search.measure(tmp_path, 6000, 1)
    assert whole["bytes_per_request"] < 300
    sizes = np.diff([part["file_mb"] for part in parts])
    assert sizes.max() < 1.5 * sizes.min() + 0.2, "the file does not grow linearly"
    assert (first["archive"], middle["archive"], last["archive"]) == (1500, 3000, 6000)
    for before, after in ((first, middle), (middle, last)):
        more = (after["drawn_again_per_generation"] + 100) / (before["drawn_again_per_generation"] + 100)
        assert after["ms_per_generation"] < 1.1 * more * before["ms_per_generation"]
    assert parts[-1]["memory_mb"] - parts[0]["memory_mb"] < 30
