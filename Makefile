# Needs Python 3.11 or newer and make; everything else goes into .venv, once.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
LOCKED := .venv/.locked

.DEFAULT_GOAL := help
.PHONY: help demo test nightly lint types check build bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Run a command on 1,000 phones of a local emulator
	@$(BIN)/koophone demo

test: $(READY) ## Run the tests, with coverage
	@$(BIN)/pytest -q --cov --cov-report=term

nightly: $(READY) ## Run the long simulations, which `make test` leaves out
	@$(BIN)/pytest -q -m nightly

lint: $(READY) ## Check style and format
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet

types: $(READY) ## Check types with mypy and pyright
	@$(BIN)/mypy
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright
	@mkdir -p build
	@PATH="$(BIN):$$PATH" PYRIGHT_PYTHON_IGNORE_WARNINGS=1 \
		$(BIN)/pyright --verifytypes koophone_async --ignoreexternal > build/types.txt || (cat build/types.txt; exit 1)

check: lint types test ## All of the above

build: $(READY) ## Build wheel and source distribution into dist/
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation

bench: $(READY) ## Measure, side by side with the floor and the vendor's SDK
	@$(BIN)/python -m benchmarks

.PHONY: bench-check bench-plots
bench-check: bench ## Measure, and fail where a ratio to the floor fell back by more than 20 %
	@$(BIN)/python -m benchmarks.check

bench-plots: ## Draw what the last bench measured into docs/
	@$(BIN)/python -m benchmarks.plots

lock: ## Resolve the newest versions of all dependencies into requirements.lock
	@$(PYTHON) -m venv build/lock
	@build/lock/bin/pip install --quiet --disable-pip-version-check "uv>=0.9"
	@build/lock/bin/uv pip compile --quiet --universal --upgrade --python-version 3.11 --generate-hashes \
		--custom-compile-command "make lock" --extra cli --group dev --output-file requirements.lock pyproject.toml

clean: ## Remove everything that was made
	@rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage .coverage.* build dist

$(LOCKED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	@echo "Setting up .venv, once ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(READY): $(LOCKED) pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
