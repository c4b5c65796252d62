"""`scan-allow.yaml`: what a person has looked at and allowed, each output by its hash, with a reason and an end.

    allowed:
      - hash: 3f7a...            # of the output, as `paillasse scan --json` shows it
        dataset: gbsg
        reason: residuals of a public data set, drawn for a lecture
        reviewer: A. Steward
        expires: 2027-12-31

A changed output has another hash, so nothing that was not looked at passes.
"""

import datetime
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from paillasse.documents import Strict, Text, read_document, text_of
from paillasse.errors import CatalogError
from paillasse.scan.findings import Finding

FILE_NAME = "scan-allow.yaml"
NEVER = {"unreadable", "social security number", "secret"}  # of these nothing is allowed


class Entry(Strict):
    """One output that a person has allowed."""

    hash: Annotated[str, text_of("[0-9a-f]{64}", "the 64 digits of an output's hash, as `paillasse scan --json` shows")]
    dataset: Text
    reason: Text
    reviewer: Text
    expires: datetime.date


class Document(Strict):
    """The whole file."""

    allowed: list[Entry]


@dataclass
class Allowed:
    """The entries by hash."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def waive(self, finding: Finding) -> None:
        """Take a finding for allowed where an entry that has not ended says so."""
        entry = self.entries.get(finding.hash)
        if entry is None or finding.status != "leak" or finding.kind in NEVER:
            return
        if entry.expires < datetime.date.today():
            finding.note = f"{FILE_NAME} allowed it until {entry.expires}: review it again"
            return
        finding.status, finding.dataset = "allowed", entry.dataset
        finding.note = f"{entry.reason} ({entry.reviewer}, until {entry.expires})"


def read_allowed(folder: Path | None) -> Allowed:
    """The entries of the file in the folder, or in the working folder; none where there is no file.

    Raises
    ------
    CatalogError
        The file has mistakes: all of them, with line and key.
    """
    file = (folder or Path.cwd()) / FILE_NAME
    if not file.is_file():
        return Allowed()
    document, _ = read_document(file, Document, CatalogError)
    return Allowed({each.hash: each for each in document.allowed})
