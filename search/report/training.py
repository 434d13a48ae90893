"""The supernet's training: its curves, and how fair it was."""

from typing import List, Sequence, Tuple

from search.report.chart import Chart, Section, Series, level, option_role
from search.report.contents import Contents, Log


def training_section(runs: Sequence[Contents]) -> Section:
    """EPE and loss by epoch."""
    title = "Training"
    named = [(number, each.name, each.training) for number, each in enumerate(runs) if each.training]
    if not named:
        return Section("training", title, (_why_none(runs, "There is no log of a training: `train` writes one."),))
    text = []
    for _, name, log in named:
        best = min(log, key=lambda line: line["epe"])
        text.append(
            f"{name}: {len(log)} epochs, {log[-1]['steps']:,.0f} fair cycles, {log[-1]['wall_s']:,.0f} s. Best EPE of "
            f"the pool {best['epe']:.3f} px in epoch {best['epoch']:.0f}, {best['share']:.3f} of zero flow's."
        )
    charts = _curves([(f"run {number}", name, log) for number, name, log in named])
    return Section("training", title, tuple(text), charts)


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
    for contents in runs:
        if not contents.fairness:
            continue
        counts = contents.fairness
        options = max(len(each) for each in counts.values())
        series = []
        for option in range(options):
            genes = [gene for gene, each in counts.items() if option < len(each)]
            values = [float(counts[gene][option]) for gene in genes]
            series.append(Series(f"option {option}", genes, values, option_role(option, options), "bars"))
        charts.append(Chart(contents.name, "gene", "times trained", tuple(series)))
        gap = max(max(each) - min(each) for each in counts.values())
        said = "every option of a gene was trained equally often" if gap == 0 else f"options differ by up to {gap:,}"
        text.append(f"{contents.name}: {said}, as FairNAS asks (largest difference within a gene: {gap:,}).")
    if not charts:
        return Section("fairness", title, (_why_none(runs, "There are no counts yet: `train` writes fairness.json."),))
    return Section("fairness", title, tuple(text), tuple(charts))
