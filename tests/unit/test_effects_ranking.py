"""Ranking: shrinkage that keeps coverage, probabilities that are calibrated, specification curves, synergy."""

import numpy as np
import pandas as pd
import pytest

from paillasse.disclosure import Policy
from paillasse.effects import (
    CombinationEffects,
    combination_effects,
    rank,
    simulated_world,
    specification_curve,
    synergy,
)
from paillasse.effects.ranking import _draws, _posterior_of_spreads
from paillasse.errors import DisclosureError, InputError

TRIAL = simulated_world(seed=2).trial(["age", "poor_performance"])


def estimated(delta, error, toxicity=None, classes=3, n=500, shared=0.0):
    """Effects as if estimated: independent, or with a covariance of `shared` between partners."""
    size = len(delta)
    labels = [f"p{number:02d}" for number in range(size)]
    toxicity = np.zeros(size) if toxicity is None else toxicity
    table = pd.DataFrame({"partner": labels, "partner_class": [f"c{number % classes}" for number in range(size)]})
    table["n"], table["deaths"], table["toxicities"] = n, n // 2, n // 10
    for name, value, spread in (("delta_rmst", delta, error), ("delta_toxicity", toxicity, np.full(size, 0.01))):
        table[name], table[f"{name}_std_err"] = value, spread
        table[f"{name}_lower"], table[f"{name}_upper"] = value - 1.96 * spread, value + 1.96 * spread
    covariance = np.diag(np.concatenate([np.asarray(error) ** 2, np.full(size, 1e-4)]))
    covariance[:size, :size] += shared
    index = pd.MultiIndex.from_product([["rmst", "toxicity"], labels])
    none = pd.DataFrame(columns=["partner", "partner_class", "n", "reason"])
    frame = pd.DataFrame(covariance, index, index)
    return CombinationEffects(table, none, pd.DataFrame(), frame, 24, 12, 91, 0.95, 10_000, 0)


def hierarchy(rng, size=24, classes=4, between=0.8, within=0.5):
    true = rng.normal(0, between, classes)[np.arange(size) % classes] + rng.normal(0, within, size)
    error = rng.uniform(0.2, 0.9, size)
    return true, true + error * rng.standard_normal(size), error


@pytest.fixture(scope="module")
def ranked():
    seen, error = hierarchy(np.random.default_rng(4))[1:]
    toxicity = np.random.default_rng(5).normal(0.02, 0.02, len(seen))
    return rank(estimated(seen, error, toxicity, classes=4), penalties=[0, 6], best=5)


def test_draws_have_the_mean_and_spread_of_the_normal_posterior():
    rng = np.random.default_rng(1)
    size, together = 5, np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]], float)
    estimate = rng.normal(0, 1, 2 * size)
    root = rng.normal(0, 0.3, (2 * size, 2 * size))
    covariance = root @ root.T + 0.1 * np.eye(2 * size)
    settings = [np.tile([0.5, 0.7], (400, 1)), np.tile([0.2, 0.3], (400, 1))]
    drawn = _draws(estimate, covariance, together, settings, 50, rng)
    prior = np.zeros_like(covariance)
    for place, (between, within) in enumerate(((0.5, 0.7), (0.2, 0.3))):
        part = slice(place * size, (place + 1) * size)
        wide = 10 * np.abs(estimate[part]).max()
        prior[part, part] = between**2 * together @ together.T + within**2 * np.eye(size) + wide**2
    kept = prior @ np.linalg.inv(prior + covariance)
    spread = np.sqrt(np.diag(prior - kept @ prior))
    np.testing.assert_allclose(drawn.mean(axis=0), kept @ estimate, atol=4 * spread.max() / np.sqrt(len(drawn)))
    np.testing.assert_allclose(drawn.std(axis=0), spread, rtol=0.03)


