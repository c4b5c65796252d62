"""Survival curves with their limits and the numbers at risk."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from paillasse.figures.style import COLOURS, DASHES, faded, styled

MOST_POINTS = 400  # of a curve; more cannot be seen, and each would be one patient's time in the file


def survival_curves(table: pd.DataFrame, time_unit: str = "", title: str = "", conf_level: float = 0.95) -> go.Figure:
    """Draw survival curves as steps, with confidence bands and the numbers at risk below.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `group`, `time`, `n_risk`, `survival`, `lower`, `upper`, as `KaplanMeier.table`.
    time_unit : str
        Unit of the times, for the axis.
    title : str
        Title of the figure.
    conf_level : float
        Level of the band, for the text shown on hovering.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    groups = list(table["group"].unique())
    ticks = _ticks(table["time"].max())
    below = 28 * len(groups) + 40
    height = 430 + below
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, vertical_spacing=70 / height, row_heights=[height - below, below]
    )
    for place, group in enumerate(groups):
        curve = table[table["group"] == group]
        colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
        name = "All patients" if groups == ["all"] else str(group)
        steps = _thinned(curve[["time", "survival", "lower", "upper"]].to_numpy())
        time, survival, lower, upper = np.vstack([[0, 1, 1, 1], steps]).T
        known = np.isfinite(lower) & np.isfinite(upper)
        band = {"mode": "lines", "line": {"width": 0, "shape": "hv"}, "legendgroup": name}
        band |= {"showlegend": False, "hoverinfo": "skip"}
        figure.add_scatter(x=time[known], y=upper[known], name=f"{name}, upper limit", **band, row=1, col=1)
        fill = {"fill": "tonexty", "fillcolor": faded(colour)}
        figure.add_scatter(x=time[known], y=lower[known], name=f"{name}, lower limit", **band, **fill, row=1, col=1)
        figure.add_scatter(
            x=time,
            y=survival,
            name=name,
            mode="lines",
            line={"color": colour, "dash": dash, "shape": "hv", "width": 2},
            legendgroup=name,
            hovertemplate=f"{name}<br>%{{x:.2f}} {time_unit}: %{{y:.1%}}<extra></extra>",
            row=1,
            col=1,
        )
        at_risk = np.append(curve["n_risk"], 0)[np.searchsorted(curve["time"], ticks, side="left")]
        figure.add_scatter(
            x=ticks,
            y=np.full(len(ticks), len(groups) - 1 - place),
            text=[f"{number:,.0f}" for number in at_risk],
            mode="text",
            textfont={"color": colour, "size": 12},
            name=f"{name}, at risk",
            showlegend=False,
            hoverinfo="skip",
            row=2,
            col=1,
        )
    names = ["All" if groups == ["all"] else str(group) for group in groups]
    unit = f" ({time_unit})" if time_unit else ""
    figure.update_yaxes(title_text="Event-free", range=[0, 1.02], tickformat=".0%", row=1, col=1)
    figure.update_xaxes(title_text=f"Time{unit}", tickvals=ticks, showticklabels=True, row=1, col=1)
    figure.update_yaxes(
        range=[-0.6, len(groups) - 0.4],
        tickvals=list(range(len(groups)))[::-1],
        ticktext=names,
        showgrid=False,
        showline=False,
        ticks="",
        row=2,
        col=1,
    )
    figure.update_xaxes(visible=False, row=2, col=1)
    figure.add_annotation(
        text="Number at risk", x=0, xref="paper", xanchor="left", y=len(groups) - 0.4, yref="y2", yanchor="bottom",
        showarrow=False, font={"size": 12},
    )  # fmt: skip
    figure.update_xaxes(range=[-0.02 * ticks[-1], max(table["time"].max(), ticks[-1]) * 1.03])
    return styled(figure, title_text=title, height=height, hovermode="closest")


def _ticks(longest: float) -> np.ndarray:
    """Five to ten round times from 0."""
    longest = longest if longest > 0 else 1.0
    rough = longest / 6
    power = 10 ** np.floor(np.log10(rough))
    step = power * min((1, 2, 2.5, 5, 10), key=lambda each: abs(each * power - rough))
    return np.arange(0, longest * 1.0001, step)


def _thinned(steps: np.ndarray) -> np.ndarray:
    """At most MOST_POINTS steps, evenly spread over the fall of the curve, the last one always kept."""
    changed = np.append(True, np.diff(steps[:, 1]) != 0)
    changed[-1] = True
    steps = steps[changed]
    if len(steps) <= MOST_POINTS:
        return steps
    fallen = steps[0, 1] - steps[:, 1]
    kept = np.searchsorted(fallen, np.linspace(0, fallen[-1], MOST_POINTS - 1), side="left")
    return steps[np.unique(np.append(kept, len(steps) - 1))]
