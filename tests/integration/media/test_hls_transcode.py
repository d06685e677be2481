"""Converted renditions: on their grid whatever happens to the encoder, and no process left behind."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import pytest

from odeion.adapters.ffmpeg import launcher
from odeion.adapters.ffmpeg.codec_strings import codec_string
from odeion.adapters.ffmpeg.encoders import EncoderLimits
from odeion.adapters.ffmpeg.fmp4 import read_track
from odeion.adapters.ffmpeg.producer import HlsRenditionProducer
from odeion.adapters.memory.transcoding import MemoryEncoderLeases
from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import HdrFormat, SubtitleStream
from odeion.domain.playback.plan import AudioPlan, Treatment, VideoPlan
from odeion.domain.shared.errors import Gone, NotFound, Unavailable
from odeion.domain.shared.ids import PlaybackSessionId, PoolId
from odeion.domain.transcoding import PoolKind, TranscodeSettings, TranscodeState
from tests.integration.media import hls
from tests.integration.media.hls import CONVERTS_ALL, ME

OTHER = PlaybackSessionId(2)

# By when a run that began with 0 has ended the process that hurried to make its first segments.
PAST_THE_OPENING = 3


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samples")


@contextlib.asynccontextmanager
async def producing(
    cache: Path,
    *,
    encoder_limit: int = 2,
    leases: MemoryEncoderLeases | None = None,
    settings: Callable[[], Awaitable[TranscodeSettings]] = hls.settings,
    limits: EncoderLimits | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[HlsRenditionProducer]:
    async def folder() -> Path:
        return cache

    producer = HlsRenditionProducer(
        folder, leases or hls.leases(encoder_limit), settings, 10**9, limits=limits, clock=clock
    )
    try:
        yield producer
    finally:
        await producer.close()
        assert encoders() == []


@pytest.fixture
async def producer(tmp_path: Path) -> AsyncIterator[HlsRenditionProducer]:
    async with producing(tmp_path / "cache") as producer:
        yield producer


def encoders(parent: int | None = None) -> list[int]:
    """Process ids of the encoders that we, or another process, started."""
    command = ["/bin/ps", "-ww", "-o", "pid=,args=", "--ppid", str(parent or os.getpid())]
    listed = subprocess.run(command, capture_output=True, text=True)
    lines = [line.split(maxsplit=1) for line in listed.stdout.splitlines()]
    return [int(pid) for pid, arguments in lines if "-nostdin" in arguments and "pipe:1" in arguments]


def launchers(parent: int | None = None) -> list[int]:
    """Process ids of what we, or another process, started that waits to become ffmpeg, or will soon."""
    found = []
    for pid in Path(f"/proc/{parent or os.getpid()}/task/{parent or os.getpid()}/children").read_text().split():
        with contextlib.suppress(FileNotFoundError):
            if launcher.__file__.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(int(pid))
    return found


def kill_encoders() -> None:
    for pid in encoders():
        # One that has just ended by itself is as good.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that happens outside of this process."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


def converted(source: MediaSource) -> tuple[VideoPlan, AudioPlan]:
    plan = hls.plan_for(source, CONVERTS_ALL)
    assert plan.video is not None and plan.video.treatment is Treatment.TRANSCODE
    return plan.video, replace(plan.audio[0], treatment=Treatment.TRANSCODE, codec="aac", channels=2)


def film(samples: Path) -> MediaSource:
    """Two minutes, quick to convert."""
    target = samples / "film.mkv"
    if not target.exists():
        codec = hls.h264(frames_between_keys=96)
        hls.encode(target, *hls.pattern(120, "24000/1001"), *hls.tone(120), *codec, "-c:a", "ac3")
    return hls.probe(target)


class TestConversions:
    @pytest.mark.parametrize(
        "name",
        [
            "h264_aac_mp4",
            "h264_surround_mkv",
            "hevc10_mkv",
            "late_mkv",
            "late_audio_mp4",
            "trimmed_mp4",
            "variable_rate_mkv",
            "transport_stream",
        ],
    )
    async def test_fit_the_grid(self, name: str, samples: Path, producer: HlsRenditionProducer, tmp_path: Path) -> None:
        source = hls.probe(hls.make(name, samples))
        for rendition in converted(source):
            made = await hls.produce(producer, source, rendition, tmp_path / rendition.codec)
            spans = [hls.span(made.init, segment) for segment in made.segments]
            assert spans[0].start == 0
            for before, after in itertools.pairwise(spans):
                assert after.start == pytest.approx(before.end, abs=0.001)
            for span, start_s in zip(spans, made.grid.starts_s, strict=True):
                assert span.first_is_key
                assert span.first_shown == pytest.approx(start_s, abs=0.001)
            assert hls.play(made.whole) == pytest.approx(source.technical.duration_ms / 1000, abs=0.1)

    @pytest.mark.parametrize("name", ["h264_surround_mkv", "hevc10_mkv"])
    async def test_play_from_their_playlists(
        self, name: str, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        source = hls.probe(hls.make(name, samples))
        plan = hls.plan_for(source, CONVERTS_ALL)
        master = await hls.publish(producer, source, plan, tmp_path / "player")
        assert hls.play(master) == pytest.approx(source.technical.duration_ms / 1000, abs=0.2)

    async def test_are_the_same_pictures_from_wherever_the_encoder_began(
        self, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        source = hls.probe(hls.make("h264_surround_mkv", samples))
        video, _ = converted(source)
        straight = await hls.produce(producer, source, video, tmp_path / "straight")
        assert len(straight.segments) > 6
        async with producing(tmp_path / "elsewhere") as another:
            for number in (len(straight.segments) - 1, 5, 1):
                segment = await hls.fetch(another, source, video, number)
                assert hls.span(straight.init, segment) == hls.span(straight.init, straight.segments[number])
                # Each run is stopped before the next, so this one began at its own segment.
                await another.release(ME)
                before, after = (self._pictures(straight.init + s) for s in (straight.segments[number], segment))
                assert len(before) == len(after)
                assert max(abs(x - y) for x, y in zip(before, after, strict=True)) < 4

    @staticmethod
    def _pictures(data: bytes) -> list[float]:
        """The mean brightness of a corner of each picture, where the pattern counts frames."""
        command = [hls.FFMPEG, "-v", "error", "-i", "pipe:0", "-vf", "crop=80:45:0:0,scale=1:1,format=gray"]
        done = subprocess.run([*command, "-f", "rawvideo", "pipe:1"], input=data, capture_output=True, check=True)
        return [float(byte) for byte in done.stdout]

    async def test_sound_joins_without_a_click(
        self, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        source = hls.probe(hls.make("h264_surround_mkv", samples))
        _, audio = converted(source)
        straight = await hls.produce(producer, source, audio, tmp_path / "straight")
        async with producing(tmp_path / "elsewhere") as another:
            pieces = []
            for number in range(6):
                pieces.append(await hls.fetch(another, source, audio, number))
                await another.release(ME)
                for file in (tmp_path / "elsewhere").glob("*/*.m4s"):
                    file.unlink()
        one, many = (self._samples(straight.init + b"".join(s)) for s in (straight.segments[:6], pieces))
        assert len(one) == len(many)
        loudest = max(map(abs, one))
        assert loudest > 1000
        # The very beginning fades in; everywhere else both decode to the same sound.
        differences = [abs(x - y) for x, y in zip(one[4096:-4096], many[4096:-4096], strict=True)]
        assert max(differences) < loudest * 0.1

    @staticmethod
    def _samples(data: bytes) -> list[int]:
        command = [hls.FFMPEG, "-v", "error", "-i", "pipe:0", "-ac", "1", "-f", "s16le", "pipe:1"]
        done = subprocess.run(command, input=data, capture_output=True, check=True)
        return list(memoryview(done.stdout).cast("h"))

    async def test_are_eight_bits_of_h264_as_described(self, samples: Path, producer: HlsRenditionProducer) -> None:
        source = hls.probe(hls.make("hevc10_mkv", samples))
        video, audio = converted(source)
        facts = await producer.facts(source, video)
        init, first = await producer.init_segment(source, video), await hls.fetch(producer, source, video, 0)
        assert (facts.width, facts.height, facts.video_range, facts.frame_rate) == (160, 90, "SDR", 50.0)
        file = Path(source.path).with_name("first.mp4")
        file.write_bytes(init + first)
        with av.open(str(file)) as container:
            picture = next(container.decode(video=0))
            codec = container.streams.video[0].codec_context
            assert (picture.format.name, picture.width, picture.height) == ("yuv420p", 160, 90)
            assert codec.extradata is not None
            assert facts.codecs == f"avc1.{codec.extradata[1:4].hex()}" == f"avc1.6400{codec.level:02x}"
        assert len(init + first) * 8 <= facts.bandwidth_bps
        assert (await producer.facts(source, audio)).codecs == "mp4a.40.2"

    async def test_knows_no_segment_beyond_the_grid(self, samples: Path, producer: HlsRenditionProducer) -> None:
        source = hls.probe(hls.make("h264_aac_mp4", samples))
        for rendition in converted(source):
            count = len((await producer.grid(source, rendition)).starts_s)
            for number in (count, -1):
                with pytest.raises(NotFound):
                    await hls.fetch(producer, source, rendition, number)


class TestCodecs:
    @pytest.mark.parametrize(
        ("codec", "string"), [("h264", "avc1.64"), ("hevc", "hvc1.1.6."), ("av1", "av01.0."), ("h264 in sixes", "avc1")]
    )
    async def test_fit_the_grid_and_play(
        self, codec: str, string: str, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        source = hls.probe(hls.make("h264_surround_mkv", samples))
        video, _ = converted(source)
        length = 6 if codec.endswith("sixes") else 2
        video = replace(video, codec=codec.split()[0], segment_length_s=length)
        made = await hls.produce(producer, source, video, tmp_path / "made")
        announced = (await producer.facts(source, video)).codecs
        assert announced.startswith(string)
        found = codec_string(read_track(made.init).sample_entry)
        # An AV1 encoder chooses its level by itself, within what was announced.
        assert found == announced or (found[:7] == announced[:7] == "av01.0." and found[7:9] <= announced[7:9])
        if codec == "hevc":
            sets = {unit for unit in hls.nal_units(made.whole) if (unit[0] >> 1) & 63 in (32, 33, 34)}
            assert len(sets) == 3
            assert all(unit in made.init for unit in sets)
        spans = [hls.span(made.init, segment) for segment in made.segments]
        for before, after in itertools.pairwise(spans):
            assert after.start == pytest.approx(before.end, abs=0.001)
        for span, start_s in zip(spans, made.grid.starts_s, strict=True):
            assert span.first_is_key
            assert span.first_shown == pytest.approx(start_s, abs=0.001)
        assert made.grid.starts_s[1] == pytest.approx(length / 2, abs=0.1)
        assert hls.play(made.whole) == pytest.approx(source.technical.duration_ms / 1000, abs=0.1)

    async def test_keep_hdr_where_it_is_wanted(
        self, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        source = hls.probe(hls.make("hevc10_mkv", samples))
        video, _ = converted(source)
        video = replace(video, codec="hevc", tone_map=False, keeps_hdr=True)
        facts = await producer.facts(source, video)
        assert facts.video_range == "PQ" and facts.codecs.startswith("hvc1.2.")
        file = tmp_path / "hdr.mp4"
        init = await producer.init_segment(source, video)
        file.write_bytes(init + await hls.fetch(producer, source, video, 0))
        with av.open(str(file)) as container:
            picture = next(container.decode(video=0))
            codec = container.streams.video[0].codec_context
            assert picture.format.name == "yuv420p10le"
            assert (codec.color_trc, codec.color_primaries) == (16, 9)


class TestPieces:
    async def test_come_before_the_segment_is_whole(self, samples: Path, producer: HlsRenditionProducer) -> None:
        source = film(samples)
        video, _ = converted(source)
        pieces = [piece async for piece in await producer.segment(source, video, 3, session_id=ME)]
        assert len(pieces) >= 7
        again = [piece async for piece in await producer.segment(source, video, 3, session_id=ME)]
        assert b"".join(pieces) == b"".join(again)

    async def test_break_off_when_the_encoder_does(self, samples: Path, tmp_path: Path) -> None:
        source = film(samples)
        video, _ = converted(source)
        async with producing(tmp_path / "cache") as producer:
            stream = await producer.segment(source, replace(video, width=1920, height=1080), 3, session_id=ME)
            assert await anext(stream.pieces)
            kill_encoders()
            with pytest.raises(Unavailable, match="in the middle"):
                async for _ in stream:
                    pass


class TestPools:
    async def test_the_first_segments_are_made_with_less_effort(self, samples: Path, tmp_path: Path) -> None:
        source = film(samples)
        video, _ = converted(source)

        async def settings() -> TranscodeSettings:
            return TranscodeSettings(preset="veryfast", start_preset="ultrafast")

        leases = hls.leases()
        async with producing(tmp_path / "cache", leases=leases, settings=settings) as producer:
            grid, init = await producer.grid(source, video), await producer.init_segment(source, video)
            segments = [await hls.fetch(producer, source, video, number) for number in range(6)]
            assert "veryfast" in next(iter(leases.argv.values()))
        spans = [hls.span(init, segment) for segment in segments]
        for before, after, start_s in zip(spans, spans[1:], grid.starts_s[1:], strict=False):
            assert after.start == pytest.approx(before.end, abs=0.001)
            assert after.first_is_key and after.first_shown == pytest.approx(start_s, abs=0.001)
        whole = tmp_path / "whole.mp4"
        whole.write_bytes(init + b"".join(segments))
        assert hls.play(whole) == pytest.approx(grid.starts_s[6], abs=0.1)

    @pytest.mark.parametrize("preset", ["superfast", "veryfast", "fast", "medium"])
    @pytest.mark.parametrize("start_preset", ["ultrafast", "veryfast"])
    async def test_the_init_segment_has_all_parameter_sets(
        self, start_preset: str, preset: str, samples: Path, tmp_path: Path
    ) -> None:
        """Those of a hurried start and of what comes then. WebKit takes no others, wherever they are."""
        source = film(samples)
        video, _ = converted(source)

        async def settings() -> TranscodeSettings:
            return TranscodeSettings(preset=preset, start_preset=start_preset)

        async with producing(tmp_path / "cache", settings=settings) as producer:
            init = await producer.init_segment(source, video)
            segments = [await hls.fetch(producer, source, video, number) for number in range(4)]
        whole = tmp_path / "whole.mp4"
        whole.write_bytes(init + b"".join(segments))
        sets = {unit for unit in hls.nal_units(whole) if unit[0] & 31 in (7, 8)}
        assert len(sets) == 4
        assert all(unit in init for unit in sets)

    async def test_a_broken_device_is_left_for_the_cpu(self, samples: Path, tmp_path: Path) -> None:
        source = film(samples)
        video, _ = converted(source)
        gpu = (PoolId(1), PoolKind.VAAPI, "/dev/dri/renderD199", 1, frozenset({"h264"}))
        cpu = (PoolId(2), PoolKind.CPU, None, 1, frozenset({"h264"}))
        leases = MemoryEncoderLeases([gpu, cpu])
        async with producing(tmp_path / "cache", leases=leases) as producer:
            init = await producer.init_segment(source, video)
            segment = await hls.fetch(producer, source, video, 4)
            grid = await producer.grid(source, video)
            assert hls.span(init, segment).first_shown == pytest.approx(grid.starts_s[4], abs=0.001)
            (broken,) = leases.ended
            assert (broken.state, broken.report.next_segment) == (TranscodeState.FAILED, 4)
            assert broken.error
            (running,) = leases.running.values()
            assert running.pool_kind is PoolKind.CPU
        assert [end.state for end in leases.ended] == [TranscodeState.FAILED, TranscodeState.COMPLETED]

    async def test_places_are_given_back_and_tell_how_it_went(self, samples: Path, tmp_path: Path) -> None:
        source = film(samples)
        video, audio = converted(source)
        leases = hls.leases()
        async with producing(tmp_path / "cache", leases=leases) as producer:
            await hls.fetch(producer, source, video, 0)
            await hls.fetch(producer, source, audio, 0)
            assert len(leases.running) == 2
            await producer.release(ME)
            assert not leases.running
        reports = [end.report for end in leases.ended]
        assert {report.sessions for report in reports} == {()}
        assert all(report.next_segment >= 1 for report in reports)

    async def test_an_administrators_wish_ends_a_run(self, samples: Path, tmp_path: Path) -> None:
        source = film(samples)
        video, _ = converted(source)
        leases = hls.leases()
        limits = EncoderLimits(run_ahead_s=4)
        async with producing(tmp_path / "cache", leases=leases, limits=limits) as producer:
            await hls.fetch(producer, source, video, 0)
            leases.cancelled.update(leases.running)
            await until(lambda: leases.ended)
            assert [end.state for end in leases.ended] == [TranscodeState.CANCELLED]
            assert encoders() == []

    async def test_a_session_that_ended_elsewhere_is_let_go(self, samples: Path, tmp_path: Path) -> None:
        source = film(samples)
        video, _ = converted(source)
        leases = hls.leases()
        async with producing(tmp_path / "cache", leases=leases, limits=EncoderLimits(run_ahead_s=4)) as producer:
            await hls.fetch(producer, source, video, 0)
            leases.ended_sessions.add(ME)
            await until(lambda: not encoders())


class TestPictures:
    async def test_hold_still_where_the_video_ends_before_the_file(
        self, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        path = samples / "short_video.mkv"
        hls.encode(path, *hls.pattern(4, "25"), *hls.tone(15), *hls.h264(frames_between_keys=25), "-c:a", "aac")
        source = hls.probe(path)
        video, _ = converted(source)
        grid = await producer.grid(source, video)
        last = len(grid.starts_s) - 1
        segment = await hls.fetch(producer, source, video, last)
        assert hls.span(await producer.init_segment(source, video), segment).first_shown == pytest.approx(
            grid.starts_s[last], abs=0.001
        )

    async def test_are_turned_scaled_deinterlaced_and_tone_mapped_as_planned(
        self, samples: Path, producer: HlsRenditionProducer
    ) -> None:
        source = hls.probe(hls.make("hevc10_mkv", samples))
        video, _ = converted(source)
        video = replace(video, width=96, height=54, deinterlace=True, tone_map=True)
        assert source.technical.video[0].hdr is HdrFormat.HDR10
        data = await producer.init_segment(source, video) + await hls.fetch(producer, source, video, 0)
        file = samples / "tone-mapped.mp4"
        file.write_bytes(data)
        with av.open(str(file)) as container:
            picture = next(container.decode(video=0))
            codec = container.streams.video[0].codec_context
            assert (picture.width, picture.height) == (96, 54)
            assert (codec.color_trc, codec.color_primaries, codec.colorspace) == (1, 1, 1)
            assert codec.sample_aspect_ratio in (None, Fraction(1))


class TestEncoders:
    async def test_recover_from_being_killed(self, samples: Path, producer: HlsRenditionProducer) -> None:
        source = film(samples)
        video, _ = converted(source)
        await hls.fetch(producer, source, video, 0)
        waiting = asyncio.create_task(hls.fetch(producer, source, video, 11))
        await until(encoders)
        kill_encoders()
        segment = await waiting
        grid = await producer.grid(source, video)
        init = await producer.init_segment(source, video)
        assert hls.span(init, segment).first_shown == pytest.approx(grid.starts_s[11], abs=0.001)

    async def test_end_with_the_session_that_used_them(self, samples: Path, producer: HlsRenditionProducer) -> None:
        source = film(samples)
        video, audio = converted(source)
        await hls.fetch(producer, source, video, 0)
        await hls.fetch(producer, source, video, PAST_THE_OPENING)
        await hls.fetch(producer, source, audio, 0)
        assert len(encoders()) == 2
        await producer.release(OTHER)
        assert len(encoders()) == 2
        await producer.release(ME)
        assert encoders() == []

    async def test_are_not_begun_again_for_a_session_that_ended_meanwhile(self, samples: Path, tmp_path: Path) -> None:
        source = film(samples)
        video, _ = converted(source)
        async with producing(tmp_path / "cache", encoder_limit=1) as producer:
            await hls.fetch(producer, source, video, 0)
            asking = [asyncio.create_task(hls.fetch(producer, source, video, number)) for number in (8, 10, 12)]
            await asyncio.sleep(0.05)
            await producer.release(ME)
            answers = await asyncio.gather(*asking, return_exceptions=True)
            assert any(isinstance(answer, Gone) for answer in answers), answers
            await until(lambda: not encoders())
            async for _ in await producer.segment(source, video, 4, session_id=OTHER):
                pass

    async def test_are_shared_by_those_who_watch_the_same(self, samples: Path, producer: HlsRenditionProducer) -> None:
        source = film(samples)
        video, _ = converted(source)
        for session in (ME, OTHER):
            for number in (0, PAST_THE_OPENING):
                async for _ in await producer.segment(source, video, number, session_id=session):
                    pass
        assert len(encoders()) == 1
        await producer.release(ME)
        assert len(encoders()) == 1

    async def test_a_restart_is_spared_by_what_is_in_the_cache(
        self, samples: Path, producer: HlsRenditionProducer
    ) -> None:
        source = film(samples)
        video, _ = converted(source)
        before = await hls.fetch(producer, source, video, 0)
        await producer.release(ME)
        assert await hls.fetch(producer, source, video, 0) == before
        assert encoders() == []

    async def test_run_ahead_no_further_than_they_should(self, samples: Path, tmp_path: Path) -> None:
        source = film(samples)
        video, _ = converted(source)
        limits = EncoderLimits(run_ahead_s=10)
        async with producing(tmp_path / "cache", limits=limits) as producer:
            await hls.fetch(producer, source, video, 0)

            def made() -> int:
                return len(list((tmp_path / "cache").glob("*/*.m4s")))

            await until(lambda: made() >= 6)
            await asyncio.sleep(0.5)
            assert made() == 6
            assert len(encoders()) == 1
            await hls.fetch(producer, source, video, 8)

    async def test_of_sound_stay_near_what_is_heard(
        self, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        source = film(samples)
        _, audio = converted(source)
        begun = []
        for number in range(10, 14):
            segment = await hls.fetch(producer, source, audio, number)
            begun += encoders()
        assert len(set(begun)) == 1
        # Undisturbed it would make the two minutes in that time.
        await asyncio.sleep(0.5)
        assert len(list((tmp_path / "cache").glob("*/*.m4s"))) <= 5
        counted = Path(f"/proc/{begun[0]}/io").read_text().splitlines()
        written = next(int(line.split()[1]) for line in counted if line.startswith("wchar"))
        assert written < 12 * len(segment)

    async def test_idle_ones_end(self, samples: Path, tmp_path: Path) -> None:
        source = film(samples)
        video, _ = converted(source)
        limits = EncoderLimits(run_ahead_s=4, idle_after_s=0.3)
        async with producing(tmp_path / "cache", limits=limits) as producer:
            await hls.fetch(producer, source, video, 0)
            await until(lambda: not encoders())

    async def test_one_too_many_is_refused_until_another_is_idle(self, samples: Path, tmp_path: Path) -> None:
        source = film(samples)
        video, _ = converted(source)
        smaller = replace(video, width=80, height=44)
        limits = EncoderLimits(run_ahead_s=4)
        now_s = 100.0
        cache = tmp_path / "cache"
        async with producing(cache, encoder_limit=1, limits=limits, clock=lambda: now_s) as producer:
            await hls.fetch(producer, source, video, 0)
            with pytest.raises(Unavailable) as refused:
                async for _ in await producer.segment(source, smaller, 0, session_id=OTHER):
                    pass
            assert refused.value.retry_after_s
            now_s += 31
            for number in (0, PAST_THE_OPENING):
                async for _ in await producer.segment(source, smaller, number, session_id=OTHER):
                    pass
            assert len(encoders()) == 1

    async def test_a_viewer_who_goes_over_to_another_rung_gives_up_the_first(
        self, samples: Path, tmp_path: Path
    ) -> None:
        source = film(samples)
        video, _ = converted(source)
        smaller = replace(video, width=80, height=44)
        limits = EncoderLimits(run_ahead_s=4)
        async with producing(tmp_path / "cache", encoder_limit=1, limits=limits) as producer:
            for rung, number in ((video, 0), (smaller, 1), (video, 4)):
                async for _ in await producer.segment(source, rung, number, session_id=ME):
                    pass
            with pytest.raises(Unavailable):
                await producer.segment(source, smaller, 0, session_id=OTHER)

    async def test_many_quick_seeks_leave_few_encoders_and_right_answers(self, samples: Path, tmp_path: Path) -> None:
        source = film(samples)
        video, _ = converted(source)
        async with producing(tmp_path / "cache") as producer:
            grid = await producer.grid(source, video)
            init = await producer.init_segment(source, video)
            choice = random.Random(9)  # noqa: S311
            wanted = [choice.randrange(len(grid.starts_s)) for _ in range(50)]
            most = 0
            seeks: list[asyncio.Task[bytes]] = []
            for number in wanted:
                seeks.append(asyncio.create_task(hls.fetch(producer, source, video, number)))
                await asyncio.sleep(0.02)
                most = max(most, len(encoders()))
                if choice.random() < 0.8:  # a player gives up the former one
                    seeks[-1].cancel()
            results = await asyncio.gather(*seeks, return_exceptions=True)
            last = await hls.fetch(producer, source, video, wanted[-1])
            assert hls.span(init, last).first_shown == pytest.approx(grid.starts_s[wanted[-1]], abs=0.001)
            for number, result in zip(wanted, results, strict=True):
                if isinstance(result, bytes):
                    assert hls.span(init, result).first_shown == pytest.approx(grid.starts_s[number], abs=0.001)
                else:
                    # Given up, or cut off by the seek that followed while it was being sent.
                    assert isinstance(result, asyncio.CancelledError | Unavailable)
            assert most <= 2
            assert len(encoders()) <= 2

    async def test_say_why_when_they_fail(self, tmp_path: Path, samples: Path) -> None:
        source = film(samples)
        video, _ = converted(source)
        # What is said to be subtitles is sound.
        wrong = SubtitleStream(index=1, codec="hdmv_pgs_subtitle", is_text=False)
        source = replace(source, technical=replace(source.technical, subtitles=(wrong,)))
        async with producing(tmp_path / "cache") as producer:
            with pytest.raises(Unavailable, match="cannot be converted"):
                await hls.fetch(producer, source, replace(video, burn_in="stream:1"), 0)

    async def test_leave_no_launcher_behind(self, samples: Path, tmp_path: Path) -> None:
        source = film(samples)
        video, _ = converted(source)
        async with producing(tmp_path / "cache") as producer:
            await hls.fetch(producer, source, video, 0)
            await until(launchers)
        assert launchers() == []

    async def test_die_with_their_parent(self, samples: Path, tmp_path: Path) -> None:
        # So long that its end does not lie in a pipe when the encoder sleeps.
        once = film(samples).path
        source = hls.probe(hls.encode(samples / "longer.mkv", "-stream_loop", "4", "-i", once, "-c", "copy"))
        program = f"""
import asyncio, os, sys
from pathlib import Path
from tests.integration.media import hls
from tests.integration.media.test_hls_transcode import converted
from odeion.adapters.ffmpeg.producer import HlsRenditionProducer
async def main():
    async def folder(): return Path({str(tmp_path)!r}) / "cache"
    producer = HlsRenditionProducer(folder, hls.leases(), hls.settings, 10**9)
    source = hls.probe(Path({source.path!r}))
    await hls.fetch(producer, source, converted(source)[0], 0)
    print("ready", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert await asyncio.wait_for(child.stdout.readline(), 30) == b"ready\n"
        # With those that are ready for more.
        await until(lambda: encoders(child.pid) and launchers(child.pid))
        begun = encoders(child.pid) + launchers(child.pid)
        child.kill()
        await child.wait()
        for pid in begun:
            await until(lambda: not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text())  # noqa: B023
