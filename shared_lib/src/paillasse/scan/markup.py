"""HTML, SVG and other XML taken apart: tables cell by cell, vector paths point by point, scripts, attributes, texts.

A drawn curve holds its data: each coordinate of an SVG path is a value, moved and stretched. What a page hides
(collapsed parts, comments, attributes) is in the file like everything else.
"""

import re
from collections import defaultdict
from functools import cache

import numpy as np

from paillasse.scan.containers import Column, Place, Text, column_of
from paillasse.scan.dissection import Dissection
from paillasse.scan.texts import TYPE

COORDINATE = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
GLYPH = re.compile(r"[QqCc].*[Zz]\s*$", re.DOTALL)  # closed and bent: the outline of a letter
CELLS = ("td", "th")
FEWEST_LINES = 40
LONG = 100  # letters of an attribute that are looked into
SAYING = {"href", "src", "title", "alt", "value", "content", "aria-label"}
STYLE_OF_ONE = re.compile(r"#[\w-]+\s*\{([^{}]*)\}")  # what a sheet says of an element by its id
# Bounded, because a style may hold a whole picture: without that, time would grow with the square of its length.
LENGTH = re.compile(
    r"(?<![\w-])([\w-]{1,40})\s{0,9}:[^;:]{0,80}?(-?\d{1,9}(?:\.\d{1,17})?)(?:px|pt|em|rem|mm|cm|%|deg)"
    r"|(?<![\w-])--([\w-]{1,40})\s{0,9}:\s{0,9}(-?\d{1,9}(?:\.\d{1,17})?)\s*(?=;|$)"  # a property that a page made up
)
BLOCKS = {
    "p", "div", "li", "tr", "br", "h1", "h2", "h3", "h4", "pre", "td", "th", "text", "title", "desc", "option",
    "dl", "dt", "section", "article",
}  # fmt: skip
NAME = re.compile(r"^\{[^}]*\}")


def take_markup_apart(found: Dissection, text: str | bytes, place: Place, is_html: bool = True) -> None:
    from lxml import etree

    # No entity is resolved, nothing is fetched; lxml itself bounds depth and the length of a text.
    options = {"no_network": True, "recover": True, "remove_comments": False}
    parser = (
        etree.HTMLParser(encoding="utf-8", **options)
        if is_html
        else etree.XMLParser(resolve_entities=False, load_dtd=False, **options)
    )
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    root = etree.fromstring(data, parser) if data.strip() else None
    if root is None:
        found.texts.append(Text(place, data.decode("utf-8", "replace")))
        return
    has_spans = b"span=" in data
    for table in [each for each in root.iter("table", "{*}table") if next(each.iterancestors("table"), None) is None]:
        if table.find(".//tr") is None and table.find(".//{*}tr") is None:
            continue  # a spreadsheet's: its rows are elements that come again and again
        _table(found, table, place, has_spans)
        if table.getparent() is not None:  # what is looked at as a table need not be read as words
            rest = etree.Element("hr")
            rest.tail = table.tail
            table.getparent().replace(table, rest)
    _words(found, root, place)
    if root.find(".//{*}path") is not None or root.find(".//{*}circle") is not None or _name(root) == "svg":
        _drawing(found, root, place)
    _repeated(found, root, place)


def _name(element) -> str:
    return _plain(element.tag) if isinstance(element.tag, str) else ""


@cache
def _plain(tag: str) -> str:
    return NAME.sub("", tag).lower()


def _table(found: Dissection, table, place: Place, has_spans: bool) -> None:
    """A table as rows of texts: header and body, index cells as columns."""
    from lxml import etree

    header, body = [], []
    below: dict[int, tuple[int, str]] = {}  # column → how many rows a cell still reaches down, and its text
    keys = 0  # columns that a body's rows begin with as headings: pandas' index
    for row in table.iter("tr", "{*}tr"):
        texts, heads = [], 0
        for cell in row:
            name = cell.tag if cell.tag in CELLS else _name(cell)
            if name in CELLS:
                if below:
                    heads += _from_above(below, texts)
                heads += name == "th"
                text = (cell.text or "") if len(cell) == 0 else "".join(cell.itertext(with_tail=False))
                texts.append(text.strip())
                if not has_spans:
                    continue
                if (span := cell.get("rowspan")) and span.isdigit() and int(span) > 1:
                    below[len(texts) - 1] = int(span) - 1, texts[-1]
                if (span := cell.get("colspan")) and span.isdigit():
                    more = min(int(span), 200) - 1
                    heads += more * (name == "th")
                    texts += texts[-1:] * more
        if below:
            heads += _from_above(below, texts)
        if not texts:
            continue
        if heads < len(texts):
            keys = max(keys, heads)
            body.append(texts)
        elif not all(text[0] == "<" and TYPE.fullmatch(text[1:-1]) for text in texts if text):  # of R: types of columns
            header.append(texts)
    words = [text for row in (*header, *body) for text in row if text]
    words += [value for value in table.xpath(".//@*") if len(value) > 8]
    words += [each.text for each in table.iter(etree.Comment, "script") if each.text]
    found.texts.append(Text(place, "\n".join(words)))
    for text in words:
        if len(text) > LONG:
            found.text(text, place.within("cell"))
    if not body:
        return
    width = max(map(len, body))
    names = [""] * width
    for row in header:  # pandas writes the index's names in a second row
        row = row if len(row) == width else [""] * (width - len(row)) + row
        names = [new or old for old, new in zip(names, row, strict=False)]
    columns = {}
    for i in range(width):
        name = names[i] or f"index {i}" if header else f"#{i}"
        while name in columns:
            name += "'"
        columns[name] = column_of([row[i] if i < len(row) else "" for row in body])
    table = found.add(place.within("table"), columns)
    if table is not None and header:
        table.keys = tuple(name for name in list(columns)[:keys] if not name.startswith("index "))


