"""Curves that move in steps, with their limits and the numbers at risk below: of survival and of incidence."""

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from paillasse.figures.style import faded, styled

MOST_POINTS = 400  # of a curve; more cannot be seen, and each would be one patient's time in the file
ALL_POINTS = 1600  # of all curves together


@dataclass(frozen=True)
class Curve:
    """One curve: `steps` has the columns time, value, lower, upper, its first row the start at time 0.

    It moves in steps, or where it is known at a few times only, `straight` from one to the next.
    """

    name: str
    colour: str
    dash: str
    steps: np.ndarray
    straight: bool = False


@dataclass(frozen=True)
class Group:
    """Patients at risk together: their curves, and a row of numbers below (`time` and `n_risk` of each step).

    With `rounding` the numbers are known at these times only; between them they are interpolated and rounded to it.
    """

    name: str
    row: str  # the name beside the numbers at risk
    colour: str
    curves: list[Curve]
    time: np.ndarray
    n_risk: np.ndarray
    rounding: int = 0

    def at_risk(self, times: np.ndarray) -> list[str]:
        """The numbers at risk just before these times."""
        if not self.rounding:
            numbers = np.append(self.n_risk, 0)[np.searchsorted(self.time, times, side="left")]
            return [f"{number:,.0f}" for number in numbers]
        numbers = np.interp(times, self.time, self.n_risk, right=np.nan)
        return ["" if np.isnan(each) else f"{np.rint(each / self.rounding) * self.rounding:,.0f}" for each in numbers]


def step_curves(groups: list[Group], axis: str, top: float, time_unit: str, title: str) -> go.Figure:
    """Draw the groups' curves on an axis from 0 to `top`, with confidence bands, and their numbers at risk."""
    longest = max(group.time.max() for group in groups)
    ticks = _ticks(longest)
    most = min(MOST_POINTS, ALL_POINTS // sum(len(group.curves) for group in groups))
    below = 28 * len(groups) + 40
    height = 430 + below
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, vertical_spacing=70 / height, row_heights=[height - below, below]
    )
    for place, group in enumerate(groups):
        for curve in group.curves:
            _draw(figure, curve, most, time_unit)
        figure.add_scatter(
            x=ticks,
            y=np.full(len(ticks), len(groups) - 1 - place),
            text=group.at_risk(ticks),
            mode="text",
            textfont={"color": group.colour, "size": 12},
            name=f"{group.name}, at risk",
            showlegend=False,
            hoverinfo="skip",
            row=2,
            col=1,
        )
    unit = f" ({time_unit})" if time_unit else ""
    figure.update_yaxes(title_text=axis, range=[0, top], tickformat=".0%", row=1, col=1)
    figure.update_xaxes(title_text=f"Time{unit}", tickvals=ticks, showticklabels=True, row=1, col=1)
    figure.update_yaxes(
        range=[-0.6, len(groups) - 0.4],
        tickvals=list(range(len(groups)))[::-1],
        ticktext=[group.row for group in groups],
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
    figure.update_xaxes(range=[-0.02 * ticks[-1], max(longest, ticks[-1]) * 1.03])
    return styled(figure, title_text=title, height=height, hovermode="closest")


def _draw(figure: go.Figure, curve: Curve, most: int, time_unit: str) -> None:
    """A band between the limits, where they exist, and the curve on it."""
    name = curve.name
    steps = curve.steps if curve.straight else np.vstack([curve.steps[:1], _thinned(curve.steps[1:], most)])
    time, value, lower, upper = steps.T
    shape = "linear" if curve.straight else "hv"
    known = np.isfinite(lower) & np.isfinite(upper)
    band = {"mode": "lines", "line": {"width": 0, "shape": shape}, "legendgroup": name}
    band |= {"showlegend": False, "hoverinfo": "skip"}
    figure.add_scatter(x=time[known], y=upper[known], name=f"{name}, upper limit", **band, row=1, col=1)
    fill = {"fill": "tonexty", "fillcolor": faded(curve.colour)}
    figure.add_scatter(x=time[known], y=lower[known], name=f"{name}, lower limit", **band, **fill, row=1, col=1)
    figure.add_scatter(
        x=time,
        y=value,
        name=name,
        mode="lines",
        line={"color": curve.colour, "dash": curve.dash, "shape": shape, "width": 2},
        legendgroup=name,
        hovertemplate=f"{name}<br>%{{x:.2f}} {time_unit}: %{{y:.1%}}<extra></extra>",
        row=1,
        col=1,
    )


def _ticks(longest: float) -> np.ndarray:
    """Five to ten round times from 0."""
    longest = longest if longest > 0 else 1.0
    rough = longest / 6
    power = 10 ** np.floor(np.log10(rough))
    step = power * min((1, 2, 2.5, 5, 10), key=lambda each: abs(each * power - rough))
    return np.arange(0, longest * 1.0001, step)


def _thinned(steps: np.ndarray, most: int) -> np.ndarray:
    """At most so many steps, evenly spread over the way of the curve, the last one always kept."""
    changed = np.append(True, np.diff(steps[:, 1]) != 0)
    changed[-1] = True
    steps = steps[changed]
    if len(steps) <= most:
        return steps
    moved = np.abs(steps[:, 1] - steps[0, 1])
    kept = np.searchsorted(moved, np.linspace(0, moved[-1], most - 1), side="left")
    return steps[np.unique(np.append(kept, len(steps) - 1))]
