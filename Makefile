# make setup   build the environment .venv from envs/requirements.lock
# make demo    run the mini study: results/mini/report/index.html
# make check   style, types and the fast tests: two minutes, for every change
# make test    run the whole test suite
# make lint    the style and type checks alone
# make test-faults   disturb every kind of rule in every way; a choice of that is part of `make test`
# make clean   delete what the mini study made (not the environment, not the labels of people)

SHELL := /bin/sh
.DEFAULT_GOAL := demo
# Most of what tests take are starts of Python, which may keep what it compiles.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: setup demo check test lint test-faults fast docs clean

setup:
	@sha256sum --check --status .venv/complete 2>/dev/null || sh envs/setup.sh

demo: setup
	@.venv/bin/spoofscope run all
	@echo "The report: $(CURDIR)/results/mini/report/index.html"

check: setup
	@$(MAKE) --no-print-directory -j 2 lint fast

fast: setup
	@.venv/bin/python -m pytest -n 2 --dist loadfile -m "not slow"

test: setup
	@.venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not every_fault"

test-faults: setup
	@.venv/bin/python -m pytest tests/workflow/test_faults.py tests/workflow/test_slurm_faults.py

lint: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/snakefmt --check Snakefile workflow
	@.venv/bin/mypy
	@.venv/bin/snakemake --lint

# In an environment of its own: results depend on nothing that draws a site.
docs: setup
	@.venv/bin/uv venv --quiet --allow-existing .venv/docs
	@.venv/bin/uv pip install --quiet --python .venv/docs/bin/python --group docs
	@NO_MKDOCS_2_WARNING=1 .venv/docs/bin/mkdocs build --strict --quiet
	@echo "The site: $(CURDIR)/build/site/index.html"

# What people have labelled was not made by the study.
clean:
	@for folder in results/mini logs/mini; do \
	    [ ! -d $$folder ] || find $$folder -depth ! -name 'labels.sqlite*' \( ! -type d -o -empty \) -delete; \
	done
