"""Fingerprints of pairs: they change with all that affects a score, and with nothing else."""

import os
import shutil
from pathlib import Path

import pytest

from edgeflownas.config import EvaluationConfig
from edgeflownas.data.datasets import open_datasets
from edgeflownas.data.identity import identify_scoring, identify_training
from edgeflownas.errors import InputError
from edgeflownas.storage import checkpoint
from edgeflownas.storage.pairs import describe_changes
from tests.edgeflownas.data.test_layouts import configured
from tests.edgeflownas.data.written import WRITERS, flow, image, put_flo, put_image

ALL = EvaluationConfig(calibration_pairs=3)
VAL_FLOW, TRAIN_FLOW = Path("val/0000001-flow_01.flo"), Path("train/0000001-flow_01.flo")


def identify(root: Path, config: EvaluationConfig = ALL, **changes):
    content = {"kind": "flyingchairs2", "train_dir": str(root / "train"), "val_dir": str(root / "val")}
    return identify_training(*open_datasets(configured(content, **changes)), config, 2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    WRITERS["flyingchairs2"](tmp_path / "here")
    return tmp_path / "here"


def test_fingerprints_depend_neither_on_folder_nor_on_times(root: Path) -> None:
    before = identify(root)
    assert {use: mark["pairs"] for use, mark in before.items()} == {"training": 3, "calibration": 3, "validation": 2}
    shutil.copytree(str(root), str(root.parent / "there"))
    for path in (root.parent / "there").rglob("*.*"):
        os.utime(str(path), (1, 1))
    assert identify(root.parent / "there") == before
    assert describe_changes(before, before) == []


def test_a_replaced_file_is_noticed_under_its_old_name(root: Path) -> None:
    before = identify(root)
    put_flo(root / VAL_FLOW, flow(77))
    assert describe_changes(before, identify(root)) == ["the contents of files of the validation pairs have changed"]


@pytest.mark.parametrize("place", [0, 12, 9_000, -1])
def test_any_changed_byte_of_a_scored_file_is_noticed(root: Path, place: int) -> None:
    put_flo(root / VAL_FLOW, flow(1, 200, 300))
    before = identify(root)
    content = bytearray((root / VAL_FLOW).read_bytes())
    content[place] ^= 1
    (root / VAL_FLOW).write_bytes(bytes(content))
    assert identify(root)["validation"] != before["validation"]


def test_a_replaced_training_file_is_noticed_even_if_it_is_not_for_calibration(root: Path) -> None:
    few = EvaluationConfig(calibration_pairs=1)
    put_flo(root / TRAIN_FLOW, flow(1, 200, 300))
    before = identify(root, few)
    put_flo(root / TRAIN_FLOW, flow(2, 200, 300))
    now = identify(root, few)
    assert describe_changes(before, now) == ["the contents of files of the training pairs have changed"]


def test_excluded_added_and_renamed_pairs_are_noticed(root: Path) -> None:
    before = identify(root)
    bad = root / "bad.txt"
    bad.write_text(f"{VAL_FLOW}\n")
    excluded = identify(root, exclude=str(bad))
    assert describe_changes(before, excluded) == ["the number of validation pairs was 2, now it is 1"]
    for end in ("img_0.png", "img_1.png", "flow_01.flo"):
        (root / "val" / f"0000001-{end}").rename(root / "val" / f"0000002-{end}")
    changed = "the names of the validation pairs, or their order, have changed"
    assert describe_changes(before, identify(root)) == [changed]
    for i in (0, 1):
        put_image(root / "train" / f"0000009-img_{i}.png", image(i))
    put_flo(root / "train" / "0000009-flow_01.flo", flow(9))
    assert "the number of training pairs was 3, now it is 4" in describe_changes(before, identify(root))


def test_masks_are_a_part_of_a_pair(tmp_path: Path) -> None:
    config = configured(WRITERS["sintel"](tmp_path), val_scenes=["alley_1"])
    before = identify_scoring(*open_datasets(config), EvaluationConfig(calibration_pairs=4), 1)
    put_image(tmp_path / "training/invalid/alley_1/frame_0001.png", image(3)[..., 0])
    now = identify_scoring(*open_datasets(config), EvaluationConfig(calibration_pairs=4), 1)
    assert describe_changes(before, now) == ["the contents of files of the validation pairs have changed"]


def test_use_of_a_mask_is_a_part_of_a_pair(tmp_path: Path) -> None:
    content = WRITERS["list"](tmp_path)
    put_image(tmp_path / "mask.png", image(3)[..., 0])
    marks = []
    for masks in ("", "mask.png", "- mask.png"):
        (tmp_path / "val.txt").write_text(f"'my images/a.png' 'my images/b.jpg' a.flo {masks}\n")
        marks.append(identify_scoring(*open_datasets(configured(content)), EvaluationConfig(calibration_pairs=1), 1))
    assert describe_changes(marks[1], marks[2]) == ["the names of the validation pairs, or their order, have changed"]
    assert describe_changes(marks[0], marks[1]) == ["the names of the validation pairs, or their order, have changed"]


def test_drawn_scenes_are_identified_by_their_configuration_alone() -> None:
    drawn = open_datasets(configured({"kind": "procedural"}))
    assert identify_training(*drawn, EvaluationConfig(), 1) == {}


def test_data_of_a_checkpoint_may_be_moved_if_pairs_are_recorded(root: Path) -> None:
    pairs = identify(root)
    before, now = ({"data": {"train_dir": place, "height": 32}} for place in ("/here", "/there"))
    assert not checkpoint.check_same(Path("last.h5"), {**before, "pairs": pairs}, {**now, "pairs": pairs})
    with pytest.raises(InputError, match=r"a different training \(data\.train_dir: /here there, /there here\)"):
        checkpoint.check_same(Path("last.h5"), before, {**now, "pairs": pairs})
    now["data"]["height"] = 48
    with pytest.raises(InputError, match=r"\(data\.height: 32 there, 48 here\); undo"):
        checkpoint.check_same(Path("last.h5"), {**before, "pairs": pairs}, {**now, "pairs": pairs})


def test_checkpoint_of_other_pairs_is_refused_and_one_of_an_earlier_version_gets_a_remark(root: Path) -> None:
    before = identify(root)
    assert not checkpoint.check_same(Path("last.h5"), {"pairs": before}, {"pairs": before})
    assert "does not record which pairs" in checkpoint.check_same(Path("last.h5"), {}, {"pairs": before})
    put_flo(root / VAL_FLOW, flow(77))
    with pytest.raises(InputError, match=r"last\.h5: was trained on other pairs: the contents .* validation pairs"):
        checkpoint.check_same(Path("last.h5"), {"pairs": before}, {"pairs": identify(root)})
