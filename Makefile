# make demo    the main job on real data, in ./hopyard-demo
# make test    the tests; make test ARGS='tests/unit -k schema' selects
# make check   format, lint, types, import layers, docs build
# make crash   a thousand writers killed, ten minutes of readers beside writers; make crash KILLS=100 SECONDS=60
# make fuzz    random queries, and histories of online rows; make fuzz KIND=online CASES=100000 WORKERS=2
# make hashes  the hashes of training datasets, with other versions of the libraries
# make bench   every workload, beside servers and peers, into bench/results; make bench WORKLOAD=<name> RUNS=10
# make bench-quick   the same in small, in a few minutes, into bench/results/local
# make bench-peers   a virtual environment for each peer, which make bench compares with
# make docs    the documentation, in ./site
# make clean   removes all that these targets made, the virtual environment too

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
ARGS ?=
RUNS ?= 5
KILLS ?= 1000
SECONDS ?= 600
KIND ?= all
CASES ?= 10000
SEED ?=
WORKERS ?= 2
WORKLOAD ?=

# Material for MkDocs greets every build with an announcement otherwise.
export NO_MKDOCS_2_WARNING := 1

VENV := .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/.installed-demo
DEV := $(VENV)/.installed-dev
FEAST := $(VENV)/peers/feast/.installed
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Benchmarks need no browser.
SERVERS :=
bench bench-quick: SERVERS := redis mariadb postgres

# Starts servers for tests and benchmarks where they can be installed: on Debian, as root.
WITH_SERVERS = if scripts/services can-start; then \
	    trap 'scripts/services down' EXIT; servers="$$(scripts/services up $(SERVERS))"; eval "$$servers"; fi;

.PHONY: help demo test check crash fuzz hashes bench bench-quick bench-peers docs constraints clean

help:
	@sed -n 's/^# make/make/p' Makefile

demo: $(DEMO)
	$(BIN)/hopyard demo $(ARGS)

# Elsewhere the tests take HOPYARD_TEST_<SERVICE>_URL from the environment and name what they left out.
test: $(DEV)
	@$(WITH_SERVERS) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/mkdocs build --strict --quiet --site-dir site

crash: $(DEV)
	HOPYARD_CRASH_KILLS=$(KILLS) HOPYARD_CRASH_SECONDS=$(SECONDS) $(BIN)/python -m pytest -n $(WORKERS) tests/crash $(ARGS)

fuzz: $(DEV)
	$(BIN)/python tests/fuzz/run.py --kind $(KIND) --cases $(CASES) --workers $(WORKERS) $(if $(SEED),--seed $(SEED)) $(ARGS)

hashes: $(DEV)
	$(BIN)/python tests/hashes/run.py $(ARGS)

bench: $(DEV) $(FEAST)
	@$(WITH_SERVERS) $(BIN)/python -m $(if $(WORKLOAD),bench.$(WORKLOAD),bench.suite) --runs $(RUNS) $(ARGS)

bench-quick: $(DEV) $(FEAST)
	@$(WITH_SERVERS) $(BIN)/python -m bench.suite --quick --runs $(RUNS) $(ARGS)

bench-peers: $(FEAST)

$(FEAST): bench/peers/feast-constraints.txt
	$(PYTHON) -m venv $(dir $@)
	$(dir $@)bin/python -m pip install --quiet --disable-pip-version-check --constraint $< 'feast[duckdb,redis]'
	touch $@

docs: $(DEV)
	$(BIN)/mkdocs build --strict --site-dir site

constraints: $(DEV)
	@{ head -n 1 constraints.txt; $(BIN)/python -m pip freeze --exclude hopyard --exclude-editable; } > constraints.new
	@mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) site build dist hopyard-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Hopyard needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." >&2; \
	    echo "Name another one, for example: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	    echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

# The development extras contain the demo's, so either target finds what the other one installed.
$(DEMO): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable '.[demo]'
	@touch $@

$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --editable '.[dev]'
	@touch $(DEMO) $@
