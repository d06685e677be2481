"""What every RenditionProducer keeps to."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from odeion.adapters.ffmpeg.producer import HlsRenditionProducer
from odeion.adapters.memory.rendition_producer import MemoryRenditionProducer
from odeion.application.playback.ports import MediaSource, Rendition, RenditionProducer
from odeion.domain.playback.plan import PlaybackPlan, Treatment
from odeion.domain.shared.errors import NotFound
from odeion.domain.shared.ids import PlaybackSessionId
from tests.integration.media import hls

ME, OTHER = PlaybackSessionId(1), PlaybackSessionId(2)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> MediaSource:
    return hls.probe(hls.make("h264_aac_mp4", tmp_path_factory.mktemp("samples")))


@pytest.fixture(params=[hls.COPIES_ALL, hls.CONVERTS_ALL], ids=["copied", "converted"])
def plan(source: MediaSource, request: pytest.FixtureRequest) -> PlaybackPlan:
    return hls.plan_for(source, request.param)


class RenditionProducerContract:
    """Run against each implementation, with plans that copy and plans that convert."""

    @staticmethod
    def renditions(plan: PlaybackPlan) -> list[Rendition]:
        assert plan.video is not None
        return [plan.video, *plan.audio]

    async def test_the_grid_begins_at_0_rises_and_covers_the_file(
        self, producer: RenditionProducer, source: MediaSource, plan: PlaybackPlan
    ) -> None:
        for rendition in self.renditions(plan):
            grid = await producer.grid(source, rendition)
            assert grid.starts_s[0] == 0
            assert all(before < after for before, after in itertools.pairwise([*grid.starts_s, grid.duration_s]))
            assert grid.duration_s == pytest.approx(source.technical.duration_ms / 1000, abs=0.1)
            assert await producer.grid(source, rendition) == grid

    async def test_facts_are_whole(self, producer: RenditionProducer, source: MediaSource, plan: PlaybackPlan) -> None:
        for rendition in self.renditions(plan):
            facts = await producer.facts(source, rendition)
            assert facts.codecs
            assert 0 < facts.average_bandwidth_bps <= facts.bandwidth_bps
            has_picture = rendition is plan.video
            assert (facts.width is not None, facts.height is not None) == (has_picture, has_picture)
            assert (facts.frame_rate is not None) == (facts.video_range is not None) == has_picture

    async def test_every_segment_of_the_grid_can_be_had_more_than_once(
        self, producer: RenditionProducer, source: MediaSource, plan: PlaybackPlan
    ) -> None:
        for rendition in self.renditions(plan):
            assert await producer.init_segment(source, rendition)
            for number in range(len((await producer.grid(source, rendition)).starts_s)):
                first = await self._fetch(producer, source, rendition, number, ME)
                assert first and first == await self._fetch(producer, source, rendition, number, OTHER)

    async def test_keyframes_of_copied_pictures_can_be_had_alone(
        self, producer: RenditionProducer, source: MediaSource, plan: PlaybackPlan
    ) -> None:
        assert plan.video is not None
        facts, grid = await producer.facts(source, plan.video), await producer.grid(source, plan.video)
        copied = plan.video.treatment is Treatment.COPY
        assert (facts.keyframe_bandwidth_bps is not None) == copied
        for number in range(-1, len(grid.starts_s) + 1):
            if copied and 0 <= number < len(grid.starts_s):
                whole = await self._fetch(producer, source, plan.video, number, ME)
                assert 0 < len(await producer.keyframe(source, plan.video, number)) != len(whole)
            else:
                with pytest.raises(NotFound):
                    await producer.keyframe(source, plan.video, number)

    async def test_there_is_nothing_beyond_the_grid(
        self, producer: RenditionProducer, source: MediaSource, plan: PlaybackPlan
    ) -> None:
        for rendition in self.renditions(plan):
            for number in (-1, len((await producer.grid(source, rendition)).starts_s)):
                with pytest.raises(NotFound):
                    await self._fetch(producer, source, rendition, number, ME)

    async def test_release_leaves_others_alone_and_may_be_repeated(
        self, producer: RenditionProducer, source: MediaSource, plan: PlaybackPlan
    ) -> None:
        rendition = self.renditions(plan)[0]
        await self._fetch(producer, source, rendition, 0, ME)
        await producer.release(ME)
        await producer.release(ME)
        await producer.release(OTHER)
        assert await self._fetch(producer, source, rendition, 1, OTHER)

    @staticmethod
    async def _fetch(
        producer: RenditionProducer,
        source: MediaSource,
        rendition: Rendition,
        number: int,
        session_id: PlaybackSessionId,
    ) -> bytes:
        return b"".join(
            [piece async for piece in await producer.segment(source, rendition, number, session_id=session_id)]
        )


class TestMemoryRenditionProducer(RenditionProducerContract):
    @pytest.fixture
    def producer(self) -> RenditionProducer:
        return MemoryRenditionProducer()


class TestHlsRenditionProducer(RenditionProducerContract):
    @pytest.fixture
    async def producer(self, tmp_path: Path) -> AsyncIterator[RenditionProducer]:
        async def folder() -> Path:
            return tmp_path / "cache"

        producer = HlsRenditionProducer(folder, hls.leases(), hls.settings, 10**9)
        yield producer
        await producer.close()
