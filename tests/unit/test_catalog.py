"""Opening the catalogue, and what it and its entries say of themselves."""

import html.parser
import os
import subprocess
import sys
from pathlib import Path

import pytest

from paillasse import open_catalog
from paillasse.errors import CatalogError

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = ["colon", "gbsg", "rotterdam", "veteran", "lung", "mgus2", "pbc", "heart"]
CLAIMS = ["snds_patients", "snds_drugs", "snds_stays"]
NAMES = [*PUBLIC, "effects_benchmark", "lung_io", "head_neck_rt", "profiler", *CLAIMS, "skin_readers"]

SMALL = """\
datasets:
  toy:
    title: Toys <b>of</b> children
    description: Three toys.
    steward: {name: A. Steward, email: steward@example.org}
    publisher: The cluster
    licence: CC0-1.0
    sensitivity: SENSITIVITY
    unit_of_observation: toy
    schema:
      fields:
        - {name: age, type: integer, description: Age, unit: years}
    sources:
      SOURCE: {driver: csv, path: toy.csv}
"""


def small(folder: Path, sensitivity: str = "public", source: str = "public", head: str = "") -> Path:
    file = folder / "data_catalog.yaml"
    file.write_text(head + SMALL.replace("SENSITIVITY", sensitivity).replace("SOURCE", source), encoding="utf-8")
    (folder / "toy.csv").write_text("age\n3\n", encoding="utf-8")
    return file


@pytest.fixture(autouse=True)
def no_profile_in_the_environment(monkeypatch):
    monkeypatch.delenv("PAILLASSE_PROFILE", raising=False)


@pytest.fixture(scope="module")
def catalog():
    return open_catalog(ROOT / "data_catalog.yaml")


# --- opening -----------------------------------------------------------------------------------------------------


def test_the_nearest_catalogue_upward_is_opened(tmp_path, monkeypatch):
    small(tmp_path)
    inner = tmp_path / "notebooks" / "déjà vu"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert list(open_catalog()) == ["toy"]
    assert len(open_catalog()["toy"].read()) == 1


def test_without_a_catalogue_the_error_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CatalogError, match=r"No data_catalog\.yaml in .+ or in a folder above it"):
        open_catalog()


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(CatalogError, match="No such file"):
        open_catalog(tmp_path / "catalogue.yaml")


def test_the_profile_is_the_argument_then_the_environment_then_the_file_then_synthetic(tmp_path, monkeypatch):
    bare = small(tmp_path)
    assert open_catalog(bare).profile == "synthetic"
    declared = small(tmp_path, head="profile: public\n")
    assert open_catalog(declared).profile == "public"
    monkeypatch.setenv("PAILLASSE_PROFILE", "secure")
    assert open_catalog(declared).profile == "secure"
    assert open_catalog(declared, profile="synthetic").profile == "synthetic"


def test_an_unknown_profile_is_refused_and_its_origin_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PAILLASSE_PROFILE", "secrue")
    with pytest.raises(CatalogError, match=r"PAILLASSE_PROFILE: .*'secrue'\. Did you mean 'secure'\?"):
        open_catalog(small(tmp_path))


@pytest.mark.parametrize("profile", ["public", "synthetic", "secure"])
def test_public_data_are_the_same_in_every_profile(tmp_path, profile):
    assert len(open_catalog(small(tmp_path), profile)["toy"].read()) == 1


def test_other_data_are_read_from_the_source_of_the_profile(tmp_path):
    file = small(tmp_path, sensitivity="synthetic", source="synthetic")
    assert len(open_catalog(file, "synthetic")["toy"].read()) == 1


def test_a_profile_without_a_source_is_refused(tmp_path):
    file = small(tmp_path, sensitivity="pseudonymised", source="synthetic")
    with pytest.raises(
        CatalogError, match=r"no source for the profile 'secure', only for synthetic\..*steward@example"
    ):
        open_catalog(file, "secure")["toy"].read()


# --- the shipped catalogue -----------------------------------------------------------------------------------------


def test_the_shipped_catalogue_is_found_from_a_folder_below_it():
    code = "from paillasse import open_catalog; print(*open_catalog())"
    environment = {name: value for name, value in os.environ.items() if name != "PAILLASSE_PROFILE"}
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "data", env=environment, capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == NAMES


def test_the_names_can_be_listed_counted_and_asked_for(catalog):
    assert list(catalog) == NAMES
    assert len(catalog) == 16
    assert "gbsg" in catalog
    assert "gbgs" not in catalog


def test_an_unknown_name_is_met_with_the_nearest_one(catalog):
    with pytest.raises(CatalogError, match=r"'gbgs'.*Did you mean 'gbsg'\?"):
        catalog["gbgs"]


@pytest.mark.parametrize(
    ("name", "shape"),
    {
        "colon": (1858, 16),
        "gbsg": (686, 11),
        "rotterdam": (2982, 15),
        "veteran": (137, 8),
        "lung": (228, 10),
        "mgus2": (1384, 11),
        "pbc": (418, 20),
        "heart": (172, 8),
        "effects_benchmark": (178, 6),
    }.items(),
)
def test_each_shipped_data_set_satisfies_its_schema(catalog, name, shape):
    assert catalog[name].read().shape == shape


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_data_set_says_how_many_patients_it_has(catalog, name):
    entry, data = catalog[name], catalog[name].read()
    identifiers = [field.name for field in entry.fields if field.role == "identifier"]
    patients = data[identifiers[0]].nunique() if identifiers else len(data)
    assert entry.about.population_size == patients


