"""Competing risks: what they say of bad input and hard data, and what is drawn."""

import numpy as np
import pandas as pd
import pytest

from paillasse.errors import InputError
from paillasse.survival import cox, cumulative_incidence, fine_gray, gray


@pytest.fixture
def data():
    random = np.random.default_rng(5)
    n = 200
    cohort = pd.DataFrame({"t": random.integers(1, 50, n), "e": random.integers(0, 3, n), "arm": np.arange(n) % 2})
    return cohort.assign(x=random.normal(size=n), site=np.repeat(list("abcd"), 50))


def changed(data, column, rows, value):
    values = data[column].astype(float).to_numpy(copy=True)
    values[rows] = value
    return data.assign(**{column: values})


ANALYSES = {
    "cumulative_incidence": lambda data: cumulative_incidence(data, "t", "e"),
    "gray": lambda data: gray(data, "t", "e", by="arm"),
    "fine_gray": lambda data: fine_gray(data, "t", "e", 1, "x"),
}


@pytest.mark.parametrize("value", [1.5, -1])
@pytest.mark.parametrize("analysis", ANALYSES)
def test_a_code_that_is_no_cause_is_refused_by_row_number_and_never_by_value(data, analysis, value):
    with pytest.raises(InputError, match=r"Column 'e' .* 2 of 200 rows \(row numbers from 0: 3, 7\)") as caught:
        ANALYSES[analysis](changed(data, "e", [3, 7], value))
    assert str(value) not in str(caught.value)


@pytest.mark.parametrize("analysis", ANALYSES)
def test_an_infinite_code_is_refused(data, analysis):
    with pytest.raises(InputError, match=r"Column 'e' holds infinite values: 1 of 200 rows \(row numbers from 0: 9\)"):
        ANALYSES[analysis](changed(data, "e", [9], np.inf))


@pytest.mark.parametrize("analysis", ANALYSES)
def test_causes_as_texts_are_refused(data, analysis):
    with pytest.raises(InputError, match="Column 'e' must hold numbers"):
        ANALYSES[analysis](data.assign(e=data["e"].map({0: "alive", 1: "relapse", 2: "death"})))


@pytest.mark.parametrize("analysis", ANALYSES)
def test_a_mistyped_column_is_named(data, analysis):
    with pytest.raises(InputError, match="no column 'e'"):
        ANALYSES[analysis](data.drop(columns="e"))


@pytest.mark.parametrize("analysis", ANALYSES)
def test_without_any_event_there_is_no_answer(data, analysis):
    with pytest.raises(InputError, match="event"):
        ANALYSES[analysis](data.assign(e=0))


@pytest.mark.parametrize("analysis", ANALYSES)
def test_no_rows_and_no_complete_rows_are_refused(data, analysis):
    with pytest.raises(InputError, match="no rows"):
        ANALYSES[analysis](data.head(0))
    with pytest.raises(InputError, match="'e' holds no value"):
        ANALYSES[analysis](data.assign(e=np.nan))


@pytest.mark.parametrize("analysis", ANALYSES)
def test_rows_with_missing_values_are_left_out_counted_and_shown(data, analysis):
    holes = changed(changed(data, "e", [0, 1], np.nan), "t", [1, 2], np.nan)
    found, complete = ANALYSES[analysis](holes), ANALYSES[analysis](data.drop(index=[0, 1, 2]))
    assert (found.n, found.n_dropped) == (197, 3)
    pd.testing.assert_frame_equal(found.table, complete.table)
    assert "3 rows were left out for missing values" in repr(found)


@pytest.mark.parametrize("dtype", ["Int64", "float32", "int8"])
@pytest.mark.parametrize("analysis", ANALYSES)
def test_the_type_of_the_codes_does_not_matter(data, analysis, dtype):
    pd.testing.assert_frame_equal(
        ANALYSES[analysis](data.assign(e=data["e"].astype(dtype))).table, ANALYSES[analysis](data).table
    )


