"""Many combinations: the sums are those of plain loops, the influence is the derivative, bad input is refused."""

from dataclasses import replace

import combinations_by_hand as by_hand
import numpy as np
import pandas as pd
import pytest

from paillasse.disclosure import Policy
from paillasse.effects import combination_effects, simulated_world
from paillasse.effects._starts import fit_starts
from paillasse.effects._trials import Followed, _of_controls, contrast, first_cause, mean_survival
from paillasse.effects.simulation import COVARIATES
from paillasse.errors import DisclosureError, InputError

NAMES = list(COVARIATES)
TRIAL = simulated_world(seed=3).trial()
EDGES = np.array([0, 5, 10])
WINDOW = 30


@pytest.fixture(scope="module")
def patients():
    return simulated_world(seed=3, n_partners=8, n_classes=2).patients(6000, seed=3)


@pytest.fixture(scope="module")
def effects(patients):
    return combination_effects(TRIAL, patients)


@pytest.fixture(scope="module")
def few():
    """A hundred patients, two partners started over ten days, two causes."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((100, 2))
    end = rng.integers(2, 60, 100).astype(float)
    cause = rng.integers(0, 3, 100)
    partner = np.where(rng.random(100) < 0.4, rng.integers(0, 2, 100), -1)
    start = np.where(partner >= 0, np.minimum(rng.integers(0, 10, 100), end - 1), np.inf)
    last = np.minimum(end - 1, start)
    days = np.clip(last[:, None] + 1 - EDGES[None, :-1], 0, np.diff(EDGES))
    band = np.searchsorted(EDGES, np.where(partner >= 0, start, 0), side="right") - 1
    return fit_starts(x, days, partner, band, 2), Followed(end, cause, start, partner)


def test_the_weighted_mean_of_those_alone_is_that_of_plain_loops(few):
    starts, followed = few
    alive = replace(followed, cause=(followed.cause == 1).astype(int))
    made = contrast(starts, alive, EDGES, WINDOW, 1, mean_survival)
    given = (alive.end, alive.cause, alive.start, alive.partner, EDGES, WINDOW)
    expected = [by_hand.mean_alone(starts, *given, code) for code in (0, 1)]
    np.testing.assert_allclose(made.alone, expected, rtol=1e-12)


@pytest.mark.parametrize(("functional", "causes"), [(mean_survival, 1), (first_cause, 2)])
def test_a_controls_influence_is_the_derivative_by_his_weight(few, functional, causes):
    starts, followed = few
    starts = replace(starts, hazard=np.zeros_like(starts.hazard))  # so that a patient's weight moves nobody else's
    followed = replace(followed, cause=np.minimum(followed.cause, causes))
    has = np.flatnonzero(followed.partner >= 0)
    given = (followed.start[has].astype(int), followed.partner[has], np.bincount(followed.partner[has]))
    _, _, influence = _of_controls(starts, followed, EDGES, *given, WINDOW, causes, functional)
    for patient in (0, 17, 63):
        moved = []
        for step in (1e-5, -1e-5):
            relative = starts.relative.copy()
            relative[patient] *= 1 + step
            other = replace(starts, relative=relative)
            moved.append(_of_controls(other, followed, EDGES, *given, WINDOW, causes, functional)[0])
        np.testing.assert_allclose(influence[patient], (moved[0] - moved[1]) / 2e-5, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(("functional", "causes"), [(mean_survival, 1), (first_cause, 2)])
def test_influences_sum_to_nothing(few, functional, causes):
    starts, followed = few
    followed = replace(followed, cause=np.minimum(followed.cause, causes))
    made = contrast(starts, followed, EDGES, WINDOW, causes, functional)
    scale = np.abs(made.influence).sum(axis=0)
    penalty = starts.score_along(np.ones((2, 2))).sum(axis=0)  # the ridge's pull, which the score does not cancel
    assert np.abs(penalty).max() < 0.2
    assert (np.abs(made.influence.sum(axis=0)) < 0.05 * scale).all()


def test_weights_balance_the_covariates(effects):
    assert (effects.balance["largest_before"] > 0.1).any()
    assert effects.balance["largest_after"].max() < 0.1


def test_one_combination_is_what_sequential_trials_of_it_alone_give(patients):
    from paillasse.effects import TargetTrial, reweigh_lost, rmst_difference, sequential_trials, weigh

    own = simulated_world(seed=3, n_partners=2, n_classes=1, started=0.3).patients(1500, seed=4)
    made = combination_effects(TRIAL, own, horizon=12).table.iloc[0]
    is_first = own["partner"] == made["partner"]
    own["first_start"] = own["partner_start"].where(is_first)
    own["other_start"] = own["partner_start"].where(~is_first)
    own["first"] = is_first.astype(int)
    trial = TargetTrial(
        eligibility="all", arms={0: "alone", 1: "together"}, assignment="lot", time_zero="start", follow_up="a year",
        outcome="death", contrast="in the treated", analysis="weights", treatment="first", duration="duration",
        event="death", covariates=NAMES, grace_period=90, treatment_start="first_start", time_unit="days",
    )  # fmt: skip
    trials = sequential_trials(trial, own, other_start="other_start")
    weighted = weigh(trials.trial, trials.data, "overlap")
    weighted = reweigh_lost(weighted, trials.data, lost="lost", every=30)
    other = rmst_difference(weighted, tau=365).difference.iloc[0]
    month = 365.25 / 12
    assert abs(made["delta_rmst"] - other["difference"] / month) < 0.25 * made["delta_rmst_std_err"]
    assert made["delta_rmst_std_err"] == pytest.approx(other["std_err"] / month, rel=0.15)


def test_the_order_of_the_rows_does_not_matter(patients, effects):
    shuffled = combination_effects(TRIAL, patients.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(shuffled.table, effects.table, rtol=1e-7)
    np.testing.assert_allclose(shuffled.covariance, effects.covariance, rtol=1e-6, atol=1e-12)


def test_standard_errors_are_the_roots_of_the_covariance(effects):
    errors = effects.table[["delta_rmst_std_err", "delta_toxicity_std_err"]].to_numpy().T.ravel()
    np.testing.assert_allclose(np.sqrt(np.diag(effects.covariance)), errors)
    assert np.linalg.eigvalsh(effects.covariance).min() > 0


def test_who_never_could_have_started_does_not_count_as_immortal(patients):
    """Ever against never from the backbone's start gains months by immortal time alone; trials by day do not."""
    world = simulated_world(seed=3, n_partners=8, n_classes=2, without_effect=1.0)
    drawn = world.patients(20_000, seed=5)
    trials = combination_effects(TRIAL, drawn).table["delta_rmst"].mean()
    alive = np.minimum(drawn["duration"], 730) / (365.25 / 12)
    naive = alive[drawn["partner"] != "none"].mean() - alive[drawn["partner"] == "none"].mean()
    assert naive > 1.5
    assert abs(trials) < 0.25


