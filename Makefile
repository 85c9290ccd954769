# `make sweep` and `make test` need Python 3.11 and make; each makes .venv first.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# `mlflow run --env-manager=local` takes the python that it finds first.
export PATH := $(CURDIR)/$(BIN):$(PATH)

# What `make serve` serves, and where; the loopback address unless told otherwise.
MODEL ?= models:/ecomclf@production
HOST ?= 127.0.0.1
PORT ?= 5001
# Rows (label, text) for `make bench`.
DATA ?= data/ecommerceDataset.csv

.PHONY: sweep test check ui serve bench lock

sweep: .venv
	$(BIN)/mlflow run . --env-manager=local --experiment-name ecomclf -P config=configs/sample.yaml

test: .venv
	$(BIN)/pytest

check: .venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

ui: .venv
	$(BIN)/mlflow ui

serve: .venv
	$(BIN)/mlflow models serve --model-uri $(MODEL) --host $(HOST) --port $(PORT) --env-manager local

bench: .venv
	$(BIN)/python experiments/bench_fit.py --data $(DATA)
	$(BIN)/python experiments/bench_sweep.py --data $(DATA)
	$(BIN)/python experiments/bench_predict.py --data $(DATA)

# The stamp is made last: a broken install is made again.
.venv: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	touch $@

# New exact versions from pyproject.toml, in requirements.lock and conda.yaml.
lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/pip install --quiet ".[dev]"
	.venv-lock/bin/python experiments/lock.py
	rm -rf .venv-lock
