"""The outbox: events written in the transaction that made them, and handed on afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from odeion.adapters.postgres.database import translated_errors
from odeion.adapters.postgres.tables.work import outbox
from odeion.application.shared.outbox import OutboxMessage
from odeion.domain.shared.events import Event


async def write(connection: AsyncConnection, events: Sequence[Event]) -> None:
    """Put events into the outbox in the current transaction."""
    await connection.execute(
        insert(outbox),
        [
            {
                "event_id": uuid.uuid4(),
                "name": event.name,
                "data": event.data(),
                "user_id": event.data().get("user_id"),
                "at": event.at,
            }
            for event in events
        ],
    )


class PostgresOutbox:
    """Implements OutboxRelay's store: several relays on several machines share the work."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def relay_batch(self, hand_on: Callable[[OutboxMessage], Awaitable[None]], *, limit: int = 100) -> int:
        """Hand on up to `limit` waiting messages in order and mark them; answers how many. If `hand_on` raises, the
        whole batch stays waiting: consumers see a message at least once."""
        async with translated_errors(), self._engine.begin() as connection:
            rows = (
                await connection.execute(
                    select(outbox)
                    .where(outbox.c.relayed_at.is_(None))
                    .order_by(outbox.c.id)
                    .limit(limit)
                    .with_for_update(skip_locked=True)
                )
            ).all()
            for row in rows:
                await hand_on(OutboxMessage(row.event_id, row.name, row.data, row.user_id, row.at))
            if rows:
                await connection.execute(
                    update(outbox).where(outbox.c.id.in_([row.id for row in rows])).values(relayed_at=func.now())
                )
            return len(rows)

    async def purge(self, *, before: datetime) -> int:
        """Drop relayed messages older than `before`; answers how many."""
        async with translated_errors(), self._engine.begin() as connection:
            result = await connection.execute(delete(outbox).where(outbox.c.relayed_at < before))
            return result.rowcount
