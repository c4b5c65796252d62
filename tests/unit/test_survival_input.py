"""Bad and hard input: an answer where one exists, else an error that names the column and the row, never a value."""

import numpy as np
import pandas as pd
import pytest

from paillasse.errors import InputError
from paillasse.survival import cox, kaplan_meier, logrank, rmst, subgroups


@pytest.fixture
def data():
    return pd.DataFrame(
        {
            "time": [5.0, 8, 12, 3, 9, 14, 7, 11],
            "event": [1, 0, 1, 1, 0, 1, 1, 0],
            "arm": list("aabbabab"),
            "age": [50.0, 60, 55, 70, 65, 58, 62, 49],
        }
    )


def test_an_unknown_column_is_named_with_the_nearest_known(data):
    with pytest.raises(InputError, match="no column 'tyme'. Did you mean 'time'"):
        kaplan_meier(data, "tyme", "event")


def test_a_negative_duration_is_refused_by_row_number_and_not_by_value(data):
    data.loc[3, "time"] = -123.25
    with pytest.raises(InputError, match=r"'time' holds negative durations: 1 of 8 rows .*: 3\)") as refusal:
        kaplan_meier(data, "time", "event")
    assert "123" not in str(refusal.value)


def test_row_numbers_are_those_of_the_data_where_rows_were_left_out(data):
    data.loc[0, "time"], data.loc[3, "time"] = np.nan, -1
    with pytest.raises(InputError, match=r"1 of 7 rows \(row numbers from 0: 3\)"):
        kaplan_meier(data, "time", "event")


@pytest.mark.parametrize("kind", [bool, int, "int8", float, "boolean", "Int64", "Float64"])
@pytest.mark.parametrize("missing", [False, True])
def test_an_event_may_be_of_any_kind_of_number(data, kind, missing):
    data["event"] = data["event"].astype(kind)
    data.loc[1, "age"] = np.nan if missing else data.loc[1, "age"]
    assert cox(data, "time", "event", "age").n_events == 5


def test_an_event_that_is_neither_0_nor_1_is_refused_by_row_number_and_not_by_value(data):
    data.loc[4, "event"] = 77
    for kind in (int, float, "Int64"):
        with pytest.raises(InputError, match=r"1 of 8 rows \(row numbers from 0: 4\)") as refusal:
            kaplan_meier(data.astype({"event": kind}), "time", "event")
        assert "77" not in str(refusal.value)


@pytest.mark.filterwarnings("error")
def test_a_weighted_curve_that_reaches_0_warns_of_nothing(data):
    curve = kaplan_meier(data.assign(event=1, w=0.5), "time", "event", weights="w").table
    assert curve["survival"].iloc[-1] == 0
    assert curve["std_err"].isna().tolist() == [False] * 7 + [True]


def test_an_infinite_duration_is_refused(data):
    data.loc[2, "time"] = np.inf
    with pytest.raises(InputError, match="'time' holds infinite values"):
        cox(data, "time", "event", "age")


def test_text_where_numbers_belong_is_refused(data):
    with pytest.raises(InputError, match="'time' must hold numbers"):
        kaplan_meier(data.assign(time=data["time"].astype(str)), "time", "event")


def test_an_event_coded_1_and_2_is_refused_with_the_remedy(data):
    with pytest.raises(InputError, match=r"1 or True .* data.assign\(event=data\['event'\] == code\)"):
        kaplan_meier(data.assign(event=data["event"] + 1), "time", "event")


def test_an_entry_after_the_end_is_refused(data):
    with pytest.raises(InputError, match="'late' .entry. is not before 'time'"):
        kaplan_meier(data.assign(late=data["time"]), "time", "event", entry="late")


def test_weights_that_are_not_positive_are_refused(data):
    with pytest.raises(InputError, match="'w' holds weights that are not positive"):
        cox(data.assign(w=0), "time", "event", "age", weights="w")


def test_no_rows_are_an_error(data):
    with pytest.raises(InputError, match="no rows"):
        kaplan_meier(data.iloc[:0], "time", "event")


def test_a_column_without_any_value_is_named(data):
    with pytest.raises(InputError, match="'age' holds no value"):
        cox(data.assign(age=np.nan), "time", "event", "age")


def test_rows_with_missing_values_are_left_out_counted_and_said(data):
    data.loc[1, "age"] = np.nan
    model = cox(data, "time", "event", "age")
    assert (model.n, model.n_dropped) == (7, 1)
    assert "1 row was left out for missing values" in repr(model)


def test_missing_values_in_unused_columns_do_not_matter(data):
    data.loc[1, "age"] = np.nan
    assert kaplan_meier(data, "time", "event").n_dropped == 0


def test_one_patient_has_a_curve(data):
    table = kaplan_meier(data.iloc[:1], "time", "event").table
    assert table["survival"].tolist() == [0.0]
    assert table[["std_err", "lower", "upper"]].isna().all(axis=None)


def test_all_censored_have_a_curve_that_stays_up_and_no_median(data):
    curve = kaplan_meier(data.assign(event=0), "time", "event")
    assert (curve.table["survival"] == 1).all()
    assert curve.median["median"].isna().all()


def test_a_group_without_event_has_a_log_rank_test(data):
    data.loc[data["arm"] == "b", "event"] = 0
    test = logrank(data, "time", "event", by="arm")
    assert test.table["observed"].tolist() == [data["event"].sum(), 0]
    assert 0 < test.p_value < 1


