"""The answers to the template's questions: checked wherever cookiecutter renders, and told to the hook.

cookiecutter loads this Jinja extension (`_extensions` in cookiecutter.json) for the questions, for the project's folder
and files, and for the hooks. A bad answer is refused before the project's folder is made, with an exception that
cookiecutter prints without a traceback; a failing hook would come after the folder, with one.
"""

import json
import keyword
import re
import sys
import unicodedata
from pathlib import Path

from cookiecutter.exceptions import ContextDecodingException
from jinja2.ext import Extension
from slugify import slugify

HERE = Path(__file__).parent
QUESTIONS = {
    question: default
    for question, default in json.loads((HERE / "cookiecutter.json").read_text(encoding="utf-8")).items()
    if not question.startswith("_")
}
LONGEST = {"project_name": 120, "description": 300, "team": 120, "contact_email": 254, "project_slug": 60}

BRACES = re.compile(r"\{[{%#]|[}%#]\}")
# The only expressions that the template itself has in names of files, in defaults of answers and in the hook.
OWN_EXPRESSIONS = re.compile(
    r"\{\{ ?cookiecutter\.\w+( \| slugify\([\w=', ]*\))? ?\}\}|\{\{ cookiecutter \| told_to_the_hook \}\}"
)

INVISIBLE = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}  # Unicode categories: control, format, surrogate, line break ...
EMAIL = re.compile(r"""[^\s@<>()\[\],;:\\"]+@[^\s@<>()\[\],;:\\"]+\.[^\s@<>()\[\],;:\\"]{2,}""")
SLUG = re.compile(r"[a-z]([a-z0-9_]*[a-z0-9])?")
LOCKED = {
    name.replace("-", "_").replace(".", "_")
    for name in re.findall(r"^([\w.-]+)==", (HERE / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
}
# Modules that packages of the lock bring under another name than their own; a test compares with what they install.
MODULES = set(
    """PIL argon2 attr adbc_driver_duckdb bs4 dateutil git ibis importlinter ipykernel_launcher jupyter markdown_it
    mpl_toolkits pip pkg_resources public py pylab pythonjsonlogger rpds sklearn sksurv slugify tlz websocket winpty
    xdist yaml zmq""".lower().split()
)
LAYOUT = {"conftest", "data", "data_catalog", "dist", "in_env", "notebooks", "runs"}
LAYOUT |= {"setup_offline", "shared_lib", "src", "test", "tests"}
WINDOWS_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))}


class BadAnswer(ContextDecodingException):
    """An answer of which no good project can be made."""


class Answers(Extension):
    """Checks every answer as soon as it is known; gives the template's files and hook their filters."""

    def __init__(self, environment):
        super().__init__(environment)
        environment.filters.update(checked=checked, quoted=quoted, markdown=markdown, told_to_the_hook=told_to_the_hook)
        # One process may render two versions of the template, maybe by the same relative path: each loads its own,
        # and from the hook, which is rendered in another working directory, too. cookiecutter puts the path last.
        sys.modules.pop(__name__, None)
        sys.path_importer_cache.pop(sys.path[-1], None)
        sys.path[-1] = str(Path(sys.path[-1]).absolute())

    def preprocess(self, source, name, filename=None):
        """Put the check before all that has no file name: defaults of answers, the project's folder, the hook.

        The folder is rendered before it is made, so that answers from a replay file are checked in time too.
        """
        if name is not None:
            return source
        if BRACES.search(OWN_EXPRESSIONS.sub("", source)):  # an answer given by option or file, rendered as a template
            refuse(
                "An answer",
                source,
                "{{, {% and {# are the marks of a template",
                one_line(source, 120, "the same without them"),
            )
        return "{{ cookiecutter | checked }}" + source


def checked(answers: dict) -> str:
    """Nothing, if all the answers given so far can be used."""
    for question, default in QUESTIONS.items():
        if question not in answers:
            continue
        answer = answers[question]
        if isinstance(default, list):
            if answer not in default:
                refuse(question, answer, "it is not one of the choices", " or ".join(default))
        elif why := what_is_wrong(question, answer):
            refuse(question, answer, why, suggestion(question, answer))
    return ""


