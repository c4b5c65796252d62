"""Survival curves with their limits and the numbers at risk."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from paillasse.figures._step_curves import Curve, Group, step_curves
from paillasse.figures.style import COLOURS, DASHES


def survival_curves(
    table: pd.DataFrame,
    time_unit: str = "",
    title: str = "",
    rounding: int = 0,
    at_risk: pd.DataFrame | None = None,
) -> go.Figure:
    """Draw survival curves as steps, with confidence bands and the numbers at risk below.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `group`, `time`, `n_risk`, `survival`, `lower`, `upper`, as `KaplanMeier.table`.
    time_unit : str
        Unit of the times, for the axis.
    title : str
        Title of the figure.
    rounding : int
        0 for estimates at every time. Otherwise the table has few times, from 0 on, and counts rounded to this: curves
        run straight between them.
    at_risk : pandas.DataFrame, optional
        Columns `group`, `time`, `n_risk`: the numbers at risk, where the table has not all times.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    labels = list(table["group"].unique())
    groups = []
    for place, label in enumerate(labels):
        part = table[table["group"] == label]
        colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
        name, row = ("All patients", "All") if labels == ["all"] else (str(label), str(label))
        steps = part[["time", "survival", "lower", "upper"]].to_numpy(dtype=float)
        curve = Curve(name, colour, dash, steps if rounding else np.vstack([[0, 1, 1, 1], steps]), bool(rounding))
        risk = part if at_risk is None else at_risk[at_risk["group"] == label]
        numbers = risk["time"].to_numpy(), risk["n_risk"].to_numpy(dtype=float), rounding
        groups.append(Group(name, row, colour, [curve], *numbers))
    return step_curves(groups, "Event-free", 1.02, time_unit, title)