def test_the_posterior_of_the_spreads_is_that_of_the_estimates_law():
    """With few partners the weight of a setting is the density of the estimates under it, the mean integrated out."""
    from scipy.stats import multivariate_normal

    estimate, covariance = np.array([0.3, -0.4, 1.2, 0.9]), np.diag([0.1, 0.2, 0.15, 0.3])
    together = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], float)
    grid, weight = _posterior_of_spreads(estimate, covariance, together)
    flat = 1e4 * np.ones((4, 4))
    some = slice(0, None, 29)
    wholes = [covariance + b**2 * together @ together.T + w**2 * np.eye(4) + flat for b, w in grid[some]]
    density = np.array([multivariate_normal.pdf(estimate, np.zeros(4), whole) for whole in wholes])
    np.testing.assert_allclose(weight[some] / weight[some].sum(), density / density.sum(), rtol=1e-3)


def test_probabilities_of_being_among_the_best_sum_to_their_number(ranked):
    np.testing.assert_allclose(ranked.table.groupby("penalty")["probability_best"].sum(), 5)


def test_uncertain_effects_are_drawn_further_to_their_class_than_certain_ones():
    effects = estimated(np.array([2.0, 2.0, 0.1, -0.1, 0.0, 0.1]), np.array([1.5, 0.1, 0.3, 0.3, 0.3, 0.3]), classes=1)
    shrunk = rank(effects, best=2).effects["delta_rmst"]
    assert shrunk[0] < shrunk[1] - 0.5
    assert shrunk[1] == pytest.approx(2, abs=0.1)


def test_a_penalty_moves_a_toxic_partner_down():
    delta = np.linspace(-0.5, 1.0, 12)
    toxicity = np.zeros(12)
    toxicity[-1] = 0.25
    ranking = rank(estimated(delta, np.full(12, 0.1), toxicity, classes=2), penalties=[0, 12], best=3)
    chance = ranking.table.set_index(["penalty", "partner"])["probability_best"]
    assert chance[0, "p11"] > 0.9
    assert chance[12, "p11"] < 0.1


def test_a_discovery_is_sure_and_its_q_value_surer(ranked):
    found = ranked.table[ranked.table["discovery"]]
    assert len(found)
    assert (found["false_sign"] <= ranked.q).all()
    assert (found["q_value"] <= found["false_sign"] + 1e-12).all()


def test_the_same_seed_gives_the_same_ranking():
    effects = estimated(np.linspace(-1, 1, 9), np.full(9, 0.4))
    pd.testing.assert_frame_equal(rank(effects, best=3).table, rank(effects, best=3).table)


def test_limits_cover_and_probabilities_are_calibrated_where_the_prior_holds():
    rng = np.random.default_rng(11)
    inside, chance, is_best, false = [], [], [], []
    for _ in range(6):
        true, seen, error = hierarchy(rng)
        ranking = rank(estimated(seen, error, classes=4), penalties=[0], best=6)
        effects = ranking.effects
        inside += ((effects["delta_rmst_lower"] <= true) & (true <= effects["delta_rmst_upper"])).tolist()
        table = ranking.table.sort_values("partner")
        chance += table["probability_best"].tolist()
        is_best += (np.argsort(np.argsort(-true)) < 6).tolist()
        false += (true[table["discovery"].to_numpy()] <= 0).tolist()
    chance, is_best = np.array(chance), np.array(is_best)
    assert 0.91 < np.mean(inside) < 0.985
    likely = chance > 0.5
    assert abs(chance[likely].mean() - is_best[likely].mean()) < 0.1
    assert np.mean(false) < 0.1


@pytest.mark.slow
def test_coverage_is_kept_over_many_hierarchies_where_plugging_in_loses_it():
    rng = np.random.default_rng(12)
    inside, plugged = [], []
    for _ in range(150):
        true, seen, error = hierarchy(rng, between=0.5, within=0.3)
        effects = rank(estimated(seen, error, classes=4), penalties=[0], best=5).effects
        inside += ((effects["delta_rmst_lower"] <= true) & (true <= effects["delta_rmst_upper"])).tolist()
        for number in range(4):
            own = np.arange(len(true)) % 4 == number
            weight = 1 / error[own] ** 2
            mean = np.average(seen[own], weights=weight)
            excess = (weight * (seen[own] - mean) ** 2).sum() - (own.sum() - 1)
            spread = max(0, excess / (weight.sum() - (weight**2).sum() / weight.sum()))
            kept = spread / (spread + error[own] ** 2)
            away = np.abs(mean + kept * (seen[own] - mean) - true[own])
            plugged += (away <= 1.96 * np.sqrt(kept) * error[own]).tolist()
    assert 0.935 < np.mean(inside) < 0.97
    assert np.mean(plugged) < 0.85


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (dict(penalties=[]), "penalties are months"),
        (dict(penalties=[-1]), "penalties are months"),
        (dict(best=9), "best must be"),
        (dict(q=0), "q lies between"),
    ],
)
def test_rankings_that_cannot_be_are_refused(asked, message):
    with pytest.raises(InputError, match=message):
        rank(estimated(np.linspace(-1, 1, 9), np.full(9, 0.4)), **({"best": 3} | asked))


def test_two_partners_have_no_ranking():
    with pytest.raises(InputError, match="at least three"):
        rank(estimated(np.array([0.0, 1.0]), np.array([0.1, 0.1])))


def test_a_penalty_that_was_not_asked_for_cannot_be_drawn(ranked):
    with pytest.raises(InputError, match="no penalty 7"):
        ranked.figure_utility(7)


def test_the_safe_ranking_leaves_out_small_arms_and_few_toxicities():
    effects = estimated(np.linspace(-1, 1, 9), np.full(9, 0.4))
    effects.table.loc[0, ["n", "deaths"]] = 15, 4
    effects.table.loc[1, "toxicities"] = 3
    safe = rank(effects, penalties=[0, 6], best=3).disclose(Policy(11, 5))
    told = safe.table.groupby("penalty")["partner"].agg(set)
    assert "p00" not in told[0] | told[6] | set(safe.effects["partner"])
    assert "p01" in told[0]
    assert "p01" not in told[6]
    assert safe.effects.set_index("partner")["delta_toxicity"].isna()["p01"]
    assert (safe.table["utility"] == safe.table["utility"].round(2)).all()


def test_no_safe_ranking_where_all_arms_are_small():
    effects = estimated(np.linspace(-1, 1, 4), np.full(4, 0.4), n=12)
    with pytest.raises(DisclosureError, match="join partners"):
        rank(effects, best=2).disclose(Policy(11, 5))


def test_a_ranking_never_shows_an_order_without_its_uncertainty(ranked):
    shown = ranked.view().table
    assert {"lower", "upper", "probability_best", "false_sign"} <= set(shown.columns)
    drawn = ranked.figure_utility(6).data
    assert all(trace.error_x.array is not None for trace in drawn)
    assert ranked.figure().data[0].z.max() <= 1


