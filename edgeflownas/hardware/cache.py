"""Cache of compiled figures on disk. It only saves time: without one, everything is compiled again."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Dict, List, Optional

from pydantic import Field

from edgeflownas.config import Section, validate
from edgeflownas.errors import InputError
from edgeflownas.hardware.cost import Figures
from edgeflownas.hardware.report import CompiledLayer
from edgeflownas.progress import say_once
from edgeflownas.storage import record


class CacheEntry(Section):
    """The cached result of a compile."""

    figures: Figures
    layers: List[CompiledLayer] = Field(description="operators in execution order")


class Cache:
    """A folder with a file per compile.

    Attributes:
        folder: The folder; if None, nothing is cached.
        problem: Message with the reason why an entry could not be written; None if all entries were written.
    """

    def __init__(self, folder: Optional[Path]) -> None:
        self.folder = folder
        self.problem: Optional[str] = None

    def read(self, key: Dict[str, Any]) -> Optional[CacheEntry]:
        """Return the entry with a key; None if it is missing, cannot be read, is damaged or has another key."""
        if self.folder is None:
            return None
        path = _locate(self.folder, key)
        try:
            content = record.read(path)
            if content.pop("key", None) != key:
                return None
            entry: CacheEntry = validate(content, CacheEntry, str(path))
            return entry
        except InputError:
            return None

    def write(self, key: Dict[str, Any], entry: CacheEntry) -> None:
        """Write an entry; only the first failure is reported."""
        if self.folder is None:
            self.problem = "there is no home folder for a cache, so later runs compile the same networks again"
        else:
            try:
                record.write(_locate(self.folder, key), {"key": key, **entry.model_dump()})
                return
            except OSError as error:
                reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else error
                self.problem = (
                    f"the cache {self.folder} cannot be written ({reason}), so later runs compile the same networks "
                    f"again; free some space, grant write permission or set XDG_CACHE_HOME"
                )
        say_once(self.problem)


def user_cache_folder() -> Optional[Path]:
    """Return the folder of the figures that are cached between runs; None if the user has no home folder."""
    folder = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(folder):
        folder = os.path.expanduser("~/.cache")
    return Path(folder) / "edgeflownas" / "compiled" if os.path.isabs(folder) else None


def _locate(folder: Path, key: Dict[str, Any]) -> Path:
    return folder / f"{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()}.json"
