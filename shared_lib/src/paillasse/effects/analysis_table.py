"""The analysis table of many combinations: a row a patient who began a backbone therapy, made from claims."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from paillasse.cohort import Flow
from paillasse.disclosure import Policy, Result
from paillasse.effects.claims import (
    TOGETHER,
    as_date,
    day,
    episodes,
    in_days,
    named,
    next_treatment,
    refuse_rows,
    settled,
)
from paillasse.effects.codes import CodeList
from paillasse.errors import InputError
from paillasse.tables import View, need_columns

if TYPE_CHECKING:
    import ibis

NONE, SEVERAL = "none", "several"
MADE = ["patient", "time_zero", "backbone", "partner", "partner_class", "partner_start", "duration", "death"]
MADE += ["toxicity_time", "toxicity", "next_treatment_time", "next_treatment"]


@dataclass(frozen=True, repr=False)
class AnalysisTable(Result):
    """Who began the backbone, with which partner, and what became of them.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a partner, the frequent ones first: `partner` ("several" for all who began several on one day),
        `partner_class`, and counts of patients: `n`, `deaths`, `toxicities`.
    data : pandas.DataFrame
        A row a patient, never shown by this object: the covariates, and `patient`, `time_zero` (the first day of the
        backbone), `backbone` (its drugs that day), `partner` (the drug first started in the grace period; "none";
        several of one day joined by " + "), `partner_class` (of the code list; "several"), `partner_start` (days from
        time zero, missing if none), `duration` (days from time zero to death or the end of follow-up), `death` (0, 1),
        `toxicity_time` (days), `toxicity` (0 censored, 1 a hospital stay for toxicity, 2 death without one); where
        treatments were given, `next_treatment_time` (days) and `next_treatment` (0 censored, 1 next treatment or
        death).
    flow : paillasse.cohort.Flow
        Whom each step left out.
    rows : ibis.Table
        `data` as a lazy expression, to be joined with more where the data are.
    grace, washout : int
        As asked for, in days.
    code_lists : tuple of str
        The lists used, each with its version.
    """

    table: pd.DataFrame
    data: pd.DataFrame
    flow: Flow
    rows: "ibis.Table"
    grace: int
    washout: int
    code_lists: tuple[str, ...]

    def _safe(self, policy: Policy):
        from paillasse.effects._safe_analysis_table import safe_analysis_table

        return safe_analysis_table(self, policy)

    def view(self) -> View:
        return View(f"{len(self.data):,} patients by the partner of their backbone", self.table, self.notes)

    @property
    def notes(self) -> tuple[str, ...]:
        return (
            f"Partner: the drug first started from time zero to day {self.grace}, after {self.washout} days without.",
            "Whoever has a partner lived until its start: compare with a method that knows the grace period, never by "
            "the partner as if it were known at time zero.",
            f"Code lists: {'; '.join(self.code_lists)}.",
        )


def analysis_table(
    patients: "ibis.Table",
    drugs: "ibis.Table",
    stays: "ibis.Table",
    *,
    backbone: CodeList,
    partners: CodeList,
    toxicity: CodeList,
    observed_from: str,
    last_date: str,
    death: str,
    patient: str = "patient",
    covariates: Sequence[str] = (),
    exclusions: "Mapping[str, Callable[[ibis.Table], ibis.Value]] | None" = None,
    treatments: CodeList | None = None,
    grace: int = 90,
    washout: int = 180,
    days: int | Mapping[str, int] = 30,
) -> AnalysisTable:
    """Make the analysis table of combinations with a backbone therapy from patients and events.

    Time zero is the first day of the backbone. A partner is started on the first day of an exposure to it, that is
    after `washout` days without cover (:func:`exposures` with that gap), in the grace period and before the end of
    follow-up; a drug that goes on from before is none that is started, and is better known as a covariate. Patients are
    left out by what is known at time zero, and if they have no day of follow-up after it; nothing that happens later
    leaves anybody out.

    What claims cannot say, and no method mends: most cytotoxics are paid within the stay and seen as sessions without a
    molecule (:func:`sessions_of_unknown_molecule`), or not at all beside an antibody, so that "none" is not always
    none; stage, performance status, smoking and mutations are absent, and decide on treatment; progression is absent,
    the next treatment stands for it; a diagnosis is coded for payment, and a toxicity treated at home is not seen.

    Parameters
    ----------
    patients : ibis.Table
        A row a patient.
    drugs, stays : ibis.Table
        Events (:func:`event_table`) of the same database: with codes of `backbone`, `partners` and `treatments`, and
        with codes of `toxicity`.
    backbone, partners, toxicity : CodeList
        The drugs whose first day is time zero; the drugs that may be combined with them; the reasons of stays. No code
        is of the backbone and of the partners.
    observed_from, last_date, death, patient : str
        Columns of `patients`: the first day from which claims are seen, the day of death or the last day of follow-up,
        death (0 or 1), the pseudonym.
    covariates : sequence of str
        Further columns to keep, measured at or before time zero.
    exclusions : mapping of str to function, optional
        Reason → condition on the table of patients that is true for those left out, ``lambda t: t.age < 18``. A missing
        value meets no condition.
    treatments : CodeList, optional
        The drugs that make a next treatment, `backbone` included: the first that is begun after the grace period and
        was not given in it (:func:`lines`). Without, there are no columns of it.
    grace, washout : int
        Days: see above.
    days : int or mapping of str to int
        Days that an administration or a dispensing covers, as in :func:`exposures`.

    Returns
    -------
    AnalysisTable

    Raises
    ------
    InputError
        A column is missing; a patient has two rows; follow-up has no beginning or no end, or is negative; death is not
        0 or 1; a code is of two lists; nobody is given the backbone, or the steps leave nobody.

    Examples
    --------
    >>> import ibis
    >>> from paillasse.effects import code_list, event_table
    >>> rows = {"patient": ["a"], "from": ["2020-01-01"], "last": ["2022-01-01"], "death": [1]}
    >>> people = ibis.memtable(rows).cast({"from": "date", "last": "date"})
    >>> rows = {"patient": ["a"] * 2, "atc": ["L01FF02", "A10BA02"], "day": ["2021-03-04", "2021-03-10"]}
    >>> drugs = event_table(ibis.memtable(rows), "drug", value="atc", start="day")
    >>> rows = {"patient": ["a"], "cim": ["K521"], "day": ["2021-05-01"]}
    >>> stays = event_table(ibis.memtable(rows), "main diagnosis", value="cim", start="day")
    >>> made = analysis_table(
    ...     people, drugs, stays,
    ...     backbone=code_list("immune_checkpoint_inhibitors"), partners=code_list("common_drugs"),
    ...     toxicity=code_list("immune_toxicity"), observed_from="from", last_date="last", death="death",
    ... )
    >>> made.data[["partner", "partner_start", "duration", "toxicity_time", "toxicity"]]
         partner  partner_start  duration  toxicity_time  toxicity
    0  metformin            6.0       303             58         1
    """
    covariates = list(covariates)
    exclusions = dict(exclusions or {})
    need_columns(patients, [patient, observed_from, last_date, death, *covariates])
    taken = [name for name in covariates if name in MADE]
    if taken:
        raise InputError(f"Covariates have names that the analysis table uses: {', '.join(taken)}. Rename them.")
    both = set(backbone.codes) & set(partners.codes)
    if both:
        raise InputError(f"Codes of the backbone are among the partners: {', '.join(sorted(both))}.")
    if grace < 0 or washout < 0:
        raise InputError(f"grace and washout: expected days that are not negative, got {grace} and {washout}.")

    given = settled(named(drugs, backbone))
    zero = given.group_by("patient").agg(zero=given["first_day"].min())
    people = patients.select(
        patient=patients[patient].cast("string"),
        observed_day=day(patients[observed_from].cast("date")),
        last_day=day(patients[last_date].cast("date")),
        death=patients[death].cast("int64"),
        excluded=_excluded(patients, exclusions),
    )
    _check(people, patient, observed_from, last_date, death)
    reasons = [*exclusions, f"Not given: {backbone.title}", *_reasons_of_time(washout)]
    people = people.left_join(zero, "patient", rname="{name}_of_zero")
    people = people.mutate(step=_step(people, len(exclusions), washout))
    flow_table = _flow_table(people, reasons)
    if not flow_table["left"].iloc[-1]:
        raise InputError(_nobody(flow_table, backbone))

    rows = people.filter(people["step"] == len(reasons)).select("patient", "zero", "last_day", "death")
    drugs, stays = (events.semi_join(rows, "patient") for events in (drugs, stays))
    first_drugs = _first_of(given.inner_join(zero.rename(begin="zero"), "patient"), "backbone")
    rows = rows.left_join(first_drugs, "patient", rname="{name}_of_backbone")
    rows = _with_partner(rows, drugs, partners, grace, washout, days)
    rows = rows.mutate(time_zero=as_date(rows["zero"]), duration=rows["last_day"] - rows["zero"])
    rows = _with_toxicity(rows, stays, toxicity)
    if treatments is not None:
        rows = _with_next_treatment(rows, drugs, treatments, grace, days)
    rows = rows.select(name for name in MADE if name in rows.columns)
    known = patients.select(covariates, patient=patients[patient].cast("string"))
    rows = rows.inner_join(known, "patient").order_by("patient")

    data = rows.to_pandas()
    partner = data["partner"].mask(data["partner_class"] == SEVERAL, SEVERAL)
    counted = data.assign(partner=partner, is_toxic=data["toxicity"] == 1).groupby(["partner", "partner_class"])
    table = counted.agg(n=("death", "size"), deaths=("death", "sum"), toxicities=("is_toxic", "sum"))
    table = table.reset_index().sort_values("n", ascending=False, kind="stable", ignore_index=True)
    lists = [each for each in (backbone, partners, toxicity, treatments) if each is not None]
    versions = tuple(f"{each.title} ({each.version})" for each in lists)
    return AnalysisTable(table, data, Flow(flow_table, data), rows, grace, washout, versions)


# --- who is left out -------------------------------------------------------------------------------------------------


def _reasons_of_time(washout: int) -> list[str]:
    return [f"Observed for fewer than {washout} days before time zero", "No day of follow-up after time zero"]


def _excluded(patients: "ibis.Table", exclusions: Mapping) -> "ibis.Value":
    """The place of the first of the user's reasons that holds for a patient, else their number."""
    import ibis

    conditions = []
    for reason, condition in exclusions.items():
        try:
            conditions.append(condition(patients).fill_null(False))
            patients.filter(conditions[-1])
        except Exception as error:  # whatever a condition can raise: ibis' own, names, types
            raise InputError(
                f"The exclusion {reason!r} has a condition that cannot be evaluated ({type(error).__name__}). Columns: "
                f"{', '.join(patients.columns)}."
            ) from None
    return _first_that_holds(conditions, 0, ibis.literal(len(conditions), "int64"))


