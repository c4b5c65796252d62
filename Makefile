# Every recipe is one line over a command that works without make too. `in_env.py` makes the environment where needed.
PYTHON ?= python3
RUN = "$(PYTHON)" in_env.py
LOCK = --upgrade --universal --generate-hashes --no-header --python-version 3.11

.PHONY: help setup demo lab test test-slow test-spark test-slurm refresh reference
.PHONY: bench-catalog bench-claims bench-effects bench-runs bench-scan bench-survival labextension lint lock clean
.DEFAULT_GOAL := help

help:  ## list these recipes
	@"$(PYTHON)" -c "import re; [print(f'make {a:14} {b}') for a, b in re.findall(r'(?m)^([a-z-]+):.*?## (.*)', open('Makefile', encoding='utf-8').read())]"

setup:  ## make the environment, or bring it up to date
	$(RUN)

demo:  ## scaffold a project into demo/, run its notebooks, and list the results as a page
	$(RUN) python demo.py

lab:  ## open JupyterLab on the notebooks
	$(RUN) jupyter lab --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate notebooks

test:  ## test everything, the notebooks' stored outputs included (some minutes)
	$(RUN) pytest -n auto --dist loadfile --nbval

test-slow:  ## test in a real browser, with an S3 server, and a whole generated project (some minutes more)
	$(RUN) uv pip install --quiet --require-hashes -r tests/browser/requirements.lock -r tests/reference/what_if.lock
	$(RUN) pytest -n auto --dist loadfile -m "slow and not (browser or spark or slurm)" tests
	$(RUN) pytest -m browser tests

test-spark:  ## test that the same expression runs on Spark (needs Java; downloads 400 MB)
	$(RUN) uv pip install --quiet --require-hashes -r tests/integration/spark.lock
	$(RUN) pytest -m spark tests/integration

test-slurm:  ## test runs on a real Slurm of one node (needs Debian's slurm-wlm and munge, and root)
	$(RUN) pytest -m slurm tests/integration

refresh:  ## execute the notebooks again and store their outputs (add ACCEPT=--accept to accept other numbers)
	$(RUN) paillasse refresh $(ACCEPT)

reference:  ## ask R again for the answers that the tests compare with
	Rscript tests/reference/survival.R > tests/reference/survival_r.json
	Rscript tests/reference/competing_risks.R > tests/reference/competing_risks_r.json
	Rscript tests/reference/discrimination.R > tests/reference/discrimination_r.json
	Rscript tests/reference/effects.R > tests/reference/effects_r.json

bench-catalog:  ## measure the catalogue beside plain DuckDB and pandas (some minutes)
	$(RUN) python benchmarks/catalog.py

bench-claims:  ## measure the way from 20 million claims to the analysis table of combinations (a minute)
	$(RUN) python benchmarks/effects_claims.py

bench-scan:  ## measure a scan of 200 notebooks of 1 MB (a minute)
	$(RUN) python benchmarks/scan.py

bench-survival:  ## measure the survival engine beside lifelines, scikit-survival and R, where installed (half an hour)
	$(RUN) python benchmarks/survival.py

bench-effects:  ## score the effects of many combinations on five worlds with known truth (some minutes)
	$(RUN) python benchmarks/effects.py

bench-runs:  ## measure a sweep of runs beside papermill alone (a quarter of an hour)
	$(RUN) python benchmarks/runs.py

labextension:  ## build the JupyterLab extension into the library (needs node and npm), then bring the environment up to date
	$(RUN) npm --prefix labextension ci --no-audit --no-fund
	$(RUN) npm --prefix labextension run build
	$(RUN)

lint:  ## check style and the arrows between the library's rooms
	$(RUN) ruff check benchmarks demo.py in_env.py paillasse_answers.py setup_offline.py hooks notebooks shared_lib tests
	$(RUN) lint-imports

lock:  ## resolve requirements.in and the library's requirements anew
	$(RUN) uv pip compile $(LOCK) shared_lib/pyproject.toml requirements.in -o requirements.lock
	$(RUN) uv pip compile $(LOCK) -c requirements.lock tests/browser/requirements.in -o tests/browser/requirements.lock
	$(RUN) uv pip compile $(LOCK) -c requirements.lock tests/integration/spark.in -o tests/integration/spark.lock
	$(RUN) uv pip compile $(LOCK) -c requirements.lock tests/reference/what_if.in -o tests/reference/what_if.lock
	$(RUN) uv pip compile $(LOCK) tests/integration/s3_server.in -o tests/integration/s3_server.lock
	$(RUN) uv pip compile $(LOCK) tests/integration/roc_validator.in -o tests/integration/roc_validator.lock
	$(RUN) uv pip compile $(LOCK) tests/template/forge_checkers.in -o tests/template/forge_checkers.lock
	$(RUN) uv pip compile $(LOCK) tests/template/sbom_validator.in -o tests/template/sbom_validator.lock
	$(RUN) uv pip compile $(LOCK) tests/template/cruft.in -o tests/template/cruft.lock

clean:  ## remove the environment, the demo and all caches; asks git, so nothing tracked or new is lost
	git clean -ffdX
