"""What `paillasse release` does and says: make a bundle, ask the checker for decisions, compare releases."""

from pathlib import Path

import click

from paillasse.errors import ReleaseError
from paillasse.release.documents import PAGE, Decision, Item
from paillasse.runs.declared import choose, find_project, read_runs


def make(names: tuple[str, ...], to: Path, use: str | None) -> None:
    """Make a bundle and say what is in it, what stays, and who is next."""
    from paillasse.release.bundle import release

    project = find_project()
    runs = [run.name for run in choose(read_runs(project), names)]
    manifest, gathered = release(project, runs, to, use)
    for item in manifest.items:
        smallest = "no count shown" if item.smallest_count is None else f"smallest count {item.smallest_count}"
        click.echo(f"{item.item}: {item.title} ({smallest})")
    if gathered.staying:
        click.echo(f"Not in it, because recorded without a safe form: {', '.join(gathered.staying)}")
    restricted = sorted({read.data_set for run in manifest.runs for read in run.data_sets if read.restricted})
    recorded = f"recorded for {', '.join(restricted)}" if restricted else "no secure data, so nothing is recorded"
    click.echo(f"{to / PAGE} is for the checker: paillasse release --decide {to} ({recorded})")


def decide(folder: Path, decisions: Path | None) -> None:
    """Take the checker's decisions, from a file or the terminal, and say what may leave."""
    from paillasse.release.decide import accepted_folder, open_for_decision, read_decisions
    from paillasse.release.decide import decide as decide_on

    manifest = open_for_decision(folder)
    chosen = read_decisions(decisions) if decisions else {item.item: _ask(item) for item in manifest.items}
    done = decide_on(folder, chosen)
    accepted = sum(each.decide == "accept" for each in done.decisions.values())
    click.echo(f"{accepted} of {len(done.decisions)} accepted by {done.decider}.")
    click.echo(f"{accepted_folder(folder)} may leave." if accepted else "Nothing leaves.")


def review(folder: Path) -> None:
    """Say what differs from earlier releases."""
    from paillasse.release.review import review as reviewed

    for line in reviewed(folder) or ["No earlier release of this project lies beside this one."]:
        click.echo(line)


def one_of(names: tuple[str, ...], to, deciding, reviewing, decisions, use) -> None:
    """Refuse a call that asks for none or for several of the three things."""
    if sum(each is not None for each in (to, deciding, reviewing)) != 1:
        raise click.UsageError("One of --to, --decide and --review says what to do.")
    if names and to is None:
        raise click.UsageError("Names of runs go with --to.")
    if use and to is None:
        raise click.UsageError("--use goes with --to.")
    if decisions and deciding is None:
        raise click.UsageError("--decisions goes with --decide.")


def _ask(item: Item) -> Decision:
    click.echo(f"\n{item.item}: {item.title}")
    smallest = "none shown" if item.smallest_count is None else item.smallest_count
    click.echo(f"  smallest count {smallest}; none below {item.policy.minimum_cell}, to {item.policy.rounding}")
    answer = click.prompt("  accept or refuse", type=click.Choice(["accept", "refuse"]))
    reason = click.prompt("  reason").strip()
    if not reason:
        raise ReleaseError(f"{item.item}: a decision has a reason. Nothing was decided.")
    return Decision(decide=answer, reason=reason)
