"""Strategy B: backbones are trained with fixed heads, then heads on the best backbones, then both together.

1. Heads are fixed to a template. A supernet is trained with fairness among the backbones; all of them are scored, and
   the best are kept.
2. Only kept backbones are sampled, with every option of every head gene equally often. All heads on all kept backbones
   are scored, and the heads that are best on average over the backbones are kept.
3. Kept backbones and kept heads are trained together, and ``evolve`` scores all of their combinations.

A stage starts from the best weights of the previous stage. "Best" architectures are those that NSGA-II would let
survive, by the objectives of the search. Only the choice of a fixed part is fixed; its weights are still trained.

The files of stages 1 and 2 are in ``stage1`` and ``stage2`` below the supernet's folder. Those of the last stage are in
the folder itself, like those of a joint training. ``kept.csv`` lists what each stage kept and
discarded.
"""

import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import phase, progress, say
from edgeflownas.storage import checkpoint, record
from edgeflownas.storage.files import write_csv
from edgeflownas.storage.lock import Lock
from edgeflownas.terminal import open_console, print_table
from edgeflownas.wording import format_count
from search.nsga2.feasibility import Feasibility
from search.nsga2.objectives import compute_points
from search.nsga2.operators import Fitness, Individual, select
from search.nsga2.scoring import COST_FIGURES, Score, look_up_cost, score_all
from search.run import Run
from search.strategies.strategy import SearchContext, Strategy
from search.workers.evaluator import open_evaluator
from supernet.fairness import Group, free_groups

_SHOWN = 10  # number of kept options, and of discarded ones, in a printed table

Weights = Mapping[str, np.ndarray]


class Kept(NamedTuple):
    """The backbones and heads that may be sampled; if None, all of them."""

    backbones: Optional[Tuple[Architecture, ...]]
    heads: Optional[Tuple[Architecture, ...]]

    def groups(self, space: Space) -> List[Group]:
        """Return the groups that a sampler draws from: the genes of free parts, and kept parts as a whole."""
        free = free_groups(space)
        first = free[: space.backbone] if self.backbones is None else [Group(0, self.backbones)]
        rest = free[space.backbone :] if self.heads is None else [Group(space.backbone, self.heads)]
        return first + rest

    def architectures(self, space: Space) -> List[Architecture]:
        """Return all combinations of backbones and heads."""
        backbones = _all_options(space, 0, space.backbone) if self.backbones is None else self.backbones
        heads = _all_options(space, space.backbone, len(space.genes)) if self.heads is None else self.heads
        return [backbone + head for backbone in backbones for head in heads]

    def as_json(self, space: Space) -> Dict[str, Any]:
        """Return the options as plain Python types; they identify the weights that were trained with them."""
        return {
            name: None if options is None else [space.format(option) for option in options]
            for name, options in self._asdict().items()
        }


class Candidate(NamedTuple):
    """A backbone, or heads, after a stage.

    Attributes:
        options: Options of its genes.
        figures: Mean EPE and costs of the architectures that contain it.
        kept: Whether it is kept or discarded.
    """

    options: Architecture
    figures: Dict[str, float]
    kept: bool


def train(run: Run, weights: Optional[Weights], lock: Lock) -> None:
    """Train all stages, or resume them.

    Args:
        run: Run with the configuration of the stages.
        weights: Initial weights; if None, random ones.
        lock: Lock on the training.

    Raises:
        InputError: A stage was trained with different settings, or the data or the cost table cannot be used.
        Interrupted: A signal was received; everything is saved.
    """
    space, config = run.space, run.config.staged
    run.cost_table()  # so that an unusable one is reported before days of training
    template = _parse_template(space, config.template)
    phases = [SearchPhase(run, number, lock) for number in range(3)]
    weights, backbones = phases[0].select(Kept(None, (template,)), weights, slice(0, space.backbone), config.backbones)
    weights, heads = phases[1].select(Kept(backbones, None), weights, slice(space.backbone, None), config.heads)
    phases[2].train(Kept(backbones, heads), weights)


def stage_folders(supernet_folder: Path) -> List[Path]:
    """Return the folders of the stages in order; the last one is the folder of the supernet itself."""
    return [supernet_folder / "stage1", supernet_folder / "stage2", supernet_folder]


