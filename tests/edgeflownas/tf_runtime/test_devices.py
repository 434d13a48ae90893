import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.network.build import BatchNorm, build_child, create_variables
from edgeflownas.network.convolution import conv2d
from edgeflownas.network.normalisation import batch_norm
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.upsampling import upsample_conv2d
from edgeflownas.tf_runtime import devices
from edgeflownas.tf_runtime.devices import CPU, Devices, place_on_first, select_devices
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf
from tests.small import weights_for


@pytest.fixture
def gpus(monkeypatch):
    """Makes TensorFlow find so many GPUs, and get them or, as where CUDA is missing, not."""

    def there(count, usable=True):
        monkeypatch.setattr(tf.config.experimental, "list_physical_devices", lambda kind: [kind] * count)
        monkeypatch.setattr(devices, "_is_usable", lambda asked: usable)

    return there


def test_without_a_word_or_a_gpu_the_cpu_computes(gpus):
    gpus(0)
    assert select_devices(None) == select_devices([]) == CPU


def test_none_is_the_cpu_even_where_there_is_a_gpu(gpus):
    gpus(2)
    assert select_devices([]) == CPU


def test_without_a_word_it_is_the_first_gpu_and_otherwise_those_that_are_named(gpus):
    gpus(3)
    assert select_devices(None) == Devices("GPU", (0,))
    assert select_devices([2, 0]) == Devices("GPU", (2, 0))


def test_a_gpu_that_cannot_be_used_is_told_of(gpus, capsys):
    gpus(2, usable=False)
    assert select_devices(None) == CPU
    assert "TensorFlow cannot use the GPU, so the CPU computes" in capsys.readouterr().err
    with pytest.raises(InputError, match="cannot use all of GPUs 0, 1; docs/gpu.md"):
        select_devices([0, 1])


@pytest.mark.parametrize(("count", "seen"), [(0, "no GPU"), (1, "only GPU 0"), (3, "only GPUs 0 to 2")])
def test_a_gpu_that_is_not_there_is_named_in_one_line(gpus, count, seen):
    gpus(count)
    with pytest.raises(InputError, match=f"^train.devices: TensorFlow sees {seen}, not GPU 7; name others") as caught:
        select_devices([*range(count), 7])
    assert "\n" not in str(caught.value)


def test_sessions_see_the_devices_they_are_to_see_and_no_others():
    config = tf.ConfigProto()
    two = Devices("GPU", (3, 1))
    two.restrict_session(config)
    assert config.gpu_options.visible_device_list == "3,1"
    assert two.names == ("/device:GPU:0", "/device:GPU:1")  # as such a session counts them
    config = tf.ConfigProto()
    CPU.restrict_session(config)
    assert dict(config.device_count) == {"CPU": 1, "GPU": 0}
    with open_session(tf.Graph(), 1, Devices("CPU", (0, 1))) as running:
        cpus = [device.name for device in running.list_devices() if device.device_type == "CPU"]
    assert [name.split("/")[-1] for name in cpus] == ["device:CPU:0", "device:CPU:1"]


def gradient_types(build):
    """Types of the operators of something and of its gradient, where it is built."""
    x = tf.random.normal([2, 32, 48, 4])
    y = build(x)
    tf.gradients(y, x)
    return {operator.type for operator in x.graph.get_operations()}


OWN = "IdentityN"  # which a gradient of one's own hangs on
BUILT_IN = [
    (lambda x: conv2d(x, tf.ones([3, 3, 4, 16])), "Conv2DBackpropInput"),
    (lambda x: conv2d(x, tf.ones([7, 7, 4, 4])), "Conv2DBackpropInput"),
    (lambda x: upsample_conv2d(x, tf.ones([7, 7, 4, 4])), "Conv2DBackpropInput"),
    (lambda x: batch_norm(x, tf.ones([4]), tf.zeros([4]), 1e-3)[0], "FusedBatchNormGradV3"),
]


@pytest.mark.parametrize(("build", "built_in"), BUILT_IN)
@pytest.mark.parametrize("there", [0, 1])
def test_gradients_are_the_built_in_ones_on_a_gpu_and_the_own_ones_on_the_cpu(gpus, build, built_in, there):
    gpus(there)  # what there is does not count where the graph says what is to be used
    with tf.Graph().as_default(), tf.device("/device:GPU:0"):
        types = gradient_types(build)
        assert built_in in types and OWN not in types
    with tf.Graph().as_default(), place_on_first(CPU):
        assert OWN in gradient_types(build)
    with tf.Graph().as_default(), place_on_first(None):
        assert (OWN in gradient_types(build)) == (not there)


def test_a_network_on_a_gpu_has_no_gradients_of_its_own():
    skeleton = Skeleton(4)
    with tf.Graph().as_default() as graph, place_on_first(Devices("GPU", (0,))):
        weights = create_variables(weights_for(skeleton))
        x = tf.constant(np.zeros([2, 32, 48, 6], np.float32))
        tf.gradients(build_child(skeleton, (1,) * 9, x, BatchNorm(weights))[-1], x)
    assert OWN not in {operator.type for operator in graph.get_operations()}
