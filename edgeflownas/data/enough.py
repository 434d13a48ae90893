"""Checks that a data set has as many pairs as a configuration asks for; they are cheap and precede any long work."""

from edgeflownas.config import EvaluationConfig
from edgeflownas.data.sample import FlowDataset
from edgeflownas.errors import InputError
from edgeflownas.wording import format_count


def check_batch_size(dataset: FlowDataset, batch_size: int, section: str) -> None:
    """Check that a data set has enough training pairs for a batch.

    Args:
        dataset: Training pairs.
        batch_size: Number of pairs in a batch.
        section: Section of the configuration that contains ``batch_size``, for the message.

    Raises:
        InputError: There are fewer pairs.
    """
    if len(dataset) < batch_size:
        raise InputError(
            f"{section}.batch_size: {batch_size} is more than the {format_count(len(dataset), 'training pair')}; "
            f"lower it"
        )


def check_scoring_pairs(train: FlowDataset, val: FlowDataset, config: EvaluationConfig) -> None:
    """Check that there are enough pairs for recalibration and validation.

    Args:
        train: Training pairs.
        val: Validation pairs.
        config: Numbers of pairs.

    Raises:
        InputError: There are fewer pairs.
    """
    for dataset, part, key in ((train, "training", "calibration_pairs"), (val, "validation", "val_pairs")):
        asked = getattr(config, key)
        if len(dataset) < asked:
            raise InputError(
                f"evaluation.{key}: asks for {format_count(asked, f'{part} pair')}, but data has {len(dataset)}; add "
                f"pairs, or set evaluation.{key}={len(dataset)} to use only these (few pairs may spoil the EPE)"
            )
