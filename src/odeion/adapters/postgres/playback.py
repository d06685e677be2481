"""Playback sessions, and the files they play, in PostgreSQL."""

from __future__ import annotations

import posixpath
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, and_, case, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from odeion.adapters.postgres.database import reading
from odeion.adapters.postgres.libraries import media_file
from odeion.adapters.postgres.repository import EventSink, save_versioned
from odeion.adapters.postgres.tables.catalog import content_files, episodes, movies, series
from odeion.adapters.postgres.tables.identity import login_sessions, users
from odeion.adapters.postgres.tables.libraries import library_roots, media_files
from odeion.adapters.postgres.tables.playback import playback_sessions
from odeion.application.playback.ports import MediaSource, PlayableItem
from odeion.domain.catalog import FileRole, MediaRef, PlayableType
from odeion.domain.media_file import FileState
from odeion.domain.playback import (
    ClientCapabilities,
    Device,
    EndReason,
    PlaybackOptions,
    PlaybackPlan,
    PlaybackSession,
    SessionState,
)
from odeion.domain.shared.errors import Conflict, NotFound, Unavailable
from odeion.domain.shared.ids import MediaFileId, PlaybackSessionId, UserId

_PLAN = TypeAdapter(PlaybackPlan)
_CAPABILITIES = TypeAdapter(ClientCapabilities)
_OPTIONS = TypeAdapter(PlaybackOptions)
_DEVICE = TypeAdapter(Device)


