# One command each: `make demo` shows it, `make test` proves it. Needs only Python 3.11+ with pip and venv, and make.

VENV  := .venv
BIN   := $(VENV)/bin
PIP   := $(BIN)/python -m pip install --disable-pip-version-check -q
CODE  := src tests $(wildcard examples benchmarks harnesses tools)

# PYTHON=/path/to/python chooses the interpreter; LIVE=1 lets the demo use the keys in the environment;
# ARGS=... is handed to the program that runs (demo, pytest, benchmark).
PYTHON ?=
LIVE   ?=
ARGS   ?=

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test lint types bench chaos soak fuzz mutate outage compat live clean

help:  ## show this list
	@echo "make <target>, with:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-9s %s\n", $$1, $$2 }'

demo: $(VENV)/.demo-ready  ## show routing, streaming and failover on a small local model (LIVE=1 also uses your keys)
	@$(BIN)/modelroute demo $(if $(filter-out 0,$(LIVE)),--live) $(ARGS)

test: lint types  ## run every gate: lint, layers, types, then all tests (ARGS="-k name" narrows the tests)
	@$(BIN)/pytest -n 3 --dist worksteal $(ARGS)

lint: $(VENV)/.dev-ready  ## check style, formatting and the table of layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo

types: $(VENV)/.dev-ready  ## check types: mypy strict on everything, pyright strict on the public API
	@$(BIN)/mypy $(CODE)
	@$(BIN)/pyright

bench: $(VENV)/.dev-ready  ## measure what routing costs over the bare HTTP client
	@$(BIN)/python -m benchmarks $(ARGS)

# Each writes its figures to harnesses/results and renders docs/reference/promises.md from all of them.
HARNESSES := chaos soak fuzz mutate outage

chaos: ## 100,000 simulated seeds, 200 kills, 8 processes x 100,000 operations on every store (hours; ARGS="--share 0.1")
soak: ## 100,000 requests at 200 in flight: memory, descriptors, tasks (ARGS="--requests 10000")
fuzz: ## coverage-guided fuzzing of everything that reads bytes or settings, 30 minutes (ARGS="--seconds 60")
mutate: ## how many deliberate bugs the tests notice (ARGS="--modules resilience/backoff.py --sample 50")
outage: ## an outage and its end over real sockets: calls per request, time back, stampede

$(HARNESSES): $(VENV)/.dev-ready
	@$(BIN)/python -m harnesses.$@ $(ARGS)
	@$(BIN)/python -m harnesses.promises

compat: $(VENV)/.dev-ready $(VENV)/compat/.ready  ## call through a real LiteLLM proxy, in an environment of its own
	@MODELROUTE_COMPAT=$(VENV)/compat/bin/litellm $(BIN)/pytest tests/compat $(ARGS)

live: $(VENV)/.dev-ready  ## ask each provider whose key is set four small things, for 5 cents at most (ARGS="--only deepseek")
	@$(BIN)/python -m tools.live $(ARGS); done=$$?; $(BIN)/python -m tools.provider_table && exit $$done

clean:  ## remove the virtual environment and everything that was built
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests $(wildcard examples benchmarks) -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp is remade when pyproject.toml is newer, so a second run installs nothing.
$(VENV)/.demo-ready: $(VENV)/.made pyproject.toml
	@echo "Installing modelroute into $(VENV) (once)..."
	@$(PIP) -e '.[cli,local]' || { $(INSTALL_FAILED); }
	@touch $@

$(VENV)/.dev-ready: $(VENV)/.made pyproject.toml
	@echo "Installing modelroute and its development tools into $(VENV) (once)..."
	@$(PIP) -e '.[cli,httpx2,local,otel,prometheus,redis]' --group dev || { $(INSTALL_FAILED); }
	@touch $@

# Apart from ours: a proxy needs a hundred packages that nothing here may see, and is called over a socket only.
$(VENV)/compat/.ready: $(VENV)/.made tests/compat/requirements.txt
	@echo "Installing a LiteLLM proxy into $(VENV)/compat (once, a minute or two)..."
	@$(BIN)/python -m venv $(VENV)/compat
	@$(VENV)/compat/bin/pip install --disable-pip-version-check -q -r tests/compat/requirements.txt || { $(INSTALL_FAILED); }
	@touch $@

# An interpreter may be on the PATH and yet not start (version switchers leave such shims), so each is asked, not looked up.
$(VENV)/.made:
	@for python in $${PYTHON:-python3.13 python3.12 python3.11 python3}; do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "Creating $(VENV) with $$("$$python" --version 2>&1) ($$python)..."; \
	    "$$python" -m venv $(VENV) || { \
	      echo "make: '$$python -m venv' failed. Install your system's venv package (often python3-venv) and run make again." >&2; exit 1; }; \
	    $(PIP) --upgrade 'pip>=25.1' || { $(INSTALL_FAILED); }; \
	    touch $@; exit 0; \
	  fi; \
	done; \
	echo "make: Python 3.11 or newer is needed and none was found ($${PYTHON:-tried python3.13, python3.12, python3.11, python3})." >&2; \
	echo "make: install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2; exit 1

INSTALL_FAILED = echo "make: installing packages failed; pip's own words are above." >&2; \
  echo "make: the first run needs the network, to reach a Python package index. Behind a proxy or a mirror," >&2; \
  echo "make: set it in pip's configuration (pip config list shows it), then run the same command again." >&2; exit 1

export PYTHON
