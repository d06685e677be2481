"""The decision how to play a file to a client, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set

from odeion.domain.media_file import (
    AudioStream,
    FileStructure,
    GroupsOfPictures,
    HdrFormat,
    SidecarSubtitle,
    SubtitleStream,
    TechnicalInfo,
    VideoStream,
)
from odeion.domain.playback.capabilities import ClientCapabilities, PlaybackOptions, VideoCapability
from odeion.domain.playback.plan import AudioPlan, PlaybackPlan, PlayMode, SubtitlePlan, Treatment, VideoPlan
from odeion.domain.playback.policy import ServerPolicy
from odeion.domain.playback.profiles import LADDER, ProfileName, Rung
from odeion.domain.shared.errors import Conflict, FieldError, Invalid

# What the fMP4 segments of HLS can carry as it is, in the containers it can be cut from exactly.
_HLS_VIDEO = frozenset({"h264", "hevc", "av1", "vp9"})
_HLS_AUDIO = frozenset({"aac", "ac3", "eac3", "opus", "flac", "mp3"})
_REMUX_CONTAINERS = frozenset({"mp4", "mov", "matroska", "webm", "mpegts"})

_CODEC_NAMES = {
    "h264": "H.264",
    "hevc": "HEVC",
    "av1": "AV1",
    "vp9": "VP9",
    "vp8": "VP8",
    "mpeg2video": "MPEG-2",
    "mpeg4": "MPEG-4",
    "vc1": "VC-1",
    "aac": "AAC",
    "ac3": "AC-3",
    "eac3": "E-AC-3",
    "dts": "DTS",
    "truehd": "TrueHD",
    "flac": "FLAC",
    "opus": "Opus",
    "mp3": "MP3",
    "vorbis": "Vorbis",
}
_OPEN_GROUPS = "the picture has open groups of pictures, and this client cannot seek in these"
_HOLES = "the sound has holes, behind which browsers play it too early: they are filled"
_LANGUAGES_FOR_PEOPLE = {"eng": "English", "ger": "German", "deu": "German", "fre": "French", "fra": "French"}


def decide(
    technical: TechnicalInfo,
    sidecars: Sequence[SidecarSubtitle],
    capabilities: ClientCapabilities,
    options: PlaybackOptions,
    policy: ServerPolicy = ServerPolicy(),  # noqa: B008
    *,
    structure: FileStructure | None = None,
) -> PlaybackPlan:
    """How to play a file to a client. Pure. `structure` is None for a file without an index yet: then any client is
    taken to manage its groups of pictures, and all its streams to be such that they can be cut. Raises Invalid for a
    stream or subtitle that is not in the file, Conflict for a file with neither picture nor sound."""
    picture = technical.video[0] if technical.video else None
    if picture is None and not technical.audio:
        raise Conflict("this file has neither picture nor sound")
    sound = _selected_audio(technical, options)
    subtitles = _subtitle_plans(technical.subtitles, sidecars, options)
    burn_in = next((s.key for s in subtitles if s.treatment is Treatment.BURN_IN), None)
    structure = structure or FileStructure()
    groups = None if capabilities.open_groups else structure.groups
    video = _video_plan(picture, technical, capabilities, options, policy, burn_in, groups) if picture else None
    audio = tuple(_audio_plan(stream, capabilities, options, selected=stream is sound) for stream in technical.audio)

    obstacles = _direct_play_obstacles(technical, video, audio, capabilities, sound, groups, structure.holes)
    if obstacles and not capabilities.hls:
        raise Conflict(f"this client plays no HLS, and the file cannot be played directly: {'; '.join(obstacles)}")
    if not obstacles:
        return PlaybackPlan(mode=PlayMode.DIRECT_PLAY, video=video, audio=audio, subtitles=subtitles)
    video, audio = _for_hls(technical, video, audio, picture, capabilities, options, policy, burn_in, structure)
    transcodes = video is not None and video.treatment is Treatment.TRANSCODE
    mode = PlayMode.TRANSCODE if transcodes else PlayMode.REMUX
    rungs = _lower_rungs(picture, video, capabilities, options, policy) if video and picture else ()
    heard = [reason for plan in audio if plan.selected for reason in plan.reasons]
    reasons = tuple(dict.fromkeys([*obstacles, *(video.reasons if video else ()), *heard]))
    return PlaybackPlan(mode=mode, video=video, audio=audio, subtitles=subtitles, rungs=rungs, reasons=reasons)


def qualities(technical: TechnicalInfo) -> tuple[Rung, ...]:
    """The rungs that make sense for a file: none above its own size."""
    if not technical.video:
        return ()
    height = technical.video[0].height
    return tuple(profile for profile in LADDER if profile.max_height <= max(height, LADDER[-1].max_height))


def _containers(technical: TechnicalInfo) -> frozenset[str]:
    """The names a client may know the container by. libavformat reads Matroska and WebM by one demuxer: what has only
    WebM's codecs in it is WebM to a browser as well."""
    names = frozenset(technical.container.split(","))
    if "matroska" in names:
        webm = all(v.codec in {"vp8", "vp9", "av1"} for v in technical.video) and all(
            a.codec in {"opus", "vorbis"} for a in technical.audio
        )
        return frozenset({"matroska", "webm"} if webm else {"matroska"})
    return names


