import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeflownas.config import Config, dump, load
from edgeflownas.data.pipeline import read_batches
from edgeflownas.errors import InputError
from edgeflownas.network.definition import default_skeleton
from edgeflownas.network.operations import Residual
from edgeflownas.network.skeleton import Skeleton
from edgeflownas.network.space import Space
from edgeflownas.storage import checkpoint
from edgeflownas.tf_runtime.devices import CPU
from edgeflownas.training.child import ChildStep
from supernet.fairness import FairSampler, Group, UniformSampler, free_groups
from supernet.training import FairCycle, prepare_supernet_training
from tests.small import THREE_GENES, TRAIN, datasets, evaluation_data, weights_for

ROOT = Path(__file__).parents[2]
SMALL = [
    "supernet=null", "threads=1", "network.width=2", "data.height=32", "data.width=32", "data.train_pairs=12",
    "data.val_pairs=4", "train.epochs=8", "train.batch_size=4", "evaluation.calibration_pairs=4",
]  # fmt: skip


def config_for(*overrides: str) -> Config:
    return load(ROOT / "configs" / "demo.yaml", [*SMALL, *overrides])


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    prepare_supernet_training(config_for(), folder, {}).run()
    return folder


def history(folder):
    with (folder / "log.csv").open() as file:
        return [{key: row[key] for key in ("epoch", "steps", "loss", "epe", "share")} for row in csv.DictReader(file)]


def everything(folder):
    tensors, state = checkpoint.load(folder / "last.h5")
    return checkpoint.digest(tensors), state["step"], state["place"]["epoch"], history(folder)


def test_training_writes_weights_log_events_and_fair_counts(uninterrupted):
    best, state = checkpoint.load(uninterrupted / "best.h5")
    assert set(best) == {name for name in checkpoint.load(uninterrupted / "last.h5")[0] if "optimizer/" not in name}
    rows = history(uninterrupted)
    assert [row["steps"] for row in rows] == [str(3 * epoch) for epoch in range(1, 9)]
    assert state["epe"] == min(float(row["epe"]) for row in rows)
    assert list((uninterrupted / "events").glob("events.*"))
    fairness = json.loads((uninterrupted / "fairness.json").read_text())
    assert fairness["gap"] == 0 and all(counts == [24, 24, 24] for counts in fairness["counts"].values())


