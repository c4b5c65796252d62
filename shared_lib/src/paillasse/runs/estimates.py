"""What a run will take, in memory and time, from what it and others took before."""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from statistics import mean

from paillasse.runs.declared import Run
from paillasse.runs.results import latest, read_state, seconds

DEFAULT_MB = 500  # of a notebook that has never run: Python with pandas, plotly and a small data set


class Estimates:
    """Memory and time that runs are expected to take; each run that ends makes them better.

    Parameters
    ----------
    project
        Its folder.
    runs
        Those whose newest results are looked up.
    """

    def __init__(self, project: Path, runs: Iterable[Run]):
        self.memory: dict[str, float] = {}  # by the run's name, in MB
        self.memory_of_notebook: dict[Path, float] = {}  # the largest of its runs
        self.time: dict[str, float] = {}  # by the run's name, in seconds
        self.time_of_notebook: dict[Path, list[float]] = {}
        for run in runs:
            if folder := latest(project, run.name):
                with contextlib.suppress(KeyError, TypeError, ValueError):  # a damaged one says nothing
                    self.learn(run, read_state(folder))

    def learn(self, run: Run, state: dict) -> None:
        """Take in the `run.json` of a run that has ended. What did not end well says nothing of the time."""
        if peak := state.get("peak_memory_mb"):
            self.memory[run.name] = peak
            self.memory_of_notebook[run.notebook] = max(peak, self.memory_of_notebook.get(run.notebook, 0))
        if state.get("state") == "ok" and (took := seconds(state)) is not None:
            self.time[run.name] = took
            self.time_of_notebook.setdefault(run.notebook, []).append(took)

    def mb(self, run: Run) -> float:
        """Memory: the run's own, else the most that its notebook has taken, else a stated default."""
        return self.memory.get(run.name) or self.memory_of_notebook.get(run.notebook) or DEFAULT_MB

    def seconds(self, run: Run) -> float | None:
        """Time: the run's own, else the mean of its notebook, else of all; None before anything has ended."""
        if run.name in self.time:
            return self.time[run.name]
        known = self.time_of_notebook.get(run.notebook) or list(self.time.values())
        return mean(known) if known else None

    def seconds_left(self, waiting: Iterable[Run], running: Iterable[tuple[Run, float]], jobs: int) -> float | None:
        """How long until all have ended, `jobs` at a time; None where nothing is known.

        Parameters
        ----------
        waiting
            Runs that have not started.
        running
            Those that have, each with the seconds since.
        jobs
            How many execute at a time.
        """
        wholes = [self.seconds(run) for run in waiting]
        rests = [(self.seconds(run), since) for run, since in running]
        if None in wholes or any(whole is None for whole, _ in rests):
            return None
        left = [*wholes, *(max(0.0, whole - since) for whole, since in rests)]
        return max([sum(left) / jobs, *left])
