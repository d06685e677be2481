"""Converting a whole file to a profile, for progressive download: one file that grows while it is fetched."""

from __future__ import annotations

from dataclasses import dataclass

from odeion.domain.media_file import AudioStream, HdrFormat, TechnicalInfo, VideoStream
from odeion.domain.playback.plan import AudioPlan, Treatment, VideoPlan
from odeion.domain.playback.policy import ServerPolicy
from odeion.domain.playback.profiles import Profile
from odeion.domain.shared.errors import Conflict

# What MP4 holds as it is, so that players find it again.
MP4_VIDEO = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video"})
MP4_AUDIO = frozenset({"aac", "ac3", "eac3", "dts", "mp3", "flac", "alac", "opus"})
# Containers whose timestamps are whole, which copying needs: first of libavformat's names.
_COPIED_FROM = frozenset({"mov", "matroska", "mpegts"})
# A stream of up to so much of the profile's rate is not worth another encoding.
_TOLERATED_RATE = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressivePlan:
    """The streams of the file to be made; at least one of them. `container` is mp4 or webm."""

    container: str
    video: VideoPlan | None
    audio: AudioPlan | None

    @property
    def media_type(self) -> str:
        return f"{'video' if self.video else 'audio'}/{self.container}"

    @property
    def extension(self) -> str:
        return "m4a" if self.media_type == "audio/mp4" else self.container


def plan_progressive(technical: TechnicalInfo, profile: Profile, policy: ServerPolicy) -> ProgressivePlan:
    """What to make of a file for a profile: its first picture and the track players take by themselves. What is as the
    profile wants it already is copied. Raises Conflict, with the reason, for what cannot be made."""
    container = "webm" if profile.video_codec == "vp9" else "mp4"
    picture = technical.video[0] if technical.video and profile.video_codec is not None else None
    sound = technical.default_audio
    if picture is None and sound is None:
        raise Conflict("this file has nothing that the profile holds")
    return ProgressivePlan(
        container=container,
        video=_video(picture, technical, profile, policy) if picture else None,
        audio=_audio(sound, profile) if sound else None,
    )


def _video(stream: VideoStream, technical: TechnicalInfo, profile: Profile, policy: ServerPolicy) -> VideoPlan:
    copyable = technical.container.split(",")[0] in _COPIED_FROM
    if profile.video_codec == "copy":
        if not copyable or stream.codec not in MP4_VIDEO:
            raise Conflict(f"{stream.codec} pictures of this container cannot be put into MP4 as they are")
        return _copied(stream)
    assert profile.video_codec is not None
    rate = profile.video_bitrate_bps or 0
    ceilings = [height for height in (profile.max_height, policy.max_height) if height]
    max_height = min(ceilings, default=None)
    known_rate = stream.bitrate_bps or technical.bitrate_bps
    if (
        copyable
        and stream.codec == profile.video_codec
        and (stream.bit_depth or 8) == 8
        and stream.hdr is HdrFormat.SDR
        and not stream.interlaced
        and stream.rotation_degrees == 0
        and (max_height is None or stream.display_size[1] <= max_height)
        and known_rate is not None
        and known_rate <= rate * _TOLERATED_RATE
    ):
        return _copied(stream)
    width, height = stream.size_within(max_height)
    return VideoPlan(
        stream_index=stream.index,
        treatment=Treatment.TRANSCODE,
        source_codec=stream.codec,
        codec=profile.video_codec,
        width=width,
        height=height,
        bitrate_bps=min(rate, policy.max_video_bitrate_bps or rate),
        tone_map=stream.hdr is not HdrFormat.SDR,
        deinterlace=stream.interlaced,
    )


def _copied(stream: VideoStream) -> VideoPlan:
    return VideoPlan(
        stream_index=stream.index,
        treatment=Treatment.COPY,
        source_codec=stream.codec,
        codec=stream.codec,
        width=stream.width,
        height=stream.height,
        bitrate_bps=stream.bitrate_bps,
    )


def _audio(stream: AudioStream, profile: Profile) -> AudioPlan:
    if profile.audio_codec == "copy":
        if stream.codec not in MP4_AUDIO:
            raise Conflict(f"{stream.codec} sound cannot be put into MP4 as it is")
        return _audio_plan(stream, Treatment.COPY, stream.codec, stream.channels, stream.bitrate_bps)
    assert profile.audio_codec is not None
    rate, most = profile.audio_bitrate_bps or 0, profile.audio_channels or stream.channels
    fits = stream.channels <= most and stream.bitrate_bps is not None and stream.bitrate_bps <= rate * _TOLERATED_RATE
    if stream.codec == profile.audio_codec and fits:
        return _audio_plan(stream, Treatment.COPY, stream.codec, stream.channels, stream.bitrate_bps)
    return _audio_plan(stream, Treatment.TRANSCODE, profile.audio_codec, min(stream.channels, most), rate)


def _audio_plan(
    stream: AudioStream, treatment: Treatment, codec: str, channels: int, bitrate_bps: int | None
) -> AudioPlan:
    return AudioPlan(
        stream_index=stream.index,
        treatment=treatment,
        source_codec=stream.codec,
        codec=codec,
        channels=channels,
        bitrate_bps=bitrate_bps,
        language=stream.language,
        label=stream.title or stream.language or "",
        selected=True,
    )
