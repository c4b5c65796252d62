"""A scan's report for people."""

from rich.console import Console
from rich.markup import escape

from paillasse.scan.findings import Report

MOST_LISTED = 20  # findings that are no leak


def show(report: Report, console: Console) -> None:
    """Print leaks by file with what to do, then what is public or allowed, then the verdict."""
    file = None
    for each in report.leaks:
        if each.file != file:
            file = each.file
            console.print(f"[bold]{escape(file)}[/bold]")
        patients = f" ({each.patients:,} at least)" if each.patients else ""
        console.print(f"  [red]{escape(each.place or 'the file')}[/red]: {escape(each.what)}{patients}")
        note = f" {each.note[0].upper()}{each.note[1:]}." if each.note else ""
        console.print(f"    {escape(each.remedy[0].upper() + each.remedy[1:])}.{escape(note)}", highlight=False)
    others = [each for each in report.findings if each.status != "leak"]
    for each in others[:MOST_LISTED]:
        where = f"{each.file}: {each.place}" if each.place else each.file
        detail = each.note if each.status == "allowed" else f"of {each.dataset}"
        console.print(f"[dim]{each.status}  {escape(where)}: {escape(detail)}[/dim]")
    if len(others) > MOST_LISTED:
        console.print(f"[dim]... and {len(others) - MOST_LISTED} more that are public, synthetic or allowed[/dim]")
    for note in report.notes:
        console.print(f"[yellow]{escape(note)}[/yellow]")
    looked = "1 file" if report.files == 1 else f"{report.files:,} files"
    if report.ok:
        console.print(f"{looked}: nothing of a patient was found")
    else:
        n = len({each.file for each in report.leaks})
        console.print(f"{looked}: {n} must not leave as {'it is' if n == 1 else 'they are'}")
