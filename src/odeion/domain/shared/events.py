"""Domain events: facts that other areas, clients and webhooks may want to hear of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact. `name` is its dotted public name; the fields are its data and must be plain JSON values."""

    name: ClassVar[str]
    at: datetime

    def data(self) -> dict[str, Any]:
        """The fields without `at`, as plain JSON values."""
        fields = asdict(self)
        del fields["at"]
        return fields


class RecordsEvents:
    """Mixed into aggregates: `_record` as things happen, the unit of work drains them on commit."""

    _events: list[Event]

    def _record(self, event: Event) -> None:
        if not hasattr(self, "_events"):
            self._events = []
        self._events.append(event)

    def take_events(self) -> list[Event]:
        """Hand over what happened since the last call, oldest first."""
        events, self._events = getattr(self, "_events", []), []
        return events
