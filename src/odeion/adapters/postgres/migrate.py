"""Bringing the schema up to date, and refusing one that is not understood."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from odeion.adapters.postgres.database import translated_errors
from odeion.domain.shared.errors import Conflict

# Two servers that start at once migrate one after the other.
_LOCK = "SELECT pg_advisory_lock(hashtext('odeion.migrations'))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext('odeion.migrations'))"


def alembic_config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def current_revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def migrate(engine: AsyncEngine, revision: str = "head") -> None:
    """Upgrade to `revision`. Raises Conflict for a schema made by a newer version, which is left alone."""
    await _locked(engine, lambda connection: _upgrade(connection, revision))


async def require_current_schema(engine: AsyncEngine) -> None:
    """Raises Conflict unless the schema is exactly the one this version was made for."""
    async with translated_errors(), engine.connect() as connection:
        revision = await connection.run_sync(current_revision)
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    if revision != head:
        raise Conflict(f"the database has schema {revision or 'none'}, this version needs {head}: run `odeion serve`")


async def _locked(engine: AsyncEngine, action: Callable[[Connection], Any]) -> None:
    async with translated_errors(), engine.connect() as connection:
        await connection.execute(text(_LOCK))
        await connection.commit()
        try:
            await connection.run_sync(action)
            await connection.commit()
        finally:
            await connection.rollback()
            await connection.execute(text(_UNLOCK))
            await connection.commit()


def _upgrade(connection: Connection, revision: str) -> None:
    config = alembic_config(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    current = current_revision(connection)
    if current is not None and current not in known:
        raise Conflict(f"the database was made by a newer version (schema {current}); this one leaves it alone")
    connection.commit()
    command.upgrade(config, revision)
