# make run    a gateway at work, beside a second one that plays the outside world
# make test   every test; those with real servers need Debian's prosody and ejabberd, which root installs on the way
# make check  format, lint, types, docs
# make bench  the gateway beside Prosody and ejabberd, as a table; `make profile` shows where the time goes
# make docs   the manual, into build/docs; make features, make clean

# Debian's own Python where it will do: its build is a third faster than one that was only configured and made.
WILL_DO := -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell /usr/bin/python3 $(WILL_DO) 2>/dev/null && echo /usr/bin/)python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: run test check bench profile features docs clean peers

run: $(INSTALLED)
	@$(BIN)/python -m gateway.demo

test: $(INSTALLED) peers
	$(BIN)/python -m pytest $(TESTS)

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) --no-print-directory docs

bench: $(INSTALLED) peers
	$(BIN)/python -m benchmarks

profile: $(INSTALLED)
	$(BIN)/python -m benchmarks.profile

features: $(INSTALLED) peers
	$(BIN)/python -m tests.features

docs: $(INSTALLED)
	$(BIN)/python -m tests.docs.draw > docs/images/imports.svg
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs

clean:
	rm -rf $(VENV) build dist *.egg-info state .hypothesis .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# The real servers of the interoperability tests and the benchmarks.
peers:
	@tests/interop/install.sh

# The stamp is newer than what it was made from, so a second `make` installs nothing.
$(INSTALLED): setup.cfg pyproject.toml
	@$(PYTHON) $(WILL_DO) || \
		{ echo "Python 3.11 or newer with venv is needed: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
# twistd finds plugins by folder, so the tree itself has to be on the path: that is editable_mode=compat.
	$(BIN)/pip install --quiet --disable-pip-version-check --config-settings editable_mode=compat --editable '.[test]'
	@touch $@
