"""Sections on the supernet's training: its curves and its fairness."""

from typing import List, Mapping, Sequence, Tuple

from edgeflownas.progress import format_duration
from edgeflownas.wording import format_count
from search.report.chart import Chart, ReportSection, Series, horizontal_line, option_role, vertical_line
from search.report.contents import Contents, TrainingRecord

_JUMP = 1.3  # ratio of the losses of successive epochs that is called a jump


def training_section(runs: Sequence[Contents]) -> ReportSection:
    """Return the section with the curves of EPE and loss."""
    title = "Training"
    trainings = [entry for entry in _list_trainings(runs) if entry[2].log]
    logs = [(role, name, training.log) for role, name, training in trainings]
    if not logs:
        reason = _explain_absence(runs, "There is no training log yet: `train` writes one.")
        return ReportSection("training", title, (reason,))
    text = []
    for _, name, log in logs:
        best = min(log, key=lambda line: line["epe"])
        epochs = format_count(len(log), "epoch")
        text.append(
            f"{name}: {epochs}, {log[-1]['steps']:,.0f} fair cycles in {format_duration(log[-1]['wall_s'])}. Best EPE "
            f"of the pool {best['epe']:.3f} px in epoch {best['epoch']:.0f}, "
            f"{100 * best['share']:.1f} % of zero-flow EPE."
        )
    for _, name, training in trainings:
        text += [f"{name}: {sentence}" for sentence in _explain_jumps(training)]
    return ReportSection("training", title, tuple(text), _make_charts(trainings))


def _list_trainings(runs: Sequence[Contents]) -> List[Tuple[str, str, TrainingRecord]]:
    """Return all training runs with their colour roles and names; the last stage of a run has the colour of the run."""
    trainings = []
    further = len(runs)
    for number, contents in enumerate(runs):
        for training in contents.trainings:
            last = training is contents.trainings[-1]
            name = f"{contents.name}, {training.stage}" if training.stage else contents.name
            trainings.append((f"run {number if last else further}", name, training))
            further += not last
    return trainings


def _explain_absence(runs: Sequence[Contents], not_yet: str) -> str:
    if any(run.shares_weights for run in runs):
        return not_yet
    return "With strategy: independent there is no supernet to train; the curves of the children are shown below."


def _explain_jumps(training: TrainingRecord) -> List[str]:
    """Describe each jump in the loss in a sentence, with the reason if it is known."""
    start, sentences = training.uncertainty_epoch, []
    if start is not None and training.log[0]["epoch"] < start:
        sentences.append(f"from epoch {start} on, the loss includes the uncertainty; it is not comparable with before.")
    for before, line in zip(training.log, training.log[1:]):
        if line["loss"] > _JUMP * before["loss"] > 0 and line["epoch"] not in (start, (start or 0) + 1):
            sentences.append(
                f"the loss rises from {before['loss']:.3g} to {line['loss']:.3g} in epoch {line['epoch']:.0f}, which "
                f"the recipe does not explain; see EPE of the same epochs."
            )
        if line["epoch"] != before["epoch"] + 1:
            sentences.append(f"the log has no epochs between {before['epoch']:.0f} and {line['epoch']:.0f}.")
    return sentences


def _make_charts(trainings: Sequence[Tuple[str, str, TrainingRecord]]) -> Tuple[Chart, ...]:
    epe: List[Series] = []
    loss: List[Series] = []
    zeros = {}
    for role, name, training in trainings:
        log = training.log
        epochs = [line["epoch"] for line in log]
        epe.append(Series(name, epochs, [line["epe"] for line in log], role))
        loss.append(Series(name, epochs, [line["loss"] for line in log], role))
        zeros[round(log[-1]["epe"] / log[-1]["share"], 9)] = name
    extent = [x for series in epe for x in series.x]
    for zero, name in zeros.items():
        label = "zero flow" if len(zeros) == 1 else f"zero flow, {name}"
        epe.append(horizontal_line(label, zero, [min(extent), max(extent)], "muted"))
    losses = [value for series in loss for value in series.y]
    starts = {training.uncertainty_epoch for _, _, training in trainings} - {None}
    for start in sorted(start for start in starts if start is not None):
        loss.append(vertical_line(f"with uncertainty from epoch {start}", start - 0.5, losses, "muted"))
    return (
        Chart("EPE of the pool", "epoch", "EPE, px", tuple(epe)),
        Chart("Loss", "epoch", "loss", tuple(loss)),
    )


def fairness_section(runs: Sequence[Contents]) -> ReportSection:
    """Return the section on how often each option was trained."""
    title = "Fairness"
    charts, text = [], []
    for _, name, training in _list_trainings(runs):
        if not training.fairness:
            continue
        counts = training.fairness
        options = max(len(values) for values in counts.values())
        series = []
        for option in range(options):
            genes = [gene for gene, values in counts.items() if option < len(values)]
            values = [float(counts[gene][option]) for gene in genes]
            labels = [_shorten(gene) for gene in genes]
            series.append(Series(f"option {option}", labels, values, option_role(option, options), "bars"))
        charts.append(Chart(name, "gene", "times trained", tuple(series)))
        text.append(f"{name}: {_describe_fairness(counts)}.")
    if not charts:
        reason = _explain_absence(runs, "There are no counts yet: `train` writes fairness.json.")
        return ReportSection("fairness", title, (reason,))
    return ReportSection("fairness", title, tuple(text), tuple(charts))


def _describe_fairness(counts: Mapping[str, Sequence[int]]) -> str:
    """Describe how fair the counts are. A difference of one is fair if paths are not a multiple of options."""
    gaps = {gene: max(values) - min(values) for gene, values in counts.items()}
    paths = max(sum(values) for values in counts.values())
    if any(gap > (paths % len(counts[gene]) > 0) for gene, gap in gaps.items()):
        largest = format_count(max(gaps.values()), "time")
        return f"options of a gene were trained unequally often, one {largest} more often than another"
    fair = "all options of a gene were trained equally often, as FairNAS requires"
    if any(gaps.values()):
        return f"{fair}, except for a difference of one where the paths are not a multiple of the options"
    return fair


def _shorten(gene: str) -> str:
    """Return a short name for genes that are trained together, made of the first and the last."""
    first, *others = gene.split("+")
    return f"{first} to {others[-1]}" if others else gene
