"""From claims to regimens: linked tables of events, exposures with gaps and grace, lines of treatment.

Events have the form of SCALPEL3 (Bacry et al. 2020, Int J Med Inform 141:104203): one row an event with `patient`,
`category` (drug, main diagnosis …), `group` (what it belongs to, such as the number of the stay; missing where there is
none), `value` (the code), `weight` (how much; missing where there is none), `start` and `end` (days, both included).

All are lazy ibis expressions: the same on DuckDB, PostgreSQL and Spark, computed where the data are, when a result is
asked for. Tables that are joined are of one database.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from paillasse.effects.codes import CodeList
from paillasse.errors import InputError
from paillasse.tables import need_columns

if TYPE_CHECKING:
    import ibis

EVENTS = ["patient", "category", "group", "value", "weight", "start", "end"]
EXPOSED = ["patient", "value", "weight", "start", "end"]  # what is needed of events or exposures
TOGETHER = " + "  # between the names of drugs that are given together


def event_table(
    table: "ibis.Table",
    category: str,
    value: str,
    start: str,
    end: str | None = None,
    patient: str = "patient",
    group: str | None = None,
    weight: str | None = None,
) -> "ibis.Table":
    """The rows of a table of claims as events.

    A stay has several codes: make a table of events from each column, with the number of the stay as `group`, and
    unite them, `main.union(related)`. Of a catalogue's `entry.events()`, the value is ``"code"`` and the weight
    ``"value"``. One query is run here, which counts the rows that cannot be events.

    Parameters
    ----------
    table : ibis.Table
        Claims, a row an event.
    category : str
        What all rows are, such as ``"drug"`` or ``"main diagnosis"``.
    value, start, end, patient, group, weight : str
        Columns: the code, the first and the last day (the first, where there is none or it is missing), the pseudonym,
        what the event belongs to, how much it is of. A row without a value is no event.

    Returns
    -------
    ibis.Table
        Lazy: `patient`, `category`, `group`, `value` (strings), `weight` (float64), `start`, `end` (dates).

    Raises
    ------
    InputError
        There is no such column; or rows have no patient or no first day, or end before they start: how many; or a
        column holds what is no day or no number.

    Examples
    --------
    >>> import ibis
    >>> claims = ibis.memtable({"who": ["a"], "atc": ["L01FF02"], "day": ["2021-03-04"]})
    >>> event_table(claims, "drug", value="atc", start="day", patient="who").execute()[["patient", "value", "start"]]
      patient    value      start
    0       a  L01FF02 2021-03-04
    """
    import ibis

    need_columns(table, [name for name in (value, start, end, patient, group, weight) if name])
    first = table[start].cast("date")
    events = table.select(
        patient=table[patient].cast("string"),
        category=ibis.literal(category),
        group=table[group].cast("string") if group else ibis.null("string"),
        value=table[value].cast("string"),
        weight=table[weight].cast("float64") if weight else ibis.null("float64"),
        start=first,
        end=table[end].cast("date").coalesce(first) if end else first,
    )
    events = events.filter(events["value"].notnull())
    refuse_rows(
        events,
        f"events ({category})",
        {
            "have no patient": events["patient"].isnull(),
            "have no first day": events["start"].isnull(),
            "end before they start": events["end"] < events["start"],
            "have a weight that is no number": events["weight"].isnan(),
        },
    )
    return events


def pooled(tables: "Mapping[str, ibis.Table]", patient: str = "patient") -> "ibis.Table":
    """The tables of several databases as one, with the database as a column.

    Two databases that give the same pseudonym mean two persons, or one whose records nobody linked. Neither may be
    counted as one row, so such pseudonyms are refused: link the databases first, or make the pseudonyms differ.

    Parameters
    ----------
    tables : mapping of str to ibis.Table
        Name of the database → its table, all with the same columns.
    patient : str
        The column of the pseudonym.

    Returns
    -------
    ibis.Table
        Lazy: the columns of the tables, and `database`.

    Raises
    ------
    InputError
        Columns differ, or pseudonyms are in two databases: how many.

    Examples
    --------
    >>> import ibis
    >>> both = {"north": ibis.memtable({"patient": ["a"]}), "south": ibis.memtable({"patient": ["b"]})}
    >>> sorted(pooled(both).database.execute())
    ['north', 'south']
    """
    import ibis

    if not tables:
        raise InputError("No table was given to be pooled.")
    first = next(iter(tables.values()))
    for name, table in tables.items():
        if set(table.columns) != set(first.columns):
            raise InputError(f"The table of {name!r} has other columns than that of {next(iter(tables))!r}.")
    parts = [table.select(first.columns).mutate(database=ibis.literal(name)) for name, table in tables.items()]
    together = ibis.union(*parts) if len(parts) > 1 else parts[0]
    need_columns(together, [patient])
    seen = together.group_by(patient).agg(databases=together["database"].nunique())
    shared = int(seen.filter(seen["databases"] > 1).count().execute())
    if shared:
        raise InputError(
            f"{shared:,} pseudonyms (column {patient!r}) are in more than one of {', '.join(tables)}. Link the "
            "databases first, or make the pseudonyms differ, as by the name of the database before them."
        )
    return together


def named(events: "ibis.Table", codes: CodeList) -> "ibis.Table":
    """The events of a code list, each with the list's name for it as `value`.

    Parameters
    ----------
    events : ibis.Table
        As :func:`event_table` gives them, of one vocabulary.
    codes : CodeList
        The codes; each stands for all that begin with it, and of two the longer counts. Those of ATC or UCD find drugs
        (UCD: products given or dispensed in hospital), of CCAM procedures, of CIM-10 diagnoses, of GHM groups of stays.

    Returns
    -------
    ibis.Table
        Lazy: the events whose code is in the list.

    Examples
    --------
    >>> import ibis
    >>> from paillasse.effects import code_list
    >>> claims = ibis.memtable({"who": ["a", "a"], "atc": ["L01FF02", "N02BE01"], "day": ["2021-03-04"] * 2})
    >>> events = event_table(claims, "drug", value="atc", start="day", patient="who")
    >>> named(events, code_list("immune_checkpoint_inhibitors")).value.execute().tolist()
    ['pembrolizumab']
    """
    import ibis

    need_columns(events, ["value"])
    by_length: dict[int, list[tuple[str, str]]] = {}
    for code, name in codes.codes.items():
        by_length.setdefault(len(code), []).append((code, name))
    begins = {length: events["value"].substr(0, length) for length in sorted(by_length, reverse=True)}
    conditions = [begin.isin([code for code, _ in by_length[length]]) for length, begin in begins.items()]
    names = [begin.cases(*by_length[length]) for length, begin in begins.items()]
    # Filtered first, so that names are looked up for few rows.
    return events.filter(ibis.or_(*conditions)).mutate(value=ibis.coalesce(*names))


def sessions_of_unknown_molecule(sessions: "ibis.Table", drugs: "ibis.Table", within: int = 0) -> "ibis.Table":
    """The sessions of chemotherapy that no drug of the day explains.

    Most cytotoxics are paid within the stay and leave a session (main diagnosis Z51.1, GHM 28Z07Z) without a molecule;
    an antibody that is paid on top of the stay leaves both. What is left is a molecule that nobody can name. A
    cytotoxic given in the session of an antibody, as in most chemo-immunotherapy, stays invisible: partners are
    misclassified, and an analysis should say how much that could change (see the simulation's misclassification).

    Parameters
    ----------
    sessions, drugs : ibis.Table
        Events. A session is explained by any drug of the same patient.
    within : int
        How many days a drug may be before or after the session: billing is not always of the day.

    Returns
    -------
    ibis.Table
        Lazy: the sessions that are left, as events.

    Examples
    --------
    >>> import ibis
    >>> rows = {"who": ["a", "a"], "code": ["Z511", "Z511"], "day": ["2021-03-04", "2021-03-25"]}
    >>> stays = event_table(ibis.memtable(rows), "main diagnosis", value="code", start="day", patient="who")
    >>> rows = {"who": ["a"], "code": ["L01FF02"], "day": ["2021-03-04"]}
    >>> drugs = event_table(ibis.memtable(rows), "drug", value="code", start="day", patient="who")
    >>> sessions_of_unknown_molecule(stays, drugs).start.execute().astype(str).tolist()
    ['2021-03-25']
    """
    _refuse_negative("within", within)
    near = drugs.select(patient="patient", given=day(drugs["start"])).distinct()
    held = sessions.mutate(held=day(sessions["start"]))
    explained = [
        held["patient"] == near["patient"],
        near["given"] >= held["held"] - within,
        near["given"] <= held["held"] + within,
    ]
    return held.anti_join(near, explained).drop("held")


def exposures(events: "ibis.Table", days: int | Mapping[str, int] = 1, gap: int = 0) -> "ibis.Table":
    """Events of one patient and value merged into exposures.

    An event covers the days from its start to its end, and `days` days at least. Events whose uncovered days between
    them are at most `gap` are one exposure; with ``gap=0`` they overlap or follow each other at once. Of one patient,
    value and start the weights are summed: claims that a later row cancels have a sum of 0 and are left out (a missing
    weight counts as 1). Boxes are not added up to a stock: give `days` by what one dispensing covers.

    Parameters
    ----------
    events : ibis.Table
        `patient`, `value`, `weight`, `start`, `end`: events, or exposures, which come back as they are.
    days : int or mapping of str to int
        Days that an event covers from its start, for all, or by value (1 for those not named).
    gap : int
        Days without cover that do not end an exposure.

    Returns
    -------
    ibis.Table
        Lazy: `patient`, `value`, `weight` (the sum), `start`, `end` (dates, both included). Of a patient and value they
        do not overlap, whatever the order of the rows.

    Raises
    ------
    InputError
        A column is missing, or `days` or `gap` is no number of days.

    Examples
    --------
    >>> import ibis
    >>> rows = {"patient": ["a"] * 3, "drug": ["x"] * 3, "day": ["2021-01-01", "2021-01-22", "2021-06-01"]}
    >>> events = event_table(ibis.memtable(rows), "drug", value="drug", start="day")
    >>> exposures(events, days=21, gap=30).order_by("start").execute()[["value", "weight", "start", "end"]]
      value  weight      start        end
    0     x     2.0 2021-01-01 2021-02-11
    1     x     1.0 2021-06-01 2021-06-21
    """
    found = episodes(events, days, gap)
    return found.select(
        "patient", "value", "weight", start=as_date(found["first_day"]), end=as_date(found["last_day"])
    )


def lines(exposures: "ibis.Table", grace: int = 28, most: int = 3) -> "ibis.Table":
    """Lines of treatment: which drugs were given together, from when.

    The first line begins with the patient's first drug. Its regimen is the drugs that begin within `grace` days of
    that, and those that are still taken when it begins. The next line begins when a drug that is not in the regimen
    begins after the grace period; a drug of the regimen that is stopped, or given again, makes no new line. Claims do
    not know progression: a new line is what doctors did about it, later than it and not always because of it.

    Parameters
    ----------
    exposures : ibis.Table
        Of the drugs that make lines, as :func:`exposures` gives them; others are left out before.
    grace : int
        Days within which drugs are one regimen.
    most : int
        Lines that are looked for, at least 1.

    Returns
    -------
    ibis.Table
        Lazy: `patient`, `line` (1, 2 …), `start` (date), `regimen` (names in alphabetical order, joined by " + ").

    Raises
    ------
    InputError
        A column is missing, `grace` is negative, or `most` less than 1.

    Examples
    --------
    >>> import ibis
    >>> rows = {"patient": ["a"] * 3, "drug": ["x", "y", "z"], "day": ["2021-01-01", "2021-01-05", "2021-06-01"]}
    >>> events = event_table(ibis.memtable(rows), "drug", value="drug", start="day")
    >>> lines(exposures(events)).order_by("line").execute()[["line", "start", "regimen"]]
       line      start regimen
    0     1 2021-01-01   x + y
    1     2 2021-06-01       z
    """
    import ibis

    _refuse_negative("grace", grace)
    if most < 1:
        raise InputError(f"most: expected at least 1 line, got {most}.")
    given = in_days(exposures)
    begins = given.group_by("patient").agg(begin=given["first_day"].min())
    found = []
    for line in range(1, most + 1):
        if line > 1:
            begins = next_treatment(given, begins, grace)
        now = _beside(given, begins, grace)
        regimen = now["value"].collect(where=now["is_given"], distinct=True).sort().join(TOGETHER)
        of_line = now.group_by("patient", "begin").agg(regimen=regimen)
        found.append(
            of_line.select(
                "patient",
                line=ibis.literal(line, "int64"),
                start=as_date(of_line["begin"]),
                regimen=of_line["regimen"],
            )
        )
    return ibis.union(*found) if most > 1 else found[0]


# --- in days, for the rooms next door --------------------------------------------------------------------------------


def day(date) -> "ibis.Value":
    """A date as a whole number of days, the same on each database."""
    import ibis

    return date.delta(ibis.date(1970, 1, 1), unit="day").cast("int64")


def as_date(number) -> "ibis.Value":
    """And back."""
    import ibis

    return (ibis.date(1970, 1, 1) + number.as_interval("D")).cast("date")


def in_days(events: "ibis.Table") -> "ibis.Table":
    """Events or exposures with `first_day` and `last_day`, both included."""
    need_columns(events, EXPOSED)
    return events.select("patient", "value", "weight", first_day=day(events["start"]), last_day=day(events["end"]))


def settled(events: "ibis.Table") -> "ibis.Table":
    """One row a patient, value and first day, without what was cancelled."""
    events = in_days(events)
    once = events.group_by("patient", "value", "first_day").agg(
        weight=events["weight"].coalesce(1.0).sum(), last_day=events["last_day"].max()
    )
    return once.filter(once["weight"] > 0)


def episodes(events: "ibis.Table", days: int | Mapping[str, int], gap: int) -> "ibis.Table":
    """As `exposures`, with `first_day` and `last_day` as whole numbers."""
    import ibis

    _refuse_negative("gap", gap)
    for number in days.values() if isinstance(days, Mapping) else [days]:
        if number < 1:
            raise InputError(f"days: an event covers at least 1 day, got {number}.")
    found = settled(events)
    covers = days
    if isinstance(days, Mapping):
        covers = found["value"].cases(*days.items(), else_=1) if days else 1
    found = found.mutate(last_day=ibis.greatest(found["last_day"], found["first_day"] + covers - 1))
    before = ibis.window(group_by=["patient", "value"], order_by="first_day", preceding=(None, 1))
    covered = found["last_day"].max().over(before)
    is_new = (covered.isnull() | (found["first_day"] > covered + gap + 1)).ifelse(1, 0)
    found = found.mutate(is_new=is_new)
    until = ibis.window(group_by=["patient", "value"], order_by="first_day", preceding=(None, 0))
    found = found.mutate(exposure=found["is_new"].sum().over(until))
    return (
        found.group_by("patient", "value", "exposure")
        .agg(weight=found["weight"].sum(), first_day=found["first_day"].min(), last_day=found["last_day"].max())
        .drop("exposure")
    )


def next_treatment(given: "ibis.Table", begins: "ibis.Table", grace: int) -> "ibis.Table":
    """Where after `begin` + `grace` a drug begins that is not of the regimen: `patient`, `begin`."""
    now = _beside(given, begins, grace)
    of_drug = now.group_by("patient", "value").agg(
        is_given=now["is_given"].any(),
        begin=now["first_day"].min(where=now["first_day"] > now["begin"] + grace),
    )
    new = of_drug.filter(~of_drug["is_given"] & of_drug["begin"].notnull())
    return new.group_by("patient").agg(begin=new["begin"].min())


def _beside(given: "ibis.Table", begins: "ibis.Table", grace: int) -> "ibis.Table":
    """All that the patients with a `begin` are given, and whether it is of the regimen that begins there."""
    now = given.inner_join(begins, "patient")
    starts_in_time = now["first_day"] <= now["begin"] + grace
    return now.mutate(is_given=starts_in_time & (now["last_day"] >= now["begin"]))


def refuse_rows(table: "ibis.Table", what: str, wrong: "Mapping[str, ibis.Value]") -> None:
    """Refuse a table in which a condition holds for some rows; one query."""
    sums = {f"n{place}": condition.sum().coalesce(0) for place, condition in enumerate(wrong.values())}
    try:
        counted = table.agg(**sums).execute()
    except Exception as error:  # the database's own, whose message may quote a value
        raise InputError(
            f"The {what} cannot be read ({type(error).__name__}). Does a column hold what is no day or no number?"
        ) from None
    found = list(zip(counted.iloc[0].astype(int), wrong))
    if any(count for count, _ in found):
        told = "; ".join(f"{count:,} {reason}" for count, reason in found if count)
        raise InputError(f"Of the {what}, {told}. Correct them or leave them out before.")


def _refuse_negative(name: str, days: int) -> None:
    if days < 0:
        raise InputError(f"{name}: expected a number of days that is not negative, got {days}.")
