"""The bundle that a checker looks at: made of safe forms only, scanned, recorded, and there whole or not at all."""

import datetime
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paillasse.catalog import Catalog, open_catalog
from paillasse.catalog.access import Permission
from paillasse.catalog.audit import ReadRecord, os_user
from paillasse.catalog.audit import record as record_in_audit
from paillasse.catalog.entries import FILE_NAME as CATALOG
from paillasse.disclosure import DEFAULT, Policy
from paillasse.errors import DisclosureError, ReleaseError
from paillasse.files import write_atomically
from paillasse.release.about import write_crate, write_page
from paillasse.release.documents import MANIFEST, PAGE, REQUEST, File, Item, Manifest, Request, as_text, sha256
from paillasse.release.gather import Gathered, Recorded, gather
from paillasse.release.pictures import picture
from paillasse.release.review import compared_with_earlier
from paillasse.release.subtraction import told_together
from paillasse.release.support import need_counts_of_the_policy, smallest_count
from paillasse.runs.artefacts import SUFFIX
from paillasse.runs.provenance import CRATE
from paillasse.runs.results import in_words


def release(project: Path, runs: list[str], to: Path, use: str | None = None) -> tuple[Manifest, Gathered]:
    """Make the bundle of the safe forms that runs have recorded.

    Parameters
    ----------
    project
        Its folder, where `runs.yaml` is.
    runs
        Names of its runs; the newest result of each.
    to
        The bundle's folder, not there yet or empty.
    use
        What the results are for, in a sentence; None leaves a line for it in the form.

    Returns
    -------
    manifest, gathered
        What the bundle holds, and what the runs had.

    Raises
    ------
    ReleaseError
        A run has nothing that may leave, or the scan found a patient's data. Nothing is left in `to`.
    DisclosureError
        A safe form is not under the policy that holds for its data.
    AccessError
        The data may not be used any more, or the release cannot be recorded.
    """
    to = to.resolve()
    need_room(to)
    gathered = gather(project, runs)
    catalog = open_catalog(project / CATALOG, profile="secure") if (project / CATALOG).is_file() else None
    permissions = _permissions(catalog, gathered)
    floor = DEFAULT
    for permission in permissions.values():
        floor = floor.tightened(permission.policy)
    _need_safe_forms(gathered.recorded, floor)
    _need_no_subtraction(gathered)
    request = Request(
        requester=os_user(),
        made=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        project=(catalog.project if catalog else None) or project.resolve().name,
        purpose=catalog.purpose if catalog else None,
        use=use,
        approvals={name: permission.reference for name, permission in permissions.items()},
    )
    with in_one_step(to) as folder:
        manifest = _write(folder, to, request, gathered)
        _scan(folder, project, catalog, set(permissions))
        for name, permission in permissions.items():
            items = [item.item for item in manifest.items if name in _restricted(manifest, item.run)]
            record(permission.sink, request, name, items, "released", folder / MANIFEST)
    return manifest, gathered


def need_room(to: Path) -> None:
    """Refuse a place where something is."""
    if os.path.lexists(to) and (not to.is_dir() or any(to.iterdir())):
        raise ReleaseError(f"{to} is there already, and is not an empty folder. Name another one.")


@contextmanager
def in_one_step(to: Path) -> Iterator[Path]:
    """A folder beside `to` that takes its place once all is written; after an error neither is there."""
    folder = to.with_name(f".{to.name}.part")
    try:
        shutil.rmtree(folder, ignore_errors=True)  # of one that was killed
        folder.mkdir(parents=True)
        yield folder
        if to.is_dir():
            to.rmdir()
        folder.rename(to)
    except OSError as error:
        raise ReleaseError(f"{to} cannot be made: {in_words(error)}.") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def record(sink, request: Request, data_set: str, items: list[str], outcome: str, manifest: Path) -> None:
    """Leave a record beside those of the reads of the data; AccessError if it cannot be written."""
    done = ReadRecord(
        project=request.project,
        purpose=request.purpose or "",
        approval=request.approvals[data_set],
        data_set=data_set,
        profile="secure",
        source_version=sha256(manifest),
        columns=items,
        filter_columns=[],
        outcome=outcome,
    )
    record_in_audit(sink, done)


def _permissions(catalog: Catalog | None, gathered: Gathered) -> dict[str, Permission]:
    """By which approval each restricted data set is used; one that has ended refuses the release."""
    names = {read.data_set for run in gathered.origins for read in run.data_sets if read.restricted}
    if names and catalog is None:
        raise ReleaseError(f"The runs have read secure data, and no {CATALOG} is here that says what holds for them.")
    permissions = {name: catalog[name].permission() for name in sorted(names)}
    if freed := [name for name, permission in permissions.items() if permission is None]:
        raise ReleaseError(
            f"The runs have read {', '.join(freed)} under access control, and {CATALOG} does not say any more that it "
            "is. Execute the runs again."
        )
    return permissions


