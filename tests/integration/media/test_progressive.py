"""Whole files made while they are fetched: what is in them, and no process left behind."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import av
import pytest

from odeion.adapters.ffmpeg.progressive import FfmpegProgressiveTranscoder, ProgressiveLimits
from odeion.adapters.memory.transcoding import MemoryEncoderLeases
from odeion.adapters.pyav.probe_worker import probe_file
from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import HdrFormat
from odeion.domain.playback.plan import Treatment
from odeion.domain.playback.policy import ServerPolicy
from odeion.domain.playback.profiles import PROFILES, ProfileName
from odeion.domain.playback.progressive import ProgressivePlan, plan_progressive
from odeion.domain.shared.errors import Conflict, TooManyRequests, Unavailable
from odeion.domain.shared.ids import PoolId, UserId
from odeion.domain.transcoding import VIDEO_CODECS, PoolKind, TranscodeState
from tests.integration.media import hls
from tests.integration.media.test_hls_transcode import encoders, until
from tests.media import make_sample

ME, OTHER = UserId(1), UserId(2)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samples")


@contextlib.asynccontextmanager
async def transcoding(
    leases: MemoryEncoderLeases | None = None,
    limits: ProgressiveLimits | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[FfmpegProgressiveTranscoder]:
    transcoder = FfmpegProgressiveTranscoder(leases or hls.leases(), hls.settings, limits, clock)
    try:
        yield transcoder
    finally:
        await transcoder.close()
        assert encoders() == []


def plan(source: MediaSource, profile: ProfileName) -> ProgressivePlan:
    return plan_progressive(source.technical, next(p for p in PROFILES if p.name is profile), ServerPolicy())


async def made(source: MediaSource, profile: ProfileName, folder: Path, *, start_s: float = 0) -> Path:
    """The whole file, as a client keeps it."""
    wanted = plan(source, profile)
    leases = hls.leases()
    async with transcoding(leases) as transcoder:
        pieces = await transcoder.begin(source, wanted, start_s=start_s, user_id=ME)
        data = b"".join([piece async for piece in pieces])
    (ended,) = leases.ended
    assert (ended.state, ended.error, leases.running) == (TranscodeState.COMPLETED, None, {})
    target = folder / f"{profile.value}.{wanted.extension}"
    target.write_bytes(data)
    return target


def streams(file: Path) -> list[tuple[str, int]]:
    """Codec and height or channels of each."""
    with av.open(str(file)) as container:
        pictures = [(stream.codec.canonical_name, stream.height) for stream in container.streams.video]
        return pictures + [(stream.codec.canonical_name, stream.channels) for stream in container.streams.audio]


def long_film(samples: Path) -> MediaSource:
    """So large that it is not made in a moment."""
    target = samples / "long.mkv"
    if not target.exists():
        codec = hls.h264(frames_between_keys=96)
        hls.encode_loop(target, 20, *hls.pattern(12, "24", "640x360"), *hls.tone(12), *codec, "-c:a", "ac3")
    return hls.probe(target)


class TestProfiles:
    @pytest.mark.parametrize(
        ("profile", "expected"),
        [
            (ProfileName.HD, [("h264", 90), ("aac", 1)]),
            (ProfileName.LOW, [("h264", 90), ("aac", 1)]),
            (ProfileName.AUDIO, [("aac", 1)]),
            (ProfileName.COMPATIBLE, [("vp9", 90), ("opus", 1)]),
            (ProfileName.HDR, [("hevc", 90), ("aac", 1)]),
            (ProfileName.SURROUND, [("h264", 90), ("opus", 1)]),
            (ProfileName.HDR_SURROUND, [("hevc", 90), ("opus", 1)]),
        ],
    )
    async def test_of_an_hdr_film(
        self, samples: Path, tmp_path: Path, profile: ProfileName, expected: list[tuple[str, int]]
    ) -> None:
        source = hls.probe(hls.make("hevc10_mkv", samples))
        file = await made(source, profile, tmp_path)
        assert streams(file) == expected
        assert hls.play(file) == pytest.approx(20, abs=0.3)
        if profile is not ProfileName.AUDIO:
            kept = profile in (ProfileName.HDR, ProfileName.HDR_SURROUND)
            assert (probe_file(str(file)).video[0].hdr is HdrFormat.HDR10) == kept

    @pytest.mark.parametrize("profile", [ProfileName.SURROUND, ProfileName.HDR_SURROUND, ProfileName.MOBILE])
    async def test_surround_stays_where_the_profile_keeps_it(
        self, samples: Path, tmp_path: Path, profile: ProfileName
    ) -> None:
        source = hls.probe(hls.make("h264_surround_mkv", samples))
        file = await made(source, profile, tmp_path)
        assert streams(file)[-1] == (("aac", 2) if profile is ProfileName.MOBILE else ("ac3", 6))
        assert hls.play(file) == pytest.approx(20, abs=0.3)

    @pytest.mark.parametrize(
        "name",
        [
            "h264_aac_mp4",
            "open_gop_mkv",
            "no_cues_mkv",
            "late_mkv",
            "late_audio_mp4",
            "trimmed_mp4",
            "variable_rate_mkv",
            "transport_stream",
            "vp9_webm",
            "av1_mkv",
        ],
    )
    @pytest.mark.parametrize("profile", [ProfileName.SD, ProfileName.HDR, ProfileName.COMPATIBLE])
    async def test_of_many_files(self, samples: Path, tmp_path: Path, name: str, profile: ProfileName) -> None:
        source = hls.probe(hls.make(name, samples))
        file = await made(source, profile, tmp_path)
        # A copy of one that begins between keyframes has all from the keyframe on.
        exact_s = 1.4 if name == "trimmed_mp4" else 0.5
        assert hls.play(file) == pytest.approx(source.technical.duration_ms / 1000, abs=exact_s)

    @pytest.mark.parametrize(
        ("name", "size"),
        [("rotated.mp4", (180, 320)), ("interlaced.ts", (240, 180)), ("anamorphic.mkv", (456, 180))],
    )
    async def test_pictures_come_out_upright_square_and_whole(
        self, samples: Path, tmp_path: Path, name: str, size: tuple[int, int]
    ) -> None:
        source = hls.probe(make_sample(name, samples / "odd"))
        (video,) = probe_file(str(await made(source, ProfileName.HD, tmp_path))).video
        assert (video.width, video.height, video.rotation_degrees, video.interlaced) == (*size, 0, False)
        assert video.sample_aspect_ratio == 1

    @pytest.mark.parametrize("name", ["mpeg4.avi", "av1.mkv", "fragmented.mp4", "cover.mp4"])
    async def test_of_files_of_old_and_without_sound(self, samples: Path, tmp_path: Path, name: str) -> None:
        source = hls.probe(make_sample(name, samples / "odd"))
        file = await made(source, ProfileName.LOW, tmp_path)
        technical = probe_file(str(file))
        assert len(technical.video) == min(len(source.technical.video), 1)
        assert len(technical.audio) == min(len(source.technical.audio), 1)


class TestSound:
    @pytest.mark.parametrize("profile", [ProfileName.SD, ProfileName.COMPATIBLE, ProfileName.AUDIO])
    @pytest.mark.parametrize("hole", [(0, 12), (12, 24)], ids=["at the start", "in the middle"])
    async def test_may_have_a_hole(
        self, samples: Path, tmp_path: Path, hole: tuple[int, int], profile: ProfileName
    ) -> None:
        """Several at once, as what made ffmpeg stop for good did so in half of all runs."""
        cut = f"aselect=not(between(t\\,{hole[0]}\\,{hole[1]}))"
        codecs = ("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "ac3", "-fps_mode", "passthrough")
        film = hls.encode(tmp_path / "hole.mkv", *hls.pattern(30, "24"), *hls.tone(30), "-af", cut, *codecs)
        source = hls.probe(film)
        assert plan(source, profile).audio.treatment is Treatment.TRANSCODE  # type: ignore[union-attr]

        async def taken(transcoder: FfmpegProgressiveTranscoder, user: UserId) -> bytes:
            pieces = await transcoder.begin(source, plan(source, profile), start_s=0, user_id=user)
            return b"".join([piece async for piece in pieces])

        async with transcoding(hls.leases(places=4)) as transcoder, asyncio.timeout(60):
            files = await asyncio.gather(*(taken(transcoder, UserId(user)) for user in range(1, 5)))
        for file in files:
            with av.open(io.BytesIO(file)) as container:
                times = [float(frame.pts * frame.time_base) for frame in container.decode(audio=0)]
            assert times[-1] == pytest.approx(30, abs=0.2)
            assert times[0] == pytest.approx(12 if hole[0] == 0 else 0, abs=0.1)

    @pytest.mark.parametrize("form", [("-ar", "44100"), ("-ac", "6")], ids=["rate", "channels"])
    async def test_may_change_its_form(self, samples: Path, tmp_path: Path, form: tuple[str, str]) -> None:
        source = hls.probe(hls.two_pitches(tmp_path, form))
        file = await made(source, ProfileName.COMPATIBLE, tmp_path)
        assert [hls.pitch_of(file, start_s) for start_s in (0.5, 2, 3.5, 5)] == pytest.approx(
            [400, 400, 1000, 1000], abs=5
        )


class Pipe:
    """What came so far, to one who cannot look at its end."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self._data.read(size)


