"""Where Klaviyo keeps personal data: the field policy `pseudonymous`, as data."""

from __future__ import annotations

from typing import Final

IN_PROPERTIES: Final = {
    **dict.fromkeys(
        (
            "email", "email_address", "recipient_email_address", "customer_email", "contact_email", "user_email",
            "billing_email", "shipping_email", "to_email", "reply_to",
            "phone", "phone_number", "mobile", "mobile_number", "mobile_phone", "cell_phone", "telephone",
            "customer_phone", "to_number", "from_number", "recipient_phone_number",
            "external_id", "customer_id", "user_id", "anonymous_id", "exchange_id", "_kx", "device_id",
        ),
        "hash",
    ),
    **dict.fromkeys(
        (
            "first_name", "last_name", "full_name", "middle_name", "given_name", "family_name", "surname",
            "customer_name", "recipient_name",
            "address", "address1", "address2", "address_1", "address_2", "address_line_1", "address_line_2",
            "street", "street_address", "zip", "zip_code", "postcode", "postal_code",
            "billing_address", "shipping_address", "default_address", "addresses",
            "latitude", "longitude", "ip", "ip_address", "browser_ip", "client_ip", "user_agent",
            "birthday", "birthdate", "birth_date", "date_of_birth", "dob",
            "push_token", "device_token", "token",
        ),
        "drop",
    ),
}  # fmt: skip
"""Keys in free-form JSON, at whatever depth."""

FREE_FORM: Final = {"*": "mask", "<new>": "mask"}
"""What people and shops write may hold anybody's address."""


def anywhere_in(column: str) -> dict[str, str]:
    return {f"{column}.**.{key}": treatment for key, treatment in IN_PROPERTIES.items()}


PSEUDONYMOUS: Final[dict[str, dict[str, str]]] = {
    "profiles": {
        **FREE_FORM,
        "email": "hash",
        "phone_number": "hash",
        "external_id": "hash",
        "subscriptions__whatsapp__marketing__phone_number": "hash",
        "subscriptions__whatsapp__transactional__phone_number": "hash",
        "subscriptions__whatsapp__conversational__phone_number": "hash",
        **dict.fromkeys(("first_name", "last_name", "title", "organization", "image"), "drop"),
        # What is left of the place: city, region, country and time zone.
        **dict.fromkeys(
            (f"location__{part}" for part in ("address1", "address2", "zip", "latitude", "longitude", "ip")), "drop"
        ),
        **anywhere_in("properties"),
        "<new>": "drop",
    },
    "events": {**FREE_FORM, **anywhere_in("event_properties")},
    "reviews": {**FREE_FORM, "email": "hash", "author": "drop", "images": "drop"},
    "push_tokens": {**FREE_FORM, "token": "hash", "metadata__device_id": "hash"},
    "import_errors": {**FREE_FORM, "original_payload": "drop"},
    "object_records": {**FREE_FORM, **anywhere_in("record_properties")},
    "object_ingestion_logs": {**FREE_FORM, "summary": "drop", "errors": "drop"},
}

FORGOTTEN: Final[dict[str, dict[str, str]]] = PSEUDONYMOUS | {
    "profiles": {
        **{name: "drop" if treatment == "hash" else treatment for name, treatment in PSEUDONYMOUS["profiles"].items()},
        "properties": "drop",
    },
    "reviews": PSEUDONYMOUS["reviews"] | dict.fromkeys(("content", "title", "smart_quote"), "drop"),
    "coupon_codes": FREE_FORM,
}
"""What is left of what is told beside somebody who is forgotten."""

PRESETS: Final = {"pseudonymous": PSEUDONYMOUS}
