"""Values of JSON taken apart: arrays in whatever form plotly, Vega, Bokeh and pandas write them, records, texts.

Arrays of one object that have one length stand side by side (`x`, `y`, `customdata` of a trace). Values at the same
place of the items of a list are pooled, because a cohort can be spread over traces, shapes, frames or records.
"""

import base64
import binascii
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from paillasse.scan.containers import MOST_ROWS, Column, Place, Table, Text, column_of
from paillasse.scan.dissection import Dissection
from paillasse.scan.identifiers import BIRTH_NAMES
from paillasse.scan.known import plain
from paillasse.scan.names import IDENTIFIERS

SHORT = 60  # letters; shorter texts hold no table, and are looked at together
FEW = 5  # items of which a list of records is one
IDENTIFYING = IDENTIFIERS | BIRTH_NAMES
FEW_NUMBERS = {2, 3, 4}  # of a list that is a point, or a short row
TYPES = {each: f"<{each}" for each in ("f8", "f4", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1")} | {
    "float64": "<f8", "float32": "<f4", "int64": "<i8", "int32": "<i4", "int16": "<i2", "int8": "<i1",
    "uint64": "<u8", "uint32": "<u4", "uint16": "<u2", "uint8": "<u1", "bool": "<u1", "u1c": "<u1",
}  # fmt: skip


def take_value_apart(found: Dissection, value, place: Place) -> None:
    walk = _Walk(found, place)
    walk.value(value, (), place)
    walk.finish()


@dataclass
class _Walk:
    """A walk through one document."""

    found: Dissection
    place: Place
    pooled: dict[tuple, list[tuple[Table | None, np.ndarray]]] = field(default_factory=lambda: defaultdict(list))
    scalars: dict[tuple, list] = field(default_factory=lambda: defaultdict(list))
    short: list[str] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)  # ids of arrays that were taken with the object around them

    def value(self, value, path: tuple, place: Place) -> None:
        if isinstance(value, dict):
            self.mapping(value, path, place)
        elif isinstance(value, list):
            self.sequence(value, path, place)
        elif isinstance(value, str):
            self.string(value, place)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self.scalars[path].append(value)

    def string(self, text: str, place: Place) -> None:
        if len(text) < SHORT:
            self.short.append(text)
        else:
            self.found.text(text, place)

    def mapping(self, value: dict, path: tuple, place: Place) -> None:
        array = typed_array(value)
        if array is not None:
            if id(value) not in self.taken:
                self.arrays({"": array}, path, place)
            return
        if _is_split_frame(value):
            self.split_frame(value, path, place)
            return
        if _is_dict_of_dicts(value):
            self.records([{"": key, **item} for key, item in value.items()], path, place)
            self.columns_of_dicts(value, place)
        if _is_plotly_table(value):
            self.plotly_table(value, place)
        alone = {
            key: item
            for key, item in value.items()
            if isinstance(item, int | float | str) and not isinstance(item, bool)
        }
        for key, item in alone.items():
            if plain(key) in IDENTIFYING:
                self.short.append(f"{key}: {str(item)[:SHORT]}")
        self.words([key for key in alone if key.isdecimal()], place)
        if len(alone) >= 4:  # one patient, perhaps: the rule asks for names of the catalogue
            self.found.add(place, {key: column_of([item]) for key, item in alone.items()}, "record")
        side_by_side = {}
        for name, column, origin in _arrays_of(value):
            if origin is None or id(origin) not in self.taken:
                self.taken.add(id(origin))
                side_by_side[name] = column
        if side_by_side:
            self.arrays(side_by_side, path, place)
        if are_alike := _are_alike(value):  # the states of widgets
            self.records(list(value.values()), path, place)
        for key, item in value.items():
            if len(key) > 3:
                self.short.append(key[:SHORT])
            self.value(item, (*path, "*" if are_alike else key), place.within(key))

    def sequence(self, value: list, path: tuple, place: Place) -> None:
        if not value:
            return
        kinds = set(map(type, value))
        if not kinds & {dict, list}:
            if id(value) not in self.taken:
                self.arrays({"": column_of(value)}, path, place)
            if kinds == {str}:
                self.words(value, place)
            for item in value:
                if isinstance(item, str):
                    self.string(item, place)
            return
        if kinds == {dict} and len(value) >= 2:
            self.records(value, path, place)
        if kinds == {list} and id(value) not in self.taken and all(map(_is_flat, value)):
            self.arrays(dict(_rows(value)), path, place, "matrix")
            self.taken.add(id(value))
        for number, item in enumerate(value):
            if id(value) in self.taken and isinstance(item, list):
                self.taken.add(id(item))
            self.value(item, (*path, "*"), place.within(number))

    def arrays(self, columns: dict[str, Column], path: tuple, place: Place, kind: str = "arrays") -> None:
        """Arrays of one object: those of one length are a table; each is pooled with those at its place in others."""
        by_length = defaultdict(dict)
        for name, column in columns.items():
            by_length[len(column)][name] = column
        for length, group in by_length.items():
            table = None
            if length >= 2:
                table = self.found.add(place, group, kind)
            for name, column in group.items():
                if column.numbers is not None and "*" in path:
                    self.pooled[(*path, name)].append((table, column.numbers))
                if column.texts is not None and length > 1 and column.numbers is None:
                    self.short.extend(each[:SHORT] for each in column.texts[:20_000])
                    self.lines(column.texts, place.within(name))

    def words(self, texts: list[str], place: Place) -> None:
        """Texts in quotes: numbers among them were given to somebody, not counted or measured."""
        if sum(map(str.isdecimal, texts)) >= 4:
            self.found.add(place.within("words"), {"": Column(texts=texts[:MOST_ROWS])}, "words")

    def lines(self, texts: list[str], place: Place) -> None:
        """Texts with numbers in them, such as what hovering shows or annotations, as lines of one text."""
        if sum(any(map(str.isdigit, each)) for each in texts[:50]) >= 4:
            lines = (each.replace("<br>", " ").replace("\n", " ") for each in texts[:MOST_ROWS])
            self.found.text("\n".join(lines), place)

    def records(self, items: list[dict], path: tuple, place: Place) -> None:
        """Items of a list as rows: what stands at the same place of each is a column."""
        names: dict[str, int] = {}
        rows = []
        for item in items:
            row = dict(_flat(item))
            rows.append(row)
            for name in row:
                names[name] = names.get(name, 0) + 1
        columns = {
            name: column_of([row.get(name) for row in rows]) for name, n in names.items() if n >= 0.5 * len(rows)
        }
        for name, column in columns.items():
            if column.numbers is None:
                self.lines(column.texts, place.within(name))
            elif column.texts is not None:
                self.words(column.texts, place.within(name))
        if columns:
            self.found.add(place, columns, "frame" if not path or len(columns) > 1 else "arrays")

    def columns_of_dicts(self, value: dict, place: Place) -> None:
        """pandas' `{"age": {"0": 54, ...}, ...}`."""
        columns = {key: column_of(list(item.values())) for key, item in value.items() if _is_flat(list(item.values()))}
        lengths = {len(column) for column in columns.values()}
        if len(columns) >= 1 and len(lengths) == 1:
            self.found.add(place, columns)

    def split_frame(self, value: dict, path: tuple, place: Place) -> None:
        names = [str(each) for each in value["columns"]]
        rows = [row for row in value["data"] if isinstance(row, list)]
        self.short += names
        columns = {name: column_of([row[i] if i < len(row) else None for row in rows]) for i, name in enumerate(names)}
        if isinstance(value.get("index"), list) and len(value["index"]) == len(rows) and _is_flat(value["index"]):
            columns["index"] = column_of(value["index"])
        self.found.add(place, columns)
        for column in columns.values():
            if column.numbers is None:
                self.short.extend(column.texts)

    def plotly_table(self, value: dict, place: Place) -> None:
        names = [
            " ".join(map(str, each)) if isinstance(each, list) else str(each) for each in value["header"]["values"]
        ]
        cells = value["cells"]["values"]
        if all(isinstance(each, list) and _is_flat(each) for each in cells):
            self.found.add(
                place.within("cells"), {name: column_of(each) for name, each in zip(names, cells, strict=False)}
            )

    def points(self, lists: list[np.ndarray], place: Place) -> None:
        """Short lists at the same place of many objects, such as the coordinates of points, as rows."""
        if len({len(each) for each in lists}) == 1:
            rows = np.stack(lists[:MOST_ROWS])
            self.found.add(place, {str(i): Column(rows[:, i]) for i in range(rows.shape[1])}, "matrix")

    def finish(self) -> None:
        for path, values in self.scalars.items():
            if "*" in path:
                self.pooled[path].append((None, np.array([min(max(each, -1e300), 1e300) for each in values], float)))
        for path, pieces in self.pooled.items():
            total = sum(len(numbers) for _, numbers in pieces)
            if total >= FEW and (len(pieces) > 1 or pieces[0][0] is None):
                column = Column(np.concatenate([numbers for _, numbers in pieces]))
                place = self.place.within("/".join(str(each) for each in path))
                self.found.tables.append(Table(place, {str(path[-1]): column}, "pooled", pieces=pieces))
            if len(pieces) >= FEW - 1 and {len(numbers) for _, numbers in pieces} <= FEW_NUMBERS:
                self.points([numbers for _, numbers in pieces], self.place.within("/".join(map(str, path))))
        if self.short:
            self.found.texts.append(Text(self.place, "\n".join(dict.fromkeys(self.short))))


