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
    @pytest.mark.parametrize("late", [0, 16, AAC - 1])
    def test_is_at_0_where_it_is_late_by_less_than_a_frame(self, late: int) -> None:
        ticks = [late + n * AAC for n in range(4)]
        assert begins(grid(late), 0, ticks, late + 4 * AAC) == [0, *ticks[1:], late + 4 * AAC]

    def test_stays_where_there_is_no_sound_for_a_frame_and_longer(self) -> None:
        ticks = [AAC + n * AAC for n in range(4)]
        assert begins(grid(AAC), 0, ticks, None) == [*ticks, 5 * AAC]

    @pytest.mark.parametrize(("late_ms", "opening_ms"), [(39, 0), (41, 41)])
    def test_is_moved_by_no_more_than_is_borne(self, late_ms: int, opening_ms: int) -> None:
        frame = 4608
        ticks = [late_ms * HZ // 1000 + n * frame for n in range(3)]
        assert begins(grid(ticks[0], frame), 0, ticks, None)[0] == opening_ms * HZ // 1000

    def test_is_that_of_the_first_segment_only(self) -> None:
        late = grid(16)
        ticks = [late.first + late.frames_per_segment * AAC + n * AAC for n in range(3)]
        assert begins(late, 1, ticks, None) == [*ticks, ticks[-1] + AAC]
