"""Users, login sessions and settings in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from odeion.adapters.postgres.database import reading
from odeion.adapters.postgres.repository import EventSink, save_versioned
from odeion.adapters.postgres.tables.identity import login_sessions, users
from odeion.adapters.postgres.tables.work import settings
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity import LoginSession, Role, User
from odeion.domain.shared.errors import NotFound
from odeion.domain.shared.ids import LoginSessionId, UserId


class PostgresUsers:
    def __init__(self, connection: AsyncConnection, events: EventSink) -> None:
        self._connection = connection
        self._events = events

    async def get(self, user_id: UserId) -> User:
        row = (await self._connection.execute(select(users).where(users.c.id == user_id))).one_or_none()
        if row is None:
            raise NotFound("user not found")
        return _user(row)

    async def find_by_username(self, username: str) -> User | None:
        row = (
            await self._connection.execute(select(users).where(func.lower(users.c.username) == func.lower(username)))
        ).one_or_none()
        return _user(row) if row else None

    async def any_exists(self) -> bool:
        return bool((await self._connection.execute(select(exists(select(users.c.id))))).scalar_one())

    async def lock_first_run(self) -> None:
        await self._connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('odeion.first_run'))"))

    async def save(self, user: User) -> UserId:
        values = {
            "username": user.username,
            "display_name": user.display_name,
            "password_hash": user.password_hash,
            "role": user.role.value,
            "is_locked": user.is_locked,
            "created_at": user.created_at,
        }
        return UserId(await save_versioned(self._connection, self._events, users, user, values))


class PostgresLoginSessions:
    def __init__(self, connection: AsyncConnection, events: EventSink) -> None:
        self._connection = connection
        self._events = events

    async def find_by_refresh_hash(self, refresh_hash: bytes) -> LoginSession | None:
        row = (
            await self._connection.execute(
                select(login_sessions).where(
                    or_(
                        login_sessions.c.refresh_hash == refresh_hash,
                        login_sessions.c.spent_refresh_hash == refresh_hash,
                    )
                )
            )
        ).one_or_none()
        return LoginSession(**row._mapping) if row else None

    async def save(self, session: LoginSession) -> LoginSessionId:
        values = {
            "user_id": session.user_id,
            "refresh_hash": session.refresh_hash,
            "spent_refresh_hash": session.spent_refresh_hash,
            "user_agent": session.user_agent,
            "address": session.address,
            "created_at": session.created_at,
            "last_used_at": session.last_used_at,
            "expires_at": session.expires_at,
            "revoked_at": session.revoked_at,
        }
        return LoginSessionId(await save_versioned(self._connection, self._events, login_sessions, session, values))

    async def revoke_all(self, user_id: UserId, *, at: datetime) -> None:
        await self._connection.execute(
            update(login_sessions)
            .where(login_sessions.c.user_id == user_id, login_sessions.c.revoked_at.is_(None))
            .values(revoked_at=at, version=login_sessions.c.version + 1)
        )


class PostgresSettings:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, key: str) -> object | None:
        row = (await self._connection.execute(select(settings.c.value).where(settings.c.key == key))).one_or_none()
        return row.value if row else None

    async def put(self, key: str, value: object, *, at: datetime) -> None:
        statement = upsert(settings).values(key=key, value=value, updated_at=at)
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[settings.c.key],
                set_={"value": statement.excluded.value, "updated_at": statement.excluded.updated_at},
            )
        )


class PostgresViewerQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find_viewer(self, user_id: UserId, session_id: LoginSessionId, *, at: datetime) -> Viewer | None:
        query = (
            select(users.c.id, users.c.role, login_sessions.c.id.label("session_id"))
            .join(login_sessions, login_sessions.c.user_id == users.c.id)
            .where(
                users.c.id == user_id,
                login_sessions.c.id == session_id,
                login_sessions.c.revoked_at.is_(None),
                login_sessions.c.expires_at > at,
                users.c.is_locked.is_(False),
            )
        )
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return Viewer(UserId(row.id), Role(row.role), LoginSessionId(row.session_id)) if row else None


def _user(row: Row[Any]) -> User:
    return User(**{**row._mapping, "role": Role(row.role)})
