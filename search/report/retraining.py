"""Section on the retrain queue: its progress, and how well the supernet ranked the retrained networks."""

from typing import List, Optional, Sequence, Tuple

from edgeflownas.errors import InputError
from search.queue.queue import Queue
from search.queue.retrain import Result, load_result
from search.queue.status import Row, read_rows, summarize
from search.ranking.agreement import measure_agreement
from search.report.chart import Chart, ReportSection, Series, Table
from search.report.contents import Contents, read_log

TITLE = "Retraining"

Done = Tuple[Row, Result]


def retraining_section(runs: Sequence[Contents]) -> ReportSection:
    """Return the section with supernet EPE against retrained EPE, Kendall's tau, learning curves, and the tasks.

    Without shared weights there is no supernet EPE, so FPS against EPE is shown instead.
    """
    text: List[str] = []
    curves: List[Chart] = []
    tables: List[Table] = []
    pairs: List[Series] = []
    alone: List[Series] = []
    for number, contents in enumerate(runs):
        if contents.queue is None:
            continue
        task_rows = read_rows(contents.queue)
        results = [_read_result(contents.queue, row) for row in task_rows]
        done = [(row, result) for row, result in zip(task_rows, results) if result is not None]
        text.append(f"{contents.name}: {summarize(task_rows)}{_summarise_ranking(contents, done)}.")
        if done:
            target, x_values = (pairs, _supernet_epes) if contents.shares_weights else (alone, _fps)
            names = [row.architecture or "" for row, _ in done]
            x, epes = x_values(contents, contents.queue, done), [result.epe for _, result in done]
            target.append(Series(contents.name, x, epes, f"run {number}", "points", labels=names))
        series = _curves(contents.queue, task_rows)
        if series:
            epoch = "epoch of the last stage" if isinstance(contents.run.config.queue.train, list) else "epoch"
            curves.append(Chart(f"Tasks of {contents.name}", epoch, "EPE, px", series))
        tables.append(_make_table(contents, task_rows, results))
    if not text:
        return ReportSection("retraining", TITLE, ("There is no retrain queue yet: `evolve` builds one when it ends.",))
    charts = []
    if pairs:
        charts.append(Chart("Prediction of the supernet", "supernet EPE, px", "retrained EPE, px", tuple(pairs)))
    if alone:
        charts.append(Chart("Trained alone", "FPS, predicted or as collected", "EPE, px", tuple(alone)))
    return ReportSection("retraining", TITLE, tuple(text), (*charts, *curves), tuple(tables))


def _summarise_ranking(contents: Contents, done: Sequence[Done]) -> str:
    """Return the agreement of the supernet's EPE with that after retraining, as the end of a sentence."""
    if not contents.shares_weights:
        return "; every network is trained alone, so there is no supernet EPE to compare with"
    pairs = [(row.supernet_epe, result.epe) for row, result in done if row.supernet_epe is not None]
    if not pairs:
        return ""
    tau = measure_agreement([before for before, _ in pairs], [after for _, after in pairs])
    return f"; Kendall's tau of supernet EPE and retrained EPE: {tau}"


def _supernet_epes(contents: Contents, queue: Queue, done: Sequence[Done]) -> List[float]:
    return [row.supernet_epe for row, _ in done if row.supernet_epe is not None]


def _fps(contents: Contents, queue: Queue, done: Sequence[Done]) -> List[float]:
    """Return the measured or compiled FPS of `queue collect` or, if there is none, the FPS known to the search."""
    collected = [line for line in contents.final if line.get("cost_source") in ("measured", "compiled")]
    compiled = {line.get("architecture"): line["fps"] for line in collected}
    return [float(compiled.get(row.architecture, queue.task(row.index).config.found.fps)) for row, _ in done]


def _read_result(queue: Queue, row: Row) -> Optional[Result]:
    """Return the result of a finished task; None if its file is damaged, which `queue collect` reports."""
    if row.word != "done":
        return None
    try:
        return load_result(queue.task(row.index))
    except InputError:
        return None


def _curves(queue: Queue, task_rows: Sequence[Row]) -> Tuple[Series, ...]:
    series = []
    for row in task_rows:
        lines = read_log(queue.paths.task(row.index).curve)
        if lines:
            epochs, epes = [line["epoch"] for line in lines], [line["epe"] for line in lines]
            series.append(Series(f"{row.index}: {row.architecture}", epochs, epes, f"run {row.index}"))
    return tuple(series)


def _make_table(contents: Contents, task_rows: Sequence[Row], results: Sequence[Optional[Result]]) -> Table:
    """Return a table of the tasks, with the supernet EPE if there is a supernet."""
    supernet_heading = ("supernet EPE, px",) if contents.shares_weights else ()
    lines = []
    for row, result in zip(task_rows, results):
        epochs = f"{row.epoch} of {row.epochs}" if row.epochs else ""
        supernet_epe = (row.supernet_epe,) if contents.shares_weights else ()
        retrained = (None, None) if result is None else (result.epe, 100 * result.epe / result.zero_flow_epe)
        lines.append((row.index, row.architecture or "", row.word, epochs, *supernet_epe, *retrained))
    headings = ("task", "architecture", "state", "epoch", *supernet_heading, "retrained EPE, px", "% of zero-flow EPE")
    return Table(contents.name, headings, tuple(lines))
