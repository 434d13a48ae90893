"""The supernet's training: its curves, and how fair it was."""

from typing import List, Mapping, Sequence, Tuple

from search.report.chart import Chart, Section, Series, counted, level, option_role
from search.report.contents import Contents, Log, Training


def training_section(runs: Sequence[Contents]) -> Section:
    """EPE and loss by epoch."""
    title = "Training"
    named = [(role, name, each.log) for role, name, each in _named(runs) if each.log]
    if not named:
        return Section("training", title, (_why_none(runs, "There is no log of a training: `train` writes one."),))
    text = []
    for _, name, log in named:
        best = min(log, key=lambda line: line["epe"])
        epochs = counted(len(log), "epoch")
        text.append(
            f"{name}: {epochs}, {log[-1]['steps']:,.0f} fair cycles, {log[-1]['wall_s']:,.0f} s. Best EPE of the pool "
            f"{best['epe']:.3f} px in epoch {best['epoch']:.0f}, {best['share']:.3f} of zero flow's."
        )
    return Section("training", title, tuple(text), _curves(named))


def _named(runs: Sequence[Contents]) -> List[Tuple[str, str, Training]]:
    """Trainings with their colour's role, that of the run for the last of its stages, and their name."""
    named = []
    further = len(runs)
    for number, contents in enumerate(runs):
        for training in contents.trainings:
            last = training is contents.trainings[-1]
            name = f"{contents.name}, {training.stage}" if training.stage else contents.name
            named.append((f"run {number if last else further}", name, training))
            further += not last
    return named


def _why_none(runs: Sequence[Contents], not_yet: str) -> str:
    """Why there is nothing to show."""
    if any(each.shares_weights for each in runs):
        return not_yet
    return "With strategy: independent there is no supernet to train: the curves of its children stand below."


def _curves(named: Sequence[Tuple[str, str, Log]]) -> Tuple[Chart, ...]:
    epe: List[Series] = []
    loss: List[Series] = []
    zeros = {}
    for role, name, log in named:
        epochs = [line["epoch"] for line in log]
        epe.append(Series(name, epochs, [line["epe"] for line in log], role))
        loss.append(Series(name, epochs, [line["loss"] for line in log], role))
        zeros[round(log[-1]["epe"] / log[-1]["share"], 9)] = name
    extent = [x for each in epe for x in each.x]
    for zero, name in zeros.items():
        label = "zero flow" if len(zeros) == 1 else f"zero flow, {name}"
        epe.append(level(label, zero, [min(extent), max(extent)], "muted"))
    return (
        Chart("EPE of the pool", "epoch", "EPE, px", tuple(epe)),
        Chart("Loss", "epoch", "loss", tuple(loss)),
    )


def fairness_section(runs: Sequence[Contents]) -> Section:
    """How often each option was trained."""
    title = "Fairness"
    charts, text = [], []
    for _, name, training in _named(runs):
        if not training.fairness:
            continue
        counts = training.fairness
        options = max(len(each) for each in counts.values())
        series = []
        for option in range(options):
            having = [gene for gene, each in counts.items() if option < len(each)]
            values = [float(counts[gene][option]) for gene in having]
            genes = [_shortened(gene) for gene in having]
            series.append(Series(f"option {option}", genes, values, option_role(option, options), "bars"))
        charts.append(Chart(name, "gene", "times trained", tuple(series)))
        text.append(f"{name}: {_how_fair(counts)}.")
    if not charts:
        return Section("fairness", title, (_why_none(runs, "There are no counts yet: `train` writes fairness.json."),))
    return Section("fairness", title, tuple(text), tuple(charts))


def _how_fair(counts: Mapping[str, Sequence[int]]) -> str:
    """In words, from how often each option was trained. Where paths do not divide by the options, one more is fair."""
    gaps = {gene: max(each) - min(each) for gene, each in counts.items()}
    paths = max(sum(each) for each in counts.values())
    if any(gap > (paths % len(counts[gene]) > 0) for gene, gap in gaps.items()):
        most = max(gaps.values())
        return f"options of a gene were trained unequally often, one {counted(most, 'time')} more than another"
    fair = "every option of a gene was trained equally often, as FairNAS asks"
    return f"{fair}, but for what is left where the paths do not divide" if any(gaps.values()) else fair


def _shortened(gene: str) -> str:
    """Genes that are trained as one, by the first and the last of them."""
    first, *others = gene.split("+")
    return f"{first} to {others[-1]}" if others else gene
