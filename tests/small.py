"""Networks, data and weights that are small enough for tests."""

from typing import Dict, Tuple

import numpy as np

from edgeflownas.config import EvaluationConfig, ProceduralData, TrainConfig
from edgeflownas.data.procedural import ProceduralDataset
from edgeflownas.evaluation.child import EvaluationData
from edgeflownas.network.initialisation import draw_initial_weights
from edgeflownas.network.skeleton import Kind, Skeleton, Stage

DATA = ProceduralData(kind="procedural", height=32, width=48, train_pairs=16, val_pairs=6, motion=4.0)
EVALUATION = EvaluationConfig(calibration_pairs=6, calibration_batch=4, batch_size=4)
TRAIN = TrainConfig(epochs=2, batch_size=4, learning_rate=1e-3, warmup_steps=2, uncertainty_from=0.5)


def datasets() -> Tuple[ProceduralDataset, ProceduralDataset]:
    return ProceduralDataset(DATA, "train"), ProceduralDataset(DATA, "val")


def evaluation_data() -> EvaluationData:
    return EvaluationData(*datasets(), EVALUATION, threads=1)


def weights_for(skeleton: Skeleton, seed: int = 0) -> Dict[str, np.ndarray]:
    """Return weights in which every kind of tensor differs from its initial value."""
    rng = np.random.default_rng(seed)
    weights = draw_initial_weights(skeleton.parameters(), rng)
    for name, value in weights.items():
        if not name.endswith("/kernel"):
            weights[name] = (value + rng.normal(0, 0.2, value.shape)).astype(np.float32)
    return weights


# Another space: a stem gene with two options, four depths, no gene at H1Out.
OTHER_STAGES = (
    Stage("E0", Kind.CONV, scale=2, width=2, options=(3, 5), stride=2),
    Stage("E1", Kind.CONV, scale=4, width=4, options=(5,), stride=2),
    Stage("EB0", Kind.RESIDUAL, scale=4, width=4, options=(1, 2, 3, 4)),
    Stage("Up", Kind.UP, scale=2, width=2, options=(3,)),
    Stage("Coarse", Kind.FLOW, scale=2, width=0, options=(3, 5)),
    Stage("Fine", Kind.UP, scale=1, width=1, options=(1, 3, 5)),
    Stage("Out", Kind.FLOW, scale=1, width=0, options=(3, 7)),
)

# Three genes, of which the last two belong to the heads; the graph is built in seconds.
THREE_GENES = (
    Stage("E0", Kind.CONV, scale=2, width=2, options=(3,), stride=2),
    Stage("EB0", Kind.RESIDUAL, scale=2, width=2, options=(1, 2, 3)),
    Stage("Coarse", Kind.FLOW, scale=2, width=0, options=(1, 3)),
    Stage("Fine", Kind.UP, scale=1, width=1, options=(3,)),
    Stage("Out", Kind.FLOW, scale=1, width=0, options=(1, 3, 5)),
)
