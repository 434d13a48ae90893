"""How the order of retrained architectures changes from the supernet's score to the board."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional

from search.ranking.agreement import Agreement, measure_agreement

# Figures in the order in which they are obtained, with their names in messages. Each step compares two of them.
_EPES = (
    ("supernet_epe", "supernet EPE"),
    ("epe", "retrained EPE in float32"),
    ("deploy_epe", "EPE in float32 with the input of the board"),
    ("int8_epe", "EPE in int8 with the input of the board"),
)
_FPS = (("search_fps", "FPS in the search"), ("fps", "FPS with the input of the board"))


class Step(NamedTuple):
    """Agreement of the orders by two figures, of which the second is obtained after the first.

    Attributes:
        before: Name of the first figure's column in ``final_front.csv``.
        after: Name of the second figure's column.
        description: Both figures in words.
        agreement: Kendall's tau of the two orders.
    """

    before: str
    after: str
    description: str
    agreement: Agreement

    def record(self) -> Dict[str, Any]:
        """Return the step as plain Python types, for JSON."""
        tau, n, low, high = self.agreement
        return {"before": self.before, "after": self.after, "kendall_tau": tau, "n": n, "low": low, "high": high}


def measure_steps(column: Callable[[str], List[Optional[float]]]) -> List[Step]:
    """Return how each step changes the order, and how all steps of the EPE do together.

    Args:
        column: Function that returns a figure of all architectures by the name of its column; None where it is not
            known.
    """
    pairs = [*zip(_EPES, _EPES[1:]), (_EPES[0], _EPES[-1]), _FPS]
    steps = []
    for (before, first), (after, second) in pairs:
        known = [
            (one, other)
            for one, other in zip(column(before), column(after))
            if one is not None and other is not None
        ]
        if known:
            agreement = measure_agreement([one for one, _ in known], [other for _, other in known])
            steps.append(Step(before, after, f"{first} and {second}", agreement))
    return steps
