"""The catalogue as a researcher uses it: open it, take a data set by its name, read it."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from paillasse.catalog.asked import columns_asked, condition_asked
from paillasse.catalog.generator import MOST_ROWS, Generator
from paillasse.catalog.model import Dataset, Document, Field, Profile, Purpose, Source
from paillasse.disclosure import record_exact_with, tighten
from paillasse.documents import read_document
from paillasse.errors import AccessError, CatalogError, InputError, did_you_mean

if TYPE_CHECKING:
    from paillasse.catalog.access import Permission

FILE_NAME = "data_catalog.yaml"


def open_catalog(path: str | Path | None = None, profile: str | None = None, purpose: str | None = None) -> "Catalog":
    """Open the catalogue of the data that exist.

    Parameters
    ----------
    path
        The catalogue's file; by default the nearest `data_catalog.yaml` in this folder or above it.
    profile
        `public`, `synthetic` or `secure`: which form of a data set is read. By default the environment variable
        PAILLASSE_PROFILE, else the file's own default, else `synthetic`. Public data are the same in all three.
    purpose
        What secure data are read for, one of those that their approval names, such as `scientific-research`. By default
        the environment variable PAILLASSE_PURPOSE, else the file's.

    Returns
    -------
    Catalog

    Raises
    ------
    CatalogError
        There is no catalogue, no such profile or purpose, or the file has mistakes: all of them, with line and key.

    Examples
    --------
    >>> catalog = open_catalog()
    >>> "gbsg" in catalog
    True
    >>> catalog["gbsg"].read(columns=["age", "rfstime", "status"]).shape
    (686, 3)
    """
    path = _nearest() if path is None else Path(path)
    document, _ = read_document(path, Document, CatalogError)
    chosen = _chosen("profile", profile, "PAILLASSE_PROFILE", document.profile, get_args(Profile))
    purpose = _chosen("purpose", purpose, "PAILLASSE_PURPOSE", document.purpose, get_args(Purpose))
    folder = path.resolve().parent
    return Catalog(document, folder, chosen, document.project or _project_of(folder), purpose)


def _chosen(what: str, argument: str | None, variable: str, default: str | None, known: tuple[str, ...]) -> str | None:
    """The argument, else the environment's word, else the file's."""
    chosen = argument or os.environ.get(variable) or default
    if chosen is not None and chosen not in known:
        origin = what if argument else variable
        raise CatalogError(
            f"{origin}: expected one of {', '.join(known)}; got {chosen!r}. {did_you_mean(chosen, known)}"
        )
    return chosen


def _project_of(folder: Path) -> str | None:
    """The project's short name, as the template recorded it beside the catalogue."""
    try:
        return json.loads((folder / ".paillasse.json").read_text(encoding="utf-8"))["answers"]["project_slug"]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _nearest() -> Path:
    start = Path.cwd()
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    raise CatalogError(
        f"No {FILE_NAME} in {start} or in a folder above it. Start in a project's folder, or give the file's path: "
        f"open_catalog(path)."
    )


