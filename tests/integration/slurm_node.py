"""A real Slurm of one node for tests: Debian's packages, own folder, key and ports, stopped whatever happens."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SECONDS_TO_START = 60
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SwitchType=switch/none
MpiDefault=none
KillWait=10
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000
PartitionName=main Nodes={host} Default=YES State=UP
"""


@dataclass(frozen=True)
class SlurmNode:
    """A running Slurm.

    Attributes
    ----------
    folder
        All of its files.
    variables
        With these, Slurm's commands speak to it.
    """

    folder: Path
    variables: dict[str, str]

    def command(self, *arguments: str) -> str:
        """What one of Slurm's commands prints."""
        environment = os.environ | self.variables
        return subprocess.run(arguments, env=environment, check=True, capture_output=True, encoding="utf-8").stdout

    def jobs(self) -> list[str]:
        """The numbers of the jobs that wait or run, and of those that are just ending."""
        return self.command("squeue", "--noheader", "--format", "%i").split()


@contextlib.contextmanager
def slurm_node() -> Iterator[SlurmNode]:
    """Start munged, slurmctld and slurmd; skips the test where that cannot be."""
    if not all(map(shutil.which, ("munged", "slurmctld", "slurmd", "sbatch"))):
        pytest.skip("Slurm is not installed (Debian: apt-get install slurm-wlm munge)")
    if os.geteuid() != 0:
        pytest.skip("a Slurm of one's own needs root")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        for name in ("state", "spool", "munge"):
            (folder / name).mkdir(mode=0o755)
        _start_munge(folder / "munge", stack)
        configuration = folder / "slurm.conf"
        host = socket.gethostname().partition(".")[0]
        ports = {"controller_port": _free_port(), "node_port": _free_port()}
        configuration.write_text(CONFIGURATION.format(host=host, folder=folder, **ports))
        slurm = SlurmNode(folder, {"SLURM_CONF": str(configuration)})
        _start(folder, stack, "slurmctld", "-D", "-f", str(configuration))
        _start(folder, stack, "slurmd", "-D", "-f", str(configuration))
        _wait_until(lambda: slurm.command("sinfo", "--noheader", "--format", "%t").strip() == "idle", folder)
        stack.callback(_end_all_jobs, slurm)
        yield slurm


def _start_munge(folder: Path, stack: contextlib.ExitStack) -> None:
    key = folder / "key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    for path in (folder, key):
        shutil.chown(path, "munge", "munge")
    files = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    options = [f"--{option}={folder / name}" for option, name in files.items()]
    _start(folder.parent, stack, "setpriv", "--reuid=munge", "--regid=munge", "--init-groups", "munged", "-F", *options)
    _wait_until((folder / "socket").exists, folder.parent)


def _start(folder: Path, stack: contextlib.ExitStack, *command: str) -> None:
    log = stack.enter_context((folder / "log").open("ab"))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SLURM")}
    process = subprocess.Popen(command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    stack.callback(_stop, process)


def _stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_all_jobs(slurm: SlurmNode) -> None:
    for job in slurm.jobs():
        slurm.command("scancel", job)
    _wait_until(lambda: not slurm.jobs(), slurm.folder)


def _wait_until(condition, folder: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        with contextlib.suppress(subprocess.CalledProcessError):
            if condition():
                return
        if time.monotonic() > deadline:
            raise RuntimeError(f"Slurm does not do what it should:\n{(folder / 'log').read_text()}")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
