"""Strategy A: one supernet holds everything, and NSGA-II searches over its weights."""

from edgeflownas.progress import say
from search.strategies import loop
from search.strategies.strategy import Search, Strategy
from search.strategies.view import View
from search.workers.evaluator import open_evaluator


def search(search: Search) -> str:
    """Searches until the search is over; says why it is."""
    run, evolution, file, lock = search.run, search.evolution, search.file, search.lock
    reason = evolution.finished()
    if reason is not None:
        return reason
    if file.last is None:
        say(f"new search in {run.folder}")
    else:
        say(f"going on after {evolution.number} generations, with {len(file.archive):,} architectures scored")
    with open_evaluator(run, search.weights) as (evaluator, file.zero_flow_epe), View(evolution) as view:
        if search.compiler is not None:

            def told(done: int, total: int) -> None:
                lock.beat()
                view.compiling(done, total)

            search.compiler.told = told
        return loop.evolve(evolution, evaluator, file, lock, view.show)


ONE_SHOT = Strategy(shares_weights=True, search=search)
