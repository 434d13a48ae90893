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

FORMAT = "edgeflownas-weights"
FORMAT_VERSION = 1


def digest(tensors: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of names, types, shapes and values: says whether two sets of weights are the same."""
    result = hashlib.sha256()
    for name in sorted(tensors):
        value = np.asarray(tensors[name])
        result.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
        result.update(value.tobytes())
    return result.hexdigest()


def save(path: Path, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
    """Writes tensors and a state that JSON can hold.

    Raises:
        ValueError: a tensor is not finite; the file is left as it was.
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
    """Reads what ``save`` wrote.

    Returns:
        The tensors by name, and the state.

    Raises:
        InputError: the file is missing, of another format, or damaged.
    """
    try:
        with sealed.read(path) as file:
            found = file.attrs.get("format"), file.attrs.get("format_version")
            if found != (FORMAT, FORMAT_VERSION):
                raise InputError(f"weights {path}: is not an {FORMAT} file of version {FORMAT_VERSION}")
            state = json.loads(sealed.member(file, "state").asstr()[()])
            if not isinstance(state, dict):
                raise ValueError("its state is no mapping")
            return _tensors(sealed.member(file, "tensors"), path.stat().st_size), state
    except FileNotFoundError:
        raise InputError(f"weights {path}: no such file; train a supernet first, or name one that is there") from None
    except sealed.DamagedError as error:
        raise InputError(f"weights {path}: is damaged: {error}; {_offer(path)}") from None
    except OSError as error:
        raise InputError(f"weights {path}: cannot be read: {error.strerror or error}") from None
    except sealed.MALFORMED as error:
        raise InputError(f"weights {path}: holds no weights: {' '.join(str(error).split())}") from None


def use_previous(*paths: Path) -> List[Path]:
    """Puts the weights before in the place of damaged or missing ones; those are kept under other names.

    Returns:
        The files that it did this to.

    Raises:
        InputError: the ones before are damaged as well.
    """
    return [path for path in paths if previous(path).exists() and files.use_previous(path, load)]


def check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Compares the identities of two trainings, that of a checkpoint and that of today.

    Raises:
        InputError: they differ.
    """
    for name, value in now.items():
        then, today = _difference(before.get(name), value)
        if then != today:
            raise InputError(
                f"{path}: was trained with another {name} ({then}, now {today}); "
                f"restore it, or train in another run folder"
            )


def _offer(path: Path) -> str:
    """How to go on without a file."""
    try:
        sealed.read(previous(path)).close()
    except (OSError, sealed.DamagedError):
        return "restore it or train again"
    return f"`train --from-previous`, or `queue retry --from-previous` for a task's, goes on from {previous(path).name}"


def _tensors(group: h5py.Group, most: int) -> Dict[str, np.ndarray]:
    """All data sets under a group; those that claim to be larger than their file, in bytes, are refused."""
    tensors: Dict[str, np.ndarray] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if item.dtype.kind not in "fiub" or item.nbytes > most:
                raise ValueError(f"{name} is of another type or too large")
            tensors[name] = sealed.member(group, name)[()]

    group.visititems(collect)
    return tensors


def _difference(before: Any, now: Any) -> Tuple[Any, Any]:
    """Two values; of two sections, only the keys in which they differ."""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return before, now
    keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    return {key: before.get(key) for key in keys}, {key: now.get(key) for key in keys}
