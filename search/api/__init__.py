"""How is everything used from Python?

``from search import api`` offers the names in ``__all__``, which docs/python.md describes. The commands call the same
functions. A name is imported when it is first used, so that reading results needs no TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.api.evolving import evolve
    from search.api.exporting import export
    from search.api.predicting import open_exported_network, open_network, predict_frames
    from search.api.results import Scores, read_scores
    from search.api.runs import open_run
    from search.api.scoring import score
    from search.api.searching import Search
    from search.api.training import train

__all__ = [
    "Scores", "Search", "evolve", "export", "open_exported_network", "open_network", "open_run", "predict_frames",
    "read_scores", "score", "train",
]  # fmt: skip

_MODULES = {
    "Scores": "results",
    "Search": "searching",
    "evolve": "evolving",
    "export": "exporting",
    "open_exported_network": "predicting",
    "open_network": "predicting",
    "open_run": "runs",
    "predict_frames": "predicting",
    "read_scores": "results",
    "score": "scoring",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    """Import a name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
