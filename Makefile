# Everything that Backbeat does for a person at a keyboard. `make help` lists it.

PYTHON ?= python3
UV := .venv-uv/bin/uv
RUN := .venv/bin/python
CODE := $(wildcard backbeat bench dags deploy drills jobs models notebooks serving streaming tests warehouse)
COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"
LOCKS := $(basename $(notdir $(filter-out requirements/jars%,$(wildcard requirements/*.in)))) main
# A terminal sees uv's progress, a log only our own lines.
QUIET := $(shell [ -t 2 ] || echo --quiet)

export UV := $(abspath $(UV))
export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run serve stream-demo drill test test-all check format bench bench-stream bench-quality airflow notebooks servers lock lock-check clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# ---- what it is for

run: install ## plays in, recommendations out, the API on port 8000 (PLAYS=FILE for real plays, SERVE=0 to end instead)
	@.venv/bin/backbeat demo $(if $(PLAYS),--plays "$(PLAYS)") $(if $(filter 0,$(SERVE)),--no-serve)

serve: install ## the API alone, on what is published
	@.venv/bin/backbeat serve

stream-demo: install ## Kafka, workers and the API, a crowd that plays, a live page (SECONDS=20 ends by itself)
	@.venv/bin/backbeat stream-demo $(if $(SECONDS),--seconds $(SECONDS))

airflow: install .venv-airflow/.synced ## the scheduler and its page, until Ctrl-C
	@$(RUN) -m deploy.local.airflow

bench: install servers .venv-quixstreams/.synced ## the benchmarks, each beside its peer; writes bench/results
	@$(RUN) -m bench

drill: install servers ## faults injected under load on real servers, the books checked after each (ROUNDS=20 SEED=1)
	@$(RUN) -m drills --rounds $(or $(ROUNDS),20) --seed $(or $(SEED),1)

bench-stream: install servers .venv-quixstreams/.synced ## the benchmarks of the stream alone
	@$(RUN) -m bench throughput freshness recovery

bench-quality: install .venv-irspack/.synced .venv-lenskit/.synced .venv-rectools/.synced ## lists beside our peers' on public data (MINUTES=180), resumable
	@$(RUN) -m bench.quality --minutes $(or $(MINUTES),180)

# ---- what keeps it right

test: install servers ## the tests, but for the slow ones
	@$(RUN) -m pytest -n 2 --dist loadgroup -m "not slow"

test-all: install servers notebooks .venv-obp/.synced ## every test, the slow ones too, and the notebooks
	@$(RUN) -m pytest -n 2 --dist loadgroup

notebooks: install ## execute every notebook
	@$(RUN) -m notebooks

check: install ## format, lint, types, import rules, lock
	@.venv/bin/ruff format --check --quiet . || { echo "make format mends this"; exit 1; }
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy --no-error-summary $(CODE)
	@told=$$(.venv/bin/lint-imports --no-logo) || { echo "$$told"; exit 1; }
	@$(MAKE) --no-print-directory lock-check

format: install ## rewrite the code in its format
	@.venv/bin/ruff format --quiet .
	@.venv/bin/ruff check --quiet --fix .

# ---- what it needs

install: .venv/.synced ## everything that it needs, into .venv
	@$(RUN) -m deploy.bootstrap

servers: install .venv-airflow/.synced ## the servers and emulators that tests start
	@$(RUN) -m deploy.local

.venv-uv/.synced: requirements/uv.txt deploy/bootstrap/uv.py
	@echo "Installing uv" >&2
	@$(PYTHON) deploy/bootstrap/uv.py .venv-uv requirements/uv.txt
	@touch $@

.venv/.synced: requirements/main.txt .venv-uv/.synced
	@echo "Installing what is locked in requirements/main.txt (2.2 GB; half a minute after the downloads)" >&2
	@[ -x .venv/bin/python ] || $(UV) venv --quiet --clear --python $(PYTHON) .venv
	@VIRTUAL_ENV=.venv $(UV) pip sync $(QUIET) --require-hashes requirements/main.txt
	@touch $@

.venv-%/.synced: requirements/%.txt .venv-uv/.synced
	@echo "Installing what is locked in requirements/$*.txt into .venv-$*" >&2
	@[ -x .venv-$*/bin/python ] || $(UV) venv --quiet --clear --python $(PYTHON) .venv-$*
	@VIRTUAL_ENV=.venv-$* $(UV) pip sync $(QUIET) --require-hashes requirements/$*.txt
	@touch $@

# A lock keeps the versions that it has; `make lock UPGRADE=--upgrade` takes the newest.
lock: install ## lock again what pyproject.toml and requirements/*.in ask for
	@for name in $(LOCKS); do $(call compile,requirements/$$name.txt) || exit 1; done
	@$(RUN) -m deploy.bootstrap.jars lock

lock-check: install
	@mkdir -p .venv/share/backbeat/locks && cp requirements/*.txt .venv/share/backbeat/locks
	@for name in $(LOCKS); do \
		$(call compile,.venv/share/backbeat/locks/$$name.txt) || exit 1; \
		cmp requirements/$$name.txt .venv/share/backbeat/locks/$$name.txt || { echo "make lock mends this"; exit 1; }; \
	done

compile = $(UV) $(COMPILE) $(UPGRADE) -o $(1) \
	$$([ $$name = main ] && echo --group dev pyproject.toml || echo requirements/$$name.in)

clean: ## remove environments and caches; what was imported, learned and measured stays
	rm -rf .venv .venv-* .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache spark-warehouse dist
