"""The audit trail: complete, readable by administrators, outliving accounts, and without secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select

from odeion.adapters.postgres.tables.identity import security_events
from odeion.application.shared.links import Links
from odeion.domain.identity.users import Role
from tests.clock import SteppedClock
from tests.harness import PASSWORD, SETUP_CODE, Client, Harness, Servers, open_harness

NEW = "battery staple"


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def harness(servers: Servers, tmp_path: Path, clock: SteppedClock) -> AsyncIterator[Harness]:
    async with open_harness(servers, tmp_path, clock=clock, links=Links("https://media.example.org")) as opened:
        yield opened


async def events(admin: Client, query: str = "") -> list[dict[str, Any]]:
    reply = await admin.get(f"/api/admin/security-events?per_page=100{query}")
    assert reply.status == 200, reply.json
    items: list[dict[str, Any]] = reply.json["items"]
    return items


async def kinds(admin: Client, query: str = "") -> list[str]:
    return [event["kind"] for event in await events(admin, query)]


class TestRecord:
    async def test_says_who_did_what_to_whom_and_from_where(self, harness: Harness) -> None:
        admin, client = await harness.user(Role.ADMIN, "ada"), await harness.user(Role.VIEWER, "theo")
        agent = {"User-Agent": "curl/8.5.0"}
        await admin.patch(f"/api/users/{client.user['id']}", {"role": "curator"}, headers=agent)
        event = (await events(admin, "&kind=role_changed"))[0]
        assert (event["user_id"], event["username"]) == (client.user["id"], "theo")
        assert (event["actor_id"], event["actor_username"]) == (admin.user["id"], "ada")
        assert (event["address"], event["user_agent"]) == ("<local>", "curl/8.5.0")
        assert event["details"] == {"from": "viewer", "to": "curator"}

    async def test_every_step_of_an_accounts_life_is_there(self, harness: Harness) -> None:
        admin = await harness.user(Role.ADMIN, "ada")
        invite = (await admin.post("/api/users/invite", {})).json
        registered = await harness.anonymous().post(
            "/api/auth/register", {"invite_code": invite["code"], "username": "theo", "password": PASSWORD}
        )
        theo, path = Client(harness.app.test_client(), token=registered.json["token"]), "/api/users/me/password"
        await theo.put(path, {"current_password": PASSWORD, "new_password": NEW})
        code = (await theo.post("/api/auth/device-code")).json["code"]
        device = (await harness.anonymous().post("/api/auth/device-login", {"code": code})).json
        await Client(harness.app.test_client(), token=device["token"]).post("/api/auth/sign-out")
        await theo.post("/api/auth/sign-out-everywhere", {"keep_current": False})
        user = f"/api/users/{registered.json['user']['id']}"
        url = (await admin.post(f"{user}/reset-link")).json["url"]
        token = url.partition("#")[2]
        await harness.anonymous().post("/api/auth/reset-password", {"token": token, "password": "yet another"})
        await harness.container.use_cases().passwords.set_by_operator("theo", "by the operator")
        for change in (
            {"locked": True},
            {"locked": False},
            {"role": "curator", "permissions": {"max_streams": 1}},
            {"username": "theodora", "password": "by an administrator"},
        ):
            assert (await admin.patch(user, change)).status == 200
        await admin.delete(user)
        await admin.delete(f"/api/users/invites/{invite['id']}")
        told = await kinds(admin)
        assert [kind for kind in reversed(told) if kind != "login_succeeded"] == [
            "invite_created",
            "user_created",
            "invite_redeemed",
            "password_changed",
            "device_code_created",
            "device_paired",
            "signed_out",
            "sessions_revoked",
            "password_reset_link_made",
            "password_reset",
            "password_reset",
            "user_locked",
            "user_unlocked",
            "role_changed",
            "permissions_changed",
            "password_changed",
            "user_renamed",
            "user_deleted",
            "invite_deleted",
        ]
        async with harness.engine.connect() as connection:
            written = str((await connection.execute(select(security_events))).all())
        canaries = [PASSWORD, NEW, "yet another", "by the operator", "by an administrator", token, theo.token or ""]
        codes = [code, invite["code"], invite["code"].replace("-", "")]
        assert not [secret for secret in canaries + codes if secret in written]

    async def test_begins_with_the_set_up(self, harness: Harness) -> None:
        await harness.container.use_cases().first_run.offer(SETUP_CODE)
        body = {"code": SETUP_CODE, "username": "ada", "password": PASSWORD}
        reply = await harness.anonymous().post("/api/setup", body)
        admin = Client(harness.app.test_client(), token=reply.json["token"])
        assert [(event["kind"], event["username"]) for event in await events(admin)] == [("first_run_completed", "ada")]

    async def test_outlives_the_account(self, harness: Harness) -> None:
        admin, client = await harness.user(), await harness.user(Role.ADMIN, "theo")
        await client.post("/api/auth/sign-out")
        assert (await admin.delete(f"/api/users/{client.user['id']}")).status == 204
        deleted, signed_out = (await events(admin, "&username=THEO"))[:2]
        assert (deleted["kind"], deleted["user_id"], deleted["details"]["user_id"]) == (
            "user_deleted",
            None,
            client.user["id"],
        )
        assert (signed_out["kind"], signed_out["username"], signed_out["actor_id"]) == ("signed_out", "theo", None)

    async def test_what_was_refused_is_not_told_as_done(self, harness: Harness) -> None:
        admin = await harness.user()
        await admin.patch(f"/api/users/{admin.user['id']}", {"role": "viewer"})
        await admin.delete(f"/api/users/{admin.user['id']}")
        assert not {"role_changed", "user_deleted"} & set(await kinds(admin))


class TestList:
    async def test_is_filtered_newest_first(self, harness: Harness, clock: SteppedClock) -> None:
        admin, client = await harness.user(Role.ADMIN, "ada"), await harness.user(Role.VIEWER, "theo")
        user = f"/api/users/{client.user['id']}"
        await admin.patch(user, {"permissions": {"max_streams": 1}})
        noon = clock.now().isoformat()
        clock.pass_by(60)
        await client.post("/api/auth/sign-out")
        await admin.patch(user, {"locked": True})
        ada, theo = admin.user["id"], client.user["id"]
        assert await kinds(admin, "&kind=signed_out") == ["signed_out"]
        assert await kinds(admin, f"&user_id={theo}&kind=permissions_changed") == ["permissions_changed"]
        assert await kinds(admin, f"&actor_id={ada}") == ["user_locked", "permissions_changed"]
        assert await kinds(admin, f"&actor_id={theo}") == ["signed_out"]
        assert await kinds(admin, f"&since={quote(clock.now().isoformat())}") == ["user_locked", "signed_out"]
        assert "signed_out" not in await kinds(admin, f"&until={quote(clock.now().isoformat())}")
        assert "permissions_changed" in await kinds(admin, f"&since={quote(noon)}")
        assert await kinds(admin, "&address=10.9.9.9") == []
        assert "signed_out" in await kinds(admin, f"&address={quote('<local>')}")

    async def test_comes_in_pages(self, harness: Harness) -> None:
        admin = await harness.user()
        for _ in range(3):
            await admin.post("/api/users/invite", {})
        page = (await admin.get("/api/admin/security-events?kind=invite_created&per_page=2&page=2")).json
        assert (len(page["items"]), page["total_items"], page["total_pages"]) == (1, 3, 2)

    @pytest.mark.parametrize(
        "query", ["kind=nonsense", "user_id=x", "since=yesterday", "since=2026-01-01T00:00:00", "per_page=0"]
    )
    async def test_refuses_bad_input(self, harness: Harness, query: str) -> None:
        assert (await (await harness.user()).get(f"/api/admin/security-events?{query}")).status == 422
