"""Reading MPEG transport streams (ISO/IEC 13818-1) of H.264, HEVC, AAC in ADTS, AC-3, E-AC-3 and MPEG audio.

Packets lie `stride` bytes apart: 188, 192 with a time before each, or 204 with a checksum after. They are not looked at
one by one to find where pictures and frames of sound begin: a byte of each of some thousands is taken out at once and
searched. What is no packet is skipped, and from the same place on always in the same way. Times are in 1/90,000 s; they
have 33 bits and are told apart by what they are near to.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from odeion.adapters.ffmpeg.codec_strings import AAC_RATES_HZ
from odeion.adapters.ffmpeg.h264_groups import DISPENSABLE, RECOVERY_POINT, SEI, message_kinds
from odeion.adapters.ffmpeg.mp4 import Unsupported
from odeion.adapters.ffmpeg.timing import Scale
from odeion.adapters.ffmpeg.window import Damaged, Window

CLOCK_HZ = 90_000
# What is further ahead of what was before is damage.
NEAR = 10 * CLOCK_HZ
_SYNC = 0x47
_PACKET_BYTES = 188
PAYLOAD_BYTES = 184
_STRIDES = (188, 192, 204)
_CHUNK_BYTES = 2 << 20
_SYNC_SEARCH_BYTES = 64 << 10
_SYNCS_EXPECTED = 8
_NO_SYNC = re.compile(rb"[^\x47]")
# Unless it is known to be damaged.
_UNIT_START = re.compile(rb"[\x40-\x7f]")
_WRAP = 1 << 33


class Layout(NamedTuple):
    """How far apart packets are, and where the first one begins."""

    stride: int
    first: int


def find_layout(window: Window) -> Layout:
    """Raises Unsupported."""
    data = window.some(0, _SYNC_SEARCH_BYTES + _SYNCS_EXPECTED * max(_STRIDES))
    for stride in _STRIDES:
        at = _next_sync(data, 0, stride, _SYNCS_EXPECTED)
        if at is not None and at < _SYNC_SEARCH_BYTES:
            return Layout(stride, at)
    raise Unsupported("no packets of a transport stream at its start")


def _next_sync(data: bytes, at: int, stride: int, count: int) -> int | None:
    """Where `count` packets follow each other."""
    last = (count - 1) * stride
    while (at := data.find(_SYNC, at)) >= 0 and at + last < len(data):
        if data[at : at + last + 1 : stride].count(_SYNC) == count:
            return at
        at += 1
    return None


@dataclass(frozen=True, slots=True)
class _Run:
    """Packets one after another: `count` from `at` on in `data`, which begins at `base` in the file."""

    base: int
    data: bytes
    at: int
    count: int

    def column(self, position: int, stride: int) -> bytes:
        """That byte of each packet."""
        start = self.at + position
        return self.data[start : start + (self.count - 1) * stride + 1 : stride]


def _runs(window: Window, stride: int, start: int, end: int, chunk_bytes: int = _CHUNK_BYTES) -> Iterator[_Run]:
    """The whole packets that begin between two places, of which the first is that of one."""
    base, data, at = start, b"", 0
    needed = 4 * stride
    while base + at < end:
        if len(data) - at < needed:
            base, at = base + at, 0
            data = window.some(base, chunk_bytes)
            if len(data) < _PACKET_BYTES:
                return
        count = min(1 + (len(data) - at - _PACKET_BYTES) // stride, -(-(end - base - at) // stride))
        if count <= 0:
            return
        run = _Run(base, data, at, count)
        damage = _NO_SYNC.search(run.column(0, stride))
        if damage is None or damage.start():
            run = run if damage is None else _Run(base, data, at, damage.start())
            yield run
            at += run.count * stride
            continue
        found = _next_sync(data, at + 1, stride, 3)
        if found is None and len(data) < chunk_bytes:
            return
        # A place near the end of what is held may only seem to be none.
        at = found if found is not None else len(data) - 2 * stride


# --- packetized elementary streams ----------------------------------------------------------------------------------


class Unit(NamedTuple):
    """A PES packet: its times, where it has any, and where its payload begins and ends (None: with the packet)."""

    pts: int | None
    dts: int | None
    body: int
    end: int | None


def read_unit(data: bytes) -> Unit | None:
    """None for what is none, or too little of one."""
    if len(data) < 9 or data[:3] != b"\0\0\1" or data[6] & 0xC0 != 0x80:
        return None
    body = 9 + data[8]
    pts = dts = None
    if data[7] & 0x80:
        if len(data) < 14 or body < 14:
            return None
        dts = pts = _time(data, 9)
        if data[7] & 0x40:
            if len(data) < 19 or body < 19:
                return None
            dts = _time(data, 14)
    length = data[4] << 8 | data[5]
    return Unit(pts, dts, body, 6 + length if length else None)


def _time(data: bytes, at: int) -> int:
    return (
        (data[at] & 0x0E) << 29
        | data[at + 1] << 22
        | (data[at + 2] & 0xFE) << 14
        | data[at + 3] << 7
        | data[at + 4] >> 1
    )


def near(time: int, reference: int) -> int:
    """Of the times with these 33 bits that nearest to another."""
    return reference + (time - reference + _WRAP // 2) % _WRAP - _WRAP // 2


def _payload(data: bytes, at: int) -> bytes:
    control = data[at + 3]
    if not control & 0x10:
        return b""
    return data[at + (5 + data[at + 4] if control & 0x20 else 4) : at + _PACKET_BYTES]


def units(
    window: Window, stride: int, pid: int, start: int, end: int, chunk_bytes: int = _CHUNK_BYTES
) -> Iterator[bytes]:
    """The PES packets of a stream between two places, the last as far as it goes there. Of those that lost packets the
    rest is there."""
    parts: list[bytes] = []
    for begins, content, _ in _contents(window, stride, pid, start, end, chunk_bytes):
        if begins:
            if parts:
                yield b"".join(parts)
            parts = [content]
        elif parts:
            parts.append(content)
    if parts:
        yield b"".join(parts)


def unbroken_units(window: Window, stride: int, pid: int, start: int, end: int) -> Iterator[bytes | None]:
    """As `units`, but a PES packet ends where packets were lost, and then a None is given."""
    parts: list[bytes] = []
    last: tuple[int, bytes] | None = None
    for begins, content, counter in _contents(window, stride, pid, start, end, _CHUNK_BYTES):
        if last == (counter, content):
            # A packet may be sent twice.
            continue
        lost = last is not None and counter != (last[0] + 1) & 0xF
        last = counter, content
        if (begins or lost) and parts:
            yield b"".join(parts)
            parts = []
        if lost:
            yield None
        if begins or parts:
            parts.append(content)
    if parts:
        yield b"".join(parts)


def counted_units(window: Window, stride: int, pid: int, start: int, end: int) -> list[bytes | None]:
    """Those of `unbroken_units`; of a stream whose packets are not counted rightly, those of `units`."""
    found = list(unbroken_units(window, stride, pid, start, end))
    counted = found.count(None) * 3 <= len(found)
    return found if counted else list(units(window, stride, pid, start, end))


def _contents(
    window: Window, stride: int, pid: int, start: int, end: int, chunk_bytes: int
) -> Iterator[tuple[bool, bytes, int]]:
    """Of the packets of a stream: whether a PES packet begins, the payload, and the continuity counter."""
    high, low = pid >> 8, pid & 0xFF
    for run in _runs(window, stride, start, end, chunk_bytes):
        data = run.data
        columns = zip(run.column(1, stride), run.column(2, stride), run.column(3, stride), strict=True)
        for at, (flag, other, control) in zip(range(run.at, len(data), stride), columns, strict=False):
            if other == low and flag & 0x9F == high:
                # Nearly all have nothing but payload.
                content = data[at + 4 : at + _PACKET_BYTES] if control & 0x30 == 0x10 else _payload(data, at)
                if content:
                    yield flag & 0x40 != 0, content, control & 0xF


class Start(NamedTuple):
    """Where a PES packet of a stream begins, and the first of its bytes."""

    pid: int
    place: int
    head: bytes
    scrambled: bool


class Clock:
    """Tells times of a stream apart, and what is damage from what is not: none goes back, or ahead by more than
    NEAR. Anybody who begins at a sound one comes to the same conclusions."""

    def __init__(self, reference: int) -> None:
        self.latest = reference

    def read(self, time: int) -> int | None:
        """None for damage."""
        time = near(time, self.latest)
        if not 0 <= time - self.latest <= NEAR:
            return None
        self.latest = time
        return time


class Inner(NamedTuple):
    """A picture that begins within a PES packet."""

    pid: int


class Packets(NamedTuple):
    """How many more packets of a stream there are."""

    pid: int
    number: int


def _tables(pid: int) -> tuple[bytes, bytes]:
    """What makes 1 of the second and the third byte of a stream's packets, and 0 of those of others."""
    return bytes(byte & 0x1F == pid >> 8 for byte in range(256)), bytes(byte == pid & 0xFF for byte in range(256))


