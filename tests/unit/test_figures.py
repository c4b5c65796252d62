"""Figures: what is drawn is what the table says, and no more points than can be seen."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from paillasse.figures import calibration, forest
from paillasse.survival import cox, kaplan_meier, subgroups


@pytest.fixture(scope="module")
def cohort():
    random = np.random.default_rng(3)
    n = 100_000
    data = pd.DataFrame({"days": random.integers(1, 4000, n), "died": random.random(n) < 0.5})
    return data.assign(arm=random.integers(0, 4, n), treated=random.integers(0, 2, n))


def trace(figure, name):
    return next(each for each in figure.data if each.name == name)


def test_a_survival_figure_of_100_000_patients_in_four_groups_stays_small(cohort):
    figure = kaplan_meier(cohort, "days", "died", by="arm").figure()
    assert len(figure.to_json()) < 150_000
    assert max(len(each.x) for each in figure.data) <= 1000


def test_the_drawn_curve_is_the_estimate(cohort):
    curve = kaplan_meier(cohort.head(300), "days", "died")
    drawn = trace(curve.figure(), "All patients")
    expected = curve.at(drawn.x[1:])["survival"].to_numpy()
    np.testing.assert_allclose(drawn.y[1:], expected, rtol=1e-12)
    assert (drawn.x[0], drawn.y[0]) == (0, 1)


def test_thinning_moves_the_curve_by_less_than_can_be_seen(cohort):
    curve = kaplan_meier(cohort, "days", "died")
    drawn = trace(curve.figure(), "All patients")
    place = np.searchsorted(drawn.x, curve.table["time"], side="right") - 1
    assert np.abs(np.asarray(drawn.y)[place] - curve.table["survival"]).max() < 0.005


def test_numbers_at_risk_are_those_of_the_table(cohort):
    curve = kaplan_meier(cohort.head(500), "days", "died")
    row = trace(curve.figure(), "All patients, at risk")
    assert list(row.text) == [f"{n:,.0f}" for n in curve.at(row.x)["n_risk"]]


def test_times_can_be_drawn_in_another_unit(cohort):
    figure = kaplan_meier(cohort.head(500), "days", "died").figure("years", divide_time_by=365.25)
    assert max(trace(figure, "All patients").x) < 11
    assert "years" in figure.layout.xaxis.title.text


def test_a_curve_that_never_falls_can_be_drawn():
    data = pd.DataFrame({"days": [0, 0], "died": [0, 0]})
    assert list(trace(kaplan_meier(data, "days", "died").figure(), "All patients").y) == [1, 1]


def test_a_forest_plot_draws_estimates_and_limits(cohort):
    model = cox(cohort.head(2000), "days", "died", "treated + C(arm)")
    drawn = model.figure().data[0]
    np.testing.assert_allclose(drawn.x, model.table["hazard_ratio"])
    np.testing.assert_allclose(drawn.x + np.asarray(drawn.error_x.array), model.table["upper"])
    np.testing.assert_allclose(drawn.x - np.asarray(drawn.error_x.arrayminus), model.table["lower"])


def test_a_forest_plot_of_subgroups_has_a_heading_for_each(cohort):
    figure = subgroups(cohort.head(2000), "days", "died", "treated", ["arm"]).figure()
    assert any(text.startswith("<b>arm, p interaction") for text in figure.layout.yaxis.ticktext)


ODD_LIMITS = {
    "very wide": ([3.0, 1.1], [0.01, 0.9], [900.0, 1.3]),
    "no event at one level": ([1e-9, 1.1], [0.0, 0.9], [np.inf, 1.3]),
    "limits not known": ([2.0, 1.1], [np.nan, 0.9], [np.nan, 1.3]),
    "headings only": ([np.nan, np.nan], [np.nan, np.nan], [np.nan, np.nan]),
}


@pytest.mark.parametrize(("ratios", "lower", "upper"), ODD_LIMITS.values(), ids=ODD_LIMITS)
def test_a_forest_plot_with_odd_limits_keeps_an_axis_on_which_the_others_can_be_read(ratios, lower, upper):
    table = pd.DataFrame({"term": ["x", "y"], "hazard_ratio": ratios, "lower": lower, "upper": upper})
    figure = forest(table, label="term")
    left, right = figure.layout.xaxis.range
    assert -3.5 < left < np.log10(0.9) < np.log10(1.1) < right < 3.5
    drawn = figure.data[0]
    ends = [drawn.x - np.asarray(drawn.error_x.arrayminus), drawn.x + np.asarray(drawn.error_x.array)]
    assert not np.isinf(np.log10(ends)).any()


def test_the_level_of_the_limits_is_said_with_all_its_digits():
    table = pd.DataFrame({"term": ["x"], "hazard_ratio": [3.0], "lower": [1.0], "upper": [9.0]})
    assert forest(table, label="term", conf_level=0.975).data[0].name == "estimate with 97.5% limits"


def test_a_calibration_figure_has_a_line_for_each_model_and_the_diagonal():
    row = {"predicted": [0.2, 0.4], "observed": [0.25, 0.41], "lower": [0.2, 0.3], "upper": [0.3, 0.5]}
    figure = calibration(pd.concat([pd.DataFrame({"model": name, **row}) for name in "ab"]))
    assert [each.name for each in figure.data] == ["ideal", "a", "b"]


@pytest.fixture(scope="module")
def stored():
    """What a notebook stores of a figure of plotly's own, once this room was imported."""
    code = (
        "import json, paillasse.figures, plotly.io, plotly.graph_objects as go\n"
        "print(json.dumps(plotly.io.renderers._build_mime_bundle(go.Figure().to_dict())))"
    )
    return json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def test_a_stored_figure_holds_its_json_and_no_plotly_js(stored):
    assert list(stored) == ["application/vnd.plotly.v1+json"]


def test_no_figure_offers_to_upload_its_data(stored):
    config = stored["application/vnd.plotly.v1+json"]["config"]
    assert config == {"showSendToCloud": False, "plotlyServerURL": ""}
