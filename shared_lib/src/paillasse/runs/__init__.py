"""Runs: `runs.yaml` executed with papermill, each result in a folder of its own.

A notebook needs only :func:`record`, so importing this room stays light; the command line imports the rest.
"""

from paillasse.runs.artefacts import record

__all__ = ["record"]