def starts(window: Window, layout: Layout, marks: dict[int, bytes | None]) -> Iterator[Start | Inner | Packets]:
    """One walk through the file, for the streams in `marks`. That of a video is what its pictures begin with: where it
    occurs elsewhere than at the start of a PES packet, an Inner is given."""
    stride = layout.stride
    tables = {pid: _tables(pid) for pid in marks}
    patterns = {mark for mark in marks.values() if mark is not None}
    for run in _runs(window, stride, layout.first, window.size):
        flags, lows = run.column(1, stride), run.column(2, stride)
        for pid, (highs_of, lows_of) in tables.items():
            alike = int.from_bytes(flags.translate(highs_of)) & int.from_bytes(lows.translate(lows_of))
            yield Packets(pid, alike.bit_count())
        for match in _UNIT_START.finditer(flags):
            number = match.start()
            pid = (flags[number] & 0x1F) << 8 | lows[number]
            if pid in marks:
                at = run.at + number * stride
                scrambled = bool(run.data[at + 3] & 0xC0)
                yield Start(pid, run.base + at, _payload(run.data, at), scrambled)
        for mark in patterns:
            found = run.data.find(mark, run.at)
            limit = run.at + run.count * stride
            while 0 <= found < limit:
                number = (found - run.at) // stride
                pid = (flags[number] & 0x1F) << 8 | lows[number]
                if not flags[number] & 0x40 and marks.get(pid) == mark:
                    yield Inner(pid)
                found = run.data.find(mark, found + 1)


