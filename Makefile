# Needs Python 3.11 to 3.13 with venv, and make. Everything else is installed into .venv*.
PYTHON ?= python3
# Tests run side by side: on every core, but on no more than four, for each trains networks of its own; three on
# two cores, for some of them wait.
WORKERS ?= $(shell cores=$$(nproc 2>/dev/null || echo 2); echo $$((cores < 3 ? 3 : cores > 4 ? 4 : cores)))
VENV := .venv
EDGE_VENV := .venv-edge
# Another mark once apt's picamera2 is there: the environment is to see it from then on.
EDGE_READY := $(EDGE_VENV)/.ready$(if $(wildcard /usr/lib/python3/dist-packages/picamera2),-picamera2)
BIN := $(VENV)/bin
MANIFESTS := constraints.txt pyproject.toml edge/pyproject.toml convert/pyproject.toml trainer/pyproject.toml

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo check test slow arm lint types format bench docs constraints clean

help: ## List what make can do.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Put the whole workspace with its development tools into .venv.

demo: $(EDGE_READY) ## Run the main job on built-in input; installs the lean edge only.
	@$(EDGE_VENV)/bin/fer-edge demo --out demo-output

check: lint types ## Check style, imports and types, and run the tests that need under a second each.
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadgroup -m "not slow" -q

# Thousands of tests beside one another leave a busy machine now and then too slow for one of them: what fails is run
# once more alone, and the summary names it as RERUN.
test: setup ## Run every test; those that lack something say what.
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --reruns 1 -raR

slow: setup ## Write down anew which tests `make check` leaves out: runs all, one after the other.
	$(BIN)/python -m pytest --measure-slow

arm: setup ## Run the edge on emulated Raspberry Pis alone; says what to install for that.
	$(BIN)/python -m pytest -n $(WORKERS) tests/system/test_arm.py

lint: setup ## Check style, shell scripts (where shellcheck is) and the direction of imports.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache
	@if command -v shellcheck >/dev/null; then shellcheck --external-sources --exclude=SC2016 .ci/run deploy/*.sh benchmarks/*.sh trainer/*.sh; \
	  else echo "no shellcheck: shell scripts are not checked (apt install shellcheck)"; fi

types: setup ## Check types strictly in all three packages.
	$(BIN)/mypy

format: setup ## Format the code and mend what can be mended.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: setup ## Measure start-up, memory, size and detection on this machine.
	$(BIN)/python benchmarks/footprint.py
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/detection.py

docs: setup ## Write the pages of commands, settings and Python anew from the programs themselves.
	$(BIN)/python docs/generate_cli.py
	$(BIN)/python docs/generate_settings.py
	$(BIN)/python docs/generate_api.py

constraints: setup ## Pin the newest versions that fit together, for every supported Python.
	$(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.11 --no-header \
	  --no-annotate --no-emit-index-url --no-emit-find-links \
	  --no-emit-package fer-edge \
	  --group dev edge/pyproject.toml convert/pyproject.toml \
	  trainer/pyproject.toml --extra onnx --extra tensorflow --extra tensorboard --extra yunet \
	  --output-file constraints.txt

clean: ## Remove the virtual environments and what was built.
	rm -rf $(VENV) $(EDGE_VENV) build dist demo-output

$(VENV)/.ready: $(MANIFESTS)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "$(PYTHON) is not Python 3.11 to 3.13, which TensorFlow needs; run make PYTHON=python3.13 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "no venv; on Debian run: sudo apt install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev \
	  --editable edge --editable 'convert[onnx]' --editable 'trainer[tensorflow]'
	@touch $@

$(EDGE_READY): constraints.txt edge/pyproject.toml deploy/environment.sh
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is older than 3.11; run make PYTHON=python3.13 demo" >&2; exit 1; }
	@PYTHON='$(PYTHON)' deploy/environment.sh $(EDGE_VENV) --editable edge
	@rm -f $(EDGE_VENV)/.ready*
	@touch $@
