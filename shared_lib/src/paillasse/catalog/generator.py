"""What the key `generator` of an entry may say: how its synthetic stand-in is made.

A stand-in is made from the schema alone where there is no `generator`: codes equally likely, numbers and dates evenly
between their limits, identifiers made up, 5 % missing where it may be. The block says what should be nearer to a real
cohort; what it does not mention is still made from the schema. Here is one, with all keys::

    generator:
      source: Marginals rounded from the baseline table of the trial's report.   # where the numbers come from
      fitted_on: Fitted on …, 2025-03-01, approval …   # only where they were computed from patients' data; on the card
      rows: 1000            # default 1000
      seed: 0               # default 0; the same seed gives the same table on every machine

      columns:              # column: how it is made, in one of the ways below
        patient:   {pseudonym: P}                            # P and ten characters, all different; only for text
        line:      {sequence: 1}                             # 1, 2, 3 …
        age:       {normal: {mean: 64, sd: 10}, missing: 0.02}         # 2 % missing; 0 if it is not said
        weight:    {lognormal: {median: 70, sd_log: 0.2}, decimals: 1}  # numbers have 3 decimals if it is not said
        cd8:       {gamma: {mean: 300, sd: 250}}
        dose:      {uniform: [0, 8]}                         # or of dates: [2018-01-01, 2022-12-31]; both ends included
        lag:       {weibull: {median: 30, shape: 1}}         # shape 1, the default, is the exponential distribution
        sites:     {poisson: {mean: 1.8}}
        pdl1:      {beta: {a: 0.6, b: 1.1}, spikes: {0: 0.3}}  # beta lies between the schema's minimum and maximum, 0
                                                             # and 1 without. 30 % are exactly 0: for all of the above
        stage:     {categorical: {III: 0.3, IV: 0.7}}        # probabilities of codes, in their order, which sum to 1
        country:   {constant: FR}

        # depending on other columns
        subtype:   {by: {sex: {F: {categorical: {a: 0.5, b: 0.5}}, M: {constant: b}}}}  # another way for each code
        reduction: {by: {age: {18: {constant: 0}, 75: {uniform: [10, 30]}}}}   # of a number or a date without codes:
                   # from that value up to the next; missing below the first
        response:  {categorical: {PD: 0.4, SD: 0.3, PR: 0.3}, shifts: {pdl1: 0.01, arm: {combination: 0.3}}}
                   # moved up by 0.01 standard deviations per unit, by 0.3 for the code, on the normal scale behind the
                   # column; what is declared holds where nothing shifts, and a column per unit at its median
        truth:     {categorical: {0: 0.5, 1: 0.5}, intraclass: {case: 1}}   # the share of the variance that rows of
                   # the same case have in common: 1 is one value for each case
        count2:    {times: count1, lognormal: {median: 0.4, sd_log: 0.3}}   # a multiple of another column
        started:   {after: diagnosed, days: {gamma: {mean: 30, sd: 15}}}    # never before; lags in whole days
        last_seen: {after: started, duration: os}                # plus a duration, in the unit of its field
        died:      {after: started, duration: os, when: {death: [1]}}    # `when`: missing unless death is 1
        visit:     {between: [started, last_seen]}               # evenly; both ends included
        stopped:   {after: started, days: {weibull: {median: 90}}, until: last_seen}   # but not later than

      correlations:         # Gaussian copula; a categorical column counts in the order of its codes
        - {between: [age, weight], spearman: -0.2}   # as it is without ties; two durations may correlate as well

      survival:             # duration: its event and what drives it
        os:
          event: death
          censored: 0       # the event's code of the censored; default 0, or false
          causes:           # code: its cause-specific hazard, exponential (shape 1, the default) or Weibull;
            1:              # several codes are competing risks
              median: 14    # or `scale`; at the codes that have no ratio and at the median of the other columns
              shape: 1.1
              hazard_ratios: {age: 1.02, stage: {IV: 1.8}}   # per unit, or by code
          censoring: {at: 60, share: 0.4}    # at the latest after 60; and lost at random, so that 40 % are censored.
                            # {data_cut: 2024-06-30, start: started}: at a date; the field's unit is days, weeks,
                            # months or years (days if it is none of these)
        pfs:
          event: progressed
          until: {outcome: os, code: 1}   # ends with os at the latest: there its event counts as code 1
          causes: {1: {median: 6}}

A table of combinations, such as a reader study, has `crossed` instead of `rows`: `crossed: {reader: codes, case: 200}`
is a row for each code of `reader` and each of 200 cases. A linked table has `for_each` instead::

      for_each: {dataset: patients, key: patient, rows: {poisson: {mean: 6}}}   # `parent_key` where its name differs
                # with `per_year_of: os` rows are a rate a year, and their number is Poisson's in the patient's time
                # `os`, so that who has one early does not die sooner
      columns:
        bought: {between: [parent.entry, parent.exit]}   # `parent.`: a column of the patient's row over there; wherever
        sex:    {copy: parent.sex}                       # a column's name stands
        rank:   {order: 1}                               # 1, 2, 3 … within the patient

Nothing goes beyond the schema's limits: distributions are cut there, and a duration's maximum censors.
"""

