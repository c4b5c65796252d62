"""Run a command in this folder's own environment, made first from requirements.lock where needed.

    python3 in_env.py                        make the environment, or bring it up to date
    python3 in_env.py COMMAND [ARGUMENT...]  the same, then run COMMAND in it

Needs Python >= 3.11 and nothing else. The environment is the folder `.venv`: exactly the packages of
requirements.lock, each checked against its hash, then this folder's own packages, which no index ever serves.
It is made anew only when one of the files that describe it has changed, and without a COMMAND for the Python that runs
this too. A COMMAND takes it with the Python that it has, whichever `python3` comes first on a machine, or a hook finds.
Where there is no internet, setup_offline.py makes it from a wheelhouse, and nothing here looks for an index.
So this file is read by whatever `python3` there is, 3.6 too: annotations that are newer stand between quotes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
SCRIPTS = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
PYTHON = SCRIPTS / ("python.exe" if os.name == "nt" else "python")
LOCK = ROOT / "requirements.lock"
STAMP = ENVIRONMENT / "made-from"
OFFLINE = ENVIRONMENT / "made-offline"  # there if setup_offline.py made it
# The shared library, and in a project the team's own package.
LOCAL_PACKAGES = [folder for folder in (ROOT / "shared_lib", ROOT) if (folder / "src").is_dir()]


def declared() -> "list[Path]":
    """The files that say what the environment is made from."""
    files = [LOCK, *(folder / "pyproject.toml" for folder in LOCAL_PACKAGES)]
    for file in files:
        if not file.is_file():
            name = file.relative_to(ROOT).as_posix()
            sys.exit(f"{name} is not there, and the environment is made from it. Bring it back: git restore {name}")
    return files


def fingerprint() -> str:
    """What the environment is made from: interpreter, place, lock, the local packages' declarations, and what of them
    is copied into the environment: the JupyterLab extension, of which one file names all others by their content."""
    parts = [str(path).encode("utf-8", "surrogateescape").hex() for path in (PYTHON.resolve(), ROOT)]
    files = declared() + sorted(ROOT.glob("shared_lib/src/*/lab/labextension/package.json"))
    parts += [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return "\n".join(parts)


def locked_lines(package: str) -> str:
    """The lines of the lock that pin one package and its hashes."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith(f"{package}==")), None)
    if start is None:
        sys.exit(f"{LOCK.name} does not name {package}: it is damaged. Bring it back: git restore {LOCK.name}")
    if any(line.startswith(("<<<<<<< ", ">>>>>>> ")) for line in lines):
        mend = f"git checkout --ours {LOCK.name}, then, with internet: make lock"
        sys.exit(f"{LOCK.name} has the marks of a conflict. Take one side and resolve anew: {mend}")
    end = start
    while lines[end].endswith("\\"):
        end += 1
    return "\n".join(lines[start : end + 1]) + "\n"


def uv(pin: str) -> str:
    """The installer: the machine's own, else the one that the lock pins, fetched into the environment by pip."""
    found = shutil.which("uv", path=str(SCRIPTS)) or machines_uv()
    if found:
        return found
    with tempfile.TemporaryDirectory() as folder:
        requirement = Path(folder, "uv.txt")
        requirement.write_text(pin, encoding="utf-8")
        command = [PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", requirement]
        subprocess.run(command, check=True)
    return shutil.which("uv", path=str(SCRIPTS)) or sys.exit("uv was installed but is not in " + str(SCRIPTS))


def machines_uv() -> "str | None":
    """The machine's own installer; not that of the environment, which is on the path where somebody has activated it,
    and goes when the environment is made anew."""
    places = [place for place in os.environ.get("PATH", "").split(os.pathsep) if Path(place) != SCRIPTS]
    return shutil.which("uv", path=os.pathsep.join(places))


def make_environment() -> None:
    """Bring `.venv` to what the lock says; a half-made one, or one moved from elsewhere, is replaced."""
    wanted = fingerprint()
    if STAMP.is_file() and STAMP.read_text(encoding="utf-8") == wanted:
        made_by = (ENVIRONMENT / "pyvenv.cfg").read_text(encoding="utf-8")
        if len(sys.argv) > 1 or OFFLINE.is_file() or "version = {}.{}.{}\n".format(*sys.version_info) in made_by:
            return
    if OFFLINE.is_file():
        sys.exit(
            "This environment was made from a wheelhouse and is not complete, or requirements.lock, a pyproject.toml, "
            "the Python or the folder's place has changed since.\n"
            "Carry in a wheelhouse for this lock, then: make setup-offline. Where there is internet: make clean setup"
        )
    if sys.version_info < (3, 11):
        this = sys.version.split()[0]
        sys.exit(f"Python 3.11 or newer is needed; this is {this}. If there is one, say: make setup PYTHON=python3.11")
    pin = locked_lines("uv")  # before the old one goes: a lock that is damaged makes none
    print(f"Making the environment in {ENVIRONMENT} (once, and after each change of requirements.lock)", flush=True)
    STAMP.unlink(missing_ok=True)
    venv = [sys.executable, "-m", "venv", "--clear", ENVIRONMENT]
    if machines_uv():  # needs no ensurepip, which Debian keeps in a package of its own
        venv.insert(3, "--without-pip")
    if subprocess.run(venv).returncode:
        sys.exit("The environment could not be made. On Debian and Ubuntu: sudo apt install python3-venv")
    installer = uv(pin)
    # Not compiled: of all these modules a project imports a sixth, and Python compiles those at their first import.
    options = ["--quiet", "--python", PYTHON, "--require-hashes"]
    subprocess.run([installer, "pip", "sync", *options, LOCK], check=True)
    for folder in LOCAL_PACKAGES:  # after the lock and without an index: `paillasse` must never come from one
        options = ["--quiet", "--offline", "--no-deps", "--no-build-isolation", "--python", PYTHON]
        subprocess.run([installer, "pip", "install", *options, "--editable", folder], check=True)
    STAMP.write_text(fingerprint(), encoding="utf-8")  # only now its Python is there


def main() -> int:
    try:
        make_environment()
    except subprocess.CalledProcessError as failure:
        sys.exit(f"The environment is not complete; run this again once the error above is mended. {failure}")
    if len(sys.argv) == 1:
        return 0
    environ = {
        **os.environ,
        "PATH": os.pathsep.join([str(SCRIPTS), os.environ.get("PATH", "")]),
        "VIRTUAL_ENV": str(ENVIRONMENT),
        "PYTHONUTF8": "1",  # paths with accents in editable installs, on Windows too
    }
    # Some machines forbid Python to write bytecode. Here it must: kernels start often, and nothing was compiled before.
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    command = shutil.which(sys.argv[1], path=environ["PATH"])
    if command is None:
        sys.exit(f"There is no command {sys.argv[1]!r} in {SCRIPTS}")
    try:
        return subprocess.run([command, *sys.argv[2:]], env=environ).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
