"""``import-weights``: the published weights of the original EdgeFlowNet."""

from pathlib import Path

import click

from edgeflownas.errors import InputError
from edgeflownas.progress import say
from search.commands.options import PathOption
from search.weights import WeightsOrigin


@click.command()
@click.argument("checkpoint", type=PathOption())
@click.option(
    "--output", type=PathOption(), default=Path("edgeflownet.h5"), show_default=True, help="File of the weights."
)
def command(checkpoint: Path, output: Path) -> None:
    """Import the published weights of the original EdgeFlowNet (Raju et al., RA-L 2024).

    CHECKPOINT is the path of the authors' TensorFlow checkpoint without its last suffix, such as checkpoints/best.ckpt.
    The weights are those of the space edgeflownet, and contain the BN statistics.
    """
    if output.exists():
        raise InputError(f"--output {output}: exists; name a new file, or remove this one")
    from edgeflownas.network.published import SPACE, read_checkpoint
    from edgeflownas.storage import checkpoint as storage

    published = read_checkpoint(checkpoint)
    storage.save(output, published.tensors, {"imported_from": str(checkpoint)})
    say(f"weights: {WeightsOrigin.of(output, published.tensors, published.skeleton)}")
    say(f"use them with --weights, --set space={SPACE} and --set network.width={published.skeleton.width}")