class SearchPhase:
    """One of the three stages.

    Attributes:
        folder: Folder of the stage.
    """

    def __init__(self, run: Run, number: int, lock: Lock) -> None:
        """Prepare a stage of a run; ``number`` counts from 0."""
        config, is_last = run.config, number == 2
        recipe = config.train.model_copy(
            update={
                "epochs": config.staged.epochs_of(number, config.train.epochs),
                "learning_rate": config.train.learning_rate * (config.staged.fine_tuning if is_last else 1.0),
            }
        )
        self._number, self._lock = number, lock
        self.folder = stage_folders(run.supernet_folder)[number]
        best = self.folder / "best.h5"
        self._run = Run(config.model_copy(update={"train": recipe}), run.folder, best, run.options)

    def train(self, kept: Kept, weights: Optional[Weights]) -> Weights:
        """Train the stage to its end, and return the weights of its best epoch."""
        run, space = self._run, self._run.space
        count = len(kept.architectures(space))
        say(f"stage {self._number + 1} of 3: {format_count(count, 'architecture')}, in {self.folder}")
        identity = {**run.training_identity(), "stage": kept.as_json(space)}
        if weights is not None:
            identity["first weights"] = checkpoint.digest(weights)
        groups = kept.groups(space)
        with phase("reading images and building the supernet"):
            from supernet.training import prepare_supernet_training

            training = prepare_supernet_training(run.config, self.folder, identity, weights, groups)
            training.resume()
        training.run(self._lock.beat)
        return run.supernet_weights()

    def select(
        self, kept: Kept, weights: Optional[Weights], part: slice, size: int
    ) -> Tuple[Weights, Tuple[Architecture, ...]]:
        """Train the stage, score everything that was trained, and keep the best options of one part of the genes.

        Args:
            kept: Backbones and heads to train.
            weights: Initial weights; if None, random ones.
            part: Slice of the genes whose options are kept or discarded.
            size: Number of options to keep.

        Returns:
            The trained weights, and the kept options, in the order of their digits.
        """
        first = "" if weights is None else checkpoint.digest(weights)
        path, space = self.folder / "kept.json", self._run.space
        request = {"first": first, "trained": kept.as_json(space), "size": size}
        if path.exists():
            try:
                saved = record.read(path)
            except InputError as error:
                raise InputError(f"{error}; move it away to repeat the selection of this stage") from None
            trained: Weights = self._run.supernet_weights()
            if {**request, "weights": checkpoint.digest(trained)} == saved["request"]:
                return trained, tuple(tuple(map(int, digits)) for digits in saved["kept"])
        trained = self.train(kept, weights)
        candidates = _rank_options(self._run, self._score(trained, kept), part, size)
        selected = tuple(sorted(candidate.options for candidate in candidates if candidate.kept))
        _write_table(self.folder / "kept.csv", space, candidates)
        request["weights"] = checkpoint.digest(trained)
        record.write(path, {"request": request, "kept": [space.format(options) for options in selected]})
        _show_table(space, candidates, f"Stage {self._number + 1}: kept {len(selected)} of {len(candidates)}")
        return trained, selected

    def _score(self, weights: Weights, kept: Kept) -> List[Score]:
        scores, _ = _score_combinations(self._run, weights, kept.architectures(self._run.space), self._lock)
        return scores


def run_strategy(context: SearchContext) -> str:
    """Score all combinations of the backbones and heads that the stages kept."""
    run, file, lock = context.run, context.file, context.lock
    architectures = read_kept(run).architectures(run.space)
    reason = f"all combinations of kept backbones and kept heads are scored ({len(architectures):,})"
    if file.last is not None:
        return reason
    started = time.monotonic()
    scores, file.zero_flow_epe = _score_combinations(run, context.weights, architectures, lock)
    generation = context.evolution.tell(architectures, scores, lambda done, total: lock.beat())
    file.append(generation, time.monotonic() - started)
    return reason


def _score_combinations(
    run: Run, weights: Weights, architectures: Sequence[Architecture], lock: Lock
) -> Tuple[List[Score], float]:
    """Return the scores of architectures, and the EPE of predicting no motion, in pixels."""
    scores: List[Score] = []
    with open_evaluator(run, weights) as opened, progress("scoring", len(architectures)) as bar:
        for group in score_all(opened.evaluator, run.space, architectures):
            scores += group
            bar.advance(steps=len(group))
            lock.beat()
    return scores, opened.zero_flow_epe


