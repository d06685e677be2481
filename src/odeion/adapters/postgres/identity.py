"""Users, login sessions and settings in PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, delete, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from odeion.adapters.postgres.database import reading, translated_errors
from odeion.adapters.postgres.repository import EventSink, save_versioned
from odeion.adapters.postgres.tables.identity import api_keys, login_sessions, users
from odeion.adapters.postgres.tables.work import settings
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.api_keys import Scope
from odeion.domain.identity.login_sessions import LoginSession
from odeion.domain.identity.users import Permissions, Role, User
from odeion.domain.shared.errors import NotFound
from odeion.domain.shared.ids import ApiKeyId, LoginSessionId, UserId

_PERMISSIONS = TypeAdapter(Permissions)
# When a key was used last is told this exactly; each request would be a write otherwise.
_KEY_USE_GRAIN = timedelta(minutes=1)


class PostgresUsers:
    def __init__(self, connection: AsyncConnection, events: EventSink) -> None:
        self._connection = connection
        self._events = events

    async def get(self, user_id: UserId, *, for_update: bool = False) -> User:
        query = select(users).where(users.c.id == user_id)
        row = (await self._connection.execute(query.with_for_update() if for_update else query)).one_or_none()
        if row is None:
            raise NotFound("user not found")
        return user(row)

    async def find_by_username(self, username: str) -> User | None:
        row = (
            await self._connection.execute(select(users).where(func.lower(users.c.username) == func.lower(username)))
        ).one_or_none()
        return user(row) if row else None

    async def any_exists(self) -> bool:
        return bool((await self._connection.execute(select(exists(select(users.c.id))))).scalar_one())

    async def lock_first_run(self) -> None:
        await self._connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('odeion.first_run'))"))

    async def hold_administrators(self) -> set[UserId]:
        query = (
            select(users.c.id)
            .where(users.c.role == Role.ADMIN.value, users.c.is_locked.is_(False))
            .order_by(users.c.id)
            .with_for_update()
        )
        return {UserId(row.id) for row in await self._connection.execute(query)}

    async def delete(self, user: User) -> None:
        await self._connection.execute(delete(users).where(users.c.id == user.id))

    async def save(self, user: User) -> UserId:
        values = {
            "username": user.username,
            "display_name": user.display_name,
            "password_hash": user.password_hash,
            "role": user.role.value,
            "is_locked": user.is_locked,
            "permissions": _PERMISSIONS.dump_python(user.permissions, mode="json"),
            "created_at": user.created_at,
        }
        return UserId(await save_versioned(self._connection, self._events, users, user, values))


class PostgresLoginSessions:
    def __init__(self, connection: AsyncConnection, events: EventSink) -> None:
        self._connection = connection
        self._events = events

    async def get(self, user_id: UserId, session_id: LoginSessionId, *, at: datetime) -> LoginSession:
        query = select(login_sessions).where(
            login_sessions.c.id == session_id,
            login_sessions.c.user_id == user_id,
            login_sessions.c.revoked_at.is_(None),
            login_sessions.c.expires_at > at,
        )
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound("session not found")
        return LoginSession(**row._mapping)

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
            "device_name": session.device_name,
            "proven_at": session.proven_at,
            "address": session.address,
            "created_at": session.created_at,
            "last_used_at": session.last_used_at,
            "expires_at": session.expires_at,
            "revoked_at": session.revoked_at,
        }
        return LoginSessionId(await save_versioned(self._connection, self._events, login_sessions, session, values))

    async def revoke_all(self, user_id: UserId, *, at: datetime, keep: LoginSessionId | None = None) -> None:
        statement = (
            update(login_sessions)
            .where(login_sessions.c.user_id == user_id, login_sessions.c.revoked_at.is_(None))
            .values(revoked_at=at, version=login_sessions.c.version + 1)
        )
        await self._connection.execute(statement.where(login_sessions.c.id != keep) if keep else statement)

    async def drop_over(self, *, before: datetime) -> None:
        await self._connection.execute(
            delete(login_sessions).where(
                or_(login_sessions.c.expires_at < before, login_sessions.c.revoked_at < before)
            )
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
            select(users.c.id, users.c.role, users.c.permissions, login_sessions.c.id.label("session_id"))
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
        if row is None:
            return None
        return Viewer(
            UserId(row.id),
            Role(row.role),
            LoginSessionId(row.session_id),
            _PERMISSIONS.validate_python(row.permissions),
        )

    async def find_user(self, user_id: UserId) -> Viewer | None:
        query = select(users).where(users.c.id == user_id, users.c.is_locked.is_(False))
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        found = user(row)
        return Viewer(user_id, found.role, permissions=found.permissions)

    async def find_by_api_key(self, key_hash: bytes) -> Viewer | None:
        return await self._by_key(api_keys.c.key_hash == key_hash)

    async def find_by_api_key_id(self, key_id: ApiKeyId) -> Viewer | None:
        return await self._by_key(api_keys.c.id == key_id)

    async def _by_key(self, where: ColumnElement[bool]) -> Viewer | None:
        query = (
            select(users, api_keys.c.id.label("key_id"), api_keys.c.scopes)
            .join(api_keys, api_keys.c.user_id == users.c.id)
            .where(where, users.c.is_locked.is_(False))
        )
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        owner = user(row)
        if not owner.may_use_api_keys:
            return None
        return Viewer(
            UserId(row.id),
            owner.role,
            permissions=owner.permissions,
            api_key_id=ApiKeyId(row.key_id),
            # A scope that a later version knew is none to this one.
            scopes=frozenset(Scope(scope) for scope in row.scopes if scope in set(Scope)),
        )

    async def api_key_used(self, key_id: ApiKeyId, address: str, *, at: datetime) -> None:
        statement = (
            update(api_keys)
            .where(
                api_keys.c.id == key_id,
                or_(
                    api_keys.c.last_used_at.is_(None),
                    api_keys.c.last_used_at < at - _KEY_USE_GRAIN,
                    api_keys.c.last_used_address != address,
                ),
            )
            .values(last_used_at=at, last_used_address=address)
        )
        async with translated_errors(), self._engine.begin() as connection:
            await connection.execute(statement)


def user(row: Any) -> User:
    """`row` has the columns of `users`."""
    fields = {column.name: getattr(row, column.name) for column in users.columns}
    permissions = _PERMISSIONS.validate_python(row.permissions)
    return User(**{**fields, "role": Role(row.role), "permissions": permissions})
