"""`paillasse doctor`: what is wrong with a project, and the command that mends it.

Each check looks at one thing and imports what it needs when it runs: the doctor is asked when something is broken, and
the environment itself may be. A check says what it saw, never the value of a variable, and changes nothing.
"""

import datetime
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from paillasse.errors import PaillasseError, ProjectError, UpdateError, some_of
from paillasse.files import nearest
from paillasse.project.template import RECORD

SOON = 30  # days before the end of an approval when it is told
LITTLE_DISK, SCARCE_DISK = 5.0, 1.0  # GB: an environment and some hundred results; not even one more result
LITTLE_MEMORY, SCARCE_MEMORY = 2.0, 0.5  # GB: some notebooks at a time; one notebook with a small data set
PAILLASSE = "python3 in_env.py paillasse"  # as it can be typed anywhere; `paillasse` alone is only in the environment

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True)
class Finding:
    """What a check saw.

    Attributes
    ----------
    state
        `ok`; `note`, what is worth knowing; `wrong`, what has to be mended.
    seen
        In words.
    mend
        The command that mends it, from the project's folder; None where nothing is to be done.
    check
        The check's name.
    """

    state: State
    seen: str
    mend: str | None = None
    check: str = ""


def examine(project: Path, profile: str | None = None) -> list[Finding]:
    """Look at all of a project.

    Parameters
    ----------
    project
        Its folder.
    profile
        The profile in which the project is to run; by default the one in force (see `open_catalog`).

    Returns
    -------
    list of Finding
        At least one for each check, in the order in which they should be mended.
    """
    findings = []
    for check in CHECKS:
        try:
            seen = list(check(project, profile))
        except PaillasseError as error:
            seen = [Finding("wrong", str(error), f"mend what is named, then: {PAILLASSE} doctor")]
            if any(each.seen == str(error) for each in findings):
                seen = [Finding("note", "cannot be looked at before that is mended")]
        except Exception as error:  # in a damaged environment an import may raise anything; the other checks go on
            package = error.name if isinstance(error, ImportError) else None
            kind = type(error).__name__
            lack = f"the package {package} is missing or broken" if package else f"{kind} in the environment"
            seen = [Finding("wrong", f"cannot be looked at: {lack}", remake(project))]
        findings += [Finding(each.state, each.seen, each.mend, check.__name__) for each in seen]
    return findings


def report(findings: list[Finding]) -> str:
    """What was found, as text: a check a line, below it the command that mends it.

    Examples
    --------
    >>> print(report([Finding("wrong", "what is committed is not scanned", "make hooks", "hooks")]))
    wrong  hooks        what is committed is not scanned
                        → make hooks
    1 of 1 findings is wrong. Mend from the top, from the project's folder.
    """
    lines = []
    for each in findings:
        seen = each.seen.replace("\n", "\n" + " " * 20)
        lines.append(f"{each.state:5}  {each.check:11}  {seen}")
        lines += [" " * 20 + f"→ {each.mend}"] if each.mend else []
    wrong = sum(each.state == "wrong" for each in findings)
    verb = "is" if wrong == 1 else "are"
    end = f"{wrong} of {len(findings)} findings {verb} wrong. Mend from the top, from the project's folder."
    return "\n".join([*lines, end if wrong else "Nothing is wrong."])


def find_project(start: Path | None = None) -> Path:
    """The nearest folder upward that is a project: one with the template's record, or with `runs.yaml`."""
    start = (start or Path.cwd()).resolve()
    if folder := nearest(start, RECORD, "runs.yaml"):
        return folder
    raise ProjectError(f"There is neither {RECORD} nor runs.yaml in {start} or above it. Go to a project's folder.")


# The environment


