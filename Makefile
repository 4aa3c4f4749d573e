# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
# The folders that pyproject.toml maps to sub-packages of imagequeue.
PACKAGES := config jobs store providers storage worker producer sandbox

.PHONY: help demo up test lint check chaos bench format clean

help:  ## the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/installed  ## a handful of jobs over three simulated providers, to the pictures
	$(BIN)/imagequeue demo

up: .venv/installed  ## the whole queue on this machine, with your keys from .env
	$(BIN)/imagequeue up

test: .venv/installed  ## the tests, against real processes; they wait more than they work
	$(BIN)/pytest -n 3 --dist loadfile

lint: .venv/installed  ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p imagequeue

check: lint test  ## all that a change has to pass

chaos: .venv/installed  ## 1,000 jobs while everything is killed: is one lost, or paid twice?
	$(BIN)/python -m benchmarks.chaos --jobs 1000

bench: .venv/installed  ## other queues beside this one, then starts, latency, waiting, downloads and more
	$(BIN)/python -m benchmarks.peers
	$(BIN)/python -m benchmarks.scaling
	$(BIN)/python -m benchmarks.recovery
	$(BIN)/python -m benchmarks.waiting --jobs 100000
	$(BIN)/python -m benchmarks.backlog --jobs 100000
	$(BIN)/python -m benchmarks.receiver
	$(BIN)/python -m benchmarks.publishing
	$(BIN)/python -m benchmarks.downloads
	$(BIN)/python -m benchmarks.download_kills
	$(BIN)/python -m benchmarks.latency
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.growth.__main__

format: .venv/installed  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## everything that make made
	rm -rf .venv build dist *.egg-info data

# Debian keeps ensurepip in a package of its own: without it, pip is put in from outside.
.venv/installed: pyproject.toml
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv || \
		{ $(PYTHON) -m venv --without-pip .venv && $(PYTHON) -m pip --python $(BIN)/python install -q pip; }
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	rm -rf .venv/typecheck && mkdir -p .venv/typecheck/imagequeue
	ln -s $(foreach each,$(wildcard imagequeue/*) $(PACKAGES),../../../$(each)) .venv/typecheck/imagequeue/
	touch $@
