"""Concordance, AUC and Brier score: laws, definitions written out pair by pair, and input that has no answer."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paillasse.errors import InputError
from paillasse.survival import brier, concordance, time_dependent_auc

METHODS = st.sampled_from(["harrell", "uno"])
COUNTS = ["concordant", "discordant", "tied_risk", "tied_time", "tied_both"]


@st.composite
def cohorts(draw, ties=True, least=6, most=40):
    """A cohort with an event at the first time and a row followed to the end; times and risks with or without ties."""
    n = draw(st.integers(least, most))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    time = random.integers(2, 9, n) if ties else random.permutation(n) + 2
    data = pd.DataFrame({"time": time, "event": random.random(n) < 0.6})
    data["risk"] = (random.integers(0, 6, n) if ties else random.permutation(n)) * 1.0
    data["w"], data["s"] = random.integers(1, 4, n), random.integers(0, 3, n)
    data["late"] = np.where(random.random(n) < 0.5, data["time"] - random.integers(1, 9, n), 0).clip(0)
    data.loc[:1, "time"], data.loc[:1, "event"] = [1, n + 10], [True, False]
    data.loc[:1, ["s", "late"]], data.loc[0, "risk"] = 0, 2.5
    return data


def same(left, right, rtol=1e-9, atol=1e-9):
    np.testing.assert_allclose(np.asarray(left, float), np.asarray(right, float), rtol=rtol, atol=atol)


def everything(found):
    return [found.value, found.std_err, *(getattr(found, name) for name in COUNTS)]


def uncensored_before(data, t):
    """G(t−) by its definition, for whole-number times."""
    share = 1.0
    for s in range(1, int(t)):
        at_risk = ((data["time"] > s) | ((data["time"] == s) & ~data["event"])).sum()
        lost = ((data["time"] == s) & ~data["event"]).sum()
        share *= 1 - lost / at_risk if lost else 1.0
    return share


def by_pairs(data, weigh, entry=None, stratum=None):
    """The five counts and the influences of the rows, pair by pair. `weigh` is u(t)."""
    rows = data.assign(entry=0 if entry is None else data[entry], stratum=0 if stratum is None else data[stratum])
    rows = list(rows[["time", "event", "risk", "w", "entry", "stratum"]].itertuples(index=False))
    counts, signed, comparable = dict.fromkeys(COUNTS, 0.0), np.zeros(len(rows)), np.zeros(len(rows))
    for i, case in enumerate(rows):
        for j, other in enumerate(rows):
            if i == j or not case.event or case.stratum != other.stratum or other.entry >= case.time:
                continue
            mass = case.w * other.w * weigh(case.time)
            if case.time == other.time and other.event:
                if i < j:
                    counts["tied_both" if case.risk == other.risk else "tied_time"] += mass
            elif case.time <= other.time:
                kind = np.sign(case.risk - other.risk)
                counts[{1: "concordant", -1: "discordant", 0: "tied_risk"}[kind]] += mass
                signed[[i, j]] += kind * mass
                comparable[[i, j]] += mass
    every = comparable.sum() / 2
    influence = (signed - signed.sum() / 2 / every * comparable) / (2 * every)
    value = (counts["concordant"] + counts["tied_risk"] / 2) / every
    return [value, np.sqrt((influence**2).sum()), *counts.values()]


@settings(deadline=None)
@given(cohorts())
def test_harrell_counts_every_pair(data):
    ours = concordance(data, "time", "event", "risk", weights="w", entry="late", strata="s")
    same(everything(ours), by_pairs(data, lambda t: 1, entry="late", stratum="s"))


@settings(deadline=None)
@given(cohorts(), st.sampled_from([None, 4]))
def test_uno_weighs_every_pair(data, tau):
    ours = concordance(data.assign(w=1), "time", "event", "risk", method="uno", tau=tau)

    weight = {t: uncensored_before(data, t) ** -2 if tau is None or t <= tau else 0 for t in set(data["time"])}
    same(everything(ours), by_pairs(data.assign(w=1), weight.get))


def test_the_count_is_right_beyond_two_bytes():
    """More distinct times than fit into the small labels."""
    random = np.random.default_rng(1)
    n = 70_000
    data = pd.DataFrame({"time": random.permutation(n) + 1, "event": random.random(n) < 0.9, "risk": np.arange(n)})
    found = concordance(data, "time", "event", "risk")
    order = data.sort_values("time", ascending=False)
    seen, concordant = np.zeros(n + 1, dtype=np.int64), 0  # a Fenwick tree over the risks
    for risk, event in zip(order["risk"], order["event"]):
        place = risk  # how many later rows have a lower risk
        while event and place > 0:
            concordant += seen[place]
            place -= place & -place
        place = risk + 1
        while place <= n:
            seen[place] += 1
            place += place & -place
    assert found.concordant == concordant


@given(cohorts(), METHODS, st.randoms())
def test_the_order_of_rows_does_not_matter(data, method, random):
    order = list(range(len(data)))
    random.shuffle(order)
    left, right = (concordance(each, "time", "event", "risk", method) for each in (data, data.iloc[order]))
    same(everything(left), everything(right))


@given(cohorts(), METHODS)
def test_only_the_order_of_the_risks_counts(data, method):
    other = data.assign(risk=np.exp(data["risk"] / 3) - 1000)
    left, right = (concordance(each, "time", "event", "risk", method) for each in (data, other))
    same(everything(left), everything(right))


@given(cohorts(ties=False), METHODS)
def test_the_reversed_risk_gives_one_minus_the_concordance(data, method):
    left = concordance(data, "time", "event", "risk", method)
    right = concordance(data.assign(risk=-data["risk"]), "time", "event", "risk", method)
    same([left.value, left.std_err], [1 - right.value, right.std_err])


@given(cohorts(), METHODS)
def test_a_weight_of_two_is_a_row_twice(data, method):
    weighted = concordance(data.assign(w=2), "time", "event", "risk", method, weights="w")
    twice = concordance(pd.concat([data.assign(id=data.index)] * 2), "time", "event", "risk", method, cluster="id")
    same([weighted.value, weighted.std_err], [twice.value, twice.std_err])
    same([weighted.concordant, weighted.discordant], [twice.concordant, twice.discordant])


@given(cohorts())
def test_a_follow_up_split_into_pieces_is_the_same_follow_up(data):
    cut = 5
    whole = data.assign(start=0, id=data.index)
    early = whole.assign(time=whole["time"].clip(upper=cut), event=whole["event"] & (whole["time"] <= cut))
    split = pd.concat([early, whole[whole["time"] > cut].assign(start=cut)])
    left = concordance(whole, "time", "event", "risk")
    right = concordance(split, "time", "event", "risk", entry="start", cluster="id")
    same(everything(left), everything(right))


@given(cohorts(ties=False))
def test_uno_is_harrell_where_nobody_is_censored(data):
    data = data.assign(event=True)
    left, right = (concordance(data, "time", "event", "risk", method) for method in ("harrell", "uno"))
    same(everything(left), everything(right))


@settings(deadline=None)
@given(cohorts())
def test_the_area_under_the_curve_is_its_definition(data):
    times = [1, 3.5, 6]
    for row in time_dependent_auc(data, "time", "event", "risk", times).table.itertuples():
        good = every = 0.0
        for case in data[data["event"] & (data["time"] <= row.time)].itertuples():
            controls = data.loc[data["time"] > row.time, "risk"]
            mass = 1 / uncensored_before(data, case.time)
            good += mass * ((case.risk > controls).sum() + (case.risk == controls).sum() / 2)
            every += mass * len(controls)
        same(row.auc, good / every)


@settings(deadline=None)
@given(cohorts())
def test_the_brier_score_is_its_definition(data):
    times, survival = [1, 3, 6], np.random.default_rng(0).random((len(data), 3))
    for k, score in enumerate(brier(data, "time", "event", survival, times).table["brier"]):
        total = 0.0
        for predicted, row in zip(survival[:, k], data.itertuples()):
            if row.time > times[k]:
                total += (1 - predicted) ** 2 / uncensored_before(data, times[k] + 1)
            elif row.event:
                total += predicted**2 / uncensored_before(data, row.time)
        same(score, total / len(data))


@given(cohorts())
def test_weights_of_the_brier_score_add_up_to_the_patients(data):
    """Predicting 0 and 1 for everybody makes the parts that the events and the survivors stand for."""
    shape = (len(data), 2)
    parts = [brier(data, "time", "event", np.full(shape, each), [1, 6]).table["brier"] for each in (0.0, 1.0)]
    same(parts[0] + parts[1], 1)


def test_a_score_for_all_is_the_null_score():
    data = pd.DataFrame({"t": [1, 2, 2, 3, 5, 8], "e": [1, 1, 0, 1, 0, 0]})
    table = brier(data, "t", "e", np.full(6, 4 / 6), [2]).table
    same(table["brier"], table["null_brier"])


def test_predictions_in_columns_are_the_same_as_in_an_array():
    data = pd.DataFrame(
        {"t": [1, 2, 2, 3, 5, 8], "e": [1, 1, 0, 1, 0, 0], "at_1": 0.9, "at_2": [0.1, 0.2, 0.3, 0.4, 0.5, 1]}
    )
    named = brier(data, "t", "e", ["at_1", "at_2"], [1, 2])
    frame = brier(data, "t", "e", data[["at_1", "at_2"]], [1, 2])
    pd.testing.assert_frame_equal(named.table, frame.table)
    assert named.integrated == pytest.approx(named.table["brier"].mean())


def test_rows_with_a_missing_value_are_left_out_with_their_predictions():
    data = pd.DataFrame({"t": [1, 2, np.nan, 3, 5, 8], "e": [1, 1, 0, 1, 0, 0], "x": [3, 2, 9, 1, 2, 0]})
    survival, kept = np.linspace(0, 1, 6), data["t"].notna()
    left, right = brier(data, "t", "e", survival, [4]), brier(data[kept], "t", "e", survival[kept], [4])
    pd.testing.assert_frame_equal(left.table, right.table)
    assert left.n_dropped == 1
    assert concordance(data, "t", "e", "x").n == 5
    assert "1 row was left out" in repr(time_dependent_auc(data, "t", "e", "x", [4]))


def cohort():
    return pd.DataFrame({"t": [1, 2, 2, 3, 5, 8], "e": [1, 1, 0, 1, 0, 0], "x": [3, 2, 9, 1, 2, 0]})


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({}, {"risk": "y"}, "no column 'y'"),
        ({}, {"method": "unos"}, "Did you mean 'uno'"),
        ({"x": 1}, {}, "the same for all 6 rows"),
        ({"x": list("abcdef")}, {}, "must hold numbers"),
        ({"x": [1, 2, np.inf, 3, 4, 5]}, {}, "infinite values: 1 of 6 rows .*: 2"),
        ({"e": 0}, {}, "no comparable pair"),
        ({"t": 4, "e": 1}, {}, "no comparable pair"),
        ({}, {"tau": 9}, "tau=9 lies outside the follow-up, which ends at 8"),
        ({}, {"tau": 0.5}, "no comparable pair.* up to tau = 0.5"),
        ({}, {"tau": np.nan}, "outside the follow-up"),
        ({"s": 1}, {"method": "uno", "strata": "s"}, "neither entry nor strata"),
        ({"s": 0}, {"method": "uno", "entry": "s"}, "neither entry nor strata"),
    ],
)
def test_a_concordance_that_has_no_answer_says_why(change, arguments, message):
    with pytest.raises(InputError, match=message):
        concordance(cohort().assign(**change), "t", "e", **({"risk": "x"} | arguments))


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0.5, 2], "No event in column 'e' happened by time 0.5"),
        ([2, 8, 9], "Nobody in the data is followed beyond time 8, 9"),
        ([3, 2], "rising order"),
        ([], "rising order"),
        ([np.nan], "finite"),
        ([2, 6], "Nobody in censoring_data is followed beyond time 6"),
    ],
)
def test_times_outside_the_follow_up_are_refused(times, message):
    data, other = cohort(), cohort().assign(t=[1, 2, 2, 3, 5, 6])
    with pytest.raises(InputError, match=message):
        time_dependent_auc(data, "t", "e", "x", times, censoring_data=other)
    with pytest.raises(InputError, match=message):
        brier(data, "t", "e", np.full((6, len(times)), 0.5), times, censoring_data=other)


@pytest.mark.parametrize(
    ("survival", "message"),
    [
        (np.full((6, 1), 0.5), "survival has 1 columns for 2 times"),
        (np.full((5, 2), 0.5), "a row for each of the 6 rows"),
        (np.full(6, 0.5), "a row for each of the 6 rows .* and a column for each time"),
        (np.array([[0.5, 0.5]] * 5 + [[0.5, 1.01]]), "Column 1 of survival is not a probability .*: 5"),
        (np.array([[0.5, np.nan]] * 6), "Column 1 of survival is not a probability"),
        (np.array([["a", "b"]] * 6), "array of probabilities"),
        (["x", "x"], "Column 'x' is not a probability"),
        (["y", "x"], "no column 'y'"),
        ("x", "survival has 1 columns for 2 times"),
    ],
)
def test_predictions_that_are_no_probabilities_are_refused(survival, message):
    with pytest.raises(InputError, match=message):
        brier(cohort(), "t", "e", survival, [1, 4])


def test_one_time_has_no_integral():
    with pytest.raises(InputError, match="at least two times"):
        _ = brier(cohort(), "t", "e", np.full(6, 0.5), [4]).integrated


def test_results_show_themselves():
    data = cohort()
    assert "Uno's concordance, events up to 5: 6 rows, 3 events" in repr(concordance(data, "t", "e", "x", "uno", tau=5))
    assert "mean" in repr(time_dependent_auc(data, "t", "e", "x", [1, 4]))
    assert "integrated" in repr(brier(data, "t", "e", np.full((6, 2), 0.5), [1, 4]))
