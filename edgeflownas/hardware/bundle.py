"""Files that let firmware run an exported network, and check its output bit by bit."""

from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from edgeflownas.errors import InputError
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.micro import MicroRun, run_in_micro
from edgeflownas.hardware.quantised import QuantisedNetwork
from edgeflownas.storage.files import replacing, write_json, write_text
from edgeflownas.tf_runtime.lite import describe_reference

# Bytes of the arena beyond Vela's SRAM peak for the interpreter's own tables. A network that runs on the NPU has a
# single operator; TensorFlow Lite Micro took 1,056 bytes for a network of one convolution on a 64-bit machine.
INTERPRETER_BYTES = 2 * 1024

SAMPLES = 2  # number of image pairs in a bundle

_BYTES_PER_LINE = 16


class Export(NamedTuple):
    """An exported network.

    Attributes:
        architecture: Genes of the architecture, as text.
        model: Content of the TFLite file before Vela.
        compiled: Content of the TFLite file after Vela.
        sram_kib: SRAM peak as reported by Vela, in KiB.
        size: Height and width of the frames, in pixels.
        padded_size: Height and width of the network's input, in pixels.
        provenance: Board, compiler and weights, as recorded beside figures.
    """

    architecture: str
    model: bytes
    compiled: bytes
    sram_kib: float
    size: Tuple[int, int]
    padded_size: Tuple[int, int]
    provenance: Dict[str, Any]

    @property
    def arena_bytes(self) -> int:
        """Size of the arena to reserve in the firmware: the SRAM peak and the interpreter's tables, in whole KiB."""
        return (int(np.ceil(self.sram_kib)) + INTERPRETER_BYTES // 1024) * 1024


def check_unused(folder: Path) -> None:
    """Raise InputError if the folder of a bundle contains something."""
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; choose a new folder for the bundle, or remove this one")


def write_bundle(folder: Path, export: Export, board: Board, samples: np.ndarray) -> List[Path]:
    """Write the bundle of an exported network.

    Args:
        folder: Folder of the bundle, which is created; it must not contain anything yet.
        export: Network to write.
        board: Board for which the network was compiled.
        samples: Image pairs for which input and expected output are written, uint8, shape [N, H, W, 6].

    Returns:
        Paths of all files.

    Raises:
        InputError: The folder contains something.
    """
    check_unused(folder)
    network = QuantisedNetwork(export.model, reference=True)
    blobs = {"network.tflite": export.model, "network_vela.tflite": export.compiled}
    inputs = [network.quantise(images) for images in samples]
    outputs = [network.run(x) for x in inputs]
    names = [(f"sample_{index}_input.bin", f"sample_{index}_output.bin") for index in range(len(samples))]
    for pair, arrays in zip(names, zip(inputs, outputs)):
        blobs.update(zip(pair, (array.tobytes() for array in arrays)))
    for name, content in blobs.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(content)
    write_text(folder / "network.h", _format_header(export))
    description = describe_io(export, board, network, names)
    write_json(folder / "io.json", description)
    check = _describe_check(run_in_micro(export.model, inputs), outputs)
    write_text(folder / "README.md", _format_readme(export, board, description, check))
    return [folder / name for name in (*blobs, "network.h", "io.json", "README.md")]


def describe_io(
    export: Export, board: Board, network: QuantisedNetwork, samples: Sequence[Tuple[str, str]]
) -> Dict[str, Any]:
    """Return the content of ``io.json``: how to fill the input and how to read the output."""
    height, width = export.size
    rows, columns = export.padded_size
    return {
        "architecture": export.architecture,
        **export.provenance,
        "arena_bytes": export.arena_bytes,
        "sram_peak_kib": export.sram_kib,
        "board_arena_bytes": board.arena_bytes,
        "input": {
            "shape": [1, rows, columns, 6],
            **_describe_type(network.input.scale, network.input.zero_point),
            "channels": [f"{colour} of frame {frame}" for frame in (1, 2) for colour in "RGB"],
            "frames": "Frame 1 is the earlier one; the flow leads from frame 1 to frame 2",
            "real_value": "pixel / 127.5 - 1, from -1 to 1 for pixels from 0 to 255",
            "of_pixel": _describe_pixels(network),
            "padding": _describe_padding(export.size, export.padded_size),
        },
        "output": {
            "shape": [1, rows, columns, 4],
            **_describe_type(network.output.scale, network.output.zero_point),
            "channels": ["u, to the right", "v, downwards", "uncertainty of u", "uncertainty of v"],
            "unit": f"pixels of the {rows}x{columns} input; the uncertainty in pixels is softplus(value)",
            "real_value": "scale * (value - zero_point)",
            "crop": {"rows": [0, height], "columns": [0, width]},
        },
        "samples": [{"input": name, "output": result} for name, result in samples],
    }


def _describe_type(scale: float, zero_point: int) -> Dict[str, Any]:
    """Return type and quantisation of a tensor; scale 0 means float32."""
    return {"type": "int8", "scale": scale, "zero_point": zero_point} if scale else {"type": "float32"}


def _format_header(export: Export) -> str:
    """Return a C header with the compiled network as an aligned array, its size, and the size of the arena."""
    rows, columns = export.padded_size
    values = [f"0x{byte:02x}," for byte in export.compiled]
    lines = (" ".join(values[i : i + _BYTES_PER_LINE]) for i in range(0, len(values), _BYTES_PER_LINE))
    body = "\n    ".join(lines)
    return f"""\
/* EdgeFlowNet {export.architecture}, compiled by Vela {export.provenance["vela"]} for {export.provenance["board"]}. */
#ifndef EDGEFLOWNET_NETWORK_H_
#define EDGEFLOWNET_NETWORK_H_

#define EDGEFLOWNET_HEIGHT {rows}
#define EDGEFLOWNET_WIDTH {columns}
#define EDGEFLOWNET_INPUT_CHANNELS 6
#define EDGEFLOWNET_OUTPUT_CHANNELS 4
/* SRAM peak of {export.sram_kib:.1f} KiB, and {INTERPRETER_BYTES // 1024} KiB for the interpreter's own tables. */
#define EDGEFLOWNET_ARENA_BYTES {export.arena_bytes}
#define EDGEFLOWNET_NETWORK_BYTES {len(export.compiled)}

#if defined(__GNUC__) || defined(__clang__)
__attribute__((aligned(16)))
#endif
static const unsigned char edgeflownet_network[EDGEFLOWNET_NETWORK_BYTES] = {{
    {body}
}};

#endif
"""


def _format_readme(export: Export, board: Board, description: Dict[str, Any], check: str) -> str:
    """Return the bundle's README; ``check`` says how the expected outputs were computed."""
    height, width = export.size
    rows, columns = export.padded_size
    given, result = description["input"], description["output"]
    real = f"`{result['scale']:.9g} * (value - ({result['zero_point']}))`" if "scale" in result else "the output itself"
    fits = board.misfit(export.arena_bytes / 1024) or f"It fits into the {board.arena_kib:.1f} KiB of the board"
    return f"""\
# EdgeFlowNet {export.architecture} for {board.settings.name}

| file | content |
|---|---|
| `network.tflite` | the network before Vela, for TensorFlow Lite, and for TensorFlow Lite Micro without an NPU |
| `network_vela.tflite` | the network to flash |
| `network.h` | the network to flash as an aligned C array, with sizes |
| `io.json` | shapes, channels, scales, zero points and units |
| `sample_N_input.bin`, `sample_N_output.bin` | inputs and their expected outputs as raw bytes |

## Memory
Vela reports an SRAM peak of {export.sram_kib:.1f} KiB. Reserve an arena of {export.arena_bytes} bytes, aligned to 16
bytes: {INTERPRETER_BYTES // 1024} KiB of it are for the interpreter's own tables. {fits}.

## Input
Shape 1x{rows}x{columns}x6, {given["type"]}. The channels are R, G and B of the earlier frame, then R, G and B of the
later one. The value of a pixel is {given["of_pixel"]}. {given["padding"]}.

## Output
Shape 1x{rows}x{columns}x4, {result["type"]}: u (to the right), v (downwards), and an uncertainty for each. The flow
leads from the earlier frame to the later one, in {result["unit"]}. The real value is {real}. Rows 0 to {height - 1} and
columns 0 to {width - 1} belong to the frames; crop the others.

## Check
With the bytes of `sample_N_input.bin` as input, the output must equal `sample_N_output.bin` byte by byte. The expected
outputs were computed by {describe_reference()}. {check}.
"""


def _describe_pixels(network: QuantisedNetwork) -> str:
    """Return a formula for the input's value of a pixel."""
    if not network.input.scale:
        return "pixel / 127.5 - 1"
    values = network.quantise(np.arange(256, dtype=np.uint8))
    if (values == np.arange(-128, 128)).all():
        return "pixel - 128"
    scale, zero_point = network.input
    return f"(pixel / 127.5 - 1) / {scale:.9g} + ({zero_point}), rounded to the nearest integer from -128 to 127"


def _describe_padding(size: Tuple[int, int], padded_size: Tuple[int, int]) -> str:
    (height, width), (rows, columns) = size, padded_size
    if size == padded_size:
        return "The frames have the size of the input"
    return (
        f"Frames of {height}x{width} pixels are placed in the top left corner; {rows - height} rows at the bottom "
        f"repeat their last row, and {columns - width} columns on the right their last column"
    )


def _describe_check(micro: Optional[MicroRun], outputs: Sequence[np.ndarray]) -> str:
    """Return a sentence on whether TensorFlow Lite Micro agrees with the expected outputs."""
    if micro is None:
        return "TensorFlow Lite Micro was not installed (tflite-micro), so they were not compared with its results"
    differing = sum(int((result != output).sum()) for result, output in zip(micro.outputs, outputs))
    agreement = "TensorFlow Lite Micro, without an NPU, gave "
    agreement += f"other values in {differing} places" if differing else "the same bytes"
    return f"{agreement}, in an arena of {micro.arena_bytes} bytes"
