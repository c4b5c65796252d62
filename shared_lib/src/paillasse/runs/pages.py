"""Results as pages: each executed notebook, and the list of all runs.

The pages open from a folder, a zip or a mail, in an enclave without internet: they load nothing but one
`plotly.min.js` beside the list, and a content policy keeps the browser from fetching whatever an output asks for.
"""

import json
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from paillasse.files import write_atomically
from paillasse.runs.progress import length
from paillasse.runs.results import (
    FOLDER,
    NOTEBOOK,
    counted,
    describe_error,
    newest_results,
    now,
    read_state,
    seconds,
    started,
)

if TYPE_CHECKING:
    from nbconvert import HTMLExporter

ONE_AT_A_TIME = threading.Lock()  # the exporter keeps what it knows of the notebook that it is writing
TEMPLATES = Path(__file__).with_name("templates")
PAGE = "notebook.html"
PLOTLY = "application/vnd.plotly.v1+json"
NO_DESCRIPTION = "A picture; its notebook gives no description of it"
MOST_COLUMNS = 6  # of parameters in the list of runs; a table wider than the page is no help
SHOWN_FIRST = [PLOTLY, "text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/plain"]
# `file:` is the pages' own place when they are opened from a folder; `unsafe-eval` is what plotly's WebGL traces need.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self' file: 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src 'self' file: data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)


def write_page(folder: Path) -> None:
    """Write the executed notebook of a result as `notebook.html` beside it."""
    import nbformat
    from papermill.execute import ERROR_MARKER_TAG

    if not (folder / NOTEBOOK).is_file():  # the kernel never started
        return
    notebook = nbformat.read(folder / NOTEBOOK, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if ERROR_MARKER_TAG not in cell.metadata.get("tags", [])]
    run = read_state(folder)
    has_figures = any(PLOTLY in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))
    if has_figures:
        _share_plotly(folder.parents[1])
    for cell in notebook.cells:
        cell.metadata.setdefault("alt", NO_DESCRIPTION)  # for who hears the page
    resources = {
        "run": run,
        "failure": describe_error(run),
        "parameters": ", ".join(f"{name} = {_shown(value)}" for name, value in run["parameters"].items()),
        "when": _when(run),
        "files": [NOTEBOOK, *sorted(file.name for file in folder.glob("*.csv"))],
        "has_figures": has_figures,
        "content_policy": CONTENT_POLICY,
        "style": _text("page.css"),
        "script": _text("figures.js"),
    }
    with ONE_AT_A_TIME:
        page, _ = _exporter().from_notebook_node(notebook, resources)
    write_atomically(folder / PAGE, page)


def write_index(project: Path, declared: list[str]) -> Path:
    """Write `runs/index.html`: every run's newest result, the declared runs first and in their order."""
    from jinja2 import Environment, FileSystemLoader

    runs = [_row(project, name, folder) for name, folder in newest_results(project, declared)]
    columns = columns_of([run["parameters"] for run in runs])
    template = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True).get_template("runs.html.j2")
    page = template.render(
        project=project.resolve().name,
        states=counted(run["state"] for run in runs),
        written=f"{now().astimezone():%Y-%m-%d %H:%M}",
        runs=runs,
        columns=columns,
        others=any(name not in columns for run in runs for name in run["parameters"]),
        content_policy=CONTENT_POLICY,
        style=_text("page.css"),
        script=_text("sort.js"),
    )
    path = project / FOLDER / "index.html"
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, page)
    return path


def columns_of(parameters: list[dict[str, str]]) -> list[str]:
    """The parameters that have a column of their own in the list of runs: those that differ most, in their order.

    Examples
    --------
    >>> columns_of([{"tau": "5", "endpoint": "death"}, {"tau": "5", "endpoint": "relapse"}, {"formula": "age"}])
    ['endpoint']
    """
    values: dict[str, set[str]] = {}
    for name, value in (each for given in parameters for each in given.items()):
        values.setdefault(name, set()).add(value)
    differing = [name for name, found in values.items() if len(found) > 1]
    most = sorted(differing, key=lambda name: -len(values[name]))[:MOST_COLUMNS]
    return [name for name in differing if name in most]


def figure_json(figure: dict) -> str:
    """A plotly figure as JSON that can stand in a `<script>`: no `<` can end the element or open a comment."""
    config = {key: value for key, value in figure.get("config", {}).items() if key != "plotlyServerURL"}
    text = json.dumps(figure | {"config": config}, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def _exporter() -> "HTMLExporter":
    """nbconvert's exporter, made once: to compile its templates takes longer than to write a page."""
    from nbconvert import HTMLExporter
    from nbconvert.filters import Highlight2HTML
    from traitlets.config import Config

    class Exporter(HTMLExporter):
        """Without the parent's last step, which takes the page apart once more, for what its template has already, in
        half of the time that all of it takes."""

        def from_notebook_node(self, nb, resources=None, **others):
            return super(HTMLExporter, self).from_notebook_node(nb, resources, **others)

    return Exporter(
        config=Config({"NbConvertBase": {"display_data_priority": SHOWN_FIRST}}),
        extra_template_basedirs=[str(TEMPLATES)],
        template_name="paillasse",
        exclude_anchor_links=True,
        exclude_output_prompt=True,
        optimistic_validation=True,  # once, after all preprocessors
        filters={"figure_json": figure_json, "highlight_code": Highlight2HTML(pygments_lexer="ipython3")},
    )


def _row(project: Path, name: str, folder: Path | None) -> dict:
    state = read_state(folder) if folder else {"state": "not run yet"}
    has_page = folder is not None and (folder / PAGE).is_file()
    return state | {
        "name": name,
        "link": quote(f"{name}/{folder.name}/{PAGE}") if has_page else None,
        "failure": describe_error(state),
        "parameters": {key: _shown(value) for key, value in state.get("parameters", {}).items()},
        "when": started(state),
        "seconds": seconds(state),
        "took": length(seconds(state)),
    }


def _share_plotly(runs: Path) -> None:
    """Put the plotly of this environment beside the list of runs, once for all pages."""
    path = runs / "plotly.min.js"
    if not path.is_file() or path.stat().st_size != len(_plotly()):
        write_atomically(path, _plotly().decode("utf-8"))


@cache
def _plotly() -> bytes:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs().encode("utf-8")


def _shown(value) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _when(run: dict) -> str:
    return ", ".join(filter(None, [started(run), length(seconds(run))]))


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
