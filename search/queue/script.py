"""The batch script that runs a queue on Slurm: an array job with one element per task."""

import hashlib
import math
import re
import shlex
import sys
from pathlib import Path
from typing import List

from edgeflownas.config import ClusterConfig
from edgeflownas.errors import InputError
from search import isolated
from search.queue.paths import QueuePaths

PROGRAM = Path(isolated.__file__).resolve().parent  # the command line, started by its path

# scripts/slurm/search.sbatch contains these three parts, too. The program is started between the first two; afterwards
# `code` is its exit code, and `stopped` is set if a signal was received.
SIGNALS = """\
# Slurm sends its warning to this shell only: pass it on, and wait until the program has saved.
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
    [ -n "$cut" ] || break # otherwise a signal has interrupted the wait
done
"""
REQUEUE = """\
# If Slurm itself is ending this job (scancel, scontrol requeue, preemption), what happens next is already decided.
if [ "$(squeue --noheader --jobs="$job" --format=%T)" = RUNNING ]; then
    echo "job $job: exit code $code; requeued"
    scontrol requeue "$job" || echo "job $job: Slurm does not requeue it; submit it again"
fi
exit "$code"
"""

_TEMPLATE = """\
#!/bin/bash{login}
# Retrains the tasks of a queue, one per element of an array job. `queue submit` writes and submits this file. To submit
# all tasks by hand:
#   sbatch {array} {script}
# You may edit it: `queue submit` keeps an edited file under another name before it writes its own.
{directives}

{setup}queue={queue}
id={identity} # of the queue; if the queue is rebuilt, its tasks are different ones
job=${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}} # SLURM_JOB_ID may be the number of the whole array
task=$queue/tasks/$(printf %03d "$SLURM_ARRAY_TASK_ID")
before=$(cat "$task/state.json")

{signals}
{python} {program} retrain --queue "$queue" --id "$id" --index "$SLURM_ARRAY_TASK_ID" &
{wait}
if [ "$code" -eq 0 ] && [ ! -e "$task/result.json" ]; then
    echo "job $job: ended with exit code 0, but without a result"
    exit 1
elif [ "$code" -le 2 ]; then
    exit "$code" # 0: done; 1: failed; 2: not started: the task is running, or the queue was rebuilt or is damaged
elif [ -z "$stopped" ] && [ "$(cat "$task/state.json")" = "$before" ]; then
    echo "job $job: ended with exit code $code before the task began"
    exit "$code"
elif [ -z "$stopped" ] && [ "$code" -ne 75 ] && [ "$code" -ne 130 ]; then
    echo "$code" >"$task/killed" # the next attempt counts it as a crash
fi
# 75: crashed, to be tried again; 130: stopped by a signal, to be resumed
{requeue}"""


def job_name(paths: QueuePaths) -> str:
    """Return the job name of a queue, which identifies its jobs however they were submitted."""
    folder = paths.folder.resolve()
    run = re.sub(r"[^A-Za-z0-9_.-]", "-", folder.parent.name)[:30]
    return f"efn-{run}-{hashlib.sha256(str(folder).encode()).hexdigest()[:6]}"


def throttle(config: ClusterConfig) -> str:
    """Return the suffix of ``--array`` that limits the number of elements running at once."""
    return "" if config.throttle is None else f"%{config.throttle}"


def render_batch_script(paths: QueuePaths, identity: str, tasks: int, config: ClusterConfig) -> str:
    """Return the text of the batch script.

    Args:
        paths: Paths of the queue.
        identity: Id of the queue.
        tasks: Number of tasks in the queue.
        config: Resources of a job.

    Raises:
        InputError: The path of the queue or of the current folder cannot be written in a directive.
    """
    return _TEMPLATE.format(
        login=" -l" if config.modules or config.conda else "",  # a login shell defines `module` and `conda`
        array=f"--array=0-{tasks - 1}{throttle(config)}",
        script=shlex.quote(str(paths.script.resolve())),
        directives="\n".join(f"#SBATCH {directive}" for directive in _directives(paths, config)),
        setup="".join(f"{line}\n" for line in _setup(config)),
        queue=shlex.quote(str(paths.folder.resolve())),
        identity=shlex.quote(identity),
        python="python" if config.conda else shlex.quote(sys.executable),
        program=shlex.quote(str(PROGRAM)),
        signals=SIGNALS,
        wait=WAIT,
        requeue=REQUEUE,
    )


def _directives(paths: QueuePaths, config: ClusterConfig) -> List[str]:
    tasks = _quote(paths.tasks.resolve())
    lines = [
        f"--job-name={job_name(paths)}",
        f"--chdir={_quote(Path.cwd())}",
        # the output of the script and of the task go to one file
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


def _quote(path: Path) -> str:
    """Return a path quoted for a directive.

    Raises:
        InputError: The path contains characters that end the quotation or that Slurm replaces.
    """
    text = str(path)
    if not text.isprintable() or any(letter in text for letter in "\"'\\%"):
        raise InputError(f"folder {text!r}: has characters that Slurm does not allow in a path; move or rename it")
    return f'"{text}"'


def _setup(config: ClusterConfig) -> List[str]:
    """Return the lines that set up the environment, followed by an empty line."""
    lines = [f"module load {shlex.quote(name)} || exit 1" for name in config.modules]
    if config.conda:
        lines += [
            'source "$(conda info --base)/etc/profile.d/conda.sh" || exit 1',
            f"conda activate {shlex.quote(config.conda)} || exit 1",
        ]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in config.environment.items()]
    return [*lines, ""] if lines else []
