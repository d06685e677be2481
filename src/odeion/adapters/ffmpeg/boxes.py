"""The boxes of ISO base media files (ISO/IEC 14496-12): walking them and making them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """Offsets into the bytes it was found in: `start` of the header, `body` after it, `end` after the box."""

    kind: bytes
    start: int
    body: int
    end: int


def boxes(data: bytes | bytearray | memoryview, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The complete boxes between two offsets. Raises ValueError where a size cannot be right."""
    limit = len(data) if end is None else end
    while start + 8 <= limit:
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1 and start + 16 <= limit:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            header = 16
        elif size == 0:
            size = limit - start
        if size < header:
            raise ValueError(f"a box of {size} bytes")
        if start + size > limit:
            return
        yield Box(kind, start, start + header, start + size)
        start += size


def find(data: bytes | bytearray | memoryview, *path: bytes, within: Box | None = None) -> Box | None:
    """The first box at a path of kinds."""
    start, end = (within.body, within.end) if within else (0, len(data))
    for box in boxes(data, start, end):
        if box.kind == path[0]:
            found = box if len(path) == 1 else find(data, *path[1:], within=box)
            if found is not None:
                return found
    return None


def box(kind: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)
