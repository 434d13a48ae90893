"""Dry runs: the plan, time and memory of training or scoring, measured on a few steps; nothing is written."""

import resource
import sys
import time
from typing import Callable, Mapping, Optional, Sequence, Tuple

import click
import numpy as np

from edgeflownas.config import ChildConfig, DataConfig, DataFile, Section, TrainConfig, dump
from edgeflownas.data.datasets import open_datasets
from edgeflownas.data.enough import check_batch_size, check_scoring_pairs
from edgeflownas.data.sample import FlowDataset, Sample
from edgeflownas.evaluation.metrics import FlowMetrics
from edgeflownas.evaluation.prediction import FlowPredictor
from edgeflownas.network.definition import open_skeleton
from edgeflownas.network.initialisation import draw_initial_weights
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import format_duration, phase
from edgeflownas.storage.files import temporary_folder
from edgeflownas.training.child import prepare_child_training
from edgeflownas.training.loop import Training
from edgeflownas.training.stages import open_stages
from edgeflownas.wording import format_count
from search.run import SCORING_THREADS, Run
from supernet.fairness import SAMPLERS
from supernet.training import prepare_supernet_training

_STEPS = 3  # steps to measure


def show_supernet_training(run: Run, weights: Optional[Mapping[str, np.ndarray]]) -> None:
    """Show the plan of a run's supernet training.

    Args:
        run: The run.
        weights: Initial weights by parameter name; if None, random weights.

    Raises:
        InputError: The data cannot be used.
    """
    config = run.config
    train, val = open_datasets(config.data)
    check_batch_size(train, config.train.batch_size, "train")
    check_scoring_pairs(train, val, config.evaluation)
    _show_config(config)
    lightest = [0] * len(run.space.genes)
    heaviest = [len(gene.options) - 1 for gene in run.space.genes]
    measuring = phase(f"building the supernet and timing {_STEPS} cycles")
    with measuring, temporary_folder("edgeflownas-dry-run") as folder:
        training = prepare_supernet_training(config, folder, {}, weights)
        seconds = training.schedule.time_steps(_STEPS)
    _show_files(config.data, {"train": train, "val": val})
    _show_network(run.skeleton, config.data.padded_size, [lightest, heaviest], run.skeleton.parameters())
    recipe = config.train
    if config.strategy == "staged":
        epochs = [config.staged.epochs_of(stage, recipe.epochs) for stage in range(3)]
        click.echo(f"stages: {', '.join(map(str, epochs))} epochs; timed with all genes free")
        recipe = recipe.model_copy(update={"epochs": sum(epochs)})
    paths = SAMPLERS[recipe.sampling](run.space, np.random.default_rng(config.seed), None).paths
    _show_time(training, recipe, seconds, f"cycle of {format_count(paths, 'path')}")


def show_retraining(config: ChildConfig, weights: Optional[Mapping[str, np.ndarray]]) -> None:
    """Show the plan of an architecture's training, stage by stage.

    Args:
        config: Configuration of the training.
        weights: Initial weights by parameter name; if None, random weights.

    Raises:
        InputError: The data or the weights cannot be used.
    """
    skeleton = open_skeleton(config)
    architecture = Space.from_skeleton(skeleton).parse(config.architecture)
    with temporary_folder("edgeflownas-dry-run") as folder:
        stages = open_stages(config, folder)
        _show_config(config)
        for number, stage in enumerate(stages, 1):
            click.echo(f"stage {number} of {len(stages)}")
            with phase(f"building the network and timing {_STEPS} steps"):
                training = prepare_child_training(stage.config, stage.folder, weights, stage.datasets)
                seconds = training.schedule.time_steps(_STEPS)
            assert isinstance(stage.config.train, TrainConfig), "a stage has a single recipe"
            _show_files(stage.config.data, dict(zip(("train", "val"), stage.datasets)))
            _show_network(skeleton, stage.config.data.padded_size, [architecture], skeleton.parameters(architecture))
            _show_time(training, stage.config.train, seconds, "step")


