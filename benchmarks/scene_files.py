"""Write procedural scenes to files in the layout of FlyingChairs, for many training runs on the same scenes.

    .venv/bin/python -m benchmarks.scene_files --folder results/scenes --height 32 --width 48
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from edgeflownas.config import ProceduralData
from edgeflownas.data.procedural import ProceduralDataset
from edgeflownas.progress import progress

_FLO = b"PIEH"


def main() -> None:
    """Write ``data/`` and the split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    for name, default in (("height", 32), ("width", 48), ("layers", 0), ("seed", 0), ("train", 4096), ("val", 256)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--motion", type=float, default=3.0)
    options = parser.parse_args()
    config = ProceduralData(
        kind="procedural", height=options.height, width=options.width, seed=options.seed, layers=options.layers,
        motion=options.motion, train_pairs=options.train, val_pairs=options.val,
    )  # fmt: skip
    data = options.folder / "data"
    data.mkdir(parents=True)
    number = 0
    with progress("drawing scenes", options.train + options.val) as bar:
        for part in ("train", "val"):
            scenes = ProceduralDataset(config, part)
            for index in range(len(scenes)):
                number += 1
                sample = scenes.full_sample(index)
                for name, image in (("img1", sample.images[..., :3]), ("img2", sample.images[..., 3:])):
                    cv2.imwrite(str(data / f"{number:05d}_{name}.ppm"), np.ascontiguousarray(image[..., ::-1]))
                size = np.array([options.width, options.height], "<i4").tobytes()
                (data / f"{number:05d}_flow.flo").write_bytes(_FLO + size + sample.flow.astype("<f4").tobytes())
                bar.advance()
    split = "1\n" * options.train + "2\n" * options.val
    (options.folder / "FlyingChairs_train_val.txt").write_text(split, encoding="ascii")


if __name__ == "__main__":
    main()
