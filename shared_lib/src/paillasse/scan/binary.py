"""Arrays, pickles, PDF and PNG files taken apart without running anything in them."""

import ast
import io
import math
import pickletools
import re
import zlib
from collections import defaultdict

import numpy as np

from paillasse.scan.containers import MOST_ROWS, Column, Place, TooMuch, column_of
from paillasse.scan.dissection import Dissection

FEWEST = 12  # numbers that a blob of bytes must hold to be looked at
WINDOW = 400  # bytes
SAMPLE = 1000  # of a blob's numbers, by which noise is told from data
OPERATOR = re.compile(rb"((?:[-+]?(?:\d+\.?\d*|\.\d+)\s+){2,6})(m|l|c|v|y|re|cm|Td|Tm)\b")
OF_PICTURES = {  # a PNG's own: pixels, colours, sizes, times
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"bKGD", b"hIST", b"pHYs",
    b"sPLT", b"tIME", b"acTL", b"fcTL", b"fdAT", b"cICP", b"mDCv", b"cLLi",
}  # fmt: skip
PRINTED = bytes([*range(32, 127), *b"\r\n\t"])


def take_npy_apart(found: Dissection, data: bytes, place: Place) -> None:
    """numpy's own format; its header is read as a literal, an array of objects as the pickle that it is."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    size = int.from_bytes(file.read(2 if version == (1, 0) else 4), "little")
    if size > 1_000_000:
        raise TooMuch("its header is longer than any array's")
    header = ast.literal_eval(file.read(size).decode("latin-1"))
    body = file.read()
    dtype = np.lib.format.descr_to_dtype(header["descr"])
    if dtype.hasobject:
        take_pickle_apart(found, body, place)
        return
    shape = header["shape"]
    count = math.prod(shape)
    if count * dtype.itemsize > len(body):
        found.cannot_read(place, "it is truncated")
        return
    array = np.frombuffer(body, dtype, count)
    array = array.reshape(shape, order="F" if header["fortran_order"] else "C")
    add_array(found, array, place)


def add_array(found: Dissection, array: np.ndarray, place: Place) -> None:
    """An array of numpy as a table: fields, or up to 200 columns, of up to so many rows as are looked at."""
    if array.ndim == 0:
        array = array.reshape(1)
    rows = array.shape[0]
    if array.dtype.names:
        columns = {name: _column(array[name].reshape(rows, -1)[:MOST_ROWS, 0]) for name in array.dtype.names}
        found.add(place, columns, "frame", rows)
        return
    flat = array.reshape(rows, -1)
    if flat.shape[0] < flat.shape[1]:
        flat = flat.T
    columns = {str(i): _column(flat[:MOST_ROWS, i]) for i in range(min(flat.shape[1], 200))}
    found.add(place, columns, "arrays" if flat.shape[1] == 1 else "matrix", flat.shape[0])


def _column(values: np.ndarray) -> Column:
    if values.dtype.kind in "fiub":
        return Column(values.astype(float), is_coarse=values.dtype.itemsize <= 4 and values.dtype.kind == "f")
    return column_of([each.decode("utf-8", "replace") if isinstance(each, bytes) else str(each) for each in values])


def take_pickle_apart(found: Dissection, data: bytes, place: Place) -> None:
    """A pickle's instructions: its texts, its numbers in their order, its blobs of bytes as the arrays that they are.

    It is never loaded: that would run whatever it says. joblib puts arrays between the instructions, where reading
    stops; they are looked at as numbers.
    """
    texts, numbers, kinds, blobs = [], [], [], []
    at = 0
    while at < len(data):
        stream = io.BytesIO(data)
        stream.seek(at)
        try:
            for opcode, argument, _ in pickletools.genops(stream):
                if isinstance(argument, bool):
                    continue
                if isinstance(argument, str):
                    texts.append(argument)
                    if re.fullmatch(r"[<>|=]?[fiub]\d", argument):
                        kinds.append(argument)
                elif isinstance(argument, int | float) and opcode.name.startswith(
                    ("BININT", "INT", "LONG", "BINFLOAT", "FLOAT")
                ):
                    numbers.append(float(min(max(argument, -1e300), 1e300)))
                elif isinstance(argument, bytes | bytearray) and len(argument) >= FEWEST:
                    blobs.append(bytes(argument))
            at = stream.tell()
            rest = data[at:]
            if not rest.strip(b"\x00") or rest[:1] != b"\x80":
                break
        except Exception:  # raw bytes between the instructions
            if at == 0 and not texts:
                found.cannot_read(place, "it is a damaged pickle")
                return
            if any("joblib" in text for text in texts):
                stop = max(stream.tell() - 300, 0)
                blobs.append(data[stop:])
            else:
                found.cannot_read(place, "it is a damaged pickle")
            break
    if any("joblib" in text for text in texts):
        _between(found, data, place.within("arrays"))
    for number, blob in enumerate(blobs):
        inner = place.within(f"bytes {number}")
        if blob[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05") or blob[:6] == b"\x93NUMPY":
            found.content(blob, inner, must_read=False)
        else:
            _raw(found, blob, inner, kinds)
    if len(numbers) >= FEWEST:
        found.add(place.within("numbers"), {"": Column(np.array(numbers[:MOST_ROWS]))}, "arrays")
    words = [text for text in texts if text]
    if words:
        found.text("\n".join(words[:MOST_ROWS]), place.within("texts"), is_code=True)
        if len(words) >= 5:
            found.add(place.within("texts"), {"": column_of(words[:MOST_ROWS])}, "words")


def is_old_pickle(data: bytes) -> bool:
    """Whether bytes without a version are a pickle of protocol 0 or 1."""
    try:
        return sum(1 for _ in pickletools.genops(data)) > 1
    except Exception:
        return False


def take_raw_numbers_apart(found: Dissection, data: bytes, place: Place) -> None:
    """Bytes that somebody encoded without saying of what: numbers, if they look like such."""
    _raw(found, data, place, [])


def _raw(found: Dissection, data: bytes, place: Place, kinds: list[str]) -> None:
    text = data[:2000]
    if len(text) > 20 and len(text.translate(None, PRINTED)) < 0.03 * len(text):
        found.text(data.decode("utf-8", "replace"), place)
        return
    wanted = dict.fromkeys([f"<{each.lstrip('<>|=')}" for each in kinds] + ["<f8", "<i8", "<f4", "<i4"])
    for kind in wanted:
        dtype = np.dtype(kind)
        if dtype.itemsize == 1 and dtype.kind != "b" and len(data) < 40:
            continue
        for offset in range(0, 1 if len(data) < 400 else min(dtype.itemsize, 8)):
            body = data[offset : offset + (len(data) - offset) // dtype.itemsize * dtype.itemsize]
            with np.errstate(all="ignore"):
                stored = np.frombuffer(body, dtype)[:MOST_ROWS]
                if not _are_plausible(stored[:: len(stored) // SAMPLE + 1].astype(float), 0.8):
                    continue
                numbers = stored.astype(float)
            if len(numbers) >= FEWEST and _are_plausible(numbers, 0.9):
                found.add(place, {"": Column(numbers, is_coarse=dtype.itemsize <= 4 and dtype.kind == "f")}, "arrays")
                return


def _between(found: Dissection, data: bytes, place: Place) -> None:
    """The parts of bytes that are numbers of eight bytes each, whatever stands between them."""
    for offset in range(8):
        stored = np.frombuffer(data[offset : offset + (len(data) - offset) // WINDOW * WINDOW], "<f8")[: 10 * MOST_ROWS]
        with np.errstate(all="ignore"):
            parts = [each for each in stored.reshape(-1, WINDOW // 8) if _are_plausible(each, 0.95)]
        if len(parts) > 1:
            found.add(place, {"": Column(np.concatenate(parts)[:MOST_ROWS])}, "arrays")
            return


def _are_plausible(numbers: np.ndarray, share: float) -> bool:
    """Whether so many are of a size that a measurement has, and not nearly all are zero."""
    size = np.abs(numbers[np.isfinite(numbers)])
    plausible = np.count_nonzero((size == 0) | ((size > 1e-6) & (size < 1e9)))
    return plausible > share * len(numbers) and np.count_nonzero(size) > 0.3 * len(size)


def take_pdf_apart(found: Dissection, data: bytes, place: Place) -> None:
    """Every stream of a PDF: paths and positions of marks, texts, attachments."""
    import logging

    from pypdf import PdfReader
    from pypdf.generic import EncodedStreamObject, IndirectObject, StreamObject

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader = PdfReader(io.BytesIO(data), strict=False)
    if reader.is_encrypted:
        found.cannot_read(place, "it is encrypted")
        return
    numbers = sorted({number for generation in reader.xref.values() for number in generation} | set(reader.xref_objStm))
    for number in numbers[:50_000]:
        thing = reader.get_object(IndirectObject(number, 0, reader))
        if not isinstance(thing, EncodedStreamObject | StreamObject):
            continue
        inner = place.within(f"stream {number}")
        if thing.get("/Subtype") == "/Image" or thing.get("/Type") in ("/XRef", "/ObjStm") or "/Length1" in thing:
            continue
        stream = thing.get_data()
        found.budget.spend(len(stream))
        if thing.get("/Type") == "/EmbeddedFile":
            found.content(stream, inner)
        else:
            _drawn(found, stream, inner)
    words = "\n".join(page.extract_text() for page in reader.pages[:2000])
    if reader.metadata:
        words += "\n" + "\n".join(str(each) for each in reader.metadata.values())
    found.text(words, place.within("text"))


def _drawn(found: Dissection, stream: bytes, place: Place) -> None:
    if b"\x00" in stream[:1000]:
        return
    paths, current, marks = [], [], defaultdict(list)
    for match in OPERATOR.finditer(stream):
        numbers = [float(each) for each in match[1].split()]
        operator = match[2]
        if operator == b"m":
            if len(current) > 1:
                paths.append(current)
            current = [numbers[-2:]]
            marks[operator].append(numbers[-2:])
        elif operator in (b"l", b"c", b"v", b"y"):
            current.append(numbers[-2:])
        elif operator in (b"cm", b"Tm", b"Td"):
            marks[operator].append(numbers[-2:])
        elif operator == b"re":
            marks[operator].append(numbers[:2])
    paths.append(current)
    by_length = defaultdict(list)
    for path in paths:
        by_length[len(path)].append(path)
        if len(path) >= 4:
            x, y = np.array(path).T
            found.add(place.within("path"), {"x": Column(x), "y": Column(y)}, "drawn")
    for points in marks.values():
        if len(points) < 5:
            continue
        x, y = np.array(points).T
        found.add(place.within("marks"), {"x": Column(x), "y": Column(y)}, "drawn")


def take_png_apart(found: Dissection, data: bytes, place: Place) -> None:
    """A PNG's pixels are passed; texts in it, and what stands behind its end, are not pixels."""
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += 12 + size
        if kind in (b"tEXt", b"iTXt", b"zTXt", b"eXIf"):
            _, _, content = body.partition(b"\x00")
            if kind == b"zTXt":
                content = zlib.decompressobj().decompress(content[1:], 10_000_000)
            elif kind == b"iTXt":
                compressed = content[:1] == b"\x01"
                content = content[2:].split(b"\x00", 2)[-1]
                if compressed:
                    content = zlib.decompressobj().decompress(content, 10_000_000)
            found.text(content.decode("utf-8", "replace"), place.within("text"))
        elif kind not in OF_PICTURES:
            found.content(body, place.within("chunk"), must_read=False)
        if kind == b"IEND":
            if data[at:].strip(b"\x00\r\n "):
                found.content(data[at:], place.within("behind the picture"), must_read=False)
            return
