"""Cox's proportional hazards model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtr
from scipy.stats import rankdata

from paillasse.errors import InputError, did_you_mean
from paillasse.survival._concordance import harrell
from paillasse.survival._counts import counts
from paillasse.survival._design import Design, design, parsed
from paillasse.survival._input import Columns, Outcome, half_width, outcome
from paillasse.survival._partial_likelihood import (
    Evaluation,
    RiskSets,
    evaluate,
    risk_sets,
    score_residuals,
    second_moment,
)
from paillasse.survival.kaplan_meier import product_limit
from paillasse.tables import Shown, View, rows_left_out

TIES = ("efron", "breslow")
TRANSFORMS = ("km", "rank", "identity", "log")
MOST_STEPS = 50


@dataclass(frozen=True)
class _Fit:
    """What the methods of a model need of its fit; patient-level, so never shown nor stored with a result."""

    outcome: Outcome
    design: Design
    x: np.ndarray  # the design, centred and scaled
    center: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    sets: RiskSets
    at: Evaluation


@dataclass(frozen=True, repr=False)
class CoxModel(Shown):
    """A fitted Cox model.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a coefficient: `term`, `coef`, `hazard_ratio` = exp(coef), `std_err` (of coef; robust where asked),
        `naive_std_err` (from the information), `lower` and `upper` (of the hazard ratio), `z`, `p_value` (Wald).
    log_likelihood, null_log_likelihood, score_statistic : float
        The log partial likelihood at the estimate and at 0, and the score test's χ² at 0.
    concordance : float
        Harrell's C of the linear predictor.
    covariance : numpy.ndarray
        Covariance of the coefficients (p × p; robust where asked).
    n, n_events, n_dropped : int
        Rows used, events among them, rows left out for missing values.
    """

    table: pd.DataFrame
    covariance: np.ndarray
    log_likelihood: float
    null_log_likelihood: float
    score_statistic: float
    concordance: float
    n: int
    n_events: int
    n_dropped: int
    ties: str
    conf_level: float
    _fit: _Fit

    @property
    def baseline(self) -> pd.DataFrame:
        """Baseline cumulative hazard at covariates 0: `stratum` (code), `time`, `cumulative_hazard`.

        A step's hazard is its weight over the sum of risks, Efron's parts included, as R's `basehaz(centered = FALSE)`.
        """
        fit = self._fit
        hazard = np.bincount(fit.sets.step_time, fit.at.hazard, fit.sets.size)
        at_zero = np.exp(-fit.center @ self.table["coef"].to_numpy())
        table = pd.DataFrame(
            {"stratum": fit.sets.stratum, "time": fit.sets.time, "cumulative_hazard": hazard * at_zero}
        )
        table["cumulative_hazard"] = table.groupby("stratum")["cumulative_hazard"].cumsum()
        return table

    def linear_predictor(self, data: pd.DataFrame) -> np.ndarray:
        """xβ of each row of `data`, less its mean in the fitted rows; NaN where a covariate is missing."""
        return (self._fit.design.of(data) - self._fit.center) @ self.table["coef"].to_numpy()

    def predict_survival(self, data: pd.DataFrame, times: Sequence[float]) -> np.ndarray:
        """Predicted survival, one row for each row of `data`, one column for each of `times`.

        Times after the last one observed give NaN, since the baseline is not known there.
        """
        fit = self._fit
        if fit.sets.stratum[-1] > 0:
            raise InputError("Predicted survival needs one baseline; this model has strata.")
        times = np.atleast_1d(np.asarray(times, dtype=float))
        cumulative = np.append(0.0, np.cumsum(np.bincount(fit.sets.step_time, fit.at.hazard, fit.sets.size)))
        baseline = cumulative[np.searchsorted(fit.sets.time, times, side="right")]
        baseline = np.where(times > fit.outcome.duration.max(), np.nan, baseline)
        return np.exp(-np.outer(np.exp(self.linear_predictor(data)), baseline))

    def proportional_hazards(self, transform: str = "km", terms: bool = True) -> pd.DataFrame:
        """Score test for coefficients that change with g(time), as R's `cox.zph` since version 3.0.

        Parameters
        ----------
        transform : {"km", "rank", "identity", "log"}
            g of an event time: one minus the Kaplan-Meier estimate of all rows just before it, its rank among all
            durations, itself, its logarithm.
        terms : bool
            A row a model term (R's default), else a row a coefficient.

        Returns
        -------
        pandas.DataFrame
            `term`, `statistic` (χ²), `df`, `p_value`; the last row, GLOBAL, tests all together.

        References
        ----------
        Grambsch and Therneau (1994), Biometrika 81:515; the exact test, not their approximation.
        """
        if transform not in TRANSFORMS:
            raise InputError(f"transform={transform!r} is not known. {did_you_mean(transform, TRANSFORMS)}")
        fit = self._fit
        sets, x = fit.sets, fit.x
        g = _transformed(transform, fit.outcome, sets)
        g = g - np.average(g[sets.place])
        moments = []
        for power in range(3):
            weight = sets.step_weight * g[sets.step_time] ** power
            second = second_moment(sets, x, fit.weights * fit.at.risk, fit.at.hazard * g[sets.step_time] ** power)
            moments.append(second - fit.at.mean.T @ (weight[:, None] * fit.at.mean))
        died = fit.weights[sets.at_event] * g[sets.place]
        score = died @ x[sets.at_event] - (sets.step_weight * g[sets.step_time]) @ fit.at.mean
        # What of the interaction's information the main effects do not already hold.
        information = moments[2] - moments[1] @ np.linalg.solve(moments[0], moments[1])
        listed = fit.design.terms if terms else {name: [i] for i, name in enumerate(fit.design.names)}
        rows = []
        for name, places in (listed | {"GLOBAL": list(range(len(score)))}).items():
            part = score[places]
            statistic = float(part @ np.linalg.solve(information[np.ix_(places, places)], part))
            rows.append([name, statistic, len(places), float(chdtrc(len(places), statistic))])
        return pd.DataFrame(rows, columns=["term", "statistic", "df", "p_value"])

    def figure(self, title: str = ""):
        """The hazard ratios with their limits, as a forest plot."""
        from paillasse.figures import forest

        return forest(self.table, label="term", title=title, conf_level=self.conf_level)

    def view(self) -> View:
        title = f"Cox model ({self.ties.capitalize()} ties): {self.n} patients, {self.n_events} events"
        columns = ["term", "hazard_ratio", "lower", "upper", "coef", "std_err", "z", "p_value"]
        level = f"lower and upper: {self.conf_level:.0%} limits of the hazard ratio."
        fit = f"Concordance {self.concordance:.3f}; log likelihood {self.log_likelihood:.2f}."
        return View(title, self.table[columns], (level, fit, *rows_left_out(self.n_dropped)))


def cox(
    data: pd.DataFrame,
    duration: str,
    event: str,
    formula: str | Sequence[str],
    entry: str | None = None,
    strata: Columns | None = None,
    weights: str | None = None,
    cluster: Columns | None = None,
    robust: bool = False,
    ties: str = "efron",
    conf_level: float = 0.95,
) -> CoxModel:
    r"""Fit Cox's proportional hazards model by maximum partial likelihood.

    .. math:: h_i(t) = h_0(t) \exp(x_i^\top \beta)

    Parameters
    ----------
    data : pandas.DataFrame
        A row a patient, or with `entry` a row an interval. Rows with a missing value in a column used are left out.
    duration, event, entry : str
        Columns of the follow-up time, of the event (1 or True, else 0 or False) and of the time of delayed entry;
        a row is at risk for entry < t ≤ duration.
    formula : str or list of str
        Covariates in R's notation (read by formulaic), e.g. ``"age + C(stage)"``, or a list of columns.
    strata : str or list of str, optional
        Columns whose values have a baseline hazard each.
    weights : str, optional
        Column of case weights.
    cluster : str or list of str, optional
        Columns whose values share an unknown dependence; asks for the robust variance summed within clusters.
    robust : bool
        Robust (sandwich) variance; each row is its own cluster if `cluster` names none.
    ties : {"efron", "breslow"}
        Efron's approximation is R's and lifelines' default, Breslow's is scikit-survival's.
    conf_level : float
        Level of the limits.

    Returns
    -------
    CoxModel

    Raises
    ------
    InputError
        If a column is missing or not usable, a term is constant or a combination of others, there is no event, or a
        coefficient has no finite estimate (a covariate that separates the events).

    References
    ----------
    Cox (1972), J R Stat Soc B 34:187. Efron (1977), J Am Stat Assoc 72:557. Lin and Wei (1989), J Am Stat Assoc
    84:1074.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"t": [1, 2, 3, 4, 5, 6], "e": [1, 1, 1, 1, 0, 1], "x": [1, 0, 1, 0, 0, 1]})
    >>> cox(data, "t", "e", formula="x").table[["term", "coef"]].round(4)
      term    coef
    0    x  0.2739
    """
    if ties not in TIES:
        raise InputError(f"ties={ties!r} is not known. {did_you_mean(ties, TIES)}")
    z_limit = half_width(conf_level)
    right, needed = parsed(formula, data)
    seen = outcome(data, duration, event, entry=entry, weights=weights, strata=strata, cluster=cluster, complete=needed)
    if not seen.event.any():
        raise InputError(f"There is no event in column {event!r}, so no hazard can be modelled.")
    built = design(right, data.iloc[seen.rows], seen.rows)
    mass = np.ones(seen.n) if seen.weights is None else seen.weights
    # Centred and scaled, so that a covariate of a huge scale costs no digits; coefficients are scaled back at the end.
    center, scale = built.matrix.mean(axis=0), built.matrix.std(axis=0)
    x = (built.matrix - center) / scale
    sets = risk_sets(seen.duration, seen.event, seen.entry, mass, seen.stratum, ties)
    null = evaluate(sets, x, mass, np.zeros(x.shape[1]))
    beta, at = _maximise(sets, x, mass, null, built.names)
    naive = np.linalg.inv(at.information)
    covariance = naive
    if robust or cluster is not None:
        influence = mass[:, None] * score_residuals(sets, x, at) @ naive
        if seen.cluster is not None:
            influence = np.column_stack([np.bincount(seen.cluster, column) for column in influence.T])
        covariance = influence.T @ influence
    fit = _Fit(seen, built, x, center, scale, mass, sets, at)
    return CoxModel(
        table=_table(built.names, beta / scale, covariance, naive, scale, z_limit),
        covariance=covariance / np.outer(scale, scale),
        log_likelihood=at.log_likelihood,
        null_log_likelihood=null.log_likelihood,
        score_statistic=float(null.gradient @ np.linalg.solve(null.information, null.gradient)),
        concordance=harrell(seen.duration, seen.event, x @ beta, seen.weights, seen.entry, seen.stratum),
        n=seen.n,
        n_events=int(seen.event.sum()),
        n_dropped=seen.n_dropped,
        ties=ties,
        conf_level=conf_level,
        _fit=fit,
    )


def _maximise(sets, x, mass, null: Evaluation, names) -> tuple[np.ndarray, Evaluation]:
    """Newton's method with step halving, to the last digits that doubles hold."""
    beta, at = np.zeros(x.shape[1]), null
    for _ in range(MOST_STEPS):
        try:
            step = np.linalg.solve(at.information, at.gradient)
        except np.linalg.LinAlgError:
            step = np.full_like(beta, np.inf)
        if not np.isfinite(step).all() or np.abs(beta).max() > 50:
            break
        if np.abs(step).max() < 1e-11 * max(1.0, np.abs(beta).max()):
            return beta, at
        ahead = evaluate(sets, x, mass, beta + step)
        # A step that gains nothing is halved, unless all that is left is rounding.
        while (
            not ahead.log_likelihood >= at.log_likelihood - 1e-12 * abs(at.log_likelihood)
            and np.abs(step).max() > 1e-13
        ):
            step = step / 2
            ahead = evaluate(sets, x, mass, beta + step)
        beta, at = beta + step, ahead
    worst = names[int(np.argmax(np.abs(beta)))]
    raise InputError(
        f"The coefficient of term {worst!r} has no finite estimate: it grows without end, most often because the term "
        "separates rows with events from rows without. Leave it out or join its categories."
    )


