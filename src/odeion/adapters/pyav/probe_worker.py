"""Looks inside one media file at a time; also the child process that does so for PyAvMediaProbe.

A file is opened once, checked to be a regular file, recognised by its first bytes, and only then given to the one
demuxer of that format as an open file object. libavformat never learns a path and may open nothing else, so a
playlist named like a film leads nowhere.

`skip_frame=all` keeps stream analysis from decoding pictures, which is most of its time. What that loses (the pixel
format of H.264) and what PyAV does not show (rotation, Dolby Vision) is read from the container's own headers.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import struct
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import islice
from typing import BinaryIO

import av
import av.audio
import av.error
import av.logging
import av.subtitles
import av.video
from av.audio.codeccontext import AudioCodecContext
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext

from odeion.application.libraries.ports import ProbeRefusal
from odeion.domain.media_file import (
    AudioStream,
    Chapter,
    HdrFormat,
    SubtitleStream,
    TechnicalInfo,
    VideoStream,
)
from odeion.sandbox.worker import serve

_HEAD_BYTES = 4096
_TAIL_BYTES = 8 << 20  # of a Matroska file that begins late or does not say how long it is; ffmpeg's clusters are of 5
_EARLY_MS = 100  # a Matroska file that begins so soon is not worth that read: its end is as good as its length
_PICTURE_PACKETS = 200  # among which a decoder finds a picture to begin with

_MATROSKA, _MP4 = "matroska", "mov"
# Demuxers with several names: opened by one of them, known by all.
_FULL_NAMES = {_MATROSKA: "matroska,webm", _MP4: "mov,mp4,m4a,3gp,3g2,mj2"}

_PIXEL_FORMAT_DEPTH = re.compile(r"p(\d\d)(?:le|be)?$|^gray(\d\d)|^p[024](1\d)")
_TEXT_SUBTITLES = frozenset(["ass", "eia_608", "mov_text", "srt", "ssa", "subrip", "text", "ttml", "webvtt"])
_HDR10_PLUS_MARK = bytes.fromhex("b5003c000104")  # ITU-T T.35: USA, Samsung, HDR10+ application 4
_COMMENTARY = re.compile(r"\bcomment(ary|aire)s?\b|\bkommentar", re.IGNORECASE)

# ISO 639-2 has two codes for these languages: MP4 has the terminological, Matroska the bibliographic one.
_BIBLIOGRAPHIC = dict(pair.split(":") for pair in (
    "bod:tib", "ces:cze", "cym:wel", "deu:ger", "ell:gre", "eus:baq", "fas:per", "fra:fre", "hye:arm",
    "isl:ice", "kat:geo", "mkd:mac", "mri:mao", "msa:may", "mya:bur", "nld:dut", "ron:rum", "slk:slo", "sqi:alb",
    "zho:chi",
))  # fmt: skip

# Numbers of ISO/IEC 23091-2, names of libavutil; 2 stands for "unspecified".
_PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
              10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213"}  # fmt: skip
_TRANSFERS = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear", 9: "log100",
              10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12",
              16: "smpte2084", 17: "smpte428", 18: "arib-std-b67"}  # fmt: skip
_MATRICES = {0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc",
             10: "bt2020c", 11: "smpte2085", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp"}  # fmt: skip


class Refused(Exception):
    """The file cannot be probed; `refusal` says why."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.refusal = ProbeRefusal(code, reason)


def probe_file(path: str) -> TechnicalInfo:
    """The technical facts of the media file at `path`; raises Refused. May crash or hang on hostile bytes: the
    server calls it through PyAvMediaProbe only."""
    try:
        # Without O_NONBLOCK opening a pipe would wait for its writer.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        with os.fdopen(handle, "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Refused("not_media", "not a regular file")
            file_format = _recognise(os.pread(handle, _HEAD_BYTES, 0))
            if file_format is None:
                raise Refused("not_media", "the content is no video format")
            with av.open(
                file,
                "r",
                format=file_format,
                options={"skip_frame": "all", "format_whitelist": file_format, "protocol_whitelist": "file"},
                io_open=_refuse_to_open,
                metadata_errors="replace",
            ) as container:
                return _describe(container, _File(handle), file_format)
    except av.error.FFmpegError as error:
        raise Refused("unreadable", f"the file is damaged or incomplete ({error.strerror})") from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise Refused("unreadable", f"the file cannot be read ({reason})") from error


