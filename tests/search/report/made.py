"""Runs as a search leaves them, made in seconds from the demo's exact scores without a network."""

import base64
import contextlib
import csv
import functools
import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import cv2
import h5py
import numpy as np
from click.testing import Result

from edgeflownas.evaluation.flow_picture import LABELS
from edgeflownas.network.space import Architecture
from edgeflownas.storage.checkpoint import digest
from edgeflownas.storage.files import write_json, write_text
from edgeflownas.storage.lock import locked
from search.cli import cli
from search.nsga2.evolution import Evolution
from search.queue.build import build
from search.queue.collect import Collection, Survivor
from search.queue.final_front import write_final_front
from search.ranking import rank
from search.ranking.truth import Truth
from search.report.chart import Picture, ReportSection
from search.report.contents import read
from search.run import Run
from search.storage.identity import Identity
from search.storage.search_file import SearchFile
from search.storage.space_file import SpaceFile
from search.strategies.independent import INDEPENDENT, build_sample
from search.strategies.strategy import SearchContext
from tests.search.queue.small import deployed, finish
from tests.terminal import make_runner

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "configs" / "demo.yaml"
REFERENCE = ROOT / "results" / "reference" / "demo"


CYCLES = {"E0": [900], "EB0": [1000, 2000, 3000], "H2Out": [500, 700, 900]}


def picture(runs: Any, points: Any) -> ReportSection:
    """Return a section of flow without running a network."""
    _, content = cv2.imencode(".png", np.zeros((20, 120, 3), np.uint8))
    return ReportSection("flow", "Flow", ("One.",), pictures=(Picture("one", content.tobytes(), LABELS),))


@contextlib.contextmanager
def at_root() -> Iterator[None]:
    """Change to the root of the repository, to which paths in configurations are relative."""
    before = Path.cwd()
    os.chdir(str(ROOT))
    try:
        yield
    finally:
        os.chdir(str(before))


@functools.lru_cache(maxsize=None)
def exact_scores() -> Dict[Architecture, float]:
    """Return the scores of the whole space from the shipped file."""
    with h5py.File(str(REFERENCE / "space.h5"), "r") as file:
        genes, epe = file["archive/genes"][()], file["archive/epe"][()]
    return dict(zip(map(tuple, genes.tolist()), epe.tolist()))


def searched(folder: Path, generations: int = 3, *overrides: str, enumerated: bool = True) -> Run:
    """Make a run with some generations of a search; the supernet and its logs are beside its folder."""
    supernet = folder.parent / "trained" / "supernet.h5"
    if not supernet.exists():
        supernet.parent.mkdir(parents=True)
        for name in ("supernet.h5", "log.csv", "fairness.json"):
            shutil.copy(str(REFERENCE / name), str(supernet.with_name(name)))
    run = Run.open(CONFIG, folder, [f"supernet={supernet}", *overrides])
    weights, (table, _) = digest(run.supernet_weights()), run.cost_table()
    table = table.for_weights(weights, "5.2.0")
    _search(run, weights, generations, exact_scores().__getitem__)
    if enumerated:
        space = SpaceFile(run.space_file, Identity.of(run, weights))
        costs = [table.cost(architecture) for architecture in exact_scores()]
        space.archive.append(list(exact_scores().items()), costs, 0, frozenset())
        space.zero_flow_epe = 4.629
        space.write()
    return run


def searched_eleven_genes(folder: Path) -> Run:
    """Make a run of the space of eleven genes, with two generations of made-up scores and no supernet."""
    run = Run.open(ROOT / "configs" / "eleven_genes.yaml", folder)
    _search(run, "0" * 64, 2, lambda architecture: 3 - 0.05 * sum(architecture))
    return run


def _search(run: Run, weights: str, generations: int, score: Callable[[Architecture], float]) -> None:
    table, _ = run.cost_table()
    file = SearchFile(run.search_file, Identity.of(run, weights))
    file.zero_flow_epe = 4.629
    evolution = Evolution(
        run.space, run.config.evolution, table.for_weights(weights, "5.2.0"), run.config.seed, file.archive
    )
    for number in range(generations):
        requested = evolution.ask()
        scores = [(architecture, score(architecture)) for architecture in evolution.expand_outputs(requested)]
        file.append(evolution.tell(requested, scores), 3.5 * (number + 1))
    run.write_config()


