"""Two outputs of one cell, the stored and the new: what differs, beyond what is random or the noise of a machine.

The one comparison of the house: the pytest plugin fails by it, `paillasse refresh` refuses and shows by it.

What counts, by kind of output:

- Text, and HTML without its styles: every word exactly; numbers within the tolerance, but whole numbers exactly (they
  count patients). A number printed with three digits is compared as those three digits.
- Plotly figures: traces, titles, axes, annotations, decoded and within the tolerance; not the template, which is the
  look and not the content.
- Images: only that there is one. Their pixels depend on the machine's fonts; a number that matters stands in a table.
- Streams: standard output and standard error, each as one text, because how they interleave is chance.
- Errors (of a cell that is meant to fail): class and message, not the traceback.

A notebook's stored outputs are committed, so they hold public or synthetic data only (`stored.refuse_secure_profile`);
that is why a difference may show values.
"""

import base64
import difflib
import math
import re
from dataclasses import dataclass

# The tolerance of every comparison: |new - stored| <= ATOL + RTOL * |stored|. Wide enough for another processor or
# BLAS, and far below what any table prints.
RTOL = 1e-6
ATOL = 1e-9

PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"

NUMBER = re.compile(r"[-+−]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")

# What differs from run to run without meaning anything.
RANDOM = [
    (re.compile(r"\b0x[0-9a-fA-F]{6,16}\b"), "0x…"),  # an object's address
    (re.compile(r"\bT_[0-9a-f]{5}(?=[_\"' {#])"), "T_…"),  # the id of a pandas Styler's table
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "…uuid…"),  # the id of an HTML element
]
# How HTML looks: with a figure's template, the look and not the content.
STYLE = re.compile(r"""(?s)<style\b.*?</style>|\s(?:style|class)=(?:"[^"]*"|'[^']*')""")
# Where a warning comes from: the machine's own folders say nothing to another machine.
PLACES = [
    (re.compile(r"[^\s\"']*ipykernel_\d+[/\\]\d+\.py"), "<cell>"),
    (re.compile(r"(?m)(?:^|(?<=[\"']))[^\"'\n]*?site-packages[/\\]"), "site-packages/"),
]


@dataclass(frozen=True)
class Difference:
    """One place where a new output is not the stored one.

    Attributes
    ----------
    where : str
        The place, in words: ``trace 0 (Lev+5FU) y[17]``.
    stored, now : str
        Both sides, shortened for reading.
    of_numbers : bool
        False if only words differ: the same numbers stand in the same order.
    """

    where: str
    stored: str
    now: str
    of_numbers: bool

    def __str__(self) -> str:
        return f"{self.where}: stored {self.stored}, now {self.now}"


def differences(stored: list[dict], new: list[dict]) -> list[Difference]:
    """What differs between the stored outputs of a cell and new ones.

    Parameters
    ----------
    stored, new : list of dict
        Outputs as the notebook format has them.

    Returns
    -------
    list of Difference
        Empty if the new outputs say the same, within `RTOL` and `ATOL`.

    Examples
    --------
    >>> def printed(text):
    ...     return [{"output_type": "stream", "name": "stdout", "text": text}]
    >>> differences(printed("HR 0.599, n = 614"), printed("HR 0.5990000001, n = 614"))
    []
    >>> print(*differences(printed("HR 0.599, n = 614"), printed("HR 0.599, n = 615")))
    stdout line 1: stored 'HR 0.599, n = 614', now 'HR 0.599, n = 615'
    """
    found = []
    for name in ("stdout", "stderr"):
        found += _text_differences(name, _stream(stored, name), _stream(new, name))
    shown, shown_now = _displays(stored), _displays(new)
    if len(shown) != len(shown_now):
        return [*found, Difference("outputs", _kinds(shown), _kinds(shown_now), of_numbers=True)]
    for i, (before, after) in enumerate(zip(shown, shown_now, strict=True), 1):
        place = f"output {i}, " if len(shown) > 1 else ""
        if before.keys() != after.keys():
            found.append(Difference(f"{place}kind", _kinds([before]), _kinds([after]), of_numbers=True))
            continue
        for kind in before:
            found += _kind_differences(place, kind, before[kind], after[kind])
    return found


