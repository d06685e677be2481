"""Renditions without media, for tests of what serves them."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from odeion.application.playback.ports import MediaSource, Rendition, RenditionFacts, SegmentBytes, SegmentGrid
from odeion.application.shared.downloads import Buffers
from odeion.domain.playback.plan import Treatment, VideoPlan
from odeion.domain.shared.errors import NotFound
from odeion.domain.shared.ids import PlaybackSessionId

_SEGMENT_S = 6.0


class MemoryRenditionProducer:
    """Implements RenditionProducer: cuts every 6 s; what is in a segment says which one it is. `sessions` are those
    that took something and were not released; `closed` tells that `close` was called."""

    def __init__(self) -> None:
        self.sessions: set[PlaybackSessionId] = set()
        self.closed = False

    async def facts(self, source: MediaSource, rendition: Rendition) -> RenditionFacts:
        bandwidth_bps = rendition.bitrate_bps or 1_000_000
        if not isinstance(rendition, VideoPlan):
            return RenditionFacts(codecs="mp4a.40.2", bandwidth_bps=bandwidth_bps, average_bandwidth_bps=bandwidth_bps)
        return RenditionFacts(
            codecs="avc1.640028",
            bandwidth_bps=2 * bandwidth_bps,
            average_bandwidth_bps=bandwidth_bps,
            width=rendition.width,
            height=rendition.height,
            frame_rate=25.0,
            video_range="SDR",
            keyframe_bandwidth_bps=1000 if rendition.treatment is Treatment.COPY else None,
        )

    async def grid(self, source: MediaSource, rendition: Rendition) -> SegmentGrid:
        duration_s = source.technical.duration_ms / 1000
        count = max(-(-source.technical.duration_ms // round(_SEGMENT_S * 1000)), 1)
        return SegmentGrid(tuple(number * _SEGMENT_S for number in range(count)), duration_s)

    async def init_segment(self, source: MediaSource, rendition: Rendition) -> bytes:
        return f"init of stream {rendition.stream_index}".encode()

    async def segment(
        self, source: MediaSource, rendition: Rendition, number: int, *, session_id: PlaybackSessionId
    ) -> SegmentBytes:
        if not 0 <= number < len((await self.grid(source, rendition)).starts_s):
            raise NotFound("no such segment")
        self.sessions.add(session_id)
        data = f"segment {number} of stream {rendition.stream_index}".encode()
        return SegmentBytes(_pieces(data, rendition), len(data))

    async def keyframe(self, source: MediaSource, rendition: VideoPlan, number: int) -> bytes:
        known = 0 <= number < len((await self.grid(source, rendition)).starts_s)
        if rendition.treatment is not Treatment.COPY or not known:
            raise NotFound("no such keyframe")
        return f"keyframe {number} of stream {rendition.stream_index}".encode()

    async def release(self, session_id: PlaybackSessionId) -> None:
        self.sessions.discard(session_id)

    async def close(self) -> None:
        self.sessions.clear()
        self.closed = True


async def _pieces(data: bytes, rendition: Rendition) -> AsyncGenerator[bytes | Buffers]:
    if rendition.treatment is Treatment.COPY:
        yield Buffers([data[:4], memoryview(data)[4:8]])
    else:
        yield data[:8]
    yield data[8:]