def _restricted(manifest: Manifest, run: str) -> set[str]:
    (origin,) = (each for each in manifest.runs if each.run == run)
    return {read.data_set for read in origin.data_sets if read.restricted}


def _need_safe_forms(recorded: list[Recorded], floor: Policy) -> None:
    wrong = []
    for each in recorded:
        try:
            need_counts_of_the_policy(each.safe, floor, each.item)
        except DisclosureError as error:
            wrong.append(str(error))
    if wrong:
        raise DisclosureError("\n".join(wrong))


def _need_no_subtraction(gathered: Gathered) -> None:
    data = {origin.run: {read.data_set for read in origin.data_sets} for origin in gathered.origins}
    items = {each.item: each.safe for each in gathered.recorded}
    found = told_together(items, {each.item: data[each.run] for each in gathered.recorded})
    if found:
        todo = "Release one of the two: without record(…) in its notebook the other stays; or join small groups."
        raise DisclosureError("\n".join([*found, todo]))


# The files of a bundle


def _write(folder: Path, to: Path, request: Request, gathered: Gathered) -> Manifest:
    items = [_write_item(folder, each) for each in gathered.recorded]
    write_atomically(folder / REQUEST, as_text(request))
    about = {"format": 1, "project": request.project, "made": request.made, "accepted": None}
    manifest = Manifest(**about, runs=gathered.origins, items=items, files=[])
    safe_forms = {each.item: each.safe for each in gathered.recorded}
    write_crate(folder, manifest)
    compared = compared_with_earlier(to, manifest, safe_forms)
    # Only what the scan passes is ever renamed to its place, so the page can say so.
    scanned = "Nothing of a patient was found in any file, this page included."
    write_page(folder / PAGE, manifest, safe_forms, request, scanned, compared)
    return seal(folder, manifest, {PAGE: "page", CRATE: "provenance", REQUEST: "request"})


def seal(folder: Path, manifest: Manifest, others: dict[str, str]) -> Manifest:
    """Write the manifest, last: with the hashes of the files that are no item's."""
    files = [File(path=path, what=what, sha256=sha256(folder / path)) for path, what in others.items()]
    manifest = manifest.model_copy(update={"files": files})
    write_atomically(folder / MANIFEST, as_text(manifest))
    return manifest


def _write_item(folder: Path, recorded: Recorded) -> Item:
    safe, place = recorded.safe, f"{recorded.run}/{recorded.name}"
    (folder / recorded.run).mkdir(exist_ok=True)
    files = [_write_file(folder, f"{place}{SUFFIX}", "safe form", recorded.content)]
    for name, table in safe.tables.items():
        text = table.to_csv(index=False, lineterminator="\n")
        path = f"{place}.csv" if name == "table" else f"{place}.{name}.csv"
        files.append(_write_file(folder, path, "numbers", text.encode()))
    if (drawn := picture(safe)) is not None:
        files.append(_write_file(folder, f"{place}.png", "picture", drawn))
    return Item(
        item=recorded.item,
        run=recorded.run,
        of=safe.of,
        title=safe.title,
        rule=list(safe.notes),
        policy={"minimum_cell": safe.policy.minimum_cell, "rounding": safe.policy.rounding},
        smallest_count=smallest_count(safe),
        files=files,
    )


def _write_file(folder: Path, path: str, what: str, content: bytes) -> File:
    write_atomically(folder / path, content)
    return File(path=path, what=what, sha256=hashlib.sha256(content).hexdigest())


def _scan(folder: Path, project: Path, catalog: Catalog | None, restricted: set[str]) -> None:
    """Refuse a bundle in which the scan finds anything, or in which it cannot look for all that it should."""
    from paillasse.scan.allow import read_allowed
    from paillasse.scan.fingerprints import Fingerprints, fingerprints_of
    from paillasse.scan.known import Known, known_of
    from paillasse.scan.scanner import scan

    known, pseudonyms, left_out = Known(), Fingerprints(), []
    if catalog is not None:
        known = known_of(catalog)
        pseudonyms, left_out = fingerprints_of(catalog, restricted)
    if left_out:
        raise ReleaseError(
            f"The pseudonyms of {', '.join(left_out)} cannot be read, so the scan cannot look for them in the bundle. "
            f"Nothing was written; `paillasse catalog check` says what is wrong with the data."
        )
    report = scan([folder], known, pseudonyms, read_allowed(project))
    if report.ok:
        return
    found: dict[str, Counter] = {}
    for each in report.leaks:
        name = Path(each.file).relative_to(folder).as_posix()
        found.setdefault(name, Counter())[each.what] += 1
    lines = [f"  {name}: {', '.join(kinds)}" for name, kinds in found.items()]
    raise ReleaseError("\n".join(["The scan found what must not leave, so nothing was written:", *lines]))


