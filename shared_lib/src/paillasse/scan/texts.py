"""Texts taken apart: JSON and markup in them, what is encoded, tables drawn with blanks, commas or bars, and arrays.

Printed rows need no header and no grid: lines that are alike but for their numbers are a table too.
"""

import ast
import base64
import binascii
import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import numpy as np

from paillasse.scan.containers import MOST_ROWS, NUMBER, Column, Place, Table, Text, column_of
from paillasse.scan.days import days_in
from paillasse.scan.dissection import Dissection
from paillasse.scan.encodings import UUENCODED, opened, plain_letters, without_escapes
from paillasse.scan.names import settings_in

FEWEST_ALIKE = 4  # lines with numbers at the same places, from which on they are rows
FARTHEST = 5  # lines between two that are of one table
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
DATA_URI = re.compile(r"data:([\w.+/-]*)((?:;[\w.+=-]+)*),([^\s\"'<>)]+)")
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
SURELY_BASE64 = 80  # letters; what is shorter may be a word of a program, unless it decodes to a text
LINE_OF_BASE64 = 60  # letters, at least; such lines have 64 or 76
BYTES_OF_PYTHON = re.compile(r"""b'((?:[^'\\\n]|\\.){40,})'|b"((?:[^"\\\n]|\\.){40,})\"""")
BROKEN_BASE64 = re.compile(rf"(?<=[A-Za-z0-9+/]{{{LINE_OF_BASE64}}})\r?\n(?=[A-Za-z0-9+/=])")
HEXADECIMAL = re.compile(r"\b(?:[0-9a-f]{2}){70,}\b|\b(?:[0-9A-F]{2}){70,}\b")
BRACKETS = re.compile(
    r"(?<!rgb)(?<!rgba)[\[(]([^\[\](){}]{12,}| ?(?:True|False), *[\d.]+ *|\d[\d.]*, ?['\"][^\[\](){}\n]{4,10})[\])]"
)
READABLE = re.compile(rb"[\t\n\r -~\xa0-\xff]{24,}")
HASHES = re.compile(r"^(?:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32})$", re.MULTILINE)
SERIAL = re.compile(r"[A-Za-z][-_]\d{4}")  # what is given in a row
GIVEN_IN_A_ROW = re.compile(r"(?:\b[A-Za-z]{1,6}[-_]\d{4,}\b[\s,;]*(?:et |and )?){5,}")
IN_A_ROW = re.compile(r"[\s,;]+(?:et |and )?")
NAMED_LIST = re.compile(r"([A-Za-z_À-ÿ][\w.À-ÿ]{0,40})[\"']?\s*(?:[:=]|<-)\s*(?:\[+|c\()([^\[\](){}:=]{8,100000})[\])]")
POLARS_SERIES = re.compile(r"Series: '([^'\n]{1,60})' \[\w+\]\n\[\n([^\[\]]{4,})\]")
# Numbers one after the other in a sentence; between semicolons they may have a comma.
ENUMERATION = re.compile(
    r"-?\d+(?:\.\d+)?(?:(?:, ?| et | and | [-/|·] )-?\d+(?:\.\d+)?){19,}|-?\d+(?:[.,]\d+)?(?:; ?-?\d+(?:[.,]\d+)?){19,}"
)
# Short tuples one after the other, as LaTeX and other languages write points: (54,1203) (61,98) …
TUPLES = re.compile(r"(?:[(\[]\s*-?[\d.]+(?:\s*[,;]\s*-?[\d.]+){1,5}\s*[)\]][\s,;]*){10,}")
FEWEST_DAYS = 8
ROWS_IN_A_LINE = re.compile(r" ?(?:;|\||/| - |<br ?/?>) ?")  # what stands between rows that are not in lines
BETWEEN_ROWS = (";", "|", "/", " - ", "<br")
FEWEST_IN_A_LINE = 10
SEPARATORS_OF_NUMBERS = (",", ";", " - ", " / ", " | ", " · ", " et ", " and ")
FIELD = re.compile(r"\d+(?:\.\d+)?|[A-Za-z]+")
FIELDS = re.compile(r"[0A.]*0A[0A.]*")
LETTER = re.compile(r"[A-Za-z]")
FIXED = re.compile(r"\d")
VALUE = re.compile(r"-?\d+(?:\.\d+)?")
R_VECTOR = re.compile(r"\s*\[(\d+)\]\s+(\S.*)")
INTEGER_OF_R = re.compile(r"^(-?\d+)L$")
SCALAR_OF_NUMPY = re.compile(r"\bnp\.(?:u?int|float|bool|str)\w*\(([^()]*)\)")
MOST_FIELDS = 40  # of a row that is written between brackets
TRUTH = {"True": "1", "False": "0"}
MARKUP = re.compile(r"<(?:table|svg|div|script|html|body|td|tr|p|span|math)\b", re.IGNORECASE)
JSON_START = re.compile(r"[\[{]\s*[\"{\[\d-]")
WORD = re.compile(r"\S+")
# A word of the line below a header that says of which type each column is, as polars, DuckDB and R write it.
TYPE = re.compile(
    r"[iuf](?:8|16|32|64)|u?(?:tiny|small|big|huge)?int\d*|str|bool(?:ean)?|date(?:time.*)?|cat|enum|varchar|double"
    r"|float\d*|timestamp.*|dbl|chr|fct|lgl|dttm|-{3,}",
    re.IGNORECASE,
)
TYPES = re.compile(r"[^\s|<>]+")
GLIMPSE = re.compile(r"\s*\$ (\S+)\s*(?::\s*\w+|<\w+>)\s+(.+)")  # a column a line: R's `str`, polars' `glimpse`
TITLE = re.compile(r" ?A tibble: .*|shape: \(.*\)")
RULE = re.compile(r"^[\s|+:=_-]+$")
LIST_ITEM = re.compile(r"'([^']*)'|\"([^\"]*)\"|([^,\s][^,]*)")
DELIMITERS = "\t;|&,"
BOXES = str.maketrans("│┃┆║╎", "|||||", "─━═╌┄┈┌┐└┘├┤┬┴┼╞╡╪╭╮╰╯╒╕╘╛╤╧┏┓┗┛┡┩┠┨╇╈")  # frames around tables
PAIR = re.compile(r"[\"']?([A-Za-z_À-ÿ][\w.À-ÿ]{0,40})[\"']?\s?[=:]\s?(?:'([^']*)'|\"([^\"]*)\"|([-+]?[\w.]+))")
SERIES = re.compile(r"^(?:Name: (.+?), )?(?:Length: \d+, )?dtype: \w+")


