"""Identity of a search, which prevents a checkpoint from being continued by a different search."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping

import yaml

from edgeflownas.config import Config, FileData, dump, validate
from edgeflownas.data.datasets import open_datasets
from edgeflownas.data.identity import identify_scoring, identify_training
from edgeflownas.errors import InputError
from edgeflownas.network.space import Space
from edgeflownas.storage.files import sha256
from edgeflownas.storage.origin import TENSORFLOW, describe_versions
from edgeflownas.storage.pairs import PLACES, Identities, describe_changes
from search.inputs import shorten_inputs
from search.run import Run

# Keys and sections of the configuration that may change between two runs of a search: they move it, speed it up or let
# it run for longer. Space, supernet and cost table are compared by their content, not by their path.
_FREE = (
    "name", "threads", "space", "supernet", "train", "hardware.board", "hardware.table", "hardware.vela",
    "hardware.vela_timeout", "queue", "deploy", "cluster", "evolution.generations", "evolution.patience",
    "evolution.initial", "evolution.trunks", "evaluation.workers", "evaluation.devices", "evaluation.scheduler",
)  # fmt: skip
# Keys and sections that may differ as well if only the scores of architectures have to be the same.
_FREE_FOR_SCORES = (*_FREE, "seed", "evolution", "strategy", "staged", "independent")


@dataclass(frozen=True)
class Identity:
    """Everything that determines the result of a search.

    Attributes:
        config: Configuration of the run.
        space: Search space.
        skeleton_sha256: Digest of the network's definition.
        supernet_sha256: Digest of the weights.
        table_sha256: Digest of the cost table's file.
        pairs: Fingerprints of the pairs that are read for scoring; empty for drawn scenes.
    """

    config: Config
    space: Space
    skeleton_sha256: str
    supernet_sha256: str
    table_sha256: str
    pairs: Identities = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run, supernet_sha256: str) -> "Identity":
        """Return the identity of a run with the given weights and the current data.

        Raises:
            InputError: The data or the cost table cannot be read.
        """
        config = run.config
        table, pairs = sha256(Path(config.hardware.table)), {}
        if isinstance(config.data, FileData):
            identify = identify_training if config.strategy == "independent" else identify_scoring
            pairs = identify(*open_datasets(config.data, quiet=True), config.evaluation, config.threads)
        return cls(config, run.space, run.skeleton.digest(), supernet_sha256, table, pairs)

    def attributes(self) -> Dict[str, Any]:
        """Return the identity as attributes of an HDF5 file."""
        genes = {gene.name: list(gene.options) for gene in self.space.genes}
        text = dump(shorten_inputs(self.config))
        return {
            "config_yaml": text,
            "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "seed": self.config.seed,
            "genes": json.dumps(genes),
            "skeleton_sha256": self.skeleton_sha256,
            "supernet_sha256": self.supernet_sha256,
            "cost_table_sha256": self.table_sha256,
            **({"pairs": json.dumps(self.pairs)} if self.pairs else {}),
        }

    def differences(self, attributes: Mapping[str, Any], scores_only: bool = False) -> List[str]:
        """Describe how the identity in the attributes of a file differs from this one.

        Args:
            attributes: Attributes of the file.
            scores_only: Whether to compare only settings that affect the scores of architectures.

        Returns:
            One description for each difference, such as "seed is 1 there and 5 here".

        Raises:
            ValueError, KeyError: The attributes do not belong to a search.
        """
        mine = self.attributes()
        try:
            other: Config = validate(yaml.safe_load(attributes["config_yaml"]), Config, "config_yaml")
        except (InputError, yaml.YAMLError) as error:
            raise ValueError(error) from None
        here, there = _flatten(self.config.model_dump()), _flatten(other.model_dump())
        free = _FREE_FOR_SCORES if scores_only else _FREE
        pairs = self._read_pairs(attributes)
        if pairs and self.pairs:
            free = (*free, *(f"data.{key}" for key in PLACES))
        differences = [
            f"{key} is {there.get(key)} there and {here.get(key)} here"
            for key in sorted({**there, **here})
            if there.get(key) != here.get(key) and not any(f"{key}.".startswith(f"{section}.") for section in free)
        ]
        if attributes["genes"] != mine["genes"]:
            mine_genes, their_genes = json.loads(mine["genes"]), json.loads(attributes["genes"])
            differences += [
                f"gene {name} has the options {their_genes.get(name)} there and {mine_genes.get(name)} here"
                for name in {**their_genes, **mine_genes}
                if their_genes.get(name) != mine_genes.get(name)
            ] or ["the genes are in a different order"]
        elif attributes["skeleton_sha256"] != mine["skeleton_sha256"] and not differences:
            differences.append("the network's definition has changed")
        for key, name in (("supernet_sha256", "supernet"), ("cost_table_sha256", "cost table")):
            if attributes[key] != mine[key]:
                differences.append(f"the {name} is {attributes[key]:.12} there and {mine[key]:.12} here (sha256)")
        return differences + describe_changes(pairs, self.pairs)

    def describe_gap(self, path: Path, attributes: Mapping[str, Any]) -> str:
        """Return a remark if a file was scored on unknown pairs or with another TensorFlow; otherwise an empty text."""
        remarks = [describe_versions(path, str(attributes.get(TENSORFLOW, "")))]
        if self.pairs and not self._read_pairs(attributes):
            remarks.append(
                f"{path}: does not record which pairs it was scored on; they are assumed to be the present ones"
            )
        return "\n".join(filter(None, remarks))

    @staticmethod
    def _read_pairs(attributes: Mapping[str, Any]) -> Identities:
        pairs = json.loads(attributes.get("pairs", "{}"))
        if not isinstance(pairs, dict) or not all(isinstance(pair, dict) for pair in pairs.values()):
            raise ValueError("its pairs are not a mapping of fingerprints")
        return pairs


def _flatten(section: Mapping[str, Any], prefix: str = "") -> Dict[str, Any]:
    """Flatten a nested section into one mapping with keys such as ``section.key``."""
    result: Dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, dict):
            result.update(_flatten(value, f"{prefix}{key}."))
        else:
            result[prefix + key] = value
    return result
