"""Data sets in every official layout, written by the tests: the listed pairs and their content."""

import shutil
from typing import Any, Dict

import numpy as np
import pytest
from pydantic import TypeAdapter

from edgeflownas.config import DataConfig
from edgeflownas.data.datasets import open_datasets, open_part
from edgeflownas.errors import InputError
from tests.edgeflownas.data.written import HEIGHT, WIDTH, WRITERS, flow, image


def configured(content, **changes):
    return TypeAdapter(DataConfig).validate_python({"height": 32, "width": 48, **content, **changes})


def names(dataset):
    return [dataset.files(index) for index in range(len(dataset))]


def opened(kind, root, **changes):
    config = configured(WRITERS[kind](root), **changes)
    return open_part(config, "train"), open_part(config, "val")


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        ("flyingchairs", (3, 2)),
        ("flyingchairs2", (3, 2)),
        ("flyingthings3d", (2 * 2 * 2 * 2 * 2, 2 * 2 * 2 * 2)),  # sequences, passes, cameras, directions, pairs
        ("sintel", (0, 8)),
        ("kitti2012", (0, 4)),
        ("kitti2015", (0, 4)),
        ("middlebury", (0, 2)),
        ("list", (1, 3)),
    ],
)
def test_pairs_of_layout_are_listed_and_read(kind, counts, tmp_path, capsys):
    parts = opened(kind, tmp_path)
    assert tuple(len(part) for part in parts) == counts
    for part in parts:
        assert len(set(names(part))) == len(part)
        for index in range(len(part)):
            whole, crop = part.full_sample(index), part.sample(index, np.random.default_rng(index))
            assert whole.images.shape == whole.valid.shape + (6,) and whole.images.dtype == np.uint8
            assert whole.flow.dtype == np.float32 and np.isfinite(whole.flow).all() and whole.valid.any()
            assert not whole.flow[~whole.valid].any()
            assert crop.images.shape == (32, 48, 6) and crop.flow.shape == (32, 48, 2)
    assert "missing" not in capsys.readouterr().err


def test_flyingchairs_follows_the_official_split(tmp_path):
    train, val = opened("flyingchairs", tmp_path)
    assert [files[2] for files in names(train)] == [f"data/0000{i}_flow.flo" for i in (1, 2, 4)]
    assert [files[2] for files in names(val)] == [f"data/0000{i}_flow.flo" for i in (3, 5)]
    sample = val.full_sample(0)
    np.testing.assert_array_equal(sample.images, np.concatenate([image(31), image(32)], axis=-1))
    np.testing.assert_array_equal(sample.flow, flow(3))


def test_flyingthings_has_pairs_of_both_directions_passes_and_cameras(tmp_path):
    train, val = opened("flyingthings3d", tmp_path)
    assert all(files[0].startswith("frames_") and "/TEST/B/" in files[0] for files in names(val))
    assert {files[0].split("/")[2] for files in names(train)} == {"A", "C"}
    files = ("frames_finalpass/TEST/B/0000/right/0008.png", "frames_finalpass/TEST/B/0000/right/0007.png")
    flows = "optical_flow/TEST/B/0000/into_past/right/OpticalFlowIntoPast_0008_R.pfm"
    place = names(val).index((*files, flows))
    seed = 1000 + 100 * ord("B")
    np.testing.assert_array_equal(
        val.full_sample(place).images, np.concatenate([image(seed + 18), image(seed + 17)], axis=-1)
    )
    np.testing.assert_array_equal(val.full_sample(place).flow, flow(seed + 8 + 1))
    forward = (
        "frames_cleanpass/TEST/B/0000/left/0006.png",
        "frames_cleanpass/TEST/B/0000/left/0007.png",
        "optical_flow/TEST/B/0000/into_future/left/OpticalFlowIntoFuture_0006_L.pfm",
    )
    assert forward in names(val)
    few = configured(
        {"kind": "flyingthings3d", "root": str(tmp_path)}, passes=["clean"], cameras=["left"], directions=["into_past"]
    )
    assert [files[2][-12:] for files in names(open_part(few, "val"))] == ["t_0007_L.pfm", "t_0008_L.pfm"]


