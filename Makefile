# The two commands of the README. They need Python 3.11 or newer with pip; uv is brought along where it is not installed.

UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := $(UV) run --no-sync
# Compiled once at installation, where some machines let each of the many processes that tests start do it for itself.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check bench dialects destinations schedulers environment

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

# Destinations that cannot run here, by what stands in for them, each with an environment of its own, as each driver has; and lakes, with
# extensions of DuckDB from packages: it may not be able to download them.
destinations: environment
	$(UV) venv --quiet --clear .destinations/bigquery-server
	$(UV) pip install --quiet --python .destinations/bigquery-server bqemulator==1.4.0 duckdb==1.5.5 \
		duckdb-extensions==1.5.5 duckdb-extension-spatial==1.5.5 numpy==2.4.6 pyarrow==26.0.1
	HOME=$(CURDIR)/.destinations/bigquery-server .destinations/bigquery-server/bin/python -c \
		"from duckdb_extensions import import_extension; import_extension('spatial')"
	$(UV) venv --quiet --clear .destinations/snowflake-server
	$(UV) pip install --quiet --python .destinations/snowflake-server 'fakesnow[server]==0.12.1' snowflake-connector-python==4.8.0
	$(UV) venv --quiet --clear .destinations/lake
	$(UV) pip install --quiet --python .destinations/lake duckdb==1.5.5 duckdb-extension-ducklake==1.5.5 \
		duckdb-extension-httpfs==1.5.5 duckdb-extension-postgres-scanner==1.5.5 duckdb-extension-sqlite-scanner==1.5.5
	.destinations/lake/bin/python tests/destinations/extensions.py .destinations/extensions
	$(UV) venv --quiet --clear .destinations/s3-server
	$(UV) pip install --quiet --python .destinations/s3-server 'moto[s3,server]==5.2.5'
	UV_PROJECT_ENVIRONMENT=.destinations/bigquery $(UV) sync --quiet --locked --extra postgres --extra bigquery
	UV_PROJECT_ENVIRONMENT=.destinations/delta $(UV) sync --quiet --locked --extra postgres --extra delta
	UV_PROJECT_ENVIRONMENT=.destinations/snowflake $(UV) sync --quiet --locked --extra postgres --extra snowflake
	$(MAKE) --keep-going --jobs=2 --output-sync=target $(PROVEN)
	$(RUN) python -m tests.destinations.proofs

# Two at a time, the longest first: each waits for what stands in for it, or for files
PROVEN := $(addprefix prove-, bigquery ducklake postgres snowflake delta)
.PHONY: $(PROVEN)

prove-bigquery prove-snowflake: prove-%:
	.destinations/$*/bin/python -m pytest -n 0 --record tests/destinations/test_entries.py tests/destinations/test_clouds.py

prove-delta:
	.destinations/delta/bin/python -m pytest -n 0 --record tests/destinations/test_entries.py tests/destinations/test_delta.py

prove-ducklake prove-postgres: prove-%:
	$(RUN) pytest -n 0 --record tests/destinations/test_$*.py

# Airflow, Dagster and Prefect, each in an environment of its own, run what deploy/ has for them
schedulers: environment
	for tool in airflow dagster prefect; do \
		UV_PROJECT_ENVIRONMENT=.schedulers/$$tool $(UV) sync --quiet --locked --no-default-groups --extra $$tool || exit 1; \
	done
	$(RUN) pytest -n 0 tests/schedulers

environment: $(UV)
	$(UV) sync --quiet --locked --compile-bytecode --extra postgres

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet uv
