"""Watch progress in PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Row, and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from odeion.adapters.postgres.database import reading
from odeion.adapters.postgres.repository import EventSink
from odeion.adapters.postgres.tables.catalog import content_files, episodes, movies, series
from odeion.adapters.postgres.tables.libraries import media_files
from odeion.adapters.postgres.tables.playback import watch_progress
from odeion.adapters.postgres.visibility import sees_episode, sees_title
from odeion.application.progress.ports import ProgressEntry, ProgressState
from odeion.application.shared.page import Page, PageRequest
from odeion.application.shared.viewer import Viewer
from odeion.domain.catalog import MediaRef, PlayableType
from odeion.domain.progress import RESUME_FROM_MS, WatchProgress
from odeion.domain.shared.errors import NotFound
from odeion.domain.shared.ids import UserId

_RESUME_LIMIT = 60


def _content_column(media_type: PlayableType) -> Column[Any]:
    return watch_progress.c.movie_id if media_type is PlayableType.MOVIE else watch_progress.c.episode_id


class PostgresProgress:
    def __init__(self, connection: AsyncConnection, events: EventSink) -> None:
        self._connection = connection
        self._events = events

    async def find(self, user_id: UserId, media: MediaRef) -> WatchProgress | None:
        row = (
            await self._connection.execute(
                select(watch_progress).where(
                    watch_progress.c.user_id == user_id, _content_column(media.type) == media.id
                )
            )
        ).one_or_none()
        if row is None:
            return None
        return WatchProgress(
            user_id=user_id,
            media=media,
            position_ms=row.position_ms,
            duration_ms=row.duration_ms,
            completed=row.completed,
            play_count=row.play_count,
            updated_at=row.updated_at,
        )

    async def duration_ms(self, viewer: Viewer, media: MediaRef) -> int:
        return await _duration_ms(self._connection, viewer, media)

    async def save(self, progress: WatchProgress) -> None:
        column = _content_column(progress.media.type)
        statement = upsert(watch_progress).values(
            {
                "user_id": progress.user_id,
                column.name: progress.media.id,
                "position_ms": progress.position_ms,
                "duration_ms": progress.duration_ms,
                "completed": progress.completed,
                "play_count": progress.play_count,
                "updated_at": progress.updated_at,
            }
        )
        changed = {
            name: statement.excluded[name]
            for name in ("position_ms", "duration_ms", "completed", "play_count", "updated_at")
        }
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=[watch_progress.c.user_id, column],
                set_=changed,
                where=watch_progress.c.updated_at <= statement.excluded.updated_at,
            )
        )
        self._events.collect(progress.take_events())

    async def delete(self, user_id: UserId, media: MediaRef) -> bool:
        result = await self._connection.execute(
            delete(watch_progress).where(watch_progress.c.user_id == user_id, _content_column(media.type) == media.id)
        )
        return result.rowcount > 0

    async def delete_all(self, user_id: UserId) -> None:
        await self._connection.execute(delete(watch_progress).where(watch_progress.c.user_id == user_id))


async def _duration_ms(connection: AsyncConnection, viewer: Viewer, media: MediaRef) -> int:
    table, link, seen = (
        (movies, content_files.c.movie_id, sees_title(viewer, movies))
        if media.type is PlayableType.MOVIE
        else (episodes, content_files.c.episode_id, sees_episode(viewer))
    )
    longest = (
        select(func.max(media_files.c.duration_ms))
        .select_from(content_files.join(media_files, media_files.c.id == content_files.c.file_id))
        .where(link == table.c.id, content_files.c.role == "main")
        .scalar_subquery()
    )
    row = (
        await connection.execute(select(table.c.id, longest.label("duration_ms")).where(table.c.id == media.id, seen))
    ).one_or_none()
    if row is None:
        raise NotFound(f"{media.type} not found")
    return row.duration_ms or 0


class PostgresProgressQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def get_state(self, viewer: Viewer, media: MediaRef) -> ProgressState:
        query = select(watch_progress).where(
            watch_progress.c.user_id == viewer.id, _content_column(media.type) == media.id
        )
        async with reading(self._engine) as connection:
            known_ms = await _duration_ms(connection, viewer, media)
            row = (await connection.execute(query)).one_or_none()
            duration_ms = row.duration_ms if row else known_ms
            now = row.updated_at if row else (await connection.execute(select(func.now()))).scalar_one()
        return ProgressState(
            media_type=media.type.value,
            media_id=media.id,
            position_ms=row.position_ms if row else 0,
            duration_ms=duration_ms,
            percent=_percent(row) if row else 0.0,
            completed=row.completed if row else False,
            play_count=row.play_count if row else 0,
            updated_at=now,
        )

    async def list_history(self, viewer: Viewer, page: PageRequest) -> Page[ProgressEntry]:
        query = (
            _entries(viewer)
            .order_by(watch_progress.c.updated_at.desc(), watch_progress.c.id.desc())
            .limit(page.per_page)
            .offset(page.offset)
        )
        count = select(func.count()).select_from(_entries(viewer).subquery())
        async with reading(self._engine) as connection:
            total = (await connection.execute(count)).scalar_one()
            rows = (await connection.execute(query)).all()
        return Page.of([_entry(row, "watched" if row.completed else "resume") for row in rows], page, total)

    async def list_resume(self, viewer: Viewer) -> Page[ProgressEntry]:
        # Of each series only what was touched last counts: begun, it is resumed; finished, the next one follows.
        latest_of_series = (
            select(
                watch_progress.c.id,
                func.row_number()
                .over(partition_by=episodes.c.series_id, order_by=watch_progress.c.updated_at.desc())
                .label("age"),
            )
            .join(episodes, episodes.c.id == watch_progress.c.episode_id)
            .where(watch_progress.c.user_id == viewer.id)
            .subquery()
        )
        wanted = or_(
            and_(
                watch_progress.c.movie_id.is_not(None),
                watch_progress.c.position_ms >= RESUME_FROM_MS,
            ),
            watch_progress.c.id.in_(select(latest_of_series.c.id).where(latest_of_series.c.age == 1)),
        )
        query = (
            _entries(viewer)
            .where(wanted)
            .order_by(watch_progress.c.updated_at.desc(), watch_progress.c.id.desc())
            .limit(_RESUME_LIMIT)
        )
        entries: list[ProgressEntry] = []
        async with reading(self._engine) as connection:
            for row in (await connection.execute(query)).all():
                if row.position_ms >= RESUME_FROM_MS or (row.episode_id and not row.completed):
                    entries.append(_entry(row, "resume"))
                elif row.episode_id and (following := await _next_unwatched(connection, viewer, row)):
                    entries.append(following)
        size = max(len(entries), 1)
        return Page.of(entries, PageRequest(1, size), len(entries))


async def _next_unwatched(connection: AsyncConnection, viewer: Viewer, row: Row[Any]) -> ProgressEntry | None:
    mine = and_(watch_progress.c.episode_id == episodes.c.id, watch_progress.c.user_id == viewer.id)
    present = (
        select(func.max(media_files.c.duration_ms))
        .select_from(content_files.join(media_files, media_files.c.id == content_files.c.file_id))
        .where(content_files.c.episode_id == episodes.c.id, media_files.c.state == "ready")
        .correlate(episodes)
        .scalar_subquery()
    )
    query = (
        select(episodes, present.label("file_duration_ms"))
        .select_from(episodes.outerjoin(watch_progress, mine))
        .where(
            episodes.c.series_id == row.series_id,
            episodes.c.season_number > 0,
            episodes.c.position > row.episode_position,
            or_(watch_progress.c.completed.is_(None), watch_progress.c.completed.is_(False)),
            present.is_not(None),
        )
        .order_by(episodes.c.position, episodes.c.id)
        .limit(1)
    )
    following = (await connection.execute(query)).one_or_none()
    if following is None:
        return None
    return ProgressEntry(
        media_type=PlayableType.EPISODE.value,
        media_id=following.id,
        kind="next_up",
        position_ms=0,
        duration_ms=following.file_duration_ms,
        percent=0.0,
        completed=False,
        play_count=0,
        updated_at=row.updated_at,
        title=row.title,
        subtitle=_episode_label(following.season_number, following.episode_number, following.title),
        year=row.year,
        series_id=row.series_id,
        season_number=following.season_number,
        episode_number=following.episode_number,
        poster_path=row.poster_path,
    )


def _entries(viewer: Viewer) -> Any:
    return (
        select(
            watch_progress,
            func.coalesce(movies.c.title, series.c.title).label("title"),
            func.coalesce(movies.c.year, series.c.year).label("year"),
            func.coalesce(movies.c.poster_path, series.c.poster_path).label("poster_path"),
            episodes.c.series_id,
            episodes.c.season_number,
            episodes.c.episode_number,
            episodes.c.title.label("episode_title"),
            episodes.c.position.label("episode_position"),
        )
        .select_from(
            watch_progress.outerjoin(movies, movies.c.id == watch_progress.c.movie_id)
            .outerjoin(episodes, episodes.c.id == watch_progress.c.episode_id)
            .outerjoin(series, series.c.id == episodes.c.series_id)
        )
        .where(
            watch_progress.c.user_id == viewer.id,
            or_(
                and_(movies.c.id.is_not(None), sees_title(viewer, movies)),
                and_(series.c.id.is_not(None), sees_title(viewer, series)),
            ),
        )
    )


def _entry(row: Row[Any], kind: str) -> ProgressEntry:
    is_episode = row.episode_id is not None
    return ProgressEntry(
        media_type=(PlayableType.EPISODE if is_episode else PlayableType.MOVIE).value,
        media_id=row.episode_id or row.movie_id,
        kind=kind,
        position_ms=row.position_ms,
        duration_ms=row.duration_ms,
        percent=_percent(row),
        completed=row.completed,
        play_count=row.play_count,
        updated_at=row.updated_at,
        title=row.title,
        subtitle=_episode_label(row.season_number, row.episode_number, row.episode_title) if is_episode else None,
        year=row.year,
        series_id=row.series_id,
        season_number=row.season_number,
        episode_number=row.episode_number,
        poster_path=row.poster_path,
    )


def _episode_label(season_number: int, episode_number: int | None, title: str) -> str:
    number = f"E{episode_number} · " if episode_number is not None else ""
    return f"S{season_number} · {number}{title}"


def _percent(row: Row[Any]) -> float:
    if row.completed and not row.position_ms:
        return 100.0
    return round(min(100.0, 100.0 * row.position_ms / row.duration_ms), 1) if row.duration_ms else 0.0
