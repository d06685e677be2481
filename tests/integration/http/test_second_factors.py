"""Setting second factors up, and taking them away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from sqlalchemy import text

from odeion.domain.identity.users import Role
from tests.clock import SteppedClock
from tests.harness import PASSWORD, Harness, Servers, open_harness
from tests.integration.http.ways_in import Person, kinds, person, provided

TOTP = "/api/account/second-factors/totp"
CODES = "/api/account/second-factors/recovery-codes"


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


class TestAuthenticatorApp:
    async def test_what_it_is_set_up_with(self, theo: Person) -> None:
        begun = (await theo.client.post(TOTP)).json
        uri = urlsplit(begun["otpauth_uri"])
        assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/Odeion:theo")
        assert parse_qs(uri.query)["secret"] == [begun["secret"]]
        assert len(begun["secret"]) == 32

    async def test_counts_only_after_a_right_code(self, theo: Person) -> None:
        theo.app = pyotp.TOTP((await theo.client.post(TOTP)).json["secret"])
        assert (await theo.client.post(f"{TOTP}/confirm", {"code": "000000"})).status == 403
        assert not (await theo.client.get("/api/account/second-factors")).json["enabled"]
        assert (await theo.client.post(f"{TOTP}/confirm", {"code": theo.code()})).status == 200
        found = (await theo.client.get("/api/account/second-factors")).json
        assert (found["enabled"], found["totp"], found["passkeys"], found["recovery_codes_left"]) == (True, True, 0, 10)

    async def test_beginning_again_voids_the_secret_before(self, theo: Person) -> None:
        earlier = pyotp.TOTP((await theo.client.post(TOTP)).json["secret"])
        await theo.client.post(TOTP)
        code = earlier.generate_otp(int(theo.clock.now().timestamp()) // 30)
        assert (await theo.client.post(f"{TOTP}/confirm", {"code": code})).status == 403

    async def test_cannot_be_replaced_while_it_counts(self, theo: Person) -> None:
        await theo.set_up_app()
        assert (await theo.client.post(TOTP)).status == 409
        assert (await theo.client.post(f"{TOTP}/confirm", {"code": theo.code()})).status == 409

    async def test_cannot_be_confirmed_before_it_is_begun(self, theo: Person) -> None:
        assert (await theo.client.post(f"{TOTP}/confirm", {"code": "123456"})).status == 404

    async def test_guessing_at_the_confirmation_gets_slow(self, theo: Person) -> None:
        await theo.client.post(TOTP)
        statuses = [(await theo.client.post(f"{TOTP}/confirm", {"code": "000000"})).status for _ in range(6)]
        assert statuses[-1] == 429

    async def test_the_code_that_confirmed_signs_nobody_in(self, theo: Person) -> None:
        theo.app = pyotp.TOTP((await theo.client.post(TOTP)).json["secret"])
        code = theo.code()
        await theo.client.post(f"{TOTP}/confirm", {"code": code})
        assert (await theo.second_step(await theo.ticket(), "totp", code=code)).status == 401

    async def test_the_secret_is_sealed(self, theo: Person) -> None:
        await theo.set_up_app()
        assert theo.app is not None
        async with theo.harness.engine.connect() as connection:
            (sealed,) = (await connection.execute(text("SELECT sealed_secret FROM totp_secrets"))).one()
        assert theo.app.secret.encode() not in sealed

    async def test_is_turned_off_with_the_password(self, theo: Person) -> None:
        await theo.set_up_app()
        assert (await theo.client.post(f"{TOTP}/disable", {"password": PASSWORD})).status == 204
        assert (await theo.log_in()).json["kind"] == "signed_in"
        assert (await kinds(theo.harness))[-2] == "totp_disabled"

    async def test_is_turned_off_with_a_code(self, theo: Person) -> None:
        await theo.set_up_app()
        assert (await theo.client.post(f"{TOTP}/disable", {"code": theo.code()})).status == 204

    @pytest.mark.parametrize(
        ("proof", "status"),
        [
            ({"password": "wrong password"}, 403),
            ({"code": "000000"}, 403),
            ({}, 400),
            ({"password": PASSWORD, "code": "123456"}, 400),
            ({"password": ""}, 422),
        ],
    )
    async def test_a_session_alone_does_not_turn_it_off(self, theo: Person, proof: dict[str, str], status: int) -> None:
        await theo.set_up_app()
        assert (await theo.client.post(f"{TOTP}/disable", proof)).status == status
        assert (await theo.client.get("/api/account/second-factors")).json["totp"]

    async def test_a_used_code_is_no_fresh_proof(self, theo: Person) -> None:
        await theo.set_up_app()
        code = theo.code()
        await theo.second_step(await theo.ticket(), "totp", code=code)
        assert (await theo.client.post(f"{TOTP}/disable", {"code": code})).status == 403

    async def test_guessing_the_proof_gets_slow(self, theo: Person) -> None:
        await theo.set_up_app()
        tries = [await theo.client.post(f"{TOTP}/disable", {"password": f"wrong {n}"}) for n in range(6)]
        assert [reply.status for reply in tries] == [403] * 5 + [429]

    async def test_turning_off_what_is_not_on_is_not_found(self, theo: Person) -> None:
        assert (await theo.client.post(f"{TOTP}/disable", {"password": PASSWORD})).status == 404


class TestRecoveryCodes:
    async def test_come_once_with_the_first_factor(self, theo: Person) -> None:
        await theo.set_up_app()
        first = theo.recovery_codes
        assert first is not None and len(set(first)) == 10
        added = await theo.add_passkey()
        assert added["recovery_codes"] is None

    async def test_only_hashes_are_kept(self, theo: Person) -> None:
        await theo.set_up_app()
        assert theo.recovery_codes is not None
        async with theo.harness.engine.connect() as connection:
            kept = [row.code_hash for row in await connection.execute(text("SELECT code_hash FROM recovery_codes"))]
        assert len(kept) == 10
        assert not any(code.replace("-", "").encode() in row for row in kept for code in theo.recovery_codes)

    async def test_new_ones_void_the_old_ones(self, theo: Person) -> None:
        await theo.set_up_app()
        assert theo.recovery_codes is not None
        made = await theo.client.post(CODES, {"password": PASSWORD})
        assert made.status == 200
        assert not set(made.json["recovery_codes"]) & set(theo.recovery_codes)
        old = await theo.second_step(await theo.ticket(), "recovery_code", code=theo.recovery_codes[0])
        new = await theo.second_step(await theo.ticket(), "recovery_code", code=made.json["recovery_codes"][0])
        assert (old.status, new.status) == (401, 200)
        assert (await theo.client.get("/api/account/second-factors")).json["recovery_codes_left"] == 9

    async def test_a_recovery_code_is_proof_enough_for_new_ones(self, theo: Person) -> None:
        await theo.set_up_app()
        assert theo.recovery_codes is not None
        assert (await theo.client.post(CODES, {"code": theo.recovery_codes[0]})).status == 200

    async def test_a_session_alone_makes_none(self, theo: Person) -> None:
        await theo.set_up_app()
        assert (await theo.client.post(CODES, {})).status == 400
        assert (await theo.client.post(CODES, {"password": "wrong password"})).status == 403

    async def test_there_are_none_without_a_factor(self, theo: Person) -> None:
        assert (await theo.client.post(CODES, {"password": PASSWORD})).status == 409

    async def test_go_with_the_last_factor(self, theo: Person) -> None:
        await theo.set_up_app()
        await theo.client.post(f"{TOTP}/disable", {"password": PASSWORD})
        assert (await theo.client.get("/api/account/second-factors")).json == {
            "enabled": False,
            "totp": False,
            "totp_enabled_at": None,
            "passkeys": 0,
            "recovery_codes_left": 0,
        }

    async def test_stay_while_another_factor_is_left(self, theo: Person) -> None:
        await theo.set_up_app()
        await theo.add_passkey()
        await theo.client.post(f"{TOTP}/disable", {"password": PASSWORD})
        assert (await theo.client.get("/api/account/second-factors")).json["recovery_codes_left"] == 10

    async def test_one_code_used_twice_at_once_is_good_once(self, theo: Person) -> None:
        await theo.set_up_app()
        assert theo.recovery_codes is not None
        code = theo.recovery_codes[0]
        tickets = [await theo.ticket() for _ in range(4)]
        replies = await asyncio.gather(*(theo.second_step(ticket, "recovery_code", code=code) for ticket in tickets))
        assert sorted(reply.status for reply in replies) == [200, 401, 401, 401]


async def test_an_api_key_reaches_none_of_it(theo: Person) -> None:
    admin = await theo.harness.user(Role.ADMIN)
    key = (await admin.post("/api/account/api-keys", {"name": "x", "scopes": ["account"]})).json["key"]
    bearer = {"Authorization": f"Bearer {key}"}
    for path in ("/api/account/second-factors", "/api/account/passkeys", "/api/auth/oauth/identities"):
        assert (await theo.harness.anonymous().get(path, headers=bearer)).status == 403
