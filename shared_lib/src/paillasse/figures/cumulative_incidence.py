"""Curves of cumulative incidence with their limits and the numbers at risk."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from paillasse.figures._step_curves import Curve, Group, step_curves
from paillasse.figures.style import COLOURS, DASHES


def cumulative_incidence_curves(
    table: pd.DataFrame,
    at_risk: pd.DataFrame,
    causes: Mapping[int, str],
    time_unit: str = "",
    title: str = "",
    rounding: int = 0,
) -> go.Figure:
    """Draw cumulative incidences as steps, with confidence bands and the numbers at risk below.

    A colour is a group and a dash a cause; in one group alone, or of one cause alone, each curve has its own of both.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `group`, `cause`, `time`, `incidence`, `lower`, `upper`, as `CumulativeIncidence.table`.
    at_risk : pandas.DataFrame
        Columns `group`, `time`, `n_risk`, as `CumulativeIncidence.at_risk`.
    causes : mapping of int to str
        The causes to draw and their names.
    time_unit : str
        Unit of the times, for the axis.
    title : str
        Title of the figure.
    rounding : int
        As in :func:`survival_curves`.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    labels, groups, top = list(at_risk["group"].unique()), [], 0.0
    for place, label in enumerate(labels):
        risk = at_risk[at_risk["group"] == label]
        curves = []
        for number, (cause, cause_name) in enumerate(causes.items()):
            part = table[(table["group"] == label) & (table["cause"] == cause)]
            colour, dash = (number, number) if len(labels) == 1 else (place, number if len(causes) > 1 else place)
            named = [str(label)] if labels != ["all"] else []
            name = ", ".join(named + ([cause_name] if len(causes) > 1 or not named else []))
            steps = part[["time", "incidence", "lower", "upper"]].to_numpy(dtype=float)
            steps = steps if rounding else np.vstack([[0, 0, 0, 0], steps])
            look = COLOURS[colour % len(COLOURS)], DASHES[dash % len(DASHES)]
            curves.append(Curve(name, *look, steps, bool(rounding)))
            top = max(top, np.nanmax(steps[:, [1, 3]]))
        name, row = ("All patients", "All") if labels == ["all"] else (str(label), str(label))
        colour = "#222222" if len(labels) == 1 else COLOURS[place % len(COLOURS)]
        numbers = risk["time"].to_numpy(), risk["n_risk"].to_numpy(dtype=float), rounding
        groups.append(Group(name, row, colour, curves, *numbers))
    axis = "Cumulative incidence" + (f" of {next(iter(causes.values()))}" if len(causes) == 1 else "")
    return step_curves(groups, axis, min(1.02, 1.08 * top) if top > 0 else 1.02, time_unit, title)
