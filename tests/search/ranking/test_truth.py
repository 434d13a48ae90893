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


def seed_of(epes: List[float]) -> EpeByArchitecture:
    return {(number,): epe for number, epe in enumerate(epes)}


def truth_of(*seeds: List[float]) -> Truth:
    return Truth.fit([seed_of(seed) for seed in seeds])


def queue_of(folder: Path, seed: int, epes: Dict[str, float], **queue: Any) -> Path:
    """The queue of a run of its own, with tasks of such architectures, that are done."""
    run = small_run(folder, **queue)
    run = Run(run.config.model_copy(update={"seed": seed}), folder / f"seed{seed}")
    found = SearchFigures(epe=None, fps=9.0, latency_ms=100.0, sram_kib=100.0, npu_cycles=1e6, source="predicted")
    made = write_queue(run, [make_task(run, name, "0" * 64, None, found) for name in epes], "list", False)
    for index, epe in enumerate(epes.values()):
        finish(made, index, epe)
    return made.paths.folder


def test_truth_is_what_the_queue_has_done(tmp_path: Path) -> None:
    queue = small_queue(tmp_path, size=4, warm_start=False)
    for index, epe in enumerate([4.0, 3.0, 2.0]):
        finish(queue, index, epe)
    run = small_run(tmp_path)
    truth = read_truth(run, [queue.paths.folder])
    names = [queue.task(index).config.architecture for index in range(3)]
    found = {run.space.format(each): epe for each, epe in zip(truth.architectures, truth.epe)}
    assert found == pytest.approx(dict(zip(names, [4.0, 3.0, 2.0])))
    assert truth.architectures == sorted(truth.architectures)
    assert truth.noise is truth.between_seeds is truth.attainable is None and truth.repeated == 0


def test_children_of_every_seed_count_with_their_mean() -> None:
    truth = truth_of([1.0, 2.0, 3.0], [1.5, 2.1, 3.9], [0.9, 2.6, 3.0])
    np.testing.assert_allclose(truth.epe, np.mean([[1.0, 2.0, 3.0], [1.5, 2.1, 3.9], [0.9, 2.6, 3.0]], 0))
    assert truth.repeated == 3


def test_children_of_one_seed_are_comparable_with_those_of_several() -> None:
    """The second seed makes everything worse by 2 px, which says nothing of the children that it has."""
    truth = Truth.fit([seed_of([1.0, 2.0, 3.0, 4.0]), {(0,): 3.0, (2,): 5.0}])
    np.testing.assert_allclose(truth.epe, np.array([1.0, 2.0, 3.0, 4.0]) + 1.0)
    assert truth.noise == pytest.approx(0, abs=1e-9) and truth.repeated == 2


def test_noise_is_what_seeds_change_for_each_and_not_for_all() -> None:
    rng = np.random.default_rng(0)
    quality, noise = rng.normal(5, 1, 400), 0.3
    first, second = (quality + offset + rng.normal(0, noise, 400) for offset in (0.0, 2.0))
    assert truth_of(first.tolist(), second.tolist()).noise == pytest.approx(noise, rel=0.1)
    assert truth_of(first.tolist(), (first + 2).tolist()).noise == pytest.approx(0, abs=1e-9)


def test_noise_of_a_whole_table_is_that_of_the_two_way_layout() -> None:
    table = np.random.default_rng(1).normal(size=(3, 8))
    rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    truth = truth_of(*table.tolist())
    assert truth.noise == pytest.approx(np.sqrt((rest**2).sum() / (2 * 7)))
    assert truth.gap_noise[0, 1] == pytest.approx(truth.noise * np.sqrt(2 / 3)) and truth.gap_noise[3, 3] == 0


def test_gaps_are_as_noisy_as_they_say_where_seeds_have_some_of_the_children() -> None:
    rng, quality, gaps, said = np.random.default_rng(2), np.arange(6.0), [], []
    for _ in range(2000):
        seeds = [seed_of((quality + offset + rng.normal(0, 0.5, 6)).tolist()) for offset in (0.0, 1.0, -3.0)]
        truth = Truth.fit([seeds[0], {each: seeds[1][each] for each in list(seeds[1])[:4]},
                          {each: seeds[2][each] for each in list(seeds[2])[1:4]}])  # fmt: skip
        gaps.append(truth.epe[[5, 5, 2]] - truth.epe[[4, 0, 1]])
        said.append(truth.gap_noise[[5, 5, 2], [4, 0, 1]] ** 2)
    np.testing.assert_allclose(np.mean(gaps, 0), [1, 5, 1], atol=0.1)
    np.testing.assert_allclose(np.var(gaps, 0), np.mean(said, 0), rtol=0.15)


