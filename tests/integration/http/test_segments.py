"""Media segments, which are answered without the framework, over real connections."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from odeion.application.playback.ports import SegmentBytes
from odeion.application.playback.streams import Streams
from odeion.application.shared.downloads import Buffers
from odeion.domain.shared.errors import Unavailable
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.app import create_app
from odeion.entrypoints.http.context import AppContext, HttpSettings
from odeion.entrypoints.http.routes import playback
from tests.harness import Client, Harness, Shelf
from tests.integration.http.test_playback import NO_MP4, start
from tests.integration.http.test_sendfile import listening
from tests.integration.web.waiting import until

PARTS = [os.urandom(7000) for _ in range(3000)]


@pytest.fixture
async def base(harness: Harness, shelf: Shelf) -> str:
    """Where the renditions of a film are that is repackaged."""
    admin = await harness.user()
    shelf.put("Film (2001).mp4")
    await harness.library(admin, shelf.root)
    return await begin(admin)


async def begin(admin: Client) -> str:
    url: str = (await start(admin, NO_MP4)).json["url"]
    return url.rpartition("/")[0]


async def test_is_what_the_framework_would_answer(harness: Harness, base: str) -> None:
    async with listening(harness) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for path in ("video/0.m4s", "audio-1/0.m4s", "video/99.m4s", "audio-7/0.m4s"):
            quick = await client.get(f"{base}/{path}")
            slow = await client.get(f"{base}/{path}?")
            by_framework = await client.get(f"{base}/{path}?x=1")
            assert quick.status_code == by_framework.status_code == slow.status_code, path
            assert quick.content == by_framework.content == slow.content
            assert without_date(quick) == without_date(by_framework) == without_date(slow)
            assert (quick.status_code == 200) == (quick.content[4:8] == b"moof")
        assert (await client.post(f"{base}/video/0.m4s")).status_code == 405


def without_date(reply: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name != "date"}


async def test_need_what_their_route_is_declared_to_need(
    harness: Harness, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = [
        replace(endpoint, access=Access.VIEWER) if endpoint.handler is playback.get_media_segment else endpoint
        for endpoint in playback.area.endpoints
    ]
    monkeypatch.setattr(playback.area, "endpoints", changed)
    app = create_app(AppContext(harness.container.use_cases(), HttpSettings()))
    assert (await Client(app.test_client()).get(f"{base}/video/0.m4s")).status == 401
    assert (await harness.anonymous().get(f"{base}/video/0.m4s")).status == 200


async def test_a_session_that_ends_gives_no_more_of_them(harness: Harness, base: str) -> None:
    async with listening(harness) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get(f"{base}/video/0.m4s")).status_code == 200
        async with harness.container.engine().begin() as connection:
            await connection.execute(text("UPDATE users SET is_locked = true, version = version + 1"))
        reply = await client.get(f"{base}/video/0.m4s")
        assert (reply.status_code, reply.json()["error"]["code"]) == (410, "gone")
        assert reply.headers["cache-control"] == "no-store"


async def test_a_lost_connection_to_the_database_is_told_and_opened_again(harness: Harness, base: str) -> None:
    somebody = harness.anonymous()
    assert (await somebody.get(f"{base}/video/0.m4s")).status == 200
    async with harness.container.engine().connect() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    statuses = [(await somebody.get(f"{base}/video/0.m4s")).status for _ in range(8)]
    assert set(statuses) <= {200, 503}
    assert statuses[-1] == 200


class Cut:
    """Answers segments of many parts, and says whether it was closed."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.begun = self.closed = 0

    async def __call__(self, streams: Streams, *asked: object) -> SegmentBytes:
        return SegmentBytes(self._pieces(), sum(map(len, PARTS)) + 3)

    async def _pieces(self) -> AsyncGenerator[bytes | Buffers]:
        self.begun += 1
        try:
            yield b"abc"
            for part in range(0, len(PARTS), 1500):
                yield Buffers([memoryview(part) for part in PARTS[part : part + 1500]])
                if self.failure is not None:
                    raise self.failure
        finally:
            self.closed += 1

    async def is_closed(self) -> bool:
        return self.closed == self.begun > 0


def cutting(monkeypatch: pytest.MonkeyPatch, failure: Exception | None = None) -> Cut:
    cut = Cut(failure)

    async def segment(self: Streams, *asked: Any) -> SegmentBytes:
        return await cut(self, *asked)

    monkeypatch.setattr(Streams, "segment", segment)
    return cut


async def ask(port: int, base: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {base}/video/0.m4s HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    return reader, writer


async def test_a_slow_client_gets_all_of_it_and_then_the_next(
    harness: Harness, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = cutting(monkeypatch)
    whole = b"abc" + b"".join(PARTS)
    async with listening(harness) as port:
        reader, writer = await ask(port, base)
        received = bytearray()
        while len(received) < len(whole):
            received += await reader.read(1 << 20)
            await asyncio.sleep(0.001)
        assert bytes(received) == whole
        writer.write(f"GET {base}/video/1.m4s HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(whole)) == whole
        assert (cut.begun, cut.closed) == (2, 2)
        writer.close()
        await writer.wait_closed()


async def test_a_client_that_leaves_ends_the_work(harness: Harness, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = cutting(monkeypatch)
    async with listening(harness) as port:
        reader, writer = await ask(port, base)
        await reader.readexactly(100_000)
        assert not await cut.is_closed()
        writer.transport.abort()
        await until(cut.is_closed, "the segment is closed", 10)


async def test_what_fails_in_the_middle_ends_without_its_end(
    harness: Harness, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cutting(monkeypatch, Unavailable("the disk is failing"))
    async with listening(harness) as port:
        reader, writer = await ask(port, base)
        received = await reader.read()
        assert b"abc" + b"".join(PARTS[:1500]) == received
        writer.close()


async def test_what_fails_unforeseen_is_told_in_the_envelope(
    harness: Harness, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def segment(*asked: object) -> SegmentBytes:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(Streams, "segment", segment)
    reply = await harness.anonymous().get(f"{base}/video/0.m4s")
    assert (reply.status, reply.json["error"]["code"]) == (500, "internal_error")
    assert b"secret" not in reply.body


async def test_a_client_that_leaves_while_it_waits_ends_the_waiting(
    harness: Harness, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, ended = asyncio.Event(), asyncio.Event()

    async def segment(*asked: object) -> SegmentBytes:
        waiting.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        raise AssertionError

    monkeypatch.setattr(Streams, "segment", segment)
    async with listening(harness) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {base}/video/0.m4s HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await asyncio.wait_for(waiting.wait(), 10)
        writer.transport.abort()
        await asyncio.wait_for(ended.wait(), 10)
