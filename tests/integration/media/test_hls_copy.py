"""Copied renditions: what comes out is what was in, cut so that nobody notices."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import math
import random
import statistics
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from odeion.adapters.ffmpeg.index_builder import build_index
from odeion.adapters.ffmpeg.media_index import decode
from odeion.adapters.ffmpeg.media_indexes import MediaIndexes
from odeion.adapters.ffmpeg.producer import HlsRenditionProducer
from odeion.adapters.memory.media_indexes import MemoryMediaIndexes
from odeion.domain.playback.plan import Treatment
from odeion.domain.shared.errors import Conflict, NotFound, Unavailable
from tests.integration.media import hls, matroska
from tests.integration.media.hls import COPIES_ALL, Produced, Seen
from tests.integration.media.matroska import Style

# An SEI unit of nothing else.
X264_RECOVERY_POINT = bytes.fromhex("060601c480")
SAMPLES = [
    "h264_aac_mp4",
    "h264_surround_mkv",
    "open_gop_mkv",
    "open_gop_mp4",
    "hevc10_mkv",
    "hevc10_mp4",
    "vp9_webm",
    "av1_mkv",
    "no_cues_mkv",
    "late_mkv",
    "late_audio_mp4",
    "trimmed_mp4",
    "variable_rate_mkv",
    "fragmented_mp4",
    "transport_stream",
    "h264_aac_ts",
    "hevc10_ts",
    "two_sounds_m2ts",
]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samples")


@pytest.fixture
async def producer(tmp_path: Path) -> AsyncIterator[HlsRenditionProducer]:
    async def folder() -> Path:
        return tmp_path / "cache"

    indexes = MediaIndexes(MemoryMediaIndexes())
    producer = HlsRenditionProducer(folder, hls.leases(), hls.settings, 10**9, indexes=indexes)
    yield producer
    await producer.close()


@pytest.fixture
async def producer_without_indexes(tmp_path: Path) -> AsyncIterator[HlsRenditionProducer]:
    """What libavformat reads, it alone reads."""

    async def folder() -> Path:
        return tmp_path / "cache"

    producer = HlsRenditionProducer(folder, hls.leases(), hls.settings, 10**9)
    yield producer
    await producer.close()


def matches(source: list[Seen], produced: list[Seen], origin_s: float) -> None:
    """Count, order, bytes and times of showing are those of the source."""
    assert [packet.checksum for packet in produced] == [packet.checksum for packet in source]
    for before, after in zip(source, produced, strict=True):
        assert after.pts == pytest.approx(before.pts - origin_s, abs=0.003)


def as_mp4_has_them(path: Path, stream_index: int, folder: Path) -> list[Seen]:
    """The packets of a stream. Those of transport streams have start codes and headers of their own, which ffmpeg takes
    off when it writes an MP4."""
    found = hls.packets(path, stream_index)
    if path.suffix not in (".ts", ".m2ts"):
        return found
    bare = folder / f"bare-{stream_index}.mp4"
    hls.ffmpeg("-i", path, "-map", f"0:{stream_index}", "-c", "copy", "-copyinkf", "-use_editlist", "0", bare)
    checksums = [packet.checksum for packet in hls.packets(bare)]
    return [replace(packet, checksum=checksum) for packet, checksum in zip(found, checksums, strict=True)]


def is_seamless(rendition: Produced) -> None:
    spans = [hls.span(rendition.init, segment) for segment in rendition.segments]
    for before, after in itertools.pairwise(spans):
        assert after.start == pytest.approx(before.end, abs=0.001)


async def is_whole(path: Path, producer: HlsRenditionProducer, folder: Path) -> None:
    """All that is copied of a file is what was in it, without gaps, and plays."""
    source = hls.probe(path)
    plan = hls.plan_for(source, COPIES_ALL)
    origin_s = hls.start_s(path)
    assert plan.video is not None and plan.video.treatment is Treatment.COPY

    video = await hls.produce(producer, source, plan.video, folder / "video")
    matches(as_mp4_has_them(path, plan.video.stream_index, folder), hls.packets(video.whole), origin_s)
    is_seamless(video)
    assert all(hls.span(video.init, segment).first_is_key for segment in video.segments)
    assert hls.play(video.whole) == pytest.approx(video.grid.duration_s, abs=0.1)

    for audio in plan.audio:
        assert audio.treatment is Treatment.COPY
        sound = await hls.produce(producer, source, audio, folder / f"audio-{audio.stream_index}")
        every = as_mp4_has_them(path, audio.stream_index, folder)
        heard = [p for p in every if p.pts - origin_s >= -0.0005]
        found = hls.packets(sound.whole)
        frame_s = statistics.median(packet.duration for packet in found)
        found, silent = hls.split_silence(found, sound)
        # Holes are filled, and nothing else is.
        assert all(packet.duration < 1.8 * frame_s for packet in [*found, *silent])
        assert all(abs(h.pts - origin_s - s.pts) > 0.5 * frame_s for h in heard for s in silent)
        matches(heard, found, origin_s)
        is_seamless(sound)
        late_s = hls.span(sound.init, sound.segments[0]).start
        assert not 0 < late_s <= 0.003
        assert hls.play(sound.whole) == pytest.approx(sound.grid.duration_s - late_s, abs=0.1)


def loudness(path: Path) -> list[float]:
    """Of each half second, of 1."""
    command = [hls.FFMPEG, "-v", "error", "-i", str(path), "-ac", "1", "-ar", "8000", "-f", "f32le", "pipe:1"]
    samples = memoryview(subprocess.run(command, capture_output=True, check=True).stdout).cast("f").tolist()
    halves = [samples[at : at + 4000] for at in range(0, len(samples) - 3999, 4000)]
    return [math.sqrt(sum(sample * sample for sample in half) / len(half)) for half in halves]


# What ffmpeg writes in few ways, by track types and containers: picture and sound are encoded once and repackaged.
PICTURES = {
    "h264": (("-r", "30000/1001"), hls.h264(frames_between_keys=45)),
    "h264_few_keys": (("-r", "24000/1001"), hls.h264(frames_between_keys=1000)),
    "hevc": (
        ("-r", "50"),
        ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=75:bframes=3"),
    ),
    "av1": (("-r", "25"), ("-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-g", "50")),
    "vp9": (("-r", "25"), ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "50")),
}
SOUNDS = {
    "aac": ("-c:a", "aac"),
    "aac_51": ("-ac", "6", "-c:a", "aac"),
    "aac_71": ("-ac", "8", "-c:a", "aac"),
    "ac3_51": ("-ac", "6", "-c:a", "ac3"),
    "eac3": ("-c:a", "eac3"),
    "opus": ("-c:a", "libopus"),
    "flac": ("-c:a", "flac"),
    "mp3": ("-c:a", "libmp3lame"),
}
MATRIX = [
    *((picture, sound, suffix) for picture, sound in zip(PICTURES, SOUNDS, strict=False) for suffix in ("mkv", "mp4")),
    *(("h264", sound, suffix) for sound in SOUNDS for suffix in ("mkv", "mp4")),
    *((picture, "aac", "fragmented.mp4") for picture in ("h264", "hevc")),
    *(("h264", sound, "mov") for sound in ("aac", "ac3_51")),
    *(("h264", sound, "ts") for sound in ("aac", "ac3_51", "eac3", "mp3")),
    *(("h264", sound, "m2ts") for sound in ("ac3_51", "eac3")),
    *((picture, "aac", "ts") for picture in ("h264_few_keys", "hevc")),
    ("h264", "aac", "late.ts"),
    ("h264", "aac", "wrapped.ts"),
    ("h264", "aac", "constant_rate.ts"),
    ("vp9", "opus", "webm"),
    ("h264", "aac", "rotated.mp4"),
    ("h264", "aac", "late.mp4"),
    ("h264", "aac", "faststart.mp4"),
]


def repackaged(picture: str, sound: str, suffix: str, folder: Path) -> Path:
    """8.37 s, which no frame of either ends with."""
    original = folder / f"{picture}-{sound}.mkv"
    rate, codec = PICTURES[picture]
    if not original.exists():
        hls.encode(original, *hls.pattern(8.37, rate[1], "160x96"), *hls.tone(8.37), *codec, *SOUNDS[sound])
    target = folder / f"{picture}-{sound}.{suffix}"
    more: dict[str, tuple[str, ...]] = {
        "fragmented.mp4": ("-movflags", "frag_keyframe+empty_moov"),
        "rotated.mp4": (),
        "late.mp4": ("-output_ts_offset", "1.5"),
        "faststart.mp4": ("-movflags", "faststart"),
        "late.ts": ("-output_ts_offset", "5000"),
        # The clock of 33 bits begins anew after 2 s.
        "wrapped.ts": ("-output_ts_offset", str(2**33 / 90_000 - 2)),
        "constant_rate.ts": ("-muxrate", "3M"),
    }
    before = ("-display_rotation", "90") if suffix == "rotated.mp4" else ()
    return (
        target if target.exists() else hls.encode(target, *before, "-i", original, "-c", "copy", *more.get(suffix, ()))
    )


STYLES = {
    "xiph_laces": Style(lacing="xiph", frames_per_lace=4),
    "ebml_laces": Style(lacing="ebml", frames_per_lace=5),
    "fixed_laces": Style(lacing="fixed", frames_per_lace=3),
    "laces_in_groups": Style(lacing="ebml", frames_per_lace=8, block_groups=True),
    "block_groups": Style(block_groups=True),
    "sizes_unknown": Style(sized=False),
    "sizes_and_cues_unknown": Style(sized=False, cues="none"),
    "cues_of_clusters_only": Style(cues="without_places"),
    "cues_of_the_first_half": Style(cues="first_half"),
    "stripped_headers": Style(stripped=2),
}


class TestCopies:
    @pytest.mark.parametrize("name", SAMPLES)
    async def test_gives_every_packet_of_the_source_in_its_place(
        self, name: str, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        await is_whole(hls.make(name, samples), producer, tmp_path)

    @pytest.mark.parametrize(
        "name", ["h264_aac_mp4", "open_gop_mp4", "h264_surround_mkv", "no_cues_mkv", "trimmed_mp4"]
    )
    async def test_gives_the_same_without_an_index(
        self, name: str, samples: Path, producer_without_indexes: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        await is_whole(hls.make(name, samples), producer_without_indexes, tmp_path)

    async def test_leaves_no_file_open_for_those_who_do_not_wait(
        self, samples: Path, producer: HlsRenditionProducer
    ) -> None:
        film = hls.make("h264_surround_mkv", samples)
        source = hls.probe(film)
        video = hls.plan_for(source, COPIES_ALL).video
        assert video is not None
        whole = await hls.fetch(producer, source, video, 0)
        given_up = 0
        for patience in range(60):
            asking = asyncio.create_task(hls.fetch(producer, source, video, 0))
            for _ in range(patience % 12):
                await asyncio.sleep(0)
            given_up += asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        # Threads finish what they are at.
        await asyncio.sleep(0.5)
        links = [entry for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
        opened = [link for link in links if link.readlink() == film]
        assert (given_up > 20, opened) == (True, [])
        assert await hls.fetch(producer, source, video, 0) == whole

    @pytest.mark.parametrize(("picture", "sound", "suffix"), dict.fromkeys(MATRIX))
    async def test_knows_the_ways_of_containers_and_codecs(
        self, picture: str, sound: str, suffix: str, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        await is_whole(repackaged(picture, sound, suffix, samples), producer, tmp_path)

    @pytest.mark.parametrize("style", STYLES)
    async def test_knows_the_ways_of_other_writers(
        self, style: str, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        original = repackaged("h264", "ac3_51", "mkv", samples)
        film = matroska.write(original, tmp_path / "film.mkv", STYLES[style])
        await is_whole(film, producer, tmp_path)

    @pytest.mark.parametrize(
        "name", ["h264_aac_mp4", "h264_surround_mkv", "no_cues_mkv", "vp9_webm", "h264_aac_ts", "two_sounds_m2ts"]
    )
    async def test_is_the_same_whoever_makes_it_and_in_whatever_order(
        self, name: str, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        source = hls.probe(hls.make(name, samples))
        plan = hls.plan_for(source, COPIES_ALL)

        async def folder() -> Path:
            return tmp_path / "another"

        another = HlsRenditionProducer(
            folder, hls.leases(), hls.settings, 10**9, indexes=MediaIndexes(MemoryMediaIndexes())
        )
        for rendition in [plan.video, *plan.audio]:
            assert rendition is not None
            grid = await producer.grid(source, rendition)
            assert grid == await another.grid(source, rendition)
            numbers = list(range(len(grid.starts_s)))
            in_order = [await hls.fetch(producer, source, rendition, number) for number in numbers]
            random.Random(4).shuffle(numbers)  # noqa: S311
            for number in numbers:
                assert await hls.fetch(another, source, rendition, number) == in_order[number]
        await another.close()

    @pytest.mark.parametrize("name", ["mixed_gop_mkv", "mixed_gop_mp4"])
    async def test_between_closed_groups_of_pictures_nobody_is_told_to_begin(
        self, name: str, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        path = hls.make(name, samples)
        source = hls.probe(path)
        plan = hls.plan_for(source, COPIES_ALL).video
        assert plan is not None
        video = await hls.produce(producer, source, plan, tmp_path / "video")
        is_seamless(video)
        # Closed are those at every fourth second; the others begin a second apart.
        assert video.grid.starts_s == pytest.approx((0, 4, 8, 16), abs=0.001)
        given, copied = hls.nal_units(path), hls.nal_units(video.whole)
        assert copied == [unit for unit in given if unit != X264_RECOVERY_POINT]
        assert len(given) - len(copied) == 15
        keys = [packet.pts for packet in hls.packets(video.whole) if packet.key]
        assert keys == pytest.approx([0, 4, 8, 12, 16], abs=0.003)
        assert hls.play(video.whole) == pytest.approx(20, abs=0.1)

    @pytest.mark.parametrize(
        "name", ["h264_aac_mp4", "h264_surround_mkv", "hevc10_mkv", "vp9_webm", "late_mkv", "h264_aac_ts", "hevc10_ts"]
    )
    async def test_plays_from_its_playlists(
        self, name: str, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        source = hls.probe(hls.make(name, samples))
        master = await hls.publish(producer, source, hls.plan_for(source, COPIES_ALL), tmp_path / "player")
        assert hls.play(master) == pytest.approx(source.technical.duration_ms / 1000, abs=0.2)

    async def test_begins_with_short_segments(self, samples: Path, producer: HlsRenditionProducer) -> None:
        source = hls.probe(hls.make("h264_aac_mp4", samples))
        video = hls.plan_for(source, COPIES_ALL).video
        assert video is not None
        durations = (await producer.grid(source, video)).durations_s()
        assert durations[0] < 3
        assert all(duration >= 6 for duration in durations[2:-1])

    async def test_knows_no_segment_beyond_the_grid(self, samples: Path, producer: HlsRenditionProducer) -> None:
        source = hls.probe(hls.make("h264_aac_mp4", samples))
        plan = hls.plan_for(source, COPIES_ALL)
        for rendition in [plan.video, *plan.audio]:
            assert rendition is not None
            count = len((await producer.grid(source, rendition)).starts_s)
            for number in (count, -1):
                with pytest.raises(NotFound):
                    await hls.fetch(producer, source, rendition, number)


class TestFacts:
    @pytest.mark.parametrize(
        ("name", "video", "sound", "video_range"),
        [
            ("h264_aac_mp4", "avc1.64000a", "mp4a.40.2", "SDR"),
            ("h264_surround_mkv", "avc1.64000b", "ac-3", "SDR"),
            ("hevc10_mkv", "hvc1.2.4.L60.90", "opus", "PQ"),
            ("vp9_webm", "vp09.00.10.08", "opus", "SDR"),
            ("av1_mkv", "av01.0.00M.08", "fLaC", "SDR"),
            ("h264_aac_ts", "avc1.64000a", "mp4a.40.2", "SDR"),
            ("hevc10_ts", "hvc1.2.4.L60.90", "mp4a.40.2", "PQ"),
        ],
    )
    async def test_describe_what_is_sent(
        self, name: str, video: str, sound: str, video_range: str, samples: Path, producer: HlsRenditionProducer
    ) -> None:
        source = hls.probe(hls.make(name, samples))
        plan = hls.plan_for(source, COPIES_ALL)
        assert plan.video is not None
        facts = await producer.facts(source, plan.video)
        assert (facts.codecs, facts.width, facts.height, facts.video_range) == (video, 160, 90, video_range)
        assert facts.frame_rate == pytest.approx(float(source.technical.video[0].frame_rate or 0))
        assert (await producer.facts(source, plan.audio[0])).codecs == sound

    @pytest.mark.parametrize("name", ["h264_aac_mp4", "h264_surround_mkv", "vp9_webm", "h264_aac_ts"])
    async def test_no_segment_takes_more_than_the_bandwidth(
        self, name: str, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        source = hls.probe(hls.make(name, samples))
        plan = hls.plan_for(source, COPIES_ALL)
        for rendition in [plan.video, *plan.audio]:
            assert rendition is not None
            facts = await producer.facts(source, rendition)
            made = await hls.produce(producer, source, rendition, tmp_path / str(rendition.stream_index))
            for segment, duration in zip(made.segments, made.grid.durations_s(), strict=True):
                assert len(segment) * 8 / duration <= facts.bandwidth_bps * 1.1 or duration < 1
            total_bps = sum(map(len, made.segments)) * 8 / made.grid.duration_s
            assert total_bps == pytest.approx(facts.average_bandwidth_bps, rel=0.35)


class TestSource:
    async def test_that_has_changed_is_refused(
        self, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        path = tmp_path / "film.mp4"
        path.write_bytes(hls.make("h264_aac_mp4", samples).read_bytes())
        source = hls.probe(path)
        video = hls.plan_for(source, COPIES_ALL).video
        assert video is not None
        await hls.fetch(producer, source, video, 1)
        with path.open("ab") as file:
            file.write(b"more")
        for attempt in (producer.grid(source, video), hls.fetch(producer, source, video, 1)):
            with pytest.raises(Conflict):
                await attempt

    async def test_that_is_away_is_unavailable(
        self, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        path = tmp_path / "film.mp4"
        path.write_bytes(hls.make("h264_aac_mp4", samples).read_bytes())
        source = hls.probe(path)
        video = hls.plan_for(source, COPIES_ALL).video
        assert video is not None
        await producer.grid(source, video)
        path.unlink()
        for attempt in (producer.init_segment(source, video), hls.fetch(producer, source, video, 0)):
            with pytest.raises(Unavailable):
                await attempt

    async def test_that_is_no_regular_file_is_refused(
        self, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        source = hls.probe(hls.make("h264_aac_mp4", samples))
        video = hls.plan_for(source, COPIES_ALL).video
        assert video is not None
        with pytest.raises(Conflict):
            await producer.grid(dataclasses.replace(source, path=str(tmp_path)), video)

    async def test_that_is_damaged_loses_what_is_damaged(
        self, samples: Path, producer: HlsRenditionProducer, tmp_path: Path
    ) -> None:
        path = tmp_path / "film.mkv"
        data = bytearray(repackaged("h264", "aac", "mkv", samples).read_bytes())
        middle = len(data) // 2
        data[middle : middle + 2000] = b"\xff" * 2000
        path.write_bytes(data)
        source = hls.probe(path)
        plan = hls.plan_for(source, COPIES_ALL)
        for rendition in [plan.video, *plan.audio]:
            assert rendition is not None
            made = await hls.produce(producer, source, rendition, tmp_path / str(rendition.stream_index))
            sound = hls.packets(repackaged("h264", "aac", "mkv", samples), rendition.stream_index)
            left = {packet.checksum for packet in hls.packets(made.whole)} & {packet.checksum for packet in sound}
            assert 0.6 < len(left) / len(sound) < 1


class TestHoles:
    """What is heard of sound from 3 s to 6 s and from 14 s to 17 s."""

    @pytest.mark.parametrize(
        ("sound", "container"),
        [*itertools.product(("aac", "aac_51", "ac3_51", "eac3", "mp3"), ("mkv", "mp4", "ts")), ("opus", "mkv")],
    )
    async def test_are_silence(
        self,
        sound: str,
        container: str,
        producer: HlsRenditionProducer,
        producer_without_indexes: HlsRenditionProducer,
        tmp_path: Path,
    ) -> None:
        pieces = "aselect=between(t\\,3\\,6)+between(t\\,14\\,17)"
        film = hls.encode(
            tmp_path / f"film.{container}",
            *(*hls.pattern(20, "25"), "-f", "lavfi", "-i", "sine=f=440:r=48000:d=20", "-filter:a", pieces),
            *(*hls.h264(frames_between_keys=50), *SOUNDS[sound]),
            *("-fps_mode", "passthrough"),
        )
        source = hls.probe(film)
        (audio,) = hls.plan_for(source, COPIES_ALL).audio
        assert audio.treatment is Treatment.COPY
        # libavformat does not find its way in transport streams.
        ways = {"indexed": producer, "read": producer_without_indexes}
        for name in ways if container != "ts" else ["indexed"]:
            made = await hls.produce(ways[name], source, audio, tmp_path / name)
            is_seamless(made)
            assert hls.span(made.init, made.segments[0]).start < 0.05
            heard = loudness(made.whole)
            # A half second in which it begins or ends may be both.
            assert max([*heard[:5], *heard[13:27]]) < 0.001
            assert min([*heard[7:11], *heard[29:33]]) > 0.05

    @pytest.mark.parametrize(("pieces", "holes"), [("lt(t,5)+gt(t,5.2)", (1,)), ("gt(t,5)", ()), ("1", ())])
    def test_of_an_mp4_are_told(self, pieces: str, holes: tuple[int, ...], tmp_path: Path) -> None:
        """Not those before it begins, which no player minds."""
        film = hls.encode(
            tmp_path / "film.mp4",
            *(*hls.pattern(8, "25"), *hls.tone(8), "-filter:a", f"aselect={pieces}".replace(",", "\\,")),
            *(*hls.h264(frames_between_keys=50), "-c:a", "aac", "-fps_mode", "passthrough"),
        )
        source = hls.probe(film)
        assert decode(build_index(source)).structure(source.technical).holes == holes
