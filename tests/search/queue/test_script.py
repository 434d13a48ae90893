import subprocess
import sys
from pathlib import Path
from typing import Any, List, Tuple

import pytest

from edgeflownas.config import ClusterConfig
from edgeflownas.errors import InputError
from search.queue.paths import QueuePaths
from search.queue.script import REQUEUE, SIGNALS, WAIT, job_name, render_batch_script
from search.queue.slurm import format_array_option

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "scripts" / "slurm" / "search.sbatch"


def script(folder: Path, **cluster: Any) -> str:
    return render_batch_script(QueuePaths(folder / "run" / "queue"), "c0ffee", 6, ClusterConfig(**cluster))


def directives(text: str) -> List[str]:
    return [line for line in text.splitlines() if line.startswith("#SBATCH")]


def test_directives_are_literally_these(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = script(
        tmp_path, partition="gpu", account="lab", qos="long", hours=1.01, save_seconds=60, gpus=2, gpu_type="a100",
        cpus=4, memory_gb=16, throttle=3, directives=["--constraint=a100|v100"],
    )  # fmt: skip
    assert directives(text) == [
        f"#SBATCH --job-name={job_name(QueuePaths(tmp_path / 'run' / 'queue'))}",
        f'#SBATCH --chdir="{tmp_path}"',
        f'#SBATCH --output="{tmp_path}/run/queue/tasks"/%3a/log.txt',
        "#SBATCH --open-mode=append",
        "#SBATCH --requeue",
        "#SBATCH --signal=B:USR1@60",
        "#SBATCH --nodes=1",
        "#SBATCH --ntasks=1",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --time=61",
        "#SBATCH --gres=gpu:a100:2",
        "#SBATCH --mem=16G",
        "#SBATCH --partition=gpu",
        "#SBATCH --account=lab",
        "#SBATCH --qos=long",
        "#SBATCH --constraint=a100|v100",
    ]
    assert f"#   sbatch --array=0-5%3 {tmp_path}/run/queue/submit.sbatch" in text.splitlines()
    work = f'{sys.executable} -m search retrain --queue "$queue" --id "$id" --index "$SLURM_ARRAY_TASK_ID" &'
    assert f"\n{work}\n" in text and "\nid=c0ffee " in text


def test_what_is_not_asked_for_is_left_to_the_cluster(tmp_path: Path) -> None:
    text = script(tmp_path)
    assert text.startswith("#!/bin/bash\n")
    for word in ("--time", "--gres", "--mem", "--partition", "--account", "--qos", "module", "conda", "export", "%1"):
        assert word not in text.replace("scontrol", "")


def test_setup_comes_before_the_work_and_ends_the_job_where_it_fails(tmp_path: Path) -> None:
    text = script(tmp_path, modules=["cuda/10.0", "gcc"], conda="efn", environment={"A": "it's $HOME"})
    assert text.startswith("#!/bin/bash -l\n")
    setup = [
        "module load cuda/10.0 || exit 1",
        "module load gcc || exit 1",
        'source "$(conda info --base)/etc/profile.d/conda.sh" || exit 1',
        "conda activate efn || exit 1",
        """export A='it'"'"'s $HOME'""",
    ]
    lines = text.splitlines()
    assert [line for line in lines if line in setup] == setup
    work = next(line for line in lines if line.startswith("python -m search retrain "))
    assert lines.index(setup[-1]) < lines.index(work)


@pytest.mark.parametrize("name", ["a b", "it's", "$(touch injected)", "a;touch injected", "#", "ä"])
def test_any_folder_is_quoted_or_refused_and_never_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    if "'" in name:
        with pytest.raises(InputError, match="characters that Slurm does not allow"):
            script(folder)
        return
    text = script(folder, environment={"LITERAL": "$(touch injected)`touch injected`"})
    before, _, _ = text.partition("\njob=")
    done = subprocess.run(
        ["bash", "-c", f'{before}\nprintf "%s" "$queue" "$LITERAL"'], check=True, capture_output=True, text=True
    )
    assert done.stdout == f"{folder}/run/queue" + "$(touch injected)`touch injected`"
    assert not (tmp_path / "injected").exists()


@pytest.mark.parametrize("name", ["new\n#SBATCH --uid=0", "50%a", 'a"b', "a\\b", "\x1b"])
def test_folder_that_slurm_would_misread_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="characters that Slurm does not allow"):
        script(tmp_path / name)


def test_name_of_the_jobs_tells_queues_apart_and_is_plain(tmp_path: Path) -> None:
    names = {job_name(QueuePaths(tmp_path / run / "queue")) for run in ("a", "b", "a b,c;d", "a" * 99)}
    assert len(names) == 4
    assert all(len(name) < 50 and name.replace("-", "").replace("_", "").replace(".", "").isalnum() for name in names)
    assert job_name(QueuePaths(tmp_path / "x" / ".." / "a" / "queue")) in names


@pytest.mark.parametrize(
    "indices, option",
    [([0], "0"), ([0, 1, 2], "0-2"), ([0, 2, 3, 7], "0,2-3,7"), ([9, 8, 1], "1,8-9"), ([5, 3, 1], "1,3,5")],
)
def test_array_names_exactly_the_tasks(indices: List[int], option: str) -> None:
    assert format_array_option(indices, "%2") == f"--array={option}%2"


