"""Reads of the catalog."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Subquery,
    Table,
    and_,
    asc,
    case,
    desc,
    exists,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from odeion.adapters.postgres.database import reading
from odeion.adapters.postgres.libraries import media_file
from odeion.adapters.postgres.tables.catalog import content_files, episodes, movies, seasons, series
from odeion.adapters.postgres.tables.libraries import library_roots, media_files
from odeion.adapters.postgres.tables.playback import watch_progress
from odeion.adapters.postgres.visibility import sees_episode, sees_title
from odeion.application.catalog.queries import (
    AudioStreamView,
    CatalogFilter,
    CatalogSort,
    ChapterView,
    CreditView,
    Episode,
    EpisodeSummary,
    ExtraView,
    MediaFileView,
    MediaInfo,
    Movie,
    MovieSummary,
    NextEpisode,
    SeasonContext,
    SeasonView,
    Series,
    SeriesContext,
    SeriesSummary,
    SubtitleView,
    VideoStreamView,
    ViewerProgress,
)
from odeion.application.shared.page import Page, PageRequest, SortOrder
from odeion.application.shared.viewer import Viewer
from odeion.domain.catalog import FileRole, MediaRef, PlayableType, fold, version_label
from odeion.domain.media_file import FileState, MediaFile
from odeion.domain.shared.errors import NotFound
from odeion.domain.shared.ids import EpisodeId, MovieId, SeriesId

_MAIN = content_files.c.role == FileRole.MAIN.value
_ON_DISK = media_files.c.state != FileState.MISSING.value


class PostgresCatalogQueries:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def list_movies(self, viewer: Viewer, where: CatalogFilter, page: PageRequest) -> Page[MovieSummary]:
        best = _best_file(content_files.c.movie_id == movies.c.id)
        conditions = [
            sees_title(viewer, movies),
            _title_filter(movies, where),
            _present(content_files.c.movie_id == movies.c.id),
        ]
        if where.available is not None:
            conditions.append(best.c.available.is_(where.available))
        if where.watched is not None:
            watched = exists().where(
                watch_progress.c.movie_id == movies.c.id,
                watch_progress.c.user_id == viewer.id,
                watch_progress.c.completed,
            )
            conditions.append(watched if where.watched else ~watched)
        source = movies.join(best, true())
        ids = _page_of_ids(movies, source, conditions, where, page, duration=best.c.duration_ms)
        query = (
            select(movies, best, *_progress_columns())
            .select_from(source.outerjoin(watch_progress, _mine(watch_progress.c.movie_id == movies.c.id, viewer)))
            .join(ids, ids.c.id == movies.c.id)
            .order_by(ids.c.rank)
        )
        async with reading(self._engine) as connection:
            total = await _count(connection, movies, source if where.available is not None else movies, conditions)
            rows = (await connection.execute(query)).all()
        return Page.of([_movie_summary(row) for row in rows], page, total)

    async def get_movie(self, viewer: Viewer, movie_id: MovieId) -> Movie:
        async with reading(self._engine) as connection:
            row = (
                await connection.execute(
                    select(movies, *_progress_columns())
                    .outerjoin(watch_progress, _mine(watch_progress.c.movie_id == movies.c.id, viewer))
                    .where(movies.c.id == movie_id, sees_title(viewer, movies))
                )
            ).one_or_none()
            if row is None:
                raise NotFound("movie not found")
            files = await _files(connection, content_files.c.movie_id == movie_id)
            extras = await _extras(connection, content_files.c.movie_id == movie_id)
        return Movie(
            id=row.id,
            library_id=row.library_id,
            title=row.title,
            original_title=row.original_title,
            sort_title=row.sort_title,
            year=row.year,
            release_date=row.release_date,
            overview=row.overview,
            tagline=row.tagline,
            content_rating=row.content_rating,
            duration_ms=_first(file.duration_ms for file, _ in files),
            poster_path=row.poster_path,
            available=any(available for _, available in files),
            genres=list(row.genres),
            credits=[CreditView(**credit) for credit in row.credits],
            files=[file for file, _ in files],
            extras=extras,
            locked_fields=list(row.locked_fields),
            added_at=row.added_at,
            progress=_progress(row),
        )

    async def list_series(self, viewer: Viewer, where: CatalogFilter, page: PageRequest) -> Page[SeriesSummary]:
        facts = _series_facts(viewer)
        conditions = [sees_title(viewer, series), _title_filter(series, where), facts.c.episode_count > 0]
        if where.available is not None:
            conditions.append(facts.c.available.is_(where.available))
        if where.watched is not None:
            all_watched = facts.c.watched_episodes >= facts.c.regular_count
            conditions.append(all_watched if where.watched else ~all_watched)
        source = series.join(facts, facts.c.series_id == series.c.id)
        ids = _page_of_ids(series, source, conditions, where, page, duration=facts.c.duration_ms)
        query = select(series, facts).select_from(source).join(ids, ids.c.id == series.c.id).order_by(ids.c.rank)
        async with reading(self._engine) as connection:
            total = await _count(connection, series, source, conditions)
            rows = (await connection.execute(query)).all()
        return Page.of([_series_summary(row) for row in rows], page, total)

    async def get_series(self, viewer: Viewer, series_id: SeriesId) -> Series:
        async with reading(self._engine) as connection:
            query = select(series).where(series.c.id == series_id, sees_title(viewer, series))
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                raise NotFound("series not found")
            season_views = await _seasons(connection, viewer, series_id)
            extras = await _extras(connection, content_files.c.series_id == series_id)
        every = [episode for season in season_views for episode in season.episodes]
        return Series(
            id=row.id,
            library_id=row.library_id,
            title=row.title,
            original_title=row.original_title,
            sort_title=row.sort_title,
            year=row.year,
            overview=row.overview,
            content_rating=row.content_rating,
            poster_path=row.poster_path,
            available=any(episode.available for episode in every),
            genres=list(row.genres),
            credits=[CreditView(**credit) for credit in row.credits],
            seasons=season_views,
            extras=extras,
            next_episode=_where_to_go_on(every),
            locked_fields=list(row.locked_fields),
            added_at=row.added_at,
        )

    async def get_season(self, viewer: Viewer, series_id: SeriesId, season_number: int) -> SeasonView:
        async with reading(self._engine) as connection:
            views = await _seasons(connection, viewer, series_id, seasons.c.season_number == season_number)
        if not views:
            raise NotFound("season not found")
        return views[0]

    async def get_episode(self, viewer: Viewer, episode_id: EpisodeId) -> Episode:
        query = (
            select(
                episodes,
                *_progress_columns(),
                seasons.c.title.label("season_title"),
                series.c.title.label("series_title"),
                series.c.year.label("series_year"),
                series.c.poster_path.label("series_poster"),
            )
            .join(seasons, seasons.c.id == episodes.c.season_id)
            .join(series, series.c.id == episodes.c.series_id)
            .outerjoin(watch_progress, _mine(watch_progress.c.episode_id == episodes.c.id, viewer))
            .where(episodes.c.id == episode_id, sees_title(viewer, series))
        )
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                raise NotFound("episode not found")
            files = await _files(connection, content_files.c.episode_id == episode_id)
        return Episode(
            id=row.id,
            series=SeriesContext(
                id=row.series_id, title=row.series_title, year=row.series_year, poster_path=row.series_poster
            ),
            season=SeasonContext(id=row.season_id, season_number=row.season_number, title=row.season_title),
            season_number=row.season_number,
            episode_number=row.episode_number,
            last_episode_number=row.last_episode_number,
            absolute_number=row.absolute_number,
            title=row.title,
            air_date=row.air_date,
            overview=row.overview,
            duration_ms=_first(file.duration_ms for file, _ in files),
            available=any(available for _, available in files),
            still_path=row.still_path,
            files=[file for file, _ in files],
            added_at=row.added_at,
            progress=_progress(row),
        )

    async def get_next_episode(self, viewer: Viewer, episode_id: EpisodeId) -> NextEpisode:
        async with reading(self._engine) as connection:
            known = select(episodes).where(episodes.c.id == episode_id, sees_episode(viewer))
            current = (await connection.execute(known)).one_or_none()
            if current is None:
                raise NotFound("episode not found")
            # After a special comes the next special; after the last regular episode comes nothing.
            is_special = current.season_number == 0
            kind = episodes.c.season_number == 0 if is_special else episodes.c.season_number > 0
            query = (
                _episode_query(viewer)
                .where(
                    episodes.c.series_id == current.series_id,
                    kind,
                    or_(
                        episodes.c.position > current.position,
                        and_(episodes.c.position == current.position, episodes.c.id > current.id),
                    ),
                )
                .order_by(episodes.c.position, episodes.c.id)
                .limit(1)
            )
            row = (await connection.execute(query)).one_or_none()
        return NextEpisode(episode=_episode_summary(row) if row else None)

    async def get_media_info(self, viewer: Viewer, media: MediaRef) -> MediaInfo:
        if media.type is PlayableType.MOVIE:
            movie = await self.get_movie(viewer, MovieId(media.id))
            title, files = movie.title, movie.files
        else:
            episode = await self.get_episode(viewer, EpisodeId(media.id))
            title, files = f"{episode.series.title} - {episode.title}", episode.files
        return MediaInfo(media_type=media.type.value, media_id=media.id, title=title, files=files)


def _best_file(belongs: ColumnElement[bool]) -> Any:
    """Of each content the file that would be played: one that can be played now, then the largest picture."""
    available = and_(media_files.c.state == FileState.READY.value, library_roots.c.unavailable_reason.is_(None))
    return (
        select(
            media_files.c.duration_ms,
            media_files.c.height.label("max_height"),
            media_files.c.hdr,
            available.label("available"),
        )
        .select_from(
            content_files.join(media_files, media_files.c.id == content_files.c.file_id).join(
                library_roots, library_roots.c.id == media_files.c.root_id
            )
        )
        .where(belongs, _MAIN, _ON_DISK)
        .order_by(desc(available), desc(func.coalesce(media_files.c.height, 0)), media_files.c.id)
        .limit(1)
        .lateral("best")
    )


def _present(belongs: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a file of the content is on disk, or on a disk that is away for now."""
    return exists(
        select(literal(1))
        .select_from(content_files.join(media_files, media_files.c.id == content_files.c.file_id))
        .where(belongs, _MAIN, _ON_DISK)
    )


