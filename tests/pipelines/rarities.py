"""The tiny account, with one of everything that few accounts have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.account import Account, Linkage, Object
from tests.sandbox.tiny import EARLY, LATE, tiny_account

NOBODY: dict[str, Linkage] = {}
JOB: dict[str, Any] = {
    "status": "complete",
    "created_at": EARLY,
    "total_count": 3,
    "completed_count": 2,
    "failed_count": 1,
    "completed_at": LATE,
    "expires_at": LATE,
}
WRITING = (
    *(f"catalog-{thing}-bulk-{act}-job" for thing in ("item", "variant", "category") for act in ("create", "update", "delete")),
    "coupon-code-bulk-create-job",
)  # fmt: skip


def rich_account() -> Account:
    """With archived flows and campaigns, several of what parents hold, and parents that hold nothing."""
    account = tiny_account()

    def add(kind: str, id_: str, to: Mapping[str, Linkage] = NOBODY, **attributes: Any) -> None:
        account.objects.setdefault(kind, {})[id_] = Object(kind, id_, attributes, {**to})

    told = account.objects["profile"]["BERT"].attributes["subscriptions"]["email"]["marketing"]
    told["suppression"] = [*told["suppression"], {"reason": "UNSUBSCRIBE", "timestamp": EARLY}]
    told["list_suppressions"] = [{"list_id": "NEWS", "reason": "UNSUBSCRIBE", "timestamp": EARLY}]

    for kind in WRITING:
        add(kind, f"a {kind}", errors=[{"detail": "No."}], **JOB)
    imported: dict[str, Linkage] = {"lists": ["NEWS"], "profiles": ["ANNA", "BERT"], "import-errors": ["ERR1", "ERR2"]}
    add("profile-bulk-import-job", "IMPORT", imported, started_at=EARLY, **JOB)
    add(
        "profile-bulk-import-job", "NOTHING", {"lists": [], "profiles": [], "import-errors": []}, started_at=None, **JOB
    )
    for number in (1, 2):
        source = {"pointer": f"/data/{number}"}
        payload = {"email": "x"}
        add(
            "import-error",
            f"ERR{number}",
            code="invalid",
            title="Bad",
            detail="…",
            source=source,
            original_payload=payload,
        )
    counts: dict[str, Any] = {
        "status": "complete",
        "created_at": EARLY,
        "total_count": 1,
        "completed_count": 1,
        "completed_at": LATE,
    }
    for act in ("create", "delete"):
        add(f"profile-suppression-bulk-{act}-job", f"{act}d", skipped_count=0, **counts)
    dated: dict[str, Any] = {"created_at": EARLY, "updated_at": LATE}
    for name, records in (("pet", ["REX", "TOM"]), ("house", [])):
        schema = f"{name}-schema"
        add(
            "object-type",
            name,
            {
                "current-schema": schema,
                "draft-schema": None,
                "schema-versions": [schema],
                "object-records": [*records],
                "object-ingestion-logs": [f"{record}-log" for record in records],
            },
            title=name,
            description="",
            status="active",
            namespace="custom-objects",
            **dated,
        )
        add(
            "object-schema",
            schema,
            title=name,
            description="",
            status="published",
            properties={"age": {"type": "number"}},
            required=["age"],
            published_at=LATE,
            visibility="private",
        )
        for record in records:
            add("object-record", record, record_properties={"age": 12345678901234567890, "name": record})
            add(
                "object-ingestion-log",
                f"{record}-log",
                {"object-record": record, "object-type": name},
                status="error",
                event_type="update",
                timestamp=LATE,
                summary="Bad age",
                errors=[{"code": "invalid", "message": "…", "property": "age", "invalid_value": None}],
            )
    return account
