"""What a filter or a sort key means on an object: mostly an attribute, sometimes something further away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from sandbox.account import Object
from sandbox.filters import instant
from sandbox.relations import Relations

Reader = Callable[[Object, Relations], Iterable[Any]]


def values(holder: Object, name: str, relations: Relations) -> Iterable[Any]:
    """Every value that the field has on the object: one, none, or as many as a list holds."""
    reader = SPECIAL.get((holder.type, name)) or SPECIAL.get(("", name))
    if reader is not None:
        return reader(holder, relations)
    if name.endswith((".id", "_id")) and name not in holder.attributes:
        return _related(holder, name[:-3], relations)
    # Some types keep what they are told by in a definition, and are still filtered by its plain name.
    inside = holder.attributes.get("definition")
    within = isinstance(inside, dict) and name.partition(".")[0] not in holder.attributes
    return at(inside if within else holder.attributes, name)


def at(tree: Any, path: str) -> list[Any]:  # noqa: ANN401 - any JSON
    """The values at a dotted path; lists on the way are spread."""
    if isinstance(tree, list):
        return [value for branch in tree for value in at(branch, path)]
    if not path:
        return [tree]
    if not isinstance(tree, dict):
        return []
    name, _, rest = path.partition(".")
    return at(tree.get(name), rest)


def _related(holder: Object, stem: str, relations: Relations) -> list[str]:
    known = relations.contract.relations[holder.type]
    return [id_ for name in _spellings(stem) if name in known for id_ in relations.linked(holder, name)]


def _spellings(stem: str) -> tuple[str, ...]:
    plural = stem[:-1] + "ies" if stem.endswith("y") else stem + "s"
    return (stem, plural)


def _channels(campaign: Object, relations: Relations) -> list[Any]:
    ids = relations.linked(campaign, "campaign-messages")
    messages = filter(None, (relations.find("campaign-message", id_) for id_ in ids))
    return [channel for message in messages for channel in at(message.attributes, "definition.channel")]


def _push_tokens(profile: Object, relations: Relations) -> list[Any]:
    tokens = filter(None, (relations.find("push-token", id_) for id_ in relations.linked(profile, "push-tokens")))
    return [token.attributes.get("token") for token in tokens]


def _action_type(action: Object, _relations: Relations) -> list[str]:
    # Actions call themselves `send-email`; the filter's spelling is the former attribute's `SEND_EMAIL`. Take both.
    kinds = [str(kind) for kind in at(action.attributes, "definition.type")]
    return [spelling for kind in kinds for spelling in (kind, kind.upper().replace("-", "_"))]


def _review_status(review: Object, _relations: Relations) -> list[Any]:
    return ["all", *at(review.attributes, "status.value")]


SPECIAL: Final[dict[tuple[str, str], Reader]] = {
    ("", "id"): lambda holder, _: [holder.id],
    ("", "ids"): lambda holder, _: [holder.id],
    ("", "_kx"): lambda _, __: [],
    ("profile", "profile_id"): lambda holder, _: [holder.id],
    ("profile", "push_token"): _push_tokens,
    ("campaign", "messages.channel"): _channels,
    ("flow-action", "action_type"): _action_type,
    ("flow-action", "status"): lambda holder, _: at(holder.attributes, "definition.data.status"),
    ("object-ingestion-log", "record_id"): lambda holder, relations: relations.linked(holder, "object-record"),
    ("review", "status"): _review_status,
}


def comparable(value: Any, *, timestamp: bool) -> Any:  # noqa: ANN401 - any JSON scalar
    return instant(value) if timestamp and isinstance(value, str) else value


def as_instants(found: Iterable[Any]) -> list[datetime]:
    return [instant(value) for value in found if value is not None]