def _title_filter(table: Table, where: CatalogFilter) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [true()]
    if where.library_id is not None:
        conditions.append(table.c.library_id == where.library_id)
    if where.search:
        # Every word must begin a word of the title.
        conditions += [
            or_(
                table.c.search_text.startswith(word, autoescape=True),
                table.c.search_text.contains(f" {word}", autoescape=True),
            )
            for word in fold(where.search).split()
        ]
    if where.genre:
        conditions.append(table.c.genres.contains([where.genre]))
    if where.year_from is not None:
        conditions.append(table.c.year >= where.year_from)
    if where.year_to is not None:
        conditions.append(table.c.year <= where.year_to)
    return and_(*conditions)


def _page_of_ids(
    table: Table,
    source: Any,
    conditions: Sequence[ColumnElement[bool]],
    where: CatalogFilter,
    page: PageRequest,
    *,
    duration: ColumnElement[Any],
) -> Subquery:
    """The ids of the page, in order: the wide rows are fetched for these only."""
    key: ColumnElement[Any] = {
        CatalogSort.TITLE: table.c.sort_title,
        CatalogSort.YEAR: table.c.year,
        CatalogSort.ADDED: table.c.added_at,
        CatalogSort.DURATION: duration,
    }[where.sort]
    direction = asc if where.order is SortOrder.ASC else desc
    nullable = where.sort in (CatalogSort.YEAR, CatalogSort.DURATION)
    order = [direction(key).nulls_last() if nullable else direction(key), direction(table.c.id)]
    uses_joined = where.sort is CatalogSort.DURATION or where.available is not None or table is series
    return (
        select(table.c.id, func.row_number().over(order_by=order).label("rank"))
        .select_from(source if uses_joined else table)
        .where(*conditions)
        .order_by(*order)
        .limit(page.per_page)
        .offset(page.offset)
        .subquery("ids")
    )


