"""EPEs of retrained networks with the input of the board, in float32 and in int8."""

import math
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np
from pydantic import Field

from edgeflownas.config import ChildConfig, DeployConfig, EvaluationConfig, Section, pad_size, validate
from edgeflownas.data.datasets import open_datasets, open_whole, resize_whole
from edgeflownas.data.identity import identify_pairs, is_in_files
from edgeflownas.data.sample import FlowDataset
from edgeflownas.errors import InputError
from edgeflownas.evaluation.recalibration import select_statistics
from edgeflownas.hardware.networks import Networks, TrainedNetwork
from edgeflownas.network.definition import open_skeleton
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import phase, progress
from edgeflownas.storage import checkpoint, record
from edgeflownas.storage.pairs import Identities
from edgeflownas.wording import format_count
from search.queue.task import Task

if TYPE_CHECKING:  # otherwise --help would load TensorFlow
    from edgeflownas.evaluation.child import EvaluationData

NOTABLE_LOSS = 0.05  # increase of the EPE by quantisation that is examined

_MORE_PAIRS, _TRIM = 4, 0.25  # other ranges that are tried: from more pairs, and without the pairs of largest motion
_LAYER_PAIRS = 8  # validation pairs on which the errors of layers are measured


class LayerLoss(Section):
    """Error of a layer's output in int8; see ``hardware.layer_errors``."""

    layer: str
    error: float = Field(ge=0, description="fraction of the root mean square of the float32 output")
    increase: float = Field(description="difference between this error and the largest error of the inputs")


class Trial(Section):
    """EPE in int8 with other ranges of activations."""

    calibration_pairs: int = Field(ge=1)
    trim: float = Field(ge=0)
    int8_epe: float = Field(ge=0, description="pixels")


class DeployedEpe(Section):
    """Content of ``deployed.json``: EPEs with the input of the board."""

    weights_sha256: str
    settings: Dict[str, Any] = Field(description="size, data set, numbers of pairs and type of input and output")
    fingerprints: Identities = Field({}, description="fingerprints of the pairs; empty for drawn scenes")
    pairs: int = Field(ge=1)
    epe: float = Field(ge=0, description="float32, mean over all valid pixels, pixels")
    int8_epe: float = Field(ge=0, description="quantised network, same pairs, pixels")
    zero_flow_epe: float = Field(gt=0, description="EPE of zero flow, pixels")
    layers: List[LayerLoss] = Field([], description="errors of the layers; empty if the loss is small")
    trials: List[Trial] = Field([], description="other ranges; empty if the loss is small")

    @property
    def loss(self) -> float:
        """Increase of the EPE by quantisation, as a fraction of the EPE in float32."""
        return self.int8_epe / self.epe - 1 if self.epe else 0.0


class Ranges(NamedTuple):
    """Training pairs on which the ranges of activations are measured for int8.

    Attributes:
        pairs: Largest number of pairs.
        trim: Fraction of the pairs that are left out, those with the largest predicted motion.
    """

    pairs: int
    trim: float


