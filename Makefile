# `make demo` and `make test` need Python >= 3.11 and nothing else; everything else they make.

.DEFAULT_GOAL := help
BIN := .venv/bin
# One broker serves all workers, and each test has a vhost of its own in it: any test may run
# beside any other, on any worker.
WORKERS ?= logical
# The published AsyncAPI description of the API: the emulator is checked against it, too.
ASYNCAPI ?=
PYTEST = $(BIN)/pytest -n $(WORKERS) --dist worksteal $(if $(ASYNCAPI),--asyncapi=$(ASYNCAPI))

.PHONY: help setup demo test coverage chaos conformance bench-emulator alerts bench-telemetry lint format sample clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv from uv.lock (every target does this first)
	@scripts/bootstrap

demo: setup ## live captions of the sample: broker, recogniser and worker on this machine
	@$(BIN)/speechmq dev --demo

test: setup ## all tests, on a broker of their own
	@scripts/without-secrets $(PYTEST)

coverage: setup ## every branch of the session core, by its own tests
	@$(BIN)/pytest tests/unit/service/session -n $(WORKERS) --dist worksteal -q \
	  --cov=speechmq.session --cov-branch --cov-report=term:skip-covered --cov-fail-under=100

conformance: setup ## check what the emulator says against the API's description: ASYNCAPI=path
	@scripts/without-secrets $(PYTEST) tests/protocol/emulator

bench-emulator: setup ## how many sessions the emulator holds in real time (2 minutes)
	@$(BIN)/python -m bench.emulator

chaos: setup ## everything fails for 3 times 5 minutes: no word may be lost (CHAOS="--seed 7 --seconds 60")
	@scripts/without-secrets $(BIN)/python -m tests.chaos $(CHAOS)

alerts: ## do the alert rules do what their tests say? (fetches promtool)
	@scripts/promtool test rules deploy/observability/test_alerts.yml

bench-telemetry: setup ## what traces and metrics cost a worker, per chunk (5 minutes)
	@$(BIN)/python -m bench.telemetry

lint: setup ## what must hold before a commit
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@scripts/uv lock --check --quiet

format: setup ## put code in form
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/ruff format

sample: setup ## make samples/*.wav again (needs flite and sox)
	@samples/make_sample.sh

clean: ## remove all that was made here
	rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .speechmq dist htmlcov .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
