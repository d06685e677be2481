from __future__ import annotations

import struct

import pytest

from odeion.adapters.ffmpeg.boxes import box, boxes, find, full_box
from odeion.adapters.ffmpeg.codec_strings import codec_string
from odeion.adapters.ffmpeg.fmp4 import (
    Track,
    audio_fragment,
    read_fragment,
    read_track,
    time_video,
    video_fragment,
    with_parameter_sets,
)

TRACK = Track(1, 90_000, b"")


class TestBoxes:
    def test_are_found_by_their_path(self) -> None:
        data = box(b"free") + box(b"moov", box(b"trak", box(b"tkhd", b"abcd")))
        found = find(data, b"moov", b"trak", b"tkhd")
        assert found is not None and data[found.body : found.end] == b"abcd"
        assert find(data, b"moov", b"mvex") is None

    def test_that_are_cut_short_are_left_out(self) -> None:
        assert [b.kind for b in boxes(box(b"free", b"1234") + box(b"mdat", b"1234")[:-1])] == [b"free"]

    def test_of_64_bit_sizes_are_read(self) -> None:
        data = struct.pack(">I4sQ", 1, b"mdat", 20) + b"1234"
        assert [(b.body, b.end) for b in boxes(data)] == [(16, 20)]

    @pytest.mark.parametrize("size", [2, 7])
    def test_of_impossible_size_are_refused(self, size: int) -> None:
        with pytest.raises(ValueError, match="a box of"):
            list(boxes(struct.pack(">I4s", size, b"free")))


class TestParameterSets:
    @pytest.mark.parametrize("init", [b"", box(b"moov"), box(b"moov", box(b"trak", box(b"mdia", box(b"minf"))))])
    def test_are_only_in_init_segments_of_h264(self, init: bytes) -> None:
        with pytest.raises(ValueError, match="not an init segment"):
            with_parameter_sets(init, init)


class TestVideoTimes:
    def test_last_until_the_next_segment(self) -> None:
        times = time_video([300, 500, 400], [100, 200, 300], 420, opens_timeline=False)
        assert (times.first, times.durations, times.offsets) == (100, [100, 100, 120], [200, 300, 100])

    def test_before_0_are_squeezed_in_behind_it(self) -> None:
        shown, decoded = [0, 3000, 1000, 2000, 4000], [-2000, -1000, 0, 1000, 2000]
        times = time_video(shown, decoded, 3000, opens_timeline=True)
        assert times.first == 0
        assert sum(times.durations) == 3000
        assert min(times.durations) > 0
        assert all(offset >= 0 for offset in times.offsets)
        starts = [sum(times.durations[:n]) for n in range(len(shown))]
        assert [start + offset for start, offset in zip(starts, times.offsets, strict=True)] == shown
        assert starts[3:] == decoded[3:]

    def test_never_stand_still(self) -> None:
        assert time_video([5, 5, 5], [5, 5, 5], 5, opens_timeline=False).durations == [1, 1, 1]


class TestFragments:
    def test_are_read_as_they_were_written(self) -> None:
        times = time_video([300, 500, 400], [100, 200, 300], 420, opens_timeline=False)
        samples = [b"key", b"p", b"bb"]
        data = video_fragment(7, TRACK, times, samples, [True, False, False])
        read = read_fragment(data)
        assert [data[s.offset : s.offset + s.size] for s in read] == samples
        assert [(s.shown, s.key) for s in read] == [(200, True), (400, False), (300, False)]

    def test_of_sound_are_all_keys(self) -> None:
        data = audio_fragment(0, TRACK, 4096, [1024, 1024], [b"one", b"two"])
        assert [sample.key for sample in read_fragment(data)] == [True, True]
        decode_time = find(data, b"moof", b"traf", b"tfdt")
        assert decode_time is not None
        assert int.from_bytes(data[decode_time.body + 4 : decode_time.end], "big") == 4096

    def test_without_a_track_are_refused(self) -> None:
        with pytest.raises(ValueError, match="without a track"):
            read_fragment(box(b"moof"))

    def test_init_segments_that_are_none_are_refused(self) -> None:
        with pytest.raises(ValueError, match="not an init segment"):
            read_track(box(b"ftyp", b"isom"))


def video_entry(kind: bytes, inner: bytes, configuration: bytes) -> bytes:
    return box(kind, bytes(78), box(inner, configuration))


class TestCodecStrings:
    def test_of_h264(self) -> None:
        assert codec_string(video_entry(b"avc1", b"avcC", bytes.fromhex("0164002affe1"))) == "avc1.64002a"

    def test_of_hevc(self) -> None:
        main10 = bytes.fromhex("01022000000090000000000099f000fcfdfafa00000f00")
        assert codec_string(video_entry(b"hvc1", b"hvcC", main10)) == "hvc1.2.4.L153.90"
        high_tier = bytes.fromhex("0121600000009000000000007bf000fcfdf8f800000f00")
        assert codec_string(video_entry(b"hev1", b"hvcC", high_tier)) == "hev1.1.6.H123.90"

    def test_of_av1(self) -> None:
        assert codec_string(video_entry(b"av01", b"av1C", bytes.fromhex("81084c00"))) == "av01.0.08M.10"

    def test_of_vp9(self) -> None:
        assert codec_string(box(b"vp09", bytes(78), full_box(b"vpcC", 1, 0, b"\x02\x29\xa2"))) == "vp09.02.41.10"

    @pytest.mark.parametrize(
        ("configuration", "name"), [("1190", "mp4a.40.2"), ("2b92080000", "mp4a.40.5"), ("f8e6", "mp4a.40.39")]
    )
    def test_of_aac(self, configuration: str, name: str) -> None:
        data = bytes.fromhex(configuration)
        specific = bytes([5, len(data)]) + data
        decoder = bytes([4, 13 + len(specific), 0x40]) + bytes(12) + specific
        stream = bytes([3, 3 + len(decoder)]) + bytes(3) + decoder
        assert codec_string(box(b"mp4a", bytes(28), full_box(b"esds", 0, 0, stream))) == name

    @pytest.mark.parametrize(("kind", "name"), [(b"ac-3", "ac-3"), (b"ec-3", "ec-3"), (b"Opus", "opus")])
    def test_of_those_that_are_named_after_themselves(self, kind: bytes, name: str) -> None:
        assert codec_string(box(kind, bytes(28))) == name

    @pytest.mark.parametrize(
        "entry", [box(b"avc1", bytes(78)), box(b"zzzz", bytes(78)), video_entry(b"hvc1", b"hvcC", b"\x01")]
    )
    def test_of_others_are_not_known(self, entry: bytes) -> None:
        with pytest.raises(ValueError, match=r"\w"):
            codec_string(entry)
