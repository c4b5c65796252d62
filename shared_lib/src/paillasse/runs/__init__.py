"""Runs: `runs.yaml` executed with papermill, each result in a folder of its own.

A notebook needs only :func:`record` and :func:`collect`, so importing this room stays light; the command line imports
the rest.
"""

from paillasse.runs.artefacts import record
from paillasse.runs.sweep import collect

__all__ = ["collect", "record"]
