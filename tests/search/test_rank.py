from pathlib import Path
from typing import Dict, List

import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.space import Architecture
from search import rank
from search.queue.queue import Queue
from search.rank import Truth
from tests.search.queue.small import finish, small_queue, small_run


def trained(queue: Queue, epes: List[float]) -> None:
    """The first tasks are done."""
    for index, epe in enumerate(epes):
        finish(queue, index, epe)


def truth_of(*seeds: List[float]) -> Truth:
    names = [(number,) for number in range(len(seeds[0]))]
    return Truth(list(names), np.array(seeds[0]), [dict(zip(names, seed)) for seed in seeds])


def test_truth_is_what_the_first_queue_has_done(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    queue = small_queue(tmp_path, size=4, warm_start=False)
    trained(queue, [4.0, 3.0, 2.0])
    truth = rank.read_truth(run.space, [queue.paths.folder])
    names = [queue.task(index).config.architecture for index in range(3)]
    assert {run.space.format(each): epe for each, epe in zip(truth.architectures, truth.epe)} == dict(
        zip(names, [4.0, 3.0, 2.0])
    )
    assert truth.noise is None and truth.between_seeds is None and truth.repeated == 0


def test_too_few_children_are_no_ranking(tmp_path: Path) -> None:
    queue = small_queue(tmp_path, size=4, warm_start=False)
    trained(queue, [4.0, 3.0])
    with pytest.raises(InputError, match="2 children are trained"):
        rank.read_truth(small_run(tmp_path).space, [queue.paths.folder])


def test_children_that_began_with_shared_weights_are_refused(tmp_path: Path) -> None:
    queue = small_queue(tmp_path, size=3)
    trained(queue, [4.0, 3.0, 2.0])
    with pytest.raises(InputError, match="no independent truth"):
        rank.read_truth(small_run(tmp_path).space, [queue.paths.folder])


def test_noise_is_what_seeds_change_for_each_and_not_for_all() -> None:
    rng = np.random.default_rng(0)
    quality, noise = rng.normal(5, 1, 4000), 0.3
    first, second = (quality + offset + rng.normal(0, noise, 4000) for offset in (0.0, 2.0))
    assert truth_of(first.tolist(), second.tolist()).noise == pytest.approx(noise, rel=0.05)
    assert truth_of(first.tolist(), (first + 2).tolist()).noise == pytest.approx(0, abs=1e-9)


def test_only_children_that_every_seed_has_tell_the_noise() -> None:
    seeds: List[Dict[Architecture, float]] = [{(0,): 1.0, (1,): 2.0, (2,): 3.0}, {(0,): 5.0, (2,): 6.0}]
    truth = Truth([(0,), (1,), (2,)], np.array([1.0, 2.0, 3.0]), seeds)
    assert truth.repeated == 2 and truth.between_seeds == 1.0


def test_clear_pairs_are_those_beyond_the_noise() -> None:
    truth = truth_of([1.0, 1.1, 3.0, 3.1], [1.1, 1.0, 3.1, 3.0])  # noise about 0.08: only the two groups are apart
    found = rank.ranked(truth, Path("w.h5"), 3, True, [2.0, 1.0, 4.0, 3.0])
    assert found.clear_pairs == 4 and found.clear_tau == 1.0
    assert found.figures["kendall_tau"].value == pytest.approx(1 / 3)


def test_scores_that_rank_nothing_are_refused() -> None:
    truth = truth_of([1.0, 2.0, 3.0])
    for epes, reason in (([1.0, float("nan"), 2.0], "not finite"), ([1.0, 1.0, 1.0], "the same EPE")):
        with pytest.raises(InputError, match=reason):
            rank.ranked(truth, Path("w.h5"), None, True, epes)


def test_table_and_json_hold_everything(tmp_path: Path) -> None:
    from search.rank_plot import plot

    run = small_run(tmp_path)
    names = [run.space.parse(name) for name in ("000000000", "111111111", "222222222", "012012012")]
    truth = Truth(names, np.array([3.0, 2.0, 1.0, 2.5]), [dict(zip(names, [3.0, 2.0, 1.0, 2.5]))])
    epes = [3.0, 1.0, 2.0, 2.5]
    rankings = [
        rank.ranked(truth, Path(f"{epoch}.h5"), epoch, own, epes) for epoch in (1, 2) for own in (True, False)
    ]
    content = rank.as_json(run.space, truth, rankings, 9.0)
    first = content["rankings"][0]
    assert (content["n"], first["inversions"], first["kendall_tau"]["value"]) == (4, 1, pytest.approx(2 / 3))
    assert first["largest_inversions"] == [
        {"better": "222222222", "ranked_before_it": "111111111", "better_by": 1.0, "supernet_gap": 1.0}
    ]
    rank.write_table(tmp_path / "rank.csv", run.space, truth, rankings)
    lines = (tmp_path / "rank.csv").read_text().splitlines()
    assert lines[0] == "architecture,child 1,1.h5,1.h5 not recalibrated,2.h5,2.h5 not recalibrated"
    assert lines[2] == "111111111,2.0,1.0,1.0,1.0,1.0"
    plot(tmp_path / "rank.png", truth, rankings)
    assert (tmp_path / "rank.png").read_bytes().startswith(b"\x89PNG")
