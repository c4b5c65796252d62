"""Laws that hold for every cohort: what cannot change an answer, and what must change it in a known way."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paillasse.survival import cox, kaplan_meier, logrank, rmst


@st.composite
def cohorts(draw, least=8, most=60):
    """A cohort with many ties, two groups that both have events, and one covariate."""
    n = draw(st.integers(least, most))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    data = pd.DataFrame({"time": random.integers(1, 12, n), "event": random.random(n) < 0.7})
    data["arm"] = np.arange(n) % 2
    data["x"] = random.normal(size=n).round(2)
    data.loc[:3, "event"] = True
    data.loc[:3, "time"] = [1, 2, 3, 4]  # no covariate separates the events
    data.loc[:3, "x"] = [0.5, -0.5, -0.3, 0.4]
    return data


def same(left, right, rtol=1e-9):
    np.testing.assert_allclose(np.asarray(left, float), np.asarray(right, float), rtol=rtol, atol=1e-10)


@given(cohorts(), st.randoms())
def test_the_order_of_rows_does_not_matter(data, random):
    order = list(range(len(data)))
    random.shuffle(order)
    mixed = data.iloc[order]
    for name in ("survival", "std_err", "n_risk"):
        same(kaplan_meier(data, "time", "event").table[name], kaplan_meier(mixed, "time", "event").table[name])
    same(logrank(data, "time", "event", by="arm").statistic, logrank(mixed, "time", "event", by="arm").statistic)


@given(cohorts(), st.sampled_from([1 / 365.25, 12.0, 1e6]))
def test_the_unit_of_time_scales_the_restricted_mean_and_nothing_else(data, unit):
    other = data.assign(time=data["time"] * unit)
    tau = data["time"].max()
    same(rmst(data, "time", "event", tau).table["rmst"] * unit, rmst(other, "time", "event", tau * unit).table["rmst"])
    same(kaplan_meier(data, "time", "event").table["survival"], kaplan_meier(other, "time", "event").table["survival"])
    same(cox(data, "time", "event", "x").table["coef"], cox(other, "time", "event", "x").table["coef"], rtol=1e-7)


@pytest.mark.parametrize("days", [1, 1 / 7])  # whole and fractional times are counted in two ways
@pytest.mark.parametrize("columns", [{}, {"entry": "late"}, {"weights": "w"}])
def test_rows_counted_in_blocks_are_all_counted(monkeypatch, days, columns):
    random = np.random.default_rng(8)
    data = pd.DataFrame({"time": 2.0 * random.integers(1, 9, 500), "event": random.random(500) < 0.5})
    data["late"], data["w"] = random.integers(0, 2, 500) * days, random.integers(1, 4, 500)
    data["time"] *= days
    data["arm"] = pd.Categorical(np.repeat(["a", "b", "c"], [300, 199, 1]))
    at_once = kaplan_meier(data, "time", "event", by="arm", **columns).table
    monkeypatch.setattr("paillasse.survival._counts.BLOCK", 64)
    pd.testing.assert_frame_equal(kaplan_meier(data, "time", "event", by="arm", **columns).table, at_once)
    mass = data[columns["weights"]] if "weights" in columns else pd.Series(1, data.index)
    for row in at_once.itertuples():
        here = data["arm"] == row.group
        entered = data["late"] < row.time if "entry" in columns else True
        assert row.n_risk == mass[here & (data["time"] >= row.time) & entered].sum()
        assert row.n_event == mass[here & (data["time"] == row.time) & data["event"]].sum()


@given(cohorts())
def test_a_weight_of_two_is_a_row_twice(data):
    weighted, twice = data.assign(w=2), pd.concat([data, data], ignore_index=True)
    for name in ("survival", "std_err", "n_risk", "n_event"):
        same(
            kaplan_meier(weighted, "time", "event", weights="w").table[name],
            kaplan_meier(twice, "time", "event").table[name],
        )
    left = cox(weighted, "time", "event", "x", weights="w", ties="breslow")
    right = cox(twice, "time", "event", "x", ties="breslow")
    same(left.table[["coef", "std_err"]], right.table[["coef", "std_err"]], rtol=1e-7)
    same(left.log_likelihood, right.log_likelihood)


@given(cohorts())
def test_a_follow_up_split_into_pieces_is_the_same_follow_up(data):
    cut = 5
    whole = data.assign(start=0.0, stop=data["time"].astype(float))
    early = whole.assign(stop=whole["stop"].clip(upper=cut), event=whole["event"] & (whole["stop"] <= cut))
    late = whole[whole["stop"] > cut].assign(start=float(cut))
    split = pd.concat([early, late], ignore_index=True)
    left = cox(data, "time", "event", "x")
    right = cox(split, "stop", "event", "x", entry="start")
    same(left.table[["coef", "std_err"]], right.table[["coef", "std_err"]], rtol=1e-7)
    same(left.log_likelihood, right.log_likelihood)
    same(left.concordance, right.concordance)
    events = kaplan_meier(split, "stop", "event", entry="start").table.query("n_event > 0")
    same(kaplan_meier(data, "time", "event").table.query("n_event > 0")["survival"], events["survival"])


@given(cohorts())
def test_one_stratum_for_all_is_no_stratum(data):
    one = data.assign(s="a")
    same(logrank(data, "time", "event", "arm").statistic, logrank(one, "time", "event", "arm", strata="s").statistic)
    same(cox(data, "time", "event", "x").table["coef"], cox(one, "time", "event", "x", strata="s").table["coef"])


@given(cohorts())
def test_strata_add_their_log_likelihoods(data):
    both = pd.concat([data.assign(s=0), data.assign(s=1)], ignore_index=True)
    same(2 * cox(data, "time", "event", "x").log_likelihood, cox(both, "time", "event", "x", strata="s").log_likelihood)


@given(cohorts())
def test_concordance_counts_every_pair(data):
    """Against the definition, pair by pair."""
    model = cox(data, "time", "event", "x")
    risk = np.sign(model.table["coef"][0]) * data["x"].to_numpy()
    time, event = data["time"].to_numpy(), data["event"].to_numpy()
    good = every = 0.0
    for i in np.flatnonzero(event):
        beyond = (time > time[i]) | ((time == time[i]) & ~event)
        good += (risk[i] > risk[beyond]).sum() + (risk[i] == risk[beyond]).sum() / 2
        every += beyond.sum()
    same(model.concordance, good / every)


@settings(max_examples=30)
@given(cohorts())
def test_the_survival_is_a_falling_probability_within_its_limits(data):
    table = kaplan_meier(data, "time", "event", by="arm").table
    assert table["survival"].between(0, 1).all()
    for _, curve in table.groupby("group"):
        assert (np.diff(curve["survival"]) <= 0).all()
    known = table["lower"].notna()
    assert (table["lower"] <= table["survival"])[known].all()
    assert (table["upper"] >= table["survival"])[known].all()


@given(cohorts())
def test_breslow_and_efron_agree_without_ties(data):
    untied = data.assign(time=np.arange(len(data)) + 1.0)
    same(
        cox(untied, "time", "event", "x", ties="breslow").table["coef"], cox(untied, "time", "event", "x").table["coef"]
    )
