"""The concordance index, Harrell's and Uno's: how often the patient with the higher risk has the earlier event."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.errors import InputError, did_you_mean
from paillasse.survival._censoring import censoring
from paillasse.survival._concordance import count_pairs
from paillasse.survival._input import Columns, Outcome, half_width, numbers, outcome
from paillasse.tables import View, rows_left_out

METHODS = ("harrell", "uno")


@dataclass(frozen=True, repr=False)
class Concordance(Result):
    """A concordance index.

    Attributes
    ----------
    value, std_err : float
        The index (0.5: no better than chance, 1: perfect) and its standard error.
    concordant, discordant, tied_risk : float
        Comparable pairs in which the earlier event had the higher, the lower and the same risk; weighted, where
        weights were given or the method is Uno's.
    tied_time, tied_both : float
        Pairs of events at the same time, of different and of equal risk. They are not comparable.
    table : pandas.DataFrame
        One row: `concordance`, `std_err`, `lower`, `upper` (value ± z standard errors, within 0 and 1).
    method, tau
        As asked for.
    n, n_events, n_dropped : int
        Rows used, events among them, rows left out for missing values.
    """

    value: float
    std_err: float
    concordant: float
    discordant: float
    tied_risk: float
    tied_time: float
    tied_both: float
    method: str
    tau: float | None
    conf_level: float
    n: int
    n_events: int
    n_dropped: int

    @property
    def table(self) -> pd.DataFrame:
        width = half_width(self.conf_level) * self.std_err
        lower, upper = max(self.value - width, 0.0), min(self.value + width, 1.0)
        return pd.DataFrame({"concordance": [self.value], "std_err": self.std_err, "lower": lower, "upper": upper})

    def _safe(self, policy: Policy):
        from paillasse.survival._safe_tables import safe_concordance

        return safe_concordance(self, policy)

    def view(self) -> View:
        until = "" if self.tau is None else f", events up to {self.tau:g}"
        title = f"{self.method.capitalize()}'s concordance{until}: {self.n} rows, {self.n_events} events"
        pairs = f"{self.concordant:,.0f} pairs concordant, {self.discordant:,.0f} discordant, {self.tied_risk:,.0f} of "
        note = f"{pairs}equal risk (half each); {100 * self.conf_level:g}% limits. 0.5 is chance."
        return View(title, self.table, (note, *rows_left_out(self.n_dropped)))


def concordance(
    data: pd.DataFrame,
    duration: str,
    event: str,
    risk: str,
    method: str = "harrell",
    tau: float | None = None,
    entry: str | None = None,
    weights: str | None = None,
    strata: Columns | None = None,
    cluster: Columns | None = None,
    conf_level: float = 0.95,
) -> Concordance:
    r"""How often, of two patients, the one with the earlier event had the higher risk.

    A pair :math:`(i, j)` is comparable if i has an event while j is at risk and stays so beyond it:
    :math:`\delta_i = 1,\ T_i < T_j`, or :math:`T_i = T_j` with j censored (who is censored at t was still free of the
    event after t). With case weights w,

    .. math:: C = \frac{\sum_{i,j\ \mathrm{comparable}} w_i w_j\,u(T_i)\,
        [\,1(r_i > r_j) + \tfrac12 1(r_i = r_j)]}{\sum_{i,j\ \mathrm{comparable}} w_i w_j\,u(T_i)}

    * Harrell's: :math:`u = 1`. What it estimates depends on the censoring, for late events are seldom seen.
    * Uno's: :math:`u(t) = 1/\hat G(t-)^2`, with G the Kaplan-Meier estimate of the censoring distribution, in which
      events come before censorings at the same time. It estimates :math:`P(r_i > r_j \mid T_i < T_j, T_i \le \tau)`
      whatever the censoring, provided that this does not depend on the risk.

    The same as R's ``concordance(Surv(t, e) ~ risk, reverse = TRUE)``, with ``timewt = "n/G2"`` for Uno's and
    ``ymax = tau``; the standard error is R's, the infinitesimal jackknife with G taken as known.

    Parameters
    ----------
    data : pandas.DataFrame
        A row a patient; rows with a missing value in a column used here are left out and counted.
    duration, event, entry, weights : str
        Columns, as in :func:`kaplan_meier`.
    risk : str
        Column of the risk, of which only the order counts: higher means an earlier event. For a predicted survival
        give its negative.
    method : {"harrell", "uno"}
        Uno's takes neither `entry` nor `strata`: its weights need everybody's censoring from time 0.
    tau : float, optional
        Only events up to and including tau make pairs (R's rule; scikit-survival takes events before tau). Give it
        for Uno's, whose last weights are large: an event late in the follow-up stands for many unseen.
    strata : str or list of str, optional
        Columns within whose values pairs are made.
    cluster : str or list of str, optional
        Columns whose values mark rows that belong together, as several rows of a patient do; the standard error then
        counts them as one.
    conf_level : float
        Level of the limits.

    Returns
    -------
    Concordance

    Raises
    ------
    InputError
        If there is no comparable pair, the risk is the same for all rows, or tau lies outside the follow-up.

    Notes
    -----
    scikit-survival weighs an event at t with :math:`\hat G(t)` rather than :math:`\hat G(t-)`, so where patients are
    censored at the very time of an event its answer differs (its issue 428); such ties are common with times in whole
    months. It also takes risks within 1e-8 of each other as equal.

    References
    ----------
    Harrell, Lee and Mark (1996), Stat Med 15:361. Uno, Cai, Pencina, D'Agostino and Wei (2011), Stat Med 30:1105.
    Therneau and Atkinson, "Concordance", vignette of R's `survival`.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"months": [2, 4, 4, 6, 9], "died": [1, 1, 0, 1, 0], "score": [3, 4, 1, 1, 2]})
    >>> c = concordance(data, "months", "died", risk="score")
    >>> c.concordant, c.discordant, c.tied_risk, round(c.value, 4), round(c.std_err, 4)
    (6.0, 2.0, 0.0, 0.75, 0.0765)
    >>> round(concordance(data, "months", "died", risk="score", method="uno").value, 4)
    0.6486
    """
    if method not in METHODS:
        raise InputError(f"method={method!r} is not known. {did_you_mean(method, METHODS)}")
    if method == "uno" and (entry is not None or strata is not None):
        raise InputError('method="uno" takes neither entry nor strata; use method="harrell".')
    by = dict(entry=entry, weights=weights, strata=strata, cluster=cluster)
    seen = outcome(data, duration, event, **by, complete=[risk])
    score = numbers(seen.of(data[[risk]]), risk, seen.positions)
    if np.ptp(score) == 0:
        raise InputError(f"Column {risk!r} (risk) is the same for all {seen.n} rows; there is no order to judge.")
    last = seen.duration.max()
    if tau is not None and not 0 < tau <= last:
        raise InputError(f"tau={tau:g} lies outside the follow-up, which ends at {last:g}.")
    weigh = None if method == "harrell" and tau is None else partial(_weights, seen, method, tau)
    pairs = count_pairs(seen.duration, seen.event, score, seen.weights, seen.entry, seen.stratum, weigh)
    if not pairs.comparable > 0:
        until = "" if tau is None else f" up to tau = {tau:g}"
        raise InputError(
            f"There is no comparable pair: no event in column {event!r}{until} while another row is at risk beyond it."
        )
    return Concordance(
        value=pairs.value,
        std_err=pairs.std_err(seen.cluster),
        concordant=pairs.concordant,
        discordant=pairs.discordant,
        tied_risk=pairs.tied_risk,
        tied_time=pairs.tied_time,
        tied_both=pairs.tied_both,
        method=method,
        tau=tau,
        conf_level=conf_level,
        n=seen.n,
        n_events=int(seen.event.sum()),
        n_dropped=seen.n_dropped,
    )


def _weights(seen: Outcome, method: str, tau: float | None, times: np.ndarray) -> np.ndarray:
    """The weights u of event times."""
    weights = np.ones(len(times)) if method == "harrell" else 1 / censoring(seen).before(times) ** 2
    return weights if tau is None else np.where(times <= tau, weights, 0.0)
