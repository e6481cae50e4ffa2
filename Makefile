# Everything runs inside .venv/ and target/; nothing is installed elsewhere.
#   make demo      months of real cardholders' lives through hidden credit lines
#   make test      the test suites of the core crate and of the Python package
# Pass arguments on with ARGS="…", for example  make demo ARGS="--customers 20".

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-rust test-python lint lint-python lint-rust format bench bench-peers \
	mutants torture fuzz clean

PYTHON ?= python3
CARGO ?= cargo
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
EXTENSION := python/zkcredit/_native.abi3.so
SOURCES := $(shell find rust/core rust/py circuits -type f \( -name '*.rs' -o -name '*.toml' \))
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYO3_PYTHON := $(abspath $(BIN)/python)

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -4
	@echo "  others: setup lint format bench bench-peers mutants torture fuzz clean"

# --- set-up: each step is skipped while its stamp is newer than what it reads ---

$(VENV)/.dependencies: requirements/dev.txt
	@command -v $(CARGO) >/dev/null || { echo "cargo (Rust 1.89 or newer) is needed" >&2; exit 1; }
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer with venv is needed; name it with PYTHON=…" >&2; exit 1; }
	@echo "== $(VENV): installing the locked dependencies"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --no-input --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.built: $(VENV)/.dependencies pyproject.toml Cargo.toml Cargo.lock $(SOURCES)
	@echo "== building the extension (release; the first build takes a minute or two)"
	$(BIN)/python -m pip install --quiet --no-input --no-deps --no-build-isolation --editable .
	@touch $@

ifeq ($(wildcard $(EXTENSION)),)
.PHONY: $(VENV)/.built
endif

setup: $(VENV)/.built

# --- what people run ---

demo: setup
	$(BIN)/zkcredit demo $(ARGS)

test: test-rust test-python

test-rust: $(VENV)/.dependencies
	@echo "== tests of the core crate"
	$(CARGO) test --locked --package zkcredit-core

test-python: setup
	@echo "== tests of the package"
	$(BIN)/python -m pytest $(ARGS)

lint: lint-python lint-rust

lint-python: $(VENV)/.dependencies
	@echo "== linters of the package"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lint-rust: $(VENV)/.dependencies
	@echo "== linters of the crates"
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --quiet -- -D warnings

format: $(VENV)/.dependencies
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(CARGO) fmt --all

bench: setup
	$(CARGO) bench --locked --workspace --benches
	@for bench in sizes verify pipeline replay load presentation revocation; do \
		echo "== benches/python/$$bench.py"; $(BIN)/python "benches/python/$$bench.py"; done

# Ours beside other packages, which go into an environment and a workspace of their own.
# Writes benches/PEERS.md and its plots; takes some four minutes after the first build.
PEERS := target/peers
bench-peers: setup
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --no-input --require-hashes \
		-r requirements/runtime.txt
	$(PEERS)/bin/python -m pip install --quiet --no-input -r requirements/bench.in
	{ git rev-parse --short HEAD; git status --short rust circuits; } > $(PEERS)/commit
	$(CARGO) build --locked --release --manifest-path benches/peers/Cargo.toml \
		--target-dir $(PEERS)/cargo
	$(PEERS)/cargo/release/zkcredit-peers $(PEERS)/figures.json
	rm -f $(PEERS)/figures.jsonl
	@for bench in bls hashing bbs anoncreds; do echo "== benches/python/bench_$$bench.py"; \
		PYTHONPATH=python $(PEERS)/bin/python benches/python/bench_$$bench.py --seconds 2 \
		--figures $(PEERS)/figures.jsonl; done
	$(PEERS)/bin/python benches/python/peers_report.py $(PEERS)

# Removes one rule or constraint at a time and expects the tests to go red.
mutants: setup
	$(BIN)/python tools/mutants.py $(ARGS)

# Kill -9, faulty and full disks, crashed servers; after each round fsck. Some minutes:
# ROUNDS=3 or HOURS=8 for others, ARGS="--seed 7" to see one again.
torture: setup
	$(BIN)/python tests/torture/torture.py $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(HOURS),--hours $(HOURS)) $(ARGS)

# Every decoder for SECONDS each; ARGS="--jobs 2 'rs/*' py/entry" chooses, two at a time.
FUZZ := target/fuzz/venv
fuzz: setup
	$(PYTHON) -m venv $(FUZZ)
	$(FUZZ)/bin/python -m pip install --quiet --no-input --require-hashes \
		-r requirements/runtime.txt
	$(FUZZ)/bin/python -m pip install --quiet --no-input -r requirements/fuzz.in
	$(FUZZ)/bin/python tools/fuzz.py --seconds $(or $(SECONDS),600) $(ARGS)

clean:
	rm -rf $(VENV) target dist build .pytest_cache .hypothesis .mypy_cache .ruff_cache
	rm -f python/zkcredit/_native*.so
	find python tests tools benches -name __pycache__ -type d -prune -exec rm -rf {} +
