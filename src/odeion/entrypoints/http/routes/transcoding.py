"""Pools of encoders, settings, and the runs of ffmpeg."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from odeion.application.shared.page import Page
from odeion.application.shared.viewer import Viewer
from odeion.application.transcoding.forecast import Forecast
from odeion.application.transcoding.profiles import all_profiles
from odeion.application.transcoding.views import (
    GpuList,
    PoolList,
    PoolView,
    TranscodeDetail,
    TranscodeExport,
    TranscodeFilter,
    TranscodeProfileList,
    TranscodeSettingsView,
    TranscodeSummary,
)
from odeion.domain.playback.devices import DeviceKind
from odeion.domain.shared.errors import Conflict, Invalid, NotFound
from odeion.domain.shared.ids import LibraryId, PoolId, TranscodeSessionId
from odeion.domain.transcoding import HardwarePreference, PoolKind, TranscodeState
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.context import use_cases
from odeion.entrypoints.http.endpoint import Area
from odeion.entrypoints.http.models import Id, PageQuery, Query, Request

area = Area("transcoding")

PoolName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
DeviceName = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9/]+$")]
PlacesInPool = Annotated[int, Field(ge=1, le=64)]
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"]


class PoolRequest(Request):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Arc A380", "kind": "qsv", "device": "/dev/dri/renderD128", "max_sessions": 4}]
        }
    )

    name: PoolName
    kind: PoolKind
    device: DeviceName | None = Field(
        None, description="A render node, or the number of an NVIDIA GPU; null for the CPU"
    )
    max_sessions: PlacesInPool


class PoolUpdate(Request):
    """What is left out stays as it is. The device cannot be changed."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"max_sessions": 2, "enabled": False}]})

    name: PoolName | None = None
    max_sessions: PlacesInPool | None = None
    enabled: bool | None = None
    priority: int | None = Field(None, ge=0, le=1000, description="The pool with the lowest number is taken first")


