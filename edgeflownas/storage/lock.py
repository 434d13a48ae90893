"""One writer at a time: a lock file that says who holds it, and can be told from one whose holder has died.

It is made with O_EXCL, which network file systems keep too; flock they may not. It holds the machine, the process,
when that process started, its Slurm job if it has one, and how long it may be silent. Its modification time is the
holder's heartbeat.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Iterator, Optional

from edgeflownas.errors import InputError
from edgeflownas.storage.process import machine, started
from edgeflownas.storage.slurm import this_job

STALE_AFTER = 15 * 60.0  # seconds without a heartbeat after which a holder on another machine is dead, by default

_WRITING = 2.0  # seconds that a holder may take between making its lock file and writing into it
_REMOVING = 60.0  # seconds that removing a stale lock takes by far not
_ATTEMPTS = 5  # at taking a lock that others take and leave meanwhile


class Lock:
    """A lock that is held."""

    def __init__(self, path: Path, what: str, holder: str) -> None:
        self._path, self._what, self._holder = path, what, holder

    def beat(self) -> None:
        """Says that the holder is alive; to be called before every write, and at least every few minutes.

        Raises:
            InputError: the lock is gone, or another process has taken it for stale.
            OSError: nothing can be written any more.
        """
        if _read(self._path) != self._holder:
            raise InputError(f"{self._path}: this process has lost its lock; end the other one, then start this again")
        try:
            os.utime(str(self._path))
        except OSError as error:
            raise _unwritable(self._path, self._what, error) from error

    def release(self) -> None:
        """Lets others in; a lock that cannot be removed, where nothing can be written any more, goes stale."""
        if _read(self._path) == self._holder:
            with contextlib.suppress(OSError):
                self._path.unlink()


@contextlib.contextmanager
def locked(path: Path, what: str, stale_after: float = STALE_AFTER) -> Iterator[Lock]:
    """Holds a lock while the block runs.

    Args:
        path: of the lock file.
        what: is locked, to be named to those who come second.
        stale_after: seconds without a heartbeat after which others may take this holder for dead.

    Raises:
        InputError: another living process holds it.
    """
    lock = Lock(path, what, _acquire(path, what, stale_after))
    try:
        yield lock
    finally:
        lock.release()


def held(path: Path) -> bool:
    """Whether a living process holds a lock."""
    holder = _read(path)
    return holder is not None and not _stale(path, holder)


def _acquire(path: Path, what: str, stale_after: float) -> str:
    """Makes the lock file; returns its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pid = os.getpid()
    words = {"machine": machine(), "pid": pid, "started": started(pid), "stale_after": stale_after, "job": this_job()}
    holder = json.dumps(words)
    for _ in range(_ATTEMPTS):
        try:
            handle = os.open(str(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            _clear_away(path, what)
            continue
        except OSError as error:
            raise _unwritable(path, what, error) from error
        try:
            with os.fdopen(handle, "w") as file:
                file.write(holder)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            path.unlink()
            raise _unwritable(path, what, error) from error
        if _read(path) == holder:  # not taken for stale meanwhile, being empty for so long
            return holder
    raise InputError(f"{what}: others keep taking the lock {path}; try again")


def _unwritable(path: Path, what: str, error: OSError) -> OSError:
    return OSError(
        f"{what}: the lock {path} cannot be written: {error.strerror}; what was there before is intact: make room, "
        f"or give the rights to write, and run the same command again"
    )


def _clear_away(path: Path, what: str) -> None:
    """Removes a stale lock.

    Raises:
        InputError: it is not stale.
    """
    holder = _read(path)
    if holder == "":
        time.sleep(_WRITING)
        holder = _read(path)
    if holder is None:
        return
    if holder and not _stale(path, holder):
        raise InputError(
            f"{what}: in use by {_name(holder)}; wait for it to end, or end it (if it surely is dead, delete {path})"
        )
    _unlink(path, holder)


def _unlink(path: Path, holder: str) -> None:
    """Removes a stale lock, but not one that another has made in its place since.

    Those who find the same lock stale go one after the other, by flock on that very file: the second finds that it is
    gone. Network file systems may have no flock, or one that holds on one machine only. So whoever removes a lock gives
    it a second name first, made from what it holds: that, a hard link, can be made once. Where there are neither, a
    moment remains in which two may come through; ``beat`` tells them.
    """
    second = path.with_name(f".{path.name}.{hashlib.sha256(holder.encode()).hexdigest()[:16]}.stale")
    with contextlib.suppress(FileNotFoundError), path.open("r+") as stale:
        with contextlib.suppress(OSError):
            fcntl.flock(stale, fcntl.LOCK_EX)
        this = os.fstat(stale.fileno())
        if stale.read() != holder or not os.path.samestat(this, path.stat()):
            return
        try:
            os.link(str(path), str(second))
        except FileExistsError:
            if _now(path.parent) - second.stat().st_ctime > _REMOVING:  # whoever made it was killed right then
                second.unlink()
            return
        except OSError as error:  # a file system without hard links
            if isinstance(error, FileNotFoundError):
                return
            path.unlink()
            return
        try:
            if os.path.samestat(this, second.stat()):
                path.unlink()
        finally:
            second.unlink()


def _stale(path: Path, holder: str) -> bool:
    """Whether a lock's holder is dead.

    On this machine its process is gone. On another its heart has stopped, or it ran in the job that this process runs
    in, before Slurm ended that and started it here.
    """
    stale_after, job = STALE_AFTER, this_job()
    with contextlib.suppress(ValueError, KeyError, TypeError):
        content = json.loads(holder)
        if content["machine"] == machine():
            return started(int(content["pid"])) != content["started"]
        if job is not None and job.began_after(content.get("job")):
            return True
        stale_after = float(content["stale_after"])
    try:
        beat = path.stat().st_mtime
    except FileNotFoundError:
        return True
    return _now(path.parent) - beat > stale_after


def _now(folder: Path) -> float:
    """The time by the clock of the file server; by this machine's where nothing can be written, only looked at."""
    try:
        with tempfile.TemporaryFile(dir=str(folder)) as probe:
            return os.fstat(probe.fileno()).st_mtime
    except OSError:
        return time.time()


def _name(holder: str) -> str:
    """A holder, for people."""
    try:
        content = json.loads(holder)
        return f"process {content['pid']} on {content['machine'].split()[0]}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return "an unknown process"


def _read(path: Path) -> Optional[str]:
    """A lock file's content; None if there is none."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return None
