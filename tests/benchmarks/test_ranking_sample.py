import sys

import h5py
import numpy as np

from benchmarks.ranking_sample import choose_spread, main
from edgeflownas.config import load
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.space import Space


def test_spread_sample_has_even_distances_and_both_ends():
    """EPEs are dense near 1 px, so evenly spaced ranks would miss most of the range."""
    epe = np.concatenate([np.linspace(1.0, 1.1, 200), np.linspace(1.1, 2.0, 19)[1:]])
    architectures = [(index,) for index in range(len(epe))]
    chosen = choose_spread(architectures, epe, 11)
    np.testing.assert_allclose(epe[[index for index, in chosen]], np.linspace(1, 2, 11), atol=0.03)


def test_spread_sample_excludes_given_architectures_and_repeats_none():
    architectures, epe = [(0,), (1,), (2,), (3,)], np.array([1.0, 1.0, 1.0, 2.0])
    assert sorted(choose_spread(architectures, epe, 3, [(1,)])) == [(0,), (2,), (3,)]


def test_both_configurations_can_be_run_as_queues(tmp_path, monkeypatch):
    """The fair sample has equally frequent options, and no architecture is in both samples."""
    space = Space.from_skeleton(default_skeleton(4))
    rng = np.random.default_rng(0)
    genes = np.array(list({space.sample(rng) for _ in range(200)}))
    with h5py.File(str(tmp_path / "space.h5"), "w") as file:
        file["archive/genes"], file["archive/epe"] = genes.astype(np.uint8), genes.sum(1) + rng.random(len(genes))
    arguments = ["--config", "configs/tiny.yaml", "--space", str(tmp_path / "space.h5"), "--fair", "6", "--spread", "4"]
    monkeypatch.setattr(sys, "argv", ["ranking_sample", *arguments, "--folder", str(tmp_path / "truth")])
    main()
    fair, spread = (load(tmp_path / "truth" / f"{name}.yaml") for name in ("fair", "spread"))
    assert fair.strategy == spread.strategy == "independent"
    names = fair.independent.architectures, spread.independent.architectures
    assert [len(sample) for sample in names] == [6, 4] and not set(names[0]) & set(names[1])
    for digits in zip(*names[0]):
        assert sorted(digits) == ["0", "0", "1", "1", "2", "2"]
