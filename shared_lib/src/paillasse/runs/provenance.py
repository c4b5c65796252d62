"""Where a result comes from: noted in `run.json` when a run starts, and put into a standard's words when it has ended.

The standard is RO-Crate, profile Process Run Crate 0.5: one `ro-crate-metadata.json` in the result's folder, made of
`run.json` and the files beside it, so that it can be written again at any time. What git answers is asked once for all
runs of a call. Changes that are not committed are kept as a patch of code only: the notebook that ran is in the folder
itself, and neither data nor a notebook's stored outputs, which may show patients, are copied.
"""

import getpass
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import paillasse
from paillasse.credentials import SECRET_VALUE
from paillasse.files import write_atomically
from paillasse.runs.artefacts import SUFFIX
from paillasse.runs.inputs import LOCK
from paillasse.runs.results import describe_error, now, read_state

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

CRATE = "ro-crate-metadata.json"
PATCH = "changes.patch"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
SHA256 = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}  # the profile's word; RO-Crate 1.1 has none
TRACKED_CODE = ["*.py", "*.yaml", "*.yml", "*.toml", "requirements.in", LOCK, ":(exclude)data", ":(exclude)runs"]
NEW_CODE = ["*.py", "runs.yaml", "data_catalog.yaml", ":(exclude)data", ":(exclude)runs"]  # nobody has looked at it yet
LARGEST_PATCH = 1_000_000  # bytes; it is in each result's folder
MEDIA_TYPES = {
    ".ipynb": "application/x-ipynb+json", ".csv": "text/csv", ".html": "text/html", ".json": "application/json",
    ".patch": "text/x-diff",
}  # fmt: skip


@dataclass(frozen=True)
class Code:
    """A project's code as git knows it; nothing where there is no git or no commit."""

    commit: str | None = None
    repository: str | None = None  # its address, without a password
    changed: tuple[str, ...] = ()  # files that are not as committed
    patch: bytes = b""  # of code only
    author: str | None = None  # how git calls the user


def code_of(project: Path) -> Code:
    """Ask git about a project: its commit, and what has changed since."""
    try:
        return _code_of(project)
    except (OSError, subprocess.SubprocessError):  # no git, no repository, no commit, or a repository of someone else's
        return Code()


def origin(project: Path, notebook: Path, folder: Path, code: Code) -> dict:
    """What `run.json` says of where a result comes from; writes the patch, if there is one, into the result's folder.

    Returns
    -------
    dict
        `commit`, `repository`, `changed` (files), `patch` (its name, or why there is none), `notebook_sha256`,
        `lock_sha256`, `python`, `platform`, `paillasse`, `user` and `login`.
    """
    if not code.patch:
        patch = None
    elif len(code.patch) > LARGEST_PATCH:
        patch = f"not kept: larger than {LARGEST_PATCH:,} bytes"
    elif SECRET_VALUE.search(code.patch.decode("utf-8", "replace")):
        patch = "not kept: something in it looks like a secret"
    else:
        patch = PATCH
        write_atomically(folder / PATCH, code.patch)
    lock = project / LOCK
    login = _login()
    return {
        "commit": code.commit,
        "repository": code.repository,
        "changed": list(code.changed),
        "patch": patch,
        "notebook_sha256": _sha256(notebook),
        "lock_sha256": _sha256(lock) if lock.is_file() else None,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "paillasse": paillasse.__version__,
        "user": code.author or login,
        "login": login,
    }


