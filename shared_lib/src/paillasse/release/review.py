"""What a release tells beside earlier ones: of two counts, each safe by itself, the difference can give a few patients.

Releases of a project lie side by side, so whoever checks one needs no index: the folders beside it are the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd

from paillasse.disclosure import Policy, Safe
from paillasse.disclosure.counts import behind, is_found
from paillasse.disclosure.kept import as_json
from paillasse.errors import DisclosureError, ReleaseError
from paillasse.release.documents import MANIFEST, Manifest, read, read_bundle, safe_forms_of
from paillasse.release.subtraction import told_together
from paillasse.release.support import counts_of

SUMMED = ("n_event", "n_lost")  # told since the row before; what can be subtracted are their sums
MOST_TOLD = 20  # sentences on one item


@dataclass(frozen=True)
class Difference:
    """An item beside the one of its name in an earlier release.

    Attributes
    ----------
    item
        `RUN/NAME`.
    state
        `same`, `changed`, `new`, or `gone`.
    found
        Sentences: where a difference of counts tells that somebody is in it, and fewer than the minimum cell.
    """

    item: str
    state: str
    found: tuple[str, ...] = ()


def review(folder: Path) -> list[str]:
    """What differs between a bundle and the earlier releases beside it, in sentences; none where there is none.

    Raises
    ------
    ReleaseError
        The folder is no bundle, or was changed after it was made.
    """
    manifest = read_bundle(folder)
    return compared_with_earlier(folder, manifest, safe_forms_of(folder, manifest))


def compared_with_earlier(folder: Path, manifest: Manifest, safe_forms: Mapping[str, Safe]) -> list[str]:
    """As `review`, of a bundle that may not be in its place yet."""
    lines = []
    for earlier in earlier_releases(folder, manifest):
        try:
            their = read_bundle(earlier)
            before = safe_forms_of(earlier, their)
        except (ReleaseError, DisclosureError) as error:
            lines.append(f"{earlier.name} cannot be compared: it is not as it was made ({type(error).__name__}).")
            continue
        lines += _in_sentences(earlier.name, differences(before, safe_forms))
        data, names = _data_of(manifest), {item: f"{item} of {earlier.name}" for item in before}
        were = {names[item]: data_sets for item, data_sets in _data_of(their).items()}
        for (one, safe), (other, was) in product(safe_forms.items(), before.items()):
            if one != other:  # those of one name are compared above
                lines += told_together({one: safe, names[other]: was}, data | were)
    return lines


def _data_of(manifest: Manifest) -> dict[str, set[str]]:
    read_by = {run.run: {each.data_set for each in run.data_sets} for run in manifest.runs}
    return {item.item: read_by[item.run] for item in manifest.items}


def earlier_releases(folder: Path, manifest: Manifest) -> list[Path]:
    """The bundles of the project beside this one that were made before it: all that were accepted, the newest first.

    Where none was accepted yet it is the newest that was made.
    """
    made, accepted = [], []
    for path in sorted(folder.resolve().parent.glob(f"*/{MANIFEST}")):
        try:
            other = read(path.parent, MANIFEST, Manifest)
        except ReleaseError:  # another program's manifest
            continue
        if other.project == manifest.project and other.made < manifest.made and path.parent != folder.resolve():
            made.append((other.made, path.parent))
            if other.accepted:
                accepted.append((other.made, path.parent))
    chosen = sorted(accepted) or sorted(made)[-1:]
    return [path for _, path in reversed(chosen)]


def differences(before: Mapping[str, Safe], now: Mapping[str, Safe]) -> list[Difference]:
    """Items of two releases, by name.

    Examples
    --------
    >>> def counted(n):
    ...     return Safe("Flow", "", {"table": pd.DataFrame({"step": ["all"], "left": [n]})}, (), Policy(11, 5))
    >>> [difference] = differences({"flow/cohort": counted(100)}, {"flow/cohort": counted(105)})
    >>> difference.state, difference.found
    ('changed', ('left of table, all: 100, then 105: from 1 to 9 more',))
    """
    found = []
    for item in dict.fromkeys([*now, *before]):
        if item not in before:
            found.append(Difference(item, "new"))
        elif item not in now:
            found.append(Difference(item, "gone"))
        elif as_json(before[item]) == as_json(now[item]):
            found.append(Difference(item, "same"))
        else:
            found.append(Difference(item, "changed", tuple(_few(before[item], now[item]))))
    return found


def _few(before: Safe, now: Safe):
    """Counts whose difference is sure to be somebody and fewer than the minimum, of all that both releases tell."""
    policy = Policy(
        max(before.policy.minimum_cell, now.policy.minimum_cell), min(before.policy.rounding, now.policy.rounding)
    )
    earlier = {(each.where, each.column): each.count for each in counts_of(_summed(before))}
    for where, column, count in counts_of(_summed(now)):
        was = earlier.get((where, column), count)
        larger, smaller = max(was, count), min(was, count)
        if is_found(larger, [smaller], policy):
            least = behind(larger, policy)[0] - behind(smaller, policy)[1]
            most = behind(larger, policy)[1] - behind(smaller, policy)[0]
            more = "more" if count > was else "fewer"
            yield f"{column} of {where}: {was:,}, then {count:,}: from {least} to {most} {more}"


def _summed(safe: Safe) -> Safe:
    """With running sums in place of what was told since the row before: curves are cut at other times each time."""
    tables = {}
    for name, table in safe.tables.items():
        by = [column for column in ("group", "cause") if column in table]
        columns = [column for column in SUMMED if column in table and pd.api.types.is_numeric_dtype(table[column])]
        if columns and by:
            told = table.fillna(dict.fromkeys(columns, 0)).groupby(by, sort=False, dropna=False)
            table = table.assign(**told[columns].cumsum())
        tables[name] = table
    return Safe(safe.of, safe.title, tables, safe.notes, safe.policy, safe.decimals)


def _in_sentences(earlier: str, found: Sequence[Difference]) -> list[str]:
    counted = {state: sum(each.state == state for each in found) for state in ("same", "changed", "new", "gone")}
    lines = [f"Beside {earlier}: " + ", ".join(f"{count} {state}" for state, count in counted.items() if count) + "."]
    for each in found:
        if each.state != "same":
            lines.append(f"{each.item}: {each.state}.")
        lines += [f"{each.item}: the difference tells of few. {sentence}." for sentence in each.found[:MOST_TOLD]]
        if len(each.found) > MOST_TOLD:
            lines.append(f"{each.item}: and {len(each.found) - MOST_TOLD} more such differences.")
    return lines
