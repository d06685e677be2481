"""What a viewer may read of films, series and episodes. The read models here are the response schemas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from odeion.application.shared.page import Page, PageRequest, SortOrder
from odeion.application.shared.viewer import Viewer
from odeion.domain.catalog import MediaRef
from odeion.domain.shared.ids import EpisodeId, LibraryId, MovieId, SeriesId


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerProgress:
    """How far the asking viewer is."""

    position_ms: int
    duration_ms: int
    completed: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoStreamView:
    index: int
    codec: str
    profile: str | None
    level: int | None
    width: int
    height: int
    bit_depth: int | None
    pixel_format: str | None
    frame_rate: float | None
    hdr: str
    color_space: str | None
    interlaced: bool
    rotation_degrees: int
    bitrate_bps: int | None
    language: str | None
    title: str | None
    is_default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioStreamView:
    index: int
    codec: str
    profile: str | None
    channels: int
    channel_layout: str | None
    sample_rate_hz: int
    bitrate_bps: int | None
    language: str | None
    title: str | None
    is_default: bool
    is_forced: bool
    is_commentary: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtitleView:
    """A subtitle inside the file (`index` is its stream) or beside it (`index` is null)."""

    index: int | None
    format: str
    is_text: bool
    language: str | None
    title: str | None
    is_default: bool
    is_forced: bool
    is_hearing_impaired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChapterView:
    start_ms: int
    end_ms: int
    title: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFileView:
    """One version of a film or episode. `label` tells versions apart: "1080p", "4K HDR", "Director's Cut 1080p".
    `state` is pending, ready, failed or missing; only a ready file can be played."""

    id: int
    file_name: str
    label: str
    edition: str | None
    part: int | None
    state: str
    probe_error: str | None
    size_bytes: int
    container: str | None
    duration_ms: int | None
    bitrate_bps: int | None
    video: list[VideoStreamView]
    audio: list[AudioStreamView]
    subtitles: list[SubtitleView]
    chapters: list[ChapterView]
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraView:
    """A trailer, featurette or deleted scene that lies beside a film or series."""

    file_id: int
    kind: str
    title: str
    duration_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditView:
    name: str
    role: str
    character: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieSummary:
    """A film as a tile. `max_height` is of its best ready file; `available` is whether one can be played now."""

    id: int
    library_id: int
    title: str
    sort_title: str
    year: int | None
    duration_ms: int | None
    max_height: int | None
    hdr: str | None
    available: bool
    poster_path: str | None
    added_at: datetime
    progress: ViewerProgress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Movie:
    """A film with everything a page about it shows. `locked_fields` are kept as an administrator wrote them."""

    id: int
    library_id: int
    title: str
    original_title: str | None
    sort_title: str
    year: int | None
    release_date: date | None
    overview: str | None
    tagline: str | None
    content_rating: str | None
    duration_ms: int | None
    poster_path: str | None
    available: bool
    genres: list[str]
    credits: list[CreditView]
    files: list[MediaFileView]
    extras: list[ExtraView]
    locked_fields: list[str]
    added_at: datetime
    progress: ViewerProgress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSummary:
    """A series as a tile. `watched_episodes` counts the asking viewer's."""

    id: int
    library_id: int
    title: str
    sort_title: str
    year: int | None
    season_count: int
    episode_count: int
    watched_episodes: int
    available: bool
    poster_path: str | None
    added_at: datetime
    latest_episode_added_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSummary:
    """An episode in a list. `last_episode_number` differs from `episode_number` where one file holds several.
    `episode_number` is null for an episode known by date or absolute number only."""

    id: int
    series_id: int
    season_number: int
    episode_number: int | None
    last_episode_number: int | None
    absolute_number: int | None
    title: str
    air_date: date | None
    overview: str | None
    duration_ms: int | None
    max_height: int | None
    available: bool
    still_path: str | None
    added_at: datetime
    progress: ViewerProgress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonView:
    """`season_number` 0 holds the specials."""

    id: int
    series_id: int
    season_number: int
    title: str
    episode_count: int
    watched_episodes: int
    episodes: list[EpisodeSummary]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series with its seasons and episodes. `next_episode` is where the asking viewer goes on."""

    id: int
    library_id: int
    title: str
    original_title: str | None
    sort_title: str
    year: int | None
    overview: str | None
    content_rating: str | None
    poster_path: str | None
    available: bool
    genres: list[str]
    credits: list[CreditView]
    seasons: list[SeasonView]
    extras: list[ExtraView]
    next_episode: EpisodeSummary | None
    locked_fields: list[str]
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesContext:
    id: int
    title: str
    year: int | None
    poster_path: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonContext:
    id: int
    season_number: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """An episode with its parents and its files."""

    id: int
    series: SeriesContext
    season: SeasonContext
    season_number: int
    episode_number: int | None
    last_episode_number: int | None
    absolute_number: int | None
    title: str
    air_date: date | None
    overview: str | None
    duration_ms: int | None
    available: bool
    still_path: str | None
    files: list[MediaFileView]
    added_at: datetime
    progress: ViewerProgress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextEpisode:
    """`episode` is null after the last one."""

    episode: EpisodeSummary | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """The files of a film or an episode, the one to play first in front."""

    media_type: str
    media_id: int
    title: str
    files: list[MediaFileView]


class CatalogSort(StrEnum):
    TITLE = "title"
    YEAR = "year"
    ADDED = "added_at"
    DURATION = "duration"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogFilter:
    """`search` matches words of the title, ignoring case and accents. `watched` is about the asking viewer."""

    library_id: LibraryId | None = None
    search: str | None = None
    genre: str | None = None
    year_from: int | None = None
    year_to: int | None = None
    watched: bool | None = None
    available: bool | None = None
    sort: CatalogSort = CatalogSort.TITLE
    order: SortOrder = SortOrder.ASC


class CatalogQueries(Protocol):
    """Reads of the catalog. `get_*` raise NotFound."""

    async def list_movies(self, viewer: Viewer, where: CatalogFilter, page: PageRequest) -> Page[MovieSummary]: ...

    async def get_movie(self, viewer: Viewer, movie_id: MovieId) -> Movie: ...

    async def list_series(self, viewer: Viewer, where: CatalogFilter, page: PageRequest) -> Page[SeriesSummary]: ...

    async def get_series(self, viewer: Viewer, series_id: SeriesId) -> Series: ...

    async def get_season(self, viewer: Viewer, series_id: SeriesId, season_number: int) -> SeasonView: ...

    async def get_episode(self, viewer: Viewer, episode_id: EpisodeId) -> Episode: ...

    async def get_next_episode(self, viewer: Viewer, episode_id: EpisodeId) -> NextEpisode: ...

    async def get_media_info(self, viewer: Viewer, media: MediaRef) -> MediaInfo: ...
