"""Scores of many architectures, computed by walking the tree of their common prefixes.

An activation and the recalibrated statistics of a BN depend only on the preceding genes, so the common part of two
architectures is computed once. The walk visits the genes of the backbone depth first, and ``heads`` computes the errors
of all heads of each backbone. If a stage controls a gate of a later one, its pooled features accompany the activations
of the stages in between.

Every computation has the same shape and the same inputs regardless of the other requests, so results do not depend on
the order or grouping of requests. Statistics are kept between calls; activations only while a deeper node needs them.
"""

import contextlib
import itertools
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.data.pipeline import Batch
from edgeflownas.evaluation.child import EvaluationData, NormTensors, create_placeholders
from edgeflownas.evaluation.recalibration import Statistics, combine_statistics
from edgeflownas.network.build import (
    CURRENT,
    Activations,
    BatchNorm,
    FixedNorm,
    LayerBuilder,
    apply_stage,
    create_variables,
    follow_stage,
    normalise_images,
)
from edgeflownas.network.skeleton import IMAGE_CHANNELS, Skeleton, Stage
from edgeflownas.network.space import Architecture, Space
from edgeflownas.tf_runtime.devices import Devices, place_on_first
from edgeflownas.tf_runtime.session import load_variables, open_session
from edgeflownas.tf_runtime.stack import tf
from supernet.heads import Heads, Options, split_into_tiles, sum_errors

Score = Tuple[Architecture, float]

Values = Dict[str, np.ndarray]  # of activations, by the same keys

_PIXELS = 2**17  # pixels of the images scored at once: a compromise between memory and the speed of convolutions


class _Piece(NamedTuple):
    """The graph of a gene's option in the backbone, with the fixed stages that follow it.

    Attributes:
        inputs: Placeholders of the input.
        calibrated: Output with the statistics of the batch.
        batch_statistics: Statistics of the batch.
        statistics: Placeholders for recalibrated statistics.
        output: Output with the recalibrated statistics.
    """

    inputs: Activations
    calibrated: Activations
    batch_statistics: NormTensors
    statistics: NormTensors
    output: Activations


class _Node:
    """A node of the tree: a position in the backbone with its activations.

    Attributes:
        options: Options of the genes up to this node.
        validation: Activations of the validation images, by batch.
        calibration: Activations of the calibration images, by batch; None until they are needed.
        origin: Parent node, and the piece that leads from it to this node.
    """

    def __init__(
        self, options: Options, validation: List[Values], origin: Optional[Tuple["_Node", _Piece]] = None
    ) -> None:
        self.options = options
        self.validation = validation
        self.calibration: Optional[List[Values]] = None
        self.origin = origin


