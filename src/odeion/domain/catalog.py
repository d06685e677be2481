"""What a name means: which film, or which episode of which series, a file holds."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from odeion.domain.media_file import HdrFormat, TechnicalInfo
from odeion.domain.naming import ExtraKind, NameKind, ParsedName, sort_title


class PlayableType(StrEnum):
    """What can be played and has progress."""

    MOVIE = "movie"
    EPISODE = "episode"


@dataclass(frozen=True, slots=True)
class MediaRef:
    """A film or an episode."""

    type: PlayableType
    id: int


class FileRole(StrEnum):
    MAIN = "main"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleIdentity:
    """A film or a series as names tell it. Two names mean the same one when their `match_key`s agree."""

    title: str
    year: int | None
    provider_ids: tuple[tuple[str, str], ...] = ()

    @property
    def match_key(self) -> str:
        return f"{fold(self.title)}|{self.year or ''}"

    @property
    def sort_title(self) -> str:
        return sort_title(self.title)

    @property
    def search_text(self) -> str:
        return fold(self.title)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeIdentity:
    """An episode of a series. `position` orders the episodes of a series; specials (season 0) come first."""

    season_number: int
    episode_number: int | None
    last_episode_number: int | None
    absolute_number: int | None
    air_date: date | None
    title: str

    @property
    def match_key(self) -> str:
        if self.episode_number is not None:
            last = f"-{self.last_episode_number}" if self.last_episode_number != self.episode_number else ""
            return f"s{self.season_number}e{self.episode_number}{last}"
        if self.absolute_number is not None:
            return f"abs{self.absolute_number}"
        if self.air_date is not None:
            return f"date{self.air_date.isoformat()}"
        return f"name{fold(self.title)}"

    @property
    def position(self) -> int:
        if self.episode_number is not None:
            within = self.episode_number
        elif self.absolute_number is not None:
            within = self.absolute_number
        elif self.air_date is not None:
            within = self.air_date.month * 100 + self.air_date.day
        else:
            within = 999_999
        return self.season_number * 1_000_000 + min(within, 999_999)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a file belongs: `movie`, or `series` with `episode`, or (an extra) `movie` or `series` alone."""

    role: FileRole
    movie: TitleIdentity | None = None
    series: TitleIdentity | None = None
    episode: EpisodeIdentity | None = None
    edition: str | None = None
    version_label: str | None = None
    part: int | None = None
    extra_kind: ExtraKind | None = None
    extra_title: str | None = None