@pytest.mark.parametrize("analysis", ["logrank", "cox"])
def test_no_event_at_all_names_the_event_column(data, analysis):
    with pytest.raises(InputError, match="no event in column 'event'"):
        if analysis == "logrank":
            logrank(data.assign(event=0), "time", "event", by="arm")
        else:
            cox(data.assign(event=0), "time", "event", "age")


def test_one_group_cannot_be_compared(data):
    with pytest.raises(InputError, match="'arm' makes only one"):
        logrank(data.assign(arm="a"), "time", "event", by="arm")


def test_a_mean_beyond_the_follow_up_is_not_known(data):
    with pytest.raises(InputError, match="not known. Choose tau"):
        rmst(data.assign(event=0), "time", "event", tau=100)


def test_a_constant_term_has_no_estimate_and_is_named(data):
    model = cox(data.assign(one=1.0), "time", "event", "age + one")
    assert model.not_estimated == ["one"]
    assert model.table["coef"].isna().tolist() == [False, True]
    assert "Without an estimate, constant or a combination of the terms before: one." in repr(model)


def test_a_collinear_term_is_left_out_and_changes_no_other(data):
    both, alone = (
        cox(data.assign(months=data["age"] * 12), "time", "event", "age + months"),
        cox(data, "time", "event", "age"),
    )
    assert both.not_estimated == ["months"]
    assert both.table["coef"][0] == pytest.approx(alone.table["coef"][0], rel=1e-12)
    assert both.proportional_hazards()["term"].tolist() == ["age", "GLOBAL"]


def test_terms_that_never_vary_are_an_error(data):
    with pytest.raises(InputError, match="No term of the formula varies"):
        cox(data.assign(one=1.0), "time", "event", "one")


def test_separation_is_named_with_a_suggestion(data):
    separated = data.assign(risk=[1, 0, 1, 1, 0, 1, 1, 0])  # the event itself
    with pytest.raises(InputError, match="'risk' has no finite estimate"):
        cox(separated, "time", "event", "risk")


def test_a_covariate_of_huge_scale_gives_the_same_answer(data):
    small = cox(data, "time", "event", "age")
    huge = cox(data.assign(age=data["age"] * 1e9 + 1e12), "time", "event", "age")
    assert huge.table["z"][0] == pytest.approx(small.table["z"][0], rel=1e-6)
    assert huge.log_likelihood == pytest.approx(small.log_likelihood, rel=1e-9)


@pytest.mark.parametrize("formula", ["age +", "time ~ age", "", "age + agee"])
def test_a_formula_that_cannot_be_read_is_an_input_error(data, formula):
    with pytest.raises(InputError):
        cox(data, "time", "event", formula)


@pytest.mark.parametrize("wrong", [dict(ties="exact"), dict(conf_level=1.5, ties="efron", formula="age")])
def test_unknown_choices_are_refused(data, wrong):
    with pytest.raises(InputError):
        cox(data, "time", "event", **({"formula": "age"} | wrong))


def test_rounding_does_not_break_ties():
    """As R's timefix: 0.1 + 0.2 and 0.3 are one time."""
    data = pd.DataFrame({"time": [0.1 + 0.2, 0.3, 1.0], "event": [1, 1, 0]})
    assert kaplan_meier(data, "time", "event").table["n_event"].tolist() == [2, 0]


def test_a_subgroup_without_an_estimate_is_shown_without_one(data):
    shown = subgroups(
        data.assign(treated=(data["arm"] == "b").astype(int), site=list("xxxyxyyx")),
        "time",
        "event",
        "treated",
        ["site"],
    )
    assert shown.table["level"].tolist() == ["All patients", "x", "y"]
    assert shown.table["hazard_ratio"].notna()[0]


def test_no_result_shows_a_patient(data):
    """The bare name of a model must not print the rows that it keeps for its methods."""
    model = cox(data.assign(age=data["age"] + 0.123456), "time", "event", "age")
    assert "123456" not in repr(model) + model._repr_html_()


def test_rows_without_a_subgroup_value_are_counted_and_said(data):
    shown = subgroups(
        data.assign(treated=(data["arm"] == "b").astype(int), sex=[*"ffmmfm", None, "m"]),
        "time", "event", "treated", ["sex"],
    )  # fmt: skip
    assert shown.n_missing == {"sex": 1}
    assert "1 rows without a value of sex are in none of its levels." in repr(shown)


def test_a_single_category_is_one_group(data):
    one = data.assign(arm=pd.Categorical(["a"] * 8))
    assert kaplan_meier(one, "time", "event", by="arm").table["group"].unique().tolist() == ["a"]


def test_a_term_that_is_constant_within_strata_has_no_estimate_and_is_named(data):
    model = cox(data, "time", "event", "age + arm", strata="arm")
    assert model.not_estimated == ["arm[T.b]"]


def test_groups_that_never_meet_in_a_stratum_cannot_be_compared():
    data = pd.DataFrame({"t": range(1, 13), "e": 1, "g": list("abcd") * 3, "s": [0, 0, 1, 1] * 3})
    with pytest.raises(InputError, match="'g' never meet others in any stratum"):
        logrank(data, "t", "e", by="g", strata="s")
