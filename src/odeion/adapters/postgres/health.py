"""Whether the database answers."""

from __future__ import annotations

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from odeion.adapters.postgres.database import reading
from odeion.domain.shared.errors import Unavailable

_LIMIT_S = 3


class DatabaseCheck:
    name = "database"

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def __call__(self) -> None:
        try:
            async with asyncio.timeout(_LIMIT_S), reading(self._engine) as connection:
                await connection.execute(text("SELECT 1"))
        except TimeoutError:
            raise Unavailable("it does not answer") from None
