"""Atomic writes: a file is written under a temporary name, synced and renamed; the previous file is kept on request."""

import contextlib
import csv
import hashlib
import io
import itertools
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence

from edgeflownas.errors import InputError
from edgeflownas.storage import process


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path, which replaces ``path`` atomically at the end of a block without errors.

    At any moment ``path`` has either its complete old content or its complete new content.

    Raises:
        OSError: The file cannot be written; the message names it and gives the reason.
    """
    try:
        with _replacing(path) as temporary:
            yield temporary
    except OSError as error:
        if error.strerror is None:  # already reported by a nested call
            raise
        raise OSError(
            f"{path}: cannot be written: {error.strerror}; its old content is intact: free some space or "
            f"grant write permission, then run the same command again"
        ) from error


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in leftovers(path):
        if process.is_dead(leftover.name.split(".")[-3]):
            _remove(leftover)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.{process.mark()}.", suffix=".tmp", dir=str(path.parent))
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        os.replace(name, path)
        _sync_folder(path.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _sync_folder(path: Path) -> None:
    """Make a rename durable: the entry in the folder has to reach the disk, too."""
    handle = os.open(str(path), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def previous(path: Path) -> Path:
    """Return the path at which ``keep`` keeps the previous content of a file."""
    return path.with_name(path.name + ".previous")


def keep(path: Path) -> None:
    """Keep the present content of a file as the previous file; call it right before the file is replaced."""
    duplicate(path, previous(path))


def use_previous(path: Path, read: Callable[[Path], Any]) -> bool:
    """Replace a damaged or missing file by the previous one; the damaged file is kept under another name.

    Args:
        path: Path of the file.
        read: Reads such a file; raises InputError if it is damaged.

    Returns:
        Whether the file was damaged or missing.

    Raises:
        InputError: The previous file is damaged or missing, too.
    """
    try:
        read(path)
        return False
    except InputError:
        if not previous(path).exists():
            raise
    read(previous(path))
    if path.exists():
        duplicate(path, free_name(path))
    previous(path).replace(path)
    return True


def free_name(path: Path) -> Path:
    """Return NAME.N with the first number N from 1 that neither a file nor a previous file has."""
    names = (path.with_name(f"{path.name}.{number}") for number in itertools.count(1))
    return next(name for name in names if not name.exists() and not previous(name).exists())


def set_aside(path: Path) -> Path:
    """Rename a file or folder to a free name, and return the new path."""
    aside = free_name(path)
    path.rename(aside)
    return aside


def leftovers(path: Path) -> Iterator[Path]:
    """Return the temporary files and folders of a file; unless it is being written, killed processes left them."""
    for name in (path.name, previous(path).name):
        yield from path.parent.glob(f".{name}.*-*-*.????????.tmp")


def remove_leftovers(path: Path) -> None:
    """Remove leftovers of all processes on all machines; only the sole writer of the file may call it."""
    for leftover in leftovers(path):
        _remove(leftover)


def draft_folder(path: Path) -> Path:
    """Create an empty temporary folder beside a path, to be renamed to it when it is complete."""
    prefix = f".{path.name}.{process.mark()}."
    return Path(tempfile.mkdtemp(prefix=prefix, suffix=".tmp", dir=str(path.parent)))


@contextlib.contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Yield a folder that is removed after the block, and remove those that killed processes left under this prefix."""
    for leftover in Path(tempfile.gettempdir()).glob(f"{prefix}.*-*-*.*"):
        if process.is_dead(leftover.name.split(".")[-2]):
            _remove(leftover)
    with tempfile.TemporaryDirectory(prefix=f"{prefix}.{process.mark()}.") as folder:
        yield Path(folder)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(str(path), ignore_errors=True)
        return
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def duplicate(path: Path, to: Path) -> None:
    """Give a file a second name; the content is copied only if the file system has no hard links."""
    with replacing(to) as temporary:
        temporary.unlink()
        try:
            os.link(str(path), str(temporary))
        except OSError:  # no hard links on this file system
            shutil.copyfile(str(path), str(temporary))


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a CSV file atomically; its columns are those of all rows, in the order in which they first occur."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically; raise ValueError for NaN and infinity."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: The file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is damaged: {error}; restore it or create it again") from None


def sha256(path: Path) -> str:
    """Return the SHA-256 of the content of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
