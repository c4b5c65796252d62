"""Curves that may be shown: lines in steps of which each is of enough patients."""

import numpy as np

from paillasse.scan.containers import Column, Table
from paillasse.scan.shapes import finite, is_constant, is_curve, is_grid


def steps_allowed(tables: list[Table], k: int) -> set[int]:
    """Ids of traces that are curves with k patients a step, by the numbers at risk that are written below them."""
    at_risk = sum(_starting_at_risk(table.columns.get("text")) for table in tables if table.kind == "arrays")
    drawn = []
    for table in tables:
        x, y = table.columns.get("x"), table.columns.get("y")
        if table.kind != "arrays" or any(each is None or each.numbers is None for each in (x, y)) or len(x) != len(y):
            continue
        others = [c for name, c in table.columns.items() if name not in ("x", "y") and not _is_plain(c)]
        if not others and len(finite(y.numbers)) >= 3:
            drawn.append((id(table), x.numbers.tobytes(), y.numbers))
    curves = {place: (x, y) for place, x, y in drawn if is_curve(y)}
    steps = {x: len(np.unique(finite(y))) - 1 for x, y in curves.values()}
    if not at_risk or sum(steps.values()) > at_risk / k:
        return set()
    # A limit need not go one way, but lies on one side of its curve, at the same times.
    beside = [place for place, x, y in drawn for times, curve in curves.values() if x == times and _is_beside(y, curve)]
    return {*curves, *beside}


def _starting_at_risk(text: Column | None) -> int:
    """The first of the numbers at risk that are written below a figure, such as 2,645 and then fewer; else 0."""
    if text is None:
        return 0
    told = [f"{number:.0f}" for number in finite(text.numbers)] if text.texts is None else text.texts
    written = [each.replace(",", "").strip() for each in told if each.strip()]
    if len(written) < 3 or not all(each.isdecimal() for each in written):
        return 0
    numbers = [int(each) for each in written]
    return numbers[0] if numbers == sorted(numbers, reverse=True) else 0


def _is_beside(limit: np.ndarray, curve: np.ndarray) -> bool:
    """Whether all values are shares, and none lies on the other side of a curve."""
    known = np.isfinite(limit) & np.isfinite(curve)
    within = np.all((limit[known] >= 0) & (limit[known] <= 1))
    return bool(within and (np.all(limit[known] >= curve[known]) or np.all(limit[known] <= curve[known])))


def _is_plain(column: Column) -> bool:
    return column.numbers is not None and (is_constant(column.numbers) or is_grid(column.numbers))


def is_stepped(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether a line goes in steps: every move is along one axis."""
    return bool(np.mean((np.diff(x) == 0) | (np.diff(y) == 0)) > 0.9)
