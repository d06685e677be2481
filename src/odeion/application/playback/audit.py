"""Who played what, as administrators see it. The read models here are the response schemas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from odeion.application.playback.ports import PlaybackDebug
from odeion.application.playback.views import StreamDecision
from odeion.application.shared.page import Page, PageRequest
from odeion.application.shared.viewer import Viewer
from odeion.domain.catalog import MediaRef, PlayableType
from odeion.domain.playback.plan import PlayMode
from odeion.domain.shared.ids import PlaybackSessionId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """None and False leave a criterion out. `username` is the whole name, `device` a part of what the device or its
    client is called; both ignore case. `started_before` is exclusive."""

    user_id: int | None = None
    username: str | None = None
    media_type: PlayableType | None = None
    media_id: int | None = None
    device: str | None = None
    mode: PlayMode | None = None
    started_from: datetime | None = None
    started_before: datetime | None = None
    active_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedSession:
    """A playback session, running or over. User, title and file are told in words as they were then: `user_id` and
    `file_id` are null once those are gone, and nothing may be left of the media. `state` is active or ended, `mode`
    direct_play, remux or transcode; `end_reason` stopped, superseded, reaped or terminated."""

    id: int
    user_id: int | None
    username: str
    media_type: str
    media_id: int
    title: str
    file_id: int | None
    file_name: str | None
    mode: str
    profile: str
    state: str
    end_reason: str | None
    device_name: str
    client: str
    address: str
    position_ms: int
    started_at: datetime
    heartbeat_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedSessionDetail(AuditedSession):
    """With what was decided and why. `capabilities` and `options` are what the player said of itself and chose.
    `login_session_id` or `api_key_id` opened it; null once that is gone."""

    login_session_id: int | None
    api_key_id: int | None
    reasons: list[str]
    decisions: list[StreamDecision]
    capabilities: dict[str, Any]
    options: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieMetadata:
    id: int
    library_id: int
    title: str
    original_title: str | None
    year: int | None
    release_date: date | None
    overview: str | None
    content_rating: str | None
    genres: list[str]
    provider_ids: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesMetadata:
    id: int
    library_id: int
    title: str
    original_title: str | None
    year: int | None
    overview: str | None
    content_rating: str | None
    genres: list[str]
    provider_ids: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeasonMetadata:
    id: int
    season_number: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeMetadata:
    id: int
    season_number: int
    episode_number: int | None
    absolute_number: int | None
    title: str
    air_date: date | None
    overview: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedContent:
    """`movie`, or `episode` with its `season` and `series`; all null where it is gone."""

    movie: MovieMetadata | None = None
    episode: EpisodeMetadata | None = None
    season: SeasonMetadata | None = None
    series: SeriesMetadata | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedFile:
    """The file as it is now. `technical` is what the probe found: container, duration, and each stream."""

    id: int
    library_id: int
    root_path: str
    relative_path: str
    state: str
    probe_error: str | None
    size_bytes: int
    added_at: datetime
    probed_at: datetime | None
    technical: dict[str, Any] | None
    sidecars: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedingTranscode:
    """A run of ffmpeg that fed the session."""

    id: int
    state: str
    node: str
    output: dict[str, Any]
    argv: list[str]
    first_segment: int
    next_segment: int
    stderr_tail: str
    error: str | None
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackSurroundings:
    """What a session belongs to. `file` is null where it is not known any more."""

    content: PlayedContent
    file: PlayedFile | None
    transcodes: list[FeedingTranscode]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackSessionExport:
    """All that is known of one session, in one document, for a report. `debug` is null for sessions older than 30
    days."""

    exported_at: datetime
    server_version: str
    session: AuditedSessionDetail
    debug: PlaybackDebug | None
    content: PlayedContent
    source_file: PlayedFile | None
    transcode_sessions: list[FeedingTranscode]


class PlaybackAuditQueries(Protocol):
    """Everybody's sessions, but for those of titles that the asking viewer may not see."""

    async def list_sessions(self, viewer: Viewer, where: AuditFilter, page: PageRequest) -> Page[AuditedSession]:
        """Latest first."""

    async def list_of_user(self, viewer: Viewer, user_id: UserId, page: PageRequest) -> Page[AuditedSession]:
        """Raises NotFound for a user there is not."""

    async def list_of_media(self, viewer: Viewer, media: MediaRef, page: PageRequest) -> Page[AuditedSession]:
        """Also of media that are gone. Raises NotFound for what there never was a session of, and is not there."""

    async def get_session(self, viewer: Viewer, session_id: PlaybackSessionId) -> AuditedSessionDetail:
        """Raises NotFound."""

    async def surroundings(self, session: AuditedSessionDetail) -> PlaybackSurroundings: ...
