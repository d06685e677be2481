"""Films of many kinds for a real player, and the long matrix of them: `script/conformance`."""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from playwright.async_api import async_playwright

from tests.integration.media.hls import make
from tests.integration.web.chromium import SWITCHES, chromium_path
from tests.integration.web.screening import Screening, capabilities, screening, start_session
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
# These are of a codec that not every build of Chromium plays, or of a container whose streams are not copied.
_CONVERTED_ONLY = {"Fifty", "Of Mpeg", "Transport", "Web", "Alliance"}
# H.264 in which Chromium can begin at too few places: it is converted for it.
OPEN = {"Open Groups", "Open Groups of Mpeg", "Late", "Fragments", "Without Cues"}


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
    """A server of its own with these films and those of `make_films`."""
    (folder / "samples").mkdir(parents=True)
    await asyncio.to_thread(make_films, folder / "films", folder / "samples", films)
    async with running_server(folder / "data", web_root) as server:
        await server.furnish({"Films": ("film", folder / "films")})
        for title in OPEN & films.keys():
            await until(partial(_is_converted, server, title), f"{title} is indexed", 60)
        yield server


async def _is_converted(server: Server, title: str) -> bool:
    return bool((await start_session(server, title, COPIED))["mode"] == "transcode")


async def switches_sound(screen: Screening, times: int) -> None:
    """To and fro between two tracks, in play."""
    for number in range(times):
        await screen.page.evaluate("(track) => screening.chooseSound(track)", (number + 1) % 2)
        begun = float(await screen.page.evaluate("document.querySelector('video').currentTime"))
        await screen.plays_to(begun + 1)


async def switches_rungs(screen: Screening, times: int) -> None:
    """Down and up between the first two rungs, in play."""
    highest = int(await screen.page.evaluate("screening.hls.levels.length - 1"))
    for number in range(times):
        await screen.page.evaluate("(level) => screening.chooseRung(level)", highest - (number + 1) % 2)


async def _matrix(seeks: int, rate: float, only: str | None) -> int:
    failures = 0
    films = {title: name for title, name in {**FILMS, **MORE_FILMS}.items() if only is None or only in title}
    with tempfile.TemporaryDirectory(prefix="odeion-conformance-") as name:
        async with (
            async_playwright() as playwright,
            cinema(Path(name, "house"), films, Path(__file__).parents[3] / "web/build") as server,
        ):
            path = chromium_path()
            assert path is not None, "Chromium is not installed"
            browser = await playwright.chromium.launch(executable_path=path, args=SWITCHES)
            for title in [*films, LADDER]:
                ways: dict[str, dict[str, Any]] = {"copied": COPIED, "converted": CONVERTED}
                if title in _CONVERTED_ONLY:
                    del ways["copied"]
                for way, able in ways.items():
                    failures += not await _plays(browser, server, title, way, able, seeks, rate)
            await browser.close()
    print(f"{failures} failures")
    return 1 if failures else 0


async def _plays(
    browser: Any, server: Server, title: str, way: str, able: dict[str, Any], seeks: int, rate: float
) -> bool:
    session = await start_session(server, title, able)
    took: list[float] = []
    try:
        mode = "transcode" if way == "converted" or title in OPEN else "remux"
        assert session["mode"] == mode, session
        async with screening(browser, server, session) as screen:
            took = await screen.seeks(seeks)
            if len(session["audio"]) > 1:
                await screen.seek(1)
                await switches_sound(screen, 6)
            await screen.plays_through(rate=rate)
            if title == LADDER:
                await screen.seek(1)
                await switches_rungs(screen, 4)
    except Exception as failure:
        print(f"FAILED {title}, {way}: {failure}")
        return False
    ordered = sorted(took)
    told = f"{len(took)} seeks of {statistics.median(took):.0f} ms, 19 of 20 within"
    told += f" {ordered[int(len(ordered) * 0.95)]:.0f} ms"
    print(f"{title}, {way} ({session['mode']}): begins after {screen.started_ms:.0f} ms, {told}", flush=True)
    return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="script/conformance", description=__doc__)
    parser.add_argument("--seeks", type=int, default=30)
    parser.add_argument("--rate", type=float, default=4)
    parser.add_argument("--only", help="films whose title has this in it")
    given = parser.parse_args()
    sys.exit(asyncio.run(_matrix(given.seeks, given.rate, given.only)))
