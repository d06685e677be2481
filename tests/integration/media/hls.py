"""Helps to test HLS output: sources of many kinds, the whole output as a player's folder, and what is in it."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import statistics
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg

from odeion.adapters.ffmpeg.boxes import Box, boxes, find
from odeion.adapters.ffmpeg.fmp4 import read_track
from odeion.adapters.ffmpeg.silence import silence_for
from odeion.adapters.memory.transcoding import MemoryEncoderLeases
from odeion.adapters.pyav.probe_worker import probe_file
from odeion.application.playback import playlists
from odeion.application.playback.ports import MediaSource, Rendition, RenditionProducer, SegmentGrid
from odeion.domain.media_file import FileStamp, HdrFormat
from odeion.domain.playback.capabilities import AudioCapability, ClientCapabilities, PlaybackOptions, VideoCapability
from odeion.domain.playback.decision import decide
from odeion.domain.playback.plan import PlaybackPlan
from odeion.domain.shared.ids import MediaFileId, PlaybackSessionId, PoolId
from odeion.domain.transcoding import VIDEO_CODECS, PoolKind, TranscodeSettings
from tests.media import kept

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
ME = PlaybackSessionId(1)

COPIES_ALL = ClientCapabilities(
    video=tuple(VideoCapability(codec=codec, max_bit_depth=10) for codec in ("h264", "hevc", "vp9", "av1")),
    audio=tuple(AudioCapability(codec=codec) for codec in ("aac", "ac3", "eac3", "opus", "flac", "mp3")),
    hdr=frozenset(HdrFormat),
)
# A client that says of no picture that it decodes it, and of sound too little: whatever the source, it is converted.
CONVERTS_ALL = ClientCapabilities(audio=(AudioCapability(codec="aac", max_channels=1),))


def leases(places: int = 2) -> MemoryEncoderLeases:
    """So many places on the CPU."""
    return MemoryEncoderLeases([(PoolId(1), PoolKind.CPU, None, places, frozenset(VIDEO_CODECS))])


async def settings() -> TranscodeSettings:
    """The same effort throughout."""
    return TranscodeSettings(start_preset=TranscodeSettings().preset)


def ffmpeg(*arguments: str | Path) -> str:
    """Run it; what it said. Raises with it when it failed."""
    done = subprocess.run(
        [FFMPEG, "-nostdin", "-hide_banner", "-v", "warning", "-y", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def encode(target: Path, *arguments: str | Path) -> Path:
    ffmpeg(*arguments, "-map_metadata", "-1", target)
    return target


def encode_loop(target: Path, times: int, *arguments: str | Path) -> Path:
    """What `arguments` make, so many times in a row: what is long would be long in the making."""
    once = encode(target.with_name(f"once-{target.name}"), *arguments)
    encode(target, "-stream_loop", str(times - 1), "-i", once, "-c", "copy")
    once.unlink()
    return target


def pattern(seconds: float, rate: str, size: str = "160x90") -> tuple[str, ...]:
    return "-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}"


def tone(seconds: float) -> tuple[str, ...]:
    return "-f", "lavfi", "-i", f"sine=f=330:b=4:r=48000:d={seconds}"


def h264(*, frames_between_keys: int, more: str = "") -> tuple[str, ...]:
    parameters = f"keyint={frames_between_keys}:scenecut=0:bframes=3{more}"
    return "-c:v", "libx264", "-preset", "veryfast", "-x264-params", parameters, "-pix_fmt", "yuv420p"


Maker = Callable[[Path], Path]
_makers: dict[str, Maker] = {}


def sample(maker: Maker) -> Maker:
    _makers[maker.__name__] = maker
    return maker


def make(name: str, folder: Path) -> Path:
    """The sample of that name in a folder. It is kept between runs, as those of tests/media.py are."""
    if ready := sorted(folder.glob(f"{name}.*")):
        return ready[0]
    cache = kept(__file__)
    cached = sorted(cache.glob(f"{name}.*"))
    if not cached:
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            made = _makers[name](Path(scratch))
            cached = [made.replace(cache / made.name)]
    return Path(shutil.copy(cached[0], folder))


@sample
def h264_aac_mp4(folder: Path) -> Path:
    """B-frames, an edit list for them and one for the encoder's priming."""
    codec = h264(frames_between_keys=48)
    return encode(folder / "h264_aac_mp4.mp4", *pattern(21, "24000/1001"), *tone(21), *codec, "-c:a", "aac")


