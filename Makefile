# `make demo` and `make test` need Python >= 3.11 and nothing else.
# `make test FILES=tests/sr_infer/test_pipe.py` runs only these tests, with slow ones left out.
# WORKERS processes run them side by side, each with one thread of torch: two are faster than one with two threads.
FILES ?=
WORKERS ?= 2
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: help demo test test-all lint bench report tab docs clean

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make demo               upscale a photograph with every x4 model; look at demo/side-by-side.png
demo: $(VENV)/demo.installed
	$(BIN)/python -m benchmarks.demo

## make test [FILES=...]   tests without the slow ones; FILES names test files or folders, all by default
test: $(VENV)/dev.installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" --numprocesses $(WORKERS) --dist worksteal $(FILES)

## make test-all           every test, other engines and community checkpoints among them
test-all: $(VENV)/all.installed $(VENV)/peers.installed
	$(PIP) --no-deps spandrel einops
	$(BIN)/python -m pytest

## make lint               ruff and mypy
lint: $(VENV)/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

## make bench              time the shipped models with pytest-benchmark
bench: $(VENV)/dev.installed
	$(BIN)/python -m pytest benchmarks --quick --benchmark-sort=name --benchmark-autosave

## make report [QUALITY=..] measure what is not yet measured, write docs/BENCHMARKS.md; QUALITY names HR folders
report: $(VENV)/dev.installed $(VENV)/peers.installed $(VENV)/ray.installed
	$(BIN)/python -m benchmarks.collect --quality $(QUALITY)
	$(BIN)/python -m benchmarks.report

## make tab                build the browser tab
tab: $(VENV)/dev.installed
	npm ci --silent --prefix web
	$(BIN)/python web/build.py

## make docs               build the documentation as a site in build/site
docs: $(VENV)/docs.installed
	$(BIN)/python -m mkdocs build --quiet

## make clean              remove what these commands made
clean:
	rm -rf $(VENV) demo build/benchmarks build/site web/node_modules web/dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/%.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable ".[$*]"
	touch $@
