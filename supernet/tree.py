"""Scores many architectures by walking the tree of their common beginnings.

An activation, and a BN's recalibrated statistics, depend only on the genes before them. So what two architectures have
in common is computed once: the walk goes depth first over the genes of the backbone, and ``heads`` gives the errors of
all heads behind each backbone.

Each piece of work has the same shape and the same inputs whatever else is asked for, so results do not depend on the
order or grouping of requests. Statistics are kept from call to call; activations only while something below needs them.
"""

import itertools
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.data.pipeline import Batch
from edgeflownas.evaluation.child import EvaluationData
from edgeflownas.evaluation.recalibration import Statistics, combine_statistics
from edgeflownas.network.build import (
    BatchNorm,
    FixedNorm,
    LayerBuilder,
    apply_stage,
    create_variables,
    normalise_images,
)
from edgeflownas.network.skeleton import IMAGE_CHANNELS, Kind, Skeleton, Stage
from edgeflownas.network.space import Architecture, Space
from edgeflownas.tf_runtime.devices import Devices, place_on_first
from edgeflownas.tf_runtime.session import load_variables, open_session
from edgeflownas.tf_runtime.stack import tf
from supernet.heads import Heads, NormTensors, Options, create_placeholders, split_into_tiles, sum_errors

Score = Tuple[Architecture, float]

_PIXELS = 2**17  # of the images that are scored at once: few enough for a small memory, enough for fast convolutions


class _Piece(NamedTuple):
    """The graph of a gene's option in the backbone, with the fixed stages behind it."""

    x: tf.Tensor
    calibrated: tf.Tensor  # output by the batch's own statistics
    batch_statistics: NormTensors
    statistics: NormTensors
    output: tf.Tensor  # output by fed statistics


class _Node:
    """A place in the backbone: the activations there.

    Attributes:
        options: of the genes so far.
        validation: activations of the validation images.
        calibration: of the calibration batches; None until they are needed.
        origin: the node before, and the piece that leads from there to here.
    """

    def __init__(
        self, options: Options, validation: List[np.ndarray], origin: Optional[Tuple["_Node", _Piece]] = None
    ) -> None:
        self.options = options
        self.validation = validation
        self.calibration: Optional[List[np.ndarray]] = None
        self.origin = origin


