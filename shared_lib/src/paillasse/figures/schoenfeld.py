"""A coefficient over time: whether one hazard ratio tells the whole story."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from paillasse.figures.style import COLOURS, faded, styled


def coefficients_over_time(table: pd.DataFrame, time_unit: str = "", title: str = "") -> go.Figure:
    """Draw smoothed log hazard ratios over time, one panel a term; a flat line is proportional hazards.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `term`, `time`, `coef`, `lower`, `upper`, and `overall` (the model's one coefficient).
    time_unit : str
        Unit of the times, for the axes.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    terms = list(table["term"].unique())
    columns = min(len(terms), 2)
    rows = -(-len(terms) // columns)
    gap = 90 / (110 + 270 * rows)
    figure = make_subplots(rows=rows, cols=columns, subplot_titles=[str(term) for term in terms], vertical_spacing=gap)
    for place, term in enumerate(terms):
        part = table[table["term"] == term]
        where = {"row": place // columns + 1, "col": place % columns + 1}
        quiet = {"mode": "lines", "showlegend": False}
        band = quiet | {"line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_scatter(x=part["time"], y=part["upper"], name=f"{term}, upper limit", **band, **where)
        filled = band | {"fill": "tonexty", "fillcolor": faded(COLOURS[0])}
        figure.add_scatter(x=part["time"], y=part["lower"], name=f"{term}, lower limit", **filled, **where)
        line = {"color": COLOURS[0], "width": 2}
        figure.add_scatter(x=part["time"], y=part["coef"], name=str(term), **quiet, line=line, **where)
        overall = np.repeat(part["overall"].iloc[0], 2)
        dotted = {"color": "#888", "dash": "dot", "width": 1}
        figure.add_scatter(
            x=part["time"].iloc[[0, -1]],
            y=overall,
            name=f"{term}, model",
            **quiet,
            line=dotted,
            hoverinfo="skip",
            **where,
        )
    unit = f" ({time_unit})" if time_unit else ""
    for column in range(1, columns + 1):
        figure.update_xaxes(title_text=f"Time{unit}", row=rows, col=column)
    figure.update_yaxes(title_text="Log hazard ratio", col=1)
    return styled(figure, title_text=title, height=110 + 270 * rows)
