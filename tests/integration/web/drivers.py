"""Three engines that play video, each with a page that can be told what to do: Chromium, and two that Playwright cannot
drive as Debian ships them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import httpx
from playwright.async_api import async_playwright

from tests.integration.web.chromium import SWITCHES, chromium_path
from tests.integration.web.waiting import until

_START_LIMIT_S = 60
_STOP_LIMIT_S = 10
# Longer than any film of the tests lasts: what waits for a film has limits of its own.
_ANSWER_LIMIT_S = 300


class Tab(Protocol):
    """A page of a browser, as Playwright's."""

    async def goto(self, url: str, /) -> object:
        """Returns when the page and its scripts are loaded."""

    async def evaluate(self, expression: str, argument: Any = None, /) -> Any:
        """The value of an expression, or what a function makes of the argument, as JSON has it; awaited, if it is a
        promise. Raises what the script throws."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Tab]:
    path = _need(chromium_path(), "chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=SWITCHES)
        yield await browser.new_page()
        await browser.close()


@asynccontextmanager
async def firefox() -> AsyncIterator[Tab]:
    program = _need(shutil.which("firefox-esr") or shutil.which("firefox"), "firefox-esr")
    with tempfile.TemporaryDirectory(prefix="odeion-firefox-") as profile:
        address = Path(profile, "WebDriverBiDiServer.json")
        command = [program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"]
        async with _running(*command) as process, aiohttp.ClientSession() as http:
            await _comes_up("Firefox", process, partial(_is_written, address))
            at = json.loads(address.read_text())
            url = f"ws://{at['ws_host']}:{at['ws_port']}/session"
            async with http.ws_connect(url, max_msg_size=1 << 26) as socket:
                tab = _FirefoxTab(socket)
                await tab.open()
                yield tab
                await tab.close()
                await asyncio.wait_for(process.wait(), _STOP_LIMIT_S)


class _FirefoxTab:
    """WebDriver BiDi."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._asked = 0
        self._context = ""

    async def open(self) -> None:
        await self._ask("session.new", {"capabilities": {}})
        self._context = (await self._ask("browsingContext.getTree", {}))["contexts"][0]["context"]

    async def close(self) -> None:
        await self._ask("browser.close", {})

    async def goto(self, url: str, /) -> None:
        await self._ask("browsingContext.navigate", {"context": self._context, "url": url, "wait": "complete"})

    async def evaluate(self, expression: str, argument: Any = None, /) -> Any:
        script = {"expression": _json_promise(expression, argument), "awaitPromise": True}
        answer = await self._ask("script.evaluate", {**script, "target": {"context": self._context}})
        if answer["type"] != "success":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    async def _ask(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._asked += 1
        await self._socket.send_json({"id": self._asked, "method": method, "params": parameters})
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            # What is not an answer tells of an event.
            while (message := await self._socket.receive_json()).get("id") != self._asked:
                pass
        if message["type"] != "success":
            raise RuntimeError(f"{method}: {message['message']}")
        result: dict[str, Any] = message["result"]
        return result


@asynccontextmanager
async def webkit() -> AsyncIterator[Tab]:
    driver = _need(shutil.which("WebKitWebDriver"), "webkit2gtk-driver")
    browser = _need(next(Path("/usr/lib").glob("*/webkit2gtk-4*/MiniBrowser"), None), "libwebkit2gtk-4.1-0")
    _need(next(Path("/usr/lib").glob("*/gstreamer-1.0/libgstlibav.so"), None), "gstreamer1.0-libav")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    async with (
        _display() as display,
        _running(driver, f"--port={port}", DISPLAY=display) as process,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=_ANSWER_LIMIT_S) as http,
    ):
        await _comes_up("WebKitWebDriver", process, partial(_answers, http))
        tab = _WebKitTab(http)
        await tab.open(browser)
        yield tab
        await tab.close()


class _WebKitTab:
    """WebDriver over HTTP."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._session = "/session"

    async def open(self, browser: str) -> None:
        options = {"binary": browser, "args": ["--automation"]}
        able = {"webkitgtk:browserOptions": options, "timeouts": {"script": _ANSWER_LIMIT_S * 1000}}
        made = await self._ask("POST", "", {"capabilities": {"alwaysMatch": able}})
        self._session = f"/session/{made['sessionId']}"

    async def close(self) -> None:
        await self._ask("DELETE", "")

    async def goto(self, url: str, /) -> None:
        await self._ask("POST", "/url", {"url": url})

    async def evaluate(self, expression: str, argument: Any = None, /) -> Any:
        script = {"script": f"return {_json_promise(expression, argument)}", "args": []}
        return json.loads(await self._ask("POST", "/execute/sync", script))

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        reply = await self._http.request(method, self._session + path, json=body)
        answer = reply.json()["value"]
        if reply.is_error:
            raise RuntimeError(answer["message"])
        return answer


def _json_promise(expression: str, argument: Any) -> str:
    """As Playwright evaluates: a promise of what a function makes of the argument, or of a value, in JSON."""
    call = (
        f"const it = ({expression}); const made = await (typeof it === 'function' ? it({json.dumps(argument)}) : it);"
    )
    return f"(async () => {{ {call} return JSON.stringify(made ?? null); }})()"


@asynccontextmanager
async def _display() -> AsyncIterator[str]:
    """The name of a screen that nobody sees."""
    program = _need(shutil.which("Xvfb"), "xvfb")
    with tempfile.TemporaryFile() as number:
        async with _running(program, "-displayfd", str(number.fileno()), pass_fds=(number.fileno(),)) as process:

            async def is_told() -> bool:
                return os.fstat(number.fileno()).st_size > 1

            await _comes_up("Xvfb", process, is_told)
            yield f":{os.pread(number.fileno(), 10, 0).decode().strip()}"


@asynccontextmanager
async def _running(
    *command: str, pass_fds: tuple[int, ...] = (), **environment: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program, which is ended on leaving, with all that it started."""
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *command,
        env=os.environ | environment,
        stdin=quiet,
        stdout=quiet,
        stderr=quiet,
        pass_fds=pass_fds,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _STOP_LIMIT_S)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _comes_up(name: str, process: asyncio.subprocess.Process, is_up: Callable[[], Awaitable[bool]]) -> None:
    async def looks() -> bool:
        assert process.returncode is None, f"{name} ended with status {process.returncode} at its start"
        return await is_up()

    await until(looks, f"{name} is up", _START_LIMIT_S)


async def _is_written(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/status")).is_success
    except httpx.TransportError:
        return False


def _need(found: str | Path | None, package: str) -> str:
    if found is None:
        raise FileNotFoundError(f"{package} is not installed: apt-get install {package}")
    return str(found)
