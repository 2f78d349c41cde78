# Two commands on a fresh machine with Python and make:
#   make demo   the ROS node on a rendered camera; pictures in results/demo/
#   make test   all tests
# Besides: make test-quick (two minutes), lint, docs, wheel, tools, clean.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --disable-pip-version-check --quiet
READY := $(VENV)/.ready
REQUIREMENTS := $(addprefix requirements/,runtime.txt ros.txt test.txt)

# Nothing of this is heard on the network, nor by a robot's nodes on this machine. To listen in on
# the demo: make demo DOMAIN=42, and ROS_DOMAIN_ID=42 ros2 topic list elsewhere.
DOMAIN := $(shell echo $$((1 + $$$$ % 100)))
export ROS_AUTOMATIC_DISCOVERY_RANGE := LOCALHOST
export ROS_DOMAIN_ID := $(DOMAIN)
# A sourced ROS distribution would shadow the packages in $(VENV), for another Python.
unexport PYTHONPATH

# Workers of pytest; none, one after the other. Each has a ROS domain of its own, and one file's
# tests stay in one worker. make test-quick takes as many as there are cores.
JOBS ?=
TOOLS := $(VENV)-tools
TOOLS_PIP := $(TOOLS)/bin/pip install --disable-pip-version-check --quiet

.PHONY: demo test test-quick lint docs wheel tools setup clean
.DELETE_ON_ERROR:

demo: setup
	$(BIN)/loftr_vo demo -o results/demo

test: setup
	$(BIN)/python -m pytest $(addprefix -n ,$(JOBS))

test-quick: setup
	$(BIN)/python -m pytest -n $(or $(JOBS),auto) -m 'not slow'

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The site, in results/site/; it reads the docstrings without importing the package.
docs: tools
	NO_MKDOCS_2_WARNING=1 $(TOOLS)/bin/mkdocs build --strict --quiet --site-dir results/site

wheel: tools
	rm -rf build dist
	$(TOOLS)/bin/python -m build --outdir dist
	$(TOOLS)/bin/twine check --strict dist/*

# What makes the site and the wheel. The test of the site (test_site.py) needs it too.
tools: $(TOOLS)/.ready

$(TOOLS)/.ready: requirements/docs.txt requirements/release.txt
	@test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	$(TOOLS_PIP) $(addprefix -r ,$^)
	@touch $@

setup: $(READY)

$(READY): setup.py setup.cfg Makefile requirements/torch.txt $(REQUIREMENTS)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { \
	  echo 'The pinned packages are there for Python 3.11 to 3.14, and $(PYTHON) is another or'; \
	  echo 'none. Name one that fits: make PYTHON=python3.12 $(MAKECMDGOALS)'; exit 1; } >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo 'Python cannot make virtual environments; on Debian and Ubuntu it takes the package'; \
	  echo 'python3-venv.'; rm -rf $(VENV); exit 1; } >&2
	$(PIP) -r requirements/torch.txt
	$(PIP) -c requirements/torch.txt $(addprefix -r ,$(REQUIREMENTS))
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

clean:
	rm -rf $(VENV) $(TOOLS) build dist install log results *.egg-info
