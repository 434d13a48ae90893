import pytest

from edgeflownas.errors import InputError
from search.ranking.second_opinion import compare_data_sets

COSTS = {"fps": [10.0, 20.0, 30.0]}


def test_fronts_and_order_are_those_of_each_data_set() -> None:
    opinion = compare_data_sets(["2", "1", "0"], [1.0, 2.0, 3.0], [5.0, 6.0, 4.0], COSTS, ["epe", "fps"])
    assert [row["architecture"] for row in opinion.rows] == ["0", "2", "1"]
    assert [(row["on_front"], row["on_other_front"]) for row in opinion.rows] == [(1, 1), (1, 0), (1, 0)]
    assert opinion.figures["kendall_tau"].value == pytest.approx(-1 / 3)


def test_single_architecture_cannot_be_ranked() -> None:
    with pytest.raises(InputError, match="fewer than two architectures"):
        compare_data_sets(["2"], [1.0], [2.0], {"fps": [1.0]}, ["epe", "fps"])
