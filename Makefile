# Needs Python 3.11 or newer and make; everything else goes into .venv, once, as the locks in requirements/ name it.

PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
DEMO := $(VENV)/.demo
DEV := $(VENV)/.dev

# Nothing that a shell exports leads to another checkout, and uv trusts the certificates that the system trusts.
unexport PYTHONPATH PYTHONHOME
# Without bytecode every process that a test starts compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE
UV_SYSTEM_CERTS ?= true
export UV_SYSTEM_CERTS

# One process a core; a worker without tests takes some of another's.
PARALLEL := -n auto --dist worksteal

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test nightly test-system kills kills-distributed lint types check build bench lock release clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# What a developer has holds what the demo needs, and nothing is taken from it again.
demo: $(or $(wildcard $(DEV)),$(DEMO)) ## Run a command on 1,000 phones of a local emulator
	@$(BIN)/koophone demo

test: $(DEV) ## Run the tests, with coverage; some of them: make test ARGS="tests/wire -k command"
	@$(BIN)/pytest -q $(or $(ARGS),$(PARALLEL) --cov --cov-report=term)

nightly: $(DEV) ## Run the long simulations, which `make test` leaves out
	@$(BIN)/pytest -q $(PARALLEL) -m nightly --timeout 1200

test-system: $(DEV) ## Run the tests that need Chromium, faketime, fish, zsh and the right to mount a disk
	@$(BIN)/pytest -q $(PARALLEL) -m system

kills: $(DEV) ## Kill rollouts at random points, resume them, and compare: make kills N=200
	@$(BIN)/python -m tests.rollouts.crashes $(or $(N),200) $(SEED)

kills-distributed: $(DEV) ## Harm workers and their database, and compare: make kills-distributed N=100
	@$(BIN)/python -m tests.distributed.crashes $(or $(N),100) $(SEED)

lint: $(DEV) ## Check style and format
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet

types: $(DEV) ## Check types with mypy and pyright
	@$(BIN)/mypy
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright
	@mkdir -p build
	@PATH="$(BIN):$$PATH" PYRIGHT_PYTHON_IGNORE_WARNINGS=1 \
		$(BIN)/pyright --verifytypes koophone_async --ignoreexternal > build/types.txt || (cat build/types.txt; exit 1)

check: lint types test ## All of the above

build: $(DEV) ## Build wheel and source distribution into dist/
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation

bench: $(DEV) ## Measure, side by side with the floor and the vendor's SDK
	@$(BIN)/python -m benchmarks

.PHONY: bench-check bench-history bench-plots
bench-check: bench ## Measure, and fail where a ratio to the floor fell back by more than 20 %
	@$(BIN)/python -m benchmarks.check

bench-history: bench ## Measure, and add the medians to benchmarks/history.json
	@$(BIN)/python -m benchmarks.history

bench-plots: ## Draw what the last bench measured into docs/
	@$(BIN)/python -m benchmarks.plots

.PHONY: captures
captures: $(DEV) ## Write what terminals show to build/captures: make captures ARGS="'ask-*-80'"
	@$(BIN)/python -m tests.cli.captures build/captures $(ARGS)

# The core is what another Python or another version of a dependency can break: requests on real sockets, models,
# polling, batches, the emulator, the command line; without what starts processes and takes long.
CORE := $(PARALLEL) -m "not process and not nightly" $(addprefix tests/,batches cli emulator polling send services wire)
.PHONY: test-core test-lowest test-uvloop
test-core: $(DEV) ## Run the core of the tests: make test-core VENV=.venv-3.13 PYTHON=python3.13
	@$(BIN)/pytest -q $(or $(ARGS),$(CORE))

test-lowest: $(DEV) ## Run it with the oldest dependencies: make test-lowest VENV=.venv-lowest
	@$(if $(filter .venv,$(VENV)),echo "Not in .venv: make test-lowest VENV=.venv-lowest" && false)
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes -r requirements/lowest.txt
	@$(UV) pip check --quiet --python $(BIN)/python
	@$(BIN)/pytest -q $(or $(ARGS),$(CORE))

COMPILE = build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock"
lock: ## Pin the newest versions of all dependencies, and of uv, in requirements/
	@$(PYTHON) -m venv --clear build/lock
	@build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	@echo uv | $(COMPILE) --upgrade --output-file requirements/uv.txt -
	@$(COMPILE) --upgrade --extra cli --extra distributed --extra fast --extra redis --group dev --output-file requirements/dev.txt pyproject.toml
	@$(COMPILE) --extra cli --group build --constraint requirements/dev.txt --output-file requirements/demo.txt pyproject.toml
	@$(COMPILE) --extra cli --extra distributed --extra redis --resolution lowest-direct --output-file requirements/lowest.txt pyproject.toml

test-uvloop: $(DEV) ## Run the tests of real event loops on uvloop
	@$(BIN)/pytest -q -p tests.on_uvloop $(PARALLEL) -m "not process and not nightly" $(or $(ARGS),tests/cli tests/services)

release: $(DEV) ## Raise the version and move changes/ to the changelog: make release VERSION=0.3.0
	@$(if $(VERSION),,echo "Which version? make release VERSION=0.3.0" && false)
	@test "$$($(BIN)/hatchling version)" = "$(VERSION)" || $(BIN)/hatchling version $(VERSION)
	@$(BIN)/towncrier build --yes --version $(VERSION)

clean: ## Remove everything that was made
	@rm -rf .venv .venv-* .hypothesis .mypy_cache .pytest_cache .ruff_cache .coverage .coverage.* build dist

# Made anew where it is missing, where what it was made from has gone, or where something else made it.
$(BIN)/python:
$(UV): requirements/uv.txt $(BIN)/python
	@$(if $(PYTHON),,echo "Python 3.11 or newer is needed: make PYTHON=..." && false)
	@echo "Setting up $(VENV), once ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/uv.txt
	@touch $@

# uv downloads from where pip is told to, and keeps nothing where the home directory cannot be written to.
define install
@cache=$$($(UV) cache dir) && mkdir -p "$$cache" 2>/dev/null && test -w "$$cache" || export UV_NO_CACHE=1; \
export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null)}}"; \
$(UV) pip sync --quiet --python $(BIN)/python --require-hashes $< && \
$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
@touch $@
endef

$(DEMO): requirements/demo.txt pyproject.toml $(UV)
	$(install)

$(DEV): requirements/dev.txt pyproject.toml $(UV)
	$(install)