def _video_plan(
    stream: VideoStream,
    technical: TechnicalInfo,
    capabilities: ClientCapabilities,
    options: PlaybackOptions,
    policy: ServerPolicy,
    burn_in: str | None,
    groups: GroupsOfPictures | None,
) -> VideoPlan:
    reasons = list(_video_obstacles(stream, technical, capabilities, options))
    if groups is GroupsOfPictures.OPEN:
        reasons.append(_OPEN_GROUPS)
    if burn_in is not None:
        reasons.append("the chosen subtitles are painted into the video")
    if not reasons:
        return VideoPlan(
            stream_index=stream.index,
            treatment=Treatment.COPY,
            source_codec=stream.codec,
            codec=stream.codec,
            width=stream.width,
            height=stream.height,
            bitrate_bps=stream.bitrate_bps,
        )
    return _transcoded_video(stream, capabilities, options, policy, burn_in, tuple(reasons))


def _transcoded_video(
    stream: VideoStream,
    capabilities: ClientCapabilities,
    options: PlaybackOptions,
    policy: ServerPolicy,
    burn_in: str | None,
    reasons: tuple[str, ...],
) -> VideoPlan:
    rung = _best_rung(stream, capabilities, options, policy)
    return _on_rung(stream, rung, capabilities, policy, burn_in, reasons)


def _on_rung(
    stream: VideoStream,
    rung: Rung,
    capabilities: ClientCapabilities,
    policy: ServerPolicy,
    burn_in: str | None,
    reasons: tuple[str, ...],
) -> VideoPlan:
    ceiling = min(rung.max_height, policy.max_height or rung.max_height, capabilities.max_height or rung.max_height)
    codec = _target_codec(capabilities, policy)
    width, height = _largest_size(stream, ceiling, codec, capabilities)
    rates = (capabilities.max_bitrate_bps, policy.max_video_bitrate_bps)
    is_hdr = stream.hdr is not HdrFormat.SDR
    # The white of painted subtitles would be as bright as HDR can be.
    keeps_hdr = (
        is_hdr
        and burn_in is None
        and stream.hdr in _HDR_TARGETS & capabilities.hdr
        and _decodes_ten_bits(codec, capabilities)
    )
    return VideoPlan(
        stream_index=stream.index,
        treatment=Treatment.TRANSCODE,
        source_codec=stream.codec,
        codec=codec,
        width=width,
        height=height,
        bitrate_bps=min([round(rung.video_bitrate_bps * _SHARE_OF_H264[codec]), *(rate for rate in rates if rate)]),
        rung=rung.name.value,
        tone_map=is_hdr and not keeps_hdr,
        keeps_hdr=keeps_hdr,
        deinterlace=stream.interlaced,
        segment_length_s=policy.segment_length_s,
        burn_in=burn_in,
        reasons=reasons,
    )


# What a codec needs of H.264's rate for a like picture.
_SHARE_OF_H264 = {"h264": 1.0, "hevc": 0.6, "av1": 0.5}
# HDR whose picture can be made again without what is said of it by the frame.
_HDR_TARGETS = frozenset({HdrFormat.HDR10, HdrFormat.HLG})


def _target_codec(capabilities: ClientCapabilities, policy: ServerPolicy) -> str:
    """The thriftiest codec that the client decodes and the server offers; H.264 where nothing speaks for another."""
    known = {capability.codec for capability in capabilities.video}
    if "av1" in known and policy.av1:
        return "av1"
    if "hevc" in known and policy.hevc:
        return "hevc"
    if known and "h264" not in known:
        # It cannot be helped: this client decodes nothing that is cheap to make.
        return next((codec for codec in ("hevc", "av1") if codec in known), "h264")
    return "h264"


