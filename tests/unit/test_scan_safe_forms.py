"""What the library releases passes the scanner, and the exact numbers beside it do not."""

import json
from pathlib import Path

import numpy as np
import pytest

from paillasse import open_catalog
from paillasse.scan.scanner import scan
from paillasse.survival import kaplan_meier

CATALOG = Path(__file__).parents[2] / "data_catalog.yaml"
CURVES = {
    "gbsg": ("rfstime", "status", "hormon"),
    "rotterdam": ("dtime", "death", "hormon"),
    "lung": ("time", "status", "sex"),
}


@pytest.fixture(params=CURVES)
def curves(request):
    """Curves of patients whom no catalogue knows: a public cohort with other times."""
    duration, event, by = CURVES[request.param]
    data = open_catalog(CATALOG, profile="public")[request.param].read()
    moved = data[duration] + np.random.default_rng(1).uniform(0.1, 0.9, len(data))
    happened = (data[event] == data[event].max()).astype(int)
    return kaplan_meier(data.assign(**{duration: moved, event: happened}), duration, event, by=by)


def is_clean(result, folder: Path) -> bool:
    shown = {
        "application/vnd.plotly.v1+json": json.loads(result.figure().to_json()),
        "text/html": result._repr_html_(),
        "text/plain": repr(result),
    }
    output = {"output_type": "execute_result", "data": shown, "metadata": {}, "execution_count": 1}
    cell = {"cell_type": "code", "source": "curves", "metadata": {}, "execution_count": 1, "outputs": [output]}
    file = folder / "shown.ipynb"
    file.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return scan([file]).ok


def test_a_safe_form_may_leave(curves, tmp_path):
    assert is_clean(curves.disclose(), tmp_path)


def test_the_exact_curve_may_not(curves, tmp_path):
    assert not is_clean(curves, tmp_path)
