"""How far somebody is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from odeion.domain.catalog import MediaRef, PlayableType
from odeion.domain.progress import WatchProgress
from odeion.domain.shared.errors import Invalid
from odeion.domain.shared.ids import UserId

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HOUR = 3_600_000


def progress() -> WatchProgress:
    return WatchProgress(user_id=UserId(1), media=MediaRef(PlayableType.MOVIE, 1), updated_at=NOW)


class TestWatchedTo:
    def test_notes_the_position(self) -> None:
        watched = progress()
        watched.watched_to(HOUR, duration_ms=2 * HOUR, at=NOW)
        assert (watched.position_ms, watched.completed) == (HOUR, False)

    def test_the_credits_count_as_the_end(self) -> None:
        watched = progress()
        watched.watched_to(int(1.95 * HOUR), duration_ms=2 * HOUR, at=NOW)
        assert (watched.position_ms, watched.completed, watched.play_count) == (0, True, 1)

    def test_a_very_long_film_is_not_over_twenty_minutes_before_its_end(self) -> None:
        watched = progress()
        watched.watched_to(int(4.6 * HOUR), duration_ms=5 * HOUR, at=NOW)
        assert not watched.completed

    def test_watching_again_does_not_make_it_unwatched(self) -> None:
        watched = progress()
        watched.watched_to(2 * HOUR, duration_ms=2 * HOUR, at=NOW)
        watched.watched_to(HOUR, duration_ms=2 * HOUR, at=NOW)
        assert (watched.position_ms, watched.completed, watched.play_count) == (HOUR, True, 1)

    def test_saying_so_makes_it_unwatched(self) -> None:
        watched = progress()
        watched.watched_to(2 * HOUR, duration_ms=2 * HOUR, at=NOW)
        watched.watched_to(0, duration_ms=2 * HOUR, completed=False, at=NOW)
        assert not watched.completed

    def test_saying_so_makes_it_watched(self) -> None:
        watched = progress()
        watched.watched_to(0, duration_ms=2 * HOUR, completed=True, at=NOW)
        assert (watched.completed, watched.play_count) == (True, 1)

    def test_refuses_a_position_beyond_the_end(self) -> None:
        with pytest.raises(Invalid):
            progress().watched_to(3 * HOUR, duration_ms=2 * HOUR, at=NOW)

    def test_a_position_just_beyond_the_end_is_the_end(self) -> None:
        watched = progress()
        watched.watched_to(2 * HOUR + 500, duration_ms=2 * HOUR, at=NOW)
        assert watched.completed
