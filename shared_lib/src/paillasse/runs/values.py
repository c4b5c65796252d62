"""What values a parameter may have, as its line in the notebook's parameters cell says.

The types come from the annotation or the default; closed choices from a `Literal` or, for people who write no
annotations, from the comment behind it; a range from the comment::

    endpoint: Literal["death", "relapse"] = "death"
    endpoint = "death"  # what is counted; one of: death, relapse
    level = 0.95  # of all confidence limits; from 0.5 to 0.999

Such a rule begins the comment or stands behind a `;`, and goes to the next `;` or the end. All else in a comment is
prose. Of a list each element keeps the rule, and None is free where the annotation or the default allows it.
"""

import ast
import re
from dataclasses import dataclass, replace
from functools import reduce

from paillasse.documents import shortened
from paillasse.errors import NotebookError, did_you_mean

NOTHING = type(None)
# What a value of runs.yaml can be, and how an error calls it.
KINDS = {
    str: "text", bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "a mapping",
    NOTHING: "null",
}  # fmt: skip
ANNOTATIONS = {"str": str, "bool": bool, "int": int, "float": float, "list": list, "tuple": list, "dict": dict}

CHOICES = re.compile(r"one of:(.*)", re.IGNORECASE)
CHOICE = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|((?!or )[\w.+-]+(?: (?!or )[\w.+-]+)*))\s*""")
NUMBER = r"[+-]?\d+(?:\.\d+)?"
RANGE = re.compile(rf"from ({NUMBER}) to ({NUMBER})", re.IGNORECASE)


@dataclass(frozen=True)
class Values:
    """The values that are allowed; without any rule: all.

    Attributes
    ----------
    types
        The types; a whole number also is a number.
    choices
        The only ones allowed, beside null, lists and mappings where the types have these.
    least, most
        The ends of the range, which are in it.
    each
        What the elements of a list and the values of a mapping may be.
    """

    types: tuple[type, ...] = ()
    choices: tuple = ()
    least: float | None = None
    most: float | None = None
    each: "Values | None" = None

    def problem(self, value: object, source: str = "") -> str | None:
        """What is wrong with a value, or with the first wrong one inside it; None where all is well.

        Examples
        --------
        >>> Values((str,), choices=("death", "relapse")).problem("deaht")
        "expected one of death, relapse; got 'deaht'. Did you mean 'death'?"
        >>> Values((list,), each=Values((float,), least=0, most=1)).problem([0.5, 2])
        '[1]: expected a number from 0 to 1; got 2'
        """
        if not self._allows(value):
            return f"expected {self}{source}; got {shortened(value)}{self._hint(value)}"
        if self.each and isinstance(value, list | dict):
            for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                if problem := self.each.problem(inner, source):
                    return f"[{key}]{'' if problem.startswith('[') else ': '}{problem}"
        return None

    def _hint(self, value: object) -> str:
        """What may have been meant: a choice that is written nearly so, or text that YAML takes for something else."""
        if isinstance(value, bool | int | float) and str in self.types:
            could_be_text = not self.choices or str(value) in self.choices or isinstance(value, bool)
            return " (put it in quotes)" if could_be_text else ""
        near = did_you_mean(value, [choice for choice in self.choices if isinstance(choice, str)])
        return f". {near}" if isinstance(value, str) and near.startswith("Did") else ""  # all choices are told anyway

    def _allows(self, value: object) -> bool:
        if self.types and type(value) not in self.types and not (type(value) is int and float in self.types):
            return False
        if value is None or isinstance(value, list | dict):
            return True
        if self.choices and value not in self.choices:
            return False
        return self.least is None or self.least <= value <= self.most

    def __str__(self) -> str:
        """The allowed values in words."""
        words = [f"one of {', '.join(str(choice) or repr(choice) for choice in self.choices)}"] if self.choices else []
        for kind in self.types:
            if kind in (list, dict, NOTHING):
                words.append(KINDS[kind])
            elif not self.choices:
                words.append(KINDS[kind] + (f" from {self.least:g} to {self.most:g}" if self.least is not None else ""))
        return " or ".join(words)

    def __or__(self, other: "Values") -> "Values":
        """What one of the two allows, or more: choices count only where nothing else of the other side is free."""
        sides = (self, other)
        if not all(side.types for side in sides):
            return ANY
        closed = all(side.choices or set(side.types) <= {list, dict, NOTHING} for side in sides)
        holders = [side.each for side in sides if {list, dict} & set(side.types)]
        return Values(
            tuple(dict.fromkeys(self.types + other.types)),
            self.choices + other.choices if closed else (),
            each=reduce(lambda left, right: left and right and left | right, holders) if holders else None,
        )


ANY = Values()


def values_of(annotation: ast.expr | None, default: object, comment: str) -> Values:
    """The values that a parameter may have.

    Parameters
    ----------
    annotation
        The parsed annotation, if there is one.
    default
        Its value, lists for tuples; `...` where it is an expression.
    comment
        The comment behind it, without `#`.

    Raises
    ------
    NotebookError
        The rule in the comment cannot be read, or the default breaks the rules.

    Examples
    --------
    >>> values_of(None, "death", "what is counted; one of: death, relapse").choices
    ('death', 'relapse')
    """
    values = _of_annotation(annotation) if annotation else _of_default(default)
    for part in map(str.strip, comment.split(";")):
        if found := CHOICES.fullmatch(part):
            values = _with_choices(values, found[1], default)
        elif found := RANGE.fullmatch(part):
            values = _with_range(values, float(found[1]), float(found[2]), default)
    if default is not ... and (problem := values.problem(default)):
        raise NotebookError(f"its default breaks its own rule: {problem}; mend one of the two")
    return values


def _of_default(default: object) -> Values:
    """What may replace a default: its own type, any number for a number, anything for None or an expression."""
    if isinstance(default, int | float) and not isinstance(default, bool):
        return Values((float,))
    return Values((type(default),)) if type(default) in (str, bool, list, dict) else ANY


def _of_annotation(annotation: ast.expr) -> Values:
    """What `int`, `list[str]`, `Literal["a", "b"] | None` allow; everything for an annotation of another form."""
    match annotation:
        case ast.Constant(value=None):
            return Values((NOTHING,))
        case ast.BinOp(op=ast.BitOr()):
            return _of_annotation(annotation.left) | _of_annotation(annotation.right)
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in ANNOTATIONS:
            return Values((ANNOTATIONS[name],))
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inside):
            parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
            if name == "Literal":
                return _of_literals(parts)
            if name == "Optional":
                return _of_annotation(parts[0]) | Values((NOTHING,))
            if name in ("list", "dict"):
                return Values((ANNOTATIONS[name],), each=_of_annotation(parts[-1]))
            return Values((list,)) if name == "tuple" else ANY
    return ANY


def _of_literals(parts: list[ast.expr]) -> Values:
    try:
        choices = [ast.literal_eval(part) for part in parts]
    except ValueError:  # a member of an Enum
        return ANY
    types = tuple(dict.fromkeys(map(type, choices)))
    return Values(types, tuple(each for each in choices if each is not None)) if set(types) <= set(KINDS) else ANY


def _with_choices(values: Values, text: str, default: object) -> Values:
    """The same values, but only those that a comment lists. They are numbers where the parameter is one, else text."""
    if list in values.types:
        first = _first(default)
        return replace(values, each=_with_choices(values.each or _of_default(first), text, first))
    types = values.types or ((str, NOTHING) if default is None else (str,))
    found = [CHOICE.fullmatch(item) for item in text.split(",")]
    if len(found) < 2 or not all(found) or dict in types:
        raise NotebookError(
            "'one of:' in its comment needs two or more words or numbers with a comma between them, for a text, a "
            'number or a list; other texts go into an annotation: Literal["a (b)", "c"]'
        )
    choices = [next(text for text in item.groups() if text is not None) for item in found]
    if str not in types:
        choices = [_number(choice) for choice in choices]
    for choice in choices:
        if problem := replace(values, types=types).problem(choice):
            raise NotebookError(f"the choices in its comment are not of its type: {problem}")
    return replace(values, types=types, choices=tuple(choices))


def _with_range(values: Values, least: float, most: float, default: object) -> Values:
    """The same values, but only those in a range; texts and the like have none, so there the words are prose."""
    if list in values.types:
        first = _first(default)
        return replace(values, each=_with_range(values.each or _of_default(first), least, most, first))
    types = values.types or ((float, NOTHING) if default is None else (float,))
    if not set(types) <= {int, float, NOTHING}:
        return values
    return replace(values, types=types, least=least, most=most)


def _first(default: object) -> object:
    """The first element of a default that is a list, by which an unannotated list's elements are known."""
    return default[0] if isinstance(default, list) and default else ...


def _number(text: str) -> object:
    """The text as a number; as it is where it is none."""
    if not re.fullmatch(NUMBER, text):
        return text
    return float(text) if "." in text else int(text)
