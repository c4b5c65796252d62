"""Competing risks: laws that hold for every cohort."""

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from paillasse.survival import cox, cumulative_incidence, fine_gray, gray, kaplan_meier

unhurried = settings(deadline=None)  # several fits each, on whatever machine


@st.composite
def cohorts(draw, least=16, most=60):
    """A cohort with many ties, two groups, two causes with events in both, and one covariate."""
    n = draw(st.integers(least, most))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    data = pd.DataFrame({"time": random.integers(1, 12, n), "event": random.integers(0, 3, n)})
    data["arm"] = np.arange(n) % 2
    data["x"] = random.normal(size=n).round(2)
    data["weight"] = random.integers(1, 6, n) / 2
    data.loc[:7, "event"] = [1, 1, 2, 2, 1, 1, 2, 2]
    data.loc[:7, "time"] = [1, 2, 3, 4, 4, 3, 2, 1]
    data.loc[:7, "x"] = [0.5, -0.5, -0.3, 0.4, 0.1, -0.2, 0.3, -0.6]  # separates no cause
    data["start"] = np.maximum(0, data["time"] - random.integers(1, 12, n))
    return data


def same(left, right, rtol=1e-9):
    np.testing.assert_allclose(np.asarray(left, float), np.asarray(right, float), rtol=rtol, atol=1e-10)


def incidence(data, **arguments):
    return cumulative_incidence(data, "time", "event", **arguments).table


@unhurried
@given(cohorts(), st.randoms())
def test_the_order_of_rows_does_not_matter(data, random):
    order = list(range(len(data)))
    random.shuffle(order)
    mixed = data.iloc[order]
    columns = ["incidence", "std_err"]
    same(incidence(data, by="arm")[columns], incidence(mixed, by="arm")[columns])
    left, right = (gray(each, "time", "event", by="arm").table["statistic"] for each in (data, mixed))
    same(left, right, rtol=1e-7)
    for variance in ("finegray", "crr"):
        left, right = (fine_gray(each, "time", "event", 1, "x", variance=variance).table for each in (data, mixed))
        same(left[["coef", "std_err"]], right[["coef", "std_err"]], rtol=1e-7)


@unhurried
@given(cohorts(), st.sampled_from([1 / 365.25, 12.0, 1e6]))
def test_the_unit_of_time_changes_nothing_but_the_times(data, unit):
    other = data.assign(time=data["time"] * unit)
    columns = ["incidence", "std_err"]
    same(incidence(data)[columns], incidence(other)[columns])
    left, right = (gray(each, "time", "event", by="arm").table["statistic"] for each in (data, other))
    same(left, right, rtol=1e-7)
    for variance in ("finegray", "crr"):
        left, right = (fine_gray(each, "time", "event", 1, "x", variance=variance).table for each in (data, other))
        same(left[["coef", "std_err"]], right[["coef", "std_err"]], rtol=1e-7)


@unhurried
@given(cohorts())
def test_incidences_and_the_event_free_add_to_one(data):
    free = kaplan_meier(data.assign(event=data["event"] > 0), "time", "event", by="arm").table
    table = incidence(data, by="arm")
    for arm in (0, 1):
        curves = table[table["group"] == arm].pivot(index="time", columns="cause", values="incidence")
        same(curves.sum(axis=1), 1 - free[free["group"] == arm]["survival"])


@unhurried
@given(cohorts())
def test_of_one_cause_alone_the_incidence_is_one_minus_kaplan_meier(data):
    alone = data.assign(event=(data["event"] == 1).astype(int))
    curve = kaplan_meier(alone, "time", "event").table
    table = incidence(alone)
    same(table["incidence"], 1 - curve["survival"])
    same(table["std_err"], curve["std_err"].fillna(0))  # Greenwood's variance is the jackknife's


@unhurried
@given(cohorts())
def test_swapping_two_causes_swaps_their_answers(data):
    swapped = data.assign(event=data["event"].map({0: 0, 1: 2, 2: 1}))
    left, right = incidence(data), incidence(swapped)
    for cause in (1, 2):
        same(left[left["cause"] == cause]["incidence"], right[right["cause"] == 3 - cause]["incidence"])
        same(left[left["cause"] == cause]["std_err"], right[right["cause"] == 3 - cause]["std_err"])
    tests = [gray(each, "time", "event", by="arm").table["statistic"].to_numpy() for each in (data, swapped)]
    same(tests[0], tests[1][::-1], rtol=1e-7)


