"""What an archive of wheels consists of and under which licences: a CycloneDX bill of materials, a table, the texts."""

import csv
import email.parser
import hashlib
import io
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name

LICENCE_FILE = re.compile(r"(licen[cs]e|copying|notice|authors|copyright)", re.IGNORECASE)


@dataclass(frozen=True)
class Component:
    """One wheel.

    Attributes
    ----------
    path
        The wheel.
    name, version, summary
        As its metadata says; the name as an index spells it.
    expression
        Its licence as an SPDX expression; None where it has none.
    licence
        The same in words, for those that have no expression; `not said` where nothing is.
    licence_files
        Names in the wheel.
    sha256
        Of the wheel.
    """

    path: Path
    name: str
    version: str
    summary: str
    expression: str | None
    licence: str
    licence_files: tuple[str, ...]
    sha256: str


def component_of(wheel: Path) -> Component:
    """What a wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata_name = next(each for each in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", each))
        metadata = email.parser.BytesParser().parsebytes(archive.read(metadata_name), headersonly=True)
    own = metadata_name.removesuffix("METADATA")
    texts = [each for each in names if each.startswith(own) and LICENCE_FILE.search(each) and each[-1] != "/"]
    with wheel.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    expression = metadata["License-Expression"]
    return Component(
        path=wheel,
        name=canonicalize_name(str(metadata["Name"])),
        version=str(metadata["Version"]),
        summary=_one_line(metadata["Summary"]),
        expression=str(expression) if expression else None,
        licence=str(expression) if expression else _in_words(metadata),
        licence_files=tuple(sorted(texts)),
        sha256=sha256,
    )


def _in_words(metadata) -> str:
    """The licence of a wheel from before SPDX expressions: by its classifiers, else by the first line of its field."""
    classifiers = [str(each) for each in metadata.get_all("Classifier", [])]
    named = [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License ::")]
    said = _one_line(str(metadata["License"] or "").strip().partition("\n")[0])
    return " AND ".join(sorted(set(named) - {"OSI Approved"})) or said[:120] or "not said"


def _one_line(text: object) -> str:
    return " ".join(str(text or "").split())


def bill_of_materials(project: str, own: list[Component], others: list[Component]) -> str:
    """A CycloneDX 1.6 document, without a time or a random number: the same wheels give the same text.

    Parameters
    ----------
    project
        The name of what the components are for.
    own
        The cluster's own components, which no index serves.
    others
        Those from the Python package index.
    """
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": project, "bom-ref": project}},
        "components": [
            *(_described(each) for each in own),
            *(_described(each) | {"purl": f"pkg:pypi/{each.name}@{each.version}"} for each in others),
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _described(component: Component) -> dict:
    said = {"expression": component.expression} if component.expression else {"license": {"name": component.licence}}
    return {
        "type": "library",
        "bom-ref": f"{component.name}@{component.version}",
        "name": component.name,
        "version": component.version,
        "description": component.summary,
        "hashes": [{"alg": "SHA-256", "content": component.sha256}],
        "licenses": [said],
    }


def table_of_licences(components: list[Component]) -> str:
    """A CSV: name, version, licence, how many texts of it come with the wheel."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "version", "licence", "texts"])
    writer.writerows([each.name, each.version, each.licence, len(each.licence_files)] for each in components)
    return text.getvalue()


def texts_of_licences(components: list[Component], folder: Path) -> None:
    """Write each licence text that comes in a wheel, below `NAME-VERSION/`."""
    for component in components:
        with zipfile.ZipFile(component.path) as archive:
            for name in component.licence_files:
                parts = [part for part in PurePosixPath(name).parts[1:] if part not in ("licenses", "..")]
                target = folder.joinpath(f"{component.name}-{component.version}", *parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(name))
