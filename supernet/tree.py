"""Scores many architectures by walking the tree of their common beginnings.

An activation, and a BN's recalibrated statistics, depend only on the genes before them. So what two architectures have
in common is computed once: the walk goes depth first over the stages that feed the next one (the *trunk*), and at each
flow stage adds the outputs of its options to the flows so far. Of one backbone, three H0Out, three H1, nine H1Out, nine
H2 and 27 H2Out convolutions give the EPE of all 243 heads.

Each piece of work has the same shape and the same inputs whatever else is asked for, so results do not depend on the
order or grouping of requests. Statistics are kept from call to call; activations are not.
"""

import itertools
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from edgeflownas.evaluation import EvaluationData
from edgeflownas.network import BatchNorm, FixedNorm, apply_stage, doubled, normalised_images, variables
from edgeflownas.recalibration import Statistics, averaged
from edgeflownas.session import load_variables, session
from edgeflownas.skeleton import IMAGE_CHANNELS, Kind, Skeleton, Stage
from edgeflownas.space import Architecture, Space

Score = Tuple[Architecture, float]


class _Piece(NamedTuple):
    """The graph of one option of one stage."""

    x: tf.Tensor
    calibrated: tf.Tensor  # output by the batch's own statistics
    batch_statistics: Dict[str, Tuple[tf.Tensor, tf.Tensor]]
    statistics: Dict[str, Tuple[tf.Tensor, tf.Tensor]]
    output: tf.Tensor  # output by fed statistics; of a flow stage [2, B, h, w], (u, v) only


class _Node:
    """A place in the trunk: the activations there.

    Attributes:
        prefix: the option at each trunk stage so far.
        validation: activations of the validation batches.
        calibration: of the calibration batches; None until they are needed.
    """

    def __init__(
        self,
        prefix: Tuple[int, ...],
        validation: List[np.ndarray],
        calibration: Optional[List[np.ndarray]],
        origin: Optional[Tuple["_Node", _Piece]],
    ) -> None:
        self.prefix = prefix
        self.validation = validation
        self.calibration = calibration
        self.origin = origin  # the node before, and the piece that leads from there to here