@sample
def h264_surround_mkv(folder: Path) -> Path:
    """Two audio tracks of 5.1."""
    return encode(
        folder / "h264_surround_mkv.mkv",
        *(*pattern(20, "30000/1001"), *tone(20), "-map", "0", "-map", "1", "-map", "1"),
        *(*h264(frames_between_keys=75), "-ac", "6", "-c:a:0", "ac3", "-c:a:1", "eac3"),
    )


@sample
def open_gop_mkv(folder: Path) -> Path:
    codec = h264(frames_between_keys=40, more=":open-gop=1")
    return encode(folder / "open_gop_mkv.mkv", *pattern(20, "25"), *tone(20), *codec, "-c:a", "aac")


@sample
def open_gop_mp4(folder: Path) -> Path:
    return encode(folder / "open_gop_mp4.mp4", "-i", make("open_gop_mkv", folder), "-c", "copy")


@sample
def mixed_gop_mkv(folder: Path) -> Path:
    """Open groups of pictures, and one that is closed every four seconds."""
    codec = h264(frames_between_keys=25, more=":open-gop=1")
    forced = ("-forced-idr", "1", "-force_key_frames", "expr:gte(t,n_forced*4)")
    return encode(folder / "mixed_gop_mkv.mkv", *pattern(20, "25"), *tone(20), *codec, *forced, "-c:a", "aac")


@sample
def mixed_gop_mp4(folder: Path) -> Path:
    return encode(folder / "mixed_gop_mp4.mp4", "-i", make("mixed_gop_mkv", folder), "-c", "copy")


@sample
def hevc10_mkv(folder: Path) -> Path:
    """50 frames a second, open groups of pictures, HDR10."""
    codec = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -x265-params"
    parameters = (
        "log-level=error:keyint=100:open-gop=1:bframes=3:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    )
    arguments = (*codec.split(), parameters, "-c:a", "libopus")
    return encode(folder / "hevc10_mkv.mkv", *pattern(20, "50"), *tone(20), *arguments)


@sample
def hevc10_mp4(folder: Path) -> Path:
    return encode(folder / "hevc10_mp4.mp4", "-i", make("hevc10_mkv", folder), "-c", "copy")


@sample
def vp9_webm(folder: Path) -> Path:
    codec = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "50", "-c:a", "libopus")
    return encode(folder / "vp9_webm.webm", *pattern(20, "25"), *tone(20), *codec)


@sample
def av1_mkv(folder: Path) -> Path:
    codec = ("-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-g", "50", "-c:a", "flac")
    return encode(folder / "av1_mkv.mkv", *pattern(20, "25"), *tone(20), *codec)


@sample
def no_cues_mkv(folder: Path) -> Path:
    """Written to a pipe: neither an index nor a duration."""
    target = folder / "no_cues_mkv.mkv"
    command = [FFMPEG, "-v", "error", "-i", make("open_gop_mkv", folder), "-c", "copy", "-f", "matroska", "pipe:1"]
    target.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    return target


@sample
def late_mkv(folder: Path) -> Path:
    """Begins at 5 s."""
    arguments = ("-i", make("open_gop_mkv", folder), "-c", "copy", "-output_ts_offset", "5")
    return encode(folder / "late_mkv.mkv", *arguments)


@sample
def late_audio_mp4(folder: Path) -> Path:
    film = make("h264_aac_mp4", folder)
    arguments = ("-i", film, "-itsoffset", "0.7", "-i", film, "-map", "0:v", "-map", "1:a", "-c", "copy")
    return encode(folder / "late_audio_mp4.mp4", *arguments)


