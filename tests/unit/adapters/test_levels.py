"""What is announced before anything is encoded."""

from __future__ import annotations

from fractions import Fraction

import pytest

from odeion.adapters.ffmpeg.levels import announced_codec, av1_level, h264_level, hevc_level

FILM, SPORT = Fraction(24000, 1001), Fraction(60)


@pytest.mark.parametrize(
    ("width", "height", "rate", "bits", "level"),
    [
        (640, 360, FILM, 600_000, 30),
        (1280, 720, FILM, 2_000_000, 31),
        (1920, 1080, FILM, 8_000_000, 40),
        (1920, 1080, SPORT, 8_000_000, 42),
        (3840, 2160, FILM, 20_000_000, 51),
        (3840, 2160, SPORT, 20_000_000, 52),
        (160, 90, FILM, 8_000_000, 30),
    ],
)
def test_levels_of_h264(width: int, height: int, rate: Fraction, bits: int, level: int) -> None:
    assert h264_level(width, height, rate, bits) == level


def test_levels_of_hevc_and_av1() -> None:
    assert hevc_level(1920, 1080, FILM, 4_800_000) == 40
    assert hevc_level(3840, 2160, SPORT, 12_000_000) == 51
    assert av1_level(1920, 1080, FILM, 4_000_000) == 8
    assert av1_level(3840, 2160, FILM, 10_000_000) == 12


def test_strings() -> None:
    size = (1920, 1080, FILM, 4_000_000)
    assert announced_codec("h264", *size, ten_bits=False) == "avc1.640028"
    assert announced_codec("hevc", *size, ten_bits=False) == "hvc1.1.6.L120.90"
    assert announced_codec("hevc", *size, ten_bits=True) == "hvc1.2.4.L120.90"
    assert announced_codec("av1", *size, ten_bits=True) == "av01.0.08M.10"
