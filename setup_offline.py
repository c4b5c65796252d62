"""Make this folder's environment from a wheelhouse, where there is no internet.

    python3 setup_offline.py [ARCHIVE]

ARCHIVE is what `make wheelhouse` made for the same requirements.lock on a machine with internet; by default the only
wheelhouse-*.zip in this folder or in dist/. Needs a Python of the version that the archive is for and nothing else: no
index, no uv, no compiler. All is checked before the old environment is touched; afterwards `make run` and all other
recipes work as anywhere, and never look for an index.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import in_env

WHEELS = in_env.ENVIRONMENT / "wheelhouse"  # while they are installed


def chosen(arguments: list[str]) -> Path:
    """The archive that is named, or the only one that lies here."""
    if arguments:
        found = [Path(arguments[0]).expanduser()]
    else:
        found = sorted([*in_env.ROOT.glob("wheelhouse-*.zip"), *in_env.ROOT.glob("dist/wheelhouse-*.zip")])
    if len(found) > 1:
        one = shlex.quote(str(found[-1]))
        sys.exit(f"There are several wheelhouses. Name one: make setup-offline WHEELHOUSE={one}")
    if not found or not found[0].is_file():
        place = f"archive {found[0]}" if found else f"wheelhouse-*.zip in {in_env.ROOT} or in its folder dist"
        sys.exit(f"There is no {place}. Make one where there is internet (make wheelhouse), and carry it in.")
    return found[0]


def refuse(archive: Path, why: str) -> None:
    sys.exit(f"{archive.name} is refused: {why}\nNothing was installed; the environment is as it was.")


def check_content(archive: Path) -> None:
    """Every file is the one that was packed, and none was added or taken out."""
    again = "Carry it in again, or make it anew (make wheelhouse)."
    beside = archive.with_name(archive.name + ".sha256")
    if beside.is_file() and sha256(archive.open("rb")).encode() not in beside.read_bytes().split():
        refuse(archive, f"it is not the archive that {beside.name} names. {again}")
    try:
        with zipfile.ZipFile(archive) as packed:
            lines = packed.read("SHA256SUMS").decode("utf-8").splitlines()
            sums = {name: value for value, name in (line.split("  ", 1) for line in lines)}
            names = [each for each in packed.namelist() if each != "SHA256SUMS"]
            if sorted(names) != sorted(sums):
                odd = sorted(set(names) ^ set(sums)) or ["a file that is there twice"]
                refuse(archive, f"it holds something else than its SHA256SUMS lists: {odd[0]}. {again}")
            for name in names:
                if sha256(packed.open(name)) != sums[name]:
                    refuse(archive, f"{name} was changed after it was packed. {again}")
    except (zipfile.BadZipFile, EOFError, KeyError, ValueError, OSError) as damage:
        refuse(archive, f"it is damaged ({damage}). {again}")


def sha256(file) -> str:
    with file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_fits(archive: Path) -> None:
    """It is for this project's lock, this Python and this machine, and holds nothing that the lock does not know."""
    with zipfile.ZipFile(archive) as packed:
        about = json.loads(packed.read("wheelhouse.json"))
        wheels = packed.read("wheels.lock").decode("utf-8").splitlines()
    if hashlib.sha256(in_env.LOCK.read_bytes()).hexdigest() != about["lock"]:
        refuse(archive, "it was made for another requirements.lock. Make it anew from this state of the project.")
    python = "{}.{}".format(*sys.version_info)
    if python != about["python"]:
        use = f"make setup-offline PYTHON=python{about['python']}, or make one for this: paillasse wheelhouse --python"
        refuse(archive, f"it is for Python {about['python']}; this is {python}. Use: {use} {python}")
    system = {"linux": "linux", "darwin": "macosx", "win32": "win"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    if system not in about["platform"] or not about["platform"].endswith(machine):
        refuse(archive, f"it is for {about['platform']}; this machine is {system}, {machine}.")
    glibc = re.match(r"manylinux_2_(\d+)_", about["platform"])
    library, version = platform.libc_ver()
    if glibc and (library != "glibc" or int(version.split(".")[1]) < int(glibc[1])):
        refuse(archive, f"it needs glibc 2.{glibc[1]} or later; this machine has {library} {version}.")
    for line in wheels:
        wheel = re.fullmatch(r"([\w.-]+)==[^\\#]* --hash=(sha256:[0-9a-f]{64})", line)
        if not wheel or line.count("--hash=") > 1 or not is_locked(*wheel.groups(), about["built"]):
            refuse(archive, f"its {line.partition('=')[0][:60]} is not in requirements.lock.")


def is_locked(name: str, value: str, built: dict[str, str]) -> bool:
    """Whether the lock has the hash of the wheel, or knows the package only by the source that this was built from."""
    lock = in_env.LOCK.read_text(encoding="utf-8")
    known = re.findall(rf"(?m)^{re.escape(name)}==.*\\\n((?:    --hash=.*\n)+)", lock)
    hashes = [re.findall(r"--hash=(\S+)", each) for each in known]
    return any(value in each or each == [built.get(name)] for each in hashes)


def make_environment(archive: Path) -> None:
    """As in_env.py does it from an index: the lock's packages by their hashes, then this folder's own packages."""
    print(f"Making the environment in {in_env.ENVIRONMENT} from {archive.name}", flush=True)
    in_env.STAMP.unlink(missing_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", in_env.ENVIRONMENT], check=True)
    in_env.OFFLINE.touch()
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(WHEELS)
    (pip,) = WHEELS.glob("wheels/pip-*.whl")
    third_party = ["--require-hashes", "--find-links", WHEELS / "wheels", "--requirement", WHEELS / "wheels.lock"]
    run_pip([pip / "pip"], *third_party)  # a wheel is a zip, and Python runs what is in one
    for folder in in_env.LOCAL_PACKAGES:  # by their folders: `paillasse` is never asked for by its name
        run_pip(["-m", "pip"], "--no-build-isolation", "--editable", folder)
    shutil.rmtree(WHEELS)
    # Compiled as in_env.py does, on all cores; pip takes one. What is for another Python in a package cannot be.
    subprocess.run([in_env.PYTHON, "-m", "compileall", "-qq", "-j", "0", in_env.ENVIRONMENT], check=False)
    in_env.STAMP.write_text(in_env.fingerprint(), encoding="utf-8")


def run_pip(pip: list, *arguments: str | Path) -> None:
    """Install with the environment's Python, without an index and without anybody's settings for pip."""
    options = ["--isolated", "--no-index", "--no-deps", "--no-compile", "--no-cache-dir", "--quiet"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    command = [in_env.PYTHON, *pip, "install", *options, "--disable-pip-version-check", *arguments]
    subprocess.run(command, env=environment | {"PIP_CONFIG_FILE": os.devnull}, check=True)


def main() -> int:
    if sys.version_info < (3, 11):
        this = sys.version.split()[0]
        sys.exit(f"Python 3.11 or newer is needed; this is {this}. Say: make setup-offline PYTHON=python3.11")
    in_env.declared()
    archive = chosen(sys.argv[1:]).resolve()
    check_content(archive)
    try:
        check_fits(archive)
    except (KeyError, ValueError, TypeError, AttributeError):
        refuse(archive, "its wheelhouse.json or wheels.lock is not as this version of the project writes it.")
    try:
        make_environment(archive)
    except subprocess.CalledProcessError as failure:
        sys.exit(f"The environment is not complete; run this again once the error above is mended. {failure}")
    except OSError as problem:
        sys.exit(f"The environment is not complete: {problem}. Once that is mended, run this again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