def fold(text: str) -> str:
    """Letters and digits of `text` without case and accents, words parted by one space: for comparing, not showing."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("&", " and "))
    letters = "".join(c for c in decomposed if not unicodedata.combining(c)).replace("'", "").replace("’", "")
    return " ".join(re.findall(r"\w+", letters.replace("_", " "))) or text.casefold().strip()


def place(name: ParsedName, *, extra_of_series: bool = False) -> Placement | None:
    """Where a file of this name belongs; None for what is never shown (samples)."""
    title = TitleIdentity(title=name.title, year=name.year, provider_ids=name.provider_ids)
    match name.kind:
        case NameKind.SAMPLE:
            return None
        case NameKind.MOVIE:
            return Placement(
                role=FileRole.MAIN, movie=title, edition=name.edition, version_label=name.version, part=name.part
            )
        case NameKind.EXTRA:
            belongs_to_series = extra_of_series or name.season is not None
            return Placement(
                role=FileRole.EXTRA,
                movie=None if belongs_to_series else title,
                series=title if belongs_to_series else None,
                extra_kind=name.extra_kind or ExtraKind.OTHER,
                extra_title=name.extra_title or "Extra",
            )
        case NameKind.EPISODE:
            return Placement(
                role=FileRole.MAIN,
                series=title,
                episode=_episode(name),
                edition=name.edition,
                version_label=name.version,
                part=name.part,
            )


def season_title(season_number: int) -> str:
    return "Specials" if season_number == 0 else f"Season {season_number}"


def _episode(name: ParsedName) -> EpisodeIdentity:
    first = name.episodes[0] if name.episodes else None
    last = name.episodes[-1] if name.episodes else None
    absolute = name.absolute_numbers[0] if name.absolute_numbers else None
    if name.season is not None:
        season = name.season
    elif first is None and absolute is None and name.air_date is not None:
        season = name.air_date.year
    else:
        season = 1
    return EpisodeIdentity(
        season_number=season,
        episode_number=first,
        last_episode_number=last,
        absolute_number=absolute,
        air_date=name.air_date,
        title=name.episode_title or _episode_title(first, last, absolute, name.air_date),
    )


def _episode_title(first: int | None, last: int | None, absolute: int | None, air_date: date | None) -> str:
    if first is not None:
        return f"Episode {first}" if first == last else f"Episodes {first}–{last}"
    if absolute is not None:
        return f"Episode {absolute}"
    if air_date is not None:
        return air_date.strftime("%-d %B %Y")
    return "Episode"


def version_label(*, edition: str | None, version: str | None, technical: TechnicalInfo | None) -> str:
    """What tells one file of a film from another, read aloud: "Director's Cut 4K HDR10"."""
    quality = version or " ".join(filter(None, [_height_label(technical), _hdr_label(technical)]))
    return " · ".join(filter(None, [edition, quality])) or "Original"


def _height_label(technical: TechnicalInfo | None) -> str | None:
    if technical is None or not technical.video:
        return None
    picture = technical.video[0]
    # A wide film of 1920x800 is 1080p to everybody, so the width counts as well.
    lines = max(min(picture.width, picture.height), max(picture.width, picture.height) * 9 // 16)
    for threshold, label in ((2000, "4K"), (1300, "1440p"), (1000, "1080p"), (700, "720p"), (540, "576p")):
        if lines >= threshold:
            return label
    return f"{lines}p"


def _hdr_label(technical: TechnicalInfo | None) -> str | None:
    if technical is None or not technical.video or technical.video[0].hdr is HdrFormat.SDR:
        return None
    return {
        HdrFormat.HDR10: "HDR10",
        HdrFormat.HDR10_PLUS: "HDR10+",
        HdrFormat.HLG: "HLG",
        HdrFormat.DOLBY_VISION: "Dolby Vision",
        HdrFormat.SDR: None,
    }[technical.video[0].hdr]


# The least age of the ratings in use: of the MPA and the American TV guidelines, and of the boards that name an age.
_RATING_AGES = {
    "g": 0,
    "tv-y": 0,
    "tv-g": 0,
    "u": 0,
    "atp": 0,
    "l": 0,
    "al": 0,
    "tv-y7": 7,
    "tv-y7-fv": 7,
    "pg": 8,
    "tv-pg": 8,
    "pg-13": 13,
    "tv-14": 14,
    "m": 15,
    "ma15+": 15,
    "r": 17,
    "tv-ma": 17,
    "nc-17": 18,
    "r18": 18,
    "r18+": 18,
    "x": 18,
}
_RATING_NUMBER = re.compile(r"(?:[a-z]{2}[:/-])?(?:fsk|pegi)?[ -]?(\d{1,2})(?:a|pg|\+)?")


def rating_age(rating: str | None) -> int | None:
    """The least age a content rating is for: `PG-13` 13, `FSK 16` 16, `DE-12` 12. None for none, and for one that is
    not understood."""
    if rating is None:
        return None
    name = rating.strip().casefold()
    country, separator, rest = name.partition("-")
    for candidate in (name, rest if separator and len(country) == 2 and country != "tv" else name):
        if candidate in _RATING_AGES:
            return _RATING_AGES[candidate]
        if found := _RATING_NUMBER.fullmatch(candidate):
            return int(found[1])
    return None
