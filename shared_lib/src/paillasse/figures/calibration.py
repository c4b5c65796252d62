"""Calibration of predicted risks: what was observed among patients of similar prediction."""

import pandas as pd
import plotly.graph_objects as go

from paillasse.figures.style import COLOURS, DASHES, styled


def calibration(table: pd.DataFrame, title: str = "", horizon: str = "") -> go.Figure:
    """Draw observed against predicted risk, one line a model.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `model`, `predicted` (mean predicted risk of a group of patients), `observed` (one minus Kaplan-Meier),
        `lower`, `upper` (limits of the observed risk).
    horizon : str
        E.g. ``"5 years"``, for the axes.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = go.Figure()
    diagonal = {"mode": "lines", "line": {"color": "#888", "dash": "dot", "width": 1}, "hoverinfo": "skip"}
    figure.add_scatter(x=[0, 1], y=[0, 1], name="ideal", **diagonal)
    for place, (model, part) in enumerate(table.groupby("model", sort=False)):
        above, under = part["upper"] - part["observed"], part["observed"] - part["lower"]
        colour = COLOURS[place % len(COLOURS)]
        figure.add_scatter(
            x=part["predicted"],
            y=part["observed"],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": above,
                "arrayminus": under,
                "width": 3,
                "thickness": 1,
            },
            mode="lines+markers",
            line={"color": colour, "dash": DASHES[place % len(DASHES)]},
            name=str(model),
            hovertemplate="predicted %{x:.1%}, observed %{y:.1%}<extra>" + str(model) + "</extra>",
        )
    at = f" at {horizon}" if horizon else ""
    top = float(max(table["upper"].max(), table["predicted"].max())) * 1.05
    figure.update_xaxes(title_text=f"Predicted risk{at}", range=[0, top], tickformat=".0%")
    figure.update_yaxes(title_text=f"Observed risk{at}", range=[0, top], tickformat=".0%")
    return styled(figure, title_text=title, height=520)
