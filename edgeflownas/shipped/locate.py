"""Locating the files that come with the package, from any working folder."""

import os
from pathlib import Path

from edgeflownas.errors import InputError
from edgeflownas.wording import join, suggest

_FOLDER = Path(__file__).parent
_SUFFIX = ".yaml"


def locate(path: Path) -> Path:
    """Return the path of a file, which may be one that comes with the package.

    Args:
        path: Path such as ``configs/hardware/u65_256.yaml``. A file in the working folder takes precedence.

    Returns:
        The path of the package's file; the given path if that exists, or if there is no such file.
    """
    shipped = _FOLDER / path
    return shipped if shipped.is_file() and not path.exists() and os.pardir not in path.parts else path


def locate_named(path: Path, folder: str, what: str) -> Path:
    """Return the path of a YAML file that is given by its path or its name.

    Args:
        path: Path of a file, or the name of a file in ``folder`` without its ending, such as ``demo``.
        folder: Folder of the named files, in the working folder or in the package.
        what: Kind of file, for error messages.

    Raises:
        InputError: There is no file of that name.
    """
    if path.is_file() or path.suffix or len(path.parts) != 1:
        return locate(path)
    named = locate(Path(folder, f"{path}{_SUFFIX}"))
    if named.is_file() or path.exists():
        return named if named.is_file() else path
    names = sorted({file.stem for place in (Path(), _FOLDER) for file in (place / folder).glob(f"*{_SUFFIX}")})
    likely = suggest(str(path), names)
    remedy = f"did you mean {likely}?" if likely else f"name a file, or one of {join(names)}"
    raise InputError(f"{what} {path}: there is no such file, and none of that name in {folder}; {remedy}")


def shorten(path: str) -> str:
    """Return the path of a file of the package as a configuration names it, and any other path as it is."""
    inside = os.path.relpath(path, str(_FOLDER)) if os.path.isabs(path) else path
    return path if inside.startswith(os.pardir + os.sep) else inside
