"""The data catalogue: what exists, who answers for it, and reading it by name.

>>> catalog = open_catalog()
>>> catalog["gbsg"].title
'German Breast Cancer Study Group, node-positive breast cancer'
"""

from paillasse.catalog.entries import Catalog, Entry, open_catalog

__all__ = ["Catalog", "Entry", "open_catalog"]
