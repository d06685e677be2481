"""Playback sessions, and the files they play, in PostgreSQL."""

from __future__ import annotations

import posixpath
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Column, ColumnElement, Row, Table, and_, bindparam, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from odeion.adapters.postgres.database import HotQuery, reading
from odeion.adapters.postgres.identity import user
from odeion.adapters.postgres.libraries import media_file
from odeion.adapters.postgres.media_json import structure_of
from odeion.adapters.postgres.repository import EventSink, save_versioned
from odeion.adapters.postgres.tables.catalog import content_files, episodes, movies, series
from odeion.adapters.postgres.tables.identity import api_keys, login_sessions, users
from odeion.adapters.postgres.tables.libraries import library_roots, media_files
from odeion.adapters.postgres.tables.media_indexes import IS_OF_FILE, media_indexes
from odeion.adapters.postgres.tables.playback import playback_sessions
from odeion.adapters.postgres.visibility import sees_title
from odeion.application.playback.ports import MediaSource, OpenStream, PlayableItem
from odeion.application.shared.viewer import Viewer
from odeion.domain.catalog import FileRole, MediaRef, PlayableType
from odeion.domain.identity.users import Role
from odeion.domain.media_file import FileState
from odeion.domain.playback.capabilities import ClientCapabilities, PlaybackOptions
from odeion.domain.playback.plan import PlaybackPlan
from odeion.domain.playback.session import Device, EndReason, PlaybackSession, SessionState
from odeion.domain.shared.errors import Conflict, Gone, NotFound, Unavailable
from odeion.domain.shared.ids import LibraryId, MediaFileId, PlaybackSessionId, UserId

_PLAN = TypeAdapter(PlaybackPlan)
_CAPABILITIES = TypeAdapter(ClientCapabilities)
_OPTIONS = TypeAdapter(PlaybackOptions)
_DEVICE = TypeAdapter(Device)


