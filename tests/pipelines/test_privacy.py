"""What is kept of people: by the field policy, before anything is written."""

from __future__ import annotations

import pytest

from pipelines.compaction import compact
from pipelines.errors import ConfigurationError
from pipelines.settings import read_settings
from pipelines.warehouse import Warehouse
from sandbox.account import Account
from sandbox.faults import Fault
from sandbox.server import Sandbox
from sources.klaviyo.declaration import policy
from sources.klaviyo.pseudonyms import Pseudonyms
from tests.conftest import Job
from tests.pipelines.person import EMAIL, ID, PLAIN, account_with_somebody, found_in_files, found_in_tables
from tests.pipelines.warehouse import rows

KEY = "a key of thirty-two characters.."
PERSONAL = ("profiles", "profile_suppressions", "events", "reviews", "push_tokens", "import_errors", "list_memberships")
RULES = {
    "events": {
        "event_properties.$extra.customer.ref": "drop",
        "event_properties.URL": "drop",
        "event_properties.page": "drop",
    },
    "reviews": {"content": "drop"},
}
# The id stays, and links hold addresses in base64, in which nobody can look for whom he does not know.
HIDDEN = tuple(plain for plain in PLAIN if plain not in (ID, EMAIL))


@pytest.fixture
def account() -> Account:
    return account_with_somebody()


def test_under_a_policy_no_plain_value_reaches_a_file_or_a_table_and_joins_still_work(
    job: Job, sandbox: Sandbox
) -> None:
    job.policy = policy("pseudonymous", RULES, KEY)
    job.load(*PERSONAL)
    hidden = (*HIDDEN, EMAIL)
    assert found_in_tables(job.database, hidden) == set()
    assert found_in_files(job.home, hidden) == set()
    assert found_in_files(job.home, (ID,)), "the search finds what is there"
    joined = job.query(
        "select e.id from klaviyo.events e join klaviyo.profiles p "
        "on p.email = json_extract_string(e.event_properties, '$.referred_by') "
        "join klaviyo.reviews r on r.email = p.email"
    )
    assert joined == [("a-friend",)]
    assert job.load(*PERSONAL).exit == 0


def test_a_changed_policy_is_refused_until_all_rows_are_read_again_and_then_holds_for_those_that_are_gone_too(
    job: Job, sandbox: Sandbox
) -> None:
    hidden = (*HIDDEN, EMAIL)
    job.load(*PERSONAL)
    assert {plain for plain, _ in found_in_files(job.home, hidden)} == {*hidden}, "the search finds what is there"
    # She is gone from Klaviyo: no full refresh brings her again.
    del sandbox.account.objects["profile"][ID], sandbox.account.list_members["NEWS"][ID]
    sandbox.changed()

    job.policy = policy("pseudonymous", RULES, KEY)
    with pytest.raises(ConfigurationError, match="--full-refresh events,import_errors,profiles,push_tokens,reviews"):
        job.load(*PERSONAL)
    with pytest.raises(ConfigurationError, match="--full-refresh events"):
        job.load("events")
    refreshed = ("events", "import_errors", "profiles", "push_tokens", "reviews")
    with pytest.raises(ConfigurationError, match="--full-refresh profiles"):
        job.load(*PERSONAL, full_refresh=",".join({*refreshed} - {"profiles"}))
    job.load(*PERSONAL, full_refresh=",".join(refreshed))
    warehouse = Warehouse("duckdb")
    assert [row["left_by"] for row in rows(job, "etl_leftovers")] == ["a new field policy"]
    compact(warehouse, warehouse.pipeline())
    assert rows(job, "etl_leftovers") == []
    assert found_in_tables(job.database, hidden) == set()
    assert found_in_files(job.home, hidden) == set()
    gone = {row["id"]: row for row in rows(job, "profiles")}[ID]
    assert gone["_deleted_at"] is not None
    assert gone["subscriptions__email__marketing__can_receive_email_marketing"] is True
    assert gone["email"] == Pseudonyms(KEY.encode()).of(EMAIL)
    job.load(*PERSONAL)


def test_a_change_of_policy_that_is_cut_short_has_not_happened(job: Job, sandbox: Sandbox) -> None:
    job.load("profiles")
    job.policy = policy("", {"profiles": {"email": "drop"}}, KEY)
    sandbox.api.faults.ordered.append(Fault(kind="status", status=400, path="/api/profiles"))
    with pytest.raises(AssertionError, match="profiles"):
        job.load("profiles", full_refresh="profiles")
    sandbox.api.faults.ordered.clear()
    with pytest.raises(ConfigurationError, match="--full-refresh profiles"):
        job.load("profiles")
    job.load("profiles", full_refresh="profiles")
    job.load("profiles")
    assert {row["email"] for row in rows(job, "profiles")} == {None}


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"SOURCES__KLAVIYO__PRIVACY": "pseudonymous"}, "a policy needs hash_key"),
        ({"SOURCES__KLAVIYO__PRIVACY": "pseudonymous", "SOURCES__KLAVIYO__HASH_KEY": "short"}, "at least 32"),
        (
            {"SOURCES__KLAVIYO__FIELD_POLICY": '{"profiles": {"e_mail_s": "drop"}}', "SOURCES__KLAVIYO__HASH_KEY": KEY},
            "profiles.e_mail_s: no such column",
        ),
        ({"SOURCES__KLAVIYO__FIELD_POLICY": '{"profiles": "drop"}', "SOURCES__KLAVIYO__HASH_KEY": KEY}, "field_policy"),
    ],
)
def test_a_policy_that_does_not_fit_ends_a_run_with_exit_code_2_before_anything_is_asked(
    environment: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__KLAVIYO__API_KEY", "pk")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refusal:
        read_settings()
    assert refusal.value.exit == 2
    assert named in str(refusal.value)
    assert environment.get("SOURCES__KLAVIYO__HASH_KEY", "?") not in str(refusal.value)
