from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import h5py
import numpy as np
import pytest

from benchmarks.strategies import summarize
from benchmarks.strategies_plots import plot_scatter, plot_trend
from benchmarks.strategies_runs import Children
from edgeflownas.errors import InputError
from edgeflownas.storage import checkpoint
from edgeflownas.storage.files import write_json, write_text
from search.queue.build import make_task, write_queue
from search.queue.task import SearchFigures
from search.ranking import rank
from search.ranking.truth import Truth
from search.run import Run
from tests.search.queue.small import finish, small_run

# EPE and FPS: 222222222, 111111111 and 000000000 are the front, 012012012 is dominated.
TRUE = {
    "000000000": (4.0, 90.0), "111111111": (3.0, 60.0), "222222222": (1.0, 10.0), "012012012": (3.5, 50.0)
}  # fmt: skip
NAMES = sorted(TRUE)
EPE = [TRUE[name][0] for name in NAMES]
KEPT = {"backbones": ["0000", "0120"], "heads": ["00000"]}


def create_run(folder: Path, seed: int, **train: Any) -> Run:
    run = small_run(folder.parent)
    config = run.config.model_copy(
        update={"seed": seed, "supernet": None, "train": run.config.train.model_copy(update=train)}
    )
    run = Run(config, folder)
    run.write_config()
    return run


def create_children(folder: Path, seed: int, shift: Dict[str, float]) -> Path:
    """Create a run of C whose children have their true EPEs, some of them shifted."""
    run = create_run(folder, seed)
    tasks = []
    for name, (_, fps) in TRUE.items():
        figures = SearchFigures(epe=None, fps=fps, latency_ms=1.0, sram_kib=1.0, npu_cycles=1.0, source="predicted")
        tasks.append(make_task(run, name, "0" * 64, None, figures))
    queue = write_queue(run, tasks, "fair_sample", False)
    for index, (name, (epe, _)) in enumerate(TRUE.items()):
        finish(queue, index, epe + shift.get(name, 0.0))
    return folder


def create_supernet(folder: Path, seed: int, epes: Sequence[Tuple[int, bool, List[float]]], **train: Any) -> Path:
    """Create a run of a supernet with rankings computed with another truth."""
    run = create_run(folder, seed, **train)
    truth = Truth.fit([dict(zip(map(run.space.parse, NAMES), EPE))])
    rankings = [rank.rank_children(truth, Path(f"{epoch}.h5"), epoch, own, epe) for epoch, own, epe in epes]
    write_json(run.rank_file, rank.as_json(run.space, truth, rankings, 9.0))
    lines = "".join(f"{epoch},{10 * epoch},1.0,1.0,0.5,{7.0 * epoch}\n" for epoch in (1, 2))
    write_text(run.supernet_folder / "log.csv", "epoch,steps,loss,epe,share,wall_s\n" + lines)
    return folder


RIGHT, WRONG = EPE, [1.0, 2.0, 3.0, 4.0]  # the second selects only 000000000


@pytest.fixture
def runs(tmp_path: Path) -> Dict[str, List[Path]]:
    both = [(1, True, WRONG), (1, False, WRONG), (2, True, RIGHT), (2, False, WRONG)]
    return {
        "strict": [create_supernet(tmp_path / f"a{seed}", seed, both) for seed in (1, 2)],
        "uniform": [create_supernet(tmp_path / "u", 1, [(2, True, WRONG)], sampling="uniform")],
    }


def test_selection_of_a_supernet_is_evaluated_by_the_truth(tmp_path: Path, runs: Dict[str, List[Path]]) -> None:
    summary, _, _ = summarize([create_children(tmp_path / "c", 1, {})], runs)
    rows = {(row["strategy"], row["seed"]): row for row in summary["strategies"]}
    assert list(rows) == [("A", 1), ("A", 2), ("A, uniform", 1), ("C", 1)]
    front = ["222222222", "111111111", "000000000"]
    assert rows["A", 1]["front"] == rows["C", 1]["front"] == summary["truth"]["front"] == front
    assert rows["C", 1]["share"] == 1
    uniform = rows["A, uniform", 1]
    assert uniform["front"] == ["000000000"]
    assert rows["A", 1]["tau"]["value"] == pytest.approx(1.0) and rows["C", 1]["tau"] is None
    assert rows["C", 1]["train_s"] == 8.0 and rows["A", 1]["train_s"] == 14.0 and rows["A", 1]["search_s"] is None
    # The reference point is EPE 4 and 10 FPS, the worst: 000000000 and 222222222 have no hypervolume.
    assert uniform["share"] == 0 < summary["random"]["share"] < 1