def _refuse_to_open(url: str, flags: int, options: dict[str, str]) -> BinaryIO:
    raise PermissionError("a media file may not refer to another one")


def _recognise(head: bytes) -> str | None:
    """The demuxer for a file that begins with `head`."""
    if head.startswith(b"\x1aE\xdf\xa3"):
        return _MATROSKA
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"):
        return _MP4
    if head.startswith((b"RIFF", b"ON2 ")) and head[8:11] in (b"AVI", b"ON2"):
        return "avi"
    for magic, name in (
        (b"FLV\x01", "flv"),
        (b"OggS", "ogg"),
        (b"0&\xb2u\x8ef\xcf\x11", "asf"),
        (b"\x00\x00\x01\xba", "mpeg"),
        (b"\x00\x00\x01\xb3", "mpegvideo"),
    ):
        if head.startswith(magic):
            return name
    for packet_bytes in (188, 192, 204):  # transport streams may begin in the middle of a packet
        for start in range(packet_bytes):
            sync_bytes = head[start : start + 8 * packet_bytes : packet_bytes]
            if sync_bytes == b"G" * 8:
                return "mpegts"
    return None


# --- From libavformat's view to ours ------------------------------------------------------------------------------


def _describe(container: InputContainer, file: _File, file_format: str) -> TechnicalInfo:
    headers = _read_headers(file, file_format)
    video: list[VideoStream] = []
    audio: list[AudioStream] = []
    subtitles: list[SubtitleStream] = []
    for stream in container.streams:
        if stream.codec_context is None:
            continue  # a codec that libavcodec does not know; it cannot be played or converted
        if isinstance(stream, av.video.VideoStream):
            if stream.width and not stream.disposition & (Disposition.attached_pic | Disposition.still_image):
                video.append(_video(container, stream, headers.tracks.get(stream.index, _Track())))
        elif isinstance(stream, av.audio.AudioStream):
            if stream.codec_context.channels and stream.codec_context.sample_rate:
                audio.append(_audio(stream))
        elif stream.type == "subtitle":
            subtitles.append(_subtitle(stream))
    if not video:
        raise Refused("no_streams", "no video that can be decoded is in this file")

    start_ms = max(0, round((container.start_time or 0) / 1000))
    duration_ms = round((container.duration or 0) / 1000)
    is_late = file_format == _MATROSKA and start_ms > _EARLY_MS
    last_ms = _last_matroska_timestamp_ms(file, headers.timestamp_scale_ns) if headers.lacks_duration or is_late else 0
    if headers.lacks_duration:
        frame_s = 1 / video[0].frame_rate if video[0].frame_rate else Fraction(0)
        duration_ms = last_ms + round(frame_s * 1000) - start_ms
    elif 0 < last_ms <= duration_ms:
        # Matroska's Duration is how long a film lasts to some programs, and where it ends to others: to ffmpeg where it
        # writes a file, not where it writes to a pipe. Nothing begins after an end; the last block of a late film
        # begins after its length.
        duration_ms -= start_ms
    return TechnicalInfo(
        container=_FULL_NAMES.get(file_format, file_format),
        duration_ms=max(0, duration_ms),
        bitrate_bps=round(file.size * 8000 / duration_ms) if duration_ms > 0 else None,
        video=tuple(video),
        audio=tuple(audio),
        subtitles=tuple(subtitles),
        chapters=tuple(_chapters(container)),
    )