def test_sintel_masks_are_read_and_scenes_can_be_split(tmp_path):
    _, val = opened("sintel", tmp_path)
    sample = val.full_sample(0)
    assert not sample.valid[:, :5].any() and sample.valid[:, 5:].all() and not sample.flow[:, :5].any()
    assert sample.occluded[:, -5:].all() and not sample.occluded[:, :-5].any()
    np.testing.assert_array_equal(sample.flow[:, 5:], flow(1)[:, 5:])
    content = {"kind": "sintel", "root": str(tmp_path), "passes": ["final"], "val_scenes": ["bamboo_2"]}
    train, val = (open_part(configured(content), part) for part in ("train", "val"))
    assert {files[0].split("/")[2] for files in names(train)} == {"alley_1"}
    assert [files[0] for files in names(val)] == [f"training/final/bamboo_2/frame_000{i}.png" for i in (1, 2)]
    with pytest.raises(InputError, match="data.val_scenes: .*no scene cave_9; there are alley_1, bamboo_2"):
        open_part(configured(content, val_scenes=["cave_9"]), "val")


@pytest.mark.parametrize("year", [2012, 2015])
def test_kitti_flow_is_sparse_with_and_without_occluded_pixels(year, tmp_path):
    _, occ = opened(f"kitti{year}", tmp_path)
    noc = open_part(configured({"kind": f"kitti{year}", "root": str(tmp_path), "flow": "noc"}), "val")
    sample, fewer = occ.full_sample(2), noc.full_sample(2)
    assert sample.valid.shape == (HEIGHT + 2, WIDTH + 4)
    assert not (fewer.valid & ~sample.valid).any() and fewer.valid.sum() < sample.valid.sum()
    error = np.abs(sample.flow - flow(2, *sample.valid.shape))[sample.valid]
    assert error.max() <= 1 / 128 + 1e-4
    split = configured({"kind": f"kitti{year}", "root": str(tmp_path), "val_every": 2})
    halves = [[files[2][-13:-7] for files in names(part)] for part in open_datasets(split)]
    assert halves == [["000001", "000003"], ["000000", "000002"]]


def test_kitti_2012_falls_back_to_grey_images(tmp_path):
    config = configured(WRITERS["kitti2012"](tmp_path))
    (tmp_path / "training" / "colored_0").rename(tmp_path / "training" / "image_0")
    assert names(open_part(config, "val"))[0][0] == "training/image_0/000000_10.png"


def test_both_marks_of_unknown_flow_in_middlebury_are_invalid(tmp_path):
    _, val = opened("middlebury", tmp_path)
    sample = val.full_sample(0)
    assert not sample.valid[0, 0] and not sample.valid[1, 1] and sample.valid.sum() == HEIGHT * WIDTH - 2


def test_list_accepts_all_formats_quotes_comments_and_absolute_names(tmp_path):
    train, val = opened("list", tmp_path)
    assert names(train) == [("my images/a.png", "my images/b.jpg", "a.flo")]
    assert [files[2] for files in names(val)] == ["a.flo", "a.pfm", "a.png"]
    flows = [val.full_sample(index).flow for index in range(3)]
    np.testing.assert_array_equal(flows[0], flows[1])
    np.testing.assert_allclose(flows[0], flows[2], atol=1 / 128 + 1e-4)
    for line, said in (("a.png b.png", "val.txt:1: has 2 names"), ("'a b c", "val.txt:1: no closing quotation")):
        (tmp_path / "val.txt").write_text(line)
        with pytest.raises(InputError, match=said):
            open_part(configured({"kind": "list", "val_list": str(tmp_path / "val.txt")}), "val")


def test_missing_files_are_counted_and_reported(tmp_path, capsys):
    config = configured(WRITERS["flyingchairs2"](tmp_path))
    (tmp_path / "train" / "0000001-flow_01.flo").unlink()
    (tmp_path / "train" / "0000002-img_1.png").unlink()
    train, _ = open_datasets(config)
    assert len(train) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "data: pairs with missing files are left out (2 missing: " in said
    assert "0000001-flow_01.flo" in said and "train pairs left: 1" in said


