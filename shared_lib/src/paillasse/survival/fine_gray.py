"""Fine and Gray's model of the subdistribution hazard: covariates' effect on the cumulative incidence of one cause."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.errors import InputError, did_you_mean
from paillasse.survival import _subdistribution as subdistribution
from paillasse.survival._cox_fit import coefficients, estimable, maximise, standardise
from paillasse.survival._design import Design, design, parsed
from paillasse.survival._input import half_width, outcome_by_cause
from paillasse.tables import View, rows_left_out

TIES = {"finegray": "efron", "crr": "breslow"}  # each variance's ties where none are asked for


@dataclass(frozen=True)
class _Fit:
    """What the methods of a model need of its fit; patient-level, so never shown nor stored with a result."""

    design: Design
    kept: np.ndarray  # which columns of the design have an estimate
    center: np.ndarray
    beta: np.ndarray  # in the unit of each covariate
    time: np.ndarray
    hazard: np.ndarray  # the baseline's, at each of these times and at the mean covariates
    end: float  # the last follow-up
    x: np.ndarray  # the kept columns, centred and scaled
    event: np.ndarray  # the rows of x with an event of the cause


@dataclass(frozen=True, repr=False)
class FineGrayModel(Result):
    """A fitted Fine-Gray model.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a coefficient: `term`, `coef`, `hazard_ratio` = exp(coef) (of the subdistribution), `std_err` (of coef;
        robust), `naive_std_err` (from the information), `lower` and `upper` (of the ratio), `z`, `p_value` (Wald). NaN
        for a term without an estimate.
    covariance : numpy.ndarray
        Robust covariance of the coefficients that have an estimate (p × p).
    log_likelihood, null_log_likelihood, score_statistic : float
        The weighted log partial likelihood at the estimate and at 0, and the score test's χ² at 0 (not robust).
    not_estimated : list of str
        Terms that are constant or a combination of those before them.
    cause, n, n_events, n_competing, n_dropped : int
        The cause's code; rows used, events of the cause and of others among them, rows left out for missing values.
    """

    table: pd.DataFrame
    covariance: np.ndarray
    log_likelihood: float
    null_log_likelihood: float
    score_statistic: float
    not_estimated: list[str]
    cause: int
    n: int
    n_events: int
    n_competing: int
    n_dropped: int
    ties: str
    variance: str
    conf_level: float
    _fit: _Fit

    @property
    def baseline(self) -> pd.DataFrame:
        """Baseline cumulative hazard of the subdistribution at covariates 0: `time`, `cumulative_hazard`."""
        fit = self._fit
        at_zero = np.exp(-fit.center @ fit.beta)
        return pd.DataFrame({"time": fit.time, "cumulative_hazard": np.cumsum(fit.hazard) * at_zero})

    def linear_predictor(self, data: pd.DataFrame) -> np.ndarray:
        """xβ of each row of `data`, less its mean in the fitted rows; NaN where a covariate is missing."""
        return (self._fit.design.of(data)[:, self._fit.kept] - self._fit.center) @ self._fit.beta

    def predict_incidence(self, data: pd.DataFrame, times: Sequence[float]) -> np.ndarray:
        """Predicted cumulative incidence of the cause, one row for each row of `data`, one column for each of `times`.

        Times after the last one observed give NaN, since the baseline is not known there.
        """
        fit, times = self._fit, np.atleast_1d(np.asarray(times, dtype=float))
        cumulative = np.append(0.0, np.cumsum(fit.hazard))[np.searchsorted(fit.time, times, side="right")]
        cumulative = np.where(times > fit.end, np.nan, cumulative)
        return -np.expm1(-np.outer(np.exp(self.linear_predictor(data)), cumulative))

    def figure(self, title: str = ""):
        """The subdistribution hazard ratios with their limits, as a forest plot."""
        from paillasse.figures import forest

        axis = "Subdistribution hazard ratio (log scale)"
        return forest(self.table, label="term", title=title, axis=axis, conf_level=self.conf_level)

    def _safe(self, policy: Policy):
        from paillasse.survival._safe_models import safe_fine_gray

        return safe_fine_gray(self, policy)

    def view(self) -> View:
        title = (
            f"Fine-Gray model of cause {self.cause} ({self.ties.capitalize()} ties): {self.n} patients, "
            f"{self.n_events} events, {self.n_competing} competing events"
        )
        columns = ["term", "hazard_ratio", "lower", "upper", "coef", "std_err", "z", "p_value"]
        level = f"{100 * self.conf_level:g}%"
        notes = [f"lower and upper: {level} limits of the subdistribution hazard ratio, robust variance."]
        if self.not_estimated:
            named = ", ".join(self.not_estimated)
            notes.append(f"Without an estimate, constant or a combination of the terms before: {named}.")
        return View(title, self.table[columns], (*notes, *rows_left_out(self.n_dropped)))


def fine_gray(
    data: pd.DataFrame,
    duration: str,
    event: str,
    cause: int,
    formula: str | Sequence[str],
    variance: str = "finegray",
    ties: str | None = None,
    conf_level: float = 0.95,
) -> FineGrayModel:
    r"""Fit Fine and Gray's proportional hazards model of the subdistribution of one cause.

    .. math:: 1 - F_1(t \mid x) = \{1 - F_{1,0}(t)\}^{\exp(x^\top \beta)}

    Patients with a competing event stay at risk with the weight :math:`\hat G(t-)/\hat G(T_i-)`, where G is the
    Kaplan-Meier estimate of staying uncensored; the variance is robust (a sandwich), each row its own cluster.

    Parameters
    ----------
    data : pandas.DataFrame
        A row a patient. Rows with a missing value in a column used here are left out and counted.
    duration, event : str
        Columns of the follow-up time (any unit) and of the event: 0 = censored, 1, 2, … the cause.
    cause : int
        The code of the cause of interest; all others compete with it.
    formula : str or list of str
        Covariates in R's notation (read by formulaic), e.g. ``"age + C(stage)"``, or a list of columns.
    variance : {"finegray", "crr"}
        Whose answer is given. ``"finegray"`` takes the weights as known, as R's `finegray` and a robust `coxph` on its
        rows. ``"crr"`` adds that G was estimated, as `cmprsk::crr`. Where an event and a censoring are tied, crr
        counts the event's row at risk of that censoring and finegray does not, so the coefficients differ a little.
    ties : {"efron", "breslow"}, optional
        Of events; by default Efron's for ``"finegray"`` and Breslow's for ``"crr"``, which knows no other.
    conf_level : float
        Level of the limits.

    Returns
    -------
    FineGrayModel

    Raises
    ------
    InputError
        If a column is missing or not usable, the cause has no event, no term varies, or a coefficient has no finite
        estimate.

    References
    ----------
    Fine and Gray (1999), J Am Stat Assoc 94:496. Geskus (2011), Biometrics 67:39 (the weights).

    Examples
    --------
    The same as R's `coxph(Surv(fgstart, fgstop, fgstatus) ~ x, weights = fgwt, cluster = id)` on its `finegray` rows.

    >>> import pandas as pd
    >>> data = pd.DataFrame({"t": range(1, 9), "e": [1, 2, 1, 0, 2, 1, 0, 1], "x": [3, 1, 2, 2, 4, 2, 1, 1]})
    >>> fine_gray(data, "t", "e", cause=1, formula="x").table[["term", "coef", "std_err"]].round(6)
      term     coef   std_err
    0    x  0.09627  0.370977
    """
    if variance not in TIES:
        raise InputError(f"variance={variance!r} is not known. {did_you_mean(variance, TIES)}")
    ties = TIES[variance] if ties is None else ties
    if ties not in TIES.values():
        raise InputError(f"ties={ties!r} is not known. {did_you_mean(ties, TIES.values())}")
    if (variance, ties) == ("crr", "efron"):
        raise InputError('variance="crr" is of Breslow\'s likelihood; leave ties out, or take variance="finegray".')
    z_limit = half_width(conf_level)
    right, needed = parsed(formula, data)
    seen, codes = outcome_by_cause(data, duration, event, complete=needed)
    if isinstance(cause, bool) or not isinstance(cause, (int, np.integer)) or cause < 1:
        raise InputError("cause is the code of an event, a whole number from 1.")
    if not (codes == cause).any():
        raise InputError(f"Column {event!r} has no event of cause {cause} in the complete rows.")
    built, matrix = design(right, data if not seen.n_dropped else data[needed].iloc[seen.rows], seen.rows)
    order = subdistribution.in_order(seen.duration, codes, cause)
    times, codes = seen.duration[order], codes[order]
    censored = subdistribution.censoring(times, codes, events_first=variance == "finegray")
    sets = subdistribution.risk_sets(times, codes, cause, ties, censored)
    # Centred and scaled, so that a covariate of a huge scale costs no digits; coefficients are scaled back at the end.
    x = matrix[order]
    del matrix
    center, scale = standardise(x)
    null = subdistribution.evaluate(sets, x, np.zeros(x.shape[1]))
    kept = estimable(null.information, sets.mass.sum())
    if not kept.any():
        raise InputError("No term of the formula varies among the rows at risk, so none has an estimate.")
    if not kept.all():
        center, scale, x = center[kept], scale[kept], np.ascontiguousarray(x[:, kept])
        null = subdistribution.evaluate(sets, x, np.zeros(x.shape[1]))
    names = [name for name, estimated in zip(built.names, kept) if estimated]
    beta, at = maximise(partial(subdistribution.evaluate, sets, x), null, names)
    residuals = subdistribution.score_residuals(sets, x, at)
    if variance == "crr":
        residuals += subdistribution.censoring_residuals(sets, censored, x, at)
    naive = np.linalg.inv(at.information)
    covariance = naive @ (residuals.T @ residuals) @ naive / np.outer(scale, scale)
    errors = np.sqrt(np.diag(covariance)), np.sqrt(np.diag(naive)) / scale
    return FineGrayModel(
        table=coefficients(built.names, kept, beta / scale, *errors, z_limit),
        covariance=covariance,
        log_likelihood=at.log_likelihood,
        null_log_likelihood=null.log_likelihood,
        score_statistic=float(null.gradient @ np.linalg.solve(null.information, null.gradient)),
        not_estimated=[name for name, estimated in zip(built.names, kept) if not estimated],
        cause=int(cause),
        n=seen.n,
        n_events=int(sets.mass.sum()),
        n_competing=len(sets.kept),
        n_dropped=seen.n_dropped,
        ties=ties,
        variance=variance,
        conf_level=conf_level,
        _fit=_Fit(built, kept, center, beta / scale, sets.time, at.a[0], seen.duration.max(), x, codes == cause),
    )
