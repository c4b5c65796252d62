"""What counts as a difference between a stored output and a new one."""

import base64
import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paillasse.notebooks.compare import appearance, differences

PLOTLY = "application/vnd.plotly.v1+json"
numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e6, max_value=1e6)


def shows(**bundle):
    return [{"output_type": "display_data", "data": {k.replace("_", "/"): v for k, v in bundle.items()}}]


def prints(text, name="stdout"):
    return [{"output_type": "stream", "name": name, "text": text}]


def bdata(values):
    array = np.asarray(values)
    encoded = {"dtype": array.dtype.str[1:], "bdata": base64.b64encode(array.tobytes()).decode()}
    return encoded | ({"shape": ", ".join(map(str, array.shape))} if array.ndim > 1 else {})


def figure(y=(1.0, 0.9, 0.8), name="Lev+5FU", title="Recurrence", **layout):
    content = {
        "data": [{"type": "scatter", "name": name, "x": [0, 1, 2], "y": bdata(np.array(y)), "uid": "abc"}],
        "layout": {"title": {"text": title}, "xaxis": {"title": {"text": "years"}, "range": [0.0, 5.0]}} | layout,
        "config": {"plotlyServerURL": "elsewhere"},
    }
    return [{"output_type": "display_data", "data": {PLOTLY: content}}]


def said(stored, new):
    return [str(each) for each in differences(stored, new)]


# Text


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ("HR 0.599000 (0.475-0.756)", "HR 0.5990000001 (0.475-0.756)"),
        ("p = 1.2e-17", "p = 0.0"),
        ("p = −0.5", "p = -0.50000000001"),
        ("<object at 0x7f9bed7a73b0>", "<object at 0x7fd7388c73a0>"),
        ("  0.5    0.25", "0.5 0.25"),
        ("a\nb", "a  \nb"),
    ],
)
def test_texts_that_say_the_same(stored, new):
    assert said(shows(text_plain=stored), shows(text_plain=new)) == []


@pytest.mark.parametrize(
    ("stored", "new"),
    [
        ("HR 0.599", "HR 0.600"),
        ("n = 1000000", "n = 1000001"),  # within the relative tolerance, but a patient is a patient
        ("1,234 patients", "1,235 patients"),
        ("node4", "node5"),
        ("2026-11-21", "2026-11-22"),
        ("0.5", "-0.5"),
        ("0.5", "nan"),
        ("0.5 0.5", "0.5"),
        ("alive", "dead"),
        ("a\nb", "a\nb\nc"),
        ("a", ""),
    ],
)
def test_texts_that_differ(stored, new):
    assert len(said(shows(text_plain=stored), shows(text_plain=new))) == 1


@given(numbers, st.floats(-1, 1))
def test_a_number_within_the_tolerance_is_the_same(value, noise):
    near = value + noise * 0.99 * (1e-9 + 1e-6 * abs(value))
    assert said(prints(f"x = {value!r}"), prints(f"x = {near!r}")) == []


@given(numbers, st.sampled_from([-1, 1]))
def test_a_number_beyond_the_tolerance_is_another(value, sign):
    far = value + sign * 1.01 * (1e-9 + 1e-6 * abs(value))
    assert len(differences(prints(f"x = {value!r}"), prints(f"x = {far!r}"))) == 1


@given(st.text(max_size=80))
def test_a_text_is_the_same_as_itself(text):
    assert differences(prints(text), prints(text)) == []


def test_an_added_line_is_one_difference_and_not_all_lines_after_it():
    stored = "\n".join(f"row {i} 0.5" for i in range(50))
    assert len(said(prints(stored), prints("new\n" + stored.replace("0.5", "0.50000000001")))) == 1


def test_a_long_line_is_shown_where_it_differs():
    (text,) = said(prints("x" * 500 + "0.5"), prints("x" * 500 + "0.6"))
    assert "0.5'" in text and "0.6'" in text and len(text) < 300


# HTML

TABLE = (
    '<table id="T_ab12c"><tr><th>age</th><td id="T_ab12c_row0_col0">0.512</td></tr>'
    "<tr><th>size</th><td>0.25</td></tr></table>"
)


