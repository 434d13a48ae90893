"""The retrain queue: how far it is, and how well the supernet had ranked what it retrains."""

from typing import List, Optional, Sequence, Tuple

from edgeflownas import record
from edgeflownas.config import validate
from edgeflownas.errors import InputError
from search.agreement import agreement
from search.queue.queue import Queue
from search.queue.retrain import Result
from search.queue.status import Row, rows, summary
from search.report.chart import Chart, Section, Series, Table
from search.report.contents import Contents, log

TITLE = "Retraining"
_HEADINGS = ("task", "architecture", "state", "epoch", "supernet EPE, px", "retrained EPE, px", "of zero flow")


def retraining_section(runs: Sequence[Contents]) -> Section:
    """Supernet EPE against retrained EPE with Kendall's tau, the tasks' curves, and the tasks as a table."""
    text: List[str] = []
    charts: List[Chart] = []
    tables: List[Table] = []
    pairs: List[Series] = []
    for number, contents in enumerate(runs):
        if contents.queue is None:
            continue
        listed = rows(contents.queue)
        results = [_result(contents.queue, row) for row in listed]
        done = [(row, found) for row, found in zip(listed, results) if found is not None]
        before, after = [row.supernet_epe or 0.0 for row, _ in done], [found.epe for _, found in done]
        tau = f"; Kendall's tau of the supernet's and the retrained EPE: {agreement(before, after)}" if done else ""
        text.append(f"{contents.name}: {summary(listed)}{tau}.")
        names = [row.architecture or "" for row, _ in done]
        if done:
            pairs.append(Series(contents.name, before, after, f"run {number}", "points", labels=names))
        curves = _curves(contents.queue, listed)
        if curves:
            charts.append(Chart(f"Tasks of {contents.name}", "epoch", "EPE, px", curves))
        tables.append(Table(contents.name, _HEADINGS, tuple(map(_cells, listed, results))))
    if pairs:
        charts.insert(0, Chart("What the supernet promised", "supernet EPE, px", "retrained EPE, px", tuple(pairs)))
    if not text:
        return Section("retraining", TITLE, ("There is no retrain queue yet: `evolve` builds one when it ends.",))
    return Section("retraining", TITLE, tuple(text), tuple(charts), tuple(tables))


def _result(queue: Queue, row: Row) -> Optional[Result]:
    """What a task that is done came to; a damaged file counts as none, and `queue collect` tells of it."""
    if row.word != "done":
        return None
    path = queue.paths.task(row.index).result
    try:
        result: Result = validate(record.read(path), Result, str(path))
    except InputError:
        return None
    return result


def _curves(queue: Queue, listed: Sequence[Row]) -> Tuple[Series, ...]:
    series = []
    for row in listed:
        lines = log(queue.paths.task(row.index).curve)
        if lines:
            epochs, epes = [line["epoch"] for line in lines], [line["epe"] for line in lines]
            series.append(Series(f"{row.index}: {row.architecture}", epochs, epes, f"run {row.index}"))
    return tuple(series)


def _cells(row: Row, result: Optional[Result]) -> Tuple[object, ...]:
    retrained = (None, None) if result is None else (result.epe, result.epe / result.zero_flow_epe)
    epochs = f"{row.epoch} of {row.epochs}" if row.epochs else ""
    return (row.index, row.architecture or "", row.word, epochs, row.supernet_epe, *retrained)