class TranscodeSettingsUpdate(Request):
    """What is left out stays as it is. Null takes a ceiling away."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"max_sessions": 4, "max_height": 1080}]})

    max_sessions: int | None = Field(None, ge=1, le=1000, description="Runs of pictures at once, over all pools")
    hardware: HardwarePreference = Field(
        HardwarePreference.PREFER, description="`prefer` takes GPUs where they can, `cpu_only` leaves them alone"
    )
    max_height: int | None = Field(None, ge=240, le=4320, description="No picture is made taller")
    max_video_bitrate_bps: int | None = Field(None, ge=300_000, le=10**9, description="No picture is made of more")
    segment_length_s: int = Field(2, ge=1, le=6, description="Of converted pictures, for what starts from now on")
    preset: Preset = Field("veryfast", description="Effort of the encoder, in libx264's names")
    start_preset: Preset = Field("ultrafast", description="Effort of the first segments after a start or a seek")
    hevc: bool = Field(False, description="Offer HEVC to clients that decode it")
    av1: bool = Field(False, description="Offer AV1 to clients that decode it")


class TranscodeSessionsQuery(PageQuery):
    active_only: bool = Field(False, description="Only what runs now")
    state: TranscodeState | None = None
    pool_id: Id | None = None
    file_id: Id | None = None


@area.get("/api/admin/transcode-sessions", tag="Transcoding", access=Access.MODERATOR)
async def list_transcode_sessions(viewer: Viewer, query: TranscodeSessionsQuery) -> Page[TranscodeSummary]:
    """List transcoder sessions

    Lists every run of ffmpeg that feeds players, latest first: what of, what into, on which pool, how fast, for how
    many, and how it ended. Requires the moderator role."""
    where = TranscodeFilter(
        active_only=query.active_only, state=query.state, pool_id=query.pool_id, file_id=query.file_id
    )
    return await use_cases().transcode_runs.list(viewer, where, query.page_request())


@area.get("/api/admin/transcode-sessions/{id}", tag="Transcoding", access=Access.MODERATOR, errors=(NotFound,))
async def get_transcode_session(viewer: Viewer, id: Id) -> TranscodeDetail:
    """Get transcoder session detail

    Returns the full record of one run of ffmpeg: the probed source, its arguments, the last it said on stderr, what it
    makes, the attached playback sessions, and the history of its throughput. Requires the moderator role."""
    return await use_cases().transcode_runs.get(viewer, TranscodeSessionId(id))


@area.post(
    "/api/admin/transcode-sessions/{id}/cancel", tag="Transcoding", access=Access.ADMIN, errors=(NotFound, Conflict)
)
async def cancel_transcode_session(viewer: Viewer, id: Id) -> TranscodeDetail:
    """Cancel a live transcoder session

    Ends a live run within seconds, on whatever host it is. Players that still want more of it start another; to stop
    somebody, terminate their playback session. Requires the administrator role."""
    return await use_cases().transcode_runs.cancel(viewer, TranscodeSessionId(id))


@area.get("/api/admin/transcode-sessions/{id}/export", tag="Transcoding", access=Access.MODERATOR, errors=(NotFound,))
async def export_transcode_session(viewer: Viewer, id: Id) -> TranscodeExport:
    """Export transcoder session bundle

    Returns a self-contained JSON bundle of the run and the playback sessions attached to it, for offline triage and bug
    reports. Requires the moderator role."""
    return await use_cases().transcode_runs.export(viewer, TranscodeSessionId(id))


class ForecastQuery(Query):
    device: DeviceKind | None = Field(None, description="One kind of device; all where it is left out")
    library_id: Id | None = None


@area.get("/api/admin/transcoding/forecast", tag="Transcoding", access=Access.MODERATOR, errors=(NotFound,))
async def forecast_transcoding(viewer: Viewer, query: ForecastQuery) -> Forecast:
    """Forecast of a library

    How many files would be played directly, repackaged or transcoded on usual devices, grouped by the reasons, and what
    conversion of the files would make the device play each group as it is. Requires the moderator role."""
    library_id = None if query.library_id is None else LibraryId(query.library_id)
    return await use_cases().library_forecast.foresee(viewer, query.device, library_id)


@area.get("/api/admin/transcoding/gpus", tag="Transcoding", access=Access.ADMIN)
async def list_gpus(viewer: Viewer) -> GpuList:
    """Scan for available GPUs

    The GPUs of the host that answers, with vendor, name and PCI address, and the kinds of pool each can be bound to.
    Requires the administrator role."""
    return await use_cases().transcode_pools.gpus(viewer)


@area.get("/api/admin/transcoding/pools", tag="Transcoding", access=Access.ADMIN)
async def list_transcoder_pools(viewer: Viewer) -> PoolList:
    """List transcoder pools

    Returns every configured pool with its device, limit, how many runs have a place in it now, and what the last probe
    showed. In the order in which they are taken. Requires the administrator role."""
    return await use_cases().transcode_pools.list(viewer)


@area.post(
    "/api/admin/transcoding/pools",
    tag="Transcoding",
    access=Access.ADMIN,
    status=201,
    errors=(Conflict, Invalid),
)
async def create_transcoder_pool(viewer: Viewer, body: PoolRequest) -> PoolView:
    """Create a transcoder pool

    Adds a pool bound to a GPU of the host that answers, or to the CPU, and tries what it can do. A pool that can encode
    nothing is kept, with the reason, and not used. Requires the administrator role."""
    return await use_cases().transcode_pools.create(
        viewer, name=body.name, kind=body.kind, device=body.device, max_sessions=body.max_sessions
    )


@area.put("/api/admin/transcoding/pools/{id}", tag="Transcoding", access=Access.ADMIN, errors=(NotFound, Conflict))
async def update_transcoder_pool(viewer: Viewer, id: Id, body: PoolUpdate) -> PoolView:
    """Update a transcoder pool

    Updates name, limit, priority or enabled state. The bound device is immutable; delete and create to change it.
    Requires the administrator role."""
    return await use_cases().transcode_pools.update(
        viewer,
        PoolId(id),
        name=body.name,
        max_sessions=body.max_sessions,
        enabled=body.enabled,
        priority=body.priority,
    )


@area.delete(
    "/api/admin/transcoding/pools/{id}",
    tag="Transcoding",
    access=Access.ADMIN,
    status=204,
    errors=(NotFound, Conflict),
)
async def delete_transcoder_pool(viewer: Viewer, id: Id) -> None:
    """Delete a transcoder pool

    Fails with 409 while something runs on it. Requires the administrator role."""
    await use_cases().transcode_pools.delete(viewer, PoolId(id))


@area.post(
    "/api/admin/transcoding/pools/{id}/probe", tag="Transcoding", access=Access.ADMIN, errors=(NotFound, Conflict)
)
async def probe_transcoder_pool(viewer: Viewer, id: Id) -> PoolView:
    """Probe pool capabilities

    Encodes a few pictures with each encoder of the pool's device and keeps what worked, and why the rest did not. Takes
    seconds; safe to repeat. Requires the administrator role."""
    return await use_cases().transcode_pools.probe(viewer, PoolId(id))


@area.get("/api/admin/transcoding/profiles", tag="Transcoding", access=Access.ADMIN)
async def list_transcoding_profiles(viewer: Viewer) -> TranscodeProfileList:
    """List transcoding profiles

    Returns the built-in targets of codec, size and rates. They cannot be changed. Requires the administrator role."""
    return TranscodeProfileList(items=all_profiles())


@area.get("/api/admin/transcoding/settings", tag="Transcoding", access=Access.ADMIN)
async def get_transcoder_settings(viewer: Viewer) -> TranscodeSettingsView:
    """Get transcoder settings

    Returns the settings that hold for all pools: sessions at once, use of hardware, ceilings, segment length, effort.
    Requires the administrator role."""
    return await use_cases().transcode_options.get(viewer)


@area.put("/api/admin/transcoding/settings", tag="Transcoding", access=Access.ADMIN)
async def update_transcoder_settings(viewer: Viewer, body: TranscodeSettingsUpdate) -> TranscodeSettingsView:
    """Update transcoder settings

    Limits count for new sessions at once; what plays is not interrupted. Requires the administrator role."""
    return await use_cases().transcode_options.update(viewer, body.model_dump(exclude_unset=True))
