from pathlib import Path
from typing import Any, Dict, List

import numpy as np
import pytest
from scipy.stats import kendalltau

from edgeflownas.errors import InputError
from search.queue.build import make_task, write_queue
from search.queue.queue import Queue
from search.queue.task import SearchFigures
from search.ranking.truth import EpeByArchitecture, Truth, read_truth
from search.run import Run
from tests.search.queue.small import finish, small_queue, small_run


def make_seed(epes: List[float]) -> EpeByArchitecture:
    return {(number,): epe for number, epe in enumerate(epes)}


def make_truth(*seeds: List[float]) -> Truth:
    return Truth.fit([make_seed(seed) for seed in seeds])


def make_queue(folder: Path, seed: int, epes: Dict[str, float], **settings: Any) -> Path:
    """Return the queue of a new run with finished tasks for the given architectures."""
    run = small_run(folder, **settings)
    run = Run(run.config.model_copy(update={"seed": seed}), folder / f"seed{seed}")
    figures = SearchFigures(epe=None, fps=9.0, latency_ms=100.0, sram_kib=100.0, npu_cycles=1e6, source="predicted")
    queue = write_queue(run, [make_task(run, name, "0" * 64, None, figures) for name in epes], "list", False)
    for index, epe in enumerate(epes.values()):
        finish(queue, index, epe)
    return queue.paths.folder


def test_truth_consists_of_the_finished_tasks(tmp_path: Path) -> None:
    queue = small_queue(tmp_path, size=4, warm_start=False)
    for index, epe in enumerate([4.0, 3.0, 2.0]):
        finish(queue, index, epe)
    run = small_run(tmp_path)
    truth = read_truth(run, [queue.paths.folder])
    names = [queue.task(index).config.architecture for index in range(3)]
    epes = {run.space.format(child): epe for child, epe in zip(truth.architectures, truth.epe)}
    assert epes == pytest.approx(dict(zip(names, [4.0, 3.0, 2.0])))
    assert truth.architectures == sorted(truth.architectures)
    assert truth.noise is truth.tau_between_seeds is truth.attainable_tau is None and truth.repeated == 0


def test_children_with_all_seeds_have_their_mean_epe() -> None:
    truth = make_truth([1.0, 2.0, 3.0], [1.5, 2.1, 3.9], [0.9, 2.6, 3.0])
    np.testing.assert_allclose(truth.epe, np.mean([[1.0, 2.0, 3.0], [1.5, 2.1, 3.9], [0.9, 2.6, 3.0]], 0))
    assert truth.repeated == 3


def test_children_with_one_seed_are_comparable_with_those_with_several() -> None:
    """The offset of the second seed is 2 px, which does not affect the comparison of the children."""
    truth = Truth.fit([make_seed([1.0, 2.0, 3.0, 4.0]), {(0,): 3.0, (2,): 5.0}])
    np.testing.assert_allclose(truth.epe, np.array([1.0, 2.0, 3.0, 4.0]) + 1.0)
    assert truth.noise == pytest.approx(0, abs=1e-9) and truth.repeated == 2


def test_noise_excludes_the_offsets_of_seeds() -> None:
    rng = np.random.default_rng(0)
    quality, noise = rng.normal(5, 1, 400), 0.3
    first, second = (quality + offset + rng.normal(0, noise, 400) for offset in (0.0, 2.0))
    assert make_truth(first.tolist(), second.tolist()).noise == pytest.approx(noise, rel=0.1)
    assert make_truth(first.tolist(), (first + 2).tolist()).noise == pytest.approx(0, abs=1e-9)


def test_noise_of_a_complete_table_matches_the_two_way_layout() -> None:
    table = np.random.default_rng(1).normal(size=(3, 8))
    residuals = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    truth = make_truth(*table.tolist())
    assert truth.noise == pytest.approx(np.sqrt((residuals**2).sum() / (2 * 7)))
    assert truth.gap_noise[0, 1] == pytest.approx(truth.noise * np.sqrt(2 / 3)) and truth.gap_noise[3, 3] == 0


def test_gap_noise_is_correct_if_seeds_have_only_some_of_the_children() -> None:
    rng, quality, gaps, expected = np.random.default_rng(2), np.arange(6.0), [], []
    for _ in range(2000):
        seeds = [make_seed((quality + offset + rng.normal(0, 0.5, 6)).tolist()) for offset in (0.0, 1.0, -3.0)]
        truth = Truth.fit([seeds[0], {child: seeds[1][child] for child in list(seeds[1])[:4]},
                          {child: seeds[2][child] for child in list(seeds[2])[1:4]}])  # fmt: skip
        gaps.append(truth.epe[[5, 5, 2]] - truth.epe[[4, 0, 1]])
        expected.append(truth.gap_noise[[5, 5, 2], [4, 0, 1]] ** 2)
    np.testing.assert_allclose(np.mean(gaps, 0), [1, 5, 1], atol=0.1)
    np.testing.assert_allclose(np.var(gaps, 0), np.mean(expected, 0), rtol=0.15)


