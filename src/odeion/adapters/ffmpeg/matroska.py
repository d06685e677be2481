"""Matroska and WebM (RFC 8794, RFC 9559): tracks, cues, and the blocks of a stretch of the file."""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from odeion.adapters.ffmpeg.mp4 import Unsupported
from odeion.adapters.ffmpeg.window import Damaged, Window

_EBML, _SEGMENT, _CLUSTER, _VOID = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0xEC
_SEEK_HEAD, _SEEK, _SEEK_ID, _SEEK_POSITION = 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC
_INFO, _TIMESTAMP_SCALE = 0x1549A966, 0x2AD7B1
_TRACKS, _TRACK_ENTRY, _TRACK_NUMBER, _TRACK_TYPE, _CODEC_ID = 0x1654AE6B, 0xAE, 0xD7, 0x83, 0x86
_DEFAULT_DURATION, _CODEC_DELAY, _TRACK_SCALE = 0x23E383, 0x56AA, 0x23314F
_ENCODINGS, _ENCODING, _ENCODING_SCOPE, _ENCODING_TYPE = 0x6D80, 0x6240, 0x5032, 0x5033
_COMPRESSION, _ALGORITHM, _SETTINGS = 0x5034, 0x4254, 0x4255
_CUES, _CUE_POINT, _CUE_TIME, _CUE_POSITIONS = 0x1C53BB6B, 0xBB, 0xB3, 0xB7
_CUE_TRACK, _CUE_CLUSTER, _CUE_RELATIVE = 0xF7, 0xF1, 0xF0
_TIMESTAMP, _SIMPLE_BLOCK, _BLOCK_GROUP, _BLOCK, _REFERENCE = 0xE7, 0xA3, 0xA0, 0xA1, 0xFB
_WORD, _BLOCK_HEADER = struct.Struct(">Q"), struct.Struct(">BhB")
# By the first byte of a size: how many bytes it has; 0 for none.
_SIZE_BYTES = bytes(9 - first.bit_length() if first else 0 for first in range(256))
_SIZE_MASKS = [(1 << 7 * size_bytes) - 1 for size_bytes in range(9)]
# The longest: an id of one byte, a size of eight, and track, time and flags in four.
_PLAIN_HEADER_BYTES = 13
_LACING = 0x06
_TOP_LEVEL = frozenset((_SEEK_HEAD, _INFO, _TRACKS, _CUES, 0x1941A469, 0x1043A770, 0x1254C367, _VOID, 0xBF))
_STREAM_TYPES = frozenset((1, 2, 17, 33))  # what libavformat makes streams of
_VIDEO, _AUDIO = 1, 2
_CODECS = frozenset(
    ("V_MPEG4/ISO/AVC", "V_MPEGH/ISO/HEVC", "V_AV1", "V_VP9", "A_AC3", "A_EAC3", "A_OPUS", "A_FLAC", "A_MPEG/L3")
)
_HEADER_LIMIT_BYTES, _CUES_LIMIT_BYTES = 16 << 20, 64 << 20
_LACE_HEADER_BYTES = 4096
_ELEMENTS_BEFORE_CLUSTERS = 10_000
_PREFIX_LIMIT_BYTES = 1024
_CLUSTER_MARK = _CLUSTER.to_bytes(4, "big")
_SEARCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class MatroskaTrack:
    """`prefix` was stripped from each frame. `default_duration_ns` is that of a frame, 0 where unknown."""

    number: int
    type: int
    codec: str
    default_duration_ns: int
    codec_delay_ns: int
    prefix: bytes
    unsupported: str | None

    @property
    def is_video(self) -> bool:
        return self.type == _VIDEO

    @property
    def is_audio(self) -> bool:
        return self.type == _AUDIO


class Cue(NamedTuple):
    """`cluster` is the offset of a cluster in the file; `relative` that of the block in it, None where not said."""

    time: int
    track: int
    cluster: int
    relative: int | None


@dataclass(slots=True)
class MatroskaFile:
    """`tracks` are in the order of libavformat's streams. Times are in units of `timestamp_scale_ns`."""

    timestamp_scale_ns: int = 1_000_000
    tracks: list[MatroskaTrack] = field(default_factory=list)
    cues: list[Cue] = field(default_factory=list)
    first_cluster: int = 0
    end: int = 0


class Frame(NamedTuple):
    """`time` is raw; `lace` counts the frames before it in its block, which starts at `block` in the cluster at
    `cluster` that begins at `cluster_time`. The frame's bytes lie at `offset`."""

    time: int
    lace: int
    key: bool
    offset: int
    size: int
    block: int
    cluster: int
    cluster_time: int


def read_file(window: Window) -> MatroskaFile:
    """Headers and cues. Raises Unsupported, Damaged."""
    try:
        return _read_file(window)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise Damaged(f"the headers are damaged ({error})") from error


