"""Flow charts: who is left after each exclusion."""

import pandas as pd
import plotly.graph_objects as go

from paillasse.figures.style import styled


def flow_chart(table: pd.DataFrame, title: str = "") -> go.Figure:
    """Draw the flow of exclusions: a box for who is left, and one at the side for who was left out and why.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `step`, `excluded`, `left`; the first row is the start, with nobody excluded.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    figure = go.Figure()
    box = {"showarrow": False, "bordercolor": "#555", "borderwidth": 1, "borderpad": 6, "bgcolor": "white"}
    arrow = {"text": "", "showarrow": True, "arrowhead": 2, "arrowcolor": "#555", "axref": "x", "ayref": "y"}
    last = len(table) - 1
    for place, row in enumerate(table.itertuples(index=False)):
        y = -2 * place
        name = row.step if place == 0 else "Analysed" if place == last else "Left"
        figure.add_annotation(x=0, y=y, text=f"{name}<br><b>n = {row.left:,}</b>", width=170, **box)
        if place:
            figure.add_annotation(x=0, y=y + 0.55, ax=0, ay=y + 1.45, **arrow)
            figure.add_annotation(x=0.85, y=y + 1, ax=0, ay=y + 1, **arrow)
            text = f"{row.step}<br><b>n = {row.excluded:,}</b>"
            figure.add_annotation(x=0.85, y=y + 1, text=text, xanchor="left", align="left", **box)
    figure.update_xaxes(range=[-0.8, 3], visible=False)
    figure.update_yaxes(range=[-2 * last - 0.8, 0.8], visible=False)
    return styled(figure, title_text=title, height=140 + 105 * last, margin={"l": 10, "r": 10, "t": 60, "b": 10})
