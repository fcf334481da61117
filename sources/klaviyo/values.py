"""Raw JSON values as columns of Arrow, decoded together; what does not fit its column is told apart."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from itertools import accumulate
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from sources.klaviyo.contract import ColumnType
from sources.klaviyo.documents import Attributes
from sources.klaviyo.tables import ARROW

Values = Sequence[Raw | None]

NULL: Final = b"null"
NUL: Final = rb"\u0000"
OBJECT: Final = msgspec.json.Decoder(Attributes | None)
OBJECTS: Final = msgspec.json.Decoder(list[Attributes | None] | None)
DECODERS: Final[dict[ColumnType, msgspec.json.Decoder[Any]]] = {
    "text": msgspec.json.Decoder(list[str | None]),
    "bigint": msgspec.json.Decoder(list[int | None]),
    "double": msgspec.json.Decoder(list[float | None]),
    "bool": msgspec.json.Decoder(list[bool | None]),
    "timestamp": msgspec.json.Decoder(list[str | None]),
    "date": msgspec.json.Decoder(list[str | None]),
}


FIRST_INSTANT: Final = int(datetime(1, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
LAST_INSTANT: Final = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) * 1_000_000


def column(values: Values, of: ColumnType) -> tuple[pa.Array, Values]:
    """The values as an Arrow array, and those that did not fit in their places."""
    if values.count(None) == len(values):
        return pa.nulls(len(values), ARROW[of]), ()
    if of == "json":
        return json_column([NULL if value is None else value for value in values]), ()
    spelled = listed(values)
    unfit: Values = ()
    try:
        fit = pa.array(DECODERS[of].decode(spelled)).cast(ARROW[of])
    except (msgspec.MsgspecError, pa.ArrowInvalid, OverflowError):
        fit, unfit = one_by_one(values, of)
    if of == "timestamp" and not unfit and not within_calendar(fit):
        return one_by_one(values, of)
    return without_nul(fit, unfit, values) if of == "text" and NUL in spelled else (fit, unfit)


def without_nul(texts: pa.Array, unfit: Values, values: Values) -> tuple[pa.Array, Values]:
    """Texts with U+FFFD for NUL, which not every database takes; what was sent does not fit."""
    having = pc.fill_null(pc.match_substring(texts, "\0"), fill_value=False).to_pylist()
    unfit = unfit or [None] * len(values)
    return pc.replace_substring(texts, "\0", "\ufffd"), [
        value if has_nul else other for has_nul, value, other in zip(having, values, unfit, strict=True)
    ]


def objects_of(values: Values) -> tuple[Sequence[Attributes | None], Values]:
    """The values as objects, and those that are none in their places."""
    try:
        return OBJECTS.decode(listed(values)) or (), ()
    except msgspec.ValidationError:
        objects = [one_object(value) for value in values]
        return objects, [
            None if value is None or bytes(value) == NULL or found is not None else value
            for value, found in zip(values, objects, strict=True)
        ]


def one_object(value: Raw | None) -> Attributes | None:
    try:
        return None if value is None else OBJECT.decode(value)
    except msgspec.ValidationError:
        return None


def listed(values: Values) -> bytes:
    """The values as one JSON list."""
    return b"[" + b",".join([NULL if value is None else value for value in values]) + b"]"


def json_column(values: Sequence[Raw | bytes]) -> pa.Array:
    """JSON as it is spelled, as text; a JSON null is none."""
    texts = joined(values)
    nulls = pc.equal(texts, NULL.decode())
    return pc.if_else(nulls, None, texts) if nulls.true_count else texts


def joined(values: Sequence[Raw | bytes]) -> pa.Array:
    """The values as texts, copied once and not looked at."""
    offsets = array("i", accumulate(map(len, values), initial=0))
    return pa.Array.from_buffers(pa.string(), len(values), [None, *map(pa.py_buffer, (offsets, b"".join(values)))])


def within_calendar(instants: pa.Array) -> bool:
    """Whether all of them have a date in the years 1 to 9999, in UTC."""
    span = pc.min_max(instants.cast(pa.int64())).as_py()
    return span["min"] is None or (span["min"] >= FIRST_INSTANT and span["max"] <= LAST_INSTANT)


def one_by_one(values: Values, of: ColumnType) -> tuple[pa.Array, Values]:
    fit: list[Any] = []
    unfit: list[Raw | None] = []
    for value in values:
        try:
            converted = None if value is None else pa.scalar(LENIENT[of](value), ARROW[of]).as_py()
        except (msgspec.MsgspecError, pa.ArrowInvalid, ValueError, OverflowError, InvalidOperation):
            fit.append(None)
            unfit.append(value)
        else:
            fit.append(converted)
            unfit.append(None)
    return pa.array(fit, ARROW[of]), unfit


def lenient_text(value: Raw) -> str | None:
    """Text, or a number or truth value as Klaviyo spelled it."""
    decoded = msgspec.json.decode(value)
    if isinstance(decoded, dict | list):
        raise ValueError("not text")  # noqa: TRY004 - the caller asks whether the value fits, not for its type
    return decoded if isinstance(decoded, str) or decoded is None else bytes(value).decode()


def lenient_instant(value: Raw) -> datetime | None:
    """Any ISO 8601 spelling; without an offset it is UTC, as all of Klaviyo's times are."""
    text = msgspec.json.decode(value, type=str | None)
    if text is None:
        return None
    parsed = datetime.fromisoformat(text)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)


def lenient_date(value: Raw) -> date | None:
    instant = lenient_instant(value)
    return instant.date() if instant else None


def lenient_number(value: Raw) -> Decimal | None:
    """A finite number with all its digits, spelled as text or not."""
    spelled = bytes(value)[:1] in {b'"', b"n"}
    text = msgspec.json.decode(value, type=str | None) if spelled else bytes(value).decode()
    if text is None:
        return None
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError("not a number")
    return number


def lenient_integer(value: Raw) -> int | None:
    number = lenient_number(value)
    if number is None:
        return None
    if abs(number.adjusted()) > DIGITS_OF_BIGINT or number != int(number):
        raise ValueError("not an integer of 64 bits")
    return int(number)


def lenient_double(value: Raw) -> float | None:
    number = lenient_number(value)
    if number is not None and math.isinf(float(number)):
        raise ValueError("beyond a double")
    return None if number is None else float(number)


DIGITS_OF_BIGINT: Final = 20

LENIENT: Final[dict[ColumnType, Callable[[Raw], Any]]] = {
    "text": lenient_text,
    "bigint": lenient_integer,
    "double": lenient_double,
    "bool": lambda value: msgspec.json.decode(value, type=bool | None),
    "timestamp": lenient_instant,
    "date": lenient_date,
}
