"""The views in the shape of Fivetran's tables: what dbt_klaviyo reads is there, and says what it is taken to say."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import duckdb
import pytest

from tests.transforms.build import build
from tests.transforms.conftest import FIVETRAN, Built, copied, failures
from tests.transforms.shop import SHOP, THE_20TH, VANISHED

TEXT, INSTANT, FLAG, NUMBER = "VARCHAR", "TIMESTAMP WITH TIME ZONE", "BOOLEAN", "DOUBLE"
EVERY_ROW: Final = {"_fivetran_deleted": FLAG, "_fivetran_synced": INSTANT}

READ_BY_THE_PACKAGE: Final = {
    "event": dict.fromkeys(
        ("id", "campaign_id", "flow_id", "flow_message_id", "_variation", "metric_id", "person_id", "type", "uuid"),
        TEXT,
    )
    | dict.fromkeys(("property_value", "property_attribution"), TEXT)
    | dict.fromkeys(("datetime", "timestamp"), INSTANT),
    "person": dict.fromkeys(
        ("id", "email", "phone_number", "first_name", "last_name", "organization", "title", "timezone"), TEXT
    )
    | dict.fromkeys(("address_1", "address_2", "city", "region", "country", "zip"), TEXT)
    | dict.fromkeys(("latitude", "longitude"), NUMBER)
    | dict.fromkeys(("created", "updated", "last_event_date"), INSTANT),
    "campaign": dict.fromkeys(("id", "name", "status", "status_id", "status_label", "campaign_type"), TEXT)
    | dict.fromkeys(("subject", "from_email", "from_name", "email_template_id"), TEXT)
    | dict.fromkeys(("send_time", "sent_at", "scheduled", "created", "updated"), INSTANT)
    | {"archived": FLAG},
    "flow": dict.fromkeys(("id", "name", "status", "trigger_type"), TEXT)
    | dict.fromkeys(("created", "updated"), INSTANT)
    | {"archived": FLAG},
    "metric": dict.fromkeys(("id", "name", "integration_id", "integration_name", "integration_category"), TEXT)
    | dict.fromkeys(("created", "updated"), INSTANT),
}
"""The columns of dbt_klaviyo 1.4.1's sources. What is missing there it takes for null, and says nothing."""

KEYS: Final = {
    "campaign_list": ("campaign_id", "list_id"),
    "campaign_message": ("id", "campaign_id", "template_id"),
    "campaign_message_send_time": ("campaign_message_id", "datetime"),
    "campaign_tag": ("campaign_id", "tag_id"),
    "campaign_tracking_utm_param": ("campaign_id", "name"),
    "coupon": ("id",),
    "coupon_code": ("id", "coupon_id", "person_id"),
    "email_template": ("id",),
    "flow_action": ("id", "flow_id"),
    "flow_action_tracking_utm_param": ("flow_action_id", "name"),
    "flow_message": ("id", "flow_action_id", "template_id"),
    "flow_tag": ("flow_id", "tag_id"),
    "form": ("id",),
    "form_version": ("id", "form_id"),
    "global_exclusion": ("person_id",),
    "integration": ("id",),
    "list": ("id",),
    "list_exclusion": ("id", "list_id"),
    "list_person": ("list_id", "person_id"),
    "list_tag": ("list_id", "tag_id"),
    "segment": ("id",),
    "segment_person": ("segment_id", "person_id"),
    "segment_tag": ("segment_id", "tag_id"),
    "tag_group": ("id",),
    "tags": ("id", "tag_group_id"),
}
"""The other tables of the connector that have a view."""

DBT_KLAVIYO: Final = os.environ.get("DBT_KLAVIYO_PACKAGES")
FIRST_LOAD: Final = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=1)


@pytest.mark.parametrize("table", READ_BY_THE_PACKAGE)
def test_what_the_package_reads_is_there_and_of_the_type_that_it_reads(shop: Built, table: str) -> None:
    expected = READ_BY_THE_PACKAGE[table] | EVERY_ROW
    found = dict(shop.columns(FIVETRAN + table))
    assert {name: found.get(name) for name in expected} == expected


def test_the_other_tables_have_their_keys_and_there_are_no_more(shop: Built) -> None:
    views = {name.removeprefix(FIVETRAN) for name in shop.outcomes if name.startswith(FIVETRAN) and "." not in name}
    assert views == {*READ_BY_THE_PACKAGE, *KEYS}
    for table, keys in KEYS.items():
        assert {*keys, *EVERY_ROW} <= dict(shop.columns(FIVETRAN + table)).keys(), table


def test_an_order_names_the_touch_that_klaviyo_credits_and_is_about_no_message_itself(shop: Built) -> None:
    ((own, value, attribution),) = shop.query(
        "select campaign_id, property_value, property_attribution from klaviyo_fivetran.event where id = 'order bob'"
    )
    assert (own, value) == (None, "80.0000")
    assert {name: to["data"]["id"] for name, to in json.loads(attribution)["relationships"].items()} == {
        "attributed-event": "clicked bob",
        "event": "order bob",
        "campaign": "c1",
        "campaign-message": "m1",
    }


