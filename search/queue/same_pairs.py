"""Check that tasks were trained on the same pairs, because their EPEs cannot be compared otherwise."""

from pathlib import Path
from typing import Mapping

from edgeflownas.errors import InputError
from edgeflownas.storage.pairs import Identities, describe_changes


def check_same_pairs(pairs: Mapping[Path, Identities]) -> None:
    """Check that tasks were trained on the same pairs.

    Args:
        pairs: Fingerprints of the pairs of every task, by the path of its result. Empty ones, of drawn scenes or of
            earlier versions, are not compared.

    Raises:
        InputError: Two tasks were trained on different pairs.
    """
    recorded = [(path, identities) for path, identities in pairs.items() if identities]
    for path, identities in recorded[1:]:
        first, before = recorded[0]
        changes = describe_changes(before, identities)
        if changes:
            raise InputError(
                f"{path}: is of other pairs than {first}, so their EPEs cannot be compared: {'; '.join(changes)}; "
                f"restore the data, or train all tasks on the present data in a new queue (`queue build --rebuild`)"
            )