@pytest.mark.parametrize("analysis", ANALYSES)
def test_the_data_are_left_as_they_were(data, analysis):
    before = data.copy()
    ANALYSES[analysis](data)
    pd.testing.assert_frame_equal(data, before)


def test_a_group_without_events_of_a_cause_has_incidence_zero(data):
    without = data.assign(e=data["e"].where((data["arm"] == 0) | (data["e"] != 2), 0))
    table = cumulative_incidence(without, "t", "e", by="arm").table
    flat = table[(table["group"] == 1) & (table["cause"] == 2)]
    assert (flat[["incidence", "std_err"]] == 0).all(axis=None)


def test_one_row_has_an_incidence():
    table = cumulative_incidence(pd.DataFrame({"t": [3], "e": [2]}), "t", "e").table
    assert table[["cause", "time", "incidence", "std_err"]].to_numpy().tolist() == [[2, 3, 1, 0]]


def test_entry_not_before_the_end_is_refused_by_row_number(data):
    with pytest.raises(InputError, match=r"'late' \(entry\) is not before 't'.*row numbers from 0: 4\)"):
        cumulative_incidence(data.assign(late=np.where(np.arange(200) == 4, 60, 0)), "t", "e", entry="late")


def test_after_the_last_time_an_incidence_is_known_only_if_nobody_was_left():
    ended = pd.DataFrame({"t": [1, 2, 3], "e": [1, 2, 1]})
    censored = ended.assign(e=[1, 2, 0])
    assert cumulative_incidence(ended, "t", "e").at([9])["incidence"].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert cumulative_incidence(censored, "t", "e").at([9])["incidence"].isna().all()


def test_one_group_cannot_be_compared(data):
    with pytest.raises(InputError, match="'arm' makes only one"):
        gray(data.assign(arm=1), "t", "e", by="arm")


def test_a_cause_with_too_few_events_has_no_gray_test_and_the_view_says_so(data):
    few = data.assign(e=np.where(np.arange(200) == 0, 3, data["e"]), t=np.where(np.arange(200) == 0, 60, data["t"]))
    test = gray(few, "t", "e", by="arm")
    assert test.table["statistic"].isna().tolist() == [False, False, True]
    assert "Cause 3 has too few events for a test." in repr(test)


@pytest.mark.parametrize("cause", [3, 0, 1.5, "1", True])
def test_a_cause_that_has_no_event_is_refused(data, cause):
    with pytest.raises(InputError, match="cause"):
        fine_gray(data, "t", "e", cause, "x")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (dict(variance="cr"), "Did you mean 'crr'"),
        (dict(ties="exact"), "ties='exact' is not known"),
        (dict(variance="crr", ties="efron"), "Breslow"),
        (dict(conf_level=95), "conf_level"),
    ],
)
def test_an_argument_without_meaning_is_refused(data, arguments, said):
    with pytest.raises(InputError, match=said):
        fine_gray(data, "t", "e", 1, "x", **arguments)


def test_a_term_that_separates_the_cause_is_named(data):
    with pytest.raises(InputError, match="term 'apart' has no finite estimate"):
        fine_gray(data.assign(apart=(data["e"] == 1).astype(float)), "t", "e", 1, "x + apart")


def test_collinear_terms_have_no_estimate_and_are_named(data):
    model = fine_gray(data.assign(twice=2 * data["x"], one=1.0), "t", "e", 1, "x + twice + one")
    assert model.not_estimated == ["twice", "one"]
    assert model.table["coef"].isna().tolist() == [False, True, True]
    alone = fine_gray(data, "t", "e", 1, "x")
    np.testing.assert_allclose(model.table["std_err"][0], alone.table["std_err"][0], rtol=1e-9)
    assert model.predict_incidence(data.assign(twice=0.0, one=0.0).head(2), [10]).shape == (2, 1)
    assert "twice, one" in repr(model)