@dataclass(frozen=True, repr=False)
class Catalog:
    """The data sets that exist, by name. Iterating gives the names; the bare name in a cell shows a table.

    Attributes
    ----------
    document : Document
        All that the file says.
    folder
        The catalogue's folder, under which relative paths lie.
    profile
        The profile in force.
    project, purpose
        Who reads secure data, for what; None where nobody said.
    rows : mapping of str to int
        Stand-in → how many rows it has instead of what the file says.
    """

    document: Document
    folder: Path
    profile: str
    project: str | None
    purpose: str | None
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def datasets(self) -> dict[str, Dataset]:
        return self.document.datasets

    @property
    def entries(self) -> dict[str, "Entry"]:
        return {name: Entry(name, dataset, self) for name, dataset in self.datasets.items()}

    def __getitem__(self, name: str) -> "Entry":
        if name not in self.datasets:
            raise CatalogError(f"No data set {name!r} in the catalogue. {did_you_mean(name, self.datasets)}")
        return Entry(name, self.datasets[name], self)

    def in_profile(self, profile: str) -> "Catalog":
        """The same catalogue, opened in another profile."""
        return replace(self, profile=profile)

    def with_rows(self, **rows: int) -> "Catalog":
        """The same catalogue, in which stand-ins have other numbers of rows; all other data are what they are.

        Tables that are linked to one grow with it. The versions of data sets do not change: a run keeps the numbers
        where it keeps its parameters.

        Parameters
        ----------
        **rows
            Data set → its rows.

        Returns
        -------
        Catalog

        Raises
        ------
        CatalogError
            No such data set, one whose rows follow from other tables or codes, or a number that cannot be.

        Examples
        --------
        >>> len(open_catalog(profile="synthetic").with_rows(profiler=50)["profiler"].read())
        50
        """
        for name, number in rows.items():
            made = self[name].about.generator or Generator()
            if made.for_each or made.crossed:
                follow = f"the rows of {made.for_each.dataset}" if made.for_each else "the codes that are crossed"
                raise CatalogError(f"{name}: the rows of its stand-in follow from {follow}, and cannot be asked for.")
            if not 1 <= number <= MOST_ROWS:
                raise CatalogError(f"{name}: a stand-in has between 1 and {MOST_ROWS:,} rows; got {number:,}.")
        return replace(self, rows={**self.rows, **rows})

    def _with_rows_asked(self) -> dict[str, Dataset]:
        """The data sets, with generators that make the numbers of rows that were asked for."""
        changed = {}
        for name, number in self.rows.items():
            generator = (self.datasets[name].generator or Generator()).model_copy(update={"rows": number})
            changed[name] = self.datasets[name].model_copy(update={"generator": generator})
        return {**self.datasets, **changed}

    def __iter__(self) -> Iterator[str]:
        return iter(self.datasets)

    def __len__(self) -> int:
        return len(self.datasets)

    def __contains__(self, name: object) -> bool:
        return name in self.datasets

    def __repr__(self) -> str:
        from paillasse.catalog.show import catalog_as_text

        return catalog_as_text(self)

    def _repr_html_(self) -> str:
        from paillasse.catalog.show import catalog_as_html

        return catalog_as_html(self)


