"""People forgotten: everywhere the warehouse tells of them, and for good."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.cli import console
from pipelines.errors import ConfigurationError
from pipelines.forgetting import Eraser, Forgetting, eraser, forget_deleted
from pipelines.job import run_job
from pipelines.load import Request, named
from pipelines.settings import OnDeletion, Settings
from pipelines.warehouse import Warehouse
from sandbox.account import Account
from sandbox.server import Sandbox
from sources.klaviyo.declaration import policy
from sources.klaviyo.policy import NO_POLICY
from sources.klaviyo.pseudonyms import Pseudonyms
from tests.conftest import Cli, Job, Once, load_once
from tests.pipelines.few_models import few_models
from tests.pipelines.person import (
    EMAIL,
    EXTERNAL,
    ID,
    NAMES,
    PHONE,
    PLAIN,
    account_with_somebody,
    found_in_files,
    found_in_tables,
    spellings,
)
from tests.pipelines.warehouse import postgres_rows, rows

KEY = "a key of thirty-two characters.."
PSEUDONYMS = Pseudonyms(KEY.encode())
TABLES = (
    "profiles", "profile_suppressions", "events", "event_attributions", "reviews", "push_tokens", "import_errors",
    "list_memberships", "segment_memberships", "profile_predictions", "profile_bulk_import_job_profiles",
    "segments",
)  # fmt: skip
CHANGED = "select id, count(*) from klaviyo.versions where resource = 'segments' and id = 'VIPS' group by id"
HISTORY = ("versions", "list_membership_intervals", "segment_membership_intervals")
TOTALS = "select count(*), sum(cast(json_extract(event_properties, '$.\"$value\"') as double)) from klaviyo.events"


@pytest.fixture
def account() -> Account:
    return account_with_somebody()


@pytest.fixture
def keyed(job: Job) -> Job:
    job.policy = policy("", {}, KEY)
    return job


@pytest.fixture(scope="session")
def with_her(once: Once) -> Path:
    """A warehouse after a load of all that tells of her."""
    return load_once(once, "with_her", account_with_somebody, *TABLES, policy=policy("", {}, KEY))


@pytest.fixture
def told(keyed: Job, with_her: Path) -> Job:
    """A job after that load, on another machine."""
    keyed.settle()
    shutil.copyfile(with_her, keyed.database)
    return keyed


def forget(*asked: str, how: OnDeletion = "purge", dry: bool = False) -> Forgetting:
    return Eraser(Warehouse("duckdb"), PSEUDONYMS, how, dry=dry).forget(asked, "a request")


def without_her(job: Job, table: str) -> list[dict[str, Any]]:
    """Rows that are of others, but for the one that mentions her."""
    columns = ("id", "profile_id")
    return [
        row for row in rows(job, table) if ID not in [row.get(name) for name in columns] and row["id"] != "a-friend"
    ]


def test_nobody_who_is_purged_is_found_in_any_table_or_file_and_totals_stand(keyed: Job, sandbox: Sandbox) -> None:
    keyed.load(*TABLES)
    found = {value for value, *_ in found_in_tables(keyed.database)}
    assert found == {*PLAIN} == {value for value, _ in found_in_files(keyed.home)}, "the search finds what is there"
    told_of = {table for _, table, _ in found_in_tables(keyed.database)}
    assert {f"klaviyo.{table}" for table in HISTORY} <= told_of
    totals, others = keyed.query(TOTALS), without_her(keyed, "events")

    foreseen = forget(ID, dry=True)
    assert found_in_tables(keyed.database, (EMAIL,)) != set(), "a dry run changes nothing"
    done = forget(ID)
    assert (done.deleted, done.rewritten) == (foreseen.deleted, foreseen.rewritten)

    assert found_in_tables(keyed.database) == set()
    assert found_in_files(keyed.home) == set()
    assert keyed.query(TOTALS) == totals
    assert [row for row in rows(keyed, "events") if row["id"] in {one["id"] for one in others}] == others
    hers = {row["id"]: row for row in rows(keyed, "events")}["her-order"]
    assert hers["profile_id"] is None
    assert json.loads(hers["event_properties"])["$value"] == 77.5
    assert len(rows(keyed, "reviews")) == 2
    assert {row["rating"] for row in rows(keyed, "reviews")} == {5}
    (audit,) = rows(keyed, "etl_forgotten")
    assert (audit["how"], audit["why"]) == ("purge", "a request")
    assert json.loads(audit["tables"])["deleted"]["profiles"] == 1

    # Klaviyo still shows her: nothing of it comes back.
    for refreshed in ("", ",".join(TABLES)):
        keyed.load(*TABLES, full_refresh=refreshed)
        shown = tuple(plain for plain in PLAIN if plain != EXTERNAL)
        assert found_in_tables(keyed.database, shown) == set()
        assert found_in_files(keyed.home, shown) == set()
        assert keyed.query(TOTALS) == totals
        assert keyed.query(CHANGED) == [("VIPS", 1)], "what was forgotten of a definition is no change of it"


def test_what_a_killed_command_left_of_somebody_is_cleared_away_by_the_next_run(told: Job) -> None:
    with duckdb.connect(str(told.database)) as database:
        database.execute("create schema klaviyo_marts")
        database.execute("create table klaviyo_marts.dim_profile as select * from klaviyo.profiles")
    with told.monkeypatch.context() as killed:
        killed.setattr("pipelines.forgetting.drop_models", interrupted)
        with pytest.raises(KeyboardInterrupt):
            forget(ID)
    assert "klaviyo_marts.dim_profile" in {table for _, table, _ in found_in_tables(told.database)}
    settings = Settings(api_key="pk_sandbox", base_url=told.sandbox.url, policy=told.policy)
    for _ in range(2):
        run_job(console, settings, Warehouse("duckdb"), Request(resources=named(["lists"])), with_marts=False)
        assert found_in_tables(told.database) == set()
        assert found_in_files(told.home) == set()
        assert rows(told, "etl_leftovers") == []


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_pseudonym_keeps_people_apart_and_names_no_one(told: Job) -> None:
    totals = told.query(TOTALS)
    forget(EMAIL.upper(), how="pseudonymize")
    assert found_in_tables(told.database) == set()
    assert found_in_files(told.home) == set()
    assert told.query(TOTALS) == totals
    name = PSEUDONYMS.of(ID)
    hers = [row["id"] for row in rows(told, "events") if row["profile_id"] == name]
    assert sorted(hers) == ["her-order", "her-visit"]
    assert [row["list_id"] for row in rows(told, "list_memberships") if row["profile_id"] == name] == ["NEWS"]
    (profile,) = [row for row in rows(told, "profiles") if row["id"] == name]
    assert profile["location__country"] == "Denmark"
    assert {profile[column] for column in ("email", "first_name", "external_id", "properties", "location__zip")} == {
        None
    }
    told.load(*TABLES, full_refresh="events,profiles,list_memberships")
    shown = tuple(plain for plain in PLAIN if plain != EXTERNAL)
    assert found_in_tables(told.database, shown) == set()
    assert sorted(row["id"] for row in rows(told, "events") if row["profile_id"] == name) == sorted(hers)


def test_what_somebody_else_has_too_is_not_theirs_alone(keyed: Job, sandbox: Sandbox) -> None:
    anna, other = (sandbox.account.objects["profile"][name] for name in ("ANNA", ID))
    anna.attributes["email"], anna.attributes["first_name"] = other.attributes["email"], NAMES[0]
    sandbox.changed()
    keyed.load("profiles", "events")
    forget(ID)
    kept = {row["id"]: row for row in rows(keyed, "profiles")}
    assert (kept["ANNA"]["email"], kept["ANNA"]["first_name"]) == (EMAIL, NAMES[0])
    assert ID not in kept
    assert found_in_tables(keyed.database, (ID, PHONE)) == set()
    # Without the key, she would come back.
    keyed.policy = NO_POLICY
    with pytest.raises(ConfigurationError, match="hash_key is not set"):
        keyed.load("profiles")


def test_the_command_forgets_whom_it_is_told_and_models_are_built_without_them(cli: Cli) -> None:
    told = {"SOURCES__KLAVIYO__HASH_KEY": KEY}
    cli.project = few_models(cli.home / "project")
    cli.load("--select", "profiles,events,list_memberships", **told)
    with duckdb.connect(str(cli.database)) as database:
        database.execute("CREATE SCHEMA klaviyo_marts")
        database.execute("CREATE TABLE klaviyo_marts.dim_profile AS SELECT * FROM klaviyo.profiles")
    assert "klaviyo_marts.dim_profile" in {table for _, table, _ in found_in_tables(cli.database)}
    dry = cli("forget", "--how", "purge", "--dry-run", PHONE, "somebody@else.example", **told)
    assert dry.returncode == 3
    assert "profiles: 1 rows would be deleted" in dry.stdout
    done = cli("forget", PHONE, **told, SOURCES__KLAVIYO__ON_DELETION="purge")
    assert done.returncode == 0, done.stderr
    assert cli.query("select found from klaviyo_marts.of_lists") == [(0,)], "they are built again"
    assert cli.query("select count(*) from klaviyo_marts.dim_profile") != [(0,)]
    assert found_in_tables(cli.database) == set()
    assert found_in_files(cli.home) == set()
    assert not [plain for plain in (*PLAIN, "somebody") if plain in dry.stdout + dry.stderr + done.stdout + done.stderr]


def test_who_is_forgotten_before_anything_is_loaded_is_not_loaded_in_plain(keyed: Job) -> None:
    keyed.settle()
    assert forget(ID, dry=True).unknown == 1
    assert forget(ID).unknown == 1
    keyed.load("profiles")
    there = {row["id"] for row in rows(keyed, "profiles")}
    assert there
    assert ID not in there


@pytest.mark.parametrize(
    ("how", "key", "named"), [("", KEY, "--how purge"), ("purge", "", "hash_key"), ("erase", KEY, "--how")]
)
def test_nobody_is_forgotten_before_it_is_said_how(
    how: str, key: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__KLAVIYO__HASH_KEY", key)
    with pytest.raises(ConfigurationError, match=named):
        eraser(Warehouse("duckdb"), how)


def test_who_is_deleted_in_klaviyo_is_forgotten_by_the_next_run_and_who_is_merged_is_not(told: Job) -> None:
    with duckdb.connect(str(told.database)) as database:
        for gone, cause in ((ID, "deleted"), ("BERT", "merged")):
            database.execute(
                "INSERT INTO klaviyo.etl_absences (_dlt_load_id, table_name, parent_id, id, known_at, cause) "
                f"VALUES ('1', 'profiles', '', '{gone}', now(), '{cause}')"
            )
    others = {row["id"] for row in rows(told, "profiles")} - {ID}
    settings = Settings(api_key="pk", policy=told.policy, on_deletion="pseudonymize")
    assert forget_deleted(settings, Warehouse("duckdb")).people == 1
    assert found_in_tables(told.database) == set()
    assert {row["id"] for row in rows(told, "profiles")} == others | {PSEUDONYMS.of(ID)}
    assert forget_deleted(settings, Warehouse("duckdb")).people == 0, "once is enough"


def test_postgres_forgets_as_duckdb_does(keyed: Job, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keyed.postgres = postgres
    keyed.load(*TABLES, destination="postgres")
    Eraser(Warehouse("postgres"), PSEUDONYMS, "purge").forget([ID], "a request")
    for table in TABLES:
        content = "\n".join(map(str, postgres_rows(postgres, table))).encode()
        found = [plain for plain in PLAIN if any(spelled in content for spelled in spellings(plain))]
        assert found == [], table
    assert len(postgres_rows(postgres, "events")) == 36
    assert found_in_files(keyed.home) == set()
