import json
import random
from pathlib import Path
from typing import Tuple

import numpy as np
import pytest
from click.testing import CliRunner

from edgeflownas.errors import InputError
from edgeflownas.hardware.cost import CostTable
from edgeflownas.storage import checkpoint, record
from edgeflownas.storage.files import previous
from search.commands import cost
from search.queue import control
from search.queue.claim import hold_claim
from search.queue.status import read_row
from tests.reliability import damage
from tests.reliability.stand_ins import Cycle
from tests.reliability.test_no_room import Flows, train
from tests.search.queue.small import small_queue


@pytest.mark.parametrize("name", damage.KINDS)
def test_damage_is_reported_and_the_previous_file_is_offered_and_used(tmp_path: Path, name: str) -> None:
    assert damage.check(name, tmp_path, 40, seed=1)["detected"] == 40


@pytest.mark.parametrize("name", damage.KINDS)
def test_any_changed_byte_is_detected(tmp_path: Path, name: str) -> None:
    """Bytes that no reader uses are checked, too."""
    kind, path, rng = damage.KINDS[name], tmp_path / name, random.Random(1)
    kind.write(path, 0)
    good = path.read_bytes()
    for place in [0, len(good) - 1, *(rng.randrange(len(good)) for _ in range(60))]:
        path.write_bytes(good[:place] + bytes([good[place] ^ 32]) + good[place + 1 :])
        with pytest.raises(InputError):
            kind.read(path)


@pytest.mark.parametrize("change", [lambda text: text + "\n", lambda text: "# mine\n" + text, lambda text: text[:-1]])
def test_change_of_a_cost_table_that_yaml_ignores_is_detected(tmp_path: Path, change) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(change(damage.TABLE.read_text()))
    with pytest.raises(InputError, match=r"table\.yaml: is damaged"):
        CostTable.load(path)


def test_nothing_is_changed_if_the_previous_file_is_damaged_too(tmp_path: Path) -> None:
    for name, kind in damage.KINDS.items():
        path = tmp_path / name
        for number in (0, 1):
            kind.write(path, number)
        for file in (path, previous(path)):
            file.write_bytes(file.read_bytes()[:-1])
        before = {file: file.read_bytes() for file in tmp_path.iterdir()}
        with pytest.raises(InputError):
            kind.use_previous(path)
        assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_record_is_plain_json(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    record.write(path, {"state": "done", "epe": 1.5})
    content = json.loads(path.read_text())
    assert list(content) == ["state", "epe", "sha256"] and record.read(path) == {"state": "done", "epe": 1.5}
    with pytest.raises(ValueError):
        record.write(path, {"epe": float("nan")})
    assert record.read(path) == {"state": "done", "epe": 1.5}


def test_damaged_task_is_shown_and_resumes_from_the_previous_files(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    paths = queue.paths.task(0)
    for epoch in (0, 1):
        with hold_claim(queue.task(0)) as claim:
            claim.change(state="preempted", epoch=epoch)
        checkpoint.save(paths.last, {"w": np.full(3, epoch)}, {"place": epoch})
    for path in (paths.state, paths.last):
        path.write_bytes(path.read_bytes()[:-3])
    shown = read_row(queue, 0)
    assert shown.word == "damaged" and "queue retry 0 --from-previous" in str(shown.reason)
    with pytest.raises(InputError, match="queue retry --from-previous"):
        checkpoint.load(paths.last)
    control.restore(queue, [0])
    assert read_row(queue, 0).word in ("queued", "preempted") and checkpoint.load(paths.last)[1] == {"place": 0}
    assert (paths.folder / "last.h5.1").exists() and (paths.folder / "state.json.1").exists()
    assert read_row(queue, 1).word == "queued"


def test_damaged_result_is_computed_again(tmp_path: Path) -> None:
    queue = small_queue(tmp_path)
    with hold_claim(queue.task(1)) as claim:
        record.write(queue.paths.task(1).result, {"epe": 1.5})
        claim.change(state="done")
    path = queue.paths.task(1).result
    path.write_text(path.read_text().replace("1.5", "1.4"))
    with pytest.raises(InputError, match=r"result\.json: is damaged"):
        record.read(path)
    control.restore(queue, [1])
    assert read_row(queue, 1).word == "queued" and not path.exists()


def test_damaged_cost_table_is_restored_by_its_command(tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    for number in (0, 1):
        damage.KINDS["table.yaml"].write(path, number)
    path.write_text(path.read_text().replace("sram_kib: ", "sram_kib: 1", 1))
    with pytest.raises(InputError, match="cost build --from-previous"):
        CostTable.load(path)
    words = ["build", "--config", str(damage.TABLE.parents[1] / "tiny.yaml"), "--set", f"hardware.table={path}"]
    assert CliRunner().invoke(cost.command, [*words, "--from-previous"]).exit_code == 0
    assert damage.KINDS["table.yaml"].read(path) == 0


@pytest.mark.parametrize(
    "epes, epoch, said",
    [((4.0, 3.0, 2.0, 1.0), 4, ""), ((4.0, 3.0, 1.0, 2.0), 3, ""), ((4.0, 1.0, 3.0, 2.0), 1, "are lost")],
)
def test_damaged_best_weights_are_restored_if_their_epoch_is_still_there(
    tmp_path: Path, capsys: pytest.CaptureFixture, epes: Tuple[float, ...], epoch: int, said: str
) -> None:
    class Scored(Cycle):
        def evaluate(self) -> float:
            return next(answers)

    def run_training() -> None:
        train(tmp_path / "run", data, Scored({"kernel": np.ones((3, 3), np.float32)}, None))

    data, answers, path = Flows(tmp_path / "data"), iter(epes), tmp_path / "run" / "best.h5"
    run_training()
    best = {name: value.tobytes() for name, value in checkpoint.load(path)[0].items()}
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match=r"best\.h5: is truncated or damaged.*train --from-previous"):
        run_training()
    assert checkpoint.use_previous(path) == [path]
    capsys.readouterr()
    run_training()
    weights, state = checkpoint.load(path)
    assert (state["epoch"], state["epe"]) == (epoch, epes[epoch - 1])
    same = {name: value.tobytes() for name, value in weights.items()} == best
    assert same == (not said) and said in capsys.readouterr().err
