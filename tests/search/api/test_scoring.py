from pathlib import Path

import pytest

from search import api

ROOT = Path(__file__).parents[3]


def test_scores_are_those_of_the_enumeration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    table = api.read_scores("results/reference/demo/space.h5").table()
    stored = dict(zip(table["architecture"], table["epe"]))
    scores = api.score(api.open_run("demo"), ["210012001", "000000000"])
    assert list(scores) == ["210012001", "000000000"]
    for architecture, epe in scores.items():
        assert epe == pytest.approx(stored[architecture], rel=1e-5), "the stacks differ in the last digits"
