"""How long patients were followed."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.survival import KaplanMeier, kaplan_meier
from paillasse.tables import View, rows_left_out, time_decimals


@dataclass(frozen=True, repr=False)
class FollowUp(Result):
    """Follow-up of a cohort.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a group: `group`, `n`, `events`, `median_follow_up`, `lower`, `upper` (its limits), in the unit of the
        durations; NaN where the reversed curve never falls to one half, because events ended the follow-up of the
        last patients (a limit: where the limit's curve does not).
    n_dropped : int
        Rows left out for missing values.
    """

    table: pd.DataFrame
    n_dropped: int
    _reversed: KaplanMeier

    def _safe(self, policy: Policy):
        from paillasse.cohort._safe import safe_follow_up

        return safe_follow_up(self, policy)

    def view(self) -> View:
        note = (
            "By reverse Kaplan-Meier (the event censors the follow-up), with 95% limits, in the unit of the durations."
        )
        decimals = dict.fromkeys(("median_follow_up", "lower", "upper"), time_decimals(self.table["median_follow_up"]))
        return View("Median follow-up", self.table, (note, *rows_left_out(self.n_dropped)), decimals)


def follow_up(data: pd.DataFrame, duration: str, event: str, by: str | Sequence[str] | None = None) -> FollowUp:
    """Median follow-up by the reverse Kaplan-Meier method.

    The end of follow-up is the event of interest and the clinical event censors it, so that early deaths do not make
    a follow-up look short. R: ``survfit(Surv(time, 1 - status) ~ 1)``.

    Parameters
    ----------
    data, duration, event, by
        As in :func:`paillasse.survival.kaplan_meier`.

    Returns
    -------
    FollowUp

    References
    ----------
    Schemper and Smith (1996), Control Clin Trials 17:343.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"months": [10, 20, 30, 40], "died": [1, 0, 0, 0]})
    >>> follow_up(data, "months", "died").table["median_follow_up"].tolist()
    [30.0]
    """
    forward = kaplan_meier(data, duration, event, by=by)  # checks the event before it is turned round
    reverse = kaplan_meier(data.assign(**{event: 1 - data[event]}), duration, event, by=by)
    size = forward.table.groupby("group", sort=False, observed=True)
    table = reverse.median.rename(columns={"median": "median_follow_up"})
    table.insert(1, "n", size["n_risk"].first().astype(int).to_numpy())
    table.insert(2, "events", size["n_event"].sum().astype(int).to_numpy())
    return FollowUp(table, forward.n_dropped, reverse)
