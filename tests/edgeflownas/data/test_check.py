import numpy as np
import pytest

from edgeflownas.data.check import check
from edgeflownas.data.datasets import open_datasets, open_part
from edgeflownas.data.exclusion import read_exclusion, write_exclusion
from edgeflownas.data.reading import read_ahead
from edgeflownas.errors import InputError
from tests.edgeflownas.data.test_layouts import configured, names
from tests.edgeflownas.data.written import WRITERS, flow, image, put_flo, put_image, put_pfm


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_a_sound_data_set_has_nothing_to_list(kind, tmp_path):
    found = check(configured(WRITERS[kind](tmp_path)), threads=2)
    assert not found.bad and not found.missing and found.spoilt == 0 and found.files > 3


def test_every_kind_of_bad_file_is_found_with_its_reason_and_left_out_afterwards(tmp_path, capfd):
    config = configured(WRITERS["flyingchairs2"](tmp_path))
    for number in range(3, 9):
        for i in range(2):
            put_image(tmp_path / "train" / f"{number:07d}-img_{i}.png", image(number))
        put_flo(tmp_path / "train" / f"{number:07d}-flow_01.flo", flow(number))
    train = tmp_path / "train"
    (train / "0000000-img_1.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    (train / "0000001-flow_01.flo").write_bytes((train / "0000001-flow_01.flo").read_bytes()[:-1])
    put_flo(train / "0000002-flow_01.flo", np.full((40, 60, 2), np.nan, np.float32))
    put_flo(train / "0000003-flow_01.flo", np.where(np.arange(2) == 0, np.inf, flow(3)))
    put_image(train / "0000004-img_0.png", image(1, 30, 60))
    put_flo(train / "0000005-flow_01.flo", np.full((40, 60, 2), 2e9, np.float32))
    (train / "0000006-img_0.png").unlink()
    put_flo(tmp_path / "val" / "0000001-flow_01.flo", flow(1, 20, 20))
    found = check(config, threads=4)
    expected = {
        "train/0000000-img_1.png": "cannot be read as an image",
        "train/0000001-flow_01.flo": "is truncated",
        "train/0000002-flow_01.flo": "holds NaN in 2400 pixels",
        "train/0000003-flow_01.flo": "holds infinity",
        "train/0000004-img_0.png": "is 60 x 30 pixels, but the pair",
        "train/0000005-flow_01.flo": "knows of no pixel",
        "val/0000001-flow_01.flo": "is 20 x 20 pixels",
    }
    assert sorted(found.bad) == sorted(expected)
    assert all(reason in found.bad[name] for name, reason in expected.items())
    assert found.missing == ["train/0000006-img_0.png"] and found.spoilt == 7
    assert "libpng" not in capfd.readouterr().err

    path = tmp_path / "bad.txt"
    write_exclusion(path, found.bad)
    left = configured(config.model_dump(), exclude=str(path))
    parts = open_datasets(left)
    assert [len(part) for part in parts] == [2, 1]
    said = " ".join(capfd.readouterr().err.split())
    assert "6 of 8 train pairs left out by" in said and "1 of 2 val pairs left out by" in said
    assert all(np.isfinite(part.sample(i, None).flow).all() for part in parts for i in range(len(part)))
    assert sorted(check(left, threads=1).bad) == sorted(expected), "an earlier list does not hide anything"


def test_a_bad_label_shared_by_two_passes_takes_both_pairs_out_and_a_bad_image_only_its_own(tmp_path):
    config = configured(WRITERS["flyingthings3d"](tmp_path))
    label = "optical_flow/TEST/B/0000/into_future/left/OpticalFlowIntoFuture_0006_L.pfm"
    put_pfm(tmp_path / label, np.full((40, 60, 2), np.nan, np.float32))
    picture = "frames_cleanpass/TRAIN/A/0000/left/0006.png"
    (tmp_path / picture).write_bytes(b"")
    found = check(config, threads=2)
    assert sorted(found.bad) == [picture, label] and found.spoilt == 2 + 2
    write_exclusion(tmp_path / "bad.txt", found.bad)
    left = configured(config.model_dump(), exclude=str(tmp_path / "bad.txt"))
    assert [len(part) for part in open_datasets(left)] == [30, 14]
    assert not any(picture in files for files in names(open_part(left, "train")))


def test_a_list_may_be_written_by_hand_and_one_that_is_not_there_is_told(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_text("# mine\n\na b.png\nc.flo\tbecause\n")
    assert read_exclusion(path, "data.exclude") == {"a b.png": "", "c.flo": "because"}
    config = configured(WRITERS["middlebury"](tmp_path / "set"), exclude=str(tmp_path / "none.txt"))
    with pytest.raises(InputError, match="data.exclude: .*none.txt: cannot be read: .*`data check` writes it"):
        open_part(config, "val")
    path.write_text("other-gt-flow/Dimetrodon/flow10.flo\nother-gt-flow/Venus/flow10.flo\n")
    with pytest.raises(InputError, match="no validation pair is left"):
        open_part(configured(config.model_dump(), exclude=str(path)), "val")


def test_results_come_in_the_order_of_the_items_and_an_error_in_its_turn():
    assert list(read_ahead(lambda x: x * x, range(50), 4)) == [x * x for x in range(50)]
    results = read_ahead(lambda x: 1 // (3 - x), range(9), 4)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
