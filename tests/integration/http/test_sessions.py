"""The devices somebody is signed in on, their password, and signing out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from odeion.adapters.postgres.tables.identity import users
from odeion.domain.identity.users import Role
from tests.clock import SteppedClock
from tests.harness import PASSWORD, Client, Harness, Servers, open_harness

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
NEW = "battery staple"


async def sign_in_with(harness: Harness, username: str, user_agent: str, password: str = PASSWORD) -> Client:
    client = harness.anonymous()
    body = {"username": username, "password": password}
    reply = await client.post("/api/auth/login", body, headers={"User-Agent": user_agent})
    assert reply.status == 200, reply.json
    client.token, client.refresh_token = reply.json["token"], reply.json["refresh_token"]
    return client


async def sessions(client: Client) -> list[dict[str, Any]]:
    reply = await client.get("/api/auth/sessions")
    assert reply.status == 200, reply.json
    items: list[dict[str, Any]] = reply.json["items"]
    return items


async def is_signed_in(client: Client) -> bool:
    return (await client.get("/api/users/me")).status == 200


async def can_refresh(client: Client) -> bool:
    headers = {"Authorization": f"Bearer {client.refresh_token}"}
    return (await client.post("/api/auth/refresh", headers=headers)).status == 200


class TestList:
    async def test_names_devices_in_plain_words_the_asking_one_first(self, harness: Harness) -> None:
        await harness.user(Role.VIEWER, "theo")
        asking = await sign_in_with(harness, "theo", FIREFOX)
        await sign_in_with(harness, "theo", "curl/8.5.0")
        listed = await sessions(asking)
        assert [(entry["device"], entry["is_current"]) for entry in listed][:2] == [
            ("Firefox on Linux", True),
            ("curl", False),
        ]
        assert {entry["address"] for entry in listed} == {"<local>"}
        assert all(entry["created_at"] <= entry["last_used_at"] < entry["expires_at"] for entry in listed)

    async def test_comes_in_pages(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER, "theo")
        for _ in range(2):
            await harness.sign_in("theo")
        page = (await client.get("/api/auth/sessions?page=2&per_page=2")).json
        assert (len(page["items"]), page["total_items"], page["total_pages"]) == (1, 3, 2)
        assert (await client.get("/api/auth/sessions?page=0")).status == 422

    async def test_leaves_out_ended_ones_and_those_of_others(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER, "theo")
        await (await harness.sign_in("theo")).post("/api/auth/sign-out")
        await harness.user(Role.ADMIN)
        assert len(await sessions(client)) == 1


class TestEnd:
    async def test_signs_that_device_out_at_once(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER, "theo")
        other = await harness.sign_in("theo")
        ended = next(entry["id"] for entry in await sessions(client) if not entry["is_current"])
        assert (await client.delete(f"/api/auth/sessions/{ended}")).status == 204
        assert not await is_signed_in(other)
        assert not await can_refresh(other)
        assert await is_signed_in(client)
        assert (await client.delete(f"/api/auth/sessions/{ended}")).status == 404

    async def test_anothers_is_not_there_for_anybody_else(self, harness: Harness) -> None:
        owner = await harness.user(Role.VIEWER)
        session_id = (await sessions(owner))[0]["id"]
        for role in (Role.VIEWER, Role.ADMIN):
            refused = await (await harness.user(role)).delete(f"/api/auth/sessions/{session_id}")
            assert (refused.status, refused.json["error"]["code"]) == (404, "not_found")
        assert await is_signed_in(owner)

    @pytest.mark.parametrize(("id", "status"), [("999999", 404), ("0", 422), ("x", 422), (str(2**64), 422)])
    async def test_refuses_ids_that_are_none(self, harness: Harness, id: str, status: int) -> None:
        assert (await (await harness.user()).delete(f"/api/auth/sessions/{id}")).status == status


class TestSignOut:
    async def test_ends_the_session_that_asks(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER, "theo")
        other = await harness.sign_in("theo")
        assert (await client.post("/api/auth/sign-out")).status == 204
        assert not await is_signed_in(client)
        assert not await can_refresh(client)
        assert await is_signed_in(other)

    @pytest.mark.parametrize("keep_current", [True, False])
    async def test_everywhere_ends_all_or_all_others(self, harness: Harness, keep_current: bool) -> None:
        client = await harness.user(Role.VIEWER, "theo")
        other = await harness.sign_in("theo")
        stranger = await harness.user(Role.VIEWER)
        reply = await client.post("/api/auth/sign-out-everywhere", {"keep_current": keep_current})
        assert reply.status == 204
        assert not await is_signed_in(other)
        assert await is_signed_in(client) is keep_current
        assert await is_signed_in(stranger)

    async def test_everywhere_voids_what_could_open_new_ones(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER)
        code = (await client.post("/api/auth/device-code")).json["code"]
        await client.post("/api/auth/sign-out-everywhere", {"keep_current": True})
        assert (await harness.anonymous().post("/api/auth/device-login", {"code": code})).status == 403

    @pytest.mark.parametrize("body", [{}, {"keep_current": None}, {"keep_current": "perhaps"}, {"other": True}])
    async def test_everywhere_refuses_bad_input(self, harness: Harness, body: Any) -> None:
        client = await harness.user(Role.VIEWER)
        assert (await client.post("/api/auth/sign-out-everywhere", body)).status == 422
        assert await is_signed_in(client)


class TestDisplayName:
    async def test_is_ones_own_to_change(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER, "theo")
        changed = await client.patch("/api/users/me", {"display_name": " Théo 🎬 "})
        assert (changed.status, changed.json["display_name"], changed.json["username"]) == (200, "Théo 🎬", "theo")
        assert (await client.get("/api/users/me")).json == changed.json

    @pytest.mark.parametrize(
        "body", [{}, {"display_name": ""}, {"display_name": "x" * 101}, {"display_name": "a\nb"}, {"role": "admin"}]
    )
    async def test_refuses_bad_input(self, harness: Harness, body: Any) -> None:
        assert (await (await harness.user(Role.VIEWER)).patch("/api/users/me", body)).status == 422


class TestChangePassword:
    async def test_ends_the_other_sessions_and_keeps_this_one(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER, "theo")
        other = await harness.sign_in("theo")
        reply = await client.put("/api/users/me/password", {"current_password": PASSWORD, "new_password": NEW})
        assert reply.status == 204
        assert await is_signed_in(client)
        assert not await is_signed_in(other)
        assert (await harness.sign_in("theo", NEW)).token
        old = await harness.anonymous().post("/api/auth/login", {"username": "theo", "password": PASSWORD})
        assert old.status == 401

    @pytest.mark.parametrize("current", [{"current_password": "wrong password"}, {}])
    async def test_needs_the_current_one(self, harness: Harness, current: dict[str, str]) -> None:
        client = await harness.user(Role.VIEWER, "theo")
        refused = await client.put("/api/users/me/password", {**current, "new_password": NEW})
        assert refused.status == 422
        assert refused.json["error"]["fields"][0]["field"] == "body.current_password"
        assert (await harness.sign_in("theo")).token

    async def test_guessing_gets_slow_but_locks_nobody_out(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER, "theo")
        wrong = {"current_password": "wrong password", "new_password": NEW}
        statuses = [(await client.put("/api/users/me/password", wrong)).status for _ in range(7)]
        assert statuses[0] == 422 and 429 in statuses
        assert (await harness.sign_in("theo")).token

    @pytest.mark.parametrize("new", ["", "short", "x" * 257, None])
    async def test_refuses_one_that_cannot_be_used(self, harness: Harness, new: object) -> None:
        client = await harness.user(Role.VIEWER)
        refused = await client.put("/api/users/me/password", {"current_password": PASSWORD, "new_password": new})
        assert refused.status == 422
        assert refused.json["error"]["fields"][0]["field"] == "body.new_password"


class TestFirstPassword:
    """Of an account that signs in some other way."""

    @pytest.fixture
    def clock(self) -> SteppedClock:
        return SteppedClock()

    @pytest.fixture
    async def stepped(self, servers: Servers, tmp_path: Path, clock: SteppedClock) -> AsyncIterator[Harness]:
        async with open_harness(servers, tmp_path, clock=clock) as opened:
            yield opened

    async def without_password(self, harness: Harness) -> Client:
        client = await harness.user(Role.VIEWER, "theo")
        async with harness.engine.begin() as connection:
            await connection.execute(update(users).where(users.c.username == "theo").values(password_hash=None))
        return client

    async def test_can_be_set_just_after_signing_in(self, stepped: Harness) -> None:
        client = await self.without_password(stepped)
        assert (await client.get("/api/users/me")).json["has_password"] is False
        assert (await client.put("/api/users/me/password", {"new_password": NEW})).status == 204
        assert (await stepped.sign_in("theo", NEW)).user["has_password"] is True

    async def test_a_session_left_open_cannot_set_it(self, stepped: Harness, clock: SteppedClock) -> None:
        client = await self.without_password(stepped)
        clock.pass_by(10 * 60 + 1)
        refused = await client.put("/api/users/me/password", {"new_password": NEW})
        assert (refused.status, refused.json["error"]["code"]) == (403, "proof_required")
