"""Everybody's playback sessions, for administrators."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from odeion.application.playback.audit import AuditedSession, AuditedSessionDetail, AuditFilter, PlaybackSessionExport
from odeion.application.shared.page import Page
from odeion.application.shared.viewer import Viewer
from odeion.domain.catalog import MediaRef, PlayableType
from odeion.domain.playback.plan import PlayMode
from odeion.domain.shared.errors import Conflict, NotFound
from odeion.domain.shared.ids import PlaybackSessionId, UserId
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area
from odeion.entrypoints.http.models import Id, PageQuery

area = Area("playback_audit")

Part = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]


class AuditQuery(PageQuery):
    user_id: Id | None = None
    username: Part | None = Field(None, description="The whole name; also of somebody whose account is gone")
    media_type: PlayableType | None = None
    media_id: Id | None = Field(None, description="Goes with `media_type`")
    device: Part | None = Field(None, description="A part of the device's or the client's name")
    mode: PlayMode | None = None
    started_from: AwareDatetime | None = Field(None, description="RFC 3339, with its offset")
    started_before: AwareDatetime | None = Field(None, description="RFC 3339, with its offset; exclusive")
    active_only: bool = Field(False, description="Only what plays now")

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        if self.media_id is not None and self.media_type is None:
            raise ValueError("media_id goes with media_type")
        return self

    def filter(self) -> AuditFilter:
        return AuditFilter(
            user_id=self.user_id,
            username=self.username,
            media_type=self.media_type,
            media_id=self.media_id,
            device=self.device,
            mode=self.mode,
            started_from=self.started_from,
            started_before=self.started_before,
            active_only=self.active_only,
        )


@area.get("/api/admin/playback-sessions", tag="Admin", access=Access.MODERATOR)
async def list_playback_sessions(viewer: Viewer, query: AuditQuery) -> Page[AuditedSession]:
    """List persistent playback audit sessions

    Every playback session there was, latest first: who, what, on which device, how, until when. Filtered by user,
    media, device, mode, date range, and active-only. Independent of watch histories. Requires the moderator role."""
    return await use_cases().playback_audit.list_sessions(viewer, query.filter(), query.page_request())


@area.get("/api/admin/playback-sessions/{id}", tag="Admin", access=Access.MODERATOR, errors=(NotFound,))
async def get_playback_session(viewer: Viewer, id: Id) -> AuditedSessionDetail:
    """Get a playback audit session

    One session with what was decided for each stream and why, and what the player said of itself. Requires the
    moderator role."""
    return await use_cases().playback_audit.get_session(viewer, PlaybackSessionId(id))


@area.get("/api/admin/playback-sessions/{id}/export", tag="Admin", access=Access.MODERATOR, errors=(NotFound,))
async def export_playback_session(viewer: Viewer, id: Id) -> PlaybackSessionExport:
    """Export a playback session as JSON

    A self-contained bundle for offline triage: the session, what was kept for debugging (null after 30 days), the movie
    or the episode with its season and series, the source file with its streams, and the runs of ffmpeg that fed it.
    Requires the moderator role."""
    return await use_cases().playback_administration.export(viewer, PlaybackSessionId(id))


@area.post("/api/admin/playback-sessions/{id}/terminate", tag="Admin", access=Access.ADMIN, errors=(NotFound, Conflict))
async def terminate_playback_session(viewer: Viewer, id: Id) -> AuditedSessionDetail:
    """Forcibly terminate a playback session

    Ends an active session for good: its player gets 410 from now on, its encoders end within seconds on whatever host
    they run. Returns 409 if it has already ended. Requires the administrator role."""
    return await use_cases().playback_administration.terminate(viewer, PlaybackSessionId(id))


@area.get("/api/admin/users/{id}/playback-sessions", tag="Admin", access=Access.MODERATOR, errors=(NotFound,))
async def list_playback_sessions_of_user(viewer: Viewer, id: Id, query: PageQuery) -> Page[AuditedSession]:
    """List playback sessions for a user

    Latest first. Requires the moderator role."""
    return await use_cases().playback_audit.list_of_user(viewer, UserId(id), query.page_request())


@area.get("/api/admin/media/{type}/{id}/playback-sessions", tag="Admin", access=Access.MODERATOR, errors=(NotFound,))
async def list_playback_sessions_of_media(
    viewer: Viewer, type: PlayableType, id: Id, query: PageQuery
) -> Page[AuditedSession]:
    """List playback sessions for a media item

    Everybody's, latest first. Requires the moderator role."""
    return await use_cases().playback_audit.list_of_media(viewer, MediaRef(type, id), query.page_request())