def _step(people: "ibis.Table", n_exclusions: int, washout: int) -> "ibis.Value":
    """The place of the first reason that leaves a patient out, else their number."""
    import ibis

    conditions = [
        people["zero"].isnull(),
        people["zero"] - people["observed_day"] < washout,
        people["zero"] >= people["last_day"],
    ]
    later = _first_that_holds(conditions, n_exclusions, ibis.literal(n_exclusions + len(conditions), "int64"))
    return (people["excluded"] < n_exclusions).ifelse(people["excluded"], later)


def _first_that_holds(conditions: list, first: int, otherwise: "ibis.Value") -> "ibis.Value":
    import ibis

    places = [(condition, ibis.literal(first + place, "int64")) for place, condition in enumerate(conditions)]
    return ibis.cases(*places, else_=otherwise) if places else otherwise


def _check(people: "ibis.Table", patient: str, observed_from: str, last_date: str, death: str) -> None:
    """Refuse patients whose follow-up cannot be, whoever is left out afterwards."""
    many = people.group_by("patient").agg(rows=people["patient"].count())
    refuse_rows(many, f"patients (column {patient!r})", {"have more than one row": many["rows"] > 1})
    negative = people["last_day"] < people["observed_day"]
    known = people["death"].isin([0, 1]).fill_null(False)
    refuse_rows(
        people,
        "patients",
        {
            f"have no {patient!r}": people["patient"].isnull(),
            f"have no {observed_from!r}": people["observed_day"].isnull(),
            f"have no {last_date!r}": people["last_day"].isnull(),
            f"have negative follow-up ({last_date!r} before {observed_from!r})": negative,
            f"have a {death!r} that is not 0 or 1": ~known,
        },
    )