async def _count(
    connection: AsyncConnection, table: Table, source: Any, conditions: Sequence[ColumnElement[bool]]
) -> int:
    query = select(func.count(table.c.id)).select_from(source).where(*conditions)
    return int((await connection.execute(query)).scalar_one())


def _mine(content: ColumnElement[bool], viewer: Viewer) -> ColumnElement[bool]:
    return and_(content, watch_progress.c.user_id == viewer.id)


def _progress_columns() -> list[Any]:
    return [
        watch_progress.c.position_ms,
        watch_progress.c.duration_ms.label("watched_duration_ms"),
        watch_progress.c.completed,
        watch_progress.c.updated_at,
    ]


def _progress(row: Row[Any]) -> ViewerProgress | None:
    if row.updated_at is None:
        return None
    return ViewerProgress(
        position_ms=row.position_ms,
        duration_ms=row.watched_duration_ms,
        completed=row.completed,
        updated_at=row.updated_at,
    )


def _movie_summary(row: Row[Any]) -> MovieSummary:
    return MovieSummary(
        id=row.id,
        library_id=row.library_id,
        title=row.title,
        sort_title=row.sort_title,
        year=row.year,
        duration_ms=row.duration_ms,
        max_height=row.max_height,
        hdr=row.hdr,
        available=row.available,
        poster_path=row.poster_path,
        added_at=row.added_at,
        progress=_progress(row),
    )


