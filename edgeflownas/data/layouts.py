"""Which files make the pairs of a data set: each data set's official layout, and plain lists."""

import os
import re
import shlex
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Set, Tuple

from edgeflownas.config import (
    FileData,
    FlyingChairs2Data,
    FlyingChairsData,
    FlyingThings3DData,
    KittiData,
    ListData,
    MiddleburyData,
    SintelData,
)
from edgeflownas.data.listing import Disk, Listing, Pair
from edgeflownas.errors import InputError

PARTS = ("train", "val")

_FRAME = re.compile(r"(\d{4})(?:_[LR])?\.(?:png|pfm|flo)$")  # a frame, or the flow out of it


def list_pairs(config: FileData, part: str, key: str = "data") -> Listing:
    """Lists the pairs of a part of a data set.

    Args:
        config: names the data set.
        part: "train" or "val".
        key: of the section of the configuration that it is, for messages.

    Raises:
        InputError: a folder or file is missing that the layout begins with, or it holds nothing of that layout.
    """
    listing = _LAYOUTS[type(config)](config, part, key)
    listing.missing = list(dict.fromkeys(listing.missing))  # one that several pairs lack
    if not listing.pairs and listing.missing:
        raise InputError(f"{key}: no pair in {listing.root} is complete; missing are {listing.missing[0]} and others")
    return listing


def _require_folder(path: Path, key: str, holds: str) -> Path:
    """A folder that has to be there."""
    if not path.is_dir():
        raise InputError(f"{key}: {path} is not a folder; set it to where {holds}")
    return path


def _found(items: List[Any], key: str, root: Path, what: str, layout: str) -> List[Any]:
    """Items of which there has to be one."""
    if not items:
        raise InputError(f"{key}: {root} holds no {what}; set it to a folder in {layout}'s layout")
    return items


def _flyingchairs(config: FlyingChairsData, part: str, key: str) -> Listing:
    root = Path(config.root)
    data = _require_folder(root / "data", f"{key}.root", "FlyingChairs' data/ lies (FlyingChairs_release)")
    disk = Disk()
    stems = sorted({name.rpartition("_")[0] for name in disk.names(data) if name.endswith(("_img1.ppm", "_flow.flo"))})
    _found(stems, f"{key}.root", data, "*_flow.flo", "FlyingChairs")
    split = Path(config.split) if config.split else root / "FlyingChairs_train_val.txt"
    labels = _text(split, f"{key}.split").split()
    if set(labels) - {"1", "2"}:
        raise InputError(f"{key}.split: {split}: must hold 1 (train) or 2 (validation) for each pair and nothing else")
    # Line N of the split is pair N: pairs may be missing on disk, but not in the split.
    numbers = [int(stem) if stem.isdigit() else 0 for stem in stems]
    if min(numbers) < 1 or max(numbers) > len(labels):
        raise InputError(
            f"{key}.split: {split} has {len(labels)} lines, but {data} has pairs {stems[0]} to {stems[-1]}; "
            f"take both from the same release"
        )
    listing = Listing(root)
    for stem, number in zip(stems, numbers):
        if labels[number - 1] == str(1 + PARTS.index(part)):
            disk.add(listing, Pair(*(data / f"{stem}_{end}" for end in ("img1.ppm", "img2.ppm", "flow.flo"))))
    return listing


def _flyingchairs2(config: FlyingChairs2Data, part: str, key: str) -> Listing:
    folders = {"train": Path(config.train_dir), "val": Path(config.val_dir)}
    folder, key = _require_folder(folders[part], f"{key}.{part}_dir", "the pairs are"), f"{key}.{part}_dir"
    disk = Disk()
    ends = ("-img_0.png", "-img_1.png", "-flow_01.flo")
    stems = sorted({name[: -len(end)] for name in disk.names(folder) for end in ends if name.endswith(end)})
    _found(stems, key, folder, "*-flow_01.flo", "FlyingChairs2")
    # Both parts number their pairs from 0, so that names need the folder before them.
    common = Path(os.path.commonpath([os.path.dirname(os.path.abspath(str(each))) for each in folders.values()]))
    folder = Path(os.path.abspath(str(folder)))
    listing = Listing(common)
    for stem in stems:
        disk.add(listing, Pair(*(folder / (stem + end) for end in ends)))
    return listing