def test_killed_and_interrupted_training_ends_bit_for_bit_the_same(uninterrupted, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(dump(config_for()))
    command = [sys.executable, "-c", "from search.cli import main; main()", "train"]
    command += ["--config", str(config), "--run", str(tmp_path)]
    for signum, seen in ((signal.SIGKILL, "epoch 1/8"), (signal.SIGTERM, "epoch 3/8")):
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, universal_newlines=True)
        assert process.stderr is not None
        for line in process.stderr:
            if seen in line:
                process.send_signal(signum)
                break
        rest = process.stderr.read()
        process.stderr.close()
        assert process.wait() == (-signal.SIGKILL if signum == signal.SIGKILL else 130), rest
    subprocess.run(command, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    assert everything(tmp_path / "supernet") == everything(uninterrupted)


@pytest.mark.parametrize(
    ("override", "named"),
    [("network.width=4", "network"), ("data.motion=9", "data"), ("train.batch_size=2", "train"), ("seed=9", "seed")],
)
def test_changed_network_data_recipe_or_seed_changes_the_identity(uninterrupted, override, named):
    from search.run import Run

    def identity(config):
        return Run(config, uninterrupted).training_identity()

    before, after = identity(config_for()), identity(config_for(override))
    assert [name for name in before if before[name] != after[name]] == [named]


def test_training_of_another_identity_is_not_resumed(tmp_path):
    prepare_supernet_training(config_for("train.epochs=1"), tmp_path, {"data": "these"}).run()
    before = (tmp_path / "last.h5").read_bytes()
    with pytest.raises(InputError, match="data: these there, those here.*undo the change"):
        prepare_supernet_training(config_for("train.epochs=1"), tmp_path, {"data": "those"}).resume()
    assert (tmp_path / "last.h5").read_bytes() == before


def test_loss_that_is_not_finite_stops_the_training_and_keeps_the_last_checkpoint(uninterrupted, tmp_path):
    training = prepare_supernet_training(config_for("train.epochs=1"), tmp_path, {})
    training.run()
    before = (tmp_path / "last.h5").read_bytes()
    exploding = prepare_supernet_training(config_for("train.learning_rate=1e30", "train.warmup_steps=0"), tmp_path, {})
    exploding._place.epoch = 1
    with pytest.raises(FloatingPointError, match="not finite in step"):
        exploding.run()
    assert (tmp_path / "last.h5").read_bytes() == before
    with np.load(str(tmp_path / "not-finite.npz")) as batch:
        assert batch["images"].shape == (4, 32, 32, 6)


def test_epe_that_is_not_finite_stops_the_training_and_is_not_logged(tmp_path, monkeypatch):
    training = prepare_supernet_training(config_for("train.epochs=2"), tmp_path, {})
    scores = iter([1.0, float("nan")])
    monkeypatch.setattr(training._step, "evaluate", lambda: next(scores))
    with pytest.raises(FloatingPointError, match="the EPE after step 6 is not finite; the last checkpoint is good"):
        training.run()
    assert [row["epe"] for row in history(tmp_path)] == ["1.0"]
    assert checkpoint.load(tmp_path / "last.h5")[1]["place"]["epoch"] == 1


def test_fewer_training_pairs_than_a_batch_are_refused_before_any_long_work(tmp_path, monkeypatch):
    monkeypatch.setattr("supernet.training.EvaluationData", None)  # reads images
    with pytest.raises(InputError, match="train.batch_size: 4 is more than the 3 training pairs; lower it"):
        prepare_supernet_training(config_for("data.train_pairs=3"), tmp_path, {})


def test_uniform_sampling_trains_one_path_per_step_and_is_another_training(tmp_path):
    config = config_for("train.sampling=uniform", "train.epochs=2", "train.keep_every=1")
    prepare_supernet_training(config, tmp_path, {"train": config.train.recipe}).run()
    counts = json.loads((tmp_path / "fairness.json").read_text())["counts"]
    assert all(sum(of_gene) == 6 for of_gene in counts.values())
    kept = [checkpoint.load(tmp_path / "epochs" / f"{epoch:04d}.h5") for epoch in (1, 2)]
    assert [state["epoch"] for _, state in kept] == [1, 2]
    assert checkpoint.digest(kept[0][0]) != checkpoint.digest(kept[1][0])
    strict = config_for("train.epochs=2")
    assert "sampling" not in strict.train.recipe, "trainings that predate this setting can be resumed"
    with pytest.raises(InputError, match="train.sampling: uniform there, not set here"):
        prepare_supernet_training(strict, tmp_path, {"train": strict.train.recipe}).resume()


@pytest.mark.parametrize(
    "sampler, groups",
    [
        (UniformSampler, None),
        (FairSampler, [Group(0, ((0,), (1,), (2,))), Group(1, ((1, 2),))]),
        (FairSampler, [Group(0, ((2,), (0,))), Group(1, ((0, 0), (1, 0), (0, 1), (1, 2)))]),
    ],
    ids=["uniform", "fixed heads", "kept of both"],
)
def test_step_adds_the_gradients_of_its_paths_trained_alone(sampler, groups):
    """At a learning rate of 0, Adam's first moment is a tenth of the gradient."""
    skeleton, data = Skeleton(2, THREE_GENES), evaluation_data()
    weights, recipe = weights_for(skeleton), TRAIN.model_copy(update={"clip_norm": 1e9})
    batch = next(iter(read_batches(datasets()[0], range(4), 4, threads=1)))
    own_sampler = sampler(Space.from_skeleton(skeleton), np.random.default_rng(1), groups)
    step = FairCycle(skeleton, weights, recipe, data, own_sampler, 1, CPU)
    state = own_sampler.state()
    loss, gradients = step.run(batch, 0.0, 1.0), moments(step)
    own_sampler.restore(state)
    cycle, losses = own_sampler.draw_cycle(), []
    expected = {name: np.zeros_like(value) for name, value in weights.items()}
    for architecture in cycle:
        alone = ChildStep(skeleton, architecture, weights, recipe, data, 1, CPU)
        losses.append(alone.run(batch, 0.0, 1.0))
        for name, value in moments(alone).items():
            expected[name] += value
    assert len(cycle) == (1 if sampler is UniformSampler else 3)
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)
    for name, value in expected.items():
        np.testing.assert_allclose(gradients[name], value, rtol=1e-3, atol=1e-4 * np.abs(value).max(), err_msg=name)


def moments(step):
    """Return Adam's first moment of each weight."""
    tensors = step.tensors()
    return {name: tensors[f"optimizer/{name}/Adam"] for name in step.weight_names()}


def test_only_fixed_heads_are_trained(tmp_path):
    """Weight decay is off, so weights that no path uses do not change."""
    config = config_for("train.epochs=1", "train.weight_decay=0")
    space = Space.from_skeleton(default_skeleton(2))
    groups = [*free_groups(space)[:4], Group(4, ((1, 0, 2, 1, 0),))]
    training = prepare_supernet_training(config, tmp_path, {}, groups=groups)
    before = training._step.tensors()
    training.run()
    after, _ = checkpoint.load(tmp_path / "last.h5")
    kernels = [name for name in after if name.endswith("/kernel") and not name.startswith("optimizer/")]
    changed = {name.rsplit("/", 1)[0] for name in kernels if (after[name] != before[name]).any()}
    heads = {name for name in changed if name.startswith("H")}
    assert heads == {"H0Out/1", "H1/0", "H1Out/2", "H2/1", "H2Out/0"}
    assert {f"{gene}/{option}" for gene in ("EB0", "EB1", "DB0", "DB1") for option in range(3)} <= {
        "/".join(name.split("/")[:2]) for name in changed
    }


def test_residual_blocks_start_as_the_identity(tmp_path):
    step = prepare_supernet_training(config_for(), tmp_path, {})._step
    last = {name for name in step.tensors() if name.endswith("/bn1/gamma") and "optimizer" not in name}
    skeleton = default_skeleton(2)
    residual = [stage for stage in skeleton.stages if isinstance(stage.options[0][0], Residual)]
    ends = {
        skeleton.convolutions(stage, option)[2 * block + 1].norm + "/gamma"
        for stage in residual
        for option in range(len(stage.options))
        for block in range(stage.options[option][0].blocks)
    }
    assert last == ends and all((step.tensors()[name] == 0).all() for name in ends)
