"""Strategy C: no shared weights. A fair sample of architectures is trained one by one through the retrain queue.

The queue of such a run is the sample: ``queue build`` makes it, ``queue run`` or an array job works it off, and
``evolve`` reads the table and its front from what is done, at any time. If nothing was handed in to Slurm, ``evolve``
trains here, task by task.

The EPE of an architecture is that of its trained child; its cost is what the cost table says. ``queue collect``
compiles every child with its own weights.
"""

from typing import List

from edgeflownas.errors import InputError
from edgeflownas.progress import say
from search.nsga2.scoring import COST_FIGURES, Score, look_up_cost
from search.queue import build, runner
from search.queue.queue import Queue
from search.queue.retrain import load_result
from search.queue.status import read_rows, summarize
from search.queue.task import SearchFigures
from search.run import Run
from search.strategies.strategy import SearchContext, Strategy
from supernet.fairness import draw_fair_sample


def sample(run: Run) -> List[str]:
    """The architectures to train, as digits.

    Raises:
        InputError: those that the configuration names are not of the space; or there is no such sample.
    """
    config = run.config.independent
    if config.architectures:
        return [run.space.format(run.space.parse(each)) for each in dict.fromkeys(config.architectures)]
    try:
        return [run.space.format(each) for each in draw_fair_sample(run.space, config.size, run.config.seed)]
    except ValueError as error:
        raise InputError(f"independent.size: {error}") from None


def build_sample(run: Run, source: str, rebuild: bool = False) -> Queue:
    """Makes a task of each architecture of the sample; a queue of the same tasks is left as it is.

    Args:
        run: whose sample it is.
        source: SHA-256 of the recipe.
        rebuild: set a queue aside that is there already, whatever it holds.

    Raises:
        InputError: another queue has begun; or the sample or the cost table cannot be used.
    """
    table, _ = run.cost_table()
    tasks = []
    for name in sample(run):
        cost = look_up_cost(run.space, table, run.space.parse(name))
        figures = {figure: getattr(cost, figure) for figure in COST_FIGURES}
        found = SearchFigures(epe=None, source="predicted", **figures)
        tasks.append(build.make_task(run, name, source, None, found))
    return build.write_queue(run, tasks, "fair_sample", rebuild)


def run_strategy(context: SearchContext) -> str:
    """Trains what is left of the sample, unless Slurm does; reads every child that is done into the archive."""
    run = context.run
    queue = build_sample(run, INDEPENDENT.source(run, {}))
    gathered = _Gathered(context, queue)
    gathered.update()
    if queue.paths.submissions.exists():
        say(f"the tasks were handed in to Slurm ({queue.paths.submissions}): this only reads what is done")
    else:
        runner.run(queue, gathered.update)
        gathered.update()
    listed = read_rows(queue)
    if not len(context.file.archive):
        raise InputError(f"queue {run.queue_folder}: no child is trained yet ({summarize(listed)}); see `queue status`")
    if all(each.word == "done" for each in listed):
        return f"all {len(listed)} architectures of the sample are trained"
    return f"{len(context.file.archive)} of {len(listed)} architectures are trained ({summarize(listed)})"


class _Gathered:
    """Reads results into the archive as they come: each time that there are new ones makes a generation."""

    def __init__(self, context: SearchContext, queue: Queue) -> None:
        self._context, self._queue = context, queue

    def update(self) -> None:
        """Looks for new results."""
        context, space = self._context, self._context.run.space
        context.lock.beat()
        scores: List[Score] = []
        seconds = context.file.wall_s
        for row in read_rows(self._queue):
            if row.word != "done" or row.architecture is None:
                continue
            architecture = space.parse(row.architecture)
            if architecture in context.file.archive:
                continue
            result = load_result(self._queue.task(row.index))
            scores.append((architecture, result.epe))
            seconds += result.wall_s
            context.file.zero_flow_epe = result.zero_flow_epe
        if not scores:
            return
        context.file.append(context.evolution.tell([each for each, _ in scores], scores), seconds)
        evolution = context.evolution
        say(
            f"{len(evolution.archive)} of {len(self._queue.indices)} trained: best EPE {evolution.best_epe():.4f} px, "
            f"{len(evolution.front())} on the front, hypervolume {evolution.hypervolume():.6g}"
        )


INDEPENDENT = Strategy(shares_weights=False, run=run_strategy)
