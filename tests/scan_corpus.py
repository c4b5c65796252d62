"""A corpus of small notebooks and files, made from public data: what leaks in it, and what only looks as if it did.

    python tests/scan_corpus.py FOLDER

Two folders come of it: `leaks`, one file for each way in which patients' data hide, and `clean`. The patients of
`leaks` are those of the public gbsg and lung data, made strangers: every measure is moved by a little of chance, so
that no scanner can take them for the public ones. Nothing else about them is changed.
"""

import base64
import gzip
import html
import io
import json
import pickle
import re
import sqlite3
import sys
import urllib.parse
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
LEAKS: dict[str, Callable] = {}
CLEAN: dict[str, Callable] = {}
PLOTLY = "application/vnd.plotly.v1+json"


def leak(function: Callable) -> Callable:
    """A way to hide patients: a function of the folder that writes one file named as the function."""
    LEAKS[function.__name__] = function
    return function


def clean(function: Callable) -> Callable:
    """What a scanner must not cry at."""
    CLEAN[function.__name__] = function
    return function


def patients(n: int = 400) -> pd.DataFrame:
    """Strangers: the patients of gbsg in another order, each measure moved."""
    rng = np.random.default_rng(20261125)
    data = pd.read_csv(ROOT / "data" / "gbsg.csv").sample(n, random_state=7).reset_index(drop=True)
    data["age"] = (data["age"] + rng.integers(-6, 7, n)).clip(25, 88)
    data["size"] = (data["size"] + rng.integers(-4, 5, n)).clip(3)
    data["pgr"], data["er"] = data["pgr"] + rng.integers(1, 90, n), data["er"] + rng.integers(1, 90, n)
    data["rfstime"] = (data["rfstime"] + rng.integers(-200, 200, n)).clip(9)
    data["pid"] = rng.permutation(n) + 5001
    return data


def pseudonyms(n: int) -> list[str]:
    rng = np.random.default_rng(3)
    return ["".join(rng.choice(list("23456789CDFGHJKLMN"), 11)) for _ in range(n)]


DATA = patients()
KAPLAN_MEIER_TIMES = np.sort(DATA.loc[DATA["status"] == 1, "rfstime"].unique()) / 365.25


