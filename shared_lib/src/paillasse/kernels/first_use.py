"""Importing this draws a figure for nobody, and looks up ibis' DuckDB: plotly reads the definitions of a figure's
parts when it first needs them, ibis the metadata of all packages, which would cost each kernel a tenth of a CPU second.
No thread is started and no random number drawn.
"""

import ibis
from plotly.subplots import make_subplots

_figure = make_subplots(rows=2, shared_xaxes=True)
_figure.add_scatter(x=[0, 1], y=[0, 1], line={"shape": "hv"}, fill="toself", row=1, col=1)
_figure.update_xaxes(title="x", range=[0, 1]).update_yaxes(title="y", tickformat=".0%")
_figure.update_layout(template={"layout": {"xaxis": {"showline": True}}}, legend={"x": 0}, margin={"l": 0}, title="t")
_figure.to_dict()
_backend = ibis.duckdb
