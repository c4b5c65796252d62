"""A notebook taken apart: every cell's source, attachments and metadata, every output of every MIME type.

Its JSON is read as it stands, of format 3 or 4, valid or not: what a viewer would not show is in the file all the same.
"""

import json
import re

from paillasse.scan.containers import Place, Table, Text
from paillasse.scan.dissection import Dissection

PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf")
SHORT = 300  # letters of an output of one line
TAG = re.compile(r"<[^<>]*>")
# Of no patient, and long: what JupyterLab, papermill and jupytext write about the notebook itself.
HARMLESS = {"kernelspec", "language_info"}
DRAWN_BY_LOT = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){0,3}(?:-?[0-9a-f]{12})?")  # the ids of JupyterLab
SIZE = re.compile(r"\[\d+ rows x \d+ columns\]\s*$")  # below a frame that pandas did not write in full


def take_notebook_apart(found: Dissection, text: str, place: Place) -> None:
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        found.cannot_read(place, "it is a notebook by its name and not JSON: damaged, truncated or in conflict")
        found.text(text, place)  # what can be seen in it is told too
        return
    if not isinstance(notebook, dict):
        found.cannot_read(place, "it is a notebook by its name and holds no cells")
        found.value(notebook, place)
        return
    cells = _cells(notebook)
    if cells is None:
        found.cannot_read(place, "it is a notebook by its name and holds no cells")
        found.value(notebook, place)
        return
    for number, cell in enumerate(cells, 1):
        _cell(found, cell, Place(place.file, number, path=place.path))
    _short_outputs(found, cells, place)
    _names_of_cells(found, cells, place)
    rest = {key: value for key, value in notebook.items() if key not in ("cells", "worksheets")}
    metadata = rest.get("metadata")
    if isinstance(metadata, dict):
        rest["metadata"] = {key: value for key, value in metadata.items() if key not in HARMLESS}
        kept = {key: metadata[key] for key in HARMLESS if key in metadata}
        found.texts.append(Text(place.within("metadata"), json.dumps(kept, ensure_ascii=False)))
    found.value(rest, place)


def _short_outputs(found: Dissection, cells: list, place: Place) -> None:
    """What cells show in one line each, as lines of one text: a cohort can be spread over outputs."""
    from paillasse.scan.texts import ANSI, take_lines_apart

    lines = []
    for cell in cells:
        outputs = cell.get("outputs") if isinstance(cell, dict) else None
        for output in outputs if isinstance(outputs, list) else ():
            data = output.get("data") if isinstance(output, dict) else None
            shown = data if isinstance(data, dict) else output if isinstance(output, dict) else {}
            text = next((joined(shown[key]) for key in ("text", "text/plain", "text/html") if key in shown), "")
            if len(text) < SHORT and "\n" not in text.strip():
                lines.append(TAG.sub(" ", ANSI.sub("", text)).strip())
    if len(lines) > 1:
        take_lines_apart(found, "\n".join(filter(None, lines)), place.within("outputs of one line"))


def _names_of_cells(found: Dissection, cells: list, place: Place) -> None:
    """What cells are called, where a person or a program has chosen it: their ids and tags, as lines of one text."""
    names = []
    for cell in cells:
        if isinstance(cell, dict):
            metadata = cell.get("metadata")
            tags = metadata.get("tags") if isinstance(metadata, dict) else None
            names += [each for each in (cell.get("id"), *(tags if isinstance(tags, list) else ())) if each]
    given = [each for each in names if isinstance(each, str) and not DRAWN_BY_LOT.fullmatch(each)]
    words = [re.sub(r"[-_:=.]|(?<=[a-zA-Z])(?=\d)", " ", each) for each in given]  # a54-t1203 is of two numbers
    if len(words) > 1:
        found.text("\n".join(words), place.within("names of cells"))


