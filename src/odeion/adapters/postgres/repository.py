"""The one statement pair every aggregate is saved with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy import Table, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from odeion.domain.shared.errors import StaleVersion
from odeion.domain.shared.events import Event


class EventSink(Protocol):
    """Where a repository puts the events of what it saved: the unit of work."""

    def collect(self, events: list[Event]) -> None: ...


class Versioned(Protocol):
    id: Any
    version: int

    def take_events(self) -> list[Event]: ...


async def save_versioned(
    connection: AsyncConnection, events: EventSink, table: Table, aggregate: Versioned, values: Mapping[str, Any]
) -> int:
    """Insert an aggregate without id, update one with id if nobody did so since it was read; answers the id.

    Raises StaleVersion. Sets the aggregate's id and version."""
    if aggregate.id is None:
        statement = insert(table).values(**values, version=aggregate.version).returning(table.c.id)
        aggregate.id = (await connection.execute(statement)).scalar_one()
    else:
        changed = await connection.execute(
            update(table)
            .where(table.c.id == aggregate.id, table.c.version == aggregate.version)
            .values(**values, version=aggregate.version + 1)
        )
        if changed.rowcount != 1:
            raise StaleVersion("somebody else changed this at the same time; read it again")
        aggregate.version += 1
    events.collect(aggregate.take_events())
    return int(aggregate.id)