def _from_above(below: dict[int, tuple[int, str]], texts: list[str]) -> int:
    """Add what cells of rows above say of the next columns; how many."""
    added = 0
    while len(texts) in below:
        left, text = below.pop(len(texts))
        if left > 1:
            below[len(texts)] = left - 1, text
        texts.append(text)
        added += 1
    return added


def _words(found: Dissection, root, place: Place) -> None:
    """All text that is not in a table, script by script, and attributes that can hold data."""
    from lxml import etree

    text: list[str] = []
    said = defaultdict(list)
    marked = defaultdict(list)  # elements with the same `data-` attributes are rows
    styles = []  # of single elements: bars and points can be drawn by them
    for element in root.iter():
        name = _name(element)
        styles.append(element.get("style") or "")  # a comment of XML has none at all
        if name == "style":
            styles += STYLE_OF_ONE.findall(element.text or "")
        if given := {
            key[5:]: value for key, value in element.attrib.items() if key.startswith("data-") and len(value) < LONG
        }:
            marked[name, tuple(given)].append(list(given.values()))
        for key in SAYING.intersection(element.attrib):
            said[name, key].append(element.attrib[key][:LONG])
        if isinstance(element, etree._Comment):
            if element.text and len(element.text) > 20:
                found.text(element.text, place.within("comment"))
        elif name == "script":
            _script(found, element.text or "", place)
        elif name != "style":
            if name in BLOCKS:
                text.append("\n")
            elif name == "dd":  # the value of the term before
                text.append(": ")
            if element.text:
                text.append(element.text)
            for key, value in element.attrib.items():
                key = _plain(key)
                if key in ("style", "class", "d", "points"):
                    continue
                if len(value) > LONG or "data:" in value or "{" in value:
                    found.text(value, place.within(f"@{key}"))
                elif len(value) > 3 and (key.startswith("data") or key in ("id", "title", "alt", "value", "content")):
                    text.append(f"\n{value}\n")
        if element.tail:
            text.append(element.tail)
    for (_, names), rows in marked.items():
        if len(rows) >= 4:
            found.add(place.within("@data"), {key: column_of([row[i] for row in rows]) for i, key in enumerate(names)})
    for (_, key), values in said.items():
        if len(values) >= 4 and key not in ("href", "src"):
            found.add(place.within(f"@{key}"), {"": Column(texts=values)}, "words")
        if len(values) >= 4 and sum(any(map(str.isdigit, value)) for value in values[:50]) >= 4:
            found.text(re.sub(r"[?&]", " ", "\n".join(values)), place.within(f"@{key}"))
    sizes = defaultdict(list)
    for style in styles:
        given = {name or made_up: size or number for name, size, made_up, number in LENGTH.findall(style)}
        sizes[tuple(given)].append(list(given.values()))
    for names, rows in sizes.items():
        if names and len(rows) >= 4:
            found.add(place.within("style"), {key: column_of([row[i] for row in rows]) for i, key in enumerate(names)})
    words = re.sub(r"[ \t]*\n[ \t]*", "\n", "".join(text)).strip()
    if words:
        from paillasse.scan.texts import MARKUP

        # A page that quotes markup would be taken apart as markup again and again.
        found.text(MARKUP.sub(" ", words), place)