# What an element does when its work has ended in some way. Stand-ins for Slurm's commands note what they are told.
COMMANDS = {"squeue": 'echo "${STATE-RUNNING}"', "scontrol": 'echo "$@" >> called'}


def ended(folder: Path, text: str, work: str, state: str = "RUNNING", **environment: str) -> Tuple[int, str]:
    """Runs a batch script with something else as its work; gives the exit code, and what scontrol was asked for."""
    (folder / "bin").mkdir(exist_ok=True)
    for name, body in COMMANDS.items():
        (folder / "bin" / name).write_text(f"#!/bin/bash\n{body}\n")
        (folder / "bin" / name).chmod(0o755)
    (folder / "script").write_text(text)
    variables = {"PATH": f"{folder}/bin:/usr/bin:/bin", "STATE": state, "SLURM_ARRAY_JOB_ID": "12", **environment}
    variables.update(SLURM_ARRAY_TASK_ID="2", SLURM_JOB_ID="12", WORK=work)
    done = subprocess.run(["bash", "script"], check=False, cwd=str(folder), env=variables, timeout=30)
    called = folder / "called"
    return done.returncode, called.read_text().strip() if called.exists() else ""


BEGUN = "echo other > run/queue/tasks/002/state.json; "
# A process that takes its time to save after a signal, which it gets in the middle of its work.
SAVES = (
    'trap "sleep 0.3; exit 130" USR1 TERM; kill -s {} $PPID; '
    + BEGUN
    + "for i in $(seq 100); do sleep 0.1; done; exit 9"
)


@pytest.mark.parametrize(
    "work, state, code, requeued",
    [
        ("exit 0", "RUNNING", 0, False),
        ("exit 1", "RUNNING", 1, False),
        ("exit 2", "RUNNING", 2, False),
        (BEGUN + "exit 75", "RUNNING", 75, True),
        (BEGUN + "exit 130", "RUNNING", 130, True),
        (BEGUN + "kill -9 $$", "RUNNING", 137, True),
        ("kill -11 $$", "RUNNING", 139, False),  # before the task began: it would for ever
        ("exec no-such-python", "RUNNING", 127, False),
        (SAVES.format("USR1"), "RUNNING", 130, True),
        (SAVES.format("TERM"), "RUNNING", 130, True),  # preemption with time to save
        (SAVES.format("TERM"), "COMPLETING", 130, False),  # scancel, or Slurm requeues it itself
        ("sleep 0.5; kill -s USR1 $PPID; sleep 0.2; kill -s USR1 $$", "RUNNING", 138, True),  # before it could listen
    ],
)
def test_element_is_requeued_when_there_is_something_to_go_on_with(
    tmp_path: Path, work: str, state: str, code: int, requeued: bool
) -> None:
    task = tmp_path / "run" / "queue" / "tasks" / "002"
    task.mkdir(parents=True)
    (task / "state.json").write_text("as it was\n")
    text = script(tmp_path).replace(f"{sys.executable} -m search retrain", 'bash -c "$WORK"')
    assert ended(tmp_path, text, work, state) == (code, "requeue 12_2" if requeued else "")
    assert (task / "killed").exists() == (work == BEGUN + "kill -9 $$")


@pytest.mark.parametrize(
    "work, state, code, requeued",
    [
        ("exit 0", "RUNNING", 0, False),
        ("exit 1", "RUNNING", 1, False),
        ("exit 130", "RUNNING", 130, True),
        ("kill -9 $$", "RUNNING", 137, False),
        (SAVES.format("USR1").replace(BEGUN, ""), "RUNNING", 130, True),
        (SAVES.format("TERM").replace(BEGUN, ""), "COMPLETING", 130, False),
    ],
)
def test_search_job_is_requeued_when_it_was_stopped(
    tmp_path: Path, work: str, state: str, code: int, requeued: bool
) -> None:
    (tmp_path / "work").write_text('#!/bin/bash\nexec bash -c "$WORK"\n')
    (tmp_path / "work").chmod(0o755)
    found = ended(tmp_path, SHIPPED.read_text(), work, state, EDGEFLOWNAS_SEARCH=str(tmp_path / "work"))
    assert found == (code, "requeue 12" if requeued else "")


def test_search_job_that_goes_on_does_not_begin_anew(tmp_path: Path) -> None:
    (tmp_path / "work").write_text('#!/bin/bash\nprintf "<%s>" "$@" > words\n')
    (tmp_path / "work").chmod(0o755)
    lines = SHIPPED.read_text().replace('"$@" &', '"$@" &', 1)
    words = "evolve --restart --config 'a b' --json"
    for count, seen in (("0", "<evolve><--restart><--config><a b><--json>"), ("1", "<evolve><--config><a b><--json>")):
        text = f"set -- {words}\n{lines}"
        ended(tmp_path, text, "", EDGEFLOWNAS_SEARCH=str(tmp_path / "work"), SLURM_RESTART_COUNT=count)
        assert (tmp_path / "words").read_text() == seen


def test_both_scripts_handle_signals_alike() -> None:
    text = SHIPPED.read_text()
    assert all(part in text for part in (SIGNALS, WAIT, REQUEUE))
