"""Signing in, signing up and linking through sign-in providers."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import text, update

from odeion.adapters.memory.outbound import MemoryOutboundHttp
from odeion.adapters.postgres.tables.identity import users
from odeion.application.shared.links import Links
from odeion.application.shared.outbound import OutboundRequest, OutboundResponse
from odeion.domain.identity.users import Role
from tests.clock import SteppedClock
from tests.harness import Client, Harness, Reply, Servers, open_harness
from tests.identity_provider import CLIENT_ID, CLIENT_SECRET, ISSUER, IdentityProvider, answer
from tests.integration.http.ways_in import SITE, Person, kinds, person, provided, trail

SETTINGS = "/api/admin/settings/oauth"
CALLBACK = "/api/auth/oauth/callback/home"

HOME: dict[str, Any] = {
    "key": "home",
    "kind": "oidc",
    "display_name": "Home",
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "issuer": ISSUER,
}


@dataclass
class Browser:
    """One browser, which keeps cookies, and the person in front of it."""

    client: Client
    provider: IdentityProvider

    async def start(self, **body: Any) -> Reply:
        return await self.client.post("/api/auth/oauth/start", {"provider": "home", **body})

    async def authorized(self, **body: Any) -> dict[str, str]:
        """Start, and sign in at the provider: what the provider sends back."""
        started = await self.start(**body)
        assert started.status == 200, started.json
        return self.provider.authorize(started.json["authorize_url"])

    async def come_back(self, parameters: dict[str, str], path: str = CALLBACK) -> dict[str, str]:
        """What the web app is told."""
        reply = await self.client.get(f"{path}?{urlencode(parameters)}")
        assert reply.status == 303, reply.json
        parts = urlsplit(reply.headers["location"])
        assert (parts.scheme, parts.netloc, parts.path) == ("", "", "/oauth")
        return {name: values[0] for name, values in parse_qs(parts.query).items()}

    async def exchange(self, code: str) -> Reply:
        return await self.client.post("/api/auth/oauth/exchange", {"code": code})

    async def sign_in(self) -> Reply:
        """All the way to the answer of the exchange."""
        told = await self.come_back(await self.authorized())
        assert "code" in told, told
        return await self.exchange(told["code"])


@dataclass
class World:
    harness: Harness
    clock: SteppedClock
    http: MemoryOutboundHttp
    provider: IdentityProvider
    admin: Client

    def browser(self) -> Browser:
        return Browser(self.harness.anonymous(), self.provider)

    async def invite(self, role: str = "viewer") -> str:
        reply = await self.admin.post("/api/users/invite", {"role": role})
        assert reply.status == 201, reply.json
        code: str = reply.json["code"]
        return code

    async def configure(self, *providers: dict[str, Any]) -> Reply:
        return await self.admin.put(SETTINGS, {"providers": list(providers)})

    async def sign_up(self, username: str = "mira") -> Client:
        """An account that signs in with the provider only."""
        browser = self.browser()
        pending = (await browser.sign_in()).json
        reply = await browser.client.post(
            "/api/auth/oauth/register",
            {"signup_token": pending["signup_token"], "invite_code": await self.invite(), "username": username},
        )
        assert reply.status == 201, reply.json
        browser.client.token = reply.json["token"]
        browser.client.user = reply.json["user"]
        return browser.client

    async def link(self, client: Client) -> dict[str, str]:
        """Link the provider's subject to whoever is signed in here."""
        started = await client.post("/api/auth/oauth/link/start", {"provider": "home", "return_path": "/account"})
        assert started.status == 200, started.json
        parameters = self.provider.authorize(started.json["authorize_url"])
        return await Browser(client, self.provider).come_back(parameters)


@pytest.fixture
async def world(servers: Servers, tmp_path: Path) -> AsyncIterator[World]:
    clock, http = SteppedClock(), MemoryOutboundHttp()
    provider = IdentityProvider(clock)
    provider.serve(http)
    async with open_harness(servers, tmp_path, **provided(clock), outbound=http) as harness:
        made = World(harness, clock, http, provider, await harness.user(Role.ADMIN, "admin"))
        reply = await made.configure(HOME)
        assert reply.status == 200, reply.json
        yield made


