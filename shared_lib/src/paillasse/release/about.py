"""What a bundle says of itself: the page for the output checker and the provenance crate."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from paillasse.disclosure import Safe
from paillasse.files import write_atomically
from paillasse.release.documents import Item, Manifest, Origin, Request
from paillasse.runs.pages import TEMPLATES as RUNS_TEMPLATES
from paillasse.runs.provenance import CRATE, PROFILE, SHA256, add_entity
from paillasse.tables import View, time_decimals

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

TEMPLATES = Path(__file__).with_name("templates")
CONTENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' file:; base-uri 'none'; form-action 'none'"
)
MEDIA_TYPES = {"numbers": "text/csv", "picture": "image/png", "safe form": "application/json"}


def write_page(
    path: Path,
    manifest: Manifest,
    safe_forms: Mapping[str, Safe],
    request: Request | None = None,
    scanned: str = "",
    compared: Sequence[str] = (),
) -> None:
    """Write the one page of a bundle: every item with all its numbers, their rule and the smallest count shown.

    Parameters
    ----------
    path
        Where to. Pictures are shown from the bundle's folder; nothing else is loaded.
    manifest
        What the bundle holds.
    safe_forms
        Item → safe form.
    request
        For the checker, with the form to sign; None in a bundle that leaves.
    scanned, compared
        For the checker: the scan's verdict, and what differs from earlier releases.
    """
    from jinja2 import Environment, FileSystemLoader
    from markupsafe import Markup

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True)
    tables = {item: [Markup(each) for each in _tables(safe)] for item, safe in safe_forms.items()}
    page = environment.get_template("bundle.html.j2").render(
        manifest=manifest,
        request=request,
        tables=tables,
        pictures={item.item: _picture(item) for item in manifest.items},
        runs={run.run: run for run in manifest.runs},
        stand_ins=[run.run for run in manifest.runs if any(each.profile == "synthetic" for each in run.data_sets)],
        scanned=scanned,
        compared=compared,
        content_policy=CONTENT_POLICY,
        style=Markup((RUNS_TEMPLATES / "page.css").read_text(encoding="utf-8")),
    )
    write_atomically(path, page)


def _tables(safe: Safe) -> Iterator[str]:
    for name, table in safe.tables.items():
        # The form's own decimals are of the table that it shows, which is not the first of several.
        decimals = {} if name == "table" and len(safe.tables) > 1 else dict(safe.decimals)
        if "time" in table:
            decimals["time"] = time_decimals(table["time"])
        yield View(name, table, (), decimals)._repr_html_()


def _picture(item: Item) -> str | None:
    return next((quote(file.path) for file in item.files if file.what == "picture"), None)


def write_crate(folder: Path, manifest: Manifest) -> None:
    """Describe the bundle as a Process Run Crate: which run of which notebook made each file.

    It is made of the manifest alone, so no place, address, parameter or person of the enclave is in it; a run's own
    crate, found there by its id, has all of them.
    """
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms |= SHA256
    actions = [_action(crate, folder, run, manifest) for run in manifest.runs]
    root = crate.root_dataset
    root["name"] = f"Released results of {manifest.project}"
    root["description"] = "Results in safe form: counts rounded, small ones suppressed, as manifest.json says of each."
    root["datePublished"] = _moment(manifest.accepted or manifest.made)
    says = "No licence is given. What leaves was accepted by an output checker."
    root["license"] = add_entity(crate, "#terms", "CreativeWork", name="Terms", description=says)
    root["conformsTo"] = add_entity(crate, PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
    root["mentions"] = actions
    write_atomically(folder / CRATE, json.dumps(crate.metadata.generate(), indent=1, ensure_ascii=False) + "\n")


def _action(crate: "ROCrate", folder: Path, run: Origin, manifest: Manifest):
    lock = f"sha256:{run.lock_sha256}" if run.lock_sha256 else "unknown"
    needed = [
        add_entity(crate, "#python", "SoftwareApplication", name="Python", version=run.python or "unknown"),
        add_entity(crate, f"#packages-{quote(run.run)}", "SoftwareApplication", name="requirements.lock", version=lock),
        add_entity(crate, "#paillasse", "SoftwareApplication", name="paillasse", version=run.paillasse or "unknown"),
    ]
    changed = ", and changes after it" if run.is_changed else ""
    notebook = add_entity(
        crate,
        f"#{quote(run.notebook)}",
        "SoftwareSourceCode",
        name=run.title,
        description=f"The notebook {run.notebook}, of commit {run.commit or 'unknown'}{changed}.",
        version=run.notebook_sha256 and f"sha256:{run.notebook_sha256}",
        programmingLanguage="Python",
        softwareRequirements=needed,
    )
    data = [
        add_entity(
            crate,
            f"#data-{quote(read.data_set)}-{read.profile}",
            "Dataset",
            name=read.data_set,
            description=f"The {read.profile} form of this data set; its rows are not in this crate.",
            version=read.version or "unknown",
        )
        for read in run.data_sets
    ]
    results = [
        crate.add_file(
            folder / file.path,
            file.path,
            properties={"name": item.title, "encodingFormat": MEDIA_TYPES[file.what], "sha256": file.sha256},
        )
        for item in manifest.items
        if item.run == run.run
        for file in item.files
    ]
    return add_entity(
        crate,
        f"#{run.run_id}",
        "CreateAction",
        name=f"Run {run.run}",
        instrument=notebook,
        object=data,
        result=results,
        endTime=None if run.finished == "unknown" else _moment(run.finished),
        actionStatus="http://schema.org/CompletedActionStatus",
    )


def _moment(time: str) -> str:
    return datetime.fromisoformat(time).isoformat(timespec="milliseconds")
