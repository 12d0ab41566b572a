# The project's few verbs. `make help` lists them.
SHELL := /bin/bash
VENV := .venv
PYTHON ?= python3
GHARIAL := $(VENV)/bin/gharial
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-down test check fuzz format crds

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(STAMP) ## Install everything into .venv (part of demo and test)

NATIVE := server/gharial_asr/inference/native
$(STAMP): pyproject.toml dev/setup.sh hatch_build.py $(NATIVE)/build.py $(wildcard $(NATIVE)/*.[ch])
	@PYTHON=$(PYTHON) dev/setup.sh $(VENV)
	@touch $@

demo: setup ## From a bare machine to words through a real two-node cluster
	@$(GHARIAL) demo

demo-down: setup ## Stop the demo's cluster and leave nothing behind
	@$(GHARIAL) cluster down

check: setup ## Lint, types, layers and contracts: under a minute
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy cli operator server training dev
	$(VENV)/bin/lint-imports
	$(VENV)/bin/pytest -q tests/contracts

test: check ## Every test, the real cluster included
	@dev/test.sh $(VENV)/bin

fuzz: setup ## Ten minutes of coverage-guided fuzzing of what clients may send (FUZZ_SECONDS=600; findings in fuzz-found/)
	PYTHONPATH=tests/support $(VENV)/bin/python -m fuzzing --seconds $(or $(FUZZ_SECONDS),600)

format: setup ## Format the code and mend what ruff can mend
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

crds: setup ## Write crds/ and their reference pages anew from the API models
	$(VENV)/bin/python -m gharial_api.crd crds
	$(VENV)/bin/python -m gharial_api.reference docs/reference