@pytest.mark.parametrize("scale", [1e-9, 1e12])
def test_a_covariate_of_a_huge_scale_costs_no_digits(data, scale):
    plain = fine_gray(data, "t", "e", 1, "x").table
    scaled = fine_gray(data.assign(x=5 * scale + data["x"] * scale), "t", "e", 1, "x").table
    np.testing.assert_allclose(scaled[["z", "p_value"]], plain[["z", "p_value"]], rtol=1e-8)
    np.testing.assert_allclose(scaled["coef"] * scale, plain["coef"], rtol=1e-8)


def test_a_predicted_incidence_ends_with_the_follow_up(data):
    model = fine_gray(data, "t", "e", 1, "x")
    predicted = model.predict_incidence(data.head(3), [0, 10, 49, 50])
    assert (predicted[:, 0] == 0).all()
    assert (np.diff(predicted[:, :3]) > 0).all()
    assert np.isnan(predicted[:, 3]).all()


def test_the_baseline_is_the_prediction_at_covariates_zero(data):
    model = fine_gray(data, "t", "e", 1, "x")
    end = model.baseline.iloc[-1]
    predicted = model.predict_incidence(pd.DataFrame({"x": [0.0]}), [end["time"]])
    np.testing.assert_allclose(predicted, 1 - np.exp(-end["cumulative_hazard"]), rtol=1e-12)


def test_a_model_of_event_codes_is_not_a_cause_specific_cox_model(data):
    """A guard against the commonest mistake: competing events counted as censored."""
    specific = cox(data.assign(e=data["e"] == 1), "t", "e", "x")
    assert abs(fine_gray(data, "t", "e", 1, "x").table["coef"][0] - specific.table["coef"][0]) > 1e-3


@pytest.fixture(scope="module")
def cohort():
    random = np.random.default_rng(3)
    n = 100_000
    data = pd.DataFrame({"t": random.integers(1, 4000, n), "e": random.integers(0, 3, n)})
    return data.assign(arm=random.choice(list("abcd"), n))


def trace(figure, name):
    return next(each for each in figure.data if each.name == name)


def test_a_figure_of_100_000_patients_in_four_groups_and_two_causes_stays_small(cohort):
    figure = cumulative_incidence(cohort, "t", "e", by="arm").figure()
    assert len(figure.to_json()) < 150_000
    assert len([each for each in figure.data if each.showlegend is None]) == 8


def test_the_drawn_curve_is_the_estimate(cohort):
    found = cumulative_incidence(cohort.head(300), "t", "e")
    drawn = trace(found.figure({2: "Death"}), "Death")
    expected = found.at(drawn.x[1:]).query("cause == 2")["incidence"].to_numpy()
    np.testing.assert_allclose(drawn.y[1:], expected, rtol=1e-12)
    assert (drawn.x[0], drawn.y[0]) == (0, 0)


def test_the_band_is_drawn_where_there_are_limits(cohort):
    found = cumulative_incidence(cohort.head(300), "t", "e")
    drawn = trace(found.figure(), "Cause 1, upper limit")
    expected = found.at(drawn.x[1:]).query("cause == 1")["upper"].to_numpy()
    np.testing.assert_allclose(drawn.y[1:], expected, rtol=1e-12)


def test_numbers_at_risk_are_those_of_the_table_in_the_unit_drawn(cohort):
    found = cumulative_incidence(cohort.head(500), "t", "e", by="arm")
    row = trace(found.figure(time_unit="years", divide_time_by=365.25), "b, at risk")
    expected = found.at(np.asarray(row.x) * 365.25).query("group == 'b' and cause == 1")["n_risk"]
    assert list(row.text) == [f"{number:,.0f}" for number in expected]


def test_causes_to_draw_must_exist(cohort):
    with pytest.raises(InputError, match="causes must name some of the causes 1, 2"):
        cumulative_incidence(cohort.head(300), "t", "e").figure({3: "Relapse"})


def test_a_fine_gray_model_is_drawn_as_a_forest(data):
    model = fine_gray(data, "t", "e", 1, "x + arm")
    np.testing.assert_allclose(model.figure().data[0].x, model.table["hazard_ratio"])
