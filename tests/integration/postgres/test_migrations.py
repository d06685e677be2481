"""The schema's history: up, down and up again, and in step with the tables."""

from __future__ import annotations

from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from odeion.adapters.postgres.database import create_engine
from odeion.adapters.postgres.migrate import alembic_config, current_revision, migrate, require_current_schema
from odeion.adapters.postgres.tables import metadata
from odeion.domain.shared.errors import Conflict
from tests.harness import Servers

REVISIONS = [script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()][::-1]


@pytest.fixture
async def engine(servers: Servers) -> Any:
    async with servers.database(template=None) as url:
        opened = create_engine(url, pool_size=2)
        yield opened
        await opened.dispose()


async def test_each_step_can_be_taken_back_and_again(engine: Any) -> None:
    def stairs(connection: Connection) -> None:
        config = alembic_config(connection)
        for revision in REVISIONS:
            command.upgrade(config, revision)
            command.downgrade(config, "-1")
            command.upgrade(config, revision)

    async with engine.connect() as connection:
        await connection.run_sync(stairs)
        assert await connection.run_sync(current_revision) == REVISIONS[-1]


async def test_the_tables_are_what_the_migrations_make(engine: Any) -> None:
    await migrate(engine)
    async with engine.connect() as connection:
        difference = await connection.run_sync(
            lambda c: compare_metadata(MigrationContext.configure(c, opts={"compare_type": True}), metadata)
        )
    assert difference == []


async def test_migrating_twice_changes_nothing(engine: Any) -> None:
    await migrate(engine)
    await migrate(engine)
    await require_current_schema(engine)


async def test_an_empty_database_is_not_served(engine: Any) -> None:
    with pytest.raises(Conflict):
        await require_current_schema(engine)


async def test_a_newer_schema_is_left_alone(engine: Any) -> None:
    await migrate(engine)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = 'from the future'"))
    with pytest.raises(Conflict):
        await migrate(engine)
    with pytest.raises(Conflict):
        await require_current_schema(engine)
