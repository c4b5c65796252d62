"""Target trials, weights and their checks: what is refused and why, what holds exactly, what may leave."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from paillasse.disclosure import Policy, tighten
from paillasse.disclosure.kept import as_json, from_json
from paillasse.effects import (
    TargetTrial,
    balance,
    clones,
    doubly_robust,
    e_value,
    hazard_ratio,
    incidence_by_arm,
    incidence_difference,
    negative_controls,
    propensity,
    reweigh_lost,
    rmst_difference,
    sequential_trials,
    survival_by_arm,
    weigh,
)
from paillasse.errors import DisclosureError, InputError
from paillasse.release.pictures import picture
from paillasse.release.support import need_counts_of_the_policy
from paillasse.scan.scanner import scan
from paillasse.survival import cumulative_incidence

COMPONENTS = ("eligibility", "time_zero", "assignment", "follow_up", "outcome", "contrast", "analysis")


def trial(**columns):
    told = dict.fromkeys(COMPONENTS, "as told") | dict(arms={0: "control", 1: "treated"}, treatment="treated")
    told |= dict(duration="months", event="cause", covariates="age + sex", time_unit="months")
    return TargetTrial(**(told | columns))


@pytest.fixture(scope="module")
def data():
    random, n = np.random.default_rng(9), 1500
    age, sex = random.normal(60, 10, n).round(), random.integers(0, 2, n)
    treated = (random.random(n) < 1 / (1 + np.exp(-(age - 60) / 15))).astype(int)
    first, second = random.exponential(20, n), random.exponential(60, n)
    end = random.uniform(12, 48, n)
    cause = np.where(np.minimum(first, second) > end, 0, np.where(first < second, 1, 2))
    months = np.minimum.reduce([first, second, end]).round(2)
    start = np.where(treated == 1, random.uniform(0.1, 3, n).round(1), np.nan)
    start = np.where(start < months, start, np.nan)
    injury = random.exponential(40, n)
    return pd.DataFrame(
        {
            "age": age, "sex": sex, "treated": treated, "months": months, "cause": cause, "start": start,
            "gone": ((cause == 0) & (random.random(n) < 0.5)).astype(int),
            "injury_months": np.minimum(injury, end).round(2), "injury": (injury <= end).astype(int),
        }
    )  # fmt: skip


# The target trial


def test_a_trial_shows_itself_as_two_columns_the_trial_and_its_emulation():
    table = trial(assignment=("By lot", "As if by lot"), grace_period=3).table
    assert table.columns.tolist() == ["component", "target_trial", "emulation"]
    assert table.loc[2].tolist() == ["Assignment", "By lot", "As if by lot"]
    assert table["target_trial"].iloc[1] == "control; or treated (to be started within 3 months)"
    assert "As if by lot" in trial(assignment=("By lot", "As if by lot"))._repr_html_()


def test_a_trial_that_leaves_out_a_component_is_refused():
    with pytest.raises(InputError, match="says nothing of its causal contrast"):
        trial(contrast=" ")


def test_a_trial_of_three_arms_is_refused():
    with pytest.raises(InputError, match="compares two arms, and `arms` names 3"):
        trial(arms={0: "a", 1: "b", 2: "c"})


@pytest.mark.parametrize(
    ("columns", "changed", "told"),
    [
        ({"treatment_start": "start"}, {"start": [-1.0, -2.0, 0.0]}, "2 patients started treatment before time zero"),
        ({"eligible_at": "eligible"}, {"eligible": [0.0, 0.0, 4.0]}, "1 patient began follow-up before"),
        ({"measured_at": {"age": "seen"}}, {"seen": [0.0, 1.0, 1.0]}, "2 patients had covariate 'age' measured after"),
        ({"treatment_start": "start"}, {"start": [2.0, 0.0, np.nan]}, r"immortal time"),
    ],
)
def test_data_that_contradict_the_trial_are_refused_with_the_number_of_patients(columns, changed, told):
    data = pd.DataFrame({"treated": [1, 1, 0], "months": [5.0, 6.0, 7.0], "cause": 1, "age": 60, "sex": 0, **changed})
    with pytest.raises(InputError, match=told):
        weigh(trial(**columns), data)


def test_arms_of_one_name_are_refused():
    with pytest.raises(InputError, match="Both arms of the target trial are called 'a'"):
        trial(arms={0: "a", 1: "a"})


def test_the_time_of_a_covariate_that_is_none_is_refused(data):
    with pytest.raises(InputError, match="measured_at names 'aeg', which is no covariate. Did you mean 'age'"):
        trial(measured_at={"aeg": "start"}).check(data)


def test_a_patient_of_two_rows_counts_once():
    data = pd.DataFrame({"id": [1, 1, 2], "start": -1.0})
    with pytest.raises(InputError, match=r"^2 patients started"):
        trial(treatment_start="start", patient="id").check(data)


def test_a_check_says_what_could_not_be_checked(data):
    table = trial(eligible_at="injury").check(data.assign(injury=0)).table.set_index("check")["result"]
    assert table["No follow-up before eligibility"] == "passed"
    assert table["No treatment before time zero"] == "no column told"


# Bad input


@pytest.mark.parametrize(
    ("columns", "changed", "told"),
    [
        ({"arms": {0: "control", 5: "nobody"}}, {}, "nobody is in arm 'nobody'"),
        ({}, {"treated": lambda d: (d.index == 3).astype(int)}, "a single patient is in arm 'treated'"),
        ({}, {"months": lambda d: -d["months"]}, "'months' holds negative durations: 1500 of 1500"),
        ({"covariates": "age + twin"}, {"twin": lambda d: d["treated"]}, "The covariates separate the arms"),
        ({"covariates": "height"}, {}, "no column 'height'"),
        ({"arms": {7: "a", 8: "b"}}, {}, "Nobody is in an arm of the trial"),
    ],
)
def test_what_cannot_be_compared_is_refused(data, columns, changed, told):
    with pytest.raises(InputError, match=told):
        weigh(trial(**columns), data.assign(**changed))


@pytest.mark.parametrize("folds", [1, 4])
def test_trees_that_separate_the_arms_are_refused(data, folds):
    with pytest.raises(InputError, match="The scores separate the arms 'control' and 'treated'"):
        weigh(trial(covariates="age + twin"), data.assign(twin=data["treated"]), method="boosting", folds=folds)


def test_negative_follow_up_of_who_started_is_refused_as_such(data):
    delayed = trial(treatment_start="start", grace_period=3)
    for make in (sequential_trials, lambda *given: clones(*given, every=1)):
        with pytest.raises(InputError, match="'months' holds negative durations: 1500 of 1500"):
            make(delayed, data.assign(months=-data["months"]))


@pytest.mark.parametrize("changed", [{"months": -123.456}, {"months": "123.456 m"}, {"gone": "123.456"}])
def test_an_error_holds_no_value_of_a_patient(data, changed):
    delayed, secret = trial(treatment_start="start", grace_period=3), data.astype({"months": object, "gone": object})
    (name, value), *_ = changed.items()
    secret[name] = secret[name].where(data.index != 5, value).infer_objects()
    with pytest.raises(InputError) as refused:
        sequential_trials(delayed, secret)
        reweigh_lost(weigh(trial(), secret.astype({"months": float})), secret, "gone", every=6)
    assert "123.456" not in str(refused.value)


def test_a_horizon_beyond_the_follow_up_of_an_arm_is_refused(data):
    for estimate in (rmst_difference, lambda weighted, tau: incidence_difference(weighted, 1, tau)):
        with pytest.raises(InputError, match="is not followed until tau = 99"):
            estimate(weigh(trial(), data), 99)
    with pytest.raises(InputError, match="is not followed until tau = 99"):
        doubly_robust(trial(), data, 99)


@pytest.mark.parametrize("times", [[], [0], [-1, 2], [1, np.nan]])
def test_what_are_no_times_is_refused(data, times):
    with pytest.raises(InputError, match="times are numbers from 0 on"):
        survival_by_arm(weigh(trial(), data), times)


@pytest.mark.parametrize("others", [lambda d: d.head(9), lambda d: d.iloc[::-1]])
def test_other_data_than_the_weights_were_made_of_are_refused(data, others):
    weighted = weigh(trial(), data)
    for look in (lambda d: reweigh_lost(weighted, d, "gone", every=6), lambda d: balance(weighted, d, ["sex"])):
        with pytest.raises(InputError, match="These are not the data that the weights were made of"):
            look(others(data))


@pytest.mark.parametrize("changed", [2, np.nan])
def test_who_is_lost_is_told_by_one_and_zero(data, changed):
    with pytest.raises(InputError, match="'gone' must be 1 for a lost row and 0 otherwise: 1500 of 1500"):
        reweigh_lost(weigh(trial(), data), data.assign(gone=changed), "gone", every=6)


@pytest.mark.parametrize("every", [0, np.inf, np.nan])
def test_intervals_have_a_length(data, every):
    with pytest.raises(InputError, match="is a positive time"):
        reweigh_lost(weigh(trial(), data), data, "gone", every=every)


def test_who_is_lost_is_weighed_for_once_and_not_among_clones(data):
    cloned = clones(trial(treatment_start="start", grace_period=3), data, every=1)
    for cut in (cloned, reweigh_lost(weigh(trial(), data), data, "gone", every=6)):
        with pytest.raises(InputError, match="These rows are cut already"):
            reweigh_lost(cut, data, "gone", every=6)


def test_who_is_lost_cannot_have_the_event(data):
    with pytest.raises(InputError, match="are lost .* and have the event"):
        reweigh_lost(weigh(trial(), data), data.assign(gone=1), "gone", every=6)


def test_clones_need_a_grace_period_and_sequential_trials_a_start(data):
    with pytest.raises(InputError, match="positive `grace_period`"):
        clones(trial(treatment_start="start"), data, every=1)
    with pytest.raises(InputError, match="need `treatment_start`"):
        sequential_trials(trial(), data)


def test_ties_and_parts_that_are_none_are_refused(data):
    with pytest.raises(InputError, match="ties='exact' is not known"):
        hazard_ratio(weigh(trial(), data), ties="exact")
    with pytest.raises(InputError, match="folds is a whole number"):
        weigh(trial(), data, folds=1.5)


def test_a_mistyped_kind_is_met_with_the_nearest(data):
    with pytest.raises(InputError, match="Did you mean 'overlap'"):
        weigh(trial(), data, "overlop")


# What holds exactly


def test_overlap_weights_make_the_means_of_all_covariates_equal(data):
    found = balance(weigh(trial(covariates="age * sex"), data))
    assert found.largest["before"] > 0.3
    assert found.largest["after"] < 1e-9


def test_other_covariates_than_the_trial_s_can_be_compared(data):
    found = balance(weigh(trial(covariates="sex"), data), data, ["age"])
    assert found.table["covariate"].tolist() == ["age"]
    assert abs(found.table["after"].iloc[0]) > 0.3


def test_equal_weights_are_worth_all_patients(data):
    table = weigh(trial(), data, "none").table
    np.testing.assert_allclose(table["effective"], table["patients"])
    np.testing.assert_allclose(table["largest"], 1)


def test_rows_of_other_arms_and_with_missing_values_are_left_out(data):
    more = pd.concat([data, data.head(30).assign(treated=9), data.head(4).assign(age=np.nan)], ignore_index=True)
    found = weigh(trial(), more)
    assert found.n_dropped == 4
    pd.testing.assert_frame_equal(found.table, weigh(trial(), data).table)


def test_two_rows_of_a_patient_give_the_estimate_of_one_with_its_standard_error(data):
    """The same patients written down twice are no more patients."""
    once = rmst_difference(weigh(trial(), data), 12).difference
    twice = pd.concat([data.assign(id=data.index)] * 2, ignore_index=True)
    again = rmst_difference(weigh(trial(patient="id"), twice), 12).difference
    np.testing.assert_allclose(again.iloc[0, 1:].astype(float), once.iloc[0, 1:].astype(float), rtol=1e-8)


def test_the_arms_turned_round_turn_the_difference_round(data):
    there = rmst_difference(weigh(trial(), data), 12).difference.iloc[0]
    back = rmst_difference(weigh(trial(arms={1: "treated", 0: "control"}), data), 12).difference.iloc[0]
    assert back["difference"] == pytest.approx(-there["difference"], rel=1e-9)
    assert back["std_err"] == pytest.approx(there["std_err"], rel=1e-9)


@pytest.mark.parametrize("cause", [1, 2])
def test_without_weights_incidences_by_arm_are_those_of_aalen_and_johansen(data, cause):
    found = incidence_by_arm(weigh(trial(), data, "none"), cause, [6, 12, 20])
    usual = cumulative_incidence(data, "months", "cause", by="treated")
    expected = usual.at([6, 12, 20]).query("cause == @cause")
    np.testing.assert_allclose(found.table["incidence"], expected["incidence"], rtol=1e-12)
    np.testing.assert_allclose(found.table["std_err"], expected["std_err"], rtol=1e-9)
    np.testing.assert_allclose(found.table[["lower", "upper"]], expected[["lower", "upper"]], rtol=1e-9)
    assert found.table["n_risk"].tolist() == expected["n_risk"].tolist()


@pytest.mark.parametrize("kind", ["overlap", "clones"])
def test_a_curve_of_incidence_ends_at_the_incidence(data, kind):
    delayed = trial(treatment_start="start", grace_period=3)
    weighted = weigh(trial(), data) if kind == "overlap" else clones(delayed, data, every=1)
    curve = incidence_by_arm(weighted, 1, [3, 12]).table.query("time == 12")
    end = incidence_difference(weighted, 1, 12).table
    np.testing.assert_allclose(curve[["incidence", "std_err"]], end[["estimate", "std_err"]], rtol=1e-12)


@pytest.mark.parametrize("curves", [survival_by_arm, lambda weighted: incidence_by_arm(weighted, 1)])
def test_the_numbers_at_risk_of_a_figure_are_those_of_the_follow_up(data, curves):
    figure = curves(weigh(trial(), data)).figure()
    (row,) = (trace for trace in figure.data if trace.name == "treated, at risk")
    months = data.loc[data["treated"] == 1, "months"]
    assert [int(text.replace(",", "")) for text in row.text] == [(months >= time).sum() for time in row.x]
    assert row.x[-1] == 40


def test_an_incidence_of_no_cause_is_refused(data):
    with pytest.raises(InputError, match="no event of cause 7"):
        incidence_by_arm(weigh(trial(), data), 7)


def test_all_causes_together_and_survival_make_one(data):
    weighted = weigh(trial(), data, "iptw")
    causes = [incidence_difference(weighted, cause, 12).table["estimate"].to_numpy() for cause in (1, 2)]
    survival = survival_by_arm(weighted, [12]).table["survival"].to_numpy()
    np.testing.assert_allclose(causes[0] + causes[1] + survival, 1, rtol=1e-12)


def test_in_sequential_trials_nobody_is_a_control_after_his_start(data):
    made = sequential_trials(trial(treatment_start="start", grace_period=3), data, controls=3, seed=1).data
    controls = made[made["treated"] == 0]
    started = data.loc[controls["patient_of_trial"], "start"].fillna(np.inf).to_numpy()
    assert (started > controls["trial_start"].to_numpy()).all()
    assert (controls["months"] <= started - controls["trial_start"]).all()
    cases = made[made["treated"] == 1]
    assert cases["patient_of_trial"].is_unique
    assert (data.loc[cases["patient_of_trial"], "start"].to_numpy() == cases["trial_start"]).all()


def test_at_time_zero_clones_are_alike(data):
    found = clones(trial(treatment_start="start", grace_period=3), data, every=0.5)
    assert found.table["patients"].tolist() == [len(data)] * 2
    assert balance(found).largest["before"] < 1e-12


@pytest.mark.parametrize("folds", [1, 4])
def test_boosted_scores_are_probabilities_and_the_same_for_a_seed(data, folds):
    first, second = (propensity(trial(), data, "boosting", folds=folds, seed=3) for _ in range(2))
    pd.testing.assert_frame_equal(first.bins, second.bins)
    assert first.bins["n"].sum() == len(data)


def test_cross_fitted_scores_know_nothing_of_the_patients_they_are_for(data):
    """Noise cannot be learnt: boosted scores of the own patients fit it, cross-fitted ones do not."""
    noise = data.assign(treated=np.random.default_rng(4).integers(0, 2, len(data)))
    gap = {
        folds: np.diff(propensity(trial(), noise, "boosting", folds=folds).table["mean"])[0] for folds in (1, 5)
    }
    assert gap[1] > 0.03
    assert abs(gap[5]) < 0.02


@pytest.mark.parametrize(
    ("ratio", "lower", "upper", "common", "expected"),
    [
        (3.9, 1.8, 8.7, False, [7.26, 3.0]),  # VanderWeele and Ding: breastfeeding and respiratory death
        (0.8, 0.71, 0.91, False, [1.81, 1.43]),  # theirs: breastfeeding and childhood leukaemia
        (1.2, 0.9, 1.6, False, [1.69, 1.0]),
    ],
)
def test_e_values_are_those_published(ratio, lower, upper, common, expected):
    assert e_value(ratio, lower, upper, common).table["e_value"].round(2).tolist() == expected


def test_a_negative_control_of_nothing_is_near_one(data):
    found = negative_controls(trial(), data, {"Injury": ("injury_months", "injury")}).table.iloc[0]
    assert found["lower"] < 1 < found["upper"]


# What may leave


def results(data):
    weighted = weigh(trial(), data)
    delayed = trial(treatment_start="start", grace_period=3)
    yield from (trial(), e_value(0.679, 0.567, 0.813))
    yield from (trial().check(data), weighted.scores, weighted, balance(weighted), hazard_ratio(weighted, cause=1))
    yield from (rmst_difference(weighted, 12), incidence_difference(weighted, 2, 12), survival_by_arm(weighted))
    yield incidence_by_arm(weighted, 1)
    yield from (doubly_robust(trial(), data, 12), sequential_trials(delayed, data, controls=2))
    yield from (clones(delayed, data, 1), negative_controls(trial(), data, {"Injury": ("injury_months", "injury")}))


def test_every_result_has_a_safe_form_that_says_what_was_done_and_passes_the_scan(data, tmp_path):
    policy = Policy(11, 5)
    for place, result in enumerate(results(data)):
        safe = result.disclose(policy)
        assert safe.of == type(result).__name__
        assert "mark" in safe.table
        (tmp_path / f"{place}_{safe.of}.html").write_text(safe._repr_html_(), encoding="utf-8")
        if hasattr(safe, "figure"):
            (tmp_path / f"{place}_{safe.of}.json").write_text(safe.figure().to_json(), encoding="utf-8")
        assert len(result._repr_html_()) > 100
    assert scan([tmp_path]).ok


def test_a_safe_form_holds_no_count_that_is_not_rounded(data):
    for result in results(data):
        for table in result.disclose(Policy(11, 5)).tables.values():
            for name in ("n", "n_risk", "patients", "events", "rows", "low", "high", "alone", "left_arm"):
                if name in table:
                    counts = table[name].dropna().astype(int)
                    assert (counts % 5 == 0).all() and (counts >= 10).all(), (result, name)


def test_a_control_of_many_trials_is_one_patient(data):
    trials = sequential_trials(trial(treatment_start="start", grace_period=3), data)
    controls = trials.data[trials.data["treated"] == 0]
    assert len(controls) > 5 * controls["patient_of_trial"].nunique()
    died = controls.loc[controls["cause"] > 0, "patient_of_trial"].nunique()
    left = controls.loc[controls["lost"] == 1, "patient_of_trial"].nunique()
    assert trials.table.loc[0, ["events", "left_arm"]].tolist() == [died, left]
    weighted = weigh(trials.trial, trials.data)
    assert weighted.table["events"].iloc[0] == died
    followed = controls.groupby("patient_of_trial")["months"].max()
    own = survival_by_arm(weighted, [0, 6, 12]).table.query("group == 'control'")
    assert own["n_risk"].tolist() == [(followed >= time).sum() for time in (0, 6, 12)]


def test_between_the_times_of_a_safe_curve_nobody_is_lost_or_enough_are(data):
    lost = data.assign(months=np.where(data.index % 3 == 0, data["months"] / 2, data["months"]))
    lost["cause"] = np.where(data.index % 3 == 0, 0, lost["cause"])
    safe = survival_by_arm(weigh(trial(), lost)).disclose(Policy(11, 5)).table
    for arm, label in enumerate(("control", "treated")):
        own = lost[lost["treated"] == arm]
        gone = own.loc[own["cause"] == 0, "months"].to_numpy()
        told = safe.loc[safe["group"] == label, "time"]
        between = np.diff([(gone < time).sum() for time in told])
        assert len(told) > 5
        assert ((between == 0) | (between >= 11)).all()


def test_the_safe_form_of_a_contrast_hides_what_five_patients_could_move(data):
    exact = rmst_difference(weigh(trial(), data), 12)
    safe = exact.disclose(Policy(11, 5))
    assert (safe.table["estimate"] - exact.table["estimate"]).abs().max() < 0.1
    assert (safe.table["estimate"] * 10 % 1).round(6).isin([0, 1]).all()


def test_a_small_arm_has_no_safe_form(data):
    few = pd.concat([data[data["treated"] == 0], data[data["treated"] == 1].head(9)])
    weighted = weigh(trial(covariates="age"), few)
    for result in (weighted, weighted.scores, rmst_difference(weighted, 12), hazard_ratio(weighted)):
        with pytest.raises(DisclosureError, match="no safe form"):
            result.disclose(Policy(11, 5))


def test_where_a_policy_is_in_force_the_safe_form_is_shown(data, monkeypatch):
    from paillasse.disclosure import policy

    monkeypatch.setattr(policy, "_in_force", Policy())
    tighten(Policy(11, 5))
    assert "safe form" in repr(weigh(trial(), data))


def test_a_trial_of_another_outcome_is_made_by_replacing_its_columns(data):
    other = replace(trial(), duration="injury_months", event="injury")
    assert weigh(other, data).table["events"].sum() == data["injury"].sum()


@pytest.mark.parametrize("policy", [Policy(11, 5), Policy(20, 5), Policy(11, 1), Policy(5, 3)], ids=str)
def test_a_safe_form_can_be_kept_read_and_released(data, policy):
    for result in results(data):
        safe = result.disclose(policy)
        name = type(result).__name__
        assert as_json(from_json(as_json(safe), name)) == as_json(safe)
        need_counts_of_the_policy(safe, policy, name)
        drawn = name in ("MarginalHazardRatio", "WeightedSurvival", "NegativeControls")
        assert (picture(safe) is not None) == drawn
