"""On how many patients the numbers of a safe form rest: the smallest count that it shows, and whether that may be."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from paillasse.disclosure import Policy, Safe
from paillasse.disclosure.safe import MARK
from paillasse.errors import DisclosureError

# Columns that count patients or events. Numbers at risk and expected events are none: they are computed from these.
COUNTS = (
    "n", "events", "n_event", "n_lost", "n_cases", "n_controls", "observed", "excluded", "left", "missing", "patients",
    "rows", "left_arm", "low", "high", "alone", "deaths", "toxicities", "n_alone", "deaths_alone",
)  # fmt: skip
ROW_LABELS = (
    "group", "cause", "time", "subgroup", "level", "term", "step", "column", "characteristic", "value", "arm",
    "contrast", "covariate", "outcome", "partner", "penalty",
)  # fmt: skip
COUNT_IN_TEXT = re.compile(r"(?:about )?(\d[\d,]*)(?: \(\d+\.\d\))?")


class Count(NamedTuple):
    """One count that is shown: in which row, named by its labels, and in which column."""

    where: str
    column: str
    count: int


def counts_of(safe: Safe) -> Iterator[Count]:
    """Each count that is shown and not 0.

    Examples
    --------
    >>> table = pd.DataFrame({"value": ["", "60"], "Overall": ["685", "290 (42.3)"], "mark": ["rounded"] * 2})
    >>> [tuple(each) for each in counts_of(Safe("TableOne", "", {"table": table}, (), Policy(11, 5)))]
    [('table, ', 'Overall', 685), ('table, 60', 'Overall', 290)]
    """
    for name, table in safe.tables.items():
        labels = [column for column in table if column in ROW_LABELS]
        for row in table.to_dict("records"):
            where = ", ".join([name, *(str(row[label]) for label in labels)])
            for column, value in row.items():
                if (count := _count(safe, column, value)) is not None:
                    yield Count(where, str(column), count)


def _count(safe: Safe, column: str, value) -> int | None:
    """The count in a cell; None where there is none, and for 0, which tells only that nothing is told."""
    if safe.of == "TableOne" and column not in (*ROW_LABELS, MARK):
        found = COUNT_IN_TEXT.fullmatch(str(value))
        return int(found[1].replace(",", "")) if found else None
    if column not in COUNTS or isinstance(value, str) or pd.isna(value) or value == 0:
        return None
    return int(value)


def smallest_count(safe: Safe) -> int | None:
    """The smallest count that is shown; None where none is, as in a model's table, whose notes say what it rests on."""
    return min((each.count for each in counts_of(safe)), default=None)


def need_counts_of_the_policy(safe: Safe, floor: Policy, name: str) -> None:
    """Refuse a safe form that its own policy, or the one that holds for its data, would not have given.

    A count of the minimum can be shown as less, by rounding, and so can the difference of two rounded sums; none is
    smaller than the first multiple above the minimum less one rounding.

    Raises
    ------
    DisclosureError
        It was made under a laxer policy, or holds a count that is too small or not rounded.
    """
    if safe.policy.tightened(floor) != safe.policy:
        raise DisclosureError(
            f"{name} was made with a minimum cell of {safe.policy.minimum_cell} and rounding to "
            f"{safe.policy.rounding}; its data need {floor.minimum_cell} and {floor.rounding}. Execute the run again."
        )
    step, least = safe.policy.rounding, safe.policy.minimum_cell
    for _, column, count in counts_of(safe):
        if count % step or count <= least - step or count < 0:
            raise DisclosureError(
                f"{name}: a count in its column {column!r} is too small or not rounded, so this is no safe form of "
                "this library's. Record the result itself, and execute the run again."
            )