def _flyingthings3d(config: FlyingThings3DData, part: str, key: str) -> Listing:
    root, disk = Path(config.root), Disk()
    listing = Listing(root)
    half = {"train": "TRAIN", "val": "TEST"}[part]
    for each in config.passes:
        frames = _require_folder(root / f"frames_{each}pass" / half, f"{key}.root", "FlyingThings3D's frames are")
        flows = root / "optical_flow" / half
        for sequence in sorted({*_below(frames, 2), *_below(flows, 2)}):
            for camera in config.cameras:
                for direction in config.directions:
                    folders = frames / sequence / camera, flows / sequence / direction / camera
                    for pair in _things_pairs(disk, *folders, camera, direction):
                        disk.add(listing, pair)
    _found(listing.pairs + listing.missing, f"{key}.root", root, "pairs of these passes", "FlyingThings3D")
    return listing


def _things_pairs(disk: Disk, images: Path, flows: Path, camera: str, direction: str) -> Iterator[Pair]:
    """Pairs of one sequence; the flow out of its first or last frame has no second image and is left alone."""
    step, word = (1, "Future") if direction == "into_future" else (-1, "Past")
    numbers = _numbers(disk.names(images)) | _numbers(disk.names(flows))
    for number in _whole_range(numbers):
        if number + step in _whole_range(numbers):
            flow = flows / f"OpticalFlowInto{word}_{number:04d}_{camera[0].upper()}.pfm"
            yield Pair(images / f"{number:04d}.png", images / f"{number + step:04d}.png", flow)


def _numbers(names: Iterable[str]) -> Set[int]:
    """The frames that files are of."""
    return {int(found.group(1)) for found in map(_FRAME.search, names) if found}


def _whole_range(numbers: Set[int]) -> range:
    """From the first to the last: a frame between them that is not there is missing."""
    return range(min(numbers), max(numbers) + 1) if numbers else range(0)


def _below(folder: Path, levels: int) -> List[Path]:
    """Folders so many levels below a folder, relative to it, in order; none if it is not there."""
    found = [Path()] if folder.is_dir() else []
    for _ in range(levels):
        found = [each / name for each in found for name in sorted(os.listdir(str(folder / each)))]
        found = [each for each in found if (folder / each).is_dir()]
    return found


def _sintel(config: SintelData, part: str, key: str) -> Listing:
    root, disk = Path(config.root), Disk()
    training = root / "training"
    flows = _require_folder(training / "flow", f"{key}.root", "MPI-Sintel's training/ is")
    scenes = [str(scene) for scene in _found(_below(flows, 1), f"{key}.root", flows, "scenes", "MPI-Sintel")]
    unknown = sorted(set(config.val_scenes) - set(scenes))
    if unknown:
        raise InputError(f"{key}.val_scenes: {flows} has no scene {unknown[0]}; there are {', '.join(scenes)}")
    if config.val_scenes:
        scenes = [scene for scene in scenes if (scene in config.val_scenes) == (part == "val")]
    elif part == "train":
        scenes = []
    listing = Listing(root)
    for each in config.passes:
        _require_folder(training / each, f"{key}.root", f"MPI-Sintel's training/{each} is")
        for scene in scenes:
            with_flow = _numbers(disk.names(flows / scene))
            led_to = {number + 1 for number in with_flow}
            frames = _whole_range(_numbers(disk.names(training / each / scene)) | with_flow | led_to)
            for number in frames[:-1]:
                disk.add(listing, _sintel_pair(disk, training, each, scene, number))
    return listing


