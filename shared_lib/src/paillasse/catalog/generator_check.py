"""A `generator:` block against the columns of its entry: names, types, codes, and what goes together.

What only the numbers show (correlations that cannot be at once, a date that cannot be in order) is found in the making.
"""

import datetime
import graphlib

from paillasse.catalog.generator import (
    DISTRIBUTIONS,
    LATENT,
    MOST_ROWS,
    NUMERIC,
    PARENT,
    WAYS,
    Column,
    Distribution,
    ForEach,
    Generator,
    Outcome,
)
from paillasse.errors import did_you_mean


def order_of_making(generator: Generator) -> list[str]:
    """The columns that the block makes from others, each after those that it is made from.

    Raises
    ------
    graphlib.CycleError
        Columns that are made from each other.
    """
    graph = {name: [other for _, other in column.references()] for name, column in generator.columns.items()}
    for duration, outcome in generator.survival.items():
        graph[duration] = [other for _, other in outcome.references()]
        graph[outcome.event] = [duration]
    return list(graphlib.TopologicalSorter(graph).static_order())


def mistakes_in(generator: Generator, schema, parent=None) -> list[str]:
    """What a block says that does not go with the columns, one sentence each, with its key.

    Parameters
    ----------
    generator
        The block.
    schema : Schema
        Of its entry.
    parent : Schema, optional
        Of the data set that `for_each` names; without it, what is said of its columns is not checked.
    """
    check = _Check(generator, schema, parent)
    check.rows()
    for name, column in generator.columns.items():
        check.column(name, column)
    for duration, outcome in generator.survival.items():
        check.outcome(duration, outcome)
    check.correlations()
    if not check.found:
        check.circles()
    return check.found


