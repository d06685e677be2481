"""The sample tables of MP4 and QuickTime files, whole or in fragments (ISO/IEC 14496-12).

Edit lists are applied here: one edit, delayed by empty ones before it. All else is refused, and read by libavformat.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from odeion.adapters.ffmpeg.boxes import Box, boxes, find
from odeion.adapters.ffmpeg.window import Damaged, Window

_MOOV_LIMIT_BYTES = 256 << 20
_MOOF_LIMIT_BYTES = 64 << 20
_SAMPLE_LIMIT = 20_000_000
_BOX_LIMIT = 1_000_000
_NOT_SYNC = 0x10000
_LEADING_SAMPLES = 200
# What an encoder's start takes; libavformat drops more than that with rules of its own.
_PRIMING_LIMIT_S = 0.1
_PLAIN_ENTRIES = frozenset(
    (b"avc1", b"avc3", b"hvc1", b"hev1", b"dvh1", b"dvhe", b"dva1", b"dvav", b"av01", b"vp09", b"mp4a", b"ac-3")
) | frozenset((b"ec-3", b"Opus", b"fLaC", b".mp3"))


class Unsupported(Exception):
    """Not damaged, but not for this reader."""


@dataclass(slots=True)
class Samples:
    """One track's samples in decode order. Times are raw, in `timescale` ticks: `decoded` and `shown` with the edit
    list applied. `offsets` are from the start of the file."""

    kind: bytes
    timescale: int
    entry: bytes
    offsets: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    decoded: array[int] = field(default_factory=lambda: array("q"))
    shown: array[int] = field(default_factory=lambda: array("q"))
    keys: bytearray = field(default_factory=bytearray)
    last_duration: int = 0


@dataclass(frozen=True, slots=True)
class _Edit:
    """`shift` is added to all times; what is shown from `end` on is cut off. Both in the track's ticks."""

    shift: int = 0
    end: int | None = None


@dataclass(slots=True)
class _Defaults:
    duration: int = 0
    size: int = 0
    flags: int = 0


def read_tracks(window: Window) -> list[Samples | Unsupported]:
    """The tracks, in the order of the file. Raises Unsupported where none can be read, Damaged."""
    try:
        moov = None
        fragments = []
        for kind, start, body, end in _top_boxes(window):
            if kind == b"moov" and moov is None:
                if end - start > _MOOV_LIMIT_BYTES:
                    raise Unsupported("an index of more than 256 MB")
                moov = window.read(start, end - start)
            elif kind == b"moof":
                if end - start > _MOOF_LIMIT_BYTES:
                    raise Damaged("a fragment header of more than 64 MB")
                fragments.append((start, body, end))
        if moov is None:
            raise Unsupported("a file without an index")
        if find(moov, b"moov", b"cmov"):
            raise Unsupported("a compressed index")
        return _tracks(window, moov, fragments)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise Damaged(f"the index is damaged ({error})") from error


def _top_boxes(window: Window) -> Iterator[tuple[bytes, int, int, int]]:
    """(kind, start, body, end) of the boxes of the file; one that is cut off ends with it."""
    start = 0
    for _ in range(_BOX_LIMIT):
        if start + 8 > window.size:
            return
        at = window.look(start, 16)
        size, kind = struct.unpack_from(">I4s", window.data, at)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", window.data, at + 8)
            header = 16
        elif size == 0:
            size = window.size - start
        if size < header:
            raise Damaged(f"a box of {size} bytes")
        yield kind, start, start + header, min(start + size, window.size)
        start += size
    raise Unsupported("too many boxes")


def _tracks(window: Window, moov: bytes, fragments: list[tuple[int, int, int]]) -> list[Samples | Unsupported]:
    top = next(boxes(moov))
    movie = find(moov, b"moov", b"mvhd")
    if movie is None:
        raise Damaged("no movie header")
    (movie_scale,) = struct.unpack_from(">I", moov, movie.body + (20 if moov[movie.body] else 12))
    tracks: list[Samples | Unsupported] = []
    by_id: dict[int, tuple[Samples, _Edit]] = {}
    for trak in boxes(moov, top.body, top.end):
        if trak.kind != b"trak":
            continue
        try:
            track_id, samples, edit = _track(moov, trak, movie_scale)
        except Unsupported as reason:
            tracks.append(reason)
            continue
        by_id[track_id] = samples, edit
        tracks.append(samples)
    if fragments:
        _read_fragments(window, moov, top, fragments, by_id)
    for position, track in enumerate(tracks):
        if isinstance(track, Samples):
            edit = next(edit for samples, edit in by_id.values() if samples is track)
            try:
                _apply(edit, track)
            except Unsupported as reason:
                tracks[position] = reason
    return tracks