def _script(found: Dissection, source: str, place: Place) -> None:
    """A script: the data in it. plotly.js itself, 4 MB, holds none."""
    if not source.strip():
        return
    if len(source) > 500_000 and re.match(r"\s*/\*\*?\s*\n?\s*\*\s*plotly\.js v", source):
        # Only what has the length and head of the library; what follows it is looked at.
        head, mark, tail = source.rpartition("window.Plotly")
        source = tail if mark and len(head) > 500_000 else source
    found.text(source, place.within("script"), is_code=True)


def _drawing(found: Dissection, root, place: Place) -> None:
    """Paths and marks of a vector figure: their coordinates."""
    marks = defaultdict(list)
    ends = []  # of short lines
    for element in root.iter("{*}path", "{*}polyline", "{*}polygon", "path", "polyline", "polygon"):
        drawn = element.get("d") or element.get("points") or ""
        if GLYPH.search(drawn) and next(element.iterancestors("{*}defs"), None) is not None:
            continue
        numbers = np.array(COORDINATE.findall(drawn[:5_000_000]), float)
        if len(numbers) >= 8:
            if re.search(r"[HVhv]", drawn):
                steps = [COORDINATE.findall(each) for each in re.findall(r"[Hh]([^A-Za-z]+)", drawn)]
                levels = [COORDINATE.findall(each) for each in re.findall(r"[Vv]([^A-Za-z]+)", drawn)]
                across = np.array([x for each in steps for x in each], float)
                down = np.array([y for each in levels for y in each], float)
                found.add(place.within(_name(element)), {"x": Column(across), "y": Column(down)}, "arrays")
            numbers = numbers[: len(numbers) // 2 * 2]
            found.add(place.within(_name(element)), {"x": Column(numbers[::2]), "y": Column(numbers[1::2])}, "drawn")
        elif len(numbers) >= 4 and not drawn.rstrip().lower().endswith("z"):
            ends.append(numbers[:2])
            ends.append(numbers[len(numbers) // 2 * 2 - 2 :][:2])
    if len(ends) >= 2 * FEWEST_LINES:  # a line each; error bars are fewer
        x, y = np.array(ends).T
        found.add(place.within("lines"), {"x": Column(x), "y": Column(y)}, "drawn")
    for element in root.iter(
        "{*}circle", "{*}use", "{*}path", "{*}g", "{*}ellipse", "{*}rect", "circle", "use", "rect"
    ):
        where = [element.get(each) for each in ("cx", "cy")]
        if None in where:
            where = [element.get(each) for each in ("x", "y")]
        if None in where:
            where = COORDINATE.findall(element.get("transform", ""))[:2]
        if len(where) == 2:
            try:
                what = next((value for key, value in element.attrib.items() if key.endswith("href")), "")
                marks[_name(element), what].append([float(each) for each in where])
            except ValueError:
                continue
    written = ["".join(each.itertext()).strip() for each in root.iter("{*}text", "text")]
    if len(written) >= 4:
        found.add(place.within("text"), {"": Column(texts=written)}, "words")
    for (name, _), points in marks.items():
        if len(points) >= 5:
            x, y = np.array(points).T
            found.add(place.within(f"{name} marks"), {"x": Column(x), "y": Column(y)}, "drawn")


def _repeated(found: Dissection, root, place: Place) -> None:
    """Other XML: elements that come again and again are records, their attributes and texts columns."""
    if root.tag in ("html", "svg") or _name(root) in ("html", "svg"):
        return
    from paillasse.scan.texts import columns_of

    tables = defaultdict(list)  # of word processors and spreadsheets
    for row in root.iter("{*}tr", "{*}table-row", "{*}row", "tr", "row"):
        cells = ["".join(cell.itertext()).strip() for cell in row if isinstance(cell.tag, str)]
        if len(cells) >= 2:
            tables[row.getparent()].append(cells)
    for rows in tables.values():
        width = max(map(len, rows))
        if len(rows) >= 2:
            found.add(place.within("rows"), columns_of([row + [""] * (width - len(row)) for row in rows]))
    groups = defaultdict(list)
    for element in root.iter():
        if isinstance(element.tag, str) and _name(element) not in ("td", "th", "tr"):
            row = {NAME.sub("", key): value for key, value in element.attrib.items()}
            if element.text and element.text.strip():
                row[""] = element.text.strip()
            for child in element:
                if isinstance(child.tag, str) and len(child) == 0 and (child.text or child.get("v")):
                    row[_name(child)] = (child.text or child.get("v")).strip()
            if row:
                parent = element.getparent()
                groups[(_name(parent) if parent is not None else "", _name(element))].append(row)
    for (_, name), rows in groups.items():
        if len(rows) >= 4:
            names = dict.fromkeys(key for row in rows[:1000] for key in row)
            columns = {each: column_of([row.get(each) for row in rows]) for each in names}
            found.add(place.within(name or "element"), columns)
