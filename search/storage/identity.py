"""What makes two searches the same search: a checkpoint of one must not be continued as another."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

import yaml

from edgeflownas.config import Config, dump, validate
from edgeflownas.network.space import Space
from edgeflownas.storage.files import sha256
from search.run import Run

# Keys of the configuration that may change under a search: they move or speed it up, or let it go on for longer. The
# supernet and the cost table count by their content, not by their path.
_FREE = (
    "name", "threads", "supernet", "train", "hardware.board", "hardware.table", "hardware.vela",
    "hardware.vela_timeout", "queue", "cluster", "evolution.generations", "evolution.patience",
    "evaluation.workers", "evaluation.devices", "evaluation.scheduler",
)  # fmt: skip
# What may be different, too, where only the scores of architectures have to be the same.
SCORES = (*_FREE, "seed", "evolution", "strategy", "staged", "independent")


@dataclass(frozen=True)
class Identity:
    """Everything that decides what a search finds.

    Attributes:
        config: of the run.
        space: the search space.
        skeleton_sha256: of the network's definition.
        supernet_sha256: of the weights.
        table_sha256: of the cost table's file.
    """

    config: Config
    space: Space
    skeleton_sha256: str
    supernet_sha256: str
    table_sha256: str

    @classmethod
    def of(cls, run: Run, supernet_sha256: str) -> "Identity":
        """The identity of a run with these weights."""
        table = sha256(Path(run.config.hardware.table))
        return cls(run.config, run.space, run.skeleton.digest(), supernet_sha256, table)

    def attributes(self) -> Dict[str, Any]:
        """As a file holds it."""
        genes = {gene.name: list(gene.options) for gene in self.space.genes}
        text = dump(self.config)
        return {
            "config_yaml": text,
            "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "seed": self.config.seed,
            "genes": json.dumps(genes),
            "skeleton_sha256": self.skeleton_sha256,
            "supernet_sha256": self.supernet_sha256,
            "cost_table_sha256": self.table_sha256,
        }

    def differences(self, attributes: Mapping[str, Any], free: Sequence[str] = _FREE) -> List[str]:
        """What is different in a file with these attributes, in words.

        Args:
            attributes: of the file.
            free: keys of the configuration, or sections, that may be different.

        Raises:
            InputError, ValueError, KeyError: these are not the attributes of a search.
        """
        mine = self.attributes()
        other: Config = validate(yaml.safe_load(attributes["config_yaml"]), Config, "config_yaml")
        here, there = _flat(self.config.model_dump()), _flat(other.model_dump())
        found = [
            f"{key} is {there.get(key)} there and {here.get(key)} here"
            for key in sorted({**there, **here})
            if there.get(key) != here.get(key) and not _is_free(key, free)
        ]
        if attributes["genes"] != mine["genes"]:
            mine_genes, their_genes = json.loads(mine["genes"]), json.loads(attributes["genes"])
            found += [
                f"gene {name} has the options {their_genes.get(name)} there and {mine_genes.get(name)} here"
                for name in {**their_genes, **mine_genes}
                if their_genes.get(name) != mine_genes.get(name)
            ] or ["the genes are in another order"]
        elif attributes["skeleton_sha256"] != mine["skeleton_sha256"] and not found:
            found.append("the network's definition has changed")
        for key, what in (("supernet_sha256", "supernet"), ("cost_table_sha256", "cost table")):
            if attributes[key] != mine[key]:
                found.append(f"the {what} is {attributes[key]:.12} there and {mine[key]:.12} here (sha256)")
        return found


def _flat(section: Mapping[str, Any], prefix: str = "") -> Dict[str, Any]:
    """A nested section as ``section.key``: value."""
    result: Dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, dict):
            result.update(_flat(value, f"{prefix}{key}."))
        else:
            result[prefix + key] = value
    return result


def _is_free(key: str, free: Sequence[str]) -> bool:
    return any(f"{key}.".startswith(f"{each}.") for each in free)
