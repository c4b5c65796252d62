"""The scanner's verdict on a notebook as it is on screen, outputs that are not saved included."""

import json
from functools import lru_cache
from pathlib import Path

from paillasse.catalog.entries import FILE_NAME
from paillasse.lab.catalogue import Key, key_of, opened
from paillasse.scan.allow import read_allowed
from paillasse.scan.fingerprints import Fingerprints, fingerprints_of
from paillasse.scan.known import Known, known_of
from paillasse.scan.save_hook import is_secure
from paillasse.scan.scanner import scan_content


def verdict(root: Path, file: Path, project: Path | None, notebook: dict) -> dict:
    """What a scan says of a notebook, and what of it is saved.

    Parameters
    ----------
    root
        The folder that the server serves.
    file
        The notebook's place, by which findings are told; it is not read.
    project
        The project that it belongs to, None where it belongs to none.
    notebook
        The notebook's content, as the browser has it.

    Returns
    -------
    dict
        `findings` without any value, each with the number of its cell; `notes`; and whether the notebook is
        `saved_without_outputs`.

    Raises
    ------
    CatalogError
        The catalogue or scan-allow.yaml has mistakes: then nothing is judged.
    """
    has_catalog = project is not None and (project / FILE_NAME).is_file()
    known, pseudonyms, left_out = _known(key_of(project)) if has_catalog else (Known(), Fingerprints(), [])
    allowed = read_allowed(project or file.parent)
    findings = scan_content(as_saved(notebook), file, known, pseudonyms, allowed)
    notes = [f"The pseudonyms of {', '.join(left_out)} could not be read, so none of them was looked for."]
    return {
        "findings": [
            {
                "cell": each.cell,
                "place": each.place,
                "what": each.what,
                "to_do": each.remedy,
                "patients": each.patients,
                "status": each.status,
                "data_set": each.dataset,
                "note": each.note,
            }
            for each in findings
        ],
        "notes": notes if left_out else [],
        "saved_without_outputs": _is_saved_without_outputs(notebook, root, file),
    }


def as_saved(notebook: dict) -> bytes:
    """The notebook as Jupyter would write it: by the hash of an output in the file it may be allowed."""
    import nbformat

    try:
        text = nbformat.writes(nbformat.from_dict(notebook), version=nbformat.NO_CONVERT)
    except Exception:  # no notebook at all: the scan tells
        text = json.dumps(notebook)
    return text.encode("utf-8", "surrogatepass")


@lru_cache(maxsize=2)
def _known(key: Key) -> tuple[Known, Fingerprints, list[str]]:
    """What the catalogue says, kept while it is the same: the data sets' values are not read at every save.

    So is it with the pseudonyms of the profile `secure`, of which only fingerprints are kept, in memory: otherwise each
    save would be a read of secure data, with its record.
    """
    catalog = opened(key)
    return known_of(catalog), *fingerprints_of(catalog)


def _is_saved_without_outputs(notebook: dict, root: Path, file: Path) -> bool:
    try:
        return is_secure(notebook, str(root.resolve()), file.relative_to(root.resolve()).as_posix())
    except (LookupError, TypeError, AttributeError):  # no notebook: the save is refused
        return True
