"""Files that form the pairs of a data set: the official layout of each data set, and plain lists."""

import os
import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Pattern, Set, Tuple

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
from edgeflownas.data.listing import Disk, Listing, Pair, show_name
from edgeflownas.errors import InputError, find_reason, name_first
from edgeflownas.wording import format_count

PARTS = ("train", "val")

# Names of the layouts. Other names, such as those that file servers and other programs add, are ignored everywhere.
_CHAIRS = re.compile(r"(\d{5})_(?:img1\.ppm|flow\.flo)")
_CHAIRS2 = re.compile(r"(\d{7})-(?:img_0\.png|img_1\.png|flow_01\.flo)")
_THINGS = re.compile(r"(?:OpticalFlowInto(?:Future|Past)_)?(\d{4})(?:_[LR]\.pfm|\.png)")
_THINGS_SEQUENCE = (re.compile(r"[ABC]"), re.compile(r"\d{4}"))
_SINTEL = re.compile(r"frame_(\d{4})\.(?:png|flo)")
_SINTEL_SCENE = re.compile(r"[A-Za-z]\w*_\d+")
_KITTI = re.compile(r"(\d{6})_10\.png")
_PART = re.compile(r"""\"[^\"]*\"|'[^']*'|(?:\\\s|[^\s\"'])+""")  # quoted or not
_WORD = re.compile(rf"((?:{_PART.pattern})+)(?:\s+|$)")
# Sequences with public ground truth. Their places here decide which part they belong to, whatever is on the disk.
_MIDDLEBURY = ("Dimetrodon", "Grove2", "Grove3", "Hydrangea", "RubberWhale", "Urban2", "Urban3", "Venus")


def list_pairs(config: FileData, part: str, key: str = "data") -> Listing:
    """List the pairs of one part of a data set.

    Args:
        config: Data set to list.
        part: "train" or "val".
        key: Key of the data set in the configuration, for messages.

    Raises:
        InputError: A required folder or file is missing, or contains nothing in the layout of the data set.
    """
    listing = _LAYOUTS[type(config)](config, part, key)
    listing.missing = list(dict.fromkeys(listing.missing))  # several pairs may lack the same file
    if not listing.pairs and listing.missing:
        missing = name_first([show_name(str(file)) for file in listing.missing])
        raise InputError(
            f"{key}: {listing.root} contains no complete pair; missing files ({len(listing.missing):,}): {missing}"
        )
    return listing


def _require_folder(path: Path, key: str, content: str) -> Path:
    """Return a folder, or raise InputError if it is missing."""
    if not path.is_dir():
        raise InputError(f"{key}: {path} is not a folder; set it to where {content}")
    return path


def _require_items(items: List[Any], key: str, root: Path, what: str, layout: str) -> List[Any]:
    """Return items, or raise InputError if there are none."""
    if not items:
        raise InputError(f"{key}: {root} contains no {what}; set it to a folder in the layout of {layout}")
    return items


def _flyingchairs(config: FlyingChairsData, part: str, key: str) -> Listing:
    root = Path(config.root)
    data = _require_folder(root / "data", f"{key}.root", "the data/ of FlyingChairs is (FlyingChairs_release)")
    disk = Disk()
    stems = _match_names(_CHAIRS, disk.names(data))
    _require_items(stems, f"{key}.root", data, "*_flow.flo", "FlyingChairs")
    split = Path(config.split) if config.split else root / "FlyingChairs_train_val.txt"
    labels = _read_text(split, f"{key}.split").split()
    if set(labels) - {"1", "2"}:
        raise InputError(f"{key}.split: {split}: must contain only 1 (train) or 2 (validation) for every pair")
    # Line N of the split is for pair N. Pairs may be missing on disk, but not in the split.
    numbers = list(map(int, stems))
    if min(numbers) < 1 or max(numbers) > len(labels):
        raise InputError(
            f"{key}.split: {split} has {format_count(len(labels), 'line')}, but "
            f"{data} has pairs {stems[0]} to {stems[-1]}; "
            f"use both from the same release"
        )
    listing = Listing(root, ignored=_find_ignored(data, r"\d+_flow\.flo", _CHAIRS, disk))
    for stem, number in zip(stems, numbers):
        if labels[number - 1] == str(1 + PARTS.index(part)):
            disk.add(listing, Pair(*(data / f"{stem}_{end}" for end in ("img1.ppm", "img2.ppm", "flow.flo"))))
    return listing