def read_kept(run: Run) -> Kept:
    """Return the backbones and heads that the stages of a run kept, from the weights of the last stage.

    Raises:
        InputError: The weights were not trained in stages.
    """
    _, state = checkpoint.load(run.supernet_file)
    stage = state.get("identity", {}).get("stage") or {}
    parts = [stage.get(name) or [] for name in Kept._fields]
    if not all(parts):
        raise InputError(
            f"{run.supernet_file}: was not trained through all stages; complete `train` with strategy: staged, or "
            f"search with strategy: one_shot"
        )
    return Kept(*(tuple(tuple(map(int, digits)) for digits in part) for part in parts))


def _parse_template(space: Space, digits: Optional[str]) -> Architecture:
    if digits is None:
        return (0,) * (len(space.genes) - space.backbone)
    backbone = "0" * space.backbone
    if len(digits) + space.backbone != len(space.genes):
        raise InputError(
            f"staged.template: {digits} must be {len(space.genes) - space.backbone} digits, one per head gene"
        )
    return space.parse(backbone + digits)[space.backbone :]


def _all_options(space: Space, first: int, end: int) -> Tuple[Architecture, ...]:
    return tuple(tuple(map(int, options)) for options in np.ndindex(*space.counts[first:end]))


def _rank_options(run: Run, scores: Sequence[Score], part: slice, size: int) -> List[Candidate]:
    """Return all options of a part of the genes, marked as kept or discarded, sorted by EPE from best to worst."""
    table, _ = run.cost_table()
    config = run.config.evolution
    names = ["epe", *COST_FIGURES]
    rows: Dict[Architecture, List[List[float]]] = {}
    for architecture, epe in scores:
        if np.isfinite(epe):
            cost = look_up_cost(run.space, table, architecture)
            row = [epe, *(getattr(cost, name) for name in COST_FIGURES)]
            rows.setdefault(architecture[part], []).append(row)
    if not rows:
        raise InputError(f"{run.supernet_file}: no architecture has a finite EPE; train with another recipe")
    means = {options: dict(zip(names, np.mean(values, axis=0).tolist())) for options, values in rows.items()}
    feasibility = Feasibility.of(config, table.sram_cap_kib)
    individuals = []
    for options, figures in sorted(means.items()):
        arrays = {name: np.array(value) for name, value in figures.items()}
        point = compute_points(config.objectives, arrays.__getitem__).tolist()
        violation = feasibility.violations(arrays.__getitem__, 1).item()
        individuals.append(Individual(options, Fitness(point, violation)))
    kept = {tuple(individual) for individual in select(individuals, min(size, len(individuals)))}
    candidates = [Candidate(options, figures, options in kept) for options, figures in means.items()]
    return sorted(candidates, key=lambda candidate: (candidate.figures["epe"], candidate.options))


def _write_table(path: Path, space: Space, candidates: Sequence[Candidate]) -> None:
    rows = [
        {"options": space.format(candidate.options), "kept": int(candidate.kept), **candidate.figures}
        for candidate in candidates
    ]
    write_csv(path, rows)


def _show_table(space: Space, candidates: Sequence[Candidate], title: str) -> None:
    """Print the best of the kept and of the discarded options."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("options", "EPE px", "FPS", "SRAM KiB", ""):
        table.add_column(heading, justify="left" if heading in ("options", "") else "right", no_wrap=True)
    for kept, label in ((True, "kept"), (False, "discarded")):
        labelled = [candidate for candidate in candidates if candidate.kept is kept]
        for options, figures, _ in labelled[:_SHOWN]:
            table.add_row(
                space.format(options), f"{figures['epe']:.4f}", f"{figures['fps']:.2f}",
                f"{figures['sram_kib']:.1f}", label,
            )  # fmt: skip
        if len(labelled) > _SHOWN:
            table.add_row("...", "", "", "", f"{len(labelled) - _SHOWN:,} more {label}")
    print_table(table, open_console())


STAGED = Strategy(shares_weights=True, run=run_strategy)