class TestDuration:
    @pytest.mark.parametrize(
        "profile", [ProfileName.COMPATIBLE, ProfileName.HDR, ProfileName.AUDIO, ProfileName.SURROUND]
    )
    @pytest.mark.parametrize("start_s", [0, 12])
    async def test_is_told_by_the_first_bytes(self, samples: Path, profile: ProfileName, start_s: float) -> None:
        source = hls.probe(hls.make("h264_surround_mkv", samples))
        async with transcoding() as transcoder:
            pieces = await transcoder.begin(source, plan(source, profile), start_s=start_s, user_id=ME)
            head = await anext(pieces)
            while len(head) < 20_000:
                head += await anext(pieces)
            await pieces.aclose()
        with av.open(Pipe(head)) as container:
            assert container.duration is not None
            # Copied pictures begin up to 2.5 s earlier.
            video = plan(source, profile).video
            early_s = 2.6 if start_s and video is not None and video.treatment is Treatment.COPY else 0
            left_s = source.technical.duration_ms / 1000 - start_s
            assert left_s - 0.05 <= container.duration / 1e6 <= left_s + 0.05 + early_s


class TestStart:
    @pytest.mark.parametrize("profile", [ProfileName.COMPATIBLE, ProfileName.HDR, ProfileName.AUDIO])
    async def test_may_lie_in_the_middle(self, samples: Path, tmp_path: Path, profile: ProfileName) -> None:
        source = hls.probe(hls.make("h264_surround_mkv", samples))
        file = await made(source, profile, tmp_path, start_s=12)
        # Copied pictures begin with a keyframe, at most 2.5 s earlier.
        assert 7.9 <= hls.play(file) <= 8.2 + (2.6 if profile is ProfileName.HDR else 0)
        with av.open(str(file)) as container:
            starts = [float((stream.start_time or 0) * (stream.time_base or 0)) for stream in container.streams]
        assert starts[0] == pytest.approx(0, abs=0.1)
        # The sound is where it belongs: it begins at 12 s.
        assert starts[-1] == pytest.approx(2 if profile is ProfileName.HDR else 0, abs=0.15)

    async def test_of_sound_alone_is_exact_also_where_it_is_copied(self, samples: Path, tmp_path: Path) -> None:
        source = hls.probe(hls.make("h264_aac_mp4", samples))
        assert plan(source, ProfileName.AUDIO).audio.treatment is Treatment.COPY  # type: ignore[union-attr]
        assert hls.play(await made(source, ProfileName.AUDIO, tmp_path, start_s=11.5)) == pytest.approx(9.5, abs=0.2)


