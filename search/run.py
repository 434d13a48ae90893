"""A run: the folder of one search, usually under results/, and its configuration."""

import os
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.config import ChildConfig, Config, dump, load
from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost import CostTable
from edgeflownas.hardware.networks import RANDOM, Networks
from edgeflownas.network.definition import open_skeleton
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import ONLY, Architecture, Space
from edgeflownas.progress import say, say_once
from edgeflownas.shipped.locate import locate_named
from edgeflownas.storage import checkpoint
from edgeflownas.storage.files import write_text
from search.hints import complete, folder_options, format_command
from search.inputs import adopt_places, locate_inputs, record_inputs, shorten_inputs
from search.weights import WeightsOrigin

# The last digits of a sum that is shared among threads depend on their number. With one thread, an architecture gets
# the same EPE on any number of cores.
SCORING_THREADS = 1

_LARGEST_WIDTH = 128  # largest width that is tried to find the width of other weights


class Run:
    """A run folder and its configuration.

    Attributes:
        config: Resolved configuration.
        folder: Folder of the run.
        options: Options of a command that name this run, such as ``--config configs/demo.yaml``.
        skeleton: Definition of the network.
        space: Search space.
    """

    def __init__(
        self, config: Config, folder: Path, weights: Optional[Path] = None, options: Sequence[str] = ()
    ) -> None:
        """Describe a run; nothing is read or written yet.

        Args:
            config: Resolved configuration.
            folder: Folder of the run.
            weights: Weights of the supernet, such as those of a stage of its training; if None, those of the run.
            options: Options of a command that name this run; if empty, those that name its files.
        """
        self.config = config
        self.folder = folder
        self._weights = weights
        self.options = list(options) or folder_options(folder)
        self.skeleton = open_skeleton(config)
        self.space = Space.from_skeleton(self.skeleton)

    @classmethod
    def open(cls, config_path: Path, folder: Optional[Path] = None, overrides: Sequence[str] = ()) -> "Run":
        """Open a run from its configuration file; nothing is written yet.

        Args:
            config_path: Path of the configuration file, or name of one in configs/, such as ``demo``.
            folder: Folder of the run; if None, results/NAME.
            overrides: Settings that replace those of the file, as ``section.key=value``.

        Raises:
            InputError: The configuration does not exist or is invalid.
        """
        file = locate_named(config_path, "configs", "config")
        config = load(file, overrides)
        options = ["--config", str(config_path), *(() if folder is None else ("--run", str(folder)))]
        options += [word for override in overrides for word in ("--set", override)]
        folder = folder or Path("results") / config.name
        existing = next(path for path in (folder, *folder.absolute().parents) if os.path.exists(str(path)))
        if not existing.is_dir():
            raise InputError(
                f"--run {folder}: {existing} is a file; name the folder of a run, such as results/{config.name}"
            )
        is_of_run = file.name == "config.yaml" and not (folder / "inputs").exists()
        config = locate_inputs(config, file.parent if is_of_run else folder)
        return cls(config, folder, options=options)

    @property
    def supernet_folder(self) -> Path:
        """Folder with the checkpoints and logs of the supernet's training."""
        return self.folder / "supernet"

    @property
    def search_file(self) -> Path:
        """Checkpoint of the evolution."""
        return self.folder / "search.h5"

    @property
    def space_file(self) -> Path:
        """Scores of the whole space."""
        return self.folder / "space.h5"

    @property
    def space_files(self) -> Tuple[Path, Path]:
        """Possible paths of the scores of the whole space: in this run, or next to the supernet's weights."""
        return self.space_file, self.supernet_file.with_name("space.h5")

    @property
    def front_file(self) -> Path:
        """Table of the front."""
        return self.folder / "front.csv"

    @property
    def hardware_file(self) -> Path:
        """Compiler, board and settings that the front's hardware figures depend on."""
        return self.folder / "hardware.json"

    @property
    def measured_file(self) -> Path:
        """Latencies measured on the board, imported with ``cost import``."""
        return self.folder / "measured.json"

    @property
    def rank_file(self) -> Path:
        """Agreement of the supernet's ranking with that of children trained from scratch."""
        return self.folder / "rank.json"

    @property
    def queue_folder(self) -> Path:
        """Folder of the retrain queue."""
        return self.folder / "queue"

    @property
    def final_front_file(self) -> Path:
        """Table of the retrained survivors."""
        return self.folder / "final_front.csv"

    @property
    def supernet_file(self) -> Path:
        """Weights to search with: those trained in this run or, if there are none, those of the configuration."""
        if self._weights is not None:
            return self._weights
        named = self.config.supernet
        return self._own_weights if named is None or self.has_training else Path(named)

    @property
    def has_training(self) -> bool:
        """Whether the run has trained a supernet of its own, or has begun to."""
        return self._own_weights.exists() or any(self.supernet_folder.glob("**/last.h5"))

    @property
    def _own_weights(self) -> Path:
        return self.supernet_folder / "best.h5"

    @property
    def config_file(self) -> Path:
        """Resolved configuration, written by `evolve`."""
        return self.folder / "config.yaml"

    def write_config(self) -> None:
        """Write the resolved configuration to the folder, and record the files that it names."""
        write_text(self.config_file, dump(shorten_inputs(self.config)))
        record_inputs(self.config, self.folder)

    def record_places(self) -> None:
        """Record where the data sets are, if they have moved; the tasks of the queue then read them from there."""
        if not self.config_file.exists():
            self.write_config()
            return
        recorded = locate_inputs(load(self.config_file), self.folder)
        moved = adopt_places(recorded, self.config)
        if moved != recorded:
            Run(moved, self.folder).write_config()
            say(f"{self.config_file}: now names the paths of the data sets that this command was given")

    def require_genes(self) -> None:
        """Check that there is something to search.

        Raises:
            InputError: The space has only one architecture.
        """
        if not self.space.genes:
            raise InputError(
                f"space {self.config.space}: has no genes, so there is nothing to search; train, evaluate, cost show "
                f"and export take its network as architecture {ONLY}"
            )

    def command(self, name: str, *options: str) -> str:
        """Return a command for this run that can be pasted into a shell."""
        return format_command([*name.split(), *self.options, *options])

    def complete(self, message: str) -> str:
        """Return a message whose commands can be pasted into a shell; see ``hints.complete``."""
        return complete(message, self.options)

    def supernet_weights(self) -> Dict[str, np.ndarray]:
        """Return the supernet's weights.

        Raises:
            InputError: The weights are missing or damaged, or belong to a different network.
        """
        return self.load_weights(self.supernet_file)

    def origin(self, path: Path, tensors: Mapping[str, np.ndarray]) -> WeightsOrigin:
        """Return the origin of weights for this run's network, to be named in results."""
        return WeightsOrigin.of(path, tensors, self.skeleton)

    def load_weights(self, path: Path) -> Dict[str, np.ndarray]:
        """Return weights of this run's supernet from a file.

        Raises:
            InputError: The weights are missing or damaged, or belong to a different network.
        """
        tensors = self.load_tensors(path)
        return {name: tensors[name] for name in self.skeleton.parameters()}

    def load_tensors(self, path: Path, architecture: Optional[Architecture] = None) -> Dict[str, np.ndarray]:
        """Return all tensors of a file with weights of this run's network.

        Args:
            path: Path of the file.
            architecture: Architecture whose weights must be present; if None, those of the whole supernet.

        Raises:
            InputError: The weights are missing or damaged, or belong to a different network.
        """
        named = self.config.supernet
        if named is not None and path == self._own_weights and self._weights is None and path != Path(named):
            say_once(f"{path}: this run's own training is used, not supernet: {named} of the configuration")
        tensors, state = checkpoint.load(path)
        network = state.get("identity", {}).get("network", self.skeleton.digest())
        if network != self.skeleton.digest():
            raise InputError(f"weights {path}: {self._describe_mismatch(network)}")
        mismatch = self.skeleton.find_mismatch(tensors, architecture)
        if mismatch is not None:
            target = "the network" if architecture is None else f"architecture {self.space.format(architecture)}"
            raise InputError(
                f"weights {path}: do not fit {target} ({mismatch} is missing or has a different shape); "
                f"name weights of this network, set network.width to the width they were trained with, or train again"
            )
        return tensors

    def _describe_mismatch(self, network: str) -> str:
        """Describe how the network with the given digest differs from the run's network, and the remedy."""
        width = self.config.network.width
        candidates = range(2, _LARGEST_WIDTH + 1, 2)
        stages = self.skeleton.stages
        trained = next((other for other in candidates if Skeleton(other, stages).digest() == network), None)
        if trained is None:
            return f"belong to a different network than space {self.config.space}; set their space, or train again"
        return (
            f"trained at width {trained}; the configuration asks for {width}: set network.width={trained}, or name "
            f"weights of width {width}"
        )

    def cost_table(self) -> Tuple[CostTable, Board]:
        """Return the cost table and its board.

        Raises:
            InputError: A file cannot be read, or table, board, network and image size do not match.
        """
        hardware = self.config.hardware
        table, board = CostTable.load(Path(hardware.table)), Board.load(Path(hardware.board))
        table.check(self.skeleton, *self.config.data.padded_size)
        table.check_board(board)
        return table, board

    def networks(self) -> Networks:
        """Return the networks of the space to compile, with the supernet's weights or, if there are none, random ones.

        Raises:
            InputError: The weights are damaged, or belong to a different network.
        """
        weights = self.supernet_weights() if self.supernet_file.exists() else None
        return Networks.with_weights(self.skeleton, *self.config.data.padded_size, weights)

    def networks_origin(self) -> WeightsOrigin:
        """Return the origin of the weights that ``networks`` uses."""
        if not self.supernet_file.exists():
            return WeightsOrigin(RANDOM, RANDOM)
        return self.origin(self.supernet_file, self.supernet_weights())

    def retraining(self, architecture: str) -> ChildConfig:
        """Return the configuration of an architecture's retraining.

        Raises:
            InputError: The architecture is not in the space.
        """
        self.space.parse(architecture)
        config = self.config
        return ChildConfig(
            architecture=architecture,
            seed=config.seed,
            threads=config.threads,
            space=config.space,
            network=config.network,
            data=config.data,
            train=config.queue.train,
            evaluation=config.evaluation.rules,
        )

    def training_identity(self) -> Dict[str, Any]:
        """Return the settings that must not change when training is resumed."""
        return {
            "network": self.skeleton.digest(),
            "data": self.config.data.model_dump(),
            "train": self.config.train.recipe,
            "evaluation": self.config.evaluation.rules.model_dump(),
            "seed": self.config.seed,
        }
