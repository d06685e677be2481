from __future__ import annotations

import itertools

import pytest

from odeion.adapters.ffmpeg.timing import AudioGrid, Silence, usual_frame

AAC = 1024
HZ = 48_000


def grid(first: int, frame: int = AAC, silence: Silence | None = None) -> AudioGrid:
    return AudioGrid.until(HZ, first, frame, first + 999 * frame, silence)


def begins(grid: AudioGrid, number: int, ticks: list[int], following: int | None) -> list[int]:
    """When the frames of a segment begin, and the last one ends."""
    times = grid.times(number, ticks, following)
    assert len(times.silent) == len(times.durations)
    return list(itertools.accumulate(times.durations, initial=times.opening))


class TestTheOpeningOfSound:
    @pytest.mark.parametrize(("late", "opening"), [(0, 0), (16, 0), (144, 0), (145, 145), (AAC, AAC)])
    def test_is_at_0_where_it_is_late_by_a_rounding(self, late: int, opening: int) -> None:
        ticks = [late + n * AAC for n in range(4)]
        assert begins(grid(late), 0, ticks, late + 4 * AAC) == [opening, *ticks[1:], late + 4 * AAC]

    def test_is_that_of_the_first_segment_only(self) -> None:
        late = grid(16)
        ticks = [late.first + late.frames_per_segment * AAC + n * AAC for n in range(3)]
        assert begins(late, 1, ticks, None) == [*ticks, ticks[-1] + AAC]


class TestHoles:
    SILENCE = Silence(b"hush", 1)

    def test_are_filled_where_frames_are_missing(self) -> None:
        filled = grid(0, silence=self.SILENCE).times(0, [0, AAC, 4 * AAC, 5 * AAC], 6 * AAC)
        assert (filled.opening, filled.durations) == (0, [AAC] * 6)
        assert filled.silent == [False, False, True, True, False, False]
        assert filled.with_silence("abcd", self.SILENCE) == ["a", "b", b"hush", b"hush", "c", "d"]

    def test_stay_where_there_is_no_silence(self) -> None:
        assert begins(grid(0), 0, [0, AAC, 4 * AAC], 5 * AAC) == [0, AAC, 4 * AAC, 5 * AAC]

    def test_of_less_than_a_frame_lengthen_the_one_before(self) -> None:
        late = AAC + 700
        assert begins(grid(0, silence=self.SILENCE), 0, [0, late], late + AAC) == [0, late, late + AAC]

    def test_shorter_than_a_packet_may_be_are_none(self) -> None:
        patient = grid(0, 960, Silence(b"hush", 7))
        assert patient.times(0, [0, 6 * 960, 7 * 960], 8 * 960).silent == [False] * 3
        assert patient.times(0, [0, 8 * 960], 9 * 960).silent == [False, *[True] * 7, False]

    @pytest.mark.parametrize(
        ("late", "silent"),
        [
            (2 * AAC + 200, [0, AAC + 200]),
            (2 * AAC + 800, [0, 800, AAC + 800]),
            (800, [0]),
            (AAC, [0]),
            (AAC + 511, [0]),
        ],
    )
    def test_at_the_start_begin_with_the_file(self, late: int, silent: list[int]) -> None:
        whole = grid(late, silence=self.SILENCE)
        ticks = [late, late + AAC]
        assert begins(whole, 0, ticks, late + 2 * AAC) == [*silent, *ticks, late + 2 * AAC]
        assert whole.times(0, ticks, late + 2 * AAC).silent == [True] * len(silent) + [False, False]

    def test_at_the_start_are_none_where_they_are_of_less_than_half_a_frame(self) -> None:
        late = grid(400, silence=self.SILENCE)
        assert begins(late, 0, [400, 400 + AAC], 400 + 2 * AAC) == [400, 400 + AAC, 400 + 2 * AAC]

    @pytest.mark.parametrize("off", [-300, 0, 500])
    def test_over_a_border_are_filled_by_both_segments(self, off: int) -> None:
        """Each knows only its own frames, and the first one behind them."""
        whole = grid(0, silence=self.SILENCE)
        border = whole.frames_per_segment * AAC
        before = [n * AAC for n in range(whole.frames_per_segment - 3)]
        behind = border + 10 * AAC + off
        first = begins(whole, 0, before, behind)
        second = begins(whole, 1, [behind, behind + AAC], behind + 2 * AAC)
        assert first[-1] == second[0] == border
        assert first[:-1] == [n * AAC for n in range(whole.frames_per_segment)]
        steps = [after - before for before, after in itertools.pairwise(second)]
        assert set(steps[:8] + steps[-2:]) == {AAC}
        assert behind in second

    @pytest.mark.parametrize("late", [0, 144, 145, 700, 800, AAC, AAC + 200])
    def test_behind_a_border_are_none_for_either_segment_or_one_for_both(self, late: int) -> None:
        whole = grid(0, silence=self.SILENCE)
        border = whole.frames_per_segment * AAC
        before = [n * AAC for n in range(whole.frames_per_segment)]
        first = begins(whole, 0, before, border + late)
        second = begins(whole, 1, [border + late], border + late + AAC)
        assert first[-1] == second[0]

    def test_may_last_for_segments(self) -> None:
        whole = grid(0, silence=self.SILENCE)
        count, begin = whole.frames_per_segment, whole.frames_per_segment * AAC
        for following in (None, 5 * begin):
            empty = whole.times(1, [], following)
            assert (empty.opening, empty.durations, empty.silent) == (begin, [AAC] * count, [True] * count)

    def test_that_nobody_could_send_are_refused(self) -> None:
        """Damaged times of what is found behind the end."""
        whole = grid(0, silence=self.SILENCE)
        number = whole.segments - 1
        with pytest.raises(ValueError, match="too far apart"):
            whole.times(number, [number * whole.frames_per_segment * AAC, 1 << 40], None)

    def test_at_the_end_are_the_end(self) -> None:
        whole = grid(0, silence=self.SILENCE)
        number = whole.segments - 1
        begin = number * whole.frames_per_segment * AAC
        assert begins(whole, number, [begin], None) == [begin, begin + AAC]


class TestTheUsualFrame:
    def test_is_what_most_are(self) -> None:
        # Matroska rounds to milliseconds, and some frames are missing.
        steps = [1008, 1056, 1008, 1008, 1056, 1008, 1008, 1056, 24_000, 1008, 1056, 1008]
        assert usual_frame(steps) == AAC