def appearance(outputs: list[dict]) -> list:
    """What is on screen and not compared: templates, styles, images. Refreshing stores it anew if it changed."""
    looks = []
    for bundle in _displays(outputs):
        looks.append(bundle.get(PLOTLY, {}).get("layout", {}).get("template"))
        looks.append(STYLE.findall(_without_random(_joined(bundle.get("text/html", "")))))
        looks.append({kind: value for kind, value in bundle.items() if kind.startswith("image/")})
    return looks


def without_places(text: str) -> str:
    """A text without the machine's own folders (in the place that a warning names)."""
    for pattern, replacement in PLACES:
        text = pattern.sub(replacement, text)
    return text


def figure_content(figure: dict) -> dict:
    """A plotly figure as it is compared: arrays decoded, without random ids, template and server address."""
    content = {part: _decoded(figure[part]) for part in ("data", "layout", "frames", "config") if part in figure}
    content.get("layout", {}).pop("template", None)
    for upload in ("plotlyServerURL", "showSendToCloud"):
        content.get("config", {}).pop(upload, None)
    return {part: value for part, value in content.items() if value}


def html_lines(html: str | list[str]) -> str:
    """HTML as it is compared: a line for each tag and the words after it, without styles and random ids."""
    return "\n".join(_lines(_joined(html), html=True))


def _stream(outputs: list[dict], name: str) -> str:
    text = "".join(
        _joined(output["text"]) for output in outputs if output["output_type"] == "stream" and output["name"] == name
    )
    return re.sub(r"(?m)^.*\r(?=[^\n])", "", text)  # a progress bar shows its last state


def _displays(outputs: list[dict]) -> list[dict]:
    """What each output shows, by kind (mime type), apart from streams and from what is only an id or a copy."""
    bundles = []
    for output in outputs:
        if output["output_type"] == "stream":
            continue
        if output["output_type"] == "error":
            bundles.append({"error": f"{output['ename']}: {output['evalue']}"})
            continue
        bundle = {kind: value for kind, value in output["data"].items() if kind != WIDGET}
        if PLOTLY in bundle:
            bundle.pop("text/html", None)  # the same figure once more, under a random id
        bundles.append(bundle)
    return bundles


def _kind_differences(place: str, kind: str, stored, now) -> list[Difference]:
    if kind == PLOTLY:
        return _figure_differences(place, stored, now)
    if kind.startswith("image/") or kind == "application/pdf":
        return []
    if _is_text(stored) and _is_text(now):
        return _text_differences(place + kind, _joined(stored), _joined(now), html=kind == "text/html")
    return _tree_differences(place + kind, _decoded(stored), _decoded(now))


# Text


def _text_differences(where: str, stored: str, now: str, html: bool = False) -> list[Difference]:
    lines, lines_now = _lines(stored, html), _lines(now, html)
    if lines == lines_now:
        return []
    if len(lines) == len(lines_now):
        blocks = [(i, i + 1, i, i + 1) for i in range(len(lines))]
    else:
        matcher = difflib.SequenceMatcher(a=lines, b=lines_now, autojunk=False)
        blocks = [block for tag, *block in matcher.get_opcodes() if tag != "equal"]
    found = []
    for start, end, start_now, end_now in blocks:
        before, after = " ⏎ ".join(lines[start:end]), " ⏎ ".join(lines_now[start_now:end_now])
        if _same_text(before, after):
            continue
        row = _row_label(lines, start) if html else None
        place = f"{where} row {row!r}" if row else where if html else f"{where} line {start + 1}"
        found.append(_text_difference(place, before, after, html))
    return found


