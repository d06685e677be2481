"""How a file is played: what happens to each of its streams."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PlayMode(StrEnum):
    """DIRECT_PLAY: the file itself. REMUX: the same video in HLS (audio may be converted). TRANSCODE: other video."""

    DIRECT_PLAY = "direct_play"
    REMUX = "remux"
    TRANSCODE = "transcode"


class Treatment(StrEnum):
    COPY = "copy"
    TRANSCODE = "transcode"
    BURN_IN = "burn_in"
    CONVERT = "convert"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPlan:
    """COPY, or TRANSCODE to `codec` with `height` lines at `bitrate_bps` in segments of `segment_length_s`.
    `burn_in` is the key of the subtitles painted into the picture. `keeps_hdr`: what is made is HDR as the source is,
    in 10 bits; `tone_map`: it is brought down to SDR."""

    stream_index: int
    treatment: Treatment
    source_codec: str
    codec: str
    width: int
    height: int
    bitrate_bps: int | None = None
    rung: str | None = None
    tone_map: bool = False
    keeps_hdr: bool = False
    deinterlace: bool = False
    segment_length_s: int = 2
    burn_in: str | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioPlan:
    """COPY, or TRANSCODE to `codec` with `channels` at `bitrate_bps`; AAC for HLS. `normalize` evens out the
    loudness."""

    stream_index: int
    treatment: Treatment
    source_codec: str
    codec: str
    channels: int
    bitrate_bps: int | None = None
    normalize: bool = False
    language: str | None = None
    label: str
    selected: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtitlePlan:
    """CONVERT: to WebVTT beside the picture. BURN_IN: painted into it. DROP: cannot be shown unless burnt in.
    `key` is `stream:<index>` or `sidecar:<position>`."""

    key: str
    stream_index: int | None
    sidecar_position: int | None
    treatment: Treatment
    source_format: str
    language: str | None
    label: str
    is_forced: bool
    is_hearing_impaired: bool
    is_default: bool
    selected: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackPlan:
    """What happens to each stream and why. `reasons` say why the file as a whole is not played directly. `rungs` are
    smaller pictures than `video` that a player may go down to when its connection is slow; `rung` names each."""

    mode: PlayMode
    video: VideoPlan | None
    audio: tuple[AudioPlan, ...]
    subtitles: tuple[SubtitlePlan, ...]
    rungs: tuple[VideoPlan, ...] = ()
    reasons: tuple[str, ...] = ()
