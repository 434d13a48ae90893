# Each target sets up the environment that it needs, the first time.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help evolve test check env vela vela38 peers docs clean
unexport PYTHONHOME PYTHONPATH

CHECKED := edgeflownas search supernet tests benchmarks

# An environment breaks when the checkout moves or the Python it was made with goes: forget that it was made.
$(shell for venv in .venv .venv-vela .venv-vela38 .venv-peers; do \
	[ -x $$venv/bin/python ] && grep -qsF "$(CURDIR)/$$venv/" $$venv/bin/pip || rm -f $$venv/.installed; done)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

evolve: .venv/.ready .venv-vela/.installed ## Search on the small demo; the run folder is results/demo
	.venv/bin/edgeflownas-search evolve --config configs/demo.yaml $(ARGS)

test: .venv/.ready .venv-vela/.installed ## Run all tests; ARGS="-k space" narrows them
	.venv/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

check: .venv/.ready ## Run the linter and the type checker
	.venv/bin/ruff check $(CHECKED)
	.venv/bin/mypy $(CHECKED)

env: .venv/.ready ## Set up .venv: Python 3.7 with all libraries

vela: .venv-vela/.installed ## Set up .venv-vela: the Vela compiler, on a newer Python

vela38: .venv-vela38/.installed ## Set up .venv-vela38: Vela 3.8.0, where there is no Python but 3.7

peers: .venv-peers/.installed ## Set up .venv-peers: the searches that ours is compared with

docs: .venv/.ready ## Write docs/configuration.md anew from the definitions
	.venv/bin/python -m edgeflownas.config.reference > docs/configuration.md.new
	mv docs/configuration.md.new docs/configuration.md

clean: ## Remove the environments and all caches, but no results
	rm -rf .venv .venv-vela .venv-vela38 .venv-peers .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find $(CHECKED) -name __pycache__ -prune -exec rm -rf {} +

# $(call new_venv,FOLDER,VERSIONS): starts anew, as an install that was cut short leaves half a package.
define new_venv
	@python=$$(scripts/find_python.sh $2) && echo "Setting up $1 with $$python (this may take a minute)" && \
	"$$python" -m venv --clear $1
endef
PIP = bin/python -m pip --disable-pip-version-check install -q --no-deps

.venv/.installed: requirements/run.txt requirements/dev.txt
	$(call new_venv,.venv,3.7)
	@.venv/$(PIP) -c requirements/run.txt pip setuptools wheel
	@.venv/$(PIP) --no-build-isolation -r requirements/dev.txt
	@touch $@

.venv/.ready: pyproject.toml .venv/.installed
	@.venv/$(PIP) --no-build-isolation -e .
	@.venv/bin/python -m pip check
	@touch $@

.venv-vela/.installed: requirements/vela.txt
	$(call new_venv,.venv-vela,3.11 3.10 3.12 3.13)
	@.venv-vela/$(PIP) -r requirements/vela.txt
	@.venv-vela/bin/vela --version >/dev/null
	@touch $@

.venv-vela38/.installed: requirements/vela38.txt
	$(call new_venv,.venv-vela38,3.7)
	@.venv-vela38/$(PIP) -r requirements/vela38.txt
	@.venv-vela38/bin/vela --version >/dev/null
	@touch $@

.venv-peers/.installed: requirements/benchmarks.txt
	$(call new_venv,.venv-peers,3.7)
	@.venv-peers/$(PIP) -r requirements/benchmarks.txt
	@touch $@
