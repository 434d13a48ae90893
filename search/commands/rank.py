"""``rank``: the agreement of a supernet's ranking with that of children trained from scratch."""

import csv
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import click
import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgeflownas.config import DataConfig
from edgeflownas.errors import InputError
from edgeflownas.progress import phase, progress, say
from edgeflownas.storage import checkpoint
from edgeflownas.storage.files import replacing, write_csv, write_json
from edgeflownas.storage.pairs import Identities
from edgeflownas.terminal import open_console, print_table
from edgeflownas.wording import format_count
from search.commands.options import PathOption, data_options, json_option, print_json, run_options
from search.nsga2.scoring import COST_FIGURES
from search.ranking import rank
from search.ranking.agreement import Figure
from search.ranking.rank import Ranking
from search.ranking.second_opinion import SecondOpinion, compare_data_sets
from search.ranking.truth import Truth, read_truth
from search.report.ranking import RankedRun, ranking_section
from search.run import SCORING_THREADS, Run
from search.weights import WeightsOrigin


@click.command()
@click.argument("architectures", metavar="[ARCH]...", nargs=-1)
@data_options
@run_options
@click.option(
    "--children",
    multiple=True,
    type=PathOption(),
    help="Queue of architectures trained from scratch (children). Repeat the option for queues of the same "
    "children with different seeds. The truth is then their mean EPE, and the noise their differences. Default: the "
    "queue of the run.",
)
@click.option(
    "--weights",
    "files",
    multiple=True,
    type=PathOption(),
    help="Weights of the supernet to compare. Default: those of the run, and those kept by train.keep_every.",
)
@click.option(
    "--without-recalibration", is_flag=True, help="Also score with BN statistics that all architectures share."
)
@json_option
def command(
    run: Run,
    architectures: Tuple[str, ...],
    other_data: Optional[DataConfig],
    children: Sequence[Path],
    files: Sequence[Path],
    without_recalibration: bool,
    as_json: bool,
) -> None:
    """Compare the supernet's EPEs with those of the same architectures trained from scratch.

    The results are written to the run folder. rank.json contains Kendall's tau, Spearman's rho, Pearson's r and the
    overlap of the best quarter, each with a bootstrap interval. rank.csv contains the EPEs, and rank.png a plot.

    With --data, compare the supernet's EPEs on the run's data with those on a different data set instead, for the front
    or for the named architectures. Whole images are resized to the size of the run. The results are written to
    second_opinion.json and second_opinion.csv.
    """
    if other_data is not None:
        if children or files or without_recalibration:
            raise click.UsageError("--data compares two data sets; leave out the options for children and weights")
        _compare_data(run, list(architectures), other_data, as_json)
        return
    if architectures:
        raise click.UsageError("architectures are named together with --data")
    truth = read_truth(run, children or [run.queue_folder])
    paths = list(files) or _default_weights(run)
    for path in paths:  # before any long work
        run.load_weights(path)
    rankings, zero, pairs = _score_children(run, truth, paths, without_recalibration)
    from search.report.images import section_png

    result = rank.as_json(run.space, truth, rankings, zero, pairs)
    for ranking in result["rankings"]:
        path = Path(ranking["weights"])
        ranking.update(run.origin(path, run.load_weights(path)).record())
    rank.write_table(run.rank_file.with_suffix(".csv"), run.space, truth, rankings)
    section = ranking_section([RankedRun(run.folder.name, run, result)])
    assert section is not None
    with replacing(run.rank_file.with_suffix(".png")) as picture:
        picture.write_bytes(section_png(section))
    write_json(run.rank_file, result)
    if as_json:
        print_json(result)
    else:
        _print(run, result)


