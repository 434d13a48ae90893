"""Folders of pairs in FlyingChairs2's file names (Ilg et al., ECCV 2018).

A pair is NNNNNNN-img_0.png, NNNNNNN-img_1.png and NNNNNNN-flow_01.flo.
"""

from pathlib import Path
from typing import Optional, Tuple

import numpy as np

from edgeflownas.config import FlyingChairs2Data
from edgeflownas.data.formats import UNKNOWN_FLOW, read_flo, read_image
from edgeflownas.data.sample import Sample, mirrored
from edgeflownas.errors import InputError

_FLOW = "-flow_01.flo"


class FlyingChairs2Dataset:
    """The pairs of one folder, in the order of their names."""

    def __init__(self, folder: Path, config: FlyingChairs2Data, key: str) -> None:
        """Scans a folder.

        Args:
            folder: to scan.
            config: size of the crop, and flips.
            key: the configuration key that named the folder, for messages.

        Raises:
            InputError: the folder is missing or holds no pairs.
        """
        if not folder.is_dir():
            raise InputError(f"{key}: {folder} is not a folder; set it to where the pairs are")
        self._config = config
        self._flows = sorted(path for path in folder.iterdir() if path.name.endswith(_FLOW))
        if not self._flows:
            raise InputError(f"{key}: {folder} holds no *{_FLOW}; set it to a folder in FlyingChairs2's layout")

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self._flows)

    def sample(self, index: int, rng: Optional[np.random.Generator]) -> Sample:
        """Reads a pair: cropped and mirrored at random with a generator, cropped at the centre without."""
        path = self._flows[index]
        stem = path.name[: -len(_FLOW)]
        frames = [read_image(path.with_name(f"{stem}-img_{i}.png")) for i in range(2)]
        flow = read_flo(path)
        if not frames[0].shape[:2] == frames[1].shape[:2] == flow.shape[:2]:
            raise InputError(f"pair {path}: images and flow differ in size; replace the pair or leave it out")
        if np.isnan(flow).any():
            raise InputError(f"flow {path}: holds NaN; replace the file or leave the pair out")
        top, left = self._corner(path, flow.shape[:2], rng)
        window = (slice(top, top + self._config.height), slice(left, left + self._config.width))
        valid = (np.abs(flow) < UNKNOWN_FLOW).all(axis=-1)[window]
        images = np.ascontiguousarray(np.concatenate(frames, axis=-1)[window])
        sample = Sample(images, np.where(valid[..., None], flow[window], np.float32(0)), valid)
        return mirrored(sample, rng) if rng is not None and self._config.flips else sample

    def _corner(self, path: Path, size: Tuple[int, ...], rng: Optional[np.random.Generator]) -> Tuple[int, int]:
        """Top and left of the crop."""
        room = (size[0] - self._config.height, size[1] - self._config.width)
        if min(room) < 0:
            raise InputError(
                f"pair {path}: is {size[1]}x{size[0]} pixels, smaller than the crop; lower data.width and data.height"
            )
        if rng is None:
            return room[0] // 2, room[1] // 2
        return int(rng.integers(room[0] + 1)), int(rng.integers(room[1] + 1))
