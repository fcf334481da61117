"""A message as its recipients' events know it, whether a campaign or a flow sends it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    id: str
    channel: str
    name: str
    subject: str
    main_id: str
    """The message that this one varies, or itself."""
    variation: str | None = None
    campaign_id: str | None = None
    flow_id: str | None = None

    @property
    def relations(self) -> dict[str, str]:
        """What an attribution to this message relates to."""
        if self.flow_id:
            variation = {"flow-message-variation": self.id} if self.variation else {}
            return {"flow": self.flow_id, "flow-message": self.main_id, **variation}
        assert self.campaign_id
        return {"campaign": self.campaign_id, "campaign-message": self.id}
