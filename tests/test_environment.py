"""Tests that scripts/find_python.sh finds a Python in every supported place and accepts only one that works."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "find_python.sh"

# Bodies of fake interpreters, which are asked for their path; the last argument is the requested version.
WORKING = 'echo "$0"'
ONLY_3_10 = '[ "${!#}" = 3.10 ] && echo "$0"'
SHIM = 'echo "pyenv: python3.7: command not found" >&2; exit 127'


class Machine:
    """A home folder and a PATH that contain only what a test puts there."""

    def __init__(self, root: Path) -> None:
        self.home = root / "a home"
        self.bin = root / "bin"
        self.bash = str(shutil.which("bash"))
        self.home.mkdir()
        self.bin.mkdir()
        (self.bin / "cat").symlink_to(str(shutil.which("cat")))

    def program(self, path: Path, text: str = WORKING) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!{self.bash}\n{text}\n")
        path.chmod(0o755)
        return str(path)

    def run(self, *versions: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        environment = {"HOME": str(self.home), "PATH": str(self.bin), **variables}
        command = [self.bash, str(SCRIPT), *versions]
        return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)

    def find(self, *versions: str, **variables: str) -> str:
        result = self.run(*versions, **variables)
        assert (result.returncode, result.stderr) == (0, "")
        return result.stdout.rstrip("\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_variable_takes_precedence_over_path(machine: Machine) -> None:
    chosen = machine.program(machine.home / "my python" / "python")
    machine.program(machine.bin / "python3.7")
    assert machine.find("3.7", PYTHON37=chosen) == chosen


def test_path_takes_precedence_over_pyenv_and_conda(machine: Machine) -> None:
    chosen = machine.program(machine.bin / "python3.7")
    machine.program(machine.home / ".pyenv/versions/3.7.16/bin/python3.7")
    machine.program(machine.home / "conda/bin/python")
    assert machine.find("3.7", CONDA_PREFIX=str(machine.home / "conda")) == chosen


def test_failing_shim_is_skipped(machine: Machine) -> None:
    shims = machine.home / "shims"
    machine.program(shims / "python3.7", SHIM)
    chosen = machine.program(machine.bin / "python3.7")
    assert machine.find("3.7", PATH=f"{shims}:{machine.bin}") == chosen


def test_python_without_version_in_its_name_is_found(machine: Machine) -> None:
    machine.program(machine.bin / "python3", ONLY_3_10)
    chosen = machine.program(machine.bin / "python")
    assert machine.find("3.7") == chosen


@pytest.mark.parametrize("root, variable", [(".pyenv", None), ("elsewhere", "PYENV_ROOT")])
def test_pyenv_is_found_behind_its_failing_shim(machine: Machine, root: str, variable: str) -> None:
    shim = machine.program(machine.home / root / "shims" / "python3.7", SHIM)
    machine.program(machine.home / root / "versions/3.6.15/bin/python3.6")
    chosen = machine.program(machine.home / root / "versions/3.7.16/bin/python3.7")
    variables = {variable: str(machine.home / root)} if variable else {}
    assert machine.find("3.7", PATH=f"{os.path.dirname(shim)}:{machine.bin}", **variables) == chosen


def test_pyenv_root_is_asked_from_pyenv(machine: Machine) -> None:
    machine.program(machine.bin / "pyenv", f'[ "$1" = root ] && echo "{machine.home}/opt"')
    chosen = machine.program(machine.home / "opt/versions/3.7.16/bin/python3.7")
    assert machine.find("3.7") == chosen


def test_active_conda_environment_is_found(machine: Machine) -> None:
    chosen = machine.program(machine.home / "conda/bin/python")
    assert machine.find("3.7", CONDA_PREFIX=str(machine.home / "conda")) == chosen


def test_inactive_conda_environment_is_found(machine: Machine) -> None:
    machine.program(machine.home / "conda/bin/python", SHIM)
    chosen = machine.program(machine.home / "conda/envs/py37/bin/python")
    listed = machine.home / ".conda" / "environments.txt"
    listed.parent.mkdir()
    listed.write_text(f"{machine.home}/conda\n{machine.home}/conda/envs/py37\n")
    assert machine.find("3.7") == chosen


def test_uv_installs_python_when_nothing_else_works(machine: Machine) -> None:
    chosen = machine.program(machine.home / "uv's/python3.7", f'[ -e "{machine.home}/installed" ] && echo "$0"')
    machine.program(
        machine.bin / "uv",
        f"""case "$*" in
        "python install 3.7") echo Downloading; : >"{machine.home}/installed";;
        "python find --system 3.7") [ -e "{machine.home}/installed" ] && echo "{chosen}";;
        esac""",
    )
    assert machine.run("3.7").returncode == 1
    assert machine.run("--install", "3.7").stdout == chosen + "\n"


def test_uv_is_not_asked_when_another_python_works(machine: Machine) -> None:
    machine.program(machine.bin / "uv", f': >"{machine.home}/asked"')
    machine.program(machine.bin / "python3.7")
    machine.find("3.7")
    assert not (machine.home / "asked").exists()


def test_first_version_is_preferred_and_another_is_accepted(machine: Machine) -> None:
    older = machine.program(machine.bin / "python3.10", ONLY_3_10)
    assert machine.find("3.11", "3.10") == older
    newer = machine.program(machine.bin / "python3.11")
    assert machine.find("3.11", "3.10") == newer
    assert machine.find("3.11", "3.10", PYTHON310=older) == older


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_message_names_python_without_venv_and_the_package_to_install(machine: Machine, module: str) -> None:
    python = machine.program(machine.bin / "python3.11", f'echo "lacks {module} $0"')
    result = machine.run("3.11")
    assert (result.returncode, result.stdout) == (1, "")
    assert f"{python} has no module {module}: install the package python3-venv" in result.stderr
    assert result.stderr.count("\n") == 1


def test_message_says_what_to_do_when_no_python_is_found(machine: Machine) -> None:
    machine.program(machine.bin / "python3.7", SHIM)
    result = machine.run("3.7", PYTHON37="/nowhere/python")
    assert (result.returncode, result.stdout) == (1, "")
    assert "No working Python 3.7" in result.stderr
    assert "pyenv install 3.7" in result.stderr
    assert "PYTHON37=/path/to/python3.7 (/nowhere/python does not work)" in result.stderr
    assert "command not found" not in result.stderr


def test_real_interpreter_is_accepted_for_its_own_version_only(machine: Machine) -> None:
    own = "{}.{}".format(*sys.version_info)
    variables = {"PYTHON" + own.replace(".", ""): sys.executable, "PYTHON399": sys.executable}
    assert machine.run("3.99", **variables).returncode == 1
    path = machine.find(own, **variables)
    in_environment = path.startswith(sys.prefix + os.sep)
    assert not in_environment or sys.prefix == sys.base_prefix, "an environment cannot be recreated by its own Python"
    assert subprocess.run([path, "-m", "venv", "--help"], check=False, capture_output=True).returncode == 0


def test_message_names_the_module_that_a_real_python_lacks(machine: Machine) -> None:
    own = "{}.{}".format(*sys.version_info)
    hide = "import sys; sys.modules['venv'] = None"
    incomplete = machine.program(machine.home / "python", f'exec "{sys.executable}" -I -c "{hide}; $3" "$4"')
    result = machine.run(own, **{"PYTHON" + own.replace(".", ""): incomplete})
    assert result.returncode == 1
    assert "has no module venv" in result.stderr
