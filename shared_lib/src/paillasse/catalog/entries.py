"""The catalogue as a researcher uses it: open it, take a data set by its name, read it."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from paillasse.catalog.model import Dataset, Document, Field, Profile, Source
from paillasse.documents import read_document
from paillasse.errors import CatalogError, DataError, InputError, did_you_mean

FILE_NAME = "data_catalog.yaml"


def open_catalog(path: str | Path | None = None, profile: str | None = None) -> "Catalog":
    """Open the catalogue of the data that exist.

    Parameters
    ----------
    path
        The catalogue's file; by default the nearest `data_catalog.yaml` in this folder or above it.
    profile
        `public`, `synthetic` or `secure`: which form of a data set is read. By default the environment variable
        PAILLASSE_PROFILE, else the file's own default, else `synthetic`. Public data are the same in all three.

    Returns
    -------
    Catalog

    Raises
    ------
    CatalogError
        There is no catalogue, no such profile, or the file has mistakes: all of them, with file, line and key.

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
    chosen = profile or os.environ.get("PAILLASSE_PROFILE") or document.profile
    known = get_args(Profile)
    if chosen not in known:
        origin = "profile" if profile else "PAILLASSE_PROFILE"
        raise CatalogError(
            f"{origin}: expected one of {', '.join(known)}; got {chosen!r}. {did_you_mean(chosen, known)}"
        )
    folder = path.resolve().parent
    return Catalog({name: Entry(name, dataset, chosen, folder) for name, dataset in document.datasets.items()}, chosen)


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
    """The data sets that exist, by name. Iterating gives the names; the bare name in a cell shows a table."""

    entries: dict[str, "Entry"]
    profile: str

    def __getitem__(self, name: str) -> "Entry":
        if name not in self.entries:
            raise CatalogError(f"No data set {name!r} in the catalogue. {did_you_mean(name, self.entries)}")
        return self.entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries

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
    profile
        The profile in force.
    folder
        The catalogue's folder, under which relative paths lie.
    """

    name: str
    about: Dataset
    profile: str
    folder: Path

    @property
    def title(self) -> str:
        return self.about.title

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
        origin = self.about.origin or self.about.publisher
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
        chosen = names if columns is None else self._known(columns, names)
        coded = [field for field in self.fields if field.name in chosen and field.codes]
        new = {
            field.name: pandas.Categorical(data[field.name].map(field.codes), list(field.codes.values()))
            for field in coded
        }
        return data.assign(**new)

    @property
    def source(self) -> Source:
        """The source that the profile chooses; public data have one for all profiles."""
        sources = self.about.sources
        wanted = "public" if self.about.sensitivity == "public" else self.profile
        if wanted not in sources:
            raise CatalogError(
                f"The data set {self.name!r} has no source for the profile {wanted!r}, only for {', '.join(sources)}. "
                f"Choose with open_catalog(profile=…) or PAILLASSE_PROFILE, or ask {self.about.steward.email}."
            )
        return sources[wanted]

    def table(self):
        """The data set as a lazy ibis table on DuckDB: nothing is read before a result is asked for.

        Columns have the declared types, but the rows are not validated; `read` does that. Tables of several
        data sets can be joined.

        Returns
        -------
        ibis.Table

        Raises
        ------
        CatalogError
            No source for the profile, or a path that cannot be used.
        DataError
            The file is missing, is not the one declared, or has other columns.

        Examples
        --------
        >>> gbsg = open_catalog()["gbsg"].table()
        >>> int(gbsg.filter(gbsg.age > 60).count().execute())
        188
        """
        from paillasse.catalog.drivers import open_table

        return open_table(self.source, self.folder, self.about.table_schema)

    def read(self, columns: Iterable[str] | None = None, where: Callable | None = None):
        """Read the data set, validated against its schema.

        Parameters
        ----------
        columns
            The columns wanted, in that order; all by default. Others are not read.
        where
            Which rows: a function of the ibis table, `lambda t: t.age > 60`; all by default. It may use columns
            that are not wanted.

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
            No source for the profile, or a path that cannot be used.
        DataError
            The file is missing, is not the one declared, has other columns, or breaks its schema: column, rule and
            number of rows, never a value.

        Examples
        --------
        >>> open_catalog()["veteran"].read(columns=["time", "status"], where=lambda t: t.karno >= 90).shape
        (8, 2)
        """
        import duckdb

        from paillasse.catalog import drivers
        from paillasse.catalog.validation import validate

        names = [field.name for field in self.fields]
        columns = names if columns is None else self._known(columns, names)
        source, schema = self.source, self.about.table_schema
        table = self._matching(self.table(), where).select(columns)
        try:
            rows = table.to_pyarrow()
        except duckdb.Error as error:
            # DuckDB's message quotes the row, and so would the traceback: neither is passed on.
            problem = drivers.csv_problem(source, self.folder, schema, error) if source.driver == "csv" else None
            kind = type(error).__name__
            raise DataError(problem or f"{source.path}: DuckDB cannot read it, or compute `where` ({kind})") from None
        data = rows.to_pandas(date_as_object=False)
        for field in self.fields:
            if field.type == "boolean" and field.name in columns and data[field.name].isna().any():
                data[field.name] = data[field.name].astype("float64")
        validate(data, schema, f"{source.path} ({self.name} in the catalogue)")
        return data

    def _known(self, columns: Iterable[str], names: list[str]) -> list[str]:
        if isinstance(columns, str):
            raise InputError(f"columns: expected a list of names; write [{columns!r}]")
        columns = list(columns)
        unknown = [f"no column {name!r}. {did_you_mean(name, names)}" for name in columns if name not in names]
        if unknown:
            raise InputError(f"{self.name}: " + " ".join(unknown))
        if not columns or len(set(columns)) < len(columns):
            raise InputError(f"{self.name}: columns: expected at least one name, each once")
        return columns

    def _matching(self, table, where: Callable | None):
        import ibis

        if where is None:
            return table
        expected = f"Expected a function of the table, such as lambda t: t.age > 60, over {', '.join(table.columns)}"
        if not callable(where):
            raise InputError(f"{self.name}: where: this is {type(where).__name__}. {expected}")
        try:
            condition = where(table)
        except Exception as error:  # whatever the caller's function did
            raise InputError(f"{self.name}: where: {error}. {expected}") from error
        if not (isinstance(condition, ibis.Value) and condition.type().is_boolean()):
            raise InputError(f"{self.name}: where: the result is no condition. {expected}")
        return table.filter(condition)

    def __repr__(self) -> str:
        from paillasse.catalog.show import entry_as_text

        return entry_as_text(self)

    def _repr_html_(self) -> str:
        from paillasse.catalog.show import entry_as_html

        return entry_as_html(self)