def typed_array(value: dict) -> Column | None:
    """An array that plotly (`bdata`) or Bokeh (`__ndarray__`, `ndarray`) writes as base64; None if it is none."""
    kind = value.get("dtype")
    encoded = value.get("bdata") or value.get("__ndarray__")
    if encoded is None and value.get("type") == "ndarray" and isinstance(value.get("array"), dict):
        encoded = value["array"].get("data")
    if not isinstance(encoded, str) or not isinstance(kind, str):
        return None
    try:
        data = base64.b64decode(encoded, validate=False)
    except (binascii.Error, ValueError):
        return None
    if data[:2] == b"\x1f\x8b":
        import zlib

        unpacker = zlib.decompressobj(31)
        data = unpacker.decompress(data, 200_000_000)
    dtype = np.dtype(TYPES.get(kind.lstrip("<|="), "<u1"))
    if value.get("order") == "big":
        dtype = dtype.newbyteorder(">")
    numbers = np.frombuffer(data[: len(data) // dtype.itemsize * dtype.itemsize], dtype)
    return Column(numbers.astype(float), is_coarse=kind.endswith(("f4", "float32")))


def _arrays_of(value: dict) -> Iterator[tuple[str, Column, object | None]]:
    """The arrays directly in an object or in an object within it: name, values, and what they were written as.

    Of the columns of an array of two dimensions only the first has that.
    """
    for key, item in value.items():
        if isinstance(item, dict):
            array = typed_array(item)
            if array is not None:
                for name, column in _reshaped(key, array, item.get("shape")):
                    yield name, column, item if name in (key, f"{key}.0") else None
                continue
            if _is_dict_of_dicts(item):
                continue
            for inner, each in item.items():
                if isinstance(each, dict):
                    array = typed_array(each)
                    if array is not None:
                        yield f"{key}.{inner}", array, each
                elif isinstance(each, list) and len(each) > 1 and _is_flat(each):
                    yield f"{key}.{inner}", column_of(each), each
        elif isinstance(item, list) and item:
            if _is_flat(item):
                yield key, column_of(item), item
            elif all(isinstance(row, list) and row and _is_flat(row) for row in item):
                if _is_colour_scale(item):
                    continue
                for name, column in _rows(item):
                    yield f"{key}.{name}", column, item if name == "0" else None
            elif all(isinstance(row, dict) and typed_array(row) is not None for row in item):
                for number, row in enumerate(item):
                    yield f"{key}.{number}", typed_array(row), row


def _reshaped(key: str, array: Column, shape) -> Iterator[tuple[str, Column]]:
    """The columns of an array of two dimensions (`customdata`)."""
    if isinstance(shape, str):
        shape = [int(each) for each in shape.split(",") if each.strip().isdigit()]
    if isinstance(shape, list) and len(shape) == 2 and all(isinstance(each, int) for each in shape):
        rows, columns = shape
        if columns and rows * columns == len(array):
            for number, column in enumerate(array.numbers.reshape(rows, columns).T[:200]):
                yield f"{key}.{number}", Column(column, is_coarse=array.is_coarse)
            return
    yield key, array


def _rows(rows: list[list]) -> Iterator[tuple[str, Column]]:
    """A list of lists: as rows side by side, or, where there are few and they are long, as columns."""
    longest = max(map(len, rows))
    if len(rows) < longest and len({len(row) for row in rows}) == 1:
        for number, row in enumerate(rows[:200]):
            if _is_flat(row):
                yield str(number), column_of(row)
        return
    for number in range(min(longest, 200)):
        values = [row[number] if number < len(row) else None for row in rows]
        if _is_flat(values):
            yield str(number), column_of(values)


def _flat(item: dict, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    is_model = item.get("type") == "object"  # Bokeh's, which counts its models and names their classes
    for key, value in item.items():
        if is_model and key in ("id", "name"):
            continue
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, dict):
            array = typed_array(value)
            if array is not None:
                if len(array) == 1:
                    yield f"{prefix}{key}", float(array.numbers[0])
            elif depth < 3:
                yield from _flat(value, f"{prefix}{key}.", depth + 1)
        elif not isinstance(value, list):
            yield f"{prefix}{key}", None if isinstance(value, float) and not math.isfinite(value) else value


def _is_flat(values: list) -> bool:
    return not any(isinstance(each, list | dict) for each in values)


def _is_colour_scale(rows: list) -> bool:
    return all(len(row) == 2 and isinstance(row[1], str) and row[1].startswith(("#", "rgb")) for row in rows)


def _is_split_frame(value: dict) -> bool:
    return (
        isinstance(value.get("columns"), list)
        and isinstance(value.get("data"), list)
        and bool(value["data"])
        and isinstance(value["data"][0], list)
        and len(value["columns"]) == len(value["data"][0])
        and _is_flat(value["columns"])
    )


def _is_plotly_table(value: dict) -> bool:
    parts = [value.get("header"), value.get("cells")]
    return all(isinstance(each, dict) and isinstance(each.get("values"), list) and each["values"] for each in parts)


def _are_alike(value: dict) -> bool:
    """Whether an object has objects with the same keys for values, and these have more within them."""
    items = list(value.values())
    if len(items) < FEW - 1 or not all(isinstance(item, dict) and item for item in items):
        return False
    first = items[0].keys()
    return all(item.keys() == first for item in items) and not _is_dict_of_dicts(value)


def _is_dict_of_dicts(value: dict) -> bool:
    """pandas' `{"age": {"0": 54, …}}` or `{"0": {"age": 54}}`: objects with the same keys, of scalars."""
    items = list(value.values())
    if not items or not all(isinstance(item, dict) and item for item in items):
        return False
    first = items[0].keys()
    return len(first) >= 2 and all(item.keys() == first and _is_flat(list(item.values())) for item in items)
