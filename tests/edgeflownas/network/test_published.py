"""Import of the published EdgeFlowNet, against a graph that is built as the authors' code builds it."""

from pathlib import Path
from typing import Tuple

import numpy as np
import pytest

from edgeflownas.errors import InputError
from edgeflownas.evaluation.recalibration import select_statistics
from edgeflownas.network.build import FixedNorm, build_child, normalise_images
from edgeflownas.network.published import read_checkpoint
from edgeflownas.tf_runtime.session import open_session
from edgeflownas.tf_runtime.stack import tf

WIDTH = 4
IMAGES = np.random.default_rng(0).integers(0, 256, (2, 32, 48, 6)).astype(np.uint8)  # BGR


class Authors:
    """The authors' network: scopes are numbered in the order in which they are entered, and BN uses stored moments."""

    def __init__(self, outside: float) -> None:
        self._count = 0
        self._rng = np.random.default_rng(1)
        self._outside = outside  # value with which the images are padded

    def scope(self, name: str):
        self._count += 1
        return tf.variable_scope(f"{name}{self._count - 1}")

    def variable(self, name: str, *shape: int, positive: bool = False) -> tf.Tensor:
        spread = 1.0 if len(shape) == 1 else np.sqrt(2 / np.prod(shape[:-1]))
        value = self._rng.normal(0, spread, shape)
        value = 0.5 + np.abs(value) if positive else value
        return tf.get_variable(name, shape, initializer=tf.constant_initializer(value))

    def conv(self, x: tf.Tensor, filters: int, kernel: int = 3, stride: int = 2, transposed: bool = False) -> tf.Tensor:
        inputs = x.shape[3].value
        with self.scope("ConvTranspose" if transposed else "Conv"):
            if not transposed:
                with tf.variable_scope("conv2d"):
                    weights = self.variable("kernel", kernel, kernel, inputs, filters)
                    bias = self.variable("bias", filters)
                if inputs == 6:
                    x = tf.pad(x - self._outside, [[0, 0], [2, 3], [2, 3], [0, 0]]) + self._outside
                    return tf.nn.conv2d(x, weights, stride, "VALID") + bias
                return tf.nn.conv2d(x, weights, stride, "SAME") + bias
            with tf.variable_scope("conv2d_transpose"):
                weights = self.variable("kernel", kernel, kernel, filters, inputs)
                bias = self.variable("bias", filters)
            shape = [len(IMAGES), x.shape[1].value * stride, x.shape[2].value * stride, filters]
            y = tf.nn.conv2d_transpose(x, weights, shape, stride, "SAME") + bias
            y.set_shape(shape)
            return y

    def norm(self, x: tf.Tensor) -> tf.Tensor:
        with self.scope("BN"), tf.variable_scope("batch_normalization"):
            gamma, beta, mean, variance = (
                self.variable(name, x.shape[3].value, positive=name in ("gamma", "moving_variance"))
                for name in ("gamma", "beta", "moving_mean", "moving_variance")
            )
        return gamma * (x - mean) / tf.sqrt(variance + 1e-3) + beta

    def relu(self, x: tf.Tensor) -> tf.Tensor:
        with self.scope("ReLU"):
            return tf.nn.relu(x)

    def block(
        self, x: tf.Tensor, filters: int, kernel: int = 3, stride: int = 2, transposed: bool = False
    ) -> tf.Tensor:
        with self.scope("ConvTransposeBNReLUBlock" if transposed else "ConvBNReLUBlock"):
            return self.relu(self.norm(self.conv(x, filters, kernel, stride, transposed)))

    def residual(self, x: tf.Tensor, filters: int, transposed: bool = False) -> tf.Tensor:
        with self.scope("ResBlockTranspose" if transposed else "ResBlock"):
            y = self.block(x, filters, 3, 1, transposed)
            return self.relu(self.norm(self.conv(y, filters, 3, 1, transposed)) + x)

    def flow(self, x: tf.Tensor) -> tf.Tensor:
        """Return the accumulated flow at full size."""
        with tf.variable_scope("EncoderDecoderBlock0"), self.scope("ResNetBlock"):
            filters = 2 * WIDTH
            x = self.block(self.block(x, WIDTH, 7), filters, 5)
            for _ in range(2):
                x = self.residual(x, filters)
                filters *= 2
                x = self.conv(x, filters)
            for _ in range(2):
                x = self.residual(x, filters, transposed=True)
                filters //= 2
                x = self.conv(x, filters, transposed=True)
            outputs = [self.conv(x, 4, 7, 1, transposed=True)]
            for kernel in (5, 7):
                filters //= 2
                x = self.block(x, filters, kernel, transposed=True)
                outputs.append(self.conv(x, 4, 7, 1, transposed=True))
        total = outputs[0]
        for output in outputs[1:]:
            total = tf.image.resize_bilinear(total, output.shape[1:3]) + output
        return total[..., :2]


