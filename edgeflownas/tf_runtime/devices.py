"""The devices on which training runs: GPUs or the CPU."""

from typing import ContextManager, NamedTuple, Optional, Sequence, Tuple

from typing_extensions import Literal

from edgeflownas.errors import InputError
from edgeflownas.progress import say
from edgeflownas.tf_runtime.stack import tf

HOST = "/device:CPU:0"  # holds the inputs of a step and the values that decide its control flow


class Devices(NamedTuple):
    """One or more devices of the same kind.

    All sessions of a process that see GPUs must see the same ones; otherwise TensorFlow 1.15 fails.

    Attributes:
        kind: Kind of all devices.
        numbers: Numbers of the GPUs among those that TensorFlow sees; for CPUs, one number for each device to create.
    """

    kind: Literal["CPU", "GPU"]
    numbers: Tuple[int, ...]

    @property
    def names(self) -> Tuple[str, ...]:
        """Names of the devices in a graph; a session counts only those that it sees."""
        return tuple(f"/device:{self.kind}:{place}" for place in range(len(self.numbers)))

    def restrict_session(self, config: tf.ConfigProto) -> None:
        """Let a session with this configuration see these devices, the CPU, and no others."""
        if self.kind == "CPU":
            config.device_count["CPU"] = len(self.numbers)  # with more than one, TensorFlow creates virtual devices
            config.device_count["GPU"] = 0
        else:
            config.gpu_options.visible_device_list = ",".join(map(str, self.numbers))
            config.allow_soft_placement = True  # operators without a GPU kernel run on the CPU


CPU = Devices("CPU", (0,))


def select_devices(gpus: Optional[Sequence[int]]) -> Devices:
    """Return the devices that a configuration asks for.

    Args:
        gpus: Numbers of the GPUs; if empty, the CPU; if None, the first GPU, or the CPU if no GPU works.

    Raises:
        InputError: A GPU does not exist, or TensorFlow cannot use it.
    """
    count = len(tf.config.experimental.list_physical_devices("GPU"))
    if gpus is None:
        first = Devices("GPU", (0,))
        if count and _is_usable(first):
            return first
        if count:
            say("train.devices: TensorFlow cannot use the GPU, so the CPU is used; docs/gpu.md lists what it needs")
        return CPU
    if not gpus:
        return CPU
    for number in gpus:
        if number >= count:
            visible = f"only GPUs 0 to {count - 1}" if count > 1 else "only GPU 0" if count else "no GPU"
            raise InputError(
                f"train.devices: TensorFlow sees {visible}, not GPU {number}; "
                f"name others, or use the CPU (--gpu-device none)"
            )
    devices = Devices("GPU", tuple(gpus))
    if not _is_usable(devices):
        raise InputError(
            f"train.devices: TensorFlow cannot use all of GPUs {', '.join(map(str, gpus))}; docs/gpu.md lists what it "
            f"needs; name others, or use the CPU (--gpu-device none)"
        )
    return devices


def _is_usable(devices: Devices) -> bool:
    """Return whether a session can use these GPUs: CUDA may be missing, or a GPU may be too old."""
    config = tf.ConfigProto()
    config.gpu_options.allow_growth = True
    devices.restrict_session(config)
    with tf.Session(graph=tf.Graph(), config=config) as session:
        return sum(device.device_type == "GPU" for device in session.list_devices()) == len(devices.numbers)


def place_on_first(devices: Optional[Devices]) -> ContextManager[None]:
    """Return a context that places operators on the first device; for None, TensorFlow chooses."""
    scope: ContextManager[None] = tf.device(devices.names[0] if devices else None)
    return scope


def is_on_gpu(x: tf.Tensor) -> bool:
    """Return whether a tensor is on a GPU: by its device in the graph or, if it has none, by TensorFlow's default."""
    return "GPU" in x.device if x.device else bool(tf.config.experimental.list_physical_devices("GPU"))
