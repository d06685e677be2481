"""Watch progress."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from odeion.application.progress.ports import ProgressEntry, ProgressState, ProgressView
from odeion.application.shared.page import Page
from odeion.application.shared.viewer import Viewer
from odeion.domain.catalog import MediaRef, PlayableType
from odeion.domain.identity.api_keys import Scope
from odeion.domain.shared.errors import NotFound
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area
from odeion.entrypoints.http.models import Id, Milliseconds, PageQuery, Request

area = Area("progress")


class ProgressQuery(PageQuery):
    view: ProgressView = Field(ProgressView.ALL, description="`all` is the history, `resume` what to go on with")


@area.get("/api/progress/all", tag="Progress", access=Access.VIEWER, scope=Scope.PROGRESS)
async def list_progress(viewer: Viewer, query: ProgressQuery) -> Page[ProgressEntry]:
    """List progress

    Returns watch progress for the authenticated user. Pass `view=resume` for the curated continue-watching feed (with
    next-episode resolution for series; pagination ignored); default `view=all` returns the paginated full watch
    history."""
    if query.view is ProgressView.RESUME:
        return await use_cases().progress_queries.list_resume(viewer)
    return await use_cases().progress_queries.list_history(viewer, query.page_request())


@area.delete("/api/progress/all", tag="Progress", access=Access.VIEWER, scope=Scope.PROGRESS, status=204)
async def clear_progress(viewer: Viewer) -> None:
    """Clear watch history

    Deletes the authenticated user's entire watch history (resume points and completion signal)."""
    await use_cases().progress.clear(viewer)


@area.get("/api/progress/{type}/{id}", tag="Progress", access=Access.VIEWER, scope=Scope.PROGRESS, errors=(NotFound,))
async def get_progress(viewer: Viewer, type: PlayableType, id: Id) -> ProgressState:
    """Get progress

    Returns watch progress for a specific media item; zero for one not begun."""
    return await use_cases().progress_queries.get_state(viewer, MediaRef(type, id))


class UpdateProgressRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"position_ms": 1_325_000, "duration_ms": 5_400_000}]})

    position_ms: Milliseconds
    duration_ms: Milliseconds | None = Field(None, description="As the player knows it; else the file's")
    completed: bool | None = Field(None, description="Mark as watched or unwatched; else the position decides")


@area.put("/api/progress/{type}/{id}", tag="Progress", access=Access.VIEWER, scope=Scope.PROGRESS, errors=(NotFound,))
async def update_progress(viewer: Viewer, type: PlayableType, id: Id, body: UpdateProgressRequest) -> ProgressState:
    """Update progress

    Creates or updates watch progress for a media item."""
    return await use_cases().progress.update(
        viewer,
        MediaRef(type, id),
        position_ms=body.position_ms,
        duration_ms=body.duration_ms,
        completed=body.completed,
    )


@area.delete(
    "/api/progress/{type}/{id}",
    tag="Progress",
    access=Access.VIEWER,
    scope=Scope.PROGRESS,
    status=204,
    errors=(NotFound,),
)
async def delete_progress(viewer: Viewer, type: PlayableType, id: Id) -> None:
    """Delete progress

    Removes watch progress for a media item."""
    await use_cases().progress.delete(viewer, MediaRef(type, id))


class StopRequest(Request):
    model_config = ConfigDict(json_schema_extra={"examples": [{"position_ms": 1_325_000}]})

    position_ms: Milliseconds
    duration_ms: Milliseconds | None = None


@area.post(
    "/api/progress/{type}/{id}/stop", tag="Progress", access=Access.VIEWER, scope=Scope.PROGRESS, errors=(NotFound,)
)
async def stop_progress(viewer: Viewer, type: PlayableType, id: Id, body: StopRequest) -> ProgressState:
    """Stop playback

    Signals that playback has stopped for a media item, and where."""
    return await use_cases().progress.update(
        viewer, MediaRef(type, id), position_ms=body.position_ms, duration_ms=body.duration_ms
    )
