"""Answers of every kind give a good project, or an error that says what to type instead and leaves nothing behind."""

import ast
import datetime
import importlib
import importlib.metadata
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest
import yaml
from cookiecutter.exceptions import ContextDecodingException
from cookiecutter.main import cookiecutter
from hypothesis import example, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def answers():
    """The extension's module."""
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module("paillasse_answers")
    finally:
        sys.path.remove(str(ROOT))


HOSTILE_NAMES = {
    "accents": "Hôpital Saint-Éloi, étude nº 2",
    "single quotes": "L'étude 'd''Orsay'",
    "double quotes": 'The "big" study',
    "triple quotes": "A \"\"\"triple\"\"\" '''study'''",
    "dashes": "Phase II – colon — follow-up",
    "eighty characters": "Colorectal " * 7 + "abc",
    "yaml": "colon: &anchor *alias !tag %x @y # z - [a, b]",
    "toml": "colon = 'x' # ] [[table]]",
    "makefile": "$(shell touch made) $x `touch made` ; touch made",
    "backslashes": "C:\\new\\table \\u0041 \\",
    "markdown": "*colon* _x_ <script>alert(1)</script> [a](b) | c",
    "emoji": "Colon 🧬👩‍🔬",
    "arabic": "دراسة القولون",
    "one brace": "colon {x} }",
    "percent": "colon 100 % %s {0}",
    "html entity": "colon &amp; rectum",
    "spaces around": "  colon  ",
}


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
def test_a_difficult_text_gives_a_good_project(generate, name):
    project = generate(project_name=name, description=name, team=name)
    assert re.fullmatch(r"[a-z][a-z0-9_]*", project.name)
    declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((project / "CITATION.cff").read_text(encoding="utf-8"))
    recorded = json.loads((project / ".paillasse.json").read_text(encoding="utf-8"))["answers"]
    assert declared["description"] == citation["abstract"] == recorded["description"] == name
    assert declared["authors"][0]["name"] == citation["authors"][0]["name"] == recorded["team"] == name
    assert citation["title"] == recorded["project_name"] == name
    assert (project / ".git/refs/heads/main").is_file()
    assert not (project / "made").exists()


