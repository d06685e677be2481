"""Invites in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from odeion.adapters.postgres.repository import EventSink, save_versioned
from odeion.adapters.postgres.tables.identity import invites
from odeion.application.shared.page import Page, PageRequest
from odeion.domain.identity.invites import Invite
from odeion.domain.identity.users import Role
from odeion.domain.shared.errors import NotFound
from odeion.domain.shared.ids import InviteId, UserId


class PostgresInvites:
    def __init__(self, connection: AsyncConnection, events: EventSink) -> None:
        self._connection = connection
        self._events = events

    async def get(self, user_id: UserId, invite_id: InviteId) -> Invite:
        query = select(invites).where(invites.c.id == invite_id, invites.c.created_by == user_id)
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound("invite not found")
        return _invite(row)

    async def list_of(self, user_id: UserId, page: PageRequest) -> Page[Invite]:
        own = select(invites).where(invites.c.created_by == user_id)
        total = (await self._connection.execute(select(func.count()).select_from(own.subquery()))).scalar_one()
        rows = await self._connection.execute(
            own.order_by(invites.c.id.desc()).limit(page.per_page).offset(page.offset)
        )
        return Page.of([_invite(row) for row in rows], page, total)

    async def save(self, invite: Invite) -> InviteId:
        values = {
            "created_by": invite.created_by,
            "code_hash": invite.code_hash,
            "sealed_code": invite.sealed_code,
            "role": invite.role.value,
            "max_uses": invite.max_uses,
            "uses": invite.uses,
            "created_at": invite.created_at,
            "expires_at": invite.expires_at,
        }
        return InviteId(await save_versioned(self._connection, self._events, invites, invite, values))

    async def redeem(self, code_hash: bytes, *, at: datetime) -> Invite | None:
        statement = (
            update(invites)
            .where(
                invites.c.code_hash == code_hash,
                or_(invites.c.expires_at.is_(None), invites.c.expires_at > at),
                or_(invites.c.max_uses.is_(None), invites.c.uses < invites.c.max_uses),
            )
            .values(uses=invites.c.uses + 1, version=invites.c.version + 1)
            .returning(invites)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        return _invite(row) if row else None

    async def delete(self, invite: Invite) -> None:
        await self._connection.execute(delete(invites).where(invites.c.id == invite.id))


def _invite(row: Row[Any]) -> Invite:
    return Invite(**{**row._mapping, "role": Role(row.role)})
