"""Records of secure reads in a local file: nothing is read without one, nothing is changed unseen."""

import datetime
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from paillasse.catalog.audit import AuditSink, ReadRecord, record, recorded, verify
from paillasse.documents import Strict, read_document
from paillasse.errors import AccessError, CatalogError, DataError

pytest.importorskip("fcntl", reason="a local file of records needs file locks")

ABOUT = dict(
    project="lung",
    purpose="scientific-research",
    approval="CSE-12",
    data_set="lung_io",
    profile="secure",
    source_version=None,
    columns=["age", "pd_l1"],
    filter_columns=["stage"],
)


def sink_in(folder: Path) -> AuditSink:
    (folder / "steward").mkdir(exist_ok=True)
    return AuditSink(driver="file", path=f"{folder}/reads.jsonl", anchor=f"{folder}/steward/anchor.json")


def a_read(**other) -> ReadRecord:
    return ReadRecord(**(ABOUT | other))


def lines(sink: AuditSink) -> list[bytes]:
    return Path(sink.path).read_bytes().splitlines(keepends=True)


def filled(folder: Path, n: int = 5) -> AuditSink:
    sink = sink_in(folder)
    for i in range(n):
        record(sink, a_read(rows=i, outcome="read"))
    return sink


def problems_after(sink: AuditSink, change) -> list[str]:
    """What `verify` says once the lines are what `change` makes of them."""
    Path(sink.path).write_bytes(b"".join(change(lines(sink))))
    return verify(sink).problems


# --- what a record holds ---------------------------------------------------------------------------------------------


def test_a_record_says_who_what_for_what_and_when_and_nothing_else(tmp_path):
    sink = sink_in(tmp_path)
    record(sink, a_read(rows=42, outcome="read"))
    said = json.loads(lines(sink)[0])
    assert list(said) == [
        *("number", "previous", "project", "purpose", "approval", "data_set", "profile", "source_version"),
        *("columns", "filter_columns", "outcome", "rows", "id", "started_at", "who", "host"),
    ]
    assert (said["rows"], said["filter_columns"], said["number"]) == (42, ["stage"], 1)
    assert datetime.datetime.fromisoformat(said["started_at"]).utcoffset() == datetime.timedelta(0)


def test_the_user_is_the_systems_not_the_environments(monkeypatch):
    pwd = pytest.importorskip("pwd")
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert a_read().who == pwd.getpwuid(os.getuid()).pw_name


def test_any_name_stays_one_line(tmp_path):
    sink = sink_in(tmp_path)
    record(sink, a_read(columns=["âge\n", "\u2028", "\udc80", "\x00"]))
    assert len(lines(sink)) == 1
    assert verify(sink).ok


# --- the read is handed over with its record, or not at all ----------------------------------------------------------


def test_rows_are_handed_over_once_their_number_is_on_record(tmp_path):
    sink = sink_in(tmp_path)
    assert recorded(sink, a_read(), lambda: ["a", "b"]) == ["a", "b"]
    said = json.loads(lines(sink)[0])
    assert (said["outcome"], said["rows"]) == ("read", 2)


@pytest.mark.parametrize("error", [DataError("age: above the maximum: 1 row"), KeyboardInterrupt()])
def test_a_read_that_fails_is_on_record_before_its_error_is_told(tmp_path, error):
    def fetch():
        raise error

    sink = sink_in(tmp_path)
    with pytest.raises(type(error)):
        recorded(sink, a_read(), fetch)
    said = json.loads(lines(sink)[0])
    assert (said["outcome"], said["rows"]) == ("failed", None)


def test_an_error_is_not_told_if_it_cannot_be_recorded(tmp_path):
    def fetch():
        raise DataError("age: above the maximum: 1 row")

    sink = AuditSink(driver="file", path=f"{tmp_path}/no/reads.jsonl", anchor=f"{tmp_path}/anchor.json")
    with pytest.raises(AccessError) as refusal:
        recorded(sink, a_read(), fetch)
    assert refusal.value.__suppress_context__
    assert "maximum" not in str(refusal.value)


def refused(sink: AuditSink) -> str:
    with pytest.raises(AccessError) as refusal:
        record(sink, a_read(), "A. Steward, steward@example.org")
    message = str(refusal.value)
    assert message.startswith("The read of lung_io is refused, because its record cannot be written: ")
    assert message.endswith(". Ask A. Steward, steward@example.org.")
    return message


def test_a_folder_that_is_not_mounted_refuses_the_read(tmp_path):
    sink = AuditSink(driver="file", path=f"{tmp_path}/no/reads.jsonl", anchor=f"{tmp_path}/anchor.json")
    assert "reads.jsonl: No such file or directory" in refused(sink)


