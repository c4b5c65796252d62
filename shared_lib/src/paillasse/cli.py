"""The command `paillasse`: thin, and quick to answer `--help`; each command imports what it needs when it runs."""

import shlex
import sys
from pathlib import Path

import click

from paillasse import PaillasseError, __version__

PATH = click.Path(path_type=Path)


class Group(click.Group):
    """Errors that a user can mend are one message on standard error and an exit code, without a traceback."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except PaillasseError as error:
            click.echo(str(error), err=True)
            context.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            context.exit(130)


EXIT_CODES = """\
Exit codes: 0 all is well; 1 something is not ok; 2 the command was not understood; 3 the catalogue, 4 a data set,
5 an analysis's input, 6 a notebook or 7 runs.yaml is not as it should be; 8 a secure read is refused; 9 a result
has no form that may leave; 10 an update cannot be looked for or brought in; 130 stopped from outside."""


@click.group(cls=Group, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="paillasse", message="%(prog)s %(version)s")
def main():
    """The bench on which a project's notebooks are run and proved."""
    for stream in (sys.stdout, sys.stderr):  # a Windows code page lacks letters that names and headlines have
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


@main.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--jobs", type=click.IntRange(min=1), help="Runs at a time; default: one for each core.")
@click.option("--profile", type=click.Choice(["public", "synthetic", "secure"]), help="Instead of runs.yaml's.")
@click.option("--fresh", is_flag=True, help="Also what is kept.")
@click.option("--plan", is_flag=True, help="Say what would run and why, and run nothing.")
@click.option("--on", metavar="WHERE", help="Elsewhere: dask, slurm, or a Dask scheduler's address.")
@click.option("--yes", is_flag=True, help="Do not ask whether more than 1,000 runs are meant.")
def run(**options):
    """Execute runs.yaml with papermill; exits 0 only if every run is ok.

    NAME is a run of runs.yaml, or one point of its grid; without a name every run is meant. A run whose notebook,
    parameters, code, environment and data are those of its newest result is kept, not executed. Results, with an
    index.html of all of them, are in the folder runs. A run waits until its memory is free, and for another
    `paillasse run` that is executing it, whose result it takes.
    """
    from paillasse.runs.command import Options
    from paillasse.runs.command import run as run_chosen

    sys.exit(run_chosen(Options(**options)))


