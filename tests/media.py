"""Small real media files, one for each thing a file can be. They are made by the bundled ffmpeg when first asked for.

`make_sample(name, folder)` puts one into a folder; `SAMPLES` are the names. The files are kept between runs, as
drawing and encoding takes longer than most tests."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import av
import imageio_ffmpeg

_FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()

PICTURE_S = 2
_PICTURE = ("-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=24:duration={PICTURE_S}")
_TONE = ("-f", "lavfi", "-i", f"sine=frequency=440:duration={PICTURE_S}")
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "24", "-bf", "0")
_HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params")
_SRT = "1\n00:00:00,200 --> 00:00:01,500\nHello\n"
_ASS = (
    "[Script Info]\nScriptType: v4.00+\n[V4+ Styles]\nFormat: Name,Fontname,Fontsize\nStyle: Default,Arial,20\n"
    "[Events]\nFormat: Layer,Start,End,Style,Text\nDialogue: 0,0:00:00.20,0:00:01.50,Default,Hello\n"
)
_CHAPTERS = (
    ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=800\ntitle=Opening\n"
    "[CHAPTER]\nTIMEBASE=1/1000\nSTART=800\nEND=2000\n"
)


def make_sample(name: str, folder: Path) -> Path:
    """The sample `name` as a file of its own in `folder`; raises KeyError for a name that is not in SAMPLES."""
    make = _MAKERS[name]
    cached = kept(__file__) / name
    if not cached.exists():
        with tempfile.TemporaryDirectory(dir=cached.parent) as scratch:
            unfinished = Path(scratch) / name
            make(unfinished)
            unfinished.replace(cached)
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(cached, folder / name))


def kept(recipes: str) -> Path:
    """The folder of files that are kept between runs, until ffmpeg or the module `recipes` changes."""
    digest = hashlib.sha256(_FFMPEG.encode() + Path(recipes).read_bytes()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"odeion-test-media-{os.getuid()}" / digest
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def ffmpeg(output: Path, *arguments: str) -> None:
    """Make a file with the bundled ffmpeg."""
    command = [_FFMPEG, "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments, str(output)]
    subprocess.run(command, check=True, timeout=60, cwd=output.parent, capture_output=True)


def _h264_aac_mp4(path: Path) -> None:
    ffmpeg(path, *_PICTURE, *_TONE, *_H264, "-c:a", "aac", "-metadata:s:a:0", "language=deu")


def _hevc_10bit_mkv(path: Path) -> None:
    (path.parent / "s.srt").write_text(_SRT)
    (path.parent / "s.ass").write_text(_ASS)
    ffmpeg(path, *_PICTURE, *_TONE, "-i", "s.srt", "-i", "s.ass", "-map", "0", "-map", "1", "-map", "2", "-map", "3",
           *_HEVC, "log-level=none", "-c:a", "aac", "-c:s:0", "srt", "-c:s:1", "ass",
           "-metadata:s:a:0", "language=jpn", "-metadata:s:a:0", "title=Commentary by the director",
           "-metadata:s:s:0", "language=eng", "-metadata:s:s:0", "title=Signs", "-metadata:s:s:1", "language=ger",
           "-disposition:s:0", "forced+default", "-disposition:s:1", "hearing_impaired")  # fmt: skip


def _hdr10_mkv(path: Path) -> None:
    ffmpeg(path, *_PICTURE, *_HEVC, "log-level=none:hdr10=1:max-cll=1000,400:colorprim=bt2020:transfer=smpte2084:"
           "colormatrix=bt2020nc:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)",
           "-an")  # fmt: skip


def _hlg_mp4(path: Path) -> None:
    ffmpeg(path, *_PICTURE, *_HEVC, "log-level=none:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc",
           "-tag:v", "hvc1")  # fmt: skip


def _dolby_vision_mp4(path: Path) -> None:
    """HDR10 in MP4, with the box that announces Dolby Vision 8.1 put where an encoder would have put it."""
    _hdr10_mkv(path.with_suffix(".mkv"))
    ffmpeg(path, "-i", path.with_suffix(".mkv").name, "-c", "copy", "-tag:v", "hvc1")
    record = bytes([1, 0, 8 << 1, 9 << 3 | 0b101, 1 << 4]) + bytes(19)
    box = (8 + len(record)).to_bytes(4, "big") + b"dvvC" + record
    data = path.read_bytes()
    insert_at = data.index(b"hvcC") - 4
    data = data[:insert_at] + box + data[insert_at:]
    # Every box around it grows; the picture data lies before them all, so that no offset changes.
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hvc1"):
        at = data.index(kind, data.index(b"moov")) - 4
        size = int.from_bytes(data[at : at + 4], "big") + len(box)
        data = data[:at] + size.to_bytes(4, "big") + data[at + 4 :]
    path.write_bytes(data)


def _dolby_vision_mkv(path: Path) -> None:
    _dolby_vision_mp4(path.with_suffix(".mp4"))
    ffmpeg(path, "-i", path.with_suffix(".mp4").name, "-c", "copy", "-strict", "unofficial")


def _hdr10_plus_mkv(path: Path) -> None:
    """HDR10 whose pictures are told by a message (SEI, ITU-T T.35) to carry HDR10+."""
    _hdr10_mkv(path.with_name("plain.mkv"))
    payload = bytes.fromhex("b5003c000104") + bytes(10)
    unit = bytes([39 << 1, 1, 4, len(payload)]) + payload + b"\x80"
    with av.open(str(path.with_name("plain.mkv"))) as source, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                with_message = av.Packet(len(unit).to_bytes(4, "big") + unit + bytes(packet))
                with_message.pts, with_message.dts = packet.pts, packet.dts
                with_message.time_base, with_message.is_keyframe = packet.time_base, packet.is_keyframe
                with_message.stream = stream
                output.mux(with_message)


def _vp9_webm(path: Path) -> None:
    ffmpeg(path, *_PICTURE, *_TONE, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus")


def _av1_mkv(path: Path) -> None:
    ffmpeg(path, *_PICTURE, "-c:v", "libsvtav1", "-preset", "12", "-pix_fmt", "yuv420p10le", "-svtav1-params", "lp=1")


def _rotated_mp4(path: Path) -> None:
    _h264_aac_mp4(path.with_name("upright.mp4"))
    ffmpeg(path, "-display_rotation", "-90", "-i", "upright.mp4", "-c", "copy")


def _rotated_mkv(path: Path) -> None:
    _h264_aac_mp4(path.with_name("upright.mp4"))
    ffmpeg(path, "-display_rotation", "-90", "-i", "upright.mp4", "-c", "copy")


def _interlaced_ts(path: Path) -> None:
    ffmpeg(path, *_PICTURE, "-vf", "interlace", "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-aspect", "4:3")


def _anamorphic_mkv(path: Path) -> None:
    """H.264 4:2:2 with 10 bits, whose shape and colours only its own headers know."""
    ffmpeg(path, *_PICTURE, "-vf", "setsar=64/45", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt",
           "yuv422p10le", "-x264-params", "colorprim=bt709:transfer=bt709:colormatrix=bt709")  # fmt: skip


def _h264_ts(path: Path) -> None:
    ffmpeg(path, *_PICTURE, *_TONE, *_H264, "-c:a", "mp2")


def _no_duration_mkv(path: Path) -> None:
    """As written to a pipe: neither duration nor index."""
    with path.open("wb") as output:
        command = [_FFMPEG, "-loglevel", "error", *_PICTURE, *_H264, "-f", "matroska", "-live", "1", "pipe:1"]
        subprocess.run(command, check=True, stdout=output, timeout=60)


def _ac3_surround_mkv(path: Path) -> None:
    ffmpeg(path, *_PICTURE, "-f", "lavfi", "-i", f"anullsrc=channel_layout=5.1:sample_rate=48000:duration={PICTURE_S}",
           *_H264, "-c:a", "ac3", "-b:a", "384k", "-metadata:s:a:0", "language=und", "-shortest")  # fmt: skip


def _flac_mkv(path: Path) -> None:
    ffmpeg(path, *_PICTURE, *_TONE, *_H264, "-c:a", "flac", "-sample_fmt", "s32", "-bits_per_raw_sample", "24")


def _chapters_mkv(path: Path) -> None:
    (path.parent / "chapters.txt").write_text(_CHAPTERS)
    ffmpeg(path, *_PICTURE, "-i", "chapters.txt", "-map", "0", "-map_metadata", "1", "-map_chapters", "1", *_H264)


def _cover_mp4(path: Path) -> None:
    ffmpeg(path.with_name("cover.jpg"), *_PICTURE, "-frames:v", "1", "-update", "1")
    ffmpeg(path, *_PICTURE, "-i", "cover.jpg", "-map", "0", "-map", "1", *_H264, "-c:v:1", "mjpeg",
           "-disposition:v:1", "attached_pic")  # fmt: skip


def _mpeg4_avi(path: Path) -> None:
    ffmpeg(path, *_PICTURE, *_TONE, "-c:v", "mpeg4", "-c:a", "libmp3lame")


def _fragmented_mp4(path: Path) -> None:
    ffmpeg(path, *_PICTURE, *_H264, "-movflags", "frag_keyframe+empty_moov")


def _audio_only_mp4(path: Path) -> None:
    ffmpeg(path, *_TONE, "-c:a", "aac")


_MAKERS: dict[str, Callable[[Path], None]] = {
    "h264-aac.mp4": _h264_aac_mp4,
    "hevc-10bit.mkv": _hevc_10bit_mkv,
    "hdr10.mkv": _hdr10_mkv,
    "hlg.mp4": _hlg_mp4,
    "dolby-vision.mp4": _dolby_vision_mp4,
    "dolby-vision.mkv": _dolby_vision_mkv,
    "hdr10-plus.mkv": _hdr10_plus_mkv,
    "vp9.webm": _vp9_webm,
    "av1.mkv": _av1_mkv,
    "rotated.mp4": _rotated_mp4,
    "rotated.mkv": _rotated_mkv,
    "interlaced.ts": _interlaced_ts,
    "anamorphic.mkv": _anamorphic_mkv,
    "h264.ts": _h264_ts,
    "no-duration.mkv": _no_duration_mkv,
    "ac3-surround.mkv": _ac3_surround_mkv,
    "flac.mkv": _flac_mkv,
    "chapters.mkv": _chapters_mkv,
    "cover.mp4": _cover_mp4,
    "mpeg4.avi": _mpeg4_avi,
    "fragmented.mp4": _fragmented_mp4,
    "audio-only.mp4": _audio_only_mp4,
}
SAMPLES = tuple(_MAKERS)
