"""Reading transport streams: packets, times, pictures and frames of sound."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from odeion.adapters.ffmpeg.mp4 import Unsupported
from odeion.adapters.ffmpeg.transport import (
    FRAMES,
    NEAR,
    Clock,
    Entry,
    Inner,
    Layout,
    Start,
    adts_configuration,
    find_layout,
    nal_units,
    near,
    read_picture,
    read_unit,
    sound,
    starts,
    units,
    with_lengths,
)
from odeion.adapters.ffmpeg.window import Damaged, Window

PID = 0x1FE
WRAP = 1 << 33

Opener = Callable[[bytes], Window]


def packet(payload: bytes, *, pid: int = PID, starts_unit: bool = False, flags: int = 0) -> bytes:
    """188 bytes, filled up in front of the payload."""
    assert len(payload) <= 184
    head = bytes([0x47, 0x40 * starts_unit | flags | pid >> 8, pid & 0xFF])
    room = 184 - len(payload)
    if not room:
        return head + b"\x10" + payload
    return head + b"\x30" + bytes([room - 1]) + (b"\0" + b"\xff" * (room - 2) if room > 1 else b"") + payload


def pes(payload: bytes, pts: int | None = None, dts: int | None = None, *, sized: bool = False) -> bytes:
    def time(value: int, mark: int) -> bytes:
        bits = mark << 36 | (value >> 30 & 7) << 33 | 1 << 32 | (value >> 15 & 0x7FFF) << 17 | 1 << 16
        return (bits | (value & 0x7FFF) << 1 | 1).to_bytes(5, "big")

    times = b""
    if pts is not None:
        times = time(pts, 3) + time(dts, 1) if dts is not None else time(pts, 2)
    flags = 0x80 * (pts is not None) | 0x40 * (dts is not None)
    size = 3 + len(times) + len(payload) if sized else 0
    return b"\0\0\1\xe0" + size.to_bytes(2, "big") + bytes([0x80, flags, len(times)]) + times + payload


def packets(data: bytes, pid: int = PID) -> bytes:
    parts = [data[at : at + 184] for at in range(0, len(data), 184)]
    return b"".join(packet(part, pid=pid, starts_unit=not n) for n, part in enumerate(parts))


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    descriptors: list[int] = []

    def write(data: bytes) -> Window:
        path = tmp_path / f"{len(descriptors)}.ts"
        path.write_bytes(data)
        descriptors.append(os.open(path, os.O_RDONLY))
        return Window(descriptors[-1])

    yield write
    for descriptor in descriptors:
        os.close(descriptor)


class TestLayout:
    @pytest.mark.parametrize(("before", "after"), [(0, 0), (4, 0), (0, 16)])
    @pytest.mark.parametrize("in_front", [b"", b"\x47", bytes(range(256)) * 4])
    def test_is_found(self, before: int, after: int, in_front: bytes, opened: Opener) -> None:
        one = bytes(before) + packet(bytes(184)) + bytes(after)
        assert find_layout(opened(in_front + one * 40)) == Layout(len(one), len(in_front) + before)

    @pytest.mark.parametrize("data", [b"", b"\x47", bytes(100_000), b"\x47" + bytes(1000)])
    def test_of_what_has_no_packets_is_refused(self, data: bytes, opened: Opener) -> None:
        with pytest.raises(Unsupported):
            find_layout(opened(data))


class TestUnits:
    LONG = bytes(range(256)) * 9

    def test_have_the_times_and_the_payload_that_were_written(self) -> None:
        for pts, dts in ((None, None), (0, None), (WRAP - 1, None), (5_000_000_000, 4_999_996_400)):
            data = pes(self.LONG, pts, dts, sized=True)
            unit = read_unit(data + b"filled up")
            assert unit is not None
            assert (unit.pts, unit.dts) == (pts, pts if dts is None else dts)
            assert data[unit.body : unit.end] == self.LONG

    def test_cut_short_or_others_are_none(self) -> None:
        data = pes(b"", 7, 5)
        assert [read_unit(data[:length]) for length in range(len(data))] == [None] * len(data)
        assert read_unit(b"\0\0\2" + data[3:]) is None
        assert read_unit(data[:6] + b"\0" + data[7:]) is None

    def test_are_put_together_from_the_packets_of_their_stream(self, opened: Opener) -> None:
        first, second = pes(self.LONG, 1), pes(self.LONG[::-1], 2)
        mine, other = packets(first), packets(self.LONG, pid=PID ^ 1)
        mixed = b"".join(mine[at : at + 188] + other[at : at + 188] for at in range(0, max(len(mine), len(other)), 188))
        damaged = packet(b"damaged", flags=0x80)
        window = opened(mixed + damaged + packets(second))
        assert list(units(window, 188, PID, 0, window.size)) == [first, second]

    @pytest.mark.parametrize("noise", [b"\x47", b"\x47" * 400, b"noise" * 1000])
    def test_what_is_no_packet_is_skipped_the_same_way_from_anywhere(self, noise: bytes, opened: Opener) -> None:
        many = [pes(bytes([n]) * 1000, n) for n in range(12)]
        data = b"".join(packets(unit) for unit in many[:6]) + noise + b"".join(packets(unit) for unit in many[6:])
        window = opened(data)
        whole = list(units(window, 188, PID, 0, window.size))
        assert whole[:5] == many[:5]
        assert whole[-5:] == many[-5:]
        place = len(packets(many[0])) * 2
        assert list(units(window, 188, PID, place, window.size, chunk_bytes=188 * 5)) == whole[2:]

    def test_begin_where_the_walk_says(self, opened: Opener) -> None:
        mark = b"\0\0\1\x09"
        first, second = pes(mark + self.LONG + mark + self.LONG, 1), pes(mark, 2)
        window = opened(packets(first) + packets(pes(mark, 9), pid=PID ^ 1) + packets(second))
        found = list(starts(window, Layout(188, 0), {PID: mark}))
        assert [entry.place for entry in found if isinstance(entry, Start)] == [0, window.size - 188]
        assert [entry.head for entry in found if isinstance(entry, Start)] == [first[:184], second]
        assert [entry for entry in found if isinstance(entry, Inner)] == [Inner(PID)]


class TestClock:
    def test_goes_on_over_its_end(self) -> None:
        clock = Clock(WRAP - 100)
        assert [clock.read(time) for time in (WRAP - 50, 50, 90_000)] == [WRAP - 50, WRAP + 50, WRAP + 90_000]

    def test_takes_what_jumps_for_damage(self) -> None:
        clock = Clock(1000)
        assert [clock.read(time) for time in (999, 1000 + NEAR + 1, 2000)] == [None, None, 2000]

    def test_tells_times_by_what_they_are_near_to(self) -> None:
        assert [near(time, WRAP * 3) for time in (WRAP - 5, 0, 5)] == [WRAP * 3 - 5, WRAP * 3, WRAP * 3 + 5]


class TestPictures:
    def test_lose_start_codes_and_zeros(self) -> None:
        nals = nal_units(b"\0\0\0\1\x09\xf0\0\0\0\1\x67abc\0\0\1\x65\0\0\3\1d\0\0\0")
        assert nals == [b"\x09\xf0", b"\x67abc", b"\x65\0\0\3\1d"]
        assert with_lengths(nals[:2]) == b"\0\0\0\2\x09\xf0\0\0\0\4\x67abc"

    @pytest.mark.parametrize(
        ("codec", "nals", "entry"),
        [
            ("h264", [b"\x09\xf0", b"\x67", b"\x65"], Entry.IDR),
            ("h264", [b"\x09\xf0", b"\x06\x06\x01\x84\x80", b"\x41"], Entry.RECOVERY),
            ("h264", [b"\x09\xf0", b"\x06\x01\x01\x00\x06\x01\x84\x80", b"\x41"], Entry.RECOVERY),
            ("h264", [b"\x09\xf0", b"\x06\x04\x01\xb5\x06\x01\x84\x80", b"\x41"], Entry.BOUND_RECOVERY),
            ("h264", [b"\x09\xf0", b"\x06\x05\x03\x06\x01\x84\x80", b"\x41"], Entry.NONE),
            ("h264", [b"\x09\xf0", b"\x67"], None),
            ("hevc", [b"\x46\1", b"\x26\1"], Entry.IDR),
            ("hevc", [b"\x46\1", b"\x2a\1"], Entry.OPEN),
            ("hevc", [b"\x46\1", b"\x02\1"], Entry.NONE),
            ("hevc", [b"\x46\1", b"\x40\1"], None),
        ],
    )
    def test_tell_how_a_decoder_may_enter(self, codec: str, nals: list[bytes], entry: Entry | None) -> None:
        picture = read_picture(codec, nals)
        assert picture.entry is entry
        assert picture.delimited
        assert not read_picture(codec, nals[1:]).delimited


def adts(payload: bytes) -> bytes:
    """A frame of AAC-LC, 48 kHz, stereo."""
    size = len(payload) + 7
    return bytes([0xFF, 0xF1, 0x4C, 0x80 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC]) + payload


class TestSound:
    FRAMES = tuple(bytes([n]) * (50 + n) for n in range(1, 30))

    def test_frames_are_cut_and_timed_wherever_packets_end(self) -> None:
        """The first that begins in a packet has its time."""
        data = b"".join(adts(frame) for frame in self.FRAMES)
        begins = [sum(len(adts(frame)) for frame in self.FRAMES[:n]) for n in range(len(self.FRAMES))]
        for length in (10, 57, 300, len(data)):
            parts = [(1920 * at, data[at : at + length]) for at in range(0, len(data), length)]
            found = list(sound(parts, "aac"))
            assert [frame.data for frame in found] == list(self.FRAMES)
            for frame, begin in zip(found, begins, strict=True):
                since = sum(begin // length * length <= other < begin for other in begins)
                assert (frame.pts, frame.samples) == (1920 * (begin // length * length), since * 1024)

    def test_noise_is_skipped(self) -> None:
        noise = bytes.fromhex("fff14c80012000") * 20
        data = noise + b"".join(adts(frame) for frame in self.FRAMES)
        assert [frame.data for frame in sound([(0, data)], "aac")] == list(self.FRAMES)

    def test_much_noise_is_told(self) -> None:
        with pytest.raises(Damaged):
            list(sound([(0, bytes(600_000)), (1, bytes(600_000))], "aac"))

    def test_frames_without_a_time_are_left_out(self) -> None:
        frames = [adts(frame) for frame in self.FRAMES]
        parts = [(None, b"".join(frames[:3])), (7, b"".join(frames[3:]))]
        assert [frame.data for frame in sound(parts, "aac")] == list(self.FRAMES[3:])

    def test_configurations_are_those_of_the_headers(self) -> None:
        assert adts_configuration(adts(b"")).hex() == "1190"
        with pytest.raises(ValueError, match="channels"):
            adts_configuration(b"\xff\xf1\x4c\0\0\0\0")

    @pytest.mark.parametrize(
        ("codec", "header", "size", "samples", "rate_hz"),
        [
            ("ac3", "0b770000 1c 40 00", 2 * 768, 1536, 48_000),
            ("ac3", "0b770000 5d 40 00", 2 * 836, 1536, 44_100),
            ("eac3", "0b77 02ff 34 80 00", 1536, 1536, 48_000),
            ("mp3", "fffb 90 00 000000", 417, 1152, 44_100),
            ("mp3", "fff3 90 00 000000", 261, 576, 22_050),
        ],
    )
    def test_headers_tell_sizes(self, codec: str, header: str, size: int, samples: int, rate_hz: int) -> None:
        frame = FRAMES[codec](bytes.fromhex(header), 0)
        assert frame is not None
        assert (frame.size, frame.samples, frame.rate_hz) == (size, samples, rate_hz)

    def test_dependent_frames_go_with_the_one_before(self) -> None:
        independent, dependent = bytes.fromhex("0b77 001f 34 80 00"), bytes.fromhex("0b77 401f 34 80 00")
        pair = independent + bytes(57) + dependent + bytes(57)
        found = list(sound([(0, pair * 4)], "eac3"))
        assert [frame.data for frame in found] == [pair] * 4
        assert [frame.samples for frame in found] == [0, 1536, 3072, 4608]
