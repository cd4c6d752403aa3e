# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
BENCH_VENV := .venv-bench
AUDIT_VENV := .venv-audit
PYTHON ?=
SOURCES := wazo_busd plugins tools demo tests bench setup.py
# A copy of this tree with compiled modules in it, and the tests that are run there too.
COMPILED := build/compiled
COMPILED_TESTS := tests/conformance tests/torture/test_crash.py tests/unit/amqp \
	$(patsubst %,tests/integration/test_%.py,ear hostile order retries returns) \
	$(patsubst %,tests/unit/test_%.py,blackbox breaker codec compiled complaint deadlines delivery dispatcher handler lanes \
		lookout outcome repeats runner settlement strays suspects testing tries work)
# Two processes for each processor, each with a broker of its own, for which most tests wait; the tests of a file
# share what they need.
# Who hangs is ended with where it hung (faulthandler_timeout), and nobody takes up what hangs again.
WORKERS := -n $(shell expr $$(nproc) \* 2) --dist loadfile --no-loadscope-reorder --max-worker-restart 0
EXTRAS := --extra mail --extra notify
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(VENV)/runtime.stamp ## make .venv with wazo-busd in it

.PHONY: run
run: install ## show the daemon at its work, on a private RabbitMQ; Ctrl-C ends it
	@tools/need-rabbitmq optional
	@exec $(BIN)/python -m demo

# Code that is compiled anew in every process that the tests start would be half of what they do.
test test-compiled thorough: export PYTHONDONTWRITEBYTECODE :=

# Who asks for some tests with ARGS gets these, and no others.
.PHONY: test
test: $(VENV)/development.stamp lint ## set up and run every test
	@tools/need-rabbitmq
	@tools/need-postgresql
	@tools/need-chromium
	@tools/need-packaging analyze || true
	$(BIN)/pytest $(WORKERS) $(ARGS)
	$(if $(ARGS),,@$(MAKE) test-compiled)

.PHONY: compiled
compiled: $(VENV)/development.stamp ## make a copy of this tree with compiled modules, in build/compiled
	@tools/need-compiler $(BIN)/python
	@tools/compile $(COMPILED) $(BIN)/python

# Whatever these tests start takes the modules of the copy as well.
.PHONY: test-compiled
test-compiled: export WAZO_BUSD_COMPILED := 1
test-compiled: export PYTHONPATH := $(abspath $(COMPILED))
test-compiled: compiled ## run the tests of what is compiled on the compiled modules
	@tools/need-rabbitmq
	cd $(COMPILED) && $(abspath $(BIN))/pytest $(WORKERS) -m 'not interpreted' $(COMPILED_TESTS) $(ARGS)

.PHONY: thorough
thorough: $(VENV)/development.stamp ## run the tests of rules with many more examples
	@tools/need-rabbitmq
	@tools/need-postgresql
	HYPOTHESIS_PROFILE=thorough $(BIN)/pytest $(WORKERS) -m hypothesis $(ARGS)

.PHONY: torture
torture: $(VENV)/development.stamp ## let faults of every kind happen at length (about half an hour)
	@tools/need-rabbitmq
	@tools/need-postgresql
	@tools/need-chromium
	TORTURE=long $(BIN)/pytest -s -o faulthandler_timeout=1800 tests/torture \
		tests/acceptance/test_collapse.py tests/acceptance/test_drain.py tests/board $(ARGS)

.PHONY: bench-recovery
bench-recovery: $(VENV)/development.stamp ## measure how soon events are handled again after a fault
	@tools/need-rabbitmq
	@$(BIN)/python -m bench.recovery $(ARGS)

.PHONY: bench-tail
bench-tail: install ## measure what looking on with wazo-busd tail costs under a flood
	@tools/need-rabbitmq
	@$(BIN)/python -m bench.tail $(ARGS)

