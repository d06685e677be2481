"""Handing events on, once they are committed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """A committed event. Consumers deduplicate by `event_id`. `user_id` is whom it concerns; None for everybody who
    may see the thing."""

    event_id: UUID
    name: str
    data: dict[str, Any]
    user_id: int | None
    at: datetime


class OutboxStore(Protocol):
    async def relay_batch(self, hand_on: Callable[[OutboxMessage], Awaitable[None]], *, limit: int = 100) -> int: ...

    async def purge(self, *, before: datetime) -> int: ...


class OutboxRelay:
    """Gives each committed event to every consumer, in order."""

    def __init__(self, store: OutboxStore, consumers: Sequence[Callable[[OutboxMessage], Awaitable[None]]]) -> None:
        self._store = store
        self._consumers = tuple(consumers)

    async def drain(self) -> int:
        """Relay until nothing waits; answers how many messages went out."""
        total = 0
        while relayed := await self._store.relay_batch(self._hand_on):
            total += relayed
        return total

    async def _hand_on(self, message: OutboxMessage) -> None:
        for consumer in self._consumers:
            await consumer(message)