def _read_file(window: Window) -> MatroskaFile:
    kind, body, size = _element(window, 0)
    if kind != _EBML or size is None:
        raise Damaged("not Matroska")
    kind, segment, size = _element(window, body + size)
    if kind != _SEGMENT:
        raise Damaged("no segment")
    file = MatroskaFile(end=min(segment + size, window.size) if size is not None else window.size)
    found: dict[int, bytes] = {}
    position = segment
    for _ in range(_ELEMENTS_BEFORE_CLUSTERS):
        if position >= file.end:
            raise Damaged("no clusters")
        kind, body, size = _element(window, position)
        if kind == _CLUSTER:
            file.first_cluster = position
            break
        if size is None:
            raise Damaged("an element without a size")
        if kind in (_SEEK_HEAD, _INFO, _TRACKS, _CUES) and kind not in found:
            found[kind] = window.read(body, _bounded(kind, size))
        position = body + size
    else:
        raise Unsupported("too many elements")
    for kind, place in _seek_positions(found.get(_SEEK_HEAD, b"")):
        if kind in (_INFO, _TRACKS, _CUES) and kind not in found and segment + place < window.size:
            actual, body, size = _element(window, segment + place)
            if actual == kind and size is not None and body + size <= window.size:
                found[kind] = window.read(body, _bounded(kind, size))
    if _TRACKS not in found:
        raise Damaged("no tracks")
    scale = _child(found.get(_INFO, b""), _TIMESTAMP_SCALE)
    file.timestamp_scale_ns = _number(scale) if scale else 1_000_000
    if not 0 < file.timestamp_scale_ns <= 10**9:
        raise Damaged("times without a scale")
    for kind, start, end in elements(found[_TRACKS]):
        if kind == _TRACK_ENTRY:
            track = _track(found[_TRACKS][start:end])
            if track.type in _STREAM_TYPES:
                file.tracks.append(track)
    file.cues = sorted(_cues(found.get(_CUES, b""), segment, file.end))
    return file


def _bounded(kind: int, size: int) -> int:
    if size > (_CUES_LIMIT_BYTES if kind == _CUES else _HEADER_LIMIT_BYTES):
        raise Unsupported("headers of many megabytes")
    return size


def _element(window: Window, position: int) -> tuple[int, int, int | None]:
    """(id, where its content begins, size or None for an unknown one). Raises Damaged."""
    at = window.look(position, 12)
    data = window.data
    try:
        id_bytes = 9 - data[at].bit_length()
        size_bytes = 9 - data[at + id_bytes].bit_length()
    except IndexError:
        raise Damaged("the file ends early") from None
    body = at + id_bytes + size_bytes
    if id_bytes > 4 or size_bytes > 8 or body > len(data):
        raise Damaged("not an element")
    size = int.from_bytes(data[at + id_bytes : body], "big") & (1 << 7 * size_bytes) - 1
    unknown = size == (1 << 7 * size_bytes) - 1
    return (
        int.from_bytes(data[at : at + id_bytes], "big"),
        position + id_bytes + size_bytes,
        None if unknown else size,
    )


def elements(data: bytes, at: int = 0) -> Iterator[tuple[int, int, int]]:
    """(id, start, end) of the elements in `data` from `at` on, where their content lies. Raises Damaged."""
    while at < len(data):
        id_bytes = 9 - data[at].bit_length()
        if id_bytes > 4 or at + id_bytes >= len(data):
            raise Damaged("not an element")
        size_bytes = 9 - data[at + id_bytes].bit_length()
        start = at + id_bytes + size_bytes
        size = int.from_bytes(data[at + id_bytes : start], "big") & (1 << 7 * size_bytes) - 1
        if size_bytes > 8 or start + size > len(data):
            raise Damaged("an element is cut short")
        yield int.from_bytes(data[at : at + id_bytes], "big"), start, start + size
        at = start + size


def _child(data: bytes, wanted: int) -> bytes | None:
    return next((data[start:end] for kind, start, end in elements(data) if kind == wanted), None)


def _number(data: bytes | None, default: int = 0) -> int:
    return int.from_bytes(data, "big") if data is not None and len(data) <= 8 else default


def _seek_positions(data: bytes) -> Iterator[tuple[int, int]]:
    for kind, start, end in elements(data):
        if kind == _SEEK:
            entry = data[start:end]
            yield _number(_child(entry, _SEEK_ID)), _number(_child(entry, _SEEK_POSITION), 1 << 62)


