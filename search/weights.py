"""The weights that a result was computed with: their file and the digest of their values."""

from pathlib import Path
from typing import Any, Dict, Mapping, NamedTuple

import numpy as np

from edgeflownas.data.listing import show_name
from edgeflownas.hardware.networks import RANDOM
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.shipped.locate import shorten
from edgeflownas.storage.checkpoint import digest


class WeightsOrigin(NamedTuple):
    """Origin of weights, named in every result.

    Attributes:
        path: Path of the file, from the top of the package if it comes with it; "random" for random weights.
        sha256: Digest of the values.
    """

    path: str
    sha256: str

    @classmethod
    def of(cls, path: Path, tensors: Mapping[str, np.ndarray], skeleton: Skeleton) -> "WeightsOrigin":
        """Return the origin of the weights of a supernet, or of a child with its BN statistics."""
        names = skeleton.parameters()
        is_supernet = all(name in tensors for name in names)
        return cls(shorten(str(path)), digest({name: tensors[name] for name in names} if is_supernet else tensors))

    def record(self) -> Dict[str, Any]:
        """Return the origin as keys of a record or columns of a table."""
        return {"weights": show_name(self.path), "weights_sha256": self.sha256}

    def __str__(self) -> str:
        """Return the origin for a line of text."""
        if self.path == RANDOM:
            return "random weights"
        return f"{self.path} (sha256 {self.sha256:.12})"