import datetime
import math
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field as Key
from pydantic import field_validator, model_validator

from paillasse.documents import Strict, Text, mistake

Code = bool | int | float | str | datetime.date
Positive = Annotated[float, Key(gt=0)]
Shape = Annotated[float, Key(ge=0.05, le=100)]
Share = Annotated[float, Key(ge=0, le=1)]
Effects = dict[str, float | dict[Code, float]]  # column → per unit, or code → how much
MOST_ROWS = 10_000_000
PARENT = "parent."  # what a column of the patient's row in the other data set begins with

NUMERIC = {"integer", "number", "year"}
DISTRIBUTIONS = {  # way → the types of column that it suits
    "uniform": NUMERIC | {"date"},
    "normal": NUMERIC,
    "lognormal": NUMERIC,
    "gamma": NUMERIC,
    "weibull": NUMERIC,
    "beta": NUMERIC,
    "poisson": NUMERIC,
    "categorical": NUMERIC | {"string", "boolean", "date"},
    "constant": NUMERIC | {"string", "boolean", "date"},
}
WAYS = DISTRIBUTIONS | {
    "sequence": NUMERIC | {"date"},
    "pseudonym": {"string"},
    "order": {"integer"},
    "by": NUMERIC | {"string", "boolean", "date"},
    "after": {"date"},
    "between": {"date"},
    "copy": NUMERIC | {"string", "boolean", "date"},
}
CONTINUOUS = {"uniform", "normal", "lognormal", "gamma", "weibull", "beta"}
LATENT = {*DISTRIBUTIONS, "by", "after", "between"} - {"constant"}  # the ways that a correlation or a shift can move


class Normal(Strict):
    mean: float
    sd: Positive


class Lognormal(Strict):
    median: Positive
    sd_log: Positive


class Gamma(Strict):
    mean: Positive
    sd: Positive


class Weibull(Strict):
    median: Positive
    shape: Shape = 1


class Beta(Strict):
    a: Positive
    b: Positive


class Poisson(Strict):
    mean: Annotated[float, Key(gt=0, le=1_000_000)]


class Distribution(Strict):
    """One distribution, perhaps with single values that are more frequent than it says."""

    uniform: list[float | datetime.date] | None = None
    normal: Normal | None = None
    lognormal: Lognormal | None = None
    gamma: Gamma | None = None
    weibull: Weibull | None = None
    beta: Beta | None = None
    poisson: Poisson | None = None
    categorical: dict[Code, Share] | None = None
    constant: Code | None = None
    spikes: dict[float, Share] | None = None

    @property
    def ways(self) -> list[str]:
        given = vars(self)  # asked for hundreds of times in a catalogue, and much faster than pydantic's own access
        return [name for name in WAYS if given.get("copy_of" if name == "copy" else name) is not None]

    @property
    def way(self) -> str:
        return self.ways[0]

    @field_validator("uniform")
    @classmethod
    def _two_ends(cls, ends):
        if ends is not None and not (len(ends) == 2 and type(ends[0]) is type(ends[1]) and ends[0] <= ends[1]):
            raise mistake("expected [lowest, highest], two numbers or two dates")
        return ends

    @field_validator("categorical")
    @classmethod
    def _probabilities(cls, shares):
        if shares is not None and not math.isclose(math.fsum(shares.values()), 1, abs_tol=1e-6):
            raise mistake(f"the probabilities sum to {math.fsum(shares.values()):g} instead of 1")
        return shares

    @field_validator("spikes")
    @classmethod
    def _something_is_left(cls, spikes):
        if spikes is not None and math.fsum(spikes.values()) >= 1:
            raise mistake("the spikes' shares sum to 1 or more; use categorical")
        return spikes

    @model_validator(mode="after")
    def _one_way(self):
        if len(self.ways) != 1:
            names = [field.alias or name for name, field in type(self).model_fields.items()]
            known = ", ".join(name for name in WAYS if name in names)
            raise mistake(f"expected exactly one of {known}; got {' and '.join(self.ways) or 'none'}")
        if self.spikes and self.way not in CONTINUOUS | {"poisson"}:
            raise mistake(f"{self.way!r} has no spikes")
        return self


