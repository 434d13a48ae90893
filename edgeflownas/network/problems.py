"""What is wrong with the stages of a space, in words for its author."""

from typing import Dict, Iterator, List, Sequence

from edgeflownas.config import MULTIPLE
from edgeflownas.network.operations import ChannelAttention, Conv, Flow, Gate, Option, Residual
from edgeflownas.network.skeleton import Skeleton, Stage

COARSEST = MULTIPLE  # images are padded to multiples of it
_WIDTH, _SIDE = 32, 64  # base width and image side at which options are compared


def find_problems(stages: Sequence[Stage]) -> List[str]:
    """Return what is wrong with the stages, one line each; each line names a stage and the remedy."""
    problems = [f"stage {stage.name}: {problem}" for stage in stages for problem in _check_options(stage)]
    problems += _check_order(stages)
    if not problems:  # the skeleton can be laid out
        problems += _check_weights(stages)
    return problems


def _check_options(stage: Stage) -> Iterator[str]:
    """Check the options of a stage against each other."""
    if len(set(stage.options)) < len(stage.options):
        yield "two options are the same; leave one out"
    flows = [isinstance(operation, Flow) for option in stage.options for operation in option]
    if any(flows) and not (all(flows) and all(len(option) == 1 for option in stage.options)):
        yield "a flow operation stands alone; put the other operations into stages of their own"


def _check_order(stages: Sequence[Stage]) -> List[str]:
    """Check that each stage fits what precedes it: scales, widths, and the stages that gates name."""
    problems: List[str] = []
    seen: Dict[str, Stage] = {}
    scale, width, flows = 1, 0.0, []
    if not all(isinstance(option[0], Conv) for option in stages[0].options):
        problems.append(f"stage {stages[0].name}: the first stage reads the images; begin it with a conv")
    for stage in stages:
        here = f"stage {stage.name}"
        if stage.name in seen:
            problems.append(f"{here}: two stages have this name; rename one")
        if not stage.is_flow and not stage.width:
            problems.append(f"{here}: the first stage has no previous width to keep; give its width")
        for option in stage.options:
            channels = width
            for operation in option:
                if isinstance(operation, (Residual, ChannelAttention, Gate)) and channels != stage.width:
                    problems.append(
                        f"{here}: {operation.kind} keeps the number of channels; leave out its width, or precede it by "
                        f"an operation that changes the width to {stage.width:g}"
                    )
                if isinstance(operation, Gate) and (operation.source not in seen or seen[operation.source].is_flow):
                    known = ", ".join(name for name, earlier in seen.items() if not earlier.is_flow)
                    problems.append(f"{here}: its source {operation.source} is not an earlier stage ({known})")
                channels = stage.width
        scales = {_rescale(option, scale) for option in stage.options}
        if len(scales) > 1:
            problems.append(f"{here}: the options change height and width differently; give them the same strides")
        scale = max(scales)
        if scale < 1:
            problems.append(f"{here}: its output would be larger than the image; remove an upsampling")
            break
        if scale > COARSEST:
            problems.append(f"{here}: is at 1/{scale} of the image; the coarsest scale is 1/{COARSEST}")
            break
        if stage.is_flow:
            flows.append(scale)
        else:
            width = stage.width
        seen[stage.name] = stage
    return list(dict.fromkeys(problems)) + _check_flows(stages, flows)


def _check_flows(stages: Sequence[Stage], scales: Sequence[int]) -> List[str]:
    """Check that the flow is output at consecutive scales, up to that of the image, and nothing follows."""
    last = stages[-1]
    expected = [2**place for place in reversed(range(len(scales)))]
    if not last.is_flow:
        return [f"stage {last.name}: nothing uses the output of the last stage; end with a flow stage"]
    if list(scales) != expected:
        found = ", ".join(f"1/{scale}" for scale in scales)
        return [
            f"stage {last.name}: the flow is output at {found}; each flow stage should double the scale of the "
            f"previous one, and the last should be at full size"
        ]
    return []


def _check_weights(stages: Sequence[Stage]) -> List[str]:
    """Check that options are ordered from light to heavy."""
    skeleton = Skeleton(_WIDTH, stages)
    problems = []
    for stage in skeleton.choice_blocks:
        macs = [skeleton.stage_macs(stage, option, _SIDE, _SIDE) for option in range(len(stage.options))]
        if macs != sorted(macs):
            order = ", ".join(label for _, label in sorted(zip(macs, stage.labels)))
            problems.append(f"stage {stage.name}: order the options from light to heavy: {order}")
    return problems


def _rescale(option: Option, scale: int) -> int:
    """Return the scale of an option's output; 0 if it would be larger than the image."""
    for operation in option:
        scale = operation.rescale(scale)
    return scale
