"""Plotly figures from tidy tables. Nothing here knows where a table comes from.

Importing this room makes plotly fit for patients' data in this process: a figure's stored form is its JSON alone
(plotly's default puts plotly.js, some 4 MB, into every notebook; an environment that chose a renderer keeps it), and
the button that uploads a figure's data to plotly's cloud is gone from all figures.
"""

import os

from paillasse.light_imports import without_iri_grammar

with without_iri_grammar():
    from plotly.io import renderers

from paillasse.figures.balance import love_plot, mirrored_histogram
from paillasse.figures.calibration import calibration
from paillasse.figures.combinations import effects_by_class, probabilities_best, specification_curve, utilities
from paillasse.figures.cumulative_incidence import cumulative_incidence_curves
from paillasse.figures.flow import flow_chart
from paillasse.figures.forest import forest
from paillasse.figures.schoenfeld import coefficients_over_time
from paillasse.figures.survival import survival_curves

__all__ = [
    "calibration",
    "coefficients_over_time",
    "cumulative_incidence_curves",
    "effects_by_class",
    "flow_chart",
    "forest",
    "love_plot",
    "mirrored_histogram",
    "probabilities_best",
    "specification_curve",
    "survival_curves",
    "utilities",
]

renderers["plotly_mimetype"].config = {"showSendToCloud": False, "plotlyServerURL": ""}
if "PLOTLY_RENDERER" not in os.environ:
    renderers.default = "plotly_mimetype"
