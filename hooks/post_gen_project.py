"""Assemble the project: copy what lives in one place of the template, record where it came from, commit.

cookiecutter renders this file, then runs it in the new project's folder. Only what is named here is copied, whatever
else lies about in the template's folder: environments, runs, a researcher's own notebooks and data.
"""

import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import yaml  # cookiecutter itself needs it

TOLD = json.loads(bytes.fromhex("{{ cookiecutter | told_to_the_hook }}"))
TEMPLATE = Path(TOLD["template"])
ANSWERS = TOLD["answers"]
YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast

# What cookiecutter rendered. It takes all that it finds in its folder; what is not named here is a leftover.
RENDERED = {
    ".devcontainer/devcontainer.json",
    ".dockerignore",
    ".gitattributes",
    ".gitignore",
    ".pre-commit-config.yaml",
    ".vscode/settings.json",
    "CITATION.cff",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "pyproject.toml",
    "runs.yaml",
    f"src/{ANSWERS['project_slug']}/__init__.py",
    "tests/test_project.py",
}
CI = {
    "github": {".github/workflows/test.yml": "hooks/ci/github.yml"},
    "gitlab": {".gitlab-ci.yml": "hooks/ci/gitlab.yml"},
    "none": {},
}
ALWAYS = [
    "data/README.md",
    "data/export.R",
    "data_catalog.yaml",
    "docs/disclosure.md",
    "docs/enclave.md",
    "docs/more-than-one-machine.md",
    "docs/release.md",
    "docs/secure-data.md",
    "docs/updates.md",
    "in_env.py",
    "requirements.in",
    "requirements.lock",
    "setup_offline.py",
    "shared_lib/LICENSE",
    "shared_lib/README.md",
    "shared_lib/pyproject.toml",
]
CODE_LISTS = "code_lists"  # the library's folder of tables; elsewhere in it a table may be somebody's data
LIBRARY_SUFFIXES = {".css", ".html", ".j2", ".js", ".json", ".orig", ".py", ".sql", ".svg", ".typed"}


def remove_leftovers() -> None:
    """Remove what lay about in the template's own folder, and no file that a team wrote."""
    folder = next(TEMPLATE.glob("*cookiecutter.project_slug*"))
    for leftover in folder.rglob("*"):
        path = Path(leftover.relative_to(folder).as_posix().replace(folder.name, ANSWERS["project_slug"]))
        if path.is_file() and path.as_posix() not in RENDERED:
            path.unlink()
            while not any(path.parent.iterdir()):
                path.parent.rmdir()
                path = path.parent


def files_to_copy() -> dict[str, Path]:
    """Each file that is copied: its path in the project, and where it is now."""
    same_place = [
        *ALWAYS,
        *(f"notebooks/{name}.ipynb" for name in TOLD["notebooks"]),
        *files_of_catalogue(),
        *files_of_library(),
    ]
    files = {path: TEMPLATE / path for path in same_place}
    files |= {path: TEMPLATE / source for path, source in CI[ANSWERS["ci"]].items()}
    if ANSWERS["licence"] == "Apache-2.0":  # the other licences are short, and rendered with the team's name
        files["LICENSE"] = TEMPLATE / "LICENSE"
    return files


def entries_of_catalogue() -> dict[str, dict]:
    """The chosen data sets of data_catalog.yaml."""
    entries = yaml.load((TEMPLATE / "data_catalog.yaml").read_text(encoding="utf-8"), YAML)["datasets"]
    return {name: entries[name] for name in TOLD["datasets"]}


def files_of_catalogue() -> list[str]:
    """The files of the chosen data sets; `${VARIABLE}/...` is a place outside."""
    paths = {source.get("path") for entry in entries_of_catalogue().values() for source in entry["sources"].values()}
    return sorted(path for path in paths if path and not path.startswith("${"))


def narrow_catalogue() -> None:
    """Leave the chosen data sets in data_catalog.yaml, comments and all, each with the team's approval.

    Its entries, and the comments that head several of them, stand between blank lines.
    """
    entries, kept, heading = entries_of_catalogue(), [], []
    for paragraph in Path("data_catalog.yaml").read_text(encoding="utf-8").rstrip("\n").split("\n\n"):
        entry = re.match(r"  (\w+):\n", paragraph)
        if paragraph.startswith("  #"):
            heading = [paragraph]
        elif entry is None:
            kept.append(paragraph)
        elif entry[1] in entries:
            kept += [*heading, paragraph + approval_of(entries[entry[1]])]
            heading = []
    Path("data_catalog.yaml").write_text("\n\n".join(kept) + "\n", encoding="utf-8", newline="\n")