def test_an_anchor_that_cannot_be_written_refuses_the_read(tmp_path):
    sink = AuditSink(driver="file", path=f"{tmp_path}/reads.jsonl", anchor=f"{tmp_path}/no/anchor.json")
    assert "/no/anchor.json: No such file or directory" in refused(sink)


def test_a_full_disk_refuses_the_read_and_loses_no_record(tmp_path):
    import resource

    sink = filled(tmp_path, 3)
    size = Path(sink.path).stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, limits[1]))  # so that a part of the line is really written
    try:
        assert "reads.jsonl: File too large" in refused(sink)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert Path(sink.path).stat().st_size == size + 100
    record(sink, a_read())
    report = verify(sink)
    assert (report.checked, report.ok) == (4, True)
    assert report.notes[0].startswith("line 4 is torn")


def test_a_variable_gives_the_folder(tmp_path, monkeypatch):
    sink = AuditSink(driver="file", path="${AUDIT_FOLDER}/reads.jsonl", anchor=f"{tmp_path}/anchor.json")
    monkeypatch.delenv("AUDIT_FOLDER", raising=False)
    assert "the environment variable AUDIT_FOLDER is not set" in refused(sink)
    monkeypatch.setenv("AUDIT_FOLDER", "here")
    assert "${AUDIT_FOLDER}/reads.jsonl is not an absolute path" in refused(sink)
    monkeypatch.setenv("AUDIT_FOLDER", str(tmp_path))
    record(sink, a_read())
    assert verify(sink).checked == 1


def test_nobody_waits_for_ever_for_another_process(tmp_path, monkeypatch):
    import fcntl

    sink = filled(tmp_path, 1)
    monkeypatch.setattr("paillasse.catalog.audit.file.SECONDS", 0.2)
    with Path(sink.path).open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        begun = time.monotonic()
        assert "another process has held" in refused(sink)
    assert time.monotonic() - begun < 2


def test_without_file_locks_the_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fcntl", None)  # as on Windows
    assert "on Windows use a PostgreSQL table" in refused(sink_in(tmp_path))


# --- what a verification finds ---------------------------------------------------------------------------------------


def test_records_as_they_were_written_have_no_problem(tmp_path):
    report = verify(filled(tmp_path))
    assert (report.checked, report.problems) == (5, [])
    assert str(report).splitlines() == [
        f"{tmp_path}/reads.jsonl: 5 records checked, no problem found.",
        "Note: A local file of records detects accidents and edits by others, and is no more than that: "
        "who writes to both files can write both anew.",
    ]


def test_before_the_first_read_there_is_nothing_to_verify(tmp_path):
    report = verify(sink_in(tmp_path))
    assert (report.checked, report.ok) == (0, True)
    assert "no read was recorded yet" in str(report)


def test_an_edited_line_is_found(tmp_path):
    def edit(lines):
        return [*lines[:2], lines[2].replace(b"lung_io", b"gbsg___"), *lines[3:]]

    expected = ["line 4 was not written after line 3 as that is now: one of them was edited"]
    assert problems_after(filled(tmp_path), edit) == expected


def test_an_edited_first_line_is_found(tmp_path):
    def edit(lines):
        return [lines[0].replace(b'"previous": "0', b'"previous": "1'), *lines[1:]]

    assert "line 1 was not written as a first line: it was edited" in problems_after(filled(tmp_path), edit)


def test_an_edited_last_line_is_found_by_the_anchor(tmp_path):
    def edit(lines):
        return [*lines[:4], lines[4].replace(b"lung_io", b"gbsg___")]

    found = problems_after(filled(tmp_path), edit)
    expected = f"line 5 is not the one of which {tmp_path}/steward/anchor.json has the hash: one was edited"
    assert found == [expected]


def test_a_line_that_is_no_longer_json_is_found(tmp_path):
    expected = ["line 3 is no record: it was edited, or put in"]
    assert problems_after(filled(tmp_path), lambda lines: [*lines[:2], b"hello\n", *lines[3:]]) == expected


def test_a_deleted_line_is_found(tmp_path):
    expected = ["line 3 is number 4 instead of 3: 1 line taken out"]
    assert problems_after(filled(tmp_path), lambda lines: [*lines[:2], *lines[3:]]) == expected


