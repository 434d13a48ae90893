"""Which options the populations hold, generation by generation."""

from typing import List, Sequence

import numpy as np

from search.report.chart import Chart, Section, Series, counted, option_role
from search.report.contents import Contents

TITLE = "Genes"


def genes_section(runs: Sequence[Contents]) -> Section:
    """A chart for each gene of each run: the shares of its options in the population."""
    charts: List[Chart] = []
    text: List[str] = []
    for contents in runs:
        course = contents.generations
        if course is None:
            continue
        numbers = list(range(len(course.genes)))
        settled = []
        for index, gene in enumerate(contents.run.space.genes):
            shares = np.array(
                [np.bincount(genes[:, index], minlength=len(gene.options)) / len(genes) for genes in course.genes]
            )
            series = tuple(
                Series(option, numbers, shares[:, number].tolist(), option_role(number, len(gene.options)), "area")
                for number, option in enumerate(gene.options)
            )
            name = f"{contents.name}: " if len(runs) > 1 else ""
            if len(numbers) > 1:  # an area has no width in a single one
                charts.append(Chart(f"{name}{gene.name}", "generation", "share of the population", series, share=True))
            if shares[-1].max() == 1.0:
                settled.append(f"{gene.name} {gene.options[int(shares[-1].argmax())]}")
        said = f"settled on {', '.join(settled)}" if settled else "has not settled on one option of any gene"
        if len(numbers) == 1:
            said += "; the shares of the options are drawn from the second on"
        text.append(f"{contents.name}: after {counted(len(numbers), 'generation')} the population {said}.")
    if not text:
        return Section("genes", TITLE, ("There is no generation yet: `evolve` makes them.",))
    return Section("genes", TITLE, tuple(text), tuple(charts))
