"""The settings of users in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from odeion.adapters.postgres.tables.identity import user_settings
from odeion.domain.shared.ids import UserId
from odeion.domain.user_settings import UserSettings

_SETTINGS = TypeAdapter(UserSettings)


class PostgresUserSettings:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, user_id: UserId) -> UserSettings:
        query = select(user_settings.c.value).where(user_settings.c.user_id == user_id)
        return _SETTINGS.validate_python((await self._connection.execute(query)).scalar_one_or_none() or {})

    async def merge(self, user_id: UserId, changes: Mapping[str, object], *, at: datetime) -> None:
        chosen = {name: value for name, value in changes.items() if value is not None}
        statement = upsert(user_settings).values(user_id=user_id, value=chosen, updated_at=at)
        merged = user_settings.c.value.op("||")(literal(dict(changes), JSONB))
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[user_settings.c.user_id],
                # In one statement, so that two devices at once lose nothing of each other.
                set_={"value": func.jsonb_strip_nulls(merged), "updated_at": statement.excluded.updated_at},
            )
        )
