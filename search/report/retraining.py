"""The retrain queue: how far it is, and how well the supernet had ranked what it retrains."""

from typing import List, Optional, Sequence, Tuple

from edgeflownas.errors import InputError
from search.queue.queue import Queue
from search.queue.retrain import Result, load_result
from search.queue.status import Row, read_rows, summarize
from search.ranking.agreement import measure_agreement
from search.report.chart import Chart, Section, Series, Table
from search.report.contents import Contents, log

TITLE = "Retraining"

Done = Tuple[Row, Result]


def retraining_section(runs: Sequence[Contents]) -> Section:
    """Supernet EPE against retrained EPE with Kendall's tau, the tasks' curves, and the tasks as a table.

    Where no weights are shared there is no supernet's EPE; FPS against EPE takes that one's place.
    """
    text: List[str] = []
    curves: List[Chart] = []
    tables: List[Table] = []
    pairs: List[Series] = []
    alone: List[Series] = []
    for number, contents in enumerate(runs):
        if contents.queue is None:
            continue
        listed = read_rows(contents.queue)
        results = [_result(contents.queue, row) for row in listed]
        done = [(row, found) for row, found in zip(listed, results) if found is not None]
        text.append(f"{contents.name}: {summarize(listed)}{_said(contents, done)}.")
        if done:
            chosen, axis = (pairs, _promised) if contents.shares_weights else (alone, _fps)
            names = [row.architecture or "" for row, _ in done]
            x, epes = axis(contents.queue, done), [found.epe for _, found in done]
            chosen.append(Series(contents.name, x, epes, f"run {number}", "points", labels=names))
        series = _curves(contents.queue, listed)
        if series:
            curves.append(Chart(f"Tasks of {contents.name}", "epoch", "EPE, px", series))
        tables.append(_table(contents, listed, results))
    if not text:
        return Section("retraining", TITLE, ("There is no retrain queue yet: `evolve` builds one when it ends.",))
    charts = []
    if pairs:
        charts.append(Chart("What the supernet promised", "supernet EPE, px", "retrained EPE, px", tuple(pairs)))
    if alone:
        charts.append(Chart("Trained alone", "FPS, as predicted", "EPE, px", tuple(alone)))
    return Section("retraining", TITLE, tuple(text), (*charts, *curves), tuple(tables))


def _said(contents: Contents, done: Sequence[Done]) -> str:
    """What is known of the supernet's ranking."""
    if not contents.shares_weights:
        return "; each is trained alone, and there is no supernet that could have promised an EPE"
    pairs = [(row.supernet_epe, found.epe) for row, found in done if row.supernet_epe is not None]
    if not pairs:
        return ""
    found = measure_agreement([before for before, _ in pairs], [after for _, after in pairs])
    return f"; Kendall's tau of the supernet's and the retrained EPE: {found}"


def _promised(queue: Queue, done: Sequence[Done]) -> List[float]:
    return [row.supernet_epe for row, _ in done if row.supernet_epe is not None]


def _fps(queue: Queue, done: Sequence[Done]) -> List[float]:
    return [queue.task(row.index).config.found.fps for row, _ in done]


def _result(queue: Queue, row: Row) -> Optional[Result]:
    """What a task that is done came to; a damaged file counts as none, and `queue collect` tells of it."""
    if row.word != "done":
        return None
    try:
        return load_result(queue.task(row.index))
    except InputError:
        return None


def _curves(queue: Queue, listed: Sequence[Row]) -> Tuple[Series, ...]:
    series = []
    for row in listed:
        lines = log(queue.paths.task(row.index).curve)
        if lines:
            epochs, epes = [line["epoch"] for line in lines], [line["epe"] for line in lines]
            series.append(Series(f"{row.index}: {row.architecture}", epochs, epes, f"run {row.index}"))
    return tuple(series)


def _table(contents: Contents, listed: Sequence[Row], results: Sequence[Optional[Result]]) -> Table:
    """The tasks; without a supernet, without its EPE."""
    promised = ("supernet EPE, px",) if contents.shares_weights else ()
    lines = []
    for row, result in zip(listed, results):
        epochs = f"{row.epoch} of {row.epochs}" if row.epochs else ""
        known = (row.supernet_epe,) if contents.shares_weights else ()
        trained = (None, None) if result is None else (result.epe, result.epe / result.zero_flow_epe)
        lines.append((row.index, row.architecture or "", row.word, epochs, *known, *trained))
    headings = ("task", "architecture", "state", "epoch", *promised, "retrained EPE, px", "of zero flow")
    return Table(contents.name, headings, tuple(lines))
