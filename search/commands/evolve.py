"""``evolve``: the search by the strategy of the configuration, whose survivors are queued for retraining."""

import click

from edgeflownas.progress import say
from edgeflownas.terminal import open_console, print_table
from edgeflownas.wording import format_count
from search.api.evolving import FinishedSearch, evolve
from search.commands.options import json_option, print_json, run_options
from search.run import Run
from search.storage.front import front_table
from search.weights import WeightsOrigin


@click.command()
@run_options
@click.option("--restart", is_flag=True, help="Start from scratch. The old checkpoint is renamed and kept.")
@click.option("--from-previous", is_flag=True, help="If the checkpoint is damaged, resume from the previous one.")
@json_option
def command(run: Run, restart: bool, from_previous: bool, as_json: bool) -> None:
    """Search with NSGA-II, using the weights of the supernet, and build the retrain queue.

    To resume an interrupted search, run the command again.

    With strategy: staged, it scores all combinations of the backbones and heads that `train` has kept. With strategy:
    independent, it trains a fair sample of architectures one by one.
    """
    if restart and from_previous:
        raise click.UsageError("--restart and --from-previous exclude each other")
    evolve(run, restart, from_previous, lambda finished: print_json(finished.summary) if as_json else _print(finished))


def _print(finished: FinishedSearch) -> None:
    """Print the front and the figures of a search."""
    console, result = open_console(), finished.summary
    print_table(front_table(finished.archive, finished.front), console)
    best, zero = result["best_epe"], result["zero_flow_epe"]
    lines = [
        f"{result['hardware']['board']}: {finished.hardware}.",
        f"The search ended: {result['reason']}.",
        f"Best EPE: {best:.4f} px, {100 * best / zero:.1f} % of zero-flow EPE ({zero:.4f} px).",
        f"Architectures: {result['requested']:,} requested, {result['scored']:,} scored in {result['wall_s']:.0f} s.",
        f"Checkpoint: {result['search_file']}. Front: {result['front_file']}.",
    ]
    if result["weights"] is not None:
        lines.append(f"Weights: {WeightsOrigin(result['weights'], result['weights_sha256'])}.")
    if result["hypervolume_share"] is not None:
        point = ", ".join(f"{name} {value:.5g}" for name, value in result["reference_point"].items())
        share = f"{result['hypervolume_share']:.3%} of the exact hypervolume of the space"
        lines.insert(2, f"The front reaches {share}, from the reference point {point}.")
    if result["failed"]:
        lines.append(f"{format_count(result['failed'], 'architecture has', 'architectures have')} no finite EPE.")
    if not result["hypervolume"] and finished.has_reference_point:
        lines.append(
            "The hypervolume is 0: no architecture is better than evolution.reference_point in every objective. Choose "
            "a worse reference point, or none; until then the search cannot measure its progress."
        )
    for line in lines:
        say(line, console)
