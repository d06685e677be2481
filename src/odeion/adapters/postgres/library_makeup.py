"""Of what kinds of files libraries are, counted in the database."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    LargeBinary,
    Text,
    cast,
    exists,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by, array
from sqlalchemy.ext.asyncio import AsyncEngine

from odeion.adapters.postgres.database import reading
from odeion.adapters.postgres.media_json import structure_of, technical_from_json
from odeion.adapters.postgres.tables.libraries import libraries, media_files
from odeion.adapters.postgres.tables.media_indexes import IS_OF_FILE, media_indexes
from odeion.adapters.postgres.visibility import sees_file, sees_library
from odeion.application.shared.viewer import Viewer
from odeion.application.transcoding.forecast import EXAMPLES, FilesAlike, ForecastExample
from odeion.domain.media_file import FileState
from odeion.domain.shared.errors import NotFound
from odeion.domain.shared.ids import LibraryId

# What makes no difference to how a file is played where no rate is too high for anybody.
_NO_MATTER = (
    *("bitrate_bps", "language", "title", "profile", "level", "frame_rate", "pixel_format", "is_default"),
    *("color_space", "color_transfer", "color_primaries", "channel_layout", "is_forced", "is_commentary"),
)


_DEFAULT_SOUND: ColumnElement[Any] = literal_column("'$.audio[*] ? (@.is_default == true)'::jsonpath")


class PostgresLibraryMakeup:
    """Implements LibraryMakeup."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list_kinds(self, viewer: Viewer, library_id: LibraryId | None) -> Sequence[FilesAlike]:
        technical = media_files.c.technical
        # As TechnicalInfo.default_audio.
        marked = func.jsonb_path_query_first(technical, _DEFAULT_SOUND)
        container = media_files.c.container
        video = _essence(technical["video"][0])
        audio = _essence(func.coalesce(marked, technical["audio"][0]))
        query = (
            select(
                container.label("kind"),
                video.label("video"),
                audio.label("audio"),
                media_indexes.c.groups,
                media_indexes.c.refused,
                media_indexes.c.holes,
                func.count().label("file_count"),
                func.sum(media_files.c.duration_ms).label("duration_ms"),
                func.sum(media_files.c.size_bytes).label("size_bytes"),
                _first(media_files.c.id, BigInteger).label("ids"),
                _first(media_files.c.relative_path, LargeBinary).label("paths"),
            )
            .outerjoin_from(media_files, media_indexes, IS_OF_FILE)
            .where(
                media_files.c.state == FileState.READY.value,
                true() if library_id is None else media_files.c.library_id == library_id,
                sees_file(viewer),
            )
            .group_by(container, video, audio, *(media_indexes.c[name] for name in ("groups", "refused", "holes")))
        )
        async with reading(self._engine) as connection:
            if library_id is not None:
                known = exists().where(libraries.c.id == library_id, sees_library(viewer, libraries.c.id))
                if not (await connection.execute(select(known))).scalar_one():
                    raise NotFound("library not found")
            return [_alike(row) for row in await connection.execute(query)]


def _essence(stream: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(stream, JSONB).op("-")(array(_NO_MATTER, type_=Text))


def _first(column: ColumnElement[Any], kind: type[Any]) -> ColumnElement[Any]:
    """Those of the first files."""
    return func.array_agg(aggregate_order_by(column, media_files.c.id), type_=ARRAY(kind))[1:EXAMPLES]


def _alike(row: Any) -> FilesAlike:
    technical = {
        "container": row.kind,
        "duration_ms": 0,
        "video": [row.video] if row.video else [],
        "audio": [row.audio] if row.audio else [],
    }
    return FilesAlike(
        technical=technical_from_json(technical),
        structure=structure_of(row),
        file_count=row.file_count,
        duration_ms=int(row.duration_ms),
        size_bytes=int(row.size_bytes),
        examples=tuple(
            ForecastExample(file_id=file_id, file_name=posixpath.basename(path).decode("utf-8", "replace"))
            for file_id, path in zip(row.ids, row.paths, strict=True)
        ),
    )
