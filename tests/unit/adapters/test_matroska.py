"""Blocks are found the same in the quick way as in the general one."""

from __future__ import annotations

import os
import random
from collections.abc import Generator
from pathlib import Path

import pytest

from odeion.adapters.ffmpeg import matroska
from odeion.adapters.ffmpeg.matroska import Frame, frames
from odeion.adapters.ffmpeg.window import Window

CLUSTER, TIMESTAMP, SIMPLE_BLOCK, VOID = "1f43b675", "e7", "a3", "ec"


def sized(value: int, size_bytes: int) -> bytes:
    return (value | 1 << 7 * size_bytes).to_bytes(size_bytes, "big")


def element(kind: str, content: bytes, size_bytes: int = 0) -> bytes:
    size_bytes = size_bytes or next(count for count in range(1, 9) if len(content) < (1 << 7 * count) - 1)
    return bytes.fromhex(kind) + sized(len(content), size_bytes) + content


def block(draw: random.Random, track: int) -> bytes:
    number = sized(track, draw.choice([1, 1, 1, 2]) if track < 127 else 2)
    flags = draw.choice([0x80, 0, 0, 0x08])
    frame = draw.randbytes(draw.choice([0, 1, 50, 300, 20_000]))
    if draw.random() < 0.1:
        flags, frame = flags | 0x04, b"\x01" + frame[: len(frame) // 2 * 2]
    time = draw.randrange(-200, 30_000).to_bytes(2, "big", signed=True)
    size_bytes = draw.choice([0, 0, 0, 4, 8])
    return element(SIMPLE_BLOCK, number + time + bytes([flags]) + frame, size_bytes)


def film(seed: int) -> bytes:
    draw = random.Random(seed)  # noqa: S311
    film = b""
    for time in range(0, 20_000, 5000):
        blocks = b"".join(
            element(VOID, bytes(draw.randrange(20))) if draw.random() < 0.05 else block(draw, draw.choice([1, 2, 200]))
            for _ in range(40)
        )
        film += element(CLUSTER, element(TIMESTAMP, time.to_bytes(3, "big")) + blocks)
    damaged = bytearray(film)
    for _ in range(draw.choice([0, 0, 1, 8])):
        damaged[draw.randrange(len(damaged))] = draw.randrange(256)
    return bytes(damaged[: draw.choice([len(damaged), draw.randrange(len(damaged))])])


def general(
    window: Window, track: int, position: int, end: int, cluster: int, cluster_time: int
) -> Generator[Frame, None, int]:
    yield from ()
    return position


@pytest.mark.parametrize("track", [1, 2, 200])
@pytest.mark.parametrize("chunk_bytes", [64, 1 << 20])
def test_the_quick_way_finds_what_the_general_way_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, track: int, chunk_bytes: int
) -> None:
    found_in_all = 0
    for seed in range(60):
        path = tmp_path / f"{seed}.mkv"
        path.write_bytes(film(seed))
        descriptor = os.open(path, os.O_RDONLY)
        try:
            quick = list(frames(Window(descriptor, chunk_bytes), track, 0, 1 << 40))
            with monkeypatch.context() as patched:
                patched.setattr(matroska, "_plain_blocks", general)
                assert quick == list(frames(Window(descriptor, chunk_bytes), track, 0, 1 << 40)), seed
            found_in_all += len(quick)
        finally:
            os.close(descriptor)
    assert found_in_all > 1000
