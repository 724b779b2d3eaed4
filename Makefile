# make lab · make test · make build [NB=03] · make slides [NB=03] · make handout [NB=03] · make site · make pdf · make homework [PAPER=timing] [PRIVATE=folder [SEED=2026]] · make collect PAPER=timing · make mark [PAPER=timing] · make record EXP=NAME · make bench · make test-browser · make test-class · make test-oldest · make test-newest · make lint
# Each sets up .venv by itself when it is missing or out of date.
.DELETE_ON_ERROR:
.PHONY: lab test test-browser test-class test-oldest test-newest build slides handout site pdf homework collect mark record bench lint help

PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)
CHROMIUM ?= $(or $(shell command -v chromium),google-chrome)
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif
TESTS = -m pytest -n 2 --dist worksteal
INSTALL = $(if $(UV),$(UV) pip install --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check) -c constraints.txt

help:
	@sed -n '1,2s/^# //p' Makefile

.venv/ready: pyproject.toml constraints.txt lab.json lessons/ipython_config.py
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"The course needs Python 3.11 or newer, found {v[0]}.{v[1]}. If a newer one is installed: make PYTHON=python3.12 …")'
	@echo "Setting up .venv: about a minute and 1.6 GB (more where PyTorch comes with CUDA) …"
	$(if $(UV),$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv,$(PYTHON) -m venv .venv)
	$(INSTALL) -e '.[lab,test]'
	@mkdir -p .venv/share/jupyter/lab/settings .venv/etc/ipython
	@cp lab.json .venv/share/jupyter/lab/settings/overrides.json
	@cp lessons/ipython_config.py .venv/etc/ipython
	@touch $@

.venv/ready-%: .venv/ready
	$(INSTALL) -e '.[$*]'
	@touch $@

lab: .venv/ready
	@$(BIN)/python -m authoring.work
	cd work && ../$(BIN)/python -m jupyterlab --LabApp.default_url=/lab/tree/README.md --FileContentsManager.pre_save_hook=course_utils.explore.drop_views $(LAB_ARGS)

test: .venv/ready-homework
	$(BIN)/python $(TESTS)

test-browser: .venv/ready-browser .venv/ready-homework .venv/ready-site build/slides/node_modules/ready build/site-tools/node_modules/ready
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/browser

test-class: .venv/ready-homework
	$(BIN)/python -m pytest -s tests/classroom

# The oldest and the newest versions that pyproject.toml allows, whatever constraints.txt says.
test-oldest test-newest: test-%: build/%/ready
	build/$*/bin/python $(TESTS)

build/oldest/ready: VERSIONS = --resolution lowest-direct
build/newest/ready: VERSIONS = --upgrade
build/oldest/ready build/newest/ready: build/%/ready: pyproject.toml
	$(PYTHON) -m venv --clear build/$*
	build/$*/bin/python -m pip install --quiet uv
	build/$*/bin/uv pip install --python build/$*/bin/python $(VERSIONS) -e '.[lab,test,homework]'
	@touch $@

build: .venv/ready
	$(BIN)/python -m authoring.build $(NB)
	$(BIN)/python -m authoring.claims_table

slides: .venv/ready build/slides/node_modules/ready
	$(BIN)/python -m authoring.slides $(NB)

handout: slides
	$(BIN)/python -m authoring.handout $(NB)

build/slides/node_modules/ready: authoring/deck/package.json
	@command -v npm >/dev/null || { echo "Slides need npm once, for reveal.js and MathJax: install Node.js, on Debian with apt-get install npm" >&2; exit 1; }
	@mkdir -p build/slides && cp $< build/slides
	npm install --prefix build/slides --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

site: .venv/ready-site build/site-tools/node_modules/ready
	$(BIN)/python -m authoring.site

pdf: site
	@mkdir -p build/pdf
	for page in build/site/[0-9]*.html; do \
	  $(CHROMIUM) --headless --no-sandbox --disable-gpu --no-pdf-header-footer --print-to-pdf=build/pdf/$$(basename $$page .html).pdf "file://$(CURDIR)/$$page"; done

build/site-tools/node_modules/ready: authoring/site/package.json
	@command -v npm >/dev/null || { echo "The site needs npm once, for KaTeX: install Node.js, on Debian with apt-get install npm" >&2; exit 1; }
	@mkdir -p build/site-tools && cp $< build/site-tools
	npm install --prefix build/site-tools --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

homework: .venv/ready-homework
	$(BIN)/python -m authoring.homework $(PAPER) $(if $(PRIVATE),--private "$(PRIVATE)" --seed "$(SEED)")

collect: .venv/ready-homework
	cd "$(or $(PRIVATE),notebooks/homework)" && "$(CURDIR)/$(BIN)/python" -m nbgrader zip_collect $(PAPER) --log-level=ERROR

mark: .venv/ready-homework
	$(BIN)/python -m authoring.marking $(PAPER) $(if $(PRIVATE),--private "$(PRIVATE)") $(ARGS)

record: .venv/ready
	$(BIN)/python -m authoring.record $(EXP) $(ARGS)

bench: .venv/ready-bench .venv/ready-browser site
	$(BIN)/python -m benchmarks

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
