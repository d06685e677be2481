"""HLS as hls.js plays it in a real browser: a page of nothing but a player that keeps a record of what goes wrong."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from tests.integration.web.server import Server

_PAGE = Path(__file__).with_name("screening.html")
_HLS = Path(__file__).parents[3] / "web/node_modules/hls.js/dist/hls.min.js"
# What is less is a rounding of timestamps; players play over it.
HOLE_S = 0.05


def capabilities(video: str = "h264", **more: Any) -> dict[str, Any]:
    """Chromium, which plays AAC here, and one kind of pictures, in HLS only."""
    return {
        "open_groups": False,
        "containers": [],
        "video_codecs": [{"codec": video, **more}],
        "audio_codecs": [{"codec": "aac", "max_channels": 2}],
    }


async def start_session(server: Server, title: str, able: dict[str, Any], **options: Any) -> dict[str, Any]:
    """A playback session of a film."""
    body = {"media_type": "movie", "media_id": await server.find(title), "capabilities": able, **options}
    async with server.api(await server.token()) as api:
        session: dict[str, Any] = (await api.post("/api/playback/sessions", json=body)).raise_for_status().json()
    return session


@dataclass
class Screening:
    """A playing film. All methods fail where something takes too long."""

    page: Page
    duration_s: float
    started_ms: float

    async def seek(self, to: float) -> float:
        """Milliseconds until a frame from there was presented."""
        return float(await self.page.evaluate("(to) => screening.seek(to)", to))

    async def seeks(self, count: int, *, seed: int = 7) -> list[float]:
        """To random places, with a look at each; milliseconds until each was seen."""
        places = random.Random(seed)  # noqa: S311
        took = []
        for _ in range(count):
            to = places.uniform(0, self.duration_s - 2)
            took.append(await self.seek(to))
            await self.plays_to(to + 0.3)
        return took

    async def plays_to(self, to: float) -> float:
        limit_ms = 20_000 + self.duration_s * 1500
        return float(await self.page.evaluate("([to, limit]) => screening.playsTo(to, limit)", [to, limit_ms]))

    async def plays_through(self, *, rate: float) -> None:
        """From the beginning to the end without a hole."""
        await self.seek(0)
        await self.page.evaluate("(rate) => { document.querySelector('video').playbackRate = rate; }", rate)
        end = await self.plays_to(self.duration_s - 0.3)
        assert end >= self.duration_s - 0.5, f"it ended at {end:.2f} s of {self.duration_s:.2f} s"
        await self.page.evaluate("() => { document.querySelector('video').playbackRate = 1; }")
        ranges = await self.page.evaluate("() => screening.buffered()")
        holes = [(end, begin) for (_, end), (begin, _) in itertools.pairwise(ranges) if begin - end > HOLE_S]
        assert not holes, f"holes in what was played: {holes}"
        # Sound that begins later than the picture is no hole.
        assert ranges[0][0] < 1, f"the beginning is missing: {ranges}"

    async def problems(self) -> list[str]:
        found: list[str] = await self.page.evaluate("() => screening.problems")
        return found


@asynccontextmanager
async def screening(
    chromium: Browser, server: Server, session: dict[str, Any], **config: Any
) -> AsyncIterator[Screening]:
    """A window in which a session plays; `config` goes to hls.js. Ends with no problem having been noted."""
    context = await chromium.new_context(base_url=server.url)
    try:
        page = await context.new_page()
        await page.route("**/screening/", lambda route: route.fulfill(path=_PAGE, content_type="text/html"))
        await page.route("**/screening/hls.js", lambda route: route.fulfill(path=_HLS, content_type="text/javascript"))
        await page.goto("/screening/")
        started_ms = await page.evaluate(
            "([url, config]) => screening.open(url, config)", [session["url"], {"enableWorker": False, **config}]
        )
        screen = Screening(page, session["duration_ms"] / 1000, float(started_ms))
        yield screen
        problems = await screen.problems()
        assert not problems, "\n".join(problems)
        await page.evaluate("() => screening.close()")
    finally:
        await context.close()
