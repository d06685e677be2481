"""Renditions for HLS: copied in-process, converted by ffmpeg."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from odeion.adapters.ffmpeg.cache import SegmentCache
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
from odeion.adapters.ffmpeg.encoders import EncoderLimits, Encoders
from odeion.adapters.ffmpeg.encoding import (
    VERSION,
    AudioEncoding,
    EncoderInput,
    Encoding,
    VideoEncoding,
    frame_rate,
)
from odeion.adapters.ffmpeg.fmp4 import read_track
from odeion.adapters.ffmpeg.media_stream import StreamPool, check_source, demuxer
from odeion.application.playback.ports import MediaSource, Rendition, RenditionFacts, SegmentGrid
from odeion.domain.media_file import HdrFormat, VideoStream
from odeion.domain.playback import Treatment, VideoPlan
from odeion.domain.shared.errors import Conflict, NotFound
from odeion.domain.shared.ids import PlaybackSessionId

_KNOWN_COPIES = 256
_INDEX_NAME = "keyframes.json"

Copy = VideoCopy | AudioCopy
_T = TypeVar("_T")


class HlsRenditionProducer:
    """Implements RenditionProducer. For one event loop."""

    def __init__(
        self,
        cache_folder: Callable[[], Awaitable[Path]],
        encoder_limit: int,
        cache_limit_bytes: int,
        *,
        limits: EncoderLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`encoder_limit`: how many encoders of pictures may run at once; twice as many of sound. `clock`: seconds that
        only go forward."""
        self._cache_folder = cache_folder
        self._cache = SegmentCache(cache_limit_bytes)
        self._encoders = Encoders(encoder_limit, self._cache, cache_folder, limits, clock)
        self._pool = StreamPool()
        self._copies: OrderedDict[str, asyncio.Task[Copy]] = OrderedDict()
        self._origins: OrderedDict[str, asyncio.Task[Fraction]] = OrderedDict()
        self._facts: OrderedDict[str, RenditionFacts] = OrderedDict()

    async def facts(self, source: MediaSource, rendition: Rendition) -> RenditionFacts:
        """See RenditionProducer. Converted renditions are described by the init segment they have."""
        key = _key(source, rendition)
        await asyncio.to_thread(check_source, source)
        facts = self._facts.get(key)
        if facts is None:
            if rendition.treatment is Treatment.COPY:
                facts = await self._facts_of_copy(source, rendition)
            else:
                facts = await self._facts_of_encoding(source, rendition)
            _remember(self._facts, key, facts)
        return facts

    async def grid(self, source: MediaSource, rendition: Rendition) -> SegmentGrid:
        await asyncio.to_thread(check_source, source)
        if rendition.treatment is Treatment.COPY:
            return (await self._copy(source, rendition)).grid
        return (await self._encoding(source, rendition)).grid

    async def init_segment(self, source: MediaSource, rendition: Rendition) -> bytes:
        await asyncio.to_thread(check_source, source)
        if rendition.treatment is Treatment.COPY:
            return (await self._copy(source, rendition)).init
        encoding = await self._encoding(source, rendition)
        return await self._encoders.init_segment(_key(source, rendition), encoding)

    async def segment(
        self, source: MediaSource, rendition: Rendition, number: int, *, session_id: PlaybackSessionId
    ) -> AsyncIterator[bytes]:
        """See RenditionProducer. The segment is whole when this returns."""
        if rendition.treatment is Treatment.COPY:
            copy = await self._copy(source, rendition)
            if not 0 <= number < len(copy.grid.starts_s):
                raise NotFound("no such segment")
            return _once(await asyncio.to_thread(self._cut, source, rendition.stream_index, copy, number))
        await asyncio.to_thread(check_source, source)
        encoding = await self._encoding(source, rendition)
        return _once(await self._encoders.segment(_key(source, rendition), encoding, number, session_id))

    async def release(self, session_id: PlaybackSessionId) -> None:
        await self._encoders.release(session_id)

    async def close(self) -> None:
        await self._encoders.close()
        await asyncio.to_thread(self._pool.close)

    # --- copies -----------------------------------------------------------------------------------------------------

    def _cut(self, source: MediaSource, stream_index: int, copy: Copy, number: int) -> bytes:
        fresh = number == 0 and demuxer(source) == "matroska"
        with self._pool.borrow(source, stream_index, fresh=fresh) as media:
            if isinstance(copy, VideoCopy):
                return video_segment(media, copy, number)
            if number == 0 and not fresh:
                media.seek_start()
            return audio_segment(media, copy, number)

    async def _copy(self, source: MediaSource, rendition: Rendition) -> Copy:
        return await _shared(self._copies, _key(source, rendition), lambda: self._plan_copy(source, rendition))

    async def _plan_copy(self, source: MediaSource, rendition: Rendition) -> Copy:
        origin_s = await self._origin_s(source)
        index = rendition.stream_index
        if not isinstance(rendition, VideoPlan):
            return await asyncio.to_thread(self._plan_audio, source, index, origin_s)
        keyframes = await self._stored_keyframes(source, index)
        try:
            return await asyncio.to_thread(self._plan_video, source, index, origin_s, keyframes)
        except WalkNeeded:
            keyframes = await asyncio.to_thread(self._walk, source, index)
            folder, stored = await self._cache_folder(), json.dumps(keyframes).encode()
            await asyncio.to_thread(self._cache.put, folder, _stamp_key(source, index), _INDEX_NAME, stored)
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

    async def _stored_keyframes(self, source: MediaSource, index: int) -> list[int] | None:
        folder = await self._cache_folder()
        stored = await asyncio.to_thread(self._cache.find, folder, _stamp_key(source, index), _INDEX_NAME)
        try:
            keyframes = json.loads(stored) if stored is not None else None
        except ValueError:
            return None
        if isinstance(keyframes, list) and keyframes and all(isinstance(time, int) for time in keyframes):
            return keyframes
        return None

    async def _origin_s(self, source: MediaSource) -> Fraction:
        """The timestamp at which all renditions of the file have their 0."""
        technical = source.technical
        indexes = [stream.index for stream in technical.video] + [stream.index for stream in technical.audio]
        if not indexes:
            raise Conflict("this file has neither picture nor sound")

        def read() -> Fraction:
            with self._pool.borrow(source, indexes[0], fresh=True) as media:
                return file_origin_s(media)

        return await _shared(self._origins, _stamp_key(source, -1), lambda: asyncio.to_thread(read))

    async def _facts_of_copy(self, source: MediaSource, rendition: Rendition) -> RenditionFacts:
        copy = await self._copy(source, rendition)
        codecs = codec_string(copy.track.sample_entry)
        known_bps = rendition.bitrate_bps or 0
        if isinstance(copy, AudioCopy) or not isinstance(rendition, VideoPlan):
            peak, average = await self._measure(source, rendition.stream_index, copy)
            average = known_bps or average
            return RenditionFacts(
                codecs=codecs, bandwidth_bps=max(peak, average) * 6 // 5, average_bandwidth_bps=average
            )
        peak, average = copy.peak_bps, copy.average_bps or known_bps
        if not average:
            sound_bps = sum(stream.bitrate_bps or 0 for stream in source.technical.audio)
            average = max((source.technical.bitrate_bps or 0) - sound_bps, 0)
        if not peak or not average:
            measured_peak, measured = await self._measure(source, rendition.stream_index, copy)
            # Of a few segments only: others may be larger.
            peak, average = peak or max(measured_peak, average) * 3 // 2, average or measured
        stream = _video_stream(source, rendition)
        width, height = (round(lines) for lines in stream.display_size)
        return RenditionFacts(
            codecs=codecs,
            bandwidth_bps=max(peak, average, 1),
            average_bandwidth_bps=max(average, 1),
            width=width,
            height=height,
            frame_rate=float(stream.frame_rate) if stream.frame_rate else None,
            video_range=_video_range(stream),
        )

    async def _measure(self, source: MediaSource, index: int, copy: Copy) -> tuple[int, int]:
        """Peak and average bits per second of a few segments."""
        durations = copy.grid.durations_s()
        numbers = sorted({0, len(durations) // 2, max(len(durations) - 2, 0)})
        sizes = [len(await asyncio.to_thread(self._cut, source, index, copy, number)) for number in numbers]
        rates = [size * 8 / durations[number] for size, number in zip(sizes, numbers, strict=True)]
        total_s = sum(durations[number] for number in numbers)
        return round(max(rates)), max(round(sum(sizes) * 8 / total_s), 1)

    # --- conversions ------------------------------------------------------------------------------------------------

    async def _encoding(self, source: MediaSource, rendition: Rendition) -> Encoding:
        given = EncoderInput(
            source.path, demuxer(source), await self._origin_s(source), source.technical.duration_ms / 1000
        )
        if isinstance(rendition, VideoPlan):
            return VideoEncoding(plan=rendition, stream=_video_stream(source, rendition), source=given)
        return AudioEncoding(plan=rendition, source=given)

    async def _facts_of_encoding(self, source: MediaSource, rendition: Rendition) -> RenditionFacts:
        encoding = await self._encoding(source, rendition)
        init = await self._encoders.init_segment(_key(source, rendition), encoding)
        peak, average = encoding.bandwidth_bps
        codecs = codec_string(read_track(init).sample_entry)
        if not isinstance(rendition, VideoPlan):
            return RenditionFacts(codecs=codecs, bandwidth_bps=peak, average_bandwidth_bps=average)
        return RenditionFacts(
            codecs=codecs,
            bandwidth_bps=peak,
            average_bandwidth_bps=average,
            width=rendition.width,
            height=rendition.height,
            frame_rate=float(frame_rate(_video_stream(source, rendition))),
            video_range="SDR",
        )


def _stamp_key(source: MediaSource, stream_index: int) -> str:
    stamp = source.stamp
    return _digest([VERSION, source.path, stamp.size_bytes, stamp.mtime_ns, stamp.inode, stream_index])


def _key(source: MediaSource, rendition: Rendition) -> str:
    """Names a rendition: the file as it is now and all of the plan that makes a difference to the bytes."""
    plan: list[object] = [rendition.treatment.value, rendition.bitrate_bps]
    if isinstance(rendition, VideoPlan):
        plan += [rendition.width, rendition.height, rendition.tone_map, rendition.deinterlace]
        plan.append(rendition.burn_in_stream)
    else:
        plan.append(rendition.channels)
    return _digest([_stamp_key(source, rendition.stream_index), *plan])


def _digest(parts: list[object]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _video_stream(source: MediaSource, plan: VideoPlan) -> VideoStream:
    for stream in source.technical.video:
        if stream.index == plan.stream_index:
            return stream
    raise Conflict("the file has no such stream any more; start again")


def _video_range(stream: VideoStream) -> str:
    if stream.color_transfer == "arib-std-b67" or stream.hdr is HdrFormat.HLG:
        return "HLG"
    return "SDR" if stream.hdr is HdrFormat.SDR else "PQ"


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _shared(
    known: OrderedDict[str, asyncio.Task[_T]], key: str, make: Callable[[], Coroutine[Any, Any, _T]]
) -> _T:
    """What `make` gives, made once for all who ask at the same time or later; a failure is not kept."""
    task = known.get(key)
    if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
        task = asyncio.create_task(make())
        _remember(known, key, task)
    known.move_to_end(key)
    return await asyncio.shield(task)


def _remember(known: OrderedDict[str, _T], key: str, value: _T) -> None:
    known[key] = value
    while len(known) > _KNOWN_COPIES:
        known.popitem(last=False)
