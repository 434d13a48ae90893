"""Strategy C: no shared weights; the architectures of a fair sample are trained one by one through the retrain queue.

The queue of such a run is the sample: ``queue build`` creates it, ``queue run`` or an array job works through it, and
``evolve`` reads the finished results, and derives table and front from them, at any time. If nothing was submitted to
Slurm, ``evolve`` trains on this machine, task by task.

An architecture has the EPE of its trained child and the cost from the cost table. ``queue collect`` compiles
every child with its own weights.
"""

from pathlib import Path
from typing import Dict, List

from edgeflownas.errors import InputError
from edgeflownas.progress import say
from edgeflownas.storage.pairs import Identities
from edgeflownas.wording import format_count
from search.nsga2.scoring import COST_FIGURES, Score, look_up_cost
from search.queue import build, runner
from search.queue.queue import Queue
from search.queue.retrain import load_result
from search.queue.same_pairs import check_same_pairs
from search.queue.status import read_rows, summarize
from search.queue.task import SearchFigures
from search.run import Run
from search.strategies.strategy import SearchContext, Strategy
from supernet.fairness import draw_fair_sample


def choose_sample(run: Run) -> List[str]:
    """Return the architectures to train, as digits.

    Raises:
        InputError: A configured architecture is not in the space, or there is no fair sample of the configured size.
    """
    config = run.config.independent
    if config.architectures:
        return [run.space.format(run.space.parse(digits)) for digits in dict.fromkeys(config.architectures)]
    try:
        return list(map(run.space.format, draw_fair_sample(run.space, config.size, run.config.seed)))
    except ValueError as error:
        raise InputError(f"independent.size: {error}") from None


def build_sample(run: Run, source: str, rebuild: bool = False) -> Queue:
    """Create a task for each architecture of the sample; a queue with the same tasks is left unchanged.

    Args:
        run: Run of the sample.
        source: SHA-256 of the recipe.
        rebuild: Whether to set aside an existing queue, regardless of its content.

    Raises:
        InputError: A different queue has been started, or the sample or the cost table cannot be used.
    """
    table, _ = run.cost_table()
    tasks = []
    for name in choose_sample(run):
        cost = look_up_cost(run.space, table, run.space.parse(name))
        costs = {figure: getattr(cost, figure) for figure in COST_FIGURES}
        figures = SearchFigures(epe=None, source="predicted", **costs)
        tasks.append(build.make_task(run, name, source, None, figures))
    return build.write_queue(run, tasks, "fair_sample", rebuild)


def run_strategy(context: SearchContext) -> str:
    """Train the rest of the sample, unless Slurm trains it, and read all finished children into the archive."""
    run = context.run
    queue = build_sample(run, INDEPENDENT.source(run, {}))
    reader = _ResultReader(context, queue)
    reader.update()
    if queue.paths.submissions.exists():
        say(f"the tasks were submitted to Slurm ({queue.paths.submissions}); reading the finished ones only")
    else:
        runner.run(queue, reader.update)
        reader.update()
    rows = read_rows(queue)
    if not len(context.file.archive):
        raise InputError(f"queue {run.queue_folder}: no child is trained yet ({summarize(rows)}); see `queue status`")
    if all(row.word == "done" for row in rows):
        return f"all {format_count(len(rows), 'architecture')} of the sample are trained"
    return f"{len(context.file.archive)} of {format_count(len(rows), 'architecture')} are trained ({summarize(rows)})"


class _ResultReader:
    """Reader of finished results into the archive; all results that are new in a call form a generation."""

    def __init__(self, context: SearchContext, queue: Queue) -> None:
        self._context, self._queue = context, queue

    def update(self) -> None:
        """Read the new results."""
        context, space = self._context, self._context.run.space
        context.lock.beat()
        scores: List[Score] = []
        seconds = context.file.wall_s
        pairs: Dict[Path, Identities] = {}
        for row in read_rows(self._queue):
            if row.word != "done" or row.architecture is None:
                continue
            architecture = space.parse(row.architecture)
            task = self._queue.task(row.index)
            result = load_result(task)
            pairs[task.paths.result] = result.pairs
            if architecture in context.file.archive:
                continue
            scores.append((architecture, result.epe))
            seconds += result.wall_s
            context.file.zero_flow_epe = result.zero_flow_epe
        if not scores:
            return
        check_same_pairs(pairs)
        evolution = context.evolution
        context.file.append(evolution.tell([architecture for architecture, _ in scores], scores), seconds)
        say(
            f"{len(evolution.archive)} of {len(self._queue.indices)} trained: best EPE {evolution.best_epe():.4f} px, "
            f"{len(evolution.front())} on the front, hypervolume {evolution.hypervolume():.6g}"
        )


INDEPENDENT = Strategy(shares_weights=False, run=run_strategy)