@sample
def trimmed_mp4(folder: Path) -> Path:
    """An edit list begins in the middle of a group of pictures: the ones before have negative times."""
    return encode(folder / "trimmed_mp4.mp4", "-ss", "3.3", "-i", make("h264_aac_mp4", folder), "-c", "copy")


@sample
def variable_rate_mkv(folder: Path) -> Path:
    arguments = ("-vf", "select='not(eq(mod(n\\,7)\\,3))'", "-fps_mode", "vfr", *h264(frames_between_keys=50))
    return encode(folder / "variable_rate_mkv.mkv", *pattern(20, "30"), *tone(20), *arguments, "-c:a", "aac")


@sample
def fragmented_mp4(folder: Path) -> Path:
    arguments = ("-c", "copy", "-movflags", "frag_keyframe+empty_moov")
    return encode(folder / "fragmented_mp4.mp4", "-i", make("open_gop_mkv", folder), *arguments)


@sample
def transport_stream(folder: Path) -> Path:
    return encode(folder / "transport_stream.ts", "-i", make("open_gop_mkv", folder), "-c", "copy")


@sample
def h264_aac_ts(folder: Path) -> Path:
    return encode(folder / "h264_aac_ts.ts", "-i", make("h264_aac_mp4", folder), "-c", "copy")


@sample
def hevc10_ts(folder: Path) -> Path:
    return encode(folder / "hevc10_ts.ts", "-i", make("hevc10_mkv", folder), "-c:v", "copy", "-c:a", "aac")


@sample
def two_sounds_m2ts(folder: Path) -> Path:
    """Packets of 192 bytes."""
    film = make("h264_surround_mkv", folder)
    return encode(folder / "two_sounds_m2ts.m2ts", "-i", film, "-map", "0", "-c", "copy", "-mpegts_m2ts_mode", "1")


@sample
def ladder_mkv(folder: Path) -> Path:
    """A picture that is worth several heights."""
    rate = ("-b:v", "1500k", "-maxrate", "1500k", "-bufsize", "1500k")
    codec = (*rate, *h264(frames_between_keys=50), "-c:a", "aac")
    return encode(folder / "ladder_mkv.mkv", *pattern(30, "25", "854x480"), *tone(30), *codec)


@sample
def heavy_mkv(folder: Path) -> Path:
    """An encoder is busy with it for a while."""
    noise = ("-vf", "noise=alls=30:allf=t", *h264(frames_between_keys=50), "-preset", "ultrafast", "-an")
    return encode(folder / "heavy_mkv.mkv", *pattern(14, "25", "1280x720"), *noise)


@sample
def long_mkv(folder: Path) -> Path:
    """Five minutes without sound."""
    return encode_loop(folder / "long_mkv.mkv", 15, *pattern(20, "25"), *h264(frames_between_keys=50), "-an")


@sample
def bitmaps_mkv(folder: Path) -> Path:
    """A black picture of 12 s; a subtitle stream that shows a white bar at (60, 70), 40x10, from 5 s to 9 s."""
    return _with_bar(folder / "bitmaps_mkv.mkv", 12, shown_s=5, hidden_s=9)


@sample
def long_bitmaps_mkv(folder: Path) -> Path:
    """As the other, with the bar from 3 s to 24 s of 30 s."""
    return _with_bar(folder / "long_bitmaps_mkv.mkv", 30, shown_s=3, hidden_s=24)


@sample
def staying_bitmaps_mkv(folder: Path) -> Path:
    """As the others, with the bar from 3 s to 60 s of 100 s."""
    return _with_bar(folder / "staying_bitmaps_mkv.mkv", 100, shown_s=3, hidden_s=60)


