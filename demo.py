"""Scaffold a project with default answers into demo/, run its notebooks, and say where the results are.

python3 in_env.py python demo.py
"""

import subprocess
import sys
from pathlib import Path

from cookiecutter.main import cookiecutter
from cookiecutter.utils import rmtree

HERE = Path(__file__).resolve().parent


def main() -> int:
    folder = HERE / "demo"
    for earlier in folder.glob("*/.paillasse.json"):  # an earlier demo's project, and nothing else
        rmtree(earlier.parent)
    folder.mkdir(exist_ok=True)
    project = cookiecutter(str(HERE), no_input=True, output_dir=str(folder))
    done = subprocess.run([sys.executable, "-m", "paillasse.cli", "run"], cwd=project)
    print(f"The results as a page: {Path(project, 'runs', 'index.html')}")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
