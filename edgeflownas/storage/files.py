"""Files that are whole or not there: written beside, synced, renamed; checked on reading."""

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
    """A temporary path beside ``path``, which takes its place when the block ends without an error.

    Whatever happens, ``path`` holds either its old content or the new, whole.

    Raises:
        OSError: it cannot be written; the message names it, and says why.
    """
    try:
        with _replacing(path) as temporary:
            yield temporary
    except OSError as error:
        if error.strerror is None:  # told already, by a file within
            raise
        raise OSError(
            f"{path}: cannot be written: {error.strerror}; what was there before is intact: make room, or "
            f"give the rights to write, and run the same command again"
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
    """Makes a rename last: the folder's own entry has to reach the disk too."""
    handle = os.open(str(path), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def previous(path: Path) -> Path:
    """Where the file lies that a file took the place of, if ``keep`` was called for it."""
    return path.with_name(path.name + ".previous")


def keep(path: Path) -> None:
    """Makes the previous file what the file now is; to be called right before the file is replaced."""
    duplicate(path, previous(path))


def use_previous(path: Path, read: Callable[[Path], Any]) -> bool:
    """Puts the file before in the place of one that is damaged or missing; a damaged one is kept under another name.

    Args:
        path: of the file.
        read: reads such a file, with an InputError if it is damaged.

    Returns:
        Whether it was.

    Raises:
        InputError: so is the one before.
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
    """NAME.1, or the first number that neither a file nor its previous one has."""
    names = (path.with_name(f"{path.name}.{number}") for number in itertools.count(1))
    return next(name for name in names if not name.exists() and not previous(name).exists())


def set_aside(path: Path) -> Path:
    """Renames a file or folder to a free name, and gives that."""
    aside = free_name(path)
    path.rename(aside)
    return aside


def leftovers(path: Path) -> Iterator[Path]:
    """Temporary files, or folders, that writers of a file left when they were killed."""
    for name in (path.name, previous(path).name):
        yield from path.parent.glob(f".{name}.*-*-*.????????.tmp")


def remove_leftovers(path: Path) -> None:
    """Removes them, whoever has left them; to be called by a file's only writer."""
    for leftover in leftovers(path):
        _remove(leftover)


def draft_folder(path: Path) -> Path:
    """An empty folder beside a path, to take its place when it is filled."""
    prefix = f".{path.name}.{process.mark()}."
    return Path(tempfile.mkdtemp(prefix=prefix, suffix=".tmp", dir=str(path.parent)))


@contextlib.contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """A folder that goes with the block; those of this prefix whose processes were killed go now."""
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
    """Gives a file's content a second name, where the file system can, without copying it."""
    with replacing(to) as temporary:
        temporary.unlink()
        try:
            os.link(str(path), str(temporary))
        except OSError:  # a file system without hard links
            shutil.copyfile(str(path), str(temporary))


def write_text(path: Path, text: str) -> None:
    """Writes a text file, whole or not at all."""
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
    """Writes a JSON file, whole or not at all; refuses NaN and infinity."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        InputError: the file is not there or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is damaged: {error}; restore it or make it again") from None


def sha256(path: Path) -> str:
    """SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
