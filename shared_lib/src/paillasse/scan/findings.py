"""What a scan found: each finding with its place, its kind, how many patients and what to do. Never the value."""

import hashlib
import json
from dataclasses import asdict, dataclass, field

# Kind → what it is, what to do.
KINDS = {
    "rows": ("rows of a table that are one patient each", "show counts or estimates, or clear the output"),
    "values": (
        "values that came one from each patient",
        "show the result's safe form (`.disclose`), a histogram or a PNG",
    ),
    "identifiers": ("identifiers of patients", "leave the column out"),
    "pseudonym": ("pseudonyms of the catalogue", "leave them out"),
    "social security number": ("social security numbers (NIR)", "remove them, and tell the data protection officer"),
    "hospital number": ("a hospital's numbers of patients or stays", "remove them"),
    "date of birth": ("dates of birth", "remove them; an age in years is enough"),
    "contact": ("where a person lives, or how to reach them", "remove it"),
    "note": ("a note about one patient", "leave it in the patient's record; say what is true of many"),
    "sequence": ("sequences or messages of single persons (FASTA, FASTQ, HL7, vCard)", "leave the file where it is"),
    "error message": ("an error's message that quotes data", "clear the output"),
    "secret": ("a password, token or key", "remove it and have it changed: whoever saw the file knows it"),
    "path": ("paths of the enclave", "write paths relative to the project"),
    "unreadable": ("it could not be read, so it is not passed", "mend it, or leave it where it is"),
    "allow-list": ("an entry of scan-allow.yaml has ended", "review the output again, and set a new date or remove it"),
}


@dataclass
class Finding:
    """One kind of thing in one part of a file.

    Attributes
    ----------
    file, cell, output, mime, path
        Where it is; cells and outputs are counted from 1, None where there is none.
    kind
        One of `KINDS`.
    patients
        How many patients it can concern, at least 1; None where that cannot be said.
    status
        `leak`; `public`, of a public data set or a stand-in, by its content; or `allowed`, by a line of
        scan-allow.yaml.
    dataset
        The data set whose rows it shows, where that is known.
    hash
        SHA-256 of the output (or the cell without its outputs, or the file), for scan-allow.yaml.
    note
        What a reader should know besides.
    """

    file: str
    cell: int | None
    output: int | None
    mime: str
    path: str
    kind: str
    patients: int | None
    status: str = "leak"
    dataset: str | None = None
    hash: str = ""
    note: str = ""

    @property
    def what(self) -> str:
        return KINDS[self.kind][0]

    @property
    def remedy(self) -> str:
        return KINDS[self.kind][1]

    @property
    def place(self) -> str:
        """Where, in words."""
        cell = f"cell {self.cell}" if self.cell else ""
        output = f"output {self.output}" if self.output else ""
        return ", ".join(each for each in (cell, output, self.mime, self.path) if each)


@dataclass
class Report:
    """All findings of a scan.

    Attributes
    ----------
    findings
        Every finding, in the order of files.
    files
        How many files were looked at.
    notes
        What limits the verdict.
    """

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def leaks(self) -> list[Finding]:
        return [each for each in self.findings if each.status == "leak"]

    @property
    def ok(self) -> bool:
        """Whether nothing of a patient was found."""
        return not self.leaks

    def as_json(self) -> str:
        """The report for programs: the same words, no value of a patient."""
        findings = [asdict(each) | {"what": each.what, "to_do": each.remedy} for each in self.findings]
        content = {
            "ok": self.ok,
            "files": self.files,
            "leaks": len(self.leaks),
            "notes": self.notes,
            "findings": findings,
        }
        return json.dumps(content, indent=2, ensure_ascii=False)


def fingerprint(content) -> str:
    """SHA-256 of an output as JSON, whatever the order of its keys; of bytes as they are.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    if not isinstance(content, bytes):
        content = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return hashlib.sha256(content).hexdigest()
