"""Set-up, signing in and staying signed in."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest

from odeion.domain.identity.users import Role
from tests.harness import PASSWORD, SETUP_CODE, Harness

FIRST = {"code": SETUP_CODE, "username": "mira", "password": PASSWORD}


class TestSetup:
    async def test_the_printed_code_makes_the_first_administrator(self, harness: Harness) -> None:
        assert await harness.container.use_cases().first_run.offer(SETUP_CODE)
        somebody = harness.anonymous()
        assert (await somebody.get("/api/setup")).json == {"completed": False}
        reply = await somebody.post("/api/setup", FIRST)
        assert reply.status == 201
        assert reply.json["user"]["role"] == "admin"
        assert (await somebody.get("/api/setup")).json == {"completed": True}
        assert (await harness.sign_in("mira")).user["username"] == "mira"

    async def test_the_code_may_be_typed_in_small_letters(self, harness: Harness) -> None:
        await harness.container.use_cases().first_run.offer(SETUP_CODE)
        reply = await harness.anonymous().post("/api/setup", FIRST | {"code": f" {SETUP_CODE.lower()} "})
        assert reply.status == 201

    async def test_a_wrong_code_is_refused(self, harness: Harness) -> None:
        await harness.container.use_cases().first_run.offer(SETUP_CODE)
        reply = await harness.anonymous().post("/api/setup", FIRST | {"code": "WRONG"})
        assert (reply.status, reply.json["error"]["code"]) == (403, "forbidden")

    async def test_guessing_codes_gets_slow(self, harness: Harness) -> None:
        await harness.container.use_cases().first_run.offer(SETUP_CODE)
        statuses = [(await harness.anonymous().post("/api/setup", FIRST | {"code": "WRONG"})).status for _ in range(8)]
        assert 429 in statuses

    async def test_there_is_no_code_that_was_not_offered(self, harness: Harness) -> None:
        assert (await harness.anonymous().post("/api/setup", FIRST | {"code": "x"})).status == 403

    async def test_it_is_done_once(self, harness: Harness) -> None:
        await harness.container.use_cases().first_run.offer(SETUP_CODE)
        replies = await asyncio.gather(
            *(harness.anonymous().post("/api/setup", FIRST | {"username": f"user{n}"}) for n in range(6))
        )
        assert sorted(reply.status for reply in replies) == [201, 409, 409, 409, 409, 409]
        assert not await harness.container.use_cases().first_run.offer("ANOTHER-CODE")

    @pytest.mark.parametrize(
        ("field", "value"), [("username", "a b"), ("username", ""), ("password", "short"), ("password", 7)]
    )
    async def test_refuses_values_that_cannot_be_used(self, harness: Harness, field: str, value: object) -> None:
        await harness.container.use_cases().first_run.offer(SETUP_CODE)
        reply = await harness.anonymous().post("/api/setup", FIRST | {field: value})
        assert (reply.status, reply.json["error"]["code"]) == (422, "validation_error")
        assert reply.json["error"]["fields"][0]["field"] == f"body.{field}"


class TestLogin:
    async def test_answers_tokens_and_the_profile(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER, "theo")
        me = await client.get("/api/users/me")
        assert me.json["username"] == "theo"
        assert me.json["role"] == "viewer"

    @pytest.mark.parametrize("username", ["theo", "nobody"])
    async def test_says_the_same_of_a_wrong_name_and_a_wrong_password(self, harness: Harness, username: str) -> None:
        await harness.user(Role.VIEWER, "theo")
        reply = await harness.anonymous().post("/api/auth/login", {"username": username, "password": "wrong password"})
        assert (reply.status, reply.json["error"]["message"]) == (401, "user name or password is wrong")

    async def test_guessing_gets_slow_and_says_how_long(self, harness: Harness) -> None:
        await harness.user(Role.VIEWER, "theo")
        wrong = {"username": "theo", "password": "wrong password"}
        replies = [await harness.anonymous().post("/api/auth/login", wrong) for _ in range(7)]
        assert replies[0].status == 401
        assert replies[-1].status == 429
        assert int(replies[-1].headers["retry-after"]) >= 1

    @pytest.mark.parametrize(
        ("body", "status"),
        [({}, 422), ({"username": "a"}, 422), ({"username": 1, "password": 2}, 422), ({"x": 1}, 422), ([], 422)],
    )
    async def test_refuses_other_bodies(self, harness: Harness, body: object, status: int) -> None:
        assert (await harness.anonymous().post("/api/auth/login", body)).status == status

    @pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"null garbage"])
    async def test_refuses_what_is_no_json(self, harness: Harness, raw: bytes) -> None:
        reply = await harness.anonymous().call(
            "POST", "/api/auth/login", data=raw, headers={"Content-Type": "application/json"}
        )
        assert (reply.status, reply.json["error"]["code"]) == (400, "bad_request")

    async def test_refuses_a_body_of_another_type(self, harness: Harness) -> None:
        reply = await harness.anonymous().call(
            "POST", "/api/auth/login", data=b"a=b", headers={"Content-Type": "text/plain"}
        )
        assert reply.status == 400

    async def test_refuses_a_huge_body(self, harness: Harness) -> None:
        reply = await harness.anonymous().call(
            "POST", "/api/auth/login", data=b" " * 2_000_000, headers={"Content-Type": "application/json"}
        )
        assert (reply.status, reply.json["error"]["code"]) == (413, "payload_too_large")


class TestRefresh:
    async def test_gives_a_new_pair(self, harness: Harness) -> None:
        client = await harness.user()
        reply = await client.post("/api/auth/refresh", headers={"Authorization": f"Bearer {client.refresh_token}"})
        assert reply.status == 200
        assert reply.json["refresh_token"] != client.refresh_token
        client.token = reply.json["token"]
        assert (await client.get("/api/users/me")).status == 200

    async def test_a_token_used_twice_ends_the_session(self, harness: Harness) -> None:
        client = await harness.user()
        spent = {"Authorization": f"Bearer {client.refresh_token}"}
        renewed = (await client.post("/api/auth/refresh", headers=spent)).json
        assert (await client.post("/api/auth/refresh", headers=spent)).status == 401
        assert (await client.get("/api/users/me")).status == 401
        stolen = {"Authorization": f"Bearer {renewed['refresh_token']}"}
        assert (await client.post("/api/auth/refresh", headers=stolen)).status == 401

    async def test_a_session_token_is_no_refresh_token(self, harness: Harness) -> None:
        client = await harness.user()
        assert (await client.post("/api/auth/refresh")).status == 401


class TestSessionTokens:
    def forge(self, token: str, header: dict[str, object] | None = None, **claims: object) -> str:
        parts = token.split(".")
        body = json.loads(base64.urlsafe_b64decode(parts[1] + "==")) | claims
        encoded = base64.urlsafe_b64encode(json.dumps(body).encode()).rstrip(b"=").decode()
        head = parts[0]
        if header is not None:
            head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
        return f"{head}.{encoded}.{parts[2]}"

    async def test_another_persons_id_is_refused(self, harness: Harness) -> None:
        client = await harness.user()
        client.token = self.forge(client.token or "", sub="2")
        assert (await client.get("/api/users/me")).status == 401

    async def test_no_algorithm_is_no_signature(self, harness: Harness) -> None:
        client = await harness.user()
        client.token = self.forge(client.token or "", header={"alg": "none", "typ": "JWT"}).rpartition(".")[0] + "."
        assert (await client.get("/api/users/me")).status == 401

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "." * 2000, "é", "null"])
    async def test_garbage_is_refused(self, harness: Harness, token: str) -> None:
        reply = await harness.anonymous().get("/api/users/me", headers={"Authorization": f"Bearer {token}"})
        assert reply.status == 401

    async def test_ends_with_a_reset_password(self, harness: Harness) -> None:
        client = await harness.user(Role.VIEWER, "theo")
        await harness.container.use_cases().passwords.set_by_operator("theo", "a new password")
        assert (await client.get("/api/users/me")).status == 401
        assert (await harness.sign_in("theo", "a new password")).token


def test_the_key_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    from odeion.entrypoints.secret_key import load_secret_key
    from odeion.entrypoints.settings import Settings

    settings = Settings(data_dir=tmp_path / "data")
    key = load_secret_key(settings)
    assert len(key) == 32 and load_secret_key(settings) == key
    assert (tmp_path / "data" / "secret.key").stat().st_mode & 0o777 == 0o600