def _sintel_pair(disk: Disk, training: Path, each: str, scene: str, number: int) -> Pair:
    """A pair, with the masks that were downloaded."""
    first, second = f"frame_{number:04d}", f"frame_{number + 1:04d}.png"
    masks = {
        mask: training / mask / scene / f"{first}.png" if disk.names(training / mask) else None
        for mask in ("invalid", "occlusions")
    }
    flow, images = training / "flow" / scene / f"{first}.flo", training / each / scene
    return Pair(images / f"{first}.png", images / second, flow, masks["invalid"], masks["occlusions"])


def _kitti(config: KittiData, part: str, key: str) -> Listing:
    training, disk = Path(config.root) / "training", Disk()
    folders = ("image_2",) if config.kind == "kitti2015" else ("colored_0", "image_0")
    name = config.kind.upper().replace("KITTI", "KITTI ")
    _require_folder(training, f"{key}.root", f"{name}'s training/ is")
    images = next((training / each for each in folders if disk.names(training / each)), training / folders[0])
    flows = training / f"flow_{config.flow}"
    stems = sorted({name[:-7] for folder in (images, flows) for name in disk.names(folder) if name.endswith("_10.png")})
    _found(stems, f"{key}.root", training, f"{images.name}/*_10.png", name)
    listing = Listing(Path(config.root))
    for stem in _every(stems, config.val_every, part):
        flow = flows / f"{stem}_10.png"
        disk.add(listing, Pair(images / f"{stem}_10.png", images / f"{stem}_11.png", flow))
    return listing


def _middlebury(config: MiddleburyData, part: str, key: str) -> Listing:
    root, disk = Path(config.root), Disk()
    flows = _require_folder(root / "other-gt-flow", f"{key}.root", "Middlebury's other-gt-flow/ is")
    scenes = _found(_below(flows, 1), f"{key}.root", flows, "scenes", "Middlebury")
    listing = Listing(root)
    for scene in _every(scenes, config.val_every, part):
        images = root / "other-data" / scene
        disk.add(listing, Pair(images / "frame10.png", images / "frame11.png", flows / scene / "flow10.flo"))
    return listing


def _every(items: List[Any], step: int, part: str) -> List[Any]:
    """A part of items: of those for validation, or the others."""
    return [item for place, item in enumerate(items) if (place % step == 0) == (part == "val")]


def _list(config: ListData, part: str, key: str) -> Listing:
    paths = {"train": config.train_list, "val": config.val_list}
    path = paths[part]
    folders = [os.path.dirname(os.path.abspath(each)) for each in paths.values() if each is not None]
    listing = Listing(Path(os.path.commonpath(folders)))
    if path is None:
        return listing
    disk, folder = Disk(), Path(os.path.dirname(os.path.abspath(path)))
    for number, words in _lines(Path(path), f"{key}.{part}_list"):
        if len(words) != 3:
            raise InputError(
                f"{key}.{part}_list: {path}:{number}: has {len(words)} names, and must have three: image, image and "
                f"flow (quote names with spaces)"
            )
        disk.add(listing, Pair(*(Path(os.path.normpath(str(folder / word))) for word in words)))
    _found(listing.pairs + listing.missing, f"{key}.{part}_list", Path(path), "lines", "the list")
    return listing


def _lines(path: Path, key: str) -> Iterator[Tuple[int, List[str]]]:
    """Numbers and words of the lines that say something."""
    for number, line in enumerate(_text(path, key).splitlines(), 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise InputError(f"{key}: {path}:{number}: {str(error).lower()}") from None
        if words:
            yield number, words


def _text(path: Path, key: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{key}: {path}: cannot be read: {error}; set it to a text file that is there") from None


_LAYOUTS: Dict[type, Callable[[Any, str, str], Listing]] = {
    FlyingChairsData: _flyingchairs,
    FlyingChairs2Data: _flyingchairs2,
    FlyingThings3DData: _flyingthings3d,
    SintelData: _sintel,
    KittiData: _kitti,
    MiddleburyData: _middlebury,
    ListData: _list,
}
