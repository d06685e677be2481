"""A person at the browser: one window, what goes wrong in it, and the player as seen from outside."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import ConsoleMessage, Page, Request, Response, Route, ViewportSize, expect

from tests.integration.web.waiting import until

AXE = Path(__file__).parents[3] / "web/node_modules/axe-core/axe.min.js"

LAPTOP: ViewportSize = {"width": 1440, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

# A small picture of the frame on show: the mean of its luma, and the variance.
_FRAME = """(video) => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [96, 54];
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0, 96, 54);
    const { data } = context.getImageData(0, 0, 96, 54);
    const luma = [];
    for (let i = 0; i < data.length; i += 4) luma.push(0.2126 * data[i] + 0.7152 * data[i + 1] + 0.0722 * data[i + 2]);
    const mean = luma.reduce((sum, one) => sum + one, 0) / luma.length;
    return [mean, luma.reduce((sum, one) => sum + (one - mean) ** 2, 0) / luma.length];
}"""


@dataclass
class Ledger:
    """All that went wrong in a window: console errors, exceptions, dialogs, failed requests, calls to other hosts."""

    origin: str
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    expected: set[tuple[int, str]] = field(default_factory=set)
    strangers: tuple[str, ...] = ()

    def expect(self, status: int, path: str) -> None:
        """This answer belongs to the test."""
        self.expected.add((status, path))

    def let_visit(self, *origins: str) -> None:
        """Pages of others, which belong to the test; what goes wrong on them is not ours."""
        self.strangers += origins

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"exception: {error}"))
        page.on("request", self._request)
        page.on("requestfailed", self._failed)
        page.on("response", self._response)
        page.on("dialog", self._dialog)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        at = message.location.get("url", "").removeprefix(self.origin)
        if self._is_strange(at):
            return
        status = re.search(r"status of (\d+)", message.text)
        if status and (int(status[1]), at) in self.expected:
            return
        self.problems.append(f"console {message.type}: {message.text} at {at}")

    def _request(self, request: Request) -> None:
        if request.url.startswith(("blob:", "data:")) or self._is_strange(request.url):
            return
        if not request.url.startswith((self.origin, self.origin.replace("http", "ws", 1))):
            self.problems.append(f"a request to another host: {request.url}")
        self.requests.append(request.url.removeprefix(self.origin))

    def _failed(self, request: Request) -> None:
        # What the page itself gave up: a film that was left, a position that was changed.
        if request.failure != "net::ERR_ABORTED" and not self._is_strange(request.url):
            self.problems.append(f"{request.method} {request.url}: {request.failure}")

    def _response(self, response: Response) -> None:
        path = response.url.removeprefix(self.origin)
        if response.status >= 400 and (response.status, path) not in self.expected and not self._is_strange(path):
            self.problems.append(f"{response.request.method} {path}: {response.status}")

    def _is_strange(self, address: str) -> bool:
        return bool(self.strangers) and address.startswith(self.strangers)

    async def _dialog(self, dialog: Any) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        await dialog.dismiss()


@dataclass
class Theatre:
    """The player on a page, and what the server decided for it."""

    page: Page
    session: dict[str, Any] = field(default_factory=dict)

    async def open(self, address: str) -> dict[str, Any]:
        """Go to a film and wait until it plays; the session that was made for it."""
        return await self.starts(lambda: self.page.goto(address))

    async def starts(self, act: Callable[[], Any]) -> dict[str, Any]:
        """Do something that begins a session and wait until it plays."""
        async with self.page.expect_response(_is_new_session) as started:
            await act()
        self.session = await (await started.value).json()
        await self.plays_on()
        return self.session

    async def time(self) -> float:
        return float(await self.video("currentTime"))

    async def plays_on(self, by: float = 0.7) -> float:
        """Wait until the film has gone on; where it is now."""
        begun = await self.reaches(0, float("inf"))
        return await self.reaches(begun + by, float("inf"))

    async def reaches(self, low: float, high: float) -> float:
        """Wait until a frame between two moments is on show; where it is now."""

        async def is_there() -> bool:
            return await self.is_ready() and low <= await self.time() <= high

        await until(is_there, f"the film between {low:.1f} and {high:.1f} s")
        return await self.time()

    async def is_ready(self) -> bool:
        script = "() => { const v = document.querySelector('video'); return !!v && v.readyState >= 2 && !v.seeking; }"
        return bool(await self.page.evaluate(script))

    async def video(self, state: str) -> Any:
        """A property of the video element."""
        return await self.page.evaluate("(state) => document.querySelector('video')[state]", state)

    async def comes_to(self, state: str, value: object) -> None:
        async def is_so() -> bool:
            return bool(await self.video(state) == value)

        await until(is_so, f"{state} is {value}")

    async def shows_a_picture(self) -> None:
        """The frame on show is not black, and not one colour either."""
        mean, variance = await self.page.eval_on_selector("video", _FRAME)
        assert mean > 10, f"the frame is black: mean luma {mean:.1f}"
        assert variance > 4, f"the frame is of one colour: variance {variance:.1f}"

    async def choose(self, menu: str, item: str) -> None:
        await self.page.mouse.move(300, 300)
        await self.page.get_by_role("button", name=menu, exact=True).click()
        # The plain one where there are two ways to have it.
        await self.page.get_by_role("menuitemradio", name=item).first.click()

    async def is_chosen(self, menu: str, item: str) -> None:
        await self.page.mouse.move(320, 320)
        await self.page.get_by_role("button", name=menu, exact=True).click()
        chosen = self.page.get_by_role("menuitemradio", name=item).first
        await expect(chosen).to_have_attribute("aria-checked", "true")
        await self.page.keyboard.press("Escape")


def _is_new_session(response: Response) -> bool:
    return response.url.endswith("/api/playback/sessions") and response.request.method == "POST"


async def narrow(page: Page, **only: list[str]) -> None:
    """Let the browser claim less than it may be able to: builds of Chromium differ in what they decode, and a test of
    remuxing or transcoding needs one that cannot play the file as it is."""

    async def change(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        able = body["capabilities"]
        for kind, names in only.items():
            able[kind] = [one for one in able[kind] if (one if isinstance(one, str) else one["codec"]) in names]
        await route.continue_(post_data=json.dumps(body))

    await page.route("**/api/playback/sessions", change)


async def is_accessible(page: Page, where: str) -> None:
    """axe finds nothing on the page as it is now."""
    source = await asyncio.to_thread(AXE.read_text, encoding="utf-8")
    await page.evaluate(source)
    found = await page.evaluate(
        """async () => (await axe.run(document, { resultTypes: ['violations'] })).violations.map(
            ({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} (${node.failureSummary})`).join('; ')}`
        )"""
    )
    assert not found, f"{where} at {page.viewport_size}:\n" + "\n".join(found)