def _lines(text: str, html: bool) -> list[str]:
    """A text in pieces that are compared: lines, or for HTML what stands between two tags with the tag before it."""
    text = without_places(_without_random(text))
    if html:
        text = re.sub(r"\s*(?=<)", "\n", STYLE.sub("", text))
    # The width of a column follows the width of its numbers, so a run of blanks is one blank.
    lines = [re.sub(r"[ \t]+", " ", line).strip() for line in text.splitlines()]
    return [line for line in lines if line] if html else lines


def _without_random(text: str) -> str:
    for pattern, replacement in RANDOM:
        text = pattern.sub(replacement, text)
    return text


def _row_label(pieces: list[str], index: int) -> str:
    """The first words of the table row that a piece stands in."""
    start = next((i for i in range(min(index, len(pieces) - 1), -1, -1) if pieces[i].startswith("<tr")), 0)
    words = [_without_tags(piece) for piece in pieces[start : index + 1]]
    return next((word for word in words if word), "")


def _without_tags(piece: str) -> str:
    return re.sub(r"<[^>]*>", "", piece).strip(" ⏎")


def _same_text(stored: str, now: str) -> bool:
    return NUMBER.split(stored) == NUMBER.split(now) and _same_numbers(stored, now)


def _same_numbers(stored: str, now: str) -> bool:
    numbers, numbers_now = NUMBER.findall(stored), NUMBER.findall(now)
    return len(numbers) == len(numbers_now) and all(map(_same_printed_number, numbers, numbers_now))


def _same_printed_number(stored: str, now: str) -> bool:
    if stored == now:
        return True
    if not re.search(r"[.eE]", stored + now):
        return False
    return bool(_close(float(stored.replace("−", "-")), float(now.replace("−", "-"))))


def _close(stored, now):
    """Whether numbers, or arrays of them, are the same within the tolerance; whole ones only if they are equal."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        # A million patients and one more are within the relative tolerance. Beyond 1e9 a float is no count.
        whole = (np.mod(stored, 1) == 0) & (np.mod(now, 1) == 0) & (np.abs(stored) < 1e9)
        return np.where(whole, stored == now, np.isclose(now, stored, rtol=RTOL, atol=ATOL, equal_nan=True))


def _text_difference(where: str, stored: str, now: str, html: bool = False) -> Difference:
    of_numbers = not _same_numbers(stored, now)
    if html and _without_tags(stored) != _without_tags(now):
        stored, now = _without_tags(stored), _without_tags(now)
    # Long texts: from shortly before the first character that differs.
    alike = next((i for i, (a, b) in enumerate(zip(stored, now, strict=False)) if a != b), min(len(stored), len(now)))
    return Difference(where, _excerpt(stored, alike), _excerpt(now, alike), of_numbers)


def _excerpt(text: str, around: int) -> str:
    if not text:
        return "nothing"
    start = max(0, around - 60)
    return repr(("…" if start else "") + text[start : start + 160] + ("…" if len(text) > start + 160 else ""))


# Figures and other trees


def _figure_differences(place: str, stored: dict, now: dict) -> list[Difference]:
    before, after = figure_content(stored), figure_content(now)
    traces, traces_now = before.pop("data", []), after.pop("data", [])
    found = []
    if len(traces) != len(traces_now):
        found.append(Difference(f"{place}traces", _trace_names(traces), _trace_names(traces_now), of_numbers=True))
    else:
        for i, (trace, trace_now) in enumerate(zip(traces, traces_now, strict=True)):
            name = f" ({trace['name']})" if trace.get("name") else ""
            found += _tree_differences(f"{place}trace {i}{name} ", trace, trace_now)
    return found + _tree_differences(place, before, after)


def _trace_names(traces: list[dict]) -> str:
    names = ", ".join(str(trace.get("name", "unnamed")) for trace in traces)
    return f"{len(traces)} ({names})" if traces else "none"


def _decoded(node):
    """A JSON tree with plotly's base64 arrays as numpy arrays, without random ids."""
    if isinstance(node, dict):
        if {"bdata", "dtype"} <= node.keys():
            return _array(node)
        return {key: _decoded(value) for key, value in node.items() if key != "uid"}
    if isinstance(node, list):
        return [_decoded(value) for value in node]
    return node


