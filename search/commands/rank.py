"""``rank``: how well the supernet ranks, against children trained alone."""

import json
from pathlib import Path
from typing import Any, List, Optional, Sequence, Tuple

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from edgeflownas.progress import phase, progress, say
from edgeflownas.storage import checkpoint
from edgeflownas.storage.files import write_json
from search.commands.options import run_options
from search.ranking import rank
from search.ranking.rank import Ranking
from search.ranking.truth import Truth, read_truth
from search.run import SCORING_THREADS, Run


@click.command()
@run_options
@click.option(
    "--children",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Queue of children trained from scratch. Named again for queues of the same children with other seeds: their "
    "mean is the truth then, and their difference the noise. Default: the run's.",
)
@click.option(
    "--weights",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Supernet weights to judge. Default: those kept by train.keep_every, and the run's.",
)
@click.option("--without-recalibration", is_flag=True, help="Also score with BN statistics that all paths share.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    run: Run, children: Sequence[Path], files: Sequence[Path], without_recalibration: bool, as_json: bool
) -> None:
    """Compares the supernet's EPE with that of the same architectures trained alone.

    Kendall's tau, Spearman's rho, Pearson's r and the overlap of the best quarter, each with a bootstrap interval, go
    to rank.json in the run folder, the scores to rank.csv, a picture to rank.png.
    """
    truth = read_truth(run, children or [run.queue_folder])
    paths = list(files) or _kept(run)
    for path in paths:  # before anything takes time
        run.fitting_weights(path)
    rankings, zero = _rankings(run, truth, paths, without_recalibration)
    from search.ranking.plot import plot

    result = rank.as_json(run.space, truth, rankings, zero)
    rank.write_table(run.rank_file.with_suffix(".csv"), run.space, truth, rankings)
    plot(run.rank_file.with_suffix(".png"), truth, rankings)
    write_json(run.rank_file, result)
    if as_json:
        click.echo(json.dumps(result, indent=2, allow_nan=False))
    else:
        _print(run, result)


def _kept(run: Run) -> List[Path]:
    """The weights of a training, from early to late, and those that a search takes; each once."""
    last = run.supernet_file
    _, state = checkpoint.load(last)
    kept = sorted((last.parent / "epochs").glob("[0-9]*.h5"))
    return [*(path for path in kept if int(path.stem) != state.get("epoch")), last]


def _rankings(
    run: Run, truth: Truth, paths: Sequence[Path], without_recalibration: bool
) -> Tuple[List[Ranking], float]:
    """Scores the children with all weights."""
    with phase("reading images and building the supernet"):
        from edgeflownas.data.datasets import open_datasets
        from edgeflownas.evaluation.child import EvaluationData
        from supernet.shared_norm import SharedNormEvaluator
        from supernet.tree import TreeEvaluator

        data = EvaluationData(*open_datasets(run.config.data), run.config.evaluation, run.config.threads)
        tree = TreeEvaluator(run.skeleton, run.fitting_weights(paths[0]), data, SCORING_THREADS)
        shared: Optional[SharedNormEvaluator] = None
        if without_recalibration:
            shared = SharedNormEvaluator(run.skeleton, truth.architectures, data, SCORING_THREADS)
    rankings = []
    with progress("scoring", len(paths)) as bar:
        for path in paths:
            weights, (_, state) = run.fitting_weights(path), checkpoint.load(path)
            tree.load(weights)
            scores = dict(score for group in tree.score(truth.architectures) for score in group)
            epes = [scores[each] for each in truth.architectures]
            rankings.append(rank.ranked(truth, path, state.get("epoch"), True, epes))
            if shared is not None:
                rankings.append(rank.ranked(truth, path, state.get("epoch"), False, shared.score(weights)))
            bar.advance(str(path))
    return rankings, data.zero_flow_epe()


def _print(run: Run, result: Any) -> None:
    """The figures for people."""
    table = Table(title=f"Ranking of {result['n']} children", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    top = next(name for name in result["rankings"][0] if name.startswith("top_"))
    for heading in ("weights", "BN", "EPE px", "tau (95 %)", "rho", "r", f"top {top.split('_')[1]}"):
        table.add_column(heading, no_wrap=True)
    for each in result["rankings"]:
        tau = each["kendall_tau"]
        table.add_row(
            Path(each["weights"]).name,
            "own" if each["recalibrated"] else "shared",
            f"{each['mean_epe']:.3f}",
            f"{tau['value']:.3f} ({tau['low']:.2f} to {tau['high']:.2f})",
            *(f"{each[name]['value']:.3f}" for name in ("spearman_rho", "pearson_r", top)),
        )
    console = Console(highlight=False)
    console.print(table)
    for line in _lines(run, result):
        say(line, console)


def _lines(run: Run, result: Any) -> List[str]:
    children, noise = result["children"], result["noise"]
    last = rank.last_of(result["rankings"], True)
    assert last is not None
    lines = [
        f"Children: EPE {children['mean']:.3f} px in the mean, deviation {children['deviation']:.3f} px; "
        f"zero flow's is {result['zero_flow_epe']:.3f} px."
    ]
    if noise["px"] is None:
        lines.append("Noise from seeds: not known; name queues of other seeds with --children.")
    else:
        clear = last["clear_pairs"]
        lines.append(
            f"Noise from seeds: {noise['px']:.3f} px ({noise['seeds']} seeds, n = {noise['n']}), tau between seeds "
            f"{_said(noise['tau'])}, attainable tau {noise['attainable_tau']:.3f}. {clear['n']} pairs differ by more "
            f"than twice the noise in their difference"
            + (f"; among these tau is {clear['tau']:.3f}." if clear["n"] else ".")
        )
    if last["largest_inversions"]:
        worst = last["largest_inversions"][0]
        lines.append(
            f"{last['inversions']} pairs are in the wrong order by {Path(last['weights']).name}; the worst: "
            f"{worst['better']} is better than {worst['ranked_before_it']} by {worst['better_by']:.3f} px, and was "
            f"ranked behind it."
        )
    return [*lines, f"Kept in {run.folder}: rank.json, rank.csv, rank.png."]


def _said(tau: Optional[float]) -> str:
    return "not defined" if tau is None else f"{tau:.3f}"
