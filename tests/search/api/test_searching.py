from pathlib import Path
from typing import Any, Dict, Set

import numpy as np
import pytest

from edgeflownas.errors import InputError
from search import api
from search.nsga2.objectives import find_nondominated
from search.run import Run

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(ROOT)
    return api.open_run("demo", settings={"evolution.generations": 3, "evolution.population": 8})


def sum_error(architecture: str) -> float:
    """Return an error that falls with every heavier option, of the first genes most."""
    return 10 - sum(int(option) / (place + 1) for place, option in enumerate(architecture))


def test_asked_architectures_are_scored_once_and_the_front_is_theirs(run: Run) -> None:
    search = api.Search(run)
    asked: Set[str] = set()
    while search.ended is None:
        architectures = search.ask()
        assert architectures == search.ask(), "asking twice gives the same"
        assert not asked & set(architectures)
        asked |= set(architectures)
        search.tell({architecture: sum_error(architecture) for architecture in architectures})
    assert search.ended == "3 generations completed"
    table = search.table()
    assert set(table["architecture"]) == asked and len(asked) % 27 == 0
    np.testing.assert_allclose(table["epe"], [sum_error(text) for text in table["architecture"]])
    best = find_nondominated(np.stack([table["epe"], -table["fps"]], axis=1))
    assert set(search.front()["architecture"]) == set(table["architecture"][best])
    assert search.hypervolume() > 0


def test_search_with_a_seed_is_repeatable(run: Run) -> None:
    tables = []
    for seed in (5, 5, 6):
        search = api.Search(run, seed=seed)
        search.run(sum_error)
        tables.append(search.table()["architecture"].tolist())
    assert tables[0] == tables[1] != tables[2]


def test_own_costs_are_objectives_under_their_own_names(run: Run) -> None:
    def count_heavy(architecture: str) -> float:
        return 1.0 + architecture.count("2")

    costs: Dict[str, Any] = {"heavy": count_heavy, "first": lambda text: 1.0 + int(text[0])}
    search = api.Search(run, costs)
    search.run(sum_error)
    table, front = search.table(), search.front()
    assert list(table)[:4] == ["architecture", "epe", "heavy", "first"] and "fps" not in table
    assert table["heavy"].tolist() == [count_heavy(text) for text in table["architecture"]]
    points = np.stack([table["epe"], table["heavy"], table["first"]], axis=1)
    assert set(front["architecture"]) == set(table["architecture"][find_nondominated(points)])
    assert (np.diff(front["epe"]) >= 0).all()


def test_failed_architectures_are_not_on_the_front(run: Run) -> None:
    search = api.Search(run)
    search.tell({text: float("nan") if text[0] == "2" else sum_error(text) for text in search.ask()})
    table = search.table()
    assert np.isnan(table["epe"]).any() and not any(text[0] == "2" for text in search.front()["architecture"])


def test_wrong_use_is_refused(run: Run) -> None:
    search = api.Search(run)
    scores = dict.fromkeys(search.ask(), 1.0)
    first = next(iter(scores))
    del scores[first]
    with pytest.raises(InputError, match="1 of the asked architectures are missing, and 0 were not asked for"):
        search.tell(scores)
    search.tell({**scores, first: 1.0})
    with pytest.raises(InputError, match="a search has 1 to 3 own costs, not 0"):
        api.Search(run, {})
    with pytest.raises(InputError, match="costs: energy of 000000000 is -1.0, but must be finite and positive"):
        api.Search(run, {"energy": lambda text: -1.0})
    with pytest.raises(InputError, match="costs: epe has another meaning in tables"):
        api.Search(run, {"epe": lambda text: 1.0})
