# A fresh machine needs python3 (3.11 or newer, with venv), make and a package index. All the rest is made here, in .venv.
.DEFAULT_GOAL := help
.PHONY: help run graph-demo test test-services scoreboard check lock openapi bench clean
SHELL := /bin/sh

VENV := .venv
PY := $(VENV)/bin/python
MADE := $(VENV)/.made
RUN := $(VENV)/.installed-run
DEV := $(VENV)/.installed-dev

# Where `make test-services` finds its servers; both can be set in the environment.
SERVICES_DATABASE_URL = $(or $(DATABASE_URL),postgres://postgres@127.0.0.1:5432/handyconnect)
SERVICES_REDIS_URL = $(or $(REDIS_URL),redis://127.0.0.1:6379/9)

# Tests and checks see none of the settings of whoever runs them, and never touch a real state folder.
CLEAN_ENV := env -u ALLOWED_HOSTS -u BASE_URL -u BEHIND_PROXY -u BIND -u CACHE_TTL -u DATABASE_URL -u DEBUG -u DEMO \
	-u EMAIL_URL -u FIELD_ENCRYPTION_KEYS -u LOG_LEVEL -u MAX_CACHE_SIZE -u MICROSOFT_AUTHORITY_URL -u MICROSOFT_CLIENT_ID \
	-u MICROSOFT_CLIENT_SECRET -u MICROSOFT_GRAPH_URL -u MICROSOFT_TENANT_ID -u PREPARE_STATEMENTS -u OPENAI_API_KEY -u OPENAI_BASE_URL -u PORT -u REDIS_URL -u SECRET_KEY \
	HANDYCONNECT_VAR=$(CURDIR)/var/test PYTHONUNBUFFERED=1
PYTEST := $(PY) -m pytest -n 2 --dist loadgroup

help: ## list what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /|/' | while IFS='|' read -r name text; do \
		printf '  make %-14s %s\n' "$$name" "$$text"; done

run: $(RUN) ## start everything on this machine (PORT=8000 BIND=127.0.0.1 HANDYCONNECT_VAR=var DEMO=0 for an empty start)
	@exec $(PY) manage.py run --stop-with-parent

graph-demo: $(DEV) ## start everything against a stand-in for Microsoft Graph: no tenant, no account needed (PORT=8000)
	@exec $(PY) -m tests.standins.graph.product

test: $(DEV) ## run the tests on the embedded profile: SQLite, no server needed
	@$(CLEAN_ENV) $(PYTEST) -m "not services" tests/unit tests/integration --cov --cov-report= --cov-fail-under=0
	@echo 'The API, through HTTP (not traced: every line that decides has a test of its own above):'
	@$(CLEAN_ENV) $(PYTEST) -m "not services" tests/api
	@echo 'Lines of services and pure cores that no test reaches (there must be none):'
	@$(PY) -m coverage report

test-services: $(DEV) ## run the tests on PostgreSQL and Redis (DATABASE_URL, REDIS_URL) with a real worker
	@$(CLEAN_ENV) DATABASE_URL="$(SERVICES_DATABASE_URL)" REDIS_URL="$(SERVICES_REDIS_URL)" \
		SECRET_KEY=only-for-tests-0123456789abcdefghijklmnopqrstuvwxyz \
		FIELD_ENCRYPTION_KEYS=b25seS1mb3ItdGVzdHMtMDEyMzQ1Njc4OWFiY2RlZmc= \
		$(PYTEST)

scoreboard: $(DEV) ## how the product does on mails that nobody here wrote (JSON=1 for JSON); fails when a row falls
	@$(CLEAN_ENV) $(PY) -m tests.scoreboard $(if $(JSON),--json)

check: $(DEV) ## run every linter, type checker and contract
	@failed=''; \
	step() { name="$$1"; shift; echo "== $$name"; "$$@" || failed="$$failed, $$name"; }; \
	templates() { find . -name '*.html' -not -path './.venv/*' -not -path '*/node_modules/*' -print0 | xargs -0 -r $(VENV)/bin/djade --check; }; \
	schema() { \
		mkdir -p var/test && $(CLEAN_ENV) $(PY) manage.py spectacular --fail-on-warn --file var/test/openapi.yaml \
		&& diff -u docs/openapi.yaml var/test/openapi.yaml \
		|| { echo 'docs/openapi.yaml is not what the code serves: make openapi'; return 1; }; \
	}; \
	step 'ruff format' $(PY) -m ruff format --check .; \
	step 'ruff check' $(PY) -m ruff check .; \
	step 'mypy' $(CLEAN_ENV) $(PY) -m mypy .; \
	step 'import contracts' $(VENV)/bin/lint-imports --no-logo; \
	step 'djade' templates; \
	step 'deptry' $(PY) -m deptry .; \
	step 'django check' $(CLEAN_ENV) $(PY) manage.py check --fail-level WARNING; \
	step 'migrations' $(CLEAN_ENV) $(PY) manage.py makemigrations --check --dry-run; \
	step 'openapi' schema; \
	if [ -n "$$failed" ]; then echo "Failed: $${failed#, }"; exit 1; fi; echo 'All checks passed.'

openapi: $(DEV) ## write docs/openapi.yaml from the code
	@mkdir -p docs
	@$(CLEAN_ENV) $(PY) manage.py spectacular --fail-on-warn --file docs/openapi.yaml && echo 'docs/openapi.yaml is written.'

bench: $(RUN) ## how long a mail takes to become a case, and how many a second (PostgreSQL, Redis; BENCH=--peer compares)
	@$(PY) -m bench.intake
	@$(PY) -m bench.throughput $(BENCH)

lock: $(MADE) ## write both lock files from pyproject.toml (UPGRADE=1: with the newest versions that it allows)
	@$(FIND_UV); \
	lock() { "$$uv" pip compile pyproject.toml --python-version 3.11 --universal --generate-hashes --no-header --quiet "$$@"; }; \
	lock $(if $(UPGRADE),--upgrade) --output-file requirements.lock; \
	lock $(if $(UPGRADE),--upgrade) --group dev --constraint requirements.lock --output-file requirements-dev.lock
	@git --no-pager diff --stat -- requirements.lock requirements-dev.lock 2>/dev/null || true

clean: ## remove .venv and all caches (never the state folder)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* var/test
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the environment ---------------------------------------------------------------------------------------------------
# $$uv: the one on PATH, else one that pip puts into .venv. It is told of pip's index, and trusts the system's certificates
# as pip does.
define FIND_UV
set -eu; \
uv=$$(command -v uv || true); \
"$$uv" --version >/dev/null 2>&1 || uv=''; \
if [ -z "$$uv" ]; then \
	uv=$(VENV)/bin/uv; \
	[ -x "$$uv" ] || { echo 'Installing uv …'; $(PY) -m pip install --disable-pip-version-check --quiet uv || uv=''; }; \
fi; \
export UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never; \
if [ -z "$${UV_DEFAULT_INDEX:-$${UV_INDEX_URL:-}}" ]; then \
	index=$${PIP_INDEX_URL:-$$($(PY) -m pip config get global.index-url 2>/dev/null || true)}; \
	[ -z "$$index" ] || export UV_DEFAULT_INDEX="$$index"; \
fi
endef

# Installs a lock file and removes nothing, so that running and developing share one environment.
define INSTALL
@$(FIND_UV); \
echo 'Installing $< …'; \
if [ -z "$$uv" ] || ! "$$uv" pip install --python $(PY) --require-hashes -r $<; then \
	echo 'uv did not succeed; pip tries.'; \
	$(PY) -m pip install --disable-pip-version-check --require-hashes -r $<; \
fi
@touch $@
endef

$(RUN): requirements.lock $(MADE)
	$(INSTALL)

$(DEV): requirements-dev.lock $(MADE)
	$(INSTALL)

$(MADE):
	@if ! $(PY) -m pip --version >/dev/null 2>&1; then \
		found=''; \
		for python in $(PYTHON) python3.11 python3 python3.12 python3.13 python3.14; do \
			if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
				found="$$python"; break; \
			fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo 'Python 3.11 or newer with its venv module is needed (on Debian: apt-get install python3-venv).' >&2; exit 1; \
		fi; \
		echo "Making $(VENV) with $$($$found --version) …"; \
		"$$found" -m venv --clear $(VENV); \
	fi
	@touch $@
