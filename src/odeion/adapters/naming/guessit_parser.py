"""Reads films and episodes out of file and folder names.

People who sort their collection write `Film (1999)/Film (1999) - 4K.mkv` and `Series/Season 02/Series - S02E03.mkv`;
these shapes, and the release names built like them, are read here in microseconds. What is left (a release name
without a year, where words like "German" or "Extended" may still be of the title) goes to guessit, which needs
milliseconds.

A path is read from its folders inwards: `_Place` says what the folders say, `_read_title` splits a name into title,
year and the rest, `_find_episode` finds the mark of an episode, and `GuessitNameParser` decides between them. Folders
are believed before files: they were made by a person, while file names often come from elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

from babelfish import Country, Error, Language  # type: ignore[import-untyped]
from guessit import guessit
from guessit.api import GuessitException

from odeion.domain.library import LibraryKind
from odeion.domain.media_file import SidecarSubtitle
from odeion.domain.naming import ExtraKind, NameKind, ParsedName

# --- Vocabulary ---------------------------------------------------------------------------------------------------

_EXTRA_FOLDERS = {
    "behind the scenes": ExtraKind.BEHIND_THE_SCENES,
    "bonus": ExtraKind.OTHER,
    "clips": ExtraKind.OTHER,
    "deleted scenes": ExtraKind.DELETED_SCENE,
    "extra": ExtraKind.OTHER,
    "extras": ExtraKind.OTHER,
    "featurette": ExtraKind.FEATURETTE,
    "featurettes": ExtraKind.FEATURETTE,
    "interviews": ExtraKind.INTERVIEW,
    "making of": ExtraKind.BEHIND_THE_SCENES,
    "other": ExtraKind.OTHER,
    "scenes": ExtraKind.SCENE,
    "shorts": ExtraKind.SHORT,
    "trailer": ExtraKind.TRAILER,
    "trailers": ExtraKind.TRAILER,
}
_EXTRA_SUFFIXES = {
    "behindthescenes": ExtraKind.BEHIND_THE_SCENES,
    "clip": ExtraKind.OTHER,
    "deleted": ExtraKind.DELETED_SCENE,
    "deletedscene": ExtraKind.DELETED_SCENE,
    "extra": ExtraKind.OTHER,
    "featurette": ExtraKind.FEATURETTE,
    "interview": ExtraKind.INTERVIEW,
    "other": ExtraKind.OTHER,
    "scene": ExtraKind.SCENE,
    "short": ExtraKind.SHORT,
    "trailer": ExtraKind.TRAILER,
}
# Suffixes that may also end an episode's title.
_WORDS_OF_TITLES = frozenset((ExtraKind.INTERVIEW, ExtraKind.OTHER, ExtraKind.SCENE, ExtraKind.SHORT))
_SAMPLE_FOLDERS = frozenset(("sample", "samples"))
_SUBTITLE_FOLDERS = frozenset(("sub", "subs", "subtitle", "subtitles", "untertitel"))
# Folders that lie between a title's folder and its file and say nothing.
_SILENT_FOLDERS = frozenset(("bdmv", "stream", "video ts"))
# Folders that sort a collection and are nobody's title.
_SHELF_FOLDERS = frozenset((
    "anime", "animation", "cartoons", "comedy", "complete", "completed", "documentaries", "documentary",
    "downloads", "drama", "films", "finished", "horror", "incoming", "kids", "movies", "new", "sci-fi", "series",
    "serien", "shows", "thriller", "torrents", "tv", "unsorted", "videos", "filme", "tv shows", "tv series",
    "to sort",
))  # fmt: skip
_SEASON_WORDS = r"season|series|staffel|saison|temporada|stagione|seizoen|sezon|säsong|sæson|kausi|book|volume"
_SEASON_FOLDER = re.compile(
    rf"(?:(?P<title>.+?)[ ._-]+)??(?:(?:{_SEASON_WORDS})[ ._-]*(?P<number>\d{{1,4}})|s(?P<short>\d{{1,4}})"
    rf"|(?P<ordinal>\d{{1,2}})(?:\.|st|nd|rd|th|ª|ème|e)?[ ._-]*(?:{_SEASON_WORDS}))(?:[ ._\-(\[].*)?",
    re.IGNORECASE,
)
_SEASON_AT_END = re.compile(
    rf"[ ._-]+(?:(?:{_SEASON_WORDS})[ ._-]*(\d{{1,2}})|(\d{{1,2}})(?:st|nd|rd|th)[ ._-]+season)[ ._-]*$", re.IGNORECASE
)
_SPECIALS_FOLDER = re.compile(r"specials?|sonderfolgen|spezial|hors[- ]s[ée]rie|o[vna]as?|oads?", re.IGNORECASE)
_DISC_FOLDER = re.compile(r"(?:cd|dvd|dis[ck])[ ._-]*(\d{1,2})", re.IGNORECASE)

_RESOLUTION = r"(?:480|540|576|720|1080|1440|2160|4320)[pi]"
# Words that no title has: the first one ends the title of a release name.
_TAG = re.compile(
    rf"(?<![^\W_])(?:{_RESOLUTION}|\d{{3,4}}x\d{{3,4}}|[48]k|uhd|hdr(?:10)?(?:\+|plus)?|dolby[ ._]?vision"
    r"|blu-?ray|bd-?rip|br-?rip|dvd-?rip|dvd-?r|dvdscr|web-?dl|web-?rip|(?:amzn|nf|dsnp)[ ._]web|hdtv|pdtv|dsr|remux"
    r"|[xh][ ._]?26[45]|hevc|xvid|divx|aac|e-?ac-?3|ddp?[ ._]?[257]\.[01]|dts(?:-?hd)?|truehd|atmos|10-?bit|8-?bit)"
    r"(?![^\W_])",
    re.IGNORECASE,
)
# Words that mean nothing for a person where a title could stand, but may be in titles too.
_RELEASE_WORDS = frozenset((
    "web", "german", "english", "french", "italian", "spanish", "multi", "dual", "dl", "dubbed", "subbed", "proper",
    "repack", "rerip", "internal", "limited", "real", "readnfo", "uncensored", "complete", "hdtv", "truefrench",
    "vostfr", "ger", "eng", "fre", "ita", "spa", "sub", "subs", "dub", "audio", "dv", "cam", "ts",
))  # fmt: skip
_EDITIONS = (
    (r"director'?s?[ ._]?cut", "Director's Cut"),
    (r"final[ ._]cut", "Final Cut"),
    (r"extended(?:[ ._](?:edition|cut|version))?", "Extended"),
    (r"theatrical(?:[ ._](?:edition|cut|version|release))?", "Theatrical"),
    (r"unrated(?:[ ._](?:edition|cut|version))?", "Unrated"),
    (r"uncut(?:[ ._](?:edition|version))?", "Uncut"),
    (r"special[ ._]edition", "Special Edition"),
    (r"ultimate(?:[ ._](?:edition|cut))", "Ultimate Edition"),
    (r"collector'?s?[ ._](?:edition|cut)", "Collector's Edition"),
    (r"(?:\d+th[ ._])?anniversary(?:[ ._]edition)?", "Anniversary Edition"),
    (r"criterion(?:[ ._](?:edition|collection))?", "Criterion"),
    (r"remaster(?:ed)?", "Remastered"),
    (r"imax(?:[ ._](?:edition|enhanced))?", "IMAX"),
    (r"open[ ._]matte", "Open Matte"),
    (r"redux", "Redux"),
    (r"assembly[ ._]cut", "Assembly Cut"),
    (r"rogue[ ._]cut", "Rogue Cut"),
    (r"despeciali[sz]ed(?:[ ._]edition)?", "Despecialized"),
    (r"black[ ._](?:and|&)[ ._](?:white|chrome)(?:[ ._]edition)?", "Black and White"),
)
_EDITION_PATTERNS = tuple(
    (re.compile(rf"(?<![^\W_]){pattern}(?![^\W_])", re.IGNORECASE), name) for pattern, name in _EDITIONS
)
_EDITION_TAG = re.compile(r"\{edition-([^{}]+)\}", re.IGNORECASE)
_VERSIONS = tuple(
    (re.compile(rf"(?<![^\W_])(?:{pattern})(?![^\W_])", re.IGNORECASE), name)
    for pattern, name in (
        (r"2160[pi]|4k|uhd", "4K"),
        (r"4320[pi]|8k", "8K"),
        (_RESOLUTION, ""),  # as written
        (r"dolby[ ._]?vision|dovi|dv", "Dolby Vision"),
        (r"hdr10(?:\+|plus)", "HDR10+"),
        (r"hdr(?:10)?", "HDR"),
        (r"3d", "3D"),
        (r"remux", "Remux"),
    )
)
_SOURCES = tuple(
    (re.compile(rf"(?<![^\W_])(?:{pattern})(?![^\W_])", re.IGNORECASE), name)
    for pattern, name in (
        (r"blu-?ray|b[dr]-?rip", "Blu-ray"),
        (r"web(?:-?dl|-?rip)?", "WEB"),
        (r"dvd(?:-?rip|-?r|scr|5|9)?", "DVD"),
        (r"hdtv|pdtv|dsr", "TV"),
    )
)

_PROVIDER_ID = re.compile(r"[\[{(]\s*(imdb|tmdb|tvdb)(?:id)?\s*[-=:]\s*(tt\d{5,10}|\d{1,10})\s*[\]})]", re.IGNORECASE)
_BARE_IMDB_ID = re.compile(r"[\[{(]?(?<![a-z0-9])(tt\d{7,10})(?![a-z0-9])[\]})]?", re.IGNORECASE)

_YEAR_IN_BRACKETS = re.compile(r"[(\[]((?:18|19|20)\d\d)(?:\s*[-–]\s*(?:\d{4}|present)?)?[)\]]")
_BARE_YEAR = re.compile(r"(?<![^\W_])((?:19|20)\d\d)(?![^\W_])")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{2,4}$")
_LEADING_GROUP = re.compile(r"^\s*\[[^\[\]]*\][ ._-]*(?=\S)")
_SITE = re.compile(r"^[\[(]?\s*www\.[^\s\])]+[\])]?[\s_-]+", re.IGNORECASE)
_BRACKETED = re.compile(r"[\[({][^\[\](){}]*[\])}]")
# Parts of one film. DVD5 and DVD9 are kinds of discs. `Part 1` with a space may belong to the title, unless a year
# stands before it.
_DISC = r"(?:cd|dis[ck])[ ._-]?(?:\d{1,2}|[a-d])|dvd[ ._-]?[1-4]"
_PART_AT_END = re.compile(rf"(?:^|[ ._-]+)(?P<part>{_DISC}|(?:part|pt)\d{{1,2}})$", re.IGNORECASE)
_PART_AFTER_YEAR = re.compile(
    rf"(?:^|[ ._\-(\[]+)(?P<part>{_DISC}|(?:part|pt)[ ._-]?\d{{1,2}})(?![^\W_])", re.IGNORECASE
)
_NO_TITLE = re.compile(
    r"|movie|film|video|feature|main|index|untitled|sample|title[ ._]?t?\d+|vts[ ._]\d+[ ._]\d+|0\d+|\d{5,}"
    r"|(?=[0-9a-f]*\d)[0-9a-f]{8,}|(?=[a-z]*\d)(?=\d*[a-z])[a-z0-9]{16,}|tt\d{7,10}"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    re.IGNORECASE,
)

# --- The marks of episodes, from the surest to the vaguest --------------------------------------------------------

_EPISODE = re.compile(
    r"(?<![^\W_])s(?P<season>\d{1,4})[ ._-]*x?ep?[ ._-]?(?P<first>\d{1,4})"
    r"(?P<more>(?:[ ._]?[-&+]?[ ._]?(?:s\d{1,4})?ep?\d{1,4}|-\d{1,3}(?![^\W_]))*)(?:v\d)?(?![^\W_])",
    re.IGNORECASE,
)
_CROSS = re.compile(
    r"(?<![^\W_])(?P<season>\d{1,2})x(?P<first>\d{2,3})(?P<more>(?:-?(?:\d{1,2})?x\d{2,3}|-\d{2,3})*)(?![^\W_])",
    re.IGNORECASE,
)
_WORDS = re.compile(
    rf"(?<![^\W_])(?:{_SEASON_WORDS})[ ._-]*(?P<season>\d{{1,4}})[ ._,-]*(?:episode|folge|épisode|episodio|ep|e)"
    r"[ ._-]*(?P<first>\d{1,4})(?![^\W_])",
    re.IGNORECASE,
)
_YEAR_FIRST_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([ ._-])(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")
_DAY_FIRST_DATE = re.compile(r"(?<!\d)(0[1-9]|[12]\d|3[01])([ ._-])(0[1-9]|1[0-2])\2((?:19|20)\d\d)(?!\d)")
_SEASON_DASH = re.compile(
    r"(?<![^\W_])s(?P<season>\d{1,2})[ ._]*-[ ._]*(?P<first>\d{1,3})(?:v\d)?(?![^\W_])", re.IGNORECASE
)
_EPISODE_WORD = re.compile(
    r"(?<![^\W_])(?:episode|folge|épisode|episodio|ep|e)[ ._-]*(?P<first>\d{1,4})(?P<more>(?:-e?\d{1,4})?)(?:v\d)?"
    r"(?![^\W_])",
    re.IGNORECASE,
)
_SPECIAL_WORD = re.compile(r"(?<![^\W_])(?:special|o[vna]a|oad|sp)[ ._-]*(?P<first>\d{1,3})(?![^\W_])", re.IGNORECASE)
_DASHED_NUMBER = re.compile(
    r"[ ._]-[ ._](?P<first>\d{1,4})(?P<more>(?:-\d{1,4})?)(?:v\d)?(?=$|[ ._]?[\[(]|[ ._]-|[ ._]*$)", re.IGNORECASE
)
_LEADING_NUMBER = re.compile(r"^(?P<first>\d{1,4})(?P<more>(?:-\d{1,4})?)(?=$|[ ._-])")
_TRAILING_NUMBER = re.compile(r"[ ._-](?P<first>\d{1,4})(?:v\d)?[ ._]*(?=$|[\[(])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Title:
    """A name taken apart. `rest` is what follows title and year, as written."""

    title: str
    year: int | None
    rest: str


@dataclass(frozen=True, slots=True)
class _Owner:
    """What a folder says about the film or series in it."""

    title: str
    year: int | None
    has_id: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _EpisodeMark:
    """Where a name says which episode it is; `before` and `after` are the text around the mark."""

    before: str
    after: str
    season: int | None = None
    numbers: tuple[int, ...] = ()
    absolute: bool = False
    air_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What the folders of a path say. `owner` is the folder that bears the title of film or series."""

    owner: str | None = None
    season: int | None = None
    extra_kind: ExtraKind | None = None
    is_sample: bool = False
    part: int | None = None

    @classmethod
    def of(cls, folders: list[str], kind: LibraryKind) -> _Place:
        """Read folders from the innermost to the one that bears a title."""
        seasons_expected = kind is not LibraryKind.FILM
        season: int | None = None
        extra_kind: ExtraKind | None = None
        is_sample = False
        part: int | None = None
        remaining = list(folders)
        owner: str | None = None
        while remaining and owner is None:
            name = remaining.pop()
            # A folder right in the root is a title, be it "Extras": its extras would have a title above them.
            in_root = not remaining
            key = name.casefold().replace("_", " ").replace(".", " ").strip()
            if key in _SAMPLE_FOLDERS:
                is_sample = True
            elif key in _EXTRA_FOLDERS and season is None and extra_kind is None and not in_root:
                extra_kind = _EXTRA_FOLDERS[key]
            elif seasons_expected and season is None and not in_root and _SPECIALS_FOLDER.fullmatch(key):
                season = 0
            elif seasons_expected and season is None and (match := _SEASON_FOLDER.fullmatch(name)):
                season = int(match["number"] or match["short"] or match["ordinal"])
                if in_root:
                    owner = match["title"]
                    break
            elif kind is LibraryKind.SERIES and season is None and not in_root and re.fullmatch(r"[0-9]{1,2}", name):
                season = int(name)
            elif match := _DISC_FOLDER.fullmatch(name):
                part = int(match[1])
            elif key in _SHELF_FOLDERS or (in_root and kind is LibraryKind.FILM and key in _EXTRA_FOLDERS):
                break
            elif key not in _SILENT_FOLDERS and key not in _SUBTITLE_FOLDERS:
                owner = name
        return cls(owner=owner, season=season, extra_kind=extra_kind, is_sample=is_sample, part=part)


