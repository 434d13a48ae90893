"""The batch script that hands a queue to Slurm: one element of an array job per task."""

import hashlib
import math
import re
import shlex
import sys
from pathlib import Path
from typing import List

from edgeflownas.config import ClusterConfig
from edgeflownas.errors import InputError
from search.queue.paths import QueuePaths

# These three stand in scripts/slurm/search.sbatch, too. The work is started between the first two; then `code` is its
# exit code, and `stopped` says whether a signal came.
SIGNALS = """\
# Slurm sends its warning to this shell alone: it is passed on, and what the work then saves is waited for.
stopped=
pass_on() { stopped=yes; cut=yes; [ -z "${work-}" ] || kill -s "$1" "$work" 2>/dev/null; }
trap 'pass_on USR1' USR1
trap 'pass_on TERM' TERM
"""
WAIT = """\
work=$!
[ -z "$stopped" ] || kill -s TERM "$work"
while :; do
    cut=
    wait "$work"
    code=$?
    [ -n "$cut" ] || break # else a signal has cut the wait short
done
"""
REQUEUE = """\
# Where Slurm itself ends this job (scancel, scontrol requeue, preemption), what becomes of it is decided already.
if [ "$(squeue --noheader --jobs="$job" --format=%T)" = RUNNING ]; then
    echo "job $job: exit code $code; requeued"
    scontrol requeue "$job" || echo "job $job: Slurm does not requeue it; hand it in again"
fi
exit "$code"
"""

_TEMPLATE = """\
#!/bin/bash{login}
# Retrains the tasks of a queue, one per element of an array job. `queue submit` writes this file and hands it in. By
# hand, for all tasks:
#   sbatch {array} {script}
# May be edited: `queue submit` sets an edited one aside before it writes its own.
{directives}

{setup}queue={queue}
id={identity} # of that queue: if another is built in its place, its tasks are not these
job=${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}} # its own number may be that of the whole array
task=$queue/tasks/$(printf %03d "$SLURM_ARRAY_TASK_ID")
before=$(cat "$task/state.json")

{signals}
{python} -m search retrain --queue "$queue" --id "$id" --index "$SLURM_ARRAY_TASK_ID" &
{wait}
if [ "$code" -le 2 ]; then
    exit "$code" # 0: done; 1: failed for good; 2: not begun: it is being worked on, or the queue is another or damaged
elif [ -z "$stopped" ] && [ "$(cat "$task/state.json")" = "$before" ]; then
    echo "job $job: ended with exit code $code before the task began"
    exit "$code"
elif [ -z "$stopped" ] && [ "$code" -ne 75 ] && [ "$code" -ne 130 ]; then
    echo "$code" >"$task/killed" # the next start counts it as a crash
fi
# 75: crashed, to be tried again; 130: stopped by a signal, to be continued
{requeue}"""


def job_name(paths: QueuePaths) -> str:
    """What Slurm knows the jobs of a queue by, whoever hands them in."""
    folder = paths.folder.resolve()
    run = re.sub(r"[^A-Za-z0-9_.-]", "-", folder.parent.name)[:30]
    return f"efn-{run}-{hashlib.sha256(str(folder).encode()).hexdigest()[:6]}"


def throttle(config: ClusterConfig) -> str:
    """The end of ``--array`` that says how many elements may run at once."""
    return "" if config.throttle is None else f"%{config.throttle}"


def render_batch_script(paths: QueuePaths, identity: str, tasks: int, config: ClusterConfig) -> str:
    """The text of the batch script.

    Args:
        paths: of the queue.
        identity: of the queue.
        tasks: of the queue.
        config: what a job gets.

    Raises:
        InputError: the queue's path, or that of this folder, cannot stand in a directive.
    """
    return _TEMPLATE.format(
        login=" -l" if config.modules or config.conda else "",  # which defines `module` and `conda`
        array=f"--array=0-{tasks - 1}{throttle(config)}",
        script=shlex.quote(str(paths.script.resolve())),
        directives="\n".join(f"#SBATCH {directive}" for directive in _directives(paths, config)),
        setup="".join(f"{line}\n" for line in _setup(config)),
        queue=shlex.quote(str(paths.folder.resolve())),
        identity=shlex.quote(identity),
        python="python" if config.conda else shlex.quote(sys.executable),
        signals=SIGNALS,
        wait=WAIT,
        requeue=REQUEUE,
    )


def _directives(paths: QueuePaths, config: ClusterConfig) -> List[str]:
    tasks = _quoted(paths.tasks.resolve())
    lines = [
        f"--job-name={job_name(paths)}",
        f"--chdir={_quoted(Path.cwd())}",
        # what a task prints comes after what this script prints, in one file
        f"--output={tasks}/%3a/{paths.task(0).output.name}",
        "--open-mode=append",
        "--requeue",
        f"--signal=B:USR1@{config.save_seconds}",
        "--nodes=1",
        "--ntasks=1",
        f"--cpus-per-task={config.cpus}",
    ]
    if config.hours is not None:
        lines.append(f"--time={math.ceil(config.hours * 60)}")
    if config.gpus:
        lines.append("--gres=" + ":".join(filter(None, ["gpu", config.gpu_type, str(config.gpus)])))
    if config.memory_gb is not None:
        lines.append(f"--mem={config.memory_gb}G")
    for name in ("partition", "account", "qos"):
        value = getattr(config, name)
        if value is not None:
            lines.append(f"--{name}={value}")
    return [*lines, *config.directives]


def _quoted(path: Path) -> str:
    """A path as a directive takes it.

    Raises:
        InputError: it has letters that end a quotation there, or that Slurm replaces.
    """
    text = str(path)
    if not text.isprintable() or any(letter in text for letter in "\"'\\%"):
        raise InputError(f"folder {text!r}: has letters that Slurm cannot take in a path; move or rename it")
    return f'"{text}"'


def _setup(config: ClusterConfig) -> List[str]:
    """What comes before the work."""
    lines = [f"module load {shlex.quote(name)} || exit 1" for name in config.modules]
    if config.conda:
        lines += [
            'source "$(conda info --base)/etc/profile.d/conda.sh" || exit 1',
            f"conda activate {shlex.quote(config.conda)} || exit 1",
        ]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in config.environment.items()]
    return [*lines, ""] if lines else []
