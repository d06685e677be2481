"""One's own settings."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from odeion.adapters.postgres.tables.identity import user_settings
from odeion.domain.identity.users import Permissions, Role
from tests.harness import Client, Harness

DEFAULTS: dict[str, Any] = {
    "language": None,
    "theme": "system",
    "quality": "auto",
    "audio_languages": [],
    "subtitle_languages": [],
    "subtitle_mode": "forced",
    "autoplay_next": True,
}


async def put(client: Client, **changes: Any) -> Any:
    reply = await client.put("/api/settings", changes)
    assert reply.status == 200, reply.json
    return reply.json


async def test_who_chose_nothing_has_the_defaults(harness: Harness) -> None:
    assert (await (await harness.user(Role.VIEWER)).get("/api/settings")).json == DEFAULTS


async def test_only_what_is_given_is_changed(harness: Harness) -> None:
    client = await harness.user(Role.VIEWER)
    await put(client, theme="dark", audio_languages=["ja", "pt-BR"])
    changed = await put(client, autoplay_next=False, quality="hd")
    assert changed == DEFAULTS | {
        "theme": "dark",
        "audio_languages": ["ja", "pt-BR"],
        "autoplay_next": False,
        "quality": "hd",
    }
    assert (await client.get("/api/settings")).json == changed
    assert await put(client) == changed


async def test_null_goes_back_to_the_default_which_is_not_kept(harness: Harness) -> None:
    client = await harness.user(Role.VIEWER)
    await put(client, theme=None)
    await put(client, theme="light", language="de")
    assert (await put(client, theme=None))["theme"] == "system"
    async with harness.engine.connect() as connection:
        assert (await connection.execute(select(user_settings.c.value))).scalar_one() == {"language": "de"}


async def test_two_devices_at_once_lose_nothing_of_each_other(harness: Harness) -> None:
    client = await harness.user(Role.VIEWER)
    await put(client, language="en")
    await asyncio.gather(put(client, theme="dark"), put(client, subtitle_mode="always"), put(client, quality="sd"))
    assert (await client.get("/api/settings")).json == DEFAULTS | {
        "language": "en",
        "theme": "dark",
        "subtitle_mode": "always",
        "quality": "sd",
    }


async def test_are_of_one_person_alone(harness: Harness) -> None:
    theo, mira = await harness.user(Role.VIEWER), await harness.user(Role.ADMIN)
    await put(theo, theme="dark")
    assert (await mira.get("/api/settings")).json == DEFAULTS


async def test_a_key_for_the_account_reaches_them(harness: Harness) -> None:
    client = await harness.user(Role.VIEWER, permissions=Permissions(api_keys=True))
    made = await client.post("/api/account/api-keys", {"name": "x", "scopes": ["account"]})
    key = Client(harness.app.test_client(), token=made.json["key"])
    assert (await put(key, theme="dark"))["theme"] == "dark"


@pytest.mark.parametrize(
    "body",
    [
        {"colour": "red"},
        {"theme": "pink"},
        {"quality": "8k"},
        {"subtitle_mode": 1},
        {"autoplay_next": "perhaps"},
        {"language": "x" * 21},
        {"language": "DE"},
        {"language": "de\0"},
        {"audio_languages": "de"},
        {"audio_languages": ["german!"]},
        {"audio_languages": ["de"] * 21},
        {"subtitle_languages": [None]},
    ],
)
async def test_refuses_bad_input(harness: Harness, body: Any) -> None:
    client = await harness.user(Role.VIEWER)
    refused = await client.put("/api/settings", body)
    assert (refused.status, refused.json["error"]["code"]) == (422, "validation_error")
    assert (await client.get("/api/settings")).json == DEFAULTS
