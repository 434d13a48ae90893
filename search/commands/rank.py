"""``rank``: the agreement of a supernet's ranking with that of children trained from scratch."""

from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence, Tuple

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgeflownas.progress import phase, progress, say
from edgeflownas.storage import checkpoint
from edgeflownas.storage.files import replacing, write_json
from edgeflownas.storage.pairs import Identities
from edgeflownas.terminal import open_console, print_table
from edgeflownas.wording import format_count
from search.commands.options import PathOption, json_option, print_json, run_options
from search.ranking import rank
from search.ranking.agreement import Figure
from search.ranking.rank import Ranking
from search.ranking.truth import Truth, read_truth
from search.report.ranking import RankedRun, ranking_section
from search.run import SCORING_THREADS, Run
from search.weights import WeightsOrigin


@click.command()
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
    run: Run, children: Sequence[Path], files: Sequence[Path], without_recalibration: bool, as_json: bool
) -> None:
    """Compare the supernet's EPEs with those of the same architectures trained from scratch.

    The results are written to the run folder. rank.json contains Kendall's tau, Spearman's rho, Pearson's r and the
    overlap of the best quarter, each with a bootstrap interval. rank.csv contains the EPEs, and rank.png a plot.
    """
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
