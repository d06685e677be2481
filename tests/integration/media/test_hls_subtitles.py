"""Text subtitles as WebVTT."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from odeion.adapters.ffmpeg.subtitles import FfmpegSubtitleConverter, clean_webvtt, decode_subtitles
from odeion.application.playback.ports import MediaSource
from odeion.domain.media_file import SidecarSubtitle
from odeion.domain.shared.errors import Conflict, NotFound, Unavailable
from tests.integration.media import hls

SRT = "1\n00:00:01,000 --> 00:00:02,500\n<i>Grüße</i> & 3 < 4 <script>alert(1)</script>\n\n"
SRT += "2\n00:00:03,000 --> 00:00:04,000\nZwei\nZeilen\n"
ASS = """[Script Info]
ScriptType: v4.00+
[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\\b1\\pos(3,4)}Hallo{\\b0}\\NWelt
"""


@pytest.fixture
def converter(tmp_path: Path) -> FfmpegSubtitleConverter:
    async def folder() -> Path:
        return tmp_path / "cache"

    return FfmpegSubtitleConverter(folder)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> MediaSource:
    """A short film with an SRT and an ASS stream in it."""
    folder = tmp_path_factory.mktemp("film")
    (folder / "a.srt").write_text(SRT, encoding="utf-8")
    (folder / "b.ass").write_text(ASS, encoding="utf-8")
    return hls.probe(
        hls.encode(
            folder / "film.mkv",
            *(*hls.pattern(5, "25"), "-i", folder / "a.srt", "-i", folder / "b.ass"),
            *("-map", "0", "-map", "1", "-map", "2", *hls.h264(frames_between_keys=25), "-c:s", "copy"),
        )
    )


def with_sidecar(film: MediaSource, root: Path, data: bytes, name: str, language: str | None = None) -> MediaSource:
    (root / name).write_bytes(data)
    sidecar = SidecarSubtitle(relative_path=name, format=name.rpartition(".")[2], language=language)
    return replace(film, root_path=str(root), sidecars=(sidecar,))


class TestEmbedded:
    async def test_srt_keeps_its_cues(self, converter: FfmpegSubtitleConverter, film: MediaSource) -> None:
        text = await converter.embedded(film, 1)
        assert text.startswith("WEBVTT\n\n00:01.000 --> 00:02.500\n<i>Grüße</i> & 3 &lt; 4 alert(1)\n")
        assert text.endswith("00:03.000 --> 00:04.000\nZwei\nZeilen\n")

    async def test_ass_loses_its_styling(self, converter: FfmpegSubtitleConverter, film: MediaSource) -> None:
        assert await converter.embedded(film, 2) == "WEBVTT\n\n00:01.000 --> 00:02.000\n<b>Hallo</b>\nWelt\n"

    async def test_many_who_ask_at_once_get_the_same(
        self, converter: FfmpegSubtitleConverter, film: MediaSource, tmp_path: Path
    ) -> None:
        texts = await asyncio.gather(*(converter.embedded(film, 1) for _ in range(20)))
        assert len(set(texts)) == 1
        assert len(list((tmp_path / "cache").glob("*/*"))) == 1
        assert await converter.embedded(film, 1) == texts[0]

    async def test_others_are_refused(self, converter: FfmpegSubtitleConverter, film: MediaSource) -> None:
        for index in (0, 9):
            with pytest.raises(NotFound):
                await converter.embedded(film, index)
        pictures = replace(film.technical.subtitles[0], is_text=False)
        technical = replace(film.technical, subtitles=(pictures,))
        with pytest.raises(Conflict):
            await converter.embedded(replace(film, technical=technical), 1)


class TestSidecar:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
    async def test_is_read_in_any_usual_encoding(
        self, encoding: str, converter: FfmpegSubtitleConverter, film: MediaSource, tmp_path: Path
    ) -> None:
        source = with_sidecar(film, tmp_path, SRT.encode(encoding), "film.srt")
        assert "<i>Grüße</i>" in await converter.sidecar(source, 0)

    @pytest.mark.parametrize(
        ("name", "data", "body"),
        [
            ("film.ass", ASS, "<b>Hallo</b>\nWelt"),
            ("film.ssa", ASS, "<b>Hallo</b>\nWelt"),
            ("film.vtt", "WEBVTT\n\nSTYLE\n::cue{}\n\n00:01.000 --> 00:02.000\n<v Bob>Hi\n", "Hi"),
        ],
    )
    async def test_of_other_formats_is_converted(
        self, name: str, data: str, body: str, converter: FfmpegSubtitleConverter, film: MediaSource, tmp_path: Path
    ) -> None:
        source = with_sidecar(film, tmp_path, data.encode(), name)
        assert await converter.sidecar(source, 0) == f"WEBVTT\n\n00:01.000 --> 00:02.000\n{body}\n"

    async def test_outside_the_library_is_refused(
        self, converter: FfmpegSubtitleConverter, film: MediaSource, tmp_path: Path
    ) -> None:
        root = tmp_path / "root"
        root.mkdir()
        (tmp_path / "secret.srt").write_text(SRT)
        (root / "link.srt").symlink_to(tmp_path / "secret.srt")
        for name in ("../secret.srt", "link.srt", str(tmp_path / "secret.srt")):
            sidecar = SidecarSubtitle(relative_path=name, format="srt")
            with pytest.raises(Conflict):
                await converter.sidecar(replace(film, root_path=str(root), sidecars=(sidecar,)), 0)

    async def test_that_cannot_be_used_is_refused(
        self, converter: FfmpegSubtitleConverter, film: MediaSource, tmp_path: Path
    ) -> None:
        source = with_sidecar(film, tmp_path, bytes((10 << 20) + 1), "large.srt")
        with pytest.raises(Conflict):
            await converter.sidecar(source, 0)
        with pytest.raises(NotFound):
            await converter.sidecar(source, 1)
        (tmp_path / "large.srt").unlink()
        with pytest.raises(Unavailable):
            await converter.sidecar(source, 0)


class TestText:
    def test_has_no_markup_that_could_be_more_than_looks(self) -> None:
        dirty = "WEBVTT\n\n00:01.000 --> 00:02.000\n<b>x</b> <img src=a onerror=b> <scr<b>ipt> <script\n>y</script>\n"
        clean = clean_webvtt(dirty)
        assert clean == "WEBVTT\n\n00:01.000 --> 00:02.000\n<b>x</b>  ipt> &lt;script\n>y\n"

    def test_is_decoded_by_its_language_where_nothing_else_tells(self) -> None:
        assert decode_subtitles("Привет".encode("cp1251"), "rus") == "Привет"
        assert decode_subtitles("Żółć".encode("cp1250"), "pol") == "Żółć"
        assert decode_subtitles(b"\x81\x8d", None) == "\ufffd\ufffd"
