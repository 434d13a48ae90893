"""The training log for people: one line per epoch on the terminal, in ``log.csv`` and as TensorBoard events."""

from pathlib import Path
from typing import Mapping, Sequence

from edgeflownas.progress import say
from edgeflownas.storage.events import Events
from edgeflownas.storage.files import write_csv

_COLUMNS = ("epoch", "steps", "loss", "epe", "share", "wall_s")
_STUCK = 0.98  # share of the zero-flow EPE; a network above it has not begun to learn


def report_epoch(line: Mapping[str, float], epochs: int, zero_flow_epe: float, events: Events) -> None:
    """Print the log line of an epoch, and write it as events.

    Args:
        line: Line of the log, with the columns of ``log.csv``.
        epochs: Number of epochs in total.
        zero_flow_epe: EPE of predicting no motion, in pixels.
        events: Writer of events.
    """
    say(
        f"epoch {line['epoch']}/{epochs}: loss {line['loss']:.4f}, EPE {line['epe']:.3f} px, "
        f"{100 * line['share']:.1f} % of zero-flow EPE ({zero_flow_epe:.3f} px)"
    )
    if line["epoch"] == 3 and line["share"] > _STUCK:
        say("the network still predicts no motion: raise train.clip_norm or train.learning_rate, or train longer")
    events.add(int(line["steps"]), {name: line[name] for name in ("loss", "epe", "share")})


def write_log(folder: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write ``log.csv`` with a row per completed epoch; before the first, write nothing."""
    if history:
        write_csv(folder / "log.csv", [{name: line[name] for name in _COLUMNS} for line in history])
