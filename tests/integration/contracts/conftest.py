"""The two stores that every repository contract is held against."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from odeion.adapters.memory.store import MemoryStore
from odeion.adapters.postgres.database import create_engine
from odeion.adapters.postgres.uow import PostgresUnitOfWorkFactory
from tests.harness import Servers


@pytest.fixture(params=["memory", "postgres"])
async def uow(request: pytest.FixtureRequest, servers: Servers) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield MemoryStore()
        return
    async with servers.database() as url:
        engine = create_engine(url, pool_size=3)
        yield PostgresUnitOfWorkFactory(engine)
        await engine.dispose()
