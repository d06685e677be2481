"""Signing in with a real OpenID provider: its discovery, its pages, its tokens, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from odeion.domain.identity.users import Role
from tests.clock import SteppedClock
from tests.harness import Client, Harness, Reply, Servers, open_harness
from tests.integration.http.ways_in import SITE, provided
from tests.integration.oidc.provider import OidcProvider

SETTINGS = "/api/admin/settings/oauth"
CALLBACK = f"{SITE}/api/auth/oauth/callback/house"


@pytest.fixture
async def harness(servers: Servers, tmp_path: Path) -> AsyncIterator[Harness]:
    async with open_harness(servers, tmp_path, **provided(SteppedClock())) as opened:
        yield opened


@pytest.fixture
async def admin(harness: Harness, oidc_provider: OidcProvider) -> Client:
    admin = await harness.user(Role.ADMIN)
    reply = await admin.put(SETTINGS, {"providers": [await oidc_provider.register(CALLBACK)]})
    assert reply.status == 200, reply.json
    return admin


async def come_back(client: Client, address: str) -> dict[str, str]:
    """What the web app is told when the provider sent the browser to this address."""
    assert address.startswith(CALLBACK + "?")
    reply = await client.get(address.removeprefix(SITE))
    assert reply.status == 303
    return {name: values[0] for name, values in parse_qs(urlsplit(reply.headers["location"]).query).items()}


async def start(client: Client, path: str = "/api/auth/oauth/start") -> str:
    started = await client.post(path, {"provider": "house", "return_path": "/films"})
    assert started.status == 200, started.json
    url: str = started.json["authorize_url"]
    return url


async def sign_in(client: Client, provider: OidcProvider, subject: str) -> Reply:
    told = await come_back(client, await provider.sign_in(await start(client), subject))
    assert told["return"] == "/films"
    return await client.post("/api/auth/oauth/exchange", {"code": told["code"]})


async def test_is_found_in_order(admin: Client) -> None:
    tested = (await admin.post(f"{SETTINGS}/house/test")).json
    assert tested["ok"], tested


async def test_signs_up_with_an_invite_and_in_from_then_on(
    harness: Harness, admin: Client, oidc_provider: OidcProvider
) -> None:
    browser = harness.anonymous()
    pending = (await sign_in(browser, oidc_provider, "mira")).json
    assert (pending["kind"], pending["suggested_username"]) == ("signup_required", "mira")
    assert pending["email"] == "mira@example.test"
    invite = (await admin.post("/api/users/invite", {"role": "viewer"})).json["code"]
    body = {"signup_token": pending["signup_token"], "invite_code": invite, "username": "mira"}
    made = await browser.post("/api/auth/oauth/register", body)
    assert made.status == 201, made.json
    again = (await sign_in(harness.anonymous(), oidc_provider, "mira")).json
    assert (again["kind"], again["user"]["id"]) == ("signed_in", made.json["user"]["id"])
    assert (await sign_in(harness.anonymous(), oidc_provider, "theo")).json["kind"] == "signup_required"


async def test_links(harness: Harness, admin: Client, oidc_provider: OidcProvider) -> None:
    theo = await harness.user(Role.VIEWER, "theo")
    address = await oidc_provider.sign_in(await start(theo, "/api/auth/oauth/link/start"), "theo-at-home")
    assert (await come_back(theo, address))["linked"] == "house"
    assert (await sign_in(harness.anonymous(), oidc_provider, "theo-at-home")).json["user"]["username"] == "theo"


async def test_turning_back_at_its_page_is_no_failure(
    harness: Harness, admin: Client, oidc_provider: OidcProvider
) -> None:
    browser = harness.anonymous()
    address = await oidc_provider.sign_in(await start(browser), "mira", agree=False)
    assert await come_back(browser, address) == {"error": "cancelled", "return": "/films"}


async def test_its_code_is_good_once(harness: Harness, admin: Client, oidc_provider: OidcProvider) -> None:
    browser = harness.anonymous()
    address = await oidc_provider.sign_in(await start(browser), "mira")
    assert "code" in await come_back(browser, address)
    await start(browser)
    assert (await come_back(browser, address))["error"] == "expired"


async def test_its_code_of_another_flow_is_refused_by_pkce(
    harness: Harness, admin: Client, oidc_provider: OidcProvider
) -> None:
    attacker, victim = harness.anonymous(), harness.anonymous()
    stolen = parse_qs(urlsplit(await oidc_provider.sign_in(await start(attacker), "mira")).query)["code"][0]
    own = await oidc_provider.sign_in(await start(victim), "theo")
    code = parse_qs(urlsplit(own).query)["code"][0]
    assert (await come_back(victim, own.replace(code, stolen)))["error"] == "provider_failed"


async def test_a_wrong_secret_is_refused(harness: Harness, admin: Client, oidc_provider: OidcProvider) -> None:
    settings: dict[str, Any] = await oidc_provider.register(CALLBACK)
    await admin.put(SETTINGS, {"providers": [settings | {"client_secret": "wrong"}]})
    browser = harness.anonymous()
    address = await oidc_provider.sign_in(await start(browser), "mira")
    assert (await come_back(browser, address))["error"] == "provider_failed"


async def test_loopback_is_asked_only_with_an_administrators_word(
    harness: Harness, admin: Client, oidc_provider: OidcProvider
) -> None:
    settings = await oidc_provider.register(CALLBACK)
    refused = await admin.put(SETTINGS, {"providers": [settings | {"allow_private_network": False}]})
    assert refused.status == 422
    https = settings | {"allow_private_network": False, "issuer": oidc_provider.issuer.replace("http:", "https:")}
    assert (await admin.put(SETTINGS, {"providers": [https]})).status == 200
    reply = await harness.anonymous().post("/api/auth/oauth/start", {"provider": "house"})
    assert (reply.status, "not asked" in reply.json["error"]["message"]) == (503, True)
