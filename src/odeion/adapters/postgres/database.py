"""The connection pool, and the one place where database errors become errors of the domain."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson
from sqlalchemy import Select, event
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry

from odeion.domain.shared.errors import Conflict, Unavailable

# Unique violations people can cause, by constraint name.
CONFLICTS: Mapping[str, str] = {
    "uq_users_username": "this user name is taken",
    "uq_oauth_identities_issuer_subject": "this identity is linked to another account",
    "uq_oauth_identities_user_id_provider": "another identity of this provider is linked already",
    "uq_passkeys_credential_id": "this passkey is registered already",
    "uq_libraries_name": "a library of this name exists",
    "uq_library_roots_path": "another library already has this folder",
    "uq_transcoder_pools_name": "a pool of this name exists",
    "uq_transcoder_pools_device": "a pool of this device exists",
    "uq_tasks_active_type_subject": "this is already under way",
}

# SQLSTATE classes that mean "not now" rather than "never": connection lost, resources exhausted (disk full
# included), operator intervention (shutdown, crash recovery).
_UNAVAILABLE_CLASSES = ("08", "53", "57", "58")


_PING_AFTER_S = 2.0


def create_engine(url: str, *, pool_size: int) -> AsyncEngine:
    """A pool of at most `pool_size` connections; a caller waits 5 s for one, then gets Unavailable."""
    engine = create_async_engine(
        url,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={"timeout": 5, "server_settings": {"application_name": "odeion", "jit": "off"}},
    )
    _ping_after_idling(engine)
    return engine


def _ping_after_idling(engine: AsyncEngine) -> None:
    """A connection that lay idle for a while may have died with its server: ask it first. To ask each time would double
    what a small query costs."""

    @event.listens_for(engine.sync_engine, "checkin")
    def note(connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def ask(connection: Any, record: ConnectionPoolEntry, proxy: Any) -> None:
        # One that was just opened was never given back.
        now = time.monotonic()
        if now - record.info.get("idle_since", now) < _PING_AFTER_S:
            return
        try:
            alive = engine.dialect.do_ping(connection)
        except Exception as error:
            # Whatever it is that such a connection says: the pool opens another.
            raise DisconnectionError from error
        if not alive:
            raise DisconnectionError


@asynccontextmanager
async def translated_errors() -> AsyncIterator[None]:
    """Raises Conflict for a known unique violation, Unavailable for a database that is away, else as it was."""
    try:
        yield
    except IntegrityError as error:
        constraint = _constraint_name(error)
        if constraint is not None and constraint in CONFLICTS:
            raise Conflict(CONFLICTS[constraint]) from error
        raise
    except (OperationalError, InterfaceError) as error:
        raise Unavailable("the database is not reachable", retry_after_s=2) from error
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        if error.connection_invalidated or state[:2] in _UNAVAILABLE_CLASSES:
            raise Unavailable("the database is not reachable", retry_after_s=2) from error
        raise
    except asyncpg.PostgresError as error:
        if (error.sqlstate or "")[:2] in _UNAVAILABLE_CLASSES:
            raise Unavailable("the database is not reachable", retry_after_s=2) from error
        raise
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
        # The second is what a connection says that heard the server's farewell, but not yet its end.
        raise Unavailable("the database is not reachable", retry_after_s=2) from error


def _constraint_name(error: IntegrityError) -> str | None:
    cause: Any = error.orig
    while cause is not None:
        if name := getattr(cause, "constraint_name", None):
            return str(name)
        cause = cause.__cause__
    return None


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection for reads: each statement sees what is committed when it starts."""
    async with translated_errors(), engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        yield connection


class HotQuery:
    """A statement asked so often that what SQLAlchemy adds to each execution counts: compiled once, run by asyncpg on a
    connection of the engine's pool."""

    def __init__(self, statement: Select[Any]) -> None:
        compiled = statement.compile(dialect=PGDialect_asyncpg())  # type: ignore[no-untyped-call]
        self._sql = str(compiled)
        self._names = tuple(compiled.positiontup or ())
        self._constants = dict(compiled.params)

    async def first(self, engine: AsyncEngine, **parameters: Any) -> Mapping[str, Any] | None:
        """The first row, with its values as asyncpg reads them; None if there is none."""
        given = self._constants | parameters
        async with translated_errors():
            pooled = await engine.raw_connection()
            try:
                connection: Any = pooled.driver_connection
                row: Mapping[str, Any] | None = await connection.fetchrow(self._sql, *(given[n] for n in self._names))
                return row
            except BaseException:
                pooled.invalidate()
                raise
            finally:
                pooled.close()
