"""A synthetic stand-in: an entry's schema and its `generator:` block → a table that satisfies the schema.

The same on every machine. Each column has its own stream of uniform numbers, seeded by the block's seed, the data set
and the column, so that another column changes nothing; the bits are PCG64's own, which numpy promises not to change.
`exp`, `log` and the like may differ between processors in the last of 16 digits. That is not seen, because numbers are
rounded to their declared decimals, dates and counts to whole ones, and every comparison is with such a value or with
the drawn bits; it would take a value within 1e-13 of the border between two roundings.
"""

import math
import operator
from collections.abc import Iterable, Mapping
from functools import cached_property, reduce

import numpy as np
import pyarrow as pa
from scipy.special import ndtr, ndtri

from paillasse.catalog.distributions import number, quantiles
from paillasse.catalog.generator import PARENT, Column, Distribution, Outcome
from paillasse.catalog.generator_check import order_of_making
from paillasse.catalog.model import Dataset, Field
from paillasse.catalog.synthetic_rows import DATES, Rows
from paillasse.catalog.synthetic_values import ARROW, Made, digest, first_of_each, places, pseudonyms, rounded
from paillasse.errors import did_you_mean

MISSING = 0.05  # of a column that is made from the schema alone and may be missing
RANGES = {  # of a column without limits
    "integer": (0, 100),
    "number": (0, 100),
    "year": (2015, 2024),
    "date": (number(np.datetime64("2015-01-01").item()), number(np.datetime64("2024-12-31").item())),
}
WORDS = ["A", "B", "C", "D"]  # of a text without codes
LONGEST = 1e9  # a duration, in its unit


def synthetic_table(name: str, dataset: Dataset, datasets: Mapping[str, Dataset]) -> pa.Table:
    """The stand-in of a data set.

    Parameters
    ----------
    name
        Of the data set.
    dataset
        Its entry.
    datasets
        All entries of the catalogue: a linked table is made with the patients of another one.

    Returns
    -------
    pyarrow.Table
        The columns of the schema, in its order; integer and year as int64, number as float64, string, boolean, date32;
        null where a value is missing.

    Raises
    ------
    CatalogError
        What the generator says cannot be, or not together with the schema: with the key, and what to do.

    Examples
    --------
    >>> from paillasse import open_catalog
    >>> veteran = open_catalog()["veteran"].about
    >>> synthetic_table("veteran", veteran, {}).num_rows
    1000
    """
    return _Table(name, dataset, datasets, ()).as_arrow()


