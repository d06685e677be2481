"""HLS playlists (RFC 8216) of a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence

from odeion.application.playback.ports import RenditionFacts, SegmentGrid
from odeion.application.playback.sessions import audio_name
from odeion.domain.playback.plan import AudioPlan, PlaybackPlan, SubtitlePlan, Treatment, VideoPlan

_AUDIO_GROUP = "audio"
_SUBTITLE_GROUP = "subtitles"


def audio_rendition_name(audio: AudioPlan) -> str:
    return f"audio-{audio.stream_index}"


def video_rendition_name(plan: PlaybackPlan, video: VideoPlan) -> str:
    return "video" if video is plan.video else f"video-{video.rung}"


def master(
    plan: PlaybackPlan,
    video: Sequence[tuple[VideoPlan, RenditionFacts]],
    audio: Sequence[tuple[AudioPlan, RenditionFacts]],
) -> str:
    """A variant of each picture with the audio and subtitle groups, the one to begin with first; and its keyframes
    alone, where they can be had. Sound alone is a variant of its own."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    text_subtitles = [
        (position, subtitle)
        for position, subtitle in enumerate(plan.subtitles)
        if subtitle.treatment is Treatment.CONVERT
    ]
    if video:
        for entry, _ in audio:
            lines.append(_media_audio(plan, entry))
    for position, subtitle in text_subtitles:
        lines.append(_media_subtitle(position, subtitle, _unique_label(text_subtitles, position)))

    if not video:
        entry, facts = next((entry, facts) for entry, facts in audio if entry.selected)
        lines += [_variant(facts, None, subtitles=bool(text_subtitles)), f"{audio_rendition_name(entry)}/index.m3u8"]
    for picture, facts in video:
        name = video_rendition_name(plan, picture)
        lines += [_variant(facts, [f for _, f in audio], subtitles=bool(text_subtitles)), f"{name}/index.m3u8"]
    for picture, facts in video:
        if facts.keyframe_bandwidth_bps is not None:
            uri = f"{video_rendition_name(plan, picture)}/keyframes.m3u8"
            lines.append(_keyframe_variant(facts, facts.keyframe_bandwidth_bps, uri))
    return "\n".join(lines) + "\n"


def keyframes(grid: SegmentGrid) -> str:
    """The keyframes of a rendition, each as a segment of its own."""
    durations = grid.durations_s()
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{max(math.ceil(max(durations)), 1)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-I-FRAMES-ONLY",
        '#EXT-X-MAP:URI="init.mp4"',
    ]
    for number, duration in enumerate(durations):
        lines += [f"#EXTINF:{duration:.6f},", f"keyframes/{number}.m4s"]
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def media(grid: SegmentGrid) -> str:
    """A finished playlist of fMP4 segments."""
    durations = grid.durations_s()
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{max(math.ceil(max(durations)), 1)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MAP:URI="init.mp4"',
    ]
    for number, duration in enumerate(durations):
        lines += [f"#EXTINF:{duration:.6f},", f"{number}.m4s"]
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def subtitle(position: int, duration_s: float) -> str:
    """The whole track as one segment."""
    return "\n".join(
        [
            "#EXTM3U",
            "#EXT-X-VERSION:7",
            f"#EXT-X-TARGETDURATION:{max(math.ceil(duration_s), 1)}",
            "#EXT-X-MEDIA-SEQUENCE:0",
            "#EXT-X-PLAYLIST-TYPE:VOD",
            f"#EXTINF:{max(duration_s, 0.001):.3f},",
            f"{position}.vtt",
            "#EXT-X-ENDLIST",
            "",
        ]
    )


def _variant(own: RenditionFacts, audio: Sequence[RenditionFacts] | None, *, subtitles: bool) -> str:
    loudest = max((facts.bandwidth_bps for facts in audio or ()), default=0)
    loudest_average = max((facts.average_bandwidth_bps for facts in audio or ()), default=0)
    codecs = ",".join(dict.fromkeys([own.codecs, *(facts.codecs for facts in audio or ())]))
    attributes = [
        f"BANDWIDTH={own.bandwidth_bps + loudest}",
        f"AVERAGE-BANDWIDTH={own.average_bandwidth_bps + loudest_average}",
        f'CODECS="{codecs}"',
    ]
    if own.width and own.height:
        attributes.append(f"RESOLUTION={own.width}x{own.height}")
    if own.frame_rate:
        attributes.append(f"FRAME-RATE={own.frame_rate:.3f}")
    if own.video_range:
        attributes.append(f"VIDEO-RANGE={own.video_range}")
    if audio:
        attributes.append(f'AUDIO="{_AUDIO_GROUP}"')
    if subtitles:
        attributes.append(f'SUBTITLES="{_SUBTITLE_GROUP}"')
    return f"#EXT-X-STREAM-INF:{','.join(attributes)}"


def _keyframe_variant(own: RenditionFacts, bandwidth_bps: int, uri: str) -> str:
    attributes = [
        f"BANDWIDTH={bandwidth_bps}",
        f'CODECS="{own.codecs}"',
        f"RESOLUTION={own.width}x{own.height}",
        f"VIDEO-RANGE={own.video_range}",
        f'URI="{uri}"',
    ]
    return f"#EXT-X-I-FRAME-STREAM-INF:{','.join(attributes)}"


def _media_audio(plan: PlaybackPlan, audio: AudioPlan) -> str:
    attributes = [
        "TYPE=AUDIO",
        f'GROUP-ID="{_AUDIO_GROUP}"',
        f'NAME="{_quoted(audio_name(plan, audio.stream_index))}"',
        f"DEFAULT={'YES' if audio.selected else 'NO'}",
        f"AUTOSELECT={'YES' if audio.selected else 'NO'}",
        f'CHANNELS="{audio.channels}"',
        f'URI="{audio_rendition_name(audio)}/index.m3u8"',
    ]
    if audio.language:
        attributes.insert(3, f'LANGUAGE="{_quoted(audio.language)}"')
    return f"#EXT-X-MEDIA:{','.join(attributes)}"


def _media_subtitle(position: int, plan: SubtitlePlan, name: str) -> str:
    attributes = [
        "TYPE=SUBTITLES",
        f'GROUP-ID="{_SUBTITLE_GROUP}"',
        f'NAME="{_quoted(name)}"',
        "DEFAULT=NO",
        f"AUTOSELECT={'YES' if plan.is_forced else 'NO'}",
        f"FORCED={'YES' if plan.is_forced else 'NO'}",
        f'URI="subtitles/{position}.m3u8"',
    ]
    if plan.language:
        attributes.insert(3, f'LANGUAGE="{_quoted(plan.language)}"')
    return f"#EXT-X-MEDIA:{','.join(attributes)}"


def _unique_label(subtitles: Sequence[tuple[int, SubtitlePlan]], position: int) -> str:
    labels = [plan.label for _, plan in subtitles]
    own = next(plan.label for at, plan in subtitles if at == position)
    return own if labels.count(own) == 1 else f"{own} ({position + 1})"


def _quoted(text: str) -> str:
    """Attribute values may hold neither quotes nor line breaks."""
    return "".join(" " if ord(c) < 32 else "'" if c == '"' else c for c in text)