@pytest.mark.parametrize(
    ("kind", "lost", "pairs"),
    [
        ("sintel", "training/clean/alley_1/frame_0002.png", 2),
        ("sintel", "training/final/bamboo_2/frame_0003.png", 1),
        ("sintel", "training/flow/alley_1/frame_0001.flo", 2),  # shared by clean and final
        ("sintel", "training/invalid/alley_1/frame_0001.png", 2),
        ("flyingthings3d", "frames_finalpass/TEST/B/0000/right/0007.png", 4),
        ("flyingthings3d", "frames_cleanpass/TEST/B/0000/left/0008.png", 2),
        ("flyingthings3d", "optical_flow/TEST/B/0000/into_past/left/OpticalFlowIntoPast_0007_L.pfm", 2),
    ],
)
def test_missing_frame_is_counted_and_its_neighbours_do_not_form_a_pair(kind, lost, pairs, tmp_path, capsys):
    config = configured(WRITERS[kind](tmp_path))
    before = names(open_part(config, "val"))
    (tmp_path / lost).unlink()
    left = names(open_part(config, "val"))
    assert set(left) < set(before) and len(left) == len(before) - pairs
    said = " ".join(capsys.readouterr().err.split())
    assert "data: pairs with missing files are left out (1 missing: " in said
    assert f"val pairs left: {len(left)}" in said and lost in said


def test_sequence_without_images_is_counted(tmp_path, capsys):
    config = configured(WRITERS["flyingthings3d"](tmp_path), passes=["clean"])
    shutil.rmtree(str(tmp_path / "frames_cleanpass" / "TRAIN" / "A" / "0000" / "left"))
    shutil.rmtree(str(tmp_path / "frames_cleanpass" / "TRAIN" / "C"))
    assert len(open_part(config, "train")) == 4
    assert "are left out (9 missing: " in capsys.readouterr().err


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_missing_or_empty_data_set_is_reported_in_one_line_with_its_key(kind, tmp_path):
    content = WRITERS[kind](tmp_path / "set")
    shutil.rmtree(str(tmp_path / "set"))
    with pytest.raises(InputError, match=r"^queue.train.1.data.*set") as error:
        open_part(configured(content), "val", "queue.train.1.data")
    assert "\n" not in str(error.value)
    if "root" in content:
        (tmp_path / "set").mkdir()
        with pytest.raises(InputError, match="^data.root: .*set it to"):
            open_part(configured(content), "val")


def test_data_set_without_training_pairs_cannot_be_opened_for_training(tmp_path):
    with pytest.raises(InputError, match="data: sintel as configured has no training pairs; .*val_scenes"):
        open_datasets(configured(WRITERS["sintel"](tmp_path)))


@pytest.mark.parametrize(
    ("split", "said"), [("1\n3\n", "must contain only 1"), ("1\n2\n", "has 2 lines"), (None, "cannot be")]
)
def test_split_that_does_not_fit_the_pairs_is_refused(split, said, tmp_path):
    config = configured(WRITERS["flyingchairs"](tmp_path))
    path = tmp_path / "FlyingChairs_train_val.txt"
    path.unlink() if split is None else path.write_text(split)
    with pytest.raises(InputError, match=f"data.split: .*{said}"):
        open_part(config, "train")


def test_selected_pairs_are_spread_over_the_data_set(tmp_path):
    train, _ = opened("flyingthings3d", tmp_path)
    assert list(train.select(4)) == [0, 8, 16, 24] and list(train.select(100)) == list(range(32))
    assert list(open_datasets(configured({"kind": "procedural"}))[0].select(3)) == [0, 1, 2]


FOREIGN = ("@eaDir", "._{}", ".DS_Store", "Thumbs.db", "{}~", "copy of {}", ".git", "{}.part", "AAA_1.txt", "#recycle")
SPLITS: Dict[str, Any] = {
    "kitti2012": {"val_every": 2}, "kitti2015": {"val_every": 3}, "middlebury": {"val_every": 2},
    "sintel": {"val_scenes": ["alley_1"]},
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(set(WRITERS) - {"list"}))
def test_names_of_other_programs_are_ignored_everywhere(kind, tmp_path, capsys):
    config = configured(WRITERS[kind](tmp_path), **SPLITS.get(kind, {}))
    before = [names(open_part(config, part)) for part in ("train", "val")]
    for folder in [path for path in tmp_path.rglob("*") if path.is_dir()]:
        for name in [path.name for path in sorted(folder.iterdir())][:2]:
            for pattern in FOREIGN:
                target = folder / pattern.format(name)
                if (folder / name).is_dir():
                    target.mkdir(exist_ok=True)
                elif not target.exists():
                    target.write_text("not of the layout")
    assert [names(open_part(config, part)) for part in ("train", "val")] == before
    assert not capsys.readouterr().err


