"""What happens to profiles, and who joins and leaves lists and segments."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import field

from sandbox.account import Account, Event, Object
from sandbox.changes.change import (
    Change,
    Count,
    Summary,
    all_events,
    find,
    memberships,
    refuse_unknown,
    relink,
    touch,
    vanish,
    write_event,
)
from sandbox.story.events import Written
from sandbox.story.spelling import instant

IDENTITY = ("email", "phone_number", "external_id", "first_name", "last_name")
REDACTED = "redacted"


class UpdateProfile(Change, kw_only=True):
    """New values for attributes of a profile; `properties` and `location` keep the keys that are not given."""

    command = "update_profile"
    id: str
    attributes: dict[str, Any] = field(default_factory=dict)

    def apply(self, account: Account) -> Summary:
        profile = find(account, "profile", self.id)
        refuse_unknown(profile, self.attributes)
        for key, value in self.attributes.items():
            old = profile.attributes[key]
            profile.attributes[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
        touch(profile, self.moment)
        return {"profiles": [profile.id]}


class MergeProfiles(Change, kw_only=True):
    """The source becomes part of the destination: its events, memberships and whatever the destination lacks."""

    command = "merge_profiles"
    source: str
    destination: str

    def apply(self, account: Account) -> Summary:
        source, destination = find(account, "profile", self.source), find(account, "profile", self.destination)
        if source is destination:
            raise ValueError("A profile cannot be merged into itself.")
        moved = [event for event in all_events(account) if event.profile_id == source.id]
        for event in moved:
            event.profile_id = destination.id
        for members in memberships(account):
            if joined := members.pop(source.id, None):
                members.setdefault(destination.id, joined)
        for key, value in source.attributes.items():
            if destination.attributes[key] is None:
                destination.attributes[key] = value
        relink(account, "profile", source.id, destination.id)
        del account.objects["profile"][source.id]
        touch(destination, self.moment)
        return {"source": source.id, "destination": destination.id, "events": len(moved)}


class DeleteProfile(Change, kw_only=True):
    """A privacy deletion: the profile is gone, and who it was is redacted in its events, which stay."""

    command = "delete_profile"
    id: str

    def apply(self, account: Account) -> Summary:
        profile = find(account, "profile", self.id)
        identity = [value for key in IDENTITY if isinstance(value := profile.attributes[key], str) and value]
        redacted = [event for event in all_events(account) if event.profile_id == profile.id]
        for event in redacted:
            account.events.remove(event.id)
            account.events.add(_redacted(event, identity))
        vanish(account, profile)
        return {"profiles": [profile.id], "events": len(redacted)}


class JoinList(Change, kw_only=True):
    """Profiles join a list. A member that joins again has joined at the new time."""

    command = "join_list"
    list_: str = msgspec.field(name="list")
    profiles: list[str] | None = None
    count: Count = 1
    told: bool = True
    """By an event."""

    def apply(self, account: Account) -> Summary:
        joined = find(account, "list", self.list_)
        members = account.list_members.setdefault(joined.id, {})
        others = (profile for profile in account.objects["profile"] if profile not in members)
        profiles = self.profiles or [profile for profile, _ in zip(others, range(self.count), strict=False)]
        for profile in profiles:
            members[find(account, "profile", profile).id] = instant(self.second)
        if self.told:
            tell(account, self, "Subscribed to List", joined, profiles)
        return {"list": joined.id, "profiles": profiles}


class LeaveList(Change, kw_only=True):
    """Members leave a list; nothing tells it, unless they unsubscribe."""

    command = "leave_list"
    list_: str = msgspec.field(name="list")
    profiles: list[str] | None = None
    count: Count = 1
    told: bool = False
    """By an event."""

    def apply(self, account: Account) -> Summary:
        left = find(account, "list", self.list_)
        members = account.list_members.get(left.id, {})
        profiles = self.profiles or [*members][: self.count]
        leave(members, left, profiles)
        if self.told:
            tell(account, self, "Unsubscribed from List", left, profiles)
        return {"list": left.id, "profiles": profiles}


class RecomputeSegment(Change, kw_only=True):
    """Klaviyo finds other members for a segment; nothing tells it."""

    command = "recompute_segment"
    segment: str
    join: list[str] = field(default_factory=list)
    leave: list[str] = field(default_factory=list)

    def apply(self, account: Account) -> Summary:
        segment = find(account, "segment", self.segment)
        members = account.segment_members.setdefault(segment.id, {})
        leave(members, segment, self.leave)
        for profile in self.join:
            members[find(account, "profile", profile).id] = instant(self.second)
        return {"segment": segment.id, "joined": self.join, "left": self.leave}


def leave(members: dict[str, str], group: Object, profiles: list[str]) -> None:
    for profile in profiles:
        if members.pop(profile, None) is None:
            raise ValueError(f"Profile {profile!r} is not in {group.type} {group.id!r}.")


def tell(account: Account, change: Change, name: str, group: Object, profiles: list[str]) -> None:
    """An event of each profile, about a list."""
    metric, dice = find(account, "metric", name).id, change.dice(account)
    for profile in profiles:
        event = write_event(account, dice, change.second, metric, profile)
        event.properties = {"List": group.attributes["name"], "list_id": group.id, "$event_id": event.id}
        account.events.add(event)


def _redacted(event: Event, identity: list[str]) -> Written:
    return Written(
        id=event.id,
        second=event.second,
        metric_id=event.metric_id,
        profile_id=event.profile_id,
        properties=_redact(event.properties, identity),
        datetime=event.datetime,
        uuid=event.uuid,
        attributions=event.attributions,
    )


def _redact(value: Any, identity: list[str]) -> Any:  # noqa: ANN401 any JSON
    if isinstance(value, dict):
        return {key: _redact(inner, identity) for key, inner in value.items()}
    if isinstance(value, list):
        return [_redact(inner, identity) for inner in value]
    return REDACTED if isinstance(value, str) and value in identity else value
