"""Linked identities in PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from odeion.adapters.postgres.tables.identity import oauth_identities
from odeion.domain.identity.oauth import OAuthIdentity
from odeion.domain.shared.ids import OAuthIdentityId, UserId


class PostgresOAuthIdentities:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, issuer: str, subject: str) -> OAuthIdentity | None:
        query = select(oauth_identities).where(
            oauth_identities.c.issuer == issuer, oauth_identities.c.subject == subject
        )
        row = (await self._connection.execute(query)).one_or_none()
        return _identity(row) if row else None

    async def list_of(self, user_id: UserId) -> list[OAuthIdentity]:
        query = select(oauth_identities).where(oauth_identities.c.user_id == user_id).order_by(oauth_identities.c.id)
        return [_identity(row) for row in await self._connection.execute(query)]

    async def save(self, identity: OAuthIdentity) -> OAuthIdentityId:
        values = {
            "user_id": identity.user_id,
            "provider": identity.provider,
            "issuer": identity.issuer,
            "subject": identity.subject,
            "email": identity.email,
            "display_name": identity.display_name,
            "created_at": identity.created_at,
            "last_used_at": identity.last_used_at,
        }
        if identity.id is None:
            statement = insert(oauth_identities).values(**values).returning(oauth_identities.c.id)
            return OAuthIdentityId((await self._connection.execute(statement)).scalar_one())
        await self._connection.execute(
            update(oauth_identities).where(oauth_identities.c.id == identity.id).values(**values)
        )
        return identity.id

    async def delete(self, identity: OAuthIdentity) -> None:
        await self._connection.execute(delete(oauth_identities).where(oauth_identities.c.id == identity.id))


def _identity(row: Row[Any]) -> OAuthIdentity:
    return OAuthIdentity(**row._mapping)