def alone(folder: Path) -> Run:
    """Make a run without shared weights, with four of six children trained and collected."""
    run = Run.open(CONFIG, folder, ["strategy=independent", "independent.size=6", "supernet=null"])
    source, (table, _) = INDEPENDENT.source(run, {}), run.cost_table()
    queue = build_sample(run, source)
    for index in range(4):
        finish(queue, index, 2.5 - index / 4)
    write_text(queue.paths.submissions, "{}")  # the others are submitted to Slurm
    file = SearchFile(run.search_file, Identity.of(run, source))
    evolution = Evolution(run.space, run.config.evolution, table.for_weights(source, "5.2.0"), 1, file.archive)
    with locked(run.folder / "search.lock", "run") as lock:
        INDEPENDENT.run(SearchContext(run, {}, evolution, file, lock))
        file.save()
    run.write_config()
    costs = [queue.task(index).config.found for index in range(4)]
    survivors = [
        Survivor(
            queue.task(index).config.architecture, 2.5 - index / 4, deployed(2.5 - index / 4, 2.6 - index / 4), None,
            9.0, {}, cost.fps, cost.latency_ms, cost.sram_kib, cost.npu_cycles, "compiled", cost.fps, "best.h5",
            "0" * 64,
        )
        for index, cost in enumerate(costs)
    ]  # fmt: skip
    write_final_front(run.final_front_file, Collection(survivors, survivors[-1:], 2, (64, 96)), {})
    return run


def ranked(run: Run) -> None:
    """Add to a run rankings of six children by weights of two epochs, with and without recalibration."""
    names = ["000000000", "111111111", "222222222", "012012012", "210210210", "021021021"]
    children = [run.space.parse(name) for name in names]
    epes = np.array([3.0, 2.0, 1.0, 2.5, 2.2, 1.4])
    truth = Truth.fit([dict(zip(children, epes)), dict(zip(children, epes + [0.1, 0, 0, 0, 0, 0]))])
    noise = np.random.default_rng(0)
    rankings = [
        rank.rank_children(
            truth, Path(f"epochs/{epoch}.h5"), epoch, own, (epes + noise.normal(0, 1.0 / epoch, 6) + (not own)).tolist()
        )
        for epoch in (1, 2)
        for own in (True, False)
    ]
    write_json(run.rank_file, rank.as_json(run.space, truth, rankings, 4.6))


def queued(run: Run) -> Run:
    """Add to a run a queue with two tasks done and collected."""
    identity = Identity.of(run, digest(run.supernet_weights()))
    archive = SearchFile(run.search_file, identity).archive
    queue = build(run, archive, read(run.folder).front(archive))
    survivors = []
    for index in (0, 1):
        finish(queue, index, 1.0 + index)
        task = queue.task(index)
        cost = task.config.found
        task.paths.curve.write_text("epoch,steps,loss,epe,share,wall_s\n1,9,2.0,2.5,0.54,1\n2,18,1.0,1.5,0.33,2\n")
        survivors.append(Survivor(
            task.config.architecture, 1.0 + index, deployed(1.5 + index, 1.75 + index), cost.epe, 4.6, {}, cost.fps,
            cost.latency_ms, cost.sram_kib, cost.npu_cycles, "compiled", cost.fps, str(task.paths.best), "0" * 64,
        ))  # fmt: skip
    collection = Collection(survivors, survivors[:1], 2, (64, 96))
    write_final_front(run.final_front_file, collection, {"board": "Grove Vision AI V2"})
    return run


def embedded(page: str) -> Dict[str, object]:
    """Return the data embedded in a page."""
    start = page.index('id="data">') + len('id="data">')
    text = gzip.decompress(base64.b64decode(page[start : page.index("</script>", start)]))
    content: Dict[str, object] = json.loads(text)
    return content


def report(*words: object) -> Result:
    """Run the ``report`` command without pictures and the compiler."""
    arguments = ["report", *map(str, words), "--pairs", "0", "--no-parts"]
    return make_runner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False)


def csv_rows(path: Path) -> List[Dict[str, str]]:
    """Return the rows of a CSV file by heading."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
