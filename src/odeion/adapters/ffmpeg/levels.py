"""The level an encoder is told to keep to, and the codec string that announces it before anything is encoded.

The limits are those of ITU-T H.264 table A-1, H.265 tables A.8 and A.9 (Main tier), and of annex A.3 of the AV1
specification."""

from __future__ import annotations

from fractions import Fraction

# (level times ten, macroblocks per second, macroblocks per frame, kb/s of the High profile)
_H264 = (
    (10, 1_485, 99, 80),
    (11, 3_000, 396, 240),
    (12, 6_000, 396, 480),
    (13, 11_880, 396, 960),
    (20, 11_880, 396, 2_500),
    (21, 19_800, 792, 5_000),
    (22, 20_250, 1_620, 5_000),
    (30, 40_500, 1_620, 12_500),
    (31, 108_000, 3_600, 17_500),
    (32, 216_000, 5_120, 25_000),
    (40, 245_760, 8_192, 25_000),
    (41, 245_760, 8_192, 62_500),
    (42, 522_240, 8_704, 62_500),
    (50, 589_824, 22_080, 168_750),
    (51, 983_040, 36_864, 300_000),
    (52, 2_073_600, 36_864, 300_000),
    (60, 4_177_920, 139_264, 300_000),
    (61, 8_355_840, 139_264, 600_000),
    (62, 16_711_680, 139_264, 1_000_000),
)
# (level times ten, luma samples per frame, luma samples per second, kb/s)
_HEVC = (
    (10, 36_864, 552_960, 128),
    (20, 122_880, 3_686_400, 1_500),
    (21, 245_760, 7_372_800, 3_000),
    (30, 552_960, 16_588_800, 6_000),
    (31, 983_040, 33_177_600, 10_000),
    (40, 2_228_224, 66_846_720, 12_000),
    (41, 2_228_224, 133_693_440, 20_000),
    (50, 8_912_896, 267_386_880, 25_000),
    (51, 8_912_896, 534_773_760, 40_000),
    (52, 8_912_896, 1_069_547_520, 60_000),
    (60, 35_651_584, 1_069_547_520, 60_000),
    (61, 35_651_584, 2_139_095_040, 120_000),
    (62, 35_651_584, 4_278_190_080, 240_000),
)
# (number in the bitstream, samples per frame, samples per second, Mb/s)
_AV1 = (
    (0, 147_456, 4_423_680, 1.5),
    (1, 278_784, 8_363_520, 3),
    (4, 665_856, 19_975_680, 6),
    (5, 1_065_024, 31_950_720, 10),
    (8, 2_359_296, 70_778_880, 12),
    (9, 2_359_296, 141_557_760, 20),
    (12, 8_912_896, 267_386_880, 30),
    (13, 8_912_896, 534_773_760, 40),
    (14, 8_912_896, 1_069_547_520, 60),
    (16, 35_651_584, 1_069_547_520, 60),
    (17, 35_651_584, 2_139_095_040, 100),
    (18, 35_651_584, 4_278_190_080, 160),
)


def h264_level(width: int, height: int, rate: Fraction, bits_per_second: int) -> int:
    """Ten times the least level for such pictures, where the buffer holds one second."""
    blocks = -(-width // 16) * -(-height // 16)
    for level, per_second, per_frame, kilobits in _H264:
        if blocks <= per_frame and blocks * rate <= per_second and bits_per_second <= kilobits * 1000:
            return level
    return _H264[-1][0]


def hevc_level(width: int, height: int, rate: Fraction, bits_per_second: int) -> int:
    """As `h264_level`."""
    return _least(_HEVC, width, height, rate, bits_per_second / 1000)


def av1_level(width: int, height: int, rate: Fraction, bits_per_second: int) -> int:
    """The number of the least level as the bitstream has it: 8 is level 4.0."""
    return _least(_AV1, width, height, rate, bits_per_second / 1_000_000)


def _least(table: tuple[tuple[int, int, int, float], ...], width: int, height: int, rate: Fraction, bits: float) -> int:
    samples = width * height
    for level, per_frame, per_second, most_bits in table:
        if samples <= per_frame and samples * rate <= per_second and bits <= most_bits:
            return level
    return table[-1][0]


def announced_codec(
    codec: str, width: int, height: int, rate: Fraction, bits_per_second: int, *, ten_bits: bool
) -> str:
    """The RFC 6381 string of what is going to be encoded."""
    size = (width, height, rate, bits_per_second)
    match codec:
        case "hevc":
            profile = "2.4" if ten_bits else "1.6"
            return f"hvc1.{profile}.L{hevc_level(*size) * 3}.90"
        case "av1":
            return f"av01.0.{av1_level(*size):02d}M.{10 if ten_bits else 8:02d}"
    return f"avc1.6400{h264_level(*size):02x}"
