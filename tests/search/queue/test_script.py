import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, List, Tuple

import pytest

from edgeflownas.config import ClusterConfig
from edgeflownas.errors import InputError
from search.queue.paths import QueuePaths
from search.queue.script import PROGRAM, REQUEUE, SIGNALS, WAIT, job_name, render_batch_script
from search.queue.slurm import format_array_option

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "scripts" / "slurm" / "search.sbatch"


def script(folder: Path, **cluster: Any) -> str:
    return render_batch_script(QueuePaths(folder / "run" / "queue"), "c0ffee", 6, ClusterConfig(**cluster))


def directives(text: str) -> List[str]:
    return [line for line in text.splitlines() if line.startswith("#SBATCH")]


def test_directives_are_written_literally(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
    work = f'{PYTHON} {QUOTED_PROGRAM} retrain --queue "$queue" --id "$id" --index "$SLURM_ARRAY_TASK_ID" &'
    assert f"\n{work}\n" in text and "\nid=c0ffee " in text


def test_settings_that_are_not_given_are_left_to_the_cluster(tmp_path: Path) -> None:
    text = script(tmp_path)
    assert text.startswith("#!/bin/bash\n")
    for word in ("--time", "--gres", "--mem", "--partition", "--account", "--qos", "module", "conda", "export", "%1"):
        assert word not in text.replace("scontrol", "")


def test_setup_precedes_the_task_and_ends_the_job_if_it_fails(tmp_path: Path) -> None:
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
    work = next(line for line in lines if line.startswith(f"python {QUOTED_PROGRAM} retrain "))
    assert lines.index(setup[-1]) < lines.index(work)


@pytest.mark.parametrize("name", ["a b", "it's", "$(touch injected)", "a;touch injected", "#", "ä"])
def test_folder_name_is_quoted_or_refused_and_never_run_as_a_command(
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
def test_folder_name_that_slurm_would_misread_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="characters that Slurm does not allow"):
        script(tmp_path / name)


def test_job_name_is_unique_and_has_plain_characters(tmp_path: Path) -> None:
    names = {job_name(QueuePaths(tmp_path / run / "queue")) for run in ("a", "b", "a b,c;d", "a" * 99)}
    assert len(names) == 4
    assert all(len(name) < 50 and name.replace("-", "").replace("_", "").replace(".", "").isalnum() for name in names)
    assert job_name(QueuePaths(tmp_path / "x" / ".." / "a" / "queue")) in names


@pytest.mark.parametrize(
    "indices, option",
    [([0], "0"), ([0, 1, 2], "0-2"), ([0, 2, 3, 7], "0,2-3,7"), ([9, 8, 1], "1,8-9"), ([5, 3, 1], "1,3,5")],
)
def test_array_option_lists_exactly_the_tasks(indices: List[int], option: str) -> None:
    assert format_array_option(indices, "%2") == f"--array={option}%2"


# The next tests run a batch script whose program ends in various ways. Fakes of Slurm's commands record their calls.
COMMANDS = {"squeue": 'echo "${STATE-RUNNING}"', "scontrol": 'echo "$@" >> called'}


def run_script(folder: Path, text: str, work: str, state: str = "RUNNING", **environment: str) -> Tuple[int, str]:
    """Run a batch script with another program; return the exit code and the arguments of scontrol."""
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


PYTHON, QUOTED_PROGRAM = shlex.quote(sys.executable), shlex.quote(str(PROGRAM))
BEGUN = "echo other > run/queue/tasks/002/state.json; "
# A program that sends a signal to the script and then takes a while to save.
SAVES = (
    'trap "sleep 0.3; exit 130" USR1 TERM; kill -s {} $PPID; '
    + BEGUN
    + "for i in {{1..100}}; do sleep 0.1; done; exit 9"
)


@pytest.mark.parametrize(
    "work, state, code, requeued",
    [
        ("touch run/queue/tasks/002/result.json; exit 0", "RUNNING", 0, False),
        ("exit 0", "RUNNING", 1, False),  # a program that is not the right one
        ("exit 1", "RUNNING", 1, False),
        ("exit 2", "RUNNING", 2, False),
        (BEGUN + "exit 75", "RUNNING", 75, True),
        (BEGUN + "exit 130", "RUNNING", 130, True),
        (BEGUN + "kill -9 $$", "RUNNING", 137, True),
        ("kill -11 $$", "RUNNING", 139, False),  # before the task began: it would crash every time
        ("exec no-such-python", "RUNNING", 127, False),
        (SAVES.format("USR1"), "RUNNING", 130, True),
        (SAVES.format("TERM"), "RUNNING", 130, True),  # preemption with time to save
        (SAVES.format("TERM"), "COMPLETING", 130, False),  # scancel, or Slurm requeues the job itself
        ("sleep 0.5; kill -s USR1 $PPID; sleep 0.2; kill -s USR1 $$", "RUNNING", 138, True),  # not handled yet
    ],
)
def test_element_is_requeued_when_the_task_can_resume(
    tmp_path: Path, work: str, state: str, code: int, requeued: bool
) -> None:
    task = tmp_path / "run" / "queue" / "tasks" / "002"
    task.mkdir(parents=True)
    (task / "state.json").write_text("as it was\n")
    text = script(tmp_path).replace(f"{PYTHON} {QUOTED_PROGRAM} retrain", 'bash -c "$WORK"')
    assert run_script(tmp_path, text, work, state) == (code, "requeue 12_2" if requeued else "")
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
def test_search_job_is_requeued_after_a_signal(
    tmp_path: Path, work: str, state: str, code: int, requeued: bool
) -> None:
    (tmp_path / "work").write_text('#!/bin/bash\nexec bash -c "$WORK"\n')
    (tmp_path / "work").chmod(0o755)
    outcome = run_script(tmp_path, SHIPPED.read_text(), work, state, EDGEFLOWNAS_SEARCH=str(tmp_path / "work"))
    assert outcome == (code, "requeue 12" if requeued else "")


def test_restarted_search_job_does_not_start_from_scratch(tmp_path: Path) -> None:
    (tmp_path / "work").write_text('#!/bin/bash\nprintf "<%s>" "$@" > words\n')
    (tmp_path / "work").chmod(0o755)
    lines = SHIPPED.read_text().replace('"$@" &', '"$@" &', 1)
    words = "evolve --restart --config 'a b' --json"
    for count, seen in (("0", "<evolve><--restart><--config><a b><--json>"), ("1", "<evolve><--config><a b><--json>")):
        text = f"set -- {words}\n{lines}"
        run_script(tmp_path, text, "", EDGEFLOWNAS_SEARCH=str(tmp_path / "work"), SLURM_RESTART_COUNT=count)
        assert (tmp_path / "words").read_text() == seen


def test_both_scripts_handle_signals_in_the_same_way() -> None:
    text = SHIPPED.read_text()
    assert all(part in text for part in (SIGNALS, WAIT, REQUEUE))
