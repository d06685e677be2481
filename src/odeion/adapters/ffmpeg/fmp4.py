"""Fragmented MP4 with one track: writing fragments, reading those an encoder wrote, and what an init segment says.

Times are integers in ticks of the track's timescale. Decode times of consecutive segments meet exactly: a segment's
last sample lasts until the first decode time of the next segment, which either can tell without the other.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from odeion.adapters.ffmpeg.boxes import Box, boxes, find, full_box
from odeion.adapters.ffmpeg.boxes import box as make_box

_SYNC, _NOT_SYNC = 0x02000000, 0x01010000

_TFHD_BASE_IS_MOOF, _TFHD_FLAGS, _TFHD_DURATION, _TFHD_SIZE = 0x20000, 0x20, 0x8, 0x10
_TFHD_OFFSET, _TFHD_DESCRIPTION = 0x1, 0x2
_TRUN_OFFSET, _TRUN_FIRST_FLAGS, _TRUN_DURATIONS, _TRUN_SIZES, _TRUN_FLAGS, _TRUN_COMPOSITION = (
    0x1,
    0x4,
    0x100,
    0x200,
    0x400,
    0x800,
)


@dataclass(frozen=True, slots=True)
class Track:
    """What is needed to write fragments that go with an init segment."""

    id: int
    timescale: int
    sample_entry: bytes


def read_track(init: bytes) -> Track:
    """Raises ValueError for what is no init segment of one track."""
    header, media = find(init, b"moov", b"trak", b"tkhd"), find(init, b"moov", b"trak", b"mdia", b"mdhd")
    path = _sample_description(init)
    if header is None or media is None or not path:
        raise ValueError("not an init segment")
    (track_id,) = struct.unpack_from(">I", init, header.body + (20 if init[header.body] else 12))
    (timescale,) = struct.unpack_from(">I", init, media.body + (20 if init[media.body] else 12))
    entry = path[-1]
    if entry.kind == b"stsd" or not timescale:
        raise ValueError("an init segment without a sample description")
    return Track(track_id, timescale, init[entry.start : entry.end])


def _sample_description(init: bytes) -> list[Box]:
    """The boxes around the first sample entry, and that one where there is one; none in what is no init segment."""
    path: list[Box] = []
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        found = find(init, kind, within=path[-1] if path else None)
        if found is None:
            return []
        path.append(found)
    return [*path, *itertools.islice(boxes(init, path[-1].body + 8, path[-1].end), 1)]


def _configuration(init: bytes, entry: Box, kind: bytes) -> Box | None:
    """The decoder configuration in a sample entry of pictures."""
    return next((box for box in boxes(init, entry.body + 78, entry.end) if box.kind == kind), None)


def tag_hevc_for_apple(init: bytes) -> bytes:
    """HEVC as `hvc1`, which Apple's players insist on, where the parameter sets are in the init segment."""
    path = _sample_description(init)
    if not path or path[-1].kind != b"hev1":
        return init
    entry = path[-1]
    configuration = _configuration(init, entry, b"hvcC")
    if configuration is None or not init[configuration.body + 22]:
        return init
    return init[: entry.start + 4] + b"hvc1" + init[entry.start + 8 :]


def with_parameter_sets(init: bytes, other: bytes) -> bytes:
    """An init segment of H.264 that has the parameter sets of another one too. Raises ValueError for what has none."""
    outer, configuration = _avc_configuration(init)
    _, of_other = _avc_configuration(other)
    sps, pps, rest = _parameter_sets(init[configuration.body : configuration.end])
    more_sps, more_pps, _ = _parameter_sets(other[of_other.body : of_other.end])
    merged = bytearray(init[configuration.body : configuration.body + 5])
    for kept, count in ((sps + more_sps, 0xE0), (pps + more_pps, 0)):
        merged.append(count | len(kept))
        for one in kept:
            merged += struct.pack(">H", len(one)) + one
    merged += rest
    grown = bytearray(init)
    for box in (*outer, configuration):
        size = box.end - box.start + len(merged) - (configuration.end - configuration.body)
        struct.pack_into(">I", grown, box.start, size)
    grown[configuration.body : configuration.end] = merged
    return bytes(grown)


