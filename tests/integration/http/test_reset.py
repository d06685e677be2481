"""Links by which somebody who forgot their password sets a new one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from odeion.adapters.postgres.tables.identity import tickets
from odeion.application.shared.links import Links
from odeion.domain.identity.users import Role
from tests.clock import SteppedClock
from tests.harness import PASSWORD, Client, Harness, Reply, Servers, open_harness

SITE = "https://media.example.org"
NEW = "battery staple"
DAY_S = 24 * 3600


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def harness(servers: Servers, tmp_path: Path, clock: SteppedClock) -> AsyncIterator[Harness]:
    async with open_harness(servers, tmp_path, clock=clock, links=Links(SITE)) as opened:
        yield opened


async def token_for(admin: Client, client: Client, **options: Any) -> str:
    reply = await admin.post(f"/api/users/{client.user['id']}/reset-link", **options)
    assert reply.status == 201, reply.json
    link, _, token = reply.json["url"].partition("#")
    assert link == f"{SITE}/reset-password"
    return str(token)


async def redeem(harness: Harness, token: str, password: str = NEW) -> Reply:
    return await harness.anonymous().post("/api/auth/reset-password", {"token": token, "password": password})


async def status_of(client: Client) -> int:
    return (await client.get("/api/users/me")).status


class TestLink:
    async def test_sets_a_password_and_ends_all_sessions(self, harness: Harness) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER, "theo")
        reply = await redeem(harness, await token_for(admin, client))
        assert (reply.status, reply.json) == (200, {"username": "theo"})
        assert await status_of(client) == 401
        assert (await harness.sign_in("theo", NEW)).token
        old = {"username": "theo", "password": PASSWORD}
        assert (await harness.anonymous().post("/api/auth/login", old)).status == 401

    async def test_is_good_once(self, harness: Harness) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER, "theo")
        token = await token_for(admin, client)
        assert (await redeem(harness, token)).status == 200
        replayed = await redeem(harness, token, "somebody else's")
        assert (replayed.status, replayed.json["error"]["code"]) == (403, "forbidden")
        assert (await harness.sign_in("theo", NEW)).token

    async def test_of_many_at_once_one_sets_it(self, harness: Harness) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER, "theo")
        token = await token_for(admin, client)
        replies = await asyncio.gather(*(redeem(harness, token, f"password {n}") for n in range(20)))
        statuses = Counter(reply.status for reply in replies)
        assert statuses[200] == 1 and set(statuses) <= {200, 403, 429}
        winner = next(n for n, reply in enumerate(replies) if reply.status == 200)
        assert (await harness.sign_in("theo", f"password {winner}")).token

    async def test_lives_a_day(self, harness: Harness, clock: SteppedClock) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER, "theo")
        token = await token_for(admin, client)
        clock.pass_by(DAY_S)
        assert (await redeem(harness, token)).status == 403
        assert (await harness.sign_in("theo")).token

    async def test_voids_an_earlier_one(self, harness: Harness) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER)
        first, second = await token_for(admin, client), await token_for(admin, client)
        assert (await redeem(harness, first)).status == 403
        assert (await redeem(harness, second)).status == 200

    async def test_ends_with_a_password_changed_otherwise(self, harness: Harness) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER)
        token = await token_for(admin, client)
        changed = await client.put("/api/users/me/password", {"current_password": PASSWORD, "new_password": NEW})
        assert changed.status == 204
        assert (await redeem(harness, token, "somebody else's")).status == 403

    async def test_is_256_bits_of_which_a_hash_is_kept(self, harness: Harness) -> None:
        token = await token_for(await harness.user(), await harness.user(Role.VIEWER))
        assert len(token) == 43
        async with harness.engine.connect() as connection:
            row = (await connection.execute(select(tickets))).one()
        assert token not in str(row) and token.encode() not in row.secret_hash

    @pytest.mark.parametrize(
        "headers",
        [{"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}, {"Forwarded": "host=evil.example"}],
    )
    async def test_leads_to_the_configured_site_whatever_a_request_says(
        self, harness: Harness, headers: dict[str, str]
    ) -> None:
        # Asserted where the link is taken apart.
        assert await token_for(await harness.user(), await harness.user(Role.VIEWER), headers=headers)

    async def test_cannot_be_made_without_a_base_url(self, servers: Servers, tmp_path: Path) -> None:
        async with open_harness(servers, tmp_path, links=Links(None)) as bare:
            admin, client = await bare.user(), await bare.user(Role.VIEWER)
            refused = await admin.post(f"/api/users/{client.user['id']}/reset-link")
        assert refused.status == 409
        assert "ODEION_BASE_URL" in refused.json["error"]["message"]

    async def test_is_not_for_oneself_or_nobody(self, harness: Harness) -> None:
        admin = await harness.user()
        assert (await admin.post(f"/api/users/{admin.user['id']}/reset-link")).status == 403
        assert (await admin.post("/api/users/999999/reset-link")).status == 404


class TestLocked:
    async def test_a_link_is_no_way_around_a_lock(self, harness: Harness) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER, "theo")
        token = await token_for(admin, client)
        await admin.patch(f"/api/users/{client.user['id']}", {"locked": True})
        assert (await redeem(harness, token)).status == 403
        assert (await admin.post(f"/api/users/{client.user['id']}/reset-link")).status == 409
        await admin.patch(f"/api/users/{client.user['id']}", {"locked": False})
        assert (await redeem(harness, token)).status == 403
        assert (await harness.sign_in("theo")).token


class TestRedeem:
    async def test_guessing_gets_slow(self, harness: Harness) -> None:
        replies = [await redeem(harness, "x" * 43) for _ in range(8)]
        assert (replies[0].status, replies[0].json["error"]["code"]) == (403, "forbidden")
        assert replies[-1].status == 429 and int(replies[-1].headers["retry-after"]) >= 1

    @pytest.mark.parametrize("password", ["", "short", "x" * 257])
    async def test_a_password_that_cannot_be_used_costs_no_link(self, harness: Harness, password: str) -> None:
        token = await token_for(await harness.user(), await harness.user(Role.VIEWER))
        refused = await redeem(harness, token, password)
        assert (refused.status, refused.json["error"]["fields"][0]["field"]) == (422, "body.password")
        assert (await redeem(harness, token)).status == 200

    @pytest.mark.parametrize(
        "body", [{}, {"token": "x"}, {"token": "", "password": NEW}, {"token": 7, "password": NEW}]
    )
    async def test_refuses_bad_input(self, harness: Harness, body: Any) -> None:
        assert (await harness.anonymous().post("/api/auth/reset-password", body)).status == 422

    async def test_a_ticket_of_another_kind_is_nothing_here(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER)
        code = (await client.post("/api/auth/device-code")).json["code"]
        assert (await redeem(harness, code)).status == 403
