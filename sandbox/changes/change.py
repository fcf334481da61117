"""What all changes of an account have in common, and what they find, write and unlink."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Annotated, Any, ClassVar, TypeAlias

import msgspec
from msgspec import Meta, Struct

from sandbox.account import Account, Event, Linkage, Object
from sandbox.story.events import Written
from sandbox.story.spelling import event_id, event_uuid, instant, precise

Summary: TypeAlias = dict[str, Any]


Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]


Count: TypeAlias = Annotated[int, Meta(ge=1)]


DAY = timedelta(days=1)


CHILDREN = {
    "campaign": ("campaign-message", "campaign"),
    "flow": ("flow-action", "flow"),
    "flow-action": ("flow-message", "flow-action"),
    "form": ("form-version", "form"),
    "tag-group": ("tag", "tag-group"),
}
"""What goes with an object that is deleted: the type, and its relation to the object."""


class Change(Struct, kw_only=True, forbid_unknown_fields=True):
    """A change and its arguments. The same change to the same account gives the same result."""

    command: ClassVar[str]
    at: Moment | None = None
    """When it happens; by default now."""

    def apply(self, account: Account) -> Summary:
        raise NotImplementedError

    @property
    def moment(self) -> datetime:
        return self.at or datetime.now(UTC)

    @property
    def second(self) -> int:
        return int(self.moment.timestamp())

    def dice(self, account: Account) -> Random:
        size = sum(map(len, account.objects.values()))
        return Random(f"{self!r} {len(account.events)} {size}")


def run(change: type[Change], account: Account, arguments: dict[str, Any]) -> Summary:
    """Apply the change, or raise `ValueError` for arguments that it does not understand."""
    try:
        ordered = msgspec.convert(arguments, change)
    except msgspec.ValidationError as error:
        raise ValueError(f"{change.command}: {error}") from error
    return ordered.apply(account)


def all_events(account: Account) -> Iterator[Event]:
    return map(account.events.at, range(len(account.events)))


def memberships(account: Account) -> Iterator[dict[str, str]]:
    yield from account.list_members.values()
    yield from account.segment_members.values()


def objects_of(account: Account, type_: str) -> dict[str, Object]:
    if not account.objects.get(type_):
        raise ValueError(f"The account has no {type_}.")
    return account.objects[type_]


def named(account: Account, type_: str, name: str) -> list[Object]:
    return [each for each in objects_of(account, type_).values() if each.attributes.get("name") == name]


def find(account: Account, type_: str, id_or_name: str) -> Object:
    """The object with this id or else, where names are given, the first with this name."""
    found = objects_of(account, type_).get(id_or_name) or next(iter(named(account, type_, id_or_name)), None)
    if found is None:
        raise ValueError(f"The account has no {type_} {id_or_name!r}.")
    return found


def refuse_unknown(changed: Object, attributes: dict[str, Any]) -> None:
    if unknown := sorted(attributes.keys() - changed.attributes.keys()):
        raise ValueError(f"A {changed.type} has no attribute {', '.join(unknown)}.")


def touch(changed: Object, moment: datetime) -> None:
    """Bump the time of the last update, where the type has one."""
    for key in ("updated", "updated_at"):
        if key in changed.attributes:
            changed.attributes[key] = spelled(key, moment)


def spelled(key: str, moment: datetime) -> str:
    second = int(moment.timestamp())
    return precise(second, moment.microsecond) if key.endswith("_at") else instant(second)


def relink(account: Account, type_: str, old: str, new: str | None) -> None:
    """Let every link to `old` lead to `new`, or nowhere."""
    for objects in account.objects.values():
        for holder in objects.values():
            for relation, link in holder.relationships.items():
                holder.relationships[relation] = _relinked(link, old, new)
    if type_ in ("list", "segment"):
        {"list": account.list_members, "segment": account.segment_members}[type_].pop(old, None)


def _relinked(link: Linkage, old: str, new: str | None) -> Linkage:
    if isinstance(link, list):
        return [kept for each in link if (kept := new if each == old else each)] if old in link else link
    return new if link == old else link


def vanish(account: Account, gone: Object) -> None:
    child, relation = CHILDREN.get(gone.type, ("", ""))
    for part in [part for part in account.objects.get(child, {}).values() if part.relationships[relation] == gone.id]:
        vanish(account, part)
    relink(account, gone.type, gone.id, None)
    if gone.type == "profile":
        for members in memberships(account):
            members.pop(gone.id, None)
    del account.objects[gone.type][gone.id]


def write_event(account: Account, dice: Random, second: int, metric: str, profile: str) -> Written:
    """An event with no properties yet, under an id that is free."""
    identity = event_id(dice)
    while account.events.get(identity):
        identity = event_id(dice)
    return Written(identity, second, metric, profile, {}, instant(second), event_uuid(second, identity))