class _Check:
    """Collects the mistakes."""

    def __init__(self, generator: Generator, schema, parent):
        self.generator = generator
        self.fields = {field.name: field for field in schema.fields}
        self.parent = None if parent is None else {field.name: field for field in parent.fields}
        self.key = [schema.primaryKey] if isinstance(schema.primaryKey, str) else schema.primaryKey
        self.found: list[str] = []

    def say(self, key: str, what: str) -> None:
        self.found.append(f"{key}: {what}")

    def field(self, key: str, name: str):
        """The field that a name stands for; None where there is none, or none is known yet."""
        if name in self.fields:
            return self.fields[name]
        if name.startswith(PARENT) and self.generator.for_each is not None:
            if self.parent is None:
                return None
            known, short = self.parent, name.removeprefix(PARENT)
            if short in known:
                return known[short]
            where = f"{self.generator.for_each.dataset} has no field {short!r}"
        else:
            known, short, where = self.fields, name, f"there is no field {name!r}"
        self.say(key, f"{where}. {did_you_mean(short, known)}")
        return None

    def typed(self, key: str, name: str, types: set[str]) -> None:
        field = self.field(key, name)
        if field is not None and field.type not in types:
            self.say(key, f"{name!r} is of type {field.type}; expected {' or '.join(sorted(types))}")

    def codes(self, key: str, field, codes) -> None:
        for code in codes:
            if field is not None and (problem := field.why_not(code)):
                self.say(key, problem)

    # The rows

    def rows(self) -> None:
        number = 1
        for name, levels in (self.generator.crossed or {}).items():
            key, column = f"crossed.{name}", self.generator.columns.get(name)
            field = self.field(key, name)
            if field is None:
                continue
            if levels == "codes":
                number *= len(field.values_it_can_hold or ())
                if not field.values_it_can_hold:
                    self.say(key, "the field has no codes; say how many there are")
                elif column is not None:
                    self.say(f"columns.{name}", "its values are the codes, by 'crossed'; leave it out")
            else:
                number *= levels
                if field.values_it_can_hold:
                    self.say(key, "the field has codes; expected 'codes'")
                elif column is not None and column.way not in ("sequence", "pseudonym"):
                    self.say(f"columns.{name}", "a crossed column is a sequence or a pseudonym")
        if number > MOST_ROWS:
            self.say("crossed", f"makes more than {MOST_ROWS:,} rows")
        if self.generator.for_each is not None:
            self.for_each(self.generator.for_each)

    def for_each(self, link: ForEach) -> None:
        field = self.field("for_each.key", link.key)
        if link.key in self.generator.columns:
            self.say(f"columns.{link.key}", "its values come from 'for_each'; leave it out")
        self.numbers("for_each.rows", link.rows)
        if self.parent is not None:
            there = self.field("for_each.parent_key", PARENT + (link.parent_key or link.key))
            if field is not None and there is not None and field.type != there.type:
                self.say("for_each.key", f"is of type {field.type}, in {link.dataset} {there.type}")
            if link.per_year_of is not None:
                self.typed("for_each.per_year_of", PARENT + link.per_year_of, NUMERIC)

    def numbers(self, key: str, distribution: Distribution) -> None:
        """Of rows and of days: numbers from 0."""
        values = [*(distribution.categorical or ()), *(distribution.uniform or ()), *(distribution.spikes or ())]
        values += [] if distribution.constant is None else [distribution.constant]
        if not all(isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 for value in values):
            self.say(key, "expected numbers of at least 0")
        if distribution.beta is not None:
            self.say(key, "beta lies between limits, and there are none; use another distribution")

    # A column

    def column(self, name: str, column: Column) -> None:
        key = f"columns.{name}"
        field = self.fields.get(name)
        if field is None:
            self.say(key, f"there is no such field. {did_you_mean(name, self.fields)}")
            return
        if name in self.generator.survival or name in [each.event for each in self.generator.survival.values()]:
            self.say(key, "is made by 'survival'; leave it out here")
        if field.type not in WAYS[column.way]:
            self.say(key, f"a field of type {field.type} cannot be {column.way!r}")
            return
        for distribution in column.distributions():
            if distribution.way in DISTRIBUTIONS:
                self.distribution(key, field, distribution)
        self.presence(key, field, column)
        self.made_from(key, field, column)
        if column.sequence is not None:
            self.codes(f"{key}.sequence", field, [column.sequence])
        if column.order is not None and self.generator.for_each is None:
            self.say(key, "'order' needs 'for_each'")
        if column.days is not None:
            self.numbers(f"{key}.days", column.days)

    def distribution(self, key: str, field, distribution: Distribution) -> None:
        way = distribution.way
        if field.type not in DISTRIBUTIONS[way]:
            self.say(key, f"a field of type {field.type} cannot be {way!r}")
        elif way == "categorical":
            self.codes(f"{key}.categorical", field, distribution.categorical)
        elif way == "constant":
            self.codes(f"{key}.constant", field, [distribution.constant])
        elif field.values_it_can_hold:
            self.say(key, f"the field has codes, so it cannot be {way!r}; use categorical")
        elif way == "uniform" and isinstance(distribution.uniform[0], datetime.date) != (field.type == "date"):
            self.say(f"{key}.uniform", f"expected two values of type {field.type}")
        for value in distribution.spikes or ():
            self.codes(f"{key}.spikes", field, [int(value) if value.is_integer() else value])

    def presence(self, key: str, field, column: Column) -> None:
        unique = field.constraints.unique or [field.name] == self.key
        if unique and column.way not in ("sequence", "pseudonym"):
            self.say(key, "the field is unique; use sequence" + (" or pseudonym" if field.type == "string" else ""))
        if unique or field.constraints.required or field.name in self.key:
            for name in ("missing", "when"):
                if getattr(column, name):
                    self.say(f"{key}.{name}", "the field is never missing, by its schema")

    def made_from(self, key: str, field, column: Column) -> None:
        for name, other in column.references():
            place = f"{key}.{name}"
            match name:
                case "after" | "until" | "between":
                    self.typed(place, other, {"date"})
                case "duration" | "times":
                    self.typed(place, other, NUMERIC)
                case "by" | "when":
                    self.codes(place, self.field(place, other), getattr(column, name)[other])
                case "copy":
                    self.typed(place, other, {field.type})
                case "shifts":
                    self.effect(place, other, column.shifts[other])
                case _:
                    self.field(place, other)

    def effect(self, key: str, name: str, effect) -> None:
        field = self.field(key, name)
        if isinstance(effect, dict):
            self.codes(key, field, effect)
        elif field is not None and field.type == "string":
            self.say(key, f"{name!r} is text: say how much for which code")

    # Outcomes and correlations

    def outcome(self, duration: str, outcome: Outcome) -> None:
        key = f"survival.{duration}"
        self.typed(key, duration, {"integer", "number"})
        event = self.field(f"{key}.event", outcome.event)
        if event is not None:
            censored = outcome.code_of_censored(event.type)
            ended = [] if outcome.until is None else [outcome.until.code]
            self.codes(f"{key}.event", event, [censored, *outcome.causes, *ended])
            if censored in [*outcome.causes, *ended]:
                self.say(f"{key}.censored", f"{censored!r} is the code of an event as well")
        events = [each.event for each in self.generator.survival.values()]
        if events.count(outcome.event) > 1 or outcome.event in self.generator.survival:
            self.say(f"{key}.event", f"{outcome.event!r} belongs to another outcome")
        for code, cause in outcome.causes.items():
            for name, ratio in cause.hazard_ratios.items():
                self.effect(f"{key}.causes.{code}.hazard_ratios", name, ratio)
        if outcome.censoring.start is not None:
            self.typed(f"{key}.censoring.start", outcome.censoring.start, {"date"})
        if outcome.until is not None and outcome.until.outcome not in self.generator.survival:
            known = did_you_mean(outcome.until.outcome, self.generator.survival)
            self.say(f"{key}.until.outcome", f"there is no outcome {outcome.until.outcome!r}. {known}")

    def correlations(self) -> None:
        durations = self.generator.survival
        seen = []
        for pair in self.generator.correlations:
            key = f"correlations ({', '.join(pair.between)})"
            for name in pair.between:
                column = self.generator.columns.get(name)
                if self.field(key, name) is None or name in durations:
                    continue
                if column is None or column.way not in LATENT or column.duration is not None or column.intraclass:
                    self.say(key, f"{name!r} cannot correlate: only a column with a distribution, without intraclass")
            if sum(name in durations for name in pair.between) == 1:
                self.say(key, "a duration correlates with a duration only; for other columns use hazard_ratios")
            if set(pair.between) in seen:
                self.say(key, "said twice")
            seen.append(set(pair.between))

    def circles(self) -> None:
        try:
            order_of_making(self.generator)
        except graphlib.CycleError as circle:
            self.say("columns", f"made from each other in a circle: {' → '.join(reversed(circle.args[1]))}")
