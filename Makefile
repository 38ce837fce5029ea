# Everything a newcomer needs, with nothing installed but Python 3.12 or newer and make (GNU make 3.81 is enough).

VENV := .venv
BIN := $(VENV)/bin
PIP := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt \
	$(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --constraint constraints.txt
# More arguments for pytest: make test ARGS="-k overlay -x"
ARGS :=
# A particular Python: make test PYTHON=/opt/python/bin/python3
PYTHON :=
# Where make cluster keeps its files; by default in a temporary folder.
RUN :=

.DEFAULT_GOAL := help

# find_python prints the Python to use. What is on PATH need not start (pyenv's shims), may be of any version (python3)
# or without what venv needs (Debian's), so each is asked; then pyenv's folders, whose shims may not know where they are.
define FIND_PYTHON
works() { "$$1" -c 'import ensurepip, ssl, sys, venv; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1 </dev/null; }; \
pyenv_roots() { \
	echo "$${PYENV_ROOT:-}"; \
	echo "$${HOME:-}/.pyenv"; \
	eval echo "~$$(id -un)/.pyenv"; \
	echo "$$PATH" | tr ':' '\n' | sed -n 's|/shims/*$$||p'; \
}; \
installed() { \
	pyenv_roots | sort -u | while read -r root; do \
		for python in "$$root"/versions/*/bin/python; do \
			works "$$python" && "$$python" -c 'import sys; print(*sys.version_info[:3], sys.argv[1])' "$$python"; \
		done; \
	done | sort -k1,1nr -k2,2nr -k3,3nr | sed -n '1s/^[0-9]* [0-9]* [0-9]* //p'; \
}; \
find_python() { \
	for python in $(PYTHON) python3.14 python3.13 python3.12 python3 python; do \
		if works "$$python"; then command -v "$$python"; return; fi; \
	done; \
	installed; \
}
endef

.PHONY: help
help:  ## show this
	@sed -n 's/^\([a-z-]*\):.*## */  make \1 @/p' Makefile | tr '@' '\t' | expand -t 22

.PHONY: demo
demo: $(VENV)/.installed  ## set all up and show what mitmkube does; needs no cluster
	$(BIN)/mitmkube demo

.PHONY: test
test: $(VENV)/.installed-test  ## run the tests that need no cluster
	$(BIN)/python -m pytest --ignore=tests/cluster $(ARGS)

.PHONY: test-cluster
test-cluster: binaries  ## build (once) and start a real cluster and run its tests
	$(BIN)/python -m pytest tests/cluster $(ARGS)

.PHONY: cluster
cluster: binaries  ## start a real cluster to play with, until Ctrl-C
	$(BIN)/python -m tests.cluster.up $(RUN)

.PHONY: binaries
binaries: $(VENV)/.installed-test  ## build what the cluster tests need, once, in about fifteen minutes
	@$(BIN)/python -m tests.cluster.binaries

.PHONY: lint
lint: $(VENV)/.installed-test  ## check style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(VENV)/.installed-test  ## check types
	$(BIN)/mypy
	$(BIN)/mypy --explicit-package-bases tests/cluster tests/conftest.py
	$(BIN)/mypy --explicit-package-bases fuzz tests/fuzz
	$(BIN)/mypy --explicit-package-bases bench tests/bench

.PHONY: bench
bench: binaries  ## compare speed in ten minutes: direct, bare mitmdump in three ways, mitmkube
	$(BIN)/python -m bench $(ARGS)

.PHONY: bench-long
bench-long: binaries  ## watch mitmkube's memory over 100,000 requests, 1 GiB and a very long list
	$(BIN)/python -m bench --long $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/.installed-test  ## look for inputs that a reader or a decoder cannot take
	$(BIN)/python -m fuzz $(ARGS)

.PHONY: venv
venv: $(VENV)/.installed-test  ## set up .venv with everything for working on mitmkube

.PHONY: clean
clean:  ## remove .venv and what tools left behind; the built cluster stays in the cache
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(FIND_PYTHON); \
	python=$$(find_python); \
	if [ -z "$$python" ]; then \
		echo "mitmkube needs Python 3.12 or newer, with venv, and found none: install one" \
			"(Debian, Ubuntu: python3 and python3-venv; macOS: brew install python; or: pyenv install 3.13)," \
			"or say make PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	echo "making $(VENV) with $$python"; \
	"$$python" -m venv --clear $(VENV)

# Touched last, so that an installation that was interrupted is done again.
$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing mitmkube into $(VENV)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-test: $(BIN)/python pyproject.toml constraints.txt
	@echo "installing mitmkube and what its tests need into $(VENV)"
	@$(PIP) --editable '.[test,lint]'
	@touch $@ $(VENV)/.installed
