# The two commands of the README. They need Python 3.11 or newer with pip; uv is brought along where it is not installed.

UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := $(UV) run --no-sync

.PHONY: demo test check bench environment

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

environment: $(UV)
	$(UV) sync --quiet --locked --all-extras

.uv/bin/uv:
	python3 -m venv .uv
	.uv/bin/pip install --quiet uv