def _video(container: InputContainer, stream: av.video.VideoStream, track: _Track) -> VideoStream:
    codec = stream.codec_context
    pixel_format, aspect = codec.pix_fmt, codec.sample_aspect_ratio or stream.sample_aspect_ratio
    primaries, transfer, matrix = codec.color_primaries, codec.color_trc, codec.colorspace
    if pixel_format is None and codec.name == "h264" and (sps := _find_sps(container, stream)):
        pixel_format, aspect = sps.pixel_format, aspect or sps.sample_aspect_ratio
        if primaries == transfer == matrix == 2:
            primaries, transfer, matrix = sps.primaries, sps.transfer, sps.matrix
    if container.format.name == "mpegts" and codec.name == "hevc" and primaries == transfer == matrix == 2:
        primaries, transfer, matrix = _decoded_colours(container, stream)
    hdr = HdrFormat.SDR
    if track.dolby_vision_profile is not None:
        hdr = HdrFormat.DOLBY_VISION
    elif _TRANSFERS.get(transfer) == "arib-std-b67":
        hdr = HdrFormat.HLG
    elif _TRANSFERS.get(transfer) == "smpte2084":
        hdr = HdrFormat.HDR10_PLUS if _HDR10_PLUS_MARK in _first_packet(container, stream) else HdrFormat.HDR10
    return VideoStream(
        index=stream.index,
        codec=codec.codec.canonical_name,
        profile=codec.profile,
        level=codec.level if codec.level >= 0 else None,
        width=codec.width,
        height=codec.height,
        sample_aspect_ratio=aspect or Fraction(1),
        bit_depth=_bit_depth(pixel_format),
        pixel_format=pixel_format,
        frame_rate=stream.average_rate or stream.base_rate,
        color_space=_MATRICES.get(matrix),
        color_transfer=_TRANSFERS.get(transfer),
        color_primaries=_PRIMARIES.get(primaries),
        hdr=hdr,
        dolby_vision_profile=track.dolby_vision_profile,
        interlaced=codec.field_order > 1,  # 0 is unknown, 1 progressive
        rotation_degrees=track.rotation_degrees,
        bitrate_bps=_bitrate(stream),
        language=_language(stream),
        title=_title(stream),
        is_default=bool(stream.disposition & Disposition.default),
    )


def _audio(stream: av.audio.AudioStream) -> AudioStream:
    codec = stream.codec_context
    title = _title(stream)
    return AudioStream(
        index=stream.index,
        codec=codec.codec.canonical_name,
        profile=codec.profile,
        channels=codec.channels,
        channel_layout=codec.layout.name or None,
        sample_rate_hz=codec.sample_rate,
        bit_depth=_audio_bit_depth(codec),
        bitrate_bps=_bitrate(stream),
        language=_language(stream),
        title=title,
        is_default=bool(stream.disposition & Disposition.default),
        is_forced=bool(stream.disposition & Disposition.forced),
        is_commentary=bool(stream.disposition & Disposition.comment) or bool(title and _COMMENTARY.search(title)),
    )


def _subtitle(stream: Stream) -> SubtitleStream:
    codec = stream.codec_context.codec.canonical_name
    return SubtitleStream(
        index=stream.index,
        codec=codec,
        is_text=codec in _TEXT_SUBTITLES,
        language=_language(stream),
        title=_title(stream),
        is_default=bool(stream.disposition & Disposition.default),
        is_forced=bool(stream.disposition & Disposition.forced),
        is_hearing_impaired=bool(stream.disposition & Disposition.hearing_impaired),
    )


def _chapters(container: InputContainer) -> Iterator[Chapter]:
    for chapter in sorted(container.chapters(), key=lambda chapter: chapter["start"]):
        unit_ms = (chapter["time_base"] or Fraction(1)) * 1000
        yield Chapter(
            start_ms=max(0, round(chapter["start"] * unit_ms)),
            end_ms=max(0, round(chapter["end"] * unit_ms)),
            title=chapter["metadata"].get("title") or None,
        )


def _language(stream: Stream) -> str | None:
    language = stream.metadata.get("language", "").lower()
    return None if language in ("", "und") else _BIBLIOGRAPHIC.get(language, language)


def _title(stream: Stream) -> str | None:
    return stream.metadata.get("title") or None


