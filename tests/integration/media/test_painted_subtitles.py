"""Subtitles painted into the picture, as they are to be seen in it."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from odeion.adapters.ffmpeg.encoding import BitmapSubtitles, filter_value
from odeion.adapters.ffmpeg.producer import HlsRenditionProducer
from odeion.adapters.ffmpeg.subtitles import SubtitlePainter
from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import SidecarSubtitle
from odeion.domain.playback.capabilities import PlaybackOptions
from odeion.domain.playback.decision import decide
from odeion.domain.playback.plan import Treatment, VideoPlan
from tests.integration.media import hls
from tests.integration.media.hls import CONVERTS_ALL, ME, STYLED

WIDTH, HEIGHT = 160, 90
INJECTION = "a'b:c\\d,drawbox=color=white:t=fill;[in]x=\n%{y}\""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samples")


@asynccontextmanager
async def producing(cache: Path) -> AsyncIterator[HlsRenditionProducer]:
    async def folder() -> Path:
        return cache

    producer = HlsRenditionProducer(folder, hls.leases(), hls.settings, 10**9)
    yield producer
    await producer.close()


@pytest.fixture
async def producer(tmp_path: Path) -> AsyncIterator[HlsRenditionProducer]:
    async with producing(tmp_path / "cache") as producer:
        yield producer


def painted(source: MediaSource, key: str) -> VideoPlan:
    options = PlaybackOptions(subtitle_key=key, burn_in=True)
    video = decide(source.technical, source.sidecars, CONVERTS_ALL, options).video
    assert video is not None and video.treatment is Treatment.TRANSCODE and video.burn_in == key
    return video


async def pictures(producer: HlsRenditionProducer, source: MediaSource, plan: VideoPlan, start_s: int) -> list[bytes]:
    """The luma of the pictures of the segment that begins at a time, after a seek to there."""
    number = (await producer.grid(source, plan)).starts_s.index(start_s)
    data = await producer.init_segment(source, plan) + await hls.fetch(producer, source, plan, number)
    await producer.release(ME)
    command = [hls.FFMPEG, "-v", "error", "-i", "pipe:0", "-vf", "format=gray", "-f", "rawvideo", "pipe:1"]
    done = await asyncio.to_thread(subprocess.run, command, input=data, capture_output=True, check=True)
    size = WIDTH * HEIGHT
    return [done.stdout[at : at + size] for at in range(0, len(done.stdout), size)]


def mean(picture: bytes, x: int, y: int, width: int, height: int) -> float:
    rows = (picture[row * WIDTH + x : row * WIDTH + x + width] for row in range(y, y + height))
    return sum(map(sum, rows)) / (width * height)


def has_bar(picture: bytes) -> bool:
    """And nothing around it is white."""
    around = [(0, 0, 160, 60), (0, 62, 50, 28), (110, 62, 50, 28)]
    assert all(mean(picture, *place) < 40 for place in around)
    return mean(picture, 61, 71, 38, 8) > 128


def columns(picture: bytes) -> list[int]:
    """Those of the upper half with something white in them."""
    return [x for x in range(WIDTH) if any(picture[y * WIDTH + x] > 128 for y in range(45))]


class TestPictures:
    async def test_are_there_from_when_they_are_shown(self, samples: Path, producer: HlsRenditionProducer) -> None:
        source = hls.probe(hls.make("bitmaps_mkv", samples))
        plan = painted(source, "stream:2")
        beginning = list(map(has_bar, await pictures(producer, source, plan, 4)))
        assert (beginning[:20], beginning[32:]) == ([False] * 20, [True] * 18)
        ending = list(map(has_bar, await pictures(producer, source, plan, 8)))
        assert (ending[:20], ending[32:]) == ([True] * 20, [False] * 18)

    @pytest.mark.parametrize(("start_s", "is_there"), [(4, True), (10, True), (22, True), (26, False)])
    async def test_are_there_after_a_seek_into_the_middle_of_a_long_one(
        self, start_s: int, is_there: bool, samples: Path, producer: HlsRenditionProducer
    ) -> None:
        source = hls.probe(hls.make("long_bitmaps_mkv", samples))
        seen = list(map(has_bar, await pictures(producer, source, painted(source, "stream:2"), start_s)))
        # What goes away or comes is seen a few pictures late.
        assert seen[:45] == [is_there] * 45

    @pytest.mark.parametrize(("start_s", "is_there"), [(50, True), (98, False)])
    async def test_are_there_after_a_seek_however_long_they_stay(
        self, start_s: int, is_there: bool, samples: Path, producer: HlsRenditionProducer
    ) -> None:
        source = hls.probe(hls.make("staying_bitmaps_mkv", samples))
        seen = list(map(has_bar, await pictures(producer, source, painted(source, "stream:2"), start_s)))
        assert seen[:45] == [is_there] * 45

    async def test_that_stay_are_told_from_what_takes_them_away(self, samples: Path, tmp_path: Path) -> None:
        async def folder() -> Path:
            return tmp_path

        source = hls.probe(hls.make("staying_bitmaps_mkv", samples))
        subtitles = await SubtitlePainter(folder).get(source, "stream:2", Fraction(0))
        assert isinstance(subtitles, BitmapSubtitles)
        assert (subtitles.times_s, subtitles.staying_s) == ((3, 60), {3})
        assert [subtitles.lead_s(start_s) for start_s in (2, 50, 61, 98)] == [0, 47, 1, 0]

    def test_are_looked_for_as_far_back_as_the_last_one_began(self) -> None:
        subtitles = BitmapSubtitles(2, (5, 9, 20, 20.5, 21, 60))
        assert subtitles.lead_s(4) == 0
        assert subtitles.lead_s(7) == 2
        assert subtitles.lead_s(22) == 2  # it was faded in from 20 s on
        assert subtitles.lead_s(59) == 0  # what was told so long ago is over
        assert BitmapSubtitles(2, None).lead_s(59) > 5
        staying = BitmapSubtitles(2, (5, 9, 300), frozenset((9, 300)))
        assert [staying.lead_s(start_s) for start_s in (59, 129, 130, 310)] == [50, 120, 0, 10]


class TestStyledText:
    @pytest.mark.parametrize("start_s", [2, 4, 14, 22, 24])
    async def test_is_painted_at_its_time_and_in_its_place(
        self, start_s: int, samples: Path, producer: HlsRenditionProducer
    ) -> None:
        source = hls.probe(hls.make("styled_mkv", samples))
        seen = list(map(has_bar, await pictures(producer, source, painted(source, "stream:2"), start_s)))
        assert seen == [3 <= start_s + number / 25 < 24 for number in range(50)]

    async def test_has_the_fonts_of_the_file(self, samples: Path, tmp_path: Path) -> None:
        font = next(Path("/usr/share/fonts").rglob("DejaVuSansMono.ttf"), None)
        if font is None:
            pytest.skip("no font to attach")
        # A font of another name than any that is installed.
        own = tmp_path / "own.ttf"
        own.write_bytes(font.read_bytes().replace("DejaVu".encode("utf-16-be"), "Qxjwvz".encode("utf-16-be")))
        text = STYLED.replace("Sans", "Qxjwvz Sans Mono")
        attached = ("-attach", own, "-metadata:s:t", "mimetype=application/x-truetype-font")
        widths = []
        for name, more in (("without", ()), ("with", attached)):
            source = hls.probe(hls.styled(tmp_path / f"{name}.mkv", text, *more))
            async with producing(tmp_path / name) as producer:
                seen = await pictures(producer, source, painted(source, "stream:2"), 10)
            assert columns(seen[10])
            widths.append(columns(seen[10])[-1] - columns(seen[10])[0])
        # The letters of a typewriter are as wide as each other.
        assert widths[1] > 1.5 * widths[0]

    async def test_of_a_file_beside_the_film(
        self, samples: Path, tmp_path: Path, producer: HlsRenditionProducer
    ) -> None:
        film = hls.probe(hls.make("bitmaps_mkv", samples))
        sidecar = SidecarSubtitle(relative_path=f"{INJECTION}.ass", format="ass")
        source = replace(film, root_path=str(tmp_path), sidecars=(sidecar,))
        plan = painted(source, "sidecar:0")
        (tmp_path / sidecar.relative_path).write_text(STYLED)
        assert all(map(has_bar, await pictures(producer, source, plan, 4)))
        # Another text is another picture.
        (tmp_path / sidecar.relative_path).write_text(STYLED.replace("0:00:03", "0:00:05"))
        assert list(map(has_bar, await pictures(producer, source, plan, 4))) == [False] * 25 + [True] * 25

    async def test_plain_text_is_painted_as_well(
        self, samples: Path, tmp_path: Path, producer: HlsRenditionProducer
    ) -> None:
        film = hls.probe(hls.make("bitmaps_mkv", samples))
        (tmp_path / "film.srt").write_text("1\n00:00:05,000 --> 00:00:06,000\nHHHHHH\n")
        source = replace(
            film, root_path=str(tmp_path), sidecars=(SidecarSubtitle(relative_path="film.srt", format="srt"),)
        )
        seen = [max(p[60 * WIDTH :]) > 128 for p in await pictures(producer, source, painted(source, "sidecar:0"), 4)]
        assert seen == [False] * 25 + [True] * 25

    async def test_no_name_is_taken_for_a_filter(self, samples: Path, tmp_path: Path) -> None:
        folder = tmp_path / INJECTION
        folder.mkdir()
        film = folder / f"{INJECTION}.mkv"
        os.link(hls.make("styled_mkv", samples), film)
        source = hls.probe(film)
        async with producing(folder / "cache") as producer:
            assert all(map(has_bar, await pictures(producer, source, painted(source, "stream:2"), 14)))

    def test_any_text_is_a_value_of_a_filter(self) -> None:
        assert filter_value("/plain/name_1.mkv") == "/plain/name_1.mkv"
        assert filter_value("a:b") == "a\\\\\\:b"
