"""What people do with many combinations, and what it costs: the other methods of the benchmark of effects.

Each gives, for the partners asked for, the difference in mean survival to the horizon (months) and its standard error.
"""

import numpy as np
import pandas as pd

DAYS_A_MONTH = 365.25 / 12
STEPS = 8


def crude(data: pd.DataFrame, covariates: list[str], partners: list[str], window: int) -> pd.DataFrame:
    """Who ever started the partner against who never started any, both from the start of the backbone."""
    return _each(data, covariates, partners, window, adjusted=False, permuted=False)


def ever_treated(data: pd.DataFrame, covariates: list[str], partners: list[str], window: int) -> pd.DataFrame:
    """The same, with overlap weights: confounding is dealt with, immortal time is not."""
    return _each(data, covariates, partners, window, adjusted=True, permuted=False)


def permuted_dates(data: pd.DataFrame, covariates: list[str], partners: list[str], window: int) -> pd.DataFrame:
    """Who never started any is given the starting day of a random starter, and left out if dead by then."""
    return _each(data, covariates, partners, window, adjusted=True, permuted=True)


def naive_empirical_bayes(effects: pd.DataFrame) -> pd.DataFrame:
    """Estimates drawn to their class's mean as if the mean and the spread were known (moments, plugged in)."""
    estimate, error = effects["delta_rmst"].to_numpy(), effects["delta_rmst_std_err"].to_numpy()
    shrunk = np.empty((len(effects), 2))
    codes = pd.factorize(effects["partner_class"])[0]
    for code in range(codes.max() + 1):
        own = codes == code
        weight = 1 / error[own] ** 2
        mean = np.average(estimate[own], weights=weight)
        excess = (weight * (estimate[own] - mean) ** 2).sum() - (own.sum() - 1)
        spread = max(0.0, excess / (weight.sum() - (weight**2).sum() / weight.sum()))
        kept = spread / (spread + error[own] ** 2)
        shrunk[own, 0], shrunk[own, 1] = mean + kept * (estimate[own] - mean), np.sqrt(kept) * error[own]
    return pd.DataFrame({"partner": effects["partner"], "estimate": shrunk[:, 0], "std_err": shrunk[:, 1]})


def _each(data, covariates, partners, window, adjusted: bool, permuted: bool) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = data[covariates].to_numpy(float)
    x = np.column_stack([np.ones(len(x)), (x - x.mean(axis=0)) / x.std(axis=0)])
    time, death = data["duration"].to_numpy(), data["death"].to_numpy()
    name, start = data["partner"].to_numpy(), data["partner_start"].to_numpy()
    none = np.flatnonzero(name == "none")
    rows = []
    for partner in partners:
        own = np.flatnonzero(name == partner)
        others, late_own, late_others = none, np.zeros(len(own)), np.zeros(len(none))
        if permuted:
            late_own, late_others = start[own], rng.choice(start[own], len(none))
            alive = time[none] > late_others
            others, late_others = none[alive], late_others[alive]
        weight_own, weight_others = np.ones(len(own)), np.ones(len(others))
        if adjusted:
            score = _propensity(np.vstack([x[own], x[others]]), np.arange(len(own) + len(others)) < len(own))
            weight_own, weight_others = 1 - score[: len(own)], score[len(own) :]
        mean, error = _mean(time[own] - late_own, death[own], weight_own, window)
        mean_others, error_others = _mean(time[others] - late_others, death[others], weight_others, window)
        rows.append([partner, (mean - mean_others) / DAYS_A_MONTH, np.hypot(error, error_others) / DAYS_A_MONTH])
    return pd.DataFrame(rows, columns=["partner", "estimate", "std_err"])


def _propensity(x: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Logistic regression by Newton's method; the penalty only keeps a tiny arm from separating."""
    coef = np.zeros(x.shape[1])
    coef[0] = np.log(treated.mean() / (1 - treated.mean()))
    for _ in range(STEPS):
        score = 1 / (1 + np.exp(-x @ coef))
        information = (x * (score * (1 - score))[:, None]).T @ x + 1e-3 * np.eye(len(coef))
        coef = coef + np.linalg.solve(information, x.T @ (treated - score) - 1e-3 * coef)
    return 1 / (1 + np.exp(-x @ coef))


def _mean(time, event, weight, window: int) -> tuple[float, float]:
    """The weighted restricted mean and its standard error with the weights taken as known."""
    time = time.astype(int)
    late = np.minimum(time, window + 1)
    died = np.bincount(late, weight * event, window + 2)[: window + 1]
    at_risk = np.cumsum(np.bincount(late, weight, window + 2)[::-1])[::-1][: window + 1]
    hazard = died / np.maximum(at_risk, 1e-12)
    survival = np.cumprod(1 - hazard)
    area = np.cumsum(survival[:window])
    ahead = np.append(0.0, area[-1] - area)
    pull = -ahead / np.maximum(1 - hazard, 1e-12) / np.maximum(at_risk, 1e-12)
    spent = np.cumsum(pull * hazard)
    hit = (time <= window) & (event == 1)
    influence = -spent[np.minimum(time, window)] + np.where(hit, pull[np.minimum(time, window)], 0.0)
    return area[-1], np.sqrt(((weight * influence) ** 2).sum())
