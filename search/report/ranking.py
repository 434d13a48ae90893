"""Section on how well the supernet ranks children trained alone, as measured by ``rank``."""

from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from edgeflownas.errors import InputError
from edgeflownas.wording import format_count
from search.ranking.agreement import Figure
from search.ranking.rank import find_last
from search.report.chart import Chart, Mark, ReportSection, Series, Table
from search.report.contents import Contents
from search.run import Run

TITLE = "Ranking"
_NAMES = {"kendall_tau": "tau", "spearman_rho": "rho", "pearson_r": "r"}


class RankedRun(NamedTuple):
    """A run with its rankings, for ``rank`` itself.

    Attributes:
        name: Name of the run.
        run: Folder and configuration of the run.
        ranking: Content of rank.json.
    """

    name: str
    run: Run
    ranking: Mapping[str, Any]


Ranked = Union[RankedRun, Contents]


def ranking_section(runs: Sequence[Ranked]) -> Optional[ReportSection]:
    """Return the section on the agreement of a supernet and children trained alone; None without rankings.

    Raises:
        InputError: A file of rankings is damaged, or from an earlier version.
    """
    ranked = [(number, run) for number, run in enumerate(runs) if run.ranking]
    if not ranked:
        return None
    text: List[str] = []
    pairs: List[Series] = []
    trend: List[Series] = []
    last: List[Series] = []
    tables: List[Table] = []
    for number, contents in ranked:
        try:
            text.append(_summarise(contents))
            pairs += _pair_series(contents, f"run {number}")
            trend += _trend_series(contents, f"run {number}")
            last += _agreement_series(contents, f"run {number}")
            tables.append(_make_table(contents))
        except (KeyError, TypeError, ValueError, IndexError):
            raise InputError(
                f"{contents.run.rank_file}: is damaged or from an earlier version; "
                f"`{contents.run.command('rank')}` writes it again"
            ) from None
    axes = "EPE with the supernet's weights, px", "EPE trained alone, px"
    charts = [Chart("Prediction of the supernet", *axes, tuple(pairs))]
    if any(len(series.x) > 1 for series in trend):
        charts.append(Chart("Kendall's tau over the training (95 %)", "epoch", "tau", tuple(trend)))
    charts.append(Chart("Agreement by the last weights (95 %)", "figure", "agreement", tuple(last)))
    return ReportSection("ranking", TITLE, tuple(text), tuple(charts), tuple(tables))


def _summarise(contents: Ranked) -> str:
    content = contents.ranking
    last = find_last(content["rankings"], True) or content["rankings"][-1]
    tau, noise = Figure(**last["kendall_tau"]), content["noise"]["px"]
    text = (
        f"{contents.name}: {format_count(content['n'], 'child was', 'children were')} trained alone. "
        f"{_name_weights(last).capitalize()} ranks them with a Kendall's tau of {tau} and has "
        f"{format_count(last['inversions'], 'pair')} in the wrong order."
    )
    if noise is None:
        return f"{text} The seed noise is not known."
    clear = last["clear_pairs"]
    text += (
        f" The seed noise is {noise:.3f} px, and the intraclass correlation of the mean over seeds is "
        f"{Figure(**content['noise']['intraclass']['mean'])}. A perfect prediction would have a tau of about "
        f"{content['noise']['attainable_tau']:.3f}{_describe_corrected(last['corrected_tau'])}; "
        f"{format_count(clear['n'], 'pair differs', 'pairs differ')} clearly"
    )
    return f"{text}, and among these tau is {clear['tau']:.3f}." if clear["n"] else f"{text}."


def _describe_corrected(figure: Optional[Mapping[str, float]]) -> str:
    return "" if figure is None else f", and corrected for the noise tau is {Figure(**figure)}"


def _name_weights(ranking: Mapping[str, Any]) -> str:
    """Return the name of a ranking's weights."""
    name = Path(ranking["weights"]).name if ranking["epoch"] is None else f"epoch {ranking['epoch']}"
    return name if ranking["recalibrated"] else f"{name}, not recalibrated"


def _split_rankings(contents: Ranked, role: str) -> Iterator[Tuple[List[Mapping[str, Any]], str]]:
    """Yield the rankings with shared BN statistics, then those with recalibrated ones, with their colour roles."""
    for recalibrated, colour in ((False, "muted"), (True, role)):
        rankings = [ranking for ranking in contents.ranking["rankings"] if ranking["recalibrated"] is recalibrated]
        if rankings:
            yield rankings, colour


def _pair_series(contents: Ranked, role: str) -> List[Series]:
    """Return a point for each child, predicted by the last weights."""
    labels, children = contents.ranking["architectures"], contents.ranking["children"]["epe"]
    return [
        Series(f"{contents.name}, {_name_weights(last)}", last["epe"], children, colour, "points", labels=labels)
        for (*_, last), colour in _split_rankings(contents, role)
    ]


def _agreement_figures(ranking: Mapping[str, Any]) -> Dict[str, Figure]:
    """Return the figures of agreement by displayed name."""
    top = next(name for name in ranking if name.startswith("top_"))
    names = {**_NAMES, top: f"best {top.split('_')[1]}"}
    return {displayed: Figure(**ranking[name]) for name, displayed in names.items()}


def _trend_series(contents: Ranked, role: str) -> List[Series]:
    """Return Kendall's tau by epoch of the weights."""
    series = []
    for rankings, colour in _split_rankings(contents, role):
        with_epoch = [ranking for ranking in rankings if ranking["epoch"] is not None]
        by_epoch = sorted(with_epoch, key=lambda ranking: int(ranking["epoch"]))
        if by_epoch:
            name = contents.name if by_epoch[0]["recalibrated"] else f"{contents.name}, not recalibrated"
            taus = [Figure(**ranking["kendall_tau"]) for ranking in by_epoch]
            series.append(_interval_series(name, [ranking["epoch"] for ranking in by_epoch], taus, colour, "line"))
    return series


def _agreement_series(contents: Ranked, role: str) -> List[Series]:
    """Return all figures of agreement for the last weights."""
    series = []
    for (*_, last), colour in _split_rankings(contents, role):
        figures, name = _agreement_figures(last), f"{contents.name}, {_name_weights(last)}"
        series.append(_interval_series(name, list(figures), list(figures.values()), colour, "bars"))
    return series


def _interval_series(name: str, x: Sequence[Any], figures: Sequence[Figure], role: str, mark: Mark) -> Series:
    return Series(
        name, x, [figure.value for figure in figures], role, mark, labels=[str(figure) for figure in figures],
        low=[figure.low for figure in figures], high=[figure.high for figure in figures],
    )  # fmt: skip


def _make_table(contents: Ranked) -> Table:
    rows: List[Tuple[Any, ...]] = []
    for ranking in contents.ranking["rankings"]:
        figures = _agreement_figures(ranking)
        rows.append((
            _relative_path(Path(ranking["weights"]), contents.run.folder), ranking["epoch"],
            "own" if ranking["recalibrated"] else "of all paths", ranking["mean_epe"], *map(str, figures.values()),
            ranking["inversions"],
        ))  # fmt: skip
    names = [f"{name} (95 %)" for name in figures]
    headings = ("weights", "epoch", "BN statistics", "mean EPE, px", *names, "wrong pairs")
    return Table(contents.name, headings, tuple(rows))


def _relative_path(path: Path, folder: Path) -> str:
    """Return a path relative to a folder if it is inside."""
    return str(path.relative_to(folder) if folder in path.parents else path)
