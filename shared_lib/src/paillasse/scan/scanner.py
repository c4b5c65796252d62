"""The scan: every file taken apart, every part judged, what is nobody's secret listed, what is allowed waived."""

import os
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path

from paillasse.documents import without_collector
from paillasse.errors import InputError
from paillasse.scan.allow import Allowed, read_allowed
from paillasse.scan.containers import Place, Table
from paillasse.scan.curves import steps_allowed
from paillasse.scan.dissection import Dissection, dissect, dissect_content
from paillasse.scan.findings import Finding, Report, fingerprint
from paillasse.scan.fingerprints import Fingerprints
from paillasse.scan.identifiers import traces_in
from paillasse.scan.known import DataSet, Known, known_near
from paillasse.scan.rules import pooled_values, verdicts

# Folders of programs and of caches that no result is in. Checkpoints of notebooks are none of these.
NOT_ENTERED = {
    ".git", ".venv", "venv", "node_modules", "__pycache__", ".pytest_cache", ".ruff_cache", ".hypothesis",
    ".mypy_cache",
}  # fmt: skip
PROGRAMS = (
    ".py", ".r", ".md", ".rst", ".txt", ".toml", ".cfg", ".ini", ".yml", ".yaml", ".lock", ".in", ".sh", ".sql", ".js",
    ".ts", ".css", ".cff", ".j2", "makefile", "dockerfile", ".gitignore", ".gitattributes",
)  # fmt: skip


def scan(
    paths: Iterable[str | Path],
    known: Known | None = None,
    pseudonyms: Fingerprints | None = None,
    allowed: Allowed | None = None,
) -> Report:
    """Find patient-level data in notebooks and files.

    Parameters
    ----------
    paths
        Files, and folders with all that is in them but programs' caches and environments.
    known
        What the catalogue says; by default the nearest one's.
    pseudonyms
        Fingerprints of pseudonyms to look for; by default those that may be read in the profile in force.
    allowed
        What a person has allowed; by default the `scan-allow.yaml` beside the catalogue, or in this folder.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        There is no such path.
    CatalogError
        The catalogue, or scan-allow.yaml, has mistakes.

    Examples
    --------
    >>> scan(["notebooks/risk_model.ipynb"]).ok
    True
    """
    files = list(files_of(paths))
    report = Report(files=len(files))
    if known is None:
        known = known_near([Path(each) for each in paths])
    if pseudonyms is None:
        pseudonyms, left_out = _pseudonyms(known)
        if left_out:
            names = ", ".join(left_out)
            report.notes.append(f"The pseudonyms of {names} could not be read, so none of them was looked for.")
    if allowed is None:
        allowed = read_allowed(known.folder)
    for path, name in files:
        if _is_code_list(path):
            continue
        with without_collector():
            report.findings += judge(dissect(path, name), path, known, pseudonyms, allowed)
    return report


def scan_content(
    content: bytes, file: Path, known: Known, pseudonyms: Fingerprints, allowed: Allowed
) -> list[Finding]:
    """Find patient-level data in what a file would hold, such as a notebook that is open and not saved.

    Parameters
    ----------
    content
        All of it.
    file
        Where it would be, by whose name findings are told and its format is known.
    known, pseudonyms, allowed
        As in `scan`.

    Returns
    -------
    list of Finding

    Examples
    --------
    >>> content = b"patient_id,age\\nP70012,61\\nP70013,54\\n"
    >>> scan_content(content, Path("a.csv"), Known(), Fingerprints(), Allowed())[0].kind
    'rows'
    """
    with without_collector():
        return judge(dissect_content(content, file.name), file, known, pseudonyms, allowed)


def files_of(paths: Iterable[str | Path]) -> Iterator[tuple[Path, str]]:
    """The files that are meant, each once, and what they are called in findings."""
    seen = set()
    for path in map(Path, paths):
        if not os.path.lexists(path):
            raise InputError(f"{path}: there is no such file or folder")
        if path.is_dir():
            found = []
            for folder, folders, names in os.walk(path):
                folders[:] = sorted(each for each in folders if each not in NOT_ENTERED)
                found += [Path(folder, name) for name in sorted(names)]
        else:
            found = [path]
        for each in found:
            if (key := each.absolute()) not in seen:
                seen.add(key)
                yield each, each.as_posix()


def files_of_git() -> list[Path]:
    """The files of this folder that git tracks, or would add.

    Raises
    ------
    InputError
        This folder is in no git repository.
    """
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    try:
        names = subprocess.run(listing, check=True, capture_output=True).stdout.decode("utf-8", "surrogateescape")
    except (OSError, subprocess.CalledProcessError):
        raise InputError("This folder is in no git repository: say which files or folders are meant.") from None
    return [path for name in names.split("\0") if name and os.path.lexists(path := Path(name))]


