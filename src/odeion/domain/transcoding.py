"""Converting pictures: the pools of encoders that may be used, what each can do, and the runs of ffmpeg on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from odeion.domain.playback.policy import ServerPolicy
from odeion.domain.shared.errors import Conflict, FieldError, Invalid
from odeion.domain.shared.events import Event, RecordsEvents
from odeion.domain.shared.ids import MediaFileId, PlaybackSessionId, PoolId, TranscodeSessionId

# A run that was not heard of for so long (five beats) has lost its server: its lease is free again.
LEASE_LIMIT = timedelta(seconds=10)
BEAT_INTERVAL_S = 2.0

VIDEO_CODECS = ("h264", "hevc", "av1", "vp9")


class PoolKind(StrEnum):
    """What encodes: CPU by software, the others by hardware of NVIDIA, Intel, or whatever VA-API drives."""

    CPU = "cpu"
    NVENC = "nvenc"
    QSV = "qsv"
    VAAPI = "vaapi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a trial showed. `encoders` are codecs a picture was really encoded with; `decoders` those it decodes in
    hardware; `tone_mapping` whether HDR can be brought down to SDR; `errors` say by codec why an encoder failed."""

    encoders: tuple[str, ...] = ()
    decoders: tuple[str, ...] = ()
    tone_mapping: bool = False
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolProbed(Event):
    name = "transcoding.pool_probed"
    pool_id: int
    encoders: tuple[str, ...]


@dataclass(kw_only=True)
class Pool(RecordsEvents):
    """Encoders that share a device. `device` is a render node or the number of a GPU; None for the CPU. `node` is the
    host the device is in; None for any. Of several that could, the one with the lowest `priority` is taken first."""

    id: PoolId | None
    name: str
    kind: PoolKind
    device: str | None = None
    node: str | None = None
    max_sessions: int
    is_enabled: bool = True
    priority: int
    capabilities: Capabilities | None = None
    probed_at: datetime | None = None
    created_at: datetime
    version: int = 1

    @classmethod
    def create(
        cls, *, name: str, kind: PoolKind, device: str | None, node: str | None, max_sessions: int, at: datetime
    ) -> Pool:
        """Raises Invalid for a GPU without a device, and for a CPU with one."""
        if (kind is PoolKind.CPU) != (device is None):
            wanted = "the CPU has no device" if kind is PoolKind.CPU else "name the device of the GPU"
            raise Invalid("this is no device for such a pool", fields=[FieldError("body.device", wanted)])
        return cls(
            id=None,
            name=name,
            kind=kind,
            device=device,
            node=None if kind is PoolKind.CPU else node,
            max_sessions=max_sessions,
            # Hardware first: it is there to take the load off the CPU.
            priority=100 if kind is PoolKind.CPU else 10,
            created_at=at,
        )

    def probed(self, capabilities: Capabilities, *, at: datetime) -> None:
        self.capabilities, self.probed_at = capabilities, at
        self._record(PoolProbed(at=at, pool_id=self.id or 0, encoders=capabilities.encoders))

    def may_serve(self, codec: str, *, node: str) -> bool:
        """Whether a run on this host may use it for pictures in `codec`."""
        able = self.capabilities is not None and codec in self.capabilities.encoders
        return self.is_enabled and able and self.node in (None, node)


class TranscodeKind(StrEnum):
    """What a run is for. LIVE feeds players of HLS, DOWNLOAD makes a whole file for somebody who fetches it as it is
    made."""

    LIVE = "live"
    DOWNLOAD = "download"


# So many files may be made for one person at once.
MAX_DOWNLOADS_PER_USER = 3


class TranscodeState(StrEnum):
    """COMPLETED: made what was wanted, or nobody wanted more. LOST: its server went away."""

    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """A moment of a run: seconds since it began, how far it is in the file, how much faster than real time it went
    since the moment before, and bytes made so far."""

    elapsed_s: float
    position_s: float
    speed: float
    bytes_made: int


# The history of a run is thinned when it has this many moments.
MAX_MOMENTS = 240


def note_moment(history: list[Throughput], moment: Throughput) -> None:
    """Add to the history of a run. A long one is thinned to every second moment."""
    history.append(moment)
    if len(history) > MAX_MOMENTS:
        del history[1:-1:2]


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscodeRun:
    """One run of ffmpeg, as it is kept: a lease on a pool while it lives, a record ever after. `output` says what is
    made (codec, size, rates), `next_segment` how far it is."""

    id: TranscodeSessionId
    kind: TranscodeKind
    state: TranscodeState
    node: str
    pool_id: PoolId | None
    file_id: MediaFileId | None
    stream_kind: str
    output: dict[str, Any]
    argv: tuple[str, ...]
    first_segment: int
    next_segment: int
    throughput: tuple[Throughput, ...]
    stderr_tail: str
    exit_status: int | None
    error: str | None
    sessions: tuple[PlaybackSessionId, ...]
    started_at: datetime
    heartbeat_at: datetime
    ended_at: datetime | None

    def require_live(self) -> None:
        """Raises Conflict for one that has ended."""
        if self.state is not TranscodeState.RUNNING:
            raise Conflict("this transcode has ended already")


class HardwarePreference(StrEnum):
    """PREFER: hardware where it can, else the CPU. CPU_ONLY: leave the hardware alone."""

    PREFER = "prefer"
    CPU_ONLY = "cpu_only"


# libx264's names, from fast to thorough.
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium")


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscodeSettings:
    """`max_sessions`: runs of pictures at once over all pools. `max_height`, `max_video_bitrate_bps`: nothing is made
    larger; None for no ceiling. `hevc`, `av1`: whether rungs in these are offered to clients that decode them.
    `preset` is the encoders' effort (in libx264's names), `start_preset` that of the first segments after a seek."""

    max_sessions: int | None = None
    hardware: HardwarePreference = HardwarePreference.PREFER
    max_height: int | None = None
    max_video_bitrate_bps: int | None = None
    segment_length_s: int = 2
    preset: str = "veryfast"
    # The least effort: a seek in 1080p then takes 0.3 s less on two cores, and nobody looks closely at four seconds.
    start_preset: str = "ultrafast"
    hevc: bool = False
    av1: bool = False

    def policy(self) -> ServerPolicy:
        """What the decision how to play a file has to know of them."""
        return ServerPolicy(
            max_height=self.max_height,
            max_video_bitrate_bps=self.max_video_bitrate_bps,
            segment_length_s=self.segment_length_s,
            hevc=self.hevc,
            av1=self.av1,
        )
