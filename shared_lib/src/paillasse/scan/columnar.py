"""Files of tables taken apart: parquet, Arrow and feather, SQLite, DuckDB, Excel."""

import io
import sqlite3
import tempfile
from pathlib import Path

from paillasse.scan.containers import MOST_ROWS, Column, Place, TooMuch, column_of
from paillasse.scan.dissection import Dissection

MOST_TABLES = 500


def take_parquet_apart(found: Dissection, data: bytes, place: Place) -> None:
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(io.BytesIO(data), thrift_string_size_limit=10_000_000)
    metadata = file.metadata
    for key, value in (metadata.metadata or {}).items():
        if key != b"ARROW:schema":
            found.text(value.decode("utf-8", "replace"), place.within("metadata"))
    batches, rows = [], 0
    for batch in file.iter_batches(batch_size=20_000):
        found.budget.spend(batch.nbytes)
        batches.append(batch)
        rows += batch.num_rows
        if rows >= MOST_ROWS:
            break
    _arrow(found, batches, metadata.num_rows, place)


def take_arrow_apart(found: Dissection, data: bytes, place: Place) -> None:
    import pyarrow.ipc

    reader = pyarrow.ipc.open_file(io.BytesIO(data))
    for value in (reader.schema.metadata or {}).values():
        found.text(value.decode("utf-8", "replace"), place.within("metadata"))
    batches, rows = [], 0
    for number in range(reader.num_record_batches):
        batch = reader.get_batch(number)
        found.budget.spend(batch.nbytes)
        rows += batch.num_rows
        if rows <= MOST_ROWS or not batches:
            batches.append(batch)
    _arrow(found, batches, rows, place)


def _arrow(found: Dissection, batches: list, total: int, place: Place) -> None:
    import pyarrow

    if not batches:
        return
    table = pyarrow.Table.from_batches(batches)
    columns = {
        name: column_of(table.column(name).slice(0, MOST_ROWS).to_pylist()) for name in table.column_names[:2000]
    }
    found.add(place, columns, "frame", total)
    _texts_of(found, columns, place)


def _texts_of(found: Dissection, columns: dict[str, Column], place: Place) -> None:
    """Cells that are texts are looked at as such: a note, or a document in a column."""
    for name, column in columns.items():
        if column.numbers is None and column.texts:
            long = [text for text in column.texts if len(text) > 200]
            for text in long[:1000]:
                found.text(text, place.within(name))
            found.text("\n".join(dict.fromkeys(text for text in column.texts if len(text) <= 200)), place.within(name))


def take_sqlite_apart(found: Dissection, data: bytes, place: Place) -> None:
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(data)
        connection.execute("PRAGMA trusted_schema = OFF")
        names = [
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchmany(MOST_TABLES)
        ]
        for name in names:
            quoted = '"' + name.replace('"', '""') + '"'
            cursor = connection.execute(f"SELECT * FROM {quoted} LIMIT {MOST_ROWS}")
            heads = [each[0] for each in cursor.description]
            rows = cursor.fetchall()
            total = connection.execute(f"SELECT count(*) FROM {quoted}").fetchone()[0]
            _rows(found, heads, rows, total, place.within(name))
        if connection.execute("PRAGMA freelist_count").fetchone()[0]:
            found.cannot_read(place, "it still holds what was deleted from it, until it is vacuumed")
    except sqlite3.Error:
        found.cannot_read(place, "it is a damaged SQLite file")
    finally:
        connection.close()


def take_duckdb_apart(found: Dissection, data: bytes, place: Place) -> None:
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "copy.duckdb")  # DuckDB reads files only; removed with its folder
        file.touch(mode=0o600)
        file.write_bytes(data)
        config = {"enable_external_access": "false", "autoinstall_known_extensions": "false", "memory_limit": "1GB"}
        try:
            with duckdb.connect(str(file), read_only=True, config=config) as connection:
                tables = connection.execute(
                    "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal"
                ).fetchmany(MOST_TABLES)
                for schema, name in tables:
                    quoted = ".".join('"' + each.replace('"', '""') + '"' for each in (schema, name))
                    cursor = connection.execute(f"SELECT * FROM {quoted} LIMIT {MOST_ROWS}")
                    heads = [each[0] for each in cursor.description]
                    rows = cursor.fetchall()
                    total = connection.execute(f"SELECT count(*) FROM {quoted}").fetchone()[0]
                    _rows(found, heads, rows, total, place.within(name))
        except duckdb.Error:
            found.cannot_read(place, "it is a DuckDB file that this version cannot open")


def _rows(found: Dissection, heads: list[str], rows: list[tuple], total: int, place: Place) -> None:
    if not rows:
        return
    columns = {}
    for number, head in enumerate(heads):
        values = [row[number] for row in rows]
        blobs = [each for each in values if isinstance(each, bytes)]
        for blob in blobs[:1000]:
            found.content(blob, place.within(head), must_read=False)
        columns[head] = column_of([None if isinstance(each, bytes) else each for each in values])
    found.add(place, columns, "frame", total)
    _texts_of(found, columns, place)


def take_excel_apart(found: Dissection, data: bytes, place: Place) -> bool:
    """The sheets, hidden ones too, and whether they could be read. What else the file holds (pivot caches, charts) is
    read as the XML that it is."""
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    except Exception:  # openpyxl raises many kinds; its parts are read as XML in any case
        found.cannot_read(place, "it is a damaged Excel file")
        return False
    for sheet in book.worksheets:
        rows, cells = [], 0
        for row in sheet.iter_rows(values_only=True):
            cells += len(row)
            if cells > 20_000_000:
                raise TooMuch("it has more cells than are looked at in one file")
            if any(each is not None for each in row):
                rows.append(["" if each is None else each for each in row[:2000]])
            if len(rows) >= MOST_ROWS:
                break
        if rows:
            _sheet(found, rows, place.within(sheet.title))
    book.close()
    return True


def _sheet(found: Dissection, rows: list[list], place: Place) -> None:
    """A sheet as a table; a title above it and notes below are set aside."""
    from paillasse.scan.texts import columns_of

    widths = [sum(each != "" for each in row) for row in rows]
    usual = max(widths)
    start = next(i for i, width in enumerate(widths) if width >= max(1, 0.7 * usual))
    texts = [[_text(each) for each in row] for row in rows]
    width = max(map(len, texts[start:]))
    body = [row + [""] * (width - len(row)) for row in texts[start:]]
    if len(body) >= 2:
        found.add(place, columns_of(body))
    found.text("\n".join(" ".join(each for each in row if each) for row in texts), place)


def _text(value) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