def test_lines_in_another_order_are_found(tmp_path):
    found = problems_after(filled(tmp_path), lambda lines: [lines[0], lines[2], lines[1], *lines[3:]])
    assert found[:2] == [
        "line 2 is number 3 instead of 2: 1 line taken out",
        "line 3 is number 2 instead of 4: it was moved, or put in",
    ]


def test_a_line_put_in_a_second_time_is_found(tmp_path):
    found = problems_after(filled(tmp_path), lambda lines: [*lines, lines[1]])
    assert found == [
        "line 6 is number 2 instead of 6: it was moved, or put in",
        "line 6 records the same read as line 2: it was put in a second time",
    ]


def test_a_line_of_another_file_is_found(tmp_path):
    (tmp_path / "other").mkdir()
    stranger = lines(filled(tmp_path / "other", 3))[2]
    found = problems_after(filled(tmp_path), lambda lines: [*lines[:2], stranger, *lines[3:]])
    assert found[0] == "line 3 was not written after line 2 as that is now: one of them was edited"


@pytest.mark.parametrize("left", [0, 1, 4])
def test_a_cut_end_is_found_and_refuses_the_next_read(tmp_path, left):
    sink = filled(tmp_path)
    expected = f"the last line is number {left}, {tmp_path}/steward/anchor.json says 5: lines at the end were cut off"
    assert problems_after(sink, lambda lines: lines[:left]) == [expected]
    before = lines(sink)
    assert "reads.jsonl was cut" in refused(sink)
    assert lines(sink) == before


def test_a_cut_line_end_is_found_and_refuses_the_next_read(tmp_path):
    sink = filled(tmp_path)
    size = Path(sink.path).stat().st_size
    expected = f"{size - 1} bytes are left of the {size} that {tmp_path}/steward/anchor.json says"
    assert problems_after(sink, lambda lines: [*lines[:4], lines[4].rstrip(b"\n")]) == [expected]
    assert "reads.jsonl was cut" in refused(sink)


def test_a_removed_file_is_found_and_refuses_the_next_read(tmp_path):
    sink = filled(tmp_path)
    Path(sink.path).unlink()
    assert verify(sink).problems == [f"the file is not there, though its anchor {tmp_path}/steward/anchor.json is"]
    assert "reads.jsonl was cut" in refused(sink)
    assert not verify(sink).ok


def test_a_removed_anchor_is_found_and_refuses_the_next_read(tmp_path):
    sink = filled(tmp_path)
    Path(sink.anchor).unlink()
    assert "anchor.json is not there" in verify(sink).problems[0]
    assert "anchor.json is not there" in refused(sink)


@pytest.mark.parametrize("key", ["lines", "size", "hash"])
def test_an_anchor_that_is_set_to_something_else_is_found(tmp_path, key):
    sink = filled(tmp_path)
    anchor = json.loads(Path(sink.anchor).read_bytes())
    others = ["0" * 64, "f" * 64] if key == "hash" else [0, 1, anchor[key] - 1, anchor[key] + 1]
    for other in others:
        Path(sink.anchor).write_text(json.dumps(anchor | {key: other}))
        assert not verify(sink).ok


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b"\xff", b'{"lines": -1, "size": 0, "hash": "0"}', b"[" * 9999]
)
def test_an_edited_anchor_is_found_and_refuses_the_next_read(tmp_path, content):
    sink = filled(tmp_path)
    Path(sink.anchor).write_bytes(content)
    assert "anchor.json is no anchor" in verify(sink).problems[0]
    assert "anchor.json is no anchor" in refused(sink)


def test_records_that_cannot_be_read_are_an_error_not_a_report(tmp_path):
    sink = sink_in(tmp_path)
    Path(sink.path).mkdir()
    with pytest.raises(CatalogError, match=r"The records of reads cannot be verified: .*reads.jsonl"):
        verify(sink)


def test_what_was_put_in_and_covered_by_a_later_read_is_still_found(tmp_path):
    sink = filled(tmp_path)
    with Path(sink.path).open("ab") as file:
        file.write(b"hello\n")
    record(sink, a_read())
    assert verify(sink).problems == ["line 6 is no record: it was edited, or put in"]


def test_a_report_of_a_thousand_problems_is_still_read(tmp_path):
    sink = filled(tmp_path)
    problems_after(sink, lambda lines: [*lines, lines[0] * 1000])
    assert str(verify(sink)).count("\n") == 22


def test_an_empty_line_at_the_end_does_no_harm(tmp_path):
    sink = filled(tmp_path)
    with Path(sink.path).open("ab") as file:
        file.write(b"\n")
    assert verify(sink).ok
    record(sink, a_read())
    assert verify(sink).ok


