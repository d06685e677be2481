"""Where renditions are cut, and the times of what is in them.

Times in `ticks` count from the file's start in the rendition's timescale; `raw` ones are the container's.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from pydantic import Base64Bytes

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


Found = TypeVar("Found")


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


def usual_frame(steps: Sequence[float]) -> int:
    """How long a frame of sound lasts, by how far frames lie apart: holes between them do not count."""
    typical = statistics.median(steps)
    return likely_frame(statistics.mean(step for step in steps if step <= 1.5 * typical))


@dataclass(frozen=True, slots=True)
class Silence:
    """What is put where a file has no sound: a frame of it, where at least so many are missing."""

    data: Base64Bytes
    least: int


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """When a segment of sound begins and how long its frames last, in ticks; which of them are silence, put where the
    file has none."""

    opening: int
    durations: list[int]
    silent: list[bool]

    def with_silence(self, found: Iterable[Found], silence: Silence | None) -> list[Found | bytes]:
        """What was found, with what stands for it where nothing was."""
        if silence is None:
            return list(found)
        rest = iter(found)
        return [silence.data if silent else next(rest) for silent in self.silent]


@dataclass(frozen=True, slots=True)
class AudioGrid:
    """How an audio stream is cut: frame n of the grid begins at `first + n * frame`, in ticks; segments are of
    `frames_per_segment`, and there are `frames` in all. Where frames are missing there is `silence`: Chromium plays
    what comes behind a hole as if there were none, and no browser begins before there is sound."""

    timescale: int
    first: int
    frame: int
    frames: int
    frames_per_segment: int
    silence: Silence | None = None

    @classmethod
    def until(cls, timescale: int, first: int, frame: int, last: int, silence: Silence | None) -> AudioGrid:
        """With the frames that begin at `first` and `last`, in ticks. With silence, it begins where the file does."""
        if silence is not None and first >= silence.least * frame:
            first %= frame
        frames = max((2 * (last - first) + frame) // (2 * frame) + 1, 1)
        return cls(timescale, first, frame, frames, max(round(_AUDIO_TARGET_S * timescale / frame), 1), silence)

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

    def times(self, number: int, ticks: Sequence[int], following: int | None) -> FrameTimes:
        """Of a segment, from when its frames begin and the next one's do; that is None where none was found. The first
        frame of all is put at 0 where it is that by a container's rounding: browsers may wait at the hole. Raises
        ValueError for times that no segment has."""
        begin = self.first + number * self.frames_per_segment * self.frame
        begins = [max(self.on_grid(time), 0) for time in ticks]
        if number == 0 and begins and begins[0] <= _AUDIO_TOLERANCE_S * self.timescale:
            begins[0] = 0
        for position in range(1, len(begins)):
            begins[position] = max(begins[position], begins[position - 1] + 1)
        end = self.on_grid(following) if following is not None else None
        behind = begin + self.frames_per_segment * self.frame
        if self.silence and number + 1 < self.segments and (end is None or self._missing(behind, end)):
            # A hole goes on in the next segment, which begins with silence then.
            end = behind
        times: list[int] = []
        silent: list[bool] = []
        for time in begins if end is None else [*begins, end]:
            at = times[-1] + self.frame if times else begin
            missing = self._missing(at, time)
            if missing > self.frames_per_segment:
                raise ValueError("sound that lies too far apart for one segment")
            times += [*range(at, at + missing * self.frame, self.frame), time]
            silent += [True] * missing + [False]
        if end is None:
            times.append(times[-1] + self.frame if times else begin)
        else:
            silent.pop()
            times[-1] = max(times[-1], times[-2] + 1 if len(times) > 1 else begin)
        if self.silence and number == 0:
            # Players jump over what is missing before the first frame, and with it over pictures.
            if 2 * times[0] >= self.frame:
                times.insert(0, 0)
                silent.insert(0, True)
            elif silent and silent[0]:
                times[0] = 0
        return FrameTimes(times[0], [after - before for before, after in itertools.pairwise(times)], silent)

    def _missing(self, at: int, until: int) -> int:
        """How many frames are missing between two times, of which the last may be a little short."""
        if self.silence is None:
            return 0
        missing = (4 * (until - at) + self.frame) // (4 * self.frame)
        return missing if missing >= self.silence.least else 0
