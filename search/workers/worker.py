"""What a worker does, in a process of its own on this machine or another: it scores architectures.

It builds its evaluator once, keeps it, and takes no work from a search that scores by other code, another supernet or
other images than it would. Without TensorFlow until there is something to score.
"""

import functools
import hashlib
import os
import socket
import threading
from pathlib import Path
from typing import List, NamedTuple, Sequence

import numpy as np

import edgeflownas
import supernet
from edgeflownas.config import DataConfig, EvaluationConfig
from edgeflownas.config.section import Section
from edgeflownas.data.datasets import open_datasets
from edgeflownas.errors import InputError
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Architecture
from edgeflownas.storage import checkpoint
from search.nsga2.scoring import Evaluator, Score
from search.run import SCORING_THREADS

_ONE_AT_A_TIME = threading.Lock()  # a worker of Dask may have several threads


def _code() -> str:
    """SHA-256 of all sources that scores are computed by."""
    digest = hashlib.sha256()
    for package in (edgeflownas, supernet):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


CODE = _code()  # as it was when it was loaded


class Setup(Section):
    """All that scores depend on, beside the code.

    Attributes:
        width: base width of the network.
        weights: path of the supernet's.
        weights_sha256: of their values.
        data: that is scored on.
        evaluation: how.
        threads: that read images.
        gpu: whether it has to have one.
    """

    width: int
    weights: str
    weights_sha256: str
    data: DataConfig
    evaluation: EvaluationConfig
    threads: int
    gpu: bool


class Answer(NamedTuple):
    """What a worker found.

    Attributes:
        groups: scores, by backbone.
        zero_flow_epe: EPE of predicting no motion, pixels.
        basis: the libraries and the images that it scores with; must be the same everywhere.
        worker: its process, machine and folder.
    """

    groups: List[List[Score]]
    zero_flow_epe: float
    basis: str
    worker: str


class _Built(NamedTuple):
    """An evaluator, and what does not change from answer to answer."""

    evaluator: Evaluator
    zero_flow_epe: float
    basis: str


def answer(code: str, setup: str, architectures: Sequence[Architecture]) -> Answer:
    """Scores architectures.

    Of plain arguments, so that a worker with other code can read them.

    Args:
        code: ``CODE`` of the search.
        setup: a ``Setup`` as JSON.
        architectures: to score; may be none.

    Raises:
        InputError: the worker's code or supernet is another one, or it cannot read the data.
    """
    with _ONE_AT_A_TIME:
        try:
            if code != CODE:
                raise InputError(
                    f"has other code than this search ({CODE:.12} there, {code:.12} here); bring both to the same "
                    f"version, and start the worker again"
                )
            built = _built(setup)
            groups = list(built.evaluator.score(architectures))
        except InputError as error:
            raise InputError(f"worker {_name()}: {error}") from None
        except (OSError, MemoryError):
            raise
        except Exception as error:  # may be of a kind that cannot be sent
            raise RuntimeError(f"worker {_name()}: {type(error).__name__}: {error}") from error
    return Answer(groups, built.zero_flow_epe, built.basis, _name())


@functools.lru_cache(maxsize=1)
def _built(setup: str) -> _Built:
    """Reads the images, and builds the supernet."""
    wanted = Setup.model_validate_json(setup)
    skeleton = Skeleton(wanted.width)
    tensors, _ = checkpoint.load(Path(wanted.weights))
    weights = {name: tensors[name] for name in skeleton.parameters() if name in tensors}
    found = checkpoint.digest(weights)
    if found != wanted.weights_sha256:
        raise InputError(
            f"{wanted.weights} is another supernet there than the search began with (sha256 {found:.12}, not "
            f"{wanted.weights_sha256:.12}); let both read the same file, and do not train into it meanwhile"
        )
    from edgeflownas.evaluation.child import EvaluationData
    from edgeflownas.tf_runtime.stack import tf
    from supernet.tree import TreeEvaluator

    if wanted.gpu and not tf.config.experimental.list_physical_devices("GPU"):
        number = os.environ.get("CUDA_VISIBLE_DEVICES")
        raise InputError(f"evaluation.devices: TensorFlow does not see GPU {number}; leave it out, or see docs/gpu.md")
    data = EvaluationData(*open_datasets(wanted.data), wanted.evaluation, wanted.threads)
    basis = f"TensorFlow {tf.__version__}, NumPy {np.__version__} and images {data.digest():.12}"
    return _Built(TreeEvaluator(skeleton, weights, data, SCORING_THREADS), data.zero_flow_epe(), basis)


def _name() -> str:
    return f"{os.getpid()} on {socket.gethostname()} in {os.getcwd()}"
