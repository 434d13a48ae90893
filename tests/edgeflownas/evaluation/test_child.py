import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.evaluation import child as evaluation
from edgeflownas.evaluation.child import ChildEvaluator, EvaluationData
from edgeflownas.network.build import EPSILON
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.operations import Residual, Upsample
from tests.small import EVALUATION, datasets, evaluation_data, weights_for

SKELETON = default_skeleton(2)
ARCHITECTURE = (1, 0, 2, 0, 1, 0, 2, 1, 0)


def convolve(x, kernel, stride):
    """Compute a "SAME" convolution of x [B, H, W, I] by its definition in NumPy."""
    size = kernel.shape[0]
    height, width = (side // stride for side in x.shape[1:3])
    pads = [max((side - 1) * stride + size - full, 0) for side, full in zip((height, width), x.shape[1:3])]
    x = np.pad(x, [(0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)])
    y = np.zeros((len(x), height, width, kernel.shape[3]))
    for i, j in np.ndindex(size, size):
        y += x[:, i : i + height * stride : stride, j : j + width * stride : stride] @ kernel[i, j].astype(np.float64)
    return y


def upsample(x):
    for axis in (1, 2):
        following = np.concatenate([np.take(x, range(1, x.shape[axis]), axis), np.take(x, [-1], axis)], axis)
        x = np.stack([x, (x + following) / 2], axis + 1).reshape(
            x.shape[:axis] + (2 * x.shape[axis],) + x.shape[axis + 1 :]
        )
    return x


def numpy_network(weights, statistics, images):
    """Compute the final prediction in NumPy, independently of the TensorFlow network."""

    def layer(convolution, x):
        y = convolve(x, weights[convolution.name + "/kernel"], convolution.stride)
        if convolution.norm is None:
            return y + weights[convolution.name + "/bias"]
        mean, variance = statistics[convolution.norm]
        gamma, beta = weights[convolution.norm + "/gamma"], weights[convolution.norm + "/beta"]
        return (y - mean) / np.sqrt(variance + EPSILON) * gamma + beta

    x, flow = images / 127.5 - 1.0, None
    for stage, option in SKELETON.route(ARCHITECTURE):
        convolutions = SKELETON.convolutions(stage, option)
        if stage.is_flow:
            output = layer(convolutions[0], x)
            flow = output if flow is None else upsample(flow) + output
        elif isinstance(stage.options[0][0], Residual):
            for first, second in zip(convolutions[::2], convolutions[1::2]):
                x = np.maximum(layer(second, np.maximum(layer(first, x), 0)) + x, 0)
        else:
            x = np.maximum(layer(convolutions[0], upsample(x) if isinstance(stage.options[0][0], Upsample) else x), 0)
    return flow


@pytest.fixture(scope="module")
def scored():
    data = evaluation_data()
    evaluator = ChildEvaluator(SKELETON, ARCHITECTURE, data, threads=1)
    weights = weights_for(SKELETON)
    return data, evaluator, weights, evaluator.recalibrate(weights)


def test_predictions_equal_those_of_a_numpy_network(scored):
    data, evaluator, weights, statistics = scored
    images = data.validation[0].images
    ours = evaluator.predict(weights, statistics, images)
    np.testing.assert_allclose(ours, numpy_network(weights, statistics, images), rtol=1e-3, atol=1e-3)


def test_epe_pools_all_valid_pixels_of_all_images(scored):
    data, evaluator, weights, statistics = scored
    total, count = 0.0, 0
    for batch in data.validation:
        prediction = evaluator.predict(weights, statistics, batch.images)[..., :2]
        distance = np.sqrt(((prediction - batch.flow) ** 2).sum(-1))[batch.valid[..., 0] > 0]
        total, count = total + distance.sum(), count + distance.size
    assert len(data.validation) == 2 and len(data.validation[0].images) != len(data.validation[1].images)
    assert evaluator.epe(weights, statistics) == pytest.approx(total / count, rel=1e-5)


def test_zero_flow_epe_is_the_mean_flow_magnitude(scored):
    flows = np.concatenate([batch.flow for batch in scored[0].validation])
    assert scored[0].zero_flow_epe() == pytest.approx(np.linalg.norm(flows, axis=-1).mean(), rel=1e-6)


def test_recalibrated_statistics_of_the_first_bn_match_the_images(scored):
    data, _, weights, statistics = scored
    images = np.concatenate([batch.images for batch in data.calibration])
    y = convolve(images / 127.5 - 1.0, weights["E0/0/kernel"], 2)
    np.testing.assert_allclose(statistics["E0/bn"][0], y.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(statistics["E0/bn"][1], y.var(axis=(0, 1, 2)), rtol=1e-4)


def test_scoring_twice_gives_identical_bits(scored):
    _, evaluator, weights, _ = scored
    assert evaluator.score(weights) == evaluator.score(weights)


def test_streamed_validation_pairs_give_the_same_score_as_held_ones(scored, monkeypatch):
    data, evaluator, weights, statistics = scored
    monkeypatch.setattr(evaluation, "_HELD_BYTES", 0)
    streamed = evaluation_data()
    assert isinstance(data.validation, list) and not isinstance(streamed.validation, list)
    assert [len(batch.images) for batch in streamed.validation] == [4, 2] and len(streamed.validation[1].images) == 2
    assert streamed.zero_flow_epe() == data.zero_flow_epe()
    held = evaluator.epe(weights, statistics)
    monkeypatch.setattr(evaluator, "_data", streamed)
    assert [evaluator.epe(weights, statistics) for _ in range(2)] == [held, held]


def test_digest_differs_for_other_images_and_settings(scored):
    train, val = datasets()
    changed = [
        EvaluationData(train, val, EVALUATION.model_copy(update={"calibration_pairs": 5}), threads=1),
        EvaluationData(train, val, EVALUATION.model_copy(update={"val_pairs": 5}), threads=1),
        EvaluationData(val, val, EVALUATION, threads=1),
        EvaluationData(train, train, EVALUATION, threads=1),
    ]
    digests = [data.digest() for data in (scored[0], *changed)]
    assert len(set(digests)) == len(digests)
    assert evaluation_data().digest() == digests[0] == scored[0].digest()


@pytest.mark.parametrize(
    ("key", "part", "count"), [("calibration_pairs", "training", 16), ("val_pairs", "validation", 6)]
)
def test_fewer_pairs_than_asked_for_are_refused_unless_the_user_asks_for_them(key: str, part: str, count: int) -> None:
    mend = f"{count + 1} {part} pairs, but data has {count}; .* evaluation.{key}={count} "
    with pytest.raises(InputError, match=mend):
        EvaluationData(*datasets(), EVALUATION.model_copy(update={key: count + 1}), threads=1)
    data = EvaluationData(*datasets(), EVALUATION.model_copy(update={key: count}), threads=1)
    batches = data.calibration if part == "training" else data.validation
    assert sum(len(batch.images) for batch in batches) == count