class PostgresPlaybackSessions:
    def __init__(self, connection: AsyncConnection, events: EventSink) -> None:
        self._connection = connection
        self._events = events

    async def get(self, session_id: PlaybackSessionId) -> PlaybackSession:
        query = select(playback_sessions).where(playback_sessions.c.id == session_id).with_for_update()
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound("playback session not found")
        return _session(row)

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
            .with_for_update()
        )
        row = (await self._connection.execute(query)).one_or_none()
        return _session(row) if row else None

    async def count_active(self, user_id: UserId) -> int:
        await self._connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
        query = select(func.count()).where(
            playback_sessions.c.user_id == user_id, playback_sessions.c.state == SessionState.ACTIVE.value
        )
        return int((await self._connection.execute(query)).scalar_one())

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
            "api_key_id": session.api_key_id,
            "username": session.username,
            "file_id": session.file_id,
            "file_name": session.file_name,
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
    """Asked for every segment, so what was found is kept, with all that decided it: it is read again only when one of
    that has changed."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._known: OrderedDict[bytes, tuple[Mapping[str, Any], OpenStream]] = OrderedDict()

    def recall(self, stream_key_hash: bytes) -> OpenStream | None:
        known = self._known.get(stream_key_hash)
        return known[1] if known is not None else None

    async def open(self, stream_key_hash: bytes) -> OpenStream:
        state = await _STREAM_STATE.first(self._engine, key=stream_key_hash)
        known = self._known.get(stream_key_hash)
        if known is not None and known[0] == state:
            return known[1]
        async with reading(self._engine) as connection:
            row = (await connection.execute(_STREAM, {"key": stream_key_hash})).one_or_none()
        if state is None or row is None:
            raise NotFound("no such stream")
        if not row.is_open or not _may_watch(row):
            raise Gone("this playback session has ended; start a new one")
        if row.file_id is None or row.root_path is None:
            raise Conflict("the file of this session is not known any more")
        stream = OpenStream(_session(row), source_of(_part(row, media_files, "file"), row))
        self._known[stream_key_hash] = state, stream
        if len(self._known) > _KNOWN_STREAMS:
            self._known.popitem(last=False)
        return stream


_KNOWN_STREAMS = 512


def _labelled(table: Table, prefix: str) -> list[Any]:
    return [column.label(f"{prefix}__{column.name}") for column in table.columns]


def _part(row: Row[Any], table: Table, prefix: str) -> Any:
    """The columns of one table, of a row that has those of several."""
    return SimpleNamespace(**{column.name: row._mapping[f"{prefix}__{column.name}"] for column in table.columns})


def _is_of(media_type: PlayableType, content_id: Column[Any]) -> ColumnElement[bool]:
    return and_(playback_sessions.c.media_type == media_type.value, playback_sessions.c.media_id == content_id)


_SIGNED_IN = and_(login_sessions.c.id.is_not(None), login_sessions.c.revoked_at.is_(None))
_OF_STREAM = (
    playback_sessions.outerjoin(users, users.c.id == playback_sessions.c.user_id)
    .outerjoin(login_sessions, login_sessions.c.id == playback_sessions.c.login_session_id)
    .outerjoin(api_keys, api_keys.c.id == playback_sessions.c.api_key_id)
    .outerjoin(media_files, media_files.c.id == playback_sessions.c.file_id)
    .outerjoin(library_roots, library_roots.c.id == media_files.c.root_id)
    .outerjoin(movies, _is_of(PlayableType.MOVIE, movies.c.id))
    .outerjoin(episodes, _is_of(PlayableType.EPISODE, episodes.c.id))
    .outerjoin(series, series.c.id == episodes.c.series_id)
)
_DECIDING = (
    library_roots.c.path.label("root_path"),
    library_roots.c.unavailable_reason,
    and_(playback_sessions.c.state == SessionState.ACTIVE.value, or_(_SIGNED_IN, api_keys.c.id.is_not(None))).label(
        "is_open"
    ),
    func.coalesce(movies.c.library_id, series.c.library_id).label("title_library_id"),
    func.coalesce(movies.c.rating_age, series.c.rating_age).label("title_rating_age"),
)
# Made once: it would take longer to put together than to run.
_STREAM_STATE = HotQuery(
    select(
        playback_sessions.c.version.label("session_version"),
        media_files.c.version.label("file_version"),
        users.c.version.label("viewer_version"),
        *_DECIDING,
    )
    .select_from(_OF_STREAM)
    .where(playback_sessions.c.stream_key_hash == bindparam("key"))
)
_STREAM = (
    select(playback_sessions, *_labelled(media_files, "file"), *_labelled(users, "viewer"), *_DECIDING)
    .select_from(_OF_STREAM)
    .where(playback_sessions.c.stream_key_hash == bindparam("key"))
)


def _may_watch(row: Any) -> bool:
    """Whether the owner of a session may still watch it: not locked, the key allowed, the title to be seen."""
    if row.viewer__id is None or row.viewer__is_locked:
        return False
    owner = user(_part(row, users, "viewer"))
    if row.api_key_id is not None and not owner.may_use_api_keys:
        return False
    if owner.role is Role.ADMIN:
        return True
    if row.title_library_id is None:
        # The title went away in mid-play; whether it was for this viewer cannot be told any more.
        return owner.permissions.library_ids is None and owner.permissions.max_rating_age is None
    return owner.permissions.allow(LibraryId(row.title_library_id), row.title_rating_age)


class PostgresPlayableSources:
    def __init__(self, engine: AsyncEngine, index_format: int) -> None:
        """Indexes of other formats tell nothing."""
        self._engine = engine
        self._index_format = index_format

    async def get_item(self, viewer: Viewer, media: MediaRef, file_id: MediaFileId | None) -> PlayableItem:
        if media.type is PlayableType.MOVIE:
            title_query = select(movies.c.title, movies.c.year).where(
                movies.c.id == media.id, sees_title(viewer, movies)
            )
            belongs = content_files.c.movie_id == media.id
        else:
            title_query = (
                select(
                    series.c.title, episodes.c.season_number, episodes.c.episode_number, episodes.c.title.label("own")
                )
                .join(series, series.c.id == episodes.c.series_id)
                .where(episodes.c.id == media.id, sees_title(viewer, series))
            )
            belongs = content_files.c.episode_id == media.id
        if file_id is not None:
            chosen = and_(belongs, media_files.c.id == file_id)
        else:
            chosen = and_(belongs, content_files.c.role == FileRole.MAIN.value)
        query = (
            select(
                media_files,
                library_roots.c.path.label("root_path"),
                library_roots.c.unavailable_reason,
                media_indexes.c.file_id.label("indexed"),
                media_indexes.c.groups,
                media_indexes.c.refused,
                media_indexes.c.holes,
            )
            .join(content_files, content_files.c.file_id == media_files.c.id)
            .join(library_roots, library_roots.c.id == media_files.c.root_id)
            .outerjoin(media_indexes, and_(IS_OF_FILE, media_indexes.c.format == self._index_format))
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
        structure = structure_of(row) if row.indexed is not None else None
        return PlayableItem(title=_title(titled), source=replace(source_of(row, row), structure=structure))


def _title(row: Row[*tuple[Any, ...]]) -> str:
    if "own" not in row._mapping:
        return f"{row.title} ({row.year})" if row.year else str(row.title)
    number = f"S{row.season_number:02}E{row.episode_number:02} " if row.episode_number is not None else ""
    return f"{row.title} - {number}{row.own}"


def source_of(file_row: Any, row: Row[Any]) -> MediaSource:
    """`file_row` has the columns of the file, `row` those of its root. Raises Unavailable, Conflict."""
    if row.unavailable_reason is not None:
        raise Unavailable("the disk with this file is not available now", retry_after_s=30)
    file = media_file(file_row)
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
        api_key_id=row.api_key_id,
        username=row.username,
        file_id=row.file_id,
        file_name=row.file_name,
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
