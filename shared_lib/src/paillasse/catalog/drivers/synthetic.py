"""The synthetic stand-in, made when it is first asked for."""

import os

from paillasse.catalog.drivers.engine import connection, new_name
from paillasse.catalog.model import Dataset

_made: dict[tuple, str] = {}  # process and all that the stand-in is made from → its name in DuckDB


def stand_in(name: str, datasets: dict[str, Dataset]):
    """The lazy table of a data set's stand-in: made once a process, as long as the catalogue says the same."""
    made_from = os.getpid(), name, *_said(name, datasets)
    if made_from not in _made:
        from paillasse.catalog.synthetic import synthetic_table

        table = new_name()
        connection().con.register(table, synthetic_table(name, datasets[name], datasets))
        _made[made_from] = table
    return connection().table(_made[made_from])


def _said(name: str, datasets: dict[str, Dataset]) -> list[str]:
    """What the catalogue says of the data set and, since tables are linked, of those that it names."""
    said, to_see = {}, [name]
    while to_see:
        each = to_see.pop()
        said[each] = repr(datasets[each])
        to_see += [other for other in datasets if other not in said and repr(other) in said[each]]
    return sorted(said.values())