def take_text_apart(found: Dissection, text: str, place: Place, is_code: bool = False) -> None:
    """A text: see the module.

    Parameters
    ----------
    found
        Where containers go.
    text, place
        The text, and where it stands.
    is_code
        Whether it is a source, whose punctuation is no table's.
    """
    text = plain_letters(ANSI.sub("", text))
    found.texts.append(Text(place, text, is_code))
    stripped = text.strip()
    if stripped[:1] in ("{", "[") and stripped[-1:] in ("}", "]"):
        try:
            found.value(json.loads(stripped), place)
            return
        except ValueError:
            pass
    if stripped[:1] == "{" and "\n{" in stripped and (rows := _json_lines(stripped)):
        found.value(rows, place)
    in_a_row = GIVEN_IN_A_ROW.finditer(text) if SERIAL.search(text) else ()
    for words in (HASHES.findall(text), *(IN_A_ROW.split(match[0]) for match in in_a_row)):
        if len(words) > 4 and not is_code:
            found.add(place.within("words"), {"": column_of([each for each in words if each])}, "words")
    longest = max(map(len, text.split()), default=0)
    has_long_words = longest >= LINE_OF_BASE64
    if has_long_words or UUENCODED in text:
        text = opened(text, lambda data: found.content(data, place.within("encoded"), must_read=False))
    if "b'" in text or 'b"' in text:
        text = BYTES_OF_PYTHON.sub(lambda match: _bytes_of_python(found, match[0], place), text)
    text = without_escapes(text)
    if "data:" in text:
        text = _data_uris(found, text, place)
    if longest >= 40:  # else nothing is encoded in letters
        text = _encoded(found, text, place)
    if not is_code and MARKUP.search(text):
        found.markup(text, place)
        return
    _named_lists(found, text, place)
    if JSON_START.search(text):
        text = _json_within(found, text, place)
    _arrays(found, text, place)
    take_lines_apart(found, text, place)
    may_have_rows = not is_code and any(mark in text for mark in BETWEEN_ROWS)
    for line in text.splitlines() if may_have_rows else ():
        if len(rows := ROWS_IN_A_LINE.split(line)) >= FEWEST_IN_A_LINE:
            take_lines_apart(found, "\n".join(rows), place.within("a line"))


