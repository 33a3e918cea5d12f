# On a fresh Debian machine `make demo` and `make test` do all of their set-up (tools/setup installs packages as root or with sudo).
PYTHON ?= python3
VERSION = $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
# An environment for each version: .venv is that of python3, PYTHON=python3.12 has .venv-3.12.
VENV ?= $(if $(filter python3,$(PYTHON)),.venv,.venv-$(VERSION))
BIN := $(VENV)/bin
# Modules are compiled when they are first imported: most of the environment's never are.
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile
# Many tests wait (for back-offs, time-outs, other processes): five processes keep two cores at work.
JOBS ?= 5
TESTS ?= tests
MUTANTS ?= 500
OTHER_MUTANTS ?= 400
RUNS ?= 200
OPERATIONS ?= 20000
SEEDS ?= 5
SEED ?= $(shell date +%s)
SIZE ?= 1GiB
# Without it each of some thousand processes would compile the package again, and each worker the tests.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help

.PHONY: help demo servers test-servers test unit unit-every mutants packages lowest lint format bench bench-filesystem docs chaos cluster-chaos races clean trees bottlenecks fsx model posix

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

$(BIN)/python:
	PYTHON=$(PYTHON) tools/setup demo
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "s3amfs needs Python 3.10 or later")'
	$(PYTHON) -m venv $(VENV)

# One stamp per set of extras; pyproject.toml newer than it means: install again.
$(VENV)/.demo: $(BIN)/python pyproject.toml
	$(INSTALL) -e '.[demo]'
	@touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml
	$(INSTALL) -e '.[test]'
	@touch $@

$(VENV)/.unit: $(BIN)/python pyproject.toml
	$(INSTALL) -e '.[unit]'
	@touch $@

$(VENV)/.mutants: $(BIN)/python pyproject.toml
	$(INSTALL) -e '.[mutants]'
	@touch $@

$(VENV)-lowest/.test: pyproject.toml
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip --disable-pip-version-check install --quiet uv
	$(VENV)-lowest/bin/uv pip install --quiet --python $(VENV)-lowest/bin/python --resolution lowest-direct -e '.[test]'
	@touch $@

$(VENV)/.lint: $(BIN)/python pyproject.toml
	$(INSTALL) -e '.[lint]'
	@touch $@

$(VENV)/.bench: $(BIN)/python pyproject.toml
	$(INSTALL) -e '.[bench]'
	@touch $@

$(VENV)/.docs: $(BIN)/python pyproject.toml
	$(INSTALL) -e '.[docs]'
	@touch $@

demo: $(VENV)/.demo  ## the main job against an embedded real S3 server
	$(BIN)/s3am demo

packages:
	@PYTHON=$(PYTHON) tools/setup test

test: packages $(VENV)/.test  ## every test (TESTS=path for some, JOBS=1 for one process)
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal --durations=15 $(TESTS)

servers:  ## builds or installs further S3 servers to test with: minutes each (SERVERS='versitygw minio' for some)
	@tools/servers $(SERVERS)

test-servers: packages $(VENV)/.test  ## one suite on every S3 server that is here
	$(BIN)/python -m pytest -q tests/servers

unit: $(VENV)/.unit  ## the quick ones: core, layers, engine, transfers; no server, no FUSE, no pandas
	tools/units $(BIN)/python

unit-every:  ## make unit with every Python from 3.10 that is found here (PATH, pyenv)
	@PATH="$$(printf '%s:' $${PYENV_ROOT:-$$HOME/.pyenv}/versions/*/bin)$$PATH"; for minor in 10 11 12 13 14; do \
	    command -v python3.$$minor >/dev/null || continue; \
	    python3.$$minor -c 'import ensurepip, venv' 2>/dev/null || { echo "== python3.$$minor: no venv module, left out"; continue; }; \
	    found="$$(python3.$$minor -V)"; echo "== make unit with $$found"; \
	    $(MAKE) --no-print-directory unit PYTHON="$$(command -v python3.$$minor)" || exit 1; seen="$$seen $$found,"; \
	done; echo "== make unit passed with:$${seen%,}"

mutants: $(VENV)/.mutants  ## single faults put into core/, transfers/ and objects/: how many the like-named tests find (MUTANTS=all SEED=1)
	$(BIN)/python -m tests.mutants --core $(MUTANTS) --others $(OTHER_MUTANTS) --seed $(if $(filter command line,$(origin SEED)),$(SEED),1)

lowest: packages $(VENV)-lowest/.test  ## the same with the oldest versions that pyproject.toml allows
	$(VENV)-lowest/bin/python -m pytest -q -n $(JOBS) --dist worksteal $(TESTS)

lint: $(VENV)/.lint  ## ruff, mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.lint  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench  ## side by side with other tools, ratios of one run (SIZE=4GiB)
	$(BIN)/python -m benchmarks --size $(SIZE)

bench-filesystem: $(VENV)/.test  ## file systems side by side: s3fs, obstore (if installed), boto3
	$(BIN)/python -m benchmarks.filesystem

docs: $(VENV)/.docs  ## the manual as HTML in site/
	$(BIN)/mkdocs build --strict

.PHONY: recording
recording: $(VENV)/.demo  ## docs/demo.svg, the picture of s3am demo in README, drawn again
	$(BIN)/python tools/record_demo.py

chaos: $(VENV)/.test  ## RUNS transfers with faults and kills drawn from SEED
	$(BIN)/python -m tests.faults.chaos --runs $(RUNS) --seed $(SEED)

cluster-chaos: $(VENV)/.test  ## the same of transfers that several processes move (split, dask)
	$(BIN)/python -m tests.faults.cluster --runs $(RUNS) --seed $(SEED)

races: $(VENV)/.test  ## RUNS changes of an object against a second writer, drawn from SEED
	$(BIN)/python -m tests.faults.races --runs $(RUNS) --seed $(SEED)

trees: $(VENV)/.test  ## RUNS syncs of trees with lying listings, faults and other writers drawn from SEED
	$(BIN)/python -m tests.faults.trees --runs $(RUNS) --seed $(SEED)

bottlenecks: packages $(VENV)/.test  ## ten constructed bottlenecks: does `limited by` name each? Needs a quiet machine
	$(BIN)/python -m tests.faults.bottlenecks

fsx: packages $(VENV)/.test  ## OPERATIONS random operations on a file of a mount, for each of SEEDS seeds: ours, and the Rust package (needs cargo)
	S3AM_FSX_OPERATIONS=$(OPERATIONS) S3AM_FSX_SEEDS=$(SEEDS) $(BIN)/python -m pytest -q -n $(JOBS) --timeout=0 tests/mount/test_fsx.py
	cargo install --quiet --root $(VENV)/cargo fsx
	$(BIN)/python -m tests.mount.posix fsx $(abspath $(VENV))/cargo/bin/fsx $(OPERATIONS) $(SEEDS)

model: packages $(VENV)/.test  ## RUNS sequences of operations of two mounts and a client against a model, drawn from SEED
	S3AM_MODEL_RUNS=$(RUNS) S3AM_MODEL_SEED=$(SEED) $(BIN)/python -m pytest -q -n $(JOBS) --timeout=0 tests/mount/test_model.py

posix: packages $(VENV)/.test  ## pjdfstest on a mount (needs cargo, root); what fails is in docs/mount.md with its reason
	cargo install --quiet --root $(VENV)/cargo pjdfstest
	$(BIN)/python -m tests.mount.posix pjdfstest $(abspath $(VENV))/cargo/bin/pjdfstest

clean:  ## remove the environment and what tools left
	rm -rf .venv .venv-* build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