def test_attainable_tau_is_that_of_a_perfect_prediction_and_exceeds_that_between_seeds() -> None:
    rng = np.random.default_rng(3)
    attainable: List[Any] = []
    between: List[Any] = []
    reached = []
    for _ in range(60):
        quality = rng.normal(0, 1, 60)
        truth = make_truth(*((quality + rng.normal(0, 0.7, 60)).tolist() for _ in range(2)))
        attainable.append(truth.attainable_tau)
        reached.append(kendalltau(quality, truth.epe).correlation)
        between.append(truth.tau_between_seeds)
    assert np.mean(attainable) == pytest.approx(np.mean(reached), abs=0.03)
    assert np.mean(between) < np.mean(reached) - 0.1


def test_attainable_tau_is_zero_if_the_noise_exceeds_all_differences() -> None:
    assert make_truth([1.0, 1.1, 1.2], [1.2, 1.1, 1.0]).attainable_tau == 0.0


def test_tau_between_seeds_uses_the_common_children() -> None:
    seeds: List[EpeByArchitecture] = [make_seed([1.0, 2.0, 3.0]), {(0,): 5.0, (2,): 6.0}]
    assert Truth.fit(seeds).tau_between_seeds == 1.0


EPES = {"000000000": 4.0, "111111111": 3.0, "222222222": 2.0}


def test_queues_of_several_seeds_form_the_truth(tmp_path: Path) -> None:
    others = {"111111111": 3.6, "000000000": 4.4, "012012012": 9.0}
    queues = [make_queue(tmp_path, 1, EPES), make_queue(tmp_path, 2, others)]
    truth = read_truth(small_run(tmp_path), queues)
    assert [len(seed) for seed in truth.seeds] == [3, 3] and len(truth.architectures) == 3
    np.testing.assert_allclose(truth.epe[:2], [4.2, 3.3])  # the mean; the offset of the first seed is -0.25
    np.testing.assert_allclose(truth.epe[2], 2.25)


@pytest.mark.parametrize(
    "seed, epes, changed, reason",
    [
        (1, EPES, {}, "the queues' seeds are 1, 1; name one queue per seed"),
        (2, {"000000000": 4.0, "012012012": 1.0}, {}, "1 of its trained children are also trained in queue .*seed1"),
        (2, EPES, {"train": {"epochs": 3, "batch_size": 2}}, "differ in train from those of queue .*seed1"),
    ],
)
def test_queues_that_do_not_show_noise_are_rejected(
    tmp_path: Path, seed: int, epes: Dict[str, float], changed: Dict[str, Any], reason: str
) -> None:
    first = make_queue(tmp_path / "a", 1, EPES)
    second = make_queue(tmp_path / "b", seed, epes, **changed)
    with pytest.raises(InputError, match=reason):
        read_truth(small_run(tmp_path), [first, second])


def test_children_scored_on_different_data_are_reported(tmp_path: Path, capfd: Any) -> None:
    folder = make_queue(tmp_path, 1, EPES)
    run = small_run(tmp_path)
    read_truth(run, [folder])
    assert "differ in" not in capfd.readouterr().err
    other = run.config.data.model_copy(update={"seed": 9})
    read_truth(Run(run.config.model_copy(update={"data": other}), run.folder), [folder])
    assert "its children differ in data from run" in capfd.readouterr().err


def test_too_few_children_are_rejected(tmp_path: Path) -> None:
    queue = small_queue(tmp_path, size=4, warm_start=False)
    finish(queue, 0, 4.0)
    finish(queue, 1, 3.0)
    with pytest.raises(InputError, match="2 children are trained"):
        read_truth(small_run(tmp_path), [queue.paths.folder])


def test_children_that_started_from_shared_weights_are_rejected(tmp_path: Path) -> None:
    queue = small_queue(tmp_path, size=3)
    finish(queue, 1, 3.0)
    with pytest.raises(InputError, match="not an independent truth"):
        read_truth(small_run(tmp_path), [queue.paths.folder])


def test_result_of_a_different_child_is_rejected(tmp_path: Path) -> None:
    folder = make_queue(tmp_path, 1, EPES)
    first, second = (Queue(folder).task(index).paths.result for index in (0, 1))
    first.write_bytes(second.read_bytes())
    with pytest.raises(InputError, match="result.json: belongs to 111111111, not to 000000000; restore the file"):
        read_truth(small_run(tmp_path), [folder])