def write_crate(folder: Path) -> None:
    """Describe the result of a run that has ended as a Process Run Crate, `ro-crate-metadata.json`.

    Raises
    ------
    OSError
        It cannot be written. The result itself stands.
    """
    from rocrate.rocrate import ROCrate

    name = folder.parent.name
    known = {"name": name, "title": name, "notebook": "unknown", "parameters": {}, "inputs": {}, "provenance": {}}
    run = known | {"started": now().isoformat()} | read_state(folder)  # an older version noted less
    came_from = run["provenance"]
    crate = ROCrate(version="1.1")  # the version that the profile builds on
    crate.metadata.extra_terms |= SHA256
    files = {path.name: _file(crate, path, came_from) for path in sorted(folder.iterdir()) if _is_kept(path)}
    source = _source(crate, run, came_from, files)
    data = [_data_set(crate, each) for each in run["inputs"].get("data_sets", [])]
    given = [_parameter(crate, name, value) for name, value in run["parameters"].items()]
    results = [entity for name, entity in files.items() if name.endswith((".ipynb", ".csv", SUFFIX))]
    agent = _agent(crate, came_from)
    ok = run["state"] == "ok"
    action = add_entity(
        crate,
        f"#{folder.name}",
        "CreateAction",
        name=f"Run {run['name']}",
        description=run.get("headline") or f"{run['title']} ({run['state']})",
        instrument=source,
        object=[*data, *given],
        result=results,
        agent=agent,
        startTime=_moment(run["started"]),
        endTime=_moment(run.get("finished")),
        actionStatus=f"http://schema.org/{'Completed' if ok else 'Failed'}ActionStatus",
        error=None if ok else ": ".join(filter(None, [run["state"], describe_error(run)])),
    )
    root = crate.root_dataset
    root["name"] = f"{run['title']} ({run['name']})"
    root["description"] = f"The result of one run of the notebook {run['notebook']}, with state {run['state']}."
    root["datePublished"] = _moment(run.get("finished") or run["started"])
    root["license"] = _terms(crate)
    root["conformsTo"] = add_entity(crate, PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
    root["author"] = agent
    root["mentions"] = action
    write_atomically(folder / CRATE, json.dumps(crate.metadata.generate(), indent=1, ensure_ascii=False) + "\n")


# git


def _code_of(project: Path) -> Code:
    commit = _git(project, "rev-parse", "HEAD").decode().strip()
    if _answer(project, "check-ignore", "."):  # a folder inside a repository that does not hold it
        return Code()
    with tempfile.TemporaryDirectory() as folder:
        # New files are in a diff only once they are in the index; the user's own is left alone. By its time of
        # change git knows which files it must look into, so the copy keeps it.
        index = Path(folder, "index")
        shutil.copy2(project / _git(project, "rev-parse", "--git-path", "index").decode().strip(), index)
        new = _git(project, "ls-files", "-z", "--others", "--exclude-standard", "--", *NEW_CODE)
        if new:
            literally = {"GIT_INDEX_FILE": str(index), "GIT_LITERAL_PATHSPECS": "1"}
            files = ["--pathspec-from-file=-", "--pathspec-file-nul"]
            _git(project, "add", "--intent-to-add", *files, given=new, environment=literally)
        diff = ["diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/"]
        beside = {"GIT_INDEX_FILE": str(index)}
        changed = _git(project, *diff, "--name-only", "-z", "--", ".", environment=beside)
        patch = _git(project, *diff, "--", *TRACKED_CODE, environment=beside)
    return Code(
        commit,
        _without_password(_answer(project, "remote", "get-url", "origin")),
        tuple(changed.decode("utf-8", "replace").split("\0")[:-1]),
        patch,
        _answer(project, "config", "user.name"),
    )


def _git(project: Path, *command: str, given: bytes = b"", environment: dict | None = None) -> bytes:
    # Variables of git's would name another repository where a hook of git's starts the runs.
    ours = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")} | {"GIT_OPTIONAL_LOCKS": "0"}
    done = subprocess.run(
        ["git", "-c", "core.quotepath=false", *command],
        cwd=project, env=ours | (environment or {}), input=given, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout


def _answer(project: Path, *command: str) -> str | None:
    """What git says to a question that may have no answer."""
    try:
        return _git(project, *command).decode("utf-8", "replace").strip() or None
    except subprocess.CalledProcessError:
        return None


def _without_password(address: str | None) -> str | None:
    return re.sub(r"(?<=://)[^/@]*@", "", address) if address else None


# The parts of a crate


def add_entity(crate: "ROCrate", identifier: str, kind: str, **properties):
    """Something that a crate speaks of and does not hold; properties that are unknown are left out."""
    from rocrate.model import ContextEntity

    known = {key: value for key, value in properties.items() if value not in (None, [])}
    for key, value in known.items():
        if isinstance(value, list) and len(value) == 1:  # RO-Crate's way to write one of several
            known[key] = value[0]
    return crate.add(ContextEntity(crate, identifier, properties={"@type": kind} | known))


def _file(crate: "ROCrate", path: Path, came_from: dict):
    says = {
        "name": path.name,
        "encodingFormat": MEDIA_TYPES[path.suffix],
        "contentSize": str(path.stat().st_size),
        "sha256": _sha256(path),
    }
    if path.name == PATCH:
        says["description"] = f"What had changed in the project's code since its commit {came_from.get('commit')}."
    return crate.add_file(path, properties=says)


def _is_kept(path: Path) -> bool:
    return path.suffix in MEDIA_TYPES and path.name != CRATE and not path.name.startswith(".")


def _source(crate: "ROCrate", run: dict, came_from: dict, files: dict):
    """The notebook as it is in the project, with what it needs to run; the executed one is a result."""
    changed = ", ".join(came_from.get("changed", []))
    since = f"Changed since the commit that is its version: {changed}." if changed else "As committed."
    project = add_entity(
        crate,
        "#project",
        "SoftwareSourceCode",
        name="The project's code",
        description=since if came_from.get("commit") else "git knows no commit of it.",
        version=came_from.get("commit") or "unknown",
        codeRepository=came_from.get("repository"),
        url=came_from.get("repository"),
        hasPart=files.get(PATCH),
    )
    lock = came_from.get("lock_sha256")
    python = add_entity(
        crate,
        "https://www.python.org/",
        "SoftwareApplication",
        name="Python",
        version=came_from.get("python", "unknown"),
        url="https://www.python.org/",
        operatingSystem=came_from.get("platform"),
    )
    packages = add_entity(
        crate,
        "#packages",
        "SoftwareApplication",
        name="The packages of requirements.lock" if lock else "Packages without a lock file",
        version=f"sha256:{lock}" if lock else "unknown",
    )
    version = came_from.get("paillasse")
    library = add_entity(crate, "#paillasse", "SoftwareApplication", name="paillasse", version=version)
    library["identifier"] = f"sha256:{run['inputs'].get('library')}"
    return add_entity(
        crate,
        f"#{quote(run['notebook'])}",
        "SoftwareSourceCode",
        name=run["title"],
        description=f"The notebook {run['notebook']}.",
        version=f"sha256:{came_from.get('notebook_sha256')}",
        url=came_from.get("repository"),
        sha256=came_from.get("notebook_sha256"),
        programmingLanguage="Python",
        isPartOf=project,
        softwareRequirements=[python, packages, library],
    )


def _data_set(crate: "ROCrate", read: dict):
    return add_entity(
        crate,
        f"#data-{quote(read['data_set'])}-{read['profile']}",
        "Dataset",
        name=read["data_set"],
        description=f"The {read['profile']} form of this data set of the catalogue; its rows are not in this crate.",
        version=read["version"] or "unknown",
    )


def _parameter(crate: "ROCrate", name: str, value):
    plain = value if isinstance(value, str | int | float) else json.dumps(value, ensure_ascii=False)
    return add_entity(crate, f"#parameter-{quote(name)}", "PropertyValue", name=name, value=plain)


def _agent(crate: "ROCrate", came_from: dict):
    name, login = came_from.get("user", "unknown"), came_from.get("login", "unknown")
    return add_entity(crate, f"#user-{quote(login)}", "Person", name=name, alternateName=login)


def _terms(crate: "ROCrate"):
    says = "No licence is given. A result leaves only after it has been checked for what it discloses."
    return add_entity(crate, "#terms", "CreativeWork", name="Internal result", description=says)


def _moment(time: str | None) -> str | None:
    """A time with milliseconds, all that the profile's pattern takes."""
    return time and datetime.fromisoformat(time).isoformat(timespec="milliseconds")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "unknown"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
