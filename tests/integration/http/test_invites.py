"""Invites, and the accounts made with them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from odeion.adapters.postgres.tables.identity import invites, users
from odeion.adapters.security.secrets import AesGcmSecretBox
from odeion.application.shared.links import Links
from odeion.domain.identity.codes import ALPHABET
from odeion.domain.identity.users import Role
from tests.clock import SteppedClock
from tests.harness import PASSWORD, Client, Harness, Servers, open_harness

SITE = "https://media.example.org"


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def harness(servers: Servers, tmp_path: Path, clock: SteppedClock) -> AsyncIterator[Harness]:
    async with open_harness(servers, tmp_path, clock=clock, links=Links(SITE)) as opened:
        yield opened


async def make(client: Client, **wanted: Any) -> dict[str, Any]:
    reply = await client.post("/api/users/invite", wanted)
    assert reply.status == 201, reply.json
    made: dict[str, Any] = reply.json
    return made


async def listed(client: Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.get("/api/users/invites")).json["items"]
    return items


def registration(code: str, username: str = "theo") -> dict[str, str]:
    return {"invite_code": code, "username": username, "password": PASSWORD}


async def register_from(harness: Harness, address: str, body: dict[str, str]) -> tuple[int, Any]:
    """Status and body of a registration that comes from this address."""
    response = await harness.app.test_client().post(
        "/api/auth/register", json=body, scope_base={"client": (address, 40_000)}
    )
    return response.status_code, await response.get_json()


async def accounts(harness: Harness) -> int:
    async with harness.engine.connect() as connection:
        found: int = (await connection.execute(select(func.count()).select_from(users))).scalar_one()
    return found


class TestCreate:
    async def test_shows_a_code_to_pass_on(self, harness: Harness) -> None:
        moderator = await harness.user(Role.MODERATOR)
        made = await make(moderator)
        assert (made["role"], made["state"], made["max_uses"], made["uses"]) == ("viewer", "open", 1, 0)
        letters = made["code"].replace("-", "")
        assert len(letters) == 16 and set(letters) <= set(ALPHABET)
        assert made["url"] == f"{SITE}/register#{made['code']}"

    async def test_only_a_hash_and_a_sealed_copy_are_kept(self, harness: Harness) -> None:
        code = (await make(await harness.user()))["code"]
        async with harness.engine.connect() as connection:
            row = (await connection.execute(select(invites))).one()
        assert code.encode() not in row.sealed_code and code.replace("-", "").encode() not in row.sealed_code

    @pytest.mark.parametrize(
        ("maker", "role", "status"),
        [
            (Role.MODERATOR, "viewer", 201),
            (Role.MODERATOR, "curator", 201),
            (Role.MODERATOR, "moderator", 403),
            (Role.MODERATOR, "admin", 403),
            (Role.ADMIN, "moderator", 201),
            (Role.ADMIN, "admin", 201),
        ],
    )
    async def test_a_moderator_invites_only_those_below(
        self, harness: Harness, maker: Role, role: str, status: int
    ) -> None:
        client = await harness.user(maker)
        assert (await client.post("/api/users/invite", {"role": role})).status == status
        assert len(await listed(client)) == (status == 201)

    @pytest.mark.parametrize(
        "body",
        [
            {"role": "owner"},
            {"role": None},
            {"expires_in_hours": 0},
            {"expires_in_hours": 8761},
            {"max_uses": 0},
            {"max_uses": 1001},
            {"max_uses": "many"},
            {"code": "MINE"},
        ],
    )
    async def test_refuses_bad_input(self, harness: Harness, body: Any) -> None:
        assert (await (await harness.user()).post("/api/users/invite", body)).status == 422


class TestList:
    async def test_shows_ones_own_again_with_uses_and_state(self, harness: Harness, clock: SteppedClock) -> None:
        moderator = await harness.user(Role.MODERATOR)
        await make(await harness.user())
        spent, expired, endless = (
            await make(moderator),
            await make(moderator, expires_in_hours=1),
            await make(moderator, expires_in_hours=None, max_uses=None),
        )
        assert (await harness.anonymous().post("/api/auth/register", registration(spent["code"]))).status == 201
        clock.pass_by(3601)
        moderator = await harness.sign_in(moderator.user["username"])
        assert [(entry["id"], entry["code"], entry["state"], entry["uses"]) for entry in await listed(moderator)] == [
            (endless["id"], endless["code"], "open", 0),
            (expired["id"], expired["code"], "expired", 0),
            (spent["id"], spent["code"], "used_up", 1),
        ]
        page = (await moderator.get("/api/users/invites?per_page=2&page=2")).json
        assert ([entry["id"] for entry in page["items"]], page["total_pages"]) == ([spent["id"]], 2)

    async def test_another_key_file_costs_the_codes_and_nothing_else(self, harness: Harness) -> None:
        admin = await harness.user()
        made = await make(admin)
        sealed = AesGcmSecretBox(b"x" * 32).seal(made["code"].encode(), purpose="invite")
        async with harness.engine.begin() as connection:
            await connection.execute(update(invites).values(sealed_code=sealed))
        assert [(entry["code"], entry["url"]) for entry in await listed(admin)] == [(None, None)]
        assert (await admin.delete(f"/api/users/invites/{made['id']}")).status == 204


class TestDelete:
    async def test_makes_the_code_worthless(self, harness: Harness) -> None:
        moderator = await harness.user(Role.MODERATOR)
        made = await make(moderator)
        assert (await moderator.delete(f"/api/users/invites/{made['id']}")).status == 204
        assert (await moderator.delete(f"/api/users/invites/{made['id']}")).status == 404
        assert (await harness.anonymous().post("/api/auth/register", registration(made["code"]))).status == 403

    async def test_anothers_is_not_there_for_anybody_else(self, harness: Harness) -> None:
        made = await make(await harness.user(Role.MODERATOR))
        for role in (Role.MODERATOR, Role.ADMIN):
            other = await harness.user(role)
            assert await listed(other) == []
            assert (await other.delete(f"/api/users/invites/{made['id']}")).status == 404
        assert (await harness.anonymous().post("/api/auth/register", registration(made["code"]))).status == 201


class TestRegister:
    async def test_makes_an_account_of_the_invites_role_and_signs_it_in(self, harness: Harness) -> None:
        made = await make(await harness.user(), role="curator")
        reply = await harness.anonymous().post("/api/auth/register", registration(made["code"]))
        assert (reply.status, reply.json["user"]["username"], reply.json["user"]["role"]) == (201, "theo", "curator")
        me = await Client(harness.app.test_client(), token=reply.json["token"]).get("/api/users/me")
        assert me.json["has_password"] is True
        assert (await harness.sign_in("theo")).token

    async def test_the_code_may_be_typed_by_hand(self, harness: Harness) -> None:
        code = (await make(await harness.user()))["code"]
        typed = f" {code.lower().replace('-', ' ')} "
        assert (await harness.anonymous().post("/api/auth/register", registration(typed))).status == 201

    async def test_of_200_at_once_a_single_use_makes_one_account(self, harness: Harness) -> None:
        code = (await make(await harness.user()))["code"]
        replies = await asyncio.gather(
            *(register_from(harness, f"10.0.0.{n}", registration(code, f"theo{n}")) for n in range(200))
        )
        assert Counter(status for status, _ in replies) == {201: 1, 403: 199}
        assert await accounts(harness) == 2

    async def test_as_many_get_in_as_it_has_uses(self, harness: Harness) -> None:
        code = (await make(await harness.user(), max_uses=3))["code"]
        replies = await asyncio.gather(
            *(register_from(harness, f"10.0.0.{n}", registration(code, f"theo{n}")) for n in range(12))
        )
        assert Counter(status for status, _ in replies) == {201: 3, 403: 9}

    async def test_a_taken_name_uses_up_nothing(self, harness: Harness) -> None:
        code = (await make(await harness.user(Role.ADMIN, "ada")))["code"]
        refused = await harness.anonymous().post("/api/auth/register", registration(code, "ADA"))
        assert (refused.status, refused.json["error"]["code"]) == (409, "conflict")
        assert (await harness.anonymous().post("/api/auth/register", registration(code))).status == 201

    async def test_says_the_same_of_every_code_that_is_not_good(self, harness: Harness, clock: SteppedClock) -> None:
        maker, boss = await harness.user(Role.MODERATOR), await harness.user(Role.ADMIN, "boss")
        codes = {"unknown": "AAAA-BBBB-CCCC-DDDD", "garbage": "' OR 1=1 --", "nul": "A\0B"}
        codes["expired"] = (await make(boss, expires_in_hours=1))["code"]
        codes["used up"] = (await make(boss))["code"]
        await register_from(harness, "10.0.1.1", registration(codes["used up"], "first"))
        codes["of a moderator who is none any more"] = (await make(maker))["code"]
        await boss.patch(f"/api/users/{maker.user['id']}", {"role": "viewer"})
        locked = await harness.user(Role.MODERATOR)
        codes["of somebody locked"] = (await make(locked))["code"]
        await boss.patch(f"/api/users/{locked.user['id']}", {"locked": True})
        clock.pass_by(3601)
        answers = {
            why: await register_from(harness, f"10.0.2.{n}", registration(code, "boss"))
            for n, (why, code) in enumerate(codes.items())
        }
        assert {status for status, _ in answers.values()} == {403}
        assert len({answer["error"]["message"] for _, answer in answers.values()}) == 1

    async def test_guessing_gets_slow_for_that_address_alone(self, harness: Harness) -> None:
        code = (await make(await harness.user()))["code"]
        wrong = registration("AAAA-BBBB-CCCC-DDDD")
        statuses = [(await register_from(harness, "10.0.0.1", wrong))[0] for _ in range(8)]
        assert statuses[0] == 403 and 429 in statuses
        assert (await register_from(harness, "10.0.0.2", registration(code)))[0] == 201

    @pytest.mark.parametrize(
        ("field", "value"),
        [("username", "a b"), ("username", ""), ("password", "short"), ("password", "x" * 257), ("invite_code", "")],
    )
    async def test_refuses_values_that_cannot_be_used(self, harness: Harness, field: str, value: str) -> None:
        code = (await make(await harness.user()))["code"]
        reply = await harness.anonymous().post("/api/auth/register", registration(code) | {field: value})
        assert (reply.status, reply.json["error"]["fields"][0]["field"]) == (422, f"body.{field}")
        assert (await harness.anonymous().post("/api/auth/register", registration(code))).status == 201

    async def test_nobody_registers_without_an_invite(self, harness: Harness) -> None:
        assert (
            await harness.anonymous().post("/api/auth/register", {"username": "x", "password": PASSWORD})
        ).status == 422
        assert await accounts(harness) == 0

    async def test_goes_with_its_maker(self, harness: Harness) -> None:
        maker, boss = await harness.user(Role.MODERATOR), await harness.user()
        code = (await make(maker))["code"]
        assert (await boss.delete(f"/api/users/{maker.user['id']}")).status == 204
        assert (await harness.anonymous().post("/api/auth/register", registration(code))).status == 403