def test_taus_of_seeds_have_mean_and_deviation_with_and_without_recalibration(
    tmp_path: Path, runs: Dict[str, List[Path]]
) -> None:
    runs["strict"].append(create_supernet(tmp_path / "a3", 3, [(2, True, WRONG)]))
    summary, _, _ = summarize([create_children(tmp_path / "c", 1, {})], runs)
    ranking = rank.rank_children(Truth.fit([{(i,): epe for i, epe in enumerate(EPE)}]), Path(), 1, True, WRONG)
    wrong = ranking.figures["kendall_tau"].value
    strict = summary["tau"]["strict"]
    assert [tau["value"] for tau in strict["recalibrated"]["seeds"]] == pytest.approx([1, 1, wrong])
    assert strict["recalibrated"]["mean"] == pytest.approx(np.mean([1, 1, wrong]))
    assert strict["recalibrated"]["deviation"] == pytest.approx(np.std([1, 1, wrong], ddof=1))
    assert [tau["value"] for tau in strict["not_recalibrated"]["seeds"]] == pytest.approx([wrong, wrong])
    assert summary["tau"]["uniform"]["recalibrated"]["deviation"] is None
    assert "not_recalibrated" not in summary["tau"]["uniform"]


def test_truth_is_the_mean_over_seeds_and_c_selects_by_one(tmp_path: Path, runs: Dict[str, List[Path]]) -> None:
    """The dominated child looks good with seed 1, but not with seed 2."""
    shifts = {"c": {"012012012": -1.0}, "c2": {"012012012": 1.0}}
    queues = [create_children(tmp_path / name, seed, shifts[name]) for seed, name in enumerate(shifts, 1)]
    summary, _, truth = summarize(queues, runs)
    assert dict(zip(NAMES, truth.epe)) == pytest.approx(dict(zip(NAMES, EPE)))
    assert summary["truth"]["seeds"] == 2 and summary["noise"]["px"] > 0 and summary["noise"]["n"] == 4
    own = summary["strategies"][-1]
    assert own["front"] == ["222222222", "111111111", "012012012", "000000000"] and own["share"] == 1


def test_row_of_b_has_the_time_of_all_stages_and_the_number_of_kept_children(tmp_path: Path) -> None:
    folder = create_supernet(tmp_path / "b", 1, [(2, True, RIGHT)])
    run = create_run(folder, 1)
    run = Run(run.config.model_copy(update={"strategy": "staged"}), folder)
    run.write_config()
    log = (run.supernet_folder / "log.csv").read_text()
    for number in (1, 2):
        write_text(run.supernet_folder / f"stage{number}" / "log.csv", log)
    weights = small_run(tmp_path).supernet_weights()
    checkpoint.save(run.supernet_file, weights, {"identity": {"stage": KEPT}})
    with h5py.File(str(run.search_file), "w") as file:
        for number, seconds in enumerate((3.0, 5.5)):
            file.create_group(f"generations/{number:04d}").attrs["wall_s"] = seconds
    summary, supernets, _ = summarize([create_children(tmp_path / "c", 1, {})], {"staged": [folder]})
    row = summary["strategies"][0]
    assert (row["strategy"], row["train_s"], row["search_s"], row["children_kept"]) == ("B", 42.0, 5.5, 1)
    assert supernets["staged"][0].paths == {1: 3 * 50, 2: 3 * 60}


def test_number_of_paths_depends_on_the_sampling(tmp_path: Path, runs: Dict[str, List[Path]]) -> None:
    _, supernets, _ = summarize([create_children(tmp_path / "c", 1, {})], runs)
    assert supernets["strict"][0].paths == {1: 30, 2: 60} and supernets["uniform"][0].paths == {1: 10, 2: 20}


def test_ranking_of_different_children_is_rejected(tmp_path: Path, runs: Dict[str, List[Path]]) -> None:
    children = [create_children(tmp_path / "c", 1, {})]
    path = runs["uniform"][0] / "rank.json"
    write_text(path, path.read_text().replace("222222222", "222222221"))
    with pytest.raises(InputError, match="rank.json: is damaged, or does not contain all .*; create it with `rank`"):
        summarize(children, runs)
    path.unlink()
    with pytest.raises(InputError, match="rank.json: cannot be read"):
        summarize(children, runs)


def test_random_orders_are_between_right_and_wrong_ones(tmp_path: Path) -> None:
    folder = create_children(tmp_path / "c", 1, {})
    run = Run.open(folder / "config.yaml", folder)
    known = Children(run, Truth.fit([dict(zip(map(run.space.parse, NAMES), EPE))]))
    right, wrong = (known.evaluate_selection(np.array(epe)) for epe in (EPE, WRONG))
    random = known.evaluate_random_selections()
    for name, value in random.items():
        assert right[name] == 1 > value > wrong[name]
    # Selects only the children with the best EPE and the best FPS.
    ends = known.evaluate_selection(np.array([4.0, 9.0, 9.0, 1.0]))
    assert ends["front"] == ["222222222", "000000000"] and ends["share"] == 0


def test_plots_are_written(tmp_path: Path, runs: Dict[str, List[Path]]) -> None:
    queues = [create_children(tmp_path / "c", 1, {}), create_children(tmp_path / "c2", 2, {"012012012": 1.0})]
    _, supernets, truth = summarize(queues, runs)
    plot_scatter(tmp_path / "scatter.png", truth, supernets)
    plot_trend(tmp_path / "trend.png", supernets)
    for name in ("scatter.png", "trend.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
