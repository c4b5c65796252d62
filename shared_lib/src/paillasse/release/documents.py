"""The files of a bundle that say what it is: read strictly, and held against the hashes they name."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ValidationError

from paillasse.disclosure import Safe
from paillasse.disclosure.kept import KeptPolicy, from_json
from paillasse.documents import Strict, Text, text_of
from paillasse.errors import ReleaseError

MANIFEST, REQUEST, PAGE, DECISIONS = "manifest.json", "request.json", "checker.html", "decisions.json"
LARGEST = 20_000_000  # bytes of a manifest

Sha256 = Annotated[str, text_of("[0-9a-f]{64}", "a SHA-256")]
# Below the bundle's folder, whatever the system: no drive, no way up, nothing hidden.
Inside = Annotated[str, text_of(r"(?!\.)[^/\\:\x00-\x1f]+(/(?!\.)[^/\\:\x00-\x1f]+)*", "a path inside the bundle")]


class File(Strict):
    """One file of a bundle."""

    path: Inside
    what: Literal["numbers", "picture", "safe form", "page", "provenance", "request"]
    sha256: Sha256


class DataSet(Strict):
    """What a run read: names of the catalogue, never a place."""

    data_set: str
    profile: str
    version: str | None
    restricted: bool


class Origin(Strict):
    """The run that an item comes from. What names a place or a person stays in the run's own folder."""

    run: Text
    run_id: Text
    title: str
    notebook: str
    notebook_sha256: str | None
    profile: str | None
    finished: str
    data_sets: list[DataSet]
    commit: str | None
    is_changed: bool  # since that commit
    lock_sha256: str | None
    python: str | None
    paillasse: str | None


class Item(Strict):
    """One result that is to leave: `RUN/NAME`, in all its files."""

    item: Text
    run: Text
    of: Text
    title: str
    rule: list[str]
    policy: KeptPolicy
    smallest_count: int | None
    files: list[File]


class Manifest(Strict):
    """What a bundle holds. Who asked and who decided are not in it: it leaves."""

    format: Literal[1]
    project: str
    made: Text
    accepted: str | None  # when; None before a checker has decided
    runs: list[Origin]
    items: list[Item]
    files: list[File]  # beside those of the items


class Request(Strict):
    """Who asks for a release and what for; it stays inside."""

    requester: Text
    made: Text
    project: str
    purpose: str | None  # the catalogue's, for which the data may be read
    use: str | None  # what the results are for, in a sentence
    approvals: dict[str, str]  # restricted data set → the reference of its approval


class Decision(Strict):
    """What the checker says of one item."""

    decide: Literal["accept", "refuse"]
    reason: Text


class DecisionsAsked(Strict):
    """A file of decisions, as a checker writes it."""

    decisions: dict[str, Decision]


class Decisions(Strict):
    """What was decided, by whom, of which bundle."""

    decider: Text
    requester: Text
    decided: Text
    manifest_sha256: Sha256
    accepted_manifest_sha256: Sha256 | None  # of the bundle that leaves; None where nothing was accepted
    decisions: dict[str, Decision]


def as_text(document: BaseModel) -> str:
    """A document as its file has it."""
    return document.model_dump_json(indent=1) + "\n"


def read(folder: Path, name: str, model: type[BaseModel]):
    """A bundle's document.

    Raises
    ------
    ReleaseError
        It is not there, or is not as this version writes it.
    """
    path = folder / name
    try:
        if path.stat().st_size > LARGEST:
            raise ReleaseError(f"{path}: larger than {LARGEST:,} bytes, so it was not written by paillasse release.")
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ReleaseError(f"{path}: {error.strerror}. Name a folder that paillasse release has made.") from None
    except ValidationError as error:
        where = ".".join(map(str, error.errors(include_url=False, include_input=False)[0]["loc"]))
        raise ReleaseError(f"{path}: not as paillasse release writes it{where and f' ({where})'}.") from None


def read_bundle(folder: Path) -> Manifest:
    """A bundle's manifest, after each file was held against its hash.

    Raises
    ------
    ReleaseError
        A file has changed, is missing, or was put in.
    """
    manifest = read(folder, MANIFEST, Manifest)
    named = {file.path: file.sha256 for file in files_of(manifest)}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    wrong = [f"{path} was put in" for path in sorted(found - named.keys() - {MANIFEST, DECISIONS})]
    for path, digest in named.items():
        if path not in found:
            wrong.append(f"{path} is missing")
        elif (folder / path).is_symlink() or sha256(folder / path) != digest:
            wrong.append(f"{path} is not as the manifest says")
    if wrong:
        raise ReleaseError(f"{folder} was changed after it was made: {'; '.join(wrong)}. Make the release again.")
    return manifest


def files_of(manifest: Manifest) -> list[File]:
    """Every file that a manifest names."""
    return [*manifest.files, *(file for item in manifest.items for file in item.files)]


def safe_forms_of(folder: Path, manifest: Manifest) -> dict[str, Safe]:
    """Item → safe form, each from its own file in the bundle."""
    paths = {
        item.item: next((file.path for file in item.files if file.what == "safe form"), None) for item in manifest.items
    }
    if without := [item for item, path in paths.items() if path is None]:
        raise ReleaseError(f"{folder}: {', '.join(without)} has no safe form. Make the release again.")
    return {item: from_json((folder / path).read_bytes(), path) for item, path in paths.items()}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
