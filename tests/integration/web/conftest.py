"""The web app in a real browser, before a real server with the demo library."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    Page,
    StorageState,
    ViewportSize,
    async_playwright,
    expect,
)

from odeion.entrypoints.demo import make_demo_library
from tests.integration.web.browser import LAPTOP, Ledger, Theatre
from tests.integration.web.chromium import SWITCHES, chromium_path
from tests.integration.web.conformance import FILMS, cinema
from tests.integration.web.server import Server, running_server

_CHECKOUT = Path(__file__).parents[3]
_WEB_ROOT = _CHECKOUT / "web/build"
_DEMO = _CHECKOUT / ".cache/demo-library"
# For whatever a page is to do, on machines that do much else.
_PATIENCE_MS = 20_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These before all others: what shares a run among processes then leaves them to one, with its browser and servers.
    The set-up first, while the server is new: starting another takes a while."""
    here = Path(__file__).parent
    items.sort(key=lambda item: (item.path != here / "test_setup.py") + (item.path.parent != here))


def _need(there: bool, reason: str) -> None:
    if there:
        return
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def web_root() -> Path:
    _need((_WEB_ROOT / "index.html").is_file(), "the web app is not built: npm run build in web/")
    return _WEB_ROOT


@pytest.fixture(scope="session")
async def demo() -> Path:
    """The demo library, made once per checkout."""
    await asyncio.to_thread(make_demo_library, _DEMO, lambda *_: None)
    _age(_DEMO)
    return _DEMO


@pytest.fixture(scope="session")
def oddments(tmp_path_factory: pytest.TempPathFactory, demo: Path) -> Path:
    """A film with a trailer beside it, for what the demo library does not have."""
    root = tmp_path_factory.mktemp("oddments")
    folder = root / "Kite (2020)"
    folder.mkdir()
    shutil.copyfile(demo / "Films/Bikes (2013)/Bikes (2013).mp4", folder / "Kite (2020).mp4")
    shutil.copyfile(demo / "Films/Big Buck Bunny (2008)/Big Buck Bunny (2008).mp4", folder / "Kite (2020)-trailer.mp4")
    _age(root)
    return root


def _age(root: Path) -> None:
    """Make new files look at rest: a scan leaves alone what somebody may still be writing."""
    moment = time.time() - 3600
    for path in root.rglob("*"):
        if path.is_file() and path.stat().st_mtime > moment:
            os.utime(path, (moment, moment))


@pytest.fixture(scope="session")
async def servers(web_root: Path) -> AsyncIterator[Callable[[], Awaitable[Server]]]:
    """Starts servers; all end with the session."""
    with tempfile.TemporaryDirectory(prefix="odeion-web-") as folder:
        async with AsyncExitStack() as stack:
            numbers = iter(range(100))

            async def start() -> Server:
                return await stack.enter_async_context(running_server(Path(folder, f"data{next(numbers)}"), web_root))

            yield start


@pytest.fixture(scope="session")
async def server(chromium: Browser, servers: Callable[[], Awaitable[Server]]) -> Server:
    return await servers()


@pytest.fixture(scope="session")
async def picture_house(web_root: Path) -> AsyncIterator[Server]:
    """A server for the engine alone, with films of many kinds."""
    with tempfile.TemporaryDirectory(prefix="odeion-films-") as folder:
        async with cinema(Path(folder, "house"), FILMS, web_root) as server:
            yield server


@pytest.fixture
async def new_server(server: Server, servers: Callable[[], Awaitable[Server]]) -> Server:
    """A server nobody has set up."""
    return await servers() if server.set_up else server


@pytest.fixture
async def house(server: Server, demo: Path, oddments: Path) -> Server:
    """The server with an administrator, the demo libraries and the oddments; nothing has been watched."""
    await server.furnish(
        {
            "Films": ("film", demo / "Films"),
            "Series": ("series", demo / "Series"),
            "Oddments": ("film", oddments),
        }
    )
    await server.forget_progress()
    return server


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    path = chromium_path()
    _need(path is not None, "the browser tests need Chromium: apt-get install chromium")
    expect.set_options(timeout=_PATIENCE_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=SWITCHES)
        yield browser
        await browser.close()


@pytest.fixture
async def tab(chromium: Browser) -> AsyncIterator[Page]:
    """An empty one."""
    context = await chromium.new_context()
    yield await context.new_page()
    await context.close()


Windows = Callable[..., Any]


@pytest.fixture
def windows(chromium: Browser) -> Windows:
    """Opens windows of people who do not know each other; each must end without a problem in its ledger."""

    @asynccontextmanager
    async def window(
        server: Server, *, signed_in: bool = True, size: ViewportSize = LAPTOP, **options: Any
    ) -> AsyncIterator[tuple[Page, Ledger]]:
        stored: StorageState = {"cookies": [], "origins": []}
        if signed_in:
            tokens = json.dumps(await server.sign_in())
            stored["origins"] = [{"origin": server.url, "localStorage": [{"name": "odeion.session", "value": tokens}]}]
        context: BrowserContext = await chromium.new_context(
            base_url=server.url, viewport=size, storage_state=stored, locale="en-GB", **options
        )
        context.set_default_timeout(_PATIENCE_MS)
        ledger = Ledger(server.url)
        try:
            page = await context.new_page()
            ledger.watch(page)
            yield page, ledger
            assert not ledger.problems, "\n".join(ledger.problems)
        finally:
            await context.close()

    return window


@pytest.fixture
async def window(windows: Windows, house: Server) -> AsyncIterator[tuple[Page, Ledger]]:
    """The administrator's window."""
    async with windows(house) as opened:
        yield opened


@pytest.fixture
def page(window: tuple[Page, Ledger]) -> Page:
    return window[0]


@pytest.fixture
def ledger(window: tuple[Page, Ledger]) -> Ledger:
    return window[1]


@pytest.fixture
def theatre(page: Page) -> Theatre:
    return Theatre(page)