def _table(names, coef, covariance, naive, scale, z_limit) -> pd.DataFrame:
    std_err, naive_std_err = np.sqrt(np.diag(covariance)) / scale, np.sqrt(np.diag(naive)) / scale
    z, width = coef / std_err, z_limit * std_err
    return pd.DataFrame(
        {
            "term": names,
            "coef": coef,
            "hazard_ratio": np.exp(coef),
            "std_err": std_err,
            "naive_std_err": naive_std_err,
            "lower": np.exp(coef - width),
            "upper": np.exp(coef + width),
            "z": z,
            "p_value": 2 * ndtr(-np.abs(z)),
        }
    )


def _transformed(transform: str, seen: Outcome, sets: RiskSets) -> np.ndarray:
    """g at each event time of the sets."""
    if transform == "identity":
        return sets.time
    if transform == "log":
        return np.log(sets.time)
    if transform == "rank":
        ranks = rankdata(seen.duration)[sets.at_event]  # among all rows, the censored too, as R ranks them
        return np.bincount(sets.place, ranks, sets.size) / np.bincount(sets.place, minlength=sets.size)
    pooled = counts(seen.duration, seen.event, seen.entry)
    before = np.append(1.0, product_limit(pooled))[np.searchsorted(pooled.time, sets.time, side="left")]
    return 1 - before