def _bitrate(stream: Stream) -> int | None:
    """What the codec or the container says; mkvmerge writes it as a tag."""
    tag = stream.metadata.get("BPS") or stream.metadata.get("BPS-eng") or ""
    return stream.codec_context.bit_rate or (int(tag) if tag.isdecimal() and int(tag) else None)


def _bit_depth(pixel_format: str | None) -> int | None:
    """Bits a component: `yuv420p10le` has 10, `yuv420p` 8."""
    if pixel_format is None:
        return None
    match = _PIXEL_FORMAT_DEPTH.search(pixel_format)
    return int(next(filter(None, match.groups()))) if match else 8


def _audio_bit_depth(codec: AudioCodecContext) -> int | None:
    """Bits a sample of lossless codecs; the others have none."""
    name = codec.codec.canonical_name
    if name == "flac" and codec.extradata and len(codec.extradata) > 13:
        return ((codec.extradata[12] & 1) << 4 | codec.extradata[13] >> 4) + 1
    if match := re.match(r"pcm_[a-z]+(\d+)", name):
        return int(match[1])
    if name in ("truehd", "mlp", "alac"):
        sample_bits = codec.format.bits
        return 24 if sample_bits == 32 else sample_bits  # libav keeps 24 bits in 32
    return None


def _decoded_colours(container: InputContainer, stream: av.video.VideoStream) -> tuple[int, int, int]:
    """Primaries, transfer, matrix of the stream's next picture, for what has no headers that tell; 2 is unknown."""
    decoder = VideoCodecContext.create(stream.codec_context.name, "r")
    assert isinstance(decoder, VideoCodecContext)
    try:
        for packet in islice(container.demux(stream), _PICTURE_PACKETS):
            if decoder.decode(av.Packet(bytes(packet))):
                break
        else:
            decoder.decode(None)
    except av.error.FFmpegError:
        pass
    return decoder.color_primaries, decoder.color_trc, decoder.colorspace


def _first_packet(container: InputContainer, stream: Stream) -> bytes:
    """The stream's next packet; empty if there is none among the file's next few hundred."""
    for packet in islice(container.demux(), 500):
        if packet.stream_index == stream.index:
            return bytes(packet)
    return b""


# --- H.264: the sequence parameter set ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sps:
    pixel_format: str
    sample_aspect_ratio: Fraction | None = None
    primaries: int = 2
    transfer: int = 2
    matrix: int = 2