def _compare_data(run: Run, names: List[str], other: DataConfig, as_json: bool) -> None:
    """Score architectures with the supernet on the data of the run and on another data set, and compare the orders."""
    costs = _read_front(run)
    names = names or list(costs)
    if not names:
        raise InputError(f"{run.front_file}: has no architecture; search first, with `evolve`, or name architectures")
    if not set(names) <= set(costs):
        table, _ = run.cost_table()
        predicted = {name: table.cost(run.space.parse(name)) for name in names}
        costs = {name: {key: getattr(cost, key) for key in COST_FIGURES} for name, cost in predicted.items()}
    weights = run.supernet_weights()
    epes = _score_on_both(run, names, weights, other)
    columns = {key: [costs[name][key] for name in names] for key in COST_FIGURES}
    opinion = compare_data_sets(names, *epes, columns, run.config.evolution.objectives)
    path = run.folder / "second_opinion.csv"
    write_csv(path, opinion.rows)
    result = {
        "data": other.model_dump(),
        **run.origin(run.supernet_file, weights).record(),
        "n": len(names),
        **{name: figure._asdict() for name, figure in opinion.figures.items()},
        "architectures": opinion.rows,
    }
    write_json(path.with_suffix(".json"), result)
    if as_json:
        print_json(result)
        return
    console = open_console()
    print_table(_render_opinion(opinion, other), console)
    for name, figure in opinion.figures.items():
        say(f"{name.replace('_', ' ')}: {figure} (n = {len(names)})", console)
    say(f"Written to {path} and {path.with_suffix('.json').name}.", console)


def _read_front(run: Run) -> Dict[str, Dict[str, float]]:
    """Return the costs of the architectures on the front, by their digits."""
    if not run.front_file.exists():
        return {}
    with run.front_file.open(newline="", encoding="utf-8") as file:
        return {row["architecture"]: {key: float(row[key]) for key in COST_FIGURES} for row in csv.DictReader(file)}


def _score_on_both(
    run: Run, names: Sequence[str], weights: Dict[str, np.ndarray], other: DataConfig
) -> Tuple[List[float], List[float]]:
    """Return the EPEs on the data of the run and on another data set, in pixels."""
    with phase("reading images and building the supernet"):
        from edgeflownas.data.datasets import open_datasets, open_whole
        from edgeflownas.evaluation.child import EvaluationData
        from supernet.tree import TreeEvaluator

        config = run.config
        train, val = open_datasets(config.data)
        whole = open_whole(other, "val", config.data.size, "--data")
        rules = config.evaluation.rules
        kept = [(val, rules), (whole, rules.model_copy(update={"val_pairs": 0}))]
        sets = [EvaluationData(train, dataset, own, config.threads) for dataset, own in kept]
    architectures = [run.space.parse(name) for name in names]
    results: List[List[float]] = []
    with progress("scoring", len(sets)) as bar:
        for data in sets:
            data.zero_flow_epe()  # reports pairs without motion
            tree = TreeEvaluator(run.skeleton, weights, data, SCORING_THREADS)
            scores = dict(score for group in tree.score(architectures) for score in group)
            results.append([float(scores[architecture]) for architecture in architectures])
            bar.advance()
    return results[0], results[1]


