"""What file names say. Each row is a path in a library and its reading in one line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odeion.adapters.naming.guessit_parser import GuessitNameParser
from odeion.domain.library import LibraryKind
from odeion.domain.media_file import SidecarSubtitle
from odeion.domain.naming import NameKind, ParsedName

PARSER = GuessitNameParser(newest_year=2030)


def describe(name: ParsedName) -> str:
    """A parsed name in one line: `movie: Film (2001) {edition} [version] part 1 <tmdb-603>`,
    `episode: Series S01E02 E03 "Its Title"`, `extra: Film, trailer "Teaser"`."""
    words = [f"{name.title} ({name.year})" if name.year else name.title]
    if name.season is not None:
        words.append(f"S{name.season:02}" + " ".join(f"E{number:02}" for number in name.episodes))
    words += [f"#{number}" for number in name.absolute_numbers]
    words += [str(name.air_date)] if name.air_date else []
    words += [f'"{name.episode_title}"'] if name.episode_title else []
    words += [f'{name.extra_kind} "{name.extra_title}"'] if name.extra_kind else []
    words += [f"{{{name.edition}}}"] if name.edition else []
    words += [f"[{name.version}]"] if name.version else []
    words += [f"part {name.part}"] if name.part else []
    words += [f"<{provider}-{value}>" for provider, value in name.provider_ids]
    return f"{name.kind}: {' '.join(words)}"


FILMS = [
    ("The Matrix (1999)/The Matrix (1999).mkv", "movie: The Matrix (1999)"),
    ("The Matrix (1999)/The Matrix (1999) - 4K.mkv", "movie: The Matrix (1999) [4K]"),
    ("Film (2001)/Film (2001) {edition-Director's Cut}.mkv", "movie: Film (2001) {Director's Cut}"),
    ("Film (2001)/Film (2001) - Director's Cut.mkv", "movie: Film (2001) {Director's Cut}"),
    ("Film (2001)/Film (2001) [1080p].mkv", "movie: Film (2001) [1080p]"),
    ("Film (2001)/Film - Extended.mkv", "movie: Film (2001) {Extended}"),
    ("Film (2001)/Film (2001) - German Dub.mkv", "movie: Film (2001) [German Dub]"),
    ("2001 A Space Odyssey (1968).mkv", "movie: 2001 A Space Odyssey (1968)"),
    (
        "Blade Runner 2049 (2017)/Blade.Runner.2049.2017.2160p.UHD.BluRay.x265.HDR.mkv",
        "movie: Blade Runner 2049 (2017) [4K HDR]",
    ),
    ("Blade.Runner.2049.1080p.BluRay.x264-GRP.mkv", "movie: Blade Runner 2049 [1080p]"),
    ("1917 (2019).mkv", "movie: 1917 (2019)"),
    ("1917.2019.1080p.BluRay.mkv", "movie: 1917 (2019) [1080p]"),
    ("2012 (2009).mkv", "movie: 2012 (2009)"),
    ("2012.2009.1080p.mkv", "movie: 2012 (2009) [1080p]"),
    ("2012.mkv", "movie: 2012"),
    ("300 (2006)/300.mkv", "movie: 300 (2006)"),
    ("300.mkv", "movie: 300"),
    ("(500) Days of Summer (2009).mkv", "movie: (500) Days of Summer (2009)"),
    ("[REC] (2007).mkv", "movie: [REC] (2007)"),
    ("Film (2001)/film-cd1.avi", "movie: Film (2001) part 1"),
    ("Film (2001)/Film (2001) cd2.avi", "movie: Film (2001) part 2"),
    ("Film (2001)/Film (2001)-part1.mkv", "movie: Film (2001) part 1"),
    (
        "Harry Potter and the Deathly Hallows Part 1 (2010).mkv",
        "movie: Harry Potter and the Deathly Hallows Part 1 (2010)",
    ),
    (
        "Harry.Potter.and.the.Deathly.Hallows.Part.2.2011.1080p.mkv",
        "movie: Harry Potter and the Deathly Hallows Part 2 (2011) [1080p]",
    ),
    ("The Godfather Part II (1974).mkv", "movie: The Godfather Part II (1974)"),
    ("Film (2001)/Extras/Making of.mkv", 'extra: Film (2001) other "Making of"'),
    ("Film (2001)/Trailers/Teaser 1.mkv", 'extra: Film (2001) trailer "Teaser 1"'),
    ("Film (2001)/Film (2001)-trailer.mp4", 'extra: Film (2001) trailer "Trailer"'),
    ("Film (2001)/Cut scene-deleted.mkv", 'extra: Film (2001) deleted_scene "Cut scene"'),
    ("Film (2001)/Sample/film-sample.mkv", "sample: Film"),
    ("Film (2001)/film-sample.mkv", "sample: Film"),
    ("The Matrix (1999) {tmdb-603}/The Matrix.mkv", "movie: The Matrix (1999) <tmdb-603>"),
    ("The Matrix [imdbid-tt0133093]/matrix.mkv", "movie: The Matrix <imdb-tt0133093>"),
    ("tt0133093.mkv", "movie: tt0133093 <imdb-tt0133093>"),
    ("The Matrix (1999)/a3f4bc2299deadbeef.mkv", "movie: The Matrix (1999)"),
    ("The Matrix (1999)/tt0133093.mkv", "movie: The Matrix (1999) <imdb-tt0133093>"),
    ("Alien Collection/Alien (1979).mkv", "movie: Alien (1979)"),
    ("Shrek/Shrek 2.mkv", "movie: Shrek 2"),
    ("Shrek/movie.mkv", "movie: Shrek"),
    ("Some.Movie.1080p.BluRay.x264-GRP.mkv", "movie: Some Movie [1080p]"),
    ("Some.Movie.German.DL.1080p.BluRay.x264-GRP.mkv", "movie: Some Movie [1080p]"),
    ("Some.Movie.EXTENDED.1080p.BluRay.x264-GRP.mkv", "movie: Some Movie {Extended} [1080p]"),
    ("The.German.Doctor.1080p.BluRay.x264-GRP.mkv", "movie: The German Doctor [1080p]"),
    ("www.site.com - Film Name 2010 DVDRip XviD-GRP.avi", "movie: Film Name (2010) [DVD]"),
    ("Amélie - Le Fabuleux Destin (2001).mkv", "movie: Amélie - Le Fabuleux Destin (2001)"),
    ("千と千尋の神隠し (2001).mkv", "movie: 千と千尋の神隠し (2001)"),
    ("E.T.the.Extra-Terrestrial.1982.mkv", "movie: E.T. the Extra-Terrestrial (1982)"),
    ("S.W.A.T.2003.1080p.mkv", "movie: S.W.A.T. (2003) [1080p]"),
    ("R.I.P.D. (2013).mkv", "movie: R.I.P.D. (2013)"),
    (
        "Guardians of the Galaxy Vol. 2 (2017)/Guardians of the Galaxy Vol. 2 (2017).mkv",
        "movie: Guardians of the Galaxy Vol. 2 (2017)",
    ),
    ("Spider-Man - No Way Home (2021) [tmdbid=634649].mkv", "movie: Spider-Man - No Way Home (2021) <tmdb-634649>"),
    (
        "Avatar (2009)/Avatar.2009.Extended.Collectors.Edition.3D.1080p.BluRay.mkv",
        "movie: Avatar (2009) {Extended} [1080p 3D]",
    ),
    ("Movies/Heat (1995)/Heat.1995.Remastered.1080p.mkv", "movie: Heat (1995) {Remastered} [1080p]"),
    ("Wonder.Woman.1984.2020.2160p.WEB-DL.mkv", "movie: Wonder Woman 1984 (2020) [4K]"),
    ("Apollo 13 (1995).mkv", "movie: Apollo 13 (1995)"),
    ("Se7en.1995.mkv", "movie: Se7en (1995)"),
    ("Trailer Park (2010).mkv", "movie: Trailer Park (2010)"),
    ("The Sample.mkv", "movie: The Sample"),
    ("Film_With_Underscores_(2005)_[720p].mkv", "movie: Film With Underscores (2005) [720p]"),
    ("12 Angry Men (1957)/12 Angry Men.mkv", "movie: 12 Angry Men (1957)"),
    ("10 Things I Hate About You (1999).mkv", "movie: 10 Things I Hate About You (1999)"),
    ("9 (2009).mkv", "movie: 9 (2009)"),
    ("M (1931).mkv", "movie: M (1931)"),
    (
        "Dune Part Two (2024)/Dune.Part.Two.2024.2160p.DV.HDR10+.mkv",
        "movie: Dune Part Two (2024) [4K Dolby Vision HDR10+]",
    ),
    ("VIDEO_TS/VTS_01_1.VOB", "movie: VTS 01 1"),
    ("The Thing (1982)/VIDEO_TS/VTS_01_1.VOB", "movie: The Thing (1982)"),
    ("Amélie (2001)/Amélie.2001.German.DL.1080p.BluRay.x264-GRP.mkv", "movie: Amélie (2001) [1080p]"),
    ("Der Untergang (2004)/Der Untergang.mkv", "movie: Der Untergang (2004)"),
    ("Love, Death (1999) [imdb-tt0123456]/Love.mkv", "movie: Love, Death (1999) <imdb-tt0123456>"),
    ("Léon (1994)/Léon (1994) - Theatrical Cut - 1080p.mkv", "movie: Léon (1994) {Theatrical} [1080p]"),
    (
        "The Lord of the Rings - The Two Towers (2002)/The Two Towers - Extended Edition CD1.mkv",
        "movie: The Lord of the Rings - The Two Towers (2002) {Extended} part 1",
    ),
    ("Brazil (1985)/Brazil (1985) [Criterion] [1080p].mkv", "movie: Brazil (1985) {Criterion} [1080p]"),
    ("Metropolis (1927).mkv", "movie: Metropolis (1927)"),
    ("1984 (1984)/1984.1984.720p.mkv", "movie: 1984 (1984) [720p]"),
    ("1984.mkv", "movie: 1984"),
    ("21 Grams (2003).mkv", "movie: 21 Grams (2003)"),
    ("50-50 (2011)/50-50.mkv", "movie: 50-50 (2011)"),
    ("WALL-E (2008).mkv", "movie: WALL-E (2008)"),
    ("X-Men (2000)/X-Men.2000.DVD9.mkv", "movie: X-Men (2000) [DVD]"),
    ("Face-Off (1997).mkv", "movie: Face-Off (1997)"),
    ("Mission- Impossible (1996).mkv", "movie: Mission- Impossible (1996)"),
    ("Kill Bill - Vol. 1 (2003).mkv", "movie: Kill Bill - Vol. 1 (2003)"),
    (
        "What We Do in the Shadows (2014)/What.We.Do.in.the.Shadows.2014.PROPER.1080p.WEB-DL.mkv",
        "movie: What We Do in the Shadows (2014) [1080p]",
    ),
    ("T2 (2017).mkv", "movie: T2 (2017)"),
    ("Ex Machina (2015)/Interviews/Alex Garland.mkv", 'extra: Ex Machina (2015) interview "Alex Garland"'),
    ("Ex Machina (2015)/Shorts/Machine.mkv", 'extra: Ex Machina (2015) short "Machine"'),
    ("Ex Machina (2015)/Behind The Scenes/Sets.mkv", 'extra: Ex Machina (2015) behind_the_scenes "Sets"'),
    ("Ex Machina (2015)/Deleted Scenes/01 - The Lab.mkv", 'extra: Ex Machina (2015) deleted_scene "01 - The Lab"'),
    ("Ex Machina (2015)/Ex Machina.trailer.mp4", 'extra: Ex Machina (2015) trailer "Trailer"'),
    ("Ex Machina (2015)/Making of-behindthescenes.mkv", 'extra: Ex Machina (2015) behind_the_scenes "Making of"'),
    ("Extras/Extras.mkv", "movie: Extras"),
    ("Shorts/Luxo Jr. (1986).mkv", "movie: Luxo Jr. (1986)"),
    ("The Interview (2014).mkv", "movie: The Interview (2014)"),
    ("Trailers/Film (2001)-trailer.mkv", 'extra: Film (2001) trailer "Trailer"'),
    ("sample.mkv", "sample: sample"),
    ("00001.mkv", "movie: 00001"),
    ("Parasite (2019)/3f9c1e6a-4b5d-4c7e-8f90-1a2b3c4d5e6f.mkv", "movie: Parasite (2019)"),
    ("Horror/The Thing (1982)/The Thing (1982) - 4K HDR.mkv", "movie: The Thing (1982) [4K HDR]"),
    ("Film (2001)/Film (2001) - 4K Remastered.mkv", "movie: Film (2001) {Remastered} [4K]"),
    ("Director's Cut (2016).mkv", "movie: Director's Cut (2016)"),
    ("Uncut Gems (2019).mkv", "movie: Uncut Gems (2019)"),
    ("Solaris - Director's Cut.mkv", "movie: Solaris {Director's Cut}"),
    ("Gone with the Wind (1939)/disc 2/Gone with the Wind.mkv", "movie: Gone with the Wind (1939) part 2"),
    ("Show.S01E01.mkv", "movie: Show S01E01"),
    ("The Movie (2020) (1080p BluRay x265 10bit Tigole).mkv", "movie: The Movie (2020) [1080p]"),
    ("Movie.Name.(2020).WEBRip.mkv", "movie: Movie Name (2020) [WEB]"),
    ("Se7en (1995) [tmdbid-807]/Se7en.mkv", "movie: Se7en (1995) <tmdb-807>"),
    ("Ring (1998) {imdb-tt0178868}/リング.mkv", "movie: Ring (1998) <imdb-tt0178868>"),
    ("Дневной дозор (2006)/Дневной дозор.avi", "movie: Дневной дозор (2006)"),
]

SERIES = [
    ("Show/Season 02/Show - S02E03 - Title.mkv", 'episode: Show S02E03 "Title"'),
    ("Show/Staffel 2/Show S02E03.mkv", "episode: Show S02E03"),
    ("Show/S02/Show.S02E03.1080p.WEB.x264-GRP.mkv", "episode: Show S02E03 [1080p]"),
    ("Show/Season 00/Show - S00E05 - Special.mkv", 'episode: Show S00E05 "Special"'),
    ("Show/Specials/Behind it.mkv", 'episode: Show S00 "Behind it"'),
    ("Show/Specials/Show - S00E05.mkv", "episode: Show S00E05"),
    ("Show/Season 1/Show S01E01E02.mkv", "episode: Show S01E01 E02"),
    ("Show/Season 1/Show S01E01-E03 - Long.mkv", 'episode: Show S01E01 E02 E03 "Long"'),
    ("Show/Season 1/Show S01E01-03.mkv", "episode: Show S01E01 E02 E03"),
    ("Show/Show 1x01-02.mkv", "episode: Show S01E01 E02"),
    ("Show/Show 1x01x02 - Two.mkv", 'episode: Show S01E01 E02 "Two"'),
    ("Show/1x05.mkv", "episode: Show S01E05"),
    ("Show/Season 1/01 - Pilot.mkv", 'episode: Show S01E01 "Pilot"'),
    ("Show/Season 1/101 - Pilot.mkv", 'episode: Show S01E01 "Pilot"'),
    ("Show/Season 1/05.mkv", "episode: Show S01E05"),
    ("[Group] Title - 153 [1080p].mkv", "episode: Title #153 [1080p]"),
    ("[Group] Title - 153v2 [1080p][ABCD1234].mkv", "episode: Title #153 [1080p]"),
    ("Title/[Group] Title S2 - 05 [720p].mkv", "episode: Title S02E05 [720p]"),
    ("One Piece/One Piece - 1071.mkv", "episode: One Piece #1071"),
    ("One Piece/One Piece 1071.mkv", "episode: One Piece #1071"),
    ("Show.2024.03.15.mkv", "episode: Show 2024-03-15"),
    (
        "The Daily Show/The.Daily.Show.2024.03.15.Guest.Name.1080p.WEB.mkv",
        'episode: The Daily Show 2024-03-15 "Guest Name" [1080p]',
    ),
    (
        "The Daily Show/Season 2024/The Daily Show - 2024-03-15 - Guest.mkv",
        'episode: The Daily Show 2024-03-15 "Guest"',
    ),
    ("The Flash (2014)/Season 01/The Flash (2014) - S01E01 - Pilot.mkv", 'episode: The Flash (2014) S01E01 "Pilot"'),
    ("The.Flash.2014.S01E01.720p.HDTV.x264.mkv", "episode: The Flash (2014) S01E01 [720p]"),
    ("24/Season 1/24 - S01E01 - 12-00 A.M..mkv", 'episode: 24 S01E01 "12-00 A.M."'),
    ("24/Season 1/24.S01E01.mkv", "episode: 24 S01E01"),
    ("9-1-1/Season 1/9-1-1 - S01E01 - Pilot.mkv", 'episode: 9-1-1 S01E01 "Pilot"'),
    ("1883/Season 1/1883.S01E01.mkv", "episode: 1883 S01E01"),
    ("Extras/Season 1/Extras - S01E01.mkv", "episode: Extras S01E01"),
    ("Show/Season 1/Featurettes/Making of.mkv", 'extra: Show S01 featurette "Making of"'),
    ("Show/Extras/Gag Reel.mkv", 'extra: Show other "Gag Reel"'),
    ("Marvels.Agents.of.S.H.I.E.L.D.S01E01.720p.mkv", "episode: Marvels Agents of S.H.I.E.L.D. S01E01 [720p]"),
    ("Show.S01.1080p.WEB-GRP/show.s01e02.1080p.web-grp.mkv", "episode: Show S01E02 [1080p]"),
    ("Firefly Season 1/Firefly - 01.mkv", "episode: Firefly S01E01"),
    ("TV/Firefly/Firefly.S01E01.mkv", "episode: Firefly S01E01"),
    ("Show {tvdb-12345}/Season 1/Show S01E01.mkv", "episode: Show S01E01 <tvdb-12345>"),
    ("Show [tvdbid=12345]/Show S01E01.mkv", "episode: Show S01E01 <tvdb-12345>"),
    ("Show/Season 1 (2011)/Show S01E01.mkv", "episode: Show S01E01"),
    ("Show/Show - Episode 12 - Name.mkv", 'episode: Show #12 "Name"'),
    ("Show/Folge 12.mkv", "episode: Show #12"),
    ("Band of Brothers/Band.of.Brothers.E03.mkv", "episode: Band of Brothers #3"),
    ("Show/Season 1/Show S01E01 - The Thing (Part 1).mkv", 'episode: Show S01E01 "The Thing (Part 1)"'),
    ("Show/Season 1/Show S01E01 pt1.mkv", "episode: Show S01E01 part 1"),
    ("Show S01E01-GRP.mkv", "episode: Show S01E01"),
    ("Show/Show Season 2 Episode 4.mkv", "episode: Show S02E04"),
    ("Show/Season 10/Show.S10E100.mkv", "episode: Show S10E100"),
    ("The 100/Season 1/The 100 S01E01.mkv", "episode: The 100 S01E01"),
    ("The 4400/S01/The.4400.S01E02.mkv", "episode: The 4400 S01E02"),
    ("Show/OVA 2.mkv", "episode: Show S00E02"),
    ("Naruto Shippuden/Naruto Shippuden - 001-002.mkv", "episode: Naruto Shippuden #1 #2"),
    ("Show/readme video.mkv", 'episode: Show "readme video"'),
    ("Doctor Who (2005)/Doctor Who (2005) - S01E01 - Rose.mkv", 'episode: Doctor Who (2005) S01E01 "Rose"'),
    ("S.W.A.T. (2017)/Season 1/S.W.A.T. S01E01.mkv", "episode: S.W.A.T. (2017) S01E01"),
    ("Show/1/03 - Foo.mkv", 'episode: Show S01E03 "Foo"'),
    ("Space 1999/Season 1/Space 1999 - S01E01.mkv", "episode: Space 1999 S01E01"),
    ("Show/Season 01/Show (2014) S01E03 Name [WEBDL-1080p].mkv", 'episode: Show S01E03 "Name" [1080p]'),
    ("Show/Series 2/Show 2x04.mkv", "episode: Show S02E04"),
    ("Show/Saison 3/Show - S03E01 - Le Début.mkv", 'episode: Show S03E01 "Le Début"'),
    ("Show/2nd Season/Show - 04.mkv", "episode: Show S02E04"),
    ("Show/Season 1/Show.s01.e04.mkv", "episode: Show S01E04"),
    ("Show/Season 1/Show S01 E04.mkv", "episode: Show S01E04"),
    ("Show/Season 1/Show.S01E01-E02-E03.mkv", "episode: Show S01E01 E02 E03"),
    ("Show/Season 1/Show.S01E01.E02.mkv", "episode: Show S01E01 E02"),
    ("Show/Season 1/Show - S01E05 - The Extended Family.mkv", 'episode: Show S01E05 "The Extended Family"'),
    ("Show/Season 1/Show.S01E01.GERMAN.DL.1080p.mkv", "episode: Show S01E01 [1080p]"),
    ("Show/Season 1/Show.S01E01.The.Title.PROPER.720p.HDTV.mkv", 'episode: Show S01E01 "The Title" [720p]'),
    ("Show/Season 1/S01E07.mkv", "episode: Show S01E07"),
    ("Show/Season 1/7 - Seven.mkv", 'episode: Show S01E07 "Seven"'),
    ("Show/Sonderfolgen/Show - 3.mkv", "episode: Show S00E03"),
    ("Show/Specials/Christmas.mkv", 'episode: Show S00 "Christmas"'),
    ("Show/Season 1/Extras/Bloopers.mkv", 'extra: Show S01 other "Bloopers"'),
    ("Show/Season 1/Show S01E01-trailer.mkv", 'extra: Show S01 trailer "Show S01E01"'),
    ("Show/Trailers/Season 2.mkv", 'extra: Show trailer "Season 2"'),
    ("Fargo.S02E01.mkv", "episode: Fargo S02E01"),
    (
        "Mr. Robot/Season 1/Mr. Robot - S01E01 - eps1.0_hellofriend.mov.mkv",
        'episode: Mr. Robot S01E01 "eps1.0 hellofriend.mov"',
    ),
    (
        "The Office (US)/Season 5/The Office (US) - S05E14E15 - Stress Relief.mkv",
        'episode: The Office (US) S05E14 E15 "Stress Relief"',
    ),
    ("M.A.S.H/Season 1/M.A.S.H - S01E01.mkv", "episode: M.A.S.H. S01E01"),
    ("M*A*S*H (1972)/Season 1/01.mkv", "episode: M*A*S*H (1972) S01E01"),
    ("[SubsPlease] Sousou no Frieren - 05 (1080p) [F02B9CEE].mkv", "episode: Sousou no Frieren #5 [1080p]"),
    (
        "[Erai-raws] Jujutsu Kaisen 2nd Season - 12 [1080p][Multiple Subtitle].mkv",
        "episode: Jujutsu Kaisen S02E12 [1080p]",
    ),
    ("Attack on Titan/[HorribleSubs] Shingeki no Kyojin - 01 [720p].mkv", "episode: Attack on Titan #1 [720p]"),
    ("Bleach/Bleach - 366 - Changing History.mkv", 'episode: Bleach #366 "Changing History"'),
    ("Cowboy Bebop/Cowboy Bebop - Special 1.mkv", "episode: Cowboy Bebop S00E01"),
    ("Last Week Tonight/Last.Week.Tonight.15.03.2024.mkv", "episode: Last Week Tonight 2024-03-15"),
    ("1899/1899 S01E01.mkv", "episode: 1899 S01E01"),
    ("2 Broke Girls/Season 1/2 Broke Girls - S01E02.mkv", "episode: 2 Broke Girls S01E02"),
    ("UFO (1970)/UFO 01.mkv", "episode: UFO (1970) #1"),
    ("Doctor Who 2005/Season 1/Doctor.Who.S01E01.mkv", "episode: Doctor Who 2005 S01E01"),
    ("Downloads/Show.Name.S03E02.1080p.mkv", "episode: Show Name S03E02 [1080p]"),
    ("Anime/Monster/Monster 74.mkv", "episode: Monster #74"),
    ("show.mkv", "episode: show"),
    ("Show/Show S01E01 S01E02.mkv", "episode: Show S01E01 E02"),
    ("Cosmos/Cosmos.E13.mkv", "episode: Cosmos #13"),
    ("Show/Season 2/Show 2x13-2x14.mkv", "episode: Show S02E13 E14"),
    ("Show/Season 1/a7c2f9e01b3d4c5e.mkv", "episode: Show S01"),
    ("Show (2019) [imdbid-tt7366338]/Season 1/Show S01E01.mkv", "episode: Show (2019) S01E01 <imdb-tt7366338>"),
]

MIXED = [
    ("The Matrix (1999)/The Matrix (1999).mkv", "movie: The Matrix (1999)"),
    ("Show/Season 1/Show S01E01.mkv", "episode: Show S01E01"),
    ("Show.S01E01.mkv", "episode: Show S01E01"),
    ("[Group] Title - 12 [1080p].mkv", "episode: Title #12 [1080p]"),
    ("Ocean's 11.mkv", "movie: Ocean's 11"),
    ("Films/Up (2009).mkv", "movie: Up (2009)"),
    ("Series/Firefly/Season 1/05.mkv", "episode: Firefly S01E05"),
    ("8 1-2 (1963).mkv", "movie: 8 1-2 (1963)"),
    ("Films/Heat (1995)/Heat (1995).mkv", "movie: Heat (1995)"),
    ("Firefly/Specials/Gag.mkv", 'episode: Firefly S00 "Gag"'),
    ("Se7en/Se7en.mkv", "movie: Se7en"),
    ("2001 A Space Odyssey.mkv", "movie: 2001 A Space Odyssey"),
    ("Tagesschau.2024-03-15.mkv", "episode: Tagesschau 2024-03-15"),
    ("VID_20190503_120000.mp4", "movie: VID 20190503 120000"),
    ("Die Brücke/Staffel 1/Folge 3.mkv", "episode: Die Brücke S01E03"),
    ("Film (2001)-trailer.mkv", 'extra: Film (2001) trailer "Trailer"'),
]

FRAGMENTS = re.findall(
    r"\S+",
    "Show Film 2001 (1999) [1080p] S01E02 1x03 - . _ / Season 2 Extras sample part1 cd2 {tmdb-1} 2024.03.15"
    " E04 -E05 720p x264 ( [ ] ) { } -trailer .mkv 153 v2 tt0133093 Staffel www.a.b",
)


class TestParse:
    @pytest.mark.parametrize(("path", "reading"), FILMS)
    def test_reads_films(self, path: str, reading: str) -> None:
        assert describe(PARSER.parse(path, LibraryKind.FILM)) == reading

    @pytest.mark.parametrize(("path", "reading"), SERIES)
    def test_reads_series(self, path: str, reading: str) -> None:
        assert describe(PARSER.parse(path, LibraryKind.SERIES)) == reading

    @pytest.mark.parametrize(("path", "reading"), MIXED)
    def test_tells_films_from_series_in_a_mixed_library(self, path: str, reading: str) -> None:
        assert describe(PARSER.parse(path, LibraryKind.MIXED)) == reading

    def test_names_that_are_no_utf8_become_readable(self) -> None:
        path = b"Am\xe9lie (2001).mkv".decode("utf-8", "surrogateescape")
        assert PARSER.parse(path, LibraryKind.FILM).title == "Am\N{REPLACEMENT CHARACTER}lie"

    def test_composes_what_a_mac_decomposed(self) -> None:
        assert PARSER.parse("Ame\N{COMBINING ACUTE ACCENT}lie.mkv", LibraryKind.FILM).title == "Amélie"

    def test_all_files_of_a_series_get_the_same_title(self) -> None:
        paths = ["Fargo (2014)/Season 1/Fargo S01E01.mkv", "Fargo (2014)/Season 2/fargo.s02e01.1080p.web.mkv"]
        assert len({PARSER.parse(path, LibraryKind.SERIES).title for path in paths}) == 1

    @given(st.text(max_size=120), st.sampled_from(list(LibraryKind)))
    def test_never_raises_and_always_gives_a_title(self, path: str, kind: LibraryKind) -> None:
        assert PARSER.parse(path, kind).title

    @given(
        st.lists(
            st.sampled_from(FRAGMENTS),
            max_size=12,
        ),
        st.sampled_from(["", " ", ".", "/"]),
        st.sampled_from(list(LibraryKind)),
    )
    def test_never_stumbles_over_any_mixture_of_what_names_hold(
        self, words: list[str], glue: str, kind: LibraryKind
    ) -> None:
        name = PARSER.parse(glue.join(words), kind)
        assert name.title
        assert list(name.episodes) == sorted(set(name.episodes))
        assert (name.extra_kind is not None) == (name.kind is NameKind.EXTRA)


def read_subtitle(video: str, path: str) -> str | None:
    """`ger forced "Title"` of one subtitle file, None if it is not this video's."""
    found = PARSER.sidecars(video, [path])
    if not found:
        return None
    marks = {"forced": found[0].is_forced, "impaired": found[0].is_hearing_impaired, "default": found[0].is_default}
    words = [found[0].language or "?", *(name for name, is_set in marks.items() if is_set)]
    return " ".join([*words, f'"{found[0].title}"'] if found[0].title else words)


