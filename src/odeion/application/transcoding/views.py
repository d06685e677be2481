"""What is told of pools and runs. The read models here are the response schemas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from odeion.domain.transcoding import HardwarePreference, PoolKind, TranscodeKind, TranscodeState


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilitiesView:
    """What a trial showed: codecs really encoded, codecs decoded in hardware, whether HDR can be tone-mapped, and by
    codec why an encoder failed."""

    encoders: list[str]
    decoders: list[str]
    tone_mapping: bool
    errors: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """`live_sessions` is how many runs have a place in it now. `node` is the host its device is in; null for any. Of
    several that could do a thing the one with the lowest `priority` is taken."""

    id: int
    name: str
    kind: PoolKind
    device: str | None
    node: str | None
    max_sessions: int
    live_sessions: int
    enabled: bool
    priority: int
    capabilities: CapabilitiesView | None
    probed_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolList:
    items: list[PoolView]


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuView:
    """A GPU of the host that answers; `kinds` are the pools it can be bound to by `device`."""

    vendor: str
    name: str
    device: str
    pci_address: str | None
    kinds: list[PoolKind]


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuList:
    node: str
    items: list[GpuView]


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscodeProfile:
    """A built-in target. `video_codec` and `audio_codec` are null for none, `copy` for the source's own. Rates and
    height are null where they are the source's."""

    name: str
    label: str
    video_codec: str | None
    audio_codec: str | None
    max_height: int | None
    video_bitrate_bps: int | None
    audio_bitrate_bps: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscodeProfileList:
    items: list[TranscodeProfile]


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscodeSettingsView:
    """See TranscodeSettings of the update for what each means."""

    max_sessions: int | None
    hardware: HardwarePreference
    max_height: int | None
    max_video_bitrate_bps: int | None
    segment_length_s: int
    preset: str
    start_preset: str
    hevc: bool
    av1: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscodeFilter:
    """None and False leave a criterion out."""

    active_only: bool = False
    state: TranscodeState | None = None
    pool_id: int | None = None
    file_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscodeSummary:
    """One run of ffmpeg. `stream_kind` is video or audio, or file for a download, which is `username`'s; `output` what
    is made. `speed` is how much faster than real time it went lately; `position_s` how far it is in the file; null
    before it has made anything."""

    id: int
    kind: TranscodeKind
    state: TranscodeState
    node: str
    pool_id: int | None
    pool_name: str | None
    file_id: int | None
    file_name: str | None
    user_id: int | None
    username: str | None
    stream_kind: str
    output: dict[str, Any]
    first_segment: int
    next_segment: int
    position_s: float | None
    speed: float | None
    viewers: int
    error: str | None
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThroughputView:
    """A moment: seconds since the start, position in the file, speed in multiples of real time, bytes made so far."""

    elapsed_s: float
    position_s: float
    speed: float
    bytes_made: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachedSession:
    """A playback session that the run fed."""

    id: int
    user_id: int | None
    username: str | None
    title: str
    state: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscodeDetail(TranscodeSummary):
    """`source` is what the probe found in the file; null once the file is not known any more."""

    argv: list[str]
    stderr_tail: str
    exit_status: int | None
    throughput: list[ThroughputView]
    sessions: list[AttachedSession]
    source: dict[str, Any] | None
    heartbeat_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscodeExport:
    """All that is known of one run, in one document, for a report."""

    exported_at: datetime
    server_version: str
    transcode_session: TranscodeDetail
