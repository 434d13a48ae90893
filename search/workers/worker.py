"""Scoring of architectures in a worker, a separate process on this or another machine.

A worker builds its evaluator once and keeps it. It rejects work from a search with different code, a different supernet
or different images. TensorFlow is imported only when there is something to score.
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
from edgeflownas.network.definition import SpaceFile
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Architecture
from edgeflownas.storage import checkpoint
from search.nsga2.scoring import Evaluator, Score
from search.run import SCORING_THREADS

_ONE_AT_A_TIME = threading.Lock()  # a Dask worker may have several threads


def _hash_code() -> str:
    """Return the SHA-256 of all sources that affect the scores."""
    digest = hashlib.sha256()
    for package in (edgeflownas, supernet):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


CODE = _hash_code()  # when this module was loaded


class Setup(Section):
    """Everything that affects the scores, except the code.

    Attributes:
        space: Definition of the search space.
        width: Base width of the network, in channels.
        weights: Path of the weights of the supernet.
        weights_sha256: Digest of the values of the weights.
        data: Data set on which architectures are scored.
        evaluation: Scoring rules.
        threads: Number of threads that read images.
        gpu: Whether the worker must have a GPU.
    """

    space: SpaceFile
    width: int
    weights: str
    weights_sha256: str
    data: DataConfig
    evaluation: EvaluationConfig
    threads: int
    gpu: bool


class Answer(NamedTuple):
    """Answer of a worker.

    Attributes:
        groups: Scores, grouped by backbone.
        zero_flow_epe: EPE of predicting no motion, in pixels.
        basis: Libraries and images of the worker, which must be the same for all workers.
        worker: Process, machine and folder of the worker.
    """

    groups: List[List[Score]]
    zero_flow_epe: float
    basis: str
    worker: str


class _Built(NamedTuple):
    """An evaluator, and the parts of an answer that never change."""

    evaluator: Evaluator
    zero_flow_epe: float
    basis: str


def answer(code: str, setup: str, architectures: Sequence[Architecture]) -> Answer:
    """Score architectures, in a worker.

    The arguments have built-in types, so that a worker with different code can read them.

    Args:
        code: ``CODE`` of the search.
        setup: A ``Setup`` as JSON.
        architectures: Architectures to score, possibly none.

    Raises:
        InputError: The worker has different code or a different supernet, or cannot read the data.
    """
    with _ONE_AT_A_TIME:
        try:
            if code != CODE:
                raise InputError(
                    f"has different code than this search ({CODE:.12} there, {code:.12} here); install the same "
                    f"version, and restart the worker"
                )
            built = _build(setup)
            groups = list(built.evaluator.score(architectures))
        except InputError as error:
            raise InputError(f"worker {_describe_worker()}: {error}") from None
        except (OSError, MemoryError):
            raise
        except Exception as error:  # because the type of the error may not be serialisable
            raise RuntimeError(f"worker {_describe_worker()}: {type(error).__name__}: {error}") from error
    return Answer(groups, built.zero_flow_epe, built.basis, _describe_worker())


@functools.lru_cache(maxsize=1)
def _build(setup: str) -> _Built:
    """Read the images, and build the supernet."""
    wanted = Setup.model_validate_json(setup)
    skeleton = Skeleton(wanted.width, wanted.space.lay_out())
    tensors, _ = checkpoint.load(Path(wanted.weights))
    weights = {name: tensors[name] for name in skeleton.parameters() if name in tensors}
    digest = checkpoint.digest(weights)
    if digest != wanted.weights_sha256:
        raise InputError(
            f"{wanted.weights} is not the supernet with which the search began (sha256 {digest:.12} instead of "
            f"{wanted.weights_sha256:.12}); give both the same file, and do not train into it during the search"
        )
    from edgeflownas.evaluation.child import EvaluationData
    from edgeflownas.tf_runtime.stack import tf
    from supernet.tree import TreeEvaluator

    if wanted.gpu and not tf.config.experimental.list_physical_devices("GPU"):
        number = os.environ.get("CUDA_VISIBLE_DEVICES")
        raise InputError(f"evaluation.devices: TensorFlow does not find GPU {number}; leave it out, or see docs/gpu.md")
    data = EvaluationData(*open_datasets(wanted.data), wanted.evaluation, wanted.threads)
    basis = f"TensorFlow {tf.__version__}, NumPy {np.__version__} and images {data.digest():.12}"
    return _Built(TreeEvaluator(skeleton, weights, data, SCORING_THREADS), data.zero_flow_epe(), basis)


def _describe_worker() -> str:
    return f"{os.getpid()} on {socket.gethostname()} in {os.getcwd()}"
