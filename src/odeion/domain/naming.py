"""What a path says about its content, before anybody looked inside or asked a provider."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class NameKind(StrEnum):
    """EXTRA is a trailer, featurette, deleted scene...; SAMPLE is a release group's sample and is not shown at all."""

    MOVIE = "movie"
    EPISODE = "episode"
    EXTRA = "extra"
    SAMPLE = "sample"


class ExtraKind(StrEnum):
    TRAILER = "trailer"
    FEATURETTE = "featurette"
    BEHIND_THE_SCENES = "behind_the_scenes"
    DELETED_SCENE = "deleted_scene"
    INTERVIEW = "interview"
    SCENE = "scene"
    SHORT = "short"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedName:
    """The reading of one relative path.

    `title` is the film's or the series' (for an extra: of the film or series it belongs to). `season` is 0 for
    specials, None where only an absolute number or a date is known. `episodes` holds every number a multi-episode
    file covers, ascending (`S01E01E02`, `S01E01-E03`). `edition` is "Director's Cut", "Extended"...; `version` is what
    else tells two files of one film apart, read aloud: "1080p", "4K HDR". `part` is 1-based for films split
    over files (cd1, part2). `provider_ids` holds ids written into names: ("imdb", "tt0133093"), ("tmdb", "603").
    """

    kind: NameKind
    title: str
    year: int | None = None
    season: int | None = None
    episodes: tuple[int, ...] = ()
    absolute_numbers: tuple[int, ...] = ()
    air_date: date | None = None
    episode_title: str | None = None
    edition: str | None = None
    version: str | None = None
    part: int | None = None
    extra_kind: ExtraKind | None = None
    extra_title: str | None = None
    provider_ids: tuple[tuple[str, str], ...] = ()


def sort_title(title: str) -> str:
    """The title as a shelf would order it: without a leading English article, casefolded."""
    folded = title.casefold().strip()
    for article in ("the ", "a ", "an "):
        if folded.startswith(article) and len(folded) > len(article):
            return folded.removeprefix(article)
    return folded
