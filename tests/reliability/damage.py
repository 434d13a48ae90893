"""Promise 2: truncated, changed or overwritten files are never read as valid, and the previous file can be used."""

import random
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple

import numpy as np

from edgeflownas.config import validate
from edgeflownas.errors import InputError
from edgeflownas.hardware.cost import CostTable
from edgeflownas.storage import checkpoint, files, record
from search.nsga2.evolution import Evolution
from search.queue.task import State
from search.storage.search_file import SearchFile
from search.storage.space_file import SpaceFile
from tests.search.stand_ins import SMALL, Oracle, Table, evolution_config, identity

IDENTITY = identity(SMALL)
TABLE = Path(__file__).parents[2] / "configs" / "hardware" / "tiny_grove_c4_32x48.yaml"


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        write: Writes a generation of the file, by number.
        read: Returns the generation of a file; refuses a damaged file.
        use_previous: Restores the previous file as the command does on request.
    """

    write: Callable[[Path, int], None]
    read: Callable[[Path], int]
    use_previous: Callable[[Path], Any]


def _write_search(path: Path, number: int) -> None:
    file = SearchFile(path, IDENTITY)
    evolution = Evolution(SMALL, evolution_config(), Table(), 1, file.archive, file.last)
    requested = evolution.ask()
    file.zero_flow_epe = 8.0
    file.append(evolution.tell(requested, [pair for part in Oracle(SMALL).score(requested) for pair in part]), 1.0)


def _read_search(path: Path) -> int:
    last = SearchFile(path, IDENTITY).last
    assert last is not None
    return last.number


def _write_space(path: Path, number: int) -> None:
    file = SpaceFile(path, IDENTITY)
    new = [item for item in SMALL.all() if item not in file.archive][: 10 + number]
    file.archive.append([(item, 1.0) for item in new], [Table().cost(item) for item in new], 0, set(new))
    file.write()


def _write_table(path: Path, number: int) -> None:
    content = CostTable.load(TABLE).content
    CostTable(content.model_copy(update={"origin": content.origin.model_copy(update={"seconds": number})})).save(path)


def _write_weights(path: Path, number: int) -> None:
    rng = np.random.default_rng(number)
    tensors = {f"layer{i}/kernel": rng.normal(size=(3, 3, 8, 8)).astype(np.float32) for i in range(6)}
    checkpoint.save(path, tensors, {"place": {"epoch": number}})


def _write_state(path: Path, number: int) -> None:
    record.write(path, State(state="running", epoch=number, best_epe=1.25, rate=3.5, changed=1e9).model_dump())


def _read_state(path: Path) -> int:
    state: State = validate(record.read(path, "`queue retry` resumes from the previous file"), State, str(path))
    return state.epoch


KINDS: Dict[str, Kind] = {
    "search.h5": Kind(
        _write_search,
        _read_search,
        lambda path: files.use_previous(path, lambda file: SearchFile(file, IDENTITY)),
    ),
    "space.h5": Kind(
        _write_space,
        lambda path: len(SpaceFile(path, IDENTITY).archive) // 20,
        lambda path: files.use_previous(path, lambda file: SpaceFile(file, IDENTITY)),
    ),
    "table.yaml": Kind(
        _write_table,
        lambda path: int(CostTable.load(path).content.origin.seconds),
        lambda path: files.use_previous(path, CostTable.load),
    ),
    "last.h5": Kind(
        _write_weights,
        lambda path: int(checkpoint.load(path)[1]["place"]["epoch"]),
        checkpoint.use_previous,
    ),
    "state.json": Kind(_write_state, _read_state, lambda path: files.use_previous(path, record.read)),
}


def damage(content: bytes, rng: random.Random) -> bytes:
    """Return a different content: truncated, with flipped bits, or with a zeroed block."""
    while True:
        changed = bytearray(content)
        place = rng.randrange(len(content))
        how = rng.choice(("truncated", "flipped", "zeroed"))
        if how == "truncated":
            changed = changed[:place]
        elif how == "flipped":
            for _ in range(rng.choice((1, 1, 2, 8))):
                changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        else:
            size = min(rng.choice((1, 16, 512, 4096)), len(content) - place)
            changed[place : place + size] = bytes(size)
        if bytes(changed) != content:
            return bytes(changed)


def check(name: str, folder: Path, count: int, seed: int) -> Dict[str, Any]:
    """Damage a file repeatedly, and check that it is refused by name, and that the previous file is offered and used.

    Returns:
        The figures.
    """
    kind, rng, path = KINDS[name], random.Random(f"{seed} {name}"), folder / name
    for number in (0, 1):
        kind.write(path, number)
    before, good = files.previous(path).read_bytes(), path.read_bytes()
    assert (kind.read(files.previous(path)), kind.read(path)) == (0, 1)
    messages: List[str] = []
    started = time.monotonic()
    for number in range(count):
        bad = damage(good, rng)
        path.write_bytes(bad)
        try:
            kind.read(path)
        except InputError as error:
            messages.append(str(error))
        else:
            raise AssertionError(f"{name}: damage {number} of seed {seed} was read as valid")
        assert str(path) in messages[-1] and "\n" not in messages[-1], messages[-1]
        kind.use_previous(path)
        assert kind.read(path) == 0 and path.read_bytes() == before
        aside = path.with_name(f"{name}.1")
        assert aside.read_bytes() == bad, "the damaged file is not kept"
        aside.unlink()
        files.previous(path).write_bytes(before)
    offered = sum("previous" in message in message for message in messages)
    assert offered == count, messages[0]
    seconds = time.monotonic() - started
    return {"file": name, "bytes": len(good), "damages": count, "detected": len(messages), "seconds": round(seconds, 1)}
