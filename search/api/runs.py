"""Opening of runs."""

import json
from pathlib import Path
from typing import Any, Mapping, Optional, Union

from search.run import Run

AnyPath = Union[str, Path]


def open_run(
    source: AnyPath, folder: Optional[AnyPath] = None, settings: Optional[Mapping[str, Any]] = None
) -> Run:
    """Open a run; nothing is written yet.

    Args:
        source: Folder of a run, file of a configuration, or name of one that comes with the package, such as "demo".
        folder: Folder of the run; if None, ``source`` if that is a folder, otherwise results/NAME.
        settings: Values that replace those of the configuration, by key, such as ``{"evolution.population": 20}``.

    Raises:
        InputError: The configuration is invalid.
    """
    path = Path(source)
    if (path / "config.yaml").is_file():
        folder, path = folder or path, path / "config.yaml"
    overrides = [f"{key}={json.dumps(value)}" for key, value in (settings or {}).items()]
    return Run.open(path, None if folder is None else Path(folder), overrides)


def to_path(path: Optional[AnyPath]) -> Optional[Path]:
    """Return an optional path as ``Path``."""
    return None if path is None else Path(path)
