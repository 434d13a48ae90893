"""Strategy A: one supernet of the whole space, searched by NSGA-II."""

from edgeflownas.progress import say
from edgeflownas.wording import format_count
from search.strategies import loop
from search.strategies.strategy import SearchContext, Strategy
from search.strategies.view import SearchView
from search.workers.evaluator import open_evaluator


def run_strategy(context: SearchContext) -> str:
    """Search until the evolution stops, and return why it stopped."""
    run, evolution, file, lock = context.run, context.evolution, context.file, context.lock
    reason = evolution.stop_reason()
    if reason is not None:
        return reason
    if file.last is None:
        say(f"new search in {run.folder}")
    else:
        generations = format_count(evolution.number, "generation")
        say(f"resuming after {generations}, with {format_count(len(file.archive), 'architecture')} scored")
    opened = open_evaluator(run, context.weights)
    with opened as (evaluator, file.zero_flow_epe), SearchView(evolution, run.folder / "events") as view:
        return loop.evolve(evolution, evaluator, file, lock, view.show, view.show_compiling)


ONE_SHOT = Strategy(shares_weights=True, run=run_strategy)
