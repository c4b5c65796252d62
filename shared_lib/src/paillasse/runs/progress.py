"""What is seen while runs execute: bars in a terminal, plain lines elsewhere."""

import contextlib
import socket
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from paillasse.errors import PaillasseError
from paillasse.runs.results import describe_error, in_words, seconds

if TYPE_CHECKING:
    from paillasse.runs.execute import Job

COLOURS = {"ok": "green", "cancelled": "yellow", "running": "cyan", "not run yet": "yellow"}  # all else is red


def coloured(state: str) -> str:
    """A state in rich's markup."""
    return f"[{COLOURS.get(state, 'bold red')}]{state}[/]"


def length(duration: float | None) -> str:
    """Seconds for people: `4.2 s`, `3 min 05 s`."""
    if duration is None:
        return ""
    if duration < 60:
        return f"{duration:.1f} s"
    return f"{int(duration // 60)} min {int(duration % 60):02d} s"


def about(duration: float) -> str:
    """How long something still takes, no more exactly than one can know: `about 3 min`.

    Examples
    --------
    >>> about(4), about(38), about(170), about(7900)
    ('a few seconds', 'about 40 s', 'about 3 min', 'about 2 h 10 min')
    """
    if duration < 10:
        return "a few seconds"
    if duration < 55:
        return f"about {round(duration / 10) * 10} s"
    minutes = round(duration / 60)
    if minutes < 60:
        return f"about {minutes} min"
    return f"about {round(minutes / 10) // 6} h {round(minutes / 10) % 6 * 10:02d} min"


class Display:
    """One bar for all runs and a line for each running one; a line stays for each run that did not end well."""

    def __init__(self, total: int, names: list[str]):
        self.total = total
        self.console = Console(highlight=False)
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.width = max(len("all runs"), *(len(name) + 2 for name in names))  # the bars do not jump about
        self.lines = {}
        self.finished = self.failed = 0
        self.told = set()  # what is said once
        self.memory = ""
        self.left, self.left_at = "", 0.0

    def __enter__(self):
        with contextlib.suppress(OSError):
            self.bars.start()
        self.overall = self.bars.add_task(f"[bold]{'all runs':<{self.width}}[/]", total=self.total, detail="")
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.bars.stop()

    def update(self, running: "list[Job]", seconds_left: Callable[[], float | None]) -> None:
        """Show where each running notebook is, and every second how long it all still takes."""
        memory, self.memory = self.memory, ""
        if self.bars.disable:
            return
        begun = 0.0  # of the running notebooks, so that the bar of all moves within long ones
        for job in running:
            if job.started is None:
                continue
            if job.run.name not in self.lines:
                name = escape(f"{'  ' + job.run.name:<{self.width}}")
                self.lines[job.run.name] = self.bars.add_task(name, total=None, detail="")
            where = f"cell {job.cell} of {job.cells}" if job.cell else "starting"
            done = max(job.cell - 1, 0)
            begun += done / max(job.cells, 1)
            self.bars.update(self.lines[job.run.name], total=job.cells or None, completed=done, detail=where)
        if time.monotonic() > self.left_at + 1 or not running:
            left = seconds_left()
            self.left = f", {about(left)} left" if left else ""
            self.left_at = time.monotonic()
        failed = f", [bold red]{self.failed} failed[/]" if self.failed else ""
        detail = f"{self.finished} of {self.total} done{failed}{self.left}{memory}"
        self.bars.update(self.overall, completed=self.finished + begun, detail=detail)

    def ended(self, job: "Job", failure: BaseException | None) -> None:
        """Take a run's line away; in a terminal only what went wrong leaves a line of its own."""
        self.finished += 1
        name = escape(job.run.name)
        if job.run.name in self.lines:
            self.bars.remove_task(self.lines.pop(job.run.name))
        state = job.state["state"]
        self.failed += state not in ("ok", "cancelled") or failure is not None
        if isinstance(failure, PaillasseError):
            self.say(f"[bold red]{name}: {escape(str(failure))}[/]")
        elif failure:
            self.say(f"[bold red]{name}: the result could not be written: {escape(in_words(failure))}[/]")
        elif state != "ok" or not self.console.is_terminal:
            error = f"  {escape(describe_error(job.state))}" if state != "ok" else ""
            self.say(f"{coloured(state)}  {name}  {length(seconds(job.state))}{error}")

    def waits_for_memory(self, name: str, needed: float, free: float) -> None:
        """Runs wait because one that runs beside the others would not fit into memory."""
        if not self.memory:  # the first of many
            self.memory = ", waiting for memory"
            amounts = f"it takes about {needed:,.0f} MB, {max(free, 0):,.0f} MB are free"
            self.say_once("memory", f"{escape(name)} waits for memory: {amounts}")

    def is_elsewhere(self, name: str, state: dict | None) -> None:
        """A run is executing in another process, of which `state` is the `run.json`, once it is there."""
        if state:
            since = f"{datetime.fromisoformat(state['started']).astimezone():%H:%M}"
            host = state["owner"]["host"]
            place = "" if host == socket.gethostname() else f" of {host}"
            where = f"process {state['owner']['pid']}{place} since {since}"
            self.say_once(name, f"{escape(name)}: is running in {where}; its result is awaited")

    def is_taken(self, name: str) -> None:
        """A run is not executed, because another process has done it meanwhile."""
        self.say(f"{escape(name)}: another process has executed it; its result is taken")

    def say_once(self, what: str, line: str) -> None:
        if what not in self.told:
            self.told.add(what)
            self.say(line)

    def say(self, line: str) -> None:
        with contextlib.suppress(OSError):  # the terminal was closed; the runs are still to be ended well
            self.console.print(line, soft_wrap=True)
