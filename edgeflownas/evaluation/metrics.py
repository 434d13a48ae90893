"""How good predicted flow is: the end-point error as the benchmarks report it. Needs no TensorFlow.

Every figure but the mean over images pools all its pixels of all images, so that an image counts by its valid pixels.
"""

from typing import Dict, List, Optional

import numpy as np

from edgeflownas.data.sample import Sample

# Pixels by the length of their true flow, in pixels (Butler et al., ECCV 2012, MPI-Sintel).
MOTIONS = {"s0_10": (0.0, 10.0), "s10_40": (10.0, 40.0), "s40": (40.0, float("inf"))}

_OUTLIER_PIXELS, _OUTLIER_SHARE = 3.0, 0.05  # an outlier is beyond both (Menze & Geiger, CVPR 2015, KITTI)


class FlowMetrics:
    """Sums up errors over pairs."""

    def __init__(self) -> None:
        self._sums: Dict[str, float] = {}
        self._counts: Dict[str, int] = {}
        self._images: List[float] = []

    def add(self, prediction: np.ndarray, sample: Sample) -> Optional[float]:
        """Counts a pair.

        Args:
            prediction: float32 [H, W, 2], pixels.
            sample: with the true flow.

        Returns:
            The pair's EPE, pixels; None if none of its flow is known.

        Raises:
            FloatingPointError: the prediction is not finite.
        """
        if not np.isfinite(prediction).all():
            raise FloatingPointError("the predicted flow is not finite")
        known = sample.valid
        error = np.linalg.norm(prediction - sample.flow, axis=-1)[known]
        motion = np.linalg.norm(sample.flow, axis=-1)[known]
        self._sum("epe", error)
        self._sum("zero_flow_epe", motion)
        self._sum("fl_all", 100.0 * ((error > _OUTLIER_PIXELS) & (error > _OUTLIER_SHARE * motion)))
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
        """The figures by name; None where there is no such pixel.

        In pixels: ``epe``, ``epe_per_image`` (the mean of the images' own), ``zero_flow_epe``, ``epe_s0_10``,
        ``epe_s10_40``, ``epe_s40`` (by motion); ``epe_visible`` and ``epe_occluded`` where the data set says. In
        percent of the pixels: ``fl_all``, off by more than 3 px and 5 %.
        """
        found: Dict[str, Optional[float]] = {
            name: total / self._counts[name] if self._counts[name] else None for name, total in self._sums.items()
        }
        found["epe_per_image"] = float(np.mean(self._images)) if self._images else None
        return found

    @property
    def pixels(self) -> int:
        """Number of valid pixels."""
        return self._counts.get("epe", 0)