def _with_bar(target: Path, seconds: int, *, shown_s: int, hidden_s: int) -> Path:
    subtitles = target.with_suffix(".sup")
    subtitles.write_bytes(_pgs_bar(160, 90, shown_s=0, hidden_s=hidden_s - shown_s))
    picture = ("-f", "lavfi", "-i", f"color=black:s=160x90:r=25:d={seconds}")
    streams = (*picture, *tone(seconds), "-itsoffset", str(shown_s), "-f", "sup", "-i", subtitles)
    codecs = (*h264(frames_between_keys=50), "-c:a", "ac3", "-c:s", "copy")
    return encode(target, *streams, "-map", "0", "-map", "1", "-map", "2", *codecs)


# Draws a white bar at (60, 70), 40x10, from 3 s to 24 s, and letters at the top from 10 s to 12 s.
STYLED = r"""[Script Info]
ScriptType: v4.00+
PlayResX: 160
PlayResY: 90

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, BorderStyle, Outline, Shadow, Alignment, MarginV
Style: Default,Sans,16,&H00FFFFFF,1,0,0,8,5

[Events]
Format: Layer, Start, End, Style, Text
Dialogue: 0,0:00:03.00,0:00:24.00,Default,{\an7\pos(60,70)\p1}m 0 0 l 40 0 40 10 0 10{\p0}
Dialogue: 0,0:00:10.00,0:00:12.00,Default,iiii
"""


@sample
def styled_mkv(folder: Path) -> Path:
    """A black picture of 30 s with STYLED, which begins at 5 s by its timestamps."""
    return styled(folder / "styled_mkv.mkv", STYLED, "-output_ts_offset", "5")


def styled(target: Path, text: str, *more: str | Path) -> Path:
    """A black picture of 30 s with subtitles in ASS, of which `more` is said to ffmpeg."""
    subtitles = target.with_suffix(".ass")
    subtitles.write_text(text)
    picture = ("-f", "lavfi", "-i", "color=black:s=160x90:r=25:d=30")
    streams = (*picture, *tone(30), "-i", subtitles, "-map", "0", "-map", "1", "-map", "2")
    encode(target, *streams, *h264(frames_between_keys=50), "-c:a", "ac3", "-c:s", "copy", *more)
    subtitles.unlink()
    return target


def _pgs_bar(width: int, height: int, *, shown_s: float, hidden_s: float) -> bytes:
    """A presentation graphics stream of one opaque object. Nothing at hand makes one from text."""
    x, y, bar_width, bar_height = 60, 70, 40, 10

    def part(kind: int, data: bytes, at_s: float) -> bytes:
        return b"PG" + struct.pack(">IIBH", round(at_s * 90_000), 0, kind, len(data)) + data

    def composition(number: int, objects: int) -> bytes:
        head = struct.pack(">HHBHBBBB", width, height, 0x10, number, 0x80 * objects, 0, 0, objects)
        return head + (struct.pack(">HBBHH", 0, 0, 0, x, y) if objects else b"")

    window = struct.pack(">BBHHHH", 1, 0, x, y, bar_width, bar_height)
    palette = bytes([0, 0, 1, 235, 128, 128, 255])
    lines = bytes([0, 0x80 | bar_width, 1, 0, 0]) * bar_height
    picture = struct.pack(">HBB", 0, 0, 0xC0) + (len(lines) + 4).to_bytes(3, "big")
    picture += struct.pack(">HH", bar_width, bar_height) + lines
    shown = ((0x16, composition(0, 1)), (0x17, window), (0x14, palette), (0x15, picture), (0x80, b""))
    hidden = ((0x16, composition(1, 0)), (0x17, window), (0x80, b""))
    return b"".join([*(part(k, d, shown_s) for k, d in shown), *(part(k, d, hidden_s) for k, d in hidden)])


@functools.cache
def probe(path: Path) -> MediaSource:
    status = path.stat()
    stamp = FileStamp(status.st_size, status.st_mtime_ns, status.st_ino)
    technical = probe_file(os.fspath(path))
    return MediaSource(
        file_id=MediaFileId(1), root_path=str(path.parent), path=str(path), stamp=stamp, technical=technical
    )


def plan_for(source: MediaSource, capabilities: ClientCapabilities) -> PlaybackPlan:
    return decide(source.technical, source.sidecars, capabilities, PlaybackOptions(), structure=source.structure)


