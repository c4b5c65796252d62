"""The look of all figures: one small template, so that a stored figure carries 1 kB of style and not 7."""

import plotly.graph_objects as go

# Okabe and Ito's colours, told apart with any colour vision; each with a dash of its own for print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666", "#000000")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid", "dash")
AXIS = {"showline": True, "linecolor": "#888", "ticks": "outside", "zeroline": False, "gridcolor": "#eee"}
TEMPLATE = {
    "layout": {
        "colorway": list(COLOURS),
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#222"},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "title": {"x": 0, "xref": "paper", "xanchor": "left", "font": {"size": 16}},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        "margin": {"l": 70, "r": 20, "t": 70, "b": 50},
        "xaxis": AXIS,
        "yaxis": AXIS,
    }
}


def styled(figure: go.Figure, **layout) -> go.Figure:
    """The figure in the house's template; `layout` as plotly's `update_layout`."""
    return figure.update_layout(template=TEMPLATE, **layout)


def faded(colour: str) -> str:
    """A colour for the band around a curve."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"