def test_attainable_tau_is_that_of_a_perfect_prediction_and_more_than_that_between_seeds() -> None:
    rng = np.random.default_rng(3)
    said: List[Any] = []
    between: List[Any] = []
    reached = []
    for _ in range(60):
        quality = rng.normal(0, 1, 60)
        truth = truth_of(*((quality + rng.normal(0, 0.7, 60)).tolist() for _ in range(2)))
        said.append(truth.attainable)
        reached.append(kendalltau(quality, truth.epe).correlation)
        between.append(truth.between_seeds)
    assert np.mean(said) == pytest.approx(np.mean(reached), abs=0.03)
    assert np.mean(between) < np.mean(reached) - 0.1


def test_noise_larger_than_all_differences_leaves_nothing_to_attain() -> None:
    assert truth_of([1.0, 1.1, 1.2], [1.2, 1.1, 1.0]).attainable == 0.0


def test_between_seeds_is_over_the_children_that_both_have() -> None:
    seeds: List[EpeByArchitecture] = [seed_of([1.0, 2.0, 3.0]), {(0,): 5.0, (2,): 6.0}]
    assert Truth.fit(seeds).between_seeds == 1.0


EPES = {"000000000": 4.0, "111111111": 3.0, "222222222": 2.0}


def test_queues_of_other_seeds_make_the_truth_together(tmp_path: Path) -> None:
    others = {"111111111": 3.6, "000000000": 4.4, "012012012": 9.0}
    queues = [queue_of(tmp_path, 1, EPES), queue_of(tmp_path, 2, others)]
    truth = read_truth(small_run(tmp_path), queues)
    assert [len(seed) for seed in truth.seeds] == [3, 3] and len(truth.architectures) == 3
    np.testing.assert_allclose(truth.epe[:2], [4.2, 3.3])  # in the mean; the first seed is 0.25 below it
    np.testing.assert_allclose(truth.epe[2], 2.25)


@pytest.mark.parametrize(
    "seed, epes, changed, reason",
    [
        (1, EPES, {}, "the queues' seeds are 1, 1; name each once"),
        (2, {"000000000": 4.0, "012012012": 1.0}, {}, "1 of its trained children are trained in queue .*seed1"),
        (2, EPES, {"train": {"epochs": 3, "batch_size": 2}}, "have another train than those of queue .*seed1"),
    ],
)
def test_queues_that_tell_no_noise_are_refused(
    tmp_path: Path, seed: int, epes: Dict[str, float], changed: Dict[str, Any], reason: str
) -> None:
    first = queue_of(tmp_path / "a", 1, EPES)
    second = queue_of(tmp_path / "b", seed, epes, **changed)
    with pytest.raises(InputError, match=reason):
        read_truth(small_run(tmp_path), [first, second])


def test_children_scored_on_other_data_than_the_supernet_are_told(tmp_path: Path, capfd: Any) -> None:
    folder = queue_of(tmp_path, 1, EPES)
    run = small_run(tmp_path)
    read_truth(run, [folder])
    assert "another" not in capfd.readouterr().err
    other = run.config.data.model_copy(update={"seed": 9})
    read_truth(Run(run.config.model_copy(update={"data": other}), run.folder), [folder])
    assert "its children have another data than run" in capfd.readouterr().err


def test_too_few_children_are_no_ranking(tmp_path: Path) -> None:
    queue = small_queue(tmp_path, size=4, warm_start=False)
    finish(queue, 0, 4.0)
    finish(queue, 1, 3.0)
    with pytest.raises(InputError, match="2 children are trained"):
        read_truth(small_run(tmp_path), [queue.paths.folder])


def test_children_that_began_with_shared_weights_are_refused(tmp_path: Path) -> None:
    queue = small_queue(tmp_path, size=3)
    finish(queue, 1, 3.0)
    with pytest.raises(InputError, match="no independent truth"):
        read_truth(small_run(tmp_path), [queue.paths.folder])


def test_a_result_of_another_child_is_refused(tmp_path: Path) -> None:
    folder = queue_of(tmp_path, 1, EPES)
    first, second = (Queue(folder).task(index).paths.result for index in (0, 1))
    first.write_bytes(second.read_bytes())
    with pytest.raises(InputError, match="result.json: is of 111111111, not of 000000000; restore it"):
        read_truth(small_run(tmp_path), [folder])
