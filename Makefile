# `make sweep` and `make test` need make and Python 3.11, 3.12 or 3.13; each creates .venv first.

PYTHONS := 3.11 3.12 3.13
# The first of them that runs: a version manager may offer commands for versions it does not have.
PYTHON ?= $(shell for v in $(PYTHONS); do python$$v -c '' 2>/dev/null && command -v python$$v && exit; done; echo python3)
BIN := .venv/bin
# `mlflow run --env-manager=local` takes the python that it finds first.
export PATH := $(CURDIR)/$(BIN):$(PATH)

# Type checkers find the package by a path file, not by an import hook.
INSTALL = $(1)/pip install --quiet --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .

# What `make serve` serves, and where; by default the loopback address.
MODEL ?= models:/ecomclf@production
HOST ?= 127.0.0.1
PORT ?= 5001
# Rows (label, text) for `make bench`.
DATA ?= data/ecommerceDataset.csv

.PHONY: sweep test test-slow test-pythons check browser docs tour reference dist ui serve bench lock

sweep: .venv
	$(BIN)/mlflow run . --env-manager=local --experiment-name ecomclf -P config=configs/sample.yaml

# Two processes, because most tests use one core only.
test: .venv
	$(BIN)/pytest -n 2 --dist worksteal -m "not long"

# What takes minutes each: clusters, a hundred kills.
test-slow: .venv
	$(BIN)/pytest -m long

# The fast tests on each Python that this machine has.
test-pythons:
	@for v in $(PYTHONS); do \
	  if python$$v -c '' 2>/dev/null; then \
	    python$$v -m venv .venv-$$v && \
	    .venv-$$v/bin/pip install --quiet --requirement requirements.lock && \
	    $(call INSTALL,.venv-$$v/bin) && \
	    .venv-$$v/bin/pytest -n 2 --dist worksteal -m "not slow" || exit 1; \
	  else echo "python$$v: not on this machine"; fi; \
	done

check: .venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The source distribution, and the wheel built from it, in dist/.
dist: .venv
	$(BIN)/python -m build --no-isolation

# The documentation as a site, in site/.
docs: .venv
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open site/index.html"

# docs/tour.md with its pictures, from a run of experiments/tour.ipynb.
tour: .venv
	$(BIN)/python experiments/tour.py

# The generated tables of docs/config.md and docs/commands.md, and configs/schema.json.
reference: .venv
	$(BIN)/python experiments/reference.py

# What people see of all this, in a real browser: needs Chromium. Pictures go to docs/images/.
browser: .venv
	PICTURES=docs/images $(BIN)/pytest -m long tests/browser

ui: .venv
	@echo "open http://127.0.0.1:5000/#/experiments?workflowType=machine_learning"
	$(BIN)/mlflow ui

serve: .venv
	$(BIN)/mlflow models serve --model-uri $(MODEL) --host $(HOST) --port $(PORT) --env-manager local

bench: .venv
	$(BIN)/python experiments/bench_fit.py --data $(DATA)
	$(BIN)/python experiments/bench_sweep.py --data $(DATA)
	$(BIN)/python experiments/bench_predict.py --data $(DATA)

# The stamp is written last, so a broken install is repeated.
.venv: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(call INSTALL,$(BIN))
	touch $@

# New exact versions from pyproject.toml, in requirements.lock and conda.yaml.
lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/pip install --quiet ".[dev]"
	.venv-lock/bin/python experiments/lock.py
	rm -rf .venv-lock
