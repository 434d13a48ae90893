"""Inputs for promise 5, derived from valid files, and the functions that read them."""

import contextlib
import csv
import io
import json
import random
import struct
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Sequence

import cv2
import h5py
import numpy as np
import yaml
from rich.console import Console

from edgeflownas.config import load, validate
from edgeflownas.data.formats import read_flow, read_image
from edgeflownas.errors import InputError
from edgeflownas.hardware import report
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.cost import CostTable
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.space import Space
from edgeflownas.storage import checkpoint, record, sealed
from search.nsga2.scoring import look_up_cost
from search.queue import status
from search.queue.paths import QueuePaths
from search.queue.task import State, Task
from search.storage.search_file import SearchFile
from tests.reliability import damage, resealed

CONFIGS = Path(__file__).parents[2] / "configs"


class Target(NamedTuple):
    """A kind of input.

    Attributes:
        name: Name of the kind.
        share: Share of all inputs.
        seeds: Returns valid inputs.
        read: Reads an input; may use the folder.
        refusals: Errors that describe what is wrong with an input.
    """

    name: str
    share: float
    seeds: Callable[[Path], List[bytes]]
    read: Callable[[Path, bytes], Any]
    refusals: Any = InputError


_HOSTILE = (
    b"!!python/object/apply:os.system [touch hostile]", b"!!python/name:os.system", b"&a [*a, *a]", b"*a", b"<<: *a",
    b"[" * 3000, b"{" * 500, b"9" * 5000, b"-1", b"1e400", b".nan", b"-.inf", b"null", b"~", b"0x", b"2001-13-45",
    b"1:99:99", b"../../../etc/passwd", b"/etc/passwd", b"$(touch hostile)", b"`touch hostile`", b"\x1b[2J", b"\x00",
    b"\xff\xfe", b"\xe2\x80\xae", b"{a: 1, a: 2}", b"- ", b": ", b"%s%n", b"{0.__class__}", b"true", b"'", b'"',
    b"[]", b"\n", b"4294967297", b"2147483648 2147483648", b"NaN", b"Infinity", b"\x80\x04cos\nsystem\n",
)  # fmt: skip
_NUMBERS = (0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)


def change(good: bytes, rng: random.Random) -> bytes:
    """Change a few bits, blocks, numbers, lines or words of a valid input."""
    data = bytearray(good)
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.randrange(len(data) + 1)
        size = rng.choice((1, 4, 40, 400))
        how = rng.randrange(8)
        if how == 0 and data:
            data[place % len(data)] ^= 1 << rng.randrange(8)
        elif how == 1:
            data[place : place + size] = b""
        elif how == 2:
            data[place:place] = data[place : place + size]
        elif how == 3:
            data[place:place] = rng.choice(_HOSTILE)
        elif how == 4:
            data[place : place + 4] = struct.pack(rng.choice("<>") + "I", rng.choice(_NUMBERS))
        elif how == 5:
            data[place : place + size] = bytes(rng.randrange(256) for _ in range(min(size, 40)))
        elif how == 6:
            lines = bytes(data).split(b"\n")
            line = rng.randrange(len(lines))
            key, colon, _ = lines[line].partition(b":" if b":" in lines[line] else b",")
            lines[line] = key + colon + b" " + rng.choice(_HOSTILE)
            data = bytearray(b"\n".join(lines))
        elif data:
            del data[place % len(data) :]
    return bytes(data)


def _config_seeds(folder: Path) -> List[bytes]:
    texts = [(CONFIGS / name).read_bytes() for name in ("tiny.yaml", "demo.yaml")]
    bomb = b"a: &a [x, x, x, x, x, x, x, x, x]\n"
    for before, name in zip(b"abcdefgh", b"bcdefghi"):
        bomb += b"%c: &%c [%s]\n" % (name, name, b", ".join([b"*%c" % before] * 9))
    return [*texts, texts[0] + bomb, b"a: &a {b: *a}\n" + texts[0], texts[0] + b"x" * 1000 + b": 1\n"]


def _read_config(folder: Path, data: bytes) -> None:
    (folder / "config.yaml").write_bytes(data)
    load(folder / "config.yaml")


def _read_override(folder: Path, data: bytes) -> None:
    load(CONFIGS / "tiny.yaml", [data.decode("utf-8", "surrogateescape")])


_SPACE = Space.from_skeleton(default_skeleton(4))