def environment(project: Path, profile: str | None) -> Iterator[Finding]:
    """Exactly the packages of the lock, and the local packages from this folder."""
    from paillasse.project.installed import differences, installed_packages, local_packages
    from paillasse.project.lock import FILE, read_lock

    own = project / ".venv"
    if not own.is_dir() or not own.samefile(sys.prefix):
        seen = f"this is the Python of {sys.prefix}, not of the project's own environment"
        yield Finding("wrong", seen, f"{PAILLASSE} doctor")
        return
    locked = {each.name: each.version for each in read_lock(project / FILE) if each.applies()}
    installed = installed_packages()
    local = local_packages(project)
    there = {name: version for name, (version, _) in installed.items() if name not in local}
    wrong = differences(locked, there)
    for name, folder in local.items():
        if name not in installed:
            wrong.append(f"{name} is not installed")
        elif installed[name][1] is None or not _same(installed[name][1], folder):
            wrong.append(f"{name} is not the one of {folder.relative_to(project).as_posix() or 'this folder'}")
    if wrong:
        yield Finding("wrong", f"not what {FILE} says: {some_of(wrong)}", remake(project))
    else:
        yield Finding("ok", f"{len(locked)} packages, as in {FILE}; Python {sys.version.split()[0]}")


def remake(project: Path) -> str:
    """The command that makes the environment anew, from where it was made before."""
    return "make clean setup-offline" if (project / ".venv" / "made-offline").is_file() else "make clean setup"


def kernel(project: Path, profile: str | None) -> Iterator[Finding]:
    """The kernel that each notebook asks for runs in the project's environment."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    manager = KernelSpecManager()
    wrong = False
    for name, notebook in kernels_asked_for(project).items():
        choose = f"open {notebook} (make lab), choose the kernel Python 3 and save"
        if not name:
            seen, mend = f"{notebook} is no notebook that can be read", f"git restore {notebook}"
        else:
            try:
                program = manager.get_kernel_spec(name).argv[0]
            except (NoSuchKernel, ValueError, LookupError):
                seen, mend = f"{notebook} asks for the kernel {name!r}, which is not installed", choose
            else:
                if is_of_this_environment(program):
                    continue
                seen = f"{notebook} asks for the kernel {name!r}, which is another Python: {program}"
                mend = f"python3 in_env.py jupyter kernelspec remove {name}" if name == "python3" else choose
        wrong = True
        yield Finding("wrong", seen, mend)
    if not wrong:
        yield Finding("ok", "every notebook's kernel is the project's own Python")


def kernels_asked_for(project: Path) -> dict[str, str]:
    """Kernel → the first notebook that asks for it; the empty name for one that cannot be read."""
    found = {"python3": "a new notebook"}
    for path in sorted((project / "notebooks").rglob("*.ipynb")):
        shown = path.relative_to(project).as_posix()
        if ".ipynb_checkpoints" in path.parts:
            continue
        try:
            metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
            name = metadata.get("kernelspec", {}).get("name", "python3")
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            name = ""
        if found.get(name, "a new notebook") == "a new notebook":
            found[name] = shown
    return found


def is_of_this_environment(program: str) -> bool:
    """Whether a kernel's program is this Python; jupyter_client takes the bare names for the one that starts it."""
    if program in ("python", "python3", "python{}.{}".format(*sys.version_info)):
        return True
    return _same(Path(program).parent, Path(sys.executable).parent)


# The data


def catalogue(project: Path, profile: str | None) -> Iterator[Finding]:
    """The catalogue has no mistakes, and the files that it names in the project are those that it declares."""
    from paillasse.catalog.drivers.files import files_of

    catalog = _catalog(project, profile)
    wrong = False
    for entry in catalog.entries.values():
        for source in entry.about.sources.values():
            if source.path is None or source.path.startswith("${"):
                continue
            try:
                files_of(source, catalog.folder)
            except PaillasseError as error:
                wrong = True
                yield Finding("wrong", str(error), f"git restore {shlex.quote(source.path)}")
    if not wrong:
        yield Finding("ok", f"{len(catalog)} data sets, profile {catalog.profile}")


