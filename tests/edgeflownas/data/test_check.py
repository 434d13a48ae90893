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
def test_intact_data_set_has_no_findings(kind, tmp_path):
    findings = check(configured(WRITERS[kind](tmp_path)), threads=2)
    assert not findings.bad and not findings.missing and findings.spoilt == 0 and findings.files > 3


def test_bad_files_are_found_with_their_reasons_and_then_excluded(tmp_path, capfd):
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
    findings = check(config, threads=4)
    expected = {
        "train/0000000-img_1.png": "cannot be read as an image",
        "train/0000001-flow_01.flo": "is truncated",
        "train/0000002-flow_01.flo": "contains NaN; non-finite pixels: 2400",
        "train/0000003-flow_01.flo": "contains infinity",
        "train/0000004-img_0.png": "is 60 x 30 pixels, unlike the rest of the pair",
        "train/0000005-flow_01.flo": "contains no pixel with known flow",
        "val/0000001-flow_01.flo": "is 20 x 20 pixels",
    }
    assert sorted(findings.bad) == sorted(expected)
    assert all(reason in findings.bad[name] for name, reason in expected.items())
    assert findings.missing == ["train/0000006-img_0.png"] and findings.spoilt == 7
    assert "libpng" not in capfd.readouterr().err

    path = tmp_path / "bad.txt"
    write_exclusion(path, findings.bad)
    remaining = configured(config.model_dump(), exclude=str(path))
    parts = open_datasets(remaining)
    assert [len(part) for part in parts] == [2, 1]
    said = " ".join(capfd.readouterr().err.split())
    assert "excludes 6 of 8 train pairs" in said and "excludes 1 of 2 val pairs" in said
    assert all(np.isfinite(part.sample(i, None).flow).all() for part in parts for i in range(len(part)))
    assert sorted(check(remaining, threads=1).bad) == sorted(expected), "the list of an earlier check hides nothing"


def test_bad_flow_excludes_the_pairs_of_both_passes_and_a_bad_image_only_those_of_its_pass(tmp_path):
    config = configured(WRITERS["flyingthings3d"](tmp_path))
    label = "optical_flow/TEST/B/0000/into_future/left/OpticalFlowIntoFuture_0006_L.pfm"
    put_pfm(tmp_path / label, np.full((40, 60, 2), np.nan, np.float32))
    picture = "frames_cleanpass/TRAIN/A/0000/left/0006.png"
    (tmp_path / picture).write_bytes(b"")
    findings = check(config, threads=2)
    assert sorted(findings.bad) == [picture, label] and findings.spoilt == 2 + 2
    write_exclusion(tmp_path / "bad.txt", findings.bad)
    remaining = configured(config.model_dump(), exclude=str(tmp_path / "bad.txt"))
    assert [len(part) for part in open_datasets(remaining)] == [30, 14]
    assert not any(picture in files for files in names(open_part(remaining, "train")))


def test_exclusion_list_can_be_written_by_hand_and_a_missing_one_is_reported(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_text("# mine\n\na b.png\nc.flo\tbecause\n")
    assert read_exclusion(path, "data.exclude") == {"a b.png": "", "c.flo": "because"}
    config = configured(WRITERS["middlebury"](tmp_path / "set"), exclude=str(tmp_path / "none.txt"))
    with pytest.raises(InputError, match="data.exclude: .*none.txt: cannot be read: .*create it with `data check`"):
        open_part(config, "val")
    path.write_text("other-gt-flow/Dimetrodon/flow10.flo\nother-gt-flow/Venus/flow10.flo\n")
    with pytest.raises(InputError, match="no validation pair of .* is left"):
        open_part(configured(config.model_dump(), exclude=str(path)), "val")


NAMES = ("#1.flo", "'a'.flo", '"a".flo', " a.flo", "a .flo ", "a\tb.flo", "caf\udce9.flo", "a#b.flo")


@pytest.mark.parametrize("name", NAMES)
def test_exclusion_list_contains_any_name(name, tmp_path):
    write_exclusion(tmp_path / "bad.txt", {name: "is bad", "c.flo": "is\tworse"})
    assert read_exclusion(tmp_path / "bad.txt", "data.exclude") == {name: "is bad", "c.flo": "is worse"}


def test_results_and_errors_come_in_the_order_of_the_items():
    assert list(read_ahead(lambda x: x * x, range(50), 4)) == [x * x for x in range(50)]
    results = read_ahead(lambda x: 1 // (3 - x), range(9), 4)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
