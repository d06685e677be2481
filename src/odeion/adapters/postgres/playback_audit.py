"""Reads of the trail of playback sessions."""

from __future__ import annotations

import os
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, Table, and_, exists, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from odeion.adapters.postgres.database import reading
from odeion.adapters.postgres.tables.catalog import episodes, movies, seasons, series
from odeion.adapters.postgres.tables.identity import users
from odeion.adapters.postgres.tables.libraries import library_roots, media_files
from odeion.adapters.postgres.tables.playback import playback_sessions
from odeion.adapters.postgres.tables.transcoding import transcode_sessions
from odeion.adapters.postgres.visibility import sees_episode, sees_title
from odeion.application.playback.audit import (
    AuditedSession,
    AuditedSessionDetail,
    AuditFilter,
    EpisodeMetadata,
    FeedingTranscode,
    MovieMetadata,
    PlaybackSurroundings,
    PlayedContent,
    PlayedFile,
    SeasonMetadata,
    SeriesMetadata,
)
from odeion.application.playback.views import decisions_of
from odeion.application.shared.page import Page, PageRequest
from odeion.application.shared.viewer import Viewer
from odeion.domain.catalog import MediaRef, PlayableType
from odeion.domain.playback.plan import PlaybackPlan
from odeion.domain.playback.session import SessionState
from odeion.domain.shared.errors import NotFound
from odeion.domain.shared.ids import PlaybackSessionId, UserId

_PLAN = TypeAdapter(PlaybackPlan)


class PostgresPlaybackAudit:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list_sessions(self, viewer: Viewer, where: AuditFilter, page: PageRequest) -> Page[AuditedSession]:
        async with reading(self._engine) as connection:
            return await _page(connection, [_sees(viewer), *_conditions(where)], page)

    async def list_of_user(self, viewer: Viewer, user_id: UserId, page: PageRequest) -> Page[AuditedSession]:
        async with reading(self._engine) as connection:
            if not await _is_there(connection, users, user_id):
                raise NotFound("user not found")
            return await _page(connection, [_sees(viewer), *_conditions(AuditFilter(user_id=user_id))], page)

    async def list_of_media(self, viewer: Viewer, media: MediaRef, page: PageRequest) -> Page[AuditedSession]:
        where = AuditFilter(media_type=media.type, media_id=media.id)
        async with reading(self._engine) as connection:
            found = await _page(connection, [_sees(viewer), *_conditions(where)], page)
            table = movies if media.type is PlayableType.MOVIE else episodes
            if not found.total_items and not await _is_there(connection, table, media.id, _sees_media(viewer, media)):
                raise NotFound(f"{media.type} not found")
        return found

    async def get_session(self, viewer: Viewer, session_id: PlaybackSessionId) -> AuditedSessionDetail:
        query = _sessions().where(playback_sessions.c.id == session_id, _sees(viewer))
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise NotFound("playback session not found")
        plan = _PLAN.validate_python(row.plan)
        return AuditedSessionDetail(
            **_summary(row),
            login_session_id=row.login_session_id,
            api_key_id=row.api_key_id,
            reasons=list(plan.reasons),
            decisions=decisions_of(plan),
            capabilities=row.capabilities,
            options=row.options,
        )

    async def surroundings(self, session: AuditedSessionDetail) -> PlaybackSurroundings:
        media = MediaRef(PlayableType(session.media_type), session.media_id)
        runs = (
            select(transcode_sessions)
            .where(transcode_sessions.c.sessions.contains([session.id]))
            .order_by(transcode_sessions.c.id)
        )
        async with reading(self._engine) as connection:
            return PlaybackSurroundings(
                content=await _content(connection, media),
                file=await _file(connection, session.file_id) if session.file_id is not None else None,
                transcodes=[_transcode(row) for row in await connection.execute(runs)],
            )


def _sees(viewer: Viewer) -> ColumnElement[bool]:
    """Whether the viewer may know of a row of `playback_sessions`: as of its title. Of one that is gone nobody can tell
    any more for whom it was."""
    limits = viewer.limits
    if limits is None or (limits.library_ids is None and limits.max_rating_age is None):
        return true()
    movie = exists().where(movies.c.id == playback_sessions.c.media_id, sees_title(viewer, movies))
    episode = exists().where(episodes.c.id == playback_sessions.c.media_id, sees_episode(viewer))
    return or_(
        and_(playback_sessions.c.media_type == PlayableType.MOVIE.value, movie),
        and_(playback_sessions.c.media_type == PlayableType.EPISODE.value, episode),
    )


def _sees_media(viewer: Viewer, media: MediaRef) -> ColumnElement[bool]:
    return sees_title(viewer, movies) if media.type is PlayableType.MOVIE else sees_episode(viewer)