def _series_facts(viewer: Viewer) -> Any:
    """Counts over a series' episodes; specials do not count as unwatched."""
    best = _best_file(content_files.c.episode_id == episodes.c.id)
    watched = and_(watch_progress.c.completed, episodes.c.season_number > 0)
    return (
        select(
            episodes.c.series_id,
            func.count(func.distinct(episodes.c.season_number)).label("season_count"),
            func.count().filter(episodes.c.season_number > 0).label("regular_count"),
            func.count().label("episode_count"),
            func.count().filter(watched).label("watched_episodes"),
            func.bool_or(best.c.available).label("available"),
            func.max(best.c.duration_ms).label("duration_ms"),
            func.max(episodes.c.added_at).label("latest_episode_added_at"),
        )
        .select_from(
            episodes.join(best, true()).outerjoin(
                watch_progress, _mine(watch_progress.c.episode_id == episodes.c.id, viewer)
            )
        )
        .group_by(episodes.c.series_id)
        .subquery("facts")
    )


def _series_summary(row: Row[Any]) -> SeriesSummary:
    return SeriesSummary(
        id=row.id,
        library_id=row.library_id,
        title=row.title,
        sort_title=row.sort_title,
        year=row.year,
        season_count=row.season_count,
        episode_count=row.episode_count,
        watched_episodes=row.watched_episodes,
        available=row.available,
        poster_path=row.poster_path,
        added_at=row.added_at,
        latest_episode_added_at=row.latest_episode_added_at,
    )


def _episode_query(viewer: Viewer) -> Select[Any]:
    best = _best_file(content_files.c.episode_id == episodes.c.id)
    return select(
        episodes,
        best,
        *_progress_columns(),
    ).select_from(
        episodes.join(best, true()).outerjoin(
            watch_progress, _mine(watch_progress.c.episode_id == episodes.c.id, viewer)
        )
    )


def _episode_summary(row: Row[Any]) -> EpisodeSummary:
    return EpisodeSummary(
        id=row.id,
        series_id=row.series_id,
        season_number=row.season_number,
        episode_number=row.episode_number,
        last_episode_number=row.last_episode_number,
        absolute_number=row.absolute_number,
        title=row.title,
        air_date=row.air_date,
        overview=row.overview,
        duration_ms=row.duration_ms,
        max_height=row.max_height,
        available=row.available,
        still_path=row.still_path,
        added_at=row.added_at,
        progress=_progress(row),
    )


async def _seasons(
    connection: AsyncConnection, viewer: Viewer, series_id: SeriesId, *where: ColumnElement[bool]
) -> list[SeasonView]:
    season_rows = (
        await connection.execute(
            select(seasons)
            .join(series, series.c.id == seasons.c.series_id)
            .where(seasons.c.series_id == series_id, sees_title(viewer, series), *where)
            .order_by(seasons.c.season_number)
        )
    ).all()
    episode_rows = await connection.execute(
        _episode_query(viewer)
        .where(episodes.c.season_id.in_([row.id for row in season_rows]))
        .order_by(episodes.c.position, episodes.c.id)
    )
    by_season: dict[int, list[EpisodeSummary]] = {}
    for row in episode_rows:
        by_season.setdefault(row.season_id, []).append(_episode_summary(row))
    return [
        SeasonView(
            id=row.id,
            series_id=row.series_id,
            season_number=row.season_number,
            title=row.title,
            episode_count=len(by_season[row.id]),
            watched_episodes=sum(1 for e in by_season[row.id] if e.progress and e.progress.completed),
            episodes=by_season[row.id],
        )
        for row in season_rows
        if row.id in by_season
    ]


def _where_to_go_on(every: Sequence[EpisodeSummary]) -> EpisodeSummary | None:
    """The episode begun last, else the one after the last finished, else the first; specials only if begun."""
    begun = [e for e in every if e.progress]
    if begun:
        latest = max(begun, key=lambda e: e.progress.updated_at if e.progress else e.added_at)
        if latest.progress and not latest.progress.completed:
            return latest
        later = [e for e in every[every.index(latest) + 1 :] if e.season_number > 0]
        return next((e for e in later if not (e.progress and e.progress.completed)), None)
    regular = [e for e in every if e.season_number > 0]
    return regular[0] if regular else (every[0] if every else None)


