# What a person and the continuous integration run; every target sets up what it needs.
SHELL := /bin/sh
PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WHEEL := $(VENV)/.wheel
DEPLOY := .venv-deploy
DEPLOYED := $(DEPLOY)/.installed
SERVE_ARGS ?=
SCALE_ARGS ?=
PLATFORMS ?=
MATRIX ?= tests/store tests/wire
# One more than there are processors: tests wait now and then.
IN_PARALLEL ?= --numprocesses $(shell python3 -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))') --dist loadfile --no-loadscope-reorder
FAULT_SECONDS ?= 60
FUZZED := tests/unit/filter/test_fuzz.py tests/unit/protocol/test_json_differential.py tests/wire/test_mutated_requests.py \
	tests/wire/test_generated_requests.py tests/wire/test_raw_bytes.py

.PHONY: help install wheel serve test test-rust test-matrix test-faults fuzz test-mutants test-citus check check-deploy check-monitoring manifests sbom \
	format bench bench-baking bench-scale dashboards build wheels lock clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

install: $(STAMP) $(WHEEL) ## make .venv with everything that is needed to run, test, lint and bench

wheel: $(STAMP) ## build the Rust package scimsrv-badges and put it into .venv (needs cargo)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall ./rust_badges
	@$(CRATE) | cksum > $(WHEEL)

# Keyed on content, not on times: a fresh clone has arbitrary times, and a changed lock must be noticed after a checkout.
ifneq ($(shell cat requirements.lock pyproject.toml 2>/dev/null | cksum),$(shell cat $(STAMP) 2>/dev/null))
.PHONY: $(STAMP)
endif
$(STAMP):
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@cat requirements.lock pyproject.toml | cksum > $(STAMP)

# The server works without the Rust package; where it cannot be built, that is said and no more.
CRATE := find rust_badges \( -name target -o -name fuzz \) -prune -o -type f -print | LC_ALL=C sort | xargs cat
ifneq ($(shell $(CRATE) | cksum),$(shell cat $(WHEEL) 2>/dev/null))
.PHONY: $(WHEEL)
endif
$(WHEEL): | $(STAMP)
	@if ! command -v cargo >/dev/null 2>&1; then echo "cargo is not installed: badges are baked in Python, not in Rust"; \
	elif ! $(MAKE) --no-print-directory wheel; then echo "scimsrv-badges cannot be built: badges are baked in Python, not in Rust"; fi

serve: install ## start an embedded Postgres and the server, print URL, token and a curl line
	@exec $(BIN)/scimsrv serve $(SERVE_ARGS)

test: install check test-rust ## lint, types, and every test against a Postgres of its own
	$(BIN)/python -m pytest $(IN_PARALLEL)

test-rust: install ## tests and lints of the Rust package, where cargo is installed
	@if ! command -v cargo >/dev/null 2>&1; then echo "cargo is not installed: the Rust package is not tested"; else \
	cd rust_badges && cargo fmt --all --check && cargo clippy --quiet --locked --workspace --all-targets -- --deny warnings && cargo test --quiet --locked -p baking; fi

fuzz: ## fuzz the parsers of the Rust package for a minute each (needs cargo-fuzz and a nightly toolchain)
	cd rust_badges && for target in png svg; do cargo +nightly fuzz run $$target -- -max_total_time=60 || exit 1; done

test-matrix: install ## the tests of store and wire on Postgres 15 and 18, directly and through PgBouncer, without and with row-level security
	@for postgres in embedded 15; do for pooler in direct pgbouncer; do for isolation in predicate rls; do \
		echo "== Postgres $$postgres, $$pooler, $$isolation"; \
		SCIMSRV_TEST_POSTGRES=$$postgres SCIMSRV_TEST_POOLER=$$pooler SCIMSRV_TEST_ISOLATION=$$isolation \
			$(BIN)/python -m pytest -q $(IN_PARALLEL) $(MATRIX) || exit 1; \
	done; done; done

test-faults: install ## the experiments of docs/reliability.md at length (an hour as root, for the disk and the clock); FAULT_SECONDS=20 for less
	FAULT_SECONDS=$(FAULT_SECONDS) $(BIN)/python -m pytest -s tests/faults
	FAULT_FUZZ=20000 FAULT_EXAMPLES=60 $(BIN)/python -m pytest $(FUZZED)

