"""What a run of patients' data left in its folder: scanned, and the verdict written down without a value."""

from collections import Counter
from pathlib import Path

from paillasse.errors import PaillasseError

OWN = {"run.json", "reads.jsonl"}  # the run's own records


def verdict(folder: Path, catalogue: Path, profile: str | None, read: list[dict]) -> dict | None:
    """Whether a run's notebook and artefacts show patients; None where it read none.

    Parameters
    ----------
    folder
        The run's, after it has ended.
    catalogue
        Where its catalogue is.
    profile
        The run's.
    read
        What it read, as `paillasse.catalog.reads` notes.

    Returns
    -------
    dict or None
        `ok`, and in `found` how many findings of each kind there are by file; or `error`, where the scan itself
        failed, which is not `ok` either.
    """
    if profile != "secure" and not any(each["restricted"] for each in read):
        return None
    from paillasse.catalog import open_catalog
    from paillasse.scan.allow import read_allowed
    from paillasse.scan.fingerprints import fingerprints_of
    from paillasse.scan.known import Known, known_of
    from paillasse.scan.scanner import scan

    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name not in OWN)
    try:
        known, pseudonyms = Known(), None
        if catalogue.is_file():
            catalog = open_catalog(catalogue, profile="secure")
            known = known_of(catalog)
            pseudonyms, _ = fingerprints_of(catalog, {each["data_set"] for each in read})
        report = scan(files, known, pseudonyms, read_allowed(catalogue.parent))
    except PaillasseError as error:
        return {"ok": False, "error": type(error).__name__}
    found: dict[str, Counter] = {}
    for each in report.leaks:
        found.setdefault(Path(each.file).name, Counter())[each.kind] += 1
    return {"ok": report.ok, "found": {name: dict(kinds) for name, kinds in found.items()}}
