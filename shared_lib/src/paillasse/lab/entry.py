"""Executes an entry that stands in no `runs.yaml`, but on standard input: `python -m paillasse.lab.entry`."""

import json
import sys
from pathlib import Path

from paillasse.errors import PaillasseError


def main() -> int:
    """Execute it in this folder's project; the exit code is the one of `paillasse run`."""
    from paillasse.runs.command import run_apart
    from paillasse.runs.declared import runs_of

    project = Path.cwd()
    try:
        return run_apart(project, runs_of(project, json.load(sys.stdin)))
    except PaillasseError as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