class _Bits:
    """Reads a NAL unit's bits; raises IndexError past its end."""

    def __init__(self, unit: bytes) -> None:
        data = unit.replace(b"\x00\x00\x03", b"\x00\x00")  # emulation prevention
        self._value, self._left = int.from_bytes(data, "big"), len(data) * 8

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise IndexError
        return self._value >> self._left & (1 << count) - 1

    def exp_golomb(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed_exp_golomb(self) -> int:
        code = self.exp_golomb()
        return (code + 1) // 2 if code & 1 else -(code // 2)


_HIGH_PROFILES = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
_SAMPLE_ASPECTS = (
    "0:1", "1:1", "12:11", "10:11", "16:11", "40:33", "24:11", "20:11", "32:11", "80:33", "18:11", "15:11", "64:33",
    "160:99", "4:3", "3:2", "2:1",
)  # fmt: skip


def _find_sps(container: InputContainer, stream: av.video.VideoStream) -> _Sps | None:
    extradata = stream.codec_context.extradata or b""
    if extradata[:1] == b"\x01" and len(extradata) > 8:  # avcC: the first set has its length before it
        unit = extradata[8 : 8 + int.from_bytes(extradata[6:8], "big")]
    else:  # Annex B: units follow start codes
        data = extradata or _first_packet(container, stream)
        match = re.search(rb"\x00\x00\x01([\x07\x27\x47\x67].+?)(?=\x00\x00[\x00\x01]|$)", data, re.DOTALL)
        unit = match[1] if match else b""
    try:
        return _read_sps(unit)
    except IndexError:
        return None


def _read_sps(unit: bytes) -> _Sps:
    """ITU-T H.264, 7.3.2.1.1 and E.1.1. Raises IndexError for a set that ends early."""
    bits = _Bits(unit)
    bits.take(8)
    profile = bits.take(8)
    bits.take(16)
    bits.exp_golomb()
    chroma, depth = 1, 8
    if profile in _HIGH_PROFILES:
        chroma = bits.exp_golomb()
        if chroma == 3:
            bits.take(1)
        depth = bits.exp_golomb() + 8
        bits.exp_golomb()
        bits.take(1)
        if bits.take(1):
            for matrix in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if matrix < 6 else 64)
    bits.exp_golomb()
    order_type = bits.exp_golomb()
    if order_type == 0:
        bits.exp_golomb()
    elif order_type == 1:
        bits.take(1)
        bits.signed_exp_golomb()
        bits.signed_exp_golomb()
        for _ in range(min(bits.exp_golomb(), 255)):
            bits.signed_exp_golomb()
    bits.exp_golomb()
    bits.take(1)
    bits.exp_golomb()
    bits.exp_golomb()
    if not bits.take(1):  # frame_mbs_only_flag
        bits.take(1)
    bits.take(1)
    if bits.take(1):  # frame_cropping_flag
        for _ in range(4):
            bits.exp_golomb()
    aspect: Fraction | None = None
    full_range, colours = 0, (2, 2, 2)
    if bits.take(1):  # vui_parameters_present_flag
        if bits.take(1):
            aspect_code = bits.take(8)
            if aspect_code == 255:
                width, height = bits.take(16), bits.take(16)
                aspect = Fraction(width, height) if width and height else None
            elif 0 < aspect_code < len(_SAMPLE_ASPECTS):
                aspect = Fraction(_SAMPLE_ASPECTS[aspect_code].replace(":", "/"))
        if bits.take(1):
            bits.take(1)
        if bits.take(1):
            bits.take(3)
            full_range = bits.take(1)
            if bits.take(1):
                colours = bits.take(8), bits.take(8), bits.take(8)
    return _Sps(_pixel_format(chroma, depth, bool(full_range)), aspect, *colours)


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_exp_golomb()) % 256
        last = following or last


def _pixel_format(chroma: int, depth: int, full_range: bool) -> str:
    """libavutil's name; it marks full range in the name for 8 bits."""
    name = (
        "gray"
        if chroma == 0
        else f"yuv{'j' if full_range and depth == 8 else ''}{(420, 422, 444)[min(chroma, 3) - 1]}p"
    )
    return name if depth == 8 else f"{name}{depth}le"


# --- What the container's headers say that PyAV does not show -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Track:
    rotation_degrees: int = 0
    dolby_vision_profile: int | None = None


@dataclass(slots=True)
class _Headers:
    """`tracks` by stream index. `lacks_duration` is known for Matroska only; libavformat has sound ways for others."""

    tracks: dict[int, _Track]
    lacks_duration: bool = False
    timestamp_scale_ns: int = 1_000_000


class _File:
    """Random access to the open file."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self.size = os.fstat(handle).st_size

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to `end`, fewer at the end of the file and none beyond it."""
        return os.pread(self._handle, max(0, min(end, self.size) - start), start) if 0 <= start < self.size else b""


def _read_headers(file: _File, file_format: str) -> _Headers:
    try:
        if file_format == _MP4:
            return _Headers(tracks=dict(enumerate(_mp4_tracks(file))))
        if file_format == _MATROSKA:
            return _matroska_headers(file)
    except (IndexError, struct.error):
        pass  # damaged; libavformat understood it well enough
    return _Headers(tracks={})


def _rotation(degrees: float) -> int:
    """To the next quarter turn, 0 to 270."""
    return round(degrees / 90) % 4 * 90 if math.isfinite(degrees) else 0


def _dolby_vision_profile(configuration: bytes) -> int:
    """From a DOVIDecoderConfigurationRecord: two bytes of version, then 7 bits of profile."""
    return configuration[2] >> 1


