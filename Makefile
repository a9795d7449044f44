# Every target does the set-up it needs. `make demo` and `make test` work on a fresh machine with Python 3.11 to 3.13.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= $(shell for v in python3.12 python3.11 python3.13 python3; do \
	if $$v -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then echo $$v; break; fi; done)
BIN := .venv/bin
ARGS ?=
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help setup setup-dev demo up test test-all check format bench texts lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: .venv/.runtime ## the environment, .venv, with all that Winnow needs to run

setup-dev: .venv/.dev ## the same with the tools of the tests

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Winnow needs Python 3.11, 3.12 or 3.13 on PATH; none was found." >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.runtime: requirements.txt pyproject.toml | .venv/bin/python
	.ci/install requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt pyproject.toml | .venv/bin/python
	.ci/install requirements-dev.txt
	@touch $@ .venv/.runtime

demo: setup ## the whole loop on real photos; leaves the web app running (ARGS="--check" ends after the loop)
	$(BIN)/winnow demo $(ARGS)

up: setup ## web, worker, trainer, beat and broker as one family
	$(BIN)/winnow up $(ARGS)

check: setup-dev ## format, lint, types, import contracts, templates, migrations
	.ci/check

test: setup-dev ## the tests on SQLite and on PostgreSQL, browser included
	.ci/test $(ARGS)

test-all: setup-dev ## everything on both databases, long ones included
	WINNOW_TEST_ALL=1 .ci/test $(ARGS)

bench: setup-dev ## all benchmarks; writes bench/RESULTS.md
	$(BIN)/python bench/run_all.py $(ARGS)

format: setup-dev ## rewrite the sources in the house style
	$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format --quiet .

texts: setup-dev ## the catalogues of texts, brought up to date with the sources
	.ci/texts

lock: ## new pinned and hashed requirement files (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
		--extra learning --extra demo --extra tensorboard pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
		--all-extras -c requirements.txt pyproject.toml -o requirements-dev.txt

clean: ## the environment and everything under var/
	rm -rf .venv var
