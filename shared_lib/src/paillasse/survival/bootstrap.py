"""The bootstrap of a Cox model: how its estimates vary over cohorts drawn from the one at hand."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from paillasse.disclosure import Policy, Result
from paillasse.errors import DisclosureError
from paillasse.tables import View


@dataclass(frozen=True, repr=False)
class Bootstrap(Result):
    """Bootstrap of a Cox model's coefficients.

    Attributes
    ----------
    table : pandas.DataFrame
        `term`, `coef` (of the model), `bias` (mean of the bootstrap less coef), `std_err`, `lower` and `upper`
        (percentile limits of the hazard ratio).
    estimates : numpy.ndarray
        The coefficients of each fit (fits × terms).
    n_failed : int
        Draws left out because a coefficient had no finite estimate in them.
    """

    table: pd.DataFrame
    estimates: np.ndarray
    n_failed: int
    conf_level: float

    def _safe(self, policy: Policy):
        raise DisclosureError(
            "no safe form: a bootstrap does not know how many patients each term rests on; disclose the model itself."
        )

    def view(self) -> View:
        notes = [f"lower and upper: {100 * self.conf_level:g}% percentile limits of the hazard ratio."]
        if self.n_failed:
            notes.append(f"{self.n_failed} draws were left out: a coefficient had no finite estimate in them.")
        return View(f"Bootstrap, {len(self.estimates)} fits", self.table, tuple(notes))


def summary(names: list[str], coef: np.ndarray, estimates: np.ndarray, n_failed: int, conf_level: float) -> Bootstrap:
    """The table of a bootstrap from its fits."""
    ends = np.exp(np.quantile(estimates, [(1 - conf_level) / 2, (1 + conf_level) / 2], axis=0))
    table = pd.DataFrame(
        {
            "term": names,
            "coef": coef,
            "bias": estimates.mean(axis=0) - coef,
            "std_err": estimates.std(axis=0, ddof=1),
            "lower": ends[0],
            "upper": ends[1],
        }
    )
    return Bootstrap(table, estimates, n_failed, conf_level)


def draws(n_rows: int, cluster: np.ndarray | None, n: int, seed: int):
    """The rows of each draw: rows with replacement, or whole clusters, and each draw's own cluster codes."""
    random = np.random.default_rng(seed)
    if cluster is None:
        for _ in range(n):
            yield np.sort(random.integers(0, n_rows, n_rows))
        return
    order = np.argsort(cluster, kind="stable")
    ends = np.cumsum(np.bincount(cluster))
    starts = np.append(0, ends[:-1])
    for _ in range(n):
        chosen = random.integers(0, len(ends), len(ends))
        yield np.concatenate([order[starts[code] : ends[code]] for code in chosen])
