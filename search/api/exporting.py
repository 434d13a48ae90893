"""Export of one architecture for the board, and the effect of quantisation on its EPE."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Mapping, NamedTuple, Optional, Tuple

import numpy as np

from edgeflownas.data.datasets import open_datasets
from edgeflownas.errors import InputError
from edgeflownas.evaluation.recalibration import select_statistics, statistics_to_tensors
from edgeflownas.hardware.board import Board
from edgeflownas.hardware.compiler import Compiler
from edgeflownas.network.space import Architecture
from edgeflownas.progress import phase, progress
from edgeflownas.storage.files import replacing, write_json
from search.api.runs import AnyPath, to_path
from search.queue.deployment import Deployment
from search.queue.queue import Queue
from search.request import Request, find_request
from search.run import SCORING_THREADS, Run

if TYPE_CHECKING:  # otherwise --help would load TensorFlow
    from edgeflownas.evaluation.child import EvaluationData


class Export(NamedTuple):
    """An exported architecture.

    Attributes:
        record: Figures, settings and the paths of the written files, as plain Python types.
        board: Board that it is compiled for.
    """

    record: Dict[str, Any]
    board: Board


def export(
    run: Run,
    architecture: Optional[str] = None,
    weights: Optional[AnyPath] = None,
    task: Optional[int] = None,
    board: Optional[AnyPath] = None,
    int8_io: Optional[bool] = None,
    pairs: int = 64,
    output: Optional[AnyPath] = None,
    bundle: Optional[AnyPath] = None,
) -> Export:
    """Quantise an architecture to int8 TFLite, compile it with Vela, and score it on validation pairs.

    The input and the calibration pairs are those of the section ``deploy``, as for ``queue collect``.

    Args:
        run: Run of the architecture.
        architecture: Digits of the architecture; None if ``task`` is given.
        weights: File of weights; if None, the supernet of the run, or the retrained child of the task.
        task: Number of a task of the queue; None for an architecture.
        board: File of the board; if None, that of the configuration.
        int8_io: Whether input and output are int8 rather than float32; if None, as the board's file says.
        pairs: Largest number of validation pairs to score.
        output: Folder for the files; if None, the folder ``export`` of the run.
        bundle: New folder for the firmware; if None, it is not written.

    Raises:
        InputError: The weights, the data, the board or a folder cannot be used, or Vela is missing.
        FloatingPointError: A weight or statistic is not finite.
    """
    folder, bundle = to_path(output) or run.folder / "export", to_path(bundle)
    if bundle is not None:
        from edgeflownas.hardware.bundle import check_unused

        check_unused(bundle)
    compiler = _open_compiler(run, to_path(board), int8_io)
    settings = compiler.summary()  # reports a missing Vela before any long work
    request = find_request(run, architecture, to_path(weights), task)
    chosen, architecture = request.architecture, run.space.format(request.architecture)
    tensors = request.load_tensors(run)
    origin = run.origin(request.weights, tensors)
    deployment = _open_deployment(run, request, compiler.board.settings.int8_io)
    height, width = deployment.padded_size
    with phase(f"reading images, recalibrating, and scoring {architecture} in float32"):
        data = deployment.open_validation(pairs)
        tensors = _add_statistics(run, chosen, tensors)
        float_epe = _score_float(run, chosen, tensors, data)
    with phase("quantising"):
        model = deployment.export(architecture, tensors)
    ends = "int8" if compiler.board.settings.int8_io else "float32"
    name = f"{architecture}_{height}x{width}_{request.origin}_{origin.sha256:.8}_{ends}_ends"
    paths = _name_files(folder, name, compiler.board.path.stem)
    _refuse_to_replace(paths["network"], model)
    with phase(f"compiling with Vela {compiler.vela.version}"):
        compiled = compiler.compile(architecture, model)
    int8_epe, scales = _score_quantised(model, data)
    result = {
        "architecture": architecture,
        **origin.record(),
        "task": request.task,
        "size": [height, width],
        "settings": settings,
        **compiler.board.provenance(compiler.vela.version),
        "epe_float32": float_epe,
        "epe_int8": int8_epe,
        "zero_flow_epe": data.zero_flow_epe() if data.has_motion else None,
        **asdict(compiled.figures.cost(compiler.board.clock_hz, "compiled")),
        "on_cpu": [f"{layer.operator} {layer.name}" for layer in compiled.layers if layer.target == "CPU"],
        **scales,
    }
    result.update({key: str(path) for key, path in paths.items()})
    _write(paths, model, compiled.model, result)
    if bundle is not None:
        _write_bundle(bundle, deployment, compiler.board, model, compiled.model, data, result)
    return Export(result, compiler.board)


def _open_compiler(run: Run, board: Optional[Path], int8_io: Optional[bool]) -> Compiler:
    """Return the compiler for a board and a type of input and output, by default those of the configuration."""
    compiler = Compiler.from_config(run.config.hardware)
    chosen = compiler.board if board is None else Board.load(board)
    return compiler.for_board(chosen if int8_io is None else chosen.with_settings(int8_io=int8_io))


def _open_deployment(run: Run, request: Request, int8_io: bool) -> Deployment:
    """Return the input of the board, for a task with the settings with which it was retrained."""
    if request.task is None:
        child = run.retraining(run.space.format(request.architecture))
    else:
        child = Queue(run.queue_folder).task(request.task).config
    return Deployment(run.config.deploy, child, int8_io)


def _add_statistics(run: Run, architecture: Architecture, tensors: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    """Return tensors with BN statistics; those of a supernet are recomputed with the input of the training."""
    from edgeflownas.evaluation.child import ChildEvaluator, EvaluationData

    if select_statistics(tensors):
        return tensors
    rules = run.config.evaluation.model_copy(update={"val_pairs": 1})
    data = EvaluationData(*open_datasets(run.config.data), rules, run.config.threads)
    statistics = ChildEvaluator(run.skeleton, architecture, data, SCORING_THREADS).recalibrate(tensors)
    return {**tensors, **statistics_to_tensors(statistics)}


def _score_float(
    run: Run, architecture: Architecture, tensors: Dict[str, np.ndarray], data: "EvaluationData"
) -> Optional[float]:
    """Return the EPE in float32, in pixels; None if no flow is known."""
    from edgeflownas.evaluation.child import ChildEvaluator

    if not data.has_known_flow:
        return None
    return ChildEvaluator(run.skeleton, architecture, data, SCORING_THREADS).epe(tensors, select_statistics(tensors))


def _score_quantised(model: bytes, data: "EvaluationData") -> Tuple[Optional[float], Dict[str, Any]]:
    """Return the EPE of the quantised network, in pixels, and the quantisation of its input and output.

    The EPE is None if no flow is known.
    """
    from edgeflownas.hardware.quantised import QuantisedNetwork

    quantised = QuantisedNetwork(model)
    epe = None
    if data.has_known_flow:
        count = sum(len(batch.images) for batch in data.validation)
        with progress("running the quantised network", count) as bar:
            epe = quantised.epe(data.validation, bar.advance)
    return epe, {"input": quantised.input._asdict(), "output": quantised.output._asdict()}


def _name_files(folder: Path, name: str, board: str) -> Dict[str, Path]:
    """Return the paths of the network, of the compiled network and of the record of the export."""
    return {
        "network": folder / f"{name}.tflite",
        "compiled": folder / f"{name}_{board}_vela.tflite",
        "record": folder / f"{name}_{board}.json",
    }


def _refuse_to_replace(path: Path, model: bytes) -> None:
    """Raise InputError if a file holds a different network, for example with other ranges of activations."""
    if path.exists() and path.read_bytes() != model:
        raise InputError(f"{path}: contains a different network; remove it, or choose a different folder with --output")


def _write(paths: Mapping[str, Path], model: bytes, compiled: bytes, result: Dict[str, Any]) -> None:
    """Write the network, the compiled network and the record of the export."""
    for path, content in ((paths["network"], model), (paths["compiled"], compiled)):
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    write_json(paths["record"], result)


def _write_bundle(
    folder: Path,
    deployment: Deployment,
    board: Board,
    model: bytes,
    compiled: bytes,
    data: "EvaluationData",
    result: Dict[str, Any],
) -> None:
    """Write the files for the firmware, with the first validation pairs as samples."""
    from edgeflownas.hardware.bundle import SAMPLES, Export, write_bundle

    names = ("weights", "weights_sha256", "vela", "board", "accelerator", "system_config", "memory_mode", "fps",
             "epe_int8")  # fmt: skip
    export = Export(
        result["architecture"],
        model,
        compiled,
        result["sram_kib"],
        deployment.size,
        deployment.padded_size,
        {name: result[name] for name in names},
    )
    images = np.concatenate([batch.images for batch in data.validation])[:SAMPLES]
    write_bundle(folder, export, board, images)
    result["bundle"] = str(folder)
