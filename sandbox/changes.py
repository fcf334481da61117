"""What can happen to an account after it was read: each change by name, with its arguments as a table of fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

from sandbox.account import Account, Attribution, Event, Linkage, Object
from sandbox.story.events import Written
from sandbox.story.spelling import event_id, event_uuid, instant, precise, short_id, tag_id, ulid

Summary: TypeAlias = dict[str, Any]
Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]
Count: TypeAlias = Annotated[int, Meta(ge=1)]

DAY = timedelta(days=1)
TOUCHES = ("Clicked Email", "Opened Email", "Clicked SMS", "Opened Push")
CHILDREN = {
    "campaign": ("campaign-message", "campaign"),
    "flow": ("flow-action", "flow"),
    "flow-action": ("flow-message", "flow-action"),
    "form": ("form-version", "form"),
    "tag-group": ("tag", "tag-group"),
}
"""What goes with an object that is deleted: the type, and its relation to the object."""

Taggable: TypeAlias = Literal["campaign", "flow", "list", "segment"]


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


class AddEvents(Change):
    """New events, evenly over the `spread` seconds before `at`."""

    command = "add_events"
    count: Count = 1
    spread: Annotated[int, Meta(ge=0)] = 0
    metric: str = "Active on Site"
    profile: str | None = None
    properties: dict[str, Any] = {}

    def apply(self, account: Account) -> Summary:
        metric = find(account, "metric", self.metric).id
        profiles = [find(account, "profile", self.profile).id] if self.profile else list(account.objects["profile"])
        dice = self.dice(account)
        steps = (self.spread * number // self.count for number in range(self.count))
        events = [write_event(account, dice, self.second - step, metric, dice.choice(profiles)) for step in steps]
        for event in events:
            event.properties = {**_usual_properties(event, dice, self.metric), **self.properties}
            account.events.add(event)
        return {"events": [event.id for event in events]}


class LateEvents(Change):
    """Events that turn up now and are dated `days` back, or up to an hour before."""

    command = "late_events"
    count: Count = 1
    days: Annotated[float, Meta(gt=0)] = 3
    metric: str = "Active on Site"

    def apply(self, account: Account) -> Summary:
        at = self.moment - self.days * DAY
        return AddEvents(at=at, count=self.count, spread=3600, metric=self.metric).apply(account)


class AttachAttribution(Change):
    """Attribute orders, by default the newest that are not, to what their customers last opened or clicked."""

    command = "attach_attribution"
    count: Count = 1
    events: list[str] | None = None

    def apply(self, account: Account) -> Summary:
        dice, attached = self.dice(account), []
        for order, touch in self._pairs(account):
            relations = {"attributed-event": touch.id, **_relations(account, touch)}
            order.attributions = (Attribution(tag_id(dice), relations),)
            attached.append(order.id)
            if len(attached) == self.count and self.events is None:
                break
        return {"events": attached}

    def _pairs(self, account: Account) -> Iterator[tuple[Event, Event]]:
        """Orders without attribution, the newest first, each with its customer's last touch before it."""
        orders = {metric.id for metric in named(account, "metric", "Placed Order")}
        touches = {metric.id for name in TOUCHES for metric in named(account, "metric", name)}
        waiting: dict[str, list[Event]] = {}
        for event in reversed(list(all_events(account))):
            if event.profile_id is None:
                continue
            if event.metric_id in touches and _relations(account, event):
                yield from ((order, event) for order in waiting.pop(event.profile_id, ()))
            elif event.metric_id in orders and not event.attributions and self._asks_for(event):
                waiting.setdefault(event.profile_id, []).append(event)

    def _asks_for(self, event: Event) -> bool:
        return self.events is None or event.id in self.events


class UpdateProfile(Change, kw_only=True):
    """New values for attributes of a profile; `properties` and `location` keep the keys that are not given."""

    command = "update_profile"
    id: str
    attributes: dict[str, Any] = {}

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


IDENTITY = ("email", "phone_number", "external_id", "first_name", "last_name")
REDACTED = "redacted"


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
    join: list[str] = []
    leave: list[str] = []

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


