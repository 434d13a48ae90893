import struct

import cv2
import numpy as np
import pytest

from edgeflownas.data.formats import read_flo, read_image, write_flo
from edgeflownas.errors import InputError


def test_flo_bytes_are_read_as_the_format_says(tmp_path):
    path = tmp_path / "a.flo"
    values = [1.5, -2.0, 3.0, 0.25, 1e10, -7.0]
    path.write_bytes(struct.pack("<fii6f", 202021.25, 3, 1, *values))
    np.testing.assert_array_equal(read_flo(path), np.float32(values).reshape(1, 3, 2))


def test_what_is_written_is_read_by_opencv_and_by_us(tmp_path):
    flow = np.random.default_rng(0).normal(size=(5, 7, 2)).astype(np.float32)
    write_flo(tmp_path / "a.flo", flow)
    np.testing.assert_array_equal(read_flo(tmp_path / "a.flo"), flow)
    np.testing.assert_array_equal(cv2.readOpticalFlow(str(tmp_path / "a.flo")), flow)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PIEH",
        struct.pack("<fii", 202021.25, 2, 2) + bytes(31),
        struct.pack("<fii", 202021.25, 2, 2) + bytes(33),
        struct.pack("<fii", 202021.25, -1, 2) + bytes(32),
        struct.pack("<fii", 202021.25, 0, 0),
        struct.pack("<fii", 202021.25, 1 << 30, 1 << 30) + bytes(32),
        struct.pack("<fii", 1.0, 2, 2) + bytes(32),
    ],
)
def test_a_damaged_flo_is_refused_by_name(tmp_path, content):
    path = tmp_path / "bad.flo"
    path.write_bytes(content)
    with pytest.raises(InputError, match="bad.flo"):
        read_flo(path)


def test_images_are_rgb(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image[..., ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_an_unreadable_image_is_refused_by_name(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(InputError, match="bad.png: cannot be read as an image"):
        read_image(tmp_path / "bad.png")


def test_missing_files_are_named(tmp_path):
    for read in (read_image, read_flo):
        with pytest.raises(InputError, match="nothing.*No such file"):
            read(tmp_path / "nothing")
