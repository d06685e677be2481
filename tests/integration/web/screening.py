"""HLS as hls.js plays it in a real browser: a page of nothing but a player that keeps a record of what goes wrong."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.web.drivers import Tab
from tests.integration.web.server import Server

_HERE = Path(__file__).parent
_FILES = {
    "index.html": _HERE / "screening.html",
    "screening.js": _HERE / "screening.js",
    "hls.js": _HERE.parents[2] / "web/node_modules/hls.js/dist/hls.min.js",
}
# What is less is a rounding of timestamps; players play over it.
HOLE_S = 0.05


def add_page(web_root: Path) -> None:
    """Lets a server show the player's page beside the web app."""
    folder = web_root / "screening"
    folder.mkdir()
    for name, source in _FILES.items():
        shutil.copyfile(source, folder / name)


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

    tab: Tab
    duration_s: float
    started_ms: float

    async def seek(self, to: float) -> float:
        """Milliseconds until a frame from there was presented."""
        return float(await self.tab.evaluate("(to) => screening.seek(to)", to))

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
        return float(await self.tab.evaluate("([to, limit]) => screening.playsTo(to, limit)", [to, limit_ms]))

    async def plays_through(self, *, rate: float) -> None:
        """From the beginning to the end without a hole."""
        await self.seek(0)
        await self.tab.evaluate("(rate) => { document.querySelector('video').playbackRate = rate; }", rate)
        end = await self.plays_to(self.duration_s - 0.3)
        assert end >= self.duration_s - 0.5, f"it ended at {end:.2f} s of {self.duration_s:.2f} s"
        await self.tab.evaluate("() => { document.querySelector('video').playbackRate = 1; }")
        ranges = await self.tab.evaluate("() => screening.buffered()")
        holes = [(end, begin) for (_, end), (begin, _) in itertools.pairwise(ranges) if begin - end > HOLE_S]
        assert not holes, f"holes in what was played: {holes}"
        # Sound that begins later than the picture is no hole.
        assert ranges[0][0] < 1, f"the beginning is missing: {ranges}"

    async def problems(self) -> list[str]:
        found: list[str] = await self.tab.evaluate("() => screening.problems")
        return found


@asynccontextmanager
async def screening(tab: Tab, server: Server, session: dict[str, Any], **config: Any) -> AsyncIterator[Screening]:
    """A session plays in a tab; `config` goes to hls.js. Ends with no problem having been noted."""
    await tab.goto(f"{server.url}/screening/index.html")
    started_ms = await tab.evaluate(
        "([url, config]) => screening.open(url, config)", [session["url"], {"enableWorker": False, **config}]
    )
    screen = Screening(tab, session["duration_ms"] / 1000, float(started_ms))
    yield screen
    problems = await screen.problems()
    assert not problems, "\n".join(problems)
    await tab.evaluate("() => screening.close()")