def _json_lines(text: str) -> list[dict]:
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        return []


def _data_uris(found: Dissection, text: str, place: Place) -> str:
    """Open the `data:` addresses, and give the text without them."""

    def uri(match: re.Match) -> str:
        _, options, content = match.groups()
        data = unquote_to_bytes(content)
        if "base64" in options:
            data = _from_base64(data.decode("ascii", "replace"))
        if data:
            found.content(data, place.within("data:"), must_read=False)
        return " "

    return DATA_URI.sub(uri, text)


def _encoded(found: Dissection, text: str, place: Place) -> str:
    """Open what is encoded in base 64 or 16, and give the text without it."""

    def encoded(match: re.Match) -> str:
        data = _from_base64(match[0])
        if len(match[0]) < SURELY_BASE64 and not (data and READABLE.fullmatch(data)):
            return match[0]
        if data:
            found.content(data, place.within("base64"), must_read=False)
        return " "

    def hexadecimal(match: re.Match) -> str:
        found.content(bytes.fromhex(match[0]), place.within("hexadecimal"), must_read=False)
        return " "

    text = HEXADECIMAL.sub(hexadecimal, text)
    return BASE64.sub(encoded, BROKEN_BASE64.sub("", text))


def _bytes_of_python(found: Dissection, literal: str, place: Place) -> str:
    """Open the bytes that Python shows as `b'\\x1f\\x8b…'`."""
    try:
        data = ast.literal_eval(literal)
    except (ValueError, SyntaxError):
        return literal
    found.content(data, place.within("bytes"), must_read=False)
    return " "


