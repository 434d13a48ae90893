"""The final front as a CSV file and as tables."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from rich.box import SIMPLE_HEAD
from rich.table import Table

from edgeflownas.storage.files import write_csv
from edgeflownas.wording import format_count, join
from search.queue.collect import Collection, Survivor
from search.queue.deployment import NOTABLE_LOSS
from search.queue.published import Published

EXACT_SOURCES = ("compiled", "measured")

_SHOWN = 3  # layers that are named in a sentence on the loss by quantisation


def write_final_front(path: Path, collection: Collection, hardware: Mapping[str, str]) -> None:
    """Write ``final_front.csv`` with all retrained architectures, sorted by EPE in int8 from best to worst.

    ``on_front`` is 1 for those on the front; ``deploy_epe`` and ``int8_epe`` are the EPEs with the input of the board;
    ``final_epe NAME`` is the EPE on the validation pairs of a data set, on whole images.

    Args:
        path: Path of the file.
        collection: Retrained architectures.
        hardware: Settings on which the cost depends, as additional columns; see ``Board.provenance``.
    """
    front = collection.front
    write_csv(path, [{**_make_record(survivor, survivor in front), **hardware} for survivor in collection.survivors])


def _make_record(survivor: Survivor, on_front: bool) -> Dict[str, Any]:
    record = asdict(survivor)
    del record["final"], record["deployed"]
    epes = {f"final_epe {name}": final.epe for name, final in survivor.final.items()}
    return {**record, "on_front": int(on_front), **deploy_figures(survivor), **epes}


def deploy_figures(survivor: Survivor) -> Dict[str, Any]:
    """Return the figures of a survivor with the input of the board, by the names of their columns."""
    deployed = survivor.deployed
    height, width = deployed.settings["size"]
    return {
        "deploy_size": f"{height}x{width}",
        "deploy_epe": deployed.epe,
        "int8_epe": deployed.int8_epe,
        "deploy_zero_flow_epe": deployed.zero_flow_epe,
    }


def render_final_table(collection: Collection, published: Optional[Published] = None) -> Table:
    """Return a table of the survivors, at most 80 columns wide, with a comparable published network below them.

    EPEs are those with the supernet's weights, after retraining, with the input of the board, and there in int8. A
    tilde marks hardware figures that were neither compiled nor measured.
    """
    retrained = format_count(len(collection.survivors), "retrained architecture")
    height, width = collection.size
    title = f"Final front: {len(collection.front)} of {retrained}, at {height}x{width} pixels"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("network", no_wrap=True)
    for heading in ("search", "EPE px", "board", "int8", "% zero", "FPS", "SRAM KiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("front", no_wrap=True)
    for survivor in collection.survivors:
        table.add_row(
            survivor.architecture,
            "" if survivor.supernet_epe is None else f"{survivor.supernet_epe:.3f}",
            f"{survivor.epe:.3f}",
            f"{survivor.deployed.epe:.3f}",
            f"{survivor.int8_epe:.3f}",
            f"{100 * survivor.int8_epe / survivor.deployed.zero_flow_epe:.1f}",
            f"{'~' * (survivor.cost_source not in EXACT_SOURCES)}{survivor.fps:.1f}",
            f"{survivor.sram_kib:.1f}",
            "yes" if survivor in collection.front else "no",
        )
    if published is not None:
        figures = f"{published.fps:.2f}", f"{published.sram_kib:.1f}"
        table.add_section()
        table.add_row(published.name, "", "", "", "", "", *figures, "")
    return table


def render_epe_table(collection: Collection) -> Table:
    """Return a table of the final EPE by data set."""
    table = Table(title="Final EPE on whole images, px", title_justify="left", box=SIMPLE_HEAD)
    table.pad_edge, table.collapse_padding = False, True
    table.add_column("architecture", no_wrap=True)
    names = list(dict.fromkeys(name for survivor in collection.survivors for name in survivor.final))
    for name in names:
        pairs = max(survivor.final[name].pairs for survivor in collection.survivors if name in survivor.final)
        table.add_column(f"{name}, {format_count(pairs, 'pair')}", justify="right")
    zeros: Dict[str, float] = {}
    for survivor in collection.survivors:
        epes = (f"{survivor.final[name].epe:.4f}" if name in survivor.final else "" for name in names)
        table.add_row(survivor.architecture, *epes)
        zeros.update({name: final.zero_flow_epe for name, final in survivor.final.items()})
    table.add_row("zero flow", *(f"{zeros[name]:.4f}" for name in names))
    return table


def find_figure(survivor: Survivor, name: str) -> Optional[float]:
    """Return a figure of a survivor by the name of its column; None if it is not known."""
    figure: Optional[float] = deploy_figures(survivor).get(name, getattr(survivor, name, None))
    return figure


def describe_input(collection: Collection) -> List[str]:
    """Return a sentence on the input with which the networks were scored in int8."""
    deployed = collection.survivors[0].deployed
    height, width = deployed.settings["size"]
    pairs = format_count(deployed.pairs, f"{deployed.settings['data']['kind']} pair")
    fit = "whole images are resized" if deployed.settings["whole"] else "as in training"
    return [f"Input of the board: {height}x{width} pixels, {fit}; {pairs}, zero flow {deployed.zero_flow_epe:.4f} px."]


def describe_losses(collection: Collection) -> List[str]:
    """Return a sentence for each survivor that loses much by quantisation: where it does, and what helps."""
    return [
        _describe_loss(survivor) for survivor in collection.survivors if survivor.deployed.loss > NOTABLE_LOSS
    ]


def _describe_loss(survivor: Survivor) -> str:
    deployed = survivor.deployed
    worst = sorted((layer for layer in deployed.layers if layer.increase > 0), key=lambda layer: -layer.increase)
    layers = join([f"{layer.layer} (by {layer.increase:.1%}, to {layer.error:.1%})" for layer in worst[:_SHOWN]])
    text = (
        f"{survivor.architecture} loses {deployed.loss:.1%} by quantisation, from {deployed.epe:.4f} to "
        f"{deployed.int8_epe:.4f} px. The relative error of the activations grows most in {layers}."
    )
    best = min(deployed.trials, key=lambda trial: trial.int8_epe, default=None)
    if best is None:
        return text
    keys = f"deploy.calibration_pairs={best.calibration_pairs} deploy.trim={best.trim:g}"
    if best.int8_epe < deployed.int8_epe:
        return f"{text} With {keys}, it has {best.int8_epe:.4f} px."
    return f"{text} None of the other ranges that were tried helps; the best has {best.int8_epe:.4f} px ({keys})."
