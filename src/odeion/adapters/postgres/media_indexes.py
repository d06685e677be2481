"""Indexes of media files in PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from odeion.adapters.postgres.database import reading, translated_errors
from odeion.adapters.postgres.media_json import structure_to_columns
from odeion.adapters.postgres.playback import source_of
from odeion.adapters.postgres.tables.libraries import library_roots, media_files
from odeion.adapters.postgres.tables.media_indexes import IS_OF_FILE, media_indexes
from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import FileStamp, FileState, FileStructure
from odeion.domain.shared.ids import LibraryId, MediaFileId


class PostgresMediaIndexes:
    """Implements MediaIndexStore."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, file_id: MediaFileId) -> bytes | None:
        query = select(media_indexes.c.data).where(media_indexes.c.file_id == file_id)
        async with reading(self._engine) as connection:
            found: bytes | None = (await connection.execute(query)).scalar_one_or_none()
        return found

    async def put(
        self, file_id: MediaFileId, stamp: FileStamp, format: int, structure: FileStructure, data: bytes
    ) -> None:
        values = {**stamp._asdict(), "format": format, **structure_to_columns(structure), "data": data}
        # Taken from the file's row, so that there is nothing to insert once it is gone.
        file = select(media_files.c.id).where(media_files.c.id == file_id).with_for_update(read=True)
        statement = insert(media_indexes).values(file_id=file_id, **values)
        statement = statement.on_conflict_do_update(index_elements=["file_id"], set_=values)
        async with translated_errors(), self._engine.begin() as connection:
            if (await connection.execute(file)).one_or_none() is not None:
                await connection.execute(statement)

    async def list_lacking(
        self, library_id: LibraryId, format: int, *, after: MediaFileId, limit: int
    ) -> list[MediaSource]:
        columns = (media_files, library_roots.c.path.label("root_path"), library_roots.c.unavailable_reason)
        query = _lacking(select(*columns), library_id, format)
        query = query.where(media_files.c.id > after).order_by(media_files.c.id).limit(limit)
        async with reading(self._engine) as connection:
            return [source_of(row, row) for row in await connection.execute(query)]

    async def count_lacking(self, library_id: LibraryId, format: int) -> int:
        query = _lacking(select(func.count()).select_from(media_files), library_id, format)
        async with reading(self._engine) as connection:
            return int((await connection.execute(query)).scalar_one())


def _lacking(query: Select[Any], library_id: LibraryId, format: int) -> Select[Any]:
    current = and_(IS_OF_FILE, media_indexes.c.format == format)
    return query.join(library_roots, library_roots.c.id == media_files.c.root_id).where(
        media_files.c.library_id == library_id,
        media_files.c.state == FileState.READY.value,
        library_roots.c.unavailable_reason.is_(None),
        ~exists().where(current),
    )