class TestStart:
    async def test_leads_to_the_provider_with_all_that_ties_the_answer_to_this_flow(self, world: World) -> None:
        started = await world.browser().start()
        asked = parse_qs(urlsplit(started.json["authorize_url"]).query)
        assert asked["redirect_uri"] == [f"{SITE}{CALLBACK}"]
        assert asked["code_challenge_method"] == ["S256"]
        assert len(asked["state"][0]) >= 43 and len(asked["nonce"][0]) >= 43
        assert len({asked[name][0] for name in ("state", "nonce", "code_challenge")}) == 3

    async def test_the_cookie_is_for_this_alone(self, world: World) -> None:
        cookie = (await world.browser().start()).headers["set-cookie"]
        assert {"HttpOnly", "SameSite=Lax", "Path=/api/auth/oauth"} <= set(cookie.split("; "))

    async def test_the_cookie_is_secure_where_the_server_is(self, servers: Servers, tmp_path: Path) -> None:
        clock, http = SteppedClock(), MemoryOutboundHttp()
        IdentityProvider(clock).serve(http)
        overrides: dict[str, Any] = {"clock": clock, "links": Links("https://media.example.test"), "outbound": http}
        async with open_harness(servers, tmp_path, **overrides) as harness:
            admin = await harness.user()
            await admin.put(SETTINGS, {"providers": [HOME]})
            started = await harness.anonymous().post("/api/auth/oauth/start", {"provider": "home"})
        assert "Secure" in started.headers["set-cookie"].split("; ")

    @pytest.mark.parametrize("host", ["evil.test", "localhost:8096.evil.test", "evil.test@localhost"])
    async def test_the_redirect_uri_comes_from_the_base_url_alone(self, world: World, host: str) -> None:
        started = await world.harness.anonymous().post(
            "/api/auth/oauth/start",
            {"provider": "home"},
            headers={"Host": host, "X-Forwarded-Host": host, "X-Forwarded-Proto": "https"},
        )
        if started.status == 200:
            asked = parse_qs(urlsplit(started.json["authorize_url"]).query)
            assert asked["redirect_uri"] == [f"{SITE}{CALLBACK}"]
        else:
            assert started.status == 400

    async def test_needs_a_base_url(self, servers: Servers, tmp_path: Path) -> None:
        async with open_harness(servers, tmp_path, links=Links(None)) as harness:
            admin = await harness.user()
            await admin.put(SETTINGS, {"providers": [HOME]})
            reply = await harness.anonymous().post("/api/auth/oauth/start", {"provider": "home"})
        assert reply.status == 409

    @pytest.mark.parametrize(
        "path",
        [
            "//evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "https://evil.test",
            "javascript:alert(1)",
            "evil.test",
            "/\t/evil.test",
            "/\n/evil.test",
            "/ /evil.test",
            "/#//evil.test",
            "/é",
            "@evil.test",
        ],
    )
    async def test_refuses_return_paths_that_lead_away(self, world: World, path: str) -> None:
        assert (await world.browser().start(return_path=path)).status == 400

    @pytest.mark.parametrize("path", ["/", "/films/7?play=1", "/a/b-c_d.e~f"])
    async def test_comes_back_to_where_it_began(self, world: World, path: str) -> None:
        browser = world.browser()
        assert (await browser.come_back(await browser.authorized(return_path=path)))["return"] == path

    @pytest.mark.parametrize("key", ["google", "nothing"])
    async def test_of_a_provider_that_is_not_set_up_is_not_found(self, world: World, key: str) -> None:
        reply = await world.harness.anonymous().post("/api/auth/oauth/start", {"provider": key})
        assert reply.status == 404

    @pytest.mark.parametrize("key", ["", "a/b", "../x", "X", 7])
    async def test_refuses_keys_that_are_none(self, world: World, key: object) -> None:
        assert (await world.harness.anonymous().post("/api/auth/oauth/start", {"provider": key})).status == 422

    async def test_says_when_the_provider_is_away(self, world: World) -> None:
        world.http.sites.clear()
        assert (await world.browser().start()).status == 503


