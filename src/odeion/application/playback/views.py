"""What a player is told. The read models here are the response schemas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from odeion.domain.playback.plan import PlaybackPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDecision:
    """What happens to one stream and why. `treatment` is copy, transcode, burn_in or drop; `stream_index` is its
    position in the file (null for a subtitle file beside it). `reasons` are sentences for people: "DTS is not
    supported by this client"; empty when the stream goes through as it is."""

    kind: str
    stream_index: int | None
    treatment: str
    source_codec: str
    target_codec: str | None
    reasons: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioChoice:
    """`stream_index` is what to post as `audio_stream_index` to start with this track. `hls_name` is its NAME in the
    master playlist; null for direct play, where another track than the selected one needs a new session."""

    stream_index: int
    label: str
    language: str | None
    codec: str
    channels: int
    selected: bool
    hls_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtitleChoice:
    """`url` is a WebVTT document, null for bitmap subtitles, which can only be burnt in."""

    key: str
    label: str
    language: str | None
    format: str
    is_forced: bool
    is_hearing_impaired: bool
    is_default: bool
    selected: bool
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityChoice:
    """A profile that may be posted as `profile`. `auto` is always there."""

    profile: str
    label: str
    max_height: int | None
    video_bitrate_bps: int | None
    selected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybackSessionView:
    """A started session. `url` is the file itself (`mode` direct_play; give it to `<video src>`) or an HLS master
    playlist (`mode` remux or transcode; give it to hls.js or AVFoundation). It needs no Authorization header and dies
    with the session. `reasons` say why the file is not played directly, and why it is converted. Send a
    heartbeat every `heartbeat_interval_s`."""

    id: int
    media_type: str
    media_id: int
    file_id: int
    mode: str
    url: str
    mime_type: str
    duration_ms: int
    start_position_ms: int
    heartbeat_interval_s: int
    reasons: list[str]
    decisions: list[StreamDecision]
    audio: list[AudioChoice]
    subtitles: list[SubtitleChoice]
    qualities: list[QualityChoice]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileList:
    items: list[QualityChoice]


def decisions_of(plan: PlaybackPlan) -> list[StreamDecision]:
    decisions = []
    if plan.video is not None:
        decisions.append(
            StreamDecision(
                kind="video",
                stream_index=plan.video.stream_index,
                treatment=plan.video.treatment.value,
                source_codec=plan.video.source_codec,
                target_codec=plan.video.codec,
                reasons=list(plan.video.reasons),
            )
        )
    decisions += [
        StreamDecision(
            kind="audio",
            stream_index=audio.stream_index,
            treatment=audio.treatment.value,
            source_codec=audio.source_codec,
            target_codec=audio.codec,
            reasons=list(audio.reasons),
        )
        for audio in plan.audio
    ]
    decisions += [
        StreamDecision(
            kind="subtitle",
            stream_index=subtitle.stream_index,
            treatment=subtitle.treatment.value,
            source_codec=subtitle.source_format,
            target_codec="webvtt" if subtitle.treatment == "convert" else None,
            reasons=list(subtitle.reasons),
        )
        for subtitle in plan.subtitles
    ]
    return decisions
