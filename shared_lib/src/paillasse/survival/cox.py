"""Cox's proportional hazards model."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from paillasse.disclosure import Policy, Result
from paillasse.errors import InputError, did_you_mean
from paillasse.survival import _prediction
from paillasse.survival._concordance import Pairs, count_pairs
from paillasse.survival._cox_fit import coefficients, estimable, maximise, sandwich, standardise
from paillasse.survival._design import Design, design, parsed
from paillasse.survival._input import Columns, Outcome, codes_among, half_width, listed, outcome
from paillasse.survival._partial_likelihood import (
    Evaluation,
    RiskSets,
    evaluate,
    exposure,
    means_at_events,
    risk_sets,
    score_residuals,
)
from paillasse.survival._proportional_hazards import score_test, transformed
from paillasse.survival._smooth import smoothed
from paillasse.survival.bootstrap import Bootstrap, draws, summary
from paillasse.tables import View, rows_left_out

TIES = ("efron", "breslow")
RESIDUALS = ("martingale", "deviance", "score", "schoenfeld", "scaled_schoenfeld")


@dataclass(frozen=True)
class _Fit:
    """What the methods of a model need of its fit; patient-level, so never shown nor stored with a result."""

    outcome: Outcome
    design: Design
    kept: np.ndarray  # which of the design's columns have an estimate
    x: np.ndarray  # these columns, centred and scaled
    center: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    sets: RiskSets
    at: Evaluation
    beta: np.ndarray  # of the scaled columns
    covariance: np.ndarray  # of beta, robust where asked
    strata: list[str]

    @property
    def names(self) -> list[str]:
        return [name for name, kept in zip(self.design.names, self.kept) if kept]

    @property
    def terms(self) -> dict[str, list[int]]:
        """The places of each term's estimated columns among these."""
        place = np.cumsum(self.kept) - 1
        terms = {term: [int(place[i]) for i in columns if self.kept[i]] for term, columns in self.design.terms.items()}
        return {term: places for term, places in terms.items() if places}

    def scaled(self, data: pd.DataFrame) -> np.ndarray:
        """The same columns of other data, centred and scaled as the fitted ones."""
        return (self.design.of(data)[:, self.kept] - self.center) / self.scale


