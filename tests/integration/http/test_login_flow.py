"""Signing in, in one step or two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from odeion.adapters.postgres.tables.identity import users
from odeion.domain.identity.users import Role
from tests.clock import SteppedClock
from tests.harness import PASSWORD, Harness, Servers, open_harness
from tests.integration.http.ways_in import Person, kinds, person, provided, trail


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


class TestFirstStep:
    async def test_signs_in_an_account_without_second_factors(self, theo: Person) -> None:
        reply = await theo.log_in()
        assert (reply.status, reply.json["kind"]) == (200, "signed_in")
        assert reply.json["token"] and reply.json["user"]["username"] == "theo"

    async def test_answers_a_ticket_and_no_token_with_second_factors(self, theo: Person) -> None:
        await theo.set_up_app()
        reply = await theo.log_in()
        assert reply.status == 200
        assert set(reply.json) == {"kind", "ticket", "methods", "expires_at"}
        assert reply.json["methods"] == ["totp", "recovery_code"]

    async def test_names_the_methods_the_account_has(self, theo: Person) -> None:
        await theo.add_passkey()
        assert (await theo.log_in()).json["methods"] == ["passkey", "recovery_code"]
        await theo.set_up_app()
        assert (await theo.log_in()).json["methods"] == ["totp", "passkey", "recovery_code"]

    async def test_a_wrong_password_tells_nothing_of_second_factors(self, theo: Person) -> None:
        await theo.set_up_app()
        wrong = await theo.log_in("wrong password")
        unknown = await theo.harness.anonymous().post(
            "/api/auth/login", {"username": "nobody", "password": "wrong password"}
        )
        assert wrong.status == unknown.status == 401
        assert wrong.json == unknown.json

    async def test_a_begun_app_that_was_never_confirmed_asks_for_nothing(self, theo: Person) -> None:
        await theo.client.post("/api/account/second-factors/totp")
        assert (await theo.log_in()).json["kind"] == "signed_in"

    async def test_the_trail_tells_of_success_failure_and_waiting(self, theo: Person) -> None:
        for _ in range(5):
            await theo.log_in("wrong password")
        told = [(kind, name) for kind, name, _ in await trail(theo.harness)]
        assert told[0] == ("login_succeeded", "theo")
        assert told.count(("login_failed", "theo")) == 5
        assert told.count(("login_throttled", "theo")) == 1

    async def test_the_trail_keeps_no_name_that_nobody_has(self, harness: Harness) -> None:
        await harness.anonymous().post("/api/auth/login", {"username": "my-password-1", "password": "x"})
        assert await trail(harness) == [("login_failed", None, {"way": "password"})]

    async def test_a_refresh_token_used_twice_is_in_the_trail(self, theo: Person) -> None:
        spent = {"Authorization": f"Bearer {theo.client.refresh_token}"}
        await theo.client.post("/api/auth/refresh", headers=spent)
        await theo.client.post("/api/auth/refresh", headers=spent)
        assert (await trail(theo.harness))[-1][:2] == ("refresh_reused", "theo")


class TestSecondStep:
    async def test_a_right_code_signs_in(self, theo: Person) -> None:
        await theo.set_up_app()
        reply = await theo.second_step(await theo.ticket(), "totp", code=theo.code())
        assert (reply.status, reply.json["kind"]) == (200, "signed_in")
        assert (await trail(theo.harness))[-1] == ("login_succeeded", "theo", {"way": "password, then totp"})

    @pytest.mark.parametrize("steps", [-1, 0, 1])
    async def test_clocks_may_differ_by_one_step(self, theo: Person, steps: int) -> None:
        await theo.set_up_app()
        theo.clock.pass_by(60)
        assert (await theo.second_step(await theo.ticket(), "totp", code=theo.code(steps))).status == 200

    @pytest.mark.parametrize("steps", [-2, 2])
    async def test_refuses_codes_of_other_times(self, theo: Person, steps: int) -> None:
        await theo.set_up_app()
        theo.clock.pass_by(90)
        assert (await theo.second_step(await theo.ticket(), "totp", code=theo.code(steps))).status == 401

    async def test_no_code_is_good_twice(self, theo: Person) -> None:
        await theo.set_up_app()
        code = theo.code()
        assert (await theo.second_step(await theo.ticket(), "totp", code=code)).status == 200
        assert (await theo.second_step(await theo.ticket(), "totp", code=code)).status == 401

    async def test_an_earlier_code_is_void_once_a_later_one_was_used(self, theo: Person) -> None:
        await theo.set_up_app()
        theo.clock.pass_by(60)
        assert (await theo.second_step(await theo.ticket(), "totp", code=theo.code())).status == 200
        assert (await theo.second_step(await theo.ticket(), "totp", code=theo.code(-1))).status == 401

    async def test_one_code_sent_many_times_at_once_is_good_once(self, theo: Person) -> None:
        await theo.set_up_app()
        tickets = [await theo.ticket() for _ in range(4)]
        code = theo.code()
        replies = await asyncio.gather(*(theo.second_step(ticket, "totp", code=code) for ticket in tickets))
        assert sorted(reply.status for reply in replies) == [200, 401, 401, 401]

    async def test_a_recovery_code_is_good_once(self, theo: Person) -> None:
        await theo.set_up_app()
        assert theo.recovery_codes is not None and len(set(theo.recovery_codes)) == 10
        code = theo.recovery_codes[3]
        typed = f" {code.lower().replace('-', ' ')} "
        assert (await theo.second_step(await theo.ticket(), "recovery_code", code=typed)).status == 200
        assert (await theo.second_step(await theo.ticket(), "recovery_code", code=code)).status == 401
        assert "recovery_code_used" in await kinds(theo.harness)

    async def test_a_passkey_signs_in(self, theo: Person) -> None:
        await theo.add_passkey()
        ticket = await theo.ticket()
        asked = await theo.harness.anonymous().post("/api/auth/second-factor/passkey-options", {"ticket": ticket})
        assert theo.device is not None
        reply = await theo.second_step(ticket, "passkey", credential=theo.device.get(asked.json["options"]))
        assert reply.json["kind"] == "signed_in"

    async def test_refuses_somebody_elses_passkey(self, theo: Person, harness: Harness, clock: SteppedClock) -> None:
        await theo.add_passkey()
        mira = await person(harness, clock, name="mira")
        await mira.add_passkey()
        assert mira.device is not None
        ticket = await theo.ticket()
        asked = await harness.anonymous().post("/api/auth/second-factor/passkey-options", {"ticket": ticket})
        options = asked.json["options"] | {"allowCredentials": []}
        assert (await theo.second_step(ticket, "passkey", credential=mira.device.get(options))).status == 401

    async def test_a_ticket_is_good_for_one_sign_in(self, theo: Person) -> None:
        await theo.set_up_app()
        ticket = await theo.ticket()
        assert (await theo.second_step(ticket, "totp", code=theo.code())).status == 200
        theo.clock.pass_by(30)
        assert (await theo.second_step(ticket, "totp", code=theo.code())).status == 401

    async def test_a_ticket_ends_after_five_minutes(self, theo: Person) -> None:
        await theo.set_up_app()
        ticket = await theo.ticket()
        theo.clock.pass_by(300)
        assert (await theo.second_step(ticket, "totp", code=theo.code())).status == 401

    async def test_a_ticket_bears_five_tries(self, theo: Person) -> None:
        await theo.set_up_app()
        ticket = await theo.ticket()
        replies = [await theo.second_step(ticket, "recovery_code", code="2222-2222-2222-2222") for _ in range(5)]
        assert [reply.status for reply in replies] == [401] * 5
        await theo.harness.container.redis().flushdb()
        assert (await theo.second_step(ticket, "totp", code=theo.code())).status == 401
        assert (await kinds(theo.harness)).count("second_factor_failed") == 5

    async def test_tries_at_once_all_count(self, theo: Person) -> None:
        await theo.set_up_app()
        ticket = await theo.ticket()
        wrong = [theo.second_step(ticket, "recovery_code", code=f"2222-2222-2222-222{n}") for n in range(2, 8)]
        assert {reply.status for reply in await asyncio.gather(*wrong)} <= {401, 429}
        await theo.harness.container.redis().flushdb()
        assert (await theo.second_step(ticket, "totp", code=theo.code())).status == 401

    async def test_guessing_with_many_tickets_gets_slow(self, theo: Person) -> None:
        await theo.set_up_app()
        # The first wait is of a second.
        tickets = [await theo.ticket() for _ in range(6)]
        statuses = [(await theo.second_step(ticket, "totp", code="000000")).status for ticket in tickets]
        assert statuses[:5] == [401] * 5
        assert statuses[5] == 429

    async def test_a_right_password_in_between_does_not_make_guessing_quick_again(self, theo: Person) -> None:
        await theo.set_up_app()
        for _ in range(5):
            await theo.second_step(await theo.ticket(), "totp", code="000000")
        assert (await theo.second_step(await theo.ticket(), "totp", code=theo.code())).status == 429

    async def test_a_password_change_voids_what_was_begun_with_the_old_one(self, theo: Person) -> None:
        await theo.set_up_app()
        ticket = await theo.ticket()
        await theo.harness.container.use_cases().passwords.set_by_operator("theo", "another password")
        assert (await theo.second_step(ticket, "totp", code=theo.code())).status == 401

    async def test_a_password_reset_does_not_get_around_it(self, theo: Person) -> None:
        await theo.set_up_app()
        await theo.harness.container.use_cases().passwords.set_by_operator("theo", "another password")
        assert (await theo.log_in("another password")).json["kind"] == "second_factor_required"

    async def test_refuses_an_account_locked_in_between(self, theo: Person) -> None:
        await theo.set_up_app()
        ticket = await theo.ticket()
        async with theo.harness.engine.begin() as connection:
            await connection.execute(update(users).where(users.c.username == "theo").values(is_locked=True))
        assert (await theo.second_step(ticket, "totp", code=theo.code())).status == 403

    async def test_a_method_the_account_lacks_is_a_wrong_answer(self, theo: Person) -> None:
        await theo.add_passkey()
        assert (await theo.second_step(await theo.ticket(), "totp", code="123456")).status == 401

    @pytest.mark.parametrize(
        ("answer", "status"),
        [
            ({"method": "totp"}, 400),
            ({"method": "passkey", "code": "123456"}, 400),
            ({"method": "passkey", "credential": {}}, 400),
            ({"method": "passkey", "credential": {"rawId": 7, "response": []}}, 400),
            ({"method": "passkey", "credential": []}, 422),
            ({"method": "password", "code": "123456"}, 422),
            ({"method": "totp", "code": "1"}, 422),
            ({"method": "totp", "code": "1" * 41}, 422),
            ({"method": "totp", "code": "１２３４５６"}, 401),
        ],
    )
    async def test_refuses_answers_that_are_none(self, theo: Person, answer: dict[str, object], status: int) -> None:
        await theo.set_up_app()
        await theo.add_passkey()
        ticket = await theo.ticket()
        reply = await theo.harness.anonymous().post("/api/auth/second-factor", {"ticket": ticket, **answer})
        assert reply.status == status
        assert "error" in reply.json

    @pytest.mark.parametrize("ticket", ["x", "A" * 43, ""])
    async def test_refuses_tickets_that_are_none(self, theo: Person, ticket: str) -> None:
        reply = await theo.second_step(ticket, "totp", code="123456")
        assert reply.status == (401 if ticket else 422)

    async def test_a_ticket_is_no_session_and_no_refresh_token(self, theo: Person) -> None:
        await theo.set_up_app()
        bearer = {"Authorization": f"Bearer {await theo.ticket()}"}
        assert (await theo.harness.anonymous().get("/api/users/me", headers=bearer)).status == 401
        assert (await theo.harness.anonymous().post("/api/auth/refresh", headers=bearer)).status == 401


class TestReset:
    async def test_an_administrator_takes_the_second_step_away(self, theo: Person) -> None:
        await theo.set_up_app()
        await theo.add_passkey()
        ticket = await theo.ticket()
        admin = await theo.harness.user(Role.ADMIN)
        user_id = theo.client.user["id"]
        assert (await admin.post(f"/api/users/{user_id}/reset-second-factors")).status == 204
        assert (await theo.client.get("/api/users/me")).status == 401
        assert (await theo.second_step(ticket, "totp", code=theo.code())).status == 401
        assert (await theo.log_in()).json["kind"] == "signed_in"
        assert (await theo.passkey_login()).status == 401
        assert "second_factors_reset" in await kinds(theo.harness)

    async def test_only_an_administrator_may(self, theo: Person) -> None:
        moderator = await theo.harness.user(Role.MODERATOR)
        user_id = theo.client.user["id"]
        assert (await moderator.post(f"/api/users/{user_id}/reset-second-factors")).status == 403

    async def test_of_nobody_is_not_found(self, harness: Harness) -> None:
        admin = await harness.user(Role.ADMIN)
        assert (await admin.post("/api/users/999999/reset-second-factors")).status == 404

    async def test_the_command_line_may_too(self, theo: Person) -> None:
        await theo.set_up_app()
        await theo.harness.container.use_cases().second_factors.reset_by_operator("THEO")
        assert (await theo.log_in(PASSWORD)).json["kind"] == "signed_in"