def test_a_changed_cell_of_a_table_is_named_by_its_row():
    new = TABLE.replace("ab12c", "fffff").replace("0.25", "0.35")
    assert said(shows(text_html=TABLE), shows(text_html=new)) == ["text/html row 'size': stored '0.25', now '0.35'"]


def test_another_random_id_and_another_layout_of_the_source_are_no_difference():
    assert (
        said(shows(text_html=TABLE), shows(text_html=TABLE.replace("ab12c", "0f0f0").replace("<tr", "\n  <tr"))) == []
    )


def test_styles_are_the_appearance_of_a_table_and_not_its_content():
    stored = shows(text_html=f"<style>#T_ab12c td {{color: red}}</style>{TABLE}")
    new = shows(text_html=TABLE.replace("<td>", "<td class='wide' style='width: 7em'>"))
    assert said(stored, new) == []
    assert appearance(stored) != appearance(new)
    assert appearance(stored) == appearance(shows(text_html=stored[0]["data"]["text/html"].replace("ab12c", "fffff")))


def test_an_added_row_is_a_difference_of_numbers():
    new = TABLE.replace("</table>", "<tr><th>grade</th><td>3</td></tr></table>")
    found = differences(shows(text_html=TABLE), shows(text_html=new))
    assert found and all(each.of_numbers for each in found)


# Figures


def test_arrays_are_the_same_however_they_are_encoded():
    stored, new = figure(), figure()
    new[0]["data"][PLOTLY]["data"][0]["y"] = [1.0, 0.9 + 1e-12, 0.8]
    new[0]["data"][PLOTLY]["data"][0]["x"] = bdata(np.array([0, 1, 2], dtype="i1"))
    assert said(stored, new) == []


def test_a_count_stored_as_a_float_is_compared_exactly():
    assert len(said(figure(y=(1e6, 0.9, 0.8)), figure(y=(1e6 + 1, 0.9, 0.8)))) == 1


def test_infinite_values_are_the_same_as_themselves():
    assert said(figure(y=(np.inf, -np.inf, 0.8)), figure(y=(np.inf, -np.inf, 0.8))) == []
    assert len(said(figure(y=(np.inf, 0.9, 0.8)), figure(y=(-np.inf, 0.9, 0.8)))) == 1


def test_missing_values_are_the_same_as_null_and_as_nan():
    stored, new = figure(y=(1.0, np.nan, 0.8)), figure()
    new[0]["data"][PLOTLY]["data"][0]["y"] = [1.0, None, 0.8]
    assert said(stored, new) == []


def test_template_ids_and_server_address_do_not_count():
    new = figure(template={"layout": {"colorway": ["#000"]}})
    new[0]["data"][PLOTLY]["data"][0]["uid"] = "other"
    new[0]["data"][PLOTLY].pop("config")
    assert said(figure(template={}), new) == []


def test_an_html_copy_of_a_figure_does_not_count():
    new = copy.deepcopy(figure())
    new[0]["data"]["text/html"] = "<div id='b9e9'>"
    assert said(figure(), new) == []


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (figure(y=(1.0, 0.9, 0.7)), "trace 0 (Lev+5FU) y[2]: stored 0.8, now 0.7"),
        (figure(y=(1.0, 0.8, 0.7)), "trace 0 (Lev+5FU) y[1]: stored 0.9, now 0.8 (and 1 more of 3 values)"),
        (figure(y=(1.0, 0.9)), "trace 0 (Lev+5FU) y: stored 3 values, now 2 values"),
        (figure(name="Lev"), "trace 0 (Lev+5FU) name: stored 'Lev+5FU', now 'Lev'"),
        (figure(title="Death"), "layout.title.text: stored 'Recurrence', now 'Death'"),
        (figure(annotations=[{"text": "HR 0.6"}]), "layout.annotations: stored nothing, now a list of 1"),
        (figure(xaxis={"title": {"text": "years"}, "range": [0, 6.0]}), "layout.xaxis.range[1]: stored 5, now 6"),
    ],
)
def test_a_change_in_a_figure_is_named(new, message):
    assert said(figure(), new) == [message]