@dataclass(frozen=True, repr=False)
class Entry:
    """One data set: what it is, whose, and how to read it. The bare name in a cell shows a card.

    Attributes
    ----------
    name
        Its name in the catalogue.
    about : Dataset
        All that the catalogue says of it: `about.steward.email`, `about.licence`, `about.papers`, …
    catalog : Catalog
        The catalogue that it is in, with the profile in force.
    """

    name: str
    about: Dataset
    catalog: Catalog

    @property
    def title(self) -> str:
        """What the data are; of a stand-in it says so, because what is computed from one is no finding."""
        is_made_up = self.about.sensitivity == "pseudonymised" and self.catalog.profile == "synthetic"
        return f"{self.about.title} (synthetic stand-in)" if is_made_up else self.about.title

    @property
    def publisher(self) -> str:
        """The name of the organisation that publishes the data."""
        organisation = self.catalog.document.organisations.get(self.about.publisher)
        return organisation.name if organisation else self.about.publisher

    @property
    def description(self) -> str:
        return self.about.description

    @property
    def caveats(self) -> list[str]:
        """What an analyst must know before trusting a result."""
        return self.about.caveats

    @property
    def fields(self) -> list[Field]:
        """The columns: each has `.name`, `.type`, `.description`, `.unit`, `.codes`, `.role` and `.constraints`."""
        return self.about.table_schema.fields

    @property
    def source_note(self) -> str:
        """Where the data come from and under which licence, as a line below a table or a figure."""
        papers = " ".join(paper.citation + (f" doi:{paper.doi}" if paper.doi else "") for paper in self.about.papers)
        origin = self.about.origin or self.publisher
        return f"Data: {origin} (licence {self.about.licence}). {papers}".rstrip()

    def labels(self) -> dict[str, str]:
        """Column → what it holds, with its unit, for tables and axes.

        Examples
        --------
        >>> open_catalog()["gbsg"].labels()["size"]
        'Tumour size (mm)'
        """
        return {field.name: field.description + (f" ({field.unit})" if field.unit else "") for field in self.fields}

    def labelled(self, data, columns: Iterable[str] | None = None):
        """The data with codes replaced by their labels, as categories in the catalogue's order.

        Parameters
        ----------
        data : pandas.DataFrame
            Rows of this data set; other columns are left alone.
        columns
            Which coded columns; by default all that have codes.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        InputError
            No such column.

        Examples
        --------
        >>> gbsg = open_catalog()["gbsg"]
        >>> gbsg.labelled(gbsg.read(columns=["hormon"]))["hormon"].cat.categories.tolist()
        ['no', 'yes']
        """
        import pandas

        names = [field.name for field in self.fields if field.name in data.columns]
        chosen = names if columns is None else columns_asked(self.name, columns, names)
        coded = [field for field in self.fields if field.name in chosen and field.codes]
        new = {
            field.name: pandas.Categorical(data[field.name].map(field.codes), list(field.codes.values()))
            for field in coded
        }
        return data.assign(**new)

    def without_identifiers(self) -> list[str]:
        """The columns that do not identify a patient: what an analysis needs, and what `read` gives in every profile.

        Examples
        --------
        >>> open_catalog()["gbsg"].without_identifiers()[:3]
        ['age', 'meno', 'size']
        """
        return [field.name for field in self.fields if field.role != "identifier"]

    def permission(self) -> "Permission | None":
        """By which approval, until when and held to which policy the data are read; None where none is needed.

        Returns
        -------
        Permission or None
            None for public data and for the profiles `public` and `synthetic`.

        Raises
        ------
        AccessError
            The read would be refused: every reason, and whom to ask.
        CatalogError
            There is no secure source, or the steward's file has mistakes.

        Examples
        --------
        >>> open_catalog()["gbsg"].permission() is None
        True
        """
        from paillasse.catalog.access import is_restricted, permission

        catalog = self.catalog
        if not is_restricted(self.about, catalog.profile):
            return None
        _ = self.source  # where there is none, that is the reason
        return permission(self.name, self.about, catalog.project, catalog.purpose, catalog.folder)

    @property
    def source(self) -> Source:
        """The source that the profile chooses; data that are nobody's secret have one for all profiles."""
        sources = self.about.sources
        sensitivity = self.about.sensitivity
        wanted = self.catalog.profile if sensitivity == "pseudonymised" else sensitivity
        if wanted not in sources:
            raise CatalogError(
                f"The data set {self.name!r} has no source for the profile {wanted!r}, only for {', '.join(sources)}. "
                f"Choose with open_catalog(profile=…) or PAILLASSE_PROFILE, or ask {self.about.steward.email}."
            )
        return sources[wanted]

    def version(self) -> str | None:
        """What tells this form of the data set from any other: of its entry, and of its file, table or generator.

        Returns
        -------
        str or None
            None for a database's table whose catalogue declares no `version`: it may change at any time.

        Raises
        ------
        CatalogError, DataError
            No source for the profile, no such file, or not the one declared.

        Examples
        --------
        >>> len(open_catalog()["gbsg"].version())
        64
        """
        from paillasse.catalog.drivers import state_of

        source = self.source
        if source.driver == "postgres" and source.version is None:
            return None
        declared = [each.model_dump_json() for each in self._with_parents()]
        state = state_of(source, self.catalog.folder)
        return hashlib.sha256(json.dumps([*declared, state]).encode()).hexdigest()

    def _with_parents(self) -> list[Dataset]:
        """The data set, and those whose rows its own are linked to: of a stand-in, they change with them."""
        found, names = [], [self.name]
        for name in names:  # grows on the way
            if dataset := self.catalog.datasets.get(name):
                found.append(dataset)
                linked = [key.reference.resource for key in dataset.table_schema.foreignKeys]
                if dataset.generator and dataset.generator.for_each:
                    linked.append(dataset.generator.for_each.dataset)
                names += [each for each in dict.fromkeys(linked) if each not in names]
        return found

    def table(self, columns: Iterable[str] | None = None):
        """The data set as a lazy ibis table: nothing is read before a result is asked for.

        Columns have the declared types, but the rows are not validated; `read` does that. Files are on DuckDB, where
        tables of several data sets can be joined; a PostgreSQL table stays on its server. Of secure data one record is
        made, when the table is handed over; what is computed from it later, and how often, is not seen, and an error of
        the database's own may quote a value. Prefer `read` where the rows fit into memory.

        Parameters
        ----------
        columns
            The columns wanted, in that order; all by default. Of secure data an identifier must be named here.

        Returns
        -------
        ibis.Table

        Raises
        ------
        InputError
            No such column.
        CatalogError
            No source for the profile, or a path or variable that cannot be used.
        AccessError
            Secure data: no approval, an identifier that was not asked for by name, or no record can be written.
        DataError
            The file or table is missing, is not the one declared, or has other columns.

        Examples
        --------
        >>> gbsg = open_catalog()["gbsg"].table()
        >>> int(gbsg.filter(gbsg.age > 60).count().execute())
        188
        """
        columns = self._columns(columns)
        permission = self.permission()
        table = self._opened(permission).select(columns)
        if permission is not None:
            from paillasse.catalog.audit import record

            record(permission.sink, self._record(permission, columns, filter_columns=[]), self._contact)
        return table

    def events(self):
        """The rows as events, lazy: who, what kind, which code, how much, from when to when.

        Returns
        -------
        ibis.Table
            patient, category (string), code (string), value (float64, missing where the data set has none),
            start, end (dates; the end is the start where the data set has none). Who asks for events asks for the
            patient's pseudonym; of secure data, its column stands in the record.

        Raises
        ------
        InputError
            The catalogue does not say which columns make an event.
        CatalogError, DataError, AccessError
            As `table`.
        """
        import ibis

        about = self.about.events
        if about is None:
            raise InputError(f"{self.name}: its entry has no key `events`, which says what columns make an event")
        names = [about.patient, about.code, about.value, about.start, about.end]
        table = self.table(columns=list(dict.fromkeys(name for name in names if name)))
        return table.select(
            patient=table[about.patient],
            category=ibis.literal(about.category),
            code=table[about.code].cast("string"),
            value=table[about.value].cast("float64") if about.value else ibis.literal(None, "float64"),
            start=table[about.start],
            end=table[about.end or about.start],
        )

    def read(self, columns: Iterable[str] | None = None, where: Callable | None = None):
        """Read the data set, validated against its schema.

        Parameters
        ----------
        columns
            The columns wanted, in that order; all by default. Others are not read.
        where
            Which rows: a function of the ibis table, `lambda t: t.age > 60`; all by default. It may use columns
            that are not wanted; of secure data no identifier that is not. What it is given has no rows.

        Returns
        -------
        pandas.DataFrame
            With types that numpy, formulaic and lifelines take as they are: integer and year int64, boolean bool, each
            float64 where a value is missing; number float64; string object; date datetime64.

        Raises
        ------
        InputError
            No such column, or a `where` that is no condition on the table.
        CatalogError
            No source for the profile, or a path or variable that cannot be used.
        AccessError
            Secure data: no approval, an identifier that was not asked for by name, or no record can be written.
        DataError
            The file or table is missing, is not the one declared, has other columns, or breaks its schema: column, rule
            and number of rows, never a value.

        Examples
        --------
        >>> open_catalog()["veteran"].read(columns=["time", "status"], where=lambda t: t.karno >= 90).shape
        (8, 2)
        """
        columns = self._columns(columns)
        permission = self.permission()
        table = self._opened(permission)
        filter_columns = []
        if where is not None:
            # Of secure data a condition, too, may look at an identifier only if it was asked for by name.
            open_to_all = table.columns if permission is None else {*columns, *self.without_identifiers()}
            usable = [name for name in table.columns if name in open_to_all]
            condition, filter_columns = condition_asked(self.name, where, table, usable, permission is None)
            table = table.filter(condition)
        matching = table.select(columns)
        if permission is None:
            return self._rows(matching)
        from paillasse.catalog.audit import recorded

        record = self._record(permission, columns, filter_columns)
        return recorded(permission.sink, record, lambda: self._rows(matching), self._contact)

    def check(self) -> str:
        """Read all and validate it: rows against the schema, and foreign keys against the data sets that they lead to.

        Of secure data identifiers are left out, and with them the keys that are made of them.

        Returns
        -------
        str
            What was checked.

        Raises
        ------
        PaillasseError
            As `read`.

        Examples
        --------
        >>> open_catalog()["gbsg"].check()
        '686 rows, 11 columns'
        """
        from paillasse.catalog.validation import check_links

        restricted = self.permission() is not None
        columns = self.without_identifiers() if restricted else [field.name for field in self.fields]
        data = self.read(columns)
        checked = f"{len(data):,} rows, {len(columns)} columns"
        if restricted and len(columns) < len(self.fields):
            return f"{checked}; identifiers were not read"
        linked = {key.reference.resource for key in self.about.table_schema.foreignKeys}
        elsewhere = sorted(linked - set(self.catalog))
        if linked and not restricted:
            tables = {name: self.catalog[name].table() for name in {self.name, *linked} if name in self.catalog}
            check_links(self.name, self.about.table_schema, tables)
        return f"{checked}; not in this catalogue: {', '.join(elsewhere)}" if elsewhere else checked

    def _opened(self, permission: "Permission | None"):
        """The source's table, all columns; from here on the process is held to the data's policy."""
        from paillasse.catalog.drivers import open_table
        from paillasse.catalog.reads import note

        source = self.source
        if permission is not None:
            tighten(permission.policy)
            record_exact_with(self.name, partial(self._record_exact, permission))
        note(self.name, self.catalog.profile, permission is not None, self.version)
        return open_table(self.name, self.catalog._with_rows_asked(), source, self.catalog.folder)

    def _rows(self, table):
        """The rows of a table that columns and conditions have narrowed, validated."""
        from paillasse.catalog.drivers import rows_of
        from paillasse.catalog.frames import as_frame
        from paillasse.catalog.validation import validate

        source, schema = self.source, self.about.table_schema
        title = f"{source.place} ({self.name} in the catalogue)"
        data = as_frame(rows_of(table, source, self.catalog.folder, schema), schema, title)
        validate(data, schema, title)
        return data

    @property
    def _contact(self) -> str:
        return f"{self.about.steward.name}, {self.about.steward.email}"

    def _record(self, permission: "Permission", columns: list[str], filter_columns: list[str]):
        """Who reads what, for what: the record of a secure read, without its outcome."""
        from paillasse.catalog.audit import ReadRecord

        return ReadRecord(
            project=self.catalog.project,
            purpose=self.catalog.purpose,
            approval=permission.reference,
            data_set=self.name,
            profile=self.catalog.profile,
            source_version=self.source.sha256 or self.source.version,
            columns=columns,
            filter_columns=filter_columns,
        )

    def _record_exact(self, permission: "Permission", kind: str) -> None:
        """Record that the exact numbers of a result of this kind were shown after the read; else they are not shown."""
        from paillasse.catalog.audit import record

        record(permission.sink, replace(self._record(permission, [kind], []), outcome="exact"), self._contact)

    def _columns(self, columns: Iterable[str] | None) -> list[str]:
        """The columns to read: those asked for or, where nobody's identity is in them, all."""
        from paillasse.catalog.access import is_restricted

        names = [field.name for field in self.fields]
        if columns is not None:
            return columns_asked(self.name, columns, names)
        identifiers = [name for name in names if name not in self.without_identifiers()]
        if identifiers and is_restricted(self.about, self.catalog.profile):
            raise AccessError(
                f"{self.name} is not read in the profile secure without columns: "
                f"{', '.join(map(repr, identifiers))} would identify patients. Name the columns that you need, "
                "read(columns=[…]); all others are entry.without_identifiers()."
            )
        return names

    def __repr__(self) -> str:
        from paillasse.catalog.show import entry_as_text

        return entry_as_text(self)

    def _repr_html_(self) -> str:
        from paillasse.catalog.show import entry_as_html

        return entry_as_html(self)