def approval_of(entry: dict) -> str:
    """The team's approval as a key of an entry under access control, or nothing.

    It can only narrow what the steward's file allows; `paillasse doctor` tells in time that it ends.
    """
    if entry["sensitivity"] == "public" or not ANSWERS["approval_valid_until"]:
        return ""
    approval = {
        "reference": f"{ANSWERS['legal_basis']} {ANSWERS['authorisation_number']}".strip(),
        "projects": [ANSWERS["project_slug"]],
        "valid_until": datetime.date.fromisoformat(ANSWERS["approval_valid_until"]),
        "purposes": entry.get("health", {}).get("purposes", ["scientific-research"]),
    }
    text = yaml.safe_dump({"approval": approval}, allow_unicode=True, sort_keys=False, default_flow_style=None)
    return "\n" + textwrap.indent(text.rstrip("\n"), "    ")


def files_of_library() -> list[str]:
    """The shared library's source files."""
    found = []
    for folder, subfolders, names in os.walk(TEMPLATE / "shared_lib" / "src"):
        subfolders[:] = [name for name in subfolders if not name.startswith((".", "__")) and "." not in name]
        suffixes = LIBRARY_SUFFIXES | ({".csv"} if Path(folder).name == CODE_LISTS else set())
        found += [Path(folder, name) for name in names if Path(name).suffix in suffixes and name[0] != "."]
    return sorted(path.relative_to(TEMPLATE).as_posix() for path in found)


def copy(files: dict[str, Path]) -> None:
    """Copy contents, byte for byte; not modes, because a zip has none."""
    missing = sorted(str(source) for source in files.values() if not source.is_file())
    if missing:
        sys.exit("The template is not complete. These files are missing:\n  " + "\n  ".join(missing))
    for path, source in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)


def record() -> None:
    """Write .paillasse.json, from which a later version of the template can be brought in."""
    content = {"template": source_of_template(), "commit": commit_of_template(), "answers": ANSWERS}
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    Path(".paillasse.json").write_text(text + "\n", encoding="utf-8", newline="\n")


def source_of_template() -> str:
    """Where the template came from, without a password. A folder is named in full; an archive as it was typed."""
    if TOLD["local"]:
        return TEMPLATE.as_posix()
    without_user = re.sub(r"(https?://)[^/@]*@", r"\1", TOLD["source"])
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1@", without_user)


def git(*arguments: str, environment: dict[str, str] = os.environ) -> subprocess.CompletedProcess:
    """Run git; the caller looks at the exit code."""
    told = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
    return subprocess.run(["git", *arguments], env=environment, check=False, **told)


def plain_git(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run git as on a machine without settings, and without a repository that the environment speaks of."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"} | variables
    return git("-c", "core.excludesFile=", "-c", "core.attributesFile=", *arguments, environment=environment)


def commit_of_template() -> str | None:
    """The template's commit; None where it was unpacked from an archive, maybe inside another repository."""
    if not (TEMPLATE / ".git").exists() or shutil.which("git") is None:
        return None
    there = ["-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-C", str(TEMPLATE)]  # it may be another user's
    head = plain_git(*there, "rev-parse", "HEAD")
    if head.returncode:
        return None
    if plain_git(*there, "status", "--porcelain", "--untracked-files=no").stdout:
        print("The template has changes that are not committed. An update of this project will know only the commit.")
    return head.stdout.strip()


def identity() -> dict[str, str]:
    """The person's name and address in git; the team's where git has none."""
    values = {}
    for key, answer in (("name", ANSWERS["team"]), ("email", ANSWERS["contact_email"])):
        own = git("config", f"user.{key}").stdout.strip()
        value = os.environ.get(f"GIT_AUTHOR_{key.upper()}") or own or answer
        if not any(map(str.isalnum, value)):  # git takes no name that is punctuation only
            value = ANSWERS["project_slug"]
        values |= {f"GIT_AUTHOR_{key.upper()}": value, f"GIT_COMMITTER_{key.upper()}": value}
    return values


def commit() -> None:
    """Make the project a git repository with one commit, or say why not."""
    if Path(".git").exists():  # written over an existing project: its team decides what to commit
        return
    if shutil.which("git") is None:
        print("git is not installed, so the project is under no version control yet. Install it, then: git init")
        return
    steps = [
        ["init", "--quiet", "--template=", "--initial-branch=main"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", "Start the project from the Paillasse template"],
    ]
    for step in steps:
        done = plain_git(*step, **(identity() if step[0] == "commit" else {}))
        if done.returncode:
            print(f"The project is not committed; git {step[0]} says: {done.stderr.strip()}")
            return


def main() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # a project is not lost to a name that the terminal cannot show
    remove_leftovers()
    copy(files_to_copy())
    narrow_catalogue()
    record()
    commit()
    slug = ANSWERS["project_slug"]
    if ANSWERS["language"] == "fr":
        print(f"Le projet est dans {Path.cwd()}\nEnsuite : cd {slug}, puis : make setup run, et : make test")
    else:
        print(f"The project is in {Path.cwd()}\nNext: cd {slug}, then: make setup run, and: make test")


if __name__ == "__main__":
    main()
