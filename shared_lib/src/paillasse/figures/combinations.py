"""Figures of many combinations: effects by class, utilities, probabilities of being best, specifications."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from paillasse.figures.style import COLOURS, TEMPLATE, styled

LINE = 18  # pixels a partner
MOST = 30  # partners in a figure: more cannot be read, and look to a scan like a cohort


def effects_by_class(table: pd.DataFrame, title: str, axis: str, conf_level: float) -> go.Figure:
    """Draw partners' differences with their limits, classes below each other, in no order of merit.

    Of many partners those with the most starters are drawn.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `partner`, `partner_class`, `n`, `delta_rmst`, `delta_rmst_lower`, `delta_rmst_upper`.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    table = table.sort_values("n", ascending=False, kind="stable").head(MOST)
    table = table.sort_values(["partner_class", "partner"], kind="stable", key=lambda each: each.astype(str))
    columns = ["delta_rmst", "delta_rmst_lower", "delta_rmst_upper"]
    return _intervals(table, columns, table["partner_class"], title, axis, conf_level)


def utilities(table: pd.DataFrame, title: str, conf_level: float) -> go.Figure:
    """Draw the first partners' utilities with their limits, discoveries in another colour.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `partner`, `utility`, `lower`, `upper`, `discovery`, in the order of drawing, from the top.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    table = table.head(MOST)
    kind = table["discovery"].map({True: "discovery", False: "not sure to be a gain"})
    return _intervals(table, ["utility", "lower", "upper"], kind, title, "Utility, months", conf_level)


def probabilities_best(table: pd.DataFrame, title: str, best: int) -> go.Figure:
    """Draw the probability of being among the best by penalty, a line for each of the partners most likely to be.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `penalty`, `partner`, `probability_best`.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    wide = table.pivot(index="partner", columns="penalty", values="probability_best")
    wide = wide[wide.max(axis=1) >= 0.05]
    wide = wide.iloc[np.argsort(wide.mean(axis=1).to_numpy(), kind="stable")[-MOST:]]
    figure = go.Figure()
    figure.add_heatmap(
        x=[f"{penalty:g}" for penalty in wide.columns], y=[str(each) for each in wide.index],
        z=np.round(wide.to_numpy(dtype=float), 3), zmin=0, zmax=1, colorscale=[[0, "white"], [1, COLOURS[0]]],
        colorbar={"tickformat": ".0%", "title": "probability"}, texttemplate="%{z:.0%}",
        hovertemplate="%{y}, penalty %{x}: %{z:.0%}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(title_text="Penalty: months given up to avoid one toxicity", type="category", showgrid=False)
    figure.update_yaxes(automargin=True, type="category", showgrid=False)
    return styled(
        figure, title_text=title or f"Probability of being among the best {best}", height=170 + LINE * len(wide)
    )


def specification_curve(
    table: pd.DataFrame, choices: list[str], estimate: str, lower: str, upper: str, axis: str, title: str = ""
) -> go.Figure:
    """Draw the estimates of all specifications in rising order, and below each which choices it was made with.

    Parameters
    ----------
    table : pandas.DataFrame
        A row a specification.
    choices : list of str
        Columns of the choices.
    estimate, lower, upper : str
        Columns of the estimate and its limits.
    axis : str
        What the estimate is, with its unit.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    table = table.sort_values(estimate, kind="stable").reset_index(drop=True)
    levels = [(name, value) for name in choices for value in sorted(table[name].unique(), key=str)]
    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.6, 0.4], vertical_spacing=0.04)
    value = table[estimate].to_numpy(dtype=float)
    figure.add_scatter(
        x=table.index.to_numpy() + 1, y=value, mode="markers", marker={"color": COLOURS[0], "size": 6},
        error_y={"type": "data", "symmetric": False, "array": table[upper].to_numpy(dtype=float) - value,
                 "arrayminus": value - table[lower].to_numpy(dtype=float), "width": 0, "thickness": 1},
        hovertemplate="%{y:.2f}<extra></extra>", row=1, col=1,
    )  # fmt: skip
    for place, (name, level) in enumerate(levels):
        made = table.index[table[name] == level].to_numpy()
        figure.add_scatter(
            x=made + 1, y=np.full(len(made), len(levels) - place), mode="markers", hoverinfo="skip",
            marker={"color": COLOURS[choices.index(name) % len(COLOURS)], "symbol": "square", "size": 5}, row=2, col=1,
        )  # fmt: skip
    figure.add_hline(y=0, line={"color": "#888", "dash": "dot"}, row=1, col=1)
    figure.update_yaxes(title_text=axis, row=1, col=1)
    texts = [f"{name.replace('_', ' ')}: {level}" for name, level in levels]
    ticks = {"tickvals": np.arange(len(levels), 0, -1), "ticktext": texts, "range": [0.3, len(levels) + 0.7]}
    figure.update_yaxes(**ticks, automargin=True, row=2, col=1)
    figure.update_xaxes(title_text="Specification, by its estimate", row=2, col=1)
    figure.update_layout(template=TEMPLATE)
    return styled(figure, title_text=title, height=330 + 22 * len(levels), showlegend=False)


def _intervals(table, columns: list[str], kinds, title: str, axis: str, conf_level: float) -> go.Figure:
    value, lower, upper = (table[name].to_numpy(dtype=float) for name in columns)
    labels, kinds = table["partner"].astype(str).to_numpy(), kinds.astype(str).to_numpy()
    figure = go.Figure()
    for number, kind in enumerate(dict.fromkeys(kinds)):
        own = kinds == kind
        figure.add_scatter(
            x=value[own], y=labels[own], mode="markers", name=kind, customdata=np.column_stack([lower, upper])[own],
            marker={"color": COLOURS[number % len(COLOURS)], "size": 7},
            error_x={"type": "data", "symmetric": False, "array": (upper - value)[own],
                     "arrayminus": (value - lower)[own], "width": 0, "thickness": 1.5},
            hovertemplate="%{x:.2f} (%{customdata[0]:.2f} to %{customdata[1]:.2f})<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=0, line={"color": "#888", "dash": "dot"})
    order = {"categoryorder": "array", "categoryarray": list(labels[::-1]), "range": [-0.7, len(table) - 0.3]}
    figure.update_yaxes(type="category", **order, ticks="", tickmode="linear", automargin=True, showgrid=False)
    figure.update_xaxes(title_text=f"{axis}, with {100 * conf_level:g}% limits")
    return styled(figure, title_text=title, height=170 + LINE * len(table))
