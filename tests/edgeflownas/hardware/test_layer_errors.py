import numpy as np
import pytest

from edgeflownas.evaluation.child import ChildEvaluator
from edgeflownas.hardware.layer_errors import measure_layer_errors
from edgeflownas.hardware.networks import TrainedNetwork
from edgeflownas.network.skeleton import Skeleton
from tests.small import THREE_GENES, evaluation_data, weights_for

ARCHITECTURE = (1, 1, 2)


@pytest.fixture(scope="module")
def network() -> TrainedNetwork:
    skeleton = Skeleton(4, THREE_GENES)
    data, weights = evaluation_data(), weights_for(skeleton)
    statistics = ChildEvaluator(skeleton, ARCHITECTURE, data, threads=1).recalibrate(weights)
    return TrainedNetwork(weights, statistics, data.calibration[0].images)


def test_errors_are_those_of_integers_and_add_up_along_the_network(network: TrainedNetwork) -> None:
    errors = measure_layer_errors(Skeleton(4, THREE_GENES), ARCHITECTURE, network, network.images)
    assert [error.layer for error in errors] == ["E0", "EB0", "Coarse", "Fine", "Out", "flow 1/1"]
    assert all(0.001 < error.error < 0.2 for error in errors)
    by_name = {error.layer: error for error in errors}
    assert by_name["E0"].increase == by_name["E0"].error, "images have no error"
    assert by_name["Fine"].increase == pytest.approx(by_name["Fine"].error - by_name["EB0"].error)
    largest = max(by_name["Coarse"].error, by_name["Out"].error)
    assert by_name["flow 1/1"].increase == pytest.approx(by_name["flow 1/1"].error - largest)


def test_wider_ranges_increase_the_errors(network: TrainedNetwork) -> None:
    dark = network._replace(images=np.full_like(network.images, 128))
    own = measure_layer_errors(Skeleton(4, THREE_GENES), ARCHITECTURE, network, network.images)
    other = measure_layer_errors(Skeleton(4, THREE_GENES), ARCHITECTURE, dark, network.images)
    assert other[-1].error > own[-1].error, "ranges of uniform images clip the activations"