def _conditions(where: AuditFilter) -> list[ColumnElement[bool]]:
    rows = playback_sessions.c
    conditions: list[ColumnElement[bool]] = []
    if where.user_id is not None:
        conditions.append(rows.user_id == where.user_id)
    if where.username is not None:
        conditions.append(func.lower(_username()) == func.lower(where.username))
    if where.media_type is not None:
        conditions.append(rows.media_type == where.media_type.value)
    if where.media_id is not None:
        conditions.append(rows.media_id == where.media_id)
    if where.device is not None:
        names = (rows.device["name"].astext, rows.device["client"].astext)
        conditions.append(or_(*(name.icontains(where.device, autoescape=True) for name in names)))
    if where.mode is not None:
        conditions.append(rows.mode == where.mode.value)
    if where.started_from is not None:
        conditions.append(rows.started_at >= where.started_from)
    if where.started_before is not None:
        conditions.append(rows.started_at < where.started_before)
    if where.active_only:
        conditions.append(rows.state == SessionState.ACTIVE.value)
    return conditions


def _username() -> ColumnElement[str]:
    """As it is now; of a user who is gone as it was."""
    return func.coalesce(users.c.username, playback_sessions.c.username)


def _sessions() -> Any:
    return select(playback_sessions, _username().label("current_username")).outerjoin(
        users, users.c.id == playback_sessions.c.user_id
    )


async def _page(
    connection: AsyncConnection, conditions: list[ColumnElement[bool]], page: PageRequest
) -> Page[AuditedSession]:
    joined = playback_sessions.outerjoin(users, users.c.id == playback_sessions.c.user_id)
    count = select(func.count()).select_from(joined).where(*conditions)
    query = (
        _sessions()
        .where(*conditions)
        .order_by(playback_sessions.c.started_at.desc(), playback_sessions.c.id.desc())
        .limit(page.per_page)
        .offset(page.offset)
    )
    total = (await connection.execute(count)).scalar_one()
    return Page.of([AuditedSession(**_summary(row)) for row in await connection.execute(query)], page, total)


async def _is_there(connection: AsyncConnection, table: Table, row_id: int, *where: ColumnElement[bool]) -> bool:
    query = select(exists().where(table.c.id == row_id, *where))
    return bool((await connection.execute(query)).scalar_one())


def _summary(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "user_id": row.user_id,
        "username": row.current_username,
        "media_type": row.media_type,
        "media_id": row.media_id,
        "title": row.title,
        "file_id": row.file_id,
        "file_name": row.file_name,
        "mode": row.mode,
        "profile": row.options["profile"],
        "state": row.state,
        "end_reason": row.end_reason,
        "device_name": row.device["name"],
        "client": row.device["client"],
        "address": row.address,
        "position_ms": row.position_ms,
        "started_at": row.started_at,
        "heartbeat_at": row.heartbeat_at,
        "ended_at": row.ended_at,
    }


async def _content(connection: AsyncConnection, media: MediaRef) -> PlayedContent:
    async def find(table: Table, row_id: int) -> Row[Any] | None:
        return (await connection.execute(select(table).where(table.c.id == row_id))).one_or_none()

    if media.type is PlayableType.MOVIE:
        movie = await find(movies, media.id)
        return PlayedContent(movie=_movie(movie) if movie else None)
    episode = await find(episodes, media.id)
    if episode is None:
        return PlayedContent()
    season, parent = await find(seasons, episode.season_id), await find(series, episode.series_id)
    return PlayedContent(
        episode=EpisodeMetadata(
            id=episode.id,
            season_number=episode.season_number,
            episode_number=episode.episode_number,
            absolute_number=episode.absolute_number,
            title=episode.title,
            air_date=episode.air_date,
            overview=episode.overview,
        ),
        season=SeasonMetadata(id=season.id, season_number=season.season_number, title=season.title) if season else None,
        series=SeriesMetadata(**_title(parent)) if parent else None,
    )


def _movie(row: Row[Any]) -> MovieMetadata:
    return MovieMetadata(**_title(row), release_date=row.release_date)


def _title(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "library_id": row.library_id,
        "title": row.title,
        "original_title": row.original_title,
        "year": row.year,
        "overview": row.overview,
        "content_rating": row.content_rating,
        "genres": list(row.genres),
        "provider_ids": row.provider_ids,
    }


async def _file(connection: AsyncConnection, file_id: int) -> PlayedFile | None:
    query = (
        select(media_files, library_roots.c.path.label("root_path"))
        .join(library_roots, library_roots.c.id == media_files.c.root_id)
        .where(media_files.c.id == file_id)
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    return PlayedFile(
        id=row.id,
        library_id=row.library_id,
        root_path=row.root_path,
        relative_path=os.fsencode(row.relative_path).decode("utf-8", "replace"),
        state=row.state,
        probe_error=row.probe_error,
        size_bytes=row.size_bytes,
        added_at=row.added_at,
        probed_at=row.probed_at,
        technical=row.technical,
        sidecars=row.sidecars,
    )


def _transcode(row: Row[Any]) -> FeedingTranscode:
    return FeedingTranscode(
        id=row.id,
        state=row.state,
        node=row.node,
        output=row.output,
        argv=list(row.argv),
        first_segment=row.first_segment,
        next_segment=row.next_segment,
        stderr_tail=row.stderr_tail,
        error=row.error,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )
