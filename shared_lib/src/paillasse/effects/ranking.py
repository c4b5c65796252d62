"""Which combination deserves a trial: effects shrunk by class, and the probability of being among the best."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from paillasse.disclosure import Policy, Result
from paillasse.effects.combinations import MOST_SHOWN, CombinationEffects
from paillasse.errors import InputError
from paillasse.survival._input import half_width
from paillasse.tables import View

SPREADS = 24  # values of each standard deviation on the grid of the prior
SETTINGS = 400  # pairs of settings of the prior from which effects are drawn
OUTCOMES = ("rmst", "toxicity")


@dataclass(frozen=True, repr=False)
class Ranking(Result):
    """Benefit against risk, with what is known of the order.

    There is no plain order: who wants one reads `probability_best`, or draws `.figure()`.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each penalty and partner, by mean utility within a penalty: `penalty` (months given up to avoid one
        toxicity), `partner`, `partner_class`, `utility`, `lower`, `upper` (months; posterior mean and quantiles),
        `probability_best` (of being among the `best`), `false_sign` (probability that the utility is not positive),
        `discovery` (it is at most `q`), `q_value` (its mean over this partner and all that are surer: the expected
        share of false discoveries if one stops here).
    effects : pandas.DataFrame
        A row a partner, shrunk: `partner`, `partner_class`, `delta_rmst`, `delta_rmst_lower`, `delta_rmst_upper`
        (months), `delta_toxicity`, `delta_toxicity_lower`, `delta_toxicity_upper` (risk).
    spread : pandas.DataFrame
        A row an outcome: `outcome`, `between_classes`, `within_classes`: posterior means of the standard deviations.
    not_estimable : pandas.DataFrame
        As in :class:`CombinationEffects`.
    best : int
    q : float
        The bound on `false_sign` of a discovery.
    source : CombinationEffects
        What was ranked.
    """

    table: pd.DataFrame
    effects: pd.DataFrame
    spread: pd.DataFrame
    not_estimable: pd.DataFrame
    best: int
    q: float
    conf_level: float
    source: CombinationEffects

    def figure(self, title: str = ""):
        """The probability of being among the best, for each penalty, by partner."""
        from paillasse.figures import probabilities_best

        return probabilities_best(self.table, title, self.best)

    def figure_utility(self, penalty: float | None = None, title: str = ""):
        """Each partner's utility with its limits at one penalty (the first, if none is named)."""
        from paillasse.figures import utilities

        return utilities(at_penalty(self.table, penalty), title, self.conf_level)

    def _safe(self, policy: Policy):
        from paillasse.effects._safe_combinations import safe_ranking

        return safe_ranking(self, policy)

    def view(self) -> View:
        penalties = self.table["penalty"].unique()
        notes = [
            f"Utility: months gained less the penalty times the added risk of toxicity; {100 * self.conf_level:g}% "
            "limits, shrunk by class, with the uncertainty of the shrinkage. An order by utility alone would hide how "
            "much of it is chance: read the probability of being among the best.",
            f"Discoveries: each is not positive with a probability of at most {100 * self.q:g}%; q is their mean.",
        ]
        if len(self.not_estimable):
            notes.append(f"{len(self.not_estimable)} partners are not estimable: see `not_estimable`.")
        shown = at_penalty(self.table, None).drop(columns="penalty")
        if len(shown) > MOST_SHOWN:
            shown = shown.head(MOST_SHOWN)
            notes.append(f"The first {MOST_SHOWN}; `.table` has all, at all penalties.")
        return View(f"Benefit and risk at penalty {penalties[0]:g} (of {len(penalties)})", shown, tuple(notes))


