"""Strategy B: first the backbones under fixed heads, then the heads behind the best backbones, then both together.

1. Heads are fixed to a template. A supernet is trained with fairness among the backbones, all of which are scored; the
   best are kept.
2. Only kept backbones are dealt, with every option of every head gene, fairly. All heads behind all kept backbones are
   scored, and those are kept that are best in the mean over the backbones.
3. Kept backbones and kept heads are trained together, and ``evolve`` scores all of their combinations.

A stage begins with the best weights of the one before. "Best" is what NSGA-II would let survive, by the objectives of
the search. A fixed part is fixed in its choice; its weights go on learning.

Stages 1 and 2 lie in ``stage1`` and ``stage2`` below the supernet's folder, the last in the folder itself, so that
readers find there what a joint training leaves. ``kept.csv`` shows what each stage kept and discarded.
"""

import csv
import io
import time
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from edgeflownas.errors import InputError
from edgeflownas.network.space import Architecture, Space
from edgeflownas.progress import phase, progress, say
from edgeflownas.storage import checkpoint, record
from edgeflownas.storage.files import write_text
from edgeflownas.storage.lock import Lock
from search.nsga2.competition import resolve_sram_cap
from search.nsga2.objectives import compute_points
from search.nsga2.operators import Fitness, Individual, select
from search.nsga2.scoring import COST_FIGURES, Score, look_up_cost, score_all
from search.run import Run
from search.strategies.strategy import SearchContext, Strategy
from search.workers.evaluator import open_evaluator
from supernet.fairness import Group, free_groups

_SHOWN = 10  # rows of a table for people

Weights = Mapping[str, np.ndarray]


class Kept(NamedTuple):
    """What may be dealt; None: all there is."""

    backbones: Optional[Tuple[Architecture, ...]]
    heads: Optional[Tuple[Architecture, ...]]

    def groups(self, space: Space) -> List[Group]:
        """As a sampler deals it: what is free by genes, what was kept as a whole."""
        free = free_groups(space)
        first = free[: space.backbone] if self.backbones is None else [Group(0, self.backbones)]
        rest = free[space.backbone :] if self.heads is None else [Group(space.backbone, self.heads)]
        return first + rest

    def architectures(self, space: Space) -> List[Architecture]:
        """Every combination."""
        backbones = _all(space, 0, space.backbone) if self.backbones is None else self.backbones
        heads = _all(space, space.backbone, len(space.genes)) if self.heads is None else self.heads
        return [backbone + head for backbone in backbones for head in heads]

    def described(self, space: Space) -> Dict[str, Any]:
        """For JSON, and so for weights that were trained under it."""
        return {
            name: None if options is None else [space.format(option) for option in options]
            for name, options in self._asdict().items()
        }


class Candidate(NamedTuple):
    """A backbone, or heads, after a stage.

    Attributes:
        options: of its genes.
        figures: EPE and costs, in the mean over the architectures that have it.
        kept: or discarded.
    """

    options: Architecture
    figures: Dict[str, float]
    kept: bool


def train(run: Run, weights: Optional[Weights], lock: Lock) -> None:
    """Trains all stages, or goes on where they were stopped.

    Args:
        run: whose configuration says how.
        weights: to begin with; None for random ones.
        lock: on the training.

    Raises:
        InputError: a stage there was trained in another way; or the data, or the cost table, cannot be used.
        Interrupted: a signal came; all is saved.
    """
    space, config = run.space, run.config.staged
    run.cost_table()  # tells of one that cannot be used before days of training
    template = _template(space, config.template)
    stages = [SearchPhase(run, number, lock) for number in range(3)]
    weights, backbones = stages[0].select(Kept(None, (template,)), weights, slice(0, space.backbone), config.backbones)
    weights, heads = stages[1].select(Kept(backbones, None), weights, slice(space.backbone, None), config.heads)
    stages[2].train(Kept(backbones, heads), weights)


