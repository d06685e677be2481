"""Bounded reading of an open file: nothing outside of it is ever asked for, and no size read from it is believed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

_PIECE_BYTES = 4 << 20
_WHOLE_BYTES = 32 << 20


Buffer = bytes | memoryview


class Damaged(Exception):
    """What was read cannot be right."""


class Window:
    """Reads a file through a stretch of it that is held in memory. For one thread at a time. Raises Damaged beyond the
    file's end, OSError where it cannot be read."""

    def __init__(self, descriptor: int, chunk_bytes: int = 64 << 10) -> None:
        """`chunk_bytes`: how much is read where less is asked for."""
        self._descriptor = descriptor
        self._chunk_bytes = chunk_bytes
        self.size = os.fstat(descriptor).st_size
        self.base = 0
        self.data = b""

    def hold(self, start: int, end: int) -> None:
        """Read a stretch at once, unless it is too large to be held."""
        if end - start <= _WHOLE_BYTES:
            self._fill(start, end - start)

    def look(self, offset: int, length: int) -> int:
        """Have `length` bytes at `offset`, fewer at the end of the file, in `data`; answers where they begin there."""
        at = offset - self.base
        if at < 0 or at + length > len(self.data):
            self._fill(offset, max(length, self._chunk_bytes))
            at = 0
        return at

    def read(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise Damaged("a part of the file is said to lie outside of it")
        at = self.look(offset, length)
        found = self.data[at : at + length]
        if len(found) < length:
            raise Damaged("the file ends early")
        return found

    def view(self, offset: int, length: int) -> Buffer:
        """As `read`, without copying what is held and without holding what is not."""
        at = offset - self.base
        if at >= 0 and at + length <= len(self.data):
            return memoryview(self.data)[at : at + length]
        if offset < 0 or length < 0 or offset + length > self.size:
            raise Damaged("a part of the file is said to lie outside of it")
        found = os.pread(self._descriptor, length, offset)
        if len(found) < length:
            raise Damaged("the file ends early")
        return found

    def some(self, offset: int, length: int) -> bytes:
        """What there is from a place on, at most `length` bytes, without holding it."""
        return os.pread(self._descriptor, length, offset)

    def _fill(self, offset: int, length: int) -> None:
        if not 0 <= offset <= self.size:
            raise Damaged("a part of the file is said to lie outside of it")
        self.base, self.data = offset, os.pread(self._descriptor, min(length, self.size - offset), offset)


Extent = tuple[int, int]
"""Where bytes lie in a file, and how many."""

Part = Extent | bytes
"""What lies in a file, or what is put between."""


def pieces(window: Window, header: bytes, parts: Iterable[Part], prefix: bytes = b"") -> Iterator[Buffer]:
    """`header` and `parts`, of which what lies in the file comes after `prefix`; a few megabytes of the file are held
    at a time."""
    yield header
    group: list[Extent] = []
    group_bytes = 0
    for part in parts if prefix else _split(parts):
        if isinstance(part, bytes):
            yield from _views(window, group, prefix)
            group, group_bytes = [], 0
            yield part
            continue
        group.append(part)
        group_bytes += part[1]
        if group_bytes >= _PIECE_BYTES:
            yield from _views(window, group, prefix)
            group, group_bytes = [], 0
    yield from _views(window, group, prefix)


def _split(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, bytes):
            yield part
            continue
        offset, length = part
        while length > 2 * _PIECE_BYTES:
            yield offset, _PIECE_BYTES
            offset, length = offset + _PIECE_BYTES, length - _PIECE_BYTES
        yield offset, length


def _views(window: Window, group: list[Extent], prefix: bytes) -> Iterator[Buffer]:
    if len(group) > 1:
        start, end = min(offset for offset, _ in group), max(offset + length for offset, length in group)
        wanted = sum(length for _, length in group)
        # What lies between is read along where that is not much: one call is cheaper than many.
        if end - start <= 2 * wanted:
            at = start - window.base
            if not (at >= 0 and at + end - start <= len(window.data)):
                window.hold(start, end)
    for offset, length in group:
        if prefix:
            yield prefix
        yield window.view(offset, length)