def test_a_message_is_told_as_campaign_or_flow(shop: Built) -> None:
    assert shop.query(
        "select id, campaign_id, flow_id, flow_message_id, _variation, type from klaviyo_fivetran.event"
        " where id in ('b bob', 'welcome ann') order by id"
    ) == [
        ("b bob", "c2", None, None, "m3", "Received Email"),
        ("welcome ann", None, "f1", "fm1", None, "Received Email"),
    ]


def test_every_event_has_its_row_and_what_is_gone_is_marked_with_when(shop: Built) -> None:
    events = shop.query("select count(*), count(case when _fivetran_deleted then 1 end) from klaviyo_fivetran.event")
    assert events == [(len(SHOP["events"]), 1)]
    assert shop.query(
        "select id, _fivetran_deleted, _fivetran_synced from klaviyo_fivetran.event"
        f" where id in ('{VANISHED['id']}', 'order bob') order by id"
    ) == [("order bob", False, FIRST_LOAD), ("vanished", True, datetime.fromisoformat(THE_20TH))]


def test_what_klaviyo_lists_within_a_row_has_rows_of_its_own(golden: Built) -> None:
    asked = {
        "campaign_tracking_utm_param": "campaign_id, name, type, value",
        "flow_action_tracking_utm_param": "flow_action_id, name, value",
        "campaign_message_send_time": 'campaign_message_id, "datetime", is_local',
    }
    told = {
        table: golden.query(f"select {row} from klaviyo_fivetran.{table} order by 1, 2") for table, row in asked.items()
    }
    assert told == {
        "campaign_tracking_utm_param": [
            ("gc1", "utm_campaign", "dynamic", "campaign_name"),
            ("gc1", "utm_medium", "static", "email"),
        ],
        "flow_action_tracking_utm_param": [("ga1", "utm_medium", "email")],
        "campaign_message_send_time": [
            ("gm1", datetime(2026, 6, 1, 14, tzinfo=UTC), True),
            ("gm1", datetime(2026, 6, 2, 14, tzinfo=UTC), False),
            ("gm2", datetime(2026, 6, 3, 14, tzinfo=UTC), None),
        ],
    }


def test_properties_become_columns_when_they_are_named(shop: Built, tmp_path: Path) -> None:
    path = copied(shop, tmp_path)
    named = {
        "klaviyo_fivetran_event_columns": {"property_order_id": "OrderId", "property_campaign_name": "Campaign Name"},
        "klaviyo_fivetran_person_columns": {"custom_tier": "Tier"},
    }
    with duckdb.connect(path) as database:
        database.execute("""update klaviyo.profiles set properties = '{"Tier": "gold"}' where id = 'ann'""")
    environment = {"KLAVIYO_DUCKDB_PATH": path, "KLAVIYO_FIVETRAN_COMPAT": "true"}
    views = ("--select", "fivetran__event", "fivetran__person", "--exclude-resource-type", "test")
    built = Built(Path(path), build(tmp_path, environment, *views, "--vars", json.dumps(named)))
    assert built.query(
        "select property_order_id, property_campaign_name from klaviyo_fivetran.event"
        " where id in ('order bob', 'received ann') order by id"
    ) == [("o1", None), (None, "Spring sale")]
    assert built.query("select custom_tier from klaviyo_fivetran.person where id in ('ann', 'bob') order by id") == [
        ("gold",),
        (None,),
    ]


needs_the_package: Final = pytest.mark.skipif(
    not DBT_KLAVIYO,
    reason="DBT_KLAVIYO_PACKAGES names no folder with the packages klaviyo, fivetran_utils, dbt_utils and spark_utils",
)


@needs_the_package
def test_dbt_klaviyo_runs_unmodified_and_credits_what_we_credit(shop: Built, tmp_path: Path) -> None:
    path = copied(shop, tmp_path)
    output = {"type": "duckdb", "path": path, "schema": "theirs", "settings": {"TimeZone": "UTC"}}
    assert differing(Built(Path(path), {}), output, tmp_path) == []


@needs_the_package
def test_dbt_klaviyo_does_so_on_postgres(golden_on_postgres: Built, tmp_path: Path) -> None:
    server = urlsplit(golden_on_postgres.url)
    output = {
        "type": "postgres",
        "host": server.hostname,
        "port": server.port,
        "user": server.username,
        "password": server.password,
        "dbname": server.path.removeprefix("/"),
        "schema": "theirs",
    }
    assert differing(golden_on_postgres, output, tmp_path) == []


def differing(built: Built, output: dict[str, Any], project: Path) -> list[tuple[Any, ...]]:
    """Run the package over the views, and list the events that it gives to another campaign or flow than fct_event."""
    shutil.copytree(str(DBT_KLAVIYO), project / "dbt_packages")
    variables = {"klaviyo_schema": f"{built.dataset}_fivetran"}
    (project / "dbt_project.yml").write_text(json.dumps({"name": "theirs", "profile": "theirs", "vars": variables}))
    (project / "profiles.yml").write_text(json.dumps({"theirs": {"target": "theirs", "outputs": {"theirs": output}}}))
    assert not failures(build(project, {}, project=project))
    return built.query(
        "select event_id from theirs_klaviyo.klaviyo__events as theirs full join fct_event as ours using (event_id)"
        " where coalesce(last_touch_campaign_id, last_touch_flow_id) is distinct from"
        " coalesce(ours.campaign_id, ours.flow_id, attributed_campaign_id, attributed_flow_id)"
    )