def _avc_configuration(init: bytes) -> tuple[list[Box], Box]:
    """The boxes around the decoder configuration of H.264, and that one."""
    path = _sample_description(init)
    if not path:
        raise ValueError("not an init segment")
    configuration = _configuration(init, path[-1], b"avcC")
    if configuration is None:
        raise ValueError("an init segment without a configuration of H.264")
    return path, configuration


def _parameter_sets(configuration: bytes) -> tuple[list[bytes], list[bytes], bytes]:
    """Of sequences and of pictures, and what comes behind them."""
    at, kinds = 5, []
    try:
        for mask in (0x1F, 0xFF):
            count, at = configuration[at] & mask, at + 1
            sets = []
            for _ in range(count):
                (size,) = struct.unpack_from(">H", configuration, at)
                sets.append(configuration[at + 2 : at + 2 + size])
                at += 2 + size
            kinds.append(sets)
    except (IndexError, struct.error) as error:
        raise ValueError("a configuration of H.264 that is cut short") from error
    return kinds[0], kinds[1], configuration[at:]


def tell_duration(beginning: bytes, duration_s: Fraction) -> bytes | None:
    """The beginning of a fragmented file that says how long all of it is, where an encoder that cannot go back left 0;
    None while its `moov` is not whole. Raises ValueError for what is no such file."""
    moov = find(beginning, b"moov")
    if moov is None:
        return None
    movie, extends = find(beginning, b"mvhd", within=moov), find(beginning, b"mvex", within=moov)
    if movie is None or extends is None:
        raise ValueError("not a fragmented file")
    told = bytearray(beginning)
    # That of the movie is what players should look at; libavformat, and Chromium with it, looks at those of the media.
    tracks = [track for track in boxes(beginning, moov.body, moov.end) if track.kind == b"trak"]
    for header in (movie, *(find(beginning, b"mdia", b"mdhd", within=track) for track in tracks)):
        if header is None:
            raise ValueError("a track without a header of its media")
        layout, place = (">IQ", header.body + 20) if beginning[header.body] else (">II", header.body + 12)
        (timescale,) = struct.unpack_from(">I", beginning, place)
        struct.pack_into(layout, told, place, timescale, round(duration_s * timescale))
    (timescale,) = struct.unpack_from(">I", beginning, movie.body + (20 if beginning[movie.body] else 12))
    all_fragments = full_box(b"mehd", 1, 0, struct.pack(">Q", round(duration_s * timescale)))
    for box in (moov, extends):
        struct.pack_into(">I", told, box.start, box.end - box.start + len(all_fragments))
    told[extends.body : extends.body] = all_fragments
    return bytes(told)


@dataclass(frozen=True, slots=True)
class VideoTimes:
    """Decode times of samples in decode order and how long each lasts, and by how much each is shown after it."""

    first: int
    durations: list[int]
    offsets: list[int]


def time_video(shown: Sequence[int], decoded: Sequence[int], end: int, *, opens_timeline: bool) -> VideoTimes:
    """Times of a segment's samples, in decode order, from when they are shown and decoded, to `end`, the decode time of
    the next segment. In the segment that opens the timeline those decoded before 0 are squeezed in behind it: a
    negative time cannot be written, and moving the whole timeline would leave a hole at its start."""
    if opens_timeline and decoded[0] < 0:
        decoded = _squeezed(shown, decoded)
    times = [decoded[0]]
    for time in decoded[1:]:
        times.append(max(time, times[-1] + 1))
    ends = [*times[1:], max(end, times[-1] + 1)]
    return VideoTimes(
        max(times[0], 0),
        [after - before for before, after in zip(times, ends, strict=True)],
        [show - decode for show, decode in zip(shown, times, strict=True)],
    )


