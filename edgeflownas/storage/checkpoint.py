"""Weights on disk: one sealed HDF5 file of named tensors and a small state."""

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

import h5py
import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.storage import files, sealed
from edgeflownas.storage.files import previous
from edgeflownas.storage.pairs import Identities, describe_changes, drop_places

FORMAT = "edgeflownas-weights"
FORMAT_VERSION = 1
PAIRS = "pairs"  # key of an identity: fingerprints of the pairs; files of earlier versions lack it

_DIGEST_LENGTH = 64  # of a SHA-256 in hexadecimal
_RESUME = "resume from {} with `train --from-previous`, or, for a task, with `queue retry --from-previous`"


def digest(tensors: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of names, types, shapes and values, which identifies a set of weights."""
    result = hashlib.sha256()
    for name in sorted(tensors):
        value = np.asarray(tensors[name])
        result.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
        result.update(value.tobytes())
    return result.hexdigest()


def save(path: Path, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
    """Write tensors, and a state that JSON can represent.

    Raises:
        ValueError: A tensor is not finite; the file remains unchanged.
    """
    for name, value in tensors.items():
        if not np.isfinite(value).all():
            raise ValueError(f"{path}: not written: {name} is not finite")
    with sealed.create() as file:
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file["state"] = json.dumps(state, sort_keys=True, allow_nan=False)  # attributes are limited to 64 KiB
        group = file.create_group("tensors")
        for name, value in tensors.items():
            group[name] = value
        sealed.write(file, path)


def load(path: Path) -> Tuple[Dict[str, np.ndarray], Dict[str, Any]]:
    """Read a file written by ``save``.

    Returns:
        The tensors by name, and the state.

    Raises:
        InputError: The file is missing, damaged or has another format.
    """
    if not path.exists() and not previous(path).exists():
        raise InputError(f"weights {path}: no such file; train a supernet first (`train`), or name an existing file")
    if path.is_dir():
        raise InputError(f"weights {path}: is a folder; name a file of weights, such as {path / 'best.h5'}")
    with sealed.named_errors(path, "weights", _RESUME, "restore it or train again"), sealed.read(path) as file:
        sealed.check_format(file, FORMAT, FORMAT_VERSION)
        state = json.loads(sealed.member(file, "state").asstr()[()])
        if not isinstance(state, dict):
            raise ValueError("its state is not a mapping")
        return _read_tensors(sealed.member(file, "tensors"), path.stat().st_size), state


def use_previous(*paths: Path) -> List[Path]:
    """Replace damaged or missing weights by the previous ones; damaged files are kept under other names.

    Returns:
        The files that were replaced.

    Raises:
        InputError: The previous weights are damaged, too.
    """
    return [path for path in paths if previous(path).exists() and files.use_previous(path, load)]


def check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Check that a checkpoint belongs to the current training.

    Args:
        path: Path of the checkpoint.
        before: Identity of the training that wrote the checkpoint.
        now: Identity of the current training.

    Returns:
        Remark for the user if the checkpoint does not record its pairs; otherwise an empty text.

    Raises:
        InputError: The identities differ.
    """
    remark = ""
    for name, value in now.items():
        if name == PAIRS:
            remark = _check_pairs(path, before.get(PAIRS), value)
            continue
        then, today = before.get(name), value
        if name == "data" and isinstance(then, dict) and before.get(PAIRS) and now.get(PAIRS):
            then, today = drop_places(then), drop_places(today)
        if then != today:
            raise InputError(
                f"{path}: belongs to a different training ({'; '.join(_describe_difference(name, then, today))}); "
                f"undo the change, or train in another run folder"
            )
    return remark


def _check_pairs(path: Path, before: Any, now: Identities) -> str:
    """Check that a checkpoint was trained on the current pairs; return a remark if it does not record its pairs."""
    if before is None and now:
        return f"{path}: does not record which pairs it was trained on; they are assumed to be the present ones"
    changes = describe_changes(before or {}, now)
    if changes:
        raise InputError(
            f"{path}: was trained on other pairs: {'; '.join(changes)}; restore them, or train in another run folder"
        )
    return ""


def _read_tensors(group: h5py.Group, most: int) -> Dict[str, np.ndarray]:
    """Return all data sets of a group by name; raise ValueError if one claims more than ``most`` bytes."""
    tensors: Dict[str, np.ndarray] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if item.dtype.kind not in "fiub" or item.nbytes > most:
                raise ValueError(f"{name} has another type or is too large")
            tensors[name] = sealed.member(group, name)[()]

    group.visititems(collect)
    return tensors


def _describe_difference(name: str, before: Any, now: Any) -> List[str]:
    """Describe how two different values of an identity differ; for sections, name the keys that differ."""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return [f"{name}: {_show(before)} there, {_show(now)} here"]
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    return [f"{name}.{key}: {_show(before.get(key))} there, {_show(now.get(key))} here" for key in keys]


def _show(value: Any) -> str:
    """Return a value of an identity for a message; digests are shortened."""
    if value is None:
        return "not set"
    return f"{value:.12}" if isinstance(value, str) and len(value) == _DIGEST_LENGTH else str(value)
