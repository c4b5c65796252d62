"""The checker's decision on a bundle: another person than the requester, item by item, with reasons, recorded."""

import datetime
import os
from pathlib import Path

from paillasse.catalog.access import read_steward_file, steward_file
from paillasse.catalog.audit import os_user
from paillasse.documents import read_document
from paillasse.errors import ReleaseError, did_you_mean
from paillasse.files import write_atomically
from paillasse.release.about import write_crate, write_page
from paillasse.release.bundle import in_one_step, need_room, record, seal
from paillasse.release.documents import (
    DECISIONS,
    MANIFEST,
    REQUEST,
    Decision,
    Decisions,
    DecisionsAsked,
    Manifest,
    Request,
    as_text,
    read,
    read_bundle,
    safe_forms_of,
    sha256,
)
from paillasse.runs.provenance import CRATE

OVERVIEW = "overview.html"


def open_for_decision(folder: Path, who: str | None = None) -> Manifest:
    """The manifest of a bundle that this person may decide on.

    Parameters
    ----------
    folder
        The bundle's.
    who
        The checker; by default who runs this process, by the system's word.

    Raises
    ------
    ReleaseError
        It was changed after it was made, was decided already, or its requester is the same person.
    """
    manifest = read_bundle(folder)
    if manifest.accepted:
        raise ReleaseError(f"{folder} is what was accepted already. Name the folder that was to be checked.")
    need_room(accepted_folder(folder))
    requester, who = read(folder, REQUEST, Request).requester, who or os_user()
    if requester == who:
        raise ReleaseError(f"{who} has asked for this release, so another person decides on it.")
    if not all(os.access(place, os.W_OK) for place in (folder, folder.resolve().parent)):
        raise ReleaseError(f"You may not write into {folder} and beside it, where decisions and what leaves will be.")
    return manifest


def read_decisions(path: Path) -> dict[str, Decision]:
    """Item → decision, as a checker has written them in a YAML file.

    Raises
    ------
    ReleaseError
        The file has mistakes: all of them, with line and key.
    """
    return read_document(path, DecisionsAsked, ReleaseError)[0].decisions


def decide(folder: Path, decisions: dict[str, Decision], who: str | None = None) -> Decisions:
    """Record what the checker has decided, and make the bundle that leaves of what was accepted.

    `decisions.json` is written into the folder; the accepted items, byte for byte, into another one beside it whose
    name ends in `-accepted`. In that there is neither the requester's nor the checker's name, nor what was refused.

    Parameters
    ----------
    folder
        The bundle's.
    decisions
        One for each of its items.
    who
        As for `open_for_decision`.

    Raises
    ------
    ReleaseError
        As there; or an item has no decision, or a decision no item.
    AccessError
        It cannot be recorded; then nothing was decided.
    """
    who = who or os_user()
    manifest = open_for_decision(folder, who)
    items = [item.item for item in manifest.items]
    wrong = [f"there is no item {name!r}. {did_you_mean(name, items)}" for name in decisions if name not in items]
    wrong += [f"{item} has no decision" for item in items if item not in decisions]
    if wrong:
        raise ReleaseError(f"{folder}: " + "; ".join(wrong))
    request = read(folder, REQUEST, Request)
    sink = read_steward_file(steward_file()).audit if request.approvals else None
    accepted = [item for item in items if decisions[item].decide == "accept"]
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")

    def conclude(leaving: Path | None) -> Decisions:
        done = Decisions(
            decider=who,
            requester=request.requester,
            decided=now,
            manifest_sha256=sha256(folder / MANIFEST),
            accepted_manifest_sha256=sha256(leaving / MANIFEST) if leaving else None,
            decisions=decisions,
        )
        for data_set in request.approvals:
            record(sink, request, data_set, _of_data(manifest, accepted, data_set), "decided", folder / MANIFEST)
        write_atomically(folder / DECISIONS, as_text(done))
        return done

    if not accepted:
        return conclude(None)
    with in_one_step(accepted_folder(folder)) as leaving:
        _write_accepted(folder, leaving, manifest, accepted, now)
        return conclude(leaving)


def accepted_folder(folder: Path) -> Path:
    """Where the accepted items of a bundle go."""
    folder = folder.resolve()
    return folder.with_name(f"{folder.name}-accepted")


def _write_accepted(folder: Path, leaving: Path, manifest: Manifest, accepted: list[str], now: str) -> None:
    items = [item for item in manifest.items if item.item in accepted]
    runs = [run for run in manifest.runs if any(item.run == run.run for item in items)]
    for file in (file for item in items for file in item.files):
        (leaving / file.path).parent.mkdir(exist_ok=True)
        write_atomically(leaving / file.path, (folder / file.path).read_bytes())
    kept = manifest.model_copy(update={"accepted": now, "items": items, "runs": runs, "files": []})
    write_crate(leaving, kept)
    write_page(leaving / OVERVIEW, kept, safe_forms_of(leaving, kept))
    seal(leaving, kept, {OVERVIEW: "page", CRATE: "provenance"})
    read_bundle(leaving)  # what was copied is what was checked


def _of_data(manifest: Manifest, items: list[str], data_set: str) -> list[str]:
    runs = {run.run for run in manifest.runs if any(read.data_set == data_set for read in run.data_sets)}
    return [item.item for item in manifest.items if item.item in items and item.run in runs]