BAD_ANSWERS = {
    "tab": ("project_name", "colon\tstudy", "colon study"),
    "line break": ("description", "colon\nstudy", "colon study"),
    "line separator": ("team", "colon\u2028study", "colon study"),
    "text direction": ("team", "colon\u202estudy", "colon study"),
    "expression": ("project_name", "colon {{ 7 * 7 }}", "colon 7 * 7"),
    "unknown variable": ("description", "{{ x }}", "x"),
    "statement": ("project_name", "colon {% for", "colon for"),
    "comment": ("team", "colon {# x", "colon x"),
    "closing": ("team", "colon }} x %}", "colon x"),
    "nothing but a mark": ("project_name", "{{", "the same without them"),
    "empty": ("project_name", "", "Oncology project"),
    "blank": ("team", "   ", "Oncology research team"),
    "blank where it may be empty": ("authorisation_number", " ", "nothing: leave it empty"),
    "too long": ("project_name", "x" * 121, "x" * 120),
    "nothing for a slug": ("project_name", "🧬", "my_project"),
    "digit first": ("project_name", "2024 cohort", "project_2024_cohort"),
    "upper case": ("project_slug", "Colon", "colon"),
    "accent in slug": ("project_slug", "côlon", "colon"),
    "dash in slug": ("project_slug", "colon-study", "colon_study"),
    "path": ("project_slug", "../../colon", "colon"),
    "empty slug": ("project_slug", "", "my_project"),
    "underscores": ("project_slug", "_colon_", "colon"),
    "line break in slug": ("project_slug", "colon\n", "colon"),
    "long slug": ("project_slug", "x" * 61, "x" * 50),
    "keyword": ("project_slug", "class", "class_project"),
    "soft keyword": ("project_slug", "match", "match_project"),
    "standard library": ("project_slug", "statistics", "statistics_project"),
    "distribution": ("project_slug", "lifelines", "lifelines_project"),
    "distribution with dash": ("project_slug", "scikit_survival", "scikit_survival_project"),
    "same distribution": ("project_slug", "scikit__survival", "scikit_survival_project"),
    "imported name": ("project_slug", "sksurv", "sksurv_project"),
    "imported name of a name": ("project_name", "YAML", "yaml_project"),
    "the library": ("project_slug", "paillasse", "paillasse_project"),
    "layout": ("project_slug", "tests", "tests_project"),
    "windows device": ("project_slug", "aux", "aux_project"),
    "no @": ("contact_email", "somebody", "team@example.org"),
    "no domain": ("contact_email", "somebody@", "team@example.org"),
    "two addresses": ("contact_email", "a@example.org, b@example.org", "team@example.org"),
    "address with a name": ("contact_email", "A <a@example.org>", "team@example.org"),
    "no data set": ("datasets", "lung-io", "lung_io"),
    "one unknown of two": ("datasets", "snds_patients, snds_drug", "snds_patients, snds_drugs"),
    "all and one": ("datasets", "all, lung_io", "lung_io"),
    "no names": ("datasets", ", ,", "all"),
    "no question": ("notebooks", "survivl, cohort", "survival, cohort"),
    "no notebook": ("notebooks", "none", "all"),
}
LATER, IN_THREE_YEARS = "2999-12-31", f"{datetime.date.today().year + 3}-{datetime.date.today().month:02}-01"
APPROVED = {"approval_valid_until": LATER}
SENSELESS = {
    "a number where there is none": (
        {"authorisation_number": "DR-1"},
        "with the legal basis 'in preparation' there is none",
        "nothing: leave it empty",
    ),
    "no number of the CNIL": (
        {"legal_basis": "CNIL authorisation"} | APPROVED,
        "an approval of the kind 'CNIL authorisation' has a number",
        "DR-2026-123",
    ),
    "no number of the Health Data Hub": (
        {"legal_basis": "Health Data Hub authorisation"} | APPROVED,
        "an approval of the kind 'Health Data Hub authorisation' has a number",
        "DR-2026-123",
    ),
    "no end": ({"legal_basis": "MR-004"}, "an approval of the kind 'MR-004' ends one day", IN_THREE_YEARS),
    "an end of nothing": (
        {"legal_basis": "public data only"} | APPROVED,
        "with the legal basis 'public data only' there is no approval that could end",
        "nothing: leave it empty",
    ),
    "an end that has passed": (
        {"legal_basis": "MR-004", "approval_valid_until": "2020-02-29"},
        "that day is not in the future, so nothing could be read",
        IN_THREE_YEARS,
    ),
    "an end today": (
        {"legal_basis": "MR-004", "approval_valid_until": datetime.date.today().isoformat()},
        "that day is not in the future, so nothing could be read",
        IN_THREE_YEARS,
    ),
    "no day": (
        {"legal_basis": "MR-004", "approval_valid_until": "2999-02-29"},
        "it is no day written as year-month-day",
        IN_THREE_YEARS,
    ),
    "a day as the French write it": (
        {"legal_basis": "MR-004", "approval_valid_until": "31/12/2999"},
        "it is no day written as year-month-day",
        IN_THREE_YEARS,
    ),
    "claims with public data only": (
        {"legal_basis": "public data only", "datasets": "snds_patients, gbsg"},
        "snds_patients is under access control, and the legal basis is 'public data only'",
        "gbsg",
    ),
    "claims with MR-004": (
        {"legal_basis": "MR-004", "datasets": "lung_io, snds_patients"} | APPROVED,
        "snds_patients is of the national claims, which MR-004 does not cover: they need an authorisation",
        "lung_io",
    ),
    "drugs of nobody": (
        {"datasets": "snds_drugs"},
        "the rows of snds_drugs are of the patients of snds_patients",
        "snds_drugs, snds_patients",
    ),
}


