"""Renditions for HLS: copied in-process, converted by ffmpeg."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from odeion.adapters.ffmpeg.cache import SegmentCache
from odeion.adapters.ffmpeg.copies import Copies
from odeion.adapters.ffmpeg.encoders import EncoderLimits, Encoders
from odeion.adapters.ffmpeg.encoding import (
    AudioEncoding,
    EncoderInput,
    Encoding,
    TextSubtitles,
    VideoEncoding,
    frame_rate,
)
from odeion.adapters.ffmpeg.fmp4 import VideoTimes, first_sample, read_track, video_fragment
from odeion.adapters.ffmpeg.keys import rendition_key, video_range, video_stream
from odeion.adapters.ffmpeg.media_indexes import MediaIndexes
from odeion.adapters.ffmpeg.media_stream import check_source, demuxer
from odeion.adapters.ffmpeg.once import remember
from odeion.adapters.ffmpeg.subtitles import SubtitlePainter
from odeion.application.playback.ports import MediaSource, Rendition, RenditionFacts, SegmentBytes, SegmentGrid
from odeion.application.transcoding.ports import EncoderLeases
from odeion.domain.playback.plan import Treatment, VideoPlan
from odeion.domain.shared.errors import NotFound, Unavailable
from odeion.domain.shared.ids import PlaybackSessionId
from odeion.domain.transcoding import TranscodeSettings


class HlsRenditionProducer:
    """Implements RenditionProducer. For one event loop."""

    def __init__(
        self,
        cache_folder: Callable[[], Awaitable[Path]],
        leases: EncoderLeases,
        settings: Callable[[], Awaitable[TranscodeSettings]],
        cache_limit_bytes: int,
        *,
        indexes: MediaIndexes | None = None,
        limits: EncoderLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`settings` are asked when an encoder starts. `clock`: seconds that only go forward. Without `indexes` what is
        copied is read by libavformat."""
        cache = SegmentCache(cache_limit_bytes)
        self._encoders = Encoders(leases, settings, cache, cache_folder, limits, clock)
        self._copies = Copies(indexes)
        self._painter = SubtitlePainter(cache_folder)
        self._facts: OrderedDict[str, RenditionFacts] = OrderedDict()

    async def facts(self, source: MediaSource, rendition: Rendition) -> RenditionFacts:
        """See RenditionProducer."""
        await asyncio.to_thread(check_source, source)
        key = rendition_key(source, rendition)
        facts = self._facts.get(key)
        if facts is None:
            if rendition.treatment is Treatment.COPY:
                facts = await self._copies.facts(source, rendition)
                if isinstance(rendition, VideoPlan):
                    rate = await self._keyframe_rate(source, rendition)
                    facts = replace(facts, keyframe_bandwidth_bps=rate)
            else:
                facts = await self._facts_of_encoding(source, rendition)
            remember(self._facts, key, facts)
        return facts

    async def grid(self, source: MediaSource, rendition: Rendition) -> SegmentGrid:
        await asyncio.to_thread(check_source, source)
        if rendition.treatment is Treatment.COPY:
            return await self._copies.grid(source, rendition)
        return (await self._encoding(source, rendition)).grid

    async def init_segment(self, source: MediaSource, rendition: Rendition) -> bytes:
        await asyncio.to_thread(check_source, source)
        if rendition.treatment is Treatment.COPY:
            return await self._copies.init_segment(source, rendition)
        encoding = await self._encoding(source, rendition)
        return await self._encoders.init_segment(rendition_key(source, rendition), encoding)

    async def segment(
        self, source: MediaSource, rendition: Rendition, number: int, *, session_id: PlaybackSessionId
    ) -> SegmentBytes:
        """See RenditionProducer. What is converted is handed on as it is made."""
        if rendition.treatment is Treatment.COPY:
            return await self._copies.segment(source, rendition, number)
        await asyncio.to_thread(check_source, source)
        encoding = await self._encoding(source, rendition)
        painted = ""
        if isinstance(encoding, VideoEncoding) and encoding.plan.burn_in is not None:
            subtitles = await self._painter.get(source, encoding.plan.burn_in, encoding.source.origin_s)
            encoding = replace(encoding, subtitles=subtitles)
            painted = subtitles.variant if isinstance(subtitles, TextSubtitles) else ""
        key = rendition_key(source, rendition, painted)
        return await self._encoders.segment(key, source.file_id, encoding, number, session_id)

    async def keyframe(self, source: MediaSource, rendition: VideoPlan, number: int) -> bytes:
        if rendition.treatment is not Treatment.COPY:
            raise NotFound("pictures of their own are there of copied video only")
        pieces = await self._copies.segment(source, rendition, number)
        segment = bytearray()
        try:
            async for piece in pieces:
                segment += piece
                if (sample := first_sample(segment)) is not None:
                    break
            else:
                raise Unavailable("the file is damaged or its disk is failing")
        finally:
            await pieces.pieces.aclose()
        grid = await self._copies.grid(source, rendition)
        track = read_track(await self._copies.init_segment(source, rendition))
        shown = round(grid.starts_s[number] * track.timescale)
        lasts = max(round(grid.durations_s()[number] * track.timescale), 1)
        times = VideoTimes(shown, [lasts], [0])
        try:
            return video_fragment(number, track, times, [sample], [True])
        except ValueError as error:
            raise Unavailable("the file is damaged") from error

    async def _keyframe_rate(self, source: MediaSource, rendition: VideoPlan) -> int:
        """Bits per second of the keyframes alone, going by a few of them."""
        durations = (await self._copies.grid(source, rendition)).durations_s()
        numbers = sorted({0, len(durations) // 2, max(len(durations) - 2, 0)})
        rates = [len(await self.keyframe(source, rendition, n)) * 8 / durations[n] for n in numbers]
        return max(round(max(rates) * 1.5), 1)

    async def release(self, session_id: PlaybackSessionId) -> None:
        await self._encoders.release(session_id)

    async def close(self) -> None:
        await self._encoders.close()
        await self._copies.close()

    async def _encoding(self, source: MediaSource, rendition: Rendition) -> Encoding:
        given = EncoderInput(
            source.path, demuxer(source), await self._copies.origin_s(source), source.technical.duration_ms / 1000
        )
        if isinstance(rendition, VideoPlan):
            return VideoEncoding(plan=rendition, stream=video_stream(source, rendition), source=given)
        return AudioEncoding(plan=rendition, source=given)

    async def _facts_of_encoding(self, source: MediaSource, rendition: Rendition) -> RenditionFacts:
        encoding = await self._encoding(source, rendition)
        peak, average = encoding.bandwidth_bps
        codecs = encoding.codecs
        if not isinstance(rendition, VideoPlan):
            return RenditionFacts(codecs=codecs, bandwidth_bps=peak, average_bandwidth_bps=average)
        return RenditionFacts(
            codecs=codecs,
            bandwidth_bps=peak,
            average_bandwidth_bps=average,
            width=rendition.width,
            height=rendition.height,
            frame_rate=float(frame_rate(video_stream(source, rendition))),
            video_range=video_range(video_stream(source, rendition)) if rendition.keeps_hdr else "SDR",
        )
