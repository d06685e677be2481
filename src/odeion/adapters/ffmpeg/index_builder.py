"""Makes the index of a media file. Reads hostile bytes, so the server does this in child processes only."""

from __future__ import annotations

import dataclasses
import functools
import os
import statistics
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import chain, dropwhile, islice, pairwise
from typing import Protocol

from odeion.adapters.ffmpeg.boxes import boxes
from odeion.adapters.ffmpeg.copy_rendition import file_origin_s
from odeion.adapters.ffmpeg.fmp4 import Track, audio_header, read_track, time_video, video_header
from odeion.adapters.ffmpeg.h264_groups import Opening, choose_entries, read_opening, without
from odeion.adapters.ffmpeg.indexed_copy import segment
from odeion.adapters.ffmpeg.matroska import Cue, Frame, MatroskaTrack, frames, open_cluster
from odeion.adapters.ffmpeg.matroska import read_file as read_matroska
from odeion.adapters.ffmpeg.media_index import (
    AudioBlocks,
    AudioPackets,
    Clusters,
    Description,
    Fragments,
    Heap,
    IndexedStream,
    MediaIndex,
    VideoBlocks,
    encode,
)
from odeion.adapters.ffmpeg.media_stream import MediaStream, demuxer, open_source
from odeion.adapters.ffmpeg.mp4 import Samples, Unsupported
from odeion.adapters.ffmpeg.mp4 import read_tracks as read_mp4
from odeion.adapters.ffmpeg.silence import silence_for
from odeion.adapters.ffmpeg.stream_entry import init_segment, stream_entry
from odeion.adapters.ffmpeg.timing import (
    LEADING_PICTURES,
    REORDER_PROBE_PACKETS,
    AudioGrid,
    Scale,
    choose_cuts,
    covers,
    is_heard,
    likely_frame,
    reorder_delay,
    reordering,
    usual_frame,
    usual_step,
)
from odeion.adapters.ffmpeg.transport_index import TransportStream
from odeion.adapters.ffmpeg.window import Damaged, Part, Window
from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import AudioStream, VideoStream
from odeion.domain.shared.errors import Conflict

_CODECS = frozenset(("h264", "hevc", "av1", "vp9", "aac", "ac3", "eac3", "opus", "flac", "mp3"))
_HEADERS_BYTES = 16 << 10
_HEAD_FRAMES = 250
_FRAMES_IN_CLUSTER = 5000
# What sound may come too early without being noticed.
_BORNE_HOLES_S = 0.06


class _Container(Protocol):
    """Makes the streams' part of the index. Methods raise Unsupported, Damaged, Conflict."""

    @property
    def clusters(self) -> Clusters | None: ...

    def video(self, stream: VideoStream) -> IndexedStream: ...

    def audio(self, stream: AudioStream) -> IndexedStream: ...


def build_index(source: MediaSource) -> bytes:
    """The encoded index; streams it cannot serve are listed in it with the reason. Raises Unavailable, Conflict for a
    file that changed."""
    technical = source.technical
    every: list[VideoStream | AudioStream] = [*technical.video, *technical.audio]
    if not every:
        raise Conflict("this file has neither picture nor sound")
    with MediaStream(source, every[0].index) as fresh:
        origin_s = file_origin_s(fresh)
    heap = Heap()
    streams: list[IndexedStream] = []
    left: dict[int, str] = {}
    refused: dict[int, str] = {}
    container: _Container | None = None
    descriptor = open_source(source)
    try:
        window = Window(descriptor, _HEADERS_BYTES)
        try:
            container = _open(source, window, heap, origin_s)
        except (Unsupported, Damaged) as reason:
            left = {stream.index: str(reason) for stream in every}
        for stream in every if container is not None else ():
            assert container is not None
            try:
                if stream.codec not in _CODECS:
                    raise Unsupported("no codec that is copied")
                built = container.video(stream) if isinstance(stream, VideoStream) else container.audio(stream)
                streams.append(built)
            except Conflict as reason:
                refused[stream.index] = reason.message
            except (Unsupported, Damaged, ValueError) as reason:
                left[stream.index] = str(reason)
        if demuxer(source) == "mpegts":
            # libavformat finds no place again in these.
            left, refused = {}, left | refused
        description = Description(
            stamp=source.stamp,
            origin=(origin_s.numerator, origin_s.denominator),
            streams=tuple(streams),
            left=left,
            refused=refused,
            clusters=container.clusters if container is not None else None,
        )
        description = _with_audio_rates(MediaIndex(description, heap.bytes()), descriptor)
        return encode(description, heap.bytes())
    finally:
        os.close(descriptor)


