"""What `paillasse run` does and says, around the runs themselves: repair, plan, ask, execute, tell how to go on."""

import contextlib
import os
import shlex
import sys
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from paillasse.errors import RunError
from paillasse.light_imports import without, without_garbage_search, without_iri_grammar
from paillasse.runs.declared import FILE, MANY_RUNS, Run, choose, default_profile, find_project, read_runs
from paillasse.runs.inputs import plan_of
from paillasse.runs.repair import repair
from paillasse.runs.results import counted, now

if TYPE_CHECKING:
    from paillasse.runs.together import Outcome

SHOWN_OF_MANY = 20  # lines of a plan that nobody would read to its end
MOST_NAMES = 8  # in a command that is shown; without names `paillasse run` does all that is not done


@dataclass(frozen=True)
class Options:
    """What the user has said on the command line."""

    names: tuple[str, ...]
    jobs: int | None
    profile: str | None
    on: str | None
    fresh: bool
    plan: bool
    yes: bool

    def again(self, names: list[str]) -> str:
        """The command that executes these runs in the same way."""
        given = [("--profile", self.profile), ("--on", self.on)]
        options = [part for name, value in given if value for part in (name, value)]
        # Without names all that is not done is meant, but with --fresh what is done, too.
        few = names if len(names) <= MOST_NAMES or self.fresh else self.names
        return shlex.join(["paillasse", "run", *few, *options, *(["--fresh"] if self.fresh else [])])


def run(options: Options) -> int:
    """Execute what has to be executed of `runs.yaml`; the exit code."""
    project = find_project()
    declared = read_runs(project)
    chosen = choose(declared, options.names)
    if not chosen:
        click.echo("runs.yaml has no runs.")
        return 0
    default = default_profile(project)
    chosen = [replace(each, profile=options.profile or each.profile or default) for each in chosen]
    asked = now()
    repaired = [] if options.plan else repair(project)
    reasons = plan_of(project, chosen)
    if options.fresh:
        reasons = {name: reason or "asked for" for name, reason in reasons.items()}
    if options.plan:
        _show_plan(reasons)
        return 0
    kept = sum(reason is None for reason in reasons.values())
    if kept:
        what = "1 run" if kept == 1 else f"{kept} runs"
        click.echo(f"{what} kept: nothing has changed that the result depends on (--fresh runs all)")
    chosen = [each for each in chosen if reasons[each.name]]
    if chosen:
        if len(chosen) > MANY_RUNS and not options.yes:
            _ask_whether_so_many(len(chosen))
        return _execute(project, chosen, [each.name for each in declared], options, asked)
    if repaired:
        from paillasse.runs.pages import write_index

        write_index(project, [each.name for each in declared])
    return 0


def run_apart(project: Path, runs: list[Run]) -> int:
    """Execute runs that stand in no `runs.yaml`, such as those of a form; the exit code."""
    default = default_profile(project)
    runs = [replace(each, profile=each.profile or default) for each in runs]
    declared = [each.name for each in read_runs(project)] if (project / FILE).is_file() else []
    repair(project)
    every = Options(names=(), jobs=None, profile=None, on=None, fresh=True, plan=False, yes=True)
    return _execute(project, runs, declared, every, now())


def _show_plan(reasons: dict[str, str | None]) -> None:
    shown = len(reasons) if len(reasons) <= MANY_RUNS else SHOWN_OF_MANY
    for name, reason in islice(reasons.items(), shown):
        click.echo(f"run   {name}: {reason}" if reason else f"keep  {name}")
    if len(reasons) > shown:
        kept = sum(reason is None for reason in reasons.values())
        more = f"… and {len(reasons) - shown:,} more"
        click.echo(f"{more}: of {len(reasons):,} runs {len(reasons) - kept:,} would run, {kept:,} be kept")


def _ask_whether_so_many(count: int) -> None:
    what = f"{count:,} runs would be executed"
    if not sys.stdin.isatty():
        raise RunError(f"{what}. `paillasse run --plan` shows the first ones, `paillasse run --yes` executes them.")
    click.confirm(f"{what}. Is that meant?", abort=True)


def _execute(project: Path, chosen: list[Run], declared: list[str], options: Options, asked: datetime) -> int:
    from paillasse.kernels.started import remove_private_folder, warm_kernels

    # One run alone would wait for the warm process as long as for its own imports.
    is_worth_it = len(chosen) > 1 and options.on is None
    with warm_kernels({run.notebook for run in chosen}) if is_worth_it else contextlib.nullcontext():
        # papermill, while the warm process imports the rest; without pyarrow, which it takes for files in Hadoop.
        with without_iri_grammar(), without("pyarrow"), without_garbage_search():
            from paillasse.runs.execute import check_kernels
            from paillasse.runs.together import execute_all

        check_kernels(chosen)
        outcome = execute_all(project, chosen, declared, options.jobs, options.on, asked)
    _tell(outcome, options)
    if outcome.undone:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):  # the terminal was closed
                stream.flush()
        remove_private_folder()
        os._exit(130)  # all is written; ZeroMQ would wait a second for kernels that will not answer
    return 0 if outcome.all_ok else 1


def _tell(outcome: "Outcome", options: Options) -> None:
    """Headlines, how many ended how, and the commands with which to go on."""
    for state in outcome.states:
        if state.get("headline"):
            click.echo(f"{state['name']}: {state['headline']}")
    states = counted(state["state"] for state in outcome.states)
    click.echo(f"{states} · open {os.path.relpath(outcome.index)}" if outcome.index else states)
    if outcome.failed:
        click.echo(f"Run again what failed: {replace(options, fresh=False).again(outcome.failed)}")
    if outcome.undone:
        what = "1 run is" if len(outcome.undone) == 1 else f"{len(outcome.undone)} runs are"
        click.echo(f"Stopped before the end: {what} not done. Go on with: {options.again(outcome.undone)}", err=True)