def _track(moov: bytes, trak: Box, movie_scale: int) -> tuple[int, Samples, _Edit]:
    header = find(moov, b"tkhd", within=trak)
    media = find(moov, b"mdia", b"mdhd", within=trak)
    handler = find(moov, b"mdia", b"hdlr", within=trak)
    table = find(moov, b"mdia", b"minf", b"stbl", within=trak)
    if header is None or media is None or handler is None or table is None:
        raise Unsupported("a track without its headers")
    kind = moov[handler.body + 8 : handler.body + 12]
    if kind not in (b"vide", b"soun"):
        raise Unsupported("neither picture nor sound")
    (track_id,) = struct.unpack_from(">I", moov, header.body + (20 if moov[header.body] else 12))
    (timescale,) = struct.unpack_from(">I", moov, media.body + (20 if moov[media.body] else 12))
    if not timescale:
        raise Damaged("a track without a timescale")
    descriptions = find(moov, b"stsd", within=table)
    entries = list(boxes(moov, descriptions.body + 8, descriptions.end)) if descriptions else []
    if len(entries) != 1 or entries[0].kind not in _PLAIN_ENTRIES:
        raise Unsupported("a track of several or unknown descriptions")
    _require_own_data(moov, trak)
    samples = Samples(kind, timescale, moov[entries[0].start : entries[0].end])
    _read_table(moov, table, samples)
    return track_id, samples, _edit(moov, trak, movie_scale, timescale)


def _require_own_data(moov: bytes, trak: Box) -> None:
    references = find(moov, b"mdia", b"minf", b"dinf", b"dref", within=trak)
    for entry in boxes(moov, references.body + 8, references.end) if references else ():
        if not moov[entry.body + 3] & 1:
            raise Unsupported("a track whose samples are in another file")


def _edit(moov: bytes, trak: Box, movie_scale: int, timescale: int) -> _Edit:
    table = find(moov, b"edts", b"elst", within=trak)
    if table is None:
        return _Edit()
    version = moov[table.body]
    (count,) = struct.unpack_from(">I", moov, table.body + 4)
    entry = struct.Struct(">QqI" if version else ">IiI")
    if count > 100 or table.body + 8 + count * entry.size > table.end:
        raise Unsupported("a long edit list")
    delay = 0
    used: tuple[int, int] | None = None
    for position in range(count):
        duration, start, rate = entry.unpack_from(moov, table.body + 8 + position * entry.size)
        if start == -1:
            if used is None:
                delay += duration
            continue
        if used is not None or rate != 0x10000:
            raise Unsupported("an edit list of several parts")
        used = duration, start
    if used is None:
        return _Edit()
    if delay and not movie_scale:
        raise Damaged("an edit list without a scale")
    delay_ticks = (2 * delay * timescale + movie_scale) // (2 * movie_scale) if delay else 0
    duration, start = used
    end = delay_ticks + (duration * timescale + movie_scale - 1) // movie_scale if duration and movie_scale else None
    return _Edit(delay_ticks - start, end)


def _apply(edit: _Edit, track: Samples) -> None:
    count = len(track.sizes)
    if not count:
        return
    # Where pictures may be shown before they are decoded, all are taken to be decoded so much earlier.
    early = max(max(map(int.__sub__, track.decoded, track.shown)), 0)
    if edit.shift or early:
        track.shown = array("q", [time + edit.shift for time in track.shown])
        track.decoded = array("q", [time + edit.shift - early for time in track.decoded])
    if track.kind == b"vide":
        # libavformat moves what begins within a group of pictures; converted renditions would not fit to it.
        if min(track.shown[:_LEADING_SAMPLES]) < 0:
            raise Unsupported("an edit list that begins within a group of pictures")
    elif -edit.shift > _PRIMING_LIMIT_S * track.timescale:
        raise Unsupported("an edit list that begins within the sound")
    if edit.end is None:
        return
    beyond = next((n for n in range(count) if track.shown[n] >= edit.end), count)
    if track.kind == b"soun":
        for column in (track.offsets, track.sizes, track.shown, track.decoded, track.keys):
            del column[beyond:]
    elif any(track.keys[beyond:]):
        raise Unsupported("an edit list that cuts off the end")


def _read_table(moov: bytes, table: Box, samples: Samples) -> None:
    sizes = _sizes(moov, table)
    count = len(sizes)
    if not count:
        return
    samples.sizes = sizes
    samples.decoded, samples.last_duration = _decode_times(moov, table, count)
    offsets = _composition_offsets(moov, table, count)
    samples.shown = array("q", map(int.__add__, samples.decoded, offsets)) if offsets else array("q", samples.decoded)
    samples.keys = _sync_samples(moov, table, count)
    samples.offsets = _offsets(moov, table, sizes)