class GuessitNameParser:
    """NameParser for the ways people and release groups name files. `newest_year` bounds what is read as a year
    rather than as part of a title (`Blade Runner 2049`); it defaults to the year after the next."""

    def __init__(self, newest_year: int | None = None) -> None:
        self._newest_year = newest_year or datetime.now(UTC).year + 2

    def parse(self, relative_path: str, kind: LibraryKind) -> ParsedName:
        """See NameParser."""
        *folders, file_name = _printable(relative_path).strip("/").split("/")
        stem = _EXTENSION.sub("", file_name) or file_name
        place = _Place.of(folders, kind)
        provider_ids = _provider_ids(stem, place.owner or "")
        stem = _without_ids(stem)
        owner = self._read_owner(place)

        if place.is_sample or _is_sample(stem):
            return ParsedName(kind=NameKind.SAMPLE, title=self._film(stem, owner).title, provider_ids=provider_ids)
        extra_kind, stem_without_suffix = (
            (place.extra_kind, stem) if place.extra_kind else self._extra_suffix(stem, kind)
        )
        if extra_kind:
            return self._extra(stem_without_suffix, extra_kind, place, owner, provider_ids)
        if kind is not LibraryKind.FILM:
            mark = self._find_episode(stem, place, kind)
            if mark or kind is LibraryKind.SERIES or place.season is not None:
                return self._episode(stem, mark, place, owner, provider_ids)
        return self._movie(stem, place, owner, provider_ids)

    def sidecars(self, video_path: str, subtitle_paths: Iterable[str]) -> tuple[SidecarSubtitle, ...]:
        """See NameParser. Beside the video (`Film.de.forced.srt`), in a folder of subtitles beside it
        (`Subs/Film.de.srt`, `Subs/Film/2_English.srt`, `Subs/2_English.srt`); ordered by path."""
        folder, _, file_name = video_path.rpartition("/")
        prefix = folder + "/" if folder else ""
        stem = _EXTENSION.sub("", file_name)
        found = []
        for path in subtitle_paths:
            if not path.startswith(prefix):
                continue
            words = _sidecar_words(path[len(prefix) :], stem)
            if words is not None:
                found.append(_read_sidecar(path, words))
        return tuple(sorted(found, key=lambda sidecar: sidecar.relative_path))

    # --- Whose file is it? ----------------------------------------------------------------------------------------

    def _read_owner(self, place: _Place) -> _Owner | None:
        """The title on the folder; None where there is none."""
        if place.owner is None:
            return None
        name = _without_ids(place.owner)
        if match := re.search(r"[ ._-]s\d{1,2}(?:-s?\d{1,2})?(?=$|[ ._\-(\[])", name, re.IGNORECASE):
            name = name[: match.start()]  # `Series.S01.1080p.WEB-GROUP`
        # `Space 1999/Season 1`: who writes spaces writes the year of a series in brackets.
        read = self._read_title(name, bare_years=place.season is None or " " not in name)
        if _NO_TITLE.fullmatch(read.title) and read.year is None:
            return None
        return _Owner(read.title, read.year, has_id=bool(_provider_ids(place.owner)))

    def _film(self, stem: str, owner: _Owner | None) -> _Title:
        """The film a file holds, after its own name and its folder's."""
        own = self._read_title(stem)
        if owner is None:
            return own if own.title else _Title(_clean(stem) or stem.strip() or "Untitled", own.year, own.rest)
        if own.year is None and (rest := _after_title(stem, owner.title)) is not None:
            return _Title(owner.title, owner.year, rest)
        same_title = _key(own.title) == _key(owner.title)
        folder_is_for_one_film = owner.has_id or owner.year is not None
        same_year = own.year is None or owner.year in (None, own.year)
        if _NO_TITLE.fullmatch(own.title) or same_title or (folder_is_for_one_film and same_year):
            return _Title(owner.title, owner.year or own.year, own.rest)
        return own

    def _movie(
        self, stem: str, place: _Place, owner: _Owner | None, provider_ids: tuple[tuple[str, str], ...]
    ) -> ParsedName:
        part = place.part
        if (match := _PART_AT_END.search(stem)) and (match.start() or owner):
            part, stem = _part_number(match["part"]), stem[: match.start()]
        film = self._film(stem, owner)
        rest = film.rest
        if match := _PART_AFTER_YEAR.search(rest):
            part, rest = _part_number(match["part"]), rest[: match.start()] + rest[match.end() :]
        edition, version = _edition_and_version(rest)
        return ParsedName(
            kind=NameKind.MOVIE,
            title=film.title,
            year=film.year,
            edition=edition,
            version=version,
            part=part,
            provider_ids=provider_ids,
        )

    def _extra(
        self,
        stem: str,
        extra_kind: ExtraKind,
        place: _Place,
        owner: _Owner | None,
        provider_ids: tuple[tuple[str, str], ...],
    ) -> ParsedName:
        film: _Owner | _Title = owner or self._film(stem, None)
        own = self._read_title(stem)
        repeats_title = _key(own.title) == _key(film.title)
        own_words = own.rest if repeats_title else _BRACKETED.sub(_drop_tags, stem)
        readable_kind = extra_kind.replace("_", " ").capitalize()
        return ParsedName(
            kind=NameKind.EXTRA,
            title=film.title,
            year=film.year,
            season=place.season,
            extra_kind=extra_kind,
            extra_title=_clean(_before_tags(own_words)) or readable_kind,
            provider_ids=provider_ids,
        )

    def _extra_suffix(self, stem: str, kind: LibraryKind) -> tuple[ExtraKind | None, str]:
        """`Film (2001)-trailer` and the like; only for words that no title would hang on with a bare hyphen."""
        head, hyphen, suffix = stem.rpartition("-")
        extra_kind = _EXTRA_SUFFIXES.get(suffix.casefold().replace(" ", "")) if hyphen and head else None
        if extra_kind is None and (
            match := re.search(r"[._](trailer|featurette|behindthescenes)$", stem, re.IGNORECASE)
        ):
            extra_kind, head = _EXTRA_SUFFIXES[match[1].casefold()], stem[: match.start()]
        if kind is not LibraryKind.FILM and extra_kind in _WORDS_OF_TITLES and _EPISODE.search(stem):
            return None, stem  # `Series S01E02 The-Interview`
        return extra_kind, head.rstrip() if extra_kind else stem

    # --- Episodes -------------------------------------------------------------------------------------------------

    def _find_episode(self, stem: str, place: _Place, kind: LibraryKind) -> _EpisodeMark | None:
        for pattern in (_EPISODE, _CROSS, _WORDS):
            if match := pattern.search(stem):
                return _mark(stem, match, season=int(match["season"]))
        if mark := _dated(stem):
            return mark
        in_series = kind is LibraryKind.SERIES or place.season is not None
        if not in_series and not _LEADING_GROUP.match(stem):
            return None
        if match := _SEASON_DASH.search(stem):
            return _mark(stem, match, season=int(match["season"]))
        # Numbers in tags are no episodes: `Title 1080p`, `Title (2014)`.
        text = _blank(stem)
        if match := _SPECIAL_WORD.search(text):
            return _mark(stem, match, season=0)
        if match := _EPISODE_WORD.search(text):
            return _mark(stem, match, season=place.season, absolute=place.season is None)
        if match := _DASHED_NUMBER.search(text):
            return self._numbered(stem, match, place)
        if place.season is not None and (match := _LEADING_NUMBER.search(text)):
            return self._numbered(stem, match, place)
        if (match := _TRAILING_NUMBER.search(text)) and not self._is_year(int(match["first"])):
            return self._numbered(stem, match, place)
        if match := _LEADING_NUMBER.search(text):
            return self._numbered(stem, match, place) if in_series and text[match.end() :].strip() else None
        return None

    def _numbered(self, stem: str, match: re.Match[str], place: _Place) -> _EpisodeMark | None:
        """A bare number: of its season where the folder names one (`101` is 1x01 there), absolute elsewhere."""
        if self._is_year(int(match["first"])) and len(match["first"]) == 4:
            return None
        if place.season is None and (named := _SEASON_AT_END.search(stem, 0, match.start())):
            # `[Group] Title 2nd Season - 05`
            return _EpisodeMark(
                before=stem[: named.start()],
                after=stem[match.end() :],
                season=int(named[1] or named[2]),
                numbers=_numbers(int(match["first"]), match.groupdict().get("more") or ""),
            )
        mark = _mark(stem, match, season=place.season, absolute=place.season is None)
        if place.season and all(number // 100 == place.season and number % 100 for number in mark.numbers):
            return _EpisodeMark(
                before=mark.before,
                after=mark.after,
                season=place.season,
                numbers=tuple(number % 100 for number in mark.numbers),
            )
        return mark

    def _episode(
        self,
        stem: str,
        mark: _EpisodeMark | None,
        place: _Place,
        owner: _Owner | None,
        provider_ids: tuple[tuple[str, str], ...],
    ) -> ParsedName:
        before = _SITE.sub("", _LEADING_GROUP.sub("", mark.before)) if mark else ""
        series: _Owner | _Title = owner or self._read_title(before)
        if not series.title:
            series = self._film(stem, None)
        if mark is None:
            rest = _after_title(stem, series.title)
            mark = _EpisodeMark(before="", after=" " + (stem if rest is None else rest), season=place.season)
        part, after = place.part, mark.after
        if match := _PART_AT_END.search(after):
            part, after = _part_number(match["part"]), after[: match.start()]
        # An edition is named in brackets or among the tags; elsewhere its words belong to the episode's title.
        tag = _TAG.search(after)
        labels = " ".join([*_BRACKETED.findall(after), after[tag.start() :] if tag else ""])
        edition, version = _edition_and_version(labels)
        return ParsedName(
            kind=NameKind.EPISODE,
            title=series.title,
            year=series.year,
            season=mark.season,
            episodes=() if mark.absolute else mark.numbers,
            absolute_numbers=mark.numbers if mark.absolute else (),
            air_date=mark.air_date,
            episode_title=_episode_title(after),
            edition=edition,
            version=version if tag else None,
            part=part,
            provider_ids=provider_ids,
        )

    # --- Titles and years -----------------------------------------------------------------------------------------

    def _is_year(self, number: int) -> bool:
        return 1888 <= number <= self._newest_year

    def _read_title(self, name: str, *, bare_years: bool = True) -> _Title:
        """Take a name apart at its year, else at its first tag. The title is empty where the name has none."""
        for match in _YEAR_IN_BRACKETS.finditer(name):
            title = _clean(_SITE.sub("", name[: match.start()]))
            if title and self._is_year(int(match[1])):
                return _Title(title, int(match[1]), name[match.end() :])
        name = _SITE.sub("", name)
        without_group = _LEADING_GROUP.sub("", name)
        tag = _TAG.search(without_group)
        end_of_words = tag.start() if tag else len(without_group)
        for match in reversed(list(_BARE_YEAR.finditer(without_group, 0, end_of_words)) if bare_years else []):
            title = _clean(without_group[: match.start()])
            if title and self._is_year(int(match[1])):
                return _Title(title, int(match[1]), without_group[match.end() :])
        if tag:
            words = without_group[:end_of_words]
            title = (_guess_title(name) if _may_hide_more_tags(words) else "") or _clean(words)
            return _Title(title, None, without_group[len(words) if title == _clean(words) else 0 :])
        title, dash, label = without_group.rpartition(" - ")
        if dash and _clean(title) and _edition_and_version(label)[0]:
            return _Title(_clean(title), None, label)
        label_at_end = re.search(r"\s*[\[{][^\[\]{}]*[\]}]\s*$", without_group)
        if label_at_end and (title := _clean(without_group[: label_at_end.start()])):
            return _Title(title, None, label_at_end[0])
        return _Title(_clean(without_group), None, "")


# --- Words --------------------------------------------------------------------------------------------------------


def _printable(path: str) -> str:
    """Names that are no UTF-8 with a replacement character, the others in composed form, none endlessly long."""
    return unicodedata.normalize("NFC", re.sub(r"[\ud800-\udfff]", "\ufffd", path))[-2000:]


def _clean(text: str) -> str:
    """A title as it would be printed: `The.Office_US` becomes `The Office US`, `S.W.A.T` keeps its dots."""
    text = text.replace("_", " ").strip()
    if " " not in text and "." in text:
        text = _undotted(text)
    text = re.sub(r"[\[({]\s*[\])}]", " ", text)
    text = re.sub(r"\s+", " ", text).strip(" -–,;:~+")
    text = re.sub(r"[ \-–]*[\[({]+$", "", text)
    while text[:1] in ("]", ")", "}", " ", "."):
        text = text[1:]
    return text


def _undotted(text: str) -> str:
    words: list[str] = []
    initials: list[str] = []
    for word in [*text.split("."), ""]:
        if len(word) == 1 and word.isalpha():
            initials.append(word)
            continue
        if initials:
            words.append(".".join(initials) + "." if len(initials) > 1 else initials[0])
            initials = []
        if word:
            words.append(word)
    return " ".join(words)


def _key(title: str) -> str:
    """What is left of a title when spelling no longer counts."""
    folded = unicodedata.normalize("NFKD", title.casefold().replace("&", "and"))
    return "".join(letter for letter in folded if letter.isalnum())


def _after_title(stem: str, title: str) -> str | None:
    """What follows `title` in a name that begins with it and goes on with a label; None if it does not."""
    if not title or not stem.casefold().startswith(title.casefold()) or len(stem) < len(title):
        return None
    rest = stem[len(title) :]
    return rest if not rest or re.match(r"\s*(?:[-\[({.]|(?:part|pt|cd)\d)", rest, re.IGNORECASE) else None


def _may_hide_more_tags(words: str) -> bool:
    """Whether words before the first sure tag may not all be of the title: `Some.Film.German.EXTENDED` (1080p...)."""
    if any(word in _RELEASE_WORDS for word in re.split(r"[ ._]+", words.casefold())):
        return True
    return any(pattern.search(words) for pattern, _ in _EDITION_PATTERNS)


@lru_cache(maxsize=4096)
def _guess_title(name: str) -> str:
    try:
        title = guessit(name, {"type": "movie"}).get("title", "")
    except GuessitException:
        return ""
    return _clean(title) if isinstance(title, str) else ""


def _provider_ids(*names: str) -> tuple[tuple[str, str], ...]:
    """Later names win: the folder's id is the film's or the series'."""
    ids: dict[str, str] = {}
    for name in names:
        if bare := _BARE_IMDB_ID.search(name):
            ids["imdb"] = bare[1].lower()
        for provider, value in _PROVIDER_ID.findall(name):
            if (provider.casefold() == "imdb") == value.startswith("tt"):
                ids[provider.casefold()] = value
    return tuple(sorted(ids.items()))


def _without_ids(name: str) -> str:
    without = _BARE_IMDB_ID.sub("", _PROVIDER_ID.sub("", name))
    return without.strip() or name


def _is_sample(stem: str) -> bool:
    return bool(
        re.search(
            r"^sample$|^sample[-._]|-sample$|(?:\d{3,4}p|[xh]26[45]|\b(?:19|20)\d\d).*\.sample$", stem, re.IGNORECASE
        )
    )


def _part_number(part: str) -> int:
    """`cd2` and `disc b` are 2."""
    digits = re.search(r"\d+$", part)
    return int(digits[0]) if digits else "abcd".index(part[-1].lower()) + 1


def _edition_and_version(rest: str) -> tuple[str | None, str | None]:
    """What tells versions of one film apart, from the words after title and year."""
    edition: str | None = None
    if match := _EDITION_TAG.search(rest):
        edition, rest = match[1].strip(), rest.replace(match[0], " ")
    for pattern, name in _EDITION_PATTERNS:
        if match := pattern.search(rest):
            edition, rest = edition or name, rest.replace(match[0], " ")
            break
    words: list[str] = []
    for patterns in (_VERSIONS, _SOURCES):
        for pattern, name in patterns:
            if match := pattern.search(rest):
                words.append(name or match[0].lower())
                rest = rest.replace(match[0], " ")
        if words:
            break
    if not words and (label := re.match(r"\s*(?:-\s+|\[|\()(.+)", rest)):
        # A person's own word for it: `Film (2001) - German Dub`.
        text = _clean(re.sub(r"[\[\](){}]", " ", _before_tags(label[1])))
        return edition, text or None
    if "HDR10+" in words and "HDR" in words:
        words.remove("HDR")
    return edition, " ".join(words) or None


def _before_tags(text: str) -> str:
    match = _TAG.search(text)
    return text[: match.start()] if match else text


def _drop_tags(match: re.Match[str]) -> str:
    return "" if _TAG.search(match[0]) else match[0]


def _blank(stem: str) -> str:
    """The name with everything in brackets and every tag blanked out, each character where it was."""
    return _TAG.sub(_spaces, _BRACKETED.sub(_spaces, stem))


def _spaces(match: re.Match[str]) -> str:
    return " " * len(match[0])


# --- Episode marks ------------------------------------------------------------------------------------------------


def _mark(stem: str, match: re.Match[str], *, season: int | None, absolute: bool = False) -> _EpisodeMark:
    more = match.groupdict().get("more") or ""
    return _EpisodeMark(
        before=stem[: match.start()],
        after=stem[match.end() :],
        season=season,
        numbers=_numbers(int(match["first"]), more),
        absolute=absolute,
    )


def _numbers(first: int, more: str) -> tuple[int, ...]:
    """`E02E03` lists numbers, `-E03` and `-03` reach up to one; in `-1x02` the 1 is the season again."""
    numbers = [first]
    for dash, digits in re.findall(r"(-?)[ ._&+]*(?:\d{1,2}x|x|(?:s\d{1,4})?ep?)?(\d+)", more, re.IGNORECASE):
        number = int(digits)
        if dash and numbers[-1] < number <= numbers[-1] + 100:
            numbers += range(numbers[-1] + 1, number + 1)
        elif not dash and number not in numbers:
            numbers.append(number)
    return tuple(sorted(numbers))


def _dated(stem: str) -> _EpisodeMark | None:
    if match := _YEAR_FIRST_DATE.search(stem):
        year, month, day = match[1], match[3], match[4]
    elif match := _DAY_FIRST_DATE.search(stem):
        year, month, day = match[4], match[3], match[1]
    else:
        return None
    try:
        air_date = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return _EpisodeMark(before=stem[: match.start()], after=stem[match.end() :], air_date=air_date)


def _episode_title(after: str) -> str | None:
    """The words after an episode's mark, without those a release group put there."""
    text = _before_tags(_BRACKETED.sub(_drop_tags, re.sub(r"\[[^\[\]]*\]", "", after)))
    if re.match(r"-\S+$", text):
        return None  # `Series.S01E01-GROUP`
    words = _clean(text).split()
    while words and words[-1].isupper() and words[-1].casefold() in _RELEASE_WORDS:
        words.pop()
    title = " ".join(words)
    only_release_words = all(word.casefold() in _RELEASE_WORDS for word in words)
    return None if only_release_words or _NO_TITLE.fullmatch(title) else title


# --- Subtitle files -----------------------------------------------------------------------------------------------

_FORCED = frozenset(("forced", "foreign"))
_HEARING_IMPAIRED = frozenset(("sdh", "cc", "hi", "hearingimpaired"))
_DESCRIPTIVE = frozenset(
    ("commentary", "dialogue", "full", "lyrics", "regular", "signs", "songs", "stripped", "subtitle", "subtitles")
)
_REGIONAL = {
    "pob": ("por", "Brazil"),
    "pb": ("por", "Brazil"),
    "ptbr": ("por", "Brazil"),
    "chs": ("chi", "Simplified"),
    "cht": ("chi", "Traditional"),
    "zh-hans": ("chi", "Simplified"),
    "zh-hant": ("chi", "Traditional"),
    "es-419": ("spa", "Latin America"),
    "brazilian": ("por", "Brazil"),
    "castilian": ("spa", "Spain"),
}


def _sidecar_words(path: str, stem: str) -> list[str] | None:
    """The words of a subtitle's name beyond its video's; None if it belongs to another video. `path` starts where
    the video's folder ends."""
    *folders, file_name = path.split("/")
    name = _EXTENSION.sub("", file_name)
    if not folders or (len(folders) == 1 and folders[0].casefold() in _SUBTITLE_FOLDERS):
        if name.startswith(stem):
            rest = name[len(stem) :]
            words = _words(rest)
            if not rest or (rest[0] in ".-_ [(" and words and _is_known(words)):
                return words
            return None
        if not folders or _EPISODE.search(stem) or _CROSS.search(stem):
            return None
    elif len(folders) != 2 or folders[0].casefold() not in _SUBTITLE_FOLDERS or folders[1] != stem:
        return None
    # In a folder of its own a subtitle need not repeat the video's name: `2_English.srt`.
    words = _words(re.sub(r"^\d{1,3}(?:[ ._-]+|$)", "", name))
    return words if len(folders) == 2 or _is_known(words) else None


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s._\[\](),]+|(?<![A-Za-z]{2})-|-(?![A-Za-z]{2}\b|[A-Z]|419)", text) if word]


