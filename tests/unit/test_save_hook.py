"""In the profile `secure` a notebook is saved without its outputs, and elsewhere as it is."""

import asyncio
import json

import pytest
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager
from tornado.web import HTTPError

from paillasse.scan.save_hook import keep_outputs_out

SEEN = "Dupont"


def notebook(source: str = "df.head()") -> dict:
    output = {"output_type": "stream", "name": "stdout", "text": SEEN}
    cell = {"cell_type": "code", "id": "a", "source": source, "metadata": {}, "execution_count": 3, "outputs": [output]}
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": {"a": SEEN}}}
    return {"cells": [cell], "metadata": {"widgets": widgets}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A function that saves as Jupyter Server does, with a checkpoint, and gives all that is then on disk."""
    monkeypatch.delenv("PAILLASSE_PROFILE", raising=False)
    manager = AsyncFileContentsManager(root_dir=str(tmp_path))
    manager.register_pre_save_hook(keep_outputs_out)

    def save(content, kind="notebook") -> str:
        model = {"type": kind, "format": "json" if kind == "notebook" else "text", "content": content}

        async def both():
            await manager.save(model, "n.ipynb")
            await manager.create_checkpoint("n.ipynb")

        asyncio.run(both())
        return "".join(file.read_text() for file in tmp_path.rglob("*.ipynb"))

    return save


def test_outside_the_profile_secure_outputs_are_saved(saved):
    assert saved(notebook()).count(SEEN) == 4


def test_in_the_profile_secure_neither_file_nor_checkpoint_has_them(saved, monkeypatch):
    monkeypatch.setenv("PAILLASSE_PROFILE", "secure")
    text = saved(notebook())
    assert text.count("df.head()") == 2
    assert SEEN not in text


def test_the_catalogue_or_the_notebook_may_choose_the_profile(saved, tmp_path):
    assert SEEN not in saved(notebook("catalog = open_catalog(profile='secure')"))
    assert SEEN not in saved(notebook("%env PAILLASSE_PROFILE=secure"))
    (tmp_path / "data_catalog.yaml").write_text("profile: secure\ndatasets: {}\n")
    assert SEEN not in saved(notebook())
    (tmp_path / "data_catalog.yaml").write_text("profile: [what\n")
    assert SEEN not in saved(notebook())


def test_a_notebook_saved_as_text_is_no_way_round(saved, monkeypatch):
    monkeypatch.setenv("PAILLASSE_PROFILE", "secure")
    assert SEEN not in saved(json.dumps(notebook()), kind="file")


def test_what_cannot_be_looked_into_is_not_saved(saved, monkeypatch, tmp_path):
    monkeypatch.setenv("PAILLASSE_PROFILE", "secure")
    with pytest.raises(HTTPError):
        saved("not JSON " + SEEN, kind="file")
    assert not list(tmp_path.rglob("*.ipynb"))
