from pathlib import Path
from typing import List

import pytest

from edgeflownas.errors import InputError
from edgeflownas.storage.pairs import Identities
from search.ranking import rank
from search.ranking.truth import Truth
from search.report.images import section_png
from search.report.ranking import RankedRun, ranking_section
from tests.search.queue.small import small_run


def make_truth(*seeds: List[float]) -> Truth:
    return Truth.fit([{(number,): epe for number, epe in enumerate(seed)} for seed in seeds])


def test_clear_pairs_differ_by_more_than_the_noise() -> None:
    truth = make_truth([1.0, 1.1, 3.0, 3.1], [1.1, 1.02, 3.1, 3.02])  # noise about 0.07: two groups
    ranking = rank.rank_children(truth, Path("w.h5"), 3, True, [2.0, 1.0, 4.0, 3.0])
    assert ranking.clear_pairs == 4 and ranking.clear_tau == 1.0
    assert ranking.figures["kendall_tau"].value == pytest.approx(1 / 3)


def test_pairs_are_clearer_with_more_seeds() -> None:
    """The gaps are 1, 1 and 2 px. With two seeds, a gap of 0.98 px is clear; with one seed, it would be 1.39 px."""
    truth = make_truth([1.2, 1.6, 3.2], [0.8, 2.4, 2.8])
    assert truth.noise == pytest.approx(0.24**0.5) and truth.gap_noise[0, 1] == pytest.approx(0.24**0.5)
    assert rank.rank_children(truth, Path("w.h5"), 3, True, [1.0, 2.0, 3.0]).clear_pairs == 3


def test_scores_that_cannot_be_ranked_are_rejected() -> None:
    truth = make_truth([1.0, 2.0, 3.0])
    for epes, reason in (([1.0, float("nan"), 2.0], "not finite"), ([1.0, 1.0, 1.0], "the same EPE")):
        with pytest.raises(InputError, match=reason):
            rank.rank_children(truth, Path("w.h5"), None, True, epes)


def test_table_json_and_picture_are_complete(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    names = [run.space.parse(name) for name in ("000000000", "111111111", "222222222", "012012012")]
    truth = Truth.fit([dict(zip(names, [3.0, 2.0, 1.0, 2.5]))])
    epes = [3.0, 2.5, 1.0, 2.0]  # in the order of the digits
    rankings = [
        rank.rank_children(truth, Path(f"{epoch}.h5"), epoch, own, epes) for epoch in (1, 2) for own in (True, False)
    ]
    pairs: Identities = {"validation": {"pairs": 2, "names": "a", "contents": "b"}}
    content = rank.as_json(run.space, truth, rankings, 9.0, pairs)
    assert content["pairs"] == pairs
    first = content["rankings"][0]
    assert (content["n"], first["inversions"], first["kendall_tau"]["value"]) == (4, 1, pytest.approx(2 / 3))
    assert first["largest_inversions"] == [
        {"better": "222222222", "ranked_before_it": "111111111", "better_by": 1.0, "supernet_gap": 1.0}
    ]
    rank.write_table(tmp_path / "rank.csv", run.space, truth, rankings)
    lines = (tmp_path / "rank.csv").read_text().splitlines()
    assert lines[0] == "architecture,child,child 1,1.h5,1.h5 not recalibrated,2.h5,2.h5 not recalibrated"
    assert lines[2] == "012012012,2.5,2.5,2.5,2.5,2.5,2.5"
    section = ranking_section([RankedRun("run", run, content)])
    assert section is not None and len(section.charts) == 3
    assert section_png(section).startswith(b"\x89PNG")
