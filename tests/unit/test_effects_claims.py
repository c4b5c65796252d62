"""From events to exposures, lines and the analysis table: the same as plain loops over days, and the laws they obey."""

import datetime
import hashlib
import itertools

import claims_by_hand as by_hand
import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from paillasse.disclosure import Policy
from paillasse.effects import (
    CodeList,
    analysis_table,
    code_list,
    event_table,
    exposures,
    lines,
    named,
    pooled,
    sessions_of_unknown_molecule,
)
from paillasse.errors import DisclosureError, InputError
from paillasse.release.support import need_counts_of_the_policy

EPOCH = datetime.date(1970, 1, 1)
COLUMNS = ["patient", "value", "weight", "start", "end"]
BACKBONE, PARTNERS = code_list("immune_checkpoint_inhibitors"), code_list("common_drugs")
TOXICITY = code_list("immune_toxicity")


def date(number: int) -> datetime.date:
    return EPOCH + datetime.timedelta(days=number)


def table(rows: list) -> ibis.Table:
    """Events as (patient, value, weight, first day, last day), as a table of a database."""
    types = [pa.string(), pa.string(), pa.float64(), pa.date32(), pa.date32()]
    rows = [dict(zip(COLUMNS, (*row[:3], date(row[3]), date(row[4])))) for row in rows]
    return ibis.memtable(pa.Table.from_pylist(rows, schema=pa.schema(zip(COLUMNS, types))))


def as_rows(events: ibis.Table) -> list:
    found = events.execute()
    days = [[(each - EPOCH).days for each in pd.to_datetime(found[name]).dt.date] for name in ("start", "end")]
    return sorted(zip(found["patient"], found["value"], found["weight"], *days))


some_events = some.lists(
    some.tuples(
        some.sampled_from("abcdef"),
        some.sampled_from("xyz"),
        some.sampled_from([None, 1.0, 2.0, -1.0]),
        some.integers(0, 60),
        some.integers(0, 9),
    ).map(lambda row: (*row[:4], row[3] + row[4])),
    max_size=60,
)
some_days = some.one_of(some.integers(1, 20), some.dictionaries(some.sampled_from("xyz"), some.integers(1, 20)))
quickly = settings(deadline=None, max_examples=10)


@quickly
@given(some_events, some_days, some.integers(0, 15))
def test_exposures_are_those_of_plain_loops(events, days, gap):
    assert as_rows(exposures(table(events), days, gap)) == by_hand.exposures(events, days, gap)


@quickly
@given(some_events, some.integers(0, 15), some.randoms())
def test_exposures_made_again_in_another_order_stay_as_they_are(events, gap, random):
    once = as_rows(exposures(table(events), 5, gap))
    random.shuffle(once)
    assert as_rows(exposures(table(once), 1, gap)) == sorted(once)


@quickly
@given(some_events, some.integers(0, 15))
def test_exposures_cover_all_events_and_no_day_twice(events, gap):
    events = [(who, value, 1.0, first, last) for who, value, _, first, last in events]
    for key, found in itertools.groupby(as_rows(exposures(table(events), 1, gap)), lambda row: row[:2]):
        covered = [each for _, _, _, first, last in found for each in range(first, last + 1)]
        needed = {each for row in events if row[:2] == key for each in range(row[3], row[4] + 1)}
        assert len(covered) == len(set(covered))
        assert needed <= set(covered)
        assert gap or needed == set(covered)  # without gaps not a day more than the union


@quickly
@given(some_events, some.integers(0, 20), some.integers(1, 4))
def test_lines_are_those_of_plain_loops(events, grace, most):
    exposed = by_hand.exposures(events, 5, 10)
    found = lines(table(exposed), grace, most).execute()
    starts = [(each - EPOCH).days for each in pd.to_datetime(found["start"]).dt.date]
    rows = sorted(zip(found["patient"], found["line"], starts, found["regimen"]))
    assert rows == by_hand.lines(exposed, grace, most)


def test_exposures_that_overlap_make_the_same_lines_as_merged_ones():
    events = [("a", "x", 1.0, 0, 40), ("a", "x", 1.0, 20, 60), ("a", "y", 1.0, 50, 55), ("a", "y", 1.0, 52, 90)]
    overlapping, merged = lines(table(events)), lines(exposures(table(events)))
    pd.testing.assert_frame_equal(
        overlapping.order_by("patient", "line").execute(), merged.order_by("patient", "line").execute()
    )


