"""Where renditions are cut, and the times of what is in them.

Times in `ticks` count from the file's start in the rendition's timescale; `raw` ones are the container's.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

_TARGET_S = 6
# Playing begins, and the first bandwidth is measured, with the first segments: shorter ones come sooner.
_FIRST_TARGETS_S = (2, 4)
_AUDIO_TARGET_S = 6
# One for all video, copied or converted: hls.js measures a film's beginning anew when a rung has another one than the
# rung before, and leaves a hole of a few pictures at the switch.
VIDEO_TIMESCALE = 90_000
# Matroska's times are rounded to a millisecond, so the reordering seen in them may be one too small at both ends.
_ROUNDING_SLACK_S = Fraction(2, 1000)
_AUDIO_TOLERANCE_S = Fraction(3, 1000)
# An index that ends this long before the file does is a partial one; also one that ends sooner, but for longer than
# its keyframes lie apart.
_INDEX_LACK_S, _SUSPECT_LACK_S = 60, 12
REORDER_PROBE_PACKETS = 150
LEADING_PICTURES = 32
_FRAME_SIZES = (120, 240, 256, 480, 512, 576, 768, 960, 1024, 1152, 1536, 1920, 2048, 2304, 2880, 4096, 4608)


class Scale:
    """Turns a container's raw times into ticks from the file's start."""

    def __init__(self, time_base: Fraction, timescale: int, origin_s: Fraction) -> None:
        factor = time_base * timescale
        self._numerator, self._denominator = factor.numerator, factor.denominator
        self._origin = round(origin_s * timescale)
        self.origin_s = origin_s

    def ticks(self, raw: int) -> int:
        return (2 * raw * self._numerator + self._denominator) // (2 * self._denominator) - self._origin


def choose_cuts(starts: Sequence[Fraction], duration_s: Fraction) -> list[int]:
    """Positions of the keyframes segments begin with: short segments first, then about 6 s. The tail is not shorter
    than a second where that can be helped."""
    chosen = [0]
    for position in range(1, len(starts)):
        wanted = _FIRST_TARGETS_S[len(chosen) - 1] if len(chosen) <= len(_FIRST_TARGETS_S) else _TARGET_S
        since = starts[position] - (starts[chosen[-1]] if len(chosen) > 1 else 0)
        if since >= wanted and duration_s - starts[position] >= 1:
            chosen.append(position)
    return chosen


def covers(keyframes: Sequence[int], time_base: Fraction, end_s: Fraction) -> bool:
    """Whether an index, by the raw times of its keyframes, is of the whole file: it does not say when it is not."""
    if not keyframes:
        return False
    lack_s = end_s - keyframes[-1] * time_base
    apart = max((after - before for before, after in itertools.pairwise(keyframes)), default=0)
    return lack_s <= _SUSPECT_LACK_S or (lack_s <= _INDEX_LACK_S and lack_s <= 2 * apart * time_base)


def reordering(shown: Sequence[int]) -> int:
    """The least delay with which no picture is shown before it is decoded, raw. The tail of a stretch cut anywhere
    lacks pictures, so it does not count."""
    whole = shown[: max(len(shown) - 20, 1)] if len(shown) == REORDER_PROBE_PACKETS else shown
    return max((at - time for time, at in zip(whole, sorted(whole), strict=True)), default=0)


def reorder_delay(reorder: int, scale: Scale, timescale: int) -> int:
    """By how much Matroska's times of decoding lie before the sorted ones of showing, in ticks."""
    return scale.ticks(reorder) - scale.ticks(0) + round(_ROUNDING_SLACK_S * timescale) if reorder else 0


def usual_step(times: Sequence[int]) -> int:
    return max(round(statistics.median(b - a for a, b in itertools.pairwise(times))), 1) if len(times) > 1 else 1


def is_heard(ticks: int, timescale: int) -> bool:
    """What begins before the file does primes the decoder and is not meant to be heard."""
    return 2000 * ticks >= -timescale


def likely_frame(measured: float) -> int:
    """The size of a frame of sound in samples, from the measured one."""
    nearest = min(_FRAME_SIZES, key=lambda size: abs(size - measured))
    return nearest if abs(nearest - measured) < nearest / 50 else max(round(measured), 1)


@dataclass(frozen=True, slots=True)
class AudioGrid:
    """How an audio stream is cut: frame n of the grid begins at `first + n * frame`, in ticks; segments are of
    `frames_per_segment`, and there are `frames` in all."""

    timescale: int
    first: int
    frame: int
    frames: int
    frames_per_segment: int

    @classmethod
    def until(cls, timescale: int, first: int, frame: int, last: int) -> AudioGrid:
        """With the frame that begins at `last`, in ticks, as its last one."""
        frames = max((2 * (last - first) + frame) // (2 * frame) + 1, 1)
        return cls(timescale, first, frame, frames, max(round(_AUDIO_TARGET_S * timescale / frame), 1))

    @property
    def segments(self) -> int:
        return -(-self.frames // self.frames_per_segment)

    @property
    def starts(self) -> tuple[int, ...]:
        """Of the segments, in ticks."""
        return (0, *(self.first + n * self.frames_per_segment * self.frame for n in range(1, self.segments)))

    @property
    def end(self) -> int:
        return self.first + self.frames * self.frame

    def frame_of(self, ticks: int) -> int:
        return (2 * (ticks - self.first) + self.frame) // (2 * self.frame)

    def segment_of(self, ticks: int) -> int:
        return min(max(self.frame_of(ticks) // self.frames_per_segment, 0), self.segments - 1)

    def on_grid(self, ticks: int) -> int:
        """The time of the grid where it is near, else the time itself."""
        near = self.first + self.frame_of(ticks) * self.frame
        return near if abs(near - ticks) <= _AUDIO_TOLERANCE_S * self.timescale else ticks

    def durations(self, number: int, ticks: Sequence[int], following: int | None) -> tuple[int, list[int]]:
        """When a segment begins and how long its frames last, from when they begin and the next segment does. The first
        frame of all is put at 0 where it is that by a container's rounding: browsers may wait at the hole."""
        times = [max(self.on_grid(time), 0) for time in ticks]
        if number == 0 and times and times[0] <= _AUDIO_TOLERANCE_S * self.timescale:
            times[0] = 0
        end = self.on_grid(following) if following is not None else (times[-1] if times else 0) + self.frame
        for position in range(1, len(times)):
            times[position] = max(times[position], times[position - 1] + 1)
        ends = [*times[1:], max(end, times[-1] + 1)] if times else []
        opening = times[0] if times else self.first + number * self.frames_per_segment * self.frame
        return opening, [after - before for before, after in zip(times, ends, strict=True)]
