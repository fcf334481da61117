# The two commands of the README. They need Python 3.11 or newer with pip; uv is brought along where it is not installed.

UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := $(UV) run --no-sync

.PHONY: demo test check bench dialects environment

demo: environment
	$(RUN) klaviyo-etl demo

test: check
	$(RUN) pytest

check: environment
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(RUN) lint-imports --no-logo

# BENCH=--quick for a small one
bench: environment
	$(RUN) python -m benchmarks $(BENCH)

# The models compiled for warehouses that they have not been run on, by their adapters, which want an environment of their own
dialects: environment
	$(UV) venv --quiet --clear .dialects
	$(UV) pip install --quiet --python .dialects dbt-core==1.11.16 dbt-bigquery==1.12.1 dbt-redshift==1.11.1 dbt-snowflake==1.12.3
	$(RUN) pytest -n 0 tests/transforms/test_portable.py

environment: $(UV)
	$(UV) sync --quiet --locked --extra postgres

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet uv