def _array(typed: dict):
    """Plotly's typed array: {dtype, bdata, shape}, little endian, the shape a string such as '2, 3'."""
    import numpy as np

    try:
        values = np.frombuffer(base64.b64decode(typed["bdata"]), dtype=np.dtype(typed["dtype"]).newbyteorder("<"))
        shape = typed.get("shape")
        return values.reshape([int(size) for size in str(shape).split(",")]) if shape else values
    except (ValueError, TypeError):
        return typed  # no array after all, so compared as it stands


def _tree_differences(path: str, stored, now) -> list[Difference]:
    array, array_now = _as_array(stored), _as_array(now)
    if array is not None and array_now is not None:
        return _array_differences(path, array, array_now)
    if isinstance(stored, dict) and isinstance(now, dict):
        found = []
        for key in sorted(stored.keys() | now.keys()):
            inner = path + key if path == "" or path.endswith(" ") else f"{path}.{key}"
            if key in stored and key in now:
                found += _tree_differences(inner, stored[key], now[key])
            else:
                found.append(_leaf_difference(inner, stored.get(key), now.get(key)))
        return found
    if isinstance(stored, list) and isinstance(now, list) and len(stored) == len(now):
        return [
            each
            for i, (before, after) in enumerate(zip(stored, now, strict=True))
            for each in _tree_differences(f"{path}[{i}]", before, after)
        ]
    if isinstance(stored, str) and isinstance(now, str):
        same = stored == now or _text_differences(path, stored, now) == []
        return [] if same else [_text_difference(path, stored, now)]
    if _is_number(stored) and _is_number(now):
        whole = isinstance(stored, int) and isinstance(now, int)
        same = stored == now if whole else bool(_close(stored, now))
    else:
        same = type(stored) is type(now) and stored == now
    return [] if same else [_leaf_difference(path, stored, now)]


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_array(value):
    """A numpy array of a list of numbers (null is NaN, as plotly draws it); None for everything else."""
    import numpy as np

    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, list) and value and all(each is None or _is_number(each) for each in value):
        return np.array([math.nan if each is None else each for each in value])
    return None


def _array_differences(path: str, stored, now) -> list[Difference]:
    import numpy as np

    if stored.shape != now.shape:
        sizes = (f"{' × '.join(map(str, array.shape))} values" for array in (stored, now))
        return [Difference(path, *sizes, of_numbers=True)]
    if stored.dtype.kind in "iu" and now.dtype.kind in "iu":
        differs = stored != now
    else:
        stored, now = stored.astype(float), now.astype(float)
        differs = ~_close(stored, now)
    places = np.argwhere(differs)
    if not len(places):
        return []
    first = tuple(places[0])
    more = f" (and {len(places) - 1} more of {differs.size} values)" if len(places) > 1 else ""
    index = ", ".join(map(str, first))
    return [Difference(f"{path}[{index}]", f"{stored[first]:.9g}", f"{now[first]:.9g}{more}", of_numbers=True)]


def _leaf_difference(path: str, stored, now) -> Difference:
    return Difference(path, _shown(stored), _shown(now), of_numbers=not _same_numbers(str(stored), str(now)))


def _shown(value) -> str:
    if value is None:
        return "nothing"
    if hasattr(value, "shape"):
        return f"{value.size} values"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return _excerpt(value if isinstance(value, str) else str(value), 0)


# What the notebook format may store as a list of lines


def _is_text(value) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(each, str) for each in value))


def _joined(value) -> str:
    return value if isinstance(value, str) else "".join(value)


def _kinds(bundles: list[dict]) -> str:
    names = "; ".join(" + ".join(sorted(bundle)) or "empty" for bundle in bundles)
    return f"{len(bundles)} ({names})" if bundles else "none"
