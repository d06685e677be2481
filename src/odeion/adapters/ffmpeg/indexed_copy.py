"""Segments of copied renditions, cut by a stored index: any one on its own, from the file's bytes alone."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator
from fractions import Fraction

from odeion.adapters.ffmpeg.fmp4 import Track, audio_header, time_video, video_header
from odeion.adapters.ffmpeg.h264_groups import without
from odeion.adapters.ffmpeg.matroska import frames
from odeion.adapters.ffmpeg.media_index import (
    AudioBlocks,
    Clusters,
    Fragments,
    IndexedStream,
    MediaIndex,
    VideoBlocks,
    VideoPackets,
)
from odeion.adapters.ffmpeg.timing import Scale, is_heard, usual_step
from odeion.adapters.ffmpeg.transport_copy import audio_segment, video_segment
from odeion.adapters.ffmpeg.window import Buffer, Damaged, Extent, Part, Window, pieces
from odeion.application.playback.ports import SegmentGrid

# How many keyframes further back sound is looked for that may be stored before the one it is heard with.
_STEPS_BACK = (0, *(1 << n for n in range(32)))
# Sound that is stored this long after the picture it is heard with is not looked for.
_INTERLEAVING_S = 30
_HEADERS_BYTES = 16 << 10


def grid(stream: IndexedStream) -> SegmentGrid:
    return SegmentGrid(tuple(start / stream.timescale for start in stream.starts), stream.end / stream.timescale)


def segment(index: MediaIndex, stream: IndexedStream, number: int, descriptor: int) -> Iterator[Buffer]:
    """A segment in parts, the first of which is its header; nothing is read before that is asked for. Raises Damaged,
    DamagedIndex, OSError, and ValueError for one of more than 4 GB."""
    window = Window(descriptor, _HEADERS_BYTES)
    cutting = stream.cutting
    if isinstance(cutting, Fragments):
        header, extents = index.fragment(stream, number)
        yield from pieces(window, header, extents)
    elif isinstance(cutting, VideoBlocks):
        yield from _video(index, stream, cutting, number, window)
    elif isinstance(cutting, AudioBlocks):
        yield from _audio(index, stream, cutting, number, window)
    elif isinstance(cutting, VideoPackets):
        yield from video_segment(index.origin_s, stream, cutting, number, window)
    else:
        yield from audio_segment(index.origin_s, stream, cutting, number, window)


def _clusters(index: MediaIndex) -> Clusters:
    clusters = index.description.clusters
    assert clusters is not None
    return clusters


def _video(
    index: MediaIndex, stream: IndexedStream, cutting: VideoBlocks, number: int, window: Window
) -> Iterator[Buffer]:
    clusters = _clusters(index)
    first, last = number == 0, number + 1 == len(cutting.blocks)
    start = cutting.blocks[number]
    end = clusters.end if last else cutting.blocks[number + 1]
    window.hold(start, min(end, window.size))
    scale = Scale(Fraction(clusters.time_base_ns, 10**9), stream.timescale, index.origin_s)
    prefix = bytes.fromhex(cutting.prefix_hex)
    found = frames(
        window,
        cutting.track,
        start,
        end,
        cluster=cutting.clusters[number],
        cluster_time=cutting.cluster_times[number],
    )
    pictures = list(itertools.dropwhile(lambda frame: not frame.key, found))
    if not pictures:
        raise Damaged("a part of the file has no picture")
    shown = [scale.ticks(picture.time) for picture in pictures]
    keys = [picture.key and picture.offset not in cutting.left_out for picture in pictures]
    sizes: list[int] = []
    extents: list[Extent] = []
    for picture in pictures:
        parts = without((picture.offset, picture.size), cutting.left_out.get(picture.offset))
        extents += parts
        sizes.append(len(prefix) + sum(size for _, size in parts))
    decoded = [time - cutting.delay for time in sorted(shown)]
    until = decoded[-1] + usual_step(decoded) if last else scale.ticks(cutting.first_shown[number + 1]) - cutting.delay
    times = time_video(shown, decoded, until, opens_timeline=first)
    yield from pieces(window, video_header(number, _track(stream), times, sizes, keys), extents, prefix)


def _audio(
    index: MediaIndex, stream: IndexedStream, cutting: AudioBlocks, number: int, window: Window
) -> Iterator[Buffer]:
    audio = stream.audio_grid
    first_frame = number * audio.frames_per_segment
    end_frame = first_frame + audio.frames_per_segment if number + 1 < audio.segments else 1 << 62
    clusters = _clusters(index)
    scale = Scale(Fraction(clusters.time_base_ns, 10**9), stream.timescale, index.origin_s)
    base_s = Fraction(clusters.time_base_ns, 10**9)
    wanted_s = Fraction(audio.first + max(first_frame - 1, 0) * audio.frame, stream.timescale) + index.origin_s
    nearest = bisect.bisect_right(clusters.seek_times, int(wanted_s / base_s)) - 1
    latest_s = Fraction(audio.first + end_frame * audio.frame, stream.timescale) + index.origin_s + _INTERLEAVING_S
    latest = int(latest_s / base_s)
    times: list[int] = []
    extents: list[Extent] = []
    following: int | None = None
    earliest = int((wanted_s - _INTERLEAVING_S) / base_s)
    for step in _STEPS_BACK:
        times, extents, following = [], [], None
        point = nearest - step
        from_start = number == 0 or point < 0
        start = clusters.first if from_start else clusters.seek_offsets[point]
        seen_earlier = from_start or clusters.seek_times[point] <= earliest
        for frame in frames(window, cutting.track, start, clusters.end, latest=latest):
            time = scale.ticks(frame.time - cutting.codec_delay) + frame.lace * audio.frame
            if not is_heard(time, stream.timescale):
                continue
            position = audio.frame_of(time)
            if position < first_frame:
                seen_earlier = True
            elif position >= end_frame:
                following = time
                break
            else:
                times.append(time)
                extents.append((frame.offset, frame.size))
        if seen_earlier:
            # Else sound of this segment may lie before the keyframe that was sought.
            break
    laid_out = audio.times(number, times, following)
    prefix = bytes.fromhex(cutting.prefix_hex)
    parts: list[Part] = laid_out.with_silence(extents, cutting.silence)
    sizes = [len(part) if isinstance(part, bytes) else len(prefix) + part[1] for part in parts]
    header = audio_header(number, _track(stream), laid_out.opening, laid_out.durations, sizes)
    yield from pieces(window, header, parts, prefix)


def _track(stream: IndexedStream) -> Track:
    return Track(stream.track_id, stream.timescale, b"")