@unhurried
@given(cohorts())
def test_a_weight_of_two_is_a_row_twice_for_the_incidence(data):
    twice = pd.concat([data, data], ignore_index=True)
    same(incidence(data.assign(w=2), weights="w")["incidence"], incidence(twice)["incidence"])


@unhurried
@given(cohorts(), st.sampled_from([0.25, 3.0]))
def test_the_scale_of_weights_does_not_matter(data, scale):
    scaled = data.assign(weight=data["weight"] * scale)
    columns = ["incidence", "std_err"]
    same(incidence(data, weights="weight")[columns], incidence(scaled, weights="weight")[columns])


@unhurried
@given(cohorts())
def test_an_entry_at_zero_is_no_entry(data):
    columns = ["incidence", "std_err"]
    same(incidence(data)[columns], incidence(data.assign(start=0), entry="start")[columns])


@settings(max_examples=25, deadline=None)
@given(cohorts(most=30))
def test_the_variance_is_the_sum_of_squared_influences(data):
    """Against the definition: an influence is what a little more weight of one row does to the estimate."""
    little = 1e-4
    for entry in (None, "start"):
        arguments = {"weights": "weight", "entry": entry}
        table = incidence(data, **arguments)
        square = np.zeros(len(table))
        for row in range(len(data)):
            ends = []
            for sign in (1, -1):
                weight = data["weight"].to_numpy(copy=True)
                weight[row] *= 1 + sign * little
                ends.append(incidence(data.assign(weight=weight), **arguments)["incidence"].to_numpy())
            square += ((ends[0] - ends[1]) / (2 * little)) ** 2
        np.testing.assert_allclose(table["std_err"], np.sqrt(square), rtol=1e-5, atol=1e-7)


@unhurried
@given(cohorts())
def test_incidences_are_rising_probabilities_within_their_limits(data):
    table = incidence(data, by="arm")
    assert table["incidence"].between(0, 1 + 1e-12).all()
    for _, curve in table.groupby(["group", "cause"]):
        assert (np.diff(curve["incidence"]) >= 0).all()
    positive = table[table["incidence"] > 0]
    assert (positive["lower"] <= positive["incidence"] * (1 + 1e-12)).all()
    assert (positive["upper"] >= np.minimum(positive["incidence"], 1) * (1 - 1e-12)).all()


@unhurried
@given(cohorts())
def test_without_competing_events_fine_gray_is_a_robust_cox_model(data):
    alone = data[data["event"] != 2]
    assume(alone["x"].nunique() > 3)
    indicator = alone.assign(event=alone["event"] == 1)
    for ties in ("efron", "breslow"):
        ours = fine_gray(alone, "time", "event", 1, "x", ties=ties)
        theirs = cox(indicator, "time", "event", "x", robust=True, ties=ties)
        columns = ["coef", "std_err", "naive_std_err"]
        same(ours.table[columns], theirs.table[columns], rtol=1e-7)
        same(ours.log_likelihood, theirs.log_likelihood)


@unhurried
@given(cohorts())
def test_without_censoring_competing_rows_stay_at_risk_for_ever(data):
    """Then no weight is estimated: a Cox model in which competing events are follow-up beyond the last time."""
    seen = data[data["event"] != 0]
    beyond = seen["time"].where(seen["event"] == 1, 100)
    theirs = cox(seen.assign(time=beyond, event=seen["event"] == 1), "time", "event", "x", robust=True, ties="breslow")
    for variance in ("finegray", "crr"):
        ours = fine_gray(seen, "time", "event", 1, "x", variance=variance, ties="breslow")
        same(ours.table[["coef", "std_err"]], theirs.table[["coef", "std_err"]], rtol=1e-7)


@unhurried
@given(cohorts())
def test_three_groups_labelled_anew_give_the_same_test(data):
    three = data.assign(arm=np.arange(len(data)) % 3)
    renamed = three.assign(arm=three["arm"].map({0: "b", 1: "c", 2: "a"}))
    left, right = (gray(each, "time", "event", by="arm").table["statistic"] for each in (three, renamed))
    same(left, right, rtol=1e-6)


@settings(max_examples=10, deadline=None)
@given(cohorts())
def test_lifelines_agrees_where_it_needs_no_jitter(data):
    from lifelines import AalenJohansenFitter

    untied = data.assign(time=np.arange(len(data)) + 1.0)
    for cause in (1, 2):
        theirs = AalenJohansenFitter(calculate_variance=False).fit(untied["time"], untied["event"], cause)
        ours = incidence(untied)
        same(ours[ours["cause"] == cause]["incidence"], theirs.cumulative_density_.iloc[1:, 0])