# --- pictures -------------------------------------------------------------------------------------------------------


class Entry(IntEnum):
    """BOUND_RECOVERY: a recovery point that is told together with what must not be left out."""

    NONE = 0
    IDR = 1
    OPEN = 2
    RECOVERY = 3
    BOUND_RECOVERY = 4


@dataclass(frozen=True, slots=True)
class Picture:
    """What the NAL units of an access unit, as far as they are there, tell: whether it begins with a delimiter, its
    parameter sets, and how a decoder may enter at it (None where that is not known)."""

    delimited: bool
    parameter_sets: tuple[bytes, ...]
    entry: Entry | None


DELIMITERS = {"h264": b"\0\0\1\x09", "hevc": b"\0\0\1\x46\1"}


def nal_units(data: bytes) -> list[bytes]:
    """Those of a byte stream (Annex B), without start codes and the zeros between."""
    return [unit for part in data.split(b"\0\0\1")[1:] if (unit := part.rstrip(b"\0"))]


def with_lengths(nals: Sequence[bytes]) -> bytes:
    """As MP4 has them."""
    return b"".join([part for nal in nals for part in (len(nal).to_bytes(4, "big"), nal)])


def without_recovery_point(nals: Sequence[bytes]) -> list[bytes]:
    """Those of H.264 that tell none."""
    return [nal for nal in nals if nal[0] & 0x1F != SEI or RECOVERY_POINT not in message_kinds(nal[1:])]


def read_picture(codec: str, nals: Sequence[bytes]) -> Picture:
    return (_read_h264 if codec == "h264" else _read_hevc)(nals)


