"""Seeks of a viewer in a browser: hls.js and Chromium before a real server."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright
from served import Server, make_film, serving

DESCRIPTION = (
    "95th percentile from a seek to the first frame in Chromium, as a share of 0.5 s (remux) and 1.5 s (transcode)"
)
GOAL = 1.0
GOAL_IS = "at_most"

_SECONDS, _BITS_PER_SECOND = 300, 8_000_000
_SEEKS = 20
_LIMITS_MS = {"remux": 500, "transcode": 1500}
_CODECS = {"remux": "h264", "transcode": "vp9"}
_ROOT = Path(__file__).parent.parent
_PAGE = {
    "index.html": _ROOT / "tests/integration/web/screening.html",
    "screening.js": _ROOT / "tests/integration/web/screening.js",
    "hls.js": _ROOT / "web/node_modules/hls.js/dist/hls.min.js",
}


def run(out: Callable[[str], None]) -> float:
    """Random places, each where nothing was made or fetched before; the larger of the two shares."""
    with tempfile.TemporaryDirectory(prefix="odeion-seek-") as data:
        folder = Path(data)
        film = folder / "films/Film (2001).mkv"
        film.parent.mkdir()
        make_film(film, "-c:a", "aac", seconds=_SECONDS, bits_per_second=_BITS_PER_SECOND)
        web_root = folder / "web"
        web_root.mkdir()
        for name, source in _PAGE.items():
            shutil.copyfile(source, web_root / name)
        with serving(film.parent, folder, web_root) as server:
            took = asyncio.run(_measure(server))
    out(f"load {os.getloadavg()[0]:.1f}; {_SEEKS} seeks in 1080p at {_BITS_PER_SECOND / 1e6:g} Mb/s each")
    shares = []
    for mode, times in took.items():
        worst = sorted(times)[round(len(times) * 0.95) - 1]
        shares.append(worst / _LIMITS_MS[mode])
        out(f"  {mode:10} median {statistics.median(times):6.0f} ms, 95th percentile {worst:6.0f} ms")
    return max(shares)


async def _measure(server: Server) -> dict[str, list[float]]:
    async with async_playwright() as playwright:
        path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        switches = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
        browser = await playwright.chromium.launch(executable_path=path, args=switches)
        return {mode: await _seeks(browser, server, mode) for mode in _LIMITS_MS}


async def _seeks(browser: Browser, server: Server, mode: str) -> list[float]:
    film = server.api.get("/api/movies").raise_for_status().json()["items"][0]["id"]
    able: dict[str, Any] = {"containers": [], "video_codecs": [{"codec": _CODECS[mode]}]}
    able["audio_codecs"] = [{"codec": "aac", "max_channels": 2}]
    body = {"media_type": "movie", "media_id": film, "capabilities": able}
    session = server.api.post("/api/playback/sessions", json=body).raise_for_status().json()
    if session["mode"] != mode:
        raise AssertionError(f"{session['mode']} instead of {mode}: {session['reasons']}")
    # Never twice within what the player or the encoder is ahead.
    places = list(range(20, _SECONDS - 10, 12))
    random.Random(4).shuffle(places)
    page = await browser.new_page(base_url=str(server.api.base_url))
    await page.goto("/")
    config = {"maxBufferLength": 4, "maxMaxBufferLength": 4, "startLevel": 0}
    await page.evaluate("([url, config]) => screening.open(url, config)", [session["url"], config])
    # The largest picture, not a smaller one for a slow connection.
    await page.evaluate("screening.hls.loadLevel = screening.hls.levels.length - 1")
    took = []
    for place in places[:_SEEKS]:
        to = place + random.Random(place).random() * 2
        took.append(float(await page.evaluate("(to) => screening.seek(to)", to)))
        await page.evaluate("(to) => screening.playsTo(to, 20000)", to + 0.3)
    await page.close()
    server.api.delete(f"/api/playback/movie/{film}/session").raise_for_status()
    return took