def test_limits_hold_the_truth_and_the_estimates_are_not_biased():
    world = simulated_world(seed=7, n_partners=24, n_classes=4)
    table = combination_effects(TRIAL, world.patients(30_000, seed=7)).table.set_index("partner")
    truth = world.truth(n=5000).set_index("partner").loc[table.index]
    for name, most in (("delta_rmst", 0.25), ("delta_toxicity", 0.01)):
        inside = (table[f"{name}_lower"] <= truth[name]) & (truth[name] <= table[f"{name}_upper"])
        assert inside.mean() >= 0.87
        assert abs((table[name] - truth[name]).mean()) < most


@pytest.mark.slow
def test_coverage_is_that_of_the_limits_over_many_worlds():
    inside, z, toxic = [], [], []
    for seed in range(101, 113):
        world = simulated_world(seed=seed, n_partners=30, n_classes=5)
        table = combination_effects(TRIAL, world.patients(40_000, seed=seed)).table.set_index("partner")
        truth = world.truth(n=5000).set_index("partner").loc[table.index]
        z += ((table["delta_rmst"] - truth["delta_rmst"]) / table["delta_rmst_std_err"]).tolist()
        true = truth["delta_toxicity"]
        toxic += ((table["delta_toxicity_lower"] <= true) & (true <= table["delta_toxicity_upper"])).tolist()
    inside = np.abs(z) < 1.959964
    assert 0.92 < inside.mean() < 0.98
    assert 0.92 < np.mean(toxic) < 0.985
    assert 0.9 < np.std(z) < 1.1


def test_partners_that_cannot_be_estimated_are_listed_with_the_reason(patients):
    data = patients.copy()
    rare = data.index[data["partner"] == "partner_02"][10:]
    data.loc[rare, ["partner", "partner_class", "partner_start"]] = ["none", "none", np.nan]
    immortal = data.index[data["partner"] == "partner_03"]
    data.loc[immortal, ["duration", "toxicity_time"]] = 900
    data.loc[immortal, ["death", "toxicity"]] = 0
    made = combination_effects(TRIAL, data)
    reasons = made.not_estimable.set_index("partner")["reason"]
    assert "fewer than 40" in reasons["partner_02"]
    assert "none of its starters died" in reasons["partner_03"]
    assert len(made.table) + len(made.not_estimable) == 8
    assert made.covariance.shape == (12, 12)


def test_separated_arms_have_no_estimate(patients):
    data = patients.assign(only=(patients["partner"] == "partner_01").astype(int) * 1.0)
    lost = combination_effects(replace(TRIAL, covariates=[*NAMES, "only"]), data).not_estimable
    reasons = lost.set_index("partner")["reason"]
    assert "nobody alone is like its starters" in reasons["partner_01"]


