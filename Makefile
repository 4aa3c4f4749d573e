# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check
# The folders that pyproject.toml maps to sub-packages of imagequeue.
PACKAGES := archive client config jobs store providers storage worker producer sandbox

# What the site of `make docs` shows, and what its pages link to.
PAGES := *.md Procfile docs deploy benchmarks/*.md sandbox/*.md examples clients/typescript/README.md clients/typescript/examples

# The hundreds of processes of the tests share their compiled modules.
export PYTHONDONTWRITEBYTECODE :=
# In the order of testpaths: the longest files start first, and short ones fill the end.
TEST := $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

.PHONY: help demo up test test-unit test-thorough lint check chaos bench format settings alerts client typescript docs drawing screenshots clean

help:  ## the commands
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/installed  ## seven jobs over six simulated providers, from prompt to image
	@$(BIN)/imagequeue demo

up: .venv/installed  ## the whole queue on this machine, with your keys from .env
	$(BIN)/imagequeue up

test: .venv/installed-dev  ## all tests, against real processes: some six minutes
	$(TEST)

test-unit: .venv/installed-dev  ## the tests without processes: under half a minute
	$(BIN)/pytest -q -n 2 tests/unit

test-thorough: .venv/installed-dev  ## all tests, with ten times as many random examples
	THOROUGH=1 $(TEST) --timeout 1800

lint: .venv/installed-dev  ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# Links that show the package to mypy as it is installed.
	@rm -rf .venv/typecheck && mkdir -p .venv/typecheck/imagequeue
	@ln -s $(addprefix ../../../,$(wildcard imagequeue/*.py) imagequeue/py.typed $(PACKAGES)) .venv/typecheck/imagequeue/
	$(BIN)/mypy -p imagequeue

check: lint test  ## all that a change has to pass

chaos: .venv/installed-dev  ## 1,000 jobs while every process is killed: is one lost, or paid twice? ARGS="--hosts 3 --sentinel"
	$(BIN)/python -m benchmarks.chaos --jobs 1000 $(ARGS)

bench: .venv/installed-dev  ## other queues beside this one, then starts, latency, waiting, downloads and more
	$(BIN)/python -m benchmarks.peers
	$(BIN)/python -m benchmarks.limits
	$(BIN)/python -m benchmarks.empty_account
	$(BIN)/python -m benchmarks.bulk
	$(BIN)/python -m benchmarks.scaling
	$(BIN)/python -m benchmarks.recovery
	$(BIN)/python -m benchmarks.waiting --jobs 100000
	$(BIN)/python -m benchmarks.backlog --jobs 100000
	$(BIN)/python -m benchmarks.receiver
	$(BIN)/python -m benchmarks.publishing
	$(BIN)/python -m benchmarks.downloads
	$(BIN)/python -m benchmarks.download_kills
	$(BIN)/python -m benchmarks.latency
	$(BIN)/python -m benchmarks.clients
	$(BIN)/python -m benchmarks.startup
	$(BIN)/python -m benchmarks.archive
	$(BIN)/python -m benchmarks.growth

format: .venv/installed-dev  ## fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

settings: .venv/installed-dev  ## write .env.example, docs/settings.md and the chart's schema from the settings
	cd tests && ../$(BIN)/python -m support.settings_docs

alerts: .venv/installed-dev  ## write the alerts in the forms for kustomize and Helm
	cd tests && ../$(BIN)/python -m support.prometheus_rule

client: .venv/installed-dev  ## write the client that blocks, and the types of both, from their sources
	cd tests && ../$(BIN)/python -m support.client_source

typescript: .venv/installed-dev  ## build the client for TypeScript in clients/typescript
	cd tests && ../$(BIN)/python -m support.openapi_document ../clients/typescript/openapi.json
	cd clients/typescript && npm ci --silent --no-fund --no-audit && npm run --silent build

docs: .venv/installed-docs  ## the documents as a site in build/site; a link that leads nowhere fails
	rm -rf build/pages build/package && mkdir -p build/pages
	tar -cf - $(PAGES) | tar -xf - -C build/pages
	@# The diagrams in the pages: the browser draws them without a CDN.
	cd build && tar -xzf "$$(npm pack --silent mermaid@11)" package/dist/mermaid.min.js
	mv build/package/dist/mermaid.min.js build/pages
	$(BIN)/zensical build --clean --strict

drawing: .venv/installed-docs  ## draw docs/images from its source
	$(BIN)/d2 docs/images/architecture.d2 docs/images/architecture.svg

screenshots: .venv/installed-dev  ## take the screenshots in docs/images, of the whole queue with the sandbox
	cd tests && ../$(BIN)/python -m support.screenshots

clean:  ## remove what make made; `data/`, with the images that you paid for, stays
	rm -rf .venv build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf $(addprefix clients/typescript/,node_modules dist build)
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "imagequeue needs Python 3.11 or newer: make PYTHON=python3.13 ..."; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version) ..."
	@# Debian packages ensurepip apart: without it, another pip installs pip from outside.
	@$(PYTHON) -m venv .venv 2>/dev/null || \
		{ $(PYTHON) -m venv --clear --without-pip .venv && $(PYTHON) -m pip --python $(BIN)/python install -q pip; } || \
		{ rm -rf .venv; echo "Python has no pip: install python3-venv"; exit 1; }

.venv/installed: pyproject.toml | .venv/bin/python
	@echo "Installing imagequeue into .venv: a minute or less ..."
	@$(PIP) -e .
	@touch $@

.venv/installed-dev: pyproject.toml | .venv/bin/python
	@echo "Installing imagequeue and its test tools into .venv: a few minutes ..."
	@$(PIP) -e '.[dev]'
	@touch $@ .venv/installed

.venv/installed-docs: pyproject.toml | .venv/bin/python
	@$(PIP) -e '.[docs]'
	@touch $@ .venv/installed