# --- the analysis table ----------------------------------------------------------------------------------------------


def cohort(seed: int, n: int) -> tuple[list, list, list]:
    """Made-up patients with drugs and stays over 600 days, many close to the borders of the windows."""
    rng = np.random.default_rng(seed)
    codes = ["L01FF01", "L01FF02", "A10BA02", "A10BK01", "C10AA05", "L01BA04", "N02BE01", "Z99"]
    reasons = ["K521", "J702", "J7020", "K52", "Z511"]
    patients, drugs, stays = [], [], []
    for number in range(n):
        who, last = f"p{number:04}", int(rng.integers(60, 600))
        patients.append((who, int(rng.integers(0, 60)), last, int(rng.integers(0, 2))))
        for _ in range(rng.integers(0, 10)):
            first = int(rng.integers(0, 30)) * 20  # many on one day
            drugs.append((who, str(rng.choice(codes)), [1.0, None, -1.0, 2.0][rng.integers(0, 4)], first, first))
        for _ in range(rng.integers(0, 3)):
            first = int(rng.integers(0, 600))
            stays.append((who, str(rng.choice(reasons)), None, first, first + int(rng.integers(0, 20))))
    return patients, drugs, stays


def people(patients: list) -> ibis.Table:
    rows = [(who, date(first), date(last), death, int(who[1:]) % 90) for who, first, last, death in patients]
    schema = {"who": "string", "seen": "date", "last": "date", "dead": "int64", "age": "int64"}
    return ibis.memtable(pd.DataFrame(rows, columns=list(schema)), schema=schema)


def made(patients, drugs, stays, **more):
    given = {
        "backbone": BACKBONE,
        "partners": PARTNERS,
        "toxicity": TOXICITY,
        "observed_from": "seen",
        "last_date": "last",
        "death": "dead",
        "patient": "who",
        "covariates": ["age"],
    }
    patients = patients if isinstance(patients, ibis.Table) else people(patients)
    return analysis_table(patients, table(drugs), table(stays), **given | more)


@pytest.mark.parametrize(("grace", "washout", "days"), [(90, 60, 30), (20, 0, 1), (200, 120, 7)])
def test_the_analysis_table_is_that_of_plain_loops(grace, washout, days):
    patients, drugs, stays = cohort(grace, 1200)
    treatments = BACKBONE + code_list("anticancer_drugs")
    found = made(patients, drugs, stays, treatments=treatments, grace=grace, washout=washout, days=days)
    lists = {"backbone": BACKBONE, "partners": PARTNERS, "toxicity": TOXICITY, "treatments": treatments}
    left, rows = by_hand.analysis(patients, drugs, stays, lists, grace, washout, days)
    assert found.flow.table["left"].tolist() == left
    assert left[3] > 100 and (found.data["partner_class"] == "several").any()
    expected = pd.DataFrame(rows)
    expected["partner_start"] = expected["partner_start"].astype(float)
    zero = [(each - EPOCH).days for each in pd.to_datetime(found.data["time_zero"]).dt.date]
    pd.testing.assert_frame_equal(found.data.drop(columns="age").assign(time_zero=zero), expected)
    assert (found.data["age"] == found.data["patient"].str[1:].astype(int) % 90).all()


def test_the_order_of_rows_changes_nothing():
    patients, drugs, stays = cohort(1, 200)
    once, again = made(patients, drugs, stays), made(patients[::-1], drugs[::-1], stays[::-1])
    pd.testing.assert_frame_equal(once.data, again.data)
    pd.testing.assert_frame_equal(once.table, again.table)