def refuse(question: str, answer: object, why: str, instead: str) -> None:
    shown = repr(answer if len(str(answer)) <= 120 else str(answer)[:120] + "…")
    raise BadAnswer(f"{question} cannot be {shown}: {why}.\nType instead, for example: {instead}")


def what_is_wrong(question: str, answer: object) -> str | None:
    """Why a typed answer cannot be used, or None."""
    if not isinstance(answer, str):
        return "it is not text"
    if not answer.strip():
        return "it is empty"
    if len(answer) > LONGEST[question]:
        return f"it is longer than {LONGEST[question]} characters"
    if BRACES.search(answer):
        return "{{, {%, {# and their closing marks are the marks of a template"
    if not all(map(is_visible, answer)):
        return "it has a tab, a line break or another invisible character"
    if question == "contact_email" and not EMAIL.fullmatch(answer):
        return "it is not one e-mail address, name@host.domain"
    if question == "project_slug":
        return what_is_wrong_with_slug(answer)
    return None


def what_is_wrong_with_slug(slug: str) -> str | None:
    """Why a name cannot be that of a folder and of a Python package in a project's environment, or None."""
    if not SLUG.fullmatch(slug):
        return "a folder and Python package is named with small letters a-z, digits and _, a letter first, no _ last"
    if keyword.iskeyword(slug) or keyword.issoftkeyword(slug):
        return "it is a word of the Python language"
    if slug in sys.stdlib_module_names:
        return "Python's own library has a module of that name"
    if slug == "paillasse":
        return "the shared library has that name"
    if re.sub("_+", "_", slug) in LOCKED or slug in MODULES:
        return "requirements.lock installs a package of that name"
    if slug in LAYOUT:
        return "a project has something else of that name"
    if slug in WINDOWS_DEVICES:
        return "Windows keeps that name for a device"
    return None


def is_visible(character: str) -> bool:
    """Whether a character shows on one line; the joiners of emoji and Persian script do not, but belong."""
    return character in "\u200c\u200d" or unicodedata.category(character) not in INVISIBLE


def suggestion(question: str, answer: object) -> str:
    """An answer near to the refused one that can be used."""
    if question == "contact_email":
        return QUESTIONS[question]
    if question != "project_slug":
        return one_line(str(answer), LONGEST[question], QUESTIONS[question])
    slug = slugify(str(answer), separator="_", max_length=50).strip("_") or "my_project"
    if not slug[0].isalpha():
        slug = f"project_{slug}"
    return f"{slug}_project" if what_is_wrong_with_slug(slug) else slug


def one_line(text: str, longest: int, otherwise: str) -> str:
    """A text without what cannot be used in an answer."""
    visible = "".join(character if is_visible(character) else " " for character in text)
    return " ".join(BRACES.sub(" ", visible).split())[:longest].strip() or otherwise


def quoted(text: str) -> str:
    """A text as a string of TOML, YAML and JSON alike: all three read this, for text without control characters."""
    return json.dumps(text, ensure_ascii=False)


def markdown(text: str) -> str:
    """A text that Markdown shows as it is."""
    return re.sub(r"([\\`*_\[\]<>|#&~])", r"\\\1", text)


def told_to_the_hook(answers: dict) -> str:
    """What the hook has to know, as hexadecimal digits: they can stand in a Python file whatever the answers are.

    A hook is rendered in the template's root. Nothing else says reliably where that is: `_repo_dir` is relative, and
    other tools than cookiecutter do not set it.
    """
    told = {
        "template": str(Path.cwd()),
        "source": answers.get("_template"),
        "local": "_template" not in answers or answers.get("_repo_dir") == answers["_template"],
        "answers": {question: answers[question] for question in QUESTIONS},
    }
    return json.dumps(told).encode("ascii").hex()