def _flyingchairs2(config: FlyingChairs2Data, part: str, key: str) -> Listing:
    folders = {"train": Path(config.train_dir), "val": Path(config.val_dir)}
    folder, key = _require_folder(folders[part], f"{key}.{part}_dir", "the pairs are"), f"{key}.{part}_dir"
    disk = Disk()
    ends = ("-img_0.png", "-img_1.png", "-flow_01.flo")
    stems = _match_names(_CHAIRS2, disk.names(folder))
    _require_items(stems, key, folder, "*-flow_01.flo", "FlyingChairs2")
    # Both parts number their pairs from 0, so names of files include the folder.
    common = Path(os.path.commonpath([os.path.dirname(os.path.abspath(str(path))) for path in folders.values()]))
    folder = Path(os.path.abspath(str(folder)))
    listing = Listing(common, ignored=_find_ignored(folder, r"\d+-flow_01\.flo", _CHAIRS2, disk))
    for stem in stems:
        disk.add(listing, Pair(*(folder / (stem + end) for end in ends)))
    return listing


def _flyingthings3d(config: FlyingThings3DData, part: str, key: str) -> Listing:
    root, disk = Path(config.root), Disk()
    listing = Listing(root)
    half = {"train": "TRAIN", "val": "TEST"}[part]
    for name in config.passes:
        frames = _require_folder(root / f"frames_{name}pass" / half, f"{key}.root", "FlyingThings3D's frames are")
        flows = root / "optical_flow" / half
        for sequence in sorted({*_list_folders(frames, *_THINGS_SEQUENCE), *_list_folders(flows, *_THINGS_SEQUENCE)}):
            for camera in config.cameras:
                for direction in config.directions:
                    folders = frames / sequence / camera, flows / sequence / direction / camera
                    for pair in _flyingthings3d_pairs(disk, *folders, camera, direction):
                        disk.add(listing, pair)
    listing.ignored = _find_ignored_sequences(root / "optical_flow" / half, config, disk)
    _require_items(listing.pairs + listing.missing, f"{key}.root", root, "pairs of these passes", "FlyingThings3D")
    return listing


def _flyingthings3d_pairs(disk: Disk, images: Path, flows: Path, camera: str, direction: str) -> Iterator[Pair]:
    """Yield the pairs of one sequence. Flow to a frame outside the sequence has no second image and is ignored."""
    step, word = (1, "Future") if direction == "into_future" else (-1, "Past")
    numbers = _numbers(_THINGS, disk.names(images)) | _numbers(_THINGS, disk.names(flows))
    for number in _full_range(numbers):
        if number + step in _full_range(numbers):
            flow = flows / f"OpticalFlowInto{word}_{number:04d}_{camera[0].upper()}.pfm"
            yield Pair(images / f"{number:04d}.png", images / f"{number + step:04d}.png", flow)


def _find_ignored_sequences(flows: Path, config: FlyingThings3DData, disk: Disk) -> List[Path]:
    """Return the folders that contain flow files in the place of a sequence, but do not have the name of one."""
    official = {flows / sequence for sequence in _list_folders(flows, *_THINGS_SEQUENCE)}
    paths = {flows / letter / name for letter in disk.names(flows) for name in disk.names(flows / letter)}
    parts = [Path(direction, camera) for direction in config.directions for camera in config.cameras]
    others = sorted(paths - official)
    return [path for path in others if any(_numbers(_THINGS, disk.names(path / part)) for part in parts)]


def _match_names(pattern: Pattern[str], names: Iterable[str]) -> List[str]:
    """Return the first captured group of each name that fully matches the pattern, sorted and without duplicates."""
    return sorted({match.group(1) for match in map(pattern.fullmatch, names) if match})


def _numbers(pattern: Pattern[str], names: Iterable[str]) -> Set[int]:
    """Return the frame numbers of files."""
    return set(map(int, _match_names(pattern, names)))


