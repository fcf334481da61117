"""Either revision fills the same tables and builds the same marts, and one may follow the other in one warehouse."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from sandbox.account import Linkage
from sandbox.omni import audience_id, variation_id
from sandbox.server import Sandbox
from sources.klaviyo import contract
from tests.conftest import Job
from tests.pipelines.warehouse import assert_tables_equal_the_account, change, rows
from tests.transforms.build import build

CAMPAIGNS = ("campaigns", "campaign_messages", "campaign_tags", "campaign_audiences", "campaign_variations")
BEFORE, OMNI = contract.revisions()


def test_marts_and_campaigns_are_the_same_at_either_revision(first_load: Callable[[str], Path], tmp_path: Path) -> None:
    built: dict[str, str] = {}
    for revision in (BEFORE, OMNI):
        file = str(shutil.copy(first_load(revision), tmp_path / f"{revision}.duckdb"))
        folder, where = tmp_path / revision, {"KLAVIYO_TARGET": "duckdb", "KLAVIYO_DUCKDB_PATH": file}
        folder.mkdir()
        outcomes = build(folder, where | {"KLAVIYO_DATASET": "klaviyo"}, *MODELS_ALONE)
        assert all(what.startswith("success") for what in outcomes.values()), outcomes
        with duckdb.connect(file) as database:  # which dbt still holds open, here in this process
            database.execute("force checkpoint")
        built[revision] = str(shutil.copy(file, folder))
    with duckdb.connect(":memory:") as both:
        for name, revision in (("before", BEFORE), ("omni", OMNI)):
            both.execute(f"attach '{built[revision]}' as {name} (read_only)")
        marts = both.sql(MARTS).fetchall()
        assert len(marts) > 5
        for (mart,) in marts:
            but = f"exclude ({TOLD_OTHERWISE[mart]})" if mart in TOLD_OTHERWISE else ""
            assert mart in OF_REPORTS or both.sql(f"from before.klaviyo_marts.{mart} limit 1").fetchall(), mart
            for one, other in (("before", "omni"), ("omni", "before")):
                only = both.sql(
                    f"select * {but} from {one}.klaviyo_marts.{mart}"
                    f" except all select * {but} from {other}.klaviyo_marts.{mart}"
                )
                assert only.fetchall() == [], f"{mart}: rows of {one} alone"


MODELS_ALONE = ("--exclude-resource-type", "unit_test", "--exclude-resource-type", "test")

TOLD_OTHERWISE = {
    # `immediate` is told as `static` now, and no campaign as `unsupported`.
    "mart_campaign_performance": "send_method",
    # Why a campaign was cancelled or waits is told no more, and whether it was to be sent smartly.
    "dim_message": "status, is_smart_sending",
    # When a build wrote it.
    "fct_message_recipient": "written_at",
}
OF_REPORTS = ("mart_reconciliation",)
"""Empty where no report is loaded."""

MARTS = "select table_name from duckdb_tables() where database_name = 'before' and schema_name = 'klaviyo_marts'"


def test_a_warehouse_may_move_to_the_next_revision_and_back(
    job: Job, sandbox: Sandbox, first_load: Callable[[str], Path]
) -> None:
    shutil.copyfile(first_load(BEFORE), job.database)
    for revision in (BEFORE, OMNI, BEFORE):
        job.revision = revision
        job.load()
        told = CAMPAIGNS if revision == OMNI else CAMPAIGNS[:3]
        assert_tables_equal_the_account(job, sandbox, *told)
        # A run reads up to some seconds before its start.
        lately = (datetime.now(UTC) - timedelta(seconds=30)).isoformat()
        change(sandbox, "rename", type="campaign", name=f"renamed after {revision}", at=lately)


def test_variations_are_asked_for_again_where_their_message_changed(job: Job, sandbox: Sandbox) -> None:
    job.revision = OMNI
    job.load("campaign_variations")
    messages = len(sandbox.account.objects["campaign-message"])
    assert asked(sandbox) == messages
    sandbox.api.requests.clear()
    added = change(sandbox, "add", type="campaign")["id"]
    job.load("campaign_variations")
    assert asked(sandbox) == 1
    assert_tables_equal_the_account(job, sandbox, "campaign_variations")

    message = linked(sandbox.account.objects["campaign"][added].relationships["campaign-messages"])[0]
    del sandbox.account.objects["campaign"][added], sandbox.account.objects["campaign-message"][message]
    sandbox.changed()
    job.load(*CAMPAIGNS)
    gone = {
        name: {row["id"] for row in rows(job, name) if row["_deleted_at"]}
        for name in CAMPAIGNS
        if not name.endswith("tags")
    }
    assert gone == {
        "campaigns": set(),
        "campaign_messages": set(),
        "campaign_audiences": set(),
        "campaign_variations": {variation_id(message)},
    }
    assert audience_id(added) not in {row["id"] for row in rows(job, "campaign_audiences")}


def linked(linkage: Linkage) -> list[str]:
    assert isinstance(linkage, list)
    return linkage


def asked(sandbox: Sandbox) -> int:
    """The requests for variations."""
    return sum(request["path"].endswith("/campaign-variations") for request in sandbox.api.requests)
