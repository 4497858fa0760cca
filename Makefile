# Everything a newcomer needs: `make demo` shows the product, `make test` proves it. Each target works alone.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
export PATH := $(PATH):/usr/sbin

# The light installation runs the line, calibrates and demonstrates; the full one adds torch, the tests and the linters.
LIGHT := $(VENV)/.light
FULL := $(VENV)/.full

.PHONY: docs help setup system demo test faults lint format words bench clean

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

setup: $(FULL) system  ## .venv with everything, and the Debian packages that tests use

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "error: $(PYTHON) is $$($(PYTHON) --version), expected 3.11 or newer; call make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(LIGHT): $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[demo]'
	@touch $@

$(FULL): $(LIGHT)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[calibrate,demo,dev]'
	@touch $@

system:
	@command -v mosquitto >/dev/null && command -v mosquitto_sub >/dev/null && command -v promtool >/dev/null && command -v chromium >/dev/null && \
		ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { $(SUDO) apt-get update -qq && \
		$(SUDO) apt-get install -y -qq --no-install-recommends mosquitto mosquitto-clients prometheus postgresql chromium; }

demo: $(LIGHT)  ## the whole product on this machine: broker, cameras, calibration, daemon
	$(BIN)/inspector demo $(DEMO)

# How many tests run side by side: on two cores three, as each waits for processes a quarter of its time. It is not
# told by the number of cores, as a container sees those of its host.
WORKERS ?= 3
test: setup  ## all tests: real broker, real database, real processes; WORKERS=3 of them side by side
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

docs: $(FULL)  ## the documentation as a site in site/, which opens without a network
	$(BIN)/mkdocs build --strict

faults: setup  ## only the tests that kill, cut off, fill up and corrupt
	$(BIN)/python -m pytest -m faults

lint: $(FULL)  ## style, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(FULL)  ## apply the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

LOCALE := inspector/web/locale
words: $(FULL)  ## the review page in other languages: new texts into the .po files, and what those say compiled
	$(BIN)/pybabel -q extract --mapping-file pyproject.toml --keyword Message --keyword Counted:1,2 --keyword t --keyword n:1,2 \
		--add-location file --sort-by-file --no-wrap --output $(VENV)/inspector.pot .
	$(BIN)/pybabel -q update --domain inspector --input-file $(VENV)/inspector.pot --output-dir $(LOCALE) \
		--no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date --no-wrap
	$(BIN)/pybabel -q compile --domain inspector --directory $(LOCALE)

bench: setup  ## what README claims, measured: make bench DATA=... WEIGHTS=... [PEER_PYTHON=...]
	$(BIN)/python -m benchmarks.accuracy --data $(DATA) --weights $(WEIGHTS) $(if $(PEER_PYTHON),--peer-python $(PEER_PYTHON))
	$(BIN)/python -m benchmarks.line --data $(DATA) --weights $(WEIGHTS) $(if $(PEER_PYTHON),--peer-python $(PEER_PYTHON))
	$(BIN)/python -m benchmarks.backbones --data $(DATA) --weights $(WEIGHTS)

clean:  ## remove what make made
	rm -rf $(VENV) site .mypy_cache .pytest_cache .ruff_cache
