"""How many rows a synthetic table has, and what makes them differ: combinations of codes, or another table's rows."""

import math
from collections.abc import Mapping
from functools import cached_property

import numpy as np
from scipy.special import pdtr, pdtrik

from paillasse.catalog.distributions import number, quantiles
from paillasse.catalog.generator import MOST_ROWS, PARENT, Generator
from paillasse.catalog.generator_check import mistakes_in
from paillasse.catalog.model import Dataset, Field
from paillasse.catalog.synthetic_values import digest, places
from paillasse.errors import CatalogError, did_you_mean

ROWS = 1000  # where nothing else is said
DAYS = {"day": 1.0, "week": 7.0, "month": 30.4375, "year": 365.25}
EXACT = 2.0**53  # whole numbers up to here are exact in float64
DATES = (number(np.datetime64("0001-01-01").item()), number(np.datetime64("9999-12-31").item()))


class Rows:
    """A data set in the making: how many rows it has, and which combinations or which rows of the parent they are."""

    def __init__(self, name: str, dataset: Dataset, datasets: Mapping[str, Dataset], children: tuple[str, ...]):
        self.name = name
        self.schema = dataset.table_schema
        self.fields = {field.name: field for field in self.schema.fields}
        key = self.schema.primaryKey
        self.key = [key] if isinstance(key, str) else key
        self.generator = dataset.generator or Generator()
        self.datasets = datasets
        self.children = (*children, name)
        self.link = self.generator.for_each
        self.parent = self.other(self.link.dataset, "for_each.dataset") if self.link else None
        found = mistakes_in(self.generator, self.schema, self.parent and self.parent.schema)
        if found:
            raise self.refusal("; ".join(found))
        self.columns = dict(self.generator.columns)  # how each is made; completed from the schema
        self.places: dict[str, np.ndarray] = {}  # of combined columns: which of its values each row has
        self.count_rows()

    def place(self, key: str) -> str:
        return f"{self.name}: generator: {key}"

    def refusal(self, what: str) -> CatalogError:
        return CatalogError(self.place(what))

    def other(self, name: str, key: str) -> "Rows":
        if name not in self.datasets:
            raise self.refusal(f"{key}: there is no data set {name!r}. {did_you_mean(name, self.datasets)}")
        if name in self.children:
            raise self.refusal(f"{key}: made from each other in a circle: {' → '.join((*self.children, name))}")
        return type(self)(name, self.datasets[name], self.datasets, self.children)

    def uniform(self, column: str, purpose: str, n: int) -> np.ndarray:
        """Numbers between 0 and 1, never one of them, of the column's own stream."""
        seed = digest(self.generator.seed, self.name, column, purpose)
        bits = np.random.PCG64(seed).random_raw(n) >> np.uint64(12)
        return (bits + 0.5) * 2.0**-52

    def count_rows(self) -> None:
        if self.link is not None:
            self.rows_of_parents()
        elif self.generator.crossed:
            sizes = {
                name: len(self.fields[name].values_it_can_hold) if levels == "codes" else levels
                for name, levels in self.generator.crossed.items()
            }
            self.combine(sizes, math.prod(sizes.values()))
        else:
            self.rows_that_differ()
        for name in self.unique:
            room = self.room(name)
            if room < self.n:
                raise self.refusal(f"{self.n:,} rows, but the field {name!r} is unique and has room for {room:,.0f}")

    @cached_property
    def unique(self) -> list[str]:
        alone = self.key if len(self.key) == 1 else []
        return [name for name, field in self.fields.items() if field.constraints.unique or name in alone]

    def rows_of_parents(self) -> None:
        n = self.parent.n
        distribution = self.link.rows
        u = self.uniform(self.link.key, "rows", n)
        is_rate = self.link.per_year_of is not None
        if distribution.categorical:
            codes = np.array([number(code) for code in distribution.categorical])
            counts = codes[places(distribution.categorical.values(), u)]
        else:
            counts = quantiles(distribution, u, 0.0, EXACT, not is_rate, self.place("for_each.rows"))
        counts = self.in_their_time(counts, self.link.per_year_of) if is_rate else np.rint(counts)
        if counts.sum() > MOST_ROWS:
            raise self.refusal(f"for_each.rows: makes more than {MOST_ROWS:,} rows")
        counts = counts.astype(np.int64)
        self.n = int(counts.sum())
        self.parent_row = np.repeat(np.arange(n), counts)
        self.rank = np.arange(self.n) - np.repeat(np.cumsum(counts) - counts, counts)

    def in_their_time(self, rates: np.ndarray, duration: str) -> np.ndarray:
        """How many rows there are at a rate a year in the time of the parent's row; none where it is missing."""
        time = self.parent.made[duration]
        years = np.where(time.is_present, time.numbers, 0) * self.days(PARENT + duration) / DAYS["year"]
        means = rates * np.clip(years, 0, None)
        if means.sum() > MOST_ROWS:  # before numbers that nobody can draw from
            raise self.refusal(f"for_each.rows: makes more than {MOST_ROWS:,} rows")
        u = self.uniform(self.link.key, "rows of their time", len(means))
        counts = np.ceil(pdtrik(u, means))  # may be one too many at a border
        fewer = np.clip(counts - 1, 0, None)
        return np.where(means > 0, np.where(pdtr(fewer, means) >= u, fewer, counts), 0)

    def days(self, duration: str) -> float:
        """The days of a duration's unit."""
        field = self.field(duration)
        return DAYS.get((field.unit or "").strip().lower().removesuffix("s"), 1.0)

    def field(self, name: str) -> Field:
        return self.fields[name] if name in self.fields else self.parent.fields[name.removeprefix(PARENT)]

    def rows_that_differ(self) -> None:
        """As many rows as are asked for; the columns of the primary key are combined so that they differ together."""
        wanted = self.generator.rows
        free = [name for name in self.key if name not in self.columns]
        safe = any(
            name in self.unique or (name in self.columns and self.columns[name].way in ("sequence", "pseudonym"))
            for name in self.key
        )
        sizes = {}
        if free and not safe:
            coded = {name: len(values) for name in free if (values := self.fields[name].values_it_can_hold)}
            # One column takes what the codes leave, and changes slowest.
            rest = sorted((name for name in free if name not in coded), key=self.room, reverse=True)
            room = math.prod(coded.values()) * (self.room(rest[0]) if rest else 1)
            self.n = wanted or int(min(ROWS, room))
            if room < self.n and len(free) == len(self.key):
                raise self.refusal(f"{self.n:,} rows, but the primary key has room for {room:,.0f}")
            sizes = {name: -(-self.n // math.prod(coded.values())) for name in rest[:1]} | coded
        else:
            self.n = wanted or int(min([ROWS, *map(self.room, self.unique)]))
        self.combine(sizes, self.n)

    def combine(self, sizes: Mapping[str, int], n: int) -> None:
        """Number the values of some columns so that each row is another combination; the last one changes fastest."""
        self.n = n
        rest = np.arange(n)
        for name, size in reversed(sizes.items()):
            self.places[name] = rest % size
            rest = rest // size

    def room(self, name: str) -> float:
        """How many different values a column can have."""
        field, column = self.fields[name], self.columns.get(name)
        if name in self.foreign:
            return self.foreign[name][0].n
        if column is None and field.values_it_can_hold is not None:
            return len(field.values_it_can_hold)
        if field.type in ("string", "number"):
            return math.inf
        low, high = self.limits(field)
        start = number(column.sequence) if column is not None and column.sequence is not None else low
        return high - start + 1

    @cached_property
    def foreign(self) -> dict[str, tuple["Rows", str]]:
        """Columns that only the schema says to point to another data set: that table, and its column."""
        found = {}
        for foreign in self.schema.foreignKeys:
            ours, theirs = foreign.fields, foreign.reference.fields
            ours, theirs = ([each] if isinstance(each, str) else each for each in (ours, theirs))
            resource = foreign.reference.resource
            made = self.link is not None and self.link.key in ours
            if made or set(ours) & set(self.columns) or resource in self.children or resource not in self.datasets:
                continue
            there = self.other(resource, "foreignKeys")
            found |= {our: (there, their) for our, their in zip(ours, theirs) if our in self.fields}
        return found

    def limits(self, field: Field) -> tuple[float, float]:
        """The least and the greatest value that a column may have and a table can hold."""
        widest = {"date": DATES, "number": (-math.inf, math.inf)}.get(field.type, (-EXACT, EXACT))
        given = field.constraints
        low = widest[0] if given.minimum is None else max(number(given.minimum), widest[0])
        high = widest[1] if given.maximum is None else min(number(given.maximum), widest[1])
        if low > high or low == math.inf or high == -math.inf:
            raise self.refusal(f"{field.name!r}: its limits leave no number that a table can hold; correct the schema")
        return low, high
