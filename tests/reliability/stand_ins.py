"""Stand-ins for trainings, evaluators and the compiler that take milliseconds. Everything that is written is real."""

import concurrent.futures
import contextlib
import csv
import functools
import importlib
import os
import subprocess
import sys
import time
import types
import zlib
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

import numpy as np

from edgeflownas.data.pipeline import Batch
from edgeflownas.hardware import pool
from edgeflownas.hardware.cost import Cost, CostTable, Figures
from edgeflownas.hardware.networks import Networks
from edgeflownas.hardware.vela import Vela
from edgeflownas.storage.files import write_json
from edgeflownas.training import child as child_training
from edgeflownas.training import loop as training
from search import cli
from search.queue import runner
from search.queue.script import PROGRAM
from search.storage.space_file import SpaceFile
from search.strategies import enumeration
from search.workers.evaluator import Opened
from supernet import training as supernet_training
from supernet.fairness import FairSampler
from tests.processes import in_child
from tests.search.stand_ins import Oracle

for _name in cli.COMMANDS:  # imports of all commands, before any process is forked
    importlib.import_module(f"search.commands.{_name.replace('-', '_')}")

HEADS = "00000,00001,11111,20121,22222"
WHOLE = 81 * 5  # architectures with these heads, which are the whole space here


def _vela(
    self: Vela, arguments: Sequence[str], folder: Optional[str], timeout: float
) -> "subprocess.CompletedProcess[str]":
    """Replace ``Vela._call``: write Vela's files, with costs that are a sum over genes."""
    if folder is not None:
        output, name = Path(folder) / "output", Path(arguments[-1]).stem
        output.mkdir()
        zeros = dict.fromkeys(("MAC Count", "Util% (MAC)", "Staging Usage", "OnFlash AC", "OffFlash AC", "DRAM AC"), 0)
        rows: List[Dict[str, Any]] = [
            {"Original Operator": "Conv2D", "Name": f"gene{i}/Relu", "Target": "NPU", "Op Cycles": cycles,
             "NPU": cycles, **zeros}
            for i, cycles in enumerate(_cycles([int(digit) for digit in name]))
        ]  # fmt: skip
        total = sum(row["NPU"] for row in rows)
        _table(output / f"{name}_per-layer.csv", rows)
        summary = {"cycles_npu": total, "cycles_total": total + 1, "sram_memory_used": 100.0}
        _table(output / f"{name}_summary_x.csv", [summary])
        (output / f"{name}_vela.tflite").touch()
    return subprocess.CompletedProcess([], 0, "5.2.0\n", "")


def _table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _cycles(architecture: Sequence[int]) -> List[int]:
    return [40000 + 3000 * option * (gene + 1) for gene, option in enumerate(architecture)]


def _cost(self: CostTable, architecture: Sequence[int]) -> Cost:
    """Replace ``CostTable.cost``: predict the costs of the compiler above exactly."""
    return cost_of(sum(_cycles(architecture)))


@functools.lru_cache(maxsize=None)
def cost_of(cycles: int) -> Cost:
    """Return the cost of a number of cycles."""
    return Figures(npu_cycles=cycles, cycles=cycles + 1, sram_kib=100.0).cost(4e8, "predicted")


