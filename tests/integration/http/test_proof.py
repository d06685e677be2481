"""What changes the ways into an account wants a proof that is not old: a session alone may be a stolen one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clock import SteppedClock
from tests.harness import PASSWORD, Harness, Servers, open_harness
from tests.integration.http.ways_in import Person, person, provided

PROOF = "/api/account/proof"
GUARDED = [
    ("POST", "/api/account/passkeys/options", None),
    ("POST", "/api/account/passkeys", {"name": "Phone", "credential": {}}),
    ("DELETE", "/api/account/passkeys/1", None),
    ("POST", "/api/account/second-factors/totp", None),
    ("POST", "/api/auth/oauth/link/start", {"provider": "oidc"}),
    ("DELETE", "/api/auth/oauth/identities/oidc", None),
]


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
async def harness(servers: Servers, tmp_path: Path, clock: SteppedClock) -> AsyncIterator[Harness]:
    async with open_harness(servers, tmp_path, **provided(clock)) as opened:
        yield opened


@pytest.fixture
async def theo(harness: Harness, clock: SteppedClock) -> Person:
    return await person(harness, clock)


@pytest.mark.parametrize(("method", "path", "body"), GUARDED, ids=lambda value: str(value)[:40])
class TestGuardedOperations:
    async def test_refuse_an_old_session_until_its_owner_shows_who_they_are(
        self, theo: Person, clock: SteppedClock, method: str, path: str, body: object
    ) -> None:
        assert (await theo.client.call(method, path, body)).status != 403
        clock.pass_by(11 * 60)
        refused = await theo.client.call(method, path, body)
        assert (refused.status, refused.json["error"]["code"]) == (403, "proof_required")
        assert (await theo.client.post(PROOF, {"password": PASSWORD})).status == 204
        assert (await theo.client.call(method, path, body)).status != 403


class TestProof:
    async def test_is_the_sessions_own(self, harness: Harness, theo: Person, clock: SteppedClock) -> None:
        elsewhere = await harness.sign_in("theo")
        clock.pass_by(11 * 60)
        assert (await elsewhere.post(PROOF, {"password": PASSWORD})).status == 204
        assert (await elsewhere.post("/api/account/passkeys/options")).status == 200
        assert (await theo.client.post("/api/account/passkeys/options")).status == 403

    async def test_may_be_a_code(self, theo: Person, clock: SteppedClock) -> None:
        await theo.set_up_app()
        clock.pass_by(11 * 60)
        assert (await theo.client.post(PROOF, {"code": theo.code()})).status == 204
        assert (await theo.client.post("/api/account/passkeys/options")).status == 200

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"password": "not it at all"}, 403),
            ({"code": "000000"}, 403),
            ({}, 400),
            ({"password": "a", "code": "000000"}, 400),
            ({"password": ""}, 422),
            ({"passport": "x"}, 422),
        ],
    )
    async def test_must_be_right(self, theo: Person, clock: SteppedClock, body: object, status: int) -> None:
        clock.pass_by(11 * 60)
        assert (await theo.client.post(PROOF, body)).status == status
        assert (await theo.client.post("/api/account/passkeys/options")).status == 403

    async def test_guessing_is_slowed_down(self, theo: Person) -> None:
        tries = [await theo.client.post(PROOF, {"password": f"guess {n}"}) for n in range(8)]
        assert tries[-1].status == 429 and int(tries[-1].headers["retry-after"]) >= 1


async def test_two_devices_may_sign_in_at_the_same_moment(harness: Harness, theo: Person) -> None:
    clients = await asyncio.gather(*(harness.sign_in("theo") for _ in range(6)))
    assert len({client.token for client in clients}) == 6
