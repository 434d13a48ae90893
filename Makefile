# Each target sets up the environment that it needs when it is first called.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help evolve test check dist site env vela38 peers docs clean
unexport PYTHONHOME PYTHONPATH

CHECKED := edgeflownas search supernet tests benchmarks

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

evolve: env ## Search on the small demo; write results/demo
	.venv/bin/edgeflownas-search evolve --config configs/demo.yaml $(ARGS)

test: env ## Run all tests; ARGS="-k space" selects some
	.venv/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

check: env ## Run the linter and the type checker
	.venv/bin/ruff check $(CHECKED)
	.venv/bin/mypy $(CHECKED)

dist: env ## Build the wheel in dist/
	rm -rf build dist
	.venv/bin/python -m pip --disable-pip-version-check wheel -q --no-deps --no-build-isolation --wheel-dir dist .

site: STACK = modern
site: env ## Build the documentation as a site in build/site
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build -q --strict

env: ## Set up .venv; STACK=legacy (Python 3.7, TensorFlow 1.15) or STACK=modern (TensorFlow 2) chooses the stack
	@scripts/environment.sh $(STACK)

vela38: ## Set up .venv-vela38: Vela 3.8.0, for machines with only Python 3.7
	@scripts/environment.sh vela38

peers: ## Set up .venv-peers: the other searches of the comparison in benchmarks/search_quality.py
	@scripts/environment.sh peers

docs: env ## Generate docs/configuration.md from the definitions
	.venv/bin/python -m edgeflownas.config.reference > docs/configuration.md.new
	mv docs/configuration.md.new docs/configuration.md

clean: ## Remove the environments and all caches, but keep the results
	rm -rf .venv .venv-* .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info build dist
	find $(CHECKED) -name __pycache__ -prune -exec rm -rf {} +