def _column(data: bytes, start: int, end: int, code: str, count: int) -> array[int]:
    """`count` big-endian numbers at `start`."""
    values = array(code)
    if count < 0 or start + count * values.itemsize > end:
        raise Damaged("a table is cut short")
    values.frombytes(data[start : start + count * values.itemsize])
    if sys.byteorder == "little":
        values.byteswap()
    return values


def _sizes(moov: bytes, table: Box) -> array[int]:
    box = find(moov, b"stsz", within=table)
    if box is not None:
        same, count = struct.unpack_from(">II", moov, box.body + 4)
        if count > _SAMPLE_LIMIT:
            raise Unsupported("too many samples")
        return array("q", [same]) * count if same else array("q", _column(moov, box.body + 12, box.end, "I", count))
    box = find(moov, b"stz2", within=table)
    if box is None:
        return array("q")
    width, (count,) = moov[box.body + 7], struct.unpack_from(">I", moov, box.body + 8)
    if count > _SAMPLE_LIMIT:
        raise Unsupported("too many samples")
    if width == 4:
        packed = _column(moov, box.body + 12, box.end, "B", (count + 1) // 2)
        return array("q", [half for both in packed for half in (both >> 4, both & 15)][:count])
    if width not in (8, 16):
        raise Damaged("sizes of an unknown width")
    return array("q", _column(moov, box.body + 12, box.end, "B" if width == 8 else "H", count))


def _runs(moov: bytes, box: Box, code: str, wanted: int) -> Iterator[tuple[int, int]]:
    """(how many samples, value) of a run-length table, for `wanted` samples in all."""
    (count,) = struct.unpack_from(">I", moov, box.body + 4)
    if box.body + 8 + count * 8 > box.end:
        raise Damaged("a table is cut short")
    for many, value in struct.iter_unpack(f">I{code}", moov[box.body + 8 : box.body + 8 + count * 8]):
        if wanted <= 0:
            return
        yield min(many, wanted), value
        wanted -= many


def _decode_times(moov: bytes, table: Box, count: int) -> tuple[array[int], int]:
    box = find(moov, b"stts", within=table)
    if box is None:
        raise Damaged("samples without times")
    times = array("q")
    now = delta = 0
    for many, delta in _runs(moov, box, "I", count):
        if delta >= 1 << 31:
            raise Unsupported("negative durations")
        times.extend(range(now, now + many * delta, delta) if delta else [now] * many)
        now += many * delta
    if len(times) != count:
        raise Damaged("samples without times")
    return times, delta


def _composition_offsets(moov: bytes, table: Box, count: int) -> array[int] | None:
    box = find(moov, b"ctts", within=table)
    if box is None:
        return None
    offsets = array("q")
    # Signed in version 1, and in version 0 as QuickTime writes it.
    for many, offset in _runs(moov, box, "i", count):
        offsets.extend(array("q", [offset]) * many)
    offsets.extend(array("q", [0]) * (count - len(offsets)))
    return offsets


def _sync_samples(moov: bytes, table: Box, count: int) -> bytearray:
    box = find(moov, b"stss", within=table)
    if box is None:
        return bytearray(b"\1") * count
    (entries,) = struct.unpack_from(">I", moov, box.body + 4)
    keys = bytearray(count)
    for number in _column(moov, box.body + 8, box.end, "I", entries):
        if 0 < number <= count:
            keys[number - 1] = 1
    for group in boxes(moov, table.body, table.end):
        # Random access points that are no sync samples: open groups of pictures.
        if group.kind == b"sbgp" and moov[group.body + 4 : group.body + 8] == b"rap ":
            at = group.body + (12 if moov[group.body] else 8)
            (entries,) = struct.unpack_from(">I", moov, at)
            if at + 4 + entries * 8 > group.end:
                raise Damaged("a table is cut short")
            sample = 0
            for many, index in struct.iter_unpack(">II", moov[at + 4 : at + 4 + entries * 8]):
                many = min(many, count - sample)
                if index:
                    keys[sample : sample + many] = b"\1" * many
                sample += many
    return keys


def _offsets(moov: bytes, table: Box, sizes: array[int]) -> array[int]:
    box = find(moov, b"co64", within=table)
    code = "Q" if box is not None else "I"
    box = box or find(moov, b"stco", within=table)
    runs = find(moov, b"stsc", within=table)
    if box is None or runs is None:
        raise Damaged("samples without places")
    (count,) = struct.unpack_from(">I", moov, box.body + 4)
    chunks = _column(moov, box.body + 8, box.end, code, count)
    (run_count,) = struct.unpack_from(">I", moov, runs.body + 4)
    table_of_runs = _column(moov, runs.body + 8, runs.end, "I", run_count * 3)
    offsets = array("q")
    for position in range(0, len(table_of_runs), 3):
        first, per_chunk, description = table_of_runs[position : position + 3]
        until = table_of_runs[position + 3] if position + 3 < len(table_of_runs) else count + 1
        if description != 1:
            raise Unsupported("a track of several descriptions")
        if not 0 < first < until <= count + 1:
            raise Damaged("chunks out of order")
        for chunk in range(first - 1, until - 1):
            done = len(offsets)
            inside = sizes[done : done + per_chunk]
            if not inside:
                break
            offsets.extend(accumulate(inside[:-1], initial=chunks[chunk]))
    if len(offsets) != len(sizes):
        raise Damaged("samples without places")
    return offsets


# --- fragments ------------------------------------------------------------------------------------------------------


def _read_fragments(
    window: Window,
    moov: bytes,
    top: Box,
    fragments: list[tuple[int, int, int]],
    by_id: dict[int, tuple[Samples, _Edit]],
) -> None:
    defaults: dict[int, _Defaults] = {}
    extends = find(moov, b"mvex", within=top)
    for box in boxes(moov, extends.body, extends.end) if extends else ():
        if box.kind == b"trex":
            track_id, _, duration, size, flags = struct.unpack_from(">IIIII", moov, box.body + 4)
            defaults[track_id] = _Defaults(duration, size, flags)
    clocks = {
        track_id: samples.decoded[-1] + samples.last_duration if samples.sizes else 0
        for track_id, (samples, _) in by_id.items()
    }
    for start, _, end in fragments:
        moof = window.read(start, end - start)
        outer = next(boxes(moof), None)
        for traf in boxes(moof, outer.body, outer.end) if outer else ():
            if traf.kind == b"traf":
                _read_fragment(moof, start, traf, by_id, defaults, clocks)


def _read_fragment(
    moof: bytes,
    moof_start: int,
    traf: Box,
    by_id: dict[int, tuple[Samples, _Edit]],
    defaults: dict[int, _Defaults],
    clocks: dict[int, int],
) -> None:
    header = find(moof, b"tfhd", within=traf)
    if header is None:
        raise Damaged("a fragment without a header")
    contents, track_id = struct.unpack_from(">II", moof, header.body)
    if track_id not in by_id:
        return
    samples = by_id[track_id][0]
    usual = defaults.get(track_id, _Defaults())
    at = header.body + 8
    base = moof_start
    if contents & 0x1:
        (base,) = struct.unpack_from(">Q", moof, at)
        at += 8
    elif not contents & 0x20000:
        first = next(box for box in boxes(moof, 8) if box.kind == b"traf")
        if first.start != traf.start:
            raise Unsupported("fragments without a base offset")
    at += 4 * bool(contents & 0x2)
    values = [usual.duration, usual.size, usual.flags]
    for position, flag in enumerate((0x8, 0x10, 0x20)):
        if contents & flag:
            (values[position],) = struct.unpack_from(">I", moof, at)
            at += 4
    time = find(moof, b"tfdt", within=traf)
    now = clocks[track_id]
    if time is not None:
        (now,) = struct.unpack_from(">Q" if moof[time.body] else ">I", moof, time.body + 4)
    place = base
    for run in boxes(moof, traf.body, traf.end):
        if run.kind == b"trun":
            now, place = _read_run(moof, run, _Defaults(*values), samples, now, base, place)
    clocks[track_id] = now


def _read_run(
    moof: bytes, run: Box, usual: _Defaults, samples: Samples, now: int, base: int, place: int
) -> tuple[int, int]:
    contents, count = struct.unpack_from(">II", moof, run.body)
    if len(samples.sizes) + count > _SAMPLE_LIMIT:
        raise Unsupported("too many samples")
    at = run.body + 8
    if contents & 0x1:
        place = base + struct.unpack_from(">i", moof, at)[0]
        at += 4
    first_flags = None
    if contents & 0x4:
        (first_flags,) = struct.unpack_from(">I", moof, at)
        at += 4
    columns = [flag for flag in (0x100, 0x200, 0x400, 0x800) if contents & flag]
    row = struct.Struct(">" + "".join("i" if flag == 0x800 else "I" for flag in columns))
    if (not columns and count > _BOX_LIMIT) or at + count * row.size > run.end:
        raise Damaged("a table is cut short")
    for number in range(count):
        found = dict(zip(columns, row.unpack_from(moof, at), strict=True))
        at += row.size
        duration, size = found.get(0x100, usual.duration), found.get(0x200, usual.size)
        flags = found.get(0x400, first_flags if number == 0 and first_flags is not None else usual.flags)
        samples.offsets.append(place)
        samples.sizes.append(size)
        samples.decoded.append(now)
        samples.shown.append(now + found.get(0x800, 0))
        samples.keys.append(not flags & _NOT_SYNC)
        samples.last_duration = duration
        place += size
        now += duration
    return now, place
