# make lab · make test · make build [NB=03] · make slides [NB=03] · make homework [PAPER=timing] · make record EXP=NAME · make bench · make test-browser · make test-class · make lint
# Each sets up .venv by itself when it is missing or out of date.
.DELETE_ON_ERROR:
.PHONY: lab test test-browser test-class build slides homework record bench lint help

PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif
INSTALL = $(if $(UV),$(UV) pip install --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check) -c constraints.txt

help:
	@sed -n '1,2s/^# //p' Makefile

.venv/ready: pyproject.toml constraints.txt lab.json
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"The course needs Python 3.11 or newer, found {v[0]}.{v[1]}. If a newer one is installed: make PYTHON=python3.12 …")'
	@echo "Setting up .venv: about a minute and 1.6 GB (more where PyTorch comes with CUDA) …"
	$(if $(UV),$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv,$(PYTHON) -m venv .venv)
	$(INSTALL) -e '.[lab,test]'
	@mkdir -p .venv/share/jupyter/lab/settings
	@cp lab.json .venv/share/jupyter/lab/settings/overrides.json
	@touch $@

.venv/ready-%: .venv/ready
	$(INSTALL) -e '.[$*]'
	@touch $@

lab: .venv/ready
	$(BIN)/python -m jupyterlab --LabApp.default_url=/lab/tree/README.md --FileContentsManager.pre_save_hook=course_utils.explore.drop_views $(LAB_ARGS)

test: .venv/ready-homework
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-browser: .venv/ready-browser build/slides/node_modules/ready
	$(BIN)/python -m pytest tests/browser

test-class: .venv/ready-homework
	$(BIN)/python -m pytest -s tests/classroom

build: .venv/ready
	$(BIN)/python -m authoring.build $(NB)
	$(BIN)/python -m authoring.claims_table

slides: .venv/ready build/slides/node_modules/ready
	$(BIN)/python -m authoring.slides $(NB)

build/slides/node_modules/ready: authoring/deck/package.json
	@command -v npm >/dev/null || { echo "Slides need npm once, for reveal.js and MathJax: install Node.js, on Debian with apt-get install npm" >&2; exit 1; }
	@mkdir -p build/slides && cp $< build/slides
	npm install --prefix build/slides --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

homework: .venv/ready-homework
	$(BIN)/python -m authoring.homework $(PAPER)

record: .venv/ready
	$(BIN)/python -m authoring.record $(EXP) $(ARGS)

bench: .venv/ready-bench .venv/ready-browser
	$(BIN)/python -m benchmarks

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
