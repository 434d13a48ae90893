"""Runs on the demo's exact scores: as a search leaves them, made in seconds, without a network."""

import contextlib
import functools
import json
import os
import shutil
from pathlib import Path
from typing import Any, Dict, Iterator

import cv2
import h5py
import numpy as np

from edgeflownas import record
from edgeflownas.checkpoint import digest
from edgeflownas.data.flow_picture import LABELS
from edgeflownas.space import Architecture
from search.evolution import Evolution
from search.identity import Identity
from search.queue.build import build
from search.queue.collect import Collection, Survivor
from search.queue.final_front import write_final_front
from search.report.chart import Picture, Section
from search.report.contents import read
from search.run import Run
from search.search_file import SearchFile
from search.space_file import SpaceFile

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "configs" / "demo.yaml"
REFERENCE = ROOT / "results" / "reference" / "demo"


CYCLES = {"E0": [900], "EB0": [1000, 2000, 3000], "H2Out": [500, 700, 900]}


def picture(runs: Any, points: Any) -> Section:
    """A section of flow without a network."""
    done, content = cv2.imencode(".png", np.zeros((20, 120, 3), np.uint8))
    return Section("flow", "Flow", ("One.",), pictures=(Picture("one", content.tobytes(), LABELS),))


@contextlib.contextmanager
def at_root() -> Iterator[None]:
    """Paths in configurations are those from the top of the repository."""
    before = Path.cwd()
    os.chdir(str(ROOT))
    try:
        yield
    finally:
        os.chdir(str(before))


@functools.lru_cache(maxsize=None)
def exact_scores() -> Dict[Architecture, float]:
    """Of the whole space, from the file that ships."""
    with h5py.File(str(REFERENCE / "space.h5"), "r") as file:
        genes, epe = file["archive/genes"][()], file["archive/epe"][()]
    return dict(zip(map(tuple, genes.tolist()), epe.tolist()))


def searched(folder: Path, generations: int = 3, *overrides: str, enumerated: bool = True) -> Run:
    """A run whose search has come so far; the supernet and its logs lie beside its folder."""
    supernet = folder.parent / "trained" / "supernet.h5"
    if not supernet.exists():
        supernet.parent.mkdir(parents=True)
        for name in ("supernet.h5", "log.csv", "fairness.json"):
            shutil.copy(str(REFERENCE / name), str(supernet.with_name(name)))
    run = Run.open(CONFIG, folder, [f"supernet={supernet}", *overrides])
    weights, (table, _) = digest(run.supernet_weights()), run.cost_table()
    table = table.of(weights, "5.2.0")
    file = SearchFile(run.search_file, Identity.of(run, weights))
    file.zero_flow_epe = 4.629
    evolution = Evolution(run.space, run.config.evolution, table, run.config.seed, file.archive)
    for number in range(generations):
        requested = evolution.ask()
        scores = [(each, exact_scores()[each]) for each in evolution.with_outputs(requested)]
        file.append(evolution.tell(requested, scores), 3.5 * (number + 1))
    run.write_config()
    if enumerated:
        space = SpaceFile(run.space_file, Identity.of(run, weights))
        costs = [table.cost(each) for each in exact_scores()]
        space.archive.append(list(exact_scores().items()), costs, 0, frozenset())
        space.zero_flow_epe = 4.629
        space.write()
    return run


def queued(run: Run) -> Run:
    """The same with a queue, of which two tasks are done, and collected."""
    identity = Identity.of(run, digest(run.supernet_weights()))
    archive = SearchFile(run.search_file, identity).archive
    queue = build(run, archive, read(run.folder).front(archive))
    survivors = []
    for index in (0, 1):
        task = queue.task(index)
        state = task.state().model_dump()
        record.write(task.paths.state, {**state, "state": "done", "epoch": 2, "best_epe": 1.0 + index})
        found = task.config.found
        result = {
            "architecture": task.config.architecture, "epe": 1.0 + index, "zero_flow_epe": 4.6, "epoch": 2,
            "epochs": 2, "wall_s": 9.0, "weights_sha256": "0" * 64,
        }  # fmt: skip
        record.write(task.paths.result, result)
        task.paths.curve.write_text("epoch,steps,loss,epe,share,wall_s\n1,9,2.0,2.5,0.54,1\n2,18,1.0,1.5,0.33,2\n")
        survivors.append(Survivor(
            task.config.architecture, 1.0 + index, found.epe, 4.6, {}, found.fps, found.latency_ms, found.sram_kib,
            found.npu_cycles, "compiled", str(task.paths.best),
        ))  # fmt: skip
    collection = Collection(survivors, survivors[:1], 2, (64, 96))
    write_final_front(run.final_front_file, collection, {"board": "Grove Vision AI V2"})
    return run


def embedded(page: str) -> Dict[str, object]:
    """The data in a page."""
    start = page.index('id="data">') + len('id="data">')
    content: Dict[str, object] = json.loads(page[start : page.index("</script>", start)])
    return content
