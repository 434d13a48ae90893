import resource
import struct
import zlib

import cv2
import numpy as np
import pytest

from edgeflownas.data.formats import (
    BadFileError,
    read_flo,
    read_flow,
    read_image,
    read_kitti_flow,
    read_mask,
    read_pfm,
    write_flo,
    write_kitti_flow,
)
from edgeflownas.errors import InputError


def test_read_flo_follows_the_format(tmp_path):
    path = tmp_path / "a.flo"
    values = [1.5, -2.0, 3.0, 0.25, 1e10, -7.0]
    path.write_bytes(struct.pack("<fii6f", 202021.25, 3, 1, *values))
    np.testing.assert_array_equal(read_flo(path), np.float32(values).reshape(1, 3, 2))


def test_written_flo_is_read_by_opencv_and_by_read_flo(tmp_path):
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
def test_damaged_flo_is_refused_by_name(tmp_path, content):
    path = tmp_path / "bad.flo"
    path.write_bytes(content)
    with pytest.raises(InputError, match="bad.flo"):
        read_flo(path)


def test_images_are_rgb(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image[..., ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_unreadable_image_is_refused_by_name(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(InputError, match="bad.png: cannot be read as an image"):
        read_image(tmp_path / "bad.png")


def test_missing_files_are_named(tmp_path):
    for read in (read_image, read_flo):
        with pytest.raises(InputError, match="nothing.*No such file"):
            read(tmp_path / "nothing")


@pytest.mark.parametrize(("scale", "order"), [(b"-1.0", "<"), (b"1", ">"), (b"-1e0", "<")])
def test_pfm_of_either_byte_order_is_read_from_bottom_to_top(tmp_path, scale, order):
    path = tmp_path / "a.pfm"
    rows = [[7.0, 8.0, 0.0, 9.0, 10.0, 0.0], [1.0, 2.0, 0.0, 3.0, 4.0, 0.0]]  # bottom row first
    path.write_bytes(b"PF\n2 2\n" + scale + b"\n" + struct.pack(order + "12f", *rows[0], *rows[1]))
    np.testing.assert_array_equal(read_pfm(path), [[[1, 2], [3, 4]], [[7, 8], [9, 10]]])


def test_pfm_written_by_opencv_is_read_as_by_opencv(tmp_path):
    three = np.random.default_rng(0).normal(size=(5, 7, 3)).astype(np.float32)
    cv2.imwrite(str(tmp_path / "a.pfm"), three)
    theirs = cv2.imread(str(tmp_path / "a.pfm"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read_pfm(tmp_path / "a.pfm"), theirs[..., :0:-1])  # OpenCV uses BGR


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PF\n2 2\n-1\n" + bytes(47),
        b"PF\n2 2\n-1\n" + bytes(49),
        b"Pf\n2 2\n-1\n" + bytes(16),
        b"PF\n2 2\n0\n" + bytes(48),
        b"PF\n2 -2\n-1\n" + bytes(48),
        b"PF\n999999999 999999999\n-1\n" + bytes(48),
        b"PF\n" + b"9" * 5000,
    ],
)
def test_damaged_pfm_is_refused_by_name(tmp_path, content):
    (tmp_path / "bad.pfm").write_bytes(content)
    with pytest.raises(BadFileError, match="bad.pfm"):
        read_pfm(tmp_path / "bad.pfm")


def png(width, height, depth, kind, rows):
    """Build a PNG from a header, one chunk of data and an end chunk."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_kitti_flow_follows_the_format(tmp_path):
    pixels = [(32768 + 64, 32768 - 128, 1), (1, 65535, 1), (40000, 40000, 0)]
    path = tmp_path / "a.png"
    path.write_bytes(png(3, 1, 16, 2, [struct.pack(">9H", *(value for pixel in pixels for value in pixel))]))
    flow, valid = read_kitti_flow(path)
    np.testing.assert_array_equal(flow, [[[1.0, -2.0], [(1 - 32768) / 64, (65535 - 32768) / 64], [0.0, 0.0]]])
    np.testing.assert_array_equal(valid, [[True, True, False]])
    path.write_bytes(png(3, 1, 8, 2, [bytes(9)]))
    with pytest.raises(BadFileError, match="not a 16-bit RGB"):
        read_flow(path)


def test_written_kitti_flow_is_rounded_and_flow_that_does_not_fit_is_unknown(tmp_path):
    flow = np.random.default_rng(0).normal(0, 50, size=(5, 7, 2)).astype(np.float32)
    flow[0, :4] = (-512, 511.9), (512, 0), (0, -513), (1e9, 0)
    write_kitti_flow(tmp_path / "a.png", flow)
    read, valid = read_kitti_flow(tmp_path / "a.png")
    expected = np.ones((5, 7), bool)
    expected[0, 1:4] = False
    np.testing.assert_array_equal(valid, expected)
    np.testing.assert_allclose(read[valid], flow[valid], atol=1 / 128)
    stored = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert stored[0, 0].tolist() == [1, round(511.9 * 64) + 2**15, 0], "blue is the flag, green v, red u"


def test_mask_is_true_where_the_image_is_white(tmp_path):
    (tmp_path / "a.png").write_bytes(png(3, 1, 8, 0, [bytes([0, 255, 0])]))
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), [[False, True, False]])


@pytest.mark.parametrize("brightest", [1, 127])
def test_mask_without_white_but_with_grey_is_refused_and_an_empty_one_is_not(tmp_path, brightest):
    (tmp_path / "a.png").write_bytes(png(3, 1, 8, 0, [bytes([0, brightest, 0])]))
    with pytest.raises(BadFileError, match=rf"a\.png: contains values up to {brightest}, but masks are white"):
        read_mask(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(png(3, 1, 8, 0, [bytes(3)]))
    assert not read_mask(tmp_path / "a.png").any()


@pytest.mark.parametrize(
    "content",
    [
        png(1 << 15, 1 << 15, 8, 2, [bytes(9)]),
        png((1 << 31) - 1, (1 << 31) - 1, 8, 2, [bytes(9)]),
        png(0, 5, 8, 2, [bytes(9)]),
        png(3, 1, 8, 2, [bytes(9)])[:-9],
        png(3, 1, 8, 2, [bytes(9)]).replace(b"IDAT", b"IDAX"),
        png(3, 1, 8, 2, [bytes(range(9))])[:45] + b"\xff" + png(3, 1, 8, 2, [bytes(range(9))])[46:],
        bytes(cv2.imencode(".jpg", np.full((64, 64, 3), 99, np.uint8))[1])[:-40],
        bytes(cv2.imencode(".bmp", np.full((64, 64, 3), 99, np.uint8))[1])[:-40],
        b"P6\n2000000000 2000000000\n255\n",
        b"P6\n20000 20000\n255\n123",
        b"P6 # no size",
    ],
    ids=["large", "huge", "empty", "short", "chunk", "bit", "jpeg", "bmp", "ppm-huge", "ppm-large", "ppm-header"],
)
def test_damaged_image_is_refused_before_a_library_prints_or_allocates_memory(tmp_path, content, capfd):
    (tmp_path / "bad").write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BadFileError, match="bad: .*; replace the file"):
        read_image(tmp_path / "bad")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB
    assert capfd.readouterr().err == ""


def test_ppm_with_comments_is_read(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6\n# by hand\n2 1\n# more\n255\n" + bytes([1, 2, 3, 4, 5, 6]))
    np.testing.assert_array_equal(read_image(tmp_path / "a.ppm"), [[[1, 2, 3], [4, 5, 6]]])


@pytest.mark.parametrize("first", [10, 13, 32, 35], ids=["newline", "return", "blank", "hash"])
@pytest.mark.parametrize("end", [b"\n", b"\r", b" ", b"\r\n", b" \n", b" # by hand\n"])
def test_header_of_binary_ppm_may_end_in_any_way_and_values_may_look_like_its_end(end, first, tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6\n2 1\n255" + end + bytes([first, 10, 3, 4, 5, 6]))
    np.testing.assert_array_equal(read_image(tmp_path / "a.ppm"), [[[first, 10, 3], [4, 5, 6]]])


def test_pam_is_refused(tmp_path):
    header = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n"
    (tmp_path / "a.pam").write_bytes(header + bytes([1, 2, 3]))
    with pytest.raises(BadFileError, match="convert it to .ppm or .png"):
        read_image(tmp_path / "a.pam")


def test_unknown_flow_is_zero_and_invalid_and_non_finite_flow_is_refused(tmp_path):
    flow = np.array([[[1.0, 2.0], [1e9, 0.0], [1666666752.0, 3.0], [5.0, -1e8]]], np.float32)
    write_flo(tmp_path / "a.flo", flow)
    known, valid = read_flow(tmp_path / "a.flo")
    np.testing.assert_array_equal(valid, [[True, False, False, False]])
    np.testing.assert_array_equal(known, [[[1.0, 2.0], [0, 0], [0, 0], [0, 0]]])
    for value, kind in ((np.nan, "NaN"), (np.inf, "infinity")):
        flow[0, 0, 0] = value
        write_flo(tmp_path / "a.flo", flow)
        with pytest.raises(BadFileError, match=f"a.flo: contains {kind}; non-finite pixels: 1"):
            read_flow(tmp_path / "a.flo")


def test_jpeg_with_other_data_behind_its_end_is_read_but_a_truncated_one_is_not(tmp_path):
    path, plain = tmp_path / "a.jpg", tmp_path / "b.jpg"
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    data = bytes(cv2.imencode(".jpg", pixels)[1].tobytes())
    plain.write_bytes(data)
    for count in (1, 1022, 1023, 100_000):
        path.write_bytes(data + b"\x00" * count)
        np.testing.assert_array_equal(read_image(path), read_image(plain))
    thumbnail = b"\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data  # has an end marker of its own
    path.write_bytes(data[:2] + thumbnail + data[2:])
    np.testing.assert_array_equal(read_image(path), read_image(plain))
    for cut in (len(data) // 2, len(data) - 2):
        path.write_bytes(data[:2] + thumbnail + data[2:cut])
        with pytest.raises(BadFileError, match="cannot be read as an image: .*end"):
            read_image(path)


@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("damage", ["removed", "zeros", "random"])
def test_jpeg_that_is_damaged_in_the_middle_is_refused(damage, progressive, tmp_path, capfd):
    rng = np.random.default_rng(3)
    pixels = cv2.GaussianBlur(rng.integers(0, 256, (40, 60, 3)).astype(np.uint8), (0, 0), 2)
    data = bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])[1].tobytes())
    middle = len(data) * 2 // 3
    instead = {"removed": b"", "zeros": bytes(60), "random": rng.integers(0, 255, 60).astype(np.uint8).tobytes()}
    (tmp_path / "bad.jpg").write_bytes(data[:middle] + instead[damage] + data[middle + 60 :])
    with pytest.raises(BadFileError, match="bad.jpg: cannot be read as an image: "):
        read_image(tmp_path / "bad.jpg")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("is_grey", [False, True])
def test_jpeg_is_decoded_as_opencv_does(is_grey, tmp_path):
    pixels = np.random.default_rng(4).integers(0, 256, (41, 61, 1 if is_grey else 3)).astype(np.uint8)
    assert cv2.imwrite(str(tmp_path / "a.jpg"), pixels)
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), cv2.imread(str(tmp_path / "a.jpg"))[..., ::-1])
    grey = cv2.imread(str(tmp_path / "a.jpg"), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.jpg"), grey > 127)


@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6"])
@pytest.mark.parametrize("largest", [1, 15, 100, 255, 256, 1023, 4095, 65535])
def test_values_of_pgm_and_ppm_are_scaled_to_their_largest(kind, largest, tmp_path):
    values = np.random.default_rng(1).integers(0, largest + 1, (3, 4, 3 if kind in ("P3", "P6") else 1))
    values[0, 0], values[0, 1] = largest, 0
    content = values.astype("u1" if largest < 256 else ">u2").tobytes()
    if kind in ("P2", "P3"):
        content = b"# text\n" + " ".join(map(str, values.ravel())).encode()  # without a last newline
    (tmp_path / "a.ppm").write_bytes(f"{kind}\n# comment\n4 3\n{largest}\n".encode() + content)
    expected = np.broadcast_to(np.rint(values * 255 / largest), (3, 4, 3))
    np.testing.assert_array_equal(read_image(tmp_path / "a.ppm"), expected)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.ppm")[0, :2], [True, False])


@pytest.mark.parametrize(
    "content",
    [
        b"P5 2 2 255\n" + bytes(3),
        b"P6 2 2 65535\n" + bytes(12),
        b"P5 2 2 0\n" + bytes(4),
        b"P5 2 2 65536\n" + bytes(8),
        b"P5 0 2 255\n",
        b"P2 2 2 255\n1 2 3",
        b"P2 2 2 255\n1 2 3 4 5",
        b"P3 1 1 255\n1 -2 3",
        b"P3 999999999 999999999 255\n1 2 3",
        b"P2 1 1 255\n1.5",
    ],
)
def test_damaged_pgm_or_ppm_is_refused_by_name(content, tmp_path, capfd):
    (tmp_path / "bad.ppm").write_bytes(content)
    with pytest.raises(BadFileError, match="bad.ppm: is .*damaged"):
        read_image(tmp_path / "bad.ppm")
    assert capfd.readouterr().err == ""


def test_data_may_follow_a_binary_ppm(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6 2 1 255\n" + bytes([1, 2, 3, 4, 5, 6]) + b"\n")
    assert read_image(tmp_path / "a.ppm").tolist() == [[[1, 2, 3], [4, 5, 6]]]


def test_text_bitmap_needs_no_last_newline(tmp_path):
    (tmp_path / "a.pbm").write_bytes(b"P1\n3 1\n1 0 1")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.pbm"), [[False, True, False]])


def test_text_ppm_needs_no_last_newline(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P3\n2 1\n255\n1 2 3 4 5 6")
    assert read_image(tmp_path / "a.ppm").tolist() == [[[1, 2, 3], [4, 5, 6]]]


@pytest.mark.parametrize(
    "header", [b"PF\r\n2 1\r\n-1.0\r\n", b"PF\n# made by x\n2 1\n# y\n-1.0\n", b"PF 2 1 -1.\n", b"PF\n2\n1\n-1e0\n",
     b"PF\n2 1\n-1.0 \n", b"PF\n2 1 \n-1 \t\r\n", b"PF\n2 1\n-1.0 # scale\n", b"PF 2 1 -1 "],
)  # fmt: skip
@pytest.mark.parametrize("order", ["<", ">"])
def test_headers_of_pfm_are_read_as_programs_write_them(header, order, tmp_path):
    header = header.replace(b"-1", b"+1") if order == ">" else header
    (tmp_path / "a.pfm").write_bytes(header + np.array([[1, 2, 0], [3, 4, 0]], f"{order}f4").tobytes())
    assert read_flow(tmp_path / "a.pfm")[0].tolist() == [[[1, 2], [3, 4]]]
