# Everything runs in .venv, created with any Python >= 3.11 and the pinned versions of constraints.txt.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: help install demo test slow exhaustive check types lint contracts docs audit bench translations clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed; none was found"; exit 1; }
	$(PYTHON) -m venv .venv

INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e
FILES := .venv/bin/python pyproject.toml constraints.txt

$(STAMP): $(FILES)
	$(INSTALL) .
	@touch $@

$(STAMP)-test: $(FILES)
	$(INSTALL) '.[test]'
	@touch $(STAMP) $@

$(STAMP)-dev: $(FILES)
	$(INSTALL) '.[dev]'
	@touch $(STAMP) $(STAMP)-test $@

$(STAMP)-bench: $(FILES)
	$(INSTALL) '.[bench]'
	@touch $(STAMP) $(STAMP)-test $@

install: $(STAMP) ## the package in .venv

demo: $(STAMP) ## the whole pipeline on 600 synthetic patients, offline
	$(BIN)/cardiograph demo

test: MARKED ?= not slow and not exhaustive
slow: MARKED = slow and not exhaustive
exhaustive: MARKED = exhaustive

test: ## the default test suite
slow: ## the tests marked slow
exhaustive: ## the tests marked exhaustive, before a release
test slow exhaustive: $(STAMP)-test
	$(BIN)/python -m pytest -m '$(MARKED)' -n 2 --dist worksteal

check: $(STAMP)-dev ## lint, format, types, import contracts, documentation, known vulnerabilities
	@$(MAKE) --no-print-directory --keep-going --jobs 4 --output-sync types lint contracts docs audit

NOISE := misc no-any-return no-untyped-call type-arg var-annotated union-attr operator assignment return-value \
	call-overload type-var dict-item unused-ignore

types: $(STAMP)-dev ## types of the package, and that the benchmarks call it as it is now
	$(BIN)/mypy
	MYPYPATH=src:benchmarks $(BIN)/mypy benchmarks/*.py --ignore-missing-imports --follow-imports=silent $(NOISE:%=--disable-error-code %)

lint: $(STAMP)-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

contracts: $(STAMP)-dev
	$(BIN)/lint-imports

docs: $(STAMP)-dev ## the documentation as pages to read without a connection: build/docs/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

audit: $(STAMP)-dev ## known vulnerabilities of the installed packages; fails if there are any, warns if the index cannot be reached
	$(BIN)/python .ci/audit.py

bench: $(STAMP)-bench ## every benchmark, results as JSON under benchmarks/results
	@mkdir -p benchmarks/results
	@for script in benchmarks/*.py; do echo "$$script"; \
		$(BIN)/python $$script > benchmarks/results/$$(basename $$script .py).json || exit 1; done

translations: $(STAMP)-dev ## add new texts of the web page to its catalogues
	$(BIN)/python scripts/translations.py

clean: ## remove .venv and caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build *.egg-info
