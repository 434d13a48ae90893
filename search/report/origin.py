"""Section with everything needed to repeat a run."""

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any, List, Sequence, Tuple

import numpy as np
from importlib_metadata import PackageNotFoundError, version

from edgeflownas import __version__
from edgeflownas.storage.origin import TENSORFLOW
from search.hints import quote_word
from search.report.chart import ReportSection, Table
from search.report.contents import Contents

_LIBRARIES = ("tensorflow", "tensorflow-gpu", "numpy", "deap", "h5py", "opencv-python-headless")
_TOP = Path(__file__).parents[2]


def origin_section(runs: Sequence[Contents]) -> ReportSection:
    """Return the section with versions, seeds, digests, board, compiler and configuration of each run."""
    run_facts = [_collect_facts(contents) for contents in runs]
    names = list(dict.fromkeys(name for facts in run_facts for name, _ in facts))
    rows = tuple((name, *(dict(facts).get(name, "") for facts in run_facts)) for name in names)
    table = Table("", ("", *(contents.name for contents in runs)), rows)
    commands = [_format_commands(contents) for contents in runs]
    texts = [contents.run.config_file.read_text(encoding="utf-8") for contents in runs]
    configurations = tuple(
        Table(f"config.yaml of {contents.name}", (), ((text,),)) for contents, text in zip(runs, texts)
    )
    data = Table("", ("run", "what", "value"), tuple(
        (contents.name, name, value)
        for contents, facts, text in zip(runs, run_facts, texts)
        for name, value in [*facts, ("config.yaml", text)]
    ))  # fmt: skip
    return ReportSection("repeat", "Reproduce", tuple(commands), (), (table, *configurations), data=data)


def _format_commands(contents: Contents) -> str:
    """Return the commands that repeat the search, including the training of a supernet that the run trained itself."""
    path = quote_word(str(contents.run.folder / "config.yaml"))
    trains = contents.shares_weights and contents.run.supernet_file.parent == contents.run.supernet_folder
    names = ["train", "evolve"] if trains else ["evolve"]
    lines = [f"`edgeflownas-search {name} --config {path} --run NEW_FOLDER`" for name in names]
    return f"{contents.name}: {', then '.join(lines)}"


def _collect_facts(contents: Contents) -> List[Tuple[str, Any]]:
    attributes, config = contents.attributes, contents.run.config
    board = contents.board.settings
    origin = contents.hardware.get("table", {}).get("origin", {})
    facts = [
        ("seed", config.seed),
        ("code version", attributes.get("code_version", __version__)),
        ("TensorFlow of the scores", attributes.get(TENSORFLOW, "")),
        ("supernet, SHA-256" if contents.shares_weights else "recipe, SHA-256", attributes.get("supernet_sha256", "")),
        ("weights", _describe_weights(contents)),
        ("configuration, SHA-256", attributes.get("config_sha256", "")),
        ("network definition, SHA-256", attributes.get("skeleton_sha256", contents.run.skeleton.digest())),
        ("cost table, SHA-256", attributes.get("cost_table_sha256", "")),
        ("base width", f"c = {config.network.width}"),
        ("image size", "{}x{} pixels".format(*config.data.size)),
        ("data", config.data.kind),
        ("board", board.name),
        ("compiler", contents.hardware.get("settings") or f"Vela {config.hardware.vela_version}, {board.accelerator}"),
        ("cost table", origin.get("command", config.hardware.table)),
        ("TensorFlow of the cost table", origin.get("tensorflow", "")),
        ("report made by", f"edgeflownas {__version__}{_describe_commit()}"),
        ("libraries of the report", ", ".join([f"Python {sys.version.split()[0]}", *_list_versions()])),
    ]
    return [(name, value.item() if isinstance(value, np.generic) else value) for name, value in facts if value != ""]


def _describe_weights(contents: Contents) -> str:
    """Return the file of the supernet's weights, and whether the scores were computed with it."""
    if contents.supernet is None:
        return ""
    return f"{contents.supernet}{'; the scores are of other weights' if contents.has_other_supernet else ''}"


def _list_versions() -> List[str]:
    """Return the versions of the libraries that are installed on this machine."""
    versions = []
    for name in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            versions.append(f"{name} {version(name)}")
    return versions


def _describe_commit() -> str:
    """Return the commit of this checkout, after a comma; empty if there is none."""
    command = ["git", "-C", str(_TOP), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return f", commit {commit}" if (_TOP / ".git").exists() else ""