class _Table(Rows):
    """And its columns, each after those that it is made from."""

    def __init__(self, name: str, dataset: Dataset, datasets: Mapping[str, Dataset], children: tuple[str, ...]):
        super().__init__(name, dataset, datasets, children)
        self.made: dict[str, Made] = {}
        self.of_parent: dict[str, Made] = {}
        self.raw: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # durations before rounding; whether there was an event
        self.make()

    # Numbers

    @cached_property
    def correlated(self) -> dict[str, np.ndarray]:
        """Normal numbers of the columns that correlate."""
        names = list(dict.fromkeys(name for pair in self.generator.correlations for name in pair.between))
        matrix = np.eye(len(names))
        for pair in self.generator.correlations:
            i, j = (names.index(name) for name in pair.between)
            matrix[i, j] = matrix[j, i] = 2 * math.sin(math.pi * pair.spearman / 6)
        for k in range(1, len(names) + 1):
            try:
                factor = np.linalg.cholesky(matrix[:k, :k])
            except np.linalg.LinAlgError:
                raise self.refusal(
                    f"correlations: no table has these at once, between {', '.join(names[:k])} (their matrix is not "
                    "positive definite); bring some nearer to 0"
                ) from None
        if not names:
            return {}
        own = [ndtri(self.uniform(name, "value", self.n)) for name in names]
        # Rounded, and summed one after the other: LAPACK and BLAS differ between machines in the last digit.
        rows = [[weight * z for weight, z in zip(row, own) if weight] for row in np.round(factor, 12)]
        return {name: reduce(operator.add, terms) for name, terms in zip(names, rows)}

    def latent(self, name: str) -> np.ndarray:
        """The uniform number behind each value of a column, correlated and shifted."""
        column = self.columns.get(name)
        shifted = column is not None and (column.shifts or column.intraclass)
        if not shifted and name not in self.correlated:
            return self.uniform(name, "value", self.n)
        z = self.correlated[name] if name in self.correlated else ndtri(self.uniform(name, "value", self.n))
        if column is not None and column.intraclass:
            ((group, share),) = column.intraclass.items()
            values, place = np.unique(self.column(group).values, return_inverse=True)
            shared = ndtri(self.uniform(name, "group", len(values)))[place]
            z = math.sqrt(share) * shared + math.sqrt(1 - share) * z
        if column is not None:
            z = z + self.effects(column.shifts)
        return np.clip(ndtr(z), 2.0**-53, 1 - 2.0**-53)

    def effects(self, effects: Mapping) -> np.ndarray:
        """The sum of what each column adds, by code, or per unit from its median."""
        total = np.zeros(self.n)
        for name, effect in effects.items():
            column = self.column(name)
            if isinstance(effect, dict):
                for code, size in effect.items():
                    total[column.is_code(code)] += size
            elif column.is_present.any():
                numbers, there = column.numbers, column.is_present
                total[there] += effect * (numbers[there] - np.median(numbers[there]))
        return total

    # Columns

    def make(self) -> None:
        outcomes = self.generator.survival
        by_survival = {*outcomes, *(outcome.event for outcome in outcomes.values())}
        if self.link is not None:
            self.made[self.link.key] = self.column(PARENT + (self.link.parent_key or self.link.key))
            self.check(self.fields[self.link.key], self.made[self.link.key], "for_each.key")
        for name, (there, their) in self.foreign.items():
            self.made[name] = self.pointing(name, there, their)
            self.check(self.fields[name], self.made[name], f"foreignKeys: {name}")
        for name, field in self.fields.items():
            if name not in self.columns and name not in by_survival and name not in self.made:
                self.columns[name] = self.from_schema(field)
                self.made[name] = self.value(name, self.columns[name])
        for name in order_of_making(self.generator):
            if name in outcomes:
                self.outcome(name, outcomes[name])
            elif name in self.columns and name not in self.made:
                self.made[name] = self.value(name, self.columns[name])

    def column(self, name: str) -> Made:
        """A column that is made already, of this table or of the parent's row."""
        if name in self.made:
            return self.made[name]
        if name not in self.of_parent:
            self.of_parent[name] = self.parent.made[name.removeprefix(PARENT)].take(self.parent_row)
        return self.of_parent[name]

    def pointing(self, name: str, there: Rows, their: str) -> Made:
        if their not in there.made:
            raise self.refusal(f"foreignKeys: {there.name} has no field {their!r}. {did_you_mean(their, there.fields)}")
        if there.n == 0:
            raise self.refusal(f"foreignKeys: {there.name} has no rows")
        if there.fields[their].type != self.fields[name].type:
            raise self.refusal(f"foreignKeys: {name!r} and {there.name}'s {their!r} are of different types")
        if name in self.unique:
            return there.made[their].take(np.arange(self.n))
        if name in self.places:
            return there.made[their].take(self.places[name])
        u = self.uniform(there.name, "foreign key", self.n)  # of the data set: all its columns are of the same row
        return there.made[their].take(np.floor(u * there.n).astype(np.int64))

    def from_schema(self, field: Field) -> Column:
        """How a column is made that the block does not mention."""
        values = field.values_it_can_hold
        unique = field.name in self.unique
        never = unique or field.constraints.required or field.name in self.key or field.name in self.places
        missing = 0 if never else MISSING
        if values is not None:
            if not values:
                raise self.refusal(f"{field.name!r}: its codes, enum and limits leave no value; correct the schema")
            if unique:
                self.places[field.name] = np.arange(self.n)
            return Column(categorical=dict.fromkeys(values, 1 / len(values)), missing=missing)
        if self.link is not None and field.name in self.key and field.type == "integer" and not unique:
            return Column(order=int(max(1, self.limits(field)[0])))
        numbered = field.role == "identifier" and self.room(field.name) >= self.n
        if unique or numbered or field.name in self.places:
            if field.type == "string":
                return Column(pseudonym="")
            return Column.model_construct(sequence=self.first(field))
        if field.type == "string":
            return Column(categorical=dict.fromkeys(WORDS, 1 / len(WORDS)), missing=missing)
        return Column.model_construct(uniform=list(self.range(field)), missing=missing)

    def range(self, field: Field) -> tuple[float, float]:
        """Between what a column lies of which nothing but limits is known."""
        low, high = self.limits(field)
        first, last = RANGES[field.type]
        if field.constraints.minimum is not None:
            first, last = low, last if low < last else low + (last - first)
        if field.constraints.maximum is not None:
            first, last = first if first < high else max(low, high - (last - first)), high
        return max(low, first), min(high, last)

    def first(self, field: Field) -> float:
        """Where the sequence of an identifier begins."""
        low, high = self.limits(field)
        usual = RANGES["date"][0] if field.type == "date" else 1.0
        start = low if field.constraints.minimum is not None else usual
        needed = 1 + (self.places[field.name].max(initial=0) if field.name in self.places else self.n - 1)
        return start if start + needed - 1 <= high or field.type == "number" else max(low, high - needed + 1)

    def value(self, name: str, column: Column) -> Made:
        """One column, of any way."""
        field, key = self.fields[name], f"columns.{name}"
        match column.way:
            case "sequence":
                made = self.sequence(field, column.sequence)
            case "pseudonym":
                place = self.places.get(name, np.arange(self.n))
                mixer = digest(self.generator.seed, self.name, name, "pseudonym")
                made = Made(place, pseudonyms(int(place.max(initial=-1)) + 1, column.pseudonym, mixer))
            case "order":
                made = Made(self.rank + float(column.order))
            case "copy":
                made = self.column(column.copy_of)
            case "after":
                made = self.date_after(field, column, key)
            case "between":
                made = self.date_between(name, column, key)
            case "by":
                made = self.by_code(field, column, key)
            case _:
                made = self.drawn(field, column, self.latent(name), key, column)
        if column.when:
            ((other, codes),) = column.when.items()
            there = reduce(operator.or_, (self.column(other).is_code(code) for code in codes), np.zeros(self.n, bool))
            made = Made(made.values, made.labels, made.is_present & there)
        self.check(field, made, key)
        return made

    def drawn(self, field: Field, distribution: Distribution, u: np.ndarray, key: str, column: Column) -> Made:
        """From a distribution, and perhaps times another column."""
        if distribution.categorical is not None:
            labels = list(distribution.categorical)
            place = self.places.get(field.name)
            return Made(places(distribution.categorical.values(), u) if place is None else place, labels)
        if distribution.constant is not None and column.times is None:
            return Made(np.zeros(len(u), dtype=np.int64), [distribution.constant])
        whole = field.type != "number"
        low, high = self.limits(field)
        present = None
        if column.times is None:
            values = quantiles(distribution, u, low, high, whole, self.place(key))
        else:
            factor = self.column(column.times)
            with np.errstate(all="ignore"):
                values = factor.numbers * quantiles(distribution, u, -math.inf, math.inf, False, self.place(key))
                values = np.clip(np.nan_to_num(np.rint(values) if whole else values), low, high)
            present = factor.present
        return Made(values if whole else np.clip(rounded(values, column.decimals), low, high), None, present)

    def by_code(self, field: Field, column: Column, key: str) -> Made:
        ((other, choices),) = column.by.items()
        u = self.latent(field.name)
        parts = {}  # code → its rows, and what they hold
        for code, rows in self.rows_of_each(other, choices).items():
            parts[code] = rows, self.drawn(field, choices[code], u[rows], f"{key}.by.{code}", column)
        present = np.zeros(self.n, dtype=bool)
        values = np.zeros(self.n)
        labels = None
        if all(part.labels is not None for _, part in parts.values()):
            labels = list(dict.fromkeys(label for _, part in parts.values() for label in part.labels))
            values = np.zeros(self.n, dtype=np.int64)
        for rows, part in parts.values():
            present[rows] = True
            if labels is None:
                values[rows] = part.numbers
            else:
                values[rows] = np.array([labels.index(label) for label in part.labels], dtype=np.int64)[part.values]
        return Made(values, labels, present)

    def rows_of_each(self, name: str, codes: Iterable) -> dict:
        """The rows of each code; of a number or a date without codes, those from each value up to the next."""
        column, field = self.column(name), self.field(name)
        if field.type == "string" or field.values_it_can_hold is not None:
            return {code: np.flatnonzero(column.is_code(code)) for code in codes}
        firsts = np.array([*sorted(map(number, codes)), math.nan])  # at the end, for those below the first
        reached = firsts[np.searchsorted(firsts[:-1], column.numbers, side="right") - 1]
        return {code: np.flatnonzero(column.is_present & (reached == number(code))) for code in codes}

    def sequence(self, field: Field, start) -> Made:
        place = self.places.get(field.name, np.arange(self.n))
        high = self.limits(field)[1]
        step = 1.0
        if field.type == "number":
            step = min(1.0, (high - number(start)) / max(1, place.max(initial=0)))
        values = number(start) + place * step
        if len(values) and values.max() > high:
            raise self.refusal(f"columns.{field.name}: the sequence leaves the limits of the field after {high:,.0f}")
        return Made(values)

    # Dates

    def date_after(self, field: Field, column: Column, key: str) -> Made:
        base = self.column(column.after)
        present = base.is_present
        if column.duration is not None:
            duration = self.column(column.duration)
            days = np.rint(duration.numbers * self.days(column.duration))
            present = present & duration.is_present
        elif column.days.categorical is not None:
            lags = np.array([number(code) for code in column.days.categorical])
            days = np.rint(lags[places(column.days.categorical.values(), self.latent(field.name))])
        else:
            days = quantiles(
                column.days, self.latent(field.name), 0.0, DATES[1] - DATES[0], True, self.place(f"{key}.days")
            )
        low, high = self.limits(field)
        values = base.numbers + days
        if column.until is not None:
            until = self.column(column.until)
            values = np.where(until.is_present, np.minimum(values, until.numbers), values)
        values = np.clip(values, low, high)
        if (values < base.numbers)[present].any():
            raise self.refusal(
                f"{key}: some rows cannot be after {column.after!r}: 'until' or the field's maximum is before it"
            )
        return Made(values, None, present)

    def date_between(self, name: str, column: Column, key: str) -> Made:
        first, last = (self.column(each) for each in column.between)
        present = first.is_present & last.is_present
        low, high = self.limits(self.fields[name])
        start, end = np.maximum(first.numbers, low), np.minimum(last.numbers, high)
        if (start > end)[present].any():
            raise self.refusal(
                f"{key}: in some rows {column.between[1]!r} is before {column.between[0]!r}, or the field's limits "
                "leave nothing between them"
            )
        return Made(start + np.floor(self.latent(name) * (end - start + 1)), None, present)

    # Outcomes

    def outcome(self, name: str, outcome: Outcome) -> None:
        field, event = self.fields[name], self.fields[outcome.event]
        key = f"survival.{name}"
        low, high = self.limits(field)
        end = np.full(self.n, min(high, LONGEST, outcome.censoring.at or LONGEST))  # of follow-up
        if outcome.censoring.start is not None:
            start = self.column(outcome.censoring.start)
            time = (number(outcome.censoring.data_cut) - start.numbers) / self.days(name)
            if (time < 0)[start.is_present].any():
                raise self.refusal(f"{key}.censoring: in some rows {outcome.censoring.start!r} is after the data cut")
            end = np.where(start.is_present, np.minimum(end, time), end)

        codes = [outcome.code_of_censored(event.type), *outcome.causes]
        times = [self.time_to(name, i, cause) for i, cause in enumerate(outcome.causes.values())]
        if outcome.until is not None:
            other = outcome.until.outcome
            time, happened = self.raw[other]
            time = time * (self.days(other) / self.days(name))
            times.append(np.where(happened, time, np.inf))
            codes.append(outcome.until.code)
            end = np.where(happened, end, np.minimum(end, time))
        first = np.argmin(times, axis=0)
        time = np.min(times, axis=0)

        if outcome.censoring.share is not None:
            end = np.minimum(end, self.lost(name, outcome.censoring.share, time, end))
        happened = time <= end
        time = np.minimum(time, end)
        self.raw[name] = time, happened
        # Rounded up, so that no duration is 0 and the order of two outcomes is kept.
        time = np.ceil(time) if field.type == "integer" else np.ceil(time * 100) / 100
        self.made[name] = Made(np.clip(time, low, high))
        labels = list(dict.fromkeys(codes))
        place = np.array([labels.index(code) for code in codes])
        self.made[outcome.event] = Made(place[np.where(happened, first + 1, 0)], labels)
        self.check(field, self.made[name], key)
        self.check(event, self.made[outcome.event], f"{key}.event")

    def time_to(self, name: str, i: int, cause) -> np.ndarray:
        """Until one cause, were there no other: its cumulative hazard has a standard exponential value then."""
        u = self.latent(name) if i == 0 else self.uniform(name, f"cause {i}", self.n)
        logs = {
            column: {code: math.log(each) for code, each in ratio.items()}
            if isinstance(ratio, dict)
            else math.log(ratio)
            for column, ratio in cause.hazard_ratios.items()
        }
        with np.errstate(all="ignore"):
            exposed = -np.log1p(-u) / np.exp(self.effects(logs))
            if cause.median is not None:
                return cause.median * (exposed / math.log(2)) ** (1 / cause.shape)
            return cause.scale * exposed ** (1 / cause.shape)

    def lost(self, name: str, share: float, time: np.ndarray, end: np.ndarray) -> np.ndarray:
        """When patients drop out, at a constant rate: the one that makes the share of censored as declared.

        A patient drops out before the event if the rate is above (exponential value / time to event), so the rate is
        the value below which as many of these lie as have to drop out.
        """
        would = time <= end
        wanted = round(share * self.n) - int((~would).sum())
        if wanted < -0.02 * self.n:
            raise self.refusal(
                f"survival.{name}.censoring.share: {1 - would.mean():.0%} are censored before anyone is lost, by the "
                "end of follow-up; declare more than that, or leave out 'share'"
            )
        if wanted <= 0:
            return np.full(self.n, np.inf)
        value = -np.log1p(-self.uniform(name, "lost", self.n))
        with np.errstate(divide="ignore"):
            rates = np.sort(value[would] / time[would])
        rate = (rates[wanted - 1] + rates[wanted]) / 2 if wanted < len(rates) else rates[-1] * 2
        return value / rate

    # The table

    def check(self, field: Field, made: Made, key: str) -> None:
        """That a column satisfies its field, where it does not by the way in which it is made."""
        if field.constraints.required or field.name in self.key or field.name in self.unique:
            n = int((~made.is_present).sum())
            if n:
                raise self.refusal(f"{key}: {n:,} rows have no value, but the field is never missing, by its schema")
        if made.labels is None:
            low, high = self.limits(field)
            there = made.values[made.is_present]
            if len(there) and (there.min() < low or there.max() > high):
                raise self.refusal(f"{key}: some values are outside of the limits of {field.name!r}")
        few = field.values_it_can_hold
        if few is not None:
            held = set(made.labels if made.labels is not None else np.unique(made.values).tolist())
            if not held <= set(few):
                raise self.refusal(f"{key}: some values are none that {field.name!r} can hold")

    def as_arrow(self) -> pa.Table:
        rows = self.rows_that_stay()
        return pa.table({name: self.arrow(field, rows) for name, field in self.fields.items()})

    def rows_that_stay(self) -> np.ndarray | slice:
        """All; but of a linked table only the first of those with the same primary key."""
        rows = slice(None)
        for names in [*([name] for name in self.unique), self.key if len(self.key) > 1 else []]:
            first = first_of_each([self.made[name].values for name in names]) if names else rows
            if first is not rows and len(first) < self.n:
                if self.link is None or len(names) == 1:
                    raise self.refusal(
                        f"{', '.join(names)}: the values must all be different, by the schema, and are not; use a "
                        "sequence, a pseudonym or 'crossed'"
                    )
                rows = first
        return rows

    def arrow(self, field: Field, rows: np.ndarray | slice) -> pa.Array:
        made, column = self.made[field.name], self.columns.get(field.name)
        gone = ~made.is_present
        if column is not None and column.missing:
            gone |= self.uniform(field.name, "missing", self.n) < column.missing
        values, gone = made.values[rows], gone[rows]
        if made.labels is not None:
            labels = made.labels if isinstance(made.labels, pa.Array) else self.labels(field, made.labels)
            return labels.take(pa.array(values, mask=gone))
        if field.type == "number":
            return pa.array(values + 0.0, mask=gone)  # no -0.0
        if field.type == "date":
            return pa.array(values.astype(np.int32), mask=gone).view(pa.date32())
        return pa.array(values.astype(np.int64), mask=gone)

    def labels(self, field: Field, labels: list) -> pa.Array:
        try:
            return pa.array([float(each) for each in labels] if field.type == "number" else labels, ARROW[field.type])
        except OverflowError:
            raise self.refusal(f"{field.name!r}: a code is too large for a table") from None