class Cycle:
    """A training step in NumPy: a few weights that depend on the sequence of all batches and architectures."""

    def __init__(self, weights: Mapping[str, np.ndarray], sampler: Optional[FairSampler]) -> None:
        self._weights = {name: np.array(weights[name], np.float32) for name in sorted(weights)[:4]}
        self._moment = np.zeros(4, np.float32)
        self._sampler = sampler

    def run(self, batch: Batch, rate: float, uncertainty_weight: float) -> float:
        number = float(batch.images.mean()) / 255 + float(batch.flow.sum()) % 1
        if self._sampler is not None:
            number += zlib.crc32(repr(self._sampler.draw_cycle()).encode()) / 2**32
        self._moment = (np.float32(0.9) * self._moment + np.float32(number)).astype(np.float32)
        for value in self._weights.values():
            value += np.float32(rate * number) * np.cos(value)
        return number

    def evaluate(self) -> float:
        return 1.0 + abs(float(np.sin(sum(float(value.sum()) for value in self._weights.values()))))

    def tensors(self) -> Dict[str, np.ndarray]:
        return {**{name: value.copy() for name, value in self._weights.items()}, "optimizer/moment": self._moment}

    def weight_names(self) -> List[str]:
        return list(self._weights)

    def restore(self, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        self._weights = {name: tensors[name].copy() for name in self._weights}
        self._moment = tensors["optimizer/moment"]
        if self._sampler is not None:
            self._sampler.restore(state["sampler"])

    def state(self) -> Dict[str, Any]:
        return {} if self._sampler is None else {"sampler": self._sampler.state()}

    def write_epoch_files(self, folder: Path) -> None:
        if self._sampler is not None:
            write_json(folder / "fairness.json", {"gap": self._sampler.gap()})


class Data:
    """Replaces ``EvaluationData``."""

    def __init__(self, *arguments: Any) -> None:
        pass

    def zero_flow_epe(self) -> float:
        return 2.0


def read_batches(
    dataset: Any, indices: Sequence[int], size: int, augment: Any, start: int = 0, threads: int = 1
) -> Iterator[Batch]:
    """Replace ``pipeline.read_batches``, which opens a session."""
    for first in range(start * size, len(indices), size):
        samples = [dataset.sample(int(index), None) for index in indices[first : first + size]]
        images, flow = np.stack([sample.images for sample in samples]), np.stack([sample.flow for sample in samples])
        yield Batch(images, flow, np.ones(1, np.float32))


class Task:
    """Replaces ``subprocess.Popen``: forks the process of a task, so that it need not import TensorFlow."""

    def __init__(self, words: Sequence[str], stdout: Any, **others: Any) -> None:
        def work() -> None:
            for handle in (1, 2):
                os.dup2(stdout.fileno(), handle)
            call([*words[words.index(str(PROGRAM)) + 1 :]])

        self.returncode: Optional[int] = None
        self.pid = in_child(work)

    def poll(self) -> Optional[int]:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return self.returncode

    def wait(self, timeout: float = 1e9) -> None:
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("task", timeout)
            time.sleep(0.002)

    def send_signal(self, signum: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, signum)


def _threads(count: int, **work: Any) -> Any:
    """Replace the processes of the pool, each of which would import TensorFlow."""
    return concurrent.futures.ThreadPoolExecutor(2, **work)


def _export(self: Networks, architecture: Sequence[int], int8_io: bool = True) -> bytes:
    """Replace ``Networks.export``."""
    return bytes(architecture)


def install(seconds: float = 0.004) -> None:
    """Install the stand-ins for the rest of this process; each step takes a number of seconds."""

    class Slow(Cycle):
        def run(self, batch: Batch, rate: float, uncertainty_weight: float) -> float:
            time.sleep(seconds)
            return super().run(batch, rate, uncertainty_weight)

    def opened(run: Any, weights: Any) -> Any:
        return contextlib.nullcontext(Opened(Oracle(run.space, seconds=seconds), 8.0))

    modules: Any = (training, supernet_training, child_training)
    for module in modules[1:]:
        module.EvaluationData = Data
    modules[0].read_batches = read_batches
    modules[1].FairCycle = lambda skeleton, weights, config, data, sampler, *others: Slow(weights, sampler)
    modules[2].ChildStep = lambda skeleton, architecture, weights, *others: Slow(weights, None)
    searching: List[Any] = [module for name, module in sys.modules.items() if name.startswith("search.")]
    for module in searching:
        if hasattr(module, "open_evaluator"):
            module.open_evaluator = opened
    enumeration._SAVE_EVERY = 0.2
    SpaceFile.complete = property(lambda file: len(file.archive) >= WHOLE)  # type: ignore[method-assign,assignment]
    Vela._call = _vela  # type: ignore[method-assign]
    CostTable.cost = _cost  # type: ignore[method-assign]
    Networks.export = _export  # type: ignore[method-assign]
    pool.ProcessPool = _threads  # type: ignore[assignment,attr-defined,misc]
    names = {"Popen": Task, "DEVNULL": subprocess.DEVNULL, "TimeoutExpired": subprocess.TimeoutExpired}
    runner.subprocess = types.SimpleNamespace(**names)  # type: ignore[assignment,attr-defined]


def call(words: Sequence[str]) -> None:
    """Run the program, and exit with its exit code."""
    sys.argv = ["edgeflownas-search", *words]
    try:
        cli.main()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(end.code or 0))