def _largest_size(stream: VideoStream, ceiling: int, codec: str, capabilities: ClientCapabilities) -> tuple[int, int]:
    """Of at most so many lines, and of what the client decodes of the codec."""
    known = [c for c in capabilities.video if c.codec == codec] or [VideoCapability(codec=codec)]
    return max(stream.size_within(min(ceiling, c.max_height or ceiling), c.max_width) for c in known)


def _decodes_ten_bits(codec: str, capabilities: ClientCapabilities) -> bool:
    return codec != "h264" and any(c.codec == codec and c.max_bit_depth >= 10 for c in capabilities.video)


def _lower_rungs(
    stream: VideoStream,
    video: VideoPlan,
    capabilities: ClientCapabilities,
    options: PlaybackOptions,
    policy: ServerPolicy,
) -> tuple[VideoPlan, ...]:
    """What a player may go down to; nothing where the viewer chose a quality."""
    if options.profile is not ProfileName.AUTO:
        return ()
    lines = stream.display_size[1]
    ceiling = min(video.height, lines)
    rate = video.bitrate_bps or 10**12
    lower = [rung for rung in LADDER if rung.max_height < ceiling and rung.video_bitrate_bps < rate]
    plans = (_on_rung(stream, rung, capabilities, policy, video.burn_in, ()) for rung in lower)
    return tuple(plan for plan in plans if plan.height < video.height)


def _best_rung(
    stream: VideoStream, capabilities: ClientCapabilities, options: PlaybackOptions, policy: ServerPolicy
) -> Rung:
    chosen = next((profile for profile in LADDER if profile.name is options.profile), None)
    if chosen is not None:
        return chosen
    # The smallest rung that keeps the whole picture, within what the client can take.
    lines = math.ceil(stream.display_size[1])
    _, decoded = _largest_size(stream, lines, _target_codec(capabilities, policy), capabilities)
    limit = min(decoded, capabilities.max_height or lines, policy.max_height or lines, 1080)
    fitting = [profile for profile in LADDER if profile.max_height >= limit]
    profile = fitting[-1] if fitting else LADDER[0]
    ceiling_bps = min(
        (rate for rate in (capabilities.max_bitrate_bps, policy.max_video_bitrate_bps) if rate), default=0
    )
    if ceiling_bps:
        affordable = [p for p in LADDER if p.video_bitrate_bps <= ceiling_bps]
        best = affordable[0] if affordable else LADDER[-1]
        return min(profile, best, key=lambda p: p.max_height)
    return profile


def _video_obstacles(
    stream: VideoStream, technical: TechnicalInfo, capabilities: ClientCapabilities, options: PlaybackOptions
) -> list[str]:
    """Why the picture cannot go through as it is, in words for people."""
    name = _CODEC_NAMES.get(stream.codec, stream.codec)
    chosen = next((profile for profile in LADDER if profile.name is options.profile), None)
    reasons = []
    known = [capability for capability in capabilities.video if capability.codec == stream.codec]
    if not known:
        reasons.append(f"{name} video is not supported by this client")
    else:
        depth = stream.bit_depth or 8
        deepest = max(capability.max_bit_depth for capability in known)
        if depth > deepest:
            reasons.append(f"{depth}-bit {name} video is not supported by this client")
        elif not any(_fits(stream, c) for c in known if c.max_bit_depth >= depth):
            reasons.append(f"a picture of {stream.width}x{stream.height} is too large for this client")
    if stream.hdr is not HdrFormat.SDR and stream.hdr not in capabilities.hdr:
        reasons.append(f"{stream.hdr.value.replace('_', ' ').upper()} cannot be shown by this client")
    if chosen is not None and stream.height > chosen.max_height:
        reasons.append(f"{chosen.label} was chosen")
    bitrate = stream.bitrate_bps or technical.bitrate_bps
    limit = min(
        capabilities.max_bitrate_bps or 10**12,
        chosen.video_bitrate_bps * 3 // 2 if chosen else 10**12,
    )
    if bitrate and bitrate > limit:
        reasons.append(f"{bitrate / 1e6:.1f} Mb/s is more than the {limit / 1e6:.1f} Mb/s allowed")
    if stream.interlaced:
        reasons.append("the picture is interlaced")
    return reasons


