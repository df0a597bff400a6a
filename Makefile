# Everything here sets up what it needs: a virtual environment in .venv with the locked dependencies and the project.
# It takes Python 3.11 or later with venv, and nothing else. PYTHON chooses another interpreter than python3.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: help setup demo test check docs bench crash load lock clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: $(READY) ## Install everything into .venv

demo: $(READY) ## Run the whole system on a PostgreSQL of its own (PORT=8000)
	@exec $(BIN)/trunkline demo

test: $(READY) ## Run the tests (ARGS="tests/rules -x" for some of them)
	$(BIN)/pytest $(or $(ARGS),-n auto)

check: $(READY) ## Run the linters, the type checker and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY) ## Build the site of docs/ into site/; a link that leads nowhere fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(READY) ## Measure the speed and print it beside its floors
	$(BIN)/python -m bench $(ARGS)

crash: $(READY) ## Kill a whole Trunkline under load, again and again, and prove its books (ROUNDS=200 SEED=1)
	$(BIN)/python -m tests.campaign --rounds $(or $(ROUNDS),200) $(if $(SEED),--seed $(SEED)) $(ARGS)

load: $(READY) ## Let many clients call at once over both doors, and prove the books (CLIENTS=200 SECONDS=60)
	$(BIN)/python -m tests.load --clients $(or $(CLIENTS),200) --seconds $(or $(SECONDS),60) $(ARGS)

lock: $(READY) ## Write the lock files anew after a change in pyproject.toml (ARGS=--upgrade takes newer versions)
	$(COMPILE) $(ARGS) --extra build --extra embedded --extra dev --output-file requirements.lock
	$(COMPILE) --constraint requirements.lock --extra build --output-file requirements-run.lock

clean: ## Remove what can be made again; data in var/ stays
	rm -rf .venv build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=...")'
	@echo "Installing into .venv (once)"
	@$(PYTHON) -m venv .venv
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
