"""API keys: made once, used within their scopes, gone at once."""

from __future__ import annotations

import re
from typing import Any

import pytest

from odeion.domain.identity.api_keys import MAX_KEYS_PER_USER
from odeion.domain.identity.users import Permissions, Role
from tests.harness import Client, Harness, Shelf

ALLOWED = Permissions(api_keys=True)


async def make(client: Client, *scopes: str, name: str = "Script") -> Any:
    reply = await client.post("/api/account/api-keys", {"name": name, "scopes": list(scopes or ("catalog",))})
    assert reply.status == 201, reply.json
    return reply.json


def with_key(harness: Harness, key: str) -> Client:
    return Client(harness.app.test_client(), token=key)


class TestCreate:
    async def test_shows_the_key_once(self, harness: Harness) -> None:
        viewer = await harness.user(Role.VIEWER, permissions=ALLOWED)
        made = await make(viewer, "catalog", "playback")
        assert re.fullmatch(r"odn_[a-z2-7]{52}", made["key"])
        assert made["hint"] == made["key"][:8]
        listed = (await viewer.get("/api/account/api-keys")).json
        assert listed["enabled"] is True
        assert [(key["id"], key["name"], key["scopes"]) for key in listed["items"]] == [
            (made["id"], "Script", ["catalog", "playback"])
        ]
        assert made["key"] not in str(listed)

    async def test_needs_the_permission(self, harness: Harness) -> None:
        viewer = await harness.user(Role.VIEWER)
        refused = await viewer.post("/api/account/api-keys", {"name": "x", "scopes": ["catalog"]})
        assert (refused.status, refused.json["error"]["code"]) == (403, "forbidden")
        assert (await viewer.get("/api/account/api-keys")).json == {"enabled": False, "items": []}
        await make(await harness.user(Role.ADMIN))

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"name": "x"},
            {"name": "x", "scopes": []},
            {"name": " ", "scopes": ["catalog"]},
            {"name": "x" * 101, "scopes": ["catalog"]},
            {"name": "x\0", "scopes": ["catalog"]},
            {"name": "x", "scopes": ["admin"]},
            {"name": "x", "scopes": ["catalog"], "user_id": 1},
        ],
    )
    async def test_refuses_bad_input(self, harness: Harness, body: Any) -> None:
        admin = await harness.user()
        assert (await admin.post("/api/account/api-keys", body)).status == 422
        assert (await admin.get("/api/account/api-keys")).json["items"] == []

    async def test_ends_at_so_many(self, harness: Harness) -> None:
        admin = await harness.user()
        for number in range(MAX_KEYS_PER_USER):
            await make(admin, name=str(number))
        refused = await admin.post("/api/account/api-keys", {"name": "x", "scopes": ["catalog"]})
        assert refused.status == 409


class TestUse:
    async def test_reaches_its_scopes_only(self, harness: Harness) -> None:
        viewer = await harness.user(Role.VIEWER, permissions=ALLOWED)
        program = with_key(harness, (await make(viewer, "catalog"))["key"])
        assert (await program.get("/api/movies")).status == 200
        refused = await program.get("/api/progress/all")
        assert (refused.status, refused.json["error"]["code"]) == (403, "forbidden")

    async def test_never_leads_to_keys_or_administration(self, harness: Harness) -> None:
        scopes = ("account", "catalog", "libraries", "playback", "progress", "realtime")
        program = with_key(harness, (await make(await harness.user(), *scopes))["key"])
        for method, path in (
            ("GET", "/api/account/api-keys"),
            ("POST", "/api/account/api-keys"),
            ("DELETE", "/api/account/api-keys/1"),
            ("GET", "/api/admin/users/1/api-keys"),
            ("POST", "/api/admin/libraries"),
        ):
            assert (await program.call(method, path)).status == 403, path

    async def test_notes_when_and_from_where(self, harness: Harness) -> None:
        admin = await harness.user()
        made = await make(admin)
        assert (made["last_used_at"], made["last_used_address"]) == (None, None)
        await with_key(harness, made["key"]).get("/api/movies")
        (listed,) = (await admin.get("/api/account/api-keys")).json["items"]
        assert listed["last_used_at"] is not None and listed["last_used_address"]

    async def test_stops_with_the_permission_and_comes_back(self, harness: Harness) -> None:
        viewer = await harness.user(Role.VIEWER, permissions=ALLOWED)
        program = with_key(harness, (await make(viewer))["key"])
        await harness.permit(viewer, Permissions(api_keys=False))
        assert (await program.get("/api/movies")).status == 401
        await harness.permit(viewer, ALLOWED)
        assert (await program.get("/api/movies")).status == 200

    @pytest.mark.parametrize("key", ["odn_", "odn_" + "a" * 52, "odn_" + "A" * 52, "odn_" + "a" * 51 + "1", "ODN_x"])
    async def test_refuses_what_is_no_key(self, harness: Harness, key: str) -> None:
        assert (await with_key(harness, key).get("/api/movies")).status == 401

    async def test_what_it_plays_ends_with_it(self, harness: Harness, shelf: Shelf) -> None:
        admin = await harness.user()
        shelf.put("Film (2001).mp4")
        await harness.library(admin, shelf.root)
        made = await make(admin, "catalog", "playback")
        program = with_key(harness, made["key"])
        (film,) = (await program.get("/api/movies")).json["items"]
        session = await program.post(
            "/api/playback/sessions",
            {
                "media_type": "movie",
                "media_id": film["id"],
                "capabilities": {
                    "containers": ["mp4"],
                    "video_codecs": [{"codec": "h264"}],
                    "audio_codecs": [{"codec": "aac"}],
                },
            },
        )
        assert session.status == 201
        assert (await harness.anonymous().get(session.json["url"])).status == 200
        assert (await admin.delete(f"/api/account/api-keys/{made['id']}")).status == 204
        assert (await harness.anonymous().get(session.json["url"])).status == 410


class TestRevoke:
    async def test_counts_at_once(self, harness: Harness) -> None:
        admin = await harness.user()
        made = await make(admin)
        program = with_key(harness, made["key"])
        assert (await program.get("/api/movies")).status == 200
        assert (await admin.delete(f"/api/account/api-keys/{made['id']}")).status == 204
        assert (await program.get("/api/movies")).status == 401
        assert (await admin.delete(f"/api/account/api-keys/{made['id']}")).status == 404

    async def test_is_its_owners_or_an_administrators(self, harness: Harness) -> None:
        owner = await harness.user(Role.VIEWER, permissions=ALLOWED)
        other = await harness.user(Role.ADMIN)
        made = await make(owner)
        assert (await other.delete(f"/api/account/api-keys/{made['id']}")).status == 404
        path = f"/api/admin/users/{owner.user['id']}/api-keys"
        assert [key["id"] for key in (await other.get(path)).json["items"]] == [made["id"]]
        assert (await other.delete(f"/api/admin/users/{other.user['id']}/api-keys/{made['id']}")).status == 404
        assert (await other.delete(f"{path}/{made['id']}")).status == 204
        assert (await other.get("/api/admin/users/999999/api-keys")).status == 404
