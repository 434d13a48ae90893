"""Commands in messages, completed so that they can be pasted into a shell.

Messages name commands in backticks, without the program and the run, such as `queue build --rebuild`.
"""

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import List, Match, Sequence

PROGRAM = "edgeflownas-search"

# Commands with the options --config, --run and --set, and commands without them.
RUN_COMMANDS = frozenset(
    (
        "data check", "cost build", "cost show", "train", "evaluate", "evolve", "enumerate", "queue build", "queue run",
        "queue status", "queue submit", "queue cancel", "queue retry", "queue collect", "rank", "export", "predict",
        "cost import",
    )
)  # fmt: skip
OTHER_COMMANDS = frozenset(
    ("import-weights", "retrain", "report", "dask scheduler", "dask worker", "space check", "space show")
)


def folder_options(folder: Path) -> List[str]:
    """Return the options that name a run by its folder and the configuration in it."""
    return ["--config", str(folder / "config.yaml"), "--run", str(folder)]


def find_program() -> List[str]:
    """Return the words with which the user called this program, so that a suggested command works in the same shell."""
    path = sys.argv[0]
    if Path(path).name == PROGRAM:
        is_on_path = os.path.abspath(shutil.which(PROGRAM) or "") == os.path.abspath(path)
        return [PROGRAM if is_on_path else path]
    if Path(path).parts[-2:] == ("search", "__main__.py"):
        return [sys.executable, "-m", "search"]
    return [PROGRAM]


def format_command(words: Sequence[str]) -> str:
    """Return a command of this program as a line for a shell."""
    return " ".join(map(quote_word, [*find_program(), *words]))


def quote_word(word: str) -> str:
    """Quote a word for a shell; bytes that cannot be printed, such as those that are not UTF-8, are escaped."""
    if word.isprintable():
        return shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in os.fsencode(escaped)) + "'"


def complete(message: str, run_options: Sequence[str], data_options: Sequence[str] = ()) -> str:
    """Return a message with whole commands.

    Args:
        message: Message that names commands in backticks.
        run_options: Options that name the run, such as ``--config configs/demo.yaml``.
        data_options: Options that name another data set than that of the run, for `data check`.
    """

    def replace(match: Match) -> str:
        try:
            words = shlex.split(match.group(1))
        except ValueError:
            return match.group()
        for length in (2, 1):
            name = " ".join(words[:length])
            if name in RUN_COMMANDS or name in OTHER_COMMANDS:
                options = [*run_options, *(data_options if name == "data check" else ())]
                options = options if name in RUN_COMMANDS else []
                return f"`{format_command([*words[:length], *options, *words[length:]])}`"
        return match.group()

    return re.sub("`([^`]+)`", replace, message)
