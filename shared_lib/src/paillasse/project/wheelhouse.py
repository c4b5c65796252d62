"""`paillasse wheelhouse`: all that an environment is made of, in one archive for an enclave without internet.

    wheels/                every third-party package of requirements.lock, for one Python on one platform
    library/               the shared library's own wheel, for environments without the project's folder
    requirements.lock      the project's
    wheels.lock            what is in wheels/, with its hashes; `setup_offline.py` installs from it
    wheelhouse.json        for which Python, platform and lock; what was built from source here
    sbom.cdx.json          the bill of materials, CycloneDX
    licences.csv, licences/  the licence of each package, and its texts
    SHA256SUMS             a checksum over all

The library is never asked for by name: `paillasse` is free on the public index, where anybody could offer one. The same
state of a project gives the same archive on machines of one kind, so two people can compare theirs.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

from paillasse.errors import ProjectError
from paillasse.files import write_atomically
from paillasse.project.lock import FILE, Locked, read_lock
from paillasse.project.sbom import Component, bill_of_materials, component_of, table_of_licences, texts_of_licences
from paillasse.project.target import Target

ANOTHER = "Where a package has no wheel for a target, name another --python or --platform, or lock another version."
# What is built twice is the same, whenever and by whomever.
EPOCH = "315532800"  # 1980, the first year of a zip
UMASK = 0o022 if os.name == "posix" else -1


def build(project: Path, target: Target, folder: Path) -> Path:
    """Make the archive, with its own checksum beside it.

    Parameters
    ----------
    project
        A project's folder.
    target
        Where it is to be installed.
    folder
        Where the archive goes; made if need be.

    Returns
    -------
    Path
        `wheelhouse-PROJECT-PYTHON-PLATFORM.zip`; beside it is the same name with `.sha256`.

    Raises
    ------
    ProjectError
        A package has no file that is in the lock and runs there, or the index cannot be reached.
    """
    name = f"wheelhouse-{_name_of(project)}-{target}"
    packages = target.needed(read_lock(project / FILE))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".wheelhouse-") as temporary:
        content = Path(temporary, "content")
        (content / "wheels").mkdir(parents=True)
        _download(packages, target, content / "wheels")
        built = _build_sources(packages, content / "wheels")
        _build_library(project / "shared_lib", content / "library")
        wheels = [component_of(wheel) for wheel in sorted((content / "wheels").iterdir())]
        _check_complete(packages, wheels, built, target)
        (own,) = [component_of(wheel) for wheel in (content / "library").iterdir()]

        shutil.copyfile(project / FILE, content / FILE)
        _write(content / "wheels.lock", _lock_of(packages, wheels))
        about = {
            "python": target.python,
            "platform": target.platform,
            "lock": _sha256(project / FILE),
            "built": {component.name: source for component in wheels if (source := built.get(component.name))},
        }
        _write(content / "wheelhouse.json", json.dumps(about, indent=2, sort_keys=True) + "\n")
        _write(content / "sbom.cdx.json", bill_of_materials(_name_of(project), [own], wheels))
        _write(content / "licences.csv", table_of_licences([own, *wheels]))
        texts_of_licences([own, *wheels], content / "licences")
        files = sorted(path for path in content.rglob("*") if path.is_file())
        sums = [f"{_sha256(path)}  {path.relative_to(content).as_posix()}\n" for path in files]
        _write(content / "SHA256SUMS", "".join(sums))
        archive = _packed(content, Path(temporary, f"{name}.zip"))
        write_atomically(folder / f"{name}.zip.sha256", f"{_sha256(archive)}  {name}.zip\n")
        return archive.replace(folder / f"{name}.zip")


def _name_of(project: Path) -> str:
    """The project's name, as its folder's package has it."""
    import tomllib

    try:
        return tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    except (OSError, ValueError, LookupError):
        raise ProjectError("pyproject.toml is not there, or names no project. Bring it back: git restore .") from None


def _download(packages: list[Locked], target: Target, folder: Path) -> None:
    """Fetch the files by pip, with the machine's settings for it: an index, a mirror, a certificate.

    The lock has chosen, so pip resolves nothing: markers and Requires-Python were respected there. A package that is
    locked in two versions, for two patches of a Python, is asked for in two rounds.
    """
    places = [option for tag in target.tags() for option in ("--platform", tag)]
    options = ["--no-deps", "--require-hashes", "--ignore-requires-python", "--prefer-binary", "--no-build-isolation"]
    seen: Counter = Counter()
    rounds: dict[int, list[str]] = {}
    for package in packages:
        rounds.setdefault(seen[package.name], []).append(package.line() + "\n")
        seen[package.name] += 1
    for lines in rounds.values():
        asked = folder.parent / "asked.txt"
        _write(asked, "".join(lines))
        try:
            python = ["--implementation", "cp", "--python-version", target.python, *places]
            _pip("download", *options, *python, "--dest", folder, "-r", asked)
        except subprocess.CalledProcessError:
            raise ProjectError(
                f"Not all of {FILE} could be fetched for {target}; pip says above which and why. Without the network "
                f"nothing can be. {ANOTHER}"
            ) from None
        asked.unlink()


def _build_sources(packages: list[Locked], folder: Path) -> dict[str, str]:
    """Make a wheel of each package of which the index has none; name → its source's hash, the only one in the lock.

    Of a package with wheels the source comes where none of them runs on the target: that is refused, also in the
    enclave, so that nobody's wheel can pass for one that was built from a source.
    """
    alone = {each.hashes[0]: each.name for each in packages if len(each.hashes) == 1}
    built = {}
    for source in sorted(path for path in folder.iterdir() if path.suffix != ".whl"):
        value = f"sha256:{_sha256(source)}"
        if value not in alone:
            raise ProjectError(f"{source.name} came, because no wheel of it runs there. {ANOTHER}")
        before = set(folder.iterdir())
        try:
            _pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder, source)
        except subprocess.CalledProcessError:
            raise ProjectError(f"{source.name} has no wheel and could not be built; pip says above why") from None
        (wheel,) = set(folder.iterdir()) - before
        if not wheel.name.endswith("-none-any.whl"):
            raise ProjectError(f"{source.name} has no wheel, and what is built here has machine code. {ANOTHER}")
        built[alone[value]] = value
        source.unlink()
    return built


def _build_library(source: Path, folder: Path) -> None:
    try:
        _pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder, source)
    except subprocess.CalledProcessError:
        raise ProjectError("shared_lib/ could not be built; pip says above why. Then: make clean setup") from None


def _pip(*arguments: str | Path) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-input"]
    environment = os.environ | {"SOURCE_DATE_EPOCH": EPOCH}
    subprocess.run([sys.executable, "-m", "pip", *arguments, *options], env=environment, umask=UMASK, check=True)


def _check_complete(packages: list[Locked], wheels: list[Component], built: dict[str, str], target: Target) -> None:
    """Each package has its wheel, and each wheel is one that the lock allows or that was built from such a source."""
    locked = {(each.name, each.version): each for each in packages}
    there = {(each.name, each.version): each for each in wheels}
    if lacking := sorted(name for name, _ in locked.keys() - there.keys()):
        raise ProjectError(f"pip fetched no file of {', '.join(lacking)} for {target}")
    for key, wheel in there.items():
        allowed = locked[key].hashes if key in locked else ()
        if f"sha256:{wheel.sha256}" not in allowed and built.get(wheel.name) not in allowed:
            raise ProjectError(f"{wheel.path.name} is not what {FILE} says")


def _lock_of(packages: list[Locked], wheels: list[Component]) -> str:
    """What pip is asked for in the enclave: the lock's versions and markers, with the hashes of the wheels that go."""
    hashes = {(each.name, each.version): each.sha256 for each in wheels}
    lines = []
    for each in packages:
        marker = f" ; {each.marker}" if each.marker else ""
        lines.append(f"{each.name}=={each.version}{marker} --hash=sha256:{hashes[each.name, each.version]}\n")
    return "".join(lines)


def _packed(content: Path, archive: Path) -> Path:
    """All files in one zip, stored: wheels are compressed already. It has no times, so that it is always the same."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for path in sorted(path for path in content.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(content).as_posix())
            entry.external_attr = 0o644 << 16
            with path.open("rb") as source, packed.open(entry, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, 1 << 20)
    return archive


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