def _render_opinion(opinion: SecondOpinion, other: DataConfig) -> Table:
    """Return a table of the architectures, sorted by the EPE on the other data set."""
    table = Table(title=f"Second opinion by {other.kind}", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("architecture", no_wrap=True)
    for heading in ("EPE px", f"on {other.kind}", "FPS", "front", "front there"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in opinion.rows:
        marks = ("yes" if row[key] else "no" for key in ("on_front", "on_other_front"))
        table.add_row(
            row["architecture"], f"{row['epe']:.4f}", f"{row['other_epe']:.4f}", f"{row['fps']:.2f}", *marks
        )
    return table


def _default_weights(run: Run) -> List[Path]:
    """Return the weights kept by the training, by epoch, and those used by a search, without duplicates."""
    last = run.supernet_file
    _, state = checkpoint.load(last)
    kept = sorted((last.parent / "epochs").glob("[0-9]*.h5"))
    return [*(path for path in kept if int(path.stem) != state.get("epoch")), last]


def _score_children(
    run: Run, truth: Truth, paths: Sequence[Path], without_recalibration: bool
) -> Tuple[List[Ranking], float, Identities]:
    """Score the children with each file of weights; also return the EPE of zero flow, and which pairs are read."""
    with phase("reading images and building the supernet"):
        from edgeflownas.data.datasets import open_datasets
        from edgeflownas.data.identity import identify_scoring
        from edgeflownas.evaluation.child import EvaluationData
        from supernet.shared_norm import SharedNormEvaluator
        from supernet.tree import TreeEvaluator

        train, val = open_datasets(run.config.data)
        data = EvaluationData(train, val, run.config.evaluation, run.config.threads)
        pairs = identify_scoring(train, val, run.config.evaluation, run.config.threads)
        zero_flow_epe = data.zero_flow_epe()  # before any long work
        tree = TreeEvaluator(run.skeleton, run.load_weights(paths[0]), data, SCORING_THREADS)
        shared: Optional[SharedNormEvaluator] = None
        if without_recalibration:
            shared = SharedNormEvaluator(run.skeleton, truth.architectures, data, SCORING_THREADS)
    rankings = []
    with progress("scoring", len(paths)) as bar:
        for path in paths:
            weights, (_, state) = run.load_weights(path), checkpoint.load(path)
            tree.load(weights)
            scores = dict(score for group in tree.score(truth.architectures) for score in group)
            epes = [scores[architecture] for architecture in truth.architectures]
            rankings.append(rank.rank_children(truth, path, state.get("epoch"), True, epes))
            if shared is not None:
                rankings.append(rank.rank_children(truth, path, state.get("epoch"), False, shared.score(weights)))
            bar.advance(str(path))
    return rankings, zero_flow_epe, pairs


def _print(run: Run, result: Any) -> None:
    """Print the figures of the rankings."""
    title = f"Ranking of {format_count(result['n'], 'child', 'children')}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    top = next(name for name in result["rankings"][0] if name.startswith("top_"))
    for heading in ("weights", "BN", "EPE px", "tau (95 %)", "rho", "r", f"top {top.split('_')[1]}"):
        table.add_column(heading, no_wrap=True)
    for ranking in result["rankings"]:
        tau = ranking["kendall_tau"]
        table.add_row(
            Path(ranking["weights"]).name,
            "own" if ranking["recalibrated"] else "shared",
            f"{ranking['mean_epe']:.3f}",
            f"{tau['value']:.3f} ({tau['low']:.2f} to {tau['high']:.2f})",
            *(f"{ranking[name]['value']:.3f}" for name in ("spearman_rho", "pearson_r", top)),
        )
    console = open_console()
    print_table(table, console)
    for line in _describe(run, result):
        say(line, console)


def _describe(run: Run, result: Any) -> List[str]:
    children, noise = result["children"], result["noise"]
    last = rank.find_last(result["rankings"], True)
    assert last is not None
    lines = [
        f"Children: mean EPE {children['mean']:.3f} px, standard deviation {children['deviation']:.3f} px; "
        f"zero-flow EPE {result['zero_flow_epe']:.3f} px."
    ]
    if noise["px"] is None:
        lines.append("Seed noise: unknown; name queues of other seeds with --children.")
    else:
        clear = last["clear_pairs"]
        one, mean = (Figure(**noise["intraclass"][name]) for name in ("single", "mean"))
        lines.append(
            f"Seed noise: {noise['px']:.3f} px ({format_count(noise['seeds'], 'seed')}, n = {noise['n']}), tau "
            f"between seeds {_format_tau(noise['tau'])}, attainable tau {noise['attainable_tau']:.3f}. "
            f"Intraclass correlation: {one} of one training, {mean} of the mean over seeds. Tau corrected for the "
            f"noise: {_format_corrected(last['corrected_tau'])}. Pairs that differ by more than twice the noise of "
            f"their difference: {clear['n']}" + (f", with a tau of {clear['tau']:.3f}." if clear["n"] else ".")
        )
    if last["largest_inversions"]:
        worst = last["largest_inversions"][0]
        lines.append(
            f"Inverted pairs of {Path(last['weights']).name}: {last['inversions']}. The worst: {worst['better']} is "
            f"better than {worst['ranked_before_it']} by {worst['better_by']:.3f} px but was ranked behind it."
        )
    origins = dict.fromkeys(WeightsOrigin(row["weights"], row["weights_sha256"]) for row in result["rankings"])
    lines += [f"Weights: {origin}." for origin in origins]
    return [*lines, f"Written to {run.folder}: rank.json, rank.csv, rank.png."]


def _format_tau(tau: Optional[float]) -> str:
    return "undefined" if tau is None else f"{tau:.3f}"


def _format_corrected(figure: Optional[Mapping[str, float]]) -> str:
    return "undefined" if figure is None else str(Figure(**figure))