def _find_ignored(folder: Path, similar: str, official: Pattern[str], disk: Disk) -> List[Path]:
    """Return the files whose names are like those of pairs, but not official ones."""
    names = sorted(filter(re.compile(similar).fullmatch, disk.names(folder)))
    return [folder / name for name in names if not official.fullmatch(name)]


def _find_ignored_scenes(folder: Path, flow: str, official: Pattern[str], disk: Disk) -> List[Path]:
    """Return the folders that contain flow files, but do not have the name of an official scene."""
    paths = [folder / name for name in sorted(disk.names(folder)) if not official.fullmatch(name)]
    return [path for path in paths if any(map(re.compile(flow).fullmatch, disk.names(path)))]


def _full_range(numbers: Set[int]) -> range:
    """Return all numbers from the first to the last; those of missing frames are included."""
    return range(min(numbers), max(numbers) + 1) if numbers else range(0)


def _list_folders(folder: Path, *levels: Pattern[str]) -> List[Path]:
    """Return the folders below a folder whose names have a pattern per level, relative to it and in order."""
    paths = [Path()] if folder.is_dir() else []
    for level in levels:
        names = {path: sorted(filter(level.fullmatch, os.listdir(str(folder / path)))) for path in paths}
        paths = [path / name for path in paths for name in names[path]]
        paths = [path for path in paths if (folder / path).is_dir()]
    return paths


def _sintel(config: SintelData, part: str, key: str) -> Listing:
    root, disk = Path(config.root), Disk()
    training = root / "training"
    flows = _require_folder(training / "flow", f"{key}.root", "MPI-Sintel's training/ is")
    scenes = list(map(str, _list_folders(flows, _SINTEL_SCENE)))
    _require_items(scenes, f"{key}.root", flows, "scenes", "MPI-Sintel")
    unknown = sorted(set(config.val_scenes) - set(scenes))
    if unknown:
        raise InputError(f"{key}.val_scenes: {flows} has no scene {unknown[0]}; there are {', '.join(scenes)}")
    if config.val_scenes:
        scenes = [scene for scene in scenes if (scene in config.val_scenes) == (part == "val")]
    elif part == "train":
        scenes = []
    listing = Listing(root, ignored=_find_ignored_scenes(flows, r"frame_\d+\.flo", _SINTEL_SCENE, disk))
    for name in config.passes:
        _require_folder(training / name, f"{key}.root", f"MPI-Sintel's training/{name} is")
        for scene in scenes:
            with_flow = _numbers(_SINTEL, disk.names(flows / scene))
            targets = {number + 1 for number in with_flow}
            frames = _full_range(_numbers(_SINTEL, disk.names(training / name / scene)) | with_flow | targets)
            for number in frames[:-1]:
                disk.add(listing, _sintel_pair(disk, training, name, scene, number))
    return listing


def _sintel_pair(disk: Disk, training: Path, name: str, scene: str, number: int) -> Pair:
    """Return a pair of a rendering pass, with the masks whose folders exist."""
    first, second = f"frame_{number:04d}", f"frame_{number + 1:04d}.png"
    masks = {
        mask: training / mask / scene / f"{first}.png"
        for mask in ("invalid", "occlusions")
        if any(map(_SINTEL_SCENE.fullmatch, disk.names(training / mask)))
    }
    flow, images = training / "flow" / scene / f"{first}.flo", training / name / scene
    return Pair(images / f"{first}.png", images / second, flow, masks.get("invalid"), masks.get("occlusions"))


def _kitti(config: KittiData, part: str, key: str) -> Listing:
    training, disk = Path(config.root) / "training", Disk()
    folders = ("image_2",) if config.kind == "kitti2015" else ("colored_0", "image_0")
    name = config.kind.upper().replace("KITTI", "KITTI ")
    _require_folder(training, f"{key}.root", f"{name}'s training/ is")
    used = [training / folder for folder in folders if _match_names(_KITTI, disk.names(training / folder))]
    images, flows = [*used, training / folders[0]][0], training / f"flow_{config.flow}"
    stems = _match_names(_KITTI, disk.names(images) | disk.names(flows))
    _require_items(stems, f"{key}.root", training, f"{images.name}/*_10.png", name)
    listing = Listing(Path(config.root), ignored=_find_ignored(images, r"\d+_10\.png", _KITTI, disk))
    for stem in stems:
        if not _belongs_to_part(int(stem), config.val_every, part):
            continue
        flow = flows / f"{stem}_10.png"
        disk.add(listing, Pair(images / f"{stem}_10.png", images / f"{stem}_11.png", flow))
    return listing


