"""Where H.264 is cut, and what is left out of it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest

from odeion.adapters.ffmpeg.h264_groups import Cuts, Opening, choose_entries, read_opening, without
from odeion.adapters.ffmpeg.window import Damaged
from odeion.domain.media_file import GroupsOfPictures

IDR, SLICE = b"\x65idr", b"\x41slice"
DELIMITER, PARAMETERS = b"\x09\xf0", b"\x67\x64\x00"
RECOVERY = bytes.fromhex("060601c480")
# A buffering period and the recovery point; a recovery point and captions.
WITH_PERIOD, WITH_CAPTIONS = bytes.fromhex("06 000180 0601c4 80"), bytes.fromhex("06 0601c4 0403b50031 80")
CAPTIONS = bytes.fromhex("060403b5003180")


def frame(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def opening(*units: bytes) -> Opening:
    data = frame(*units)
    return read_opening(lambda at, length: data[at : at + length], len(data), 4)


class TestOpenings:
    def test_of_closed_groups_are_idr_pictures(self) -> None:
        assert opening(DELIMITER, PARAMETERS, IDR) == Opening(is_idr=True)

    @pytest.mark.parametrize("message", [RECOVERY, WITH_PERIOD])
    def test_of_open_groups_tell_a_recovery_point(self, message: bytes) -> None:
        found = opening(DELIMITER, message, SLICE)
        assert found == Opening(is_idr=False, recovery=(6, 4 + len(message)))

    def test_other_messages_are_kept(self) -> None:
        assert opening(CAPTIONS, SLICE) == Opening(is_idr=False)
        assert opening(CAPTIONS, RECOVERY, SLICE).recovery == (4 + len(CAPTIONS), 9)
        assert opening(WITH_CAPTIONS, SLICE).bound

    def test_that_cannot_be_read_are_left_as_they_are(self) -> None:
        assert opening(DELIMITER) == Opening(is_idr=False, bound=True)
        assert opening() == Opening(is_idr=False, bound=True)
        data = frame(RECOVERY)[:-2]
        assert read_opening(lambda at, length: data[at : at + length], len(data), 4).bound


class TestCuts:
    def cuts(self, openings: Sequence[Opening]) -> Cuts:
        """Of keyframes a second apart."""
        starts = [Fraction(n) for n in range(len(openings))]
        return choose_entries(starts, Fraction(len(openings)), lambda position: openings[position])

    def every(self, distance: int, count: int, between: Opening) -> list[Opening]:
        return [Opening(is_idr=True) if n % distance == 0 else between for n in range(count)]

    def test_of_closed_groups_are_as_usual(self) -> None:
        assert self.cuts(self.every(1, 20, Opening(True))) == Cuts([0, 2, 6, 12, 18], GroupsOfPictures.CLOSED, {})

    def test_are_at_idr_pictures_where_there_are_enough(self) -> None:
        found = self.cuts(self.every(5, 20, Opening(False, (6, 9))))
        assert (found.chosen, found.groups) == ([0, 5, 10], GroupsOfPictures.MIXED)
        assert found.left_out == {n: (6, 9) for n in range(20) if n % 5}

    @pytest.mark.parametrize(
        "openings",
        [
            [Opening(True), *[Opening(False, (6, 9))] * 40],
            [Opening(False, (6, 9)), *[Opening(True)] * 20],
            [Opening(True), Opening(False, (6, 9), bound=True), *[Opening(True)] * 20],
        ],
        ids=["too few", "none at the start", "what must not be left out"],
    )
    def test_are_as_usual_where_it_does_not_help(self, openings: list[Opening]) -> None:
        found = self.cuts(openings)
        assert (found.groups, found.left_out) == (GroupsOfPictures.OPEN, {})
        assert found.chosen[:3] == [0, 2, 6]

    def test_keyframes_far_behind_are_taken_for_like_the_others(self) -> None:
        asked: list[int] = []

        def look(position: int) -> Opening:
            asked.append(position)
            return Opening(True)

        choose_entries([Fraction(n, 2) for n in range(4000)], Fraction(2000), look)
        assert len(asked) < 400


class TestWhatIsLeft:
    def test_of_a_frame_is_what_is_around(self) -> None:
        assert without((100, 50), None) == [(100, 50)]
        assert without((100, 50), (110, 5)) == [(100, 10), (115, 35)]
        assert without((100, 50), (100, 5)) == [(105, 45)]

    @pytest.mark.parametrize("hole", [(99, 5), (148, 5), (110, -5), (200, 1)])
    def test_nothing_beyond_it_is_left_out(self, hole: tuple[int, int]) -> None:
        with pytest.raises(Damaged):
            without((100, 50), hole)