def approvals(project: Path, profile: str | None) -> Iterator[Finding]:
    """No approval of this project has ended, or ends soon; in the profile `secure`, what is approved may be read."""
    from paillasse.catalog.access import VARIABLE, narrowed, read_steward_file

    opened = _catalog(project, profile)
    catalog, is_secure = opened.in_profile("secure"), opened.profile == "secure"
    place = os.environ.get(VARIABLE)
    steward = read_steward_file(Path(place)).approvals if place else None
    today = datetime.date.today()
    standing, others = 0, 0
    for name, entry in catalog.entries.items():
        if entry.about.sensitivity != "pseudonymised" or "secure" not in entry.about.sources:
            continue
        own = entry.about.approval
        decided = steward.get(name) if steward is not None else own
        approval = narrowed(decided, own) if decided else None
        if approval is None or catalog.project not in approval.projects:
            others += 1
            continue
        ask = f"ask {entry.about.steward.name}, {entry.about.steward.email}, to prolong {approval.reference}"
        left = (approval.valid_until - today).days
        if left < 0:
            yield Finding("wrong", f"{name}: the approval ended on {approval.valid_until}", ask)
            continue
        if left <= SOON:
            yield Finding("note", f"{name}: the approval ends on {approval.valid_until}", ask)
        try:
            if is_secure and steward is not None:
                entry.permission()
            standing += 1
        except PaillasseError as error:
            yield Finding("wrong", str(error), f"{PAILLASSE} run --profile synthetic    # works meanwhile")
    where = "by the steward's file" if steward is not None else "by the catalogue"
    if is_secure and not standing:
        seen = f"no data set under access control may be read {where}"
        yield Finding("wrong", seen, "ask the data steward; docs/secure-data.md says what is needed")
    elif standing:
        yield Finding("ok", f"{standing} data sets approved {where}, {others} not")
    else:
        yield Finding("ok", f"none {where}; none is needed in the profile {opened.profile}")


def variables(project: Path, profile: str | None) -> Iterator[Finding]:
    """The variables that secure reads need are set; what they hold is nobody's business here."""
    from paillasse.catalog.access import VARIABLE, read_steward_file

    catalog = _catalog(project, profile)
    named = {VARIABLE: "the steward's file"}
    if catalog.purpose is None:
        named["PAILLASSE_PURPOSE"] = "what the data are read for"
    for name, dataset in catalog.datasets.items():
        if dataset.sensitivity == "pseudonymised" and "secure" in dataset.sources:
            source = dataset.sources["secure"]
            for variable in re.findall(r"\$\{(\w+)\}", f"{source.dsn} {source.path}"):
                named.setdefault(variable, f"where {name} is")
    if os.environ.get(VARIABLE):
        audit = read_steward_file(Path(os.environ[VARIABLE])).audit
        for variable in re.findall(r"\$\{(\w+)\}", f"{audit.dsn} {audit.path} {audit.anchor}"):
            named.setdefault(variable, "where reads are recorded")
    unset = {variable: what for variable, what in named.items() if not os.environ.get(variable)}
    if catalog.profile != "secure":
        yield Finding("ok", f"none is needed in the profile {catalog.profile}")
    elif unset:
        lacks = ", ".join(f"{variable} ({what})" for variable, what in unset.items())
        mend = "; ".join(f"export {variable}=…" for variable in unset)
        yield Finding("wrong", f"not set: {lacks}", f"{mend}    # the data steward knows the values")
    else:
        yield Finding("ok", f"set: {', '.join(named)}")


# The repository