def _middlebury(config: MiddleburyData, part: str, key: str) -> Listing:
    root, disk = Path(config.root), Disk()
    flows = _require_folder(root / "other-gt-flow", f"{key}.root", "Middlebury's other-gt-flow/ is")
    scenes = [scene for scene in _MIDDLEBURY if scene in disk.names(flows)]
    _require_items(scenes, f"{key}.root", flows, "scenes", "Middlebury")
    official = re.compile("|".join(_MIDDLEBURY))
    listing = Listing(root, ignored=_find_ignored_scenes(flows, r"flow10\.flo", official, disk))
    for scene in scenes:
        if not _belongs_to_part(_MIDDLEBURY.index(scene), config.val_every, part):
            continue
        images = root / "other-data" / scene
        disk.add(listing, Pair(images / "frame10.png", images / "frame11.png", flows / scene / "flow10.flo"))
    return listing


def _belongs_to_part(number: int, step: int, part: str) -> bool:
    """Return whether the pair with a number belongs to a part: every `step`-th to "val", the others to "train"."""
    return (number % step == 0) == (part == "val")


def _list(config: ListData, part: str, key: str) -> Listing:
    paths = {"train": config.train_list, "val": config.val_list}
    path = paths[part]
    folders = [os.path.dirname(os.path.abspath(name)) for name in paths.values() if name is not None]
    listing = Listing(Path(os.path.commonpath(folders)))
    if path is None:
        return listing
    disk, folder = Disk(), Path(os.path.dirname(os.path.abspath(path)))
    for number, words in _read_lines(Path(path), f"{key}.{part}_list"):
        if not 3 <= len(words) <= 5:
            raise InputError(
                f"{key}.{part}_list: {path}:{number}: has {format_count(len(words), 'name')} instead of "
                f"three to five: image, image, "
                f"flow, invalid and occluded mask (quote names with spaces)"
            )
        files = [folder / os.path.expanduser(word) for word in words[:3]]
        masks = [None if word == "-" else folder / os.path.expanduser(word) for word in words[3:]]
        disk.add(listing, Pair(*files, *masks))
    if not listing.pairs and not listing.missing:
        raise InputError(f"{key}.{part}_list: {path} contains no lines; write one line per pair")
    return listing


def _read_lines(path: Path, key: str) -> Iterator[Tuple[int, List[str]]]:
    """Yield the number and the words of every line that is not empty."""
    for number, line in enumerate(_read_text(path, key).split("\n"), 1):
        line = line.strip()
        words, place = [], 0
        while place < len(line) and line[place] != "#":  # within a name, # does not start a comment
            match = _WORD.match(line, place)
            if match is None:
                raise InputError(f"{key}: {path}:{number}: no closing quotation")
            words.append(_unquote(match.group(1)))
            place = match.end()
        if words:
            yield number, words


def _unquote(word: str) -> str:
    """Strip the quotes from a name, unescape its blanks, and turn backslashes into folder separators."""
    parts = [part[1:-1] if part[0] in "\"'" else part for part in _PART.findall(word)]
    return re.sub(r"\\(\s)", r"\1", "".join(parts)).replace("\\", "/")


def _read_text(path: Path, key: str) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")  # names need not be UTF-8
    except OSError as error:
        reason = find_reason(error)
        raise InputError(f"{key}: {path}: cannot be read: {reason}; set it to an existing text file") from None
    if "\0" in text:
        raise InputError(f"{key}: {path}: is not a text file in UTF-8; save it in that encoding")
    return text


_LAYOUTS: Dict[type, Callable[[Any, str, str], Listing]] = {
    FlyingChairsData: _flyingchairs,
    FlyingChairs2Data: _flyingchairs2,
    FlyingThings3DData: _flyingthings3d,
    SintelData: _sintel,
    KittiData: _kitti,
    MiddleburyData: _middlebury,
    ListData: _list,
}
