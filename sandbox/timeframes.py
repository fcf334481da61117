"""The spans of local time that reports are asked for, and the intervals that they are cut into."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from sandbox.errors import ApiError, invalid

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
LONGEST: Final = timedelta(days=366)
LONGEST_BY: Final = {
    "hourly": timedelta(days=7),
    "daily": timedelta(days=60),
    "weekly": LONGEST,
    "monthly": timedelta(weeks=52),
}

LAST_DAYS: Final = {"last_7_days": 7, "last_30_days": 30, "last_90_days": 90, "last_365_days": 365}
LAST_MONTHS: Final = {"last_month": 1, "last_3_months": 3, "last_12_months": 12}


class Frame(NamedTuple):
    """Local time `[start, end)`, without a zone."""

    start: datetime
    end: datetime

    def intervals(self, interval: str) -> list[datetime]:
        """Where each interval begins; the first may begin before the frame."""
        return list(_steps(self, interval))


def custom(start: str, end: str) -> Frame:
    """What a client spelled: its offsets are ignored, and its last hour counts to the end."""
    try:
        bounds = [datetime.fromisoformat(text).replace(tzinfo=None) for text in (start, end)]
    except ValueError:
        raise refused("Invalid datetime.") from None
    frame = Frame(bounds[0], floor(bounds[1], "hourly") + HOUR)
    if bounds[1] < bounds[0]:
        raise refused("The end of the timeframe must lie after its start.")
    if bounds[1] - bounds[0] > LONGEST:
        raise refused("The timeframe may not be longer than 1 year.")
    return frame


def keyed(key: str, now: datetime) -> Frame:
    """A timeframe with a name, seen from this local time. `last_…_days` ends now, so that today is one more."""
    today = floor(now, "daily")
    tomorrow = today + DAY
    week, month = floor(today, "weekly"), floor(today, "monthly")
    if key in LAST_DAYS:
        return Frame(today - timedelta(days=LAST_DAYS[key]), tomorrow)
    if key in LAST_MONTHS:
        return Frame(_months_before(month, LAST_MONTHS[key]), month)
    year = today.replace(month=1, day=1)
    return {
        "today": Frame(today, tomorrow),
        "yesterday": Frame(today - DAY, today),
        "this_week": Frame(week, tomorrow),
        "last_week": Frame(week - 7 * DAY, week),
        "this_month": Frame(month, tomorrow),
        "this_year": Frame(year, tomorrow),
        "last_year": Frame(year.replace(year=year.year - 1), year),
    }[key]


def refuse_too_long(frame: Frame, interval: str) -> None:
    if frame.end - frame.start > LONGEST_BY[interval]:
        raise refused(f"The timeframe is too long for the {interval} interval.")


def refused(detail: str) -> ApiError:
    return invalid(detail, pointer="/data/attributes/timeframe")


def second(local: datetime, zone: ZoneInfo) -> float:
    return local.replace(tzinfo=zone).timestamp()


def local(second_: float, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(second_, zone).replace(tzinfo=None)


def spelled(moment: datetime) -> str:
    """As reports print it: the account's local time, under the offset of UTC."""
    return moment.replace(tzinfo=UTC).isoformat()


def floor(moment: datetime, interval: str) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if interval == "hourly":
        return hour
    day = hour.replace(hour=0)
    if interval == "weekly":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval == "monthly" else day


def _steps(frame: Frame, interval: str) -> Iterator[datetime]:
    step = floor(frame.start, interval)
    while step < frame.end:
        yield step
        if interval == "monthly":
            step = floor(step + timedelta(days=31), "monthly")
        else:
            step += {"hourly": HOUR, "daily": DAY, "weekly": 7 * DAY}[interval]


def _months_before(month: datetime, count: int) -> datetime:
    for _ in range(count):
        month = floor(month - DAY, "monthly")
    return month