def test_a_lost_trace_is_named():
    new = figure()
    new[0]["data"][PLOTLY]["data"] = []
    assert said(figure(), new) == ["traces: stored 1 (Lev+5FU), now none"]


def test_arrays_of_two_dimensions_keep_their_shape():
    stored, new = figure(y=np.ones((2, 3))), figure(y=np.ones((3, 2)))
    assert said(stored, new) == ["trace 0 (Lev+5FU) y: stored 2 × 3 values, now 3 × 2 values"]


def test_an_array_that_cannot_be_decoded_is_compared_as_it_stands():
    stored, new = figure(), figure()
    stored[0]["data"][PLOTLY]["data"][0]["y"] = {"dtype": "f8", "bdata": "AAAA"}
    new[0]["data"][PLOTLY]["data"][0]["y"] = {"dtype": "f8", "bdata": "AAAB"}
    assert said(stored, stored) == []
    assert said(stored, new) == ["trace 0 (Lev+5FU) y.bdata: stored 'AAAA', now 'AAAB'"]


def test_numbers_in_the_words_of_a_figure_have_the_tolerance():
    stored = figure(annotations=[{"text": "HR 0.599 (p = 1.0e-20)"}])
    assert said(stored, figure(annotations=[{"text": "HR 0.599 (p = 1.1e-20)"}])) == []
    assert len(said(stored, figure(annotations=[{"text": "HR 0.598 (p = 1.0e-20)"}]))) == 1


@given(st.lists(numbers, min_size=1, max_size=20), st.data())
def test_any_value_of_a_figure_that_moves_is_found(values, data):
    place = data.draw(st.integers(0, len(values) - 1))
    moved = list(values)
    moved[place] += 2.0
    (found,) = differences(figure(y=values), figure(y=moved))
    assert found.where == f"trace 0 (Lev+5FU) y[{place}]" and found.of_numbers


# Other kinds, and what a difference is of


def test_an_image_is_only_asked_to_be_there_but_its_pixels_are_its_appearance():
    stored, new = shows(image_png="AAAA"), shows(image_png="BBBB")
    assert said(stored, new) == []
    assert appearance(stored) != appearance(new)
    assert said(stored, shows(text_plain="3")) == ["kind: stored 1 (image/png), now 1 (text/plain)"]


def test_a_lost_output_is_a_difference():
    assert said(shows(text_plain="3"), []) == ["outputs: stored 1 (text/plain), now none"]


def test_how_streams_interleave_is_chance():
    stored = [*prints("a\n"), *prints("warning\n", "stderr"), *prints("b\n")]
    assert said(stored, [*prints("a\nb\n"), *prints("warning\n", "stderr")]) == []


def test_a_warning_counts_without_the_folder_of_the_machine():
    where = "/home/{}/.venv/lib/python3.11/site-packages/x.py:3: FutureWarning"
    assert said(prints(where.format("ann"), "stderr"), prints(where.format("bob"), "stderr")) == []
    assert len(said([], prints(where.format("bob"), "stderr"))) == 1


def test_an_expected_error_counts_without_its_traceback():
    stored = [{"output_type": "error", "ename": "ValueError", "evalue": "no event", "traceback": ["a"]}]
    assert said(stored, [stored[0] | {"traceback": ["b"]}]) == []
    assert len(said(stored, [stored[0] | {"evalue": "no group"}])) == 1


@pytest.mark.parametrize(
    ("stored", "new", "of_numbers"),
    [
        (prints("Median 3.5 years"), prints("The median: 3.5 years"), False),
        (prints("Median 3.5 years"), prints("Median 3.6 years"), True),
        (prints("Median 3.5"), prints("Median"), True),
        (figure(), figure(title="Relapse"), False),
        (figure(), figure(y=(1.0, 0.9, 0.7)), True),
    ],
)
def test_words_are_told_from_numbers(stored, new, of_numbers):
    (found,) = differences(stored, new)
    assert found.of_numbers is of_numbers
