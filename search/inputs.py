"""The files that a run was made with, so that it can be used from another working folder or on another machine.

Relative paths of a configuration refer to the working folder, or else to the files that come with the package. A run
records its working folder, and keeps copies of its space, its board, its cost table and the supernet's weights.
"""

import contextlib
import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from edgeflownas.config import Config, Section, load, validate
from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.network.definition import is_path
from edgeflownas.shipped.locate import locate, shorten
from edgeflownas.storage.files import read_json, replacing, write_json
from edgeflownas.storage.pairs import PLACES, drop_places

_FOLDER = "working_folder"
_FROM_RUN = "working_folder_from_run"
_COPIED = ("board", "table")  # keys of the section hardware
_SUPERNET = "supernet"
_SPACE = "space"


def record_inputs(config: Config, run_folder: Path) -> None:
    """Record the working folder in a run's folder, and copy space, board, cost table and weights if they exist."""
    folder = _inputs(run_folder)
    write_json(folder / "origin.json", {_FOLDER: os.getcwd(), _FROM_RUN: os.path.relpath(os.getcwd(), str(run_folder))})
    for key, source in _list_inputs(config):
        target = folder / key / source.name
        if source.is_file() and source.resolve() != target.resolve():
            with replacing(target) as temporary:
                temporary.write_bytes(source.read_bytes())


def _list_inputs(config: Config) -> Iterator[Tuple[str, Path]]:
    """Yield the files to copy; none of a board that cannot be read or refers to other folders."""
    if is_path(config.space):
        yield _SPACE, Path(config.space)
    board = Path(config.hardware.board)
    with contextlib.suppress(InputError):
        vela_config = board.with_name(Path(Board.load(board).settings.vela_config).name)
        if vela_config.is_file():
            yield from (("board", board), ("board", vela_config))
    yield "table", Path(config.hardware.table)
    if config.supernet is not None:
        yield _SUPERNET, Path(config.supernet)


def locate_inputs(config: Any, run_folder: Path, prefer_copies: bool = False) -> Any:
    """Replace relative paths that do not exist here by those of files elsewhere.

    These are below the working folder that a run was made in, copies that the run keeps, or files of the package.

    Args:
        config: Section with paths: configuration of a run or of a task.
        run_folder: Folder of the run.
        prefer_copies: Whether to prefer the copies of space, board and cost table that the run keeps to other files.

    Returns:
        The configuration, with the paths of the files that were located elsewhere.
    """
    inputs = _inputs(run_folder)
    origins = _read_origins(run_folder)
    content: Dict[str, Any] = config.model_dump()
    for data in _list_data_sets(content):
        for key in set(PLACES).intersection(data):
            data[key] = _locate(data[key], origins)
    files = [(content, _SPACE)] if is_path(content[_SPACE]) else []
    if "hardware" in content:
        hardware, weights = content["hardware"], content[_SUPERNET]
        content[_SUPERNET] = _locate(weights, origins, inputs / _SUPERNET / Path(weights or "").name)
        if hardware["vela"] and os.sep in hardware["vela"]:
            hardware["vela"] = _locate(hardware["vela"], origins)
        files += [(hardware, key) for key in _COPIED]
    for section, key in files:
        copy = inputs / key / Path(section[key]).name
        if prefer_copies and copy.is_file():
            section[key] = str(copy)
        section[key] = _locate(section[key], origins, copy)
    return _replace_content(config, content, run_folder)


def adopt_places(config: Any, other: Config) -> Any:
    """Let a configuration read its data sets from where another one does.

    Args:
        config: Section with data sets: configuration of a run or of a task.
        other: Configuration of the same run. Its paths are adopted where they exist and the data sets are otherwise the
            same.

    Returns:
        The configuration, with the adopted paths.
    """
    content = config.model_dump()
    for data, moved in zip(_list_data_sets(content), _list_data_sets(other.model_dump())):
        places = {key: moved[key] for key in PLACES if key in moved}
        if drop_places(data) == drop_places(moved) and all(map(os.path.exists, filter(None, places.values()))):
            data.update(places)
    return _replace_content(config, content, Path())


def locate_task_inputs(config: Any, run_folder: Path) -> Any:
    """Locate the files of a task, whose data sets are where the configuration of its run says.

    Args:
        config: Configuration of the task, written when the queue was built.
        run_folder: Folder of the run; its ``config.yaml`` follows the data when they move.

    Returns:
        The configuration, with the paths of the files that were located elsewhere.
    """
    config = locate_inputs(config, run_folder)
    with contextlib.suppress(InputError):  # a queue without its run
        config = adopt_places(config, locate_inputs(load(run_folder / "config.yaml"), run_folder))
    return config


def shorten_inputs(config: Config) -> Config:
    """Return a configuration in which files of the package have the same paths on every machine."""
    content = config.model_dump()
    for section, key in ((content, _SPACE), (content, _SUPERNET), *((content["hardware"], key) for key in _COPIED)):
        section[key] = section[key] and shorten(section[key])
    shortened: Config = _replace_content(config, content, Path())
    return shortened


def _list_data_sets(content: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Return the data sets of a run or of a task: its own, one per stage of retraining, and that of the board.

    Those that are not named are empty.
    """
    train = content["queue"]["train"] if "queue" in content else content["train"]
    stages = [stage["data"] or {} for stage in (train if isinstance(train, list) else [])]
    return [content["data"], *stages, content.get("deploy", {}).get("data") or {}]


def _replace_content(config: Any, content: Dict[str, Any], source: Path) -> Any:
    model = type(config)
    assert issubclass(model, Section)
    return config if content == config.model_dump() else validate(content, model, str(source))


def _inputs(run_folder: Path) -> Path:
    return run_folder / "inputs"


def _read_origins(run_folder: Path) -> List[Path]:
    """Return where the working folder in which a run was made may be: where it was, or moved together with the run."""
    try:
        content = read_json(_inputs(run_folder) / "origin.json")
    except InputError:
        return []
    folders = (content.get(_FOLDER), content.get(_FROM_RUN)) if isinstance(content, dict) else ()
    return [run_folder / folder for folder in folders if isinstance(folder, str)]


def _locate(path: Optional[str], origins: Sequence[Path], copy: Optional[Path] = None) -> Optional[str]:
    """Return a path that exists: as it is, below an origin of the run, a file of the package, or a copy of the run."""
    if path is None or os.path.exists(path):
        return path
    places = [*(origin / path for origin in origins), locate(Path(path)), *([] if copy is None else [copy])]
    return next((os.path.abspath(str(place)) for place in places if os.path.exists(str(place))), path)