def _squeezed(shown: Sequence[int], decoded: Sequence[int]) -> list[int]:
    """Decode times from 0 on: evenly spaced up to the first that is right, and none later than its picture is shown.
    (One tick apart would do, but looks like a jump in time to some players.)"""
    early = sum(time <= 0 for time in decoded)
    room = min([*decoded[early : early + 1], *(time for time in shown[1:early] if time > 0)], default=0)
    step = max(room // (early + 1), 1)
    return [*range(0, early * step, step), *decoded[early:]]


def video_fragment(
    number: int, track: Track, times: VideoTimes, samples: Sequence[bytes | memoryview], keys: Sequence[bool]
) -> bytes:
    """A media segment of one fragment. `samples` are in decode order."""
    return b"".join([video_header(number, track, times, [len(sample) for sample in samples], keys), *samples])


def video_header(number: int, track: Track, times: VideoTimes, sizes: Sequence[int], keys: Sequence[bool]) -> bytes:
    """What comes before the samples of a `video_fragment`."""
    flags = [_SYNC if key else _NOT_SYNC for key in keys]
    return _header(number, track, times.first, times.durations, sizes, flags, times.offsets)


def audio_fragment(
    number: int, track: Track, first: int, durations: Sequence[int], samples: Sequence[bytes | memoryview]
) -> bytes:
    """A media segment of one fragment."""
    return b"".join([audio_header(number, track, first, durations, [len(sample) for sample in samples]), *samples])


def audio_header(number: int, track: Track, first: int, durations: Sequence[int], sizes: Sequence[int]) -> bytes:
    """What comes before the samples of an `audio_fragment`."""
    return _header(number, track, first, durations, sizes, None, None)


def _header(
    number: int,
    track: Track,
    first: int,
    durations: Sequence[int],
    sizes: Sequence[int],
    flags: Sequence[int] | None,
    offsets: Sequence[int] | None,
) -> bytes:
    """`moof` and the beginning of `mdat`. Raises ValueError for what no fragment can say."""
    count = len(sizes)
    tfhd = full_box(
        b"tfhd",
        0,
        _TFHD_BASE_IS_MOOF | _TFHD_FLAGS,
        struct.pack(">II", track.id, _SYNC if flags is None else _NOT_SYNC),
    )
    tfdt = full_box(b"tfdt", 1, 0, _pack(">Q", first))
    columns: list[Sequence[int]] = [durations, sizes]
    contents = _TRUN_OFFSET | _TRUN_DURATIONS | _TRUN_SIZES
    if flags is not None:
        columns.append(flags)
        contents |= _TRUN_FLAGS
    if offsets is not None:
        columns.append([offset & 0xFFFFFFFF for offset in offsets])
        contents |= _TRUN_COMPOSITION
    width = len(columns)
    table = [0] * (count * width)
    for position, column in enumerate(columns):
        table[position::width] = column
    packed = _pack(f">{count * width}I", *table)
    mfhd = full_box(b"mfhd", 0, 0, struct.pack(">I", number + 1))
    # The offset of the data counts from the start of moof: eight more than its size, for the header of mdat.
    size = 8 + len(mfhd) + 8 + len(tfhd) + len(tfdt) + 20 + len(packed)
    trun = full_box(b"trun", 1, contents, struct.pack(">Ii", count, size + 8), packed)
    moof = make_box(b"moof", mfhd, make_box(b"traf", tfhd, tfdt, trun))
    data_size = sum(sizes) + 8
    if data_size >= 1 << 32:
        raise ValueError("a segment of more than 4 GB")
    return moof + struct.pack(">I4s", data_size, b"mdat")


def _pack(layout: str, *values: int) -> bytes:
    """What comes from a file may not fit. Raises ValueError."""
    try:
        return struct.pack(layout, *values)
    except struct.error as error:
        raise ValueError("times or sizes are beyond what a fragment can say") from error


# --- reading what an encoder wrote ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    """Its bytes lie at `offset` from the start of `moof`. `shown` is relative to the first decode time."""

    offset: int
    size: int
    shown: int
    key: bool


def segment_size(beginning: bytes) -> int:
    """How long a segment of one fragment is, of which at least the headers are given. Raises ValueError."""
    (moof_size,) = struct.unpack_from(">I", beginning)
    data_size, kind = struct.unpack_from(">I4s", beginning, moof_size)
    if kind != b"mdat":
        raise ValueError("not the beginning of a segment")
    return int(moof_size + data_size)


def first_sample(segment: bytes | bytearray) -> bytes | None:
    """The first sample of a segment of which the beginning is given; None while that is too little. Raises
    ValueError."""
    moof = next((box for box in boxes(segment) if box.kind == b"moof"), None)
    if moof is None:
        return None
    sample = read_fragment(segment[moof.start : moof.end])[0]
    start = moof.start + sample.offset
    return bytes(segment[start : start + sample.size]) if start + sample.size <= len(segment) else None


def decode_time(moof: bytes | bytearray | memoryview) -> int:
    """The first decode time of a `moof` with one track. Raises ValueError."""
    box = find(moof, b"moof", b"traf", b"tfdt")
    if box is None:
        raise ValueError("a fragment without a time")
    (time,) = struct.unpack_from(">Q" if moof[box.body] else ">I", moof, box.body + 4)
    return int(time)


def read_fragment(moof: bytes | bytearray | memoryview) -> list[Sample]:
    """The samples of a `moof` with one track, whose data offsets count from its start. Raises ValueError."""
    traf = find(moof, b"moof", b"traf")
    header = find(moof, b"moof", b"traf", b"tfhd")
    if traf is None or header is None:
        raise ValueError("a fragment without a track")
    (contents,) = struct.unpack_from(">I", moof, header.body)
    at = header.body + 8
    at += 8 * bool(contents & _TFHD_OFFSET) + 4 * bool(contents & _TFHD_DESCRIPTION)
    defaults = {}
    for flag in (_TFHD_DURATION, _TFHD_SIZE, _TFHD_FLAGS):
        if contents & flag:
            (defaults[flag],) = struct.unpack_from(">I", moof, at)
            at += 4
    samples: list[Sample] = []
    time = 0
    for run in boxes(moof, traf.body, traf.end):
        if run.kind == b"trun":
            time = _read_run(moof, run, defaults, time, samples)
    return samples


def _read_run(
    moof: bytes | bytearray | memoryview, run: Box, defaults: dict[int, int], time: int, samples: list[Sample]
) -> int:
    contents, count = struct.unpack_from(">II", moof, run.body)
    contents &= 0xFFFFFF
    at = run.body + 8
    data = samples[-1].offset + samples[-1].size if samples else 0
    first_flags = None
    if contents & _TRUN_OFFSET:
        (data,) = struct.unpack_from(">i", moof, at)
        at += 4
    if contents & _TRUN_FIRST_FLAGS:
        (first_flags,) = struct.unpack_from(">I", moof, at)
        at += 4
    for position in range(count):
        duration, size = defaults.get(_TFHD_DURATION, 0), defaults.get(_TFHD_SIZE, 0)
        flags, offset = defaults.get(_TFHD_FLAGS, 0), 0
        if contents & _TRUN_DURATIONS:
            (duration,) = struct.unpack_from(">I", moof, at)
            at += 4
        if contents & _TRUN_SIZES:
            (size,) = struct.unpack_from(">I", moof, at)
            at += 4
        if contents & _TRUN_FLAGS:
            (flags,) = struct.unpack_from(">I", moof, at)
            at += 4
        elif first_flags is not None and position == 0:
            flags = first_flags
        if contents & _TRUN_COMPOSITION:
            (offset,) = struct.unpack_from(">i", moof, at)
            at += 4
        samples.append(Sample(data, size, time + offset, not flags & 0x10000))
        data += size
        time += duration
    return time
