"""The values of a synthetic column, and what is done to them whatever they mean."""

import hashlib
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pyarrow as pa

from paillasse.catalog.distributions import number

ARROW = {
    "integer": pa.int64(),
    "year": pa.int64(),
    "number": pa.float64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
}
ALPHABET = np.frombuffer(b"23456789CDFGHJKM", dtype=np.uint8)  # of pseudonyms: not read as a number or a word


@dataclass(frozen=True)
class Made:
    """A column before values go missing: numbers (dates as days since 1970), or places in a list of `labels`."""

    values: np.ndarray
    labels: list | pa.Array | None = None
    present: np.ndarray | None = None  # where there is a value; None: everywhere

    @property
    def numbers(self) -> np.ndarray:
        if self.labels is None:
            return self.values
        return np.array([number(label) for label in self.labels], dtype=float)[self.values]

    @property
    def is_present(self) -> np.ndarray:
        return np.ones(len(self.values), dtype=bool) if self.present is None else self.present

    def is_code(self, code) -> np.ndarray:
        if self.labels is None:
            return self.is_present & (self.values == number(code))
        places = [place for place, label in enumerate(self.labels) if label == code]
        return self.is_present & np.isin(self.values, places)

    def take(self, rows: np.ndarray) -> "Made":
        return Made(self.values[rows], self.labels, None if self.present is None else self.present[rows])


def digest(*parts) -> int:
    """A number that is the same on every machine, unlike `hash`."""
    text = "\0".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")


def places(shares, u: np.ndarray) -> np.ndarray:
    """Which of several values each row has."""
    ends = list(accumulate(shares))[:-1]
    return np.searchsorted(ends, u, side="right")


def first_of_each(columns: list[np.ndarray]) -> np.ndarray:
    """The rows that are the first with their values."""
    together = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        values, place = np.unique(column, return_inverse=True)
        together = np.unique(together * max(1, len(values)) + place, return_inverse=True)[1]
    return np.sort(np.unique(together, return_index=True)[1])


def rounded(values: np.ndarray, decimals: int) -> np.ndarray:
    """Very large numbers have no decimals."""
    return np.where(np.abs(values) < 1e15 / 10**decimals, np.round(values, decimals), values)


def pseudonyms(n: int, prefix: str, mixer: int) -> pa.Array:
    """A prefix and ten characters for each number: 40 bits, mixed by steps that can be undone, so all are different."""
    mask = np.uint64(2**40 - 1)
    x = np.arange(n, dtype=np.uint64)
    for step in range(3):
        odd = np.uint64((mixer >> (40 * step)) % 2**40 | 1)
        x = (x + np.uint64(1)) * odd & mask
        x ^= x >> np.uint64(19)
    hexadecimal = (x[:, None] >> np.arange(36, -1, -4, dtype=np.uint64)) & np.uint64(15)
    start = np.frombuffer(prefix.encode(), dtype=np.uint8)
    text = np.hstack([np.broadcast_to(start, (n, len(start))), ALPHABET[hexadecimal]])
    ends = np.arange(n + 1, dtype=np.int32) * text.shape[1]
    return pa.Array.from_buffers(pa.string(), n, [None, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(text))])