def stage_folders(supernet_folder: Path) -> List[Path]:
    """Return the folders of the stages in order; the last one is the folder of the supernet itself."""
    return [supernet_folder / "stage1", supernet_folder / "stage2", supernet_folder]


class SearchPhase:
    """One of the three."""

    def __init__(self, run: Run, number: int, lock: Lock) -> None:
        """Of a run, by number from 0."""
        config, last = run.config, number == 2
        recipe = config.train.model_copy(
            update={
                "epochs": config.staged.epochs_of(number, config.train.epochs),
                "learning_rate": config.train.learning_rate * (config.staged.fine_tuning if last else 1.0),
            }
        )
        self._number, self._lock = number, lock
        self.folder = stage_folders(run.supernet_folder)[number]
        supernet = str(self.folder / "best.h5")
        self._run = Run(config.model_copy(update={"train": recipe, "supernet": supernet}), run.folder)

    def train(self, kept: Kept, weights: Optional[Weights]) -> Weights:
        """Trains to the end; gives the weights of the best epoch."""
        run, space = self._run, self._run.space
        many = len(kept.architectures(space))
        say(f"stage {self._number + 1} of 3: {many:,} architectures, in {self.folder}")
        identity = {**run.training_identity(), "stage": kept.described(space)}
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
        """Trains, scores everything that was trained, and keeps the best of one part of the genes.

        Args:
            kept: what to train.
            weights: to begin with.
            part: the genes, of which options are kept and discarded.
            size: how many are kept.

        Returns:
            The trained weights, and what was kept, in order of its digits.
        """
        first = "" if weights is None else checkpoint.digest(weights)
        path, space = self.folder / "kept.json", self._run.space
        request = {"first": first, "trained": kept.described(space), "size": size}
        if path.exists():
            try:
                found = record.read(path)
            except InputError as error:
                raise InputError(f"{error}; move it away, and what the stage keeps is chosen anew") from None
            trained: Weights = self._run.supernet_weights()
            if {**request, "weights": checkpoint.digest(trained)} == found["request"]:
                return trained, tuple(tuple(map(int, digits)) for digits in found["kept"])
        trained = self.train(kept, weights)
        candidates = _judged(self._run, self._scored(trained, kept), part, size)
        chosen = tuple(sorted(each.options for each in candidates if each.kept))
        _write(self.folder / "kept.csv", space, candidates)
        request["weights"] = checkpoint.digest(trained)
        record.write(path, {"request": request, "kept": [space.format(options) for options in chosen]})
        _show(space, candidates, f"Stage {self._number + 1}: kept {len(chosen)} of {len(candidates)}")
        return trained, chosen

    def _scored(self, weights: Weights, kept: Kept) -> List[Score]:
        wanted = kept.architectures(self._run.space)
        scores: List[Score] = []
        with open_evaluator(self._run, weights) as opened, progress("scoring", len(wanted)) as bar:
            for group in score_all(opened.evaluator, self._run.space, wanted):
                scores += group
                bar.advance(steps=len(group))
                self._lock.beat()
        return scores


def run_strategy(context: SearchContext) -> str:
    """Scores every combination of what the stages have kept."""
    run, evolution, file = context.run, context.evolution, context.file
    wanted = read_kept(run).architectures(run.space)
    reason = f"all {len(wanted):,} combinations of kept backbones and kept heads are scored"
    if file.last is not None:
        return reason
    scores: List[Score] = []
    started = time.monotonic()
    with open_evaluator(run, context.weights) as opened, progress("scoring", len(wanted)) as bar:
        file.zero_flow_epe = opened.zero_flow_epe
        for group in score_all(opened.evaluator, run.space, wanted):
            scores += group
            bar.advance(steps=len(group))
            context.lock.beat()
    generation = evolution.tell(wanted, scores, lambda done, total: context.lock.beat())
    file.append(generation, time.monotonic() - started)
    return reason


