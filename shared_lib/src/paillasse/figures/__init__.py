"""Plotly figures from tidy tables. Nothing here knows where a table comes from.

A figure's stored form is its JSON alone: importing this room sets plotly's renderer to `plotly_mimetype` (unless the
environment chose one), because the default puts plotly.js, some 4 MB, into every notebook.
"""

import os

import plotly.io

from paillasse.figures.calibration import calibration
from paillasse.figures.flow import flow_chart
from paillasse.figures.forest import forest
from paillasse.figures.survival import survival_curves

__all__ = ["calibration", "flow_chart", "forest", "survival_curves"]

if "PLOTLY_RENDERER" not in os.environ:
    plotly.io.renderers.default = "plotly_mimetype"
