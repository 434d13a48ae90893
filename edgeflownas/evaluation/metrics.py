"""Metrics of predicted flow: the end-point error as the benchmarks report it. Independent of TensorFlow.

Every metric except the mean over images pools its pixels over all images, so the weight of an image is its number of
valid pixels.
"""

from typing import Dict, List, Optional

import numpy as np

from edgeflownas.data.sample import Sample

# Ranges of the length of the true flow, in pixels (Butler et al., ECCV 2012, MPI-Sintel).
MOTIONS = {"s0_10": (0.0, 10.0), "s10_40": (10.0, 40.0), "s40": (40.0, float("inf"))}

OUTLIER_PIXELS, OUTLIER_SHARE = 3.0, 0.05  # an outlier exceeds both (Menze & Geiger, CVPR 2015, KITTI)


def compute_outlier_errors(error: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Return KITTI's error: the smaller of the absolute and the relative end-point error, in pixels.

    The relative error is scaled so that 5 % of the true motion corresponds to 3 pixels. Errors above 3 pixels are
    outliers.

    Args:
        error: End-point errors, in pixels.
        motion: Lengths of the true flow, in pixels, same shape.
    """
    relative = np.divide(error, motion, out=np.full(error.shape, np.inf), where=motion > 0)
    errors: np.ndarray = np.minimum(error, relative * (OUTLIER_PIXELS / OUTLIER_SHARE))
    return errors


class FlowMetrics:
    """Accumulated errors of pairs."""

    def __init__(self) -> None:
        self._sums: Dict[str, float] = {}
        self._counts: Dict[str, int] = {}
        self._images: List[float] = []

    def add(self, prediction: np.ndarray, sample: Sample) -> Optional[float]:
        """Add the errors of a pair.

        Args:
            prediction: Predicted flow, float32 [H, W, 2], in pixels.
            sample: Sample with the true flow.

        Returns:
            The EPE of the pair in pixels; None if no flow of the pair is known.

        Raises:
            FloatingPointError: The prediction is not finite.
        """
        if not np.isfinite(prediction).all():
            raise FloatingPointError("the predicted flow is not finite")
        known = sample.valid
        error = np.linalg.norm(prediction - sample.flow, axis=-1)[known]
        motion = np.linalg.norm(sample.flow, axis=-1)[known]
        self._sum("epe", error)
        self._sum("zero_flow_epe", motion)
        self._sum("fl_all", 100.0 * ((error > OUTLIER_PIXELS) & (error > OUTLIER_SHARE * motion)))
        for name, (least, most) in MOTIONS.items():
            self._sum(f"epe_{name}", error[(motion >= least) & (motion < most)])
        if sample.occluded is not None:
            self._sum("epe_visible", error[~sample.occluded[known]])
            self._sum("epe_occluded", error[sample.occluded[known]])
        if not error.size:
            return None
        self._images.append(float(error.mean(dtype=np.float64)))
        return self._images[-1]

    def _sum(self, name: str, values: np.ndarray) -> None:
        self._sums[name] = self._sums.get(name, 0.0) + float(values.sum(dtype=np.float64))
        self._counts[name] = self._counts.get(name, 0) + values.size

    def figures(self) -> Dict[str, Optional[float]]:
        """Return the metrics by name; None if no pixel belongs to a metric.

        In pixels: ``epe``, ``epe_per_image`` (mean of the EPEs of the images), ``zero_flow_epe``, ``epe_s0_10``,
        ``epe_s10_40``, ``epe_s40`` (by motion); ``epe_visible`` and ``epe_occluded`` if the data set has masks. In
        percent of the pixels: ``fl_all``, those with an error above both 3 px and 5 %.
        """
        figures: Dict[str, Optional[float]] = {
            name: total / self._counts[name] if self._counts[name] else None for name, total in self._sums.items()
        }
        figures["epe_per_image"] = float(np.mean(self._images)) if self._images else None
        return figures

    @property
    def pixels(self) -> int:
        """Number of valid pixels."""
        return self._counts.get("epe", 0)
