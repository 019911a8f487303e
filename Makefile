# make run       a gateway at work, beside a second one that plays the outside world
# make cluster   three nodes that act as one, with NATS between them, and a component that moves
# make test      every test; those with real servers need Debian's prosody and ejabberd, which root installs on the way
# make again     what has failed in `make test`, if it may be because the machine was busy; else it fails
# make soak      what is long by nature: 100,000 stanzas under faults, 250 deaths of the gateway, a million fuzzed
#                inputs, 10,000 streams
# make coverage  `make test` again, with the lines and branches that it has not reached
# make check     format, lint, types, docs
# make bench     the gateway beside Prosody and ejabberd, as a table; `make profile` shows where the time goes
# make deb       a Debian package, into build/deb; `make deb-test` installs, upgrades and removes it, too
# make lock      debian/requirements.txt, the libraries in that package, after a change of setup.cfg
# make features  docs/feature-set.md, from the tests that carry the ids of its rows
# make docs      the manual, into build/docs; make clean

# Debian's own Python where it will do: its build is a third faster than one that was only configured and made.
WILL_DO := -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell /usr/bin/python3 $(WILL_DO) 2>/dev/null && echo /usr/bin/)python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check
INSTALLED := $(VENV)/.installed
TESTED := $(VENV)/.tested

# Most tests wait for something, so there are more workers than a usual machine has cores. WORKERS=0 is one process.
WORKERS ?= 7
SPREAD := -n $(WORKERS) --dist loadscope
TEST_RESULTS := build/tests.xml
FAILURES := build/failures.json
DEB := build/deb
NEW := yes
# Of `make soak`.
SEED ?= 1
INPUTS ?= 1000000
STANZAS ?= 100000
STREAMS ?= 10000
KILLS ?= 50

# Tests start the gateway hundreds of times. Where Python may not keep what it has compiled, that takes twice as long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run cluster test again soak coverage check bench profile features deb deb-test lock docs clean peers

run: $(INSTALLED)
	@$(BIN)/python -m gateway.demo

cluster: $(TESTED) peers
	@$(BIN)/python -m tests.interop.cluster_demo

test: $(TESTED) peers
	$(BIN)/python -m pytest $(SPREAD) --junit-xml=$(TEST_RESULTS) --failures=$(FAILURES) $(TESTS)

again: $(TESTED) peers
	$(BIN)/python -m tests.busy $(FAILURES) build/again.xml

soak: $(TESTED) peers
	$(BIN)/python -m tests.fuzz --inputs $(INPUTS) --seed $(SEED)
	$(BIN)/python -m pytest $(SPREAD) -m soak
	EVERY_CHARACTER=yes REPETITIONS=100000 $(BIN)/python -m pytest -n 2 --dist loadscope \
		tests/features tests/unit/xmpp tests/hardening/test_f_b_2_repetitions.py -k "every_character or repetitions"
	FAULTS=$(STANZAS) FAULTS_SEED=$(SEED) $(BIN)/python -m pytest tests/faults -m "soak or not soak"
	OUTBOX_KILLS=$(KILLS) OUTBOX_SEED=$(SEED) OUTBOX_STANZAS=10000 OUTBOX_DEAD=1000 \
		$(BIN)/python -m pytest -s tests/interop/test_outbox.py tests/interop/test_outbox_crashes.py \
		tests/interop/test_outbox_peers.py
	H33_STREAMS=$(STREAMS) $(BIN)/python -m pytest tests/hardening/test_h_33_on_the_wire.py
	$(BIN)/python -m tests.load --streams $(STREAMS)

# Processes that the tests start are measured too, those that others kill excepted (tests/support/measured.py). Some run
# as another user, who must be able to write here. A test that fails does not keep the report from being made.
coverage: $(TESTED) peers
	rm -rf build/coverage
	mkdir -p build/coverage
	chmod 1777 build/coverage
	$(BIN)/coverage run -m pytest $(SPREAD) $(TESTS); status=$$?; \
		$(BIN)/coverage combine --quiet && \
		$(BIN)/coverage html --quiet --directory build/coverage/html && \
		$(BIN)/coverage report && \
		exit $$status

check: $(TESTED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) --no-print-directory docs

bench: $(TESTED) peers
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.levels
	$(BIN)/python -m benchmarks.outbox

profile: $(TESTED)
	$(BIN)/python -m benchmarks.profile

# RESULTS names those of runs that have been, a later one over an earlier one:
# `make test features RESULTS=build/tests.xml` runs every test once.
features: $(TESTED) peers
	$(if $(RESULTS),,-XMPP_GATEWAY_INTEROP=require \
		$(BIN)/python -m pytest $(SPREAD) --junit-xml=build/features.xml tests/features \
		$$($(BIN)/python -m tests.features.rows))
	$(BIN)/python -m tests.features $(or $(RESULTS),build/features.xml)

deb:
	@debian/build.sh $(DEB)

# What is there already need not be built again: `make deb-test NEW=`.
deb-test: $(TESTED) peers $(if $(NEW),deb)
	XMPP_GATEWAY_DEB=$$(echo $(DEB)/*.deb) $(BIN)/python -m pytest tests/kit/test_debian_package.py

lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --disable-pip-version-check pip-tools
	build/lock/bin/pip-compile --quiet --strip-extras --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --no-emit-find-links --extra postgresql --extra cluster --output-file build/lock/requirements.txt setup.cfg
	{ sed '/^#/!d' debian/requirements.txt; cat build/lock/requirements.txt; } >build/lock/whole.txt
	cp build/lock/whole.txt debian/requirements.txt

docs: $(TESTED)
	$(BIN)/python -m tests.docs.draw > docs/images/imports.svg
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/docs

clean:
	rm -rf $(VENV) build dist *.egg-info state .hypothesis .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# The real servers of the interoperability tests and the benchmarks.
peers:
	@tests/interop/install.sh

# The stamps are newer than what they were made from, so a second `make` installs nothing. What runs the gateway is
# installed apart from what tests it, which is ten times as much.
$(INSTALLED): setup.cfg pyproject.toml
	@$(PYTHON) $(WILL_DO) || \
		{ echo "Python 3.11 or newer with venv is needed: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
# twistd finds plugins by folder, so the tree itself has to be on the path: that is editable_mode=compat.
	$(PIP_INSTALL) --config-settings editable_mode=compat --editable .
	@touch $@

$(TESTED): $(INSTALLED)
	$(PIP_INSTALL) --config-settings editable_mode=compat --editable '.[test]'
	@touch $@
