"""The answers to the template's questions: checked wherever cookiecutter renders, and told to the hook.

cookiecutter loads this Jinja extension (`_extensions` in cookiecutter.json) for the questions, for the project's folder
and files, and for the hooks. A bad answer is refused before the project's folder is made, with an exception that
cookiecutter prints without a traceback; a failing hook would come after the folder, with one.
"""

import datetime
import difflib
import functools
import json
import keyword
import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml  # cookiecutter itself needs it
from cookiecutter.exceptions import ContextDecodingException
from jinja2.ext import Extension
from slugify import slugify

HERE = Path(__file__).parent
QUESTIONS = {
    question: default
    for question, default in json.loads((HERE / "cookiecutter.json").read_text(encoding="utf-8")).items()
    if not question.startswith("_")
}
LONGEST = dict.fromkeys(QUESTIONS, 300)  # characters
LONGEST |= {"project_name": 120, "team": 120, "contact_email": 254, "project_slug": 60}
LONGEST |= {"authorisation_number": 60, "approval_valid_until": 10, "datasets": 1000, "notebooks": 1000}
MAY_BE_EMPTY = {question for question, default in QUESTIONS.items() if default == ""}
NOTEBOOKS = yaml.safe_load((HERE / "hooks" / "notebooks.yaml").read_text(encoding="utf-8"))
OLD_WORDS = {"survival only": "survival"}  # as older projects recorded it

# The legal bases on which patients' data are read, and those of them that come with a number.
APPROVING = {"MR-004", "CNIL authorisation", "Health Data Hub authorisation"}
NUMBERED = APPROVING - {"MR-004"}
# Set while an update renders the answers of an old project again: its approval may have ended since.
UPDATING = "PAILLASSE_UPDATE"

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


class Said(NamedTuple):
    """Words in the two languages in which a project can be made."""

    en: str
    fr: str


NOTHING = Said("nothing: leave it empty", "rien : laissez vide")
NO_BRACES = Said(
    "{{, {%, {# and their closing marks are the marks of a template",
    "{{, {%, {# et leurs marques fermantes sont celles d'un modèle",
)


class Answers(Extension):
    """Checks every answer as soon as it is known; gives the template's files and hook their filters."""

    def __init__(self, environment):
        super().__init__(environment)
        filters = (checked, quoted, markdown, chosen_data, chosen_restricted, chosen_notebooks, told_to_the_hook)
        environment.filters.update({each.__name__: each for each in filters})
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
            refuse("An answer", source, NO_BRACES, one_line(source, 120, "the same without them"), "en")
        return "{{ cookiecutter | checked }}" + source


def checked(answers: dict) -> str:
    """Nothing, if all the answers given so far can be used."""
    language = answers.get("language")
    for question, default in QUESTIONS.items():
        if question not in answers:
            continue
        answer = answers[question]
        if isinstance(default, list):
            if answer not in default:
                why = Said("it is not one of the choices", "ce n'est pas un des choix")
                refuse(question, answer, why, Said(" or ".join(default), " ou ".join(default)), language)
        elif why := what_is_wrong(question, answer):
            refuse(question, answer, why, suggestion(question, answer), language)
    for question, why, instead in what_does_not_fit(answers):
        refuse(question, answers[question], why, instead, language)
    return ""


def refuse(question: str, answer: object, why: Said, instead: Said | str, language: str | None) -> None:
    """Say in the project's language what is wrong with an answer, and what would be right."""
    shown = repr(answer if len(str(answer)) <= 120 else str(answer)[:120] + "…")
    if isinstance(instead, str):
        instead = Said(instead, instead)
    if language == "fr":
        told = f"{question} ne peut pas être {shown} : {why.fr}.\nTapez à la place, par exemple : {instead.fr}"
    else:
        told = f"{question} cannot be {shown}: {why.en}.\nType instead, for example: {instead.en}"
    raise BadAnswer(told)


def what_is_wrong(question: str, answer: object) -> Said | None:
    """Why a typed answer cannot be used, or None."""
    if not isinstance(answer, str):
        return Said("it is not text", "ce n'est pas du texte")
    if not answer.strip():
        may_be = question in MAY_BE_EMPTY and not answer
        return None if may_be else Said("it is empty", "c'est vide")
    if len(answer) > (longest := LONGEST[question]):
        return Said(f"it is longer than {longest} characters", f"cela dépasse {longest} caractères")
    if BRACES.search(answer):
        return NO_BRACES
    if not all(map(is_visible, answer)):
        return Said(
            "it has a tab, a line break or another invisible character",
            "il y a une tabulation, un saut de ligne ou un autre caractère invisible",
        )
    if question == "contact_email" and not EMAIL.fullmatch(answer):
        return Said(
            "it is not one e-mail address, name@host.domain",
            "ce n'est pas une adresse électronique, nom@hôte.domaine",
        )
    if question == "project_slug":
        return what_is_wrong_with_slug(answer)
    if question == "approval_valid_until" and not is_a_day(answer):
        return Said("it is no day written as year-month-day", "ce n'est pas un jour écrit année-mois-jour")
    if question in ("datasets", "notebooks"):
        return what_is_wrong_with_names(words(answer), known_words(question))
    return None


