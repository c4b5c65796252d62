"""The validator of crates, in an environment of its own: it needs older versions of what the library uses."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import rocrate

HERE = Path(__file__).parent


def issues_of(crates: list[Path], tmp_path: Path) -> list[list[str]]:
    """What is wrong with each crate, as Process Run Crates; what is not as it must be begins with `REQUIRED`."""
    uv = shutil.which("uv", path=Path(sys.executable).parent)
    subprocess.run([uv, "venv", "--quiet", tmp_path / "env"], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", tmp_path / "env", "--require-hashes", "-r"]
    subprocess.run([*install, HERE / "roc_validator.lock"], check=True)
    # The library's own copy of the words is of a later version, which has kept all that the crates use.
    words = Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld"
    python = shutil.which("python", path=tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin"))
    command = [python, HERE / "validate_crate.py", words, *crates]
    return list(json.loads(subprocess.run(command, check=True, capture_output=True).stdout).values())
