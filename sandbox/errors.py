"""Klaviyo's error envelope."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

RATE_LIMITS_PAGE: Final = "https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling#rate-limits"


class ApiError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str, title: str, detail: str, **extra: object) -> None:
        super().__init__(detail)
        self.status = status
        self.headers: dict[str, str] = {}
        self.body: dict[str, Any] = {
            "errors": [
                {"id": str(uuid4()), "status": status, "code": code, "title": title, "detail": detail}
                | ({"source": {"pointer": "/data/"}} | extra)
            ]
        }


def invalid(detail: str, *, parameter: str | None = None, pointer: str = "/data") -> ApiError:
    # `links` and `meta` are empty lists here, not objects: so the API answers.
    source = {"parameter": parameter} if parameter else {"pointer": pointer}
    return ApiError(400, "invalid", "Invalid input.", detail, source=source, links=[], meta=[])


def not_authenticated() -> ApiError:
    title = "Authentication credentials were not provided."
    return ApiError(401, "not_authenticated", title, "Missing or invalid private key.")


def authentication_failed() -> ApiError:
    text = "Incorrect authentication credentials."
    return ApiError(401, "authentication_failed", text, text)


def permission_denied(scopes: list[str]) -> ApiError:
    title = "You do not have permission to perform this action."
    return ApiError(403, "permission_denied", title, f"The API key is missing required scopes: {', '.join(scopes)}")


def not_found(type_: str, id_: str) -> ApiError:
    if type_ == "event":
        return invalid(f"Invalid Event ID: '{id_}'", pointer="/data/id")
    if type_ == "mapped-metric":
        return invalid(f"'{id_}' is not a valid choice for 'id'.", pointer="/data/attributes/id")
    if type_ == "account":
        return ApiError(404, "not_found", "Not found.", f"Account with id {id_} not found.")
    return ApiError(404, "not_found", "Not found.", f"A {type_.replace('-', ' ')} with id {id_} does not exist.")


def no_such_path(path: str) -> ApiError:
    return ApiError(404, "not_found", "Not found.", f"The path {path} could not be found.")


def method_not_allowed(method: str) -> ApiError:
    return ApiError(405, "method_not_allowed", "Method not allowed.", f'Method "{method}" not allowed.')


def retired(revision: str) -> ApiError:
    return ApiError(
        410, "gone", "Revision retired.", f"Revision {revision} is retired.", source={"parameter": "revision"}
    )


def throttled(seconds: int) -> ApiError:
    detail = f"Request was throttled. Expected available in {seconds} second{'' if seconds == 1 else 's'}."
    error = ApiError(
        429, "throttled", "Request was throttled.", detail,
        source={"pointer": "/data"}, links={"type": RATE_LIMITS_PAGE}, meta=[],
    )  # fmt: skip
    error.headers["Retry-After"] = str(seconds)
    return error


def invalid_cursor() -> ApiError:
    return invalid("Invalid cursor provided.", parameter="page[cursor]")