def hooks(project: Path, profile: str | None) -> Iterator[Finding]:
    """Before each commit all is scanned for patients' data."""
    git = shutil.which("git")
    if git is None:
        yield Finding("wrong", "git is not installed, so nothing is scanned before it is shared", "install git")
        return
    asked = [git, "rev-parse", "--git-path", "hooks/pre-commit"]
    said = subprocess.run(asked, cwd=project, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if said.returncode:
        no_repository = "not a git repository" in said.stderr
        mend = "git init; make hooks" if no_repository else f"git -C {shlex.quote(str(project))} status    # says why"
        yield Finding("wrong", "this is no git repository that can be used", mend)
        return
    hook = project / said.stdout.strip()
    text = hook.read_text(encoding="utf-8", errors="replace") if hook.is_file() else ""
    if "pre-commit" not in text:
        yield Finding("wrong", "what is committed is not scanned for patients' data", "make hooks")
        return
    program = re.search(r"(?m)^INSTALL_PYTHON=(.*)$", text)
    if program and not Path("".join(shlex.split(program[1])[:1])).is_file():
        yield Finding("wrong", "the hook belongs to an environment that is gone: each commit would fail", "make hooks")
    elif os.name != "nt" and not os.access(hook, os.X_OK):
        yield Finding("wrong", "the hook is there and git does not run it: it is not executable", "make hooks")
    else:
        yield Finding("ok", "what is committed is scanned for patients' data")


def template(project: Path, profile: str | None) -> Iterator[Finding]:
    """It is recorded from which version of the template the project was made, no update has stopped half-way, and none
    was to be had at the last look: nobody is asked now."""
    from paillasse import __version__
    from paillasse.project.template import Template, read_record
    from paillasse.project.worktree import unfinished

    try:
        record = read_record(project)
    except UpdateError as error:
        yield Finding("wrong", str(error).partition(". ")[0], f"git restore {RECORD}")
        return
    if unfinished(project):
        yield Finding("wrong", "an update of the template was interrupted", f"{PAILLASSE} update --undo")
    if record.commit is None:
        seen = f"made from {record.template}, which had no commit: an update cannot know where the project started"
        yield Finding("note", f"{seen}; library {__version__}", f"{PAILLASSE} update    # says how to go on")
        return
    standing, day = Template(project).last_standing(record.commit)
    if standing is None:
        seen = f"{record.template} at {record.commit[:12]}; whether there is a newer one, make template says"
        yield Finding("ok", f"{seen}; library {__version__}")
    elif standing.behind:
        yield Finding("note", f"{standing} Seen on {day}; library {__version__}", f"{PAILLASSE} update")
    else:
        yield Finding("ok", f"{standing} Seen on {day}; library {__version__}")


# The machine


def disk(project: Path, profile: str | None) -> Iterator[Finding]:
    """There is room for results."""
    free = shutil.disk_usage(project).free / 1e9
    yield _room(free, LITTLE_DISK, SCARCE_DISK, "on the disk", "du -s runs/* | sort -n    # then remove old results")


def memory(project: Path, profile: str | None) -> Iterator[Finding]:
    """There is room for a notebook's kernel, in a container or a batch job too."""
    from paillasse.runs.memory import available_mb

    free = available_mb() / 1e3
    mend = f"{PAILLASSE} run --jobs 1    # after shutting down kernels in JupyterLab"
    yield _room(free, LITTLE_MEMORY, SCARCE_MEMORY, "of memory", mend)


def _room(free: float, little: float, scarce: float, of_what: str, mend: str) -> Finding:
    state: State = "wrong" if free < scarce else "note" if free < little else "ok"
    return Finding(state, f"{free:.1f} GB {of_what} are free", None if state == "ok" else mend)


Check = Callable[[Path, str | None], Iterator[Finding]]
CHECKS: list[Check] = [environment, kernel, catalogue, approvals, variables, hooks, template, disk, memory]


def _catalog(project: Path, profile: str | None):
    from paillasse.catalog import open_catalog

    return open_catalog(project / "data_catalog.yaml", profile)


def _same(a: Path, b: Path) -> bool:
    return os.path.normcase(a.resolve()) == os.path.normcase(b.resolve())
