"""What is not known: missing values by column."""

from dataclasses import dataclass

import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.tables import View


@dataclass(frozen=True, repr=False)
class Missing(Result):
    """Missing values of a data set.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each column with a missing value, most first: `column`, `missing` (rows), `percent`.
    n, n_complete : int
        Rows, and rows without any missing value.
    """

    table: pd.DataFrame
    n: int
    n_complete: int

    def _safe(self, policy: Policy):
        from paillasse.cohort._safe import safe_missing

        return safe_missing(self, policy)

    def view(self) -> View:
        share = self.n_complete / self.n if self.n else 0
        title = f"Missing values: {self.n_complete:,} of {self.n:,} rows ({share:.1%}) are complete"
        note = () if len(self.table) else ("No value is missing.",)
        return View(title, self.table, note, {"percent": 1})


def missing(data: pd.DataFrame) -> Missing:
    """Count missing values by column, and the rows that are complete.

    Examples
    --------
    >>> import pandas as pd
    >>> missing(pd.DataFrame({"age": [50, None], "sex": ["f", "m"]})).table
      column  missing  percent
    0    age        1     50.0
    """
    count = data.isna().sum()
    count = count[count > 0].sort_values(ascending=False, kind="stable")
    table = pd.DataFrame({"column": count.index, "missing": count.to_numpy()})
    table["percent"] = 100 * table["missing"] / max(len(data), 1)
    return Missing(table, len(data), int(data.notna().all(axis=1).sum()))