class TreeEvaluator:
    """Evaluator of architectures with the supernet's weights and recalibrated batch normalisation."""

    def __init__(
        self,
        skeleton: Skeleton,
        weights: Mapping[str, np.ndarray],
        data: EvaluationData,
        threads: int,
        devices: Optional[Devices] = None,
    ) -> None:
        """Create the variables; the graph is extended by what each request needs.

        Args:
            skeleton: Definition of the network.
            weights: Weights of the supernet.
            data: Images to recalibrate and to score with.
            threads: Number of CPU threads.
            devices: Devices, of which only the first is used; if None, TensorFlow chooses.
        """
        self._skeleton = skeleton
        self._space = Space.from_skeleton(skeleton)
        self._data = data
        self._statistics: Dict[Options, Statistics] = {}
        height, width = data.validation[0].images.shape[1:3]
        chunks = _split_batches(data.validation, max(1, _PIXELS // (height * width)))
        self._validation = [{CURRENT: chunk.images} for chunk in chunks]
        self._tiles = [split_into_tiles(chunk) for chunk in chunks]
        first_flow = [stage.is_flow for stage in skeleton.stages].index(True)
        self._segments = _split_stages(skeleton.stages[:first_flow])
        self._head = skeleton.stages[first_flow:]
        self._pieces: Dict[Tuple[int, int], _Piece] = {}  # by the number of the segment, and the option
        self._heads: Optional[Heads] = None
        self._graph, self._devices = tf.Graph(), devices
        with self._extend_graph():
            self._weights = create_variables(weights)
            images = tf.placeholder(tf.uint8, [None, height, width, IMAGE_CHANNELS])
            self._images: Activations = {CURRENT: images}
            initialise = tf.global_variables_initializer()
        self._session = open_session(self._graph, threads, devices)
        self._session.run(initialise)

    def load(self, weights: Mapping[str, np.ndarray]) -> None:
        """Use other weights from now on."""
        self._statistics.clear()
        load_variables(self._session, self._weights, weights)

    def weights(self) -> Dict[str, np.ndarray]:
        """Return the weights in use."""
        return dict(self._session.run(self._weights))

    def score(self, architectures: Sequence[Architecture]) -> Iterator[List[Score]]:
        """Score architectures, backbone by backbone.

        Args:
            architectures: Architectures to score; duplicates are scored once.

        Yields:
            The architectures of each backbone with their EPEs in pixels, both sorted by genes. An EPE that is not
            finite is returned as it is: it is not a valid score, and the caller has to treat it as a failure.
        """
        root = _Node((), self._validation)
        root.calibration = [{CURRENT: batch.images} for batch in self._data.calibration]
        yield from self._walk(root, sorted(set(architectures)))

    @contextlib.contextmanager
    def _extend_graph(self) -> Iterator[None]:
        """Add the operators that a block creates to the graph."""
        with self._graph.as_default(), place_on_first(self._devices):
            yield

    def _get_piece(self, node: _Node, option: int) -> _Piece:
        """Return the piece of an option after a node, which is built when it is first needed."""
        depth = len(node.options)
        if (depth, option) not in self._pieces:
            with self._extend_graph():
                self._pieces[depth, option] = self._build_piece(self._segments[depth], option, self._get_output(node))
        return self._pieces[depth, option]

    def _get_heads(self, node: _Node) -> Heads:
        """Return the heads, which are created after the first backbone, whose size they need."""
        if self._heads is None:
            with self._extend_graph():
                inputs = _create_inputs(self._get_output(node))
                self._heads = Heads(self._skeleton, self._weights, self._head, inputs)
        return self._heads

    def _get_output(self, node: _Node) -> Activations:
        """Return tensors with the types and shapes of a node's activations."""
        return self._images if node.origin is None else node.origin[1].output

    def _build_piece(self, stages: Sequence[Stage], option: int, before: Activations) -> _Piece:
        """Build an option of the first stage and the fixed stages that follow it.

        Args:
            stages: The stages of the piece.
            option: Option of the first stage.
            before: Tensors with the types and shapes of the input.
        """
        inputs = _create_inputs(before)

        def apply(layer: LayerBuilder) -> Activations:
            x = inputs[CURRENT]
            activations = {**inputs, CURRENT: normalise_images(x) if x.dtype == tf.uint8 else x}
            for stage in stages:
                y = apply_stage(self._skeleton, stage, option if stage is stages[0] else 0, activations, layer)
                activations = follow_stage(self._skeleton, stage, activations, y)
            return activations

        norm = BatchNorm(self._weights)
        calibrated = apply(norm)
        statistics = create_placeholders(norm.statistics)
        return _Piece(inputs, calibrated, norm.statistics, statistics, apply(FixedNorm(self._weights, statistics)))

    def _walk(self, node: _Node, architectures: List[Architecture]) -> Iterator[List[Score]]:
        """Score the sorted architectures below a node."""
        depth = len(node.options)
        if depth == len(self._segments):
            yield self._score_heads(node, architectures)
            return
        gene = sum(stages[0].is_gene for stages in self._segments[:depth])
        if not self._segments[depth][0].is_gene:
            yield from self._walk(self._advance(node, 0), architectures)
            return
        for option, group in itertools.groupby(architectures, lambda architecture: architecture[gene]):
            yield from self._walk(self._advance(node, option), list(group))

    def _advance(self, node: _Node, option: int) -> _Node:
        """Return the child node for an option of the next gene."""
        piece = self._get_piece(node, option)
        options = node.options + (option,)
        calibration = None
        if options not in self._statistics:
            results = [
                self._run((piece.calibrated, piece.batch_statistics), _feed_inputs(piece.inputs, values))
                for values in self._calibrate(node)
            ]
            calibration = [values for values, _ in results]
            by_batch = [(len(values[CURRENT]), statistics) for values, statistics in results]
            self._statistics[options] = combine_statistics(by_batch)
        feed = _feed(piece.statistics, self._statistics[options])
        validation = [
            self._run(piece.output, {**feed, **_feed_inputs(piece.inputs, values)}) for values in node.validation
        ]
        child = _Node(options, validation, (node, piece))
        child.calibration = calibration
        return child

    def _calibrate(self, node: _Node) -> List[Values]:
        """Return the activations of the calibration batches at a node, computed on the first call."""
        if node.calibration is None:
            assert node.origin is not None, "the root has its images from the start"
            parent, piece = node.origin
            node.calibration = [
                self._run(piece.calibrated, _feed_inputs(piece.inputs, values)) for values in self._calibrate(parent)
            ]
        return node.calibration

    def _score_heads(self, node: _Node, architectures: List[Architecture]) -> List[Score]:
        """Score architectures of one backbone."""
        heads = self._get_heads(node)
        choices = {architecture: heads.split(architecture[self._space.backbone :]) for architecture in architectures}
        requested = {path for path, _ in choices.values()}
        # Paths that differ only in the last option are scored at once if all of them are requested. Larger groups would
        # take more memory, and TensorFlow prepares the graph again for each new set of fetches.
        groups: List[List[Options]] = []
        for _, paths in itertools.groupby(heads.paths, lambda path: path[:-1]):
            siblings = list(paths)
            if requested.issuperset(siblings):
                groups.append(siblings)
            else:
                groups += [[path] for path in siblings if path in requested]
        sums: Dict[Options, np.ndarray] = {}
        for group in groups:
            with self._extend_graph():
                self._recalibrate_heads(node, heads, group)
                sums.update(self._sum_errors(node, heads, group))
        pixels = self._data.valid_pixels
        return [
            (architecture, float(sums[path][outputs] / pixels)) for architecture, (path, outputs) in choices.items()
        ]

    def _recalibrate_heads(self, node: _Node, heads: Heads, paths: Sequence[Options]) -> None:
        """Compute the statistics along some paths of the heads, unless all are known."""
        prefixes = heads.prefixes(paths)
        if all(node.options + prefix in self._statistics for prefix in prefixes):
            return
        tensors = {prefix: heads.batch_statistics(prefix) for prefix in prefixes}
        results = [
            (len(values[CURRENT]), self._run(tensors, _feed_inputs(heads.inputs, values)))
            for values in self._calibrate(node)
        ]
        for prefix in prefixes:
            by_batch = [(count, statistics[prefix]) for count, statistics in results]
            self._statistics[node.options + prefix] = combine_statistics(by_batch)

    def _sum_errors(self, node: _Node, heads: Heads, paths: Sequence[Options]) -> Dict[Options, np.ndarray]:
        """Sum the errors of all options of the flow stages, for paths that differ only in the last option."""
        feed: Dict[tf.Tensor, np.ndarray] = {}
        for prefix in heads.prefixes(paths):
            feed.update(_feed(heads.statistics(prefix), self._statistics[node.options + prefix]))
        flows = {key: heads.flow(key) for path in paths for key in heads.flow_keys(path)}
        *shared_keys, _ = heads.flow_keys(paths[0])
        last_keys = [heads.flow_keys(path)[-1] for path in paths]
        sums: Any = 0.0
        for values, tiles in zip(node.validation, self._tiles):
            maps = self._run(flows, {**feed, **_feed_inputs(heads.inputs, values)})
            for tile in tiles:
                planes = {key: tile.planes(outputs) for key, outputs in maps.items()}
                last = [output for key in last_keys for output in planes[key]]
                sums = sums + sum_errors([planes[key] for key in shared_keys], last, tile.flow)
        return dict(zip(paths, np.split(sums, len(paths), axis=-1)))

    def _run(self, fetches: Any, feed: Dict[tf.Tensor, np.ndarray]) -> Any:
        return self._session.run(fetches, feed)


def _split_stages(stages: Sequence[Stage]) -> List[List[Stage]]:
    """Split stages into segments in which only the first stage has several options."""
    segments: List[List[Stage]] = []
    for stage in stages:
        if stage.is_gene or not segments:
            segments.append([])
        segments[-1].append(stage)
    return segments


def _split_batches(batches: Sequence[Batch], size: int) -> List[Batch]:
    """Split batches evenly into smaller ones with at most the given number of images."""
    return [
        Batch(*parts)
        for batch in batches
        for parts in zip(*(np.array_split(part, -(-len(part) // size)) for part in batch))
    ]


def _create_inputs(before: Activations) -> Activations:
    """Create placeholders for the output of what comes before."""
    return {name: tf.placeholder(tensor.dtype, tensor.shape) for name, tensor in before.items()}


def _feed_inputs(inputs: Activations, values: Values) -> Dict[tf.Tensor, np.ndarray]:
    return {placeholder: values[name] for name, placeholder in inputs.items()}


def _feed(statistics: NormTensors, values: Statistics) -> Dict[tf.Tensor, np.ndarray]:
    feed: Dict[tf.Tensor, np.ndarray] = {}
    for name, pair in statistics.items():
        feed.update(zip(pair, values[name]))
    return feed
