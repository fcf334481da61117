"""The story of a shop: two years of customers, messages and orders, told the same way for the same seed."""

from __future__ import annotations

from datetime import UTC, datetime

from sandbox.account import Account, Event, Events
from sandbox.story.audience import write_audience
from sandbox.story.campaigns import write_campaigns
from sandbox.story.draft import Draft
from sandbox.story.estate import write_estate, write_images
from sandbox.story.flows import write_flows
from sandbox.story.life import Life
from sandbox.story.metrics import write_metrics
from sandbox.story.oddities import write_oddities
from sandbox.story.people import draw_people, write_profile
from sandbox.story.settings import write_account, write_forms, write_tags
from sandbox.story.templates import write_library

PEOPLE = 3_000


def synthesize(seed: int = 1, scale: float = 1.0, now: datetime | None = None, *, odd: bool = True) -> Account:
    """Return the account that this seed tells; it is the same for the same seed, scale and `now`.

    Scale 1 is about 3,000 profiles and 60,000 events over two years up to `now`, by default today's midnight (UTC).
    Unless `odd` is false, the account also holds data that is valid and rare.
    """
    now = now or datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    draft = Draft(seed, scale, int(now.timestamp()))
    write_account(draft)
    metrics = write_metrics(draft)
    people = draw_people(draft, max(1, round(PEOPLE * scale)))
    audience = write_audience(draft, people, metrics)
    write_library(draft)
    flows = write_flows(draft, audience, metrics)
    sends = write_campaigns(draft, audience, write_images(draft))
    forms = write_forms(draft)
    write_tags(draft)
    life = Life(draft, metrics, audience, flows, forms)
    life.run(people, sends)
    for person in people:
        write_profile(draft, person)
    write_estate(draft, metrics, people)
    happenings: list[Event] = [*life.told, *(write_oddities(draft) if odd else ())]
    return Account(
        objects=draft.objects,
        events=Events(happenings),
        list_members=audience.members,
        segment_members=audience.segment_members(draft.now),
    )