class TestCallback:
    async def test_a_code_is_for_the_browser_it_came_to(self, world: World) -> None:
        browser = world.browser()
        told = await browser.come_back(await browser.authorized())
        assert set(told) == {"code", "return"}
        assert (await world.browser().exchange(told["code"])).status == 401

    async def test_an_exchange_code_is_good_once(self, world: World) -> None:
        browser = world.browser()
        told = await browser.come_back(await browser.authorized())
        assert (await browser.exchange(told["code"])).status == 200
        assert (await browser.exchange(told["code"])).status == 401

    async def test_an_exchange_code_ends_after_two_minutes(self, world: World) -> None:
        browser = world.browser()
        told = await browser.come_back(await browser.authorized())
        world.clock.pass_by(120)
        assert (await browser.exchange(told["code"])).status == 401

    @pytest.mark.parametrize("code", ["A" * 43, "x"])
    async def test_refuses_exchange_codes_nobody_gave_out(self, world: World, code: str) -> None:
        assert (await world.browser().exchange(code)).status == 401

    async def test_refuses_an_answer_without_state(self, world: World) -> None:
        browser = world.browser()
        parameters = await browser.authorized()
        del parameters["state"]
        assert (await browser.come_back(parameters))["error"] == "expired"

    async def test_refuses_a_state_of_nobodys_making(self, world: World) -> None:
        browser = world.browser()
        parameters = await browser.authorized()
        assert (await browser.come_back(parameters | {"state": "A" * 43}))["error"] == "expired"

    async def test_refuses_a_state_used_twice(self, world: World) -> None:
        browser = world.browser()
        parameters = await browser.authorized()
        assert "code" in await browser.come_back(parameters)
        assert (await browser.come_back(parameters))["error"] == "expired"

    async def test_refuses_a_state_of_another_browser(self, world: World) -> None:
        browser, victim = world.browser(), world.browser()
        parameters = await browser.authorized()
        assert (await victim.come_back(parameters))["error"] == "expired"
        await victim.start()
        assert (await victim.come_back(await browser.authorized()))["error"] == "expired"

    async def test_refuses_a_state_after_ten_minutes(self, world: World) -> None:
        browser = world.browser()
        parameters = await browser.authorized()
        world.clock.pass_by(600)
        assert (await browser.come_back(parameters))["error"] == "expired"

    async def test_refuses_a_state_at_another_providers_callback(self, world: World) -> None:
        await world.configure(HOME, HOME | {"key": "other", "display_name": "Other"})
        browser = world.browser()
        told = await browser.come_back(await browser.authorized(), path="/api/auth/oauth/callback/other")
        assert told["error"] == "expired"

    async def test_refuses_a_provider_switched_off_in_between(self, world: World) -> None:
        browser = world.browser()
        parameters = await browser.authorized()
        await world.configure(HOME | {"enabled": False, "client_secret": None})
        assert (await browser.come_back(parameters))["error"] == "provider_failed"

    async def test_refuses_a_code_of_another_flow(self, world: World) -> None:
        """PKCE: a code that was slipped in does not go with this flow's verifier."""
        browser, other = world.browser(), world.browser()
        stolen = await other.authorized()
        parameters = await browser.authorized()
        assert (await browser.come_back(parameters | {"code": stolen["code"]}))["error"] == "provider_failed"

    @pytest.mark.parametrize("issuer", [None, "https://evil.test", ISSUER + "/"])
    async def test_refuses_an_answer_of_another_issuer(self, world: World, issuer: str | None) -> None:
        browser = world.browser()
        parameters = await browser.authorized()
        del parameters["iss"]
        told = await browser.come_back(parameters | ({"iss": issuer} if issuer else {}))
        assert told["error"] == "provider_failed"
        assert not world.provider.exchanged

    @pytest.mark.parametrize(
        ("sent", "told"),
        [
            ("access_denied", "cancelled"),
            ("server_error", "provider_failed"),
            ("<script>alert(1)</script>", "provider_failed"),
        ],
    )
    async def test_tells_of_refusals_in_words_of_ours(self, world: World, sent: str, told: str) -> None:
        browser = world.browser()
        parameters = await browser.authorized(return_path="/films")
        answered = await browser.come_back({"state": parameters["state"], "error": sent})
        assert answered == {"error": told, "return": "/films"}

    async def test_why_it_failed_is_in_the_trail(self, world: World) -> None:
        world.provider.claims = {"aud": "another"}
        browser = world.browser()
        await browser.come_back(await browser.authorized())
        kind, _, details = (await trail(world.harness))[-1]
        assert (kind, details["outcome"]) == ("login_failed", "provider_failed")
        assert "another client" in details["reason"]

    @pytest.mark.parametrize("query", ["", "state=" + "x" * 5000, "state=%00", "state=a&state=b"])
    async def test_refuses_nonsense_without_a_fault_of_ours(self, world: World, query: str) -> None:
        assert (await world.harness.anonymous().get(f"{CALLBACK}?{query}")).status in (303, 400, 422)

    async def test_a_form_leads_to_the_same_address_by_get(self, world: World) -> None:
        reply = await world.harness.anonymous().call(
            "POST",
            CALLBACK,
            data=urlencode({"state": "s", "code": "c&d", "user": '{"name": 1}'}),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert reply.status == 303
        assert reply.headers["location"] == f"{CALLBACK}?state=s&code=c%26d"


class TestIdToken:
    async def outcome(self, world: World) -> dict[str, str]:
        browser = world.browser()
        return await browser.come_back(await browser.authorized())

    async def test_is_accepted_as_it_should_be(self, world: World) -> None:
        assert "code" in await self.outcome(world)

    @pytest.mark.parametrize(
        "claims",
        [
            {"iss": "https://evil.test"},
            {"iss": ISSUER + "/"},
            {"iss": [ISSUER]},
            {"iss": None},
            {"aud": "another"},
            {"aud": ["another"]},
            {"aud": []},
            {"aud": {CLIENT_ID: 1}},
            {"aud": None},
            {"aud": [CLIENT_ID, "another"]},
            {"aud": [CLIENT_ID, 7]},
            {"azp": "another"},
            {"azp": [CLIENT_ID]},
            {"exp": 1},
            {"exp": "9999999999"},
            {"exp": True},
            {"exp": None},
            {"iat": 9_999_999_999},
            {"iat": None},
            {"nbf": 9_999_999_999},
            {"nonce": "another"},
            {"nonce": None},
            {"nonce": ["x"]},
            {"at_hash": "another"},
            {"at_hash": 7},
            {"sub": ""},
            {"sub": 7},
            {"sub": None},
            {"sub": "x" * 256},
            {"sub": "a\x00b"},
        ],
        ids=str,
    )
    async def test_refuses_each_broken_claim(self, world: World, claims: dict[str, Any]) -> None:
        world.provider.claims = claims
        assert (await self.outcome(world))["error"] == "provider_failed"

    @pytest.mark.parametrize("claims", [{"aud": [CLIENT_ID]}, {"aud": [CLIENT_ID, "x"], "azp": CLIENT_ID}], ids=str)
    async def test_accepts_audiences_that_name_us_properly(self, world: World, claims: dict[str, Any]) -> None:
        world.provider.claims = claims
        assert "code" in await self.outcome(world)

    async def test_refuses_no_signature(self, world: World) -> None:
        world.provider.algorithm = "none"
        assert (await self.outcome(world))["error"] == "provider_failed"

    async def test_refuses_the_public_key_as_a_shared_secret(self, world: World) -> None:
        world.provider.algorithm = "HS256"
        assert (await self.outcome(world))["error"] == "provider_failed"

    async def test_refuses_another_key_of_the_same_name(self, world: World) -> None:
        world.provider.signing_key = RSAKey.generate_key(2048)
        assert (await self.outcome(world))["error"] == "provider_failed"

    async def test_refuses_a_key_nobody_knows(self, world: World) -> None:
        world.provider.header = {"kid": "another"}
        assert (await self.outcome(world))["error"] == "provider_failed"

    @pytest.mark.parametrize(
        "header", [{"jwk": {"kty": "oct", "k": "AAAA"}}, {"jku": "https://evil.test/jwks"}], ids=str
    )
    async def test_a_key_in_the_token_is_no_key(self, world: World, header: dict[str, Any]) -> None:
        world.provider.signing_key = RSAKey.generate_key(2048)
        world.provider.header = header
        assert (await self.outcome(world))["error"] == "provider_failed"

    async def test_refuses_an_algorithm_the_provider_does_not_name(self, world: World) -> None:
        world.provider.algorithm = "PS256"
        assert (await self.outcome(world))["error"] == "provider_failed"

    async def test_new_keys_are_looked_for(self, world: World) -> None:
        assert "code" in await self.outcome(world)
        world.provider.key, world.provider.kid = RSAKey.generate_key(2048), "key-2"
        world.clock.pass_by(61)
        assert "code" in await self.outcome(world)

    async def test_unknown_keys_do_not_make_us_ask_again_and_again(self, world: World) -> None:
        world.provider.header = {"kid": "another"}
        for _ in range(5):
            await self.outcome(world)
        assert sum(request.url.endswith("/jwks") for request in world.http.asked) == 1

    @pytest.mark.parametrize("token", [None, 7, "", "x", "a.b.c", "." * 20_000])
    async def test_refuses_what_is_no_token(self, world: World, token: object) -> None:
        world.provider.tokens = {"id_token": token}
        assert (await self.outcome(world))["error"] == "provider_failed"

    async def test_names_are_asked_for_where_the_token_has_none(self, world: World) -> None:
        world.provider.claims = {"email": None, "preferred_username": None}
        world.provider.userinfo = {"sub": "subject-1", "name": "Mira Nowak"}
        browser = world.browser()
        assert (await browser.sign_in()).json["suggested_username"] == "mira-nowak"

    async def test_refuses_user_information_about_somebody_else(self, world: World) -> None:
        world.provider.claims = {"email": None, "preferred_username": None}
        world.provider.userinfo = {"sub": "subject-2", "name": "Mira Nowak"}
        assert (await self.outcome(world))["error"] == "provider_failed"


class TestDiscovery:
    @pytest.mark.parametrize(
        "metadata",
        [
            {"issuer": "https://evil.test"},
            {"issuer": [ISSUER]},
            {"authorization_endpoint": "javascript:alert(1)"},
            {"authorization_endpoint": "http://id.example.test/authorize"},
            {"authorization_endpoint": None},
            {"authorization_endpoint": ["https://id.example.test"]},
            {"authorization_endpoint": "https://[bad"},
        ],
        ids=str,
    )
    async def test_refuses_documents_that_would_lead_astray(self, world: World, metadata: dict[str, Any]) -> None:
        world.provider.metadata = metadata
        assert (await world.browser().start()).status == 503

    @pytest.mark.parametrize(
        "metadata",
        [
            {"token_endpoint": "http://id.example.test/token"},
            {"token_endpoint": "https://unknown.test/token"},
            {"jwks_uri": 7},
            {"id_token_signing_alg_values_supported": ["HS256"]},
            {"id_token_signing_alg_values_supported": "RS256"},
        ],
        ids=str,
    )
    async def test_refuses_endpoints_that_cannot_be_asked(self, world: World, metadata: dict[str, Any]) -> None:
        world.provider.metadata = metadata
        browser = world.browser()
        assert (await browser.come_back(await browser.authorized()))["error"] == "provider_failed"

    async def test_a_local_issuer_needs_an_administrators_word(self, world: World) -> None:
        world.http.local.add("id.example.test")
        assert (await world.browser().start()).status == 503
        await world.configure(HOME | {"allow_private_network": True})
        assert (await world.browser().start()).status == 200


class TestSignUp:
    async def register(self, world: World, browser: Browser, **body: Any) -> Reply:
        return await browser.client.post("/api/auth/oauth/register", {"username": "mira", **body})

    async def test_a_new_identity_needs_an_invite(self, world: World) -> None:
        browser = world.browser()
        told = await browser.come_back(await browser.authorized(invite_code="7KQ4-M2XD"))
        pending = (await browser.exchange(told["code"])).json
        assert pending.pop("signup_token") and pending.pop("expires_at")
        assert pending == {
            "kind": "signup_required",
            "provider": "home",
            "provider_name": "Home",
            "suggested_username": "mira",
            "email": "mira@example.test",
            "invite_code": "7KQ4-M2XD",
        }

    async def test_makes_an_account_of_the_invites_role_that_signs_in_from_then_on(self, world: World) -> None:
        browser = world.browser()
        pending = (await browser.sign_in()).json
        code = await world.invite("curator")
        made = await self.register(world, browser, signup_token=pending["signup_token"], invite_code=code)
        assert (made.status, made.json["kind"], made.json["user"]["role"]) == (201, "signed_in", "curator")
        assert made.json["user"]["has_password"] is False
        again = (await world.browser().sign_in()).json
        assert (again["kind"], again["user"]["id"]) == ("signed_in", made.json["user"]["id"])
        assert {"user_created", "invite_redeemed", "oauth_linked"} <= set(await kinds(world.harness))

    async def test_a_bad_invite_uses_up_nothing(self, world: World) -> None:
        browser = world.browser()
        token = (await browser.sign_in()).json["signup_token"]
        assert (await self.register(world, browser, signup_token=token, invite_code="XXXX")).status == 403
        good = await world.invite()
        assert (await self.register(world, browser, signup_token=token, invite_code=good)).status == 201

    async def test_a_taken_name_uses_up_nothing(self, world: World) -> None:
        browser = world.browser()
        token, code = (await browser.sign_in()).json["signup_token"], await world.invite()
        body = {"signup_token": token, "invite_code": code}
        assert (await self.register(world, browser, **body, username="ADMIN")).status == 409
        assert (await self.register(world, browser, **body)).status == 201

    async def test_a_token_is_good_for_one_account(self, world: World) -> None:
        browser = world.browser()
        token = (await browser.sign_in()).json["signup_token"]
        for username, status in (("mira", 201), ("mira2", 401)):
            reply = await self.register(
                world, browser, signup_token=token, invite_code=await world.invite(), username=username
            )
            assert reply.status == status

    async def test_one_identity_makes_one_account(self, world: World) -> None:
        first, second = world.browser(), world.browser()
        tokens = [(await browser.sign_in()).json["signup_token"] for browser in (first, second)]
        statuses = [
            (
                await self.register(
                    world, first, signup_token=token, invite_code=await world.invite(), username=f"mira{n}"
                )
            ).status
            for n, token in enumerate(tokens)
        ]
        assert statuses == [201, 409]

    async def test_a_token_ends_after_fifteen_minutes(self, world: World) -> None:
        browser = world.browser()
        token = (await browser.sign_in()).json["signup_token"]
        code = await world.invite()
        world.clock.pass_by(900)
        assert (await self.register(world, browser, signup_token=token, invite_code=code)).status == 401

    async def test_guessing_invites_gets_slow(self, world: World) -> None:
        browser = world.browser()
        token = (await browser.sign_in()).json["signup_token"]
        statuses = [
            (await self.register(world, browser, signup_token=token, invite_code=f"XXXX-{n}")).status for n in range(7)
        ]
        assert statuses[0] == 403 and statuses[-1] == 429

    @pytest.mark.parametrize("username", ["a b", "", "<script>", "x" * 65])
    async def test_refuses_names_that_cannot_be_used(self, world: World, username: str) -> None:
        browser = world.browser()
        token, code = (await browser.sign_in()).json["signup_token"], await world.invite()
        reply = await self.register(world, browser, signup_token=token, invite_code=code, username=username)
        assert reply.status == 422


class TestSignIn:
    async def test_the_subject_decides_and_never_the_address(self, world: World) -> None:
        """Whoever takes over an e-mail address at a provider takes over no account here."""
        await world.sign_up()
        world.provider.subject = "subject-2"
        assert (await world.browser().sign_in()).json["kind"] == "signup_required"

    async def test_the_same_subject_of_another_issuer_is_somebody_else(self, world: World) -> None:
        await world.sign_up()
        async with world.harness.engine.begin() as connection:
            await connection.execute(text("UPDATE oauth_identities SET issuer = 'https://other.test'"))
        assert (await world.browser().sign_in()).json["kind"] == "signup_required"

    async def test_a_user_name_that_is_the_same_is_no_match(self, world: World) -> None:
        await world.harness.user(Role.VIEWER, "mira")
        assert (await world.browser().sign_in()).json["kind"] == "signup_required"

    async def test_refuses_a_locked_account(self, world: World) -> None:
        await world.sign_up()
        async with world.harness.engine.begin() as connection:
            await connection.execute(update(users).where(users.c.username == "mira").values(is_locked=True))
        assert (await world.browser().sign_in()).status == 403

    async def test_second_factors_are_asked_for(self, world: World) -> None:
        theo = await person(world.harness, world.clock)
        assert "linked" in await world.link(theo.client)
        await theo.set_up_app()
        asked = (await world.browser().sign_in()).json
        assert (asked["kind"], asked["methods"]) == ("second_factor_required", ["totp", "recovery_code"])
        reply = await theo.second_step(asked["ticket"], "totp", code=theo.code())
        assert reply.json["user"]["username"] == "theo"
        assert (await trail(world.harness))[-1] == ("login_succeeded", "theo", {"way": "oauth home, then totp"})

    async def test_when_it_was_used_last_and_by_what_name_is_kept(self, world: World) -> None:
        mira = await world.sign_up()
        world.provider.claims = {"preferred_username": "mira.nowak", "email": None}
        await world.browser().sign_in()
        (identity,) = (await mira.get("/api/auth/oauth/identities")).json["items"]
        assert (identity["display_name"], identity["email"]) == ("mira.nowak", None)


class TestLink:
    @pytest.fixture
    async def theo(self, world: World) -> Person:
        return await person(world.harness, world.clock)

    async def test_the_identity_signs_in_from_then_on(self, world: World, theo: Person) -> None:
        assert await world.link(theo.client) == {"linked": "home", "return": "/account"}
        assert (await world.browser().sign_in()).json["user"]["username"] == "theo"
        (identity,) = (await theo.client.get("/api/auth/oauth/identities")).json["items"]
        assert (identity["provider"], identity["provider_name"], identity["enabled"]) == ("home", "Home", True)
        assert "oauth_linked" in await kinds(world.harness)

    async def test_needs_a_session(self, world: World) -> None:
        reply = await world.harness.anonymous().post("/api/auth/oauth/link/start", {"provider": "home"})
        assert reply.status == 401

    async def test_linking_again_changes_nothing(self, world: World, theo: Person) -> None:
        await world.link(theo.client)
        assert "linked" in await world.link(theo.client)
        assert len((await theo.client.get("/api/auth/oauth/identities")).json["items"]) == 1

    async def test_refuses_an_identity_of_another_account(self, world: World, theo: Person) -> None:
        await world.sign_up()
        assert (await world.link(theo.client))["error"] == "linked_elsewhere"

    async def test_refuses_a_second_identity_of_one_provider(self, world: World, theo: Person) -> None:
        await world.link(theo.client)
        world.provider.subject = "subject-2"
        assert (await world.link(theo.client))["error"] == "another_linked"

    async def test_refuses_another_browser(self, world: World, theo: Person) -> None:
        """An attacker cannot have a victim's browser link the attacker's identity, nor the other way about."""
        started = await theo.client.post("/api/auth/oauth/link/start", {"provider": "home"})
        parameters = world.provider.authorize(started.json["authorize_url"])
        assert (await world.browser().come_back(parameters))["error"] == "expired"
        assert (await theo.client.get("/api/auth/oauth/identities")).json == {"items": []}

    async def test_ends_with_the_session_it_began_in(self, world: World, theo: Person) -> None:
        started = await theo.client.post("/api/auth/oauth/link/start", {"provider": "home"})
        parameters = world.provider.authorize(started.json["authorize_url"])
        assert (await theo.client.post("/api/auth/sign-out")).status == 204
        told = await Browser(theo.client, world.provider).come_back(parameters)
        assert told["error"] == "signed_out"

    async def test_unlinks(self, world: World, theo: Person) -> None:
        await world.link(theo.client)
        assert (await theo.client.delete("/api/auth/oauth/identities/home")).status == 204
        assert (await world.browser().sign_in()).json["kind"] == "signup_required"
        assert "oauth_unlinked" in await kinds(world.harness)

    async def test_the_only_way_in_stays(self, world: World) -> None:
        mira = await world.sign_up()
        assert (await mira.delete("/api/auth/oauth/identities/home")).status == 409

    async def test_with_a_passkey_beside_it_may_go(self, world: World) -> None:
        mira = Person(world.harness, world.clock, await world.sign_up(), "mira")
        await mira.add_passkey()
        assert (await mira.client.delete("/api/auth/oauth/identities/home")).status == 204

    async def test_an_identity_of_a_provider_switched_off_is_no_way_in(self, world: World) -> None:
        mira = Person(world.harness, world.clock, await world.sign_up(), "mira")
        made = await mira.add_passkey()
        await world.configure(HOME | {"enabled": False, "client_secret": None})
        assert (await mira.client.delete(f"/api/account/passkeys/{made['id']}")).status == 409

    async def test_what_is_not_linked_is_not_found(self, theo: Person) -> None:
        assert (await theo.client.delete("/api/auth/oauth/identities/home")).status == 404

    async def test_nobody_sees_the_identities_of_others(self, world: World, theo: Person) -> None:
        await world.sign_up()
        assert (await theo.client.get("/api/auth/oauth/identities")).json == {"items": []}
        assert (await theo.client.delete("/api/auth/oauth/identities/home")).status == 404


class TestServices:
    """GitHub and Discord, which tell who signed in by their API."""

    @pytest.mark.parametrize(
        ("kind", "hosts", "user", "subject"),
        [
            ("github", ("github.com", "api.github.com"), {"id": 7, "login": "mira"}, "7"),
            ("discord", ("discord.com",), {"id": "80351110224678912", "username": "mira"}, "80351110224678912"),
        ],
    )
    async def test_sign_in(
        self, world: World, kind: str, hosts: tuple[str, ...], user: dict[str, Any], subject: str
    ) -> None:
        asked: list[OutboundRequest] = []

        def serve(request: OutboundRequest) -> OutboundResponse:
            asked.append(request)
            is_token = urlsplit(request.url).path.endswith("token")
            return answer({"access_token": "t", "token_type": "bearer"} if is_token else user)

        for host in hosts:
            world.http.sites[host] = serve
        configured = await world.configure(
            {"key": kind, "kind": kind, "display_name": kind, "client_id": "id", "client_secret": "secret"}
        )
        assert configured.status == 200, configured.json
        browser = world.browser()
        started = await browser.start(provider=kind)
        query = parse_qs(urlsplit(started.json["authorize_url"]).query)
        told = await browser.come_back(
            {"state": query["state"][0], "code": "c"}, path=f"/api/auth/oauth/callback/{kind}"
        )
        pending = (await browser.exchange(told["code"])).json
        assert (pending["kind"], pending["suggested_username"]) == ("signup_required", "mira")
        exchanged = parse_qs(asked[0].body.decode())
        assert (exchanged["client_secret"], exchanged["code"]) == (["secret"], ["c"])
        assert exchanged["code_verifier"]
        assert asked[1].headers["Authorization"] == "Bearer t"
        body = {"signup_token": pending["signup_token"], "invite_code": await world.invite(), "username": "mira"}
        assert (await browser.client.post("/api/auth/oauth/register", body)).status == 201
        async with world.harness.engine.connect() as connection:
            kept = (await connection.execute(text("SELECT issuer, subject FROM oauth_identities"))).one()
        assert tuple(kept) == (f"https://{hosts[0]}", subject)

    @pytest.mark.parametrize("user", [{}, {"id": None}, {"id": True}, {"id": "a"}, {"id": [7]}, [], None])
    async def test_refuses_an_answer_that_names_nobody(self, world: World, user: object) -> None:
        def serve(request: OutboundRequest) -> OutboundResponse:
            return answer({"access_token": "t"} if urlsplit(request.url).path.endswith("token") else user)

        world.http.sites["github.com"] = world.http.sites["api.github.com"] = serve
        await world.configure(
            {"key": "github", "kind": "github", "display_name": "GitHub", "client_id": "i", "client_secret": "s"}
        )
        browser = world.browser()
        query = parse_qs(urlsplit((await browser.start(provider="github")).json["authorize_url"]).query)
        told = await browser.come_back(
            {"state": query["state"][0], "code": "c"}, path="/api/auth/oauth/callback/github"
        )
        assert told["error"] == "provider_failed"


APPLE_ISSUER = "https://appleid.apple.com"
APPLE_KEY = ECKey.generate_key("P-256")
APPLE = {
    "key": "apple",
    "kind": "apple",
    "display_name": "Apple",
    "client_id": "test.example.odeion",
    "client_secret": APPLE_KEY.as_pem(private=True).decode(),
    "team_id": "TEAM",
    "key_id": "KEY",
    "native_client_ids": ["test.example.odeion.app", "test.example.odeion.tv"],
}


class Apple(IdentityProvider):
    def serve(self, http: MemoryOutboundHttp) -> None:
        self.claims = {"iss": APPLE_ISSUER, **self.claims}
        http.sites["appleid.apple.com"] = self._answer_as_apple

    def _answer_as_apple(self, request: OutboundRequest) -> OutboundResponse:
        path = urlsplit(request.url).path
        if path == "/token":
            sent = parse_qs(request.body.decode())
            secret = jwt.decode(sent["client_secret"][0], APPLE_KEY, algorithms=["ES256"])
            assert secret.header["kid"] == "KEY"
            assert secret.claims["iss"] == "TEAM" and secret.claims["aud"] == APPLE_ISSUER
            assert secret.claims["sub"] == "test.example.odeion"
            nonce = self.codes[sent["code"][0]]["nonce"]
            return answer({"id_token": self.id_token(client_id="test.example.odeion", nonce=nonce)})
        if path == "/jwks":
            return self._answer(request)
        return answer(
            {
                "issuer": APPLE_ISSUER,
                "authorization_endpoint": f"{APPLE_ISSUER}/auth/authorize",
                "token_endpoint": f"{APPLE_ISSUER}/token",
                "jwks_uri": f"{APPLE_ISSUER}/jwks",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    def native_token(self, nonce: str, client_id: str = "test.example.odeion.app") -> str:
        return self.id_token(client_id=client_id, nonce=hashlib.sha256(nonce.encode()).hexdigest())


class TestApple:
    NONCE = "a-nonce-of-an-app-0001"

    @pytest.fixture
    async def apple(self, world: World) -> Apple:
        apple = Apple(world.clock)
        apple.serve(world.http)
        reply = await world.configure(APPLE)
        assert reply.status == 200, reply.json
        return apple

    async def native(self, world: World, token: str, nonce: str = NONCE) -> Reply:
        return await world.harness.anonymous().post(
            "/api/auth/oauth/apple/native", {"identity_token": token, "nonce": nonce}
        )

    async def test_signs_in_on_the_web_with_a_secret_signed_for_it(self, world: World, apple: Apple) -> None:
        browser = world.browser()
        started = await browser.start(provider="apple")
        asked = {name: values[0] for name, values in parse_qs(urlsplit(started.json["authorize_url"]).query).items()}
        assert asked["response_mode"] == "form_post"
        apple.codes["c"] = asked
        posted = await browser.client.call(
            "POST",
            "/api/auth/oauth/callback/apple",
            data=urlencode({"state": asked["state"], "code": "c"}),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        parameters = {name: values[0] for name, values in parse_qs(urlsplit(posted.headers["location"]).query).items()}
        told = await browser.come_back(parameters, path="/api/auth/oauth/callback/apple")
        assert (await browser.exchange(told["code"])).json["kind"] == "signup_required"

    @pytest.mark.parametrize("client_id", APPLE["native_client_ids"])
    async def test_a_native_token_signs_up_and_in(self, world: World, apple: Apple, client_id: str) -> None:
        pending = await self.native(world, apple.native_token(self.NONCE, client_id))
        assert (pending.status, pending.json["kind"]) == (200, "signup_required")
        body = {"signup_token": pending.json["signup_token"], "invite_code": await world.invite(), "username": "mira"}
        assert (await world.harness.anonymous().post("/api/auth/oauth/register", body)).status == 201
        other = "a-nonce-of-an-app-0002"
        again = await self.native(world, apple.native_token(other, client_id), other)
        assert again.json["kind"] == "signed_in"

    async def test_a_native_token_is_good_once(self, world: World, apple: Apple) -> None:
        token = apple.native_token(self.NONCE)
        assert [(await self.native(world, token)).status for _ in range(2)] == [200, 401]

    @pytest.mark.parametrize("age_s", [661, 1200])
    async def test_refuses_an_old_native_token(self, world: World, apple: Apple, age_s: int) -> None:
        apple.claims["exp"] = int(world.clock.now().timestamp()) + 86_400
        token = apple.native_token(self.NONCE)
        world.clock.pass_by(age_s)
        assert (await self.native(world, token)).status == 401

    @pytest.mark.parametrize(
        "claims",
        [
            {"iss": "https://evil.test"},
            {"iss": [APPLE_ISSUER, "https://evil.test"]},
            {"aud": "another.app"},
            {"aud": "test.example.odeion"},
            {"aud": ["test.example.odeion.app", "another.app"]},
            {"aud": {"test.example.odeion.app": True}},
            {"exp": 1},
            {"nonce": NONCE},
            {"nonce": None},
            {"sub": None},
        ],
        ids=str,
    )
    async def test_refuses_each_broken_claim(self, world: World, apple: Apple, claims: dict[str, Any]) -> None:
        apple.claims = {**apple.claims, **claims}
        assert (await self.native(world, apple.native_token(self.NONCE))).status == 401
        assert (await trail(world.harness))[-1][0] == "login_failed"

    async def test_refuses_a_nonce_of_another_sign_in(self, world: World, apple: Apple) -> None:
        assert (await self.native(world, apple.native_token("another nonce, just so"))).status == 401

    async def test_refuses_another_key(self, world: World, apple: Apple) -> None:
        apple.signing_key = RSAKey.generate_key(2048)
        assert (await self.native(world, apple.native_token(self.NONCE))).status == 401

    @pytest.mark.parametrize("token", ["x", "a.b.c", "é" * 100])
    async def test_refuses_what_is_no_token(self, world: World, apple: Apple, token: str) -> None:
        assert (await self.native(world, token)).status == 401

    async def test_links_natively(self, world: World, apple: Apple) -> None:
        theo = await person(world.harness, world.clock)
        body = {"identity_token": apple.native_token(self.NONCE), "nonce": self.NONCE}
        assert (await theo.client.post("/api/auth/oauth/apple/native/link", body)).status == 204
        (identity,) = (await theo.client.get("/api/auth/oauth/identities")).json["items"]
        assert identity["provider"] == "apple"
        mira = await person(world.harness, world.clock, name="mira")
        other = "a-nonce-of-an-app-0002"
        body = {"identity_token": apple.native_token(other), "nonce": other}
        assert (await mira.client.post("/api/auth/oauth/apple/native/link", body)).status == 409

    async def test_without_apps_there_is_no_native_sign_in(self, world: World, apple: Apple) -> None:
        await world.configure(APPLE | {"native_client_ids": []})
        assert (await self.native(world, apple.native_token(self.NONCE))).status == 404

    async def test_for_apps_alone_it_needs_nothing_else(self, world: World, apple: Apple) -> None:
        only_apps = {name: APPLE[name] for name in ("key", "kind", "display_name", "native_client_ids")}
        assert (await world.configure(only_apps)).status == 200
        assert (await self.native(world, apple.native_token(self.NONCE))).status == 200
        assert (await world.harness.anonymous().get("/api/auth/oauth/providers")).json == {"items": []}
        assert (await world.browser().start(provider="apple")).status == 404


class TestSettings:
    async def test_secrets_are_never_shown_and_sealed(self, world: World) -> None:
        shown = await world.admin.get(SETTINGS)
        (provider,) = shown.json["providers"]
        assert provider["has_client_secret"] is True
        assert provider["redirect_uri"] == f"{SITE}{CALLBACK}"
        assert CLIENT_SECRET not in shown.body.decode()
        async with world.harness.engine.connect() as connection:
            kept = await connection.execute(text("SELECT value::text FROM settings WHERE key = 'oauth_providers'"))
        assert CLIENT_SECRET not in kept.scalar_one()

    async def test_a_secret_left_out_is_kept(self, world: World) -> None:
        changed = await world.configure({**HOME, "client_secret": None, "display_name": "Casa"})
        assert changed.json["providers"][0]["has_client_secret"] is True
        assert (await world.browser().sign_in()).status == 200

    @pytest.mark.parametrize("change", [{"issuer": "https://evil.test"}, {"client_id": "another"}])
    async def test_a_kept_secret_is_sent_nowhere_else(self, world: World, change: dict[str, str]) -> None:
        reply = await world.configure({**HOME, "client_secret": None, **change})
        assert reply.status == 422

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"key": "google"}, "key"),
            ({"kind": "google"}, "key"),
            ({"key": "Home"}, "key"),
            ({"issuer": "http://id.example.test"}, "issuer"),
            ({"issuer": "ftp://id.example.test"}, "issuer"),
            ({"issuer": "https://u:p@id.example.test"}, "issuer"),
            ({"issuer": "https://id.example.test?x=1"}, "issuer"),
            ({"issuer": "https://[bad"}, "issuer"),
            ({"issuer": "https://id.example.test:99999"}, "issuer"),
            ({"issuer": None}, "issuer"),
            ({"client_id": ""}, "client_id"),
            ({"display_name": ""}, "display_name"),
            ({"kind": "facebook"}, "kind"),
            ({"client_secret": ""}, "client_secret"),
        ],
        ids=str,
    )
    async def test_refuses_what_cannot_work(self, world: World, change: dict[str, Any], field: str) -> None:
        reply = await world.configure({**HOME, **change})
        assert reply.status == 422
        assert any(entry["field"].endswith(field) for entry in reply.json["error"]["fields"])

    async def test_refuses_one_key_twice(self, world: World) -> None:
        assert (await world.configure(HOME, HOME)).status == 422

    async def test_what_is_switched_off_may_be_unfinished(self, world: World) -> None:
        draft = {"key": "google", "kind": "google", "display_name": "Google", "enabled": False}
        saved = await world.configure(draft)
        assert (saved.status, saved.json["providers"][0]["missing"]) == (200, ["client_id", "client_secret"])
        assert (await world.harness.anonymous().get("/api/auth/oauth/providers")).json == {"items": []}

    async def test_buttons_are_those_that_are_enabled(self, world: World) -> None:
        found = (await world.harness.anonymous().get("/api/auth/oauth/providers")).json
        assert found == {"items": [{"key": "home", "kind": "oidc", "display_name": "Home"}]}

    async def test_only_an_administrator_may(self, world: World) -> None:
        moderator = await world.harness.user(Role.MODERATOR)
        assert (await moderator.get(SETTINGS)).status == 403
        assert (await moderator.put(SETTINGS, {"providers": []})).status == 403
        assert (await moderator.post(f"{SETTINGS}/home/test")).status == 403

    async def test_a_change_is_in_the_trail_without_secrets(self, world: World) -> None:
        events = [details for kind, _, details in await trail(world.harness) if kind == "oauth_settings_changed"]
        assert events == [{"enabled": ["home"], "disabled": [], "removed": []}]


