import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.network import convolution, normalisation, upsampling
from edgeflownas.network.build import BatchNorm, build_child, create_variables
from edgeflownas.network.convolution import conv2d
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.normalisation import batch_norm
from edgeflownas.network.upsampling import upsample_conv2d
from edgeflownas.tf_runtime import devices
from edgeflownas.tf_runtime.devices import CPU, Devices, place_on_first, select_devices
from edgeflownas.tf_runtime.kernels import LEGACY
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf
from tests.small import weights_for


@pytest.fixture
def gpus(monkeypatch):
    """A function that makes TensorFlow see a number of GPUs, usable or (as without CUDA) not."""

    def set_gpus(count, usable=True):
        monkeypatch.setattr(tf.config.experimental, "list_physical_devices", lambda kind: [kind] * count)
        monkeypatch.setattr(devices, "_is_usable", lambda selected: usable)

    return set_gpus


def test_cpu_is_used_without_configuration_or_gpu(gpus):
    gpus(0)
    assert select_devices(None) == select_devices([]) == CPU


def test_empty_list_selects_the_cpu_even_with_gpus(gpus):
    gpus(2)
    assert select_devices([]) == CPU


def test_first_gpu_is_the_default_and_named_gpus_are_selected(gpus):
    gpus(3)
    assert select_devices(None) == Devices("GPU", (0,))
    assert select_devices([2, 0]) == Devices("GPU", (2, 0))


def test_unusable_gpu_is_reported(gpus, capsys):
    gpus(2, usable=False)
    assert select_devices(None) == CPU
    assert "TensorFlow cannot use the GPU, so the CPU is used" in capsys.readouterr().err
    with pytest.raises(InputError, match="cannot use all of GPUs 0, 1; docs/gpu.md"):
        select_devices([0, 1])


@pytest.mark.parametrize(("count", "visible"), [(0, "no GPU"), (1, "only GPU 0"), (3, "only GPUs 0 to 2")])
def test_missing_gpu_is_reported_in_one_line(gpus, count, visible):
    gpus(count)
    with pytest.raises(InputError, match=f"^train.devices: TensorFlow sees {visible}, not GPU 7; name others") as error:
        select_devices([*range(count), 7])
    assert "\n" not in str(error.value)


def test_session_sees_only_its_devices():
    config = tf.ConfigProto()
    two = Devices("GPU", (3, 1))
    two.restrict_session(config)
    assert config.gpu_options.visible_device_list == "3,1"
    assert two.names == ("/device:GPU:0", "/device:GPU:1")  # as the session counts them
    config = tf.ConfigProto()
    CPU.restrict_session(config)
    assert dict(config.device_count) == {"CPU": 1, "GPU": 0}
    with open_session(tf.Graph(), 1, Devices("CPU", (0, 1))) as opened:
        cpus = [device.name for device in opened.list_devices() if device.device_type == "CPU"]
    assert [name.split("/")[-1] for name in cpus] == ["device:CPU:0", "device:CPU:1"]


def gradient_types(build):
    """Return the types of the operators of a network part and of its gradient."""
    x = tf.random.normal([2, 32, 48, 4])
    y = build(x)
    tf.gradients(y, x)
    return {operator.type for operator in x.graph.get_operations()}


CUSTOM = "IdentityN"  # operator that a custom gradient adds
BUILT_IN = [
    (lambda x: conv2d(x, tf.ones([3, 3, 4, 16])), "Conv2DBackpropInput"),
    (lambda x: conv2d(x, tf.ones([7, 7, 4, 4])), "Conv2DBackpropInput"),
    (lambda x: upsample_conv2d(x, tf.ones([7, 7, 4, 4])), "Conv2DBackpropInput"),
    (lambda x: batch_norm(x, tf.ones([4]), tf.zeros([4]), 1e-3)[0], "FusedBatchNormGradV3"),
]


@pytest.mark.parametrize(("build", "built_in"), BUILT_IN)
@pytest.mark.parametrize("count", [0, 1])
def test_gradients_are_built_in_on_a_gpu_and_custom_on_the_cpu(gpus, build, built_in, count, monkeypatch):
    for module in (convolution, normalisation, upsampling):
        monkeypatch.setattr(module, "FAST", LEGACY)  # with all hand-written kernels
    gpus(count)  # the machine's GPUs do not matter where the graph names a device
    with tf.Graph().as_default(), tf.device("/device:GPU:0"):
        types = gradient_types(build)
        assert built_in in types and CUSTOM not in types
    with tf.Graph().as_default(), place_on_first(CPU):
        assert CUSTOM in gradient_types(build)
    with tf.Graph().as_default(), place_on_first(None):
        assert (CUSTOM in gradient_types(build)) == (not count)


def test_network_on_a_gpu_has_no_custom_gradients():
    skeleton = default_skeleton(4)
    with tf.Graph().as_default() as graph, place_on_first(Devices("GPU", (0,))):
        weights = create_variables(weights_for(skeleton))
        x = tf.constant(np.zeros([2, 32, 48, 6], np.float32))
        tf.gradients(build_child(skeleton, (1,) * 9, x, BatchNorm(weights))[-1], x)
    assert CUSTOM not in {operator.type for operator in graph.get_operations()}
