"""Forest plots: ratios with their limits, one line each."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from paillasse.figures.style import COLOURS, styled

# The widest axis: a level without an event has a limit of 0 or of infinity, and would press all others together.
LEAST, MOST = 1e-3, 1e3


def forest(
    table: pd.DataFrame,
    label: str,
    estimate: str = "hazard_ratio",
    title: str = "",
    axis: str = "Hazard ratio (log scale)",
    conf_level: float = 0.95,
) -> go.Figure:
    """Draw ratios with their limits on a log scale, with their numbers beside.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `lower`, `upper` and those that `label` and `estimate` name. A row whose estimate is NaN is a heading.
        Limits outside 0.001 to 1000 are drawn to the edge of the axis; the numbers beside say them.
    label, estimate : str
        Columns of the text at the left and of the ratio.
    axis : str
        What the ratio is and which side favours whom, for the axis.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    place = np.arange(len(table))[::-1]
    known = table[estimate].notna().to_numpy()
    value, lower, upper = (table.loc[known, name].to_numpy(dtype=float) for name in (estimate, "lower", "upper"))
    drawn_lower, drawn_upper = np.maximum(lower, LEAST / 10), np.minimum(upper, MOST * 10)
    above, below = drawn_upper - value, value - drawn_lower
    figure = go.Figure()
    figure.add_scatter(
        x=value,
        y=place[known],
        error_x={"type": "data", "symmetric": False, "array": above, "arrayminus": below, "width": 4},
        mode="markers",
        marker={"symbol": "square", "size": 9, "color": COLOURS[0]},
        name=f"estimate with {100 * conf_level:g}% limits",
        customdata=np.column_stack([lower, upper]),
        hovertemplate="%{x:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})<extra></extra>",
    )
    figure.add_vline(x=1, line={"color": "#888", "dash": "dot"})
    texts = [f"{v:.2f} ({low:.2f} to {high:.2f})" for v, low, high in zip(value, lower, upper)]
    for row, text in zip(place[known], texts):
        figure.add_annotation(x=1.01, xref="paper", xanchor="left", y=row, text=text, showarrow=False)
    labels = [str(text) if is_known else f"<b>{text}</b>" for text, is_known in zip(table[label], known)]
    figure.update_yaxes(tickvals=place, ticktext=labels, range=[-0.7, len(table) - 0.3], ticks="", showgrid=False)
    ends = np.log10([np.clip(np.nanmin([*lower, 0.9]), LEAST, 0.9), np.clip(np.nanmax([*upper, 1.1]), 1.1, MOST)])
    margin = 0.05 * (ends[1] - ends[0])
    figure.update_xaxes(type="log", title_text=axis, range=[ends[0] - margin, ends[1] + margin], **_round_ticks(ends))
    return styled(
        figure, title_text=title, height=150 + 32 * len(table), margin={"l": 20, "r": 170, "t": 60, "b": 55},
        yaxis={"automargin": True}, showlegend=False,
    )  # fmt: skip


def _round_ticks(ends: np.ndarray) -> dict:
    """Ratios a reader expects on the axis: 0.5, 1, 2 and the like."""
    candidates = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100])
    wide = ends[1] - ends[0] > 1.2
    if wide:
        candidates = np.array([0.001, 0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10, 100, 1000])
    inside = candidates[(np.log10(candidates) >= ends[0] - 0.05) & (np.log10(candidates) <= ends[1] + 0.05)]
    return {"tickvals": inside, "ticktext": [f"{value:g}" for value in inside]}
