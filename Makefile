# Two commands matter: `make demo` and `make test`. Both set up what they need in .venv and say how long they took.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SHELL := /bin/bash

.PHONY: demo test lint setup docs benchmarks ci clean
.DEFAULT_GOAL := test

# -- set up ----------------------------------------------------------------------------------------------------------
setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@start=$$SECONDS; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "prototxt-lsp needs Python 3.11 or newer; say which with: make PYTHON=python3.12"; exit 1; }; \
	echo "== setting up $(VENV)"; \
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3 cannot make virtual environments here; on Debian: apt install python3-venv"; exit 1; }; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,data,leveldb]' && touch $@ && \
	echo "== set up in $$((SECONDS - start)) s"

# -- the two commands --------------------------------------------------------------------------------------------------
demo: $(STAMP)
	@start=$$SECONDS; $(BIN)/python examples/demo.py && echo "== demo done in $$((SECONDS - start)) s"

test: $(STAMP)
	@start=$$SECONDS; echo "== pytest" && $(BIN)/python -m pytest -m "not slow and not gpu" -n 2 --dist loadfile && \
	$(MAKE) --no-print-directory extension-test && echo "== tests done in $$((SECONDS - start)) s"

# -- for ourselves -----------------------------------------------------------------------------------------------------
lint: $(STAMP)
	@start=$$SECONDS; echo "== ruff" && $(BIN)/ruff check . && $(BIN)/ruff format --check . && \
	echo "== mypy" && $(BIN)/mypy && echo "== import contract" && $(BIN)/lint-imports && \
	echo "== lint done in $$((SECONDS - start)) s"

slow: $(STAMP)
	@start=$$SECONDS; echo "== pytest, the slow remainder" && $(BIN)/python -m pytest -m slow -n 2 --dist loadfile; \
	code=$$?; test $$code -eq 0 -o $$code -eq 5 && echo "== slow tests done in $$((SECONDS - start)) s"

benchmarks: $(STAMP)
	@for script in keystroke parse start check forward editor_forward log; do echo "== benchmarks/$$script.py" && $(BIN)/python benchmarks/$$script.py || exit 1; done

docs: $(STAMP)
	@$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) vscode-extension/node_modules vscode-extension/dist e2e-output

include vscode-extension/targets.mk
