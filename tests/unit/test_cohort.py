"""The cohort room: who is left, what they are like, how long they were followed, what is missing."""

import pandas as pd
import pytest

from paillasse.cohort import flow, follow_up, missing, table_one
from paillasse.errors import InputError


@pytest.fixture
def patients():
    return pd.DataFrame(
        {
            "age": [17.5, 40, 60, 71, None, 55],
            "sex": ["f", "m", "f", "f", "m", "m"],
            "grade": [1, 2, 2, 3, 3, 1],
            "months": [3.0, 10, 20, 30, 40, 50],
            "died": [1, 1, 0, 1, 0, 0],
        }
    )


def test_each_exclusion_counts_those_whom_the_earlier_ones_left(patients):
    left = flow(patients, {"Under 18": "age < 18", "Grade 1": "grade == 1", "Age not known": "age.isna()"})
    assert left.table["excluded"].tolist() == [0, 1, 1, 1]
    assert left.table["left"].tolist() == [6, 5, 4, 3]
    assert left.data["age"].tolist() == [40, 60, 71]


def test_a_missing_value_does_not_meet_a_condition(patients):
    assert len(flow(patients, {"Over 50": "age > 50"}).data) == 3


def test_a_name_with_a_dot_stands_in_backticks_as_the_error_says(patients):
    renamed = patients.rename(columns={"grade": "ph.grade"})
    assert len(flow(renamed, {"Grade 1": "`ph.grade` == 1"}).data) == 4
    with pytest.raises(InputError, match="with a dot or a blank in backticks"):
        flow(renamed, {"Grade 1": "ph.grade == 1"})


@pytest.mark.parametrize("condition", ["agee < 18", "age <", "age + 1", "import os", "@x > 1"])
def test_a_condition_that_cannot_be_used_names_its_reason(patients, condition):
    with pytest.raises(InputError, match="exclusion 'Under 18'"):
        flow(patients, {"Under 18": condition})


def test_exclusions_that_leave_nobody_are_an_error(patients):
    with pytest.raises(InputError, match="leave nobody; the last was 'Everybody'"):
        flow(patients, {"Everybody": "grade > 0"})


def test_the_flow_chart_shows_every_number(patients):
    figure = flow(patients, {"Under 18": "age < 18", "Grade 1": "grade == 1"}).figure("Flow")
    texts = " ".join(annotation.text for annotation in figure.layout.annotations)
    for number in (6, 5, 4, 1):
        assert f"n = {number}<" in texts


def test_table_one_has_a_row_for_each_number_and_each_category(patients):
    table = table_one(patients, ["age", "sex", "grade"], labels={"age": "Age (years)"}).table
    assert table["characteristic"].tolist() == ["n", "Age (years)", "sex", "", "grade", "", ""]
    assert table["value"].tolist() == ["", "", "f", "m", "1", "2", "3"]
    assert table.loc[1, "Overall"] == "55.0 [40.0,60.0]"
    assert table.loc[2, "Overall"] == "3 (50.0)"


def test_table_one_counts_missing_values(patients):
    table = table_one(patients, ["age", "sex"]).table
    assert table.set_index("characteristic").loc["age", "missing"] == "1"


def test_table_one_keeps_the_declared_order_of_groups_and_categories(patients):
    patients["sex"] = pd.Categorical(patients["sex"], ["m", "f"])
    table = table_one(patients, ["grade"], by="sex").table
    assert list(table.columns) == ["characteristic", "value", "missing", "Overall", "m", "f"]


def test_table_one_says_how_many_have_no_group(patients):
    patients.loc[0, "sex"] = None
    described = table_one(patients, ["grade"], by="sex")
    assert described.table.loc[0, ["Overall", "f", "m"]].tolist() == ["6", "2", "3"]
    assert "1 row has no group: counted in Overall alone." in repr(described)


@pytest.mark.filterwarnings("error")
def test_table_one_shows_a_column_of_which_nothing_is_known(patients):
    table = table_one(patients.assign(ki67=float("nan"), stage=None), ["ki67", "stage", "age"]).table
    assert table.iloc[1:3][["characteristic", "missing", "Overall"]].to_numpy().tolist() == [
        ["ki67", "6", ""],
        ["stage", "6", ""],
    ]


def test_table_one_shows_no_share_where_a_group_has_no_known_value(patients):
    patients["dose"] = patients["months"] / 7
    patients.loc[patients["sex"] == "f", ["grade", "dose"]] = None
    table = table_one(patients, ["grade", "dose"], by="sex").table
    assert table.loc[1:, "f"].tolist() == ["0", "0", "0", ""]


def test_table_one_describes_dates_by_their_year_and_never_by_the_day(patients):
    days = pd.date_range("1990-06-15", periods=6, freq="500D").where(patients.index > 0)
    table = table_one(patients.assign(diagnosis=days), ["diagnosis"]).table
    assert table["value"].tolist() == ["", "1991", "1993", "1994", "1995", "1997"]


def test_table_one_orders_words_and_numbers_in_one_column(patients):
    table = table_one(patients.assign(site=[2, "b", 1, "a", 2, "b"]), ["site"]).table
    assert table["value"].tolist() == ["", "1", "2", "a", "b"]


def test_table_one_tells_two_columns_of_one_label_apart(patients):
    table = table_one(
        patients[["age", "months"]] / 7, ["age", "months"], labels={"age": "Time", "months": "Time"}
    ).table
    assert table["characteristic"].tolist() == ["n", "Time [age]", "Time [months]"]


@pytest.mark.parametrize(
    ("columns", "groups", "message"),
    [
        ([], None, "at least one column, each once"),
        (["age", "age"], None, "at least one column, each once"),
        (["age"], [None] * 6, "No row has a value in column 'arm'"),
        (["age"], ["Missing", "a", "a", "a", "b", "b"], "rename it"),
    ],
)
def test_table_one_refuses_what_it_cannot_describe(patients, columns, groups, message):
    with pytest.raises(InputError, match=message):
        table_one(patients.assign(arm=groups), columns, by=groups and "arm")


def test_table_one_of_nobody_is_refused(patients):
    with pytest.raises(InputError, match="at least one row"):
        table_one(patients.head(0), ["age"])


def test_table_one_refuses_an_unknown_column(patients):
    with pytest.raises(InputError, match="no column 'aeg'. Did you mean 'age'"):
        table_one(patients, ["aeg"])


def test_follow_up_ends_with_the_event_of_interest_reversed(patients):
    """By hand: censored at 20, 40, 50; at risk 4, 2, 1, so the curve is 3/4, 3/8, 0."""
    followed = follow_up(patients, "months", "died")
    assert followed.table["median_follow_up"].tolist() == [40.0]
    assert followed.table[["n", "events"]].to_numpy().tolist() == [[6, 3]]


def test_follow_up_by_group_has_a_row_for_each(patients):
    assert follow_up(patients, "months", "died", by="sex").table["group"].tolist() == ["f", "m"]


def test_missing_values_are_counted_by_column_and_row(patients):
    gaps = missing(patients)
    assert gaps.table.to_numpy().tolist() == [["age", 1, 100 / 6]]
    assert (gaps.n, gaps.n_complete) == (6, 5)


def test_nothing_missing_is_said(patients):
    assert repr(missing(patients.dropna())).splitlines() == [
        "Missing values: 5 of 5 rows (100.0%) are complete",
        "No value is missing.",
    ]