@main.command()
def status():
    """Show the state of every run: its newest result. Of more than 1,000, those that went wrong and the numbers."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    from paillasse.runs.declared import MANY_RUNS, find_project, read_runs
    from paillasse.runs.progress import coloured, length
    from paillasse.runs.results import counted, describe_error, newest_results, read_state, seconds, started

    project = find_project()
    results = newest_results(project, [each.name for each in read_runs(project)])
    states = [(name, read_state(folder) if folder else {"state": "not run yet"}) for name, folder in results]
    if len(states) > MANY_RUNS:  # rich would need a minute for a hundred thousand, a reader longer
        click.echo(counted(state["state"] for _, state in states))
        others = [(name, state) for name, state in states if state["state"] not in ("ok", "not run yet")]
        states = others[:MANY_RUNS]
        if not others:
            return
        first = f"The first {MANY_RUNS:,} of the" if len(others) > MANY_RUNS else "The"
        click.echo(f"{first} {len(others):,} that are neither ok nor still to run:")
    table = Table("state", "started", "took", Column("run", no_wrap=True), "result", box=None, pad_edge=False)
    for name, state in states:
        result = state.get("headline") or describe_error(state)
        table.add_row(coloured(state["state"]), started(state), length(seconds(state)), escape(name), escape(result))
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(table)


@main.command()
@click.argument("name")
@click.argument("artefact")
@click.option("--to", type=click.Path(dir_okay=False), help="A .csv or .parquet file; default: CSV on standard output.")
@click.option("--incomplete", is_flag=True, help="Leave out runs that have no result that stands.")
def collect(name, artefact, to, incomplete):
    """Put the tables ARTEFACT of all runs of the entry NAME, a grid say, into one tidy table."""
    from paillasse.runs.sweep import collect as collected
    from paillasse.runs.sweep import save

    table = collected(name, artefact, incomplete=incomplete)
    if to:
        save(table, Path(to))
    else:
        click.echo(table.to_csv(index=False, lineterminator="\n"), nl=False)


@main.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on standard output.")
def scan(paths, as_json):
    """Find patient-level data in notebooks and files; exits 1 if there are any, 0 if none.

    Without a PATH all that git tracks or would add is meant; a folder is scanned with all that is in it. What cannot be
    read is not passed. Values of public data sets and of stand-ins are listed; anything else passes only by a line of
    scan-allow.yaml. No value that was found is shown.
    """
    from paillasse.scan.scanner import files_of_git
    from paillasse.scan.scanner import scan as scanned

    report = scanned(paths or files_of_git())
    if as_json:
        click.echo(report.as_json())
    else:
        from rich.console import Console

        from paillasse.scan.show import show as show_report

        show_report(report, Console(highlight=False, soft_wrap=True))
    sys.exit(0 if report.ok else 1)


@main.command()
@click.argument("names", metavar="[RUN]...", nargs=-1)
@click.option("--to", type=PATH, metavar="DIR", help="Make the bundle in this folder, which must be new or empty.")
@click.option("--use", metavar="TEXT", help="What the results are for, in a sentence of the request.")
@click.option("--decide", "deciding", type=PATH, metavar="DIR", help="Decide on a bundle that another person has made.")
@click.option("--decisions", type=PATH, metavar="FILE", help="The decisions, as YAML; default: each is asked for.")
@click.option("--review", "reviewing", type=PATH, metavar="DIR", help="Compare a bundle with earlier ones beside it.")
def release(names, to, use, deciding, decisions, reviewing):
    """Make the bundle that may leave, decide on it, or compare it with earlier ones.

    With --to, the newest results of the runs RUN (all, without a name) that `record` kept in safe form become tables,
    pictures, a manifest, provenance and a page for the output checker. It is refused where a scan finds anything in it.
    With --decide, the checker accepts or refuses each item with a reason; what was accepted is in DIR-accepted. Keep
    the releases of a project in one folder, side by side: --review finds the earlier ones there.
    """
    from paillasse.release import command

    command.one_of(names, to, deciding, reviewing, decisions, use)
    if to is not None:
        command.make(names, to, use)
    elif deciding is not None:
        command.decide(deciding, decisions)
    else:
        command.review(reviewing)


@main.group()
def catalog():
    """What data exist, and whether they are as data_catalog.yaml says."""


@catalog.command("list")
def list_():
    """List the data sets."""
    from paillasse import open_catalog

    click.echo(repr(open_catalog()))


@catalog.command()
@click.argument("name")
def show(name):
    """Show the card of one data set: what it is, whose, its columns, what to beware of."""
    from paillasse import open_catalog

    click.echo(repr(open_catalog()[name]))


@catalog.command()
def check():
    """Read every data set and validate it, links between them too; exits 0 when all is well.

    A stand-in is made for it. In the profile secure each approved data set is read, but for identifiers, and recorded.
    """
    from paillasse import open_catalog

    failures = []
    for name, entry in open_catalog().entries.items():
        try:
            click.echo(f"ok     {name}: {entry.check()}")
        except PaillasseError as error:
            failures.append(error)
            click.echo(f"wrong  {name}: {error}", err=True)
    if failures:
        sys.exit(failures[0].exit_code)


@catalog.command()
@click.option("--format", "format_", type=click.Choice(["healthdcat-ap"]), required=True, help="The vocabulary.")
@click.option("--syntax", type=click.Choice(["turtle", "json-ld"]), default="turtle", help="Default: turtle.")
def export(format_, syntax):
    """Write the catalogue of the data under access control in a standard's words to standard output."""
    from paillasse import open_catalog
    from paillasse.catalog.healthdcat import export as exported

    text, left_out = exported(open_catalog().document, syntax)
    click.echo(text, nl=False)
    for name, why in left_out.items():
        click.echo(f"left out  {name}: {why}", err=True)


@catalog.command("import")
@click.argument("source")
@click.option("--table", help="The table, schema.table, where SOURCE is a PostgreSQL server.")
def import_(source, table):
    """Start an entry, on standard output, from a Frictionless schema, a CSV or parquet file or a PostgreSQL table.

    SOURCE is a file, or the variable that holds a server's address: '${NAME}'. No value of a row is written; what a
    person must fill in is marked TODO.
    """
    from paillasse.catalog.drafts import draft

    click.echo(draft(source, table), nl=False)


@catalog.group()
def audit():
    """The records of secure reads."""


@audit.command()
def table():
    """Print the SQL by which a steward makes the table of records, once: pipe it to psql."""
    from paillasse.catalog.audit import TABLE_SQL

    click.echo(TABLE_SQL.read_text(encoding="utf-8"), nl=False)


