"""Promises 7 and 8: same in, same out; and long searches stay quick, with files that open at once."""

import time
from pathlib import Path

import numpy as np
import pytest

from edgeflownas.config import load
from edgeflownas.data.datasets import open_datasets
from edgeflownas.evaluation.child import EvaluationData
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.storage import checkpoint
from search.run import SCORING_THREADS, Run
from search.storage.identity import Identity
from search.storage.space_file import SpaceFile
from supernet.tree import TreeEvaluator
from tests.reliability import long_search
from tests.search.storage.test_search_file import content, search

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "results" / "reference" / "demo"
TOLERANCE = 1e-4  # of an EPE, relative: what machines may differ by, whose sums are in another order


@pytest.fixture()
def golden(monkeypatch: pytest.MonkeyPatch) -> SpaceFile:
    monkeypatch.chdir(ROOT)
    run = Run(load(Path("configs/demo.yaml")), Path("results/demo"))
    weights = checkpoint.digest(run.supernet_weights())
    return SpaceFile(DEMO / "space.h5", Identity.of(run, weights))


def test_the_demo_scores_what_it_scored_when_it_was_made(golden: SpaceFile) -> None:
    config = load(ROOT / "configs" / "demo.yaml")
    skeleton = Skeleton(config.network.width)
    data = EvaluationData(*open_datasets(config.data), config.evaluation, 1)
    tensors, _ = checkpoint.load(DEMO / "supernet.h5")
    evaluator = TreeEvaluator(skeleton, {name: tensors[name] for name in skeleton.parameters()}, data, SCORING_THREADS)
    asked = [(0,) * 9, (2,) * 9, (2, 1, 0, 0, 1, 2, 0, 0, 1)]
    scores = dict(pair for part in evaluator.score(asked) for pair in part)
    for architecture in asked:
        expected = golden.archive.column("epe")[golden.archive.row(architecture)]
        assert scores[architecture] == pytest.approx(expected, rel=TOLERANCE)


def test_one_seed_gives_one_archive_and_another_gives_another(tmp_path: Path) -> None:
    found = []
    for number, seed in enumerate((1, 1, 2)):
        path = tmp_path / str(number) / "search.h5"
        search(path, 6, seed=seed, complete=False)
        found.append(content(path))
    assert found[0] == found[1]
    assert found[0]["archive/genes"] != found[2]["archive/genes"]


def test_the_scores_of_the_whole_space_open_at_once(golden: SpaceFile) -> None:
    assert golden.complete and len(golden.archive) == 19_683
    seconds = []
    for _ in range(3):
        started = time.process_time()
        SpaceFile(golden.path, golden._identity)
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.2


def test_a_long_search_grows_as_its_archive_does(tmp_path: Path) -> None:
    *parts, first, middle, last, whole = long_search.measured(tmp_path, 6000, 1)
    assert whole["bytes_per_request"] < 300
    sizes = np.diff([each["file_mb"] for each in parts])
    assert sizes.max() < 1.5 * sizes.min() + 0.2, "the file does not grow linearly"
    assert (first["archive"], middle["archive"], last["archive"]) == (1500, 3000, 6000)
    for before, after in ((first, middle), (middle, last)):
        more = (after["drawn_again_per_generation"] + 100) / (before["drawn_again_per_generation"] + 100)
        assert after["ms_per_generation"] < 1.1 * more * before["ms_per_generation"]
    assert parts[-1]["memory_mb"] - parts[0]["memory_mb"] < 30