def _open(source: MediaSource, window: Window, heap: Heap, origin_s: Fraction) -> _Container:
    match demuxer(source):
        case "matroska":
            return _Matroska(source, window, heap, origin_s)
        case "mov":
            return _Mp4(source, window, heap, origin_s)
        case "mpegts":
            return TransportStream(source, window, heap, origin_s)
    raise Unsupported("no reader for this container")


class _Mp4:
    def __init__(self, source: MediaSource, window: Window, heap: Heap, origin_s: Fraction) -> None:
        self.clusters: Clusters | None = None
        self._source, self._window, self._heap, self._origin_s = source, window, heap, origin_s
        self._tracks = read_mp4(window)

    def _samples(self, stream: VideoStream | AudioStream, kind: bytes) -> Samples:
        if stream.index >= len(self._tracks):
            raise Unsupported("a stream that is no track")
        samples = self._tracks[stream.index]
        if isinstance(samples, Unsupported):
            raise samples
        if samples.kind != kind or not samples.sizes:
            raise Unsupported("a track without samples")
        if min(samples.sizes) < 0 or min(samples.offsets) < 0:
            raise Damaged("a sample of an impossible size")
        return samples

    def video(self, stream: VideoStream) -> IndexedStream:
        samples = self._samples(stream, b"vide")
        base = Fraction(1, samples.timescale)
        init = init_segment(self._source, stream.index)
        track = read_track(init)
        scale = Scale(base, track.timescale, self._origin_s)
        shown = [scale.ticks(time) for time in samples.shown]
        decoded = [scale.ticks(time) for time in samples.decoded]
        keys = [number for number, key in enumerate(samples.keys) if key]
        if not keys:
            raise Unsupported("no keyframes")
        end = max(shown) + usual_step(sorted(shown[-REORDER_PROBE_PACKETS:]))
        key_starts = [Fraction(shown[key], track.timescale) for key in keys]
        duration_s = Fraction(end, track.timescale)
        groups, left_out = None, {}
        if stream.codec == "h264":
            units = _unit_length_bytes(track)
            entries = choose_entries(key_starts, duration_s, lambda at: self._opening(samples, keys[at], units))
            chosen, groups = entries.chosen, entries.groups
            left_out = {keys[at]: (samples.offsets[keys[at]] + o, size) for at, (o, size) in entries.left_out.items()}
        else:
            chosen = choose_cuts(key_starts, duration_s)
        cuts = [keys[position] for position in chosen]
        starts = (0, *(shown[cut] for cut in cuts[1:]))
        slices, segment_sizes = [], []
        for number, (first, last) in enumerate(pairwise([*cuts, len(shown)])):
            until = decoded[last] if last < len(shown) else decoded[-1] + usual_step(decoded[first:])
            times = time_video(shown[first:last], decoded[first:last], until, opens_timeline=number == 0)
            parts = [without((samples.offsets[n], samples.sizes[n]), left_out.get(n)) for n in range(first, last)]
            sizes = [sum(size for _, size in part) for part in parts]
            is_key = [bool(samples.keys[n]) and n not in left_out for n in range(first, last)]
            header = video_header(number, track, times, sizes, is_key)
            slices.append(self._heap.put_fragment(header, _merged(chain.from_iterable(parts))))
            segment_sizes.append(sum(sizes))
        cutting = Fragments(segments=tuple(slices))
        return stream_entry(stream, self._heap, init, starts, end, cutting, sizes=segment_sizes, groups=groups)

    def _opening(self, samples: Samples, number: int, units: int) -> Opening:
        offset, size = samples.offsets[number], samples.sizes[number]
        return read_opening(lambda at, length: self._window.read(offset + at, length), size, units)

    def audio(self, stream: AudioStream) -> IndexedStream:
        samples = self._samples(stream, b"soun")
        init = init_segment(self._source, stream.index)
        track = read_track(init)
        scale = Scale(Fraction(1, samples.timescale), track.timescale, self._origin_s)
        ticks = [scale.ticks(time) for time in samples.shown]
        heard = [n for n, time in enumerate(ticks) if is_heard(time, track.timescale)]
        if not heard or any(after < before for before, after in pairwise(ticks)):
            raise Unsupported("sound without an order")
        frame = _usual_frame([ticks[n] for n in heard])
        silence = silence_for(stream.codec, stream.channels, track, frame)
        grid = AudioGrid.until(track.timescale, max(ticks[heard[0]], 0), frame, ticks[-1], silence)
        bounds = [heard[0]]
        for number in heard:
            while grid.segment_of(ticks[number]) >= len(bounds):
                bounds.append(number)
        bounds += [len(ticks)] * (grid.segments + 1 - len(bounds))
        slices, segment_sizes = [], []
        silent: list[bool] = []
        for number, (first, last) in enumerate(pairwise(bounds)):
            following = ticks[last] if last < len(ticks) else None
            times = grid.times(number, ticks[first:last], following)
            extents = zip(samples.offsets[first:last].tolist(), samples.sizes[first:last].tolist(), strict=True)
            parts: list[Part] = times.with_silence(extents, silence)
            sizes = [len(part) if isinstance(part, bytes) else part[1] for part in parts]
            header = audio_header(number, track, times.opening, times.durations, sizes)
            slices.append(self._heap.put_fragment(header, _merged(parts)))
            segment_sizes.append(sum(sizes))
            silent += times.silent
        # Before it begins, nothing is heard in the wrong place.
        missing = sum(dropwhile(bool, silent)) * grid.frame
        cutting = Fragments(segments=tuple(slices), silence=silence)
        return stream_entry(
            *(stream, self._heap, init, grid.starts, grid.end, cutting),
            sizes=segment_sizes,
            holes=missing > _BORNE_HOLES_S * track.timescale,
        )


