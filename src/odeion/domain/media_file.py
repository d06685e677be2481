"""A media file: what is known of one file below a library root, from its name to its streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from odeion.domain.shared.errors import Conflict
from odeion.domain.shared.events import RecordsEvents
from odeion.domain.shared.ids import LibraryId, MediaFileId, RootId

# Containers whose files the scanner picks up; the probe decides later whether the content agrees.
VIDEO_EXTENSIONS = frozenset(
    {".3gp", ".avi", ".divx", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"}
    | {".mpeg", ".mpg", ".mts", ".ogm", ".ogv", ".ts", ".vob", ".webm", ".wmv"}
)
SUBTITLE_EXTENSIONS = frozenset([".srt", ".ass", ".ssa", ".vtt"])


class HdrFormat(StrEnum):
    """How the picture's brightness is coded."""

    SDR = "sdr"
    HDR10 = "hdr10"
    HDR10_PLUS = "hdr10_plus"
    HLG = "hlg"
    DOLBY_VISION = "dolby_vision"


class GroupsOfPictures(StrEnum):
    """Where a decoder may begin with H.264. CLOSED: at every keyframe, an IDR picture. MIXED: at IDR pictures that are
    never far apart, between which there are keyframes of open groups. OPEN: at too few places, often only the start."""

    CLOSED = "closed"
    MIXED = "mixed"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStructure:
    """What the index of a file tells a decision how to play it. `groups` are those of its picture where that is H.264.
    `refused` says by a stream's index why it cannot be cut into segments as it is; `holes` are the streams of sound
    that are known to pause for longer than anybody would miss."""

    groups: GroupsOfPictures | None = None
    refused: Mapping[int, str] = field(default_factory=dict)
    holes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoStream:
    """`index` is the stream's position in the container. Codec and colour names are libavcodec's. `level` is
    libavcodec's integer (H.264 4.1 is 41, HEVC 4.1 is 123). `rotation_degrees` is clockwise: 0, 90, 180, 270.
    Attached pictures (cover art) are not video streams here."""

    index: int
    codec: str
    profile: str | None = None
    level: int | None = None
    width: int
    height: int
    sample_aspect_ratio: Fraction = Fraction(1)
    bit_depth: int | None = None
    pixel_format: str | None = None
    frame_rate: Fraction | None = None
    color_space: str | None = None
    color_transfer: str | None = None
    color_primaries: str | None = None
    hdr: HdrFormat = HdrFormat.SDR
    dolby_vision_profile: int | None = None
    interlaced: bool = False
    rotation_degrees: int = 0
    bitrate_bps: int | None = None
    language: str | None = None
    title: str | None = None
    is_default: bool = False

    @property
    def display_size(self) -> tuple[float, float]:
        """Width and height as shown: square pixels, upright."""
        width, height = float(self.width * self.sample_aspect_ratio), float(self.height)
        return (height, width) if self.rotation_degrees in (90, 270) else (width, height)

    def size_within(self, max_height: int | None, max_width: int | None = None) -> tuple[int, int]:
        """Width and height as shown, at most so large. Both even, as pictures with 4:2:0 colour want them."""
        width, height = self.display_size
        scale = min(1.0, (max_height or height) / height, (max_width or width) / width)
        return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioStream:
    """`language` is ISO 639-2/B (`eng`, `ger`, not `deu`), None for unknown (`und`)."""

    index: int
    codec: str
    profile: str | None = None
    channels: int
    channel_layout: str | None = None
    sample_rate_hz: int
    bit_depth: int | None = None
    bitrate_bps: int | None = None
    language: str | None = None
    title: str | None = None
    is_default: bool = False
    is_forced: bool = False
    is_commentary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtitleStream:
    """`is_text` tells formats that can become WebVTT (SRT, ASS, MOV text) from bitmaps (PGS, DVD, DVB)."""

    index: int
    codec: str
    is_text: bool
    language: str | None = None
    title: str | None = None
    is_default: bool = False
    is_forced: bool = False
    is_hearing_impaired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A named stretch of the file, in milliseconds from its start."""

    start_ms: int
    end_ms: int
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TechnicalInfo:
    """What the probe found. `container` is libavformat's demuxer name (`matroska,webm`, `mov,mp4,m4a,3gp,3g2,mj2`).
    `duration_ms` counts from the file's first timestamp, which need not be 0."""

    container: str
    duration_ms: int
    bitrate_bps: int | None = None
    video: tuple[VideoStream, ...] = ()
    audio: tuple[AudioStream, ...] = ()
    subtitles: tuple[SubtitleStream, ...] = ()
    chapters: tuple[Chapter, ...] = ()

    @property
    def default_audio(self) -> AudioStream | None:
        """The track players take by themselves: the first marked as default, else the first."""
        return next((stream for stream in self.audio if stream.is_default), self.audio[0] if self.audio else None)


