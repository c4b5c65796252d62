"""The ways to workers: processes of this machine, jobs of Slurm, a scheduler that is there already.

Each gives a connection to a Dask scheduler and the number of runs for which there is room, and ends what it has
started. Whoever reaches a scheduler or a worker can run code in its user's name, so what is started here asks for keys
that nobody else has.
"""

import asyncio
import contextlib
import copy
import getpass
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from paillasse.errors import RunError
from paillasse.runs.declared import Run
from paillasse.runs.inputs import software
from paillasse.runs.worker import check_software

if TYPE_CHECKING:
    from dask_jobqueue import SLURMCluster
    from distributed import Client

TIMEOUT = 10  # seconds to reach a scheduler
BETWEEN_QUEUES = 15  # seconds between two looks at Slurm's queue

# Of Dask's own settings, those that a project cannot leave to chance.
SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # a run that has killed its worker would kill the next one
    "distributed.scheduler.worker-ttl": "60 s",
    "distributed.deploy.lost-worker-timeout": "2 s",  # one that went does not come back; Slurm is asked for another
    # Scheduler and workers open a port for HTTP, without keys, whatever they are told. It has nothing to say.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.admin.system-monitor.gil.enabled": False,
}
NO_PAGES = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
# Ctrl-C, and a terminal that is closed, reach all that was started from it; what they mean is the runner's to decide. A
# function, not SIG_IGN, which kernels would inherit.
DEAF = """\
import signal
for each in ("SIGINT", "SIGTERM", "SIGHUP"):
    if hasattr(signal, each):
        signal.signal(getattr(signal, each), lambda *_: None)
"""


