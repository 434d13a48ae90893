"""The files that a run was made with, so that it can be used from another working folder.

Relative paths of a configuration refer to the working folder. A run therefore records its working folder, and keeps
copies of its board and its cost table.
"""

import contextlib
import os
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple

from edgeflownas.config import Config, Section, validate
from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.storage.files import read_json, replacing, write_json
from edgeflownas.storage.pairs import PLACES

_FOLDER = "working_folder"
_COPIED = ("board", "table")  # keys of the section hardware


def record_inputs(config: Config, run_folder: Path) -> None:
    """Record the working folder in a run's folder, and copy the board and the cost table if they exist."""
    folder = _inputs(run_folder)
    write_json(folder / "origin.json", {_FOLDER: os.getcwd()})
    for key, source in _list_inputs(config):
        target = folder / key / source.name
        if source.is_file() and source.resolve() != target.resolve():
            with replacing(target) as temporary:
                temporary.write_bytes(source.read_bytes())


def _list_inputs(config: Config) -> Iterator[Tuple[str, Path]]:
    """Yield the files of board and cost table; none of a board that cannot be read or refers to other folders."""
    board = Path(config.hardware.board)
    with contextlib.suppress(InputError):
        vela_config = board.with_name(Path(Board.load(board).settings.vela_config).name)
        if vela_config.is_file():
            yield from (("board", board), ("board", vela_config))
    yield "table", Path(config.hardware.table)


def locate_inputs(config: Any, run_folder: Path, prefer_copies: bool = False) -> Any:
    """Replace relative paths that do not exist here by those of the working folder that a run was made in.

    Args:
        config: Section with paths: configuration of a run or of a task.
        run_folder: Folder of the run.
        prefer_copies: Whether to prefer the copies of board and cost table that the run keeps to other files.

    Returns:
        The configuration, with absolute paths of the files that were located elsewhere.
    """
    inputs = _inputs(run_folder)
    if not inputs.is_dir():
        return config
    origin = _read_origin(inputs)
    content: Dict[str, Any] = config.model_dump()
    train = content["queue"]["train"] if "queue" in content else content["train"]
    stages = train if isinstance(train, list) else []
    for data in (content["data"], *(stage["data"] for stage in stages)):
        for key in set(PLACES).intersection(data or {}):
            data[key] = _locate(data[key], origin)
    if "hardware" in content:
        hardware = content["hardware"]
        content["supernet"] = _locate(content["supernet"], origin)
        if hardware["vela"] and os.sep in hardware["vela"]:
            hardware["vela"] = _locate(hardware["vela"], origin)
        for key in _COPIED:
            copy = inputs / key / Path(hardware[key]).name
            if prefer_copies and copy.is_file():
                hardware[key] = str(copy)
            hardware[key] = _locate(hardware[key], origin, copy)
    model = type(config)
    assert issubclass(model, Section)
    return config if content == config.model_dump() else validate(content, model, str(run_folder))


def _inputs(run_folder: Path) -> Path:
    return run_folder / "inputs"


def _read_origin(inputs: Path) -> Optional[Path]:
    """Return the working folder in which a run was made; None if it is not recorded."""
    try:
        content = read_json(inputs / "origin.json")
    except InputError:
        return None
    folder = content.get(_FOLDER) if isinstance(content, dict) else None
    return Path(folder) if isinstance(folder, str) and os.path.isabs(folder) else None


def _locate(path: Optional[str], origin: Optional[Path], *copies: Path) -> Optional[str]:
    """Return a path that exists: as it is, below the working folder in which the run was made, or a copy of the run."""
    if path is None or os.path.exists(path):
        return path
    places = [*([] if origin is None else [origin / path]), *copies]
    return next((os.path.abspath(str(place)) for place in places if os.path.exists(str(place))), path)
