"""What can stand in the way of an update, with a small template that is made in half a second."""




HOOK = """\
import json, os
answers = {
    "project_slug": "{{ cookiecutter.project_slug }}",
    "team": "{{ cookiecutter.team }}",
    "shape": "{{ cookiecutter.shape }}",
}
with open(".paillasse.json", "w") as file:
    json.dump({"template": "x", "commit": "y", "answers": answers}, file)
"""
FILES = {
    "cookiecutter.json": '{"project_slug": "small", "team": "Ours", "shape": ["round", "square"]}',
    "hooks/post_gen_project.py": HOOK,
    "shared_lib/pyproject.toml": '[project]\nname = "paillasse"\nrequires-python = ">=3.11"\n',
    "requirements.in": "cookiecutter>=2.6  # scaffolds\n",
    "{{cookiecutter.project_slug}}/README.md": "# {{ cookiecutter.team }}\n\nOne.\n\nTwo.\n\nThree.\n",
    "{{cookiecutter.project_slug}}/shared_lib/pyproject.toml": "[project]\n",
    "{{cookiecutter.project_slug}}/shared_lib/code.py": "a = 1\n",
    "{{cookiecutter.project_slug}}/data/few.csv": "site,count\nA,20\nB,30\n",
}
