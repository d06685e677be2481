"""Copied renditions of files, planned once and cut on demand."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator
from fractions import Fraction
from functools import partial

from odeion.adapters.ffmpeg import indexed_copy
from odeion.adapters.ffmpeg.codec_strings import codec_string
from odeion.adapters.ffmpeg.copy_rendition import (
    AudioCopy,
    VideoCopy,
    WalkNeeded,
    audio_segment,
    file_origin_s,
    plan_audio,
    plan_video,
    video_segment,
    walk_keyframes,
)
from odeion.adapters.ffmpeg.fmp4 import read_track, segment_size
from odeion.adapters.ffmpeg.keys import rendition_key, stamp_key, video_range, video_stream
from odeion.adapters.ffmpeg.media_index import DamagedIndex, IndexedStream, MediaIndex
from odeion.adapters.ffmpeg.media_indexes import MediaIndexes
from odeion.adapters.ffmpeg.media_stream import StreamPool, demuxer, open_source
from odeion.adapters.ffmpeg.once import once_for_all
from odeion.adapters.ffmpeg.window import Buffer, Damaged
from odeion.application.playback.ports import MediaSource, Rendition, RenditionFacts, SegmentBytes, SegmentGrid
from odeion.application.shared.downloads import Buffers
from odeion.domain.playback.plan import VideoPlan
from odeion.domain.shared.errors import Conflict, NotFound, Unavailable

Copy = VideoCopy | AudioCopy
_BATCH_BYTES = 8 << 20


class Copies:
    """The copying half of HlsRenditionProducer: methods raise as those of RenditionProducer. Streams are cut by the
    file's index; those it does not have, by libavformat. For one event loop."""

    def __init__(self, indexes: MediaIndexes | None) -> None:
        self._indexes = indexes
        self._pool = StreamPool()
        self._copies: OrderedDict[str, asyncio.Task[Copy]] = OrderedDict()
        self._origins: OrderedDict[str, asyncio.Task[Fraction]] = OrderedDict()

    async def grid(self, source: MediaSource, rendition: Rendition) -> SegmentGrid:
        if indexed := await self._indexed(source, rendition):
            return indexed_copy.grid(indexed[1])
        return (await self._copy(source, rendition)).grid

    async def init_segment(self, source: MediaSource, rendition: Rendition) -> bytes:
        if indexed := await self._indexed(source, rendition):
            index, stream = indexed
            return index.init(stream)
        return (await self._copy(source, rendition)).init

    async def segment(self, source: MediaSource, rendition: Rendition, number: int) -> SegmentBytes:
        if indexed := await self._indexed(source, rendition):
            index, stream = indexed
            if not 0 <= number < len(stream.starts):
                raise NotFound("no such segment")
            pieces = _cut_by_index(source, index, stream, number)
            first = await anext(pieces)
            return SegmentBytes(_resumed(first, pieces), segment_size(bytes(first.parts[0])))
        copy = await self._copy(source, rendition)
        if not 0 <= number < len(copy.grid.starts_s):
            raise NotFound("no such segment")
        data = await asyncio.to_thread(self._cut, source, rendition.stream_index, copy, number)
        return SegmentBytes(_whole(data), len(data))

    async def close(self) -> None:
        if self._indexes is not None:
            await self._indexes.close()
        await asyncio.to_thread(self._pool.close)

    async def _index(self, source: MediaSource) -> MediaIndex | None:
        return await self._indexes.get(source) if self._indexes is not None else None

    async def _indexed(self, source: MediaSource, rendition: Rendition) -> tuple[MediaIndex, IndexedStream] | None:
        """The stream's part of the file's index; None for what libavformat has to read. Raises Conflict for what
        nobody can cut."""
        index = await self._index(source)
        if index is None:
            return None
        if (stream := index.find(rendition.stream_index)) is not None:
            return index, stream
        refused = index.structure(source.technical).refused.get(rendition.stream_index)
        if refused is not None:
            raise Conflict(f"this stream cannot be repackaged: {refused}")
        return None

    def _cut(self, source: MediaSource, stream_index: int, copy: Copy, number: int) -> bytes:
        fresh = number == 0 and demuxer(source) == "matroska"
        with self._pool.borrow(source, stream_index, fresh=fresh) as media:
            if number == 0 and not fresh and isinstance(copy, AudioCopy):
                media.seek_start()
            try:
                if isinstance(copy, VideoCopy):
                    return video_segment(media, copy, number)
                return audio_segment(media, copy, number)
            except ValueError as error:
                raise Unavailable("the file is damaged") from error

    async def _copy(self, source: MediaSource, rendition: Rendition) -> Copy:
        return await once_for_all(
            self._copies, rendition_key(source, rendition), lambda: self._plan_copy(source, rendition)
        )

    async def _plan_copy(self, source: MediaSource, rendition: Rendition) -> Copy:
        origin_s = await self.origin_s(source)
        index = rendition.stream_index
        if not isinstance(rendition, VideoPlan):
            return await asyncio.to_thread(self._plan_audio, source, index, origin_s)
        try:
            return await asyncio.to_thread(self._plan_video, source, index, origin_s, None)
        except WalkNeeded:
            keyframes = await asyncio.to_thread(self._walk, source, index)
            return await asyncio.to_thread(self._plan_video, source, index, origin_s, keyframes)

    def _plan_video(
        self, source: MediaSource, index: int, origin_s: Fraction, keyframes: list[int] | None
    ) -> VideoCopy:
        with self._pool.borrow(source, index) as media, self._pool.borrow(source, index, fresh=True) as fresh:
            duration_s = Fraction(source.technical.duration_ms, 1000)
            return plan_video(media, fresh, origin_s, duration_s, known_keyframes=keyframes)

    def _plan_audio(self, source: MediaSource, index: int, origin_s: Fraction) -> AudioCopy:
        with (
            self._pool.borrow(source, index) as media,
            self._pool.borrow(source, index, fresh=True) as fresh,
            self._pool.borrow(source, index, fresh=True) as another,
        ):
            return plan_audio(media, fresh, another, origin_s, Fraction(source.technical.duration_ms, 1000))

    def _walk(self, source: MediaSource, index: int) -> list[int]:
        with self._pool.borrow(source, index, fresh=True) as media:
            return walk_keyframes(media)

    async def origin_s(self, source: MediaSource) -> Fraction:
        """The timestamp at which all renditions of the file have their 0."""
        index = await self._index(source)
        if index is not None and index.description.streams:
            return index.origin_s
        technical = source.technical
        indexes = [stream.index for stream in technical.video] + [stream.index for stream in technical.audio]
        if not indexes:
            raise Conflict("this file has neither picture nor sound")

        def read() -> Fraction:
            with self._pool.borrow(source, indexes[0], fresh=True) as media:
                return file_origin_s(media)

        return await once_for_all(self._origins, stamp_key(source, -1), lambda: asyncio.to_thread(read))

    async def facts(self, source: MediaSource, rendition: Rendition) -> RenditionFacts:
        if indexed := await self._indexed(source, rendition):
            index, stream = indexed
            codecs = codec_string(read_track(index.init(stream)).sample_entry)
            average = stream.average_bps or rendition.bitrate_bps or _average_of_picture(source)
            return _facts(source, rendition, codecs, stream.peak_bps, average)
        copy = await self._copy(source, rendition)
        codecs = codec_string(copy.track.sample_entry)
        known_bps = rendition.bitrate_bps or 0
        if isinstance(copy, AudioCopy) or not isinstance(rendition, VideoPlan):
            peak, average = await self._measure(source, rendition.stream_index, copy)
            average = known_bps or average
            return _facts(source, rendition, codecs, max(peak, average), average)
        peak, average = copy.peak_bps, copy.average_bps or known_bps or _average_of_picture(source)
        if not peak or not average:
            measured_peak, measured = await self._measure(source, rendition.stream_index, copy)
            # Of a few segments only: others may be larger.
            peak, average = peak or max(measured_peak, average) * 3 // 2, average or measured
        return _facts(source, rendition, codecs, peak, average)

    async def _measure(self, source: MediaSource, index: int, copy: Copy) -> tuple[int, int]:
        """Peak and average bits per second of a few segments."""
        durations = copy.grid.durations_s()
        numbers = sorted({0, len(durations) // 2, max(len(durations) - 2, 0)})
        sizes = [len(await asyncio.to_thread(self._cut, source, index, copy, number)) for number in numbers]
        rates = [size * 8 / durations[number] for size, number in zip(sizes, numbers, strict=True)]
        total_s = sum(durations[number] for number in numbers)
        return round(max(rates)), max(round(sum(sizes) * 8 / total_s), 1)


def _average_of_picture(source: MediaSource) -> int:
    """What is left of the file's bits per second, by its probe; 0 where that is not known."""
    sound_bps = sum(stream.bitrate_bps or 0 for stream in source.technical.audio)
    return max((source.technical.bitrate_bps or 0) - sound_bps, 0)


def _facts(source: MediaSource, rendition: Rendition, codecs: str, peak_bps: int, average_bps: int) -> RenditionFacts:
    if not isinstance(rendition, VideoPlan):
        # The peak is that of a few segments.
        return RenditionFacts(
            codecs=codecs,
            bandwidth_bps=max(peak_bps, average_bps, 1) * 6 // 5,
            average_bandwidth_bps=max(average_bps, 1),
        )
    stream = video_stream(source, rendition)
    width, height = (round(lines) for lines in stream.display_size)
    return RenditionFacts(
        codecs=codecs,
        bandwidth_bps=max(peak_bps, average_bps, 1),
        average_bandwidth_bps=max(average_bps, 1),
        width=width,
        height=height,
        frame_rate=float(stream.frame_rate) if stream.frame_rate else None,
        video_range=video_range(stream),
    )


async def _cut_by_index(
    source: MediaSource, index: MediaIndex, stream: IndexedStream, number: int
) -> AsyncGenerator[Buffers]:
    cut = _Cut(source, index, stream, number)
    try:
        while not cut.finished:
            yield await asyncio.to_thread(cut.go_on)
    finally:
        cut.close()


class _Cut:
    """A segment on its way, a few megabytes at a time, in threads. A hop to one takes as long as reading a quarter of a
    megabyte that is in memory, so most segments take one."""

    def __init__(self, source: MediaSource, index: MediaIndex, stream: IndexedStream, number: int) -> None:
        self.finished = False
        self._source = source
        self._segment = partial(indexed_copy.segment, index, stream, number)
        self._parts: Iterator[Buffer] = iter(())
        self._descriptor: int | None = None
        self._in_use = threading.Lock()
        self._closed = False

    def go_on(self) -> Buffers:
        """Raises Unavailable, and Conflict for a file that changed."""
        try:
            with self._in_use:
                return Buffers(self._next_parts())
        finally:
            if self._closed:
                self.close()

    def close(self) -> None:
        """A thread may still be at work for a client that went away: then it closes the file."""
        self._closed = True
        if self._in_use.acquire(blocking=False):
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
            self._in_use.release()

    def _next_parts(self) -> list[Buffer]:
        if self._descriptor is None:
            self._descriptor = open_source(self._source)
            self._parts = self._segment(self._descriptor)
        batch: list[Buffer] = []
        room = _BATCH_BYTES
        try:
            for part in self._parts:
                batch.append(part)
                room -= len(part)
                if room <= 0:
                    return batch
        except (Damaged, DamagedIndex, OSError, ValueError) as error:
            raise Unavailable("the file is damaged or its disk is failing") from error
        self.finished = True
        return batch


async def _resumed(first: Buffers, rest: AsyncGenerator[Buffers]) -> AsyncGenerator[Buffers]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        await rest.aclose()


async def _whole(data: bytes) -> AsyncGenerator[bytes]:
    yield data