def _mp4_boxes(file: _File, start: int, end: int, *, at_most: int = 1000) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two positions as (type, start of content, end)."""
    for _ in range(at_most):
        header = file.read(start, min(start + 16, end))
        if len(header) < 8:
            return
        size, content = int.from_bytes(header[:4], "big"), start + 8
        if size == 1:
            size, content = int.from_bytes(header[8:16], "big"), start + 16
        box_end = end if size == 0 else start + size
        if box_end < content:
            return
        yield header[4:8], content, min(box_end, end)
        start = box_end


def _mp4_box(file: _File, start: int, end: int, *path: bytes) -> tuple[int, int] | None:
    """Where the content of the first box at `path` lies."""
    for kind, content, box_end in _mp4_boxes(file, start, end):
        if kind == path[0]:
            return _mp4_box(file, content, box_end, *path[1:]) if len(path) > 1 else (content, box_end)
    return None


def _mp4_tracks(file: _File) -> Iterator[_Track]:
    moov = _mp4_box(file, 0, file.size, b"moov")
    for kind, start, end in _mp4_boxes(file, *moov) if moov else ():
        if kind != b"trak":
            continue
        rotation, dolby_vision = 0, None
        if tkhd := _mp4_box(file, start, end, b"tkhd"):
            header = file.read(*tkhd)
            a, b = struct.unpack_from(">ii", header, 52 if header[0] else 40)  # the matrix turns (1, 0) to (a, b)
            rotation = _rotation(math.degrees(math.atan2(b, a)))
        if stsd := _mp4_box(file, start, end, b"mdia", b"minf", b"stbl", b"stsd"):
            entries = file.read(stsd[0], min(stsd[1], stsd[0] + 65536))
            if match := re.search(rb"dv[cvw]C", entries):
                dolby_vision = _dolby_vision_profile(entries[match.end() :])
        yield _Track(rotation, dolby_vision)


_SEGMENT, _CLUSTER, _INFO, _TRACKS = 0x18538067, 0x1F43B675, 0x1549A966, 0x1654AE6B
_DURATION, _TIMESTAMP_SCALE = 0x4489, 0x2AD7B1
_TRACK_ENTRY, _TRACK_TYPE, _VIDEO, _PROJECTION, _ROLL = 0xAE, 0x83, 0xE0, 0x7670, 0x7675
_BLOCK_ADDITION_MAPPING, _ADDITION_TYPE, _ADDITION_DATA = 0x41E4, 0x41E7, 0x41ED
_TIMESTAMP, _SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK = 0xE7, 0xA3, 0xA0, 0xA1
_STREAM_TRACK_TYPES = frozenset((1, 2, 17, 33))  # video, audio, subtitle, metadata: what libavformat makes streams of


def _ebml_elements(data: bytes, start: int = 0) -> Iterator[tuple[int, int, int]]:
    """The elements in `data` as (id, start of content, end); the end lies behind the data for a cut or unsized one."""
    while start < len(data):
        id_bytes = 9 - data[start].bit_length()
        size_at = start + id_bytes
        if id_bytes > 4 or size_at >= len(data):
            return
        size_bytes = 9 - data[size_at].bit_length()
        content = size_at + size_bytes
        if size_bytes > 8 or content > len(data):
            return
        size = int.from_bytes(data[size_at:content], "big") & (1 << 7 * size_bytes) - 1
        unknown = size == (1 << 7 * size_bytes) - 1
        end = sys.maxsize if unknown else content + size
        yield int.from_bytes(data[start:size_at], "big"), content, end
        start = end


def _ebml_content(data: bytes, element: int) -> bytes | None:
    """The content of the first such element directly in `data`."""
    return next((data[start:end] for kind, start, end in _ebml_elements(data) if kind == element), None)


def _matroska_headers(file: _File) -> _Headers:
    headers = _Headers(tracks={})
    position = file.size
    for kind, start, _ in _ebml_elements(file.read(0, _HEAD_BYTES)):
        if kind == _SEGMENT:
            position = start
    for _ in range(100):
        kind, start, end = next(_ebml_elements(file.read(position, position + 16)), (_CLUSTER, 0, 0))
        if kind == _CLUSTER:
            break
        start, end = start + position, end + position
        if kind == _INFO:
            info = file.read(start, min(end, start + 65536))
            duration = _ebml_content(info, _DURATION)
            headers.lacks_duration = duration is None or not any(duration)
            headers.timestamp_scale_ns = int.from_bytes(_ebml_content(info, _TIMESTAMP_SCALE) or b"\x0f\x42\x40", "big")
        elif kind == _TRACKS:
            headers.tracks = dict(enumerate(_matroska_tracks(file.read(start, min(end, start + (4 << 20))))))
        position = end
    return headers


def _matroska_tracks(tracks: bytes) -> Iterator[_Track]:
    for kind, start, end in _ebml_elements(tracks):
        if kind != _TRACK_ENTRY:
            continue
        entry = tracks[start:end]
        if int.from_bytes(_ebml_content(entry, _TRACK_TYPE) or b"", "big") not in _STREAM_TRACK_TYPES:
            continue
        dolby_vision = None
        for child, child_start, child_end in _ebml_elements(entry):
            if child == _BLOCK_ADDITION_MAPPING:
                mapping = entry[child_start:child_end]
                if _ebml_content(mapping, _ADDITION_TYPE) in (b"dvcC", b"dvvC", b"dvwC"):
                    dolby_vision = _dolby_vision_profile(_ebml_content(mapping, _ADDITION_DATA) or b"")
        roll = _ebml_content(_ebml_content(_ebml_content(entry, _VIDEO) or b"", _PROJECTION) or b"", _ROLL) or b""
        counterclockwise = struct.unpack(">d" if len(roll) == 8 else ">f", roll)[0] if roll else 0.0
        yield _Track(_rotation(-counterclockwise), dolby_vision)


def _last_matroska_timestamp_ms(file: _File, scale_ns: int) -> int:
    """When the last block within the file's last 8 MiB starts; 0 if none is found. Costs one bounded read."""
    tail = file.read(max(0, file.size - _TAIL_BYTES), file.size)
    at = len(tail)
    while (at := tail.rfind(_CLUSTER.to_bytes(4, "big"), 0, at)) >= 0:
        _, start, end = next(_ebml_elements(tail, at), (0, 0, 0))
        cluster = tail[start:end]
        timestamp = _ebml_content(cluster, _TIMESTAMP)
        if timestamp is None or len(timestamp) > 8:
            continue  # these four bytes were picture data
        blocks = []
        for kind, begin, stop in _ebml_elements(cluster):
            content = cluster[begin:stop]
            if kind == _SIMPLE_BLOCK:
                blocks.append(content)
            elif kind == _BLOCK_GROUP:
                blocks.append(_ebml_content(content, _BLOCK) or b"")
        offsets = [_block_offset(block) for block in blocks if block]
        ticks = int.from_bytes(timestamp, "big") + max(offsets, default=0)
        return ticks * scale_ns // 1_000_000
    return 0


def _block_offset(block: bytes) -> int:
    """A block's time after its cluster's, in ticks: two bytes that follow the track number."""
    at = 9 - block[0].bit_length()
    return int.from_bytes(block[at : at + 2], "big", signed=True)


# --- The child process --------------------------------------------------------------------------------------------


def _answer(request: bytes) -> bytes:
    """A path (file system bytes) is answered with a TechnicalInfo or ProbeRefusal in JSON: the server must not unpickle
    what comes out of a process that parsed hostile bytes."""
    answer: TechnicalInfo | ProbeRefusal
    try:
        answer = probe_file(os.fsdecode(request))
    except Refused as refused:
        answer = refused.refusal
    except MemoryError:
        answer = ProbeRefusal("unsupported", "probing this file takes more memory than is allowed")
    return json.dumps(asdict(answer), default=str).encode()  # str() for fractions


def main() -> None:
    """The life of a child."""
    av.logging.set_level(None)
    serve(_answer)


if __name__ == "__main__":
    main()
