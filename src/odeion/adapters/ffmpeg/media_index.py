"""The index of a media file: all that is needed to cut any segment of the streams that can be copied.

Of MP4 it holds the finished header of each segment and where its samples lie; of Matroska, where the blocks of each
segment begin; of transport streams, where the packets do. It is stored as bytes: magic, version, checksum, a compressed
description, and a heap the description points into. A child process that read hostile bytes made it, so it is checked
as such.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from odeion.adapters.ffmpeg.timing import AudioGrid, Silence
from odeion.adapters.ffmpeg.window import Extent, Part
from odeion.domain.media_file import FileStamp, FileStructure, GroupsOfPictures, TechnicalInfo

FORMAT = 7
_MAGIC = b"ODIX"
_HEAD = struct.Struct(">4sHII")
_EXTENT = struct.Struct(">QI")
_UNPACKED_LIMIT_BYTES = 64 << 20
# Where silence lies, which is not in the file.
_NOWHERE = (1 << 64) - 1

Slice = tuple[int, int]
"""Where bytes lie in the heap: offset and length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragments:
    """An MP4 track: each segment's header and extents, ready. `silence` is what stands between them."""

    kind: Literal["fragments"] = "fragments"
    segments: tuple[Slice, ...]
    silence: Silence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoBlocks:
    """A Matroska video track. Segment n has the track's blocks from offset `blocks[n]` on and before `blocks[n + 1]`;
    they lie in the cluster at `clusters[n]` that begins at `cluster_times[n]`. `times` are the raw ones of the
    keyframes, `first_shown` of what is shown first of each segment. `delay` is what decoding lies before showing, in
    ticks. `left_out` tells by the offset of a keyframe what of it is not copied: its recovery point."""

    kind: Literal["video_blocks"] = "video_blocks"
    track: int
    prefix_hex: str
    delay: int
    blocks: tuple[int, ...]
    clusters: tuple[int, ...]
    cluster_times: tuple[int, ...]
    times: tuple[int, ...]
    first_shown: tuple[int, ...]
    left_out: dict[int, Extent] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioBlocks:
    """A Matroska audio track, cut on the grid of AudioGrid. `codec_delay` is raw, and taken off all times."""

    kind: Literal["audio_blocks"] = "audio_blocks"
    track: int
    prefix_hex: str
    codec_delay: int
    first: int
    frame: int
    frames: int
    frames_per_segment: int
    silence: Silence | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPackets:
    """A video stream of a transport stream, whose packets lie `stride` bytes apart. Segment n has what of it begins
    from offset `places[n]` on and before `places[n + 1]`; the last of these is where the file ends. `times` are the raw
    ones at which each segment begins to be decoded. `keeps_idr_only`: recovery points are not copied."""

    kind: Literal["video_packets"] = "video_packets"
    stride: int
    pid: int
    codec: str
    keeps_idr_only: bool
    places: tuple[int, ...]
    times: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioPackets:
    """An audio stream of a transport stream, cut on the grid of AudioGrid. All of segment n lies from `places[n]` on,
    where a PES packet of the raw time `times[n]` begins, and before `ends[n]`."""

    kind: Literal["audio_packets"] = "audio_packets"
    stride: int
    pid: int
    codec: str
    first: int
    frame: int
    frames: int
    frames_per_segment: int
    silence: Silence | None
    places: tuple[int, ...]
    times: tuple[int, ...]
    ends: tuple[int, ...]


