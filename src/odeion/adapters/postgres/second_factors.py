"""Authenticator apps, passkeys and recovery codes in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from odeion.adapters.postgres.repository import EventSink, save_versioned
from odeion.adapters.postgres.tables.identity import passkeys, recovery_codes, totp_secrets
from odeion.domain.identity.second_factors import Passkey, Totp
from odeion.domain.shared.errors import NotFound
from odeion.domain.shared.ids import PasskeyId, UserId


class PostgresTotp:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, user_id: UserId) -> Totp | None:
        query = select(totp_secrets).where(totp_secrets.c.user_id == user_id).with_for_update()
        row = (await self._connection.execute(query)).one_or_none()
        return Totp(**row._mapping) if row else None

    async def save(self, totp: Totp) -> None:
        values = {
            "sealed_secret": totp.sealed_secret,
            "confirmed_at": totp.confirmed_at,
            "last_step": totp.last_step,
            "created_at": totp.created_at,
        }
        statement = upsert(totp_secrets).values(user_id=totp.user_id, **values)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=[totp_secrets.c.user_id], set_=values)
        )

    async def delete(self, user_id: UserId) -> None:
        await self._connection.execute(delete(totp_secrets).where(totp_secrets.c.user_id == user_id))


class PostgresRecoveryCodes:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def replace(self, user_id: UserId, hashes: Sequence[bytes], *, at: datetime) -> None:
        await self._connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
        if hashes:
            rows = [{"user_id": user_id, "code_hash": code_hash, "created_at": at} for code_hash in hashes]
            await self._connection.execute(insert(recovery_codes), rows)

    async def use(self, user_id: UserId, code_hash: bytes, *, at: datetime) -> bool:
        statement = (
            update(recovery_codes)
            .where(
                recovery_codes.c.user_id == user_id,
                recovery_codes.c.code_hash == code_hash,
                recovery_codes.c.used_at.is_(None),
            )
            .values(used_at=at)
        )
        return (await self._connection.execute(statement)).rowcount == 1

    async def count_left(self, user_id: UserId) -> int:
        query = select(func.count()).where(recovery_codes.c.user_id == user_id, recovery_codes.c.used_at.is_(None))
        return int((await self._connection.execute(query)).scalar_one())


class PostgresPasskeys:
    def __init__(self, connection: AsyncConnection, events: EventSink) -> None:
        self._connection = connection
        self._events = events

    async def get(self, user_id: UserId, passkey_id: PasskeyId) -> Passkey:
        query = select(passkeys).where(passkeys.c.id == passkey_id, passkeys.c.user_id == user_id)
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound("passkey not found")
        return _passkey(row)

    async def find_by_credential(self, credential_id: bytes) -> Passkey | None:
        query = select(passkeys).where(passkeys.c.credential_id == credential_id)
        row = (await self._connection.execute(query)).one_or_none()
        return _passkey(row) if row else None

    async def list_of(self, user_id: UserId) -> list[Passkey]:
        query = select(passkeys).where(passkeys.c.user_id == user_id).order_by(passkeys.c.id)
        return [_passkey(row) for row in await self._connection.execute(query)]

    async def save(self, passkey: Passkey) -> PasskeyId:
        values = {
            "user_id": passkey.user_id,
            "name": passkey.name,
            "credential_id": passkey.credential_id,
            "public_key": passkey.public_key,
            "sign_count": passkey.sign_count,
            "transports": list(passkey.transports),
            "is_backed_up": passkey.is_backed_up,
            "created_at": passkey.created_at,
            "last_used_at": passkey.last_used_at,
        }
        return PasskeyId(await save_versioned(self._connection, self._events, passkeys, passkey, values))

    async def delete(self, passkey: Passkey) -> None:
        await self._connection.execute(delete(passkeys).where(passkeys.c.id == passkey.id))


def _passkey(row: Row[Any]) -> Passkey:
    return Passkey(**{**row._mapping, "transports": tuple(row.transports)})
