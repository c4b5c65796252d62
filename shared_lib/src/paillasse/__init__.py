"""Paillasse: the shared analysis library of the cluster's research workbench."""

__all__ = ["PaillasseError", "__version__", "open_catalog"]
__version__ = "0.1.0"

from paillasse.errors import PaillasseError


def __getattr__(name: str):
    if name == "open_catalog":  # pandas and pydantic wait until a catalogue is opened
        from paillasse.catalog import open_catalog

        return open_catalog
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