def test_the_caveats_state_what_the_data_hold(catalog):
    colon, rotterdam, pbc = (catalog[name].read() for name in ("colon", "rotterdam", "pbc"))
    counted = colon[colon.nodes.notna()]
    assert counted[(counted.nodes > 4) != (counted.node4 == 1)].id.nunique() == 12
    assert colon[colon.nodes.isna()].id.nunique() == 18
    assert ((rotterdam.recur == 0) & (rotterdam.death == 1) & (rotterdam.rtime < rotterdam.dtime)).sum() == 43
    assert (rotterdam.nodes > 0).sum() == 1546
    assert pbc.trt.isna().sum() == 106


def test_a_version_tells_a_data_set_from_any_other_form_of_it(catalog, tmp_path):
    text = (ROOT / "data_catalog.yaml").read_text(encoding="utf-8")
    names = ["snds_patients", "snds_drugs", "lung_io"]
    before = {name: catalog[name].version() for name in names}
    (tmp_path / "data_catalog.yaml").write_text(text, encoding="utf-8")
    assert {name: open_catalog(tmp_path / "data_catalog.yaml")[name].version() for name in names} == before
    patients = text.index("  snds_patients:\n")
    other = text[:patients] + text[patients:].replace("title: National", "title: The national", 1)
    (tmp_path / "data_catalog.yaml").write_text(other, encoding="utf-8")
    now = {name: open_catalog(tmp_path / "data_catalog.yaml")[name].version() for name in names}
    changed = [name for name in names if now[name] != before[name]]
    assert changed == ["snds_patients", "snds_drugs"]  # the drugs are those of the patients


def test_a_larger_stand_in_takes_the_tables_linked_to_it_along_and_keeps_its_version(catalog):
    larger = catalog.with_rows(snds_patients=100)
    patients, drugs = (larger[name].read() for name in ("snds_patients", "snds_drugs"))
    assert len(patients) == 100 and drugs["ben_nir_psa"].isin(patients["ben_nir_psa"]).all()
    assert larger["snds_drugs"].version() == catalog["snds_drugs"].version()
    assert len(larger.in_profile("synthetic").with_rows(profiler=10)["snds_patients"].read()) == 100
    assert len(catalog["snds_patients"].read(columns=["death"])) == 4000


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"snds_drugs": 10}, "follow from the rows of snds_patients"),
        ({"skin_readers": 10}, "follow from the codes"),
        ({"profiler": 0}, "between 1 and"),
        ({"profilerr": 10}, "Did you mean 'profiler'"),
    ],
)
def test_rows_that_a_stand_in_cannot_have_are_refused(catalog, rows, said):
    with pytest.raises(CatalogError, match=said):
        catalog.with_rows(**rows)


def test_a_database_table_whose_version_nobody_declares_may_be_another_each_time(catalog):
    assert catalog.in_profile("secure")["lung_io"].version() is None


# --- what notebooks use --------------------------------------------------------------------------------------


def test_an_entry_tells_what_its_columns_are(catalog):
    gbsg = catalog["gbsg"]
    hormon = next(field for field in gbsg.fields if field.name == "hormon")
    assert (hormon.type, hormon.description, hormon.codes) == ("integer", "Hormonal therapy", {0: "no", 1: "yes"})
    assert gbsg.labels()["rfstime"] == "Time to recurrence, death or last follow-up (days)"
    assert any("No randomised comparison" in text for text in gbsg.caveats)


def test_the_source_note_names_package_licence_and_paper_without_an_address(catalog):
    note = catalog["gbsg"].source_note
    assert "R package survival" in note
    assert "LGPL" in note
    assert "doi:10.1186/1471-2288-13-33" in note
    assert "http" not in note


class Elements(html.parser.HTMLParser):
    """Opening and closing tags balance; text is collected."""

    def __init__(self, page: str):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in ("br", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + " "


def test_the_catalogue_shows_a_table_of_what_exists(catalog):
    page = Elements(catalog._repr_html_())
    assert page.tags.count("tr") == 1 + len(NAMES)
    assert all(name in page.text and name in repr(catalog) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_card_shows_steward_licence_caveats_and_every_column(catalog, name):
    entry = catalog[name]
    shown = " ".join(Elements(entry._repr_html_()).text.split())
    expected = [entry.title, entry.about.licence, "steward@example.org", *entry.labels(), f'catalog["{name}"].read()']
    for text in [*expected, *(" ".join(each.split()) for each in entry.caveats)]:
        assert text in shown
        assert text in " ".join(repr(entry).split())


def test_a_card_writes_thousands_as_every_other_table_does(catalog):
    assert "Patients: 2,982" in repr(catalog["rotterdam"])


def test_a_card_names_no_folder_of_this_machine_and_no_address(catalog):
    for entry in catalog.entries.values():
        page = entry._repr_html_()
        assert str(ROOT) not in page
        assert "http" not in page


def test_what_the_file_says_is_shown_as_text_never_as_markup(tmp_path):
    card = open_catalog(small(tmp_path))["toy"]._repr_html_()
    assert "&lt;b&gt;of&lt;/b&gt;" in card
    assert "<b>of" not in card