def _is_known(words: list[str]) -> bool:
    """Whether these words may stand between a video's name and `.srt`. The first decides: after a language or a
    mark like `forced` people write what they like."""
    if not words:
        return True
    first = words[0].casefold()
    return (
        first in _FORCED | _HEARING_IMPAIRED | _DESCRIPTIVE | {"default"}
        or _language(words[0]) is not None
        or bool(_TAG.fullmatch(words[0]))
    )


def _read_sidecar(path: str, words: list[str]) -> SidecarSubtitle:
    language: str | None = None
    titles: list[str] = []
    marks: set[str] = set()
    for word in words:
        folded = word.casefold()
        if folded in _FORCED or folded == "default" or (folded in _HEARING_IMPAIRED and (folded != "hi" or language)):
            marks.add(folded)
        elif language is None and (found := _language(word)):
            language, region = found
            titles += [region] if region else []
        elif not _TAG.fullmatch(word) and not word.isdigit():
            titles.append(word)
    return SidecarSubtitle(
        relative_path=path,
        format=path.rpartition(".")[2].lower(),
        language=language,
        title=" ".join(titles) or None,
        is_forced=bool(marks & _FORCED),
        is_hearing_impaired=bool(marks & _HEARING_IMPAIRED),
        is_default="default" in marks,
    )


@lru_cache(maxsize=1024)
def _language(word: str) -> tuple[str, str | None] | None:
    """ISO 639-2/B code and region of a language written as code or English name: `de`, `ger`, `deu`, `pt-BR`,
    `German`. None if the word is no language."""
    folded = word.casefold()
    if folded in _REGIONAL:
        return _REGIONAL[folded]
    code, _, region = folded.partition("-")
    try:
        if len(code) == 2:
            language = Language.fromalpha2(code)
        elif len(code) == 3:
            try:
                language = Language.fromalpha3b(code)
            except Error:
                language = Language(code)
        else:
            language = Language.fromname(word.capitalize())
        country = Country(region.upper()).name.title() if region else None
        return str(language.alpha3b), country
    except (Error, ValueError):
        return None
