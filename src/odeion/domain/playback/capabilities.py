"""What a client can show, and what its viewer chose."""

from __future__ import annotations

from dataclasses import dataclass

from odeion.domain.media_file import HdrFormat
from odeion.domain.playback.profiles import ProfileName


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoCapability:
    """A video codec the client decodes, by libavcodec's name, with its limits (None: none known)."""

    codec: str
    max_width: int | None = None
    max_height: int | None = None
    max_bit_depth: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioCapability:
    """`segments`: it is decoded in the fMP4 segments of HLS too, not only in a file. (Chromium has MP3 in MP4 files,
    and refuses it in segments.)"""

    codec: str
    max_channels: int | None = None
    segments: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCapabilities:
    """What a client says of itself. `containers` are for direct play: mp4, webm, matroska... `hdr` lists the formats
    it shows as HDR; others are tone-mapped for it. `open_groups`: it can begin to decode H.264 in an open group of
    pictures."""

    containers: frozenset[str] = frozenset()
    video: tuple[VideoCapability, ...] = ()
    audio: tuple[AudioCapability, ...] = ()
    hdr: frozenset[HdrFormat] = frozenset()
    hls: bool = True
    open_groups: bool = True
    max_height: int | None = None
    max_bitrate_bps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackOptions:
    """What the viewer chose; None leaves the choice to the server. `subtitle_key` is `stream:4` or `sidecar:0`;
    `burn_in` paints these into the picture although they are text. `normalize_loudness` evens out the chosen sound,
    which means that it is converted."""

    profile: ProfileName = ProfileName.AUTO
    audio_stream_index: int | None = None
    subtitle_key: str | None = None
    burn_in: bool = False
    normalize_loudness: bool = False
