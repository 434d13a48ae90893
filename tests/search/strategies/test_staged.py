import json
import os
import signal
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import pytest

from edgeflownas.config import Config, StagedConfig, validate
from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture
from edgeflownas.signals import Interrupted
from edgeflownas.storage import checkpoint
from search.run import Run
from search.strategies import staged
from search.strategies.staged import Kept
from tests.search.queue.small import CONTENT, small_run
from tests.search.stand_ins import Cost

THREE_GENES = """
name: three_genes
stages:
  - {name: E0, conv: {kernel: 3, stride: 2}, width: 1}
  - {name: EB0, residual: {blocks: [1, 2, 3]}}
  - {name: Coarse, flow: {kernel: [1, 3]}}
  - {name: Fine, upsample: {kernel: 3}, width: 0.5}
  - {name: Out, flow: {kernel: [1, 3, 5]}}
"""
HEADS = (0, 0, 0, 0, 0)


class Table:
    """Costs that depend only on the first gene."""

    sram_cap_kib: Optional[float] = 100.0

    def cost(self, architecture: Architecture) -> Cost:
        fps = 100.0 - 10 * architecture[0]
        return Cost(fps, 1e3 / fps, 50.0 + 40 * architecture[0], 1e6)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: Any) -> Run:
    run = small_run(tmp_path)
    monkeypatch.setattr(Run, "cost_table", lambda self: (Table(), None))
    return run


def test_first_stage_samples_all_backbones_under_one_template(run: Run) -> None:
    kept = Kept(None, (HEADS,))
    groups = kept.groups(run.space)
    assert [group.names(run.space) for group in groups] == ["EB0", "EB1", "DB0", "DB1", "H0Out+H1+H1Out+H2+H2Out"]
    assert len(kept.architectures(run.space)) == 81
    assert {architecture[4:] for architecture in kept.architectures(run.space)} == {HEADS}


def test_second_stage_samples_kept_backbones_and_all_heads(run: Run) -> None:
    kept = Kept(((0, 0, 0, 0), (2, 1, 0, 2)), None)
    assert [len(group.options) for group in kept.groups(run.space)] == [2, 3, 3, 3, 3, 3]
    assert len(kept.architectures(run.space)) == 2 * 243


def test_best_by_all_objectives_are_kept_and_heads_are_ranked_by_their_mean(run: Run) -> None:
    scores: List[Tuple[Architecture, float]] = []
    for backbone, base in (((0, 0, 0, 0), 3.0), ((1, 0, 0, 0), 1.0), ((1, 1, 0, 0), 2.0)):
        scores += [(backbone + (0, 0, 0, 0, head), base + 0.1 * head) for head in range(3)]
    candidates = staged._rank_options(run, scores, slice(0, 4), 2)
    # (1, 1, 0, 0) is as slow as (1, 0, 0, 0) and worse: dominated. (0, 0, 0, 0) is worse still, but faster.
    assert [(candidate.options, candidate.kept) for candidate in candidates] == [
        ((1, 0, 0, 0), True), ((1, 1, 0, 0), False), ((0, 0, 0, 0), True),
    ]  # fmt: skip
    assert candidates[0].figures["epe"] == pytest.approx(1.1) and candidates[0].figures["fps"] == 90.0
    heads = staged._rank_options(run, scores, slice(4, None), 1)
    assert [head.options[-1] for head in heads if head.kept] == [0] and heads[0].figures["epe"] == pytest.approx(2.0)


def test_options_that_do_not_fit_the_memory_are_kept_last(run: Run) -> None:
    scores = [((option, 0, 0, 0, *HEADS), 3.0 - option) for option in range(3)]  # option 2: 130 KiB of 100
    candidates = staged._rank_options(run, scores, slice(0, 4), 2)
    kept = [candidate.options[0] for candidate in candidates if candidate.kept]
    assert sorted(kept) == [0, 1]


def test_architectures_without_a_finite_epe_are_left_out(run: Run) -> None:
    scores = [((0, 0, 0, 0, *HEADS), float("nan")), ((1, 0, 0, 0, *HEADS), 1.0)]
    candidates = staged._rank_options(run, scores, slice(0, 4), 2)
    assert [candidate.options for candidate in candidates] == [(1, 0, 0, 0)]
    with pytest.raises(InputError, match="no architecture has a finite EPE"):
        staged._rank_options(run, scores[:1], slice(0, 4), 2)


def test_weights_record_the_options_they_were_trained_for(run: Run) -> None:
    kept = Kept(((0, 0, 0, 0), (2, 1, 0, 2)), (HEADS,))
    weights = run.supernet_weights()
    with pytest.raises(InputError, match="was not trained through all stages"):
        staged.read_kept(run)
    unfinished = {"stage": Kept(kept.backbones, None).as_json(run.space)}
    checkpoint.save(run.supernet_file, weights, {"identity": unfinished})
    with pytest.raises(InputError, match="was not trained through all stages"):
        staged.read_kept(run)
    checkpoint.save(run.supernet_file, weights, {"identity": {"stage": kept.as_json(run.space)}})
    assert staged.read_kept(run) == kept


def test_table_lists_kept_and_discarded_options(run: Run, tmp_path: Path, capsys: Any) -> None:
    scores = [((option, 0, 0, 0, *HEADS), 3.0 - option) for option in range(3)]
    candidates = staged._rank_options(run, scores, slice(0, 4), 2)
    staged._write_table(tmp_path / "kept.csv", run.space, candidates)
    rows = [line.split(",")[:2] for line in (tmp_path / "kept.csv").read_text().splitlines()]
    assert rows == [["options", "kept"], ["2000", "0"], ["1000", "1"], ["0000", "1"]]
    staged._show_table(run.space, candidates, "Stage 1")
    assert "discarded" in capsys.readouterr().out