def _flow_table(people: "ibis.Table", reasons: list[str]) -> pd.DataFrame:
    counted = people.group_by("step").agg(n=people.count()).to_pandas()
    n = dict(zip(counted["step"].tolist(), counted["n"].tolist()))
    rows = [["In data", 0, sum(n.values())]]
    for place, reason in enumerate(reasons):
        excluded = n.get(place, 0)
        rows.append([reason, excluded, rows[-1][2] - excluded])
    return pd.DataFrame(rows, columns=["step", "excluded", "left"])


def _nobody(flow_table: pd.DataFrame, backbone: CodeList) -> str:
    step = flow_table.loc[flow_table["left"] == 0, "step"].iloc[0]
    codes = ", ".join(list(backbone.codes)[:3])
    return (
        f"The steps leave nobody; the last was {step!r}. If it should not: are the values of the drugs codes such as "
        f"{codes}, and are the pseudonyms of patients and events the same?"
    )


# --- what happened after time zero -----------------------------------------------------------------------------------


def _first_of(events: "ibis.Table", name: str) -> "ibis.Table":
    """Per patient the values of the events of the day `begin`, joined in alphabetical order, and how many."""
    of_day = events.filter(events["first_day"] == events["begin"])
    values = of_day["value"].collect(distinct=True).sort().join(TOGETHER)
    return of_day.group_by("patient").agg(**{name: values, f"{name}_drugs": of_day["value"].nunique()})


