"""The TensorFlow that the content of a file was computed with, which decides the last digits."""

from pathlib import Path

from importlib_metadata import PackageNotFoundError, version

TENSORFLOW = "tensorflow"  # name of the entry in a file: versions separated by commas; older files lack it
_PACKAGES = ("tensorflow", "tensorflow-gpu", "tensorflow-cpu")


def read_version() -> str:
    """Return the version of the installed TensorFlow, without importing it."""
    for package in _PACKAGES:
        try:
            return str(version(package))
        except PackageNotFoundError:
            continue
    return "of unknown version"


def add_version(versions: str) -> str:
    """Add the installed version to those that have already contributed to a file; empty for a new file."""
    known = [version for version in versions.split(", ") if version]
    return ", ".join(known if read_version() in known else [*known, read_version()])


def describe_versions(path: Path, versions: str) -> str:
    """Return a remark if other versions than the installed one contributed to a file; otherwise an empty text."""
    others = [version for version in versions.split(", ") if version not in ("", read_version())]
    if not others:
        return ""
    return (
        f"{path}: was computed with TensorFlow {' and '.join(others)} and is continued with {read_version()}; "
        f"scores agree to about five digits, not bit for bit"
    )
