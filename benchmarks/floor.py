"""What no pipeline on our client and DuckDB can undercut: pages fetched and dropped, and pages from disk into the table."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from urllib.parse import urlencode

import duckdb

from sources.klaviyo import REVISION, contract
from sources.klaviyo.client import Client
from sources.klaviyo.limits import Limiter
from sources.klaviyo.tally import Tally

# The columns of `klaviyo.events`.
LOAD = """
    create table events as
    select
        event.id,
        event.relationships.metric.data.id as metric_id,
        event.relationships.profile.data.id as profile_id,
        event.attributes.timestamp,
        event.attributes.event_properties,
        event.attributes.datetime,
        event.attributes.uuid
    from (
        select unnest(data) as event
        from read_json(
            ?,
            columns = {
                data: 'struct(
                    id varchar,
                    attributes struct(timestamp bigint, event_properties json, datetime timestamptz, uuid varchar),
                    relationships struct(
                        metric struct(data struct(id varchar)), profile struct(data struct(id varchar))
                    )
                )[]'
            },
            maximum_object_size = 100000000
        )
    )
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("fetch", "load"))
    parser.add_argument("--url")
    parser.add_argument("--pages", type=Path, help="where pages are kept")
    parser.add_argument("--database")
    options = parser.parse_args()
    if options.what == "fetch":
        fetch(options.url, options.pages)
    else:
        load(options.pages, options.database)


def fetch(url: str, keep: Path | None) -> None:
    """Read every event, one page after the other, as our walk asks for them."""
    client = Client("pk_sandbox", url, REVISION, Limiter())
    endpoint = contract.load(REVISION).collection("/api/events")
    tally = Tally("events", ("events",))
    query = {"page[size]": "1000", "sort": "datetime", "include": "attributions"}
    target: str | None = f"/api/events?{urlencode(query)}"
    number = 0
    while target:
        body = client.read(endpoint, target, bytes, tally)
        if keep:
            (keep / f"{number:06}.json").write_bytes(body)
        # Only the end is parsed.
        target = json.loads(b"{" + body[body.rindex(b'"links":') :])["links"]["next"]
        number += 1


def load(pages: Path, database: str) -> None:
    with duckdb.connect(database) as connection:
        connection.execute(LOAD, [str(pages / "*.json")])


if __name__ == "__main__":
    main()