def write_checkpoint(folder: Path, outside: float = 0.0) -> Tuple[Path, np.ndarray]:
    """Write a checkpoint of the authors' network with random weights, and return it with the flow of ``IMAGES``."""
    with tf.Graph().as_default():
        flow = Authors(outside).flow(tf.constant(IMAGES.astype(np.float32)))
        global_step = tf.get_variable("global_step", (), initializer=tf.constant_initializer(7.0))
        with open_session(tf.get_default_graph(), 1) as session:
            session.run(tf.global_variables_initializer())
            result = session.run([flow, global_step])[0]
            path = folder / "best.ckpt"
            tf.train.Saver().save(session, str(path), write_meta_graph=False)
    return path, result


def predict(path: Path) -> np.ndarray:
    """Return the flow of ``IMAGES`` with imported weights."""
    published = read_checkpoint(path)
    statistics = {
        name: (tf.constant(mean), tf.constant(variance))
        for name, (mean, variance) in select_statistics(published.tensors).items()
    }
    weights = {name: tf.constant(value) for name, value in published.tensors.items()}
    rgb = IMAGES[..., [2, 1, 0, 5, 4, 3]]
    flows = build_child(published.skeleton, (), normalise_images(tf.constant(rgb)), FixedNorm(weights, statistics))
    with open_session(tf.get_default_graph(), 1) as session:
        result: np.ndarray = session.run(flows[-1])[..., :2]
    return result


def test_numbers_of_the_scopes_are_those_of_the_published_checkpoint(tmp_path: Path) -> None:
    path, _ = write_checkpoint(tmp_path)
    names = [name for name, _ in tf.train.list_variables(str(path))]
    for number in (45, 50, 55):  # as the checkpoint names the biases of the flow
        assert f"EncoderDecoderBlock0/ResNetBlock0/ConvTranspose{number}/conv2d_transpose/bias" in names


def test_imported_network_predicts_the_flow_of_the_original(tmp_path: Path) -> None:
    path, expected = write_checkpoint(tmp_path, outside=127.5)
    with tf.Graph().as_default():
        actual = predict(path)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_black_padding_of_the_original_is_not_reproduced(tmp_path: Path) -> None:
    path, expected = write_checkpoint(tmp_path, outside=0.0)
    with tf.Graph().as_default():
        error = np.abs(predict(path) - expected)
    assert error.max() > 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("name, reason", [("none.ckpt", "does not exist"), ("best.ckpt.index", "does not exist")])
def test_checkpoint_that_does_not_exist_is_named(tmp_path: Path, name: str, reason: str) -> None:
    write_checkpoint(tmp_path)
    with pytest.raises(InputError, match=reason):
        read_checkpoint(tmp_path / name)


def test_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    path, _ = write_checkpoint(tmp_path)
    (data,) = tmp_path.glob("best.ckpt.data*")
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read"):
        read_checkpoint(path)


def test_checkpoint_of_a_different_network_is_refused(tmp_path: Path) -> None:
    with tf.Graph().as_default() as graph:
        with tf.variable_scope("EncoderDecoderBlock0/ResNetBlock0/Conv1/conv2d"):
            tf.get_variable("kernel", (7, 7, 6, 4))
        session = open_session(graph, 1)
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(tmp_path / "other.ckpt"), write_meta_graph=False)
    with pytest.raises(InputError, match="has 1 convolution, but EdgeFlowNet with two sub-blocks has 19"):
        read_checkpoint(tmp_path / "other.ckpt")
