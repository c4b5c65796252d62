"""A real Dask scheduler with workers for tests: own processes, on own ports, stopped whatever happens."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SECONDS_TO_START = 60
# A run whose runner has died is ended after 10 s instead of a minute.
IMPATIENT = "import paillasse.runs.worker as worker\nworker.UNASKED = 10\n"


@dataclass(frozen=True)
class DaskCluster:
    """A running scheduler and its workers.

    Attributes
    ----------
    address
        Of the scheduler.
    log
        What all of them say.
    """

    address: str
    log: Path


@contextlib.contextmanager
def dask_cluster(workers: int, preload: str = IMPATIENT, **variables: str) -> Iterator[DaskCluster]:
    """Start a scheduler and workers of one run each, with code that these run first and further variables."""
    with tempfile.TemporaryDirectory(prefix="dask-") as folder, contextlib.ExitStack() as stack:
        known, log = Path(folder, "scheduler.json"), Path(folder, "log")
        output = stack.enter_context(log.open("wb"))

        def start(module: str, *arguments: str) -> None:
            environment = {key: value for key, value in os.environ.items() if not key.startswith("PAILLASSE")}
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--scheduler-file", str(known)],
                env=environment | variables, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=folder,
            )  # fmt: skip
            stack.callback(_stop, process)

        local = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
        start("dask_scheduler", *local, "--port", "0")
        _wait_for(known.is_file, log)
        for number in range(workers):
            start("dask_worker", *local, "--nthreads", "1", "--name", f"worker-{number}", "--preload", preload)
        _wait_for(lambda: log.read_text().count("Registered to:") == workers, log)
        yield DaskCluster(json.loads(known.read_text())["address"], log)


def _wait_for(condition, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"Dask does not start:\n{log.read_text()}")
        time.sleep(0.1)


def _stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