def sweep():
    rows = [
        {"run": f"r{horizon}{cut}", "horizon": horizon, "cut": cut, "gain": horizon / 24 + shift, "low": shift - 0.5,
         "high": horizon / 24 + shift + 0.4}
        for horizon in (12, 24) for cut, shift in (("a", 0.0), ("b", 0.3))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_specification_curve_is_in_order_and_tells_what_a_choice_moves():
    curve = specification_curve(sweep(), ["horizon", "cut"], "gain", "low", "high")
    assert curve.table["estimate"].is_monotonic_increasing
    moved = curve.by_choice.set_index(["choice", "value"])["median"]
    assert moved["cut", "b"] - moved["cut", "a"] == pytest.approx(0.3)
    assert "4 of 4 above 0, 0 with limits that leave 0 out" in repr(curve)


def test_a_specification_curve_draws_every_choice():
    figure = specification_curve(sweep(), ["horizon", "cut"], "gain", "low", "high").figure()
    assert list(figure.layout.yaxis2.ticktext) == ["horizon: 12", "horizon: 24", "cut: a", "cut: b"]


def test_specifications_without_an_estimate_are_counted():
    table = sweep()
    table.loc[0, ["gain", "low", "high"]] = np.nan
    assert specification_curve(table, ["horizon", "cut"], "gain", "low", "high").n_without == 1


@pytest.mark.parametrize(
    ("choices", "changed", "message"),
    [
        (["horizon"], {}, "Two rows have the same horizon"),
        ([], {}, "at least one"),
        (["horizon", "cut"], {"gain": 9.0}, "do not hold 'gain'"),
        (["horizon", "cut"], {"gain": np.nan}, "No specification has an estimate"),
    ],
)
def test_sweeps_that_are_no_curve_are_refused(choices, changed, message):
    with pytest.raises(InputError, match=message):
        specification_curve(sweep().assign(**changed), choices, "gain", "low", "high")


def test_the_safe_specification_curve_has_two_digits():
    safe = specification_curve(sweep().assign(gain=0.12345), ["horizon", "cut"], "gain", "low", "high").disclose()
    assert (safe.table["estimate"] == 0.12).all()


def alone(world, factor, seed):
    """Patients who had the partner without the backbone, whose time is shorter by a factor."""
    drawn = world.patients(8000, seed=seed)
    drawn = drawn[drawn["partner"] == "partner_01"].copy()
    left = (drawn["duration"] - drawn["partner_start"]) * factor
    return drawn.assign(duration=np.ceil(left.clip(lower=1)), death=1)


def test_a_combination_that_beats_the_backbone_but_not_the_partner_is_not_said_to_beat_both():
    world = simulated_world(seed=2, n_partners=3, n_classes=1)
    world.partners.loc[0, "log_hazard_ratio"] = -0.8
    patients = world.patients(12_000, seed=1)
    effects = combination_effects(TRIAL, patients)
    weak = synergy(effects, patients, alone(world, 0.5, 5)).table.iloc[0]
    strong = synergy(effects, patients, alone(world, 1.6, 5)).table.iloc[0]
    assert weak["versus_backbone"] > 1
    assert weak["excess"] == min(weak["versus_backbone"], weak["versus_partner"])
    assert weak["p_value"] < 0.01
    assert strong["excess"] == strong["versus_partner"] < 0
    assert strong["p_value"] > 0.5


def test_partners_nobody_had_alone_are_listed():
    world = simulated_world(seed=2, n_partners=3, n_classes=1)
    patients = world.patients(8000, seed=1)
    made = synergy(combination_effects(TRIAL, patients), patients, alone(world, 0.5, 5))
    assert made.not_estimable["reason"].str.contains("had it alone").all()
    assert len(made.not_estimable) == 2
    with pytest.raises(InputError, match="'partner_01': fewer than 40 patients had it alone"):
        synergy(combination_effects(TRIAL, patients), patients, alone(world, 0.5, 5).head(5))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"duration": -1}, "negative durations"),
        ({"death": "y"}, "must hold numbers"),
        ({"poor_performance": np.nan}, "nobody is in arm 'partner alone'"),
    ],
)
def test_patients_alone_who_cannot_be_are_refused(changed, message):
    world = simulated_world(seed=2, n_partners=3, n_classes=1)
    patients = world.patients(8000, seed=1)
    others = alone(world, 0.5, 5).assign(**changed)
    with pytest.raises(InputError, match=message):
        synergy(combination_effects(TRIAL, patients), patients, others)


@pytest.mark.parametrize("policy", [Policy(11, 5), Policy(20, 10)], ids=str)
def test_safe_forms_are_whole_again_when_read_and_pass_the_look_at_their_counts(policy):
    from paillasse.disclosure.kept import as_json, from_json
    from paillasse.release.support import need_counts_of_the_policy

    world = simulated_world(seed=2, n_partners=6, n_classes=2)
    patients = world.patients(8000, seed=1)
    others = world.patients(8000, seed=5).query("partner == 'partner_01'")
    effects = combination_effects(TRIAL, patients)
    curve = specification_curve(sweep(), ["horizon", "cut"], "gain", "low", "high")
    made = [effects, rank(effects, best=2), curve, synergy(effects, patients, others)]
    for result in made:
        safe = result.disclose(policy)
        need_counts_of_the_policy(safe, policy, safe.of)
        assert as_json(from_json(as_json(safe), safe.of)) == as_json(safe)
        assert "(safe form)" in repr(safe)