def _from_base64(text: str) -> bytes | None:
    text = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text[: len(text) // 4 * 4] if len(text) % 4 == 1 else text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None


def _json_within(found: Dissection, text: str, place: Place) -> str:
    """Take out the JSON that stands in other text, such as a script of a page."""
    decoder, kept, at, tries = json.JSONDecoder(), [], 0, 0
    while tries < 300 and (start := JSON_START.search(text, at)):
        tries += 1
        try:
            value, end = decoder.raw_decode(text, start.start())
        except ValueError:
            kept.append(text[at : start.start() + 1])
            at = start.start() + 1
            continue
        if end - start.start() > 20 and not _is_a_short_list(value):
            kept.append(text[at : start.start()])
            found.value(value, place.within("JSON"))
        else:
            kept.append(text[at:end])
        at = end
    return "".join(kept) + text[at:]


def _is_a_short_list(value) -> bool:
    """Whether a value of JSON is a few numbers: many such in a text are looked at together."""
    return isinstance(value, list) and len(value) < 20 and all(isinstance(each, int | float) for each in value)


def _arrays(found: Dissection, text: str, place: Place) -> None:
    """Lists that are written out: `[54, 61, …]`, `array([...])`, of numbers or of words in quotes."""
    if "np." in text:
        text = SCALAR_OF_NUMPY.sub(r"\1", text)
    pools = defaultdict(list)
    mixed = defaultdict(list)
    lists = []
    for match in BRACKETS.finditer(text):
        inner = match[1]
        items = [a or b or c for a, b, c in LIST_ITEM.findall(inner)] if "," in inner else inner.split()
        is_quoted = "'" in inner or '"' in inner
        items = [each.strip() for each in items[:MOST_ROWS]]
        if len(items) >= 4:
            column = column_of([INTEGER_OF_R.sub(r"\1", each) for each in items])
            if column.numbers is not None or is_quoted:
                table = found.add(place.within("list"), {"": column}, "arrays")
                if column.numbers is not None:
                    lists.append((table, column.numbers))
        elif len(items) >= 2:
            here = [TRUTH.get(each, each) for each in items]
            if all(map(NUMBER.fullmatch, here)):
                pools[len(items), inner.lstrip().startswith(("True", "False"))].append(here)
        if is_quoted and 3 <= len(items) <= MOST_FIELDS:  # [(54, 'F', 12.4), …]
            mixed[len(items)].append(items)
    for rows in mixed.values():
        if len(rows) >= FEWEST_ALIKE:
            found.add(place.within("tuples"), columns_of([[f"#{i}" for i in range(len(rows[0]))], *rows]))
    if len(lists) >= 3 and all(len(numbers) < 20 for _, numbers in lists):  # a cohort, group by group
        numbers = np.concatenate([each for _, each in lists])
        found.tables.append(Table(place.within("lists"), {"": Column(numbers)}, "pooled", pieces=lists))
    for (length, is_survival), rows in pools.items():  # a list of short tuples: [(54, 1), (61, 0), …]
        if len(rows) >= FEWEST_ALIKE:
            names = ["event", "time"] if is_survival and length == 2 else map(str, range(length))
            columns = {name: column_of([row[i] for row in rows]) for i, name in enumerate(names)}
            found.add(place.within("lists"), columns)
    for match in TUPLES.finditer(text):
        rows = [VALUE.findall(each) for each in re.findall(r"[(\[]([^)\]]*)", match[0])]
        if len({len(row) for row in rows}) == 1:
            columns = {str(i): column_of(list(column)) for i, column in enumerate(zip(*rows, strict=True))}
            found.add(place.within("tuples"), columns)
    enumerates = max(map(text.count, SEPARATORS_OF_NUMBERS)) >= 19 and ENUMERATION.search(text)
    for match in ENUMERATION.finditer(BRACKETS.sub(" ", text)) if enumerates else ():
        found.add(place.within("enumeration"), {"": column_of(VALUE.findall(match[0]))}, "arrays")
    if place.output and len(days := days_in(text)) >= FEWEST_DAYS:
        found.add(place.within("days"), {"": Column(texts=days[:MOST_ROWS])}, "days")
    if "[1]" in text:
        _vectors_of_r(found, text, place)


def _named_lists(found: Dissection, text: str, place: Place) -> None:
    """Lists and columns that have a name, as polars, pyarrow and a program's literals write them."""
    named = defaultdict(dict)
    for name, inner in NAMED_LIST.findall(text):  # {'age': [54, 61, …], 'time': […]}
        items = [INTEGER_OF_R.sub(r"\1", each.strip(" '\"\n")) for each in inner.split(",")]
        named[len(items)].setdefault(name, column_of(items))
    for length, columns in named.items():
        if len(columns) > 1 and (length > FEWEST_ALIKE or (length > 2 and len(columns) > 2)):
            found.add(place.within("lists"), columns)
    for name, inner in POLARS_SERIES.findall(text):
        items = column_of(inner.split())
        found.add(place.within("series"), {"index": column_of(list(range(len(items)))), name: items}, "series")


def _vectors_of_r(found: Dissection, text: str, place: Place) -> None:
    """R's `[1] 54 61 …`, each line with the number of its first value; times with a `+` are censored."""
    vector: list[str] = []
    for line in [*text.splitlines(), ""]:
        if match := R_VECTOR.match(line):
            if match[1] == "1" and vector:
                _add_vector(found, vector, place)
                vector = []
            vector += match[2].split()
    _add_vector(found, vector, place)


def _add_vector(found: Dissection, items: list[str], place: Place) -> None:
    column = column_of([each.rstrip("+") for each in items[:MOST_ROWS]])
    if column.numbers is None or len(items) < FEWEST_ALIKE:
        return
    if any(each.endswith("+") for each in items):
        events = column_of([0 if each.endswith("+") else 1 for each in items[:MOST_ROWS]])
        found.add(place.within("vector"), {"time": column, "event": events})
    else:
        found.add(place.within("vector"), {"": column}, "arrays")


def take_lines_apart(found: Dissection, text: str, place: Place) -> None:
    """Tables in lines: with a delimiter, in columns, or only alike."""
    alike: dict[tuple, list] = {}
    block: list[str] = []
    header = ""  # a line alone before a block, if it has several words and no digit
    wide: list[str] = []  # the left part of a frame that pandas broke into parts, whose first lines end in a \\
    pairs: dict[tuple, list] = {}
    alone: list[tuple] = []  # the pairs of lines with one each
    for number, line in enumerate([*text.splitlines(), ""]):
        if not line.isascii():
            drawn, line = line, line.translate(BOXES)
            if drawn.strip() and not line.strip(" |"):
                continue  # the line of a frame
        line = line.rstrip().removesuffix("\\\\").rstrip()
        if line.lstrip().startswith(("#", "//", "*", ">")):
            line = line.lstrip().lstrip("#/*>")
        if " 95% CI" in line:  # R's names of limits
            line = line.replace(" 95% CI", "_95%_CI")
        if TITLE.fullmatch(line):
            continue
        if glimpse := GLIMPSE.match(line):
            line = "  ".join([glimpse[1], *glimpse[2].replace(",", " ").split()])
        if line.strip() and not RULE.match(line) and not (number and _are_types(line)):
            if line.startswith(("Name: ", "Length: ", "dtype: ")) and len(block) >= 2 and (end := SERIES.match(line)):
                _series(found, block, end[1], place)
            block.append(line)
            has_pairs = len(line) < 5000 and line.count("=") + line.count(":") >= 3
            if ("=" in line or ":" in line) and len(line) < 100 and (pair := PAIR.fullmatch(line.strip(" \t,;-"))):
                alone.append(pair.groups())
            if has_pairs and len(here := PAIR.findall(line)) >= 3:
                for row in _rows_of_pairs(here):
                    pairs.setdefault(tuple(row), []).append(list(row.values()))
        elif not line.strip():
            if len(wide) == len(block):
                block = [
                    left + "  " + _without_index(right, row)
                    for row, (left, right) in enumerate(zip(wide, block, strict=True))
                ]
            wide = []
            if block and block[0].endswith("\\"):
                wide = [each.rstrip("\\ ") for each in block]
                block = []
                continue
            if len(block) >= 5 and all(len(each.split()) == 1 for each in block):
                found.add(place.within("words"), {"": column_of([each.strip(" ,;'\"") for each in block])}, "words")
                if len(fields := [FIELD.findall(each.strip()) for each in block]) >= FEWEST_ALIKE:
                    _add_fields(found, block, fields, place)
            if len(block) == 1 and len(block[0].split()) >= 3 and not any(map(str.isdigit, block[0])):
                header, block = block[0], []  # SAS leaves a line between names and values
                continue
            if header and len(block) > 1 and len(block[0].split()) == len(header.split()) and _starts(block[0]):
                block.insert(0, header)
            header = ""
            if len(block) < 2 or not _block(found, block[:MOST_ROWS], place):
                for before, each in enumerate(block, number - len(block)):
                    _note_alike(each, before, alike, lambda rows: _add_alike(found, rows, place))
            block = []
    for _, rows in alike.values():
        _add_alike(found, rows, place)
    for row in _rows_of_pairs(alone):
        if len(row) > 1:
            pairs.setdefault(tuple(row), []).append(list(row.values()))
    for names, rows in pairs.items():  # `age=54, grade=2, …`, or the same as Python or JSON writes it
        found.add(place.within("pairs"), columns_of([list(names), *rows[:MOST_ROWS]]), "record")


def _starts(line: str) -> bool:
    """Whether a line begins with a number and goes on with others."""
    words = line.split()
    return bool(NUMBER.fullmatch(words[0])) and sum(bool(NUMBER.fullmatch(word)) for word in words) > 1


def _are_types(line: str) -> bool:
    """Whether a line says of which type the columns are, as polars and R write below their names."""
    first = TYPES.search(line)
    return first is None or bool(TYPE.fullmatch(first[0]) and all(map(TYPE.fullmatch, TYPES.findall(line))))


def _rows_of_pairs(pairs: list[tuple]) -> list[dict[str, str]]:
    """The pairs of a line, a row for each time that its first name comes: `Row(age=54, …), Row(age=61, …)`."""
    rows: list[dict[str, str]] = []
    for name, *values in pairs:
        if not rows or name in rows[-1]:
            rows.append({})
        rows[-1][name] = next(filter(None, values), "")
    return rows


def _series(found: Dissection, lines: list[str], name: str | None, place: Place) -> None:
    """pandas' series: an index and one value a line, its name at the end."""
    rows = [re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in lines]
    index = rows[0][0] if len(rows[0]) == 1 else "index"
    rows = [row for row in rows if len(row) == 2]
    if len(rows) >= 2:
        found.add(place.within("series"), columns_of([[index, name or "value"], *rows]), "series")


def _without_index(line: str, row: int) -> str:
    """A line of a frame's right part without the index, which the first line does not have."""
    return line if row == 0 else " ".join(line.split(None, 1)[1:])


def _add_alike(found: Dissection, rows: list[list[str]], place: Place) -> None:
    if len(rows) >= FEWEST_ALIKE and len(set(map(tuple, rows))) > 1:
        columns = {f"#{i}": column_of([row[i] for row in rows[:MOST_ROWS]]) for i in range(len(rows[0]))}
        found.add(place.within("lines"), columns, "lines")


def _add_fields(found: Dissection, block: list[str], fields: list[list[str]], place: Place) -> None:
    """Lines without blanks that have the same letters and digits at the same places: columns of a fixed width."""
    shapes = {FIXED.sub("0", LETTER.sub("A", line.strip())) for line in block}
    if len(shapes) == 1 and FIELDS.fullmatch(shapes.pop()) and len(fields[0]) >= 3:
        columns = {f"#{i}": column_of([row[i] for row in fields[:MOST_ROWS]]) for i in range(len(fields[0]))}
        found.add(place.within("fields"), columns, "lines")


def _note_alike(line: str, number: int, alike: dict, add: Callable) -> None:
    """Sort a line by its kinds of words: numbers at the same places, not far apart, make it one of a table's rows."""
    if len(line) > 2000:
        return
    kinds, numbers = [], []
    for word in WORD.findall(line.translate(SEPARATORS)):
        word = word.strip("()[]'\"*%")
        if word and NUMBER.fullmatch(word):
            kinds.append("#")
            numbers.append(word)
        elif kinds[-1:] != ["w"]:
            kinds.append("w")
    if numbers:
        last, rows = alike.get(tuple(kinds), (number, []))
        if number - last > (FARTHEST if len(numbers) > 1 else 2):
            add(rows)
            rows = []
        if not rows and len(settings_in(line)) >= 2:  # a line of a training's log
            return
        rows.append(numbers)
        alike[tuple(kinds)] = number, rows


SEPARATORS = str.maketrans(dict.fromkeys(",;|:=\t", " "))


def _block(found: Dissection, lines: list[str], place: Place) -> bool:
    """A table among lines without a blank one between them; whether nearly all of the lines are in it."""
    for delimiter in DELIMITERS:
        counts = [line.count(delimiter) for line in lines]
        usual = max(set(counts), key=counts.count)
        if not usual and delimiter == "&":  # LaTeX has lines of its own around the rows
            usual = max(set(counts) - {0}, key=counts.count, default=0)
        if usual and counts.count(usual) >= (0.4 if delimiter == "&" else 0.8) * len(lines):
            rows = [row for row in delimited(lines, delimiter) if len(row) == usual + 1]
            if delimiter == "|" and all(not row[0].strip() and not row[-1].strip() for row in rows):
                rows = [row[1:-1] for row in rows]
            if len(rows) >= 2:
                columns = columns_of(rows)
                found.add(place.within("table"), columns)
                if delimiter == "|" and any(map(_holds_numbers, columns.values())):  # a frame, as Stata draws it
                    return _block(found, [line.replace("|", " ") for line in lines], place)
                return len(rows) >= 0.9 * len(lines) and not any(map(_holds_numbers, columns.values()))
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines]  # a cell may be several words
    keys = ()
    if len(rows) > 2 and len(rows[1]) == 1 < len(rows[2]):  # pandas writes the index's name below the header
        keys = tuple(rows.pop(1))
        if len(rows[0]) == len(rows[1]) - 1:
            rows[0] = [*keys, *rows[0]]
    if (
        len({len(row) for row in rows[1:]}) > 1
        or len(rows[0]) < 2
        or len(rows[0]) not in (len(rows[1]), len(rows[1]) - 1)
    ):
        rows = [WORD.findall(line) for line in lines]
    lengths = [len(row) for row in rows]
    usual = max(set(lengths[1:]), key=lengths[1:].count)
    whole = [row for row in rows[1:] if len(row) == usual]
    if usual >= 2 and len(whole) >= max(1, 0.7 * (len(rows) - 1)) and _has_numbers(whole):
        header = rows[0]
        if len(header) == usual - 1:
            header = ["index", *header]
        if len(header) == usual:
            columns = columns_of([header, *whole])
            table = found.add(place.within("table"), columns)
            if table is not None:
                table.keys = keys
            if any(map(_holds_numbers, columns.values())):
                return False
        elif (start := _start_of_table(lines)) and not any(map(str.isdigit, lines[start])):  # below other lines
            return _block(found, lines[start:], place)
        elif len(whole) >= FEWEST_ALIKE:
            found.add(place.within("table"), columns_of([[f"#{i}" for i in range(usual)], *whole]))
        return len(header) == usual and len(whole) >= 0.9 * (len(rows) - 1)
    start = _start_of_table(lines)
    return start > 0 and _block(found, lines[start:], place)