def read_kept(run: Run) -> Kept:
    """What all stages of a run have kept: what its weights were trained for last.

    Raises:
        InputError: they were not trained in stages.
    """
    _, state = checkpoint.load(run.supernet_file)
    stage = state.get("identity", {}).get("stage") or {}
    parts = [stage.get(name) or [] for name in Kept._fields]
    if not all(parts):
        raise InputError(
            f"{run.supernet_file}: was not trained in stages to the end; `train` with strategy: staged does that, or "
            f"search with strategy: one_shot"
        )
    return Kept(*(tuple(tuple(map(int, digits)) for digits in part) for part in parts))


def _template(space: Space, digits: Optional[str]) -> Architecture:
    if digits is None:
        return (0,) * (len(space.genes) - space.backbone)
    backbone = "0" * space.backbone
    if len(digits) + space.backbone != len(space.genes):
        raise InputError(
            f"staged.template: {digits} must be {len(space.genes) - space.backbone} digits, one per head gene"
        )
    return space.parse(backbone + digits)[space.backbone :]


def _all(space: Space, first: int, end: int) -> Tuple[Architecture, ...]:
    return tuple(tuple(map(int, options)) for options in np.ndindex(*space.counts[first:end]))


def _judged(run: Run, scores: Sequence[Score], part: slice, size: int) -> List[Candidate]:
    """Each option of a part of the genes, kept or discarded, best EPE first."""
    table, _ = run.cost_table()
    names = ["epe", *COST_FIGURES]
    rows: Dict[Architecture, List[List[float]]] = {}
    for architecture, epe in scores:
        if np.isfinite(epe):
            cost = look_up_cost(run.space, table, architecture)
            row = [epe, *(getattr(cost, name) for name in COST_FIGURES)]
            rows.setdefault(architecture[part], []).append(row)
    if not rows:
        raise InputError(f"{run.supernet_file}: gives no architecture a finite EPE; train with another recipe")
    means = {options: dict(zip(names, np.mean(found, axis=0).tolist())) for options, found in rows.items()}
    cap = resolve_sram_cap(run.config.evolution, table.sram_cap_kib)
    individuals = []
    for options, figures in sorted(means.items()):
        known = {name: np.array(value) for name, value in figures.items()}
        point = compute_points(run.config.evolution.objectives, known.__getitem__).tolist()
        violation = 0.0 if cap is None else max(0.0, figures["sram_kib"] - cap)
        individuals.append(Individual(options, Fitness(point, violation)))
    kept = {tuple(each) for each in select(individuals, min(size, len(individuals)))}
    found = [Candidate(options, figures, options in kept) for options, figures in means.items()]
    return sorted(found, key=lambda each: (each.figures["epe"], each.options))


def _write(path: Path, space: Space, candidates: Sequence[Candidate]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["options", "kept", *candidates[0].figures], lineterminator="\n")
    writer.writeheader()
    for each in candidates:
        writer.writerow({"options": space.format(each.options), "kept": int(each.kept), **each.figures})
    write_text(path, text.getvalue())


def _show(space: Space, candidates: Sequence[Candidate], title: str) -> None:
    """What was kept, and the best of what was not."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("options", "EPE px", "FPS", "SRAM KiB", ""):
        table.add_column(heading, justify="left" if heading in ("options", "") else "right", no_wrap=True)
    for kept, word in ((True, "kept"), (False, "discarded")):
        of_word = [each for each in candidates if each.kept is kept]
        for each in of_word[:_SHOWN]:
            figures = each.figures
            table.add_row(
                space.format(each.options), f"{figures['epe']:.4f}", f"{figures['fps']:.2f}",
                f"{figures['sram_kib']:.1f}", word,
            )  # fmt: skip
        if len(of_word) > _SHOWN:
            table.add_row("...", "", "", "", f"{len(of_word) - _SHOWN:,} more {word}")
    Console(highlight=False).print(table)


STAGED = Strategy(shares_weights=True, run=run_strategy)
