"""People with accounts of their own, and what they bring along: authenticators, and accounts elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from playwright.async_api import Page, expect

from tests.integration.oidc.provider import OidcProvider
from tests.integration.web.browser import Ledger
from tests.integration.web.server import Server

PASSWORD = "battery staple horse"
_FONTS = "https://fonts.googleapis.com"
_numbers = count(1)


@dataclass(frozen=True)
class Person:
    """`signed_in` is a session of theirs: tokens and user, as the registration answered them."""

    signed_in: dict[str, Any]

    @property
    def id(self) -> int:
        return int(self.signed_in["user"]["id"])

    @property
    def name(self) -> str:
        return str(self.signed_in["user"]["username"])

    @property
    def token(self) -> str:
        return str(self.signed_in["token"])


async def invite(house: Server, role: str = "viewer", **more: object) -> dict[str, Any]:
    async with house.api(await house.token()) as api:
        reply = await api.post("/api/users/invite", json={"role": role, **more})
        made: dict[str, Any] = reply.raise_for_status().json()
        return made


async def somebody(house: Server, role: str = "viewer") -> Person:
    """Somebody new, with an account of that role."""
    body = {"invite_code": (await invite(house, role))["code"], "username": f"{role}-{next(_numbers)}"}
    async with house.api() as api:
        reply = await api.post("/api/auth/register", json={**body, "password": PASSWORD})
        return Person(reply.raise_for_status().json())


async def sit_down(page: Page, person: Person) -> None:
    """From now on the window is this person's."""
    await page.goto("/robots.txt")
    await page.evaluate("(tokens) => localStorage.setItem('odeion.session', tokens)", json.dumps(person.signed_in))


async def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """The first step, at the login page."""
    await page.get_by_label("Name", exact=True).fill(name)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def is_in_as(page: Page, name: str) -> None:
    """The home is shown, and is this person's."""
    await page.get_by_role("button", name="Account", exact=True).click()
    await expect(page.get_by_text(f"Signed in as {name}", exact=True)).to_be_visible()
    await page.keyboard.press("Escape")


async def sign_out(page: Page) -> None:
    await page.get_by_role("button", name="Account", exact=True).click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()


async def carry_authenticator(page: Page, *, suggests: bool = True) -> None:
    """The device of this window has a fingerprint reader, on which a finger rests. With suggestions, it thus takes the
    first passkey that a page has suggested."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    able = {"hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
    options = {"protocol": "ctap2", "transport": "internal", "automaticPresenceSimulation": True, **able}
    await session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    if not suggests:
        await page.add_init_script("PublicKeyCredential.isConditionalMediationAvailable = async () => false")


async def add_passkey(page: Page, name: str) -> None:
    await page.goto("/account/security")
    await page.get_by_role("button", name="Add a passkey").click()
    await page.get_by_role("dialog").get_by_label("Name").fill(name)
    await page.get_by_role("dialog").get_by_role("button", name="Continue").click()
    await page.get_by_role("button", name="I have kept them").click()


@asynccontextmanager
async def provider_of(house: Server, oidc: OidcProvider) -> AsyncIterator[None]:
    """A button at the login that leads to this provider, for a while."""
    settings = await oidc.register(f"{house.url}/api/auth/oauth/callback/house")
    async with house.api(await house.token()) as api:
        (await api.put("/api/admin/settings/oauth", json={"providers": [settings]})).raise_for_status()
        yield
        (await api.put("/api/admin/settings/oauth", json={"providers": []})).raise_for_status()


async def go_through(page: Page, ledger: Ledger, oidc: OidcProvider, subject: str, button: str) -> None:
    """Press a button of ours that leads to the provider, and do as its pages ask."""
    ledger.let_visit(oidc.issuer, _FONTS)
    await page.route(f"{_FONTS}/**", lambda route: route.fulfill(body="", content_type="text/css"))
    await page.get_by_role("button", name=button, exact=True).click()
    await page.wait_for_url(re.compile(re.escape(oidc.issuer)))
    await page.get_by_placeholder("Enter any login").fill(subject)
    await page.get_by_placeholder("and password").fill("x")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()
