# `make` says what there is. Every target sets up what it needs first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := event_model consent_ledger privacy_filter local_store capture_gate lsp_collector browser_bridge \
	sync_client ingest_server dataset_builder overt
READY := $(VENV)/.ready
BROWSER := extensions/browser

.DEFAULT_GOAL := help
.PHONY: help setup demo test faults check format lint types imports lock dist bench clean extensions system

help: ## show this
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(READY) ## virtual environment with everything, from the lock

$(READY): requirements/dev.txt pyproject.toml scripts/setup.sh
	PYTHON=$(PYTHON) VENV=$(VENV) sh scripts/setup.sh
	@touch $@

demo: $(READY) ## the main job on this machine, in a throw-away folder, in a minute
	$(BIN)/overt demo

test: $(READY) system extensions ## all tests, with a real editor and real browsers
	sh scripts/code_server.sh >/dev/null
	$(BIN)/pytest -n auto --dist loadgroup

system: # what the tests drive, where it can be installed
	sh scripts/system_packages.sh

faults: $(READY) ## the long form of the fault tests: a thousand kills, every system call
	OVERT_FAULTS=long $(BIN)/pytest tests/faults tests/ingest_server/test_receiver_workers.py

check: lint types imports test ## everything that CI runs

extensions: $(BROWSER)/node_modules/.ready ## build and check the browser extension
	cd $(BROWSER) && npm run --silent check

$(BROWSER)/node_modules/.ready: $(BROWSER)/package-lock.json
	cd $(BROWSER) && npm ci --silent
	@touch $@

dist: $(READY) extensions ## the wheel, with every plugin that `overt setup` copies
	cd extensions/vscode && npm ci --silent && npm run --silent package
	$(BIN)/python -m hatchling build -t wheel

format: $(READY) ## format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(READY) ## format and lint, without changing anything
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY) ## mypy --strict and pyright
	$(BIN)/mypy
	$(BIN)/pyright

imports: $(READY) ## the invariants of ARCHITECTURE.md that are import contracts
	$(BIN)/lint-imports

lock: $(READY) ## renew the lock files from pyproject.toml; what is shipped is what was tested
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet \
		pyproject.toml --extra dev --output-file requirements/dev.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet \
		--constraints requirements/dev.txt pyproject.toml --output-file requirements/device.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet \
		--constraints requirements/dev.txt pyproject.toml --extra receiver --output-file requirements/receiver.txt

bench: $(READY) ## replay the shipped trace through the real processes
	$(BIN)/python -m benchmarks.replay tests/data/traces/*.json.gz

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
