import h5py
import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.storage import checkpoint

KERNEL = np.arange(2000, dtype=np.float32).reshape(10, 200)
TENSORS = {"a/kernel": KERNEL, "a/bias": np.ones(2, np.float32), "step": np.int64(3)}
STATE = {"epoch": 3, "text": "x" * 100_000}


@pytest.fixture
def path(tmp_path):
    checkpoint.save(tmp_path / "weights.h5", TENSORS, STATE)
    return tmp_path / "weights.h5"


def test_load_returns_what_save_wrote(path):
    tensors, state = checkpoint.load(path)
    assert state == STATE and checkpoint.digest(tensors) == checkpoint.digest(TENSORS)


def test_weights_are_readable_by_any_hdf5_reader(path):
    with h5py.File(str(path), "r") as file:
        np.testing.assert_array_equal(file["tensors/a/kernel"][()], TENSORS["a/kernel"])


def test_digest_depends_on_values_names_shapes_and_types():
    changed = dict(TENSORS, **{"a/bias": np.float32([1, 2.0000002])})
    renamed = {name.replace("bias", "beta"): value for name, value in TENSORS.items()}
    reshaped = dict(TENSORS, **{"a/kernel": TENSORS["a/kernel"].T.reshape(200, 10)})
    retyped = dict(TENSORS, **{"a/bias": np.float64([1, 2])})
    digests = {checkpoint.digest(tensors) for tensors in (TENSORS, changed, renamed, reshaped, retyped)}
    assert len(digests) == 5
    assert checkpoint.digest(dict(reversed(list(TENSORS.items())))) == checkpoint.digest(TENSORS)


def test_load_detects_damage_anywhere(path):
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(whole)
        place = int(rng.integers(len(whole)))
        kind = rng.integers(3)
        if kind == 0:
            damaged[place] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            damaged = damaged[:place]
        else:
            damaged[place : place + 64] = bytes(b ^ 0xFF for b in damaged[place : place + 64])
        path.write_bytes(bytes(damaged))
        with pytest.raises(InputError, match="weights.h5: is truncated or damaged"):
            checkpoint.load(path)


def test_load_refuses_missing_and_other_files(tmp_path):
    with pytest.raises(InputError, match="no such file; train a supernet first"):
        checkpoint.load(tmp_path / "nothing.h5")
    with h5py.File(str(tmp_path / "other.h5"), "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="other.h5"):
        checkpoint.load(tmp_path / "other.h5")


def test_save_refuses_weights_that_are_not_finite(path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="a/bias is not finite"):
        checkpoint.save(path, dict(TENSORS, **{"a/bias": np.float32([1, np.nan])}), STATE)
    assert path.read_bytes() == before