def test_sequences_of_flyingthings_with_other_names_are_reported(tmp_path, capsys):
    config = configured(WRITERS["flyingthings3d"](tmp_path))
    flows = tmp_path / "optical_flow" / "TEST"
    shutil.copytree(str(flows / "B" / "0000"), str(flows / "B" / "0000_fixed"))
    (flows / "B" / "@eaDir").mkdir()
    open_part(config, "val")
    said = capsys.readouterr().err
    assert "not of the official flyingthings3d (1): optical_flow/TEST/B/0000_fixed" in " ".join(said.split())


def test_empty_list_is_refused(tmp_path):
    (tmp_path / "val.txt").write_text("# nothing\n\n")
    with pytest.raises(InputError, match="data.val_list: .*val.txt contains no lines; write one line per pair"):
        open_part(configured({"kind": "list", "val_list": str(tmp_path / "val.txt")}), "val")


@pytest.mark.parametrize("kind", ["kitti2012", "kitti2015", "middlebury"])
def test_part_of_a_pair_does_not_depend_on_other_pairs(kind, tmp_path):
    config = configured(WRITERS[kind](tmp_path), val_every=2)
    before = [set(names(open_part(config, part))) for part in ("train", "val")]
    removed = sorted(before[1])[0]
    flow = tmp_path / removed[2]
    if kind == "middlebury":
        shutil.rmtree(str(flow.parent))  # of a whole scene
    else:
        flow.unlink()
    assert set(names(open_part(config, "train"))) == before[0]
    if len(before[1]) > 1:
        assert set(names(open_part(config, "val"))) == before[1] - {removed}


def test_split_of_the_official_kitti_and_middlebury_is_by_place(tmp_path):
    from edgeflownas.data import layouts

    assert [layouts._belongs_to_part(number, 3, "val") for number in range(4)] == [True, False, False, True]
    assert list(layouts._MIDDLEBURY) == sorted(layouts._MIDDLEBURY) and len(layouts._MIDDLEBURY) == 8


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ("\ufeffa.png b.png a.flo", ["a.png", "b.png", "a.flo"]),
        (r"scene\a0.png scene\sub\b.png 'x y\c.flo'", ["scene/a0.png", "scene/sub/b.png", "x y/c.flo"]),
        ("frame#1.png 'frame #2.png' a.flo # a comment", ["frame#1.png", "frame #2.png", "a.flo"]),
        (r"my\ images/a.png my' 'images/b.png a.FLO", ["my images/a.png", "my images/b.png", "a.FLO"]),
        ("\ta.png\t b.png   a.PFM \r", ["a.png", "b.png", "a.PFM"]),
    ],
)
def test_lines_of_a_list_are_read_as_people_write_them(line, files, tmp_path):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "val.txt").write_text(f"{line}\n", encoding="utf-8")
    val = open_part(configured({"kind": "list", "val_list": str(tmp_path / "val.txt")}), "val")
    assert names(val) == [tuple(files)]


def test_parent_of_a_linked_folder_is_that_of_its_target(tmp_path):
    content = WRITERS["list"](tmp_path / "far" / "set")
    (tmp_path / "far" / "set" / "lists").mkdir()
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "lists").symlink_to(tmp_path / "far" / "set" / "lists", target_is_directory=True)
    path = tmp_path / "near" / "lists" / "val.txt"
    path.write_text("'../my images/a.png' '../my images/b.jpg' ../a.flo")
    sample = open_part(configured({**content, "val_list": str(path), "train_list": None}), "val").full_sample(0)
    np.testing.assert_array_equal(sample.flow, flow(1))


