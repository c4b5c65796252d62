"""What is seen while runs execute: bars in a terminal, plain lines elsewhere."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from paillasse.errors import PaillasseError
from paillasse.runs.results import describe_error, seconds

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


class Display:
    """One bar for all runs and a line for each running one; a line stays for each run that did not end well."""

    def __init__(self, jobs: "list[Job]"):
        self.jobs = jobs
        self.console = Console(highlight=False)
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.width = max(len("all runs"), *(len(job.run.name) + 2 for job in jobs))  # the bars do not jump about
        self.lines = {}
        self.finished = self.failed = 0

    def __enter__(self):
        self.bars.start()
        self.overall = self.bars.add_task(f"[bold]{'all runs':<{self.width}}[/]", total=len(self.jobs), detail="")
        self.update()
        return self

    def __exit__(self, *_):
        self.bars.stop()

    def update(self) -> None:
        """Show where each running notebook is."""
        begun = 0.0  # of the running notebooks, so that the bar of all moves within long ones
        for job in self.jobs:
            if job.started is None or job.state.get("finished"):
                continue
            if job.run.name not in self.lines:
                name = escape(f"{'  ' + job.run.name:<{self.width}}")
                self.lines[job.run.name] = self.bars.add_task(name, total=None, detail="")
            where = f"cell {job.cell} of {job.cells}" if job.cell else "starting"
            done = max(job.cell - 1, 0)
            begun += done / max(job.cells, 1)
            self.bars.update(self.lines[job.run.name], total=job.cells or None, completed=done, detail=where)
        failed = f", [bold red]{self.failed} failed[/]" if self.failed else ""
        detail = f"{self.finished} of {len(self.jobs)} done{failed}"
        self.bars.update(self.overall, completed=self.finished + begun, detail=detail)

    def ended(self, job: "Job", failure: BaseException | None) -> None:
        """Take a run's line away; in a terminal only what went wrong leaves a line of its own."""
        self.finished += 1
        if job.run.name in self.lines:
            self.bars.remove_task(self.lines.pop(job.run.name))
        state = job.state.get("state", "error")
        self.failed += state != "ok"
        if state != "ok" or not self.console.is_terminal:
            error = f"  {escape(describe_error(job.state))}" if state != "ok" else ""
            self.say(f"{coloured(state)}  {escape(job.run.name)}  {length(seconds(job.state))}{error}")
        if isinstance(failure, PaillasseError):
            self.say(f"[bold red]{escape(f'{job.run.name}: {failure}')}[/]")
        elif failure:
            self.say(f"[bold red]{escape(job.run.name)}: the result could not be written: {escape(repr(failure))}[/]")

    def say(self, line: str) -> None:
        self.console.print(line, soft_wrap=True)