text = st.text(max_size=20)
reads = st.builds(
    ReadRecord,
    **dict.fromkeys(ABOUT, text),
    rows=st.none() | st.integers(),
    outcome=st.sampled_from(["read", "opened", "failed", "exact"]),
).map(lambda read: replace(read, columns=list(read.columns), filter_columns=list(read.filter_columns)))


@settings(deadline=None, max_examples=30)
@given(st.lists(reads, max_size=6))
def test_any_sequence_of_records_verifies(tmp_path_factory, sequence):
    sink = sink_in(tmp_path_factory.mktemp("audit"))
    for read in sequence:
        record(sink, read)
    report = verify(sink)
    assert (report.checked, report.problems) == (len(sequence), [])


@settings(deadline=None, max_examples=500)
@given(data=st.data())
def test_any_edit_of_any_byte_is_found(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "edited"
    if not folder.exists():
        folder.mkdir()
        sink = filled(folder, 3)
        with Path(sink.path).open("ab") as file:  # a torn line too, as a killed writer leaves it
            file.write(b'{"number": 4, "prev')
        record(sink, a_read())
        (folder / "good").write_bytes(Path(sink.path).read_bytes())
    sink = sink_in(folder)
    good = (folder / "good").read_bytes()
    begin = data.draw(st.integers(0, len(good) - 1))
    end = data.draw(st.integers(begin, min(len(good), begin + 3)))
    new = data.draw(st.binary(max_size=3))
    bad = good[:begin] + new + good[end:]
    Path(sink.path).write_bytes(bad)
    assert bad.startswith(good) or not verify(sink).ok  # what is behind the end was never on record


# --- several processes, and their deaths -----------------------------------------------------------------------------

# Records reads one after the other and says of each, once it is on record, its id.
WRITER = """
import os, signal, sys
from paillasse.catalog.audit import AuditSink, ReadRecord, file, record

sink = AuditSink(driver="file", path=sys.argv[1], anchor=sys.argv[2])
{dying}
for i in range(int(sys.argv[3])):
    read = ReadRecord(project="lung", purpose="statistics", approval="CSE-12", data_set="lung_io", profile="secure",
                      source_version=None, columns=["age"], filter_columns=[], rows=i, outcome="read")
    record(sink, read)
    print(read.id, flush=True)
"""
KILL = "os.kill(os.getpid(), signal.SIGKILL)"


def writer(sink: AuditSink, n: int, dying: str = "") -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER.format(dying=dying), sink.path, sink.anchor, str(n)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def ids(sink: AuditSink) -> list[str]:
    found = []
    for line in lines(sink):
        try:
            found.append(json.loads(line)["id"])
        except ValueError:
            continue  # a torn one
    return found


def test_records_of_eight_processes_at_once_are_all_there(tmp_path):
    sink = sink_in(tmp_path)
    writers = [writer(sink, 50) for _ in range(8)]
    said = [line for each in writers for line in each.communicate(timeout=60)[0].split()]
    assert [each.returncode for each in writers] == [0] * 8
    report = verify(sink)
    assert (report.checked, report.problems) == (400, [])
    assert sorted(ids(sink)) == sorted(said)


WAYS_TO_DIE = {
    "before a byte is written": f"file._write_all = lambda *_: {KILL}",
    "in the middle of a line": f"file._write_all = lambda f, text: (os.write(f, text[:len(text) // 2]), {KILL})",
    "after the first byte": f"file._write_all = lambda f, text: (os.write(f, text[:1]), {KILL})",
    "before the line's end": f"file._write_all = lambda f, text: (os.write(f, text[:-1]), {KILL})",
    "before the disk has it": f"file.os.fsync = lambda *_: {KILL}",
    "before the anchor": f"file._write_anchor = lambda *_: {KILL}",
}


@pytest.mark.parametrize("dying", WAYS_TO_DIE.values(), ids=WAYS_TO_DIE)
def test_a_killed_writer_loses_no_record_and_the_next_one_goes_on(tmp_path, dying):
    sink = filled(tmp_path, 3)
    before = ids(sink)
    for _ in range(2):  # and the same again on what it left
        killed = writer(sink, 1, dying)
        assert killed.communicate(timeout=60)[0] == ""
        assert killed.returncode == -signal.SIGKILL
        assert verify(sink).problems == []
    record(sink, last := a_read())
    assert verify(sink).problems == []
    assert ids(sink)[:3] == before
    assert ids(sink)[-1] == last.id


def test_writers_killed_at_any_moment_leave_a_file_that_verifies_and_goes_on(tmp_path):
    sink = filled(tmp_path, 1)
    said = set()
    for moment in range(8):
        writers = [writer(sink, 10_000) for _ in range(2)]
        first = [each.stdout.readline().strip() for each in writers]  # all are at work
        time.sleep(0.005 * moment)
        for each in writers:
            each.kill()
        rest = [line for each in writers for line in each.communicate(timeout=60)[0].split("\n")]
        # The first and the last may be parts of a line: `readline` reads ahead, a killed process stops anywhere.
        said |= {*first, *(line for line in rest if len(line) == len(first[0]))}
        assert verify(sink).problems == []
    record(sink, a_read())
    report = verify(sink)
    assert report.problems == []
    assert said <= set(ids(sink))
    assert len(set(ids(sink))) == report.checked


def test_a_killed_writer_holds_nobody_up(tmp_path):
    sink = filled(tmp_path, 1)
    stopped = writer(sink, 1, "file._write_all = lambda *_: os.kill(os.getpid(), signal.SIGSTOP)")
    os.waitpid(stopped.pid, os.WUNTRACED)  # it has the lock and sleeps
    stopped.kill()
    begun = time.monotonic()
    record(sink, a_read())
    assert time.monotonic() - begun < 2
    stopped.communicate()


def test_what_is_recorded_while_records_are_verified_does_no_harm(tmp_path):
    sink = filled(tmp_path, 1)
    at_work = writer(sink, 10_000)
    at_work.stdout.readline()
    reports = [verify(sink)]
    deadline = time.monotonic() + 60
    while len(reports) < 30 or (reports[0].checked == reports[-1].checked and time.monotonic() < deadline):
        reports.append(verify(sink))
    at_work.kill()
    at_work.communicate()
    assert reports[0].checked < reports[-1].checked
    assert {(*each.problems, len(each.notes)) for each in reports} == {(1,)}


# --- what the steward writes -----------------------------------------------------------------------------------------


class StewardsFile(Strict):
    audit: AuditSink


def read_sink(folder: Path, **keys) -> AuditSink:
    path = folder / "steward.yaml"
    path.write_text(yaml.safe_dump({"audit": keys}))
    return read_document(path, StewardsFile, CatalogError)[0].audit


GOOD = {
    "a table": dict(driver="postgres", dsn="${AUDIT_DSN}", table="audit.reads"),
    "a file below a variable": dict(driver="file", path="${AUDIT}/reads.jsonl", anchor="${STEWARD}/anchor.json"),
    "a file": dict(driver="file", path="/srv/audit/reads.jsonl", anchor="/srv/steward/anchor.json"),
}


@pytest.mark.parametrize("keys", GOOD.values(), ids=GOOD)
def test_a_steward_names_a_sink(tmp_path, keys):
    assert read_sink(tmp_path, **keys).model_dump(exclude_none=True) == keys


PASSWORD = "hunter2"
WRONG = {
    "a password": (GOOD["a table"] | {"dsn": f"postgresql://a:{PASSWORD}@b/c"}, "audit.dsn: expected a variable"),
    "no schema": (GOOD["a table"] | {"table": "reads"}, "needs the table's schema too (audit.reads)"),
    "sql": (GOOD["a table"] | {"table": "a.b; drop table x"}, "audit.table: expected a table's name"),
    "another driver": (GOOD["a file"] | {"driver": "s3"}, "audit.driver: expected one of postgres, file"),
    "a relative path": (GOOD["a file"] | {"path": "reads.jsonl"}, "audit.path: expected an absolute path"),
    "the anchor in the file": (GOOD["a file"] | {"anchor": GOOD["a file"]["path"]}, "needs its anchor in another file"),
    "no anchor": (dict(driver="file", path="/a"), "an audit of driver file needs the key 'anchor'"),
    "keys of both": (GOOD["a file"] | {"dsn": "${A}"}, "an audit of driver file has no key 'dsn'"),
    "an unknown key": (GOOD["a file"] | {"achor": "/b"}, "audit.achor: unknown key. Did you mean 'anchor'?"),
}


@pytest.mark.parametrize(("keys", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_sink_is_explained(tmp_path, keys, message):
    with pytest.raises(CatalogError) as error:
        read_sink(tmp_path, **keys)
    assert message in str(error.value)
    assert PASSWORD not in str(error.value)


# --- speed -----------------------------------------------------------------------------------------------------------


def test_neither_psycopg_nor_a_data_frame_is_loaded_for_a_local_file():
    code = "import sys, paillasse.catalog.audit; print({'psycopg', 'pandas', 'numpy', 'ibis'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"
