"""Passkeys: made, kept, and signed in with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from odeion.adapters.postgres.tables.identity import users
from odeion.application.shared.links import Links
from tests.authenticator import Authenticator, b64, unb64
from tests.clock import SteppedClock
from tests.harness import Harness, Servers, open_harness
from tests.integration.http.ways_in import Person, kinds, person, provided, trail

PASSKEYS = "/api/account/passkeys"


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


async def options(theo: Person) -> dict[str, Any]:
    asked = await theo.client.post(f"{PASSKEYS}/options")
    assert asked.status == 200, asked.json
    found: dict[str, Any] = asked.json["options"]
    return found


async def add(theo: Person, credential: object) -> int:
    return (await theo.client.post(PASSKEYS, {"name": "Phone", "credential": credential})).status


class TestCreation:
    async def test_asks_for_a_verified_discoverable_credential_of_this_site(self, theo: Person) -> None:
        asked = await options(theo)
        assert asked["rp"]["id"] == "localhost"
        assert asked["user"]["name"] == "theo"
        assert asked["authenticatorSelection"]["residentKey"] == "required"
        assert asked["authenticatorSelection"]["userVerification"] == "required"
        assert len(unb64(asked["challenge"])) >= 16

    async def test_is_listed_under_its_name(self, theo: Person) -> None:
        added = await theo.add_passkey("  Phone  ")
        (listed,) = (await theo.client.get(PASSKEYS)).json["items"]
        assert (listed["id"], listed["name"], listed["last_used_at"]) == (added["id"], "Phone", None)
        assert "passkey_added" in await kinds(theo.harness)

    async def test_the_next_one_is_made_on_another_authenticator(self, theo: Person) -> None:
        await theo.add_passkey()
        assert theo.device is not None
        (excluded,) = (await options(theo))["excludeCredentials"]
        assert excluded["id"] == b64(theo.device.passkeys[0].credential_id)

    async def test_options_are_good_for_one_answer(self, theo: Person) -> None:
        asked = await options(theo)
        assert await add(theo, Authenticator().create(asked)) == 201
        assert await add(theo, Authenticator().create(asked)) == 400

    async def test_options_end_after_five_minutes(self, theo: Person) -> None:
        asked = await options(theo)
        theo.clock.pass_by(300)
        assert await add(theo, Authenticator().create(asked)) == 400

    async def test_refuses_an_answer_to_somebody_elses_options(
        self, theo: Person, harness: Harness, clock: SteppedClock
    ) -> None:
        mira = await person(harness, clock, name="mira")
        assert await add(theo, Authenticator().create(await options(mira))) == 400

    async def test_refuses_an_answer_to_login_options(self, theo: Person) -> None:
        login = (await theo.harness.anonymous().post("/api/auth/passkeys/options")).json["options"]
        asked = await options(theo) | {"challenge": login["challenge"]}
        assert await add(theo, Authenticator().create(asked)) == 400

    @pytest.mark.parametrize("origin", ["https://localhost:8096", "http://localhost:9000", "http://evil.test"])
    async def test_refuses_another_origin(self, theo: Person, origin: str) -> None:
        assert await add(theo, Authenticator(origin=origin).create(await options(theo))) == 400

    async def test_refuses_another_site(self, theo: Person) -> None:
        asked = await options(theo)
        assert await add(theo, Authenticator().create(asked | {"rp": {"id": "evil.test"}})) == 400

    async def test_refuses_an_authenticator_that_did_not_verify_its_owner(self, theo: Person) -> None:
        assert await add(theo, Authenticator(verifies_user=False).create(await options(theo))) == 400

    @pytest.mark.parametrize(
        "credential",
        [
            {},
            {"id": "x"},
            {"response": {"clientDataJSON": "!!!"}},
            {"response": {"clientDataJSON": b64(b"[]")}},
            {"response": {"clientDataJSON": b64(b'{"type": 1}')}},
        ],
    )
    async def test_refuses_what_is_no_credential(self, theo: Person, credential: dict[str, Any]) -> None:
        assert await add(theo, credential) == 400

    @pytest.mark.parametrize("field", ["attestationObject", "clientDataJSON"])
    async def test_refuses_a_spoilt_credential(self, theo: Person, field: str) -> None:
        credential = Authenticator().create(await options(theo))
        credential["response"][field] = credential["response"][field][:-8]
        assert await add(theo, credential) == 400

    async def test_the_same_credential_is_kept_once(self, theo: Person, harness: Harness, clock: SteppedClock) -> None:
        await theo.add_passkey()
        mira = await person(harness, clock, name="mira")
        assert theo.device is not None
        copy = Authenticator(next_id=theo.device.passkeys[0].credential_id)
        assert await add(mira, copy.create(await options(mira))) == 409

    async def test_needs_a_base_url(self, servers: Servers, tmp_path: Path) -> None:
        async with open_harness(servers, tmp_path, links=Links(None)) as harness:
            somebody = await harness.user()
            assert (await somebody.post(f"{PASSKEYS}/options")).status == 409
            assert (await harness.anonymous().post("/api/auth/passkeys/options")).status == 409

    async def test_cannot_be_bound_to_an_address(self, servers: Servers, tmp_path: Path) -> None:
        async with open_harness(servers, tmp_path, links=Links("http://127.0.0.1:8096")) as harness:
            assert (await (await harness.user()).post(f"{PASSKEYS}/options")).status == 409

    async def test_there_is_room_for_twenty(self, theo: Person) -> None:
        for _ in range(20):
            await theo.add_passkey()
        assert (await theo.client.post(f"{PASSKEYS}/options")).status == 409


class TestKeeping:
    async def test_is_renamed(self, theo: Person) -> None:
        made = await theo.add_passkey()
        renamed = await theo.client.patch(f"{PASSKEYS}/{made['id']}", {"name": "Old phone"})
        assert (renamed.status, renamed.json["name"]) == (200, "Old phone")

    @pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\nb", 7])
    async def test_refuses_names_that_are_none(self, theo: Person, name: object) -> None:
        made = await theo.add_passkey()
        assert (await theo.client.patch(f"{PASSKEYS}/{made['id']}", {"name": name})).status == 422

    async def test_is_removed_and_signs_nobody_in_any_more(self, theo: Person) -> None:
        made = await theo.add_passkey()
        assert (await theo.client.delete(f"{PASSKEYS}/{made['id']}")).status == 204
        assert (await theo.client.get(PASSKEYS)).json == {"items": []}
        assert (await theo.passkey_login()).status == 401
        assert (await theo.log_in()).json["kind"] == "signed_in"
        assert "passkey_removed" in await kinds(theo.harness)

    async def test_the_only_way_in_stays(self, theo: Person) -> None:
        first, second = await theo.add_passkey(), await theo.add_passkey("Tablet")
        async with theo.harness.engine.begin() as connection:
            await connection.execute(update(users).where(users.c.username == "theo").values(password_hash=None))
        assert (await theo.client.delete(f"{PASSKEYS}/{first['id']}")).status == 204
        assert (await theo.client.delete(f"{PASSKEYS}/{second['id']}")).status == 409

    @pytest.mark.parametrize("method", ["PATCH", "DELETE"])
    async def test_somebody_elses_is_not_found(
        self, theo: Person, harness: Harness, clock: SteppedClock, method: str
    ) -> None:
        made = await theo.add_passkey()
        mira = await person(harness, clock, name="mira")
        body = {"name": "mine"} if method == "PATCH" else None
        assert (await mira.client.call(method, f"{PASSKEYS}/{made['id']}", body)).status == 404
        assert [item["name"] for item in (await theo.client.get(PASSKEYS)).json["items"]] == ["Phone"]


class TestLogin:
    async def test_signs_in_without_a_name_and_without_a_second_step(self, theo: Person) -> None:
        await theo.add_passkey()
        await theo.set_up_app()
        reply = await theo.passkey_login()
        assert (reply.status, reply.json["kind"]) == (200, "signed_in")
        assert reply.json["user"]["username"] == "theo"
        assert (await trail(theo.harness))[-1] == ("login_succeeded", "theo", {"way": "passkey"})
        assert (await theo.client.get(PASSKEYS)).json["items"][0]["last_used_at"]

    async def test_a_challenge_is_answered_once(self, theo: Person) -> None:
        await theo.add_passkey()
        assert theo.device is not None
        asking = theo.harness.anonymous()
        asked = (await asking.post("/api/auth/passkeys/options")).json["options"]
        credential = theo.device.get(asked)
        assert (await asking.post("/api/auth/passkeys/login", {"credential": credential})).status == 200
        assert (await asking.post("/api/auth/passkeys/login", {"credential": credential})).status == 401

    async def test_a_challenge_of_ones_own_making_is_refused(self, theo: Person) -> None:
        await theo.add_passkey()
        assert theo.device is not None
        asked = {"rpId": "localhost", "challenge": b64(b"x" * 32)}
        reply = await theo.harness.anonymous().post("/api/auth/passkeys/login", {"credential": theo.device.get(asked)})
        assert reply.status == 401

    async def test_an_answer_for_the_second_step_is_none_for_the_first(self, theo: Person) -> None:
        await theo.add_passkey()
        assert theo.device is not None
        asking = theo.harness.anonymous()
        asked = await asking.post("/api/auth/second-factor/passkey-options", {"ticket": await theo.ticket()})
        credential = theo.device.get(asked.json["options"])
        assert (await asking.post("/api/auth/passkeys/login", {"credential": credential})).status == 401

    async def test_refuses_an_authenticator_that_did_not_verify_its_owner(self, theo: Person) -> None:
        await theo.add_passkey()
        assert theo.device is not None
        theo.device.verifies_user = False
        assert (await theo.passkey_login()).status == 401

    @pytest.mark.parametrize("origin", ["https://localhost:8096", "http://evil.test"])
    async def test_refuses_another_origin(self, theo: Person, origin: str) -> None:
        await theo.add_passkey()
        assert theo.device is not None
        theo.device.origin = origin
        assert (await theo.passkey_login()).status == 401

    async def test_refuses_another_key(self, theo: Person) -> None:
        await theo.add_passkey()
        assert theo.device is not None
        forger = Authenticator()
        forger.create(await options(theo))
        forger.passkeys[0].credential_id = theo.device.passkeys[0].credential_id
        assert (await theo.passkey_login(forger)).status == 401

    async def test_refuses_a_user_handle_of_another_account(self, theo: Person) -> None:
        await theo.add_passkey()
        assert theo.device is not None
        theo.device.passkeys[0].handle = (1).to_bytes(8, "big") + b"x"
        assert (await theo.passkey_login()).status == 401

    async def test_refuses_a_use_counter_that_went_backwards(self, theo: Person) -> None:
        theo.device = Authenticator(count=10)
        await theo.add_passkey()
        assert (await theo.passkey_login()).status == 200
        theo.device.count = 5
        assert (await theo.passkey_login()).status == 401
        theo.device.count = 20
        assert (await theo.passkey_login()).status == 200

    async def test_an_authenticator_may_have_no_use_counter(self, theo: Person) -> None:
        await theo.add_passkey()
        assert [(await theo.passkey_login()).status for _ in range(2)] == [200, 200]

    async def test_refuses_a_locked_account(self, theo: Person) -> None:
        await theo.add_passkey()
        async with theo.harness.engine.begin() as connection:
            await connection.execute(update(users).where(users.c.username == "theo").values(is_locked=True))
        assert (await theo.passkey_login()).status == 403

    async def test_an_unknown_passkey_is_in_the_trail(self, theo: Person) -> None:
        stranger = Authenticator()
        stranger.create(await options(theo))
        assert (await theo.passkey_login(stranger)).status == 401
        assert (await trail(theo.harness))[-1] == ("login_failed", None, {"way": "passkey"})

    @pytest.mark.parametrize("credential", [{}, {"rawId": 1}, {"response": {"clientDataJSON": "e30"}}])
    async def test_refuses_what_is_no_credential(self, harness: Harness, credential: dict[str, Any]) -> None:
        reply = await harness.anonymous().post("/api/auth/passkeys/login", {"credential": credential})
        assert (reply.status, reply.json["error"]["code"]) == (400, "bad_request")