.PHONY: bench
bench: compiled $(BENCH_VENV)/bench.stamp ## measure what an event costs, beside other clients; about ten minutes
	@tools/need-rabbitmq
	@tools/need-librabbitmq
	@exec $(BIN)/python -m bench $(ARGS)

.PHONY: bench-quick
bench-quick: ## the same in about two minutes, to work with
	@$(MAKE) bench ARGS='--quick $(ARGS)'

.PHONY: lint
lint: $(VENV)/development.stamp ## check format, style, types and floors
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

.PHONY: format
format: $(VENV)/development.stamp ## put the sources into their format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: lock
lock: $(VENV)/development.stamp ## pin the dependencies anew, with hashes
	$(COMPILE) --upgrade -o requirements/build.txt requirements/build.in
	$(COMPILE) --upgrade $(EXTRAS) -o requirements/runtime.txt pyproject.toml
	$(COMPILE) --upgrade $(EXTRAS) --extra dev --extra postgresql -c requirements/runtime.txt -c requirements/build.txt \
		-o requirements/development.txt pyproject.toml
	$(COMPILE) --upgrade $(EXTRAS) --extra postgresql -c requirements/development.txt -o requirements/package.txt pyproject.toml
	$(COMPILE) --upgrade -c requirements/development.txt -o requirements/compile.txt requirements/compile.in
	$(COMPILE) --upgrade -c requirements/runtime.txt -c requirements/development.txt \
		-o requirements/bench.txt requirements/bench.in
	$(COMPILE) --upgrade -o requirements/audit.txt requirements/audit.in

.PHONY: deb
deb: ## build the Debian package on Debian 12, into dist/
	@tools/need-packaging build
	@tools/build-deb dist

.PHONY: deb-test
deb-test: $(VENV)/development.stamp ## build the package, install it in a Debian of its own and start it there (about a quarter of an hour)
	@tools/need-packaging test
	@tools/need-rabbitmq
	DEB_TEST=1 $(BIN)/pytest -s -o faulthandler_timeout=1800 tests/acceptance/deb $(ARGS)

.PHONY: sbom
sbom: $(VENV)/development.stamp ## list what the package is made of, with licences, in dist/
	$(BIN)/python -m tools.sbom requirements/package.txt requirements/compile.txt dist

.PHONY: audit
audit: $(AUDIT_VENV)/audit.stamp ## ask whether anything in the package is known to be vulnerable
	@tools/audit $(AUDIT_VENV)/bin/pip-audit

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf $(VENV) $(BENCH_VENV) $(AUDIT_VENV) .run build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find wazo_busd -name '*.so' -delete
	rm -f wazo_busd__mypyc.*.so

$(VENV)/runtime.stamp: pyproject.toml requirements/build.txt requirements/runtime.txt
	@PYTHON='$(PYTHON)' tools/make-venv $(VENV)
	@echo 'installing wazo-busd and what it needs into $(VENV)'
	$(BIN)/pip install --quiet --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/development.stamp: $(VENV)/runtime.stamp requirements/development.txt
	@echo 'installing what the tests need into $(VENV)'
	$(BIN)/pip install --quiet --require-hashes -r requirements/development.txt
	@touch $@

$(BENCH_VENV)/bench.stamp: requirements/bench.txt
	@PYTHON='$(PYTHON)' tools/make-venv $(BENCH_VENV)
	@echo 'installing the clients that the daemon is measured beside into $(BENCH_VENV)'
	$(BENCH_VENV)/bin/pip install --quiet --require-hashes -r requirements/bench.txt
	@touch $@

$(AUDIT_VENV)/audit.stamp: requirements/audit.txt
	@PYTHON='$(PYTHON)' tools/make-venv $(AUDIT_VENV)
	@echo 'installing pip-audit into $(AUDIT_VENV)'
	$(AUDIT_VENV)/bin/pip install --quiet --require-hashes -r requirements/audit.txt
	@touch $@