def _read_architecture(folder: Path, data: bytes) -> None:
    architecture = _SPACE.parse(data.decode("utf-8", "surrogateescape"))
    assert _SPACE.format(architecture).encode() == data


def _flo_seeds(folder: Path) -> List[bytes]:
    good = struct.pack("<4sii", b"PIEH", 3, 2) + bytes(48)
    return [good, struct.pack("<4sii", b"PIEH", 1 << 15, 1 << 16) + bytes(48)]  # claims 2^31 pixels


def _pfm_seeds(folder: Path) -> List[bytes]:
    return [b"PF\n3 2\n-1.0\n" + bytes(72), b"PF 3 2 1e0 " + bytes(72), b"PF\n999999999 999999999\n-1\n" + bytes(72)]


def _png_seeds(folder: Path) -> List[bytes]:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (6, 5, 3), np.uint8), rng.integers(0, 2**16, (6, 5, 3)).astype(np.uint16)]
    files = [cv2.imencode(".png", picture)[1].tobytes() for picture in pictures]
    files += [cv2.imencode(suffix, pictures[0])[1].tobytes() for suffix in (".jpg", ".ppm", ".bmp", ".webp", ".tiff")]
    return [*files, b"P6 5 6 255 " + bytes(90), b"P6 99999 99999 255 " + bytes(90)]


def _reading(suffix: str, read: Callable[[Path], Any], before: Callable[[bytes], bytes] = bytes) -> Any:
    def feed(folder: Path, data: bytes) -> None:
        path = folder / f"input{suffix}"
        path.write_bytes(before(data))
        read(path)

    return feed


def _read_picture(path: Path) -> None:
    readers: Sequence[Callable[[Path], Any]] = (read_image, read_flow)
    for read in readers:
        with contextlib.suppress(InputError):
            read(path)


def _seeds_of(name: str) -> Callable[[Path], List[bytes]]:
    def seeds(folder: Path) -> List[bytes]:
        path = folder / name
        for number in (0, 1):
            damage.KINDS[name].write(path, number)
        return [path.read_bytes()]

    return seeds


def _links(folder: Path) -> List[bytes]:
    """Return search files with links to other files or to themselves."""
    (seed,) = _seeds_of("search.h5")(folder)
    files = [seed]
    for target in (h5py.ExternalLink("/etc/passwd", "x"), h5py.SoftLink("/archive"), h5py.SoftLink("/generations")):
        for place in ("archive/epe", "generations/0001/genes", "generations/0001", "archive"):
            path = folder / "linked.h5"
            path.write_bytes(seed)
            with sealed.read(path) as file:
                del file[place]
                file[place] = target
                sealed.write(file, path)
            files.append(path.read_bytes())
    return files


def _task_seeds(folder: Path) -> List[bytes]:
    train = {"epochs": 1, "batch_size": 2}
    content = {
        "architecture": "210012001", "seed": 1, "threads": 1, "network": {"width": 4},
        "data": {"kind": "procedural", "height": 32, "width": 48}, "train": train, "evaluation": {}, "attempts": 2,
        "supernet_sha256": "0" * 64, "first_weights": "supernet.h5",
        "found": {"epe": 1.0, "fps": 2.0, "latency_ms": 3.0, "sram_kib": 4.0, "npu_cycles": 5.0, "source": "compiled"},
    }  # fmt: skip
    outside = [{**content, "first_weights": name} for name in ("../../etc/passwd", "/etc/passwd", "tasks/..", "")]
    return [yaml.safe_dump(task, sort_keys=False).encode() for task in (content, *outside)]


def _read_task(folder: Path, data: bytes) -> None:
    paths = QueuePaths(folder)
    paths.task(0).folder.mkdir(parents=True, exist_ok=True)
    paths.task(0).task.write_bytes(data)
    task = Task(paths, 0)
    Space.from_skeleton(default_skeleton(4)).parse(task.config.architecture)
    task.load_first_weights()


def _read_state(path: Path) -> None:
    validate(record.read(path), State, str(path))


def _state_seeds(folder: Path) -> List[bytes]:
    """Return states as YAML, which can be changed line by line."""
    (seed,) = _seeds_of("state.json")(folder)
    content: Dict[str, Any] = json.loads(seed)
    running = {**content, "steps": 9, "host": "here", "reason": "x"}
    return [yaml.safe_dump(state).encode() for state in (content, running)]