@threadpool_limits.wrap(limits=1)  # many small products: threads would wait for each other, at seven times the CPU
def rank(
    effects: CombinationEffects,
    penalties: Sequence[float] = (0, 3, 6, 12),
    best: int = 10,
    q: float = 0.1,
    draws: int = 4000,
    seed: int = 0,
) -> Ranking:
    r"""Shrink the effects by class and tell what is known of their order.

    For each outcome the estimates of the K partners are normal about the true effects with their joint covariance V
    (from :func:`combination_effects`); the effect of partner k is

    .. math:: \theta_k = \mu + \gamma_{class(k)} + \delta_k, \quad
        \gamma \sim N(0, \omega^2),\ \delta \sim N(0, \tau^2),

    with flat priors on μ, ω and τ, integrated over a grid: plugging in their best values (empirical Bayes) makes the
    limits too narrow. Both outcomes are drawn together given V; all probabilities are shares of the draws.

    Parameters
    ----------
    effects : CombinationEffects
    penalties : list of float
        λ in U = ΔRMST - λ Δtoxicity: months of life that one would give up to avoid one certain toxicity.
    best : int
        Of the probability of being among the best.
    q : float
        A discovery's utility is not positive with at most this probability (its local false sign rate); the expected
        share of false ones among the discoveries, the Bayesian false discovery rate, is then lower still. Bounding that
        share alone would let the surest carry others that are nearly even bets.
    draws, seed : int
        Of the posterior; the same seed gives the same draws.

    Returns
    -------
    Ranking

    Raises
    ------
    InputError
        Fewer than three partners, no penalty or a negative one, or `best` or `q` out of range.

    References
    ----------
    Gelman (2006), Bayesian Anal 1:515 (flat priors on standard deviations). Stephens (2017), Biostatistics 18:275
    (false signs).

    Examples
    --------
    >>> from paillasse.effects import combination_effects, simulated_world
    >>> world = simulated_world(seed=1, n_partners=6, n_classes=2)
    >>> effects = combination_effects(world.trial(["age", "poor_performance"]), world.patients(4000, seed=1))
    >>> ranking = rank(effects, penalties=[0, 6], best=2)
    >>> bool(abs(ranking.table.groupby("penalty")["probability_best"].sum() - 2).max() < 1e-9)
    True
    """
    penalties = [float(each) for each in penalties]
    size = len(effects.table)
    if size < 3:
        raise InputError("A ranking needs at least three partners with an estimate; read their effects one by one.")
    if not penalties or not all(np.isfinite(each) and each >= 0 for each in penalties):
        raise InputError("penalties are months, not negative: e.g. [0, 3, 6, 12].")
    if not 1 <= best < size:
        raise InputError(f"best must be at least 1 and less than the {size} partners with an estimate.")
    if not 0 < q < 1:
        raise InputError("q lies between 0 and 1, both excluded, e.g. 0.1.")
    half_width(effects.conf_level)
    rng = np.random.default_rng(seed)
    estimate = np.concatenate([effects.table[f"delta_{outcome}"] for outcome in OUTCOMES])
    covariance = effects.covariance.to_numpy()
    together = pd.get_dummies(effects.table["partner_class"]).to_numpy(dtype=float)
    settings, spread = [], []
    for place, outcome in enumerate(OUTCOMES):
        own = slice(place * size, (place + 1) * size)
        grid, weight = _posterior_of_spreads(estimate[own], covariance[own, own], together)
        settings.append(grid[rng.choice(len(grid), SETTINGS, p=weight)])
        spread.append([outcome, *(weight @ grid)])
    drawn = _draws(estimate, covariance, together, settings, max(1, draws // SETTINGS), rng)
    ends = [(1 - effects.conf_level) / 2, (1 + effects.conf_level) / 2]
    labels = effects.table[["partner", "partner_class"]]
    shrunk = labels.copy()
    for place, outcome in enumerate(OUTCOMES):
        part = drawn[:, place * size : (place + 1) * size]
        shrunk[f"delta_{outcome}"] = part.mean(axis=0)
        shrunk[f"delta_{outcome}_lower"], shrunk[f"delta_{outcome}_upper"] = np.quantile(part, ends, axis=0)
    parts = []
    for penalty in penalties:
        utility = drawn[:, :size] - penalty * drawn[:, size:]
        lower, upper = np.quantile(utility, ends, axis=0)
        order = np.argsort(-utility, axis=1)[:, :best]
        share = np.bincount(order.ravel(), minlength=size) / len(utility)
        part = labels.assign(utility=utility.mean(axis=0), lower=lower, upper=upper, probability_best=share)
        part["false_sign"] = (utility <= 0).mean(axis=0)
        part["q_value"] = _q_values(part["false_sign"].to_numpy())
        part["discovery"] = part["false_sign"] <= q
        part.insert(0, "penalty", penalty)
        parts.append(part.sort_values("utility", ascending=False, kind="stable"))
    return Ranking(
        table=pd.concat(parts, ignore_index=True),
        effects=shrunk,
        spread=pd.DataFrame(spread, columns=["outcome", "between_classes", "within_classes"]),
        not_estimable=effects.not_estimable,
        best=best,
        q=q,
        conf_level=effects.conf_level,
        source=effects,
    )


def at_penalty(table: pd.DataFrame, penalty: float | None) -> pd.DataFrame:
    """The rows of one penalty, of the first if none is named."""
    known = table["penalty"].unique()
    if penalty is not None and penalty not in known:
        raise InputError(
            f"There is no penalty {penalty:g} in this ranking; it has {', '.join(f'{each:g}' for each in known)}."
        )
    return table[table["penalty"] == (known[0] if penalty is None else penalty)].reset_index(drop=True)


def _q_values(false_sign: np.ndarray) -> np.ndarray:
    order = np.argsort(false_sign, kind="stable")
    values = np.empty(len(order))
    values[order] = np.cumsum(false_sign[order]) / np.arange(1, len(order) + 1)
    return values


def _posterior_of_spreads(estimate: np.ndarray, covariance: np.ndarray, together: np.ndarray):
    """The grid of (ω, τ) and the posterior weight of each pair, μ integrated out."""
    most = 3 * max(estimate.std(), np.sqrt(np.diag(covariance).min()))
    values = np.linspace(0, most, SPREADS)
    grid = np.array([(between, within) for between in values for within in values])
    ones, blocks, own = np.ones(len(estimate)), together @ together.T, np.eye(len(estimate))
    height = np.empty(len(grid))
    for place, (between, within) in enumerate(grid):
        whole = covariance + between**2 * blocks + within**2 * own
        size = np.linalg.slogdet(whole)[1]
        solved = np.linalg.solve(whole, np.column_stack([ones, estimate]))
        precision = ones @ solved[:, 0]
        centred = estimate @ solved[:, 1] - (ones @ solved[:, 1]) ** 2 / precision
        height[place] = -0.5 * (size + np.log(precision) + centred)
    weight = np.exp(height - height.max())
    return grid, weight / weight.sum()


def _draws(estimate, covariance, together, settings, repeats: int, rng) -> np.ndarray:
    """Draws of both outcomes' effects: of the prior and of estimates from it, moved by what was estimated instead.

    (Matheron's rule: θ* + C (C + V)⁻¹ (estimate - θ* - e*) has the posterior's law; it needs no decomposition of it.)
    """
    size, wide = len(together), 10 * np.abs(estimate).reshape(2, -1).max(axis=1)
    lower = np.linalg.cholesky(covariance)
    blocks, own, shared = together @ together.T, np.eye(size), np.ones((size, size))
    drawn = []
    for number in range(SETTINGS):
        prior, effects = np.zeros((2 * size, 2 * size)), np.empty((2 * size, repeats))
        for place in range(2):
            part = slice(place * size, (place + 1) * size)
            between, within = settings[place][number]
            prior[part, part] = between**2 * blocks + within**2 * own + wide[place] ** 2 * shared
            effects[part] = wide[place] * rng.standard_normal(repeats) + within * rng.standard_normal((size, repeats))
            effects[part] += between * together @ rng.standard_normal((together.shape[1], repeats))
        seen = effects + lower @ rng.standard_normal((2 * size, repeats))
        effects += prior @ np.linalg.solve(covariance + prior, estimate[:, None] - seen)
        drawn.append(effects.T)
    return np.vstack(drawn)