class TestTest:
    async def test_says_that_all_is_well(self, world: World) -> None:
        tested = (await world.admin.post(f"{SETTINGS}/home/test")).json
        assert tested["ok"], tested
        assert [check["name"] for check in tested["checks"]] == ["base_url", "fields", "discovery", "keys"]

    async def test_says_what_is_not(self, world: World) -> None:
        world.http.sites.clear()
        tested = (await world.admin.post(f"{SETTINGS}/home/test")).json
        assert not tested["ok"]
        assert {check["name"]: check["ok"] for check in tested["checks"]}["discovery"] is False

    async def test_says_which_fields_are_missing(self, world: World) -> None:
        await world.configure({"key": "github", "kind": "github", "display_name": "GitHub", "enabled": False})
        world.http.sites["github.com"] = lambda request: answer({}, 302)
        tested = (await world.admin.post(f"{SETTINGS}/github/test")).json
        assert {check["name"]: check["ok"] for check in tested["checks"]} == {
            "base_url": True,
            "fields": False,
            "reachable": True,
        }

    async def test_says_that_a_private_key_is_none(self, world: World) -> None:
        Apple(world.clock).serve(world.http)
        await world.configure(APPLE | {"client_secret": "no key"})
        tested = (await world.admin.post(f"{SETTINGS}/apple/test")).json
        assert {check["name"]: check["ok"] for check in tested["checks"]}["private_key"] is False

    async def test_of_a_provider_that_is_not_set_up_is_not_found(self, world: World) -> None:
        assert (await world.admin.post(f"{SETTINGS}/nothing/test")).status == 404

    async def test_tells_nothing_of_what_a_local_address_answered(self, world: World) -> None:
        world.http.local.add("id.example.test")
        tested = (await world.admin.post(f"{SETTINGS}/home/test")).json
        assert tested["checks"][-1]["message"] == "the other server's address is one of a network that is not asked"
