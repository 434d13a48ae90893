"""A run: one folder under results/ that holds everything of one search, and the configuration it was made with."""

from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.config import ChildConfig, Config, dump, load
from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost import CostTable
from edgeflownas.hardware.networks import Networks
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Architecture, Space
from edgeflownas.storage import checkpoint
from edgeflownas.storage.files import write_text

# A sum that several threads share out depends in its last digits on how many they are. With one, the same
# architectures get the same EPE on any number of cores.
SCORING_THREADS = 1


class Run:
    """A run folder and its configuration.

    Attributes:
        config: resolved.
        folder: of the run.
        skeleton: the network's definition.
        space: the search space.
    """

    def __init__(self, config: Config, folder: Path) -> None:
        self.config = config
        self.folder = folder
        self.skeleton = Skeleton(config.network.width)
        self.space = Space.from_skeleton(self.skeleton)

    @classmethod
    def open(cls, config_path: Path, folder: Optional[Path] = None, overrides: Sequence[str] = ()) -> "Run":
        """Reads the configuration; the folder is results/NAME unless given. Nothing is written yet.

        Raises:
            InputError: the configuration is wrong.
        """
        config = load(config_path, overrides)
        return cls(config, folder or Path("results") / config.name)

    @property
    def supernet_folder(self) -> Path:
        """Where training leaves its checkpoints and logs."""
        return self.folder / "supernet"

    @property
    def search_file(self) -> Path:
        """The checkpoint of the evolution."""
        return self.folder / "search.h5"

    @property
    def space_file(self) -> Path:
        """The scores of the whole space."""
        return self.folder / "space.h5"

    @property
    def space_files(self) -> Tuple[Path, Path]:
        """Where such scores may lie: here, or beside the supernet's weights."""
        return self.space_file, self.supernet_file.with_name("space.h5")

    @property
    def front_file(self) -> Path:
        """The front as a table."""
        return self.folder / "front.csv"

    @property
    def hardware_file(self) -> Path:
        """What the front's hardware figures hang on."""
        return self.folder / "hardware.json"

    @property
    def rank_file(self) -> Path:
        """How well the supernet ranks children that were trained alone."""
        return self.folder / "rank.json"

    @property
    def queue_folder(self) -> Path:
        """The retrain queue."""
        return self.folder / "queue"

    @property
    def final_front_file(self) -> Path:
        """The retrained survivors as a table."""
        return self.folder / "final_front.csv"

    @property
    def supernet_file(self) -> Path:
        """The weights to search with: those the configuration names, or those that training left here."""
        return Path(self.config.supernet) if self.config.supernet else self.supernet_folder / "best.h5"

    def write_config(self) -> None:
        """Leaves the resolved configuration in the folder."""
        write_text(self.folder / "config.yaml", dump(self.config))

    def supernet_weights(self) -> Dict[str, np.ndarray]:
        """The supernet's weights.

        Raises:
            InputError: they are missing, damaged, or of another network.
        """
        return self.load_weights(self.supernet_file)

    def load_weights(self, path: Path) -> Dict[str, np.ndarray]:
        """Weights of this run's supernet from a file.

        Raises:
            InputError: they are missing, damaged, or of another network.
        """
        tensors = self.load_tensors(path)
        return {name: tensors[name] for name in self.skeleton.parameters()}

    def load_tensors(self, path: Path, architecture: Optional[Architecture] = None) -> Dict[str, np.ndarray]:
        """All tensors of a file that holds weights of this run's network.

        Args:
            path: of the file.
            architecture: whose weights have to be there; None: those of the whole supernet.

        Raises:
            InputError: they are missing, damaged, or of another network.
        """
        tensors, state = checkpoint.load(path)
        network = state.get("identity", {}).get("network", self.skeleton.digest())
        if network != self.skeleton.digest():
            raise InputError(f"weights {path}: are of another network than network.width and this version define")
        wrong = self.skeleton.find_mismatch(tensors, architecture)
        if wrong is not None:
            what = "the network" if architecture is None else f"architecture {self.space.format(architecture)}"
            raise InputError(
                f"weights {path}: do not fit {what} ({wrong} is missing or of another shape); name weights of this "
                f"network, set network.width to the base width they were trained with, or train again"
            )
        return tensors

    def cost_table(self) -> Tuple[CostTable, Board]:
        """The cost table and the board that it is for.

        Raises:
            InputError: they cannot be read, or are not for each other or for this network and size.
        """
        hardware = self.config.hardware
        table, board = CostTable.load(Path(hardware.table)), Board.load(Path(hardware.board))
        table.check(self.skeleton, *self.config.data.padded_size)
        table.check_board(board)
        return table, board

    def networks(self) -> Networks:
        """The space's networks for their hardware figures: with the supernet's weights, or random ones without any.

        Raises:
            InputError: the weights are damaged, or of another network.
        """
        weights = self.supernet_weights() if self.supernet_file.exists() else None
        return Networks.with_weights(self.skeleton, *self.config.data.padded_size, weights)

    def describe_weights(self) -> str:
        """Which weights ``networks`` have, in words."""
        return f"weights of {self.supernet_file}" if self.supernet_file.exists() else "random weights"

    def retraining(self, architecture: str) -> ChildConfig:
        """The retraining of an architecture as the configuration says.

        Raises:
            InputError: it is not in the space.
        """
        self.space.parse(architecture)
        config = self.config
        return ChildConfig(
            architecture=architecture,
            seed=config.seed,
            threads=config.threads,
            network=config.network,
            data=config.data,
            train=config.queue.train,
            evaluation=config.evaluation.rules,
        )

    def training_identity(self) -> Dict[str, Any]:
        """What a training that goes on must share with the one before."""
        return {
            "network": self.skeleton.digest(),
            "data": self.config.data.model_dump(),
            "train": self.config.train.recipe,
            "evaluation": self.config.evaluation.rules.model_dump(),
            "seed": self.config.seed,
        }