def _read_h264(nals: Sequence[bytes]) -> Picture:
    sets: list[bytes] = []
    messages: set[int] = set()
    for nal in nals:
        kind = nal[0] & 0x1F
        if kind in (7, 8):
            sets.append(nal)
        elif kind == SEI:
            told = message_kinds(nal[1:])
            messages |= told if RECOVERY_POINT in told else set()
        elif 1 <= kind <= 5:
            entry = Entry.IDR if kind == 5 else Entry.NONE if not messages else Entry.RECOVERY
            if entry is Entry.RECOVERY and not messages <= DISPENSABLE:
                entry = Entry.BOUND_RECOVERY
            return Picture(nals[0][0] & 0x1F == 9, tuple(sets), entry)
    return Picture(bool(nals) and nals[0][0] & 0x1F == 9, tuple(sets), None)


def _read_hevc(nals: Sequence[bytes]) -> Picture:
    sets: list[bytes] = []
    for nal in nals:
        kind = nal[0] >> 1 & 0x3F
        if 32 <= kind <= 34:
            sets.append(nal)
        elif kind < 32:
            entry = Entry.IDR if kind in (19, 20) else Entry.OPEN if 16 <= kind <= 21 else Entry.NONE
            return Picture(nals[0][0] >> 1 & 0x3F == 35, tuple(sets), entry)
    return Picture(bool(nals) and nals[0][0] >> 1 & 0x3F == 35, tuple(sets), None)


# --- sound ----------------------------------------------------------------------------------------------------------


class Frame(NamedTuple):
    """A frame of sound as its header tells: bytes with the header, bytes of the header that MP4 leaves out, samples in
    it and per second. `form` is what must stay as it is throughout a stream. `belongs`: to the frame before it."""

    size: int
    skipped: int
    samples: int
    rate_hz: int
    form: tuple[int, ...]
    belongs: bool = False


