from __future__ import annotations

from dataclasses import dataclass, field

from starlette.types import Message


@dataclass(slots=True)
class Answer:
    """A response in the making."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def head(self, length: int | None) -> Message:
        """Its start, announcing a length, or none for a body in chunks."""
        announced = {} if length is None else {"Content-Length": str(length)}
        headers = [(name.lower().encode(), value.encode()) for name, value in (self.headers | announced).items()]
        return {"type": "http.response.start", "status": self.status, "headers": headers}
