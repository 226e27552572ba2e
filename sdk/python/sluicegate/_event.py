"""Events as functions see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime

    from ._object import Object


class Event:
    """An immutable fact (CloudEvents)."""

    __slots__ = ("id", "source", "type", "subject", "_time_ms", "_payload")

    def __init__(self, payload: "Object") -> None:
        attributes = payload.meta
        self.id: str = payload.key
        self.source: str = attributes["source"]
        self.type: str = attributes["type"]
        self.subject: "str | None" = attributes.get("subject")
        self._time_ms = int(attributes["time_ms"])
        self._payload = payload

    @property
    def time(self) -> "datetime.datetime":
        """When it happened, in UTC."""
        import datetime

        return datetime.datetime.fromtimestamp(self._time_ms / 1000, datetime.timezone.utc)

    @property
    def content_type(self) -> str:
        """How the sender encoded the data."""
        return self._payload.content_type

    @property
    def data(self) -> Any:
        """The payload, decoded by its content type; `None` when there is none."""
        return self._payload.value if self._payload.size else None

    def __repr__(self) -> str:
        return f"<Event {self.type} {self.id} from {self.source}>"