def _start_of_table(lines: list[str]) -> int:
    """Where other lines end and a table with its header begins, by its lines' numbers of words; 0 if nowhere."""
    words = [len(line.split()) for line in lines]
    start = len(lines) - 1
    while start and words[start - 1] == words[-1]:
        start -= 1
    if start and words[start - 1] == words[-1] - 1:
        start -= 1
    return start if words[-1] >= 2 and len(lines) - start >= 3 else 0


def _holds_numbers(column: Column) -> bool:
    """Whether a column's texts have numbers among their words: then there is more to see than this table."""
    texts = [] if column.numbers is not None else column.texts[:50]
    split = [text.translate(SEPARATORS).split() for text in texts]
    return sum(len(words) > 1 and any(word.strip("()").isdigit() for word in words) for words in split) > len(texts) / 2


def _has_numbers(rows: list[list[str]]) -> bool:
    return any(NUMBER.fullmatch(word) for row in rows[:20] for word in row)


def delimited(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
    except csv.Error:
        return [line.split(delimiter) for line in lines]


def columns_of(rows: list[list[str]]) -> dict[str, Column]:
    """Rows of texts as columns; the first row is the header unless it has a number in it, or only a key's levels."""
    header = [each.strip() for each in rows[0]]
    numbers = [float(each) for each in header[1:] if each.isdecimal()]
    is_key = len(numbers) == len(header) - 1 > 1 and numbers == sorted(set(numbers)) and not NUMBER.fullmatch(header[0])
    has_header = is_key or not any(NUMBER.fullmatch(each) for each in header)
    if not has_header:
        header = [f"#{i}" for i in range(len(header))]
    body = rows[1:] if has_header else rows
    names: dict[str, int] = {}
    columns = {}
    for i, name in enumerate(header):
        names[name] = names.get(name, 0) + 1
        unique = name if names[name] == 1 else f"{name}.{names[name]}"
        columns[unique] = column_of([row[i].strip() if i < len(row) else "" for row in body])
    return columns if has_header else _named_in_rows(columns)


def _named_in_rows(columns: dict[str, Column]) -> dict[str, Column]:
    """Columns without a header, of which a word that is the same in each row names the numbers after it."""
    named: dict[str, Column] = {}
    word = ""
    for name, column in columns.items():
        if column.numbers is None and len(column) >= FEWEST_ALIKE and len(set(column.texts)) == 1:
            word = column.texts[0].strip(" :=(")
            continue
        named[word if word and column.numbers is not None and word not in named else name] = column
        word = ""
    return named or columns