def _fits(stream: VideoStream, capability: VideoCapability) -> bool:
    return (capability.max_width is None or stream.width <= capability.max_width) and (
        capability.max_height is None or stream.height <= capability.max_height
    )


def _audio_plan(
    stream: AudioStream, capabilities: ClientCapabilities, options: PlaybackOptions, *, selected: bool
) -> AudioPlan:
    name = _CODEC_NAMES.get(stream.codec, stream.codec.upper())
    known = [capability for capability in capabilities.audio if capability.codec == stream.codec]
    reasons: tuple[str, ...] = ()
    if not known:
        reasons = (f"{name} audio is not supported by this client",)
    elif not any(c.max_channels is None or stream.channels <= c.max_channels for c in known):
        reasons = (f"{stream.channels} channels of {name} are not supported by this client",)
    elif selected and options.normalize_loudness:
        reasons = ("the loudness is evened out",)
    if not reasons:
        return AudioPlan(
            stream_index=stream.index,
            treatment=Treatment.COPY,
            source_codec=stream.codec,
            codec=stream.codec,
            channels=stream.channels,
            bitrate_bps=stream.bitrate_bps,
            language=stream.language,
            label=_audio_label(stream),
            selected=selected,
        )
    return _transcoded_audio(stream, capabilities, options, selected=selected, reasons=reasons)


def _transcoded_audio(
    stream: AudioStream,
    capabilities: ClientCapabilities,
    options: PlaybackOptions,
    *,
    selected: bool,
    reasons: tuple[str, ...],
) -> AudioPlan:
    chosen = next((profile for profile in LADDER if profile.name is options.profile), None)
    aac_channels = [c.max_channels for c in capabilities.audio if c.codec == "aac"]
    surround = stream.channels >= 6 and any(limit is not None and limit >= 6 for limit in aac_channels)
    channels = 6 if surround and chosen is None else min(stream.channels, 2)
    return AudioPlan(
        stream_index=stream.index,
        treatment=Treatment.TRANSCODE,
        source_codec=stream.codec,
        codec="aac",
        channels=channels,
        bitrate_bps=chosen.audio_bitrate_bps if chosen else 384_000 if channels > 2 else 192_000,
        normalize=selected and options.normalize_loudness,
        language=stream.language,
        label=_audio_label(stream),
        selected=selected,
        reasons=reasons,
    )


def _direct_play_obstacles(
    technical: TechnicalInfo,
    video: VideoPlan | None,
    audio: Sequence[AudioPlan],
    capabilities: ClientCapabilities,
    sound: AudioStream | None,
    groups: GroupsOfPictures | None,
    holes: Sequence[int],
) -> tuple[str, ...]:
    reasons = list(video.reasons) if video else []
    if groups is GroupsOfPictures.MIXED:
        # Segments begin where it can; a file is sought anywhere.
        reasons.append(_OPEN_GROUPS)
    if not _containers(technical) & capabilities.containers:
        reasons.append(f"the container ({technical.container.split(',')[0]}) is not supported by this client")
    for plan in audio:
        if plan.selected:
            reasons += plan.reasons
    if sound is not None and sound is not technical.default_audio:
        # A browser plays one audio track of a file and offers no way to another.
        reasons.append("another audio track than the file's first was chosen")
    if sound is not None and sound.index in holes and capabilities.hls:
        reasons.append(_HOLES)
    return tuple(dict.fromkeys(reasons))


def _for_hls(
    technical: TechnicalInfo,
    video: VideoPlan | None,
    audio: Sequence[AudioPlan],
    picture: VideoStream | None,
    capabilities: ClientCapabilities,
    options: PlaybackOptions,
    policy: ServerPolicy,
    burn_in: str | None,
    structure: FileStructure,
) -> tuple[VideoPlan | None, tuple[AudioPlan, ...]]:
    """What HLS cannot carry as it is, is converted after all."""
    decoded = {capability.codec for capability in capabilities.audio if capability.segments}
    if video and picture and video.treatment is Treatment.COPY:
        obstacles = _segment_obstacles(video, technical, _HLS_VIDEO, structure)
        if obstacles:
            video = _transcoded_video(picture, capabilities, options, policy, burn_in, obstacles)
    plans = []
    for plan, stream in zip(audio, technical.audio, strict=True):
        if plan.treatment is Treatment.COPY:
            obstacles = _segment_obstacles(plan, technical, _HLS_AUDIO, structure)
            if plan.codec in _HLS_AUDIO - decoded:
                name = _CODEC_NAMES.get(plan.codec, plan.codec)
                obstacles = (f"{name} audio in segments is not supported by this client",)
            if obstacles:
                plan = _transcoded_audio(stream, capabilities, options, selected=plan.selected, reasons=obstacles)
        plans.append(plan)
    return video, tuple(plans)