@dataclass(frozen=True)
class Produced:
    """A rendition written to a folder, and all of it in one file."""

    grid: SegmentGrid
    init: bytes
    segments: list[bytes]
    whole: Path


async def fetch(producer: RenditionProducer, source: MediaSource, rendition: Rendition, number: int) -> bytes:
    pieces = await producer.segment(source, rendition, number, session_id=ME)
    return b"".join([piece async for piece in pieces])


async def produce(producer: RenditionProducer, source: MediaSource, rendition: Rendition, folder: Path) -> Produced:
    folder.mkdir(parents=True)
    grid = await producer.grid(source, rendition)
    init = await producer.init_segment(source, rendition)
    (folder / "index.m3u8").write_text(playlists.media(grid))
    (folder / "init.mp4").write_bytes(init)
    segments = []
    for number in range(len(grid.starts_s)):
        segments.append(await fetch(producer, source, rendition, number))
        (folder / f"{number}.m4s").write_bytes(segments[-1])
    whole = folder / "whole.mp4"
    whole.write_bytes(init + b"".join(segments))
    return Produced(grid, init, segments, whole)


async def publish(producer: RenditionProducer, source: MediaSource, plan: PlaybackPlan, folder: Path) -> Path:
    """All of it as a client would fetch it; the master playlist."""
    assert plan.video is not None
    await produce(producer, source, plan.video, folder / "video")
    for audio in plan.audio:
        await produce(producer, source, audio, folder / playlists.audio_rendition_name(audio))
    facts = [(audio, await producer.facts(source, audio)) for audio in plan.audio]
    master = folder / "master.m3u8"
    video_facts = await producer.facts(source, plan.video)
    master.write_text(playlists.master(plan, [(plan.video, video_facts)], facts))
    return master