def _cells(notebook: dict) -> list | None:
    cells = notebook.get("cells")
    if isinstance(cells, list):
        return cells
    sheets = notebook.get("worksheets")  # format 3
    if isinstance(sheets, list):
        return [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells") or []]
    return None


def _cell(found: Dissection, cell, place: Place) -> None:
    if not isinstance(cell, dict):
        found.value(cell, place)
        return
    _remember(found, place, {key: value for key, value in cell.items() if key != "outputs"})
    source = joined(cell.get("source", cell.get("input", "")))
    kind = cell.get("cell_type")
    if isinstance(source, str):
        found.text(source, place.within("source"), is_code=kind == "code")
    outputs = cell.get("outputs")
    rest = {key: value for key, value in cell.items() if key not in ("source", "input", "outputs", "attachments", "id")}
    found.value(rest, place.within("cell"))
    if not isinstance(outputs, list):
        outputs = [outputs] if outputs else []
    attachments = cell.get("attachments")
    if isinstance(attachments, dict):
        for name, bundle in attachments.items():
            found.texts.append(Text(place.within("attachments"), name))
            _bundle(found, bundle, place.within("attachments").within(name))
    for number, output in enumerate(outputs, 1):
        _output(found, output, Place(place.file, place.cell, number, path=place.path))


def _output(found: Dissection, output, place: Place) -> None:
    if not isinstance(output, dict):
        found.value(output, place)
        return
    _remember(found, place, output)
    kind = output.get("output_type")
    rest = dict(output)
    if kind in ("error", "pyerr"):
        message = f"{rest.pop('ename', '')}: {joined(rest.pop('evalue', ''))}"
        found.texts.append(Text(place.within("error"), message, is_error=True))
        found.text(joined(rest.pop("traceback", "")), place.within("traceback"), is_code=True)
    if "text" in rest and kind == "stream":
        found.text(joined(rest.pop("text")), _of_type(place, f"text/{output.get('name', 'stdout')}"))
    data = rest.pop("data", None)
    if data is not None:
        _bundle(found, data, place)
    for key in ("png", "jpeg", "svg", "html", "text", "json", "latex", "pdf", "javascript"):  # format 3
        if key in rest:
            mime = f"image/{key}" if key in ("png", "jpeg") else f"text/{key}"
            _bundle(found, {mime: rest.pop(key)}, place)
    rest.pop("output_type", None)
    found.value(rest, place.within("metadata"))


def _remember(found: Dissection, place: Place, original: dict) -> None:
    """Keep a cell or an output of the file itself, not of one within it, for the hash by which it can be allowed."""
    if not place.path:
        found.originals[place.cell, place.output] = original


def _bundle(found: Dissection, data, place: Place) -> None:
    """A MIME bundle: each of its forms may hold what the others do not."""
    if not isinstance(data, dict):
        found.value(data, place)
        return
    before = len(found.tables)
    # A text after the HTML that it stands beside.
    for mime, content in sorted(data.items(), key=lambda item: item[0] == "text/plain"):
        where = _of_type(place, mime)
        is_text = isinstance(content, str) or (isinstance(content, list) and all(isinstance(x, str) for x in content))
        if not is_text:
            found.value(content, where)
            continue
        text = joined(content)
        if mime in PICTURES or (mime.startswith("application/") and _looks_encoded(text)):
            if data := _decoded(text):
                found.content(data, where)
        elif mime == "image/svg+xml" and "<" not in text:  # of an attachment
            found.content(_decoded(text), where)
        elif mime == "image/svg+xml":
            found.markup(text.encode(), where, is_html=False)
        elif mime == "text/html":
            found.markup(text, where)
        elif mime == "text/plain" and _is_shown_above(text, found.tables[before:]):
            found.texts.append(Text(where, text))
        else:
            found.text(text, where, is_code=mime == "application/javascript")


def _decoded(text: str) -> bytes:
    """Bytes of a bundle, which are written in base 64."""
    from paillasse.scan.texts import _from_base64

    return _from_base64("".join(text.split())) or b""


def _is_shown_above(text: str, tables: list[Table]) -> bool:
    """Whether a text is what pandas writes of a table beside its HTML: every word of it is in one found there."""
    words = set(SIZE.sub("", text).split()) - {"...", "\\"}
    for table in tables:
        if table.kind == "frame" and len(words) >= 4:
            texts = [each for column in table.columns.values() for each in column.texts or ()]
            there = {word for each in (*texts, *table.columns) for word in each.split()}
            if there.issuperset(words):
                return True
    return False


def _of_type(place: Place, mime: str) -> Place:
    return Place(place.file, place.cell, place.output, mime, place.path)


def _looks_encoded(text: str) -> bool:
    return len(text) > 60 and not any(letter in text[:2000] for letter in "{}[]<> :")


def joined(value) -> str:
    """nbformat's multi-line strings: a text, or a list of lines."""
    if isinstance(value, list):
        return "\n".join(each.rstrip("\n") for each in value if isinstance(each, str))
    return value if isinstance(value, str) else json.dumps(value)