class OfOne(Change, kw_only=True):
    """A change of one object: `id` says which, or its name; without it, the first for which it makes sense."""

    type: str
    id: str | None = None

    def choose(self, account: Account) -> Object:
        if self.id is not None:
            return find(account, self.type, self.id)
        for candidate in _objects(account, self.type).values():
            if self.suits(candidate):
                return candidate
        raise ValueError(f"The account has no {self.type} to {self.command}.")

    def suits(self, candidate: Object) -> bool:
        return isinstance(candidate.attributes.get("name"), str)

    def summary(self, changed: Object) -> Summary:
        return {"type": changed.type, "id": changed.id}


class Rename(OfOne):
    command = "rename"
    name: str | None = None

    def apply(self, account: Account) -> Summary:
        renamed = self.choose(account)
        refuse_unknown(renamed, {"name": self.name})
        renamed.attributes["name"] = self.name or f"{renamed.attributes['name']} (renamed)"
        touch(renamed, self.moment)
        return self.summary(renamed)


class Edit(OfOne, kw_only=True):
    """New values for attributes of an object; of a silent change its mark of change says nothing."""

    command = "edit"
    attributes: dict[str, Any]
    silent: bool = False

    def apply(self, account: Account) -> Summary:
        edited = self.choose(account)
        refuse_unknown(edited, self.attributes)
        edited.attributes.update(self.attributes)
        if not self.silent:
            touch(edited, self.moment)
        return self.summary(edited)


class Archive(OfOne, kw_only=True):
    command = "archive"
    type: Literal["campaign", "flow"]

    def apply(self, account: Account) -> Summary:
        archived = self.choose(account)
        archived.attributes["archived"] = True
        touch(archived, self.moment)
        return self.summary(archived)

    def suits(self, candidate: Object) -> bool:
        return candidate.attributes["archived"] is False


class Delete(OfOne):
    """The object vanishes, with what is part of it and all links to it."""

    command = "delete"

    def apply(self, account: Account) -> Summary:
        deleted = self.choose(account)
        vanish(account, deleted)
        return self.summary(deleted)


class Add(Change, kw_only=True):
    """A new object like the first of its type, under its own id and name, created now."""

    command = "add"
    type: Literal["campaign", "list", "tag", "template", "segment", "flow"]
    name: str | None = None
    attributes: dict[str, Any] = {}

    def apply(self, account: Account) -> Summary:
        model = next(iter(_objects(account, self.type).values()))
        refuse_unknown(model, self.attributes)
        dice = self.dice(account)
        added = Object(self.type, self._id(dice), deepcopy(model.attributes), _own_links(model))
        added.attributes["name"] = self.name or f"New {self.type}"
        for key, value in NEW.get(self.type, {}).items():
            added.attributes[key] = value
        for key in ("created", "created_at"):
            if key in added.attributes:
                added.attributes[key] = _spell(key, self.moment)
        touch(added, self.moment)
        added.attributes.update(self.attributes)
        account.objects[self.type][added.id] = added
        if self.type == "campaign":
            _add_message(account, added, ulid(dice, self.second))
        return {"type": self.type, "id": added.id}

    def _id(self, dice: Random) -> str:
        if self.type == "campaign":
            return ulid(dice, self.second)
        return tag_id(dice) if self.type == "tag" else short_id(dice)


NEW: dict[str, dict[str, Any]] = {
    "campaign": {"status": "Draft", "archived": False, "scheduled_at": None, "send_time": None},
    "flow": {"status": "draft", "archived": False},
}


class Tag(OfOne, kw_only=True):
    command = "tag"
    type: Taggable
    tag: str

    def apply(self, account: Account) -> Summary:
        tagged, tag = self.choose(account), find(account, "tag", self.tag)
        tags = _tags(tagged)
        if tag.id not in tags:
            tags.append(tag.id)
        return {**self.summary(tagged), "tag": tag.id}


