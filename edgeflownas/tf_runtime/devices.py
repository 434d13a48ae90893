"""The devices that a training computes on: GPUs, or the CPU."""

from typing import ContextManager, NamedTuple, Optional, Sequence, Tuple

from typing_extensions import Literal

from edgeflownas.errors import InputError
from edgeflownas.progress import say
from edgeflownas.tf_runtime.stack import tf

HOST = "/device:CPU:0"  # what a step is fed and what decides its way stay there


class Devices(NamedTuple):
    """One device or several, of one kind.

    All sessions of a process that see GPUs must see the same: TensorFlow 1.15 fails otherwise.

    Attributes:
        kind: of all of them.
        numbers: of the GPUs, as TensorFlow counts those it sees; of CPUs, how many there are to be.
    """

    kind: Literal["CPU", "GPU"]
    numbers: Tuple[int, ...]

    @property
    def names(self) -> Tuple[str, ...]:
        """What graphs call them; sessions count only the ones that they see."""
        return tuple(f"/device:{self.kind}:{place}" for place in range(len(self.numbers)))

    def restrict_session(self, config: tf.ConfigProto) -> None:
        """Lets a session with that configuration see these devices, the CPU, and no others."""
        if self.kind == "CPU":
            config.device_count["CPU"] = len(self.numbers)  # more than one: TensorFlow makes virtual ones
            config.device_count["GPU"] = 0
        else:
            config.gpu_options.visible_device_list = ",".join(map(str, self.numbers))
            config.allow_soft_placement = True  # what has no kernel for GPUs goes to the CPU


CPU = Devices("CPU", (0,))


def select_devices(gpus: Optional[Sequence[int]]) -> Devices:
    """The devices that a configuration asks for.

    Args:
        gpus: by number; none: the CPU; None: the first GPU, and where there is none that works, the CPU.

    Raises:
        InputError: a GPU is not there, or TensorFlow cannot use it.
    """
    there = len(tf.config.experimental.list_physical_devices("GPU"))
    if gpus is None:
        first = Devices("GPU", (0,))
        if there and _is_usable(first):
            return first
        if there:
            say("train.devices: TensorFlow cannot use the GPU, so the CPU computes; docs/gpu.md says what it needs")
        return CPU
    if not gpus:
        return CPU
    for number in gpus:
        if number >= there:
            seen = f"only GPUs 0 to {there - 1}" if there > 1 else "only GPU 0" if there else "no GPU"
            raise InputError(
                f"train.devices: TensorFlow sees {seen}, not GPU {number}; "
                f"name others, or none for the CPU (--gpu-device none)"
            )
    devices = Devices("GPU", tuple(gpus))
    if not _is_usable(devices):
        raise InputError(
            f"train.devices: TensorFlow cannot use all of GPUs {', '.join(map(str, gpus))}; docs/gpu.md says what it "
            f"needs; or name none for the CPU (--gpu-device none)"
        )
    return devices


def _is_usable(devices: Devices) -> bool:
    """Whether a session gets GPUs that are there: CUDA's libraries may be missing, or a GPU be too old."""
    config = tf.ConfigProto()
    config.gpu_options.allow_growth = True
    devices.restrict_session(config)
    with tf.Session(graph=tf.Graph(), config=config) as session:
        return sum(device.device_type == "GPU" for device in session.list_devices()) == len(devices.numbers)


def place_on_first(devices: Optional[Devices]) -> ContextManager[None]:
    """Puts what is built inside on the first of some devices; None: where TensorFlow chooses."""
    scope: ContextManager[None] = tf.device(devices.names[0] if devices else None)
    return scope


def is_on_gpu(x: tf.Tensor) -> bool:
    """Whether a tensor lies on a GPU: where its graph has put it or, if it has not, where TensorFlow will."""
    return "GPU" in x.device if x.device else bool(tf.config.experimental.list_physical_devices("GPU"))
