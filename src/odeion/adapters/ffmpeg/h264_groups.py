"""Where a decoder may begin with H.264, and what to do where it may not everywhere.

An IDR picture closes what was before it. Another keyframe, of an open group of pictures, does not: pictures behind it
refer to what was before. Chromium begins there all the same where a recovery point is told, takes the references to
what it has not seen for damage, and stops. Where there are enough IDR pictures, segments begin with these, and the
recovery points between them are left out of what is copied: no player begins there then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from odeion.adapters.ffmpeg.timing import choose_cuts
from odeion.adapters.ffmpeg.window import Damaged, Extent
from odeion.domain.media_file import GroupsOfPictures

_SLICE, _IDR_SLICE, SEI = 1, 5, 6
_BUFFERING_PERIOD, _PICTURE_TIMING, RECOVERY_POINT = 0, 1, 6
# Nobody misses them who does not begin there; other messages (captions) are missed.
DISPENSABLE = frozenset((_BUFFERING_PERIOD, _PICTURE_TIMING, RECOVERY_POINT))
_SEI_LIMIT_BYTES = 64 << 10
_UNITS_IN_FRONT = 64
# Segments from one IDR picture to another are not longer than this.
_LONGEST_S = 15
# So many keyframes at the start are looked at, and all that segments begin with; where they are all IDR pictures the
# rest is taken for like them.
_LOOKED_AT = 32


@dataclass(frozen=True, slots=True)
class Opening:
    """How a keyframe begins. `recovery` is where in it a recovery point is told, counted from its start: a whole NAL
    unit with its length before it. `bound`: it is told together with what must not be left out, or was not found."""

    is_idr: bool
    recovery: Extent | None = None
    bound: bool = False


Reader = Callable[[int, int], bytes]
"""Gives so many bytes of a frame from an offset on. Raises Damaged."""


def read_opening(read: Reader, size: int, unit_length_bytes: int) -> Opening:
    """`size` is that of the frame, in bytes. Raises Damaged."""
    recovery: Extent | None = None
    bound = False
    at = 0
    for _ in range(_UNITS_IN_FRONT):
        begin = at + unit_length_bytes
        if begin >= size:
            break
        length = int.from_bytes(read(at, unit_length_bytes), "big")
        kind = read(begin, 1)[0] & 0x1F
        if kind in (_SLICE, _IDR_SLICE):
            return Opening(kind == _IDR_SLICE, recovery, bound)
        if kind == SEI:
            messages = message_kinds(read(begin + 1, min(max(length - 1, 0), size - begin - 1, _SEI_LIMIT_BYTES)))
            if RECOVERY_POINT in messages:
                whole = begin + length <= size
                bound = bound or recovery is not None or not messages <= DISPENSABLE or not whole
                recovery = at, unit_length_bytes + length
        at = begin + length
    return Opening(is_idr=False, bound=True)


def message_kinds(data: bytes) -> set[int]:
    """The kinds of the messages of an SEI unit, whose bytes after its header these are."""
    data = data.replace(b"\0\0\3", b"\0\0")
    found: set[int] = set()
    at = 0
    # The last byte only fills up.
    while at + 1 < len(data):
        numbers = []
        for _ in range(2):
            number = 0
            while at < len(data) and data[at] == 0xFF:
                number, at = number + 0xFF, at + 1
            numbers.append(number + (data[at] if at < len(data) else 0))
            at += 1
        found.add(numbers[0])
        at += numbers[1]
    return found


@dataclass(frozen=True, slots=True)
class Cuts:
    """Positions of the keyframes segments begin with, and by position what is left out of others."""

    chosen: list[int]
    groups: GroupsOfPictures
    left_out: dict[int, Extent]


def choose_entries(starts: Sequence[Fraction], duration_s: Fraction, opening: Callable[[int], Opening]) -> Cuts:
    """Where to cut, from when keyframes are shown and how they begin (of the one at a position)."""
    usual = choose_cuts(starts, duration_s)
    looked_at = sorted({*usual, *range(min(_LOOKED_AT, len(starts)))})
    if all(opening(position).is_idr for position in looked_at):
        return Cuts(usual, GroupsOfPictures.CLOSED, {})
    as_they_are = Cuts(usual, GroupsOfPictures.OPEN, {})
    if not opening(0).is_idr:
        return as_they_are
    closed, left_out = [0], {}
    for position in range(1, len(starts)):
        found = opening(position)
        if found.is_idr:
            closed.append(position)
        elif found.bound:
            return as_they_are
        elif found.recovery:
            left_out[position] = found.recovery
        if starts[position] - starts[closed[-1]] > _LONGEST_S:
            return as_they_are
    if duration_s - starts[closed[-1]] > _LONGEST_S:
        return as_they_are
    chosen = [closed[n] for n in choose_cuts([starts[position] for position in closed], duration_s)]
    return Cuts(chosen, GroupsOfPictures.MIXED, left_out)


def without(frame: Extent, hole: Extent | None) -> list[Extent]:
    """What is left of a frame's bytes. Raises Damaged where the hole is not within."""
    if hole is None:
        return [frame]
    (start, size), (begin, length) = frame, hole
    end = begin + length
    if not start <= begin <= end <= start + size:
        raise Damaged("what is left out lies elsewhere")
    return [(at, count) for at, count in ((start, begin - start), (end, start + size - end)) if count]
