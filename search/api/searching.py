"""A search in memory with an ask-and-tell interface, for the user's own evaluators and objectives."""

from typing import Callable, Dict, List, Mapping, Optional

import numpy as np

from edgeflownas.config import EvolutionConfig
from edgeflownas.errors import InputError
from edgeflownas.hardware.cost import Cost
from edgeflownas.network.space import Architecture, Space
from edgeflownas.wording import join
from search.api.results import Table, make_table
from search.nsga2.evolution import Evolution
from search.nsga2.scoring import COST_FIGURES, CostModel
from search.run import Run
from search.storage.initial import read_initial

OwnCosts = Mapping[str, Callable[[str], float]]  # function of an architecture in digits, by the name of the cost

_COLUMNS = ("latency_ms", "sram_kib", "npu_cycles")  # columns of the archive that hold own costs; lower is better
_BESIDES = ("cost_source", "fps", *_COLUMNS)  # columns that say nothing about a search with own costs


class Search:
    """An NSGA-II search whose architectures the caller scores. It is kept in memory only.

    Its objectives are an error, which is known once an architecture is scored, and costs, which are known before.

    Attributes:
        space: Search space.
    """

    def __init__(self, run: Run, costs: Optional[OwnCosts] = None, seed: Optional[int] = None) -> None:
        """Start a search.

        Args:
            run: Run whose configuration defines the space and the settings of the search. Without ``costs``, it also
                defines objectives, limits and the cost table. Neither a supernet nor data are used.
            costs: Own objectives besides the error, at most three, to be minimised. Each is a fast function that
                returns a positive number for any architecture of the space.
            seed: Seed of the random generator; if None, that of the configuration.

        Raises:
            InputError: The cost table cannot be used, a cost is invalid, or no architecture satisfies the limits.
        """
        self.space = run.space
        self._own = {} if costs is None else dict(zip(costs, _COLUMNS))
        self._asked: Dict[Architecture, None] = {}
        self._requested: List[Architecture] = []
        config = run.config.evolution if costs is None else _replace_objectives(run.config.evolution, costs)
        model: CostModel
        if costs is None:
            model, _ = run.cost_table()
        else:
            model = _OwnCostModel(run.space, costs)
        initial = read_initial(run.space, config.initial)
        seed = run.config.seed if seed is None else seed
        self._evolution = Evolution(run.space, config, model, seed, initial=initial)

    @property
    def ended(self) -> Optional[str]:
        """Reason why the search has ended; None if it has not."""
        return self._evolution.stop_reason()

    def ask(self) -> List[str]:
        """Return the architectures to score next, in digits. They were never asked for before.

        With ``evolution.complete_outputs``, they include all combinations of flow outputs of a few architectures,
        because a supernet scores these together. Set it to false for an evaluator to which every architecture costs
        the same.
        """
        if not self._asked:
            self._requested = self._evolution.ask()
            self._asked = dict.fromkeys(self._evolution.expand_outputs(self._requested))
        return [self.space.format(architecture) for architecture in self._asked]

    def tell(self, errors: Mapping[str, float]) -> None:
        """Store the errors of the architectures that ``ask`` returned, and select the survivors.

        Args:
            errors: Error by architecture, such as its EPE, from 0 to 1,000,000; lower is better. NaN: scoring failed.

        Raises:
            InputError: An architecture is missing, or was not asked for.
        """
        scores = {self.space.parse(text): float(error) for text, error in errors.items()}
        if set(scores) != set(self._asked):
            missing, other = len(set(self._asked) - set(scores)), len(set(scores) - set(self._asked))
            raise InputError(
                f"tell: {missing} of the asked architectures are missing, and {other} were not asked for; pass an "
                f"error for each architecture that ask() has returned"
            )
        self._evolution.tell(self._requested, list(scores.items()))
        self._asked, self._requested = {}, []

    def run(self, evaluate: Callable[[str], float]) -> str:
        """Score architectures with a function until the search ends, and return why it ended.

        Args:
            evaluate: Function that returns the error of an architecture in digits.
        """
        while self.ended is None:
            self.tell({architecture: evaluate(architecture) for architecture in self.ask()})
        return str(self.ended)

    def table(self) -> Table:
        """Return all scored architectures as columns; see ``make_table``. Own costs are under their own names."""
        return self._name_columns(make_table(self._evolution.archive, np.arange(len(self._evolution.archive))))

    def front(self) -> Table:
        """Return the non-dominated architectures, sorted by the first objective, best first."""
        return self._name_columns(make_table(self._evolution.archive, self._evolution.front()))

    def hypervolume(self) -> float:
        """Return the hypervolume of the front."""
        return self._evolution.hypervolume()

    def _name_columns(self, table: Table) -> Table:
        """Replace the columns of the archive by the own costs that they hold."""
        if not self._own:
            return table
        own = {name: table[column] for name, column in self._own.items()}
        rest = {name: column for name, column in table.items() if name not in _BESIDES}
        return {"architecture": rest.pop("architecture"), "epe": rest.pop("epe"), **own, **rest}


class _OwnCostModel:
    """A cost model whose figures are own costs; figures that no cost uses are 1."""

    sram_cap_kib: Optional[float] = None

    def __init__(self, space: Space, costs: OwnCosts) -> None:
        if not 1 <= len(costs) <= len(_COLUMNS):
            raise InputError(f"costs: a search has 1 to {len(_COLUMNS)} own costs, not {len(costs)}")
        self._space, self._costs = space, dict(zip(_COLUMNS, costs.items()))

    def cost(self, architecture: Architecture) -> Cost:
        """Return the own costs of an architecture as its figures."""
        text = self._space.format(architecture)
        figures = dict.fromkeys(COST_FIGURES, 1.0)
        for column, (name, compute) in self._costs.items():
            figures[column] = float(compute(text))
            if not (np.isfinite(figures[column]) and figures[column] > 0):
                raise InputError(f"costs: {name} of {text} is {figures[column]}, but must be finite and positive")
        return Cost(**figures, source="predicted")


def _replace_objectives(config: EvolutionConfig, costs: OwnCosts) -> EvolutionConfig:
    """Return the settings of a search for own costs: limits and a reference point of other costs do not apply."""
    clashing = sorted(set(costs) & {"architecture", "epe", "generation", "requested"})
    if clashing:
        raise InputError(f"costs: {join(clashing)} has another meaning in tables; choose a different name")
    objectives = ["epe", *_COLUMNS[: len(costs)]]
    return config.model_copy(update={"objectives": objectives, "constraints": {}, "reference_point": None})
