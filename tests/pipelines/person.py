"""A person whose traces are all over an account, and who is looked for in every file and table."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb

from sandbox.account import Account, Object
from tests.pipelines.rarities import rich_account
from tests.sandbox.tiny import EARLY, MONDAY, PlainEvent

ID = "01K5Q7QXW2ZK9M4T8B6PNVD3HC"
EMAIL = "clarissa.voss+shop@exämple-mail.dk"
PHONE = "+4561728394"
EXTERNAL = "kunde-558811"
NAMES = ("Clarissa", "Vossberg-Lund")
STREET = "Rosenhaven 17, 3. tv"
IDENTIFIERS = (ID, EMAIL, PHONE, EXTERNAL)
PLAIN = (*IDENTIFIERS, *NAMES, STREET)


def account_with_somebody() -> Account:
    """The rich account, and her: with orders, memberships, suppressions, a device, a review, mentions by others."""
    account = rich_account()
    template = account.objects["profile"]["BERT"]
    told = json.loads(json.dumps(template.attributes))
    her = Object("profile", ID, {**told, **attributes()}, {})
    account.objects["profile"][ID] = her
    account.list_members["NEWS"] = {**account.list_members["NEWS"], ID: EARLY}
    account.segment_members["VIPS"] = {**account.segment_members["VIPS"], ID: EARLY}
    for event in events():
        account.events.add(event)
    token = account.objects["push-token"]["PUSH"]
    account.objects["push-token"]["HERS"] = Object(
        "push-token", "HERS", {**token.attributes, "token": f"device-of-{NAMES[0]}"}, {"profile": ID}
    )
    # Definitions that name her.
    conditions = [{"type": "profile-property", "property": "email", "filter": {"operator": "equals", "value": EMAIL}}]
    segment = account.objects["segment"]["VIPS"].attributes
    segment |= {"definition": {"condition_groups": [{"conditions": conditions}]}, "name": f"Like {EMAIL}"}
    review = account.objects["review"]["review:1"]
    account.objects["review"]["review:2"] = Object(
        "review",
        "review:2",
        {**review.attributes, "email": EMAIL.upper(), "author": NAMES[0], "content": f"Send to {STREET}, {NAMES[1]}"},
        {**review.relationships},
    )
    account.objects["import-error"]["ERR1"].attributes["original_payload"] = {"email": EMAIL, "first_name": NAMES[0]}
    return account


def attributes() -> dict[str, Any]:
    return {
        "email": EMAIL,
        "phone_number": PHONE,
        "external_id": EXTERNAL,
        "first_name": NAMES[0],
        "last_name": NAMES[1],
        "location": {"address1": STREET, "city": "Aarhus", "country": "Denmark", "zip": "8000", "ip": "10.20.30.40"},
        "properties": {"$phone_number": "+45 61 72 83 94", "tier": "gold", "Full Name": " ".join(NAMES)},
    }


def events() -> Iterator[PlainEvent]:
    link = f"https://shop.example/?e={quote(EMAIL)}&k={base64.urlsafe_b64encode(EMAIL.encode()).decode()}"
    customer = {"email": EMAIL.title(), "first_name": NAMES[0], "address1": STREET, "ref": [EXTERNAL, {"id": ID}]}
    yield PlainEvent(
        "her-order", MONDAY + 500, profile_id=ID, properties={"$value": 77.5, "$extra": {"customer": customer}}
    )
    yield PlainEvent(
        "her-visit", MONDAY + 600, "VISIT", ID, properties={"URL": link, "$phone": PHONE, "note": f"hi {EMAIL}!"}
    )
    # Somebody else's event that tells of her.
    yield PlainEvent("a-friend", MONDAY + 700, properties={"$value": 1, "referred_by": EMAIL, "page": link})


def spellings(value: str) -> set[bytes]:
    """How a value may stand in a file."""
    found = {value, value.lower(), value.upper(), quote(value), quote(value, safe=""), json.dumps(value)[1:-1]}
    spelled = {text.encode() for text in found}
    for shift in range(3):
        there = b" " * shift + value.encode()
        # A letter tells six bits: without those at the ends that tell of what stands beside, too.
        spelled.add(base64.b64encode(there)[-(-8 * shift // 6) : 8 * len(there) // 6])
    return spelled


def found_in_files(folder: Path, values: tuple[str, ...] = PLAIN) -> set[tuple[str, str]]:
    """Which of the values are in which files below a folder, in whatever spelling."""
    return {
        (value, str(file.relative_to(folder)))
        for file in folder.rglob("*")
        if file.is_file()
        for content in (file.read_bytes(),)
        for value in values
        if any(spelled in content for spelled in spellings(value))
    }


def found_in_tables(database: Path, values: tuple[str, ...] = PLAIN) -> set[tuple[str, str, str]]:
    """Which of the values are in which tables and columns: files may hold them compressed."""
    found = set()
    with duckdb.connect(str(database), read_only=True) as connection:
        columns = connection.sql(
            "select table_schema, table_name, column_name from information_schema.columns where table_schema like 'klaviyo%'"
        ).fetchall()
        for schema, table, column in columns:
            cells = connection.sql(f'select distinct cast("{column}" as varchar) from "{schema}"."{table}"').fetchall()
            content = "\n".join(cell for (cell,) in cells if cell).encode()
            found |= {
                (value, f"{schema}.{table}", column)
                for value in values
                if any(spelled in content for spelled in spellings(value))
            }
    return found
