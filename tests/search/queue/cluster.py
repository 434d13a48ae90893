"""A real Slurm with one node on this machine: plain daemons, loopback only, all state in one folder."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Iterator, List, Optional

PROGRAMS = ("munged", "slurmctld", "slurmd", "sinfo", "squeue", "sbatch", "scontrol", "scancel")

_CONF = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
PlugStackConfig={folder}/plugstack.conf
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=20
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


class Cluster:
    """A running Slurm.

    Attributes:
        node: Name of its only node.
        environment: Environment variables of its commands and daemons.
    """

    def __init__(self, folder: Path) -> None:
        self.node = socket.gethostname().split(".")[0]
        self.environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        self._folder = folder

    def call(self, *words: str, check: bool = True) -> str:
        """Run one of Slurm's commands and return its output."""
        done = subprocess.run(
            words, check=False, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=180,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{words}: {done.stdout}"
        return done.stdout.strip()

    def start(self) -> None:
        """Start the daemons and wait until the node is idle."""
        folder = self._folder
        folder.chmod(0o755)
        for name in ("munge", "state", "spool", "log", "run"):
            (folder / name).mkdir(mode=0o755)
        (folder / "plugstack.conf").touch()
        ports = _find_free_ports(2)
        text = _CONF.format(host=self.node, folder=folder, ctld_port=ports[0], slurmd_port=ports[1])
        (folder / "slurm.conf").write_text(text)
        munge = folder / "munge"
        (munge / "munge.key").write_bytes(os.urandom(128))
        (munge / "munge.key").chmod(0o600)
        options = [f"--{name}-file={munge}/munge.{name}" for name in ("key", "pid", "log", "seed")]
        self.call("munged", "--origin=127.0.0.1", f"--socket={munge}/munge.socket", *options)
        self.call("slurmctld")
        self.call("slurmd")
        end = time.monotonic() + 300.0
        while self.node_state() != "idle":
            assert time.monotonic() < end, self.logs()
            time.sleep(0.1)

    def warn(self, job: str) -> None:
        """Send USR1 only to a job's shell, as Slurm does before the time limit.

        Slurm 22.05 delivers the signal but reports a failure to scancel, which tries again after 5 s.
        """
        self.call("timeout", "3", "scancel", "--batch", "--signal=USR1", job, check=False)

    def count_running(self) -> int:
        """Return the number of running elements of array jobs, without those that Slurm is ending."""
        return self.call("timeout", "30", "squeue", "-h", "-r", "-t", "RUNNING", "-o", "%F_%K", check=False).count("_")

    def node_state(self) -> str:
        """Return the state of the node: idle, mixed, draining or drained."""
        return self.call("timeout", "30", "sinfo", "-h", "-o", "%T", check=False)

    def stop(self) -> None:
        """Cancel all jobs and stop the daemons."""
        self.call("timeout", "10", "scancel", "--user=root", check=False)
        end = time.monotonic() + 120
        while self.call("timeout", "10", "squeue", "-h", check=False) and time.monotonic() < end:
            time.sleep(0.1)
        for name, folder in (("slurmd", "run"), ("slurmctld", "run"), ("munged", "munge")):
            file = "munge.pid" if name == "munged" else f"{name}.pid"
            _stop_daemon(name, self._folder / folder / file)

    def logs(self) -> str:
        """Return the ends of the daemons' logs."""
        texts = [path.read_text(errors="replace")[-2000:] for path in sorted((self._folder / "log").glob("*.log"))]
        return "\n".join(texts)


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Run a Slurm while the block runs."""
    folder = Path(tempfile.mkdtemp(prefix="slurm", dir="/tmp"))  # short: a socket's path has at most 107 bytes
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(str(folder), ignore_errors=True)


def find_obstacle() -> Optional[str]:
    """Return why no Slurm can be started on this machine; None if one can."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"no {', '.join(absent)}: apt-get install slurmctld slurmd slurm-client munge"
    return None if os.geteuid() == 0 else "the daemons need root"


def _find_free_ports(count: int) -> List[int]:
    sockets = [socket.socket() for _ in range(count)]
    for unbound in sockets:
        unbound.bind(("127.0.0.1", 0))
    ports = [int(bound.getsockname()[1]) for bound in sockets]
    for bound in sockets:
        bound.close()
    return ports


def _stop_daemon(name: str, file: Path) -> None:
    """Stop the daemon whose process id is in a file, after checking the process name, and wait for its end."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(file.read_text())
        comm = Path(f"/proc/{pid}/comm")
        if comm.read_text().strip() != name:
            return
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 15
        while comm.exists() and time.monotonic() < end:
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