class Deployment:
    """The input of the board, for which all networks of a queue are scored on the same pairs."""

    def __init__(self, config: DeployConfig, child: ChildConfig, int8_io: bool) -> None:
        """Describe the input; nothing is read yet.

        Args:
            config: Section ``deploy`` of the configuration.
            child: Configuration of the retraining; its data set is used unless ``config`` names another one.
            int8_io: Whether input and output of the quantised network are int8.
        """
        self._config, self._child, self._int8_io = config, child, int8_io
        self._data = config.data or child.data
        self._skeleton = open_skeleton(child)
        self._opened: Optional[Tuple[FlowDataset, FlowDataset]] = None
        self._fingerprints: Optional[Identities] = None
        self._evaluation: Optional[EvaluationData] = None

    @property
    def size(self) -> Tuple[int, int]:
        """Height and width of the input before padding, in pixels."""
        if self._config.height is None or self._config.width is None:
            return self._data.size
        return self._config.height, self._config.width

    @property
    def padded_size(self) -> Tuple[int, int]:
        """Height and width of the network's input, in pixels."""
        return pad_size(*self.size)

    @property
    def settings(self) -> Dict[str, Any]:
        """Everything that the EPEs depend on besides the weights and the content of files."""
        return {
            "size": list(self.size),
            "whole": self._config.height is not None,
            "data": self._data.model_dump(),
            "calibration_data": self._child.data.model_dump(),
            "pairs": self._pairs,
            "calibration_pairs": self._config.calibration_pairs,
            "trim": self._config.trim,
            "int8_io": self._int8_io,
        }

    def score(self, task: Task, tensors: Mapping[str, np.ndarray]) -> DeployedEpe:
        """Score a child, unless it has been scored with the same weights, settings and pairs.

        Args:
            task: Finished task.
            tensors: Weights and BN statistics of the child.

        Raises:
            InputError: The pairs cannot be read or cannot be scored, and the EPE is not known.
        """
        known = self._load_known(task, checkpoint.digest(tensors))
        try:
            fingerprints = self._identify()
        except InputError:
            if known is None:
                raise
            return known
        if known is not None and known.fingerprints == fingerprints:
            return known
        scored = self._score(task.config.architecture, tensors)
        record.write(task.paths.deployed, scored.model_dump())
        return scored

    def networks(self, name: str, tensors: Mapping[str, np.ndarray], ranges: Optional[Ranges] = None) -> Networks:
        """Return the networks to compile, with the weights of a child.

        Args:
            name: Digits of the child's architecture.
            tensors: Weights and BN statistics of the child.
            ranges: Pairs that determine the ranges of activations; if None, those of the configuration.

        Raises:
            InputError: The pairs cannot be read.
        """
        images = self._select_images(self._parse(name), tensors, ranges or self._ranges)
        network = TrainedNetwork(tensors, select_statistics(tensors), images)
        return Networks(self._skeleton, *self.padded_size, network)

    def export(self, name: str, tensors: Mapping[str, np.ndarray], ranges: Optional[Ranges] = None) -> bytes:
        """Return the quantised network as a TFLite model; with the ranges of the configuration, the one that is scored.

        Args:
            name: Digits of the architecture.
            tensors: Weights and BN statistics.
            ranges: Pairs that determine the ranges of activations; if None, those of the configuration.

        Raises:
            InputError: The pairs cannot be read.
        """
        return self.networks(name, tensors, ranges).export(self._parse(name), self._int8_io)

    def open_validation(self, most: int = 0) -> "EvaluationData":
        """Return the images to score with.

        Args:
            most: Largest number of validation pairs; 0: as configured.

        Raises:
            InputError: The pairs cannot be read.
        """
        from edgeflownas.evaluation.child import EvaluationData

        train, val = self._open()
        count = self._pairs or len(val)
        rules = EvaluationConfig(
            calibration_pairs=1, calibration_batch=1, val_pairs=min(count, most or count),
            batch_size=self._child.evaluation.batch_size,
        )  # fmt: skip
        return EvaluationData(train, val, rules, self._child.threads)

    def _parse(self, name: str) -> Architecture:
        return Space.from_skeleton(self._skeleton).parse(name)

    @property
    def _ranges(self) -> Ranges:
        return Ranges(self._config.calibration_pairs, self._config.trim)

    @property
    def _pairs(self) -> int:
        """Number of validation pairs to score; 0: all."""
        config = self._config
        return config.pairs or (self._child.evaluation.val_pairs if config.data is None else 0)

    def _open(self) -> Tuple[FlowDataset, FlowDataset]:
        """Return the training pairs for the ranges, and the validation pairs."""
        if self._opened is None:
            whole = self._config.height is not None
            train, val = open_datasets(self._child.data)
            if self._config.data is None:
                if whole:
                    train, val = resize_whole(train, self.size), resize_whole(val, self.size)
            else:
                train, key = resize_whole(train, self.size), "deploy.data"
                val = open_whole(self._data, "val", self.size, key) if whole else open_datasets(self._data, key)[1]
            if len(val) < self._pairs:
                raise InputError(
                    f"deploy.pairs: asks for {format_count(self._pairs, 'validation pair')}, but the data set has "
                    f"{len(val)}; lower it"
                )
            self._opened = train, val
        return self._opened

    def _identify(self) -> Identities:
        """Return the fingerprints of the pairs that are read."""
        if self._fingerprints is None:
            train, val = self._open()
            used = {
                "calibration": (train, train.select(self._config.calibration_pairs)),
                "validation": (val, val.select(self._pairs or len(val))),
            }
            self._fingerprints = {
                use: identify_pairs(dataset, indices, True, self._child.threads)
                for use, (dataset, indices) in used.items()
                if is_in_files(dataset)
            }
        return self._fingerprints

    def _load_known(self, task: Task, digest: str) -> Optional[DeployedEpe]:
        """Return the EPEs that were measured earlier with the same weights and settings, if there are any."""
        path = task.paths.deployed
        try:
            kept: DeployedEpe = validate(record.read(path), DeployedEpe, str(path))
        except InputError:
            return None
        return kept if (kept.weights_sha256, kept.settings) == (digest, self.settings) else None

    def _read_images(self, count: int) -> np.ndarray:
        """Return training images, at most ``count``."""
        train, _ = self._open()
        return np.stack([train.sample(index, None).images for index in train.select(count)])

    def _evaluation_data(self) -> "EvaluationData":
        """Return the images to score with, which are read once for all networks."""
        if self._evaluation is None:
            self._evaluation = self.open_validation()
        return self._evaluation

    def _score(self, name: str, tensors: Mapping[str, np.ndarray]) -> DeployedEpe:
        from edgeflownas.evaluation.child import ChildEvaluator

        architecture = self._parse(name)
        mismatch = self._skeleton.find_mismatch(tensors, architecture)
        if mismatch is not None:
            raise InputError(f"weights of {name}: {mismatch} is missing or has a different shape; retrain it")
        data = self._evaluation_data()
        zero = data.zero_flow_epe()  # before any long work
        with phase(f"scoring {name} in float32 at {self.size[0]}x{self.size[1]}"):
            evaluator = ChildEvaluator(self._skeleton, architecture, data, self._child.threads)
            epe = evaluator.epe(tensors, select_statistics(tensors))
        int8_epe = self._score_int8(name, tensors, self._ranges)
        scored = DeployedEpe(
            weights_sha256=checkpoint.digest(tensors), settings=self.settings, fingerprints=self._identify(),
            pairs=sum(len(batch.images) for batch in data.validation), epe=epe, int8_epe=int8_epe, zero_flow_epe=zero,
        )  # fmt: skip
        if scored.loss <= NOTABLE_LOSS:
            return scored
        examined = {"layers": self._measure_layers(name, tensors), "trials": self._try_ranges(name, tensors)}
        return scored.model_copy(update=examined)

    def _score_int8(self, name: str, tensors: Mapping[str, np.ndarray], ranges: Ranges) -> float:
        """Return the EPE of a network that is quantised with the given ranges."""
        from edgeflownas.hardware.quantised import QuantisedNetwork

        with phase(f"quantising {name} with the ranges of {format_count(ranges.pairs, 'pair')}"):
            model = self.export(name, tensors, ranges)
        batches = self._evaluation_data().validation
        total = sum(len(batch.images) for batch in batches)
        with progress(f"{name} in int8", total) as bar:
            return QuantisedNetwork(model).epe(batches, bar.advance)

    def _select_images(
        self, architecture: Architecture, tensors: Mapping[str, np.ndarray], ranges: Ranges
    ) -> np.ndarray:
        """Return the training images that determine the ranges."""
        from edgeflownas.evaluation.prediction import FlowPredictor

        images = self._read_images(ranges.pairs)
        kept = len(images) - math.floor(ranges.trim * len(images))
        if kept == len(images):
            return images
        predictor = FlowPredictor(
            self._skeleton, architecture, tensors, select_statistics(tensors), self._child.threads
        )
        try:
            largest = [float(np.abs(predictor.flow(pair)).max()) for pair in images]
        finally:
            predictor.close()
        return images[np.sort(np.argsort(largest, kind="stable")[:kept])]

    def _measure_layers(self, name: str, tensors: Mapping[str, np.ndarray]) -> List[LayerLoss]:
        from edgeflownas.hardware.layer_errors import measure_layer_errors

        images = np.concatenate([batch.images for batch in self._evaluation_data().validation])[:_LAYER_PAIRS]
        with phase(f"measuring the error of each layer of {name}"):
            trained = self.networks(name, tensors).trained
            assert trained is not None
            errors = measure_layer_errors(self._skeleton, self._parse(name), trained, images)
        return [LayerLoss(**error._asdict()) for error in errors]

    def _try_ranges(self, name: str, tensors: Mapping[str, np.ndarray]) -> List[Trial]:
        """Return the EPE with other ranges than those configured: from more pairs, and without extreme ones."""
        train, _ = self._open()
        own = self._ranges._replace(pairs=min(self._ranges.pairs, len(train)))
        more = own._replace(pairs=min(_MORE_PAIRS * own.pairs, len(train)))
        others = dict.fromkeys([more, own._replace(trim=_TRIM), more._replace(trim=_TRIM)])
        return [
            Trial(
                calibration_pairs=ranges.pairs, trim=ranges.trim, int8_epe=self._score_int8(name, tensors, ranges)
            )
            for ranges in others
            if ranges != own
        ]