@pytest.mark.parametrize("suffix", [".FLO", ".Flo", ".PFM", ".PNG"])
def test_suffixes_may_have_any_case(suffix, tmp_path):
    content = WRITERS["list"](tmp_path)
    (tmp_path / f"a{suffix.lower()}").rename(tmp_path / f"b{suffix}")
    (tmp_path / "val.txt").write_text(f"'my images/a.png' 'my images/b.jpg' b{suffix}")
    val = open_part(configured(content), "val")
    np.testing.assert_allclose(val.full_sample(0).flow, flow(1), atol=1 / 128 + 1e-4)


@pytest.mark.parametrize(
    "form",
    ["{}", "./{}", "{root}/{}", "training//{tail}", "\ufeff{}", "{back}", "x/../{}", "~/{}", "'{}'", '  "{}"'],
)
def test_excluded_files_may_be_named_in_any_way(form, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    content = WRITERS["sintel"](tmp_path)
    name = "training/flow/alley_1/frame_0001.flo"
    (tmp_path / "x").mkdir()
    entry = form.format(name, root=tmp_path, tail=name.split("/", 1)[1], back=name.replace("/", "\\"))
    (tmp_path / "bad.txt").write_text(f"{entry}\treason\r\n", encoding="utf-8")
    config = configured(content, exclude=str(tmp_path / "bad.txt"))
    assert len(open_part(config, "val")) == 6  # of 8: the flow is that of two passes
    assert "entries without a file" not in capsys.readouterr().err
    (tmp_path / "bad.txt").write_text("nothing.flo\n")
    assert len(open_part(config, "val")) == 8
    assert "entries without a file in the data set: 1, such as nothing.flo" in " ".join(capsys.readouterr().err.split())


def test_list_of_bad_files_in_another_encoding_is_refused(tmp_path):
    config = configured(WRITERS["sintel"](tmp_path), exclude=str(tmp_path / "bad.txt"))
    (tmp_path / "bad.txt").write_text("training/flow/alley_1/frame_0001.flo\n", encoding="utf-16")
    with pytest.raises(InputError, match=r"exclude: .*bad\.txt: is not a text file in UTF-8"):
        open_part(config, "val")


def test_names_in_a_list_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    content = WRITERS["list"](tmp_path / "set")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "set" / "val.txt").write_text("'~/set/my images/a.png' '~/set/my images/b.jpg' ~/set/a.flo")
    np.testing.assert_array_equal(open_part(configured(content), "val").full_sample(0).flow, flow(1))


def test_official_list_of_unused_frames_excludes_them_in_every_pass(tmp_path):
    config = configured(WRITERS["flyingthings3d"](tmp_path), exclude=str(tmp_path / "all_unused_files.txt"))
    (tmp_path / "all_unused_files.txt").write_text("TRAIN/A/0000/left/0006.png\n")
    kept = names(open_part(config, "train"))
    assert len(kept) == 32 - 4 and not any("/A/0000/left/0006.png" in name for files in kept for name in files)


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_paths_may_begin_with_the_home_folder(kind, tmp_path, monkeypatch):
    content = WRITERS[kind](tmp_path)
    (tmp_path / "bad.txt").write_text("")
    before = names(open_part(configured(content), "val"))
    monkeypatch.setenv("HOME", str(tmp_path))
    at_home = {key: str(value).replace(str(tmp_path), "~") for key, value in content.items()}
    assert names(open_part(configured(at_home, exclude="~/bad.txt"), "val")) == before


def test_masks_of_a_list_are_those_of_the_layout(tmp_path):
    sintel = open_part(configured(WRITERS["sintel"](tmp_path), passes=["clean"]), "val")
    lines = []
    for pair in sintel.listing.pairs:
        lines.append(" ".join(str(file.relative_to(tmp_path)) for file in pair.files))
        lines.append(" ".join([*lines[-1].split()[:3], "-", lines[-1].split()[4]]))
    (tmp_path / "val.txt").write_text("\n".join(lines))
    val = open_part(configured({"kind": "list", "val_list": str(tmp_path / "val.txt")}), "val")
    for index in range(len(sintel)):
        layout, listed, unmasked = sintel.full_sample(index), val.full_sample(2 * index), val.full_sample(2 * index + 1)
        for name in ("images", "flow", "valid", "occluded"):
            np.testing.assert_array_equal(getattr(layout, name), getattr(listed, name))
        assert not layout.valid.all() and unmasked.valid.all()
        np.testing.assert_array_equal(unmasked.occluded, layout.occluded)