class Column(Distribution):
    """How one column is made."""

    sequence: int | datetime.date | None = None
    pseudonym: Annotated[str, Key(max_length=20)] | None = None
    order: int | None = None
    by: dict[str, dict[Code, Distribution]] | None = None
    after: str | None = None
    days: Distribution | None = None
    duration: str | None = None
    until: str | None = None
    between: list[str] | None = None
    copy_of: str | None = Key(default=None, alias="copy")  # pydantic has a method `copy`
    times: str | None = None
    decimals: int = Key(default=3, ge=0, le=12)
    missing: Share = 0
    when: dict[str, list[Code]] | None = None
    shifts: Effects = {}
    intraclass: dict[str, Share] | None = None

    @field_validator("by", "when", "intraclass")
    @classmethod
    def _one_column(cls, columns):
        if columns is not None and len(columns) != 1:
            raise mistake("expected one column")
        return columns

    @field_validator("between")
    @classmethod
    def _two_columns(cls, columns):
        if columns is not None and len(columns) != 2:
            raise mistake("expected [first, last], two columns of dates")
        return columns

    @model_validator(mode="after")
    def _belongs_together(self):
        if self.after is not None and (self.days is None) == (self.duration is None):
            raise mistake("'after' needs one of 'days' and 'duration'")
        for name in ("days", "duration", "until"):
            if self.after is None and getattr(self, name) is not None:
                raise mistake(f"{name!r} needs 'after'")
        if self.times is not None and self.way not in CONTINUOUS | {"poisson"}:
            raise mistake("'times' needs a distribution of numbers beside it")
        if (self.shifts or self.intraclass) and (self.way not in LATENT or self.duration is not None):
            raise mistake(f"{self.way!r} has no shifts and no intraclass correlation")
        return self

    def references(self) -> Iterator[tuple[str, str]]:
        """Key and column: the other columns that this one is made from."""
        for key in ("after", "duration", "until", "times"):
            if getattr(self, key) is not None:
                yield key, getattr(self, key)
        for key in ("by", "between", "when", "shifts", "intraclass"):
            yield from ((key, name) for name in getattr(self, key) or ())
        if self.copy_of is not None:
            yield "copy", self.copy_of

    def distributions(self) -> Iterator[Distribution]:
        """Those that draw this column's own values."""
        if self.by is None:
            yield self
        else:
            yield from (each for choices in self.by.values() for each in choices.values())


class Correlation(Strict):
    """The rank correlation of two columns."""

    between: list[str]
    spearman: Annotated[float, Key(gt=-1, lt=1)]

    @field_validator("between")
    @classmethod
    def _two(cls, columns):
        if len(set(columns)) != 2 or len(columns) != 2:
            raise mistake("expected two columns")
        return columns


class Cause(Strict):
    """A cause-specific hazard: of a Weibull distribution, times a ratio for each column."""

    median: Positive | None = None
    scale: Positive | None = None
    shape: Shape = 1
    hazard_ratios: dict[str, Positive | dict[Code, Positive]] = {}

    @model_validator(mode="after")
    def _one_of_two(self):
        if (self.median is None) == (self.scale is None):
            raise mistake("expected one of 'median' and 'scale'")
        return self


class Censoring(Strict):
    """Why follow-up ends without the event."""

    at: Positive | None = None
    data_cut: datetime.date | None = None
    start: str | None = None
    share: Annotated[float, Key(ge=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _date_has_a_start(self):
        if (self.data_cut is None) != (self.start is None):
            raise mistake("'data_cut' and 'start' need each other")
        return self


class Until(Strict):
    """Another outcome that ends this one."""

    outcome: str
    code: Code


class Outcome(Strict):
    """A duration and its event."""

    event: str
    censored: Code | None = None
    causes: dict[Code, Cause] = Key(min_length=1)
    censoring: Censoring = Censoring()
    until: Until | None = None

    def code_of_censored(self, event_type: str) -> Code:
        if self.censored is not None:
            return self.censored
        return False if event_type == "boolean" else 0

    def references(self) -> Iterator[tuple[str, str]]:
        """Key and column: the other columns that this one is made from."""
        for code, cause in self.causes.items():
            yield from ((f"causes.{code}.hazard_ratios", name) for name in cause.hazard_ratios)
        if self.censoring.start is not None:
            yield "censoring.start", self.censoring.start
        if self.until is not None:
            yield "until.outcome", self.until.outcome


class ForEach(Strict):
    """Rows for each row of another data set."""

    dataset: str
    key: str
    parent_key: str | None = None
    rows: Distribution
    per_year_of: str | None = None


class Generator(Strict):
    """The block `generator` of an entry."""

    source: Text | None = None
    fitted_on: Text | None = None
    rows: int | None = Key(default=None, ge=1, le=MOST_ROWS)
    seed: int = Key(default=0, ge=0)
    crossed: dict[str, Annotated[int, Key(ge=1)] | Literal["codes"]] | None = Key(default=None, min_length=1)
    for_each: ForEach | None = None
    columns: dict[str, Column] = {}
    correlations: list[Correlation] = []
    survival: dict[str, Outcome] = {}

    @model_validator(mode="after")
    def _one_number_of_rows(self):
        given = [name for name in ("rows", "crossed", "for_each") if getattr(self, name) is not None]
        if len(given) > 1:
            raise mistake(f"expected one of rows, crossed and for_each; got {' and '.join(given)}")
        return self