class Untag(OfOne, kw_only=True):
    command = "untag"
    type: Taggable
    tag: str | None = None
    """By default the first that the object has."""

    def apply(self, account: Account) -> Summary:
        untagged = self.choose(account)
        tags = _tags(untagged)
        tag = find(account, "tag", self.tag).id if self.tag else next(iter(tags), "")
        if tag not in tags:
            raise ValueError(f"The {self.type} {untagged.id!r} does not have that tag.")
        tags.remove(tag)
        return {**self.summary(untagged), "tag": tag}

    def suits(self, candidate: Object) -> bool:
        return bool(candidate.relationships.get("tags"))


def run(change: type[Change], account: Account, arguments: dict[str, Any]) -> Summary:
    """Apply the change, or raise `ValueError` for arguments that it does not understand."""
    try:
        ordered = msgspec.convert(arguments, change)
    except msgspec.ValidationError as error:
        raise ValueError(f"{change.command}: {error}") from error
    return ordered.apply(account)


CHANGES: dict[str, Callable[[Account, dict[str, Any]], Summary]] = {
    change.command: partial(run, change)
    for change in (
        AddEvents,
        LateEvents,
        AttachAttribution,
        UpdateProfile,
        MergeProfiles,
        DeleteProfile,
        JoinList,
        LeaveList,
        RecomputeSegment,
        Rename,
        Edit,
        Archive,
        Delete,
        Add,
        Tag,
        Untag,
    )
}


def all_events(account: Account) -> Iterator[Event]:
    return map(account.events.at, range(len(account.events)))


def memberships(account: Account) -> Iterator[dict[str, str]]:
    yield from account.list_members.values()
    yield from account.segment_members.values()


def _objects(account: Account, type_: str) -> dict[str, Object]:
    if not account.objects.get(type_):
        raise ValueError(f"The account has no {type_}.")
    return account.objects[type_]


def named(account: Account, type_: str, name: str) -> list[Object]:
    return [each for each in _objects(account, type_).values() if each.attributes.get("name") == name]


def find(account: Account, type_: str, id_or_name: str) -> Object:
    """The object with this id or else, where names are given, the first with this name."""
    found = _objects(account, type_).get(id_or_name) or next(iter(named(account, type_, id_or_name)), None)
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
            changed.attributes[key] = _spell(key, moment)


def _spell(key: str, moment: datetime) -> str:
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


def _usual_properties(event: Written, dice: Random, metric: str) -> dict[str, Any]:
    if "Order" not in metric:
        return {"$event_id": event.id, "$value": 0}
    value, order = dice.randrange(1_000, 20_000) / 100, str(dice.randrange(10**12, 10**13))
    return {"$event_id": order, "OrderId": order, "$value": value, "$value_currency": "USD"}


def _relations(account: Account, touched: Event) -> dict[str, str]:
    """What an attribution to this open or click relates to; nothing if its message is gone."""
    properties = touched.properties or {}
    message, flow = properties.get("$message", ""), properties.get("$flow")
    if flow:
        variation = properties.get("$variation")
        return {"flow": flow, "flow-message": message, **({"flow-message-variation": variation} if variation else {})}
    sent = account.objects["campaign-message"].get(properties.get("$variation", message))
    campaign = sent.relationships["campaign"] if sent else None
    return {"campaign": campaign, "campaign-message": sent.id} if sent and isinstance(campaign, str) else {}


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


def _tags(tagged: Object) -> list[str]:
    tags = tagged.relationships.setdefault("tags", [])
    assert isinstance(tags, list)
    return tags


def _own_links(model: Object) -> dict[str, Linkage]:
    """The relations of a new object: a tag stays in the group, all else begins unlinked."""
    return {name: [] if isinstance(link, list) else link for name, link in model.relationships.items()}


def _add_message(account: Account, campaign: Object, identity: str) -> None:
    model = next(iter(account.objects["campaign-message"].values()))
    attributes = {**deepcopy(model.attributes), "send_times": [], **_stamps(campaign)}
    links: dict[str, Linkage] = {**_own_links(model), "campaign": campaign.id}
    account.objects["campaign-message"][identity] = Object("campaign-message", identity, attributes, links)
    campaign.relationships["campaign-messages"] = [identity]


def _stamps(campaign: Object) -> dict[str, Any]:
    return {key: campaign.attributes[key] for key in ("created_at", "updated_at")}
