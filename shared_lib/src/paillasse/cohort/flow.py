"""The flow of exclusions from who is in the data to who is analysed."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.errors import InputError
from paillasse.tables import View


@dataclass(frozen=True, repr=False)
class Flow(Result):
    """A cohort after its exclusions.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a step, in order: `step`, `excluded` (patients it leaves out), `left`.
    data : pandas.DataFrame
        The rows that are left, never shown by this object.
    """

    table: pd.DataFrame
    data: pd.DataFrame

    def figure(self, title: str = ""):
        """The flow chart, as a plotly figure."""
        from paillasse.figures import flow_chart

        return flow_chart(self.table, title)

    def _safe(self, policy: Policy):
        from paillasse.cohort._safe import safe_flow

        return safe_flow(self, policy)

    def view(self) -> View:
        first, last = self.table["left"].iloc[0], self.table["left"].iloc[-1]
        return View(f"Cohort: {last:,} of {first:,} rows are analysed", self.table)


def flow(data: pd.DataFrame, exclusions: Mapping[str, str]) -> Flow:
    """Apply exclusions one after the other, and count whom each leaves out.

    Parameters
    ----------
    data : pandas.DataFrame
        A row a patient.
    exclusions : mapping of str to str
        Reason → condition that is true for those left out, as `pandas.DataFrame.query` reads it, e.g.
        ``{"Under 18 years": "age < 18", "No follow-up": "time.isna()"}``; a name such as ``ph.ecog`` in backticks. A
        missing value meets no condition but `isna()`. Their order matters for the counts, not for who is left.

    Returns
    -------
    Flow

    Raises
    ------
    InputError
        If a condition cannot be evaluated, or nobody is left.

    Examples
    --------
    >>> import pandas as pd
    >>> flow(pd.DataFrame({"age": [17, 40, 60]}), {"Under 18 years": "age < 18"}).table
                 step  excluded  left
    0         In data         0     3
    1  Under 18 years         1     2
    """
    rows = [["In data", 0, len(data)]]
    for reason, condition in exclusions.items():
        try:
            out = data.eval(condition)
        except Exception as error:  # whatever a condition can raise: pandas' own, syntax, types, names
            known = ", ".join(map(str, data.columns))
            raise InputError(
                f"The exclusion {reason!r} has a condition that cannot be evaluated ({type(error).__name__}): "
                f"{condition!r}. Columns, those with a dot or a blank in backticks: {known}."
            ) from None
        if not isinstance(out, pd.Series) or not pd.api.types.is_bool_dtype(out):
            raise InputError(
                f"The condition of exclusion {reason!r} must be true or false for each row: {condition!r}."
            )
        data = data[~out.fillna(False).astype(bool)]
        rows.append([reason, rows[-1][2] - len(data), len(data)])
    if not len(data):
        raise InputError(f"The exclusions leave nobody; the last was {rows[-1][0]!r}.")
    return Flow(pd.DataFrame(rows, columns=["step", "excluded", "left"]), data)
