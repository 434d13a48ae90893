"""How far training has got, and the results of its epochs."""

from dataclasses import dataclass, field
from typing import Dict, List, Optional


@dataclass
class Place:
    """How far training has got; the part of a checkpoint that is neither tensors nor the step's own state.

    Attributes:
        epoch: Number of completed epochs.
        batch: Number of completed batches of the current epoch.
        loss_sum: Sum of the losses of these batches.
        best_epe: Lowest EPE of the completed epochs, in pixels; None before the first.
        best_epoch: Number of the epoch with this EPE, counted from 1.
        wall_s: Duration of the training so far, in seconds.
        history: Lines of the log, one per completed epoch.
    """

    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    best_epe: Optional[float] = None
    best_epoch: int = 0
    wall_s: float = 0.0
    history: List[Dict[str, float]] = field(default_factory=list)

    @property
    def mean_loss(self) -> float:
        """Mean loss of the completed batches of the current epoch, of which there must be at least one."""
        return self.loss_sum / self.batch

    def count_batch(self, loss: float) -> None:
        """Count a completed batch."""
        self.loss_sum += loss
        self.batch += 1

    def complete_epoch(self, epe: float, steps: int, zero_flow_epe: float) -> None:
        """Move to the next epoch, and record the completed one.

        Args:
            epe: EPE after the epoch, in pixels.
            steps: Number of steps since the start of the training.
            zero_flow_epe: EPE of predicting no motion, in pixels.
        """
        loss = self.mean_loss
        self.epoch, self.batch, self.loss_sum = self.epoch + 1, 0, 0.0
        self.history.append({
            "epoch": self.epoch, "steps": steps, "loss": loss, "epe": epe, "share": epe / zero_flow_epe,
            "wall_s": round(self.wall_s, 1),
        })  # fmt: skip
        if self.best_epe is None or epe < self.best_epe:
            self.best_epe, self.best_epoch = epe, self.epoch

    def has_stalled(self, patience: int) -> bool:
        """Return whether the EPE has not improved for this number of epochs; never with a patience of 0."""
        return bool(patience) and self.epoch > 0 and self.epoch - self.best_epoch >= patience
