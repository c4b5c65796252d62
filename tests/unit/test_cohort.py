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
    assert "No value is missing." in repr(missing(patients.dropna()))
