"""Pictures of safe forms as PNG, drawn by matplotlib's own renderer: no browser, which an enclave may not have.

A picture shows numbers of the safe form and no others, has its notes as the caption, and carries no text beside its
pixels.
"""

import io
import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from paillasse.disclosure import Safe
from paillasse.disclosure.safe import MARK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 9.0  # inches, as all lengths here
DPI = 150
LINE = 0.165  # of a caption
ROW = 0.32  # of a forest plot or a flow chart
COLUMNS = 118  # letters of a caption's line
MOST_ROWS = 80  # of a forest plot; a longer one nobody reads
COLOURS = ("#0b5cad", "#c04a00", "#17663a", "#7a2f8f", "#8a6d00", "#5d6670")
DASHES = ("-", "--", ":", "-.")


def picture(safe: Safe) -> bytes | None:
    """A safe form as PNG; None where it is one that is read as a table.

    Examples
    --------
    >>> table = pd.DataFrame({"term": ["age"], "hazard_ratio": 1.2, "lower": 1.1, "upper": 1.3, "mark": "rounded"})
    >>> from paillasse.disclosure import Policy
    >>> picture(Safe("CoxModel", "Cox model", {"table": table}, ("Rounded.",), Policy(11, 5)))[1:4]
    b'PNG'
    """
    draw, columns = DRAWN.get(safe.of, (None, set()))
    if draw is None or not columns <= set(safe.table) or (len(safe.table) > MOST_ROWS and draw in (_forest, _flow)):
        return None
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = [line for note in (f"Safe form. {safe.title}.", *safe.notes) for line in textwrap.wrap(note, COLUMNS)]
    rows = len(safe.table) if draw in (_forest, _flow) else 0
    body, below = ROW * rows + 0.8 if rows else 3.8, LINE * len(lines) + 0.8
    height = body + below + 0.15
    with matplotlib.rc_context({"text.parse_math": False, "font.family": "DejaVu Sans", "font.size": 10}):
        figure = Figure(figsize=(WIDTH, height), dpi=DPI)
        canvas = FigureCanvasAgg(figure)
        left = 0.34 if draw is _forest else 0.09
        axes = figure.add_axes((left, below / height, 0.96 - left, body / height))
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes, safe)
        caption = "\n".join(lines)
        figure.text(0.03, 0.12 / height, caption, fontsize=8, color="#444", va="bottom", linespacing=1.35)
        file = io.BytesIO()
        canvas.print_png(file, metadata={"Software": None})
    return file.getvalue()


def _survival(axes: "Axes", safe: Safe) -> None:
    for number, (group, curve) in enumerate(_curves(safe, ["group"])):
        _line(axes, curve, "survival", COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % 4], group)
    _finish_curves(axes, "Survival")


def _incidence(axes: "Axes", safe: Safe) -> None:
    groups: dict[str, int] = {}
    causes: dict[str, int] = {}
    for (group, cause), curve in _curves(safe, ["group", "cause"]):
        colour = COLOURS[causes.setdefault(str(cause), len(causes)) % len(COLOURS)]
        dash = DASHES[groups.setdefault(str(group), len(groups)) % len(DASHES)]
        _line(axes, curve, "incidence", colour, dash, f"{group}, cause {cause}")
    _finish_curves(axes, "Cumulative incidence")


def _curves(safe: Safe, by: list[str]):
    """The curves that are told, one after the other; those with too few patients have no time."""
    table = safe.table[safe.table["time"].notna()]
    return table.groupby(by if len(by) > 1 else by[0], sort=False, dropna=False)


def _line(axes: "Axes", curve: pd.DataFrame, name: str, colour: str, dash: str, label) -> None:
    time, value, lower, upper = (_numbers(curve[each]) for each in ("time", name, "lower", "upper"))
    axes.plot(time, value, dash, color=colour, marker=".", markersize=4, label=str(label))
    axes.fill_between(time, lower, upper, color=colour, alpha=0.12, linewidth=0)


def _finish_curves(axes: "Axes", what: str) -> None:
    axes.set(xlabel="Time", ylabel=what, ylim=(0, 1.02))
    axes.set_xlim(left=0)
    axes.grid(axis="y", color="#ddd", linewidth=0.6)
    axes.legend(frameon=False, fontsize=9)


def _forest(axes: "Axes", safe: Safe) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    table = safe.table
    ratio, lower, upper = (_numbers(table[each]) for each in ("hazard_ratio", "lower", "upper"))
    place = np.arange(len(table))
    shown = np.isfinite(ratio) & (ratio > 0)
    low, high = (np.where(np.isfinite(each) & (each > 0), each, ratio) for each in (lower, upper))
    axes.hlines(place[shown], low[shown], high[shown], color=COLOURS[0], linewidth=1.4)
    axes.plot(ratio[shown], place[shown], "s", color=COLOURS[0], markersize=5)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axvline(1, color="#888", linewidth=0.8)
    for row in place[~shown]:
        axes.annotate(
            _cut(table[MARK].iloc[row], 80), (0.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=8,
            color="#666",
        )  # fmt: skip
    named = [name for name in ("term", "contrast", "outcome") if name in table]
    if named:
        names = table[named[0]]
    else:
        names = [f"{subgroup}: {level}" for subgroup, level in zip(table["subgroup"], table["level"])]
    axes.set_yticks(place, [_cut(name) for name in names], fontsize=8)
    axes.set_ylim(len(table) - 0.4, -0.6)
    kind = "Subdistribution hazard ratio" if safe.of == "FineGrayModel" else "Hazard ratio"
    axes.set_xlabel(f"{kind} with its limits (log scale)")


def _flow(axes: "Axes", safe: Safe) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(len(safe.table) - 0.4, -0.6))
    for row, (step, excluded, left) in enumerate(zip(*(safe.table[name] for name in ("step", "excluded", "left")))):
        told = f"{_cut(step, 60)}: {left:,} left" + (f" ({excluded:,} excluded)" if excluded else "")
        box = {"boxstyle": "round", "facecolor": "#f5f7f9", "edgecolor": "#888"}
        axes.text(0.02, row, told, va="center", bbox=box)


def _numbers(values: pd.Series) -> np.ndarray:
    return pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)


def _cut(text, most: int = 40) -> str:
    text = str(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


RATIO = {"hazard_ratio", "lower", "upper", MARK}
# The class of a result → how its safe form is drawn, of which columns of its table.
DRAWN = {
    "KaplanMeier": (_survival, {"group", "time", "survival", "lower", "upper"}),
    "CumulativeIncidence": (_incidence, {"group", "cause", "time", "incidence", "lower", "upper"}),
    "CoxModel": (_forest, {"term"} | RATIO),
    "FineGrayModel": (_forest, {"term"} | RATIO),
    "SubgroupEffects": (_forest, {"subgroup", "level"} | RATIO),
    "WeightedSurvival": (_survival, {"group", "time", "survival", "lower", "upper"}),
    "MarginalHazardRatio": (_forest, {"contrast"} | RATIO),
    "NegativeControls": (_forest, {"outcome"} | RATIO),
    "Flow": (_flow, {"step", "excluded", "left"}),
}