def show_evaluation(
    run: Run,
    other_data: Optional[DataConfig],
    architectures: Sequence[Architecture],
    dataset: FlowDataset,
    indices: Sequence[int],
) -> None:
    """Show the time and memory that scoring takes, measured with random weights, because weights do not affect them.

    Args:
        run: The run of the architectures.
        other_data: Data set whose pairs are scored at full size; if None, the run's own, as in the search.
        architectures: Architectures to score.
        dataset: Pairs of images.
        indices: Indices of the pairs to score.

    Raises:
        InputError: A pair cannot be used.
    """
    _show_config(run.config)
    if other_data is not None:
        _show_config(DataFile(data=other_data))
    _show_files(other_data or run.config.data, {"val": dataset})
    measured = [indices[place * len(indices) // (_STEPS + 1)] for place in range(_STEPS + 1)]
    read = dataset.full_sample if other_data is not None else lambda index: dataset.sample(index, None)
    sizes = [read(index).valid.shape for index in measured]
    if len(set(sizes)) > 1:
        height, width = sizes[0]
        click.echo(f"images differ in size; MACs are those of the first pair, which has {height}x{width} pixels")
    height, width = (side + -side % run.skeleton.multiple for side in sizes[0])
    seconds = 0.0
    for architecture in architectures:
        _show_network(run.skeleton, (height, width), [architecture], run.skeleton.parameters(architecture))
        seconds += _time_pair(run, architecture, read, measured)
    pairs = format_count(len(indices), "pair")
    click.echo(f"time: {seconds:.3f} s per pair, {format_duration(seconds * len(indices))} for {pairs}")
    _show_memory()


def _time_pair(run: Run, architecture: Architecture, read: Callable[[int], Sample], indices: Sequence[int]) -> float:
    """Return the median time to read a pair, predict its flow and compare it; the first pair is a warm-up."""
    weights = draw_initial_weights(run.skeleton.parameters(architecture), np.random.default_rng(run.config.seed))
    gammas = {name[: -len("/gamma")]: value for name, value in weights.items() if name.endswith("/gamma")}
    statistics = {name: (np.zeros_like(gamma), np.ones_like(gamma)) for name, gamma in gammas.items()}
    predictor, seconds = FlowPredictor(run.skeleton, architecture, weights, statistics, SCORING_THREADS), []
    for index in indices:
        started = time.monotonic()
        sample = read(index)
        FlowMetrics().add(predictor.flow(sample.images), sample)
        seconds.append(time.monotonic() - started)
    predictor.close()
    return float(np.median(seconds[1:]))


def _show_config(config: Section) -> None:
    click.echo(dump(config))


def _show_files(config: DataConfig, parts: Mapping[str, FlowDataset]) -> None:
    """Show the number of pairs and the files of the first pair of each part."""
    for part, dataset in parts.items():
        pairs = format_count(len(dataset), "pair")
        click.echo(f"{part}: {pairs} of {config.kind}, the first is {' '.join(dataset.files(0))}")


def _show_network(
    skeleton: Skeleton,
    size: Tuple[int, int],
    architectures: Sequence[Sequence[int]],
    parameters: Mapping[str, Tuple[int, ...]],
) -> None:
    """Show the number of parameters, and the multiply-accumulates of some architectures."""
    height, width = size
    count = sum(int(np.prod(shape)) for shape in parameters.values())
    macs = " to ".join(f"{skeleton.macs(architecture, height, width) / 1e6:,.1f}" for architecture in architectures)
    click.echo(f"network: {count:,} parameters; a path takes {macs} million MACs on a pair of {height}x{width} pixels")


def _show_time(training: Training, recipe: TrainConfig, seconds: float, step: str) -> None:
    """Show the steps, time and memory that training takes."""
    steps = training.schedule.steps_per_epoch
    epoch, total = steps * seconds, steps * seconds * recipe.epochs
    click.echo(
        f"steps: {steps:,} per epoch, {steps * recipe.epochs:,} in {format_count(recipe.epochs, 'epoch')}; "
        f"a {step} takes {seconds:.3f} s ({recipe.batch_size / seconds:.1f} pairs/s)"
    )
    click.echo(f"time: {format_duration(epoch)} per epoch, {format_duration(total)} in total, without scoring")
    _show_memory()


def _show_memory() -> None:
    # Linux reports KiB, macOS bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform != "darwin" else 2**30)
    click.echo(f"memory: {peak:.2f} GiB at the peak of this process so far, without the memory of GPUs")
