"""Results as pages: what they show, and that they load nothing from anywhere."""

import json
import re
from html import unescape

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from paillasse.runs.pages import NO_DESCRIPTION, PLOTLY, columns_of, figure_json, write_index, write_page
from paillasse.runs.results import new_folder, write_state

TEXTS = st.text(st.sampled_from("</script>!-- &\u2028\"'\\aé"))
FIGURE = {
    "data": [{"type": "scatter", "x": [0, 1], "y": [1, 0.5], "name": "</script><script>alert(1)"}],
    "layout": {"title": {"text": "<!-- <script>"}},
    "config": {"plotlyServerURL": "https://plot.ly"},
}


def shown(data):
    return new_code_cell("shown", outputs=[new_output("display_data", data=data)], execution_count=1)


@pytest.fixture
def result(tmp_path):
    """A function that makes a result of these cells, writes its page, and gives the page's text."""
    project = tmp_path / "projet d'été & co"

    def write(*cells, **state):
        folder = new_folder(project, "km")
        known = {"name": "km", "title": "Survival?", "parameters": {"tau": 5}, "profile": "public", "state": "ok"}
        times = {"started": "2026-11-21T10:00:00+00:00", "finished": "2026-11-21T10:01:05+00:00"}
        write_state(folder, **known | times | state)
        nbformat.write(new_notebook(cells=list(cells)), folder / "notebook.ipynb")
        write_page(folder)
        write_index(project, ["km", "later"])
        return folder

    return write


def page(folder):
    return (folder / "notebook.html").read_text(encoding="utf-8")


def index(folder):
    return (folder.parents[1] / "index.html").read_text(encoding="utf-8")


def scripts(html, attributes):
    return re.findall(rf"<script[^>]*{attributes}[^>]*>(.*?)</script>", html, flags=re.DOTALL)


@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_a_figure_in_a_script_is_the_same_figure_and_cannot_end_the_script(content):
    text = figure_json({"data": content})
    assert json.loads(text)["data"] == content
    assert not re.search("[<>&]", text)


def test_a_figures_data_stand_in_its_page(result):
    (data,) = scripts(page(result(shown({PLOTLY: FIGURE, "text/html": "never shown"}))), "application/json")
    assert json.loads(data)["data"] == FIGURE["data"]


def test_one_plotly_beside_the_index_serves_every_page(result):
    folder = result(shown({PLOTLY: FIGURE}))
    html = page(folder)
    assert '<script src="../../plotly.min.js">' in html
    assert (folder / "../../plotly.min.js").resolve().stat().st_size > 1_000_000
    assert len(html) < 50_000


def test_a_page_without_figures_loads_no_script(result):
    folder = result(new_markdown_cell("# Survival?"))
    assert "<script" not in page(folder)
    assert not (folder.parents[1] / "plotly.min.js").exists()


def test_no_page_holds_an_external_address(result):
    folder = result(
        new_markdown_cell("# Survival?\n\n$x^2$ and `code`\n\n```mermaid\ngraph TD\n```"),
        shown({PLOTLY: FIGURE}),
        shown({"text/html": "<table border='1'><tr><td>1</td></tr></table>"}),
        shown({"application/javascript": "alert('no')", "text/plain": "a widget"}),
        shown({"text/latex": "$x$", "text/plain": "x"}),
    )
    for html in (page(folder), index(folder)):
        assert not re.search(r"https?:", html)
        assert not re.search(r"""(?:src|href|url|@import)\s*[=(]?\s*["']?//""", html)
    assert "alert(" not in re.sub(r"<script type=.application/json.*?</script>", "", page(folder)).replace(
        "alert(1)", ""
    )


def test_the_browser_may_fetch_nothing_from_outside(result):
    folder = result(shown({"text/html": "<img src='https://example.org/count.png'>"}))
    for html in (page(folder), index(folder)):
        (meta,) = re.findall(r"<meta [^>]*Content-Security-Policy[^>]*>", unescape(html))
        assert "default-src 'none'" in meta
        assert "https:" not in meta
        assert "*" not in meta