class TreeEvaluator:
    """EPE of architectures with the supernet's weights and recalibrated batch normalisation."""

    def __init__(
        self, skeleton: Skeleton, weights: Mapping[str, np.ndarray], data: EvaluationData, threads: int
    ) -> None:
        """Builds the stages' graphs.

        Args:
            skeleton: the network's definition.
            weights: the supernet's.
            data: the images to calibrate and to score with.
            threads: of the CPU.
        """
        self._skeleton = skeleton
        self._space = Space.of(skeleton)
        self._data = data
        self._statistics: Dict[Tuple[int, ...], Statistics] = {}
        genes = {stage.name: i for i, stage in enumerate(skeleton.choice_blocks)}
        self._gene: Dict[str, Optional[int]] = {stage.name: genes.get(stage.name) for stage in skeleton.stages}
        height, width = data.validation[0].images.shape[1:3]
        with tf.Graph().as_default() as graph:
            self._weights = variables(weights)
            self._pieces = {
                (stage.name, option): self._build(stage, option, height, width)
                for stage in skeleton.stages
                for option in range(len(stage.options))
            }
            self._images = tf.placeholder(tf.uint8, [None, height, width, IMAGE_CHANNELS])
            self._normalised = normalised_images(self._images)
            self._double = {}
            for scale in {stage.scale for stage in skeleton.stages if stage.kind is Kind.FLOW} - {1}:
                coarse = tf.placeholder(tf.float32, [None, height // scale, width // scale, 1])
                self._double[scale] = (coarse, doubled(coarse))
            initialise = tf.global_variables_initializer()
        self._targets = [(_planes(batch.flow), batch.valid[..., 0]) for batch in data.validation]
        self._session = session(graph, threads)
        self._session.run(initialise)
        graph.finalize()

    def load(self, weights: Mapping[str, np.ndarray]) -> None:
        """Scores with other weights from now on."""
        self._statistics.clear()
        load_variables(self._session, self._weights, weights)

    def weights(self) -> Dict[str, np.ndarray]:
        """The weights in use."""
        return dict(self._session.run(self._weights))

    def score(self, architectures: Sequence[Architecture], complete_heads: bool) -> Iterator[List[Score]]:
        """Scores architectures, backbone by backbone.

        Args:
            architectures: to score; duplicates are scored once.
            complete_heads: score every head of each backbone that is asked for.

        Yields:
            For each backbone, in order of its genes, the EPE of its architectures in order of theirs. An EPE that is
            not finite is given as it is: it is no score, and the caller has to treat it as a failure.
        """
        wanted = sorted(set(architectures))
        split = self._space.backbone
        if complete_heads:
            heads = list(np.ndindex(*self._space.counts[split:]))
            backbones = sorted({architecture[:split] for architecture in wanted})
            wanted = [backbone + head for backbone in backbones for head in heads]
        walk = self._walk(0, self._root(), {(): []}, wanted)
        for _, scores in itertools.groupby(walk, lambda score: score[0][:split]):
            yield sorted(scores)

    def _build(self, stage: Stage, option: int, height: int, width: int) -> _Piece:
        """The graph of one option."""
        scale = self._input_scale(stage)
        shape = [None, height // scale, width // scale, self._skeleton.inputs(stage)]
        x = tf.placeholder(tf.float32, shape)
        norm = BatchNorm(self._weights)
        calibrated = apply_stage(self._skeleton, stage, option, x, norm)
        statistics = {
            name: (tf.placeholder(tf.float32, mean.shape), tf.placeholder(tf.float32, variance.shape))
            for name, (mean, variance) in norm.statistics.items()
        }
        fixed = FixedNorm(self._weights, statistics)
        output = apply_stage(self._skeleton, stage, option, x, fixed)
        if stage.kind is Kind.FLOW:
            output = tf.transpose(output[..., :2], [3, 0, 1, 2])
        return _Piece(x, calibrated, norm.statistics, statistics, output)

    def _input_scale(self, stage: Stage) -> int:
        scale = 1
        for each in self._skeleton.stages:
            if each is stage:
                break
            if each.kind is not Kind.FLOW:
                scale = each.scale
        return scale

    def _root(self) -> _Node:
        """The images themselves."""
        validation, calibration = (
            [self._session.run(self._normalised, {self._images: batch.images}) for batch in part]
            for part in (self._data.validation, self._data.calibration)
        )
        return _Node((), validation, calibration, None)

    def _walk(
        self, position: int, node: _Node, flows: Dict[Tuple[int, ...], List[np.ndarray]], wanted: List[Architecture]
    ) -> Iterator[Score]:
        """Scores the architectures that lead through a node.

        Args:
            position: of the next stage.
            node: the trunk so far.
            flows: by the options at the flow stages so far, the flow of each validation batch at the next scale,
                [2, B, h, w].
            wanted: the architectures, sorted.
        """
        stage = self._skeleton.stages[position]
        if stage.kind is Kind.FLOW:
            yield from self._add_flow(position, node, flows, wanted)
            return
        for option, group in self._by_option(stage, wanted).items():
            yield from self._walk(position + 1, self._advance(node, stage, option), flows, group)

    def _add_flow(
        self, position: int, node: _Node, flows: Dict[Tuple[int, ...], List[np.ndarray]], wanted: List[Architecture]
    ) -> Iterator[Score]:
        """Adds a flow stage's outputs, and goes on or, behind the last stage, takes the errors."""
        stage = self._skeleton.stages[position]
        last = position == len(self._skeleton.stages) - 1
        summed: Dict[Tuple[int, ...], List[np.ndarray]] = {}
        for option, group in self._by_option(stage, wanted).items():
            piece = self._pieces[stage.name, option]
            outputs = [self._session.run(piece.output, {piece.x: x}) for x in node.validation]
            for architecture in group:
                before = self._flow_options(position, architecture)
                if last:
                    yield architecture, self._epe(_added(flows[before], outputs))
                elif before + (option,) not in summed:
                    total = _added(flows[before], outputs)
                    summed[before + (option,)] = [self._doubled(stage.scale, flow) for flow in total]
        if not last:
            yield from self._walk(position + 1, node, summed, wanted)

    def _by_option(self, stage: Stage, wanted: List[Architecture]) -> Dict[int, List[Architecture]]:
        """Groups architectures by their option at a stage, in the options' order."""
        gene = self._gene[stage.name]
        groups: Dict[int, List[Architecture]] = {}
        for option in range(len(stage.options)):
            group = [architecture for architecture in wanted if gene is None or architecture[gene] == option]
            if group:
                groups[option] = group
        return groups

    def _flow_options(self, position: int, architecture: Architecture) -> Tuple[int, ...]:
        """An architecture's options at the flow stages before a position."""
        before = [stage for stage in self._skeleton.stages[:position] if stage.kind is Kind.FLOW]
        genes = [self._gene[stage.name] for stage in before]
        return tuple(0 if gene is None else architecture[gene] for gene in genes)

    def _advance(self, node: _Node, stage: Stage, option: int) -> _Node:
        """The node behind an option of a trunk stage."""
        piece = self._pieces[stage.name, option]
        prefix = node.prefix + (option,)
        calibration = None
        if prefix not in self._statistics:
            results = [
                self._session.run((piece.calibrated, piece.batch_statistics), {piece.x: x})
                for x in self._calibration(node)
            ]
            calibration = [activation for activation, _ in results]
            self._statistics[prefix] = averaged([(len(activation), found) for activation, found in results])
        feed: Dict[tf.Tensor, np.ndarray] = {}
        for name, pair in piece.statistics.items():
            feed.update(zip(pair, self._statistics[prefix][name]))
        validation = [self._session.run(piece.output, {**feed, piece.x: x}) for x in node.validation]
        return _Node(prefix, validation, calibration, (node, piece))

    def _calibration(self, node: _Node) -> List[np.ndarray]:
        """The calibration batches' activations at a node, computed when first asked for."""
        if node.calibration is None:
            assert node.origin is not None, "the root has its images"
            before, piece = node.origin
            node.calibration = [
                self._session.run(piece.calibrated, {piece.x: x}) for x in self._calibration(before)
            ]
        return node.calibration

    def _epe(self, flows: List[np.ndarray]) -> float:
        """EPE of the flows of the validation batches, over all valid pixels, in pixels of the input."""
        total = 0.0
        for flow, (target, valid) in zip(flows, self._targets):
            u, v = flow - target
            total += (np.sqrt(u * u + v * v) * valid).sum(dtype=np.float64)
        return float(total / self._data.valid_pixels)

    def _doubled(self, scale: int, flow: np.ndarray) -> np.ndarray:
        """Flow [2, B, h, w] at 1/scale as ``network.doubled`` doubles it."""
        coarse, fine = self._double[scale]
        result = self._session.run(fine, {coarse: flow.reshape((-1,) + flow.shape[2:] + (1,))})
        return np.asarray(result.reshape(flow.shape[:2] + result.shape[1:3]))


def _planes(flow: np.ndarray) -> np.ndarray:
    """Flow [B, H, W, 2] as [2, B, H, W]: sums over planes that lie in one piece are several times faster."""
    return np.ascontiguousarray(flow.transpose(3, 0, 1, 2))


def _added(flows: List[np.ndarray], outputs: List[np.ndarray]) -> List[np.ndarray]:
    """The flow so far plus a flow stage's output, for each batch; the first flow stage has none before it."""
    return [flow + output for flow, output in zip(flows, outputs)] if flows else outputs
