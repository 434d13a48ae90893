"""Small data sets written by the tests, one per official layout; every pair has different content."""

import struct
from pathlib import Path
from typing import Any, Dict, Tuple

import cv2
import numpy as np

Content = Dict[str, Tuple[np.ndarray, np.ndarray]]  # images uint8 [H, W, 6] and flow float32 [H, W, 2], by name

HEIGHT, WIDTH = 40, 60


def image(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng([1, seed]).integers(0, 256, (height, width, 3)).astype(np.uint8)


def flow(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng([2, seed]).normal(0, 8, (height, width, 2)).astype(np.float32)


def put_image(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels[..., ::-1] if pixels.ndim == 3 else pixels)


def put_flo(path: Path, values: np.ndarray) -> None:
    """Write a .flo file byte by byte."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack("<fii", 202021.25, values.shape[1], values.shape[0])
    path.write_bytes(header + values.astype("<f4").tobytes())


def put_pfm(path: Path, values: np.ndarray, big: bool = False) -> None:
    """Write a .pfm file byte by byte: three channels, rows from bottom to top."""
    path.parent.mkdir(parents=True, exist_ok=True)
    three = np.concatenate([values, np.zeros_like(values[..., :1])], axis=-1)[::-1]
    header = f"PF\n{values.shape[1]} {values.shape[0]}\n{1.0 if big else -1.0}\n".encode()
    path.write_bytes(header + three.astype(">f4" if big else "<f4").tobytes())


def put_kitti(path: Path, values: np.ndarray, valid: np.ndarray) -> None:
    """Write 16-bit RGB: u, v, valid; OpenCV expects BGR."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coded = np.rint(values * 64 + 2**15).astype(np.uint16)
    pixels = np.stack([valid.astype(np.uint16), coded[..., 1], coded[..., 0]], axis=-1)
    assert cv2.imwrite(str(path), pixels * (valid[..., None] > 0))


def flyingchairs(root: Path) -> Dict[str, Any]:
    for number in range(1, 6):
        for i in (1, 2):
            put_image(root / "data" / f"{number:05d}_img{i}.ppm", image(10 * number + i))
        put_flo(root / "data" / f"{number:05d}_flow.flo", flow(number))
    (root / "FlyingChairs_train_val.txt").write_text("1\n1\n2\n1\n2\n")
    return {"kind": "flyingchairs", "root": str(root)}


def flyingchairs2(root: Path) -> Dict[str, Any]:
    for part, count in (("train", 3), ("val", 2)):
        for number in range(count):
            for i in range(2):
                put_image(root / part / f"{number:07d}-img_{i}.png", image(100 * count + 10 * number + i))
            put_flo(root / part / f"{number:07d}-flow_01.flo", flow(100 * count + number))
    return {"kind": "flyingchairs2", "train_dir": str(root / "train"), "val_dir": str(root / "val")}


def flyingthings3d(root: Path) -> Dict[str, Any]:
    """Write sequences of three frames. Like the official set, it contains flow that leads out of a sequence."""
    for half, letter in (("TRAIN", "A"), ("TRAIN", "C"), ("TEST", "B")):
        for c, camera in enumerate(("left", "right")):
            for number in range(6, 9):
                seed = 1000 * c + 100 * ord(letter) + number
                for p, name in enumerate(("clean", "final")):
                    path = root / f"frames_{name}pass" / half / letter / "0000" / camera / f"{number:04d}.png"
                    put_image(path, image(seed + 10 * p))
                for d, (direction, word) in enumerate((("into_future", "Future"), ("into_past", "Past"))):
                    file = f"OpticalFlowInto{word}_{number:04d}_{camera[0].upper()}.pfm"
                    put_pfm(root / "optical_flow" / half / letter / "0000" / direction / camera / file, flow(seed + d))
    return {"kind": "flyingthings3d", "root": str(root)}


def sintel(root: Path) -> Dict[str, Any]:
    training = root / "training"
    for s, scene in enumerate(("alley_1", "bamboo_2")):
        for number in range(1, 4):
            seed = 100 * s + number
            for p, name in enumerate(("clean", "final")):
                put_image(training / name / scene / f"frame_{number:04d}.png", image(seed + 50 * p))
            if number == 3:
                continue
            put_flo(training / "flow" / scene / f"frame_{number:04d}.flo", flow(seed))
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[:, :5] = 255
            put_image(training / "invalid" / scene / f"frame_{number:04d}.png", mask)
            put_image(training / "occlusions" / scene / f"frame_{number:04d}.png", mask[:, ::-1])
    return {"kind": "sintel", "root": str(root)}


def kitti(root: Path, year: int) -> Dict[str, Any]:
    training = root / "training"
    images = training / ("image_2" if year == 2015 else "colored_0")
    for number in range(4):
        height, width = HEIGHT + number, WIDTH + 2 * number
        for i in (10, 11):
            put_image(images / f"{number:06d}_{i}.png", image(10 * number + i, height, width))
        valid = np.random.default_rng(number).random((height, width)) < 0.3
        for name, kept in (("flow_occ", valid), ("flow_noc", valid & (np.arange(width) % 2 == 0))):
            put_kitti(training / name / f"{number:06d}_10.png", flow(number, height, width), kept)
    return {"kind": f"kitti{year}", "root": str(root)}


def middlebury(root: Path) -> Dict[str, Any]:
    for number, scene in enumerate(("Dimetrodon", "Venus")):
        for i in (10, 11):
            put_image(root / "other-data" / scene / f"frame{i}.png", image(number + i))
        values = flow(number)
        values[0, 0], values[1, 1] = 1666666752.0, 1e8
        put_flo(root / "other-gt-flow" / scene / "flow10.flo", values)
    put_image(root / "other-data" / "Beanbags" / "frame10.png", image(0))  # without public ground truth
    return {"kind": "middlebury", "root": str(root)}


def plain_list(root: Path) -> Dict[str, Any]:
    put_image(root / "my images" / "a.png", image(1))
    put_image(root / "my images" / "b.jpg", image(2))
    put_flo(root / "a.flo", flow(1))
    put_pfm(root / "a.pfm", flow(1), big=True)
    put_kitti(root / "a.png", flow(1), np.ones((HEIGHT, WIDTH), bool))
    lines = [f"'my images/a.png' 'my images/b.jpg' {name}" for name in ("a.flo", "a.pfm", str(root / "a.png"))]
    (root / "val.txt").write_text("# three formats\n" + "\n\n".join(lines) + "\n")
    (root / "train.txt").write_text(lines[0])
    return {"kind": "list", "train_list": str(root / "train.txt"), "val_list": str(root / "val.txt")}


WRITERS = {
    "flyingchairs": flyingchairs,
    "flyingchairs2": flyingchairs2,
    "flyingthings3d": flyingthings3d,
    "sintel": sintel,
    "kitti2012": lambda root: kitti(root, 2012),
    "kitti2015": lambda root: kitti(root, 2015),
    "middlebury": middlebury,
    "list": plain_list,
}