Cutting = Fragments | VideoBlocks | AudioBlocks | VideoPackets | AudioPackets


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedStream:
    """A stream's segments begin at `starts` and the last ends at `end`, in ticks of `timescale`. `groups` is None for
    what is not H.264. 0 for a rate that is not known. `holes`: whether sound is known to pause."""

    stream_index: int
    init: Slice
    track_id: int
    timescale: int
    starts: tuple[int, ...]
    end: int
    groups: GroupsOfPictures | None = None
    holes: bool = False
    peak_bps: int = 0
    average_bps: int = 0
    cutting: Cutting

    @property
    def audio_grid(self) -> AudioGrid:
        cutting = self.cutting
        assert isinstance(cutting, AudioBlocks | AudioPackets)
        counts = cutting.first, cutting.frame, cutting.frames, cutting.frames_per_segment
        return AudioGrid(self.timescale, *counts, cutting.silence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters:
    """Of a Matroska file: the unit of raw times, where its clusters begin and end, and some of them by their times."""

    time_base_ns: int
    first: int
    end: int
    seek_times: tuple[int, ...] = ()
    seek_offsets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """`origin` is the timestamp at which all renditions have their 0, as numerator and denominator of seconds.
    Of the streams that are not in it, `left` says why libavformat has to read them, `refused` why nobody can cut them.
    `unreadable` says why none can be cut and the file is not opened again."""

    stamp: FileStamp
    origin: tuple[int, int] = (0, 1)
    streams: tuple[IndexedStream, ...] = ()
    left: dict[int, str] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    clusters: Clusters | None = None
    unreadable: str | None = None


_DESCRIPTION = TypeAdapter(Description)


class DamagedIndex(Exception):
    """These bytes are no index, or of another version, or not as they were stored."""


class Heap:
    """Collects the bytes a description points to."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def put(self, data: bytes) -> Slice:
        self._parts.append(data)
        self._size += len(data)
        return self._size - len(data), len(data)

    def put_fragment(self, header: bytes, parts: Sequence[Part]) -> Slice:
        """Parts that do not lie in the file are silence, one after the other."""
        table = b"".join(_EXTENT.pack(*((_NOWHERE, len(p)) if isinstance(p, bytes) else p)) for p in parts)
        return self.put(zlib.compress(struct.pack(">I", len(parts)) + table + header, 6))

    def bytes(self) -> bytes:
        return b"".join(self._parts)


@dataclass(frozen=True, slots=True)
class MediaIndex:
    description: Description
    heap: bytes

    @property
    def stamp(self) -> FileStamp:
        return self.description.stamp

    @property
    def origin_s(self) -> Fraction:
        return Fraction(*self.description.origin)

    def find(self, stream_index: int) -> IndexedStream | None:
        return next((s for s in self.description.streams if s.stream_index == stream_index), None)

    def structure(self, technical: TechnicalInfo) -> FileStructure:
        """What a decision how to play the file has to know."""
        refused = self.description.refused
        if self.description.unreadable is not None:
            streams = [s.index for s in technical.video] + [s.index for s in technical.audio]
            refused = dict.fromkeys(streams, self.description.unreadable)
        picture = self.find(technical.video[0].index) if technical.video else None
        holes = tuple(stream.stream_index for stream in self.description.streams if stream.holes)
        return FileStructure(groups=picture.groups if picture else None, refused=refused, holes=holes)

    def init(self, stream: IndexedStream) -> bytes:
        return self._slice(stream.init)

    def fragment(self, stream: IndexedStream, number: int) -> tuple[bytes, list[Part]]:
        """Header and parts of a segment. Raises DamagedIndex."""
        assert isinstance(stream.cutting, Fragments)
        silence = stream.cutting.silence.data if stream.cutting.silence is not None else b""
        data = _unpack(self._slice(stream.cutting.segments[number]))
        try:
            (count,) = struct.unpack_from(">I", data)
            table = data[4 : 4 + count * _EXTENT.size]
            extents = list(_EXTENT.iter_unpack(table))
            parts = [_repeated(silence, size) if offset == _NOWHERE else (offset, size) for offset, size in extents]
            return data[4 + count * _EXTENT.size :], parts
        except struct.error as error:
            raise DamagedIndex from error

    def _slice(self, where: Slice) -> bytes:
        return self.heap[where[0] : where[0] + where[1]]


def encode(description: Description, heap: bytes) -> bytes:
    packed = zlib.compress(_DESCRIPTION.dump_json(description), 6)
    body = struct.pack(">I", len(packed)) + packed + heap
    return _HEAD.pack(_MAGIC, FORMAT, zlib.crc32(body), len(body)) + body


def empty_index(stamp: FileStamp, reason: str) -> bytes:
    """Of a file that no stream of can be cut by an index."""
    return encode(Description(stamp=stamp, unreadable=reason), b"")


def decode(data: bytes) -> MediaIndex:
    """Raises DamagedIndex."""
    try:
        magic, version, checksum, size = _HEAD.unpack_from(data)
        body = memoryview(data)[_HEAD.size :]
        if (magic, version, size) != (_MAGIC, FORMAT, len(body)) or zlib.crc32(body) != checksum:
            raise DamagedIndex
        (length,) = struct.unpack_from(">I", body)
        description = _DESCRIPTION.validate_json(_unpack(bytes(body[4 : 4 + length])))
    except (struct.error, ValidationError) as error:
        raise DamagedIndex from error
    for stream in description.streams:
        _require_sound(description, stream)
    return MediaIndex(description, bytes(body[4 + length :]))


def _require_sound(description: Description, stream: IndexedStream) -> None:
    cutting = stream.cutting
    counts = {len(stream.starts)}
    clusters = description.clusters
    if isinstance(cutting, VideoBlocks | AudioBlocks) and (
        clusters is None or len(clusters.seek_times) != len(clusters.seek_offsets) or clusters.time_base_ns <= 0
    ):
        raise DamagedIndex
    if isinstance(cutting, Fragments):
        counts.add(len(cutting.segments))
    elif isinstance(cutting, VideoBlocks):
        counts |= {len(cutting.blocks), len(cutting.clusters), len(cutting.cluster_times)}
        counts |= {len(cutting.times), len(cutting.first_shown)}
    elif isinstance(cutting, VideoPackets):
        counts |= {len(cutting.places) - 1, len(cutting.times)}
    else:
        if isinstance(cutting, AudioPackets):
            counts |= {len(cutting.places), len(cutting.times), len(cutting.ends)}
        if min(cutting.frame, cutting.frames, cutting.frames_per_segment) <= 0:
            raise DamagedIndex
    if isinstance(cutting, VideoPackets | AudioPackets) and cutting.stride <= 0:
        raise DamagedIndex
    silence = None if isinstance(cutting, VideoBlocks | VideoPackets) else cutting.silence
    if silence is not None and silence.least <= 0:
        raise DamagedIndex
    if len(counts) > 1 or not stream.starts or stream.timescale <= 0 or description.origin[1] <= 0:
        raise DamagedIndex


def _repeated(silence: bytes, size: int) -> bytes:
    if not silence or size % len(silence) or size > _UNPACKED_LIMIT_BYTES:
        raise DamagedIndex
    return silence * (size // len(silence))


def _unpack(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(data, _UNPACKED_LIMIT_BYTES)
    except zlib.error as error:
        raise DamagedIndex from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise DamagedIndex
    return found