def _track(entry: bytes) -> MatroskaTrack:
    codec = (_child(entry, _CODEC_ID) or b"").rstrip(b"\0").decode("ascii")
    unsupported = None if codec in _CODECS or codec.startswith("A_AAC") else f"no reader for {codec}"
    scale = _child(entry, _TRACK_SCALE)
    if scale is not None and struct.unpack(">d" if len(scale) == 8 else ">f", scale)[0] != 1.0:
        unsupported = "a track with a scale of its own"
    prefix = b""
    all_encodings = _child(entry, _ENCODINGS) or b""
    encodings = [all_encodings[start:end] for kind, start, end in elements(all_encodings) if kind == _ENCODING]
    for encoding in encodings:
        compression = _child(encoding, _COMPRESSION)
        strips = (
            compression is not None
            and _number(_child(encoding, _ENCODING_TYPE)) == 0
            and _number(_child(compression, _ALGORITHM)) == 3
        )
        if not strips or len(encodings) > 1:
            unsupported = "compressed or encrypted frames"
        elif _number(_child(encoding, _ENCODING_SCOPE), 1) & 1:
            prefix = _child(compression or b"", _SETTINGS) or b""
    if len(prefix) > _PREFIX_LIMIT_BYTES:
        unsupported = "compressed frames"
    return MatroskaTrack(
        number=_number(_child(entry, _TRACK_NUMBER)),
        type=_number(_child(entry, _TRACK_TYPE)),
        codec=codec,
        default_duration_ns=_number(_child(entry, _DEFAULT_DURATION)),
        codec_delay_ns=_number(_child(entry, _CODEC_DELAY)),
        prefix=prefix,
        unsupported=unsupported,
    )


def _cues(data: bytes, segment: int, end: int) -> Iterator[Cue]:
    try:
        for kind, start, stop in elements(data):
            if kind != _CUE_POINT:
                continue
            point = data[start:stop]
            time = _number(_child(point, _CUE_TIME))
            for child, child_start, child_stop in elements(point):
                if child == _CUE_POSITIONS:
                    positions = point[child_start:child_stop]
                    cluster = segment + _number(_child(positions, _CUE_CLUSTER), 1 << 62)
                    relative = _child(positions, _CUE_RELATIVE)
                    if cluster < end and time < 1 << 62:
                        yield Cue(
                            time,
                            _number(_child(positions, _CUE_TRACK)),
                            cluster,
                            _number(relative) if relative is not None else None,
                        )
    except Damaged:
        # What was read of it may do; whether it reaches to the end of the file is asked later.
        return


def open_cluster(window: Window, offset: int) -> tuple[int, int]:
    """Where the content of the cluster at an offset begins, and the cluster's time. Raises Damaged."""
    kind, body, _ = _element(window, offset)
    if kind != _CLUSTER:
        raise Damaged("no cluster where one should be")
    position = body
    for _ in range(8):
        kind, start, size = _element(window, position)
        if size is None:
            break
        if kind == _TIMESTAMP and size <= 8:
            return body, int.from_bytes(window.read(start, size), "big")
        position = start + size
    raise Damaged("a cluster without a time")


def frames(
    window: Window,
    track: int,
    position: int,
    end: int,
    *,
    cluster: int = 0,
    cluster_time: int | None = None,
    latest: int | None = None,
) -> Iterator[Frame]:
    """The frames of a track in the blocks that start from `position` on and before `end`. Within a cluster,
    `cluster_time` says when it begins. No cluster that begins after `latest` is looked into. Ends early where the file
    does; what is damaged is left out up to the next cluster."""
    end = min(end, window.size)
    while position < end:
        if cluster_time is not None:
            position = yield from _plain_blocks(window, track, position, end, cluster, cluster_time)
            if position >= end:
                return
        try:
            kind, body, size = _element(window, position)
            if kind == _CLUSTER:
                cluster, cluster_time, position = position, None, body
                continue
            if kind in (_SEGMENT, _EBML):
                # Another film behind this one.
                return
            if size is None:
                raise Damaged("an element without a size")
            if kind in (_SIMPLE_BLOCK, _BLOCK_GROUP) and body + size > window.size:
                return
            if kind == _SIMPLE_BLOCK:
                yield from _block(window, track, body, size, position, cluster, cluster_time, None)
            elif kind == _BLOCK_GROUP:
                yield from _group(window, track, body, body + size, position, cluster, cluster_time)
            elif kind == _TIMESTAMP:
                if size > 8:
                    raise Damaged("a time of many bytes")
                cluster_time = int.from_bytes(window.read(body, size), "big")
                if latest is not None and cluster_time > latest:
                    return
            position = body + size
        except Damaged:
            position, cluster_time = _next_cluster(window, position + 1, end), None


