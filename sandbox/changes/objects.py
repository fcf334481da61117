"""What happens to campaigns, flows, lists and all else that has a name."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any, Literal, TypeAlias

from msgspec import field

from sandbox.account import Account, Linkage, Object
from sandbox.changes.change import (
    Change,
    Summary,
    find,
    objects_of,
    refuse_unknown,
    spelled,
    touch,
    vanish,
)
from sandbox.story.spelling import short_id, tag_id, ulid

Taggable: TypeAlias = Literal["campaign", "flow", "list", "segment"]


class OfOne(Change, kw_only=True):
    """A change of one object: `id` says which, or its name; without it, the first for which it makes sense."""

    type: str
    id: str | None = None

    def choose(self, account: Account) -> Object:
        if self.id is not None:
            return find(account, self.type, self.id)
        for candidate in objects_of(account, self.type).values():
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
    attributes: dict[str, Any] = field(default_factory=dict)

    def apply(self, account: Account) -> Summary:
        model = next(iter(objects_of(account, self.type).values()))
        refuse_unknown(model, self.attributes)
        dice = self.dice(account)
        added = Object(self.type, self._id(dice), deepcopy(model.attributes), _own_links(model))
        added.attributes["name"] = self.name or f"New {self.type}"
        for key, value in NEW.get(self.type, {}).items():
            added.attributes[key] = value
        for key in ("created", "created_at"):
            if key in added.attributes:
                added.attributes[key] = spelled(key, self.moment)
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
