"""How well the supernet ranks children that were trained alone: what ``rank`` has found."""

from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from edgeflownas.errors import InputError
from search.ranking.agreement import Figure
from search.ranking.rank import find_last
from search.report.chart import Chart, Mark, Section, Series, Table
from search.report.contents import Contents

TITLE = "Ranking"
_NAMES = {"kendall_tau": "tau", "spearman_rho": "rho", "pearson_r": "r"}


def ranking_section(runs: Sequence[Contents]) -> Optional[Section]:
    """Supernet EPE against that of children trained alone, and how well they agree; None where nothing was ranked.

    Raises:
        InputError: a file of rankings is damaged, or of an earlier version.
    """
    having = [(number, each) for number, each in enumerate(runs) if each.ranking]
    if not having:
        return None
    text: List[str] = []
    pairs: List[Series] = []
    trend: List[Series] = []
    last: List[Series] = []
    tables: List[Table] = []
    for number, contents in having:
        try:
            text.append(_sentence(contents))
            pairs += _pairs(contents, f"run {number}")
            trend += _trend(contents, f"run {number}")
            last += _last(contents, f"run {number}")
            tables.append(_table(contents))
        except (KeyError, TypeError, ValueError, IndexError):
            raise InputError(
                f"{contents.run.rank_file}: is damaged or of an earlier version; `rank` writes it anew"
            ) from None
    axes = "EPE with the supernet's weights, px", "EPE trained alone, px"
    charts = [Chart("What the supernet says", *axes, tuple(pairs))]
    if any(len(series.x) > 1 for series in trend):
        charts.append(Chart("Kendall's tau over the training (95 %)", "epoch", "tau", tuple(trend)))
    charts.append(Chart("Agreement by the last weights (95 %)", "figure", "agreement", tuple(last)))
    return Section("ranking", TITLE, tuple(text), tuple(charts), tuple(tables))


def _sentence(contents: Contents) -> str:
    found = contents.ranking
    last = find_last(found["rankings"], True) or found["rankings"][-1]
    tau, noise = Figure(**last["kendall_tau"]), found["noise"]["px"]
    text = (
        f"{contents.name}: {found['n']} children were trained alone. {_called(last).capitalize()} ranks them with a "
        f"Kendall's tau of {tau}, and has {last['inversions']} pairs in the wrong order."
    )
    if noise is None:
        return f"{text} The noise from seeds is not known."
    clear = last["clear_pairs"]
    text += (
        f" The noise from seeds is {noise:.3f} px, with which a perfect prediction would have a tau of about "
        f"{found['noise']['attainable_tau']:.3f}; {clear['n']} pairs differ clearly"
    )
    return f"{text}, and among these tau is {clear['tau']:.3f}." if clear["n"] else f"{text}."


def _called(ranking: Mapping[str, Any]) -> str:
    """Which weights these are."""
    name = Path(ranking["weights"]).name if ranking["epoch"] is None else f"epoch {ranking['epoch']}"
    return name if ranking["recalibrated"] else f"{name}, not recalibrated"


def _kinds(contents: Contents, role: str) -> Iterator[Tuple[List[Mapping[str, Any]], str]]:
    """Rankings with BN statistics of all, and with own ones, where there are some; and the colour of each."""
    for recalibrated, colour in ((False, "muted"), (True, role)):
        listed = [each for each in contents.ranking["rankings"] if each["recalibrated"] is recalibrated]
        if listed:
            yield listed, colour


def _pairs(contents: Contents, role: str) -> List[Series]:
    """A point for each child, by the last weights."""
    labels, children = contents.ranking["architectures"], contents.ranking["children"]["epe"]
    return [
        Series(f"{contents.name}, {_called(last)}", last["epe"], children, colour, "points", labels=labels)
        for (*_, last), colour in _kinds(contents, role)
    ]


def _figures(ranking: Mapping[str, Any]) -> Dict[str, Figure]:
    """The figures of agreement by name."""
    top = next(name for name in ranking if name.startswith("top_"))
    names = {**_NAMES, top: f"best {top.split('_')[1]}"}
    return {said: Figure(**ranking[name]) for name, said in names.items()}


def _trend(contents: Contents, role: str) -> List[Series]:
    """Kendall's tau of the weights of each epoch."""
    series = []
    for rankings, colour in _kinds(contents, role):
        listed = [each for each in rankings if each["epoch"] is not None]
        if listed:
            name = contents.name if listed[0]["recalibrated"] else f"{contents.name}, not recalibrated"
            taus = [Figure(**each["kendall_tau"]) for each in listed]
            series.append(_intervals(name, [each["epoch"] for each in listed], taus, colour, "line"))
    return series


def _last(contents: Contents, role: str) -> List[Series]:
    """All figures of agreement by the last weights."""
    series = []
    for (*_, last), colour in _kinds(contents, role):
        found, name = _figures(last), f"{contents.name}, {_called(last)}"
        series.append(_intervals(name, list(found), list(found.values()), colour, "bars"))
    return series


def _intervals(name: str, x: Sequence[Any], figures: Sequence[Figure], role: str, mark: Mark) -> Series:
    return Series(
        name, x, [each.value for each in figures], role, mark, labels=[str(each) for each in figures],
        low=[each.low for each in figures], high=[each.high for each in figures],
    )  # fmt: skip


def _table(contents: Contents) -> Table:
    rows: List[Tuple[Any, ...]] = []
    for ranking in contents.ranking["rankings"]:
        figures = _figures(ranking)
        rows.append((
            _within(Path(ranking["weights"]), contents.run.folder), ranking["epoch"],
            "own" if ranking["recalibrated"] else "of all paths", ranking["mean_epe"], *map(str, figures.values()),
            ranking["inversions"],
        ))  # fmt: skip
    names = [f"{name} (95 %)" for name in figures]
    headings = ("weights", "epoch", "BN statistics", "mean EPE, px", *names, "wrong pairs")
    return Table(contents.name, headings, tuple(rows))


def _within(path: Path, folder: Path) -> str:
    """A path as it is called in a folder."""
    return str(path.relative_to(folder) if folder in path.parents else path)