class TestRuns:
    async def test_begin_with_something_to_send_and_go_on_as_it_is_taken(self, samples: Path) -> None:
        source, leases = long_film(samples), hls.leases()
        async with transcoding(leases) as transcoder:
            pieces = await transcoder.begin(source, plan(source, ProfileName.COMPATIBLE), start_s=0, user_id=ME)
            first = await anext(pieces)
            assert first[:4] == b"\x1aE\xdf\xa3"
            (argv,) = leases.argv.values()
            assert argv[0] == "ffmpeg" and str(source.path) in " ".join(argv)
            await pieces.aclose()
            assert encoders() == []
            assert [run.state for run in leases.ended] == [TranscodeState.COMPLETED]

    async def test_end_when_their_client_never_takes_anything(self, samples: Path) -> None:
        source, leases, clock = long_film(samples), hls.leases(), [1000.0]
        limits = ProgressiveLimits(idle_after_s=0.1)
        async with transcoding(leases, limits, lambda: clock[0]) as transcoder:
            pieces = await transcoder.begin(source, plan(source, ProfileName.COMPATIBLE), start_s=0, user_id=ME)
            clock[0] += 1
            await until(lambda: leases.ended)
            assert encoders() == []
            with pytest.raises(Unavailable):
                _ = [piece async for piece in pieces]

    async def test_end_when_an_administrator_wants_it(self, samples: Path) -> None:
        source, leases = long_film(samples), hls.leases()
        async with transcoding(leases, ProgressiveLimits(idle_after_s=60)) as transcoder:
            pieces = await transcoder.begin(source, plan(source, ProfileName.COMPATIBLE), start_s=0, user_id=ME)
            leases.cancelled |= set(leases.running)
            with pytest.raises(Unavailable):
                _ = [piece async for piece in pieces]
            (ended,) = leases.ended
            assert ended.state is TranscodeState.CANCELLED
            assert ended.report.throughput[-1].bytes_made > 0

    async def test_a_broken_one_is_not_taken_for_whole(self, samples: Path) -> None:
        source, leases = long_film(samples), hls.leases()
        async with transcoding(leases) as transcoder:
            pieces = await transcoder.begin(source, plan(source, ProfileName.COMPATIBLE), start_s=0, user_id=ME)
            for pid in encoders():
                os.kill(pid, signal.SIGKILL)
            with pytest.raises(Unavailable, match="in the middle"):
                _ = [piece async for piece in pieces]
            assert leases.ended[0].state is TranscodeState.FAILED

    async def test_another_pool_takes_over_what_one_cannot(self, samples: Path) -> None:
        source = hls.probe(hls.make("h264_aac_mp4", samples))
        codecs = frozenset(VIDEO_CODECS)
        leases = MemoryEncoderLeases(
            [
                (PoolId(1), PoolKind.VAAPI, "/dev/dri/renderD199", 2, codecs),
                (PoolId(2), PoolKind.CPU, None, 2, codecs),
            ]
        )
        async with transcoding(leases) as transcoder:
            pieces = await transcoder.begin(source, plan(source, ProfileName.COMPATIBLE), start_s=0, user_id=ME)
            assert len(b"".join([piece async for piece in pieces])) > 1000
        assert [run.state for run in leases.ended] == [TranscodeState.FAILED, TranscodeState.COMPLETED]

    async def test_of_one_pool_only_tell_why_they_cannot(self, samples: Path) -> None:
        source = hls.probe(hls.make("h264_aac_mp4", samples))
        broken = MemoryEncoderLeases([(PoolId(1), PoolKind.VAAPI, "/dev/dri/renderD199", 2, frozenset(VIDEO_CODECS))])
        async with transcoding(broken) as transcoder:
            with pytest.raises(Unavailable, match="cannot be converted"):
                await transcoder.begin(source, plan(source, ProfileName.COMPATIBLE), start_s=0, user_id=ME)
        assert broken.running == {}

    async def test_wait_for_nobody_when_all_places_are_taken(self, samples: Path) -> None:
        source, leases = long_film(samples), hls.leases(1)
        wanted = plan(source, ProfileName.COMPATIBLE)
        async with transcoding(leases) as transcoder:
            first = await transcoder.begin(source, wanted, start_s=0, user_id=ME)
            with pytest.raises(Unavailable, match="busy"):
                await transcoder.begin(source, wanted, start_s=0, user_id=OTHER)
            # What copies takes no place.
            copied = await transcoder.begin(source, plan(source, ProfileName.HDR_SURROUND), start_s=0, user_id=OTHER)
            await asyncio.gather(first.aclose(), copied.aclose())

    async def test_are_a_few_for_each_person(self, samples: Path) -> None:
        source, leases = long_film(samples), hls.leases(8)
        wanted = plan(source, ProfileName.HDR)
        async with transcoding(leases) as transcoder:
            for _ in range(3):
                await transcoder.begin(source, wanted, start_s=0, user_id=ME)
            with pytest.raises(TooManyRequests):
                await transcoder.begin(source, wanted, start_s=0, user_id=ME)
            await transcoder.begin(source, wanted, start_s=0, user_id=OTHER)

    async def test_are_refused_for_a_file_that_changed(self, tmp_path: Path) -> None:
        source = hls.probe(make_sample("h264-aac.mp4", tmp_path))
        Path(source.path).write_bytes(b"other")
        async with transcoding() as transcoder:
            with pytest.raises(Conflict):
                await transcoder.begin(source, plan(source, ProfileName.LOW), start_s=0, user_id=ME)