_AC3_RATES = (48000, 44100, 32000)
_AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_MP3_RATES = (44100, 48000, 32000)
_MP3_KBPS = (
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
HEADER_BYTES = 7
_SKIPPED_LIMIT_BYTES = 1 << 20


def _adts(data: bytes, at: int) -> Frame | None:
    if data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return None
    profile, rate = data[at + 2] >> 6, data[at + 2] >> 2 & 0xF
    channels = (data[at + 2] & 1) << 2 | data[at + 3] >> 6
    size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    skipped = 7 if data[at + 1] & 1 else 9
    if rate >= len(AAC_RATES_HZ) or size <= skipped:
        return None
    # Several blocks in a frame would have to be told apart by decoding them.
    samples = 1024 * ((data[at + 6] & 3) + 1)
    return Frame(size, skipped, samples, AAC_RATES_HZ[rate], (profile, rate, channels, samples))


def adts_configuration(frame: bytes) -> bytes:
    """The AudioSpecificConfig (ISO/IEC 14496-3) of what a frame's ADTS header says. Raises ValueError where that is not
    all."""
    profile, rate = frame[2] >> 6, frame[2] >> 2 & 0xF
    channels = (frame[2] & 1) << 2 | frame[3] >> 6
    if not channels:
        raise ValueError("channels that are told within")
    return ((profile + 1) << 11 | rate << 7 | channels << 3).to_bytes(2, "big")


def _ac3(data: bytes, at: int) -> Frame | None:
    if data[at] != 0x0B or data[at + 1] != 0x77:
        return None
    stream_id = data[at + 5] >> 3
    if stream_id <= 10:
        rate, code = data[at + 4] >> 6, data[at + 4] & 0x3F
        if rate == 3 or code >= 2 * len(_AC3_KBPS):
            return None
        kbps = _AC3_KBPS[code >> 1]
        words = (2 * kbps, kbps * 320 // 147 + (code & 1), 3 * kbps)[rate]
        slower = max(stream_id, 8) - 8
        return Frame(2 * words, 0, 1536, _AC3_RATES[rate] >> slower, (rate, slower))
    if stream_id > 16:
        return None
    kind, size = data[at + 2] >> 6, 2 * (((data[at + 2] & 7) << 8 | data[at + 3]) + 1)
    rate, blocks = data[at + 4] >> 6, (1, 2, 3, 6)[data[at + 4] >> 4 & 3]
    if kind == 3 or rate == 3:
        # Half the rates are not made for sale.
        return None
    belongs = kind == 1 or bool(data[at + 2] >> 3 & 7)
    return Frame(size, 0, 256 * blocks, _AC3_RATES[rate], () if belongs else (rate, blocks), belongs)


def _mp3(data: bytes, at: int) -> Frame | None:
    if data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return None
    version, code, rate = data[at + 1] >> 3 & 3, data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or not 1 <= code <= 14 or rate == 3:
        return None
    slower = 0 if version == 3 else 1 if version == 2 else 2
    rate_hz = _MP3_RATES[rate] >> slower
    samples = 576 if slower else 1152
    size = samples // 8 * 1000 * _MP3_KBPS[bool(slower)][code - 1] // rate_hz + (data[at + 2] >> 1 & 1)
    return Frame(size, 0, samples, rate_hz, (version, rate))


FRAMES: dict[str, Callable[[bytes, int], Frame | None]] = {"aac": _adts, "ac3": _ac3, "eac3": _ac3, "mp3": _mp3}


_FIRST_BYTES = {"aac": 0xFF, "ac3": 0x0B, "eac3": 0x0B, "mp3": 0xFF}


class Sound(NamedTuple):
    """A frame: the time of the PES packet it begins in, how many samples after it, and what MP4 has of it."""

    pts: int
    samples: int
    data: bytes
    header: Frame


def timed_payloads(packets: Iterable[bytes | None], clock: Clock) -> Iterator[tuple[int | None, bytes] | None]:
    """What PES packets hold, with their times as `clock` reads them; None where something was lost."""
    for packet in packets:
        unit = read_unit(packet) if packet is not None else None
        if packet is None or unit is None:
            yield None
        else:
            time = clock.read(unit.pts) if unit.pts is not None else None
            yield time, packet[unit.body : unit.end]


def ticks_of(frame: Sound, scale: Scale, timescale: int) -> int:
    """When a frame begins, in ticks from the file's start."""
    return scale.ticks(frame.pts) + (2 * frame.samples * timescale + frame.header.rate_hz) // (2 * frame.header.rate_hz)


def sound(payloads: Iterable[tuple[int | None, bytes] | None], codec: str) -> Iterator[Sound]:
    """The frames in what PES packets with these times hold. Those before the first time, one that is cut off, by the
    end or by a loss (None), and one that no other follows where it should end are left out. Raises Damaged."""
    read, sync = FRAMES[codec], _FIRST_BYTES[codec]
    data, at, skipped = b"", 0, 0
    # Where in `data` PES packets begin whose times no frame has got yet.
    marks: deque[tuple[int, int]] = deque()
    pts: int | None = None
    after = 0
    waiting: Sound | None = None
    in_step = False
    for held in payloads:
        if held is None:
            data, at, in_step = b"", 0, False
            pts = None
            marks.clear()
            continue
        time, payload = held
        marks = deque((place - at, known) for place, known in marks)
        data, at = data[at:] + payload, 0
        if time is not None:
            marks.append((len(data) - len(payload), time))
        while at + HEADER_BYTES <= len(data):
            header = read(data, at)
            if header is not None and not in_step:
                # What looks like a frame is one where another follows.
                if at + header.size + HEADER_BYTES > len(data):
                    break
                follows = read(data, at + header.size)
                header = header if follows is not None and follows.rate_hz == header.rate_hz else None
            if header is None:
                if in_step:
                    waiting, in_step = None, False
                found = data.find(sync, at + 1)
                skipped += (found if found >= 0 else len(data)) - at
                at = found if found >= 0 else len(data)
                if skipped > _SKIPPED_LIMIT_BYTES:
                    raise Damaged("no sound where it should be")
                continue
            in_step = True
            end = at + header.size
            if end > len(data):
                break
            if header.belongs:
                waiting = waiting and waiting._replace(data=waiting.data + data[at:end])
            else:
                if waiting is not None:
                    yield waiting
                while marks and marks[0][0] <= at:
                    pts, after = marks.popleft()[1], 0
                waiting = Sound(pts, after, data[at + header.skipped : end], header) if pts is not None else None
                after += header.samples
            at = end
    if waiting is not None:
        yield waiting