def what_is_wrong_with_slug(slug: str) -> Said | None:
    """Why a name cannot be that of a folder and of a Python package in a project's environment, or None."""
    if not SLUG.fullmatch(slug):
        return Said(
            "a folder and Python package is named with small letters a-z, digits and _, a letter first, no _ last",
            "le nom d'un dossier et paquet Python est fait de minuscules a-z, de chiffres et de _, une lettre d'abord, "
            "pas de _ à la fin",
        )
    if keyword.iskeyword(slug) or keyword.issoftkeyword(slug):
        return Said("it is a word of the Python language", "c'est un mot du langage Python")
    if slug in sys.stdlib_module_names:
        return Said("Python's own library has a module of that name", "la bibliothèque de Python a un module de ce nom")
    if slug == "paillasse":
        return Said("the shared library has that name", "la bibliothèque partagée a ce nom")
    if re.sub("_+", "_", slug) in LOCKED or slug in MODULES:
        return Said("requirements.lock installs a package of that name", "requirements.lock a un paquet de ce nom")
    if slug in LAYOUT:
        return Said("a project has something else of that name", "un projet a autre chose de ce nom")
    if slug in WINDOWS_DEVICES:
        return Said("Windows keeps that name for a device", "Windows garde ce nom pour un périphérique")
    return None


def what_is_wrong_with_names(names: list[str], known: list[str]) -> Said | None:
    """Why a list of names cannot be used, or None."""
    unknown = ", ".join(name for name in names if name not in known)
    if unknown:
        there_are = ", ".join(known)
        return Said(f"there is no {unknown}; there are {there_are}", f"{unknown} n'existe pas ; il y a {there_are}")
    alone = [name for name in names if name in ("all", "none")]
    if alone and len(names) > 1:
        return Said(f"{alone[0]} stands alone", f"{alone[0]} va seul")
    return None if names else Said("it names nothing", "cela ne nomme rien")


def what_does_not_fit(answers: dict) -> Iterator[tuple[str, Said, Said | str]]:
    """Answers that make no sense beside others: the question, why, and what would; as far as the answers are known."""
    basis = answers.get("legal_basis")
    approved = basis in APPROVING
    number = answers.get("authorisation_number")
    if number == "" and basis in NUMBERED:
        why = Said(f"an approval of the kind {basis!r} has a number", f"une autorisation « {basis} » a un numéro")
        yield "authorisation_number", why, "DR-2026-123"
    if number and not approved:
        why = Said(f"with the legal basis {basis!r} there is none", f"avec la base légale « {basis} » il n'y en a pas")
        yield "authorisation_number", why, NOTHING
    last_day = answers.get("approval_valid_until")
    if last_day == "" and approved:
        why = Said(f"an approval of the kind {basis!r} ends one day", f"une autorisation « {basis} » finit un jour")
        yield "approval_valid_until", why, in_three_years()
    if last_day and not approved:
        why = Said(
            f"with the legal basis {basis!r} there is no approval that could end",
            f"avec la base légale « {basis} » il n'y a pas d'autorisation qui puisse finir",
        )
        yield "approval_valid_until", why, NOTHING
    if last_day and last_day <= datetime.date.today().isoformat() and UPDATING not in os.environ:
        why = Said(
            "that day is not in the future, so nothing could be read",
            "ce jour n'est pas à venir, donc rien ne pourrait être lu",
        )
        yield "approval_valid_until", why, in_three_years()
    if "datasets" in answers:
        yield from what_does_not_fit_the_data(answers)