def _segment_obstacles(
    plan: VideoPlan | AudioPlan, technical: TechnicalInfo, carried: Set[str], structure: FileStructure
) -> tuple[str, ...]:
    """Why a stream cannot be cut into segments as it is."""
    if plan.codec not in carried or not _containers(technical) & _REMUX_CONTAINERS:
        return (f"{_CODEC_NAMES.get(plan.codec, plan.codec)} of this container cannot be repackaged",)
    refused = structure.refused.get(plan.stream_index)
    return (f"the stream cannot be repackaged: {refused}",) if refused is not None else ()


def _selected_audio(technical: TechnicalInfo, options: PlaybackOptions) -> AudioStream | None:
    if options.audio_stream_index is not None:
        for stream in technical.audio:
            if stream.index == options.audio_stream_index:
                return stream
        raise Invalid(
            "the file has no such audio stream",
            fields=[FieldError("body.audio_stream_index", f"one of {[stream.index for stream in technical.audio]}")],
        )
    return technical.default_audio


def _subtitle_plans(
    streams: Sequence[SubtitleStream], sidecars: Sequence[SidecarSubtitle], options: PlaybackOptions
) -> tuple[SubtitlePlan, ...]:
    plans = []
    for stream in streams:
        key = f"stream:{stream.index}"
        selected = options.subtitle_key == key
        painted = selected and (options.burn_in or not stream.is_text)
        beside = Treatment.CONVERT if stream.is_text else Treatment.DROP
        plans.append(
            SubtitlePlan(
                key=key,
                stream_index=stream.index,
                sidecar_position=None,
                treatment=Treatment.BURN_IN if painted else beside,
                source_format=stream.codec,
                language=stream.language,
                label=_subtitle_label(stream.title, stream.language, stream.is_forced, stream.is_hearing_impaired),
                is_forced=stream.is_forced,
                is_hearing_impaired=stream.is_hearing_impaired,
                is_default=stream.is_default,
                selected=selected,
                reasons=() if stream.is_text else ("subtitles of pictures can only be painted into the video",),
            )
        )
    for position, sidecar in enumerate(sidecars):
        key = f"sidecar:{position}"
        plans.append(
            SubtitlePlan(
                key=key,
                stream_index=None,
                sidecar_position=position,
                treatment=Treatment.BURN_IN if options.burn_in and options.subtitle_key == key else Treatment.CONVERT,
                source_format=sidecar.format,
                language=sidecar.language,
                label=_subtitle_label(sidecar.title, sidecar.language, sidecar.is_forced, sidecar.is_hearing_impaired),
                is_forced=sidecar.is_forced,
                is_hearing_impaired=sidecar.is_hearing_impaired,
                is_default=sidecar.is_default,
                selected=options.subtitle_key == key,
            )
        )
    if options.subtitle_key is not None and not any(plan.selected for plan in plans):
        raise Invalid(
            "the file has no such subtitles",
            fields=[FieldError("body.subtitle_key", f"one of {[plan.key for plan in plans]}")],
        )
    return tuple(plans)


def _language(code: str | None) -> str:
    return _LANGUAGES_FOR_PEOPLE.get(code or "", (code or "Unknown").upper() if code else "Unknown")


def _audio_label(stream: AudioStream) -> str:
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}.get(stream.channels, f"{stream.channels} channels")
    codec = _CODEC_NAMES.get(stream.codec, stream.codec.upper())
    return f"{stream.title or _language(stream.language)} · {codec} {layout}"


def _subtitle_label(title: str | None, language: str | None, forced: bool, hearing_impaired: bool) -> str:
    marks = [mark for mark, present in (("forced", forced), ("SDH", hearing_impaired)) if present]
    name = title or _language(language)
    return f"{name} ({', '.join(marks)})" if marks else name
