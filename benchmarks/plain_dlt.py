"""The pipeline that dlt's documentation leads to: a `rest_api` source, incremental, merged on `id`."""

from __future__ import annotations

import argparse
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source

START = "2000-01-01T00:00:00+00:00"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--format", choices=("default", "parquet"), required=True)
    parser.add_argument("--lag", type=float, default=0.0, help="seconds before the latest event to read again")
    parser.add_argument("--select", default="events,profiles")
    options = parser.parse_args()
    source = klaviyo(options.url, options.lag).with_resources(*options.select.split(","))
    pipeline = dlt.pipeline("plain", destination=dlt.destinations.duckdb(options.database), dataset_name="plain")
    if options.format == "parquet":
        pipeline.run(source, loader_file_format="parquet")
    else:
        pipeline.run(source)


def klaviyo(url: str, lag: float) -> Any:  # noqa: ANN401 - a dlt source
    return rest_api_source(
        {
            "client": {
                "base_url": f"{url}/api/",
                "headers": {"revision": "2026-07-15"},
                "auth": {
                    "type": "api_key",
                    "name": "Authorization",
                    "api_key": "Klaviyo-API-Key pk_sandbox",
                    "location": "header",
                },
                "paginator": {"type": "json_link", "next_url_path": "links.next"},
            },
            "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
            "resources": [
                {
                    "name": "events",
                    "endpoint": {
                        "path": "events",
                        "data_selector": "data",
                        "params": {
                            "page[size]": 1000,
                            "sort": "datetime",
                            "filter": "greater-or-equal(datetime,{incremental.start_value})",
                        },
                        "incremental": {"cursor_path": "attributes.datetime", "initial_value": START, "lag": lag},
                    },
                },
                {
                    "name": "profiles",
                    "endpoint": {
                        "path": "profiles",
                        "data_selector": "data",
                        "params": {
                            "page[size]": 100,
                            "sort": "updated",
                            "additional-fields[profile]": "subscriptions",
                            "filter": "greater-than(updated,{incremental.start_value})",
                        },
                        "incremental": {"cursor_path": "attributes.updated", "initial_value": START},
                    },
                },
            ],
        }
    )


if __name__ == "__main__":
    main()