def _plain_blocks(
    window: Window, track: int, position: int, end: int, cluster: int, cluster_time: int
) -> Generator[Frame, None, int]:
    """What most of a film is, in a third of the time: blocks without laces that lie in memory, one after the other, of
    tracks with low numbers. Answers where something else begins."""
    data = window.data
    block = at = position - window.base
    last = min(end - window.base, len(data) - _PLAIN_HEADER_BYTES + 1)
    beyond = window.size - window.base
    while 0 <= at < last and data[at] == _SIMPLE_BLOCK and (size_bytes := _SIZE_BYTES[data[at + 1]]):
        (word,) = _WORD.unpack_from(data, at + 1)
        mask = _SIZE_MASKS[size_bytes]
        size = word >> 64 - 8 * size_bytes & mask
        header = at + 1 + size_bytes
        number, time, flags = _BLOCK_HEADER.unpack_from(data, header)
        block, at = at, header + size
        if number <= 0x80 or flags & _LACING or size < 4 or size == mask or at > beyond:
            return window.base + block
        if number & 0x7F == track:
            base = window.base
            yield Frame(
                cluster_time + time,
                0,
                flags >= 0x80,
                base + header + 4,
                size - 4,
                base + block,
                cluster,
                cluster_time,
            )
    return window.base + at


def _next_cluster(window: Window, position: int, end: int) -> int:
    """Where the next one seems to begin; `end` if none does."""
    while position + 4 <= end:
        at = window.look(position, min(_SEARCH_BYTES, end - position))
        found = window.data.find(_CLUSTER_MARK, at, at + _SEARCH_BYTES)
        if found >= 0:
            return window.base + found
        position += max(min(_SEARCH_BYTES, end - position) - 3, 1)
    return end


def _group(
    window: Window, track: int, body: int, end: int, block: int, cluster: int, cluster_time: int | None
) -> Iterator[Frame]:
    found: tuple[int, int] | None = None
    key = True
    while body < end:
        kind, content, size = _element(window, body)
        if size is None or content + size > end:
            raise Damaged("an element is cut short")
        if kind == _BLOCK:
            found = content, size
        elif kind == _REFERENCE:
            key = False
        body = content + size
    if found is not None:
        yield from _block(window, track, *found, block, cluster, cluster_time, key)


def _block(
    window: Window,
    track: int,
    offset: int,
    size: int,
    block: int,
    cluster: int,
    cluster_time: int | None,
    key: bool | None,
) -> Iterator[Frame]:
    """`key` is None where the block itself says."""
    at = window.look(offset, min(size, 16))
    data = window.data
    if size < 4 or not data[at]:
        raise Damaged("a block without a header")
    number_bytes = 9 - data[at].bit_length()
    header = number_bytes + 3
    if header > size or at + header > len(data):
        raise Damaged("a block without a header")
    if int.from_bytes(data[at : at + number_bytes], "big") & (1 << 7 * number_bytes) - 1 != track:
        return
    if cluster_time is None:
        raise Damaged("a block without a time")
    time = int.from_bytes(data[at + number_bytes : at + number_bytes + 2], "big", signed=True) + cluster_time
    flags = data[at + number_bytes + 2]
    is_key = bool(flags & 0x80) if key is None else key
    lacing = flags >> 1 & 3
    if not lacing:
        yield Frame(time, 0, is_key, offset + header, size - header, block, cluster, cluster_time)
        return
    used, sizes = _lace_sizes(window, lacing, offset + header, size - header)
    place = offset + header + used
    for position, length in enumerate(sizes):
        yield Frame(time, position, is_key, place, length, block, cluster, cluster_time)
        place += length


def _lace_sizes(window: Window, lacing: int, offset: int, size: int) -> tuple[int, list[int]]:
    """(bytes of the lacing header, sizes of the frames)."""
    data = window.read(offset, min(size, _LACE_HEADER_BYTES))
    try:
        count = data[0] + 1
        at = 1
        sizes: list[int] = []
        if lacing == 1:
            for _ in range(count - 1):
                length = 0
                while data[at] == 255:
                    length, at = length + 255, at + 1
                sizes.append(length + data[at])
                at += 1
        elif lacing == 3:
            for position in range(count - 1):
                length_bytes = 9 - data[at].bit_length()
                value = int.from_bytes(data[at : at + length_bytes], "big") & (1 << 7 * length_bytes) - 1
                at += length_bytes
                # After the first, differences, counted from the middle of what the bytes can say.
                sizes.append(value if position == 0 else sizes[-1] + value - (1 << 7 * length_bytes - 1) + 1)
        else:
            sizes = [(size - 1) // count] * (count - 1)
    except IndexError:
        raise Damaged("a lace is cut short") from None
    sizes.append(size - at - sum(sizes))
    if min(sizes) < 0 or (lacing == 2 and sizes[-1] != sizes[0]):
        raise Damaged("a lace of impossible sizes")
    return at, sizes