@dataclass(frozen=True, repr=False)
class CoxModel(Result):
    """A fitted Cox model.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a coefficient: `term`, `coef`, `hazard_ratio` = exp(coef), `std_err` (of coef; robust where asked),
        `naive_std_err` (from the information), `lower` and `upper` (of the hazard ratio), `z`, `p_value` (Wald). A
        column that is constant or a combination of those before it has no estimate (NaN), as in R, and is named.
    covariance : numpy.ndarray
        Covariance of the estimated coefficients (robust where asked).
    log_likelihood, null_log_likelihood, score_statistic : float
        The log partial likelihood at the estimate and at 0, and the score test's χ² at 0.
    concordance, concordance_std_err : float
        Harrell's C of the linear predictor, and its standard error.
    not_estimated : list of str
        Terms without an estimate.
    n, n_events, n_dropped : int
        Rows used, events among them, rows left out for missing values.
    """

    table: pd.DataFrame
    covariance: np.ndarray
    log_likelihood: float
    null_log_likelihood: float
    score_statistic: float
    not_estimated: list[str]
    n: int
    n_events: int
    n_dropped: int
    ties: str
    conf_level: float
    _fit: _Fit

    @property
    def concordance(self) -> float:
        """Harrell's C of the linear predictor, within strata."""
        return self._pairs.value

    @property
    def concordance_std_err(self) -> float:
        """Its standard error, by the infinitesimal jackknife; summed within clusters where the model has them."""
        return self._pairs.std_err(self._fit.outcome.cluster)

    @cached_property
    def _pairs(self) -> Pairs:
        """The pairs that the concordance counts, counted when first asked for."""
        seen, score = self._fit.outcome, self._fit.x @ self._fit.beta
        return count_pairs(seen.duration, seen.event, score, seen.weights, seen.entry, seen.stratum)

    @property
    def baseline(self) -> pd.DataFrame:
        """Baseline cumulative hazard at covariates 0: `stratum`, `time`, `cumulative_hazard`.

        A step's hazard is its weight over the sum of risks, Efron's parts included, as R's `basehaz(centered = FALSE)`.
        """
        fit = self._fit
        at_zero = float(np.exp(-(fit.center / fit.scale) @ fit.beta))
        return _prediction.baseline(fit.sets, fit.at, fit.outcome.strata_labels, at_zero)

    def linear_predictor(self, data: pd.DataFrame) -> np.ndarray:
        """xβ of each row of `data`, less its mean in the fitted rows; NaN where a covariate is missing."""
        return self._fit.scaled(data) @ self._fit.beta

    def predict_survival(self, data: pd.DataFrame, times: Sequence[float]) -> np.ndarray:
        """Predicted survival, one row for each row of `data`, one column for each of `times`.

        Each row is predicted from the baseline of its own stratum. Times after the last one observed give NaN, since
        the baseline is not known there.
        """
        fit, times = self._fit, np.atleast_1d(np.asarray(times, dtype=float))
        risk, stratum = np.exp(self.linear_predictor(data)), self._strata_of(data)
        survival = np.full((len(data), len(times)), np.nan)
        for code in np.unique(stratum):
            rows = stratum == code
            hazard = _prediction.cumulative_hazard(fit.sets, fit.at, code, times)
            known = times <= fit.outcome.duration[fit.outcome.stratum == code].max()
            survival[np.ix_(rows, known)] = np.exp(-np.outer(risk[rows], hazard[known]))
        return survival

    def predict(self, data: pd.DataFrame, times: Sequence[float], conf_level: float | None = None) -> pd.DataFrame:
        """Predicted survival with limits, for a few rows: a line for each row of `data` and each time.

        Returns
        -------
        pandas.DataFrame
            `row` (position in `data`), `time`, `survival`, `std_err` (of the survival), `lower`, `upper` (on the log
            scale, as R's `survfit(model, newdata)`); NaN after the last time observed.
        """
        fit, times = self._fit, np.atleast_1d(np.asarray(times, dtype=float))
        z = half_width(self.conf_level if conf_level is None else conf_level)
        stratum, parts = self._strata_of(data), []
        for row, x in enumerate(fit.scaled(data)):
            place = (fit.sets, fit.at, fit.covariance, stratum[row], times)
            hazard, error = _prediction.limits(*place, x, fit.beta)
            known = times <= fit.outcome.duration[fit.outcome.stratum == stratum[row]].max()
            survival = np.where(known, np.exp(-hazard), np.nan)
            limits = {"lower": survival * np.exp(-z * error), "upper": np.minimum(survival * np.exp(z * error), 1)}
            limits["upper"] = np.where(known, limits["upper"], np.nan)
            part = {"row": row, "time": times, "survival": survival, "std_err": survival * error, **limits}
            parts.append(pd.DataFrame(part))
        return pd.concat(parts, ignore_index=True)

    def residuals(self, kind: str) -> pd.DataFrame:
        """Residuals of the fitted rows, as R's `residuals.coxph`.

        Parameters
        ----------
        kind : {"martingale", "deviance", "score", "schoenfeld", "scaled_schoenfeld"}
            The last two have a line an event, in order of time, and a column `time`.

        Returns
        -------
        pandas.DataFrame
            `row` (position in the data that was fitted), then `residual`, or a column a coefficient.
        """
        if kind not in RESIDUALS:
            raise InputError(f"kind={kind!r} is not known. {did_you_mean(kind, RESIDUALS)}")
        fit = self._fit
        if kind in ("martingale", "deviance"):
            values = fit.sets.event - fit.at.risk * exposure(fit.sets, fit.at.a)
            if kind == "deviance":
                left = np.where(fit.sets.event, np.log(np.where(fit.sets.event, 1 - values, 1)), 0)
                values = np.sign(values) * np.sqrt(-2 * (values + left))
            return pd.DataFrame({"row": fit.outcome.rows, "residual": values})
        if kind == "score":
            values = np.concatenate([block for _, block in score_residuals(fit.sets, fit.x, fit.at)])
            return self._by_coefficient(values * fit.scale, {"row": fit.outcome.rows})
        at_event = np.flatnonzero(fit.sets.event)
        order = np.argsort(fit.sets.place, kind="stable")
        values = (fit.x[at_event] - means_at_events(fit.sets, fit.at)[fit.sets.place])[order]
        if kind == "scaled_schoenfeld":
            naive = np.linalg.inv(fit.at.information)
            values = (values @ naive * len(at_event) + fit.beta) / fit.scale
        else:
            values = values * fit.scale
        told = {"row": fit.outcome.rows[at_event][order], "time": fit.sets.time[fit.sets.place][order]}
        return self._by_coefficient(values, told)

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
        fit = self._fit
        g = transformed(transform, fit.outcome, fit.sets)
        listed_terms = fit.terms if terms else {name: [i] for i, name in enumerate(fit.names)}
        return score_test(g, fit.sets, fit.x, fit.weights, fit.at, listed_terms)

    def coefficients_over_time(self, transform: str = "km") -> pd.DataFrame:
        """Each coefficient as it may change with time: smoothed scaled Schoenfeld residuals, as R's `plot(cox.zph)`.

        A natural spline of g(time) with four coefficients is fitted to the residuals. It is drawn at 40 times, whatever
        the number of events, so that it shows no patient.

        Parameters
        ----------
        transform : {"km", "rank", "identity", "log"}
            g, as in :meth:`proportional_hazards`.

        Returns
        -------
        pandas.DataFrame
            `term`, `time`, `coef` (log hazard ratio at that time), `lower`, `upper`, `overall` (the model's).
        """
        fit = self._fit
        residuals = self.residuals("scaled_schoenfeld").drop(columns=["row", "time"]).to_numpy()
        g = transformed(transform, fit.outcome, fit.sets)
        if len(np.unique(g)) < 4:
            raise InputError("Coefficients over time need events at 4 times or more.")
        at = np.linspace(g.min(), g.max(), 40)
        smooth, leverage = smoothed(np.sort(g[fit.sets.place]), residuals, at, df=4)
        order = np.argsort(g, kind="stable")
        times = np.interp(at, g[order], fit.sets.time[order])
        naive = np.diag(np.linalg.inv(fit.at.information)) * len(residuals) / fit.scale**2
        z, parts = half_width(self.conf_level), []
        for place, name in enumerate(fit.names):
            width = z * np.sqrt(naive[place] * leverage)
            limits = {"lower": smooth[:, place] - width, "upper": smooth[:, place] + width}
            part = {"term": name, "time": times, "coef": smooth[:, place], **limits}
            parts.append(pd.DataFrame(part | {"overall": fit.beta[place] / fit.scale[place]}))
        return pd.concat(parts, ignore_index=True)

    def term_tests(self) -> pd.DataFrame:
        """Tests that all coefficients of a term are 0, the other terms staying in the model.

        Returns
        -------
        pandas.DataFrame
            `term`, `df`, `wald` (χ², with the robust variance where asked) and `wald_p_value`, `likelihood_ratio` (χ²,
            from a fit without the term's columns) and `likelihood_ratio_p_value`.
        """
        fit, rows = self._fit, []
        for term, places in fit.terms.items():
            part, df = fit.beta[places], len(places)
            wald = float(part @ np.linalg.solve(fit.covariance[np.ix_(places, places)], part))
            without = np.delete(fit.x, places, axis=1)
            null = evaluate(fit.sets, without, fit.weights, np.zeros(without.shape[1]))
            names = [name for place, name in enumerate(fit.names) if place not in places]
            evaluated = partial(evaluate, fit.sets, without, fit.weights)
            reduced = maximise(evaluated, null, names)[1] if names else null
            ratio = 2 * (self.log_likelihood - reduced.log_likelihood)
            rows.append([term, df, wald, float(chdtrc(df, wald)), ratio, float(chdtrc(df, max(ratio, 0)))])
        columns = ["term", "df", "wald", "wald_p_value", "likelihood_ratio", "likelihood_ratio_p_value"]
        return pd.DataFrame(rows, columns=columns)

    def bootstrap(self, n: int, seed: int) -> Bootstrap:
        """Fit the model again on `n` cohorts drawn with replacement from its rows (or clusters, where it has them).

        Shows a progress bar in a terminal. The same `seed` draws the same cohorts.
        """
        from rich.progress import track

        fit, seen = self._fit, self._fit.outcome
        estimates, n_failed = [], 0
        drawn = draws(seen.n, seen.cluster, n, seed)
        for rows in track(drawn, "Bootstrap", total=n, transient=True, disable=not _in_a_terminal()):
            entry = None if seen.entry is None else seen.entry[rows]
            x, weights = fit.x[rows], fit.weights[rows]
            if not seen.event[rows].any():
                n_failed += 1
                continue
            sets = risk_sets(seen.duration[rows], seen.event[rows], entry, weights, seen.stratum[rows], self.ties)
            evaluated = partial(evaluate, sets, x, weights)
            try:
                estimates.append(maximise(evaluated, None, fit.names, start=fit.beta)[0] / fit.scale)
            except InputError:
                n_failed += 1
        if len(estimates) < 2:
            raise InputError("The bootstrap has fewer than 2 fits; draw more, or simplify the model.")
        return summary(fit.names, fit.beta / fit.scale, np.array(estimates), n_failed, self.conf_level)

    def figure_over_time(self, time_unit: str = "", title: str = "", divide_time_by: float = 1.0):
        """The coefficients over time, a panel a term: a flat line is proportional hazards."""
        from paillasse.figures import coefficients_over_time

        table = self.coefficients_over_time()
        return coefficients_over_time(table.assign(time=table["time"] / divide_time_by), time_unit, title)

    def figure(self, title: str = ""):
        """The hazard ratios with their limits, as a forest plot."""
        from paillasse.figures import forest

        return forest(self.table, label="term", title=title, conf_level=self.conf_level)

    def _safe(self, policy: Policy):
        from paillasse.survival._safe_models import safe_cox

        return safe_cox(self, policy)

    def view(self) -> View:
        title = f"Cox model ({self.ties.capitalize()} ties): {self.n} patients, {self.n_events} events"
        columns = ["term", "hazard_ratio", "lower", "upper", "coef", "std_err", "z", "p_value"]
        notes = [f"lower and upper: {100 * self.conf_level:g}% limits of the hazard ratio."]
        notes.append(
            f"Concordance {self.concordance:.3f} (standard error {self.concordance_std_err:.3f}); "
            f"log likelihood {self.log_likelihood:.2f}."
        )
        if self.not_estimated:
            named = ", ".join(self.not_estimated)
            notes.append(f"Without an estimate, constant or a combination of the terms before: {named}.")
        return View(title, self.table[columns], (*notes, *rows_left_out(self.n_dropped)))

    def _strata_of(self, data: pd.DataFrame) -> np.ndarray:
        return codes_among(data, self._fit.strata, self._fit.outcome.strata_labels)

    def _by_coefficient(self, values: np.ndarray, told: dict) -> pd.DataFrame:
        return pd.DataFrame(told | dict(zip(self._fit.names, values.T)))


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
        If a column is missing or not usable, there is no event, no term varies, or a coefficient has no finite
        estimate (a covariate that separates the events).

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
    built, x = design(right, data if not seen.n_dropped else data[needed].iloc[seen.rows], seen.rows)
    mass = np.ones(seen.n) if seen.weights is None else seen.weights
    sets = risk_sets(seen.duration, seen.event, seen.entry, mass, seen.stratum, ties)
    # Centred and scaled, so that a covariate of a huge scale costs no digits; coefficients are scaled back at the end.
    center, scale = standardise(x)
    null = evaluate(sets, x, mass, np.zeros(x.shape[1]))
    kept = estimable(null.information, sets.mass.sum())
    if not kept.any():
        raise InputError("No term of the formula varies among the rows at risk, so none has an estimate.")
    if not kept.all():
        center, scale, x = center[kept], scale[kept], np.ascontiguousarray(x[:, kept])
        null = evaluate(sets, x, mass, np.zeros(x.shape[1]))
    names = [name for name, estimated in zip(built.names, kept) if estimated]
    beta, at = maximise(partial(evaluate, sets, x, mass), null, names)
    naive = np.linalg.inv(at.information)
    covariance = sandwich(sets, x, mass, at, naive, seen.cluster) if robust or cluster is not None else naive

    def errors(variance):
        return np.sqrt(np.diag(variance)) / scale

    fit = _Fit(seen, built, kept, x, center, scale, mass, sets, at, beta, covariance, listed(strata))
    return CoxModel(
        table=coefficients(built.names, kept, beta / scale, errors(covariance), errors(naive), z_limit),
        covariance=covariance / np.outer(scale, scale),
        log_likelihood=at.log_likelihood,
        null_log_likelihood=null.log_likelihood,
        score_statistic=float(null.gradient @ np.linalg.solve(null.information, null.gradient)),
        not_estimated=[name for name, estimated in zip(built.names, kept) if not estimated],
        n=seen.n,
        n_events=int(seen.event.sum()),
        n_dropped=seen.n_dropped,
        ties=ties,
        conf_level=conf_level,
        _fit=fit,
    )


def _in_a_terminal() -> bool:
    """Whether a bar can be drawn: in a notebook it would end up in the stored outputs."""
    return sys.stderr.isatty() and sys.stdout.isatty()