def test_who_is_left_out_is_counted_at_each_step_and_what_happens_later_leaves_nobody_out():
    patients = [("p0017", 0, 500, 1), ("p0020", 0, 500, 1), ("p0021", 0, 500, 1), ("p0022", 0, 500, 0)]
    patients += [("p0023", 290, 500, 1), ("p0024", 0, 299, 1), ("p0025", 0, 300, 1)]
    drugs = [(who, "L01FF02", 1.0, 300, 300) for who, *_ in patients if who != "p0020"]
    found = made(patients, drugs, [("p0021", "K521", None, 301, 302)], exclusions={"Under 18": lambda t: t.age < 18})
    assert found.flow.table.to_numpy().tolist() == [
        ["In data", 0, 7],
        ["Under 18", 1, 6],
        ["Not given: Immune checkpoint inhibitors", 1, 5],
        ["Observed for fewer than 180 days before time zero", 1, 4],
        ["No day of follow-up after time zero", 2, 2],
    ]
    assert found.data["patient"].tolist() == ["p0021", "p0022"]
    assert found.data["duration"].tolist() == [200, 200] and found.data["toxicity"].tolist() == [1, 0]


def test_a_partner_taken_before_is_none_that_was_started():
    patients = [("p0001", 0, 500, 0)]
    drugs = [("p0001", "L01FF02", 1.0, 300, 300), ("p0001", "A10BA02", 1.0, 310, 310)]
    assert made(patients, drugs, []).data["partner"].tolist() == ["metformin"]
    drugs.append(("p0001", "A10BA02", 1.0, 200, 200))
    assert made(patients, drugs, [], washout=120).data["partner"].tolist() == ["none"]
    assert made(patients, drugs, [], washout=79).data["partner"].tolist() == ["metformin"]  # covered until day 229


def test_the_lazy_rows_are_the_data():
    found = made(*cohort(2, 100))
    pd.testing.assert_frame_equal(found.rows.to_pandas(), found.data)


def test_the_safe_form_names_no_partner_of_few_and_no_small_count():
    patients, drugs, stays = cohort(3, 1500)
    found = made(patients, drugs, stays, washout=30)
    safe = found.disclose(Policy(minimum_cell=11, rounding=5))
    enough = found.table.loc[found.table["n"] >= 11, "partner"].tolist()
    assert safe.table["partner"].tolist() == enough and len(enough) < len(found.table)
    for name in ("n", "deaths", "toxicities"):
        shown = safe.table[name].dropna()
        assert (shown % 5 == 0).all() and (shown >= 10).all()
    assert safe.table["deaths"].isna().any() and safe.table["deaths"].notna().any()
    need_counts_of_the_policy(safe, Policy(minimum_cell=11, rounding=5), "table")
    assert "p0" not in safe._repr_html_() and "p0" not in found._repr_html_()
    assert "Immune checkpoint inhibitors (2026-11)" in safe._repr_html_()
    with pytest.raises(DisclosureError, match="no partner has 11"):
        made(*cohort(3, 20), washout=0).disclose(Policy(minimum_cell=11, rounding=5))


# --- sessions without a molecule -------------------------------------------------------------------------------------


def test_a_session_is_of_an_unknown_molecule_unless_a_drug_of_the_day_explains_it():
    stays = [("a", "Z511", None, 10, 10), ("a", "Z511", None, 31, 31), ("b", "Z511", None, 10, 10)]
    drugs = [("a", "L01FF02", 1.0, 10, 10), ("a", "L01FF02", 1.0, 32, 32)]
    assert [row[0::3] for row in as_rows_without_weight(sessions_of_unknown_molecule(table(stays), table(drugs)))] == [
        ("a", 31),
        ("b", 10),
    ]
    near = sessions_of_unknown_molecule(table(stays), table(drugs), within=1)
    assert [row[0::3] for row in as_rows_without_weight(near)] == [("b", 10)]


def as_rows_without_weight(events: ibis.Table) -> list:
    return as_rows(events.mutate(weight=ibis.literal(0.0)))


# --- code lists ------------------------------------------------------------------------------------------------------


