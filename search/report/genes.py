"""Section on the options that the populations contain, generation by generation."""

from typing import List, Sequence

import numpy as np

from edgeflownas.wording import format_count
from search.report.chart import Chart, ReportSection, Series, option_role
from search.report.contents import Contents

TITLE = "Genes"


def genes_section(runs: Sequence[Contents]) -> ReportSection:
    """Return the section with a chart per run and gene, which shows the shares of the options in the population."""
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
            if len(numbers) > 1:  # with a single generation the areas have no width
                charts.append(Chart(f"{name}{gene.name}", "generation", "share of the population", series, share=True))
            if shares[-1].max() == 1.0:
                settled.append(f"{gene.name} {gene.options[int(shares[-1].argmax())]}")
        state = f"has converged to {', '.join(settled)}" if settled else "has not converged to one option in any gene"
        if len(numbers) == 1:
            state += "; the shares of the options are drawn from the second generation on"
        text.append(f"{contents.name}: after {format_count(len(numbers), 'generation')} the population {state}.")
    if not text:
        return ReportSection("genes", TITLE, ("There is no generation yet: `evolve` creates them.",))
    return ReportSection("genes", TITLE, tuple(text), tuple(charts))
