"""Saving in JupyterLab without outputs, where outputs can show patients: a Jupyter Server extension.

The commonest leak is Ctrl-S: what a cell shows is in the tracked `.ipynb` and in its checkpoint. In the profile
`secure` a notebook is therefore written without outputs; they stay on screen until the page is left, and are kept by
`paillasse run`. The wheel brings the setting that switches this extension on, so nobody has to.
"""

import json
import os
import re
from pathlib import Path

NAMES_SECURE = re.compile(r"profile[\"']?\s*[:=,]\s*[\"']?secure\b|PAILLASSE_PROFILE\W{1,6}secure\b", re.IGNORECASE)
IN_MEMORY = ("widgets",)  # of a notebook's metadata: what widgets show


def _jupyter_server_extension_points() -> list[dict]:
    return [{"module": "paillasse.scan.save_hook"}]


def _load_jupyter_server_extension(app) -> None:
    app.contents_manager.register_pre_save_hook(keep_outputs_out)


def keep_outputs_out(model: dict, path: str, contents_manager=None, **_) -> None:
    """Take the outputs out of a notebook that is about to be written, in the profile `secure`.

    Parameters
    ----------
    model
        What Jupyter Server is about to save; changed in place.
    path
        The file, as the server names it.
    contents_manager
        The server's, whose folder tells which catalogue is meant.

    Raises
    ------
    tornado.web.HTTPError
        It is a notebook and cannot be looked into. Any other error the server would log, and save nevertheless.

    Examples
    --------
    >>> cell = {"cell_type": "code", "source": "open_catalog(profile='secure')", "outputs": ["seen"]}
    >>> keep_outputs_out({"type": "notebook", "content": {"cells": [cell]}}, "a.ipynb")
    >>> cell["outputs"]
    []
    """
    if not (model.get("type") == "notebook" or path.endswith(".ipynb")) or model.get("content") is None:
        return
    try:
        content = model["content"]
        notebook = json.loads(content) if isinstance(content, str) else content
        if is_secure(notebook, getattr(contents_manager, "root_dir", "."), path):
            _take_out(notebook)
            model["content"] = json.dumps(notebook, indent=1) if isinstance(content, str) else notebook
    except Exception:
        from tornado.web import HTTPError

        reason = "Not saved: the notebook could not be looked into, and it may show patients"
        raise HTTPError(500, reason, reason=reason) from None


def is_secure(notebook: dict, root: str, path: str) -> bool:
    """Whether patients' data can be read here: the environment, the catalogue or the notebook itself says `secure`."""
    chosen = os.environ.get("PAILLASSE_PROFILE")
    if chosen == "secure":
        return True
    sources = "\n".join("".join(cell.get("source") or "") for cell in notebook["cells"])
    return bool(NAMES_SECURE.search(sources)) or (
        not chosen and _default_profile(Path(root, path.lstrip("/"))) == "secure"
    )


def _default_profile(notebook: Path) -> str | None:
    """The profile at the head of the nearest catalogue; `secure` where that cannot be read."""
    from paillasse.catalog.entries import FILE_NAME
    from paillasse.catalog.model import Document
    from paillasse.documents import read_document
    from paillasse.errors import CatalogError, PaillasseError

    for folder in notebook.resolve().parents:
        if (folder / FILE_NAME).is_file():
            try:
                return read_document(folder / FILE_NAME, Document, CatalogError)[0].profile
            except PaillasseError:
                return "secure"
    return None


def _take_out(notebook: dict) -> None:
    for cell in notebook["cells"]:
        if cell.get("cell_type") == "code":
            cell["outputs"], cell["execution_count"] = [], None
    for key in IN_MEMORY:
        notebook.get("metadata", {}).pop(key, None)