def play(file: Path) -> float:
    """Decode all of it with ffmpeg as a client. Fails if it has anything to say. Returns how many seconds it lasts."""
    done = subprocess.run(
        [
            *(FFMPEG, "-nostdin", "-hide_banner", "-v", "warning", "-progress", "pipe:1", "-i", str(file)),
            *("-map", "0", "-fps_mode", "passthrough", "-enc_time_base:v", "demux", "-f", "null", "-"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    times = [line.split("=")[1] for line in done.stdout.splitlines() if line.startswith("out_time_us=")]
    return int(times[-1]) / 1_000_000


@dataclass(frozen=True)
class Seen:
    """A packet: times in seconds, and a checksum of its bytes."""

    pts: float
    dts: float | None
    duration: float
    checksum: int
    key: bool


def packets(path: Path, stream_index: int = 0) -> list[Seen]:
    with av.open(str(path)) as container:
        stream = container.streams[stream_index]
        base = stream.time_base or Fraction(1)
        return [
            Seen(
                float(packet.pts * base),
                float(packet.dts * base) if packet.dts is not None else None,
                float((packet.duration or 0) * base),
                zlib.crc32(bytes(packet)),
                packet.is_keyframe,
            )
            for packet in container.demux(stream)
            if packet.pts is not None and packet.size
        ]


def split_silence(found: list[Seen], sound: Produced) -> tuple[list[Seen], list[Seen]]:
    """What a copied rendition of sound has of its source, and the silence put where the source has none."""
    track = read_track(sound.init)
    with av.open(str(sound.whole)) as container:
        stream = container.streams.audio[0]
        name, channels = stream.codec.canonical_name, stream.channels
    frame = statistics.mode(round(packet.duration * track.timescale) for packet in found)
    silence = silence_for(name, channels, track, frame)
    assert (silence is None) == (name == "flac" or channels > 6)
    silent = zlib.crc32(silence.data) if silence is not None else None
    return [packet for packet in found if packet.checksum != silent], [p for p in found if p.checksum == silent]


def nal_units(path: Path) -> list[bytes]:
    """The NAL units of a file's picture, in the order of decoding."""
    found = []
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.video[0]):
            data, at = bytes(packet), 0
            while at < len(data):
                end = at + 4 + int.from_bytes(data[at : at + 4], "big")
                found.append(data[at + 4 : end])
                at = end
    return found


def two_pitches(folder: Path, form: tuple[str, ...]) -> Path:
    """A transport stream of 3 s of a low tone, and 3 s of a high one in another form."""
    parts = [
        encode(
            folder / f"{pitch}.ts",
            *(*pattern(3, "25"), "-f", "lavfi", "-i", f"sine=f={pitch}:r=48000:d=3", *h264(frames_between_keys=25)),
            *(*more, "-c:a", "aac", "-output_ts_offset", offset),
        )
        for pitch, offset, more in ((400, "0", ()), (1000, "3", form))
    ]
    return joined(folder / "joined.ts", *parts)


def joined(target: Path, *parts: Path) -> Path:
    target.write_bytes(b"".join(part.read_bytes() for part in parts))
    return target


def pitch_of(path: Path, start_s: float) -> float:
    """How often the sound goes up through 0 in a second, in the half of one from a time on."""
    command = [FFMPEG, "-v", "error", "-i", str(path), "-ac", "1", "-ar", "8000", "-f", "s16le", "pipe:1"]
    samples = memoryview(subprocess.run(command, capture_output=True, check=True).stdout).cast("h")
    first = round(start_s * 8000)
    return 2 * sum(a < 0 <= b for a, b in itertools.pairwise(samples[first : first + 4000].tolist()))


def start_s(path: Path) -> float:
    """What is 0 on the timeline of its renditions: where the container begins, or its first picture if that is
    before."""
    with av.open(str(path)) as container:
        start = (container.start_time or 0) / 1_000_000
        shown = [float(p.pts * p.time_base) for p in container.demux(video=0) if p.pts is not None]
        return min([start, *shown[:20]])


@dataclass(frozen=True)
class Span:
    """What a segment says of itself, in seconds of decode time."""

    start: float
    end: float
    first_shown: float
    first_is_key: bool


def span(init: bytes, segment: bytes) -> Span:
    """Read from the boxes, not by what wrote them. The fragments of a segment must meet without a hole."""
    header = find(init, b"moov", b"trak", b"mdia", b"mdhd")
    assert header is not None
    scale = int.from_bytes(init[header.body + 12 : header.body + 16], "big")
    spans = [_fragment_span(segment, box, scale) for box in boxes(segment) if box.kind == b"moof"]
    assert spans
    for before, after in itertools.pairwise(spans):
        assert abs(after.start - before.end) < 0.001
        assert not after.first_is_key or _is_sound(init)
    return Span(spans[0].start, spans[-1].end, spans[0].first_shown, spans[0].first_is_key)


def _is_sound(init: bytes) -> bool:
    return find(init, b"moov", b"trak", b"mdia", b"minf", b"smhd") is not None


def _fragment_span(segment: bytes, moof: Box, scale: int) -> Span:
    traf = next(box for box in boxes(segment, moof.body, moof.end) if box.kind == b"traf")
    inner = {box.kind: segment[box.body : box.end] for box in boxes(segment, traf.body, traf.end)}
    start = int.from_bytes(inner[b"tfdt"][4:12], "big")
    run = inner[b"trun"]
    contents, count = int.from_bytes(run[1:4], "big"), int.from_bytes(run[4:8], "big")
    columns = [flag for flag in (0x100, 0x200, 0x400, 0x800) if contents & flag]
    rows = [run[12 + n * 4 * len(columns) :][: 4 * len(columns)] for n in range(count)]
    durations = [int.from_bytes(row[:4], "big") for row in rows]
    offset = int.from_bytes(rows[0][12:16], "big", signed=True) if 0x800 in columns else 0
    key = not int.from_bytes(rows[0][8:12], "big") & 0x10000 if 0x400 in columns else True
    return Span(start / scale, (start + sum(durations)) / scale, (start + offset) / scale, key)
