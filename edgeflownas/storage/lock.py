"""Lock files for one writer at a time, which name their holder, so that stale locks of dead holders can be removed.

A lock file is created with O_EXCL, which network file systems support; they may not support flock. It contains the
machine, the process, the start time of the process, its Slurm job if there is one, and the time without a heartbeat
after which it is stale. The modification time of the file is the heartbeat.
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

from edgeflownas.errors import UNSUPPORTED, InputError, suggest_remedy
from edgeflownas.storage.files import sync
from edgeflownas.storage.process import machine, started
from edgeflownas.storage.slurm import this_job

STALE_AFTER = 15 * 60.0  # seconds without a heartbeat after which a lock from another machine is stale, by default

_WRITING = 2.0  # seconds allowed between the creation of a lock file and writing its content
_REMOVING = 60.0  # seconds, far more than removing a stale lock takes
_ATTEMPTS = 5  # to take a lock that others take and release in between


class Lock:
    """A lock held by this process."""

    def __init__(self, path: Path, what: str, holder: str) -> None:
        self._path, self._what, self._holder = path, what, holder

    def beat(self) -> None:
        """Refresh the heartbeat; call it before every write, and at least every few minutes.

        Raises:
            InputError: The lock file is gone, or another process has taken over the lock as stale.
            OSError: The lock file can no longer be written.
        """
        if _read(self._path) != self._holder:
            raise InputError(f"{self._path}: this process has lost its lock; stop the other process, then try again")
        try:
            self._touch()
        except OSError as error:
            raise _unwritable(self._path, self._what, error) from error

    def _touch(self) -> None:
        """Set the modification time, by writing the same content where the file system does not allow to set it."""
        try:
            os.utime(str(self._path))
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            with self._path.open("r+") as file:
                file.write(self._holder)

    def release(self) -> None:
        """Release the lock. If the file can no longer be removed, the lock becomes stale."""
        if _read(self._path) == self._holder:
            with contextlib.suppress(OSError):
                self._path.unlink()


@contextlib.contextmanager
def locked(path: Path, what: str, stale_after: float = STALE_AFTER) -> Iterator[Lock]:
    """Hold a lock while the block runs.

    Args:
        path: Path of the lock file.
        what: Description of what is locked, for messages to other processes.
        stale_after: Time without a heartbeat, in seconds, after which processes on other machines regard the lock as
            stale.

    Raises:
        InputError: Another live process holds the lock.
    """
    lock = Lock(path, what, _acquire(path, what, stale_after))
    try:
        yield lock
    finally:
        lock.release()


def held(path: Path) -> bool:
    """Return whether a live process holds a lock."""
    holder = _read(path)
    return holder is not None and not _stale(path, holder)


def _acquire(path: Path, what: str, stale_after: float) -> str:
    """Create the lock file, and return its content."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, what, error) from error
    pid = os.getpid()
    fields = {"machine": machine(), "pid": pid, "started": started(pid), "stale_after": stale_after, "job": this_job()}
    holder = json.dumps(fields)
    for _ in range(_ATTEMPTS):
        try:
            handle = os.open(str(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            _clear_away(path, what)
            continue
        except OSError as error:
            raise _unwritable(path, what, error) from error
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(holder)
                file.flush()
                sync(file.fileno())
        except OSError as error:
            path.unlink()
            raise _unwritable(path, what, error) from error
        if _read(path) == holder:  # otherwise it was empty for so long that another process removed it as stale
            return holder
    raise InputError(f"{what}: other processes keep taking the lock {path}; try again")


def _unwritable(path: Path, what: str, error: OSError) -> OSError:
    return OSError(
        f"{what}: the lock {path} cannot be written: {error.strerror}; existing files are intact: "
        f"{suggest_remedy(error)}"
    )


def _clear_away(path: Path, what: str) -> None:
    """Remove a stale lock.

    Raises:
        InputError: The lock is not stale.
    """
    holder = _read(path)
    if holder == "":
        time.sleep(_WRITING)
        holder = _read(path)
    if holder is None:
        return
    if holder and not _stale(path, holder):
        raise InputError(
            f"{what}: in use by {_describe(holder)}; wait until it ends, or stop it (if it is certainly dead, delete "
            f"{path})"
        )
    _unlink(path, holder)


def _unlink(path: Path, holder: str) -> None:
    """Remove a stale lock, but not a new lock that another process has put in its place.

    Processes that find the same stale lock take turns by flock on that file: the second one finds it gone. Network file
    systems may have no flock, or one that works within one machine only. Therefore a process that removes a lock first
    creates a hard link to it, with a name derived from its content, which only one process can create. Without flock
    and hard links two processes may pass at the same moment; ``beat`` detects this.
    """
    second = path.with_name(f".{path.name}.{hashlib.sha256(holder.encode()).hexdigest()[:16]}.stale")
    with contextlib.suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as stale:
        with contextlib.suppress(OSError):
            fcntl.flock(stale, fcntl.LOCK_EX)
        this = os.fstat(stale.fileno())
        if stale.read() != holder or not os.path.samestat(this, path.stat()):
            return
        try:
            os.link(str(path), str(second))
        except FileExistsError:
            if abs(_age(path.parent, second.stat().st_ctime)) > _REMOVING:  # the process that created it was killed
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
    """Return whether the holder of a lock is dead.

    A holder on this machine is dead if its process does not exist. A holder on another machine is dead if its heartbeat
    is too old, or if it ran in an earlier start of the Slurm job of this process.
    """
    stale_after, job = STALE_AFTER, this_job()
    with contextlib.suppress(ValueError, KeyError, TypeError):
        content = json.loads(holder)
        if content["machine"] == machine():
            return started(int(content["pid"])) != content["started"]
        if job is not None and job.began_after(content.get("job")):
            return True
        stale_after = float(content["stale_after"])
    age = heartbeat_age(path)
    return age is None or age > stale_after


def heartbeat_age(path: Path) -> Optional[float]:
    """Return the seconds since the last heartbeat of a lock; None if there is no lock.

    The heartbeat and the present time are read from the clock of the file server, so the clocks of the machines may
    differ. A heartbeat in the future was written before that clock was set back: as the next heartbeat of a living
    holder corrects it, its age is the distance. In a read-only folder the clock of this machine has to serve.
    """
    try:
        return abs(_age(path.parent, path.stat().st_mtime))
    except FileNotFoundError:
        return None


def _age(folder: Path, then: float) -> float:
    """Return the seconds since a time by the file server's clock; at least 0 by the clock of this machine."""
    try:
        with tempfile.TemporaryFile(dir=str(folder)) as probe:
            return os.fstat(probe.fileno()).st_mtime - then
    except OSError:
        return max(0.0, time.time() - then)


def _describe(holder: str) -> str:
    """Return the name of a holder for messages."""
    try:
        content = json.loads(holder)
        return f"process {content['pid']} on {content['machine'].split()[0]}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return "an unknown process"


def _read(path: Path) -> Optional[str]:
    """Return the content of a lock file; None if there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