LISTS = {  # version, and checksum of the codes: whoever changes a code gives the list a new version
    "anticancer_drugs": ("2026-11", "80a71222b7f7"),
    "anticancer_drugs_ucd": ("2026-11", "33bcb9ea3d69"),
    "chemotherapy_sessions": ("2026-11", "ff82a1d0ba8c"),
    "common_drugs": ("2026-11", "3ee3334d4c8e"),
    "immune_checkpoint_inhibitors": ("2026-11", "84d1a3ef959b"),
    "immune_toxicity": ("2026-11", "cb988515cea8"),
    "lung_resections": ("2026-11", "50b842201127"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_comes_with_the_library_says_its_version_and_its_sources(name):
    codes = code_list(name)
    assert codes.citation and codes.title in codes._repr_html_()
    assert (codes.version, hashlib.sha256(codes.table.to_csv(index=False).encode()).hexdigest()[:12]) == LISTS[name]


def test_lists_of_drugs_do_not_overlap():
    drugs = [set(code_list(name).codes) for name in LISTS if "drugs" in name or "inhibitors" in name]
    assert len(drugs) == 4
    assert not any(one & other for one, other in itertools.combinations(drugs, 2))


def test_products_have_the_names_and_classes_of_the_drugs():
    drugs, products = code_list("anticancer_drugs"), code_list("anticancer_drugs_ucd")
    assert products.classes.items() <= drugs.classes.items()
    assert (drugs + products).names == drugs.names


def test_product_codes_have_their_check_digits():
    codes = code_list("anticancer_drugs_ucd").codes
    short = {code: name for code, name in codes.items() if len(code) == 7}
    for code in short:  # the last is the sum of the others, weighted 2 to 7, modulo 11
        assert int(code[6]) == sum(weight * int(digit) for weight, digit in enumerate(code[:6], 2)) % 11, code
    long = {code: name for code, name in codes.items() if code.startswith("34008")}
    for code in long:  # EAN-13: all thirteen, weighted 1 and 3 in turn, are a multiple of ten
        assert sum((1, 3)[place % 2] * int(digit) for place, digit in enumerate(code)) % 10 == 0, code
    assert {code[5:12]: name for code, name in long.items()} == short
    assert short | long | {f"{code:0>13}": name for code, name in short.items()} == codes


def codes(*rows: tuple) -> CodeList:
    return CodeList("Ours", "2026-11", ("Us.",), pd.DataFrame(rows, columns=["vocabulary", "code", "name", "class"]))


def test_a_code_stands_for_all_that_begin_with_it_and_the_longer_counts():
    ours = codes(("CIM-10", "K71", "liver", "liver"), ("CIM-10", "K716", "hepatitis", "liver"))
    events = [("a", code, 1.0, day, day) for day, code in enumerate(["K710", "K716", "K72", "K7160"])]
    assert [row[1] for row in sorted(as_rows(named(table(events), ours)), key=lambda row: row[3])] == [
        "liver",
        "hepatitis",
        "hepatitis",
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("ATC", "L01FF0", "x", "y")], "no ATC codes.*L01FF0"),
        ([("CIM-10", "K52.1", "x", "y")], "no points.*K52.1"),
        ([("UCD", "123", "x", "y")], "no UCD codes.*123"),
        ([("CCAM", "GFFA01", "x", "y")], "no CCAM codes"),
        ([("ICD-9", "250", "x", "y")], "vocabulary 'ICD-9'"),
        ([("ATC", "L01FF01", "x", "y"), ("ATC", "L01FF01", "z", "y")], "stand there twice: L01FF01"),
        ([("ATC", "L01FF01", "x", "y"), ("ATC", "L01FF02", "x", "z")], "two classes: x"),
        ([("ATC", None, "x", "y")], "empty cell"),
        ([], "empty"),
    ],
)
def test_a_list_with_wrong_codes_is_refused(rows, said):
    with pytest.raises(InputError, match=said):
        codes(*rows)


def test_a_code_that_the_dictionary_does_not_know_is_refused():
    with pytest.raises(InputError, match="dictionary does not know: L01XC17"):
        codes(("ATC", "L01XC17", "nivolumab", "PD-1"), ("ATC", "L01FF", "others", "PD-1")).known_in(["L01FF01"])


# --- bad input -------------------------------------------------------------------------------------------------------


CLAIMS = {
    "patient": ["a", "secret"],
    "atc": ["L01FF02", "L01FF02"],
    "day": [date(3), date(4)],
    "out": [date(5), date(6)],
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"out": [date(5), date(3)]}, "1 end before they start"),
        ({"day": [None, date(4)]}, "1 have no first day"),
        ({"patient": ["a", None]}, "1 have no patient"),
    ],
)
def test_rows_that_cannot_be_events_are_refused_and_counted(changed, said):
    schema = {"patient": "string", "atc": "string", "day": "date", "out": "date"}
    claims = ibis.memtable(pd.DataFrame(CLAIMS | changed), schema=schema)
    with pytest.raises(InputError, match=said) as error:
        event_table(claims, "drug", value="atc", start="day", end="out")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("wrong", [{"start": "day"}, {"start": "atc", "weight": "day"}])