def test_code_is_closed_behind_a_toggle_and_open_where_it_failed(result):
    error = new_output("error", ename="ValueError", evalue="no", traceback=["\x1b[31mValueError\x1b[0m: <no>"])
    html = page(result(new_code_cell("good = 1"), new_code_cell("bad", outputs=[error])))
    closed, opened = re.findall(r"<details([^>]*)>", html)
    assert "open" not in closed
    assert "open" in opened
    assert "&lt;no&gt;" in html


def test_html_that_an_output_gives_is_shown_as_it_is(result):
    assert "<td>0.60</td>" in page(result(shown({"text/html": "<table><tr><td>0.60</td></tr></table>"})))


@pytest.mark.parametrize("picture", [{"image/png": "iVBORw0KGgo="}, {"image/svg+xml": "<svg><text>é</text></svg>"}])
def test_who_cannot_see_a_picture_is_told_its_description_or_that_there_is_none(result, picture):
    described = shown(picture)
    described.metadata["alt"] = 'Survival "by arm"'
    pictures = re.findall("<img[^>]*>", page(result(described, shown(picture))))
    assert [unescape(re.search('alt="([^"]*)"', each)[1]) for each in pictures] == ['Survival "by arm"', NO_DESCRIPTION]


def test_papermills_own_marks_are_left_out(result):
    marker = new_markdown_cell("<b>papermill stopped here</b>", metadata={"tags": ["papermill-error-cell-tag"]})
    assert "papermill stopped here" not in page(result(marker))


def test_the_index_shows_the_newest_result_with_its_headline_and_link(result):
    result(new_markdown_cell("old"), headline="the old one")
    folder = result(new_markdown_cell("new"), headline="Hazard ratio <0.60> & é")
    html = index(folder)
    assert "Hazard ratio &lt;0.60&gt; &amp; é" in html
    assert "the old one" not in html
    assert f'href="km/{folder.name}/notebook.html"' in html
    assert "1 min 05 s" in html


def test_the_index_shows_failures_and_runs_that_never_ran(result):
    html = index(result(new_markdown_cell("x"), state="error", error={"cell": 3, "exception": "ValueError"}))
    assert "cell 3, ValueError" in html
    assert "2 runs: 1 error, 1 not run yet" in html


def test_parameters_and_names_are_escaped(result):
    folder = result(new_markdown_cell("x"), parameters={"by": "<b>sex"}, title="A < B")
    for html in (page(folder), index(folder)):
        assert "&lt;b&gt;sex" in html
        assert "A &lt; B" in html


def heads(html):
    return re.findall(r"<th><button[^>]*>([^<]*)</button></th>", html)


def test_parameters_that_differ_are_columns_and_the_others_share_one(result):
    project = result(new_markdown_cell("x"), parameters={"tau": 5}).parents[2]
    other = {"name": "other", "title": "Other", "state": "ok", "parameters": {"tau": 7, "formula": "age"}}
    write_state(new_folder(project, "other"), **other)
    html = write_index(project, ["km", "other"]).read_text(encoding="utf-8")
    assert heads(html) == ["Run", "State", "Result", "tau", "Other parameters", "Executed", "Took"]
    assert "<td>7</td>" in html


def test_a_wide_grid_has_columns_for_what_differs_most():
    grid = [{f"p{i}": str(j % (i + 2)) for i in range(10)} for j in range(20)]
    assert columns_of(grid) == ["p4", "p5", "p6", "p7", "p8", "p9"]


def test_a_column_sorts_by_its_value_and_not_by_the_words_for_it(result):
    html = index(result(new_markdown_cell("x"), headline="Hazard ratio 0.60"))
    assert 'data-key="65.0">1 min 05 s</td>' in html
    assert 'data-key="Hazard ratio 0.60"' in html
    assert "addEventListener" in scripts(html, "")[0]


@pytest.mark.parametrize("content", ["", "[]", '{"state": "done"}', '{"state": "ok", "started": 5, "parameters": []}'])
def test_a_result_that_is_damaged_or_of_an_older_version_has_a_row_and_stays(tmp_path, content):
    file = new_folder(tmp_path, "km") / "run.json"
    file.write_text(content, encoding="utf-8")
    html = write_index(tmp_path, ["km"]).read_text(encoding="utf-8")
    assert '<div class="quiet">km</div>' in html
    assert file.read_text(encoding="utf-8") == content