def _read_state_from_others(path: Path) -> None:
    paths = QueuePaths(path.parent)
    if not paths.task(0).folder.exists():
        paths.task(0).folder.mkdir(parents=True)
        paths.task(0).task.write_bytes(_task_seeds(path.parent)[0])
    path.replace(paths.task(0).state)
    task = Task(paths, 0)
    row = status._make_row(task, task.state(), "running", 1.0)
    Console(file=io.StringIO()).print(status.render_table([row]), *status.format_remarks([row]))
    json.dumps(status.to_records([row]), allow_nan=False)


def _read_table_from_others(path: Path) -> None:
    table = CostTable.load(path)
    table.check_board(Board.load(CONFIGS / "hardware" / "grove_vision_ai_v2.yaml"))
    table.check(default_skeleton(4), 32, 48)
    for architecture in ((0,) * 9, (2, 1, 0, 0, 1, 2, 0, 0, 1), (2,) * 9):
        assert table.sram_cap_kib > 0 and look_up_cost(_SPACE, table, architecture).fps > 0


def _vela_seeds(folder: Path) -> List[bytes]:
    layer: Dict[str, Any] = {
        "Original Operator": "Conv2D", "Name": "E0/Relu", "Target": "NPU", "Op Cycles": 400.0, "NPU": 300.0,
        "MAC Count": 1, "Util% (MAC)": 50.0, "Staging Usage": 1024, "OnFlash AC": 1, "OffFlash AC": 0, "DRAM AC": 0,
    }  # fmt: skip
    summary = {"cycles_npu": 300.0, "cycles_total": 400.0, "sram_memory_used": 100.5}
    texts = []
    tables: List[List[Dict[str, Any]]] = [[summary], [layer, layer, layer]]
    for rows in tables:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        texts.append(text.getvalue().encode())
    return [b"\0\0".join(texts)]


def _read_vela(folder: Path, data: bytes) -> None:
    summary, _, layers = data.partition(b"\0\0")
    (folder / "x_summary_y.csv").write_bytes(summary)
    (folder / "x_per-layer.csv").write_bytes(layers)
    (folder / "x_vela.tflite").touch()
    figures = report.read(folder, summary.decode("latin-1")).figures
    assert figures.npu_cycles > 0 and figures.cycles > 0 and 0 < figures.sram_kib < float("inf")


TARGETS = (
    Target("architectures", 0.28, lambda _: [b"210012001", b"000000000"], _read_architecture),
    Target(".flo", 0.12, _flo_seeds, _reading(".flo", read_flow)),
    Target(".pfm", 0.12, _pfm_seeds, _reading(".pfm", read_flow)),
    Target("images", 0.10, _png_seeds, _reading(".png", _read_picture)),
    Target("images, checksums right", 0.06, lambda folder: _png_seeds(folder)[:2],
           _reading(".png", _read_picture, resealed.png)),
    Target("config files", 0.04, _config_seeds, _read_config),
    Target("--set", 0.02, lambda _: [b"train.epochs=3", b"queue.train=[{epochs: 1}]", b"a.b.c=1"], _read_override),
    Target("task.yaml", 0.04, _task_seeds, _read_task),
    Target("state.json", 0.06, _seeds_of("state.json"), _reading(".json", _read_state)),
    Target("cost tables", 0.02, lambda _: [damage.TABLE.read_bytes()], _reading(".yaml", CostTable.load)),
    Target("state.json, checksum right", 0.02, _state_seeds,
           _reading(".json", _read_state_from_others, resealed.state)),
    Target("cost tables, checksum right", 0.02, lambda _: [damage.TABLE.read_bytes()],
           _reading(".yaml", _read_table_from_others, resealed.table)),
    Target("search.h5", 0.02, _seeds_of("search.h5"), _reading(".h5", lambda path: SearchFile(path, damage.IDENTITY))),
    Target("search.h5, checksum right", 0.03, _links,
           _reading(".h5", lambda path: SearchFile(path, damage.IDENTITY), resealed.hdf5)),
    Target("weights, checksum right", 0.03, _seeds_of("last.h5"), _reading(".h5", checkpoint.load, resealed.hdf5)),
    Target("Vela's tables", 0.06, _vela_seeds, _read_vela, (OSError, KeyError, IndexError, ValueError)),
)  # fmt: skip
