"""Records of secure reads: who read what, for what, when. A read whose record cannot be written is refused.

One record for each read, written when the rows are there and before they are handed over: only then is their number
known, and nobody holds data without a record. A lazy table is recorded before it is handed over, its rows unknown. A
read that fails in between is recorded as such, since its message counts the rows that break a rule and so tells
something of patients. An intention written first would leave two records of each read, to be matched, and could only
add the reads whose process was killed in between, which handed nothing over.

Records go to a sink, of which there are two:

- `postgres` (`server.py`): a table on which the reader's role may only insert, made by `table.sql`. A reader cannot
  rewrite it; its owner can.
- `file` (`file.py`), where there is no server: it detects accidents and edits by others, and is no more than that.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from paillasse.catalog.audit import file, server
from paillasse.catalog.audit.model import AuditReport, AuditSink, ReadRecord, Unusable, os_user
from paillasse.errors import AccessError, CatalogError

__all__ = ["TABLE_SQL", "AuditReport", "AuditSink", "ReadRecord", "os_user", "record", "recorded", "verify"]

TABLE_SQL = Path(__file__).with_name("table.sql")  # what a steward runs once


def record(sink: AuditSink, read: ReadRecord, ask: str = "the data steward") -> None:
    """Write the record of a read; only once it is on disk, at the server or here, does this return.

    Parameters
    ----------
    sink
        Where to.
    read
        The record.
    ask
        Whom the message names.

    Raises
    ------
    AccessError
        It cannot be written, or not within ten seconds: the read is refused.

    Examples
    --------
    >>> import tempfile
    >>> read = ReadRecord(project="lung", purpose="scientific-research", approval="CSE-12", data_set="lung_io",
    ...                   profile="secure", source_version=None, columns=["age"], filter_columns=["stage"], rows=42,
    ...                   outcome="read")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sink = AuditSink(driver="file", path=f"{folder}/reads.jsonl", anchor=f"{folder}/anchor.json")
    ...     record(sink, read)
    ...     verify(sink).checked
    1
    """
    try:
        if sink.driver == "postgres":
            server.insert(sink, read)
        else:
            file.append(sink, read)
    except Unusable as error:
        what = {"released": "release of results", "decided": "decision on results"}.get(read.outcome, "read")
        raise AccessError(
            f"The {what} of {read.data_set} is refused, because its record cannot be written: {error}. Ask {ask}."
        ) from None


def recorded(sink: AuditSink, read: ReadRecord, fetch: Callable, ask: str = "the data steward"):
    """Fetch rows and hand them over, with a record written in between; a failure is recorded before it is told.

    Parameters
    ----------
    sink, read, ask
        As for `record`; outcome and number of rows are filled in.
    fetch
        Without an argument; gives the validated rows.

    Returns
    -------
    What `fetch` gives.

    Raises
    ------
    AccessError
        The record cannot be written.
    Exception
        Whatever `fetch` raises.

    Examples
    --------
    >>> sink = AuditSink(driver="file", path="/no/such/folder/reads.jsonl", anchor="/no/such/folder/anchor.json")
    >>> read = ReadRecord(project="lung", purpose="scientific-research", approval="CSE-12", data_set="lung_io",
    ...                   profile="secure", source_version=None, columns=["age"], filter_columns=[])
    >>> recorded(sink, read, lambda: ["a row"])
    Traceback (most recent call last):
    paillasse.errors.AccessError: The read of lung_io is refused, because its record cannot be written:
    /no/such/folder/reads.jsonl: No such file or directory. Ask the data steward.
    """
    try:
        data = fetch()
    except BaseException:  # Ctrl-C too
        record(sink, replace(read, outcome="failed"), ask)
        raise
    record(sink, replace(read, outcome="read", rows=len(data)), ask)
    return data


def verify(sink: AuditSink) -> AuditReport:
    """Check that all records are there, in order and as they were written.

    In a file: an edit, a deletion, a reordering, an insertion and, against the anchor, a cut end. In a table: the same,
    the server's own head being the anchor; that the trigger which builds the chain is in force; and that nobody but
    the owner may change or remove a record.

    Parameters
    ----------
    sink
        As in the steward's file. For a table, its variable must hold the address of one who may select: an auditor.

    Returns
    -------
    AuditReport
        Its text, `str(report)`, is what a person reads; `report.ok` is whether there is no problem.

    Raises
    ------
    CatalogError
        The records cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sink = AuditSink(driver="file", path=f"{folder}/reads.jsonl", anchor=f"{folder}/anchor.json")
    ...     for data_set in ("lung_io", "profiler"):
    ...         record(sink, ReadRecord(project="lung", purpose="statistics", approval="CSE-12", data_set=data_set,
    ...                                 profile="secure", source_version=None, columns=["age"], filter_columns=[]))
    ...     edited = Path(sink.path).read_text().replace("lung_io", "skin")
    ...     _ = Path(sink.path).write_text(edited)
    ...     verify(sink).problems
    ['line 2 was not written after line 1 as that is now: one of them was edited']
    """
    try:
        return server.verify(sink) if sink.driver == "postgres" else file.verify(sink)
    except Unusable as error:
        raise CatalogError(f"The records of reads cannot be verified: {error}.") from None