class TreeEvaluator:
    """EPE of architectures with the supernet's weights and recalibrated batch normalisation."""

    def __init__(
        self,
        skeleton: Skeleton,
        weights: Mapping[str, np.ndarray],
        data: EvaluationData,
        threads: int,
        devices: Optional[Devices] = None,
    ) -> None:
        """Builds the graphs.

        Args:
            skeleton: the network's definition.
            weights: the supernet's.
            data: the images to calibrate and to score with.
            threads: of the CPU.
            devices: the first of which computes; None: what TensorFlow chooses.
        """
        self._skeleton = skeleton
        self._space = Space.from_skeleton(skeleton)
        self._data = data
        self._statistics: Dict[Options, Statistics] = {}
        height, width = data.validation[0].images.shape[1:3]
        chunks = _chunks(data.validation, max(1, _PIXELS // (height * width)))
        self._validation = [chunk.images for chunk in chunks]
        self._tiles = [split_into_tiles(chunk) for chunk in chunks]
        first_flow = [stage.kind for stage in skeleton.stages].index(Kind.FLOW)
        with tf.Graph().as_default() as graph, place_on_first(devices):
            self._weights = create_variables(weights)
            x = tf.placeholder(tf.uint8, [None, height, width, IMAGE_CHANNELS])
            self._pieces: List[List[_Piece]] = []
            for stages in _segments(skeleton.stages[:first_flow]):
                pieces = [self._build(stages, option, x) for option in range(len(stages[0].options))]
                self._pieces.append(pieces)
                x = pieces[0].output
            head = skeleton.stages[first_flow:]
            self._heads = Heads(skeleton, self._weights, head, tf.placeholder(tf.float32, x.shape))
            initialise = tf.global_variables_initializer()
        self._session = open_session(graph, threads, devices)
        self._session.run(initialise)
        graph.finalize()

    def load(self, weights: Mapping[str, np.ndarray]) -> None:
        """Scores with other weights from now on."""
        self._statistics.clear()
        load_variables(self._session, self._weights, weights)

    def weights(self) -> Dict[str, np.ndarray]:
        """The weights in use."""
        return dict(self._session.run(self._weights))

    def score(self, architectures: Sequence[Architecture]) -> Iterator[List[Score]]:
        """Scores architectures, backbone by backbone.

        Args:
            architectures: to score; duplicates are scored once.

        Yields:
            For each backbone, in order of its genes, the EPE of its architectures in order of theirs. An EPE that is
            not finite is given as it is: it is no score, and the caller has to treat it as a failure.
        """
        root = _Node((), self._validation)
        root.calibration = [batch.images for batch in self._data.calibration]
        yield from self._walk(root, sorted(set(architectures)))

    def _build(self, stages: Sequence[Stage], option: int, before: tf.Tensor) -> _Piece:
        """The graph of one option of the first of some stages, and of the fixed ones behind it.

        It takes what the piece before gives, or the images.
        """
        x = tf.placeholder(before.dtype, before.shape)

        def applied(layer: LayerBuilder) -> tf.Tensor:
            activation = normalise_images(x) if x.dtype == tf.uint8 else x
            y = apply_stage(self._skeleton, stages[0], option, activation, layer)
            for stage in stages[1:]:
                y = apply_stage(self._skeleton, stage, 0, y, layer)
            return y

        norm = BatchNorm(self._weights)
        calibrated = applied(norm)
        statistics = create_placeholders(norm.statistics)
        return _Piece(x, calibrated, norm.statistics, statistics, applied(FixedNorm(self._weights, statistics)))

    def _walk(self, node: _Node, wanted: List[Architecture]) -> Iterator[List[Score]]:
        """Scores the sorted architectures that lead through a node."""
        depth = len(node.options)
        if depth == len(self._pieces):
            yield self._score_heads(node, wanted)
            return
        gene = sum(len(pieces) > 1 for pieces in self._pieces[:depth])
        if len(self._pieces[depth]) == 1:
            yield from self._walk(self._advance(node, 0), wanted)
            return
        for option, group in itertools.groupby(wanted, lambda architecture: architecture[gene]):
            yield from self._walk(self._advance(node, option), list(group))

    def _advance(self, node: _Node, option: int) -> _Node:
        """The node behind an option of the next gene."""
        piece = self._pieces[len(node.options)][option]
        options = node.options + (option,)
        calibration = None
        if options not in self._statistics:
            results = [
                self._run((piece.calibrated, piece.batch_statistics), {piece.x: x}) for x in self._calibration(node)
            ]
            calibration = [activation for activation, _ in results]
            self._statistics[options] = combine_statistics([(len(activation), found) for activation, found in results])
        feed = _feed(piece.statistics, self._statistics[options])
        behind = _Node(options, [self._run(piece.output, {**feed, piece.x: x}) for x in node.validation], (node, piece))
        behind.calibration = calibration
        return behind

    def _calibration(self, node: _Node) -> List[np.ndarray]:
        """The calibration batches' activations at a node, computed when first asked for."""
        if node.calibration is None:
            assert node.origin is not None, "the root has its images"
            before, piece = node.origin
            node.calibration = [self._run(piece.calibrated, {piece.x: x}) for x in self._calibration(before)]
        return node.calibration

    def _score_heads(self, node: _Node, wanted: List[Architecture]) -> List[Score]:
        """Scores architectures of one backbone."""
        heads = self._heads
        choices = {architecture: heads.split(architecture[self._space.backbone :]) for architecture in wanted}
        trunks = {trunk for trunk, _ in choices.values()}
        # Those that differ in the last option alone are scored at once, if all are wanted: more would take more memory,
        # and TensorFlow prepares a graph anew for each new set of fetches.
        groups: List[List[Options]] = []
        for _, siblings in itertools.groupby(heads.trunks, lambda trunk: trunk[:-1]):
            together = list(siblings)
            groups += [together] if trunks.issuperset(together) else [[each] for each in together if each in trunks]
        sums: Dict[Options, np.ndarray] = {}
        for group in groups:
            self._recalibrate_heads(node, group)
            sums.update(self._error_sums(node, group))
        pixels = self._data.valid_pixels
        return [(each, float(sums[trunk][options] / pixels)) for each, (trunk, options) in choices.items()]

    def _recalibrate_heads(self, node: _Node, trunks: Sequence[Options]) -> None:
        """Finds the statistics along some of the heads' trunks, if they are not all known."""
        heads = self._heads
        along = heads.along(trunks)
        if all(node.options + options in self._statistics for options in along):
            return
        results = []
        for x in self._calibration(node):
            found = self._run({options: heads.batch_statistics[options] for options in along}, {heads.x: x})
            results.append((len(x), found))
        for options in along:
            of_batches = [(count, statistics[options]) for count, statistics in results]
            self._statistics[node.options + options] = combine_statistics(of_batches)

    def _error_sums(self, node: _Node, trunks: Sequence[Options]) -> Dict[Options, np.ndarray]:
        """The summed errors of all options of the flow stages, of trunks that differ in the last option alone."""
        heads = self._heads
        feed: Dict[tf.Tensor, np.ndarray] = {}
        for options in heads.along(trunks):
            feed.update(_feed(heads.statistics[options], self._statistics[node.options + options]))
        flows = {key: heads.flows[key] for trunk in trunks for key in heads.flows_along(trunk)}
        *shared, _ = heads.flows_along(trunks[0])
        lasts = [heads.flows_along(trunk)[-1] for trunk in trunks]
        sums: Any = 0.0
        for x, known in zip(node.validation, self._tiles):
            maps = self._run(flows, {**feed, heads.x: x})
            for tile in known:
                found = {key: tile.planes(each) for key, each in maps.items()}
                last = [output for key in lasts for output in found[key]]
                sums = sums + sum_errors([found[key] for key in shared], last, tile.flow)
        return dict(zip(trunks, np.split(sums, len(trunks), axis=-1)))

    def _run(self, fetches: Any, feed: Dict[tf.Tensor, np.ndarray]) -> Any:
        return self._session.run(fetches, feed)


def _segments(stages: Sequence[Stage]) -> List[List[Stage]]:
    """Parts stages so that only the first of a part has options."""
    segments: List[List[Stage]] = []
    for stage in stages:
        if len(stage.options) > 1 or not segments:
            segments.append([])
        segments[-1].append(stage)
    return segments


def _chunks(batches: Sequence[Batch], size: int) -> List[Batch]:
    """Parts batches evenly into ones of at most so many images."""
    return [
        Batch(*parts)
        for batch in batches
        for parts in zip(*(np.array_split(part, -(-len(part) // size)) for part in batch))
    ]


def _feed(statistics: NormTensors, values: Statistics) -> Dict[tf.Tensor, np.ndarray]:
    feed: Dict[tf.Tensor, np.ndarray] = {}
    for name, pair in statistics.items():
        feed.update(zip(pair, values[name]))
    return feed