def _pseudonyms(known: Known) -> tuple[Fingerprints, list[str]]:
    from paillasse.catalog import open_catalog
    from paillasse.catalog.entries import FILE_NAME
    from paillasse.scan.fingerprints import fingerprints_of

    if known.folder is None:
        return Fingerprints(), []
    return fingerprints_of(open_catalog(known.folder / FILE_NAME))


def judge(found: Dissection, path: Path, known: Known, pseudonyms: Fingerprints, allowed: Allowed) -> list[Finding]:
    """The findings of one file that was taken apart."""
    whole = _whole_file(path, known)
    gathered: dict[tuple, Finding] = {}

    def note(
        place: Place, kind: str, patients: int | None, status: str = "leak", data_set: DataSet | None = None
    ) -> None:
        key = (place.cell, place.output, kind, status)
        if key in gathered:
            before = gathered[key].patients
            gathered[key].patients = max(filter(None, (before, patients)), default=None)
            return
        finding = Finding(place.file, place.cell, place.output, place.mime, place.path, kind, patients, status)
        finding.dataset = data_set.name if data_set else None
        gathered[key] = finding

    for each in found.unreadable:
        note(each.place, "unreadable", None)
        gathered[each.place.cell, each.place.output, "unreadable", "leak"].note = each.why
    parts = defaultdict(list)
    for table in found.tables:
        parts[table.place.part].append(table)
    for tables in parts.values():
        for table, kind, patients in _judged(tables, known, whole, note):
            note(table.place, kind, patients)
    sources = "\n".join(text.text for text in found.texts if text.is_code and text.place.path.endswith("source"))
    says_where = not path.name.lower().endswith(PROGRAMS)
    said_nothing = set()  # cells and outputs are described in the same words again and again
    for text in found.texts:
        words = text.text, text.is_code, text.is_error, bool(text.place.output)
        if words in said_nothing:
            continue
        traces = list(traces_in(text, pseudonyms, sources, says_where))
        if not traces:
            said_nothing.add(words)
        for trace in traces:
            note(text.place, trace.kind, trace.count if trace.kind not in ("secret", "path", "error message") else None)
    findings = _without_doubles(list(gathered.values()))
    for each in findings:
        each.hash = _hash(each, found, path)
        allowed.waive(each)
    return findings


def _judged(tables: list[Table], known: Known, whole: DataSet | None, note) -> Iterator[tuple[Table, str, int]]:
    """The tables of one output: what they are, unless they are public; then what their parts add up to."""
    harmless = steps_allowed(tables, known.minimum_cell)
    leaking: dict[str, int] = {}  # kind → patients; what adds nothing to them need not be looked at
    for table in tables:
        if table.kind == "pooled" or id(table) in harmless:
            continue
        if table.rows <= max(leaking.get("rows", 0), leaking.get("values", 0)):
            continue
        for verdict in verdicts(table, known):
            data_set = whole or (None if verdict.kind in leaking else known.public(table))
            if data_set is None:
                leaking[verdict.kind] = max(verdict.patients, leaking.get(verdict.kind, 0))
                yield table, verdict.kind, verdict.patients
            else:
                harmless.add(id(table))
                note(table.place, verdict.kind, verdict.patients, data_set.origin, data_set)
    for table in tables:
        if table.kind == "pooled" and not leaking and (patients := pooled_values(table, harmless, known)):
            data_set = whole or known.public(table)
            if data_set is None:
                yield table, "values", patients
            else:
                note(table.place, "values", patients, data_set.origin, data_set)


def _without_doubles(findings: list[Finding]) -> list[Finding]:
    """Rows say all that values and identifiers of the same output say."""
    rows = {(each.cell, each.output, each.status) for each in findings if each.kind == "rows"}
    kept = [each for each in findings if each.kind != "values" or (each.cell, each.output, each.status) not in rows]
    return sorted(kept, key=lambda each: (each.cell or 0, each.output or 0, each.kind))


def _whole_file(path: Path, known: Known) -> DataSet | None:
    """The public data set of which the file is the one that the catalogue names, by its checksum."""
    for data_set in known.data_sets:
        is_named = data_set.file and data_set.file[0] == path.name and path.is_file()
        if is_named and fingerprint(path.read_bytes()) == data_set.file[1]:
            return data_set
    return None


def _is_code_list(path: Path) -> bool:
    """Whether a file is one of the library's own lists of codes, byte for byte: nothing else tells a product's number
    from a patient's."""
    ours = resources.files("paillasse") / "effects" / "code_lists" / path.name
    return path.suffix == ".csv" and path.is_file() and ours.is_file() and path.read_bytes() == ours.read_bytes()


def _hash(finding: Finding, found: Dissection, path: Path) -> str:
    original = found.originals.get((finding.cell, finding.output)) or found.originals.get((finding.cell, None))
    if original is not None:
        return fingerprint(original)
    try:
        return fingerprint(path.read_bytes()) if path.stat().st_size < 2**30 else ""
    except OSError:
        return ""