async def _files(connection: AsyncConnection, belongs: ColumnElement[bool]) -> list[tuple[MediaFileView, bool]]:
    """The files of one content with whether each can be played now; the one to play first."""
    query = (
        select(
            media_files,
            content_files.c.edition,
            content_files.c.version_label,
            content_files.c.part,
            library_roots.c.unavailable_reason,
        )
        .join(media_files, media_files.c.id == content_files.c.file_id)
        .join(library_roots, library_roots.c.id == media_files.c.root_id)
        .where(belongs, _MAIN, _ON_DISK)
        .order_by(
            content_files.c.part.asc().nulls_first(),
            case((media_files.c.state == FileState.READY.value, 0), else_=1),
            func.coalesce(media_files.c.height, 0).desc(),
            media_files.c.id,
        )
    )
    return [
        (
            file_view(media_file(row), edition=row.edition, version=row.version_label, part=row.part),
            row.state == FileState.READY.value and row.unavailable_reason is None,
        )
        for row in await connection.execute(query)
    ]


def file_view(file: MediaFile, *, edition: str | None, version: str | None, part: int | None) -> MediaFileView:
    technical = file.technical
    assert file.id is not None
    embedded = [
        SubtitleView(
            index=stream.index,
            format=stream.codec,
            is_text=stream.is_text,
            language=stream.language,
            title=stream.title,
            is_default=stream.is_default,
            is_forced=stream.is_forced,
            is_hearing_impaired=stream.is_hearing_impaired,
        )
        for stream in (technical.subtitles if technical else ())
    ]
    beside = [
        SubtitleView(
            index=None,
            format=sidecar.format,
            is_text=True,
            language=sidecar.language,
            title=sidecar.title,
            is_default=sidecar.is_default,
            is_forced=sidecar.is_forced,
            is_hearing_impaired=sidecar.is_hearing_impaired,
        )
        for sidecar in file.sidecars
    ]
    return MediaFileView(
        id=file.id,
        file_name=os.fsencode(posixpath.basename(file.relative_path)).decode("utf-8", "replace"),
        label=version_label(edition=edition, version=version, technical=technical),
        edition=edition,
        part=part,
        state=file.state.value,
        probe_error=file.probe_error,
        size_bytes=file.stamp.size_bytes,
        container=technical.container if technical else None,
        duration_ms=technical.duration_ms if technical else None,
        bitrate_bps=technical.bitrate_bps if technical else None,
        video=[
            VideoStreamView(
                index=stream.index,
                codec=stream.codec,
                profile=stream.profile,
                level=stream.level,
                width=stream.width,
                height=stream.height,
                bit_depth=stream.bit_depth,
                pixel_format=stream.pixel_format,
                frame_rate=round(float(stream.frame_rate), 3) if stream.frame_rate else None,
                hdr=stream.hdr.value,
                color_space=stream.color_space,
                interlaced=stream.interlaced,
                rotation_degrees=stream.rotation_degrees,
                bitrate_bps=stream.bitrate_bps,
                language=stream.language,
                title=stream.title,
                is_default=stream.is_default,
            )
            for stream in (technical.video if technical else ())
        ],
        audio=[
            AudioStreamView(
                index=stream.index,
                codec=stream.codec,
                profile=stream.profile,
                channels=stream.channels,
                channel_layout=stream.channel_layout,
                sample_rate_hz=stream.sample_rate_hz,
                bitrate_bps=stream.bitrate_bps,
                language=stream.language,
                title=stream.title,
                is_default=stream.is_default,
                is_forced=stream.is_forced,
                is_commentary=stream.is_commentary,
            )
            for stream in (technical.audio if technical else ())
        ],
        subtitles=[*embedded, *beside],
        chapters=[
            ChapterView(start_ms=chapter.start_ms, end_ms=chapter.end_ms, title=chapter.title)
            for chapter in (technical.chapters if technical else ())
        ],
        added_at=file.added_at,
    )


async def _extras(connection: AsyncConnection, belongs: ColumnElement[bool]) -> list[ExtraView]:
    query = (
        select(media_files.c.id, media_files.c.duration_ms, content_files.c.extra_kind, content_files.c.extra_title)
        .join(media_files, media_files.c.id == content_files.c.file_id)
        .where(belongs, content_files.c.role == FileRole.EXTRA.value, media_files.c.state == FileState.READY.value)
        .order_by(content_files.c.extra_kind, content_files.c.extra_title, media_files.c.id)
    )
    return [
        ExtraView(file_id=row.id, kind=row.extra_kind, title=row.extra_title, duration_ms=row.duration_ms)
        for row in await connection.execute(query)
    ]


def _first(values: Any) -> Any:
    return next((value for value in values if value is not None), None)