class _Matroska:
    def __init__(self, source: MediaSource, window: Window, heap: Heap, origin_s: Fraction) -> None:
        self._source, self._window, self._heap, self._origin_s = source, window, heap, origin_s
        self._file = file = read_matroska(window)
        self._base = Fraction(file.timestamp_scale_ns, 10**9)
        video = [stream.index for stream in source.technical.video]
        number = file.tracks[video[0]].number if video and video[0] < len(file.tracks) else None
        cues = [cue for cue in file.cues if cue.track == number] or file.cues
        self._has_cues = covers(
            [cue.time for cue in cues], self._base, origin_s + Fraction(source.technical.duration_ms, 1000)
        )
        self._walked: dict[int, list[Frame]] = {}
        points = {cue.time: cue.cluster for cue in cues} if self._has_cues else self._walk()
        seek = sorted(points.items())
        self.clusters = Clusters(
            time_base_ns=file.timestamp_scale_ns,
            first=file.first_cluster,
            end=file.end,
            seek_times=tuple(time for time, _ in seek),
            seek_offsets=tuple(cluster for _, cluster in seek),
        )

    def _walk(self) -> dict[int, int]:
        """Read the headers of all blocks, once, for a file whose cues are missing or end early: the keyframes of the
        first picture, and clusters by the time of the first of them in each."""
        every = self._source.technical.video or self._source.technical.audio
        track = self._track(every[0])
        keyframes: list[Frame] = []
        points: dict[int, int] = {}
        cluster = -1
        for frame in frames(self._window, track.number, self._file.first_cluster, self._file.end):
            if frame.key and track.is_video:
                keyframes.append(frame)
            if frame.cluster != cluster and (frame.key or not track.is_video):
                cluster = frame.cluster
                points[frame.time] = cluster
        self._walked[track.number] = keyframes
        return points

    def _track(self, stream: VideoStream | AudioStream) -> MatroskaTrack:
        if stream.index >= len(self._file.tracks):
            raise Unsupported("a stream that is no track")
        track = self._file.tracks[stream.index]
        if track.unsupported:
            raise Unsupported(track.unsupported)
        if track.is_video != isinstance(stream, VideoStream):
            raise Unsupported("a track of another kind")
        return track

    def video(self, stream: VideoStream) -> IndexedStream:
        track = self._track(stream)
        init = init_segment(self._source, stream.index)
        target = read_track(init)
        scale = Scale(self._base, target.timescale, self._origin_s)
        opening = self._gather(track, self._file.first_cluster, REORDER_PROBE_PACKETS)
        start = next((frame for frame in opening if frame.key), None)
        if start is None:
            raise Unsupported("no keyframe at the start")
        keyframes = [start, *(place for place in self._keyframes(track) if place.time > start.time)]
        final = self._locate(track, keyframes[-1])
        middle = self._locate(track, keyframes[len(keyframes) // 2])
        last = self._gather(track, final.block, None, final)
        reorder = max(
            reordering([frame.time for frame in part])
            for part in (opening, self._gather(track, middle.block, REORDER_PROBE_PACKETS, middle), last)
        )
        shown = sorted(frame.time for frame in last)
        frame_raw = round(Fraction(track.default_duration_ns, self._file.timestamp_scale_ns)) or usual_step(shown)
        end = max(scale.ticks(shown[-1] + frame_raw), 1)
        key_starts = [Fraction(scale.ticks(place.time), target.timescale) for place in keyframes]
        duration_s = Fraction(end, target.timescale)
        groups, left_out = None, {}
        if stream.codec == "h264":
            units = _unit_length_bytes(target)
            places = functools.cache(lambda at: self._locate(track, keyframes[at]))
            openings = functools.cache(lambda at: self._opening(track, places(at), units))
            entries = choose_entries(key_starts, duration_s, openings)
            cuts, groups = [places(at) for at in entries.chosen], entries.groups
            left_out = {
                places(at).offset: (places(at).offset + offset, size) for at, (offset, size) in entries.left_out.items()
            }
        else:
            cuts = [self._locate(track, keyframes[position]) for position in choose_cuts(key_starts, duration_s)]
        starts = (0, *(scale.ticks(cut.time) for cut in cuts[1:]))
        blocks = [cut.block for cut in cuts]
        cutting = VideoBlocks(
            track=track.number,
            prefix_hex=track.prefix.hex(),
            delay=reorder_delay(reorder, scale, target.timescale),
            blocks=tuple(blocks),
            clusters=tuple(cut.cluster for cut in cuts),
            cluster_times=tuple(cut.cluster_time for cut in cuts),
            times=tuple(cut.time for cut in cuts),
            first_shown=tuple(self._first_shown(track, cut) for cut in cuts),
            left_out=left_out,
        )
        spans = [after - before for before, after in pairwise([*blocks, self._file.end])]
        return stream_entry(stream, self._heap, init, starts, end, cutting, sizes=spans, average_bps=0, groups=groups)

    def _opening(self, track: MatroskaTrack, key: Frame, units: int) -> Opening:
        prefix = track.prefix

        def read(at: int, length: int) -> bytes:
            front = prefix[at : at + length]
            behind = max(at - len(prefix), 0)
            return front + self._window.read(key.offset + behind, length - len(front)) if len(front) < length else front

        opening = read_opening(read, len(prefix) + key.size, units)
        # What is put before each frame cannot be left out of one.
        return dataclasses.replace(opening, bound=opening.bound or (bool(prefix) and opening.recovery is not None))

    def audio(self, stream: AudioStream) -> IndexedStream:
        track = self._track(stream)
        init = init_segment(self._source, stream.index)
        target = read_track(init)
        scale = Scale(self._base, target.timescale, self._origin_s)
        codec_delay = (2 * track.codec_delay_ns + self._file.timestamp_scale_ns) // (2 * self._file.timestamp_scale_ns)
        head = self._gather(track, self._file.first_cluster, _HEAD_FRAMES)
        if not head:
            raise Unsupported("no sound that can be read")
        frame = self._frame_ticks(track, head, scale, target.timescale)
        ticks = [scale.ticks(f.time - codec_delay) + f.lace * frame for f in head]
        heard = [time for time in ticks if is_heard(time, target.timescale)]
        if not heard:
            raise Unsupported("no sound that can be read")
        last = self._last(track)
        end = scale.ticks(last.time - codec_delay) + last.lace * frame
        silence = silence_for(stream.codec, stream.channels, target, frame)
        grid = AudioGrid.until(target.timescale, max(heard[0], 0), frame, max(end, heard[0]), silence)
        cutting = AudioBlocks(
            track=track.number,
            prefix_hex=track.prefix.hex(),
            codec_delay=codec_delay,
            first=grid.first,
            frame=grid.frame,
            frames=grid.frames,
            frames_per_segment=grid.frames_per_segment,
            silence=silence,
        )
        return stream_entry(stream, self._heap, init, grid.starts, grid.end, cutting)

    def _keyframes(self, track: MatroskaTrack) -> Sequence[Cue | Frame]:
        """In the order of time."""
        if track.number in self._walked:
            return sorted(self._walked[track.number], key=lambda frame: frame.time)
        cues = [cue for cue in self._file.cues if cue.track == track.number]
        if not self._has_cues or not cues:
            raise Unsupported("a second picture without cues")
        return cues

    def _locate(self, track: MatroskaTrack, place: Cue | Frame) -> Frame:
        """The keyframe a cue speaks of: it may be wrong about what is where, so it is looked up."""
        if isinstance(place, Frame):
            return place
        body, time = open_cluster(self._window, place.cluster)
        for relative in (place.relative, 0):
            if relative is None:
                continue
            begin = body + relative
            stretch = frames(
                self._window, track.number, begin, self._file.end, cluster=place.cluster, cluster_time=time
            )
            for frame in islice(stretch, 1 if relative else _FRAMES_IN_CLUSTER):
                if frame.cluster != place.cluster:
                    break
                if frame.key and frame.time == place.time:
                    return frame
        raise Damaged("the cues do not say where the keyframes are")

    def _gather(
        self, track: MatroskaTrack, position: int, limit: int | None, inside: Frame | None = None
    ) -> list[Frame]:
        """Frames from a place on: at the start of a cluster, or inside the one of a frame."""
        within = {"cluster": inside.cluster, "cluster_time": inside.cluster_time} if inside else {}
        return list(islice(frames(self._window, track.number, position, self._file.end, **within), limit))

    def _first_shown(self, track: MatroskaTrack, key: Frame) -> int:
        """When a segment's first picture is shown: pictures that lead its keyframe follow it in the file."""
        earliest = key.time
        for frame in self._gather(track, key.block, LEADING_PICTURES, key)[1:]:
            if frame.time > key.time:
                break
            earliest = min(earliest, frame.time)
        return earliest

    def _frame_ticks(self, track: MatroskaTrack, head: Sequence[Frame], scale: Scale, timescale: int) -> int:
        """How long a frame of sound lasts: as the track says, else as the first blocks tell."""
        if track.default_duration_ns:
            return likely_frame(track.default_duration_ns * timescale / 10**9)
        blocks = [(position, scale.ticks(frame.time)) for position, frame in enumerate(head) if not frame.lace]
        steps = [(ended - began) / (last - first) for (first, began), (last, ended) in pairwise(blocks)]
        return usual_frame(steps) if steps else 1024

    def _last(self, track: MatroskaTrack) -> Frame:
        """The last frame of sound: near the end of the file, or further back where nothing is there."""
        offsets = self.clusters.seek_offsets
        for back in (1, 4, 16, 64, len(offsets)):
            start = offsets[-back] if back < len(offsets) else self._file.first_cluster
            last = max(
                frames(self._window, track.number, start, self._file.end),
                key=lambda frame: (frame.time, frame.lace),
                default=None,
            )
            if last is not None:
                return last
        raise Unsupported("no sound that can be read")


def _with_audio_rates(index: MediaIndex, descriptor: int) -> Description:
    """Matroska and transport streams say nothing of the sizes of sound: a few segments are cut and measured."""
    streams = []
    for stream in index.description.streams:
        if isinstance(stream.cutting, AudioBlocks | AudioPackets):
            ends = (*stream.starts[1:], stream.end)
            rates = []
            for number in sorted({0, len(ends) // 2, max(len(ends) - 2, 0)}):
                size = sum(map(len, segment(index, stream, number, descriptor)))
                rates.append(size * 8 * stream.timescale / max(ends[number] - stream.starts[number], 1))
            stream = dataclasses.replace(
                stream, peak_bps=round(max(rates)), average_bps=max(round(statistics.mean(rates)), 1)
            )
        streams.append(stream)
    return dataclasses.replace(index.description, streams=tuple(streams))


def _usual_frame(ticks: Sequence[int]) -> int:
    """How long a frame of sound lasts, by when the first ones begin: their own spacing where they keep to it, else what
    it is on average."""
    steps = [after - before for before, after in pairwise(ticks[:_HEAD_FRAMES])]
    if not steps:
        return 1024
    usual = statistics.mode(steps)
    return max(usual, 1) if steps.count(usual) > 0.8 * len(steps) else usual_frame(steps)


def _merged(parts: Iterable[Part]) -> list[Part]:
    """The same; neighbours are one."""
    merged: list[Part] = []
    for part in parts:
        before = merged[-1] if merged else None
        if isinstance(part, bytes):
            if isinstance(before, bytes):
                merged[-1] = before + part
            else:
                merged.append(part)
        elif isinstance(before, tuple) and sum(before) == part[0] and before[1] + part[1] < 1 << 32:
            merged[-1] = before[0], before[1] + part[1]
        else:
            merged.append(part)
    return merged


def _unit_length_bytes(track: Track) -> int:
    """Of the lengths before NAL units, by the decoder configuration."""
    for box in boxes(track.sample_entry, 8 + 78):
        at = {b"avcC": 4, b"hvcC": 21}.get(box.kind)
        if at is not None and box.body + at < box.end:
            return (track.sample_entry[box.body + at] & 3) + 1
    return 4