class FileStamp(NamedTuple):
    """What tells that a file is still the same without opening it: size in bytes, mtime in ns, inode number.

    A tuple, since a scan makes and compares one for every file there is."""

    size_bytes: int
    mtime_ns: int
    inode: int


class FileState(StrEnum):
    """PENDING: waits for its probe. READY: can be played. FAILED: the probe refused it. MISSING: not on disk."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    MISSING = "missing"


@dataclass(kw_only=True)
class MediaFile(RecordsEvents):
    """One file. It belongs to a root and is found again by its path relative to it, or by its stamp when moved."""

    id: MediaFileId | None
    library_id: LibraryId
    root_id: RootId
    relative_path: str
    stamp: FileStamp
    state: FileState = FileState.PENDING
    technical: TechnicalInfo | None = None
    probe_error: str | None = None
    added_at: datetime
    probed_at: datetime | None = None
    missing_since: datetime | None = None
    version: int = 1
    sidecars: tuple[SidecarSubtitle, ...] = field(default=())

    def probed(self, technical: TechnicalInfo, *, at: datetime) -> None:
        """The probe understood the file."""
        self.technical, self.probe_error, self.probed_at = technical, None, at
        self.state = FileState.READY

    def refused(self, reason: str, *, at: datetime) -> None:
        """The probe could not read the file; it is kept out of play until it changes."""
        self.technical, self.probe_error, self.probed_at = None, reason, at
        self.state = FileState.FAILED

    def changed(self, stamp: FileStamp) -> None:
        """Other bytes at the same path: what was known of the inside no longer counts."""
        self.stamp, self.missing_since = stamp, None
        self.state = FileState.PENDING

    def moved(self, root_id: RootId, relative_path: str) -> None:
        """The same bytes under another name."""
        self.root_id, self.relative_path = root_id, relative_path
        self.came_back()

    def went_missing(self, *, at: datetime) -> None:
        """Not found by a scan that could have found it. Nothing known of it is dropped."""
        if self.state is not FileState.MISSING:
            self.state, self.missing_since = FileState.MISSING, at

    def came_back(self) -> None:
        """Found again, unchanged."""
        if self.state is FileState.MISSING:
            self.missing_since = None
            self.state = (
                FileState.READY if self.technical else FileState.FAILED if self.probe_error else FileState.PENDING
            )

    def require_playable(self) -> TechnicalInfo:
        """The technical facts of a file that can be played now; raises Conflict where it cannot."""
        if self.state is not FileState.READY or self.technical is None:
            raise Conflict(f"this file cannot be played: it is {self.state}")
        return self.technical


@dataclass(frozen=True, slots=True, kw_only=True)
class SidecarSubtitle:
    """A subtitle file beside the film: `Film.de.forced.srt`. `format` is srt, ass, ssa or vtt."""

    relative_path: str
    format: str
    language: str | None = None
    title: str | None = None
    is_forced: bool = False
    is_hearing_impaired: bool = False
    is_default: bool = False
