import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeflownas.config import FlyingChairs2Data
from edgeflownas.data.datasets import open_datasets
from edgeflownas.data.formats import write_flo
from edgeflownas.errors import InputError

REAL = Path(os.environ.get("EDGEFLOWNAS_TEST_DATA", Path(__file__).parents[4] / "shared" / "data")) / "chairs_fc2"


def write_pair(folder, name, images, flow):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(2):
        cv2.imwrite(str(folder / f"{name}-img_{i}.png"), images[..., 3 * i : 3 * i + 3][..., ::-1])
    write_flo(folder / f"{name}-flow_01.flo", flow)


@pytest.fixture
def folders(tmp_path):
    """Three training pairs and one validation pair of 40 x 60 pixels, larger than the crop, and their content."""
    rng = np.random.default_rng(0)
    content = {}
    for part, names in (("train", ["0000010", "0000002", "0000007"]), ("val", ["0000001"])):
        for name in names:
            images = rng.integers(0, 256, (40, 60, 6)).astype(np.uint8)
            flow = rng.normal(0, 5, (40, 60, 2)).astype(np.float32)
            write_pair(tmp_path / part, name, images, flow)
            content[name] = images, flow
    return tmp_path, content


def config_for(root, **changes):
    content = {"kind": "flyingchairs2", "height": 32, "width": 48, **changes}
    return FlyingChairs2Data(train_dir=str(root / "train"), val_dir=str(root / "val"), **content)


def test_pairs_are_ordered_by_name_and_cropped_at_the_centre(folders):
    root, content = folders
    train, val = open_datasets(config_for(root))
    assert (len(train), len(val)) == (3, 1)
    for index, name in enumerate(["0000002", "0000007", "0000010"]):
        sample = train.sample(index, None)
        np.testing.assert_array_equal(sample.images, content[name][0][4:36, 6:54])
        np.testing.assert_array_equal(sample.flow, content[name][1][4:36, 6:54])
        assert sample.valid.all() and sample.occluded is None


def test_training_crops_and_mirrors_images_and_flow_together(folders):
    root, content = folders
    train, _ = open_datasets(config_for(root))
    images, flow = content["0000002"]
    seen = set()
    for seed in range(40):
        sample = train.sample(0, np.random.default_rng(seed))
        for vertical in (1, -1):
            for horizontal in (1, -1):
                upright = sample.images[::vertical, ::horizontal]
                for top in range(9):
                    for left in range(13):
                        window = (slice(top, top + 32), slice(left, left + 48))
                        if (upright == images[window]).all():
                            signs = np.float32([horizontal, vertical])
                            back = sample.flow[::vertical, ::horizontal] * signs
                            np.testing.assert_array_equal(back, flow[window])
                            seen.add((top, left, vertical, horizontal))
    assert len(seen) > 30 and len({place[2:] for place in seen}) == 4


def test_without_flips_nothing_is_mirrored(folders):
    root, content = folders
    train, _ = open_datasets(config_for(root, flips=False, height=32, width=48))
    samples = [train.sample(0, np.random.default_rng(seed)).images for seed in range(20)]
    images = content["0000002"][0]
    windows = [images[top : top + 32, left : left + 48] for top in range(9) for left in range(13)]
    assert all(any((sample == window).all() for window in windows) for sample in samples)


def test_unknown_flow_is_invalid_and_zero(folders):
    root, content = folders
    images, flow = content["0000001"]
    flow[10, 20] = 1e10
    write_pair(root / "val", "0000001", images, flow)
    sample = open_datasets(config_for(root))[1].sample(0, None)
    assert not sample.valid[6, 14] and (sample.flow[6, 14] == 0).all() and sample.valid.sum() == 32 * 48 - 1


def test_sizes_that_the_network_does_not_take_are_padded_with_invalid_pixels(folders):
    root, content = folders
    train, val = open_datasets(config_for(root, height=40, width=60))
    assert (len(train), len(val)) == (3, 1)
    sample = val.sample(0, None)
    images, flow = content["0000001"]
    np.testing.assert_array_equal(sample.images[:40, :60], images)
    np.testing.assert_array_equal(sample.flow[:40, :60], flow)
    assert sample.images.shape == (48, 64, 6) and sample.valid.shape == (48, 64)
    assert sample.valid[:40, :60].all() and sample.valid.sum() == 40 * 60 and not sample.flow[40:].any()
    np.testing.assert_array_equal(sample.images[:40, 60], images[:, -1])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda train: (train / "0000002-img_0.png").unlink(), "0000002-img_0.png: cannot be read: No such file"),
        (lambda train: (train / "0000002-img_1.png").write_bytes(b"x"), "img_1.png: cannot be read as an image"),
        (lambda train: (train / "0000002-flow_01.flo").write_bytes(b"PIEH"), "0000002-flow_01.flo"),
        (lambda train: write_flo(train / "0000002-flow_01.flo", np.zeros((8, 8, 2))), "differ in size"),
        (lambda train: write_flo(train / "0000002-flow_01.flo", np.full((40, 60, 2), np.nan)), "contains NaN"),
    ],
)
def test_bad_pair_is_refused_by_name(folders, spoil, message):
    root, _ = folders
    train, _ = open_datasets(config_for(root))
    spoil(root / "train")
    with pytest.raises(InputError, match=message):
        train.sample(0, None)


def test_crop_larger_than_the_images_is_refused(folders):
    root, _ = folders
    with pytest.raises(InputError, match="60x40 pixels, smaller than the crop; lower data.width"):
        open_datasets(config_for(root, height=48))[0].sample(0, None)


def test_missing_and_empty_folders_are_refused(folders):
    root, _ = folders
    config = config_for(root)
    with pytest.raises(InputError, match="data.train_dir: .*nowhere is not a folder"):
        open_datasets(config.model_copy(update={"train_dir": str(root / "nowhere")}))
    (root / "empty").mkdir()
    with pytest.raises(InputError, match="data.val_dir: .*empty contains no"):
        open_datasets(config.model_copy(update={"val_dir": str(root / "empty")}))


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real pairs at {REAL}; set EDGEFLOWNAS_TEST_DATA to their folder")
def test_flow_of_real_pairs_explains_the_second_image():
    config = FlyingChairs2Data(
        kind="flyingchairs2", height=384, width=512, train_dir=str(REAL / "train"), val_dir=str(REAL / "val")
    )
    train, val = open_datasets(config)
    assert (len(train), len(val)) == (9, 3)
    ratios = {sign: [] for sign in (1, -1)}
    for dataset in (train, val):
        for index in range(len(dataset)):
            sample = dataset.sample(index, None)
            first, second = (sample.images[..., part].astype(np.float32) for part in (slice(3), slice(3, 6)))
            grid = np.stack(np.meshgrid(np.arange(512), np.arange(384)), -1).astype(np.float32)
            for sign, values in ratios.items():
                target = grid + sign * sample.flow
                inside = ((target >= 0) & (target <= (511, 383))).all(axis=-1)
                warped = cv2.remap(second, target[..., 0], target[..., 1], cv2.INTER_LINEAR)
                values.append(np.abs(warped - first)[inside].mean() / np.abs(second - first)[inside].mean())
    assert np.mean(ratios[1]) < 0.45 and max(ratios[1]) < 0.65
    assert np.mean(ratios[-1]) > 1.0
