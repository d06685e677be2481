"""What the server says of itself."""

from __future__ import annotations

from tests.harness import Harness


async def test_version(harness: Harness) -> None:
    reply = await harness.anonymous().get("/api/system/version")
    assert reply.status == 200
    assert reply.json["version"] == "0.1.0"


async def test_licenses_name_what_it_stands_on(harness: Harness) -> None:
    items = (await harness.anonymous().get("/api/system/licenses")).json["items"]
    found = {item["name"].lower(): item for item in items}
    assert found["quart"]["license"] == "MIT"
    assert found["sqlalchemy"]["text"]
    assert "odeion" not in found


async def test_it_is_alive_and_ready(harness: Harness) -> None:
    assert (await harness.anonymous().get("/health/live")).json == {"status": "ok", "checks": []}
    ready = await harness.anonymous().get("/health/ready")
    assert ready.json == {"status": "ok", "checks": [{"name": "database", "ok": True, "message": None}]}
