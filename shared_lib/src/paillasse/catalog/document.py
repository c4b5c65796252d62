"""Text of `data_catalog.yaml` → plain values, and the line on which each of them stands.

Built on the parser's events instead of `yaml.safe_load`, because that forgets the lines, lets a repeated key win
silently, and kills the process on a few thousand open brackets.
"""

from pathlib import Path

from paillasse.errors import CatalogError

MAX_DEPTH = 20  # the deepest place of a catalogue is a constraint's list, at 8

Place = tuple[str | int | float, ...]
Lines = dict[Place, int]


def read_document(path: Path) -> tuple[object, Lines]:
    """The values of a YAML file, and the line of each key and item.

    Parameters
    ----------
    path
        The file, UTF-8.

    Returns
    -------
    values, lines
        Plain dictionaries, lists and scalars; and place (the keys that lead there) → line, counted from 1.

    Raises
    ------
    CatalogError
        Not a readable UTF-8 text, not YAML, a tag, an anchor, or a key given twice.
    """
    import yaml

    text = _text(path)
    try:
        return _Reader(path.name, text).document()
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark or error.context_mark).line + 1
        hint = " (indent with spaces, YAML allows no tab)" if "\t" in _line(text, line) else ""
        raise CatalogError(f"{path.name}:{line}: not valid YAML: {error.problem}{hint}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else 1
        raise CatalogError(f"{path.name}:{line}: not valid YAML: a control character; remove it") from None


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CatalogError(f"{path.name}: cannot be read: {error.strerror}") from None
    try:
        return content.decode("utf-8-sig")  # an editor's byte order mark does no harm
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CatalogError(f"{path.name}:{line}: not UTF-8 text; save the file as UTF-8") from None


def _line(text: str, number: int) -> str:
    lines = text.split("\n")
    return lines[number - 1] if number <= len(lines) else ""


class _Reader:
    """Builds the values from the parser's events and notes their lines on the way."""

    def __init__(self, name: str, text: str):
        import yaml

        self.yaml = yaml
        self.loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        self.name = name
        self.lines: Lines = {}

    def document(self) -> tuple[object, Lines]:
        events = self.yaml.events
        self.loader.get_event()  # the stream's start
        if self.loader.check_event(events.StreamEndEvent):
            raise CatalogError(f"{self.name}: the file is empty; it needs the key 'datasets'")
        self.loader.get_event()  # the document's start
        values = self.value(self.loader.get_event(), ())
        self.loader.get_event()  # the document's end
        if not self.loader.check_event(events.StreamEndEvent):
            raise self.error(self.loader.peek_event(), "a second document begins here ('---'); keep one in the file")
        return values, self.lines

    def value(self, event, place: Place) -> object:
        events = self.yaml.events
        if getattr(event, "anchor", None):
            raise self.error(event, "anchors and aliases (& and *) are not used here; write the value out")
        if event.tag not in (None, "!"):
            raise self.error(event, "a tag ('!…') is not allowed; write the plain value")
        if len(place) > MAX_DEPTH:
            raise self.error(event, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, events.MappingStartEvent):
            return self.mapping(place)
        if isinstance(event, events.SequenceStartEvent):
            return self.sequence(place)
        return self.scalar(event)

    def mapping(self, place: Place) -> dict:
        values = {}
        while not isinstance(event := self.loader.get_event(), self.yaml.events.MappingEndEvent):
            key = self.value(event, place)
            if isinstance(key, (dict, list)):
                raise self.error(event, "a key must be a word or a number")
            if key in values:
                raise self.error(event, f"the key {key!r} is given twice (first on line {self.lines[*place, key]})")
            self.lines[*place, key] = event.start_mark.line + 1
            values[key] = self.value(self.loader.get_event(), (*place, key))
        return values

    def sequence(self, place: Place) -> list:
        values = []
        while not isinstance(event := self.loader.get_event(), self.yaml.events.SequenceEndEvent):
            self.lines[*place, len(values)] = event.start_mark.line + 1
            values.append(self.value(event, (*place, len(values))))
        return values

    def scalar(self, event) -> object:
        if not event.implicit[0]:  # quoted, or a text block
            return event.value
        node = self.yaml.ScalarNode
        tag = self.loader.resolve(node, event.value, event.implicit)
        if tag.rpartition(":")[2] in ("str", "merge", "value"):  # also `<<` and `=`, which mean nothing here
            return event.value
        try:
            return self.loader.construct_object(node(tag, event.value, event.start_mark, event.end_mark))
        except (ValueError, OverflowError):  # 2020-13-45, or a number of 5000 digits
            raise self.error(event, "neither a date nor a number, though it looks like one; quote it") from None

    def error(self, event, message: str) -> CatalogError:
        return CatalogError(f"{self.name}:{event.start_mark.line + 1}: {message}")
