"""Figures of how alike two arms are: the Love plot, and two histograms back to back."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from paillasse.figures.style import COLOURS, faded, styled


def love_plot(table: pd.DataFrame, threshold: float, title: str = "") -> go.Figure:
    """Draw each covariate's standardised difference before and after weighting, the largest on top.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `covariate`, `before`, `after`.
    threshold : float
        The difference that still passes as small, drawn on both sides.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    table = table.sort_values("before", key=abs, kind="stable")
    place = np.arange(len(table))
    figure = go.Figure()
    figure.add_vrect(x0=-threshold, x1=threshold, line_width=0, fillcolor=faded(COLOURS[2]))
    figure.add_vline(x=0, line={"color": "#888", "dash": "dot"})
    for name, colour, symbol in (("before", COLOURS[1], "circle-open"), ("after", COLOURS[0], "circle")):
        figure.add_scatter(
            x=table[name].to_numpy(dtype=float), y=place, mode="markers", name=f"{name} weighting",
            marker={"color": colour, "symbol": symbol, "size": 9, "line": {"width": 2}},
            hovertemplate="%{x:.3f}<extra></extra>",
        )  # fmt: skip
    figure.update_yaxes(tickvals=place, ticktext=list(table["covariate"]), ticks="", automargin=True)
    figure.update_xaxes(title_text="Standardised mean difference")
    return styled(figure, title_text=title, height=150 + 26 * len(table))


def mirrored_histogram(bins: pd.DataFrame, axis: str, title: str = "") -> go.Figure:
    """Draw the histograms of two arms back to back: the first upwards, the second downwards.

    Parameters
    ----------
    bins : pandas.DataFrame
        A row an arm and bin: `arm`, `lower`, `upper`, `n` (missing where it is not shown).
    axis : str
        What is counted.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = go.Figure()
    for sign, colour, (arm, part) in zip((1, -1), COLOURS, bins.groupby("arm", sort=False)):
        n = part["n"].astype(float).to_numpy()
        figure.add_bar(
            x=(part["lower"] + part["upper"]).to_numpy() / 2, y=sign * n, customdata=n, name=str(arm),
            width=(part["upper"] - part["lower"]).to_numpy(), marker={"color": colour, "line": {"width": 0}},
            hovertemplate="%{customdata:,}<extra></extra>",
        )  # fmt: skip
    most = float(np.nanmax(bins["n"].astype(float)))
    step = 10.0 ** np.floor(np.log10(max(most, 1)))
    step = step / 2 if most / step < 3 else step
    ticks = np.arange(-np.ceil(most / step), np.ceil(most / step) + 1) * step
    figure.update_yaxes(title_text="Patients", tickvals=ticks, ticktext=[f"{abs(tick):g}" for tick in ticks])
    figure.update_xaxes(title_text=axis)
    return styled(figure, title_text=title, barmode="relative", bargap=0)
