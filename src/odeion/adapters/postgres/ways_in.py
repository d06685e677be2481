"""Tickets, API keys and the audit trail in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from odeion.adapters.postgres.repository import EventSink, save_versioned
from odeion.adapters.postgres.tables.identity import api_keys, security_events, tickets
from odeion.domain.identity.api_keys import ApiKey, Scope
from odeion.domain.identity.security_events import SecurityEvent
from odeion.domain.identity.tickets import Ticket, TicketKind
from odeion.domain.shared.errors import Conflict, NotFound
from odeion.domain.shared.ids import ApiKeyId, UserId


class PostgresTickets:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def put(self, ticket: Ticket) -> None:
        statement = (
            upsert(tickets)
            .values(
                kind=ticket.kind.value,
                secret_hash=ticket.secret_hash,
                user_id=ticket.user_id,
                payload=ticket.payload,
                created_at=ticket.created_at,
                expires_at=ticket.expires_at,
            )
            .on_conflict_do_nothing(index_elements=[tickets.c.kind, tickets.c.secret_hash])
            .returning(tickets.c.id)
        )
        if (await self._connection.execute(statement)).one_or_none() is None:
            raise Conflict("this secret is in use already")

    async def find(self, kind: TicketKind, secret_hash: bytes, *, at: datetime) -> Ticket | None:
        query = (
            select(tickets)
            .where(tickets.c.kind == kind.value, tickets.c.secret_hash == secret_hash, tickets.c.expires_at > at)
            .with_for_update()
        )
        row = (await self._connection.execute(query)).one_or_none()
        return _ticket(row) if row else None

    async def take(self, kind: TicketKind, secret_hash: bytes, *, at: datetime) -> Ticket | None:
        statement = (
            delete(tickets)
            .where(tickets.c.kind == kind.value, tickets.c.secret_hash == secret_hash, tickets.c.expires_at > at)
            .returning(tickets)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        return _ticket(row) if row else None

    async def note(self, ticket: Ticket) -> None:
        await self._connection.execute(
            update(tickets)
            .where(tickets.c.kind == ticket.kind.value, tickets.c.secret_hash == ticket.secret_hash)
            .values(payload=ticket.payload)
        )

    async def drop(self, kind: TicketKind, user_id: UserId) -> None:
        await self._connection.execute(
            delete(tickets).where(tickets.c.kind == kind.value, tickets.c.user_id == user_id)
        )

    async def drop_all(self, user_id: UserId) -> None:
        await self._connection.execute(delete(tickets).where(tickets.c.user_id == user_id))

    async def drop_expired(self, *, at: datetime) -> None:
        await self._connection.execute(delete(tickets).where(tickets.c.expires_at <= at))


class PostgresApiKeys:
    def __init__(self, connection: AsyncConnection, events: EventSink) -> None:
        self._connection = connection
        self._events = events

    async def get(self, user_id: UserId, key_id: ApiKeyId) -> ApiKey:
        query = select(api_keys).where(api_keys.c.id == key_id, api_keys.c.user_id == user_id)
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound("API key not found")
        return _key(row)

    async def list_of(self, user_id: UserId) -> list[ApiKey]:
        query = select(api_keys).where(api_keys.c.user_id == user_id).order_by(api_keys.c.id.desc())
        return [_key(row) for row in await self._connection.execute(query)]

    async def save(self, key: ApiKey) -> ApiKeyId:
        values = {
            "user_id": key.user_id,
            "name": key.name,
            "key_hash": key.key_hash,
            "hint": key.hint,
            "scopes": sorted(key.scopes),
            "created_at": key.created_at,
            "last_used_at": key.last_used_at,
            "last_used_address": key.last_used_address,
        }
        return ApiKeyId(await save_versioned(self._connection, self._events, api_keys, key, values))

    async def delete(self, key: ApiKey) -> None:
        await self._connection.execute(delete(api_keys).where(api_keys.c.id == key.id))


class PostgresSecurityTrail:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def record(self, event: SecurityEvent) -> None:
        await self._connection.execute(
            insert(security_events).values(
                at=event.at,
                kind=event.kind.value,
                user_id=event.user_id,
                username=event.username,
                # The command line is nobody's account.
                actor_id=event.actor_id or None,
                address=event.address,
                user_agent=event.user_agent,
                details=event.details,
            )
        )


def _ticket(row: Row[Any]) -> Ticket:
    return Ticket(
        kind=TicketKind(row.kind),
        secret_hash=row.secret_hash,
        user_id=row.user_id,
        payload=row.payload,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(**{**row._mapping, "scopes": frozenset(Scope(scope) for scope in row.scopes)})
