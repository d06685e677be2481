"""What names mean."""

from __future__ import annotations

from datetime import date

import pytest

from odeion.domain.catalog import FileRole, TitleIdentity, fold, place, version_label
from odeion.domain.media_file import HdrFormat, TechnicalInfo, VideoStream
from odeion.domain.naming import ExtraKind, NameKind, ParsedName, sort_title


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Amélie", "amelie"),
        ("AMÉLIE!", "amelie"),
        ("Fast & Furious", "fast and furious"),
        ("Ocean's Eleven", "oceans eleven"),
        ("Ocean’s   Eleven", "oceans eleven"),
        ("千と千尋の神隠し", "千と千尋の神隠し"),
        ("M*A*S*H", "m a s h"),
        ("???", "???"),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("title", "on_the_shelf"), [("The Matrix", "matrix"), ("A", "a"), ("An Ideal", "ideal"), ("Them", "them")]
)
def test_sort_title(title: str, on_the_shelf: str) -> None:
    assert sort_title(title) == on_the_shelf


def test_spellings_of_one_film_match() -> None:
    one, other = TitleIdentity(title="WALL·E", year=2008), TitleIdentity(title="Wall·e", year=2008)
    assert one.match_key == other.match_key
    assert one.match_key != TitleIdentity(title="WALL·E", year=2009).match_key


class TestPlace:
    def test_a_film(self) -> None:
        placed = place(ParsedName(kind=NameKind.MOVIE, title="Film", year=2001, edition="Extended", part=1))
        assert placed is not None and placed.movie is not None
        assert (placed.role, placed.edition, placed.part) == (FileRole.MAIN, "Extended", 1)

    def test_a_sample_is_shown_nowhere(self) -> None:
        assert place(ParsedName(kind=NameKind.SAMPLE, title="Film")) is None

    def test_several_episodes_in_one_file_are_one_entry(self) -> None:
        placed = place(ParsedName(kind=NameKind.EPISODE, title="Show", season=1, episodes=(1, 2)))
        assert placed is not None and placed.episode is not None
        assert (placed.episode.match_key, placed.episode.title) == ("s1e1-2", "Episodes 1–2")

    def test_an_episode_known_by_its_date(self) -> None:
        placed = place(ParsedName(kind=NameKind.EPISODE, title="Show", air_date=date(2024, 3, 5)))
        assert placed is not None and placed.episode is not None
        assert (placed.episode.season_number, placed.episode.title) == (2024, "5 March 2024")

    def test_an_episode_known_by_its_absolute_number(self) -> None:
        placed = place(ParsedName(kind=NameKind.EPISODE, title="Show", absolute_numbers=(153,)))
        assert placed is not None and placed.episode is not None
        assert (placed.episode.match_key, placed.episode.season_number) == ("abs153", 1)

    def test_order_within_a_series(self) -> None:
        names = [
            ParsedName(kind=NameKind.EPISODE, title="Show", season=season, episodes=(number,))
            for season, number in [(0, 1), (1, 1), (1, 2), (1, 10), (2, 1)]
        ]
        positions = [placed.episode.position for name in names if (placed := place(name)) and placed.episode]
        assert positions == sorted(positions) and len(positions) == 5

    def test_an_extra_belongs_to_its_film_or_series(self) -> None:
        name = ParsedName(kind=NameKind.EXTRA, title="Film", extra_kind=ExtraKind.TRAILER, extra_title="Teaser")
        film, series = place(name), place(name, extra_of_series=True)
        assert film is not None and film.movie is not None and film.series is None
        assert series is not None and series.series is not None and series.movie is None


@pytest.mark.parametrize(
    ("width", "height", "hdr", "label"),
    [
        (1920, 1080, HdrFormat.SDR, "1080p"),
        (1920, 800, HdrFormat.SDR, "1080p"),
        (3840, 1600, HdrFormat.HDR10, "4K HDR10"),
        (1280, 720, HdrFormat.SDR, "720p"),
        (720, 576, HdrFormat.SDR, "576p"),
        (320, 240, HdrFormat.SDR, "240p"),
        (1080, 1920, HdrFormat.SDR, "1080p"),
    ],
)
def test_version_label(width: int, height: int, hdr: HdrFormat, label: str) -> None:
    technical = TechnicalInfo(
        container="mp4",
        duration_ms=1,
        video=(VideoStream(index=0, codec="hevc", width=width, height=height, hdr=hdr),),
    )
    assert version_label(edition=None, version=None, technical=technical) == label
    assert version_label(edition="Extended", version=None, technical=technical) == f"Extended · {label}"
