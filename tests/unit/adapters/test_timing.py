from __future__ import annotations

import itertools

import pytest

from odeion.adapters.ffmpeg.timing import AudioGrid

AAC = 1024
HZ = 48_000


def grid(first: int, frame: int = AAC) -> AudioGrid:
    return AudioGrid.until(HZ, first, frame, first + 999 * frame)


def begins(grid: AudioGrid, number: int, ticks: list[int], following: int | None) -> list[int]:
    """When the frames of a segment begin, and the last one ends."""
    opening, durations = grid.durations(number, ticks, following)
    return list(itertools.accumulate(durations, initial=opening))


class TestTheOpeningOfSound:
    @pytest.mark.parametrize(("late", "opening"), [(0, 0), (16, 0), (144, 0), (145, 145), (AAC, AAC)])
    def test_is_at_0_where_it_is_late_by_a_rounding(self, late: int, opening: int) -> None:
        ticks = [late + n * AAC for n in range(4)]
        assert begins(grid(late), 0, ticks, late + 4 * AAC) == [opening, *ticks[1:], late + 4 * AAC]

    def test_is_that_of_the_first_segment_only(self) -> None:
        late = grid(16)
        ticks = [late.first + late.frames_per_segment * AAC + n * AAC for n in range(3)]
        assert begins(late, 1, ticks, None) == [*ticks, ticks[-1] + AAC]
