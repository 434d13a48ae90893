"""Write the configurations of two samples of children, with which the ranking of a supernet is tested.

    .venv/bin/python -m benchmarks.ranking_sample --config configs/demo.yaml --space results/reference/demo/space.h5

``fair.yaml`` is a sample in which every option of a gene is equally frequent. ``spread.yaml`` contains architectures at
even distances over the range of the supernet's EPEs, as FairNAS chose its models (Chu et al., ICCV 2021). Both are
configurations of the strategy ``independent``: train each with several seeds, then rank.

    T=results/truth
    for name in fair spread; do for seed in 1 2 3; do
        edgeflownas-search evolve --config $T/$name.yaml --set seed=$seed --run $T/${name}_$seed
    done; done
    edgeflownas-search rank --config $T/fair.yaml --set strategy=one_shot --run $T/fair_ranking \\
        --children $T/fair_1/queue --children $T/fair_2/queue --children $T/fair_3/queue

``evolve`` resumes where it was interrupted. The recipe of the children is ``queue.train``.
"""

import argparse
from pathlib import Path
from typing import List, Sequence

import h5py
import numpy as np

from edgeflownas.config import load
from edgeflownas.config.file import dump
from edgeflownas.network.definition import open_skeleton
from edgeflownas.network.space import Architecture, Space
from edgeflownas.storage.files import write_text
from supernet.fairness import draw_fair_sample


def choose_spread(
    architectures: Sequence[Architecture], epe: np.ndarray, count: int, excluded: Sequence[Architecture] = ()
) -> List[Architecture]:
    """Choose the architectures whose EPEs are closest to values evenly spaced from the smallest to the largest EPE.

    Args:
        architectures: Architectures to choose from.
        epe: EPE of each of them, [n].
        count: Number of architectures to choose.
        excluded: Architectures that are not chosen.
    """
    taken = set(excluded)
    left = [index for index, architecture in enumerate(architectures) if architecture not in taken]
    chosen = []
    for target in np.linspace(epe[left].min(), epe[left].max(), count):
        nearest = min(left, key=lambda index: abs(epe[index] - target))
        left.remove(nearest)
        chosen.append(architectures[nearest])
    return chosen


def main() -> None:
    """Write both configurations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("configs/demo.yaml"))
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--space", type=Path, default=Path("results/reference/demo/space.h5"))
    parser.add_argument("--fair", type=int, default=30, help="size of the fair sample")
    parser.add_argument("--spread", type=int, default=12, help="size of the sample that is spread over the EPE")
    parser.add_argument("--seed", type=int, default=0, help="seed of the fair sample")
    parser.add_argument("--folder", type=Path, default=Path("results/truth"))
    options = parser.parse_args()
    config = load(options.config, [*options.overrides, "strategy=independent"])
    space = Space.from_skeleton(open_skeleton(config))
    with h5py.File(str(options.space), "r") as file:
        scored: List[Architecture] = [tuple(genes) for genes in file["archive/genes"][()].tolist()]
        epe = file["archive/epe"][()]
    fair = draw_fair_sample(space, options.fair, options.seed)
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, sample in (("fair", fair), ("spread", choose_spread(scored, epe, options.spread, fair))):
        digits = sorted(map(space.format, sample))
        independent = config.independent.model_copy(update={"architectures": digits})
        path = options.folder / f"{name}.yaml"
        write_text(path, dump(config.model_copy(update={"independent": independent})))
        print(f"{path}: {len(digits)} architectures")


if __name__ == "__main__":
    main()
