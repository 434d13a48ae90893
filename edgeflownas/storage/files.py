"""Atomic writes: a file is written under a temporary name, synced and renamed; the previous file is kept on request."""

import contextlib
import csv
import errno
import hashlib
import io
import itertools
import json
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence

from edgeflownas.errors import UNSUPPORTED, InputError, suggest_remedy
from edgeflownas.progress import say
from edgeflownas.storage import process

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path, which replaces ``path`` atomically when the block ends without an error.

    At any moment ``path`` has either its complete old content or its complete new content. The permissions of the new
    file follow the user's umask.

    Raises:
        OSError: The file cannot be written; the message names it, gives the reason, and says which content it has.
    """
    try:
        with _replacing(path) as temporary:
            yield temporary
    except OSError as error:
        if error.strerror is None:  # already reported by a nested call
            raise
        intact = "; its old content is intact" if os.path.lexists(str(path)) else ""
        raise OSError(f"{path}: cannot be written: {error.strerror}{intact}: {suggest_remedy(error)}") from error


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in leftovers(path):
        if process.is_dead(leftover.name.split(".")[-3]):
            _remove(leftover)
    temporary = create_temporary(path)
    try:
        yield temporary
        with temporary.open("rb") as file:
            sync(file.fileno())
        os.replace(str(temporary), str(path))
        _sync_folder(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def create_temporary(path: Path) -> Path:
    """Create an empty temporary file next to a path, with permissions that follow the umask."""
    temporary = _temporary_name(path)
    os.close(os.open(str(temporary), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    return temporary


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{process.mark()}.{secrets.token_hex(4)}.tmp")


def sync(handle: int) -> None:
    """Write an open file or folder to the disk, on file systems that support it."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def _sync_folder(path: Path) -> None:
    """Make the rename of a file durable: the entry in its folder has to reach the disk, too."""
    try:
        handle = os.open(str(path.parent), os.O_RDONLY)
    except OSError:  # some file systems open no folders, and some folders may be written but not read
        return
    try:
        sync(handle)
    except OSError as error:
        raise OSError(
            f"{path}: has its new content, but may lose it in a power failure: {error.strerror}; check the disk, then "
            f"run the same command again"
        ) from error
    finally:
        os.close(handle)


def previous(path: Path) -> Path:
    """Return the path at which ``keep`` keeps the previous content of a file."""
    return path.with_name(path.name + ".previous")


def keep(path: Path) -> None:
    """Keep the current content of a file as the previous file; call it right before the file is replaced."""
    duplicate(path, previous(path))


def use_previous(path: Path, read: Callable[[Path], Any]) -> bool:
    """Replace a damaged or missing file by the previous one; the damaged file is kept under another name.

    Args:
        path: Path of the file.
        read: Function that reads such a file and raises InputError if it is damaged.

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


def report_restored(*paths: Path) -> None:
    """Report files that the previous ones have replaced, as done by ``use_previous``."""
    for path in paths:
        say(f"{path}: was damaged or missing; the previous file replaces it, and a damaged one is renamed")


def choose_remedy(path: Path, read: Callable[[Path], Any], restore: str, otherwise: str) -> str:
    """Return how to continue without a damaged or missing file.

    Args:
        path: Path of the file.
        read: Function that reads such a file and raises an exception if it is damaged.
        restore: Remedy if the previous file is intact; its name is put in place of ``{}``.
        otherwise: Remedy without the previous file.
    """
    try:
        read(previous(path))
    except Exception:  # of any kind: the previous file cannot be used
        return otherwise
    return restore.format(previous(path).name)


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
    draft = _temporary_name(path)
    draft.mkdir()
    return draft


@contextlib.contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Yield a folder that is removed after the block; also remove those that killed processes left with this prefix.

    Raises:
        OSError: The folder, or a file in it, cannot be written; the message names the folder.
    """
    folder: Optional[str] = None
    try:
        for leftover in Path(tempfile.gettempdir()).glob(f"{prefix}.*-*-*.*"):
            if process.is_dead(leftover.name.split(".")[-2]):
                _remove(leftover)
        with tempfile.TemporaryDirectory(prefix=f"{prefix}.{process.mark()}.") as folder:
            yield Path(folder)
    except OSError as error:
        if error.strerror is None or (folder is not None and error.errno not in _FULL):
            raise
        place = tempfile.tempdir or os.environ.get("TMPDIR", "/tmp")
        raise OSError(
            f"temporary folder {place}: {error.strerror}: free some space there, or set TMPDIR to another folder, then "
            f"run the same command again"
        ) from error


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
    """Write a text file atomically, in UTF-8; file names in it that are not UTF-8 keep their bytes."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


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