BAD = {
    "a column that is not there": ({}, {"duration": "days"}, {}, "no column 'days'"),
    "a start without a day": ({"partner_start": np.nan}, {}, {}, "no day for a partner"),
    "a start before the backbone": ({"partner_start": -3.0}, {}, {}, "2 patients started treatment before time zero"),
    "a start after the end": ({"partner_start": 9999.0}, {}, {}, "2 patients started treatment after their follow-up"),
    "a covariate of later": ({"age": 70.0}, {"measured_at": {"age": "age"}}, {}, "'age' measured after time zero"),
    "negative follow-up": ({"duration": -1.0}, {}, {}, "negative durations"),
    "a death that is neither": ({"death": 2}, {}, {}, "1 for death"),
    "a toxicity of a fourth kind": ({"toxicity": 3}, {}, {}, "2 for death without"),
    "a toxicity after the end": ({"toxicity_time": 99_999}, {}, {}, "is after 'duration'"),
    "everybody with a partner": ({}, {"arms": {"nobody": "alone", "partner": "both"}}, {}, "nobody without a partner"),
    "no grace period": ({}, {"grace_period": 0}, {}, "a positive `grace_period`"),
    "covariates that are alike": ({}, {"covariates": "alike"}, {}, "No covariate differs between patients"),
    "a horizon of nothing": ({}, {}, {"horizon": 0}, "horizon must be a positive number"),
    "arms that are too small": ({}, {}, {"least": 10_000}, "No partner can be estimated"),
}


@pytest.mark.parametrize(("changed", "trial", "asked", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_without_a_patients_value(patients, changed, trial, asked, message):
    data = patients.assign(alike=1)
    has = data.index[data["partner"] != "none"][:2]
    for name, value in changed.items():
        data[name] = data[name].astype(float)
        data.loc[has, name] = value
    with pytest.raises(InputError, match=message) as refused:
        combination_effects(replace(TRIAL, **trial), data, **asked)
    assert str(data.loc[has[0], "age"]) not in str(refused.value)


def test_a_partner_of_two_classes_is_refused(patients):
    data = patients.copy()
    data.loc[data.index[data["partner"] == "partner_01"][0], "partner_class"] = "class_b"
    with pytest.raises(InputError, match="more than one value of 'partner_class'"):
        combination_effects(TRIAL, data)


def test_rows_with_missing_values_are_left_out_and_counted(patients, effects):
    data = patients.copy()
    data.loc[data.index[:7], "age"] = np.nan
    made = combination_effects(TRIAL, data)
    assert made.n_dropped == 7
    assert made.n == effects.n - 7
    assert "7 rows were left out" in repr(made)


def test_the_safe_form_shows_no_small_count_and_no_finer_difference_than_its_arms(effects):
    safe = effects.disclose(Policy(11, 5))
    table = safe.table
    assert (table[["n", "deaths"]] >= 11).all().all()
    assert (table[["n", "deaths"]] % 5 == 0).all().all()
    np.testing.assert_allclose(table["delta_rmst"], table["rmst_started"] - table["rmst_alone"], atol=1e-6)
    few = effects.table["toxicities"] < 11
    hidden = table.set_index("partner").loc[effects.table.loc[few, "partner"], "delta_toxicity"]
    assert few.any()
    assert hidden.isna().all()


def test_there_is_no_safe_form_where_no_arm_is_large_enough(effects):
    with pytest.raises(DisclosureError, match="join partners to classes"):
        effects.disclose(Policy(5000, 5))


def test_figures_draw_every_partner_and_the_safe_one_carries_its_notes(effects):
    figure = effects.figure()
    assert sorted(figure.layout.yaxis.categoryarray) == sorted(effects.table["partner"])
    assert "Safe form" in effects.disclose(Policy(11, 5)).figure().layout.annotations[0].text


def test_misclassified_partners_keep_their_number_and_lose_their_effect():
    world = simulated_world(seed=3, n_partners=8, n_classes=2)
    right, wrong = (world.patients(2000, seed=1, misclassified=share) for share in (0, 0.2))
    other = (right["partner"] != wrong["partner"]).sum()
    has = (right["partner"] != "none").sum()
    assert (wrong["partner"] != "none").sum() == has
    assert 0.1 * has < other < 0.2 * has


def test_the_truth_is_what_drawn_patients_show_without_confounding():
    """With everybody's choice by lot, a plain comparison from the day of starting has the truth in its limits."""
    world = simulated_world(seed=5, n_partners=2, n_classes=1, started=0.5)
    world = replace(world, _habits=np.zeros_like(world._habits))
    made = combination_effects(world.trial(["age"]), world.patients(60_000, seed=9)).table.set_index("partner")
    truth = world.truth(n=20_000).set_index("partner")
    for name in ("delta_rmst", "delta_toxicity"):
        assert (abs(made[name] - truth[name]) < 3 * made[f"{name}_std_err"]).all()


def test_worlds_with_impossible_shares_are_refused():
    with pytest.raises(InputError, match="shares"):
        simulated_world(seed=1, started=1.2)
    with pytest.raises(InputError, match="n_classes"):
        simulated_world(seed=1, n_partners=3, n_classes=4)