@pytest.mark.parametrize(("question", "answer", "instead"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_bad_answer_is_refused_before_anything_is_made(generate, tmp_path, question, answer, instead, files_of):
    with pytest.raises(ContextDecodingException) as refusal:
        generate(**{question: answer})
    assert str(refusal.value).endswith(f"Type instead, for example: {instead}")
    assert files_of(tmp_path) == {}
    assert not any((tmp_path / "projects").iterdir())


@pytest.mark.parametrize(("answers", "why", "instead"), SENSELESS.values(), ids=SENSELESS)
def test_answers_that_make_no_sense_together_are_refused_before_anything_is_made(
    generate, tmp_path, answers, why, instead, files_of
):
    with pytest.raises(ContextDecodingException) as refusal:
        generate(**answers)
    assert str(refusal.value).endswith(f": {why}.\nType instead, for example: {instead}")
    assert files_of(tmp_path) == {}
    assert not any((tmp_path / "projects").iterdir())


IN_FRENCH = {
    "a word of Python": (
        {"project_slug": "class"},
        "project_slug ne peut pas être 'class' : c'est un mot du langage Python.\n"
        "Tapez à la place, par exemple : class_project",
    ),
    "claims with MR-004": (
        {"legal_basis": "MR-004", "datasets": "lung_io, snds_patients"} | APPROVED,
        "datasets ne peut pas être 'lung_io, snds_patients' : snds_patients vient du SNDS, que la MR-004 ne couvre pas "
        ": il faut une autorisation.\nTapez à la place, par exemple : lung_io",
    ),
    "a number where there is none": (
        {"authorisation_number": "DR-1"},
        "authorisation_number ne peut pas être 'DR-1' : avec la base légale « in preparation » il n'y en a pas.\n"
        "Tapez à la place, par exemple : rien : laissez vide",
    ),
}


@pytest.mark.parametrize(("answers", "told"), IN_FRENCH.values(), ids=IN_FRENCH)
def test_who_has_chosen_french_is_refused_in_french(generate, answers, told):
    with pytest.raises(ContextDecodingException) as refusal:
        generate(language="fr", **answers)
    assert str(refusal.value) == told


def test_a_notebook_needs_its_data_sets_and_is_added_by_an_entry_of_the_list(own_template, generate):
    with (own_template / "hooks/notebooks.yaml").open("a", encoding="utf-8") as file:
        file.write("claims: {notebook: claims, data: [gbsg, snds_drugs], en: Drugs, fr: Médicaments}\n")
    (own_template / "notebooks/claims.ipynb").write_text("{}", encoding="utf-8")
    with pytest.raises(ContextDecodingException) as refusal:
        generate(source=own_template, notebooks="survival, claims", datasets="lung_io")
    assert "claims reads snds_drugs, which datasets does not name" in str(refusal.value)
    assert str(refusal.value).endswith(": cohort, survival, adjuvant, prognosis, emulation, benchmark")
    without = generate(source=own_template, into="without", datasets="none")
    assert not (without / "notebooks/claims.ipynb").exists()
    project = generate(source=own_template, language="fr")
    assert (project / "notebooks/claims.ipynb").exists()
    runs = yaml.safe_load((project / "runs.yaml").read_text(encoding="utf-8"))["runs"]
    assert {"name": "claims", "notebook": "notebooks/claims.ipynb"} in runs
    assert "| `notebooks/claims.ipynb` | Médicaments |" in (project / "README.md").read_text(encoding="utf-8")


def test_a_new_question_is_one_line_of_the_list_of_questions(own_template, generate):
    file = own_template / "cookiecutter.json"
    questions = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(questions | {"sponsor": "A hospital", "protocol": ""}), encoding="utf-8")
    project = generate(source=own_template)
    recorded = json.loads((project / ".paillasse.json").read_text(encoding="utf-8"))["answers"]
    assert recorded["sponsor"] == "A hospital" and recorded["protocol"] == ""
    with pytest.raises(ContextDecodingException, match="sponsor cannot be ''"):
        generate(source=own_template, sponsor="")


def test_an_update_renders_an_approval_that_has_ended_since(generate, monkeypatch):
    monkeypatch.setenv("PAILLASSE_UPDATE", "1")
    project = generate(legal_basis="MR-004", approval_valid_until="2020-02-29", datasets="lung_io")
    catalogue = yaml.safe_load((project / "data_catalog.yaml").read_text(encoding="utf-8"))
    assert catalogue["datasets"]["lung_io"]["approval"]["valid_until"] == datetime.date(2020, 2, 29)


def test_what_projects_answered_before_there_were_more_questions_still_makes_them(generate):
    answers = {"notebooks": "survival only", "licence": "MIT", "ci": "gitlab", "team": "Équipe"}
    project = generate(**answers)
    assert [path.name for path in (project / "notebooks").iterdir()] == ["survival_analysis.ipynb"]
    recorded = json.loads((project / ".paillasse.json").read_text(encoding="utf-8"))["answers"]
    assert answers.items() <= recorded.items()


def test_the_prompts_name_every_choice_and_every_data_set_and_question_in_two_languages(answers):
    asked = json.loads((ROOT / "cookiecutter.json").read_text(encoding="utf-8"))
    prompts = asked["__prompts__"]
    assert set(prompts) == set(answers.QUESTIONS)
    for question, default in answers.QUESTIONS.items():
        prompt = prompts[question]
        if isinstance(default, list):
            assert set(prompt) == {"__prompt__", *default}
            prompt = prompt["__prompt__"]
        assert " · " in prompt
    restricted = {name for name, entry in answers.catalogue().items() if entry["sensitivity"] != "public"}
    assert restricted and all(re.search(rf"\b{name}\b", prompts["datasets"]) for name in restricted)
    assert all(re.search(rf"(?m)^ +{word} .+\? · .+\?$", prompts["notebooks"]) for word in answers.NOTEBOOKS)


def test_a_person_who_types_answers_at_the_prompts_gets_what_they_said(template, clean_environment, tmp_path):
    typed = ["2", "Étude du sein", "", "", "", "", "13", "3", "", "2999-12-31", "lung_io", "survival", "3", "2", "4"]
    done = subprocess.run(
        [sys.executable, "-m", "cookiecutter", str(template), "--output-dir", str(tmp_path)],
        env=clean_environment(tmp_path / "home"),
        input="\n".join([*typed, ""]),
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    recorded = json.loads((tmp_path / "etude_du_sein/.paillasse.json").read_text(encoding="utf-8"))["answers"]
    said = {
        "language": "fr",
        "project_name": "Étude du sein",
        "disease_area": "C50 breast",
        "legal_basis": "MR-004",
        "datasets": "lung_io",
        "notebooks": "survival",
        "compute": "slurm",
        "ci": "gitlab",
        "licence": "all rights reserved",
    }
    assert said.items() <= recorded.items()
    assert "qui est dans un jeu de données ?" in done.stdout
    assert "Le projet est dans" in done.stdout


@pytest.mark.parametrize("name", ["tab", "expression", "statement", "digit first", "keyword", "imported name", "no @"])
def test_on_the_command_line_a_bad_answer_is_a_message_and_exit_code_1(template, command, tmp_path, name, files_of):
    question, answer, instead = BAD_ANSWERS[name]
    done = command(template, "--no-input", f"{question}={answer}")
    assert done.returncode == 1
    assert instead in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert files_of(tmp_path / "here") == {} == files_of(tmp_path / "home")
    assert not any((tmp_path / "here").iterdir())


def test_bytes_that_are_no_text_are_refused(template, command, tmp_path):
    done = command(template, "--no-input", b"team=caf\xe9".decode("utf-8", "surrogateescape"), PYTHONUTF8="1")
    assert (done.returncode, "Traceback" in done.stdout + done.stderr) == (1, False)
    assert not any((tmp_path / "here").iterdir())


def test_an_existing_folder_is_left_alone(template, command, tmp_path, files_of):
    (tmp_path / "here/oncology_project").mkdir()
    (tmp_path / "here/oncology_project/mine").write_text("mine")
    done = command(template, "--no-input")
    assert done.returncode == 1 and "already exists" in done.stdout
    assert files_of(tmp_path / "here") == {"oncology_project/mine": b"mine"}


@pytest.mark.parametrize(
    ("question", "answer"),
    [("project_slug", "../../colon"), ("project_slug", None), ("team", 5), ("licence", "GPL"), ("contact_email", "{%")],
)
def test_a_replay_file_with_a_bad_answer_makes_nothing(generate, template, command, tmp_path, question, answer):
    generate()
    replay = tmp_path / "replay/paillasse.json"
    context = json.loads(replay.read_text(encoding="utf-8"))
    context["cookiecutter"][question] = answer
    replay.write_text(json.dumps(context), encoding="utf-8")
    done = command(template, "--replay-file", replay, "--output-dir", tmp_path / "again")
    assert done.returncode == 1 and f"{question} cannot be" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "again").exists()


def test_a_bad_default_of_the_user_is_refused_too(template, command, tmp_path):
    (tmp_path / "home/.cookiecutterrc").write_text("default_context: {team: 'colon {% x'}", encoding="utf-8")
    done = command(template, "--no-input")
    assert (done.returncode, "Traceback" in done.stdout + done.stderr) == (1, False)


TYPED = ["project_name", "project_slug", "description", "team", "contact_email"]
TYPED += ["authorisation_number", "approval_valid_until", "datasets", "notebooks"]
text = st.one_of(st.text(max_size=130), st.text(alphabet="{}%#\"'\\ \t\n:é-_a1@.$`", max_size=40))


@settings(max_examples=60, deadline=None)
@given(name=text, description=text, team=text, email=text.map(lambda each: f"{each}@example.org"))
@example(name="colon", description="a\\", team='"', email="o'neil+x@example.org")
def test_whatever_is_answered_is_refused_or_comes_back_from_the_files(template, name, description, team, email):
    context = {"project_name": name, "description": description, "team": team, "contact_email": email}
    with tempfile.TemporaryDirectory() as folder:
        config = {"replay_dir": f"{folder}/replay", "cookiecutters_dir": folder}
        given = {"output_dir": f"{folder}/out", "no_input": True, "accept_hooks": False, "extra_context": context}
        try:
            project = Path(cookiecutter(str(template), default_config=config, **given))
        except ContextDecodingException:
            assert not any(Path(folder).iterdir())
            return
        declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        citation = yaml.safe_load((project / "CITATION.cff").read_text(encoding="utf-8"))
        assert (citation["title"], citation["abstract"]) == (name, description)
        assert (declared["description"], declared["authors"]) == (description, [{"name": team, "email": email}])
        assert citation["authors"] == declared["authors"]
        ast.parse((project / "tests/test_project.py").read_text(encoding="utf-8"))


@settings(deadline=None)
@given(question=st.sampled_from(TYPED), answer=text)
@example(question="project_slug", answer="test")
@example(question="project_slug", answer="x" * 300)
def test_what_is_suggested_can_be_used(answers, question, answer):
    suggested = answers.suggestion(question, answer)
    typed = "" if suggested == answers.NOTHING else suggested
    assert answers.what_is_wrong(question, typed) is None


def test_no_module_of_the_environment_is_a_project_s_name(answers):
    locked = {
        module.lower()
        for module, distributions in importlib.metadata.packages_distributions().items()
        if answers.LOCKED & {re.sub(r"[-.]", "_", each.lower()) for each in distributions}
    }
    modules = {module for module in locked if answers.SLUG.fullmatch(module)}
    assert {"sklearn", "yaml", "pandas", "pytest"} <= modules
    assert {name for name in modules if answers.what_is_wrong("project_slug", name) is None} == set()


def test_a_name_that_the_template_refers_to_can_be_used_in_an_answer(generate):
    project = generate(project_name="Colon", description="About {{ cookiecutter.project_name }}")
    assert "About Colon" in (project / "README.md").read_text(encoding="utf-8")
