"""A project as a version of the template makes it from given answers, in a temporary folder.

This runs the template's own code, its hook above all, as `cookiecutter` did when the project was made. So only what the
project has recorded, or somebody has named by `--from`, is ever rendered.
"""

import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from paillasse.errors import UpdateError
from paillasse.project.git import environment_without_repository
from paillasse.project.template import RECORD, Template, Version


@dataclass(frozen=True)
class Rendered:
    """A made project.

    Attributes
    ----------
    folder
        Where its files are.
    record
        What its `.paillasse.json` says; its answers are the given ones, as far as the template asks for them, and
        defaults.
    """

    folder: Path
    record: dict


def render(template: Template, of: Version, answers: dict, folder: Path) -> Rendered:
    """Make a project in a new folder.

    Raises
    ------
    UpdateError
        This version needs another Python or cookiecutter, refuses an answer, or cannot be rendered.
    """
    import yaml

    files, made, settings = folder / "template", folder / "made", folder / "settings.yaml"
    folder.mkdir()
    made.mkdir()
    template.check_out(of.commit, files)
    refuse_what_it_needs(of, files)
    # Neither the person's own settings nor their home are read or written.
    kept = taken(answers, files / "cookiecutter.json")
    own = {"default_context": kept, "replay_dir": f"{folder}/replay", "cookiecutters_dir": f"{folder}/clones"}
    settings.write_text(yaml.safe_dump(own, allow_unicode=True), encoding="utf-8")
    # The template is told, so that it takes an answer that was right when it was given: a day that has passed, say.
    # cookiecutter leaves the hooks that it runs in the temporary folder.
    variables = {"PYTHONUTF8": "1", "PAILLASSE_UPDATE": "1"} | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    options = ["--no-input", "--config-file", settings, "--output-dir", made]
    done = subprocess.run(
        [sys.executable, "-m", "cookiecutter", files, *options],
        cwd=folder,
        env=environment_without_repository() | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    projects = [each for each in made.iterdir() if (each / RECORD).is_file()]
    if done.returncode or len(projects) != 1:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        raise UpdateError(
            f"The template's version {of} makes no project of this one's answers, those of {RECORD}. It says:\n{said}\n"
            f"If that is an answer, change it in {RECORD}, commit that, and update again: what you have of it stays."
        )
    return Rendered(projects[0], json.loads((projects[0] / RECORD).read_text(encoding="utf-8")))


def taken(answers: dict, questions: Path) -> dict:
    """The answers that a version of the template takes. One that is no choice any more is left out here: cookiecutter,
    given it, would forget all that follow it too, the project's name among them."""
    from cookiecutter.generate import apply_overwrites_to_context

    try:
        asked = json.loads(questions.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return answers  # cookiecutter says what is wrong with its questions
    kept = {}
    for question, answer in answers.items():
        try:
            apply_overwrites_to_context(asked, {question: answer})
        except ValueError:
            continue
        kept[question] = answer
    return kept


def refuse_what_it_needs(of: Version, files: Path) -> None:
    """A version of the template says itself with which Python and cookiecutter it works."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    library, others = files / "shared_lib" / "pyproject.toml", files / "requirements.in"
    if library.is_file():
        wanted = tomllib.loads(library.read_text(encoding="utf-8")).get("project", {}).get("requires-python", "")
        python = sys.version.split()[0]
        if not SpecifierSet(wanted).contains(python, prereleases=True):
            raise UpdateError(
                f"The template's version {of} needs Python {wanted}; this is {python}. Make the environment with one "
                "of those, make clean setup PYTHON=python3.X, then update again; or name an older version: --to TAG"
            )
    if others.is_file():
        line = re.search(r"(?m)^cookiecutter\b[^#\n]*", others.read_text(encoding="utf-8"))
        wanted = Requirement(line[0].strip()).specifier if line else SpecifierSet()
        try:
            here = version("cookiecutter")
        except PackageNotFoundError:
            raise UpdateError("The environment lacks cookiecutter, which an update needs: make clean setup") from None
        if not wanted.contains(here, prereleases=True):
            raise UpdateError(
                f"The template's version {of} needs cookiecutter{wanted}; this is {here}. For this once: "
                f"python3 in_env.py uv pip install 'cookiecutter{wanted}'; the new requirements.lock brings its own"
            )
