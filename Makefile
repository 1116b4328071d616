# `make demo` and `make test` each work as the only command in a fresh clone.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help env demo test lint bench peers docs pictures format system clean distclean

BIN := .venv/bin
BASE := .venv/.base
DEV := .venv/.dev
DOCS := .venv/.docs
PEERS := .venv-peers/.peers
DEMO_DIR ?= demo-output
PYTEST_ARGS ?=
PROCESSES ?= 2
BENCH_ARGS ?=

# A virtual screen with Mesa's software OpenGL, one Qt binding, and settings and caches of napari apart from those of
# whoever runs this. Tests take one thread a process, and two processes, one of which has all windows.
APART := XDG_CONFIG_HOME=$(CURDIR)/.venv/home/config XDG_CACHE_HOME=$(CURDIR)/.venv/home/cache
SCREEN := LIBGL_ALWAYS_SOFTWARE=1 QT_API=pyqt6 QT_QPA_PLATFORM=xcb $(APART) \
	xvfb-run -a -s '-screen 0 1920x1200x24 +extension GLX'

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## */  make \1\t/' | expand -t 18

$(BASE): pyproject.toml .ci/setup
	.ci/setup base

$(DEV): $(BASE)
	.ci/setup dev

$(DOCS): $(BASE)
	.ci/setup docs

$(PEERS): pyproject.toml .ci/setup
	.ci/setup peers

env: $(DEV)  ## make .venv with the package, Qt and the development tools

demo: $(BASE)  ## segment the bundled brain; no screen, no network once the environment is there
	$(BIN)/napari-gmmseg demo -o $(DEMO_DIR)

system:
	@.ci/system-packages

lint: $(DEV)  ## ruff, import contracts, mypy, the napari manifest
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(APART) $(BIN)/npe2 validate napari_gmmseg

test: system $(DEV) lint  ## the whole gate: lint, then every test under a virtual screen
	OMP_NUM_THREADS=1 $(SCREEN) $(BIN)/python -m pytest -n $(PROCESSES) $(PYTEST_ARGS)

format: $(DEV)  ## let ruff lay the code out
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: system $(DEV)  ## accuracy and speed beside the peers (an hour; BENCH_ARGS=--full: four more); tables in benchmarks/output
	$(SCREEN) $(BIN)/python -m benchmarks $(BENCH_ARGS)

peers: $(PEERS)  ## make .venv-peers with Atropos, DIPY and the other programs that bench compares with

docs: $(DOCS)  ## build the documentation into site/
	$(BIN)/sphinx-build -W --keep-going -q -b html docs site

pictures: system $(DEV)  ## take the pictures of the pages again, under the virtual screen
	$(SCREEN) $(BIN)/python docs/make_pictures.py
	$(BIN)/napari-gmmseg demo -o $(DEMO_DIR)
	cp $(DEMO_DIR)/brain_overlay.png docs/pictures/demo-overlay.png

clean:  ## remove what was built, and caches
	rm -rf build dist site demo-output benchmarks/output htmlcov .coverage
	rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests benchmarks examples docs -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## and the environment
	rm -rf .venv .venv-peers
