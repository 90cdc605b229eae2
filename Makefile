# `make demo` and `make test` need Python >= 3.11 and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-all lint bench report tab docs clean

demo: $(VENV)/demo.installed
	$(BIN)/python -m benchmarks.demo

test: $(VENV)/dev.installed
	$(BIN)/python -m pytest -m "not slow"

test-all: $(VENV)/all.installed $(VENV)/peers.installed
	$(PIP) --no-deps spandrel einops
	$(BIN)/python -m pytest

lint: $(VENV)/dev.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/dev.installed
	$(BIN)/python -m pytest benchmarks --quick --benchmark-sort=name --benchmark-autosave

# QUALITY="Set5 Set14" measures PSNR on benchmark folders, too; what was measured already is not measured again.
report: $(VENV)/dev.installed $(VENV)/peers.installed $(VENV)/ray.installed
	$(BIN)/python -m benchmarks.collect --quality $(QUALITY)
	$(BIN)/python -m benchmarks.report

tab: $(VENV)/dev.installed
	npm ci --silent --prefix web
	$(BIN)/python web/build.py

docs: $(VENV)/docs.installed
	$(BIN)/python -m mkdocs build --quiet

clean:
	rm -rf $(VENV) demo build/benchmarks build/site web/node_modules web/dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/%.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable ".[$*]"
	touch $@