test-citus: install ## the tests of the store on the Citus cluster that SCIMSRV_TEST_DSN_CITUS names (docs/scaling.md)
	$(BIN)/python -m pytest -q tests/store/test_citus.py

test-mutants: install ## run every conformance check against every broken server (takes an hour or two) and write killed.json and breadth.json anew
	$(BIN)/python -m tests.conformance.mutants.matrix

check-monitoring: ## rules and alerts of deploy/mixin load, and fire when their tests say so (needs promtool)
	@if ! command -v promtool >/dev/null 2>&1; then echo "promtool is not installed: rules and alerts are not checked"; exit 1; fi
	promtool check rules deploy/mixin/rules.yaml deploy/mixin/alerts.yaml
	promtool test rules deploy/mixin/tests.yaml deploy/mixin/tests-of-days.yaml

check: install ## formatter leaves no diff, linter and types are clean
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The linters of deploy/ need packages that the server must not meet, so they live in an environment of their own.
ifneq ($(shell cat deploy/locks/tools.lock 2>/dev/null | cksum),$(shell cat $(DEPLOYED) 2>/dev/null))
.PHONY: $(DEPLOYED)
endif
$(DEPLOYED):
	test -x $(DEPLOY)/bin/python || $(PYTHON) -m venv $(DEPLOY)
	$(DEPLOY)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r deploy/locks/tools.lock
	@cat deploy/locks/tools.lock | cksum > $(DEPLOYED)

check-deploy: install $(DEPLOYED) ## image, compose file, chart, manifests and units pass their linters; which ones were not found is said
	$(BIN)/python -m pytest -q tests/deploy

manifests: $(DEPLOYED) ## render the plain manifests from the chart, and the chart's rules from deploy/mixin
	$(DEPLOY)/bin/python deploy/render.py

sbom: $(DEPLOYED) ## list what the server is made of, as CycloneDX, in dist/scimsrv.cdx.json
	@mkdir -p dist
	$(DEPLOY)/bin/cyclonedx-py requirements deploy/locks/server.lock --pyproject pyproject.toml --mc-type application --output-reproducible \
		--spec-version 1.6 --output-format JSON --output-file dist/scimsrv.cdx.json

format: install ## let the formatter and the linter repair what they can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install ## measure against a ceiling taken in the same run
	$(BIN)/python -m bench

bench-baking: install ## measure baking of badges against a copy, openbadgeslib and Pillow (needs cargo)
	$(BIN)/python -m bench.baking

bench-scale: install ## measure on a tenant of a million users (half an hour, 12 GB of disk); SCALE_ARGS="--data DIR" keeps the data
	$(BIN)/python -m bench.scale --json bench/results/scale.json --plots bench/results --docs docs/scale.md $(SCALE_ARGS)

dashboards: install ## write the dashboards of deploy/mixin and draw what their queries find in a run (needs Prometheus)
	$(BIN)/python -m bench.dashboards

wheels: install ## build wheels of scimsrv-badges for all platforms that can be built here (PLATFORMS names some) into dist/
	$(BIN)/python deploy/wheels.py $(PLATFORMS)

build: install ## build the wheel into dist/
	$(BIN)/python -m hatchling build -t wheel

RESOLVE := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --quiet
lock: ## resolve the dependencies again (needs uv)
	$(UV) pip compile pyproject.toml --extra embedded --extra otel --extra dev $(RESOLVE) -o requirements.lock
	$(UV) pip compile pyproject.toml --extra data-integrity --extra otel $(RESOLVE) -c requirements.lock -o deploy/locks/server.lock
	$(UV) pip compile deploy/locks/build.in $(RESOLVE) -c requirements.lock -o deploy/locks/build.lock
	$(UV) pip compile deploy/locks/tools.in $(RESOLVE) -o deploy/locks/tools.lock

clean: ## remove everything that was made here, except the data directory
	rm -rf $(VENV) $(DEPLOY) rust_badges/target rust_badges/fuzz/target dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
