"""Editing films and series in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from odeion.adapters.postgres.tables.catalog import movies, series
from odeion.domain.catalog import fold, rating_age
from odeion.domain.shared.errors import NotFound
from odeion.domain.shared.ids import MovieId, SeriesId


class PostgresMetadata:
    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def change_movie(self, movie_id: MovieId, fields: Mapping[str, Any], *, lock: bool) -> None:
        await self._change(movies, movie_id, fields, lock=lock, not_found="movie not found")

    async def change_series(self, series_id: SeriesId, fields: Mapping[str, Any], *, lock: bool) -> None:
        await self._change(series, series_id, fields, lock=lock, not_found="series not found")

    async def _change(
        self, table: Table, content_id: int, fields: Mapping[str, Any], *, lock: bool, not_found: str
    ) -> None:
        row = (
            await self._connection.execute(
                select(table.c.locked_fields).where(table.c.id == content_id).with_for_update()
            )
        ).one_or_none()
        if row is None:
            raise NotFound(not_found)
        values = dict(fields)
        if "title" in values:
            values["search_text"] = fold(values["title"])
        if "content_rating" in values:
            values["rating_age"] = rating_age(values["content_rating"])
        if lock:
            values["locked_fields"] = sorted({*row.locked_fields, *fields})
        await self._connection.execute(
            update(table).where(table.c.id == content_id).values(**values, version=table.c.version + 1)
        )