class TestSidecars:
    @pytest.mark.parametrize(
        ("path", "reading"),
        [
            ("F/Film.srt", "?"),
            ("F/Film.en.srt", "eng"),
            ("F/Film.eng.srt", "eng"),
            ("F/Film.deu.srt", "ger"),
            ("F/Film.de.forced.ass", "ger forced"),
            ("F/Film.forced.de.srt", "ger forced"),
            ("F/Film.eng.sdh.srt", "eng impaired"),
            ("F/Film.en.hi.srt", "eng impaired"),
            ("F/Film.hi.srt", "hin"),
            ("F/Film.en.cc.vtt", "eng impaired"),
            ("F/Film.default.en.srt", "eng default"),
            ("F/Film.pt-BR.srt", 'por "Brazil"'),
            ("F/Film.es-419.srt", 'spa "Latin America"'),
            ("F/Film.zh-Hans.srt", 'chi "Simplified"'),
            ("F/Film.English (SDH).srt", "eng impaired"),
            ("F/Film-German.srt", "ger"),
            ("F/Film_en.srt", "eng"),
            ("F/Film.en.Commentary.srt", 'eng "Commentary"'),
            ("F/Film.1080p.en.srt", "eng"),
            ("F/Subs/Film.fr.srt", "fre"),
            ("F/Subs/2_English.srt", "eng"),
            ("F/Subtitles/German.forced.srt", "ger forced"),
            ("F/Subs/Film/3_German.srt", "ger"),
            ("F/Subs/Film/7_Whatever.srt", '? "Whatever"'),
            ("F/Film 2.srt", None),
            ("F/Film 2.en.srt", None),
            ("F/Film.Part2.en.srt", None),
            ("F/Filmmaker.srt", None),
            ("F/Other.en.srt", None),
            ("F/Subs/Other/2_English.srt", None),
            ("F/Subs/Other.en.srt", None),
            ("F/deeper/Film.en.srt", None),
            ("G/Film.en.srt", None),
            ("Film.en.srt", None),
        ],
    )
    def test_reads_what_belongs_to_a_film(self, path: str, reading: str | None) -> None:
        assert read_subtitle("F/Film.mkv", path) == reading

    def test_a_folder_of_bare_languages_belongs_to_no_single_episode(self) -> None:
        assert PARSER.sidecars("S/S01E01.mkv", ["S/Subs/English.srt", "S/Subs/S01E01/English.srt"]) == (
            SidecarSubtitle(relative_path="S/Subs/S01E01/English.srt", format="srt", language="eng"),
        )

    def test_come_in_path_order_whatever_the_order_given(self) -> None:
        found = PARSER.sidecars("Film.mkv", ["Film.fr.srt", "Film.de.ASS"])
        assert [(subtitle.relative_path, subtitle.format) for subtitle in found] == [
            ("Film.de.ASS", "ass"),
            ("Film.fr.srt", "srt"),
        ]

    @given(st.text(max_size=40), st.lists(st.text(max_size=60), max_size=5))
    def test_never_raises(self, video: str, subtitles: list[str]) -> None:
        PARSER.sidecars(video, subtitles)
        PARSER.sidecars(video, [video + subtitle for subtitle in subtitles])
