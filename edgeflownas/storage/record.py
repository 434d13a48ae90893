"""Small JSON files that are checked byte by byte: their last key holds the SHA-256 of all before it.

Other programs read them as the JSON that they are.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, Mapping

from edgeflownas.errors import InputError
from edgeflownas.storage.files import keep, previous, replacing

_SEAL = "sha256"


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a record, whole or not at all; what was there before is kept as ``files.previous(path)``.

    Raises:
        ValueError: the content holds NaN or infinity.
    """
    text = _sealed(content)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        if path.exists():
            keep(path)


def read(path: Path, mend: str = "") -> Dict[str, Any]:
    """Reads a record.

    Args:
        path: of the file.
        mend: how to go on from the one before, to be offered where that is whole.

    Raises:
        InputError: it is missing, or not as it was written.
    """
    try:
        return _read(path)
    except InputError as error:
        try:
            _read(previous(path))
        except InputError:
            raise error from None
        raise InputError(f"{error}{mend and '; '}{mend}") from None


def _read(path: Path) -> Dict[str, Any]:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        content = dict(json.loads(text.decode()))
        del content[_SEAL]
        whole = text == _sealed(content).encode()
    except (ValueError, TypeError, LookupError, RecursionError):
        whole = False
    if not whole:
        raise InputError(f"{path}: is damaged (its checksum does not match)")
    return content


def _sealed(content: Mapping[str, Any]) -> str:
    """The text of a record; everything in it hangs on the content, so that any other text is a damaged one."""
    digest = hashlib.sha256(json.dumps(content, indent=2, allow_nan=False).encode()).hexdigest()
    return json.dumps({**content, _SEAL: digest}, indent=2, allow_nan=False) + "\n"