def kaplan_meier(n: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    data = DATA if n is None else DATA.head(n)
    times = np.sort(data.loc[data["status"] == 1, "rfstime"].unique())
    survival, now = [], 1.0
    for time in times:
        at_risk = (data["rfstime"] >= time).sum()
        now *= 1 - ((data["rfstime"] == time) & (data["status"] == 1)).sum() / at_risk
        survival.append(now)
    return np.append(0, times / 365.25), np.append(1.0, survival)


# Notebooks


def notebook(*cells: dict, **metadata) -> dict:
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def code(source: str, *outputs: dict, **metadata) -> dict:
    return {
        "cell_type": "code", "id": "a1", "source": source, "metadata": metadata, "execution_count": 1,
        "outputs": list(outputs)
    }  # fmt: skip


def markdown(source: str, **more) -> dict:
    return {"cell_type": "markdown", "id": "b1", "source": source, "metadata": {}} | more


def shown(**bundle) -> dict:
    return {
        "output_type": "display_data",
        "metadata": {},
        "data": {key.replace("__", "/"): v for key, v in bundle.items()},
    }


def bundle(data: dict) -> dict:
    return {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": data}


def printed(text: str) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}


def save(folder: Path, name: str, content: dict | str | bytes) -> None:
    if isinstance(content, dict):
        content = json.dumps(content)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def typed(values) -> dict:
    """An array as plotly.py 6 writes it."""
    values = np.asarray(values)
    kind = {"float64": "f8", "float32": "f4", "int64": "i4"}[str(values.dtype)]
    return {"dtype": kind, "bdata": base64.b64encode(values.astype(kind).tobytes()).decode()}


def figure(*traces: dict, **layout) -> dict:
    return bundle({PLOTLY: {"data": list(traces), "layout": layout, "config": {}}})


def frame_html(data: pd.DataFrame) -> str:
    return "<div>" + data.to_html(border=1, classes="dataframe") + "</div>"


# What leaks


@leak
def head_as_html(folder):
    save(folder, "head_as_html.ipynb", notebook(code("df.head()", bundle({"text/html": frame_html(DATA.head())}))))


@leak
def head_as_text(folder):
    save(folder, "head_as_text.ipynb", notebook(code("df.head()", bundle({"text/plain": str(DATA.head())}))))


@leak
def printed_frame(folder):
    save(folder, "printed_frame.ipynb", notebook(code("print(df)", printed(DATA.head(12).to_string(index=False)))))


@leak
def printed_in_a_loop(folder):
    lines = [
        f"patient {row.pid}: {row.age} years, grade {row.grade}, {row.rfstime} days"
        for row in DATA.head(30).itertuples()
    ]
    save(folder, "printed_in_a_loop.ipynb", notebook(code("for ...", printed("\n".join(lines)))))


@leak
def scatter_of_typed_arrays(folder):
    trace = {"type": "scatter", "mode": "markers", "x": typed(DATA["age"]), "y": typed(DATA["rfstime"])}
    save(folder, "scatter_of_typed_arrays.ipynb", notebook(code("fig", figure(trace))))


@leak
def hover_with_pseudonyms(folder):
    trace = {"type": "scatter", "x": [1, 2, 3, 4, 5, 6], "y": [2, 2, 2, 2, 2, 2], "hovertext": pseudonyms(6)}
    save(folder, "hover_with_pseudonyms.ipynb", notebook(code("fig", figure(trace))))


@leak
def kaplan_meier_at_every_event(folder):
    x, y = kaplan_meier()
    trace = {"type": "scatter", "line": {"shape": "hv"}, "x": typed(x), "y": typed(y)}
    save(folder, "kaplan_meier_at_every_event.ipynb", notebook(code("km.figure()", figure(trace))))


@leak
def kaplan_meier_of_few(folder):
    x, y = kaplan_meier(70)
    trace = {"type": "scatter", "line": {"shape": "hv"}, "x": typed(x), "y": typed(y)}
    save(folder, "kaplan_meier_of_few.ipynb", notebook(code("km.figure()", figure(trace))))


@leak
def kaplan_meier_on_a_daily_grid(folder):
    x, y = kaplan_meier()
    grid = np.arange(0, 2600) / 365.25
    trace = {"type": "scatter", "x": typed(grid), "y": typed(y[np.searchsorted(x, grid, side="right") - 1])}
    save(folder, "kaplan_meier_on_a_daily_grid.ipynb", notebook(code("fig", figure(trace))))


@leak
def histogram_of_raw_values(folder):
    trace = {"type": "histogram", "x": typed(DATA["age"]), "nbinsx": 10}
    save(folder, "histogram_of_raw_values.ipynb", notebook(code("px.histogram(df, x='age')", figure(trace))))


@leak
def box_plot(folder):
    traces = [
        {"type": "box", "name": str(grade), "y": part["pgr"].tolist()}
        for grade, part in DATA.head(120).groupby("grade")
    ]
    save(folder, "box_plot.ipynb", notebook(code("px.box(...)", figure(*traces))))


@leak
def waterfall_plot(folder):
    change = np.sort(np.random.default_rng(5).normal(-20, 30, 64))[::-1]
    trace = {"type": "bar", "x": list(range(64)), "y": change.round(1).tolist()}
    save(folder, "waterfall_plot.ipynb", notebook(code("fig", figure(trace))))


@leak
def swimmer_plot_a_trace_a_patient(folder):
    traces = [
        {"type": "scatter", "x": [0, float(row.rfstime)], "y": [i, i], "mode": "lines"}
        for i, row in enumerate(DATA.head(60).itertuples())
    ]
    save(folder, "swimmer_plot_a_trace_a_patient.ipynb", notebook(code("fig", figure(*traces))))


@leak
def patients_as_shapes_of_the_layout(folder):
    shapes = [
        {"type": "line", "x0": 0, "x1": float(row.rfstime), "y0": i, "y1": i}
        for i, row in enumerate(DATA.head(80).itertuples())
    ]
    save(folder, "patients_as_shapes_of_the_layout.ipynb", notebook(code("fig", figure(shapes=shapes))))


@leak
def a_frame_of_an_animation_each(folder):
    frames = [
        {"name": str(i), "data": [{"type": "scatter", "x": [float(row.age)], "y": [float(row.pgr)]}]}
        for i, row in enumerate(DATA.head(90).itertuples())
    ]
    content = bundle({PLOTLY: {"data": [], "layout": {}, "frames": frames}})
    save(folder, "a_frame_of_an_animation_each.ipynb", notebook(code("fig", content)))


@leak
def split_over_traces_that_add_up(folder):
    traces = [
        {"type": "scatter", "mode": "markers", "x": part["age"].tolist(), "y": part["pgr"].tolist(), "name": str(i)}
        for i, part in DATA.groupby(np.arange(len(DATA)) // 8)
    ]
    save(folder, "split_over_traces_that_add_up.ipynb", notebook(code("fig", figure(*traces))))


@leak
def customdata_of_two_dimensions(folder):
    array = DATA[["age", "pgr", "rfstime"]].to_numpy(dtype=float)
    data = typed(array.ravel()) | {"shape": "400, 3"}
    trace = {"type": "scatter", "x": list(range(400)), "y": [0] * 400, "customdata": data}
    save(folder, "customdata_of_two_dimensions.ipynb", notebook(code("fig", figure(trace))))


@leak
def heatmap_of_patients(folder):
    z = np.random.default_rng(2).normal(size=(60, 12)).round(3).tolist()
    save(folder, "heatmap_of_patients.ipynb", notebook(code("fig", figure({"type": "heatmap", "z": z}))))


@leak
def vega_datasets(folder):
    spec = {"mark": "point", "datasets": {"data-1f": DATA.head(50)[["age", "pgr"]].to_dict("records")}}
    content = bundle({"application/vnd.vegalite.v5+json": spec, "text/plain": "alt.Chart(...)"})
    save(folder, "vega_datasets.ipynb", notebook(code("chart", content)))


@leak
def vega_with_columns_renamed(folder):
    rows = DATA.head(80)[["age", "pgr"]].rename(columns={"age": "u", "pgr": "v"}).to_dict("records")
    content = bundle({"application/vnd.vegalite.v5+json": {"data": {"values": rows}}})
    save(folder, "vega_with_columns_renamed.ipynb", notebook(code("chart", content)))


@leak
def bokeh_page(folder):
    array = {
        "type": "ndarray",
        "array": {"type": "bytes", "data": base64.b64encode(DATA["rfstime"].to_numpy(float).tobytes()).decode()},
    }
    array |= {"shape": [400], "dtype": "float64", "order": "little"}
    docs = {"1": {"roots": [{"type": "object", "attributes": {"data": {"type": "map", "entries": [["x", array]]}}}]}}
    script = f"const docs_json = {json.dumps(docs)}; render(docs_json);"
    page = f"<html><body><div></div><script>{script}</script></body></html>"
    save(folder, "bokeh_page.html", page)


@leak
def bokeh_json_in_a_string(folder):
    array = {
        "__ndarray__": base64.b64encode(DATA["er"].to_numpy(float).tobytes()).decode(),
        "dtype": "float64",
        "shape": [400],
    }
    docs = json.dumps({"a": {"roots": {"references": [{"attributes": {"data": {"y": array}}}]}}})
    script = f"(function(root) {{ var docs_json = {json.dumps(docs)}; root.embed(docs_json); }})(window);"
    content = bundle({"application/javascript": script})
    save(folder, "bokeh_json_in_a_string.ipynb", notebook(code("show(p)", content)))


@leak
def widget_state(folder):
    state = {
        "widgets": {
            "application/vnd.jupyter.widget-state+json": {"state": {"k": {"state": {"value": DATA["pgr"].tolist()}}}}
        }
    }
    save(folder, "widget_state.ipynb", notebook(code("slider"), **state))


@leak
def rows_in_cell_metadata(folder):
    rows = DATA.head(6).to_dict("records")
    save(folder, "rows_in_cell_metadata.ipynb", notebook(code("1 + 1", preview=rows)))


@leak
def papermill_parameters(folder):
    parameters = {"papermill": {"parameters": {"ages": DATA["age"].head(50).tolist()}}}
    save(folder, "papermill_parameters.ipynb", notebook(code("ages"), **parameters))


@leak
def collapsed_output(folder):
    hidden = {"collapsed": True, "jupyter": {"outputs_hidden": True}}
    output = bundle({"text/html": frame_html(DATA.sample(4, random_state=1))})
    save(folder, "collapsed_output.ipynb", notebook(code("df.sample(4)", output, **hidden)))


@leak
def attachment_of_a_cell(folder):
    encoded = base64.b64encode(DATA.head(20).to_csv().encode()).decode()
    cell = markdown("![x](attachment:x.csv)", attachments={"x.csv": {"text/csv": encoded}})
    save(folder, "attachment_of_a_cell.ipynb", notebook(cell))


@leak
def pasted_into_a_comment(folder):
    lines = "\n".join("# " + line for line in DATA.head(8).to_string().splitlines())
    save(folder, "pasted_into_a_comment.ipynb", notebook(code(lines + "\nfit(df)")))


@leak
def literals_in_a_source(folder):
    save(folder, "literals_in_a_source.ipynb", notebook(code(f"times = {DATA['rfstime'].head(45).tolist()}")))


@leak
def markdown_table(folder):
    head = DATA.head(7)[["pid", "age", "meno", "grade"]]
    lines = ["| pid | age | meno | grade |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in head.itertuples(index=False)]
    save(folder, "markdown_table.ipynb", notebook(markdown("Some cases:\n\n" + "\n".join(lines))))


@leak
def traceback_with_a_value(folder):
    error = {
        "output_type": "error",
        "ename": "ValueError",
        "evalue": "could not convert string to float: 'Dupont 1957'",
    }
    error |= {"traceback": ["ValueError: could not convert string to float: 'Dupont 1957'"]}
    save(folder, "traceback_with_a_value.ipynb", notebook(code("df.astype(float)", error)))


@leak
def social_security_number(folder):
    save(
        folder,
        "social_security_number.ipynb",
        notebook(code("print(x)", printed("dossier 2 85 05 78 006 084 41 revu"))),
    )


@leak
def date_of_birth_in_a_note(folder):
    save(folder, "date_of_birth_in_a_note.md", "Cas 3 : patiente née le 12/04/1957, opérée en 2019.\n")


@leak
def hospital_number(folder):
    save(folder, "hospital_number.ipynb", notebook(code("print(x)", printed("IPP: 8001234567 exclu"))))


@leak
def password_in_a_source(folder):
    source = 'connect("postgresql://reader:hunter22@db.hospital.example/warehouse")'
    save(folder, "password_in_a_source.ipynb", notebook(code(source)))


@leak
def path_of_the_enclave(folder):
    save(folder, "path_of_the_enclave.ipynb", notebook(code("p", printed("read /home/mdupont/bulle/ir_ben_r.csv"))))


@leak
def vector_figure(folder):
    x, y = kaplan_meier()
    points = " ".join(f"H{60 + 80 * a:.2f}V{300 - 280 * b:.2f}" for a, b in zip(x, y, strict=True))
    save(folder, "vector_figure.svg", f'<svg xmlns="http://www.w3.org/2000/svg"><path d="M60,20{points}"/></svg>')


@leak
def vector_figure_in_a_data_address(folder):
    circles = "".join(
        f'<circle cx="{a * 3}" cy="{b / 4:.1f}" r="2"/>' for a, b in DATA.head(50)[["age", "pgr"]].to_numpy()
    )
    svg = f'<svg xmlns="http://www.w3.org/2000/svg">{circles}</svg>'
    address = "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    save(
        folder,
        "vector_figure_in_a_data_address.ipynb",
        notebook(code("x", bundle({"text/html": f'<img src="{address}">'}))),
    )


@leak
def matplotlib_svg(folder):
    save(folder, "matplotlib_svg.svg", _matplotlib("svg"))


@leak
def matplotlib_pdf(folder):
    save(folder, "matplotlib_pdf.pdf", _matplotlib("pdf"))


def _matplotlib(kind: str) -> bytes:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    drawn = Figure()
    axes = drawn.subplots()
    axes.scatter(DATA["age"].head(60), DATA["pgr"].head(60))
    out = io.BytesIO()
    drawn.savefig(out, format=kind)
    return out.getvalue()


@leak
def comma_separated(folder):
    save(folder, "comma_separated.csv", DATA.to_csv(index=False))


@leak
def semicolons_and_french_names(folder):
    names = {"age": "Âge", "meno": "Ménopause", "size": "Taille", "rfstime": "Délai", "status": "Décès"}
    data = DATA.head(15).rename(columns=names)[list(names.values())].assign(Sexe="F")
    save(folder, "semicolons_and_french_names.csv", data.to_csv(index=False, sep=";", decimal=",").encode("latin-1"))


@leak
def without_a_header(folder):
    data = DATA[["age", "meno", "size", "grade", "nodes", "rfstime", "status"]].head(25)
    save(folder, "without_a_header.txt", data.to_csv(index=False, header=False, sep="\t"))


@leak
def parquet_file(folder):
    DATA.to_parquet(folder / "parquet_file.parquet")


@leak
def feather_file(folder):
    DATA.to_feather(folder / "feather_file.feather")


@leak
def excel_on_a_hidden_sheet(folder):
    with pd.ExcelWriter(folder / "excel_on_a_hidden_sheet.xlsx") as book:
        pd.DataFrame({"arm": ["A", "B"], "n": [200, 200]}).to_excel(book, sheet_name="Table 1", index=False)
        DATA.head(30).to_excel(book, sheet_name="raw", index=False)
        book.sheets["raw"].sheet_state = "hidden"


@leak
def sqlite_file(folder):
    path = folder / "sqlite_file.db"
    connection = sqlite3.connect(path)
    DATA.to_sql("cohort", connection, index=False)
    connection.close()


@leak
def duckdb_file(folder):
    import duckdb

    with duckdb.connect(str(folder / "duckdb_file.duckdb")) as connection:
        connection.register("data", DATA)
        connection.execute("CREATE TABLE cohort AS SELECT * FROM data")


@leak
def numpy_archive(folder):
    np.savez_compressed(folder / "numpy_archive.npz", t=DATA["rfstime"].to_numpy(), e=DATA["status"].to_numpy())


@leak
def pickled_frame(folder):
    save(folder, "pickled_frame.pkl", pickle.dumps(DATA))


@leak
def pickled_model_that_holds_its_rows(folder):
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier().fit(DATA[["age", "size", "pgr"]].to_numpy(float), DATA["status"])
    save(folder, "pickled_model_that_holds_its_rows.pkl", pickle.dumps(model))


@leak
def joblib_file(folder):
    import joblib

    joblib.dump({"x": DATA[["age", "pgr"]].to_numpy(float)}, folder / "joblib_file.joblib")


@leak
def zip_within_a_zip(folder):
    inner, outer = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.csv", DATA.head(40).to_csv(index=False))
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b.zip", inner.getvalue())
    save(folder, "zip_within_a_zip.zip", outer.getvalue())


@leak
def gzip_in_base64_in_json(folder):
    packed = base64.b64encode(gzip.compress(DATA.head(40).to_json(orient="split").encode())).decode()
    save(folder, "gzip_in_base64_in_json.json", {"payload": {"z": packed}})


@leak
def json_in_json_in_json(folder):
    text = json.dumps({"a": json.dumps({"b": json.dumps(DATA.head(30).to_dict("list"))})})
    save(folder, "json_in_json_in_json.json", text)


@leak
def report_page(folder):
    body = f"<h1>Report</h1><details><summary>more</summary>{frame_html(DATA.head(9))}</details>"
    save(folder, "report_page.html", f"<!DOCTYPE html><html><body>{body}</body></html>")


@leak
def comment_of_a_page(folder):
    page = f"<!DOCTYPE html><html><body><p>Nothing.</p><!--\n{DATA.head(9).to_csv(index=False)}--></body></html>"
    save(folder, "comment_of_a_page.html", page)


@leak
def plotly_page(folder):
    trace = {"type": "scatter", "x": typed(DATA["age"]), "y": typed(DATA["er"])}
    script = f'Plotly.newPlot("id", {json.dumps([trace])}, {{"title": "x"}}, {{}})'
    page = f"<html><head></head><body><div id='id'></div><script type='text/javascript'>{script}</script></body></html>"
    save(folder, "plotly_page.html", page)


@leak
def address_to_download_a_table(folder):
    address = "data:text/csv;charset=utf-8," + urllib.parse.quote(DATA.head(20).to_csv(index=False))
    content = bundle({"text/html": f'<a download="t.csv" href="{address}">Download</a>'})
    save(folder, "address_to_download_a_table.ipynb", notebook(code("x", content)))


@leak
def behind_a_picture(folder):
    save(folder, "behind_a_picture.png", _png() + DATA.head(20).to_csv(index=False).encode())


def _png() -> bytes:
    encoded = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    return base64.b64decode(encoded)


@leak
def notebook_of_format_3(folder):
    cell = {"cell_type": "code", "input": "df.head()", "language": "python", "metadata": {}}
    cell["outputs"] = [{"output_type": "pyout", "html": frame_html(DATA.head()), "prompt_number": 1}]
    content = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [{"cells": [cell], "metadata": {}}],
    }
    save(folder, "notebook_of_format_3.ipynb", content)


@leak
def checkpoint_of_a_notebook(folder):
    (folder / ".ipynb_checkpoints").mkdir(exist_ok=True)
    name = ".ipynb_checkpoints/checkpoint_of_a_notebook-checkpoint.ipynb"
    save(folder, name, notebook(code("df.head()", bundle({"text/plain": str(DATA.head(3))}))))


@leak
def residuals_of_a_model(folder):
    values = np.random.default_rng(9).normal(size=300)
    save(folder, "residuals_of_a_model.csv", "residual\n" + "\n".join(f"{value:.4f}" for value in values))


@leak
def rare_groups(folder):
    rows = DATA.head(12)[["age", "grade", "meno"]].assign(centre=["Paris", "Lyon", "Brest"] * 4)
    save(folder, "rare_groups.json", rows.to_dict("list"))


def _printed(name: str, text: str) -> Callable:
    """A leak that a cell printed."""
    return lambda folder: save(folder, f"{name}.ipynb", notebook(code("print(x)", printed(text))))


def _shown_as(name: str, kind: str, text: str) -> Callable:
    """A leak that a cell shows as a MIME type."""
    return lambda folder: save(folder, f"{name}.ipynb", notebook(code("x", bundle({kind: text}))))


def _drawn(name: str, **trace) -> Callable:
    """A leak that a trace of a plotly figure holds."""
    return lambda folder: save(folder, f"{name}.ipynb", notebook(code("x", figure(trace))))


def _boxed(data: pd.DataFrame) -> str:
    rows = "\n".join("│ " + " ┆ ".join(map(str, row)) + " │" for row in data.to_numpy())
    return "┌─────┬─────┐\n│ " + " ┆ ".join(data) + f" │\n╞═════╪═════╡\n{rows}\n└─────┴─────┘"


def _framed(data: pd.DataFrame) -> str:
    return html.escape(f"<html><body>{frame_html(data)}</body></html>")


FEW = DATA[["pid", "age", "meno", "grade", "rfstime"]]
PEOPLE = pd.DataFrame({"name": ["Dupont", "Petit", "Moreau", "Garnier", "Roussel"], "age": [54, 61, 47, 70, 58]})
PRINTED = {
    "names_and_ages": str(PEOPLE),
    "records_of_python": str(FEW.head(5).to_dict("records")),
    "array_of_numpy": str(DATA[["age", "meno", "size", "grade", "pgr", "rfstime", "status"]].head(8).to_numpy()),
    "table_in_a_box": _boxed(FEW.head(5)),
    "one_column": str(DATA["age"].head()),
    "one_patient": str(DATA.iloc[3]),
    "named_tuples": "\n".join(map(str, FEW.head(4).itertuples())),
    "counts_of_identifiers": str(DATA["pid"].value_counts().head(10)),
    "lines_of_a_log": "\n".join(
        f"10:00:{i:02} INFO row {row.pid} t={row.rfstime}" for i, row in enumerate(FEW.head(30).itertuples())
    ),
}
SHOWN = {
    "upright_table": ("text/html", frame_html(DATA.head(3).T)),
    "table_in_latex": ("text/latex", DATA.head(6).to_latex(index=False)),
    "page_in_a_frame": ("text/html", f'<iframe srcdoc="{_framed(DATA.head(5))}"></iframe>'),
    "comment_of_a_script": ("text/html", f"<script>/*\n{DATA.head(9).to_csv(index=False)}*/</script>"),
    "attributes_of_a_list": (
        "text/html",
        "".join(f'<li data-age="{row.age}" data-t="{row.rfstime}">x</li>' for row in FEW.head(40).itertuples()),
    ),
}  # fmt: skip
DRAWN = {
    "a_small_scatter": {"type": "scatter", "x": DATA["age"].head(15).tolist(), "y": DATA["pgr"].head(15).tolist()},
    "sentences_when_hovering": {
        "type": "scatter", "x": [0] * 30, "y": [1] * 30,
        "hovertext": [f"age {row.age}<br>t {row.rfstime}" for row in FEW.head(30).itertuples()],
    },
    "table_of_plotly": {
        "type": "table", "header": {"values": list(FEW)},
        "cells": {"values": [FEW[name].head(4).tolist() for name in FEW]},
    },
    "distribution_function": {"type": "scatter", "x": typed(np.sort(DATA["er"])), "y": typed(np.arange(1, 401) / 400)},
    "dates_on_an_axis": {
        "type": "scatter", "y": [1] * 60,
        "x": [str(day) for day in np.datetime64("2015-01-01") + np.random.default_rng(1).permutation(900)[:60]],
    },
}  # fmt: skip
LEAKS |= {name: _printed(name, text) for name, text in PRINTED.items()}
LEAKS |= {name: _shown_as(name, *what) for name, what in SHOWN.items()}
LEAKS |= {name: _drawn(name, **trace) for name, trace in DRAWN.items()}


@leak
def list_of_patients_as_yaml(folder):
    import yaml

    save(folder, "list_of_patients_as_yaml.yaml", yaml.safe_dump(json.loads(DATA.head(30).to_json(orient="records"))))


@leak
def one_patient_in_the_metadata(folder):
    save(
        folder,
        "one_patient_in_the_metadata.ipynb",
        notebook(code("x", example=json.loads(DATA.head(1).to_json(orient="records"))[0])),
    )


@leak
def table_of_a_word_processor(folder):
    rows = [list(DATA), *DATA.head(6).to_numpy().tolist()]
    body = "".join(
        "<w:tr>" + "".join(f"<w:tc><w:p><w:r><w:t>{each}</w:t></w:r></w:p></w:tc>" for each in row) + "</w:tr>"
        for row in rows
    )
    with zipfile.ZipFile(folder / "table_of_a_word_processor.docx", "w") as archive:
        archive.writestr(
            "word/document.xml", f'<?xml version="1.0"?><w:document xmlns:w="w"><w:tbl>{body}</w:tbl></w:document>'
        )


# As an intruder hides them: another hospital's names, other ways to print, other alphabets, other files


NAMES = {"pid": "num_dossier", "age": "age_dg", "nodes": "N_pos", "pgr": "RP", "rfstime": "delai_j", "status": "dcd"}
ELSEWHERE = DATA[list(NAMES)].rename(columns=NAMES)
UNSAID = ELSEWHERE[["age_dg", "N_pos", "RP", "delai_j", "dcd"]]
CSV = UNSAID.head(40).to_csv(index=False)


def _polars(data: pd.DataFrame) -> str:
    types = pd.DataFrame([["---"] * data.shape[1], ["i64"] * data.shape[1]], columns=data.columns)
    return f"shape: (400, {data.shape[1]})\n{_boxed(pd.concat([types, data]))}"


PRINTED_ELSEWHERE = {
    "frame_of_another_hospital": UNSAID.head().to_string(),
    "frame_of_polars": _polars(UNSAID.head()),
    "glimpse_of_polars": "\n".join(f"$ {c:<9} <i64> {', '.join(map(str, UNSAID[c].head(8)))}" for c in UNSAID),
    "rows_of_spark": str([f"Row(age_dg={r.age_dg}, RP={r.RP}, t={r.delai_j})" for r in UNSAID.head(4).itertuples()]),
    "times_and_events_of_r": "\n".join(
        f" [{i + 1}] " + " ".join(f"{r.delai_j}{'' if r.dcd else '+'}" for r in UNSAID.iloc[i : i + 8].itertuples())
        for i in range(0, 24, 8)
    ),
    "structured_array": " ".join(f"({bool(r.dcd)}, {r.delai_j}.)" for r in UNSAID.head(12).itertuples()),
    "summary_of_three": UNSAID.head(3).describe().to_string(),
    "curve_as_printed": pd.DataFrame(
        {"KM_estimate": np.linspace(1, 0.8, 12)}, index=np.sort(UNSAID["delai_j"].unique())[:12]
    ).to_string(),
    "digits_of_another_width": UNSAID.head(8).to_string().translate({48 + i: 0xFF10 + i for i in range(10)}),
    "letters_without_width": "\n".join("  ".join("\u200b".join(str(v)) for v in row) for row in UNSAID.to_numpy()[:9]),
    "escaped_for_an_address": urllib.parse.quote(CSV),
    "in_85_letters": base64.b85encode(CSV.encode()).decode(),
    "in_32_letters": base64.b32encode(CSV.encode()).decode(),
    "lines_of_json": ELSEWHERE.head(4).to_json(orient="records", lines=True),
    "turned_round": ELSEWHERE[["age_dg", "RP", "delai_j"]].head(6).T.to_string(),
    "serial_numbers_in_a_sentence": "Aberrant: "
    + ", ".join(f"IGR{r.num_dossier:06} ({r.RP})" for r in ELSEWHERE.head().itertuples()),
    "days_of_diagnosis": "\n".join(str(np.datetime64("2012-01-03") + int(days)) for days in DATA["rfstime"].head(12)),
    "a_number_after_the_patient": "Exclue : patiente 40233 (61 ans).",
    "a_note_of_the_ward": "Mme Dupont, 67 ans, opérée le 3 mars 2019, récidive hépatique à 14 mois.",
    "a_telephone": "Rappeler la patiente au 06 12 34 56 78 avant mardi.",
}  # fmt: skip
LEAKS |= {name: _printed(name, text) for name, text in PRINTED_ELSEWHERE.items()}
LEAKS |= {
    name: _shown_as(name, "text/html", text)
    for name, text in {
        "spreadsheet_of_divs": "".join(
            "<div>" + "".join(f"<div>{v}</div>" for v in row) + "</div>" for row in UNSAID.to_numpy()[:12]
        ),
        "addresses_with_values": "".join(
            f'<a href="/p?dossier={r.num_dossier}&age={r.age_dg}&rp={r.RP}">x</a>'
            for r in ELSEWHERE.head(20).itertuples()
        ),
        "table_without_a_header": UNSAID[["age_dg", "RP", "delai_j"]].head().to_html(header=False, index=False),
    }.items()
}


@leak
def a_patient_an_output(folder):
    cells = [code("df.iloc[i]", printed(f"{r.age_dg} {r.RP} {r.delai_j}")) for r in UNSAID.head(30).itertuples()]
    save(folder, "a_patient_an_output.ipynb", notebook(*cells))


@leak
def literals_under_names(folder):
    columns = {name: UNSAID[name].head(9).tolist() for name in ("age_dg", "delai_j")}
    save(folder, "literals_under_names.ipynb", notebook(code(f"data = pd.DataFrame({columns})")))


@leak
def patients_left_out_by_number(folder):
    numbers = ELSEWHERE["num_dossier"].head(4).tolist()
    save(folder, "patients_left_out_by_number.py", f"data = data[~data.num_dossier.isin({numbers})]\n")


@leak
def section_of_settings_each(folder):
    lines = [f"[p{i}]\nage = {r.age_dg}\ndelai = {r.delai_j}\n" for i, r in enumerate(UNSAID.head(9).itertuples())]
    save(folder, "section_of_settings_each.ini", "\n".join(lines))


@leak
def spreadsheet_of_an_open_office(folder):
    rows = "".join(
        "<table:table-row>"
        + "".join(f"<table:table-cell><text:p>{v}</text:p></table:table-cell>" for v in row)
        + "</table:table-row>"
        for row in UNSAID.to_numpy()[:8]
    )
    body = f"<o:document xmlns:o='o' xmlns:table='t' xmlns:text='x'><table:table>{rows}</table:table></o:document>"
    with zipfile.ZipFile(folder / "spreadsheet_of_an_open_office.ods", "w") as archive:
        archive.writestr("content.xml", f"<?xml version='1.0'?>{body}")


@leak
def comment_of_a_photograph(folder):
    text = CSV.encode()
    segment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
    save(folder, "comment_of_a_photograph.jpg", b"\xff\xd8" + segment + b"\xff\xd9")


@leak
def deleted_from_a_database(folder):
    with sqlite3.connect(folder / "deleted_from_a_database.db") as connection:
        DATA.to_sql("cohort", connection, index=False)
        connection.commit()
        connection.execute("DROP TABLE cohort")
    connection.close()


@leak
def message_of_a_laboratory(folder):
    save(folder, "message_of_a_laboratory.hl7", "MSH|^~|LAB|A\rPID|1||A7^^^B||MARTIN^JEANNE||19570412|F\r")


@leak
def sequences(folder):
    letters = "".join(np.random.default_rng(1).choice(list("ACGT"), 60))
    save(folder, "sequences.fa", f">A-7 exon 8\n{letters}\n")


PAIRS = list(zip(DATA["age"].head(60), DATA["rfstime"].head(60), strict=True))
MONTHS = re.findall(r"\w+", "janvier février mars avril mai juin juillet août septembre octobre novembre décembre")


@leak
def days_in_words(folder):
    drawn = np.random.default_rng(8).integers([1, 0, 1938], [29, 12, 1985], (20, 3))
    text = ", ".join(f"{day} {MONTHS[month]} {year}" for day, month, year in drawn)
    save(folder, "days_in_words.ipynb", notebook(code("birthdays(data)", printed(f"Nés les {text}."))))


@leak
def tags_of_a_cell(folder):
    cell = code("fit()", tags=[f"age-{age}-time-{time}" for age, time in PAIRS])
    save(folder, "tags_of_a_cell.ipynb", notebook(cell))


@leak
def ids_of_cells(folder):
    cells = [code("fit()") | {"id": f"age-{age}-time-{time}"} for age, time in PAIRS]
    save(folder, "ids_of_cells.ipynb", notebook(*cells))


@leak
def a_word_before_each_number(folder):
    lines = [f"patient {row} age {age} time {time}" for row, (age, time) in enumerate(PAIRS)]
    save(folder, "a_word_before_each_number.ipynb", notebook(code("log()", printed("\n".join(lines)))))


@leak
def rows_in_one_line(folder):
    title = "<br>".join(f"{age} / {time}" for age, time in PAIRS)
    figure = {"data": [], "layout": {"title": {"text": title}}}
    save(folder, "rows_in_one_line.ipynb", notebook(code("fig", shown(**{PLOTLY: figure}))))


@leak
def times_between_dashes(folder):
    text = " - ".join(str(time) for _, time in PAIRS)
    save(folder, "times_between_dashes.ipynb", notebook(code("times", printed(text))))


@leak
def drawn_by_style(folder):
    bars = "".join(f"<div style='width:{age}px;height:{time / 10:.1f}px'></div>" for age, time in PAIRS)
    save(folder, "drawn_by_style.ipynb", notebook(code("bars", shown(text__html=bars))))


@leak
def drawn_by_a_sheet(folder):
    sheet = "".join(f"#bar{i} {{width: {age}px; height: {time / 10:.1f}px}}" for i, (age, time) in enumerate(PAIRS))
    save(folder, "drawn_by_a_sheet.html", f"<html><style>{sheet}</style><body><div id=bar0></div></body></html>")


@leak
def drawn_by_latex(folder):
    points = " ".join(f"({age},{time})" for age, time in PAIRS)
    save(folder, "drawn_by_latex.tex", f"\\begin{{axis}}\n\\addplot coordinates {{{points}}};\n\\end{{axis}}\n")


@leak
def homes_on_a_map(folder):
    north, east = np.random.default_rng(2).normal([48.8, 2.35], 0.1, (7, 2)).round(5).T
    traces = [{"type": "scattermap", "lat": north.tolist(), "lon": east.tolist()}]
    save(folder, "homes_on_a_map.ipynb", notebook(code("fig", shown(**{PLOTLY: {"data": traces, "layout": {}}}))))


@leak
def homes_in_a_script(folder):
    homes = np.random.default_rng(2).normal([45.76, 4.83], 0.05, (8, 2))
    script = "\n".join(f"L.marker([{north:.5f}, {east:.5f}]).addTo(map);" for north, east in homes)
    save(folder, "homes_in_a_script.html", f"<html><body><script>{script}</script></body></html>")


# As libraries write them of themselves


WARD = UNSAID.head(12).assign(sexe=list("FFMFMMFMFFMF"), site=["sein", "colon", "poumon"] * 4)
NUMBERS = [str(number) for number in np.random.default_rng(11).integers(200_000, 999_999, 12)]
HOMES = np.random.default_rng(2).normal([48.8, 2.35], 0.05, (7, 2)).round(5)
STEPS = np.sort(UNSAID["delai_j"].unique())[:7] + 0.4
PRINTED_BY_LIBRARIES = {
    "row_of_a_frame": str(WARD.iloc[3]),
    "fields_of_one_patient": f"Patient(age=61, sexe='F', stade='II', os_mois={12.4}, deces=1)",
    "bytes_of_python": repr(zlib.compress(CSV.encode())),
    "tuples_of_patients": str(list(zip(UNSAID["age_dg"].head(8), WARD["sexe"], UNSAID["RP"], strict=False))),
    "vectors_of_r": f"list(age = c({', '.join(f'{v}L' for v in UNSAID['age_dg'].head(12))}), os = c("
    f"{', '.join(map(str, UNSAID['delai_j'].head(12) / 10))}))",
    "a_list_for_each_group": "\n".join(
        f"grade {i} {UNSAID['RP'].iloc[i * 12 : i * 12 + 12].tolist()}" for i in range(4)
    ),
    "points_of_a_map": "\n".join(f"{i} POINT ({east} {north})" for i, (north, east) in enumerate(HOMES)),
    "events_one_by_one": pd.DataFrame(
        {"time": STEPS, "n.risk": range(40, 33, -1), "n.event": 1, "survival": 1 - np.arange(1, 8) / 40}
    ).to_string(index=False),
    "numbers_in_quotes": f"Doublons : {NUMBERS[:6]}",
    "report_of_a_pathologist": "Patiente de 58 ans, nodule du sein gauche. Tumorectomie de 62 g. Microscopie : "
    "carcinome infiltrant de grade II, 14 mm, RE 90 %, HER2 négatif, pT1c N0.",
    "a_name_and_a_birthday": "Le dossier de Jeanne MARTIN (12.03.1951) a été relu.",
    "an_age_in_words": "La patiente avait soixante-sept ans au diagnostic et a survécu quatorze mois.",
    "days_without_points": "\n".join(
        f"{day:%Y%m%d}" for day in pd.Timestamp("1930-01-01") + pd.to_timedelta(DATA["er"].head(15) * 60, "D")
    ),
    "columns_of_a_fixed_width": "\n".join(
        f"{r.age_dg:03}F{r.RP:04}{r.delai_j:05}" for r in UNSAID.head(25).itertuples()
    ),
    "names_above_a_blank_line": "Obs AGE SEXE OS\n\n"
    + "\n".join(f"{i} {r.age_dg} {r.sexe} {r.delai_j}" for i, r in enumerate(WARD.head(6).itertuples(), 1)),
    "variants_of_a_patient": "Patient 17 : BRCA1 c.5266dupC, hétérozygote",
}  # fmt: skip
LEAKS |= {name: _printed(name, text) for name, text in PRINTED_BY_LIBRARIES.items()}
LEAKS |= {
    name: _drawn(name, **trace)
    for name, trace in {
        "numbers_when_hovering": {"type": "scatter", "x": [1, 2, 3, 4, 5, 6], "y": [2] * 6, "hovertext": NUMBERS[:6]},
        "categories_as_they_came": {
            "type": "parcats", "dimensions": [{"values": np.random.default_rng(6).choice(["F", "M"], 60).tolist()}],
        },
    }.items()
}  # fmt: skip


@leak
def points_of_geojson(folder):
    places = [{"type": "Feature", "geometry": {"type": "Point", "coordinates": [e, n]}} for n, e in HOMES.tolist()]
    save(folder, "points_of_geojson.geojson", json.dumps({"type": "FeatureCollection", "features": places}))


@leak
def states_of_sliders(folder):
    sliders = {
        f"k{i}": {"model_name": "FloatSliderModel", "state": {"description": number, "value": float(i % 5)}}
        for i, number in enumerate(NUMBERS)
    }
    save(folder, "states_of_sliders.ipynb", notebook(code("w"), widgets={"state": sliders}))


@leak
def drawing_attached_to_a_cell(folder):
    circles = "".join(f'<circle cx="{a}" cy="{t / 4}" r="2"/>' for a, t in PAIRS)
    drawing = base64.b64encode(f'<svg xmlns="http://www.w3.org/2000/svg">{circles}</svg>'.encode()).decode()
    save(
        folder,
        "drawing_attached_to_a_cell.ipynb",
        notebook(markdown("![x](attachment:x.svg)", attachments={"x.svg": {"image/svg+xml": drawing}})),
    )


@leak
def joblib_model_that_holds_its_rows(folder):
    import joblib
    from sklearn.neighbors import KNeighborsRegressor

    model = KNeighborsRegressor().fit(DATA[["age", "size", "pgr"]], DATA["rfstime"])
    joblib.dump(model, folder / "joblib_model_that_holds_its_rows.joblib")


@leak
def where_few_live(folder):
    counts = pd.DataFrame({"F": [1, 4, 0, 2], "M": [2, 1, 3, 1]}, index=["Arcueil", "Cachan", "Thiais", "Villejuif"])
    counts.index.name = "commune"
    save(folder, "where_few_live.ipynb", notebook(code("x", bundle({"text/html": frame_html(counts)}))))


@leak
def patients_left_out_of_a_frame(folder):
    source = f"data = data[~data.index.isin([{', '.join(NUMBERS[:3])}])]"
    save(folder, "patients_left_out_of_a_frame.ipynb", notebook(code(source)))


# What does not


@clean
def coefficients(folder):
    table = pd.DataFrame(
        {"term": list("abcdefgh"), "coef": np.linspace(-1, 1, 8) ** 3, "std_err": 0.11, "p_value": 0.04}
    )
    table["term"] = ["age", "grade[2]", "grade[3]", "nodes", "pgr", "er", "hormon", "meno"]
    save(
        folder,
        "coefficients.ipynb",
        notebook(code("cox.table", bundle({"text/html": frame_html(table), "text/plain": str(table)}))),
    )


@clean
def counts_by_group(folder):
    rng = np.random.default_rng(1)
    table = pd.DataFrame(
        [(g, m, h, rng.integers(11, 80)) for g in (1, 2, 3) for m in (0, 1) for h in (0, 1)],
        columns=["grade", "meno", "hormon", "n"],
    )
    save(
        folder,
        "counts_by_group.ipynb",
        notebook(code("df.groupby(...).size()", bundle({"text/html": frame_html(table)}))),
    )


@clean
def histogram_of_bins(folder):
    counts, edges = np.histogram(DATA["age"], bins=8)
    trace = {"type": "bar", "x": ((edges[1:] + edges[:-1]) / 2).tolist(), "y": counts.clip(11).tolist()}
    save(folder, "histogram_of_bins.ipynb", notebook(code("fig", figure(trace))))


@clean
def forest_plot(folder):
    rng = np.random.default_rng(4)
    x = rng.lognormal(0, 0.3, 14)
    trace = {
        "type": "scatter",
        "x": typed(x),
        "y": [f"subgroup {word}" for word in "abcdefghijklmn"],
        "mode": "markers",
    }
    trace["error_x"] = {"type": "data", "array": typed(x * 0.2), "arrayminus": typed(x * 0.15)}
    save(folder, "forest_plot.ipynb", notebook(code("fig", figure(trace))))


@clean
def kaplan_meier_in_safe_steps(folder):
    x, y = kaplan_meier()
    steps = np.arange(0, len(x), 14)
    curve = {"type": "scatter", "x": typed(x[steps]), "y": typed(y[steps]), "line": {"shape": "hv"}}
    below = {
        "type": "scatter",
        "mode": "text",
        "x": [0.0, 2.0, 4.0, 6.0],
        "y": [0, 0, 0, 0],
        "text": ["400", "300", "150", "60"],
    }
    save(folder, "kaplan_meier_in_safe_steps.ipynb", notebook(code("fig", figure(curve, below))))


@clean
def smooth_hazard(folder):
    grid = np.linspace(0, 6, 200)
    trace = {"type": "scatter", "x": typed(grid), "y": typed(0.2 * np.exp(-((grid - 1.5) ** 2)))}
    save(folder, "smooth_hazard.ipynb", notebook(code("fig", figure(trace))))


@clean
def calibration(folder):
    rng = np.random.default_rng(6)
    x = np.sort(rng.uniform(0.1, 0.9, 10))
    save(
        folder,
        "calibration.ipynb",
        notebook(code("fig", figure({"type": "scatter", "x": typed(x), "y": typed(x + 0.02)}))),
    )


@clean
def correlations(folder):
    matrix = DATA[["age", "size", "nodes", "pgr", "er", "rfstime"]].corr()
    trace = {"type": "heatmap", "z": matrix.to_numpy().tolist(), "x": list(matrix), "y": list(matrix)}
    save(folder, "correlations.ipynb", notebook(code("fig", figure(trace), bundle({"text/html": frame_html(matrix)}))))


@clean
def described(folder):
    table = DATA[["age", "size", "pgr"]].describe().loc[["count", "mean", "std", "50%"]]
    save(
        folder,
        "described.ipynb",
        notebook(code("df.describe()", bundle({"text/html": frame_html(table), "text/plain": str(table)}))),
    )


@clean
def table_one(folder):
    table = pd.DataFrame(
        {
            "": ["n", "Age (years), median [Q1,Q3]", "Grade 1", "Grade 2"],
            "Overall": ["400", "54.0 [46.0,61.0]", "44 (11.0)", "260 (65.0)"],
        }
    )
    save(folder, "table_one.ipynb", notebook(code("table_one(...)", bundle({"text/html": frame_html(table)}))))


@clean
def picture(folder):
    encoded = base64.b64encode(_png()).decode()
    save(
        folder,
        "picture.ipynb",
        notebook(code("plt.show()", bundle({"image/png": encoded, "text/plain": "<Figure size 640x480>"}))),
    )


@clean
def picture_file(folder):
    save(folder, "picture_file.png", _png())


@clean
def error_of_a_name(folder):
    error = {
        "output_type": "error",
        "ename": "NameError",
        "evalue": "name 'dff' is not defined",
        "traceback": ["NameError: name 'dff' is not defined"],
    }
    save(folder, "error_of_a_name.ipynb", notebook(code("dff.head()", error)))


@clean
def error_that_quotes_its_author(folder):
    error = {"output_type": "error", "ename": "KeyError", "evalue": "'agee'", "traceback": ["KeyError: 'agee'"]}
    save(folder, "error_that_quotes_its_author.ipynb", notebook(code('df["agee"].mean()', error)))


@clean
def source_only(folder):
    source = 'from paillasse import open_catalog\ndata = open_catalog()["gbsg"].read()\ntau = 5.0\n'
    source += 'horizons = [1, 2, 3, 5]\npalette = ["#0072B2", "#D55E00"]'
    save(
        folder,
        "source_only.ipynb",
        notebook(markdown("# How long until relapse?\n\nMoertel 1995; 122: 321-326."), code(source)),
    )


@clean
def readme(folder):
    save(folder, "readme.md", (ROOT / "README.md").read_text(encoding="utf-8"))


@clean
def program(folder):
    save(folder, "program.py", Path(__file__).read_text(encoding="utf-8").partition("# What leaks")[0])


@clean
def lock(folder):
    save(folder, "lock.txt", (ROOT / "requirements.lock").read_text(encoding="utf-8"))


@clean
def survival_at_horizons(folder):
    rows = [
        (g, t, n, s, s - 0.05, s + 0.05)
        for g, b in (("Lev", 0.81), ("Obs", 0.77))
        for t, n, s in zip(range(1, 7), (280, 240, 200, 150, 90, 40), b ** np.arange(1, 7), strict=True)
    ]
    table = pd.DataFrame(rows, columns=["group", "time", "n_risk", "survival", "lower", "upper"])
    save(folder, "survival_at_horizons.csv", table.to_csv(index=False))


@clean
def counts_by_departement(folder):
    table = pd.DataFrame(
        {"departement": [f"{i:02}" for i in range(1, 96)], "n": np.random.default_rng(8).integers(11, 900, 95)}
    )
    save(folder, "counts_by_departement.csv", table.to_csv(index=False))


@clean
def rows_of_a_public_data_set(folder):
    data = pd.read_csv(ROOT / "data" / "gbsg.csv")
    trace = {"type": "scatter", "x": typed(data["age"]), "y": typed(data["rfstime"])}
    cells = [
        code("data.head()", bundle({"text/html": frame_html(data.head()), "text/plain": str(data.head())})),
        code("fig", figure(trace)),
    ]
    save(folder, "rows_of_a_public_data_set.ipynb", notebook(*cells))


@clean
def rows_of_a_stand_in(folder):
    from paillasse import open_catalog

    data = open_catalog(ROOT / "data_catalog.yaml", profile="synthetic")["lung_io"].read().head(6)
    save(folder, "rows_of_a_stand_in.ipynb", notebook(code("data.head(6)", bundle({"text/html": frame_html(data)}))))


@clean
def excel_of_results(folder):
    table = pd.DataFrame({"arm": ["A", "B"], "n": [200, 200], "hazard_ratio": [1.0, 0.71]})
    table.to_excel(folder / "excel_of_results.xlsx", index=False)


@clean
def settings(folder):
    save(
        folder,
        "settings.json",
        {"theme": "dark", "tau": 5.0, "levels": [0.05, 0.25, 0.5, 0.75, 0.95], "size": [640, 480]},
    )


def _keyed(rows: list[tuple], names: str) -> str:
    return pd.DataFrame(rows, columns=names.split()).to_string(index=False)


CHANCE = np.random.default_rng(12)
PRINTED_CLEAN = {
    "counts_by_two_keys": pd.DataFrame(
        CHANCE.integers(30, 900, (10, 3)), index=pd.RangeIndex(10, name="nodes"), columns=["I", "II", "III"]
    ).to_string(),
    "predictions_over_a_grid": _keyed(
        [(a, g, n, a * g / 400 + n / 90) for a in (40, 50, 60, 70) for g in (1, 2, 3) for n in (0, 3, 10)],
        "age grade nodes risk",
    ),
    "quartiles": DATA[["age", "size", "rfstime"]].quantile([0.25, 0.5, 0.75]).to_string(),
    "losses_of_epochs": "\n".join(
        f"Epoch {i}/40 loss {np.exp(-i / 12) + noise:.4f}" for i, noise in enumerate(CHANCE.normal(size=40) / 200)
    ),
    "replicates_of_a_simulation": _keyed(
        [(i, s, e, 500 - e, h) for i, (s, e, h) in enumerate(zip(
            CHANCE.integers(1000, 9999, 12), CHANCE.integers(200, 300, 12), CHANCE.normal(size=12).round(4), strict=True
        ))],
        "rep seed n_events n_censored log_hr",
    ),
    "numbers_at_risk": "months   0   12   24   36\nA      412  330  251  188\nB      398  345  290  241",
    "running_numbers_of_r": " [1]  1  2  3  4  5  6  7  8\n [9]  9 10 11 12 13 14 15 16",
    "genes_by_their_public_number": "gene id\nTP53 ENSG00000141510\nEGFR ENSG00000146648\nKRAS ENSG00000133703",
    "public_holidays": "\n".join(
        f"2026-{day}" for day in ("01-01", "04-06", "05-01", "05-08", "05-25", "07-14", "08-15", "11-11", "12-25")
    ),
}  # fmt: skip
DRAWN_CLEAN = {
    "loss_over_epochs": {
        "type": "scatter", "x": list(range(100)),
        "y": typed(np.exp(-np.arange(100) / 20) + CHANCE.normal(size=100) / 200),
    },
    "map_of_departements": {
        "type": "choropleth", "locations": [f"{i:02}" for i in range(1, 96) if i != 20],
        "z": CHANCE.integers(11, 900, 94).tolist(),
    },
    "bars_of_a_histogram": {
        "type": "bar", "x": np.linspace(-2, 2, 21).round(2).tolist(), "y": CHANCE.integers(20, 500, 21).tolist()
    },
}  # fmt: skip
CLEAN |= {name: _printed(name, text) for name, text in PRINTED_CLEAN.items()}
CLEAN |= {name: _drawn(name, **trace) for name, trace in DRAWN_CLEAN.items()}


@clean
def codes_of_procedures(folder):
    source = "acts = ['QEFA003', 'QEFA004', 'GFFA009', 'JGFA014', 'HHFA002']\ndrugs = ['L01XA02', 'L02BA01', 'L01FF02']"
    save(folder, "codes_of_procedures.ipynb", notebook(code(source)))


@clean
def a_made_up_profile(folder):
    text = "For a woman of 60 years with a tumour of grade 2, the risk at 5 years is 23 %."
    source = 'profile = {"age": 60, "grade": 2, "nodes": 3, "size": 25, "hormon": 1}'
    save(folder, "a_made_up_profile.ipynb", notebook(markdown(text), code(source, printed("0.231"))))


@clean
def doses_of_a_protocol(folder):
    rows = [f"{c},{14 * c + d},{drug},{dose}" for c in range(4) for d, drug, dose in ((1, "A", 85), (1, "B", 400))]
    save(folder, "doses_of_a_protocol.csv", "cycle,day,drug,dose\n" + "\n".join(rows))


@clean
def centres_on_a_map(folder):
    traces = [{
        "type": "scattermap", "lat": [48.79381, 45.74054, 48.84267, 43.29162, 44.82531, 50.60672],
        "lon": [2.34912, 4.87851, 2.34071, 5.40432, -0.60433, 3.03241],
        "text": ["Villejuif", "Lyon", "Paris", "Marseille", "Bordeaux", "Lille"],
    }]  # fmt: skip
    save(folder, "centres_on_a_map.ipynb", notebook(code("fig", shown(**{PLOTLY: {"data": traces, "layout": {}}}))))


@clean
def history_of_a_protocol(folder):
    days = ["3 mars 2019", "12 juin 2019", "1er octobre 2019", "7 janvier 2020", "22 mai 2020", "9 septembre 2020",
            "15 février 2021", "30 juin 2021", "4 novembre 2021"]  # fmt: skip
    text = "Versions of the protocol: " + "; ".join(f"{n}, {day}" for n, day in enumerate(days, 1))
    save(folder, "history_of_a_protocol.md", text)


@clean
def estimates_with_bars(folder):
    names = [f"age {low} to {low + 4}" for low in range(40, 85, 5)]
    widths = [12.4, 18.9, 25.1, 33.0, 41.7, 47.2, 52.8, 61.3, 70.6]
    rows = "".join(
        f"<tr><th>{name}</th><td style='background:linear-gradient(90deg,#d65f5f {width}%,transparent {width}%)'>"
        f"{width}</td></tr>"
        for name, width in zip(names, widths, strict=True)
    )
    page = f"<table><tr><th>group</th><th>risk, %</th></tr>{rows}</table>"
    save(folder, "estimates_with_bars.ipynb", notebook(code("risks", shown(text__html=page))))


@clean
def estimates_in_a_sentence(folder):
    text = "Hazard ratios: age 1.02 / size 1.01 / grade 1.32 / nodes 1.05 / pgr 0.99 / er 1.00 / hormon 0.70"
    save(folder, "estimates_in_a_sentence.md", text + " / meno 1.11 / centre 0.98 / year 0.97 / side 1.04\n")


@clean
def shares_of_codes(folder):
    weights = np.random.default_rng(9).integers(20, 900, 80)
    shares = (weights / weights.sum()).round(4)
    shares[0] += 1 - shares.sum()
    codes = [f"{letter}{number:02}AB{last:02}" for letter in "ABCJL" for number in range(1, 5) for last in range(1, 5)]
    mapping = {code: round(share, 4) for code, share in zip(codes, shares.tolist(), strict=True)}
    save(folder, "shares_of_codes.json", {"drug": {"categorical": mapping}})


def _vector(name: str, draw: Callable, kind: str) -> Callable:
    """A figure of matplotlib as it is drawn in vectors, its letters too."""

    def write(folder):
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib.figure import Figure

        drawn, out = Figure(), io.BytesIO()
        draw(drawn.subplots())
        drawn.savefig(out, format=kind)
        drawing = bundle({"image/svg+xml": out.getvalue().decode()}) if kind == "svg" else None
        if drawing:
            save(folder, f"{name}.ipynb", notebook(code("x", drawing)))
        else:
            save(folder, f"{name}.{kind}", out.getvalue())

    return write


TIME = np.linspace(0, 5, 100)
MEANS = DATA.groupby(["grade", "meno"])[["age", "size", "nodes"]].mean().round(2)
MEDIANS = DATA.groupby("grade")[["age", "size", "nodes", "rfstime"]].median()
TRIED = pd.DataFrame({
    "learning_rate": CHANCE.uniform(0.01, 0.3, 30).round(3), "max_depth": CHANCE.integers(2, 9, 30),
    "n_estimators": CHANCE.integers(50, 900, 30), "c_index": CHANCE.uniform(0.6, 0.7, 30).round(4),
})  # fmt: skip
CLEAN |= {
    "vector_of_a_curve": _vector("vector_of_a_curve", lambda axes: axes.plot(TIME, np.exp(-0.3 * TIME)), "svg"),
    "vector_of_bars": _vector("vector_of_bars", lambda axes: axes.bar(["I", "II", "III"], [81, 444, 161]), "svg"),
    "vectors_on_a_page": _vector("vectors_on_a_page", lambda axes: axes.plot(TIME, np.exp(-0.3 * TIME)), "pdf"),
}
CLEAN |= {
    name: _printed(name, text)
    for name, text in {
        "medians_by_group": MEDIANS.to_string(),
        "medians_of_all": str(DATA.median()),
        "settings_tried": TRIED.to_string(),
        "log_of_a_training": "\n".join(
            f"Epoch {i}/25 - loss: {np.exp(-i / 20):.4f} - accuracy: {0.6 + noise:.4f} - val_loss: {0.7 - noise:.4f}"
            for i, noise in enumerate(CHANCE.normal(size=25) / 90)
        ),
        "numbers_of_a_country": "Months        0      12      24\nPatients  120345   98234   75123\n"
        "Controls  240690  201345  160233",
        "criterion_of_a_protocol": "Un patient de plus de 75 ans est exclu ; ECOG 0-1, adénocarcinome de stade III.",
        "populations": "Population by region: [1205334, 8834211, 4551203, 3301926]",
    }.items()
}  # fmt: skip


@clean
def means_by_two_keys(folder):
    save(folder, "means_by_two_keys.ipynb", notebook(code("x", bundle({"text/html": frame_html(MEANS)}))))


@clean
def excel_of_many_estimates(folder):
    table = pd.DataFrame(CHANCE.normal(size=(8, 11)).round(3), columns=[f"estimate {i}" for i in range(11)])
    table.insert(0, "term", ["age", "meno", "size", "grade", "nodes", "pgr", "er", "hormon"])
    table.to_excel(folder / "excel_of_many_estimates.xlsx", index=False)


@clean
def tools_of_bokeh(folder):
    tools = [{"type": "object", "name": name, "id": f"p{id}"} for id, name in
             ((1027, "PanTool"), (1028, "ZoomTool"), (1037, "SaveTool"), (1041, "HelpTool"))]  # fmt: skip
    docs = {"1": {"roots": [{"type": "object", "attributes": {"toolbar": {"tools": tools}}}]}}
    script = f"<script>const docs_json = {json.dumps(docs)};</script>"
    save(folder, "tools_of_bokeh.html", f"<html><body>{script}</body></html>")


@clean
def dictionary_with_limits(folder):
    table = pd.DataFrame({
        "variable": ["age", "meno", "size", "rfstime", "status"], "type": ["int", "bool", "int", "int", "bool"],
        "min": [18, 0, 1, 1, 0], "max": [100, 1, 200, 4000, 1],
    })  # fmt: skip
    save(folder, "dictionary_with_limits.ipynb", notebook(code("x", bundle({"text/html": frame_html(table)}))))


def make(folder: Path) -> None:
    """Write the whole corpus."""
    for name, makers in (("leaks", LEAKS), ("clean", CLEAN)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for maker in makers.values():
            maker(folder / name)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
