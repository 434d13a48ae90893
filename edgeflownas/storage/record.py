"""Small JSON files with a checksum of every byte: their last key is the SHA-256 of everything before it.

Other programs can read them as plain JSON.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, Mapping

from edgeflownas.errors import InputError
from edgeflownas.storage.files import choose_remedy, keep, replacing

_SEAL = "sha256"


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a record atomically, and keep the old record as ``files.previous(path)``.

    Raises:
        ValueError: The content contains NaN or infinity.
    """
    text = _seal_text(content)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        if path.exists():
            keep(path)


def read(path: Path, restore: str = "") -> Dict[str, Any]:
    """Read a record.

    Args:
        path: Path of the file.
        restore: Remedy to offer if the previous record is intact.

    Raises:
        InputError: The record is missing or damaged.
    """
    try:
        return _read(path)
    except InputError as error:
        remedy = choose_remedy(path, _read, restore, "")
        raise InputError(f"{error}; {remedy}" if remedy else str(error)) from None


def _read(path: Path) -> Dict[str, Any]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        content = dict(json.loads(text.decode()))
        del content[_SEAL]
        intact = text == _seal_text(content).encode()
    except (ValueError, TypeError, LookupError, RecursionError):
        intact = False
    if not intact:
        raise InputError(f"{path}: is damaged (its checksum does not match)")
    return content


def _seal_text(content: Mapping[str, Any]) -> str:
    """Return the text of a record. It depends only on the content, so any other text counts as damaged."""
    digest = hashlib.sha256(json.dumps(content, indent=2, allow_nan=False).encode()).hexdigest()
    return json.dumps({**content, _SEAL: digest}, indent=2, allow_nan=False) + "\n"
