"""Bytes taken apart by what they are, not by what their name says: each format to the parser that knows it.

Nothing is executed: pickles are read as their list of instructions, databases are opened read-only, archives are
unpacked within the file's budget. What nobody knows is not passed.
"""

import bz2
import io
import json
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable

from paillasse.scan.containers import Place, TooMuch
from paillasse.scan.dissection import Dissection

PIECE = 1 << 20
BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
READABLE = re.compile(rb"[\t\n\r -~]{60,}")
IS_HTML = re.compile(r"<(?:!doctype html|html|head|body|div|table|p|script)(?![\w:.-])", re.IGNORECASE)
PICTURES = (b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"wOFF", b"wOF2", b"\x00\x01\x00\x00\x00", b"OTTO")


def take_content_apart(found: Dissection, data: bytes, place: Place, must_read: bool = True) -> None:
    if not data.strip():
        if place.file.lower().endswith(".ipynb") and not place.path and place.cell is None:
            found.cannot_read(place, "it is a notebook by its name and empty")
        return
    from paillasse.scan import binary, columnar

    openers: list[tuple[bytes, Callable]] = [
        (b"PK\x03\x04", _zip),
        (b"PK\x05\x06", _zip),
        (b"\x1f\x8b", _gzip),
        (b"BZh", lambda *these: _unpacked(bz2.BZ2Decompressor(), *these)),
        (b"\xfd7zXZ\x00", lambda *these: _unpacked(lzma.LZMADecompressor(), *these)),
        (b"\x93NUMPY", binary.take_npy_apart),
        (b"PAR1", columnar.take_parquet_apart),
        (b"ARROW1", columnar.take_arrow_apart),
        (b"SQLite format 3\x00", columnar.take_sqlite_apart),
        (b"%PDF-", binary.take_pdf_apart),
        (b"\x89PNG\r\n\x1a\n", binary.take_png_apart),
    ]
    for magic, opener in openers:
        if data.startswith(magic):
            opener(found, data, place)
            return
    if data[8:12] == b"DUCK":
        columnar.take_duckdb_apart(found, data, place)
    elif data[257:262] == b"ustar":
        _tar(found, data, place)
    elif data[:1] == b"\x80" and data[1:2] in b"\x02\x03\x04\x05":
        binary.take_pickle_apart(found, data, place)
    elif data.startswith(PICTURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
        # Pixels and letter shapes are passed; long runs of letters are none: EXIF, comments, what stands behind.
        for run in list(READABLE.finditer(data))[:1000]:
            found.text(run[0].decode("ascii"), place.within("text"))
    elif data[:1] == b"x" and data[1:2] in b"\x01\x5e\x9c\xda" and _inflates(data):
        _unpacked(zlib.decompressobj(), found, data, place)
    else:
        text = _decoded(data)
        if text is not None:
            _text_file(found, text, place, must_read)
        elif data.rstrip()[-1:] == b"." and binary.is_old_pickle(data):
            binary.take_pickle_apart(found, data, place)
        elif must_read:
            found.cannot_read(place, "it is of a kind that the scanner does not know")
        else:
            binary.take_raw_numbers_apart(found, data, place)


def _decoded(data: bytes) -> str | None:
    """The text that the bytes are; None if they are none."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            return None
    if BINARY.search(data, 0, 1_000_000):
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        control = sum(0x7F <= ord(letter) <= 0x9F for letter in text[:10_000])
        return text if control <= len(text[:10_000]) * 0.01 else None


def _text_file(found: Dissection, text: str, place: Place, must_read: bool) -> None:
    name = place.file.lower()
    if text.startswith("{\\rtf"):
        text = re.sub(r"\\(?:row|par|line)\b", "\n", re.sub(r"\\cell\b", "\t", text))
        text = re.sub(r"\\[a-z]+-?\d* ?|[{}]", "", text)
    start = text.lstrip()[:300]
    is_file = must_read and not place.path
    if name.endswith(".ipynb") and is_file:
        from paillasse.scan.notebook import take_notebook_apart

        take_notebook_apart(found, text, place)
    elif start.startswith("<") and re.match(r"<(?:\?xml|!--|!DOCTYPE|[A-Za-z])", start):
        is_html = bool(IS_HTML.search(start))
        found.markup(text if is_html else text.encode(), place, is_html=is_html)
    elif name.endswith((".json", ".geojson")) and is_file and start[:1] in ("{", "["):
        _json_file(found, text, place)
    elif name.endswith((".jsonl", ".ndjson")) or (start[:1] == "{" and _are_json_lines(text)):
        found.value([json.loads(line) for line in text.splitlines() if line.strip()], place)
    else:
        if name.endswith((".yaml", ".yml")) and not re.search(
            r"(?m)(^|[\s\[{,])[&*]\w", text
        ):  # an alias can make a bomb
            _yaml(found, text, place)
        is_code = is_file and name.endswith(
            (".py", ".r", ".sql", ".js", ".ts", ".css", ".toml", ".cfg", ".sh", ".lock")
        )
        found.text(text, place, is_code=is_code)


def _json_file(found: Dissection, text: str, place: Place) -> None:
    try:
        value = json.loads(text)
    except ValueError:
        found.cannot_read(place, "it is not the JSON that its name says")
        found.text(text, place)
        return
    if isinstance(value, dict) and "nbformat" in value and ("cells" in value or "worksheets" in value):
        from paillasse.scan.notebook import take_notebook_apart

        take_notebook_apart(found, text, place)
    else:
        found.value(value, place)


def _yaml(found: Dissection, text: str, place: Place) -> None:
    import yaml

    try:
        for document in yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            found.value(json.loads(json.dumps(document, default=str)), place)
    except (yaml.YAMLError, ValueError, TypeError):
        return  # it is looked at as text in any case


def _are_json_lines(text: str) -> bool:
    lines = text.strip().splitlines()
    try:
        return len(lines) > 1 and all(isinstance(json.loads(line), dict) for line in lines if line.strip())
    except ValueError:
        return False


def _inflates(data: bytes) -> bool:
    try:
        return bool(zlib.decompressobj().decompress(data, 64))
    except zlib.error:
        return False


def _gzip(found: Dissection, data: bytes, place: Place) -> None:
    _unpacked(zlib.decompressobj(31), found, data, place)


def _unpacked(unpacker, found: Dissection, data: bytes, place: Place) -> None:
    """Unpack one stream piece by piece, so that a bomb ends at the budget and not at the memory."""
    pieces, size = [], 0
    try:
        pending = data
        while pending or not unpacker.eof:
            piece = unpacker.decompress(pending, PIECE)
            pending = getattr(unpacker, "unconsumed_tail", b"")
            size += len(piece)
            if size > found.budget.left:
                raise TooMuch("it unpacks to more than is looked at in one file")
            pieces.append(piece)
            if not piece and not pending:
                break
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        found.cannot_read(place, "its compressed content is damaged")
        return
    found.content(b"".join(pieces), place.within("unpacked"))
    rest = getattr(unpacker, "unused_data", b"")
    if rest.strip(b"\x00"):
        found.content(rest, place.within("behind"), must_read=False)


def _zip(found: Dissection, data: bytes, place: Place) -> None:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        found.cannot_read(place, "it is a damaged archive")
        return
    names = {member.filename for member in members}
    is_read = False  # what is looked at as sheets need not be read as XML
    if "xl/workbook.xml" in names:
        from paillasse.scan.columnar import take_excel_apart

        is_read = take_excel_apart(found, data, place)
    for member in members:
        inner = place.within(member.filename)
        if member.is_dir():
            continue
        if member.flag_bits & 1:
            found.cannot_read(inner, "it is encrypted")
            continue
        if member.file_size > found.budget.left:
            raise TooMuch("it unpacks to more than is looked at in one file")
        pieces, size = [], 0
        try:
            with archive.open(member) as file:
                while piece := file.read(PIECE):
                    size += len(piece)
                    if size > found.budget.left:
                        raise TooMuch("it unpacks to more than is looked at in one file")
                    pieces.append(piece)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError):
            found.cannot_read(inner, "it is damaged")
            continue
        is_sheet = is_read and re.fullmatch(r"xl/worksheets/[^/]+\.xml", member.filename)
        if not is_sheet and not re.search(r"(^|/)(theme|styles|_rels|docProps/app|\[Content_Types\])", member.filename):
            found.content(b"".join(pieces), inner)


def _tar(found: Dissection, data: bytes, place: Place) -> None:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for member in archive:
            if member.isfile():
                if member.size > found.budget.left:
                    raise TooMuch("it unpacks to more than is looked at in one file")
                found.content(archive.extractfile(member).read(), place.within(member.name))
