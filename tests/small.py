"""Networks, data and weights that are small enough for tests."""

from typing import Callable, Dict, Sequence, Tuple

import numpy as np

from edgeflownas.config import EvaluationConfig, ProceduralData, TrainConfig
from edgeflownas.data.procedural import ProceduralDataset
from edgeflownas.evaluation.child import EvaluationData
from edgeflownas.network.definition import read_space
from edgeflownas.network.initialisation import draw_initial_weights
from edgeflownas.network.operations import Conv, Flow, Operation, Residual, Upsample
from edgeflownas.network.skeleton import Skeleton, Stage

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


def make_stage(
    name: str, operation: Callable[..., Operation], values: Sequence[int], width: float = 0.0, **settings: int
) -> Stage:
    """Return a stage whose options are one operation with different values of its first parameter."""
    return Stage(name, width, tuple((operation(value, **settings),) for value in values))


# The stages of the project's own spaces.
SHIPPED = {
    name: read_space(name).lay_out() for name in ("edgeflownet_bilinear", "edgeflownet_bilinear_11", "edgeflownet")
}
NINE_GENES = SHIPPED["edgeflownet_bilinear"]

# Another space: a stem gene with two options, four depths, no gene at H1Out.
OTHER_STAGES = (
    make_stage("E0", Conv, (3, 5), width=1, stride=2),
    make_stage("E1", Conv, (5,), width=2, stride=2),
    make_stage("EB0", Residual, (1, 2, 3, 4), width=2),
    make_stage("Up", Upsample, (3,), width=1),
    make_stage("Coarse", Flow, (3, 5)),
    make_stage("Fine", Upsample, (1, 3, 5), width=0.5),
    make_stage("Out", Flow, (3, 7)),
)

# Three genes, of which the last two belong to the heads; the graph is built in seconds.
THREE_GENES = (
    make_stage("E0", Conv, (3,), width=1, stride=2),
    make_stage("EB0", Residual, (1, 2, 3), width=1),
    make_stage("Coarse", Flow, (1, 3)),
    make_stage("Fine", Upsample, (3,), width=0.5),
    make_stage("Out", Flow, (1, 3, 5)),
)
