"""Imports that cost more than all that is used of them."""

import gc
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

GRAMMAR = "rfc3987_syntax"


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Inside, packages that others import where they are there seem not to be installed, unless they are imported."""
    hidden = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # None, which the import system takes for "not installed"
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]


def without_iri_grammar() -> AbstractContextManager[None]:
    """Inside, jsonschema is imported without its check of internationalised addresses (`iri`, `iri-reference`).

    For these two, which no notebook's schema has, it builds a grammar of some 1.4 CPU seconds as soon as it is
    imported, which nbformat and so plotly and papermill do: a third of what a cold kernel takes until its first line.
    Without the grammar's package, which is optional, jsonschema leaves such values unchecked, and so it does then in
    this process, unless it was imported before.
    """
    return without(GRAMMAR)


@contextmanager
def without_garbage_search() -> Iterator[None]:
    """Inside, what is imported is not searched for garbage, nor is it later.

    Python would search again and again while modules grow, a sixth of the time of importing the analysis stack, and
    find next to nothing; and a fork's first search would copy every page that it shares.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