class PostgresPlaybackSessions:
    def __init__(self, connection: AsyncConnection, events: EventSink) -> None:
        self._connection = connection
        self._events = events

    async def find_active(self, user_id: UserId, media: MediaRef) -> PlaybackSession | None:
        return await self._latest(user_id, media, playback_sessions.c.state == SessionState.ACTIVE.value)

    async def find_latest(self, user_id: UserId, media: MediaRef) -> PlaybackSession | None:
        return await self._latest(user_id, media)

    async def _latest(self, user_id: UserId, media: MediaRef, *where: Any) -> PlaybackSession | None:
        query = (
            select(playback_sessions)
            .where(
                playback_sessions.c.user_id == user_id,
                playback_sessions.c.media_type == media.type.value,
                playback_sessions.c.media_id == media.id,
                *where,
            )
            .order_by(playback_sessions.c.id.desc())
            .limit(1)
        )
        row = (await self._connection.execute(query)).one_or_none()
        return _session(row) if row else None

    async def list_silent(self, *, since: datetime, limit: int) -> list[PlaybackSession]:
        query = (
            select(playback_sessions)
            .where(playback_sessions.c.state == SessionState.ACTIVE.value, playback_sessions.c.heartbeat_at < since)
            .order_by(playback_sessions.c.heartbeat_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        return [_session(row) for row in await self._connection.execute(query)]

    async def save(self, session: PlaybackSession) -> PlaybackSessionId:
        values = {
            "user_id": session.user_id,
            "login_session_id": session.login_session_id,
            "file_id": session.file_id,
            "media_type": session.media.type.value,
            "media_id": session.media.id,
            "title": session.title,
            "stream_key_hash": session.stream_key_hash,
            "state": session.state.value,
            "mode": session.plan.mode.value,
            "plan": _PLAN.dump_python(session.plan, mode="json"),
            "capabilities": _CAPABILITIES.dump_python(session.capabilities, mode="json"),
            "options": _OPTIONS.dump_python(session.options, mode="json"),
            "device": _DEVICE.dump_python(session.device, mode="json"),
            "address": session.address,
            "position_ms": session.position_ms,
            "started_at": session.started_at,
            "heartbeat_at": session.heartbeat_at,
            "ended_at": session.ended_at,
            "end_reason": session.end_reason.value if session.end_reason else None,
        }
        return PlaybackSessionId(
            await save_versioned(self._connection, self._events, playback_sessions, session, values)
        )


class PostgresStreamSessions:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find_active_by_key(self, stream_key_hash: bytes) -> PlaybackSession | None:
        signed_in = exists().where(
            login_sessions.c.id == playback_sessions.c.login_session_id, login_sessions.c.revoked_at.is_(None)
        )
        unlocked = exists().where(users.c.id == playback_sessions.c.user_id, users.c.is_locked.is_(False))
        query = select(playback_sessions).where(
            playback_sessions.c.stream_key_hash == stream_key_hash,
            playback_sessions.c.state == SessionState.ACTIVE.value,
            signed_in,
            unlocked,
        )
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return _session(row) if row else None

    async def has_ended(self, stream_key_hash: bytes) -> bool:
        query = select(exists().where(playback_sessions.c.stream_key_hash == stream_key_hash))
        async with reading(self._engine) as connection:
            return bool((await connection.execute(query)).scalar_one())


class PostgresPlayableSources:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def get_item(self, media: MediaRef, file_id: MediaFileId | None) -> PlayableItem:
        if media.type is PlayableType.MOVIE:
            title_query = select(movies.c.title, movies.c.year).where(movies.c.id == media.id)
            belongs = content_files.c.movie_id == media.id
        else:
            title_query = (
                select(
                    series.c.title, episodes.c.season_number, episodes.c.episode_number, episodes.c.title.label("own")
                )
                .join(series, series.c.id == episodes.c.series_id)
                .where(episodes.c.id == media.id)
            )
            belongs = content_files.c.episode_id == media.id
        if file_id is not None:
            chosen = and_(belongs, media_files.c.id == file_id)
        else:
            chosen = and_(belongs, content_files.c.role == FileRole.MAIN.value)
        query = (
            select(media_files, library_roots.c.path.label("root_path"), library_roots.c.unavailable_reason)
            .join(content_files, content_files.c.file_id == media_files.c.id)
            .join(library_roots, library_roots.c.id == media_files.c.root_id)
            .where(chosen)
            .order_by(
                case((library_roots.c.unavailable_reason.is_(None), 0), else_=1),
                case((media_files.c.state == FileState.READY.value, 0), else_=1),
                content_files.c.part.asc().nulls_first(),
                media_files.c.height.desc().nulls_last(),
                media_files.c.id,
            )
            .limit(1)
        )
        async with reading(self._engine) as connection:
            titled = (await connection.execute(title_query)).one_or_none()
            if titled is None:
                raise NotFound(f"{media.type} not found")
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            if file_id is not None:
                raise NotFound("this is no file of it")
            raise Conflict("there is no file to play")
        return PlayableItem(title=_title(titled), source=_source(row))

    async def get_source(self, file_id: MediaFileId) -> MediaSource:
        query = (
            select(media_files, library_roots.c.path.label("root_path"), library_roots.c.unavailable_reason)
            .join(library_roots, library_roots.c.id == media_files.c.root_id)
            .where(media_files.c.id == file_id)
        )
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound("file not found")
        return _source(row)


def _title(row: Row[*tuple[Any, ...]]) -> str:
    if "own" not in row._mapping:
        return f"{row.title} ({row.year})" if row.year else str(row.title)
    number = f"S{row.season_number:02}E{row.episode_number:02} " if row.episode_number is not None else ""
    return f"{row.title} - {number}{row.own}"


def _source(row: Row[Any]) -> MediaSource:
    if row.unavailable_reason is not None:
        raise Unavailable("the disk with this file is not available now", retry_after_s=30)
    file = media_file(row)
    if file.state is FileState.MISSING:
        raise Unavailable("this file is not on the disk now", retry_after_s=30)
    technical = file.require_playable()
    assert file.id is not None
    return MediaSource(
        file_id=file.id,
        root_path=row.root_path,
        path=posixpath.join(row.root_path, file.relative_path),
        stamp=file.stamp,
        technical=technical,
        sidecars=file.sidecars,
    )


def _session(row: Row[Any]) -> PlaybackSession:
    return PlaybackSession(
        id=PlaybackSessionId(row.id),
        user_id=row.user_id,
        login_session_id=row.login_session_id,
        file_id=row.file_id,
        media=MediaRef(PlayableType(row.media_type), row.media_id),
        title=row.title,
        stream_key_hash=row.stream_key_hash,
        state=SessionState(row.state),
        plan=_PLAN.validate_python(row.plan),
        capabilities=_CAPABILITIES.validate_python(row.capabilities),
        options=_OPTIONS.validate_python(row.options),
        device=_DEVICE.validate_python(row.device),
        address=row.address,
        position_ms=row.position_ms,
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        ended_at=row.ended_at,
        end_reason=EndReason(row.end_reason) if row.end_reason else None,
        version=row.version,
    )