def _with_partner(rows, drugs, partners: CodeList, grace: int, washout: int, days) -> "ibis.Table":
    begun = episodes(named(drugs, partners), days, washout).inner_join(
        rows.select("patient", "zero", until=rows["last_day"]), "patient"
    )
    in_time = begun["first_day"].between(begun["zero"], begun["zero"] + grace)
    begun = begun.filter(in_time & (begun["first_day"] < begun["until"]))
    first = begun.group_by("patient").agg(begin=begun["first_day"].min())
    names = _first_of(begun.inner_join(first, "patient"), "partner")
    rows = rows.left_join(first, "patient", rname="{name}_of_start")
    rows = rows.left_join(names, "patient", rname="{name}_of_partner")
    classes = rows["partner"].cases(*partners.classes.items(), else_=NONE)
    return rows.mutate(
        partner=rows["partner"].fill_null(NONE),
        partner_class=(rows["partner_drugs"] > 1).fill_null(False).ifelse(SEVERAL, classes),
        partner_start=(rows["begin"] - rows["zero"]).cast("float64"),
    )


def _with_toxicity(rows, stays, toxicity: CodeList) -> "ibis.Table":
    stay = in_days(named(stays, toxicity)).inner_join(
        rows.select("patient", "zero", until=rows["last_day"]), "patient"
    )
    stay = stay.filter((stay["first_day"] > stay["zero"]) & (stay["first_day"] <= stay["until"]))
    first = stay.group_by("patient").agg(stay_day=stay["first_day"].min())
    rows = rows.left_join(first, "patient", rname="{name}_of_stay")
    return rows.mutate(
        toxicity_time=rows["stay_day"].coalesce(rows["last_day"]) - rows["zero"],
        toxicity=rows["stay_day"].notnull().ifelse(1, rows["death"] * 2).cast("int64"),
    )


def _with_next_treatment(rows, drugs, treatments: CodeList, grace: int, days) -> "ibis.Table":
    given = episodes(named(drugs, treatments), days, 0)
    begins = next_treatment(given, rows.select("patient", begin=rows["zero"]), grace)
    rows = rows.left_join(begins.select("patient", next_day="begin"), "patient", rname="{name}_of_next")
    seen = rows["next_day"] <= rows["last_day"]
    return rows.mutate(
        next_treatment_time=seen.fill_null(False).ifelse(rows["next_day"], rows["last_day"]) - rows["zero"],
        next_treatment=seen.fill_null(False).ifelse(1, rows["death"]).cast("int64"),
    )
