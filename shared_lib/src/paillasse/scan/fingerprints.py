"""Fingerprints of pseudonyms: enough to recognise one in a file, nothing from which one could be read.

The key is random and lives as long as the scan, in memory: a key kept for the project would be one more secret to
guard, and together with a stored list of hashes would let anybody test a guessed pseudonym. The price is that each
scan in the profile `secure` reads the identifiers anew, by the same approval and leaving the same record as any read.
"""

import hashlib
import secrets
from collections.abc import Iterable

from paillasse.catalog import Catalog
from paillasse.errors import PaillasseError

SHORTEST = 5  # letters or digits; a shorter pseudonym is a word, a year or a count like any other


class Fingerprints:
    """Keyed hashes of pseudonyms: `"L3H6HM69MMK" in fingerprints`.

    Examples
    --------
    >>> fingerprints = Fingerprints(["L3H6HM69MMK"])
    >>> "L3H6HM69MMK" in fingerprints, "L3H6HM69MMX" in fingerprints
    (True, False)
    """

    def __init__(self, pseudonyms: Iterable[str] = ()):
        self._key = secrets.token_bytes(32)
        self._hashes = {self._hash(each) for each in pseudonyms if len(each) >= SHORTEST}

    def _hash(self, pseudonym: str) -> bytes:
        return hashlib.blake2b(pseudonym.encode("utf-8", "replace"), key=self._key, digest_size=12).digest()

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and len(word) >= SHORTEST and self._hash(word) in self._hashes

    def __len__(self) -> int:
        return len(self._hashes)


def fingerprints_of(catalog: Catalog, names: set[str] | None = None) -> tuple[Fingerprints, list[str]]:
    """Fingerprints of the identifiers of all restricted data, or of those named, that may be read now.

    Returns
    -------
    fingerprints, left_out
        Nothing outside the profile `secure`: there is no patient's pseudonym to read. `left_out` names the data sets
        whose identifiers could not be read.
    """
    from paillasse.catalog.access import is_restricted

    found: set[str] = set()
    left_out = []
    for name, entry in catalog.entries.items():
        if names is not None and name not in names:
            continue
        columns = [each.name for each in entry.fields if each.role == "identifier"]
        if not columns or not is_restricted(entry.about, catalog.profile):
            continue
        try:
            data = entry.read(columns=columns)
        except PaillasseError:
            left_out.append(name)
            continue
        for column in columns:
            found.update(data[column].dropna().astype(str))
    return Fingerprints(found), left_out
