import numpy as np

from edgeflownas.config import FlyingShapesData
from edgeflownas.data.flying_shapes import FlyingShapesDataset

CONFIG = FlyingShapesData(kind="flying_shapes", height=64, width=96, train_pairs=400, objects=0, motion=24)


def test_lengths_of_motions_are_uniform_on_a_logarithmic_scale():
    """Without objects, the median length of a scene's flow is about the length that was drawn."""
    dataset = FlyingShapesDataset(CONFIG, "train")
    lengths = [np.median(np.linalg.norm(dataset.sample(index, None).flow, axis=-1)) for index in range(400)]
    edges = np.exp(np.linspace(np.log(0.5), np.log(24), 5))[1:-1]  # of four ranges that are about equally frequent
    counts = np.histogram(lengths, [0, *edges, np.inf])[0]
    assert counts.sum() == 400 and counts.min() > 40 and counts.max() < 140, counts
    assert np.max(lengths) < 30


def test_only_objects_interrupt_the_flow():
    """The flow of a background is smooth; most scenes with up to three objects have steps, but not all objects move."""
    interrupted = {}
    for objects in (0, 3):
        dataset = FlyingShapesDataset(CONFIG.model_copy(update={"objects": objects}), "train")
        flows = [dataset.sample(index, None).flow for index in range(100)]
        steps = [max(np.abs(np.diff(flow, axis=axis)).max() for axis in (0, 1)) for flow in flows]
        interrupted[objects] = sum(step > 1 for step in steps)
    assert interrupted[0] == 0 and 50 < interrupted[3] < 90


def test_textures_and_contrasts_vary():
    """Standard deviations of the grey levels of frames cover a wide range, and few frames are nearly uniform."""
    dataset = FlyingShapesDataset(CONFIG, "train")
    contrasts = [dataset.sample(index, None).images[..., :3].std(axis=(0, 1)).mean() for index in range(100)]
    low, high = np.percentile(contrasts, [10, 90])
    assert 5 < low < 30 and 40 < high < 90
