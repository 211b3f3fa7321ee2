# One target per chore, the same for people and CI. Needs Python 3.11 or newer, and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
# Every version is named in constraints.txt; pip hands these two on to what it builds with.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

TRIALS ?= build/trials.jsonl
SECONDS ?= 60
SEED   ?= 1
TESTS  ?=

.PHONY: help demo test test-lowest test-newest test-later model crash load fuzz bench lint types format wheel lock clean

help: ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.installed ## run a real job against the embedded API, without a key
	@sh tests/demo.sh $(BIN)/batchrun

test: $(VENV)/.installed-dev ## the whole test suite
	$(BIN)/python -m pytest -n 3

test-lowest: $(VENV)/.installed-dev ## the suite with the lowest versions that pyproject.toml allows
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-lowest
	$(BIN)/uv pip install --quiet --python .venv-lowest --resolution lowest-direct -e '.[dev,parquet]'
	.venv-lowest/bin/python -m pytest -n 3 $(TESTS)

test-newest: $(VENV)/.installed-dev ## the suite with the newest versions of everything: what the world did meanwhile
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-newest
	$(BIN)/uv pip install --quiet --python .venv-newest --upgrade -e '.[dev,parquet]'
	.venv-newest/bin/python -m pytest -n 3 $(TESTS)

test-later: $(VENV)/.installed-dev ## the suite with the clock 400 days ahead, and 4,000
	for days in 400 4000; do \
	  $(BIN)/python -m tests.later $$days .venv-later-$$days && \
	  .venv-later-$$days/bin/python -m pytest -n 3 -W ignore::pytest.PytestAssertRewriteWarning $(TESTS) || exit 1; \
	done

bench: $(VENV)/.installed-dev ## every stage beside its floor and plain scripts; a quarter of an hour
	$(BIN)/python -m benchmarks --million

model: $(VENV)/.installed-dev ## every history of a job up to a bound, beside a model of the API; some minutes
	$(BIN)/python -m tests.model

crash: $(VENV)/.installed-dev ## the three promises under every fault; an hour or more
	$(BIN)/python -m pytest -n 2 -rs -m 'campaign or trials' --trials $(TRIALS)

load: $(VENV)/.installed-dev ## thousands of specs dropped at once, measured; some minutes
	$(BIN)/python -m pytest -s -m load tests/watch

fuzz: $(VENV)/.installed-dev ## every reader on random input: make fuzz SECONDS=600 SEED=7
	$(BIN)/python -m tests.fuzz $(SECONDS) $(SEED)

lint: $(VENV)/.installed-dev ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev ## types, tests included
	$(BIN)/mypy

format: $(VENV)/.installed-dev ## put the code in form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(VENV)/.installed-dev ## build the wheel; run the demo's job from it in a fresh environment
	@sh tests/wheel.sh $(BIN)/python

lock: $(VENV)/.installed-dev ## name the newest versions of everything in constraints.txt, for all Pythons and platforms
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --all-extras pyproject.toml \
	  --no-annotate --custom-compile-command 'make lock' --output-file constraints.txt

clean: ## remove what was made here
	rm -rf $(VENV) .venv-lowest .venv-newest .venv-later-* build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[dev,parquet]'
	touch $@ $(VENV)/.installed