def test_what_is_no_day_or_no_number_is_refused_without_its_value(wrong):
    claims = ibis.memtable({"patient": ["a"], "atc": ["2021-01-01"], "day": ["secret"]})
    with pytest.raises(InputError, match=r"events \(drug\) cannot be read \(ConversionException\)") as error:
        event_table(claims, "drug", value="atc", **wrong)
    assert "secret" not in str(error.value)


def test_a_row_without_a_code_is_no_event_and_one_without_an_end_is_of_a_day():
    schema = {"patient": "string", "atc": "string", "day": "date", "out": "date"}
    rows = CLAIMS | {"atc": ["L01FF02", None], "out": [None, None]}
    events = event_table(ibis.memtable(pd.DataFrame(rows), schema=schema), "drug", "atc", "day", "out").execute()
    assert len(events) == 1 and (events["start"] == events["end"]).all()


def test_one_pseudonym_in_two_databases_is_refused():
    north, south = ibis.memtable({"who": ["a", "b", "b"]}), ibis.memtable({"who": ["b", "c"]})
    with pytest.raises(InputError, match="1 pseudonyms.*north, south"):
        pooled({"north": north, "south": south}, patient="who")
    assert len(pooled({"north": north, "south": ibis.memtable({"who": ["c"]})}, patient="who").execute()) == 4
    with pytest.raises(InputError, match="other columns"):
        pooled({"north": north, "south": ibis.memtable({"id": ["c"]})}, patient="who")
    with pytest.raises(InputError, match="No table was given"):
        pooled({}, patient="who")


DRUG = [("p0001", "L01FF02", 1.0, 300, 300)]


@pytest.mark.parametrize(
    ("patients", "more", "said"),
    [
        ([("p0001", 0, 500, 0), ("p0001", 0, 400, 0)], {}, "1 have more than one row"),
        ([("p0001", 100, 99, 0)], {}, "1 have negative follow-up"),
        ([("p0001", 0, 500, 2)], {}, "1 have a 'dead' that is not 0 or 1"),
        ([("p0001", 0, 500, 0)], {"partners": BACKBONE}, "among the partners: L01FF01"),
        ([("p0001", 0, 500, 0)], {"grace": -1}, "not negative"),
        ([("p0001", 0, 500, 0)], {"covariates": ["agee"]}, "Did you mean 'age'"),
        ([("p0001", 0, 500, 0)], {"exclusions": {"Old": lambda t: t.agee > 90}}, "'Old' has a condition"),
        ([("p0001", 0, 500, 0)], {"backbone": codes(("ATC", "L01FF09", "x", "y"))}, "leave nobody.*Not given: Ours"),
        ([("p0001", 299, 500, 0)], {}, "leave nobody.*Observed for fewer than 180"),
        ([("p0001", 0, 500, 0)], {"days": 0}, "covers at least 1 day"),
    ],
)
def test_what_cannot_be_analysed_is_refused(patients, more, said):
    with pytest.raises(InputError, match=said) as error:
        made(patients, DRUG, [], **more)
    assert "p0001" not in str(error.value)


def test_follow_up_without_an_end_is_refused():
    patients = people([("p0001", 0, 500, 0)]).mutate(last=ibis.null("date"))
    with pytest.raises(InputError, match="1 have no 'last'"):
        made(patients, DRUG, [])


def test_a_covariate_with_a_name_of_the_table_is_refused():
    with pytest.raises(InputError, match="names that the analysis table uses: duration"):
        made(people([("p0001", 0, 500, 0)]).mutate(duration=1), DRUG, [], covariates=["duration"])


@pytest.mark.parametrize("given", [{"gap": -1}, {"days": {"x": 0}}])
def test_a_number_of_days_that_is_none_is_refused(given):
    with pytest.raises(InputError, match="days|gap"):
        exposures(table([]), **given)


def test_a_line_of_none_is_refused():
    with pytest.raises(InputError, match="at least 1 line"):
        lines(table([]), most=0)
