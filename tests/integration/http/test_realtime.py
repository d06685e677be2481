"""News over the WebSocket and as server-sent events."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from quart.testing.connections import WebsocketDisconnectError

from odeion.application.shared.realtime import RealtimeMessage
from odeion.domain.identity.users import Role
from tests.harness import Client, Harness


async def receive(socket: Any) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(await asyncio.wait_for(socket.receive(), 5))
    return frame


async def authenticate(socket: Any, client: Client) -> None:
    await socket.send(json.dumps({"type": "c2s_auth", "payload": {"token": client.token}}))
    assert (await receive(socket))["type"] == "s2c_auth_ok"


async def publish(harness: Harness, name: str, user_id: int | None = None) -> None:
    await harness.container.bus().publish(RealtimeMessage(name, {"n": 1}, user_id, "2026-01-02T00:00:00Z"))


class TestWebSocket:
    async def test_brings_what_happens(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER)
        async with harness.app.test_client().websocket("/api/ws") as socket:
            await authenticate(socket, client)
            await publish(harness, "library.changed")
            frame = await receive(socket)
        assert frame["type"] == "s2c_event"
        assert frame["payload"] == {"name": "library.changed", "at": "2026-01-02T00:00:00Z", "data": {"n": 1}}

    async def test_keeps_other_peoples_business_from_them(self, harness: Harness) -> None:
        client = await harness.user(Role.MODERATOR)
        async with harness.app.test_client().websocket("/api/ws") as socket:
            await authenticate(socket, client)
            await publish(harness, "progress.updated", client.user["id"] + 1)
            await publish(harness, "task.queued")
            await publish(harness, "progress.updated", client.user["id"])
            frame = await receive(socket)
        assert frame["payload"]["name"] == "progress.updated"

    @pytest.mark.parametrize(
        "frame", ['{"type":"c2s_auth","payload":{"token":"x"}}', '{"type":"hello"}', "not json", "[]", '{"payload":3}']
    )
    async def test_closes_on_whoever_cannot_sign_in(self, harness: Harness, frame: str) -> None:
        async with harness.app.test_client().websocket("/api/ws") as socket:
            await socket.send(frame)
            with pytest.raises(WebsocketDisconnectError) as closed:
                await asyncio.wait_for(socket.receive(), 5)
        assert closed.value.args[0] == 1008

    async def test_pages_of_other_sites_may_not_open_it(self, harness: Harness) -> None:
        client = await harness.user()
        headers = {"Origin": "https://elsewhere.example", "Host": "localhost"}
        async with harness.app.test_client().websocket("/api/ws", headers=headers) as socket:
            with pytest.raises(WebsocketDisconnectError):
                await authenticate(socket, client)


class TestServerSentEvents:
    async def test_brings_what_happens(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER)
        async with harness.app.test_client().request(f"/api/events?token={client.token}") as connection:
            await connection.send_complete()
            assert b"connected" in await asyncio.wait_for(connection.receive(), 5)
            await publish(harness, "library.changed")
            raw = await asyncio.wait_for(connection.receive(), 5)
            await connection.disconnect()
        assert raw.startswith(b"event: library.changed\n")

    async def test_asks_who_listens(self, harness: Harness) -> None:
        assert (await harness.anonymous().get("/api/events")).status == 401
        assert (await harness.anonymous().get("/api/events?token=x")).status == 401
