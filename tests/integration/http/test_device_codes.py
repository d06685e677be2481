"""Signing a device in by a short code."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select, update

from odeion.adapters.postgres.tables.identity import tickets, users
from odeion.adapters.redis.bus import RedisLoginThrottle
from odeion.domain.identity.codes import ALPHABET
from odeion.domain.identity.users import Role
from tests.clock import SteppedClock
from tests.harness import Client, Harness, Reply, Servers, open_harness

TV = "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0.4606.128 Safari/537.36"


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def harness(servers: Servers, tmp_path: Path, clock: SteppedClock) -> AsyncIterator[Harness]:
    async with open_harness(servers, tmp_path, clock=clock) as opened:
        yield opened


async def code_of(client: Client) -> str:
    reply = await client.post("/api/auth/device-code")
    assert reply.status == 200, reply.json
    return str(reply.json["code"])


async def redeem(harness: Harness, code: str, **body: Any) -> Reply:
    return await harness.anonymous().post("/api/auth/device-login", {"code": code, **body}, headers={"User-Agent": TV})


async def redeem_from(harness: Harness, address: str, code: str) -> int:
    response = await harness.app.test_client().post(
        "/api/auth/device-login", json={"code": code}, scope_base={"client": (address, 40_000)}
    )
    return response.status_code


class TestCode:
    async def test_is_five_characters_for_ten_minutes(self, harness: Harness, clock: SteppedClock) -> None:
        reply = await (await harness.user(Role.VIEWER)).post("/api/auth/device-code")
        assert len(reply.json["code"]) == 5 and set(reply.json["code"]) <= set(ALPHABET)
        assert not set("01IO") & set(ALPHABET)
        clock.pass_by(600)
        assert reply.json["expires_at"] == clock.now().isoformat().replace("+00:00", "Z")

    async def test_a_person_has_one(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER)
        first, second = await code_of(client), await code_of(client)
        assert (await redeem(harness, first)).status == 403
        assert (await redeem(harness, second)).status == 200

    async def test_a_person_has_one_however_many_are_asked_for_at_once(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER)
        await asyncio.gather(*(code_of(client) for _ in range(10)))
        async with harness.engine.connect() as connection:
            assert (await connection.execute(select(func.count()).select_from(tickets))).scalar_one() == 1

    async def test_of_one_person_is_nothing_to_anothers(self, harness: Harness) -> None:
        theo, mira = await harness.user(Role.VIEWER, "theo"), await harness.user(Role.VIEWER, "mira")
        code = await code_of(theo)
        await code_of(mira)
        assert (await redeem(harness, code)).json["user"]["username"] == "theo"


class TestRedeem:
    async def test_signs_the_device_in_under_its_name(self, harness: Harness) -> None:
        client = await harness.user(Role.CURATOR, "theo")
        reply = await redeem(harness, await code_of(client), device_name="Living room")
        assert (reply.status, reply.json["user"]["role"]) == (200, "curator")
        device = Client(harness.app.test_client(), token=reply.json["token"])
        assert (await device.get("/api/users/me")).json["username"] == "theo"
        listed = (await client.get("/api/auth/sessions")).json["items"]
        assert [entry["device"] for entry in listed if not entry["is_current"]] == ["Living room"]

    async def test_a_device_without_a_name_says_what_it_is(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER)
        await redeem(harness, await code_of(client))
        listed = (await client.get("/api/auth/sessions")).json["items"]
        assert [entry["device"] for entry in listed if not entry["is_current"]] == ["Chrome on LG TV"]

    async def test_the_code_may_be_typed_carelessly(self, harness: Harness) -> None:
        code = await code_of(await harness.user(Role.VIEWER))
        assert (await redeem(harness, f" {code[:2].lower()} {code[2:].lower()}-")).status == 200

    async def test_is_good_once_also_for_many_at_once(self, harness: Harness) -> None:
        code = await code_of(await harness.user(Role.VIEWER))
        statuses = await asyncio.gather(*(redeem_from(harness, f"10.0.0.{n}", code) for n in range(20)))
        assert Counter(statuses) == {200: 1, 403: 19}
        assert (await redeem(harness, code)).status == 403

    async def test_says_the_same_of_every_code_that_is_not_good(self, harness: Harness, clock: SteppedClock) -> None:
        client, locked = await harness.user(Role.VIEWER), await harness.user(Role.VIEWER, "locked")
        of_locked, expired = await code_of(locked), await code_of(client)
        async with harness.engine.begin() as connection:
            await connection.execute(update(users).where(users.c.username == "locked").values(is_locked=True))
        answers = [await redeem(harness, code) for code in (of_locked, "AAAAA", "' OR 1=1", "\0")]
        clock.pass_by(600)
        answers.append(await redeem(harness, expired))
        assert {(answer.status, answer.json["error"]["message"]) for answer in answers} == {
            (403, "this code is not valid, or not any more; make a new one")
        }

    @pytest.mark.parametrize(
        "body",
        [{}, {"code": ""}, {"code": "x" * 21}, {"code": 12345}, {"code": "AAAAA", "device_name": ""}, {"user": 1}],
    )
    async def test_refuses_bad_input(self, harness: Harness, body: Any) -> None:
        assert (await harness.anonymous().post("/api/auth/device-login", body)).status == 422


class TestGuessing:
    async def test_gets_slow_for_an_address(self, harness: Harness) -> None:
        statuses = [await redeem_from(harness, "10.0.0.1", "AAAAA") for _ in range(21)]
        assert (statuses[0], statuses[-1]) == (403, 429)
        code = await code_of(await harness.user(Role.VIEWER))
        assert await redeem_from(harness, "10.0.0.2", code) == 200

    async def test_is_capped_for_the_whole_server_and_a_good_code_does_not_lift_it(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER)
        for n in range(49):
            assert await redeem_from(harness, f"10.0.1.{n}", "AAAAA") == 403
        assert await redeem_from(harness, "10.0.2.1", await code_of(client)) == 200
        for n in range(4):
            await redeem_from(harness, f"10.0.3.{n}", "AAAAA")
        assert await redeem_from(harness, "10.0.4.1", await code_of(client)) == 429

    async def test_is_impossible_while_nothing_counts_it(self, servers: Servers, tmp_path: Path) -> None:
        away = Redis.from_url("unix:///nonexistent/valkey.sock")
        throttle = RedisLoginThrottle(away, is_required=True)
        async with open_harness(servers, tmp_path, device_code_throttle=throttle) as blind:
            code = await code_of(await blind.user(Role.VIEWER))
            refused = await redeem(blind, code)
        assert (refused.status, refused.json["error"]["code"]) == (503, "service_unavailable")