@contextlib.contextmanager
def processes(count: int) -> Iterator[tuple["Client", int]]:
    """Workers as processes of this machine. TLS with keys of this call: other users of it can reach the port too."""
    from distributed import Client, LocalCluster, Security

    with (
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            host="127.0.0.1",
            security=Security.temporary(),
            dashboard_address=None,
            scheduler_kwargs=NO_PAGES,
            worker_dashboard_address=None,
            silence_logs="CRITICAL",
            preload=[DEAF],
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client, count


@contextlib.contextmanager
def slurm_jobs(count: int, folder: Path, variables: dict[str, str]) -> Iterator[tuple["Client", int]]:
    """A Slurm job for each run at a time, with the settings of Dask's own `jobqueue.yaml`."""
    import dask
    from dask_jobqueue import SLURMCluster
    from distributed import Client, Security

    def setting(name: str) -> Any:
        return dask.config.get(f"jobqueue.slurm.{name}", None)

    class Cluster(SLURMCluster):
        def _get_worker_security(self, security):
            """Keys as files, whose names stand in the job's script: quoted, for a project's path may have spaces."""
            files = copy.copy(security)
            for name in ("tls_ca_file", "tls_worker_cert", "tls_worker_key"):
                (folder / name).write_text(getattr(security, name))  # only this user can enter the folder
                setattr(files, name, shlex.quote(str(folder / name)))
            return files

    directives = setting("job-extra-directives") or []
    if setting("log-directory") is None:  # Slurm's default is a file in the folder where one stands
        directives = [*directives, "--output=/dev/null", "--error=/dev/null"]
    arguments = ["--nthreads", "1", "--no-dashboard", "--dashboard-address", NO_PAGES["dashboard_address"]]
    with contextlib.ExitStack() as stack:
        # sbatch hands its environment on, and Slurm writes it down. These variables travel encrypted, with the runs;
        # but a path is no secret, and may be ${HOME}.
        stack.enter_context(_hidden({name for name, value in variables.items() if not value.startswith(os.sep)}))
        try:
            cluster = Cluster(
                processes=1,  # one run a job: its cores, its memory, its time limit
                python=setting("python") or shlex.quote(sys.executable),
                security=Security.temporary(),
                job_extra_directives=directives,
                scheduler_options={**(setting("scheduler-options") or {}), **NO_PAGES},
                worker_extra_args=[*(setting("worker-extra-args") or []), *arguments],
                job_script_prologue=[
                    *(setting("job-script-prologue") or []),
                    "export DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[]'",
                ],
                silence_logs="CRITICAL",
            )
        except ValueError as error:
            raise RunError(
                "Slurm must be told what a run needs, in ~/.config/dask/jobqueue.yaml: at least jobqueue.slurm.cores "
                f"and jobqueue.slurm.memory. dask-jobqueue says: {error}"
            ) from None
        stack.enter_context(cluster)
        _try_job(cluster.job_script())
        # As many jobs as there are runs under way: one that died is replaced, one without work ends.
        cluster.adapt(minimum=0, maximum_jobs=count, interval="2 s", wait_count=5, target_duration="1 ms")
        client = stack.enter_context(Client(cluster))
        closed = threading.Event()
        stack.callback(closed.set)
        threading.Thread(target=_keep_queue, args=(cluster, closed), daemon=True).start()
        yield client, count


@contextlib.contextmanager
def scheduler(address: str, runs: list[Run], jobs: int | None) -> Iterator[tuple["Client", int]]:
    """The workers of a scheduler that is there already; the keys for `tls://` are in Dask's own settings."""
    from distributed import Client

    secure = [run.name for run in runs if run.profile == "secure"]
    if secure and not is_private(address):
        raise RunError(
            f"{secure[0]} reads secure data, and whoever is on the way to {address} can read what is sent, or send "
            "code in your name. Start the scheduler with TLS, and give its address as tls://…"
        )
    try:
        # Asked first, within a time: a Client waits for ever where something listens that is no scheduler.
        kind = asyncio.run(asyncio.wait_for(_kind_of(address), TIMEOUT))
        if kind != "Scheduler":
            raise ValueError(f"there is a {kind}")
        client = Client(address, timeout=TIMEOUT)
    except Exception as error:  # as many kinds as there are ways to be no scheduler
        cause = str(error.__cause__ or error) or f"no answer within {TIMEOUT} s"
        raise RunError(f"No Dask scheduler can be reached at {address}: {cause.splitlines()[0]}") from None
    with client:
        there = client.scheduler_info()["workers"]
        if not there:
            raise RunError(f"The scheduler at {address} has no worker. Start some: dask worker {address}")
        try:
            client.run(check_software, software())
        except RunError:
            raise
        except Exception as error:  # an older library, or none; Dask does not keep the kind of such an error
            said = " ".join(str(error).split())
            raise RunError(
                f"A worker of {address} lacks what a run needs ({said}). Start the workers anew from the project's own "
                "environment."
            ) from None
        slots = sum(each["nthreads"] for each in there.values())
        yield client, min(jobs or slots, len(runs))


async def _kind_of(address: str) -> str:
    """What answers at an address: Scheduler, Worker or Nanny."""
    from distributed import Security, rpc

    async with rpc(address, timeout=TIMEOUT - 2, connection_args=Security().get_connection_args("client")) as there:
        return (await there.identity())["type"]


def check_engine(on: str) -> None:
    """Say which package is missing; what `--on` may be is not left to a package's own error."""
    if on not in ("dask", "slurm") and not re.fullmatch(r"(tcp|tls)://\S+:\d+", on):
        raise RunError(f"--on is dask, slurm, or a scheduler's address such as tls://node1:8786; this is {on!r}.")
    try:
        import cryptography  # noqa: F401
        import distributed  # noqa: F401

        if on == "slurm":
            ctrl_c = signal.getsignal(signal.SIGINT)
            import dask_jobqueue  # noqa: F401  # and takes Ctrl-C for itself, with an exit code that says all is well

            signal.signal(signal.SIGINT, ctrl_c)
    except ImportError as error:
        package = (error.name or "distributed").partition(".")[0].replace("_", "-")
        raise RunError(
            f"`--on {on}` needs the package {package}. Add it to requirements.in, then: make lock setup"
        ) from None
    if on == "slurm" and not shutil.which("sbatch"):
        raise RunError("There is no Slurm here: the command sbatch is not found. Start this on a login node.")


def _try_job(script: str) -> None:
    """Ask Slurm whether it would take such a job, before any is submitted."""
    tried = subprocess.run(
        ["sbatch", "--test-only"], input=script, capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if tried.returncode:
        said = " ".join(tried.stderr.split())
        raise RunError(f"Slurm refuses the job: {said}. Its settings: jobqueue.slurm in ~/.config/dask/jobqueue.yaml.")


def _keep_queue(cluster: "SLURMCluster", closed: threading.Event) -> None:
    """Let Dask forget jobs that Slurm has refused, or ended before their worker began: it would wait for them for ever,
    and now submits others for the runs that still wait."""

    def forget(names):
        for name in names:
            cluster.workers.pop(name, None)
            cluster.worker_spec.pop(name, None)

    while not closed.wait(BETWEEN_QUEUES):
        submitted = {name: job.job_id for name, job in list(cluster.workers.items())}
        squeue = ["squeue", "--noheader", "--format=%i", f"--user={getpass.getuser()}"]
        answer = subprocess.run(squeue, capture_output=True, encoding="utf-8", errors="replace", check=False)
        if answer.returncode == 0:  # else Slurm is busy or away, and is asked again
            queue = set(answer.stdout.split())
            cluster.loop.add_callback(forget, [name for name, job in submitted.items() if job not in queue])


def is_private(address: str) -> bool:
    """Whether nobody on a network can read what is sent to an address.

    Examples
    --------
    >>> is_private("tls://node1:8786"), is_private("tcp://127.0.0.1:8786"), is_private("tcp://node1:8786")
    (True, True, False)
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    return parts.scheme == "tls" or host in ("localhost", "::1") or host.startswith("127.")


@contextlib.contextmanager
def _hidden(names: set[str]) -> Iterator[None]:
    """Take variables out of what processes started from here inherit."""
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(hidden)