def what_does_not_fit_the_data(answers: dict) -> Iterator[tuple[str, Said, str]]:
    """The same of the data sets beside the legal basis, and of the notebooks beside the data sets."""
    entries, basis = catalogue(), answers["legal_basis"]
    chosen = chosen_data(answers)
    asked = [name for name in words(answers["datasets"]) if name in entries]
    for name in asked:
        if not is_allowed(entries[name], basis):
            without = ", ".join(each for each in asked if is_allowed(entries[each], basis)) or "none"
            why = Said(
                f"{name} is under access control, and the legal basis is {basis!r}",
                f"l'accès à {name} est contrôlé, et la base légale est « {basis} »",
            )
            if basis == "MR-004":
                why = Said(
                    f"{name} is of the national claims, which MR-004 does not cover: they need an authorisation",
                    f"{name} vient du SNDS, que la MR-004 ne couvre pas : il faut une autorisation",
                )
            yield "datasets", why, without
        for key in entries[name]["schema"].get("foreignKeys", []):
            if (other := key["reference"]["resource"]) not in chosen:
                why = Said(
                    f"the rows of {name} are of the patients of {other}",
                    f"les lignes de {name} sont celles des patients de {other}",
                )
                yield "datasets", why, ", ".join([*asked, other])
    for word in words(answers.get("notebooks", "")):
        if word != "all" and (missing := [name for name in NOTEBOOKS[word]["data"] if name not in chosen]):
            possible = ", ".join(chosen_notebooks(answers | {"notebooks": "all"}))
            why = Said(
                f"{word} reads {' and '.join(missing)}, which datasets does not name",
                f"{word} lit {' et '.join(missing)}, que datasets ne nomme pas",
            )
            yield "notebooks", why, possible


def is_allowed(entry: dict, basis: str) -> bool:
    """Whether a legal basis allows a data set; one in preparation allows what it is prepared for, as a stand-in."""
    if entry["sensitivity"] == "public" or basis in NUMBERED or basis == "in preparation":
        return True
    return basis == "MR-004" and "claims" not in entry.get("health", {}).get("categories", [])


@functools.cache
def catalogue() -> dict[str, dict]:
    """The entries of data_catalog.yaml."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast
    return yaml.load((HERE / "data_catalog.yaml").read_text(encoding="utf-8"), loader)["datasets"]


def known_words(question: str) -> list[str]:
    """What can be answered to a question that takes several names."""
    return [*NOTEBOOKS, "all"] if question == "notebooks" else [*catalogue(), "all", "none"]


def words(answer: str) -> list[str]:
    """The names in an answer that takes several."""
    return [OLD_WORDS.get(word.strip(), word.strip()) for word in answer.split(",") if word.strip()]


def chosen_data(answers: dict) -> list[str]:
    """The data sets of the project's catalogue: all that are public, and those chosen, in the catalogue's order."""
    asked = words(answers["datasets"])
    return [
        name
        for name, entry in catalogue().items()
        if entry["sensitivity"] == "public"
        or name in asked
        or (asked == ["all"] and is_allowed(entry, answers["legal_basis"]))
    ]


def chosen_restricted(answers: dict) -> list[str]:
    """Those of them that are under access control."""
    return [name for name in chosen_data(answers) if catalogue()[name]["sensitivity"] != "public"]


def chosen_notebooks(answers: dict) -> dict[str, dict]:
    """Word → entry of hooks/notebooks.yaml, of the notebooks that the project starts from."""
    asked, data = words(answers["notebooks"]), chosen_data(answers)
    return {
        word: entry
        for word, entry in NOTEBOOKS.items()
        if word in asked or (asked == ["all"] and set(entry["data"]) <= set(data))
    }


def is_a_day(text: str) -> bool:
    """Whether a text is a day of the calendar, 2029-12-31."""
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def in_three_years() -> str:
    """A day on which an approval may end."""
    today = datetime.date.today()
    return today.replace(year=today.year + 3, day=1).isoformat()


def is_visible(character: str) -> bool:
    """Whether a character shows on one line; the joiners of emoji and Persian script do not, but belong."""
    return character in "\u200c\u200d" or unicodedata.category(character) not in INVISIBLE


def suggestion(question: str, answer: object) -> str | Said:
    """An answer near to the refused one that can be used."""
    if question in MAY_BE_EMPTY and not str(answer).strip():
        return NOTHING
    if question == "contact_email":
        return QUESTIONS[question]
    if question == "approval_valid_until":
        return in_three_years()
    if question in ("datasets", "notebooks"):
        known = NOTEBOOKS if question == "notebooks" else catalogue()
        nearest = [difflib.get_close_matches(word, known, 1) for word in words(str(answer)[: LONGEST[question]])]
        return ", ".join(dict.fromkeys(each[0] for each in nearest if each)) or "all"
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
        "notebooks": [entry["notebook"] for entry in chosen_notebooks(answers).values()],
        "datasets": chosen_data(answers),
    }
    return json.dumps(told).encode("ascii").hex()
