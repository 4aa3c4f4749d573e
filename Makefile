# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo up test lint check format clean

help:  ## the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/installed  ## a handful of jobs over three simulated providers, to the pictures
	$(BIN)/imagequeue demo

up: .venv/installed  ## the whole queue on this machine, with your keys from .env
	$(BIN)/imagequeue up

test: .venv/installed  ## the tests, against real processes
	$(BIN)/pytest

lint: .venv/installed  ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p imagequeue

check: lint test  ## all that a change has to pass

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
	mkdir -p .venv/typecheck && ln -sfn ../.. .venv/typecheck/imagequeue
	touch $@
