"""Fingerprints of the pairs that a result depends on, as files store them, and how two of them differ."""

from typing import Any, Dict, List, Mapping, Union

Fingerprint = Dict[str, Union[int, str]]  # "pairs": their number; "names" and "contents": SHA-256
Identities = Dict[str, Fingerprint]  # by use: "training", "calibration", "validation"

# Keys of a data set that are paths. They may change if the pairs are the same.
PLACES = ("root", "split", "train_dir", "val_dir", "train_list", "val_list", "exclude")


def drop_places(data: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the configuration of a data set without the keys that are paths."""
    return {key: value for key, value in data.items() if key not in PLACES}


def describe_changes(before: Mapping[str, Fingerprint], now: Mapping[str, Fingerprint]) -> List[str]:
    """Describe how two sets of fingerprints differ, with one sentence per use that both contain."""
    changes = []
    for use in now:
        then, today = before.get(use, now[use]), now[use]
        if then.get("pairs") != today["pairs"]:
            changes.append(f"the number of {use} pairs was {then.get('pairs')}, now it is {today['pairs']}")
        elif then.get("names") != today["names"]:
            changes.append(f"the names of the {use} pairs, or their order, have changed")
        elif then.get("contents") != today["contents"]:
            changes.append(f"the contents of files of the {use} pairs have changed")
    return changes