@pytest.mark.parametrize("digits, template", [(None, HEADS), ("01201", (0, 1, 2, 0, 1))])
def test_template_is_parsed(run: Run, digits: Optional[str], template: Architecture) -> None:
    assert staged._parse_template(run.space, digits) == template


@pytest.mark.parametrize("digits", ["0120", "01203"])
def test_template_of_a_different_space_is_rejected(run: Run, digits: str) -> None:
    with pytest.raises(InputError):
        staged._parse_template(run.space, digits)


def test_epochs_are_divided_among_the_stages(run: Run) -> None:
    for total in (3, 4, 5, 200):
        shares = [StagedConfig().epochs_of(stage, total) for stage in range(3)]
        assert sum(shares) == total and max(shares) - min(shares) <= 1
    assert [StagedConfig(epochs=[4, 2, 1]).epochs_of(stage, 100) for stage in range(3)] == [4, 2, 1]


def test_stages_pass_weights_on_and_are_not_trained_twice(run: Run, monkeypatch: Any) -> None:
    trained: List[Tuple[str, Optional[str]]] = []

    def train(self: Any, kept: Kept, weights: Any) -> Any:
        """Add one to the weights, so that the initial ones can be inferred."""
        trained.append((self.folder.name, None if weights is None else checkpoint.digest(weights)))
        start = run.supernet_weights() if weights is None else weights
        result = {name: np.asarray(value + 1, np.float32) for name, value in start.items()}
        identity = {"network": run.skeleton.digest(), "stage": kept.as_json(run.space)}
        checkpoint.save(self.folder / "best.h5", result, {"identity": identity})
        return result

    class Lock:
        def beat(self) -> None:
            pass

    def scores(self: Any, weights: Any, kept: Kept) -> List[Tuple[Architecture, float]]:
        return [(architecture, 9.0 - sum(architecture) / 10) for architecture in kept.architectures(run.space)]

    monkeypatch.setattr(staged.SearchPhase, "train", train)
    monkeypatch.setattr(staged.SearchPhase, "_score", scores)
    lock: Any = Lock()
    staged.train(run, None, lock)
    stages = [run.supernet_folder / f"stage{number}" / "best.h5" for number in (1, 2)]
    first, second = (checkpoint.digest(checkpoint.load(path)[0]) for path in stages)
    assert trained == [("stage1", None), ("stage2", first), ("supernet", second)]
    trained.clear()
    staged.train(run, None, lock)  # the third resumes by itself; the results of the first two are known
    assert trained == [("supernet", second)]


class Killed(BaseException):
    """Exception in place of a kill."""


class Beats:
    """A lock whose owner is killed, or receives a signal, at one of its heartbeats."""

    def __init__(self, last: int = -1, signum: Optional[int] = None) -> None:
        self.left, self._signum = last, signum

    def beat(self) -> None:
        self.left -= 1
        if self.left == 0:
            if self._signum is None:
                raise Killed
            os.kill(os.getpid(), self._signum)


@pytest.fixture
def few(tmp_path: Path, monkeypatch: Any) -> Run:
    """A run in a space of 18 architectures, trained in stages."""
    path = tmp_path / "three_genes.yaml"
    path.write_text(THREE_GENES)
    monkeypatch.setattr(Run, "cost_table", lambda self: (Table(), None))
    content = {**CONTENT, "strategy": "staged", "staged": {"backbones": 2, "heads": 3, "epochs": [2, 2, 1]}}
    content["space"] = str(path)
    content["data"] = {**CONTENT["data"], "train_pairs": 6}
    return Run(validate(content, Config, "test"), tmp_path / "whole")


def collect_results(run: Run) -> Dict[str, Any]:
    """Return all results of a training that must not depend on interruptions."""
    results: Dict[str, Any] = {}
    for folder in staged.stage_folders(run.supernet_folder):
        for name in ("last.h5", "best.h5"):
            tensors, _ = checkpoint.load(folder / name)
            results[f"{folder.name}/{name}"] = checkpoint.digest(tensors)
        for name in ("kept.csv", "fairness.json"):
            if (folder / name).exists():
                results[f"{folder.name}/{name}"] = (folder / name).read_text()
    return results


def test_interrupted_stages_end_bit_for_bit_like_uninterrupted_ones(few: Run) -> None:
    beats: Any = Beats()
    staged.train(few, None, beats)
    expected, count = collect_results(few), -1 - beats.left
    for number, folder in enumerate(staged.stage_folders(few.supernet_folder)):
        counts = json.loads((folder / "fairness.json").read_text())["counts"]
        assert len(counts) == (2, 3, 2)[number]
        for options in counts.values():  # a cycle has three paths
            assert max(options) - min(options) <= (len(options) != 3), (folder, counts)
    stopped = Run(few.config, few.folder.with_name("stopped"))
    places = [(count // 8, signal.SIGTERM), (count // 2, None), (count // 4, None)]
    for last, signum in places:
        lock: Any = Beats(last, signum)
        with pytest.raises((Killed, Interrupted)):
            staged.train(stopped, None, lock)
    staged.train(stopped, None, Beats())  # type: ignore[arg-type]
    assert collect_results(stopped) == expected
    assert len(staged.read_kept(stopped).architectures(stopped.space)) == 6
