"""Films of many kinds for a real player, and the long matrix of them: `script/conformance`."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.integration.media.hls import make
from tests.integration.web.drivers import Tab, chromium, firefox, webkit
from tests.integration.web.screening import Screening, add_page, capabilities, screening, start_session
from tests.integration.web.server import Server, running_server
from tests.integration.web.waiting import until

COPIED = capabilities()
# A client that names no kind of pictures cannot be had with the original.
CONVERTED = COPIED | {"video_codecs": []}

# Titles of films, and the samples they are.
FILMS = {
    "Surround": "h264_surround_mkv",
    "Open Groups": "open_gop_mkv",
    "Open Groups of Mpeg": "open_gop_mp4",
    "Mixed Groups": "mixed_gop_mkv",
    "Edit Lists": "h264_aac_mp4",
    "Uneven": "variable_rate_mkv",
    "Fifty": "hevc10_mkv",
}
MORE_FILMS = {
    "Mixed Groups of Mpeg": "mixed_gop_mp4",
    "Late": "late_mkv",
    "Late Sound": "late_audio_mp4",
    "Trimmed": "trimmed_mp4",
    "Fragments": "fragmented_mp4",
    "Without Cues": "no_cues_mkv",
    "Transport": "transport_stream",
    "Web": "vp9_webm",
    "Of Mpeg": "hevc10_mp4",
    "Alliance": "av1_mkv",
}
LADDER = "Ladder"
# An encoder is busy with the one for a while, and pauses far ahead of whoever watches the other.
HEAVY, LONG = "Heavy", "Long"
# H.264 in which Chromium can begin at too few places: it is converted for it.
OPEN = {"Open Groups", "Open Groups of Mpeg", "Late", "Fragments", "Without Cues", "Transport"}
_HEVC = {"Fifty", "Of Mpeg"}


@dataclass(frozen=True)
class Browser:
    """`able` are the capabilities for which films are copied, but for those of `converted_only`. `rate`: how fast a
    film is played through."""

    tab: Callable[[], AbstractAsyncContextManager[Tab]]
    able: dict[str, Any]
    converted_only: set[str]
    rate: float = 4


def _decodes(*video: str) -> dict[str, Any]:
    """A browser that begins in open groups. It shows HDR10 as it can: who does not claim it gets it converted."""
    return {
        "open_groups": True,
        "hdr": ["hdr10"],
        "containers": [],
        "video_codecs": [{"codec": codec, "max_bit_depth": 10} for codec in video],
        "audio_codecs": [{"codec": codec, "max_channels": 8} for codec in ("aac", "opus", "flac", "mp3")],
    }


BROWSERS = {
    # Not every build of Chromium plays more than H.264.
    "chromium": Browser(chromium, COPIED, _HEVC | {"Web", "Alliance"}),
    "firefox": Browser(firefox, _decodes("h264", "vp9", "av1"), _HEVC),
    # Of what a script feeds it, whoever made that, WebKitGTK sees holes between pictures of a variable rate; and it
    # stands still, or goes on as before, when the rate of playing changes.
    "webkit": Browser(webkit, _decodes("h264", "hevc", "vp9", "av1"), {"Uneven"}, rate=1),
}


def make_films(folder: Path, samples: Path, films: dict[str, str]) -> None:
    """The films in a folder as a library has them, with LADDER, HEAVY and LONG."""
    folder.mkdir(parents=True)
    for title, name in {**films, LADDER: "ladder_mkv", HEAVY: "heavy_mkv", LONG: "long_mkv"}.items():
        source = make(name, samples)
        os.link(source, folder / f"{title} (2001){source.suffix}")
    moment = time.time() - 3600
    for path in folder.iterdir():
        # A scan leaves alone what somebody may still be writing.
        os.utime(path, (moment, moment))


@asynccontextmanager
async def cinema(folder: Path, films: dict[str, str], web_root: Path) -> AsyncIterator[Server]:
    """A server of its own with these films and those of `make_films`, and with the player's page."""
    (folder / "samples").mkdir(parents=True)
    await asyncio.to_thread(make_films, folder / "films", folder / "samples", films)
    await asyncio.to_thread(shutil.copytree, web_root, folder / "web")
    add_page(folder / "web")
    async with running_server(folder / "data", folder / "web") as server:
        await server.furnish({"Films": ("film", folder / "films")})
        for title in OPEN & films.keys():
            await until(partial(_is_converted, server, title), f"{title} is indexed", 60)
        yield server


async def _is_converted(server: Server, title: str) -> bool:
    return bool((await start_session(server, title, COPIED))["mode"] == "transcode")


async def switches_sound(screen: Screening, times: int) -> None:
    """To and fro between two tracks, in play."""
    for number in range(times):
        await screen.tab.evaluate("(track) => screening.chooseSound(track)", (number + 1) % 2)
        begun = float(await screen.tab.evaluate("document.querySelector('video').currentTime"))
        await screen.plays_to(begun + 1)


async def switches_rungs(screen: Screening, times: int) -> None:
    """Down and up between the first two rungs, in play."""
    highest = int(await screen.tab.evaluate("screening.hls.levels.length - 1"))
    for number in range(times):
        await screen.tab.evaluate("(level) => screening.chooseRung(level)", highest - (number + 1) % 2)


async def _matrix(browser: Browser, seeks: int, rate: float, only: str | None) -> int:
    failures = 0
    films = {title: name for title, name in {**FILMS, **MORE_FILMS}.items() if only is None or only in title}
    with tempfile.TemporaryDirectory(prefix="odeion-conformance-") as name:
        async with cinema(Path(name, "house"), films, Path(__file__).parents[3] / "web/build") as server:
            for title in [*films, LADDER]:
                if title not in browser.converted_only:
                    mode = "transcode" if title in OPEN and not browser.able["open_groups"] else "remux"
                    failures += not await _plays(browser, server, title, browser.able, mode, seeks, rate)
                failures += not await _plays(browser, server, title, CONVERTED, "transcode", seeks, rate)
    print(f"{failures} failures")
    return 1 if failures else 0


async def _plays(
    browser: Browser, server: Server, title: str, able: dict[str, Any], mode: str, seeks: int, rate: float
) -> bool:
    way = f"{title}, {'converted' if able is CONVERTED else 'copied'}"
    session = await start_session(server, title, able)
    try:
        assert session["mode"] == mode, session
        async with browser.tab() as tab, screening(tab, server, session) as screen:
            took = sorted(await screen.seeks(seeks))
            if len(session["audio"]) > 1:
                await screen.seek(1)
                await switches_sound(screen, 6)
            await screen.plays_through(rate=rate)
            if title == LADDER:
                await screen.seek(1)
                await switches_rungs(screen, 4)
    except Exception as failure:
        print(f"FAILED {way}: {type(failure).__name__}: {failure}", flush=True)
        return False
    told = f"{len(took)} seeks of {statistics.median(took):.0f} ms, 19 of 20 within"
    told += f" {took[int(len(took) * 0.95)]:.0f} ms"
    print(f"{way} ({mode}): begins after {screen.started_ms:.0f} ms, {told}", flush=True)
    return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="script/conformance", description=__doc__)
    parser.add_argument("--browser", choices=BROWSERS, default="chromium")
    parser.add_argument("--seeks", type=int, default=30)
    parser.add_argument("--rate", type=float, help="how fast films are played through")
    parser.add_argument("--only", help="films whose title has this in it")
    given = parser.parse_args()
    chosen = BROWSERS[given.browser]
    sys.exit(asyncio.run(_matrix(chosen, given.seeks, given.rate or chosen.rate, given.only)))
