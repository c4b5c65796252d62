"""A safe form as a file: whole again when it is read, refused when it is anything else, drawn without a browser."""

import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_disclosure_safe import RESULTS, cohort

from paillasse.disclosure import DEFAULT, Policy, Safe
from paillasse.disclosure.kept import as_json, from_json
from paillasse.errors import DisclosureError, InputError
from paillasse.release.pictures import picture
from paillasse.release.support import counts_of, need_counts_of_the_policy, smallest_count
from paillasse.runs import record
from paillasse.runs.artefacts import safe_forms
from paillasse.scan.allow import Allowed
from paillasse.scan.fingerprints import Fingerprints
from paillasse.scan.known import Known
from paillasse.scan.scanner import scan

DRAWN = {"KaplanMeier", "CumulativeIncidence", "CoxModel", "FineGrayModel", "SubgroupEffects", "Flow"}
SECRET = 7310948


@pytest.fixture(scope="module")
def results():
    data = cohort()
    scaled = data.assign(time=data["time"] / 5)
    return {name: make(scaled if name == "RestrictedMean" else data) for name, make in RESULTS.items()}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PAILLASSE_RUN_FOLDER", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("policy", [DEFAULT, Policy(11, 10), Policy(20, 5), Policy(11, 1), Policy(5, 3)], ids=str)
def test_a_safe_form_is_whole_again_when_it_is_read(results, name, policy):
    safe = results[name].disclose(policy)
    text = as_json(safe)
    again = from_json(text, name)
    assert as_json(again) == text
    assert (again.of, again.title, again.notes, again.policy) == (safe.of, safe.title, safe.notes, safe.policy)
    for table, values in safe.tables.items():
        assert len(again.tables[table]) == len(values)
        for column in again.tables[table]:
            pairs = zip(again.tables[table][column], values[column], strict=True)
            assert all((pd.isna(one) and pd.isna(other)) or one == other for one, other in pairs)
    assert policy.minimum_cell < 11 or "RAREPLACE" not in text


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("policy", [DEFAULT, Policy(11, 10), Policy(20, 5), Policy(11, 1), Policy(5, 3)], ids=str)
def test_what_the_library_makes_passes_the_look_at_its_counts(results, name, policy):
    need_counts_of_the_policy(results[name].disclose(policy), policy, name)


@pytest.mark.parametrize("name", RESULTS)
def test_a_safe_form_that_has_a_figure_has_a_picture(results, name):
    drawn = picture(from_json(as_json(results[name].disclose()), name))
    assert (drawn is not None) == (name in DRAWN)
    assert drawn is None or drawn.startswith(b"\x89PNG")


def test_a_picture_takes_words_as_they_are(results):
    safe = results["CoxModel"].disclose()
    strange = Safe(safe.of, "$\\frac{ <b>", {"table": safe.table.assign(term="$x_{$ é")}, ("100 $", "%d"), safe.policy)
    assert picture(strange).startswith(b"\x89PNG")


def test_the_same_picture_is_drawn_twice(results):
    safe = results["KaplanMeier"].disclose()
    assert picture(safe) == picture(from_json(as_json(safe), "again"))


Values = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text()
)


@given(
    st.lists(st.text(), min_size=1, max_size=4, unique=True).flatmap(
        lambda names: st.lists(st.fixed_dictionaries(dict.fromkeys(names, Values)), max_size=5)
    )
)
def test_any_table_is_written_as_it_is_read(rows):
    names = rows[0] if rows else ()
    table = pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=object) for name in names})
    text = as_json(Safe("Missing", "", {"table": table}, (), DEFAULT))
    assert json.loads(text)["tables"]["table"] == rows
    assert json.loads(as_json(from_json(text, "x")))["tables"]["table"] == rows


def changed(**parts) -> str:
    table = pd.DataFrame({"step": ["all"], "left": [100], "mark": ["rounded"]})
    return json.dumps(json.loads(as_json(Safe("Flow", "Cohort", {"table": table}, ("Rounded.",), DEFAULT))) | parts)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "null",
        "[]",
        "{",
        "\x00",
        "[" * 100_000,
        changed(format=2),
        changed(format="1"),
        changed(extra=SECRET),
        changed(tables={}),
        changed(tables={"other": []}),
        changed(tables={"table": [{"n": SECRET}, {"m": SECRET}]}),
        changed(tables={"table": [{"n": [SECRET]}]}),
        changed(tables={"table": [[SECRET]]}),
        changed(policy={"minimum_cell": 0, "rounding": 5}),
        changed(policy={"minimum_cell": "11", "rounding": 5}),
        changed(policy={"minimum_cell": 11}),
        changed(notes=f"{SECRET}"),
        changed(tables={"table": [{"n": float("nan")}]}),
        changed(title="x" * 6_000_000),
        changed().encode("utf-16"),
    ],
    ids=range(21),
)
def test_what_is_no_safe_form_is_refused_without_its_values(content):
    with pytest.raises(DisclosureError, match="curves") as error:
        from_json(content, "curves")
    assert str(SECRET) not in str(error.value)


