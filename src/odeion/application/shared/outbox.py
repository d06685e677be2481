"""Handing events on, once they are committed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from odeion.application.shared.clock import Clock


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


# Handed-on events are kept this long, for looking at what happened.
_KEPT = timedelta(days=7)


class OutboxRelay:
    """Gives each committed event to every consumer, in order."""

    def __init__(
        self, store: OutboxStore, consumers: Sequence[Callable[[OutboxMessage], Awaitable[None]]], clock: Clock
    ) -> None:
        self._store = store
        self._consumers = tuple(consumers)
        self._clock = clock

    async def purge(self) -> int:
        """Drop what was handed on long ago; answers how many."""
        return await self._store.purge(before=self._clock.now() - _KEPT)

    async def drain(self) -> int:
        """Relay until nothing waits; answers how many messages went out."""
        total = 0
        while relayed := await self._store.relay_batch(self._hand_on):
            total += relayed
        return total

    async def _hand_on(self, message: OutboxMessage) -> None:
        for consumer in self._consumers:
            await consumer(message)
