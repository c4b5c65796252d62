"""What a notebook hands to its run, and what is read of a result, whoever wrote it."""

import json

import pandas as pd
import pytest

from paillasse.errors import InputError
from paillasse.runs import record
from paillasse.runs.results import (
    counted,
    describe_error,
    latest,
    new_folder,
    read_state,
    seconds,
    started,
    write_state,
)

TABLE = pd.DataFrame({"term": ["âge", "rx"], "hazard_ratio": [1.01, 0.6]})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PAILLASSE_RUN_FOLDER", str(tmp_path))
    return tmp_path


def test_a_recorded_table_is_a_csv_in_the_runs_folder(folder):
    assert record("hr", TABLE) is None
    assert (folder / "hr.csv").read_bytes() == "term,hazard_ratio\nâge,1.01\nrx,0.6\n".encode()


def test_the_headline_is_kept_for_the_run(folder):
    record("hr", TABLE, "Hazard ratio 0,60 (0,48 à 0,76)")
    assert (folder / "headline.txt").read_text(encoding="utf-8") == "Hazard ratio 0,60 (0,48 à 0,76)"


def test_a_named_index_is_written_and_an_unnamed_one_is_not(folder):
    record("named", TABLE.set_index("term"))
    record("rows", TABLE[TABLE.hazard_ratio < 1])
    assert (folder / "named.csv").read_text(encoding="utf-8").startswith("term,hazard_ratio\nâge,")
    assert (folder / "rows.csv").read_text(encoding="utf-8") == "term,hazard_ratio\nrx,0.6\n"


def test_nothing_but_the_artefacts_is_left_in_the_folder(folder):
    record("hr", TABLE, "once")
    record("hr", TABLE, "twice")
    assert sorted(file.name for file in folder.iterdir()) == ["headline.txt", "hr.csv"]


def test_outside_a_run_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv("PAILLASSE_RUN_FOLDER", raising=False)
    monkeypatch.chdir(tmp_path)
    assert record("hr", TABLE, "Hazard ratio 0.60") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../hr", "a b", ".hr", "hr.csv", "x" * 65])
def test_a_name_that_is_no_file_name_is_refused(folder, name):
    with pytest.raises(InputError, match="artefact's name"):
        record(name, TABLE)


def test_something_that_is_no_table_is_refused(folder):
    with pytest.raises(InputError, match="must be a pandas DataFrame or a result of this library; this is a dict"):
        record("hr", {"rx": 0.6})


@pytest.mark.parametrize("headline", ["", "two\nlines"])
def test_a_headline_is_one_line(folder, headline):
    with pytest.raises(InputError, match="one line"):
        record("hr", TABLE, headline)


def test_each_execution_has_a_folder_of_its_own_and_the_newest_is_the_last(tmp_path):
    folders = [new_folder(tmp_path, "km") for _ in range(20)]
    for folder in folders:
        write_state(folder, state="ok")
    assert len(set(folders)) == 20
    assert latest(tmp_path, "km") == folders[-1]
    assert latest(tmp_path, "unknown") is None


@pytest.mark.parametrize(
    ("states", "words"),
    [
        (["ok"], "1 run ok"),
        (["ok", "ok"], "2 runs ok"),
        (["ok", "error", "ok"], "3 runs: 2 ok, 1 error"),
        (["error"], "1 run: 1 error"),
        ([], "0 runs"),
    ],
)
def test_states_are_counted_in_words(states, words):
    assert counted(states) == words


def test_a_change_of_state_keeps_what_was_known(tmp_path):
    write_state(tmp_path, name="été", state="running")
    write_state(tmp_path, state="ok")
    assert read_state(tmp_path) == {"name": "été", "state": "ok"}
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"3", b"\xff\xfe", b"[" * 100_000, b"{}", b'{"state": "done"}', b'{"state": ["ok"]}'],
    ids=range(10),
)
def test_a_result_that_cannot_be_read_is_of_unknown_state_and_says_why(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    state = read_state(tmp_path)
    assert state["state"] == "unknown"
    assert describe_error(state).startswith("DamagedResult: run.json ")
    assert (tmp_path / "run.json").read_bytes() == content


def test_a_folder_in_the_place_of_a_result_is_of_unknown_state(tmp_path):
    (tmp_path / "run.json").mkdir()
    assert read_state(tmp_path)["state"] == "unknown"


def test_what_cannot_be_read_is_never_written_over(tmp_path):
    (tmp_path / "run.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(ValueError, match="not a JSON object"):
        write_state(tmp_path, state="ok")
    assert (tmp_path / "run.json").read_text(encoding="utf-8") == "[1]"


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("started", None),
        ("started", 5),
        ("started", "yesterday"),
        ("started", "2026-11-21"),
        ("started", "0001-01-01T00:00:00+14:00"),
        ("finished", "9999-12-31T23:59:59-12:00"),
        ("finished", [1]),
        ("parameters", None),
        ("parameters", ["tau"]),
        ("inputs", None),
        ("inputs", {"data_sets": None}),
        ("inputs", {"data_sets": ["gbsg"]}),
        ("inputs", {"data_sets": [{"data_set": "gbsg"}]}),
        ("provenance", {"changed": "all"}),
        ("provenance", {"login": 5}),
        ("owner", {"pid": 1}),
        ("owner", {"host": "", "boot": "", "since": "", "pid": 10**20}),
        ("error", "bad"),
        ("error", {"cell": 3}),
        ("headline", {"a": 1}),
        ("title", 5),
    ],
)
def test_a_part_that_this_version_would_not_write_is_left_out(tmp_path, part, value):
    times = {"started": "2026-11-21T10:00:00+00:00", "finished": "2026-11-21T10:01:00+00:00"}
    (tmp_path / "run.json").write_text(json.dumps({"state": "ok", **times, part: value}), encoding="utf-8")
    state = read_state(tmp_path)
    assert part not in state
    assert state["state"] == "ok"
    assert (started(state) == "", seconds(state) is None) == (part == "started", part in times)


def test_a_running_result_of_an_older_version_without_an_owner_was_killed(tmp_path):
    (tmp_path / "run.json").write_text('{"state": "running", "owner": 17}', encoding="utf-8")
    assert read_state(tmp_path)["state"] == "killed"