@audit.command()
def verify():
    """Check that all records are there, in order and as they were written; exits 1 if not."""
    from paillasse.catalog.access import read_steward_file, steward_file
    from paillasse.catalog.audit import verify as verified

    report = verified(read_steward_file(steward_file()).audit)
    click.echo(str(report))
    sys.exit(0 if report.ok else 1)


@main.command()
@click.argument("notebooks", metavar="[NOTEBOOK]...", nargs=-1, type=click.Path(exists=True, dir_okay=False))
@click.option("--accept", is_flag=True, help="Store numbers that changed beyond the tolerance.")
def refresh(notebooks, accept):
    """Execute notebooks anew and store their outputs; by default all in the folder notebooks.

    Numbers that changed beyond the tolerance are shown and refused, unless accepted; then it exits 1.
    """
    from paillasse.notebooks.refresh import refresh as refresh_notebooks

    refreshed = refresh_notebooks(notebooks, accept=accept)
    for each in refreshed:
        click.echo(each.report())
    sys.exit(1 if any(each.state == "refused" for each in refreshed) else 0)


@main.command()
@click.option("--profile", type=click.Choice(["public", "synthetic", "secure"]), help="Default: the one in force.")
def doctor(profile):
    """Say what is wrong with this project, each with the command that mends it; exits 1 if anything is.

    Looked at are environment, kernels, catalogue, approvals, variables, the hook before commits, the template's record,
    disk and memory. Nothing is changed.
    """
    from paillasse.project.doctor import examine, find_project, report

    findings = examine(find_project(), profile)
    click.echo(report(findings))
    sys.exit(1 if any(each.state == "wrong" for each in findings) else 0)


@main.command()
@click.option("--from", "source", metavar="SOURCE", help="An address, a folder or a git bundle; default: the recorded.")
@click.option("--to", metavar="TAG", help="This version; default: the newest.")
@click.option("--check", "checking", is_flag=True, help="Only say whether there is a newer one: exit 1; if not: 0.")
@click.option("--undo", "undoing", is_flag=True, help="Take back the update that is not committed.")
def update(source, to, checking, undoing):
    """Bring what the template has changed since into this project; it is staged, and not committed.

    The template's old and new version are made into projects with the kept answers, and their difference is applied.
    That runs the template's code: the recorded template's, or SOURCE's. Exits 0 if all is done, 1 if files are in
    conflict, which are named, 10 if nothing was done. docs/updates.md says more.
    """
    from paillasse.project import update as updates
    from paillasse.project.doctor import find_project
    from paillasse.project.worktree import kept_aside

    if checking + undoing > 1 or (undoing and (source or to)) or (checking and to):
        raise click.UsageError("--check goes with --from only, and --undo alone.")
    project = find_project()
    if undoing:
        kept = updates.undo(project)
        click.echo("The update is taken back: all its files are as in the last commit.")
        if kept:
            click.echo(kept_aside(kept))
    elif checking:
        standing = updates.standing(project, source)
        click.echo(str(standing))
        if standing.behind:
            click.echo("To bring it in: paillasse update" + (f" --from {shlex.quote(source)}" if source else ""))
            sys.exit(1)
    else:
        done = updates.update(project, source, to)
        click.echo(done.report())
        sys.exit(1 if done.conflicts else 0)


@main.command()
@click.option("--python", metavar="3.X", help="For which Python; default: this one's minor version.")
@click.option("--platform", metavar="TAG", help="For which platform, as wheels name it; default: this machine's.")
@click.option("--to", type=PATH, default="dist", help="The folder; default: dist.")
def wheelhouse(python, platform, to):
    """Pack the environment for an enclave without internet: all wheels, licences, a bill of materials, checksums.

    TAG is manylinux_2_28_x86_64 (Linux with glibc 2.28 or later: the default on Linux), win_amd64, macosx_13_0_arm64 …
    In the enclave `make setup-offline` makes the environment from the archive.
    """
    from paillasse.project.doctor import find_project
    from paillasse.project.target import Target
    from paillasse.project.wheelhouse import build

    project, target = find_project(), Target.here(python, platform)
    click.echo(f"Packing what requirements.lock says for {target}: some hundred megabytes are fetched")
    archive = build(project, target, to)
    size = archive.stat().st_size / 1e6
    click.echo(f"{archive}: {size:.0f} MB. Carry it in with its .sha256, then: make setup-offline")


if __name__ == "__main__":  # `python -m paillasse.cli`, where the command is not on the path
    main(prog_name="paillasse")