@pytest.mark.parametrize("count", [1, 5, 3, 12, -10])
def test_a_count_that_is_small_or_not_rounded_is_no_safe_form_s(count):
    table = pd.DataFrame({"group": ["A", "B"], "n": [685, count], "mark": "rounded"})
    with pytest.raises(DisclosureError, match="column 'n'"):
        need_counts_of_the_policy(Safe("KaplanMeier", "", {"table": table}, (), DEFAULT), DEFAULT, "km/curves")


def test_a_small_count_in_the_text_of_table_1_is_seen():
    table = pd.DataFrame({"characteristic": ["Grade", ""], "value": ["1", "2"], "Overall": ["685 (99.3)", "5 (0.7)"]})
    safe = Safe("TableOne", "", {"table": table.assign(mark="rounded")}, (), DEFAULT)
    assert smallest_count(safe) == 5
    assert [each.where for each in counts_of(safe)] == ["table, Grade, 1", "table, , 2"]
    with pytest.raises(DisclosureError, match="column 'Overall'"):
        need_counts_of_the_policy(safe, DEFAULT, "t1")


def test_a_laxer_policy_than_the_data_s_is_refused(results):
    with pytest.raises(DisclosureError, match="its data need 20 and 5"):
        need_counts_of_the_policy(results["Flow"].disclose(), Policy(20, 5), "flow")


# record


@pytest.mark.parametrize("name", RESULTS)
def test_a_recorded_result_is_kept_exactly_and_in_safe_form(folder, results, name):
    record("kept", results[name])
    assert sorted(file.name for file in folder.iterdir()) == ["kept.csv", "kept.safe.json"]
    assert from_json((folder / "kept.safe.json").read_bytes(), name).of == name
    assert len(pd.read_csv(folder / "kept.csv", skip_blank_lines=False)) == len(results[name].table)


def test_a_recorded_safe_form_has_no_exact_number_beside_it(folder, results):
    safe = results["KaplanMeier"].disclose()
    record("curves", safe)
    assert len(pd.read_csv(folder / "curves.csv")) == len(safe.table)


def test_a_safe_form_of_a_laxer_policy_is_not_recorded(folder, results):
    with pytest.raises(DisclosureError, match="laxer"):
        record("curves", results["KaplanMeier"].disclose(Policy(5, 1)))
    assert list(folder.iterdir()) == []


def test_a_result_without_a_safe_form_is_kept_with_a_warning_and_the_one_before_it_is_gone(folder, results):
    record("curves", results["KaplanMeier"])
    few = RESULTS["KaplanMeier"](cohort().head(15).assign(site="east"))
    with pytest.warns(UserWarning, match="curves cannot be released: no safe form"):
        record("curves", few)
    assert [file.name for file in folder.iterdir()] == ["curves.csv"]


def test_a_table_recorded_after_a_result_has_no_safe_form(folder, results):
    record("kept", results["Flow"])
    record("kept", results["Flow"].table)
    assert safe_forms(folder) == {}


def test_outside_a_run_nothing_is_disclosed(tmp_path, monkeypatch, results):
    monkeypatch.delenv("PAILLASSE_RUN_FOLDER", raising=False)
    monkeypatch.chdir(tmp_path)
    record("curves", results["KaplanMeier"])
    assert list(tmp_path.iterdir()) == []


def test_something_that_is_neither_table_nor_result_is_refused(folder):
    with pytest.raises(InputError, match="a pandas DataFrame or a result of this library; this is a list"):
        record("hr", [1])


# The scan


@pytest.mark.parametrize("name", ["KaplanMeier", "CumulativeIncidence"])
@pytest.mark.parametrize("policy", [DEFAULT, Policy(11, 10), Policy(20, 5), Policy(11, 1)], ids=str)
def test_the_scan_passes_a_safe_curve(results, tmp_path, name, policy):
    safe = results[name].disclose(policy)
    (tmp_path / "curves.safe.json").write_text(as_json(safe))
    for table, values in safe.tables.items():
        values.to_csv(tmp_path / f"{table}.csv", index=False)
    assert len(safe.table) >= 20  # so many values could be a cohort
    assert scan([tmp_path], known=Known(), pseudonyms=Fingerprints(), allowed=Allowed()).ok


@pytest.mark.parametrize("multiple", [1, 2, 3])
def test_the_scan_finds_an_exact_curve_in_a_safe_one_s_words(results, tmp_path, multiple):
    exact = results["KaplanMeier"].table.rename(columns={"n_censor": "n_lost"}).assign(mark="rounded")
    exact[["n_event", "n_lost"]] *= multiple  # what all counts have in common is no rounding by itself
    exact.to_csv(tmp_path / "curves.csv", index=False)
    assert not scan([tmp_path], known=Known(), pseudonyms=Fingerprints(), allowed=Allowed()).ok


def test_the_scan_passes_each_safe_form_beside_the_others(results, tmp_path):
    for name, result in results.items():
        (tmp_path / f"{name}.safe.json").write_text(as_json(result.disclose()))
    report = scan([tmp_path], known=Known(), pseudonyms=Fingerprints(), allowed=Allowed())
    assert [finding.file for finding in report.leaks] == []
