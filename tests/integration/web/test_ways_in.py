"""Signing in, up and out, with everything that people may show: passwords, codes, passkeys, accounts elsewhere."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator

import pyotp
import pytest
from playwright.async_api import Page, expect

from tests.integration.oidc.provider import OidcProvider
from tests.integration.web.conftest import Windows
from tests.integration.web.people import (
    PASSWORD,
    add_passkey,
    carry_authenticator,
    go_through,
    invite,
    is_in_as,
    provider_of,
    sign_in,
    sign_out,
    sit_down,
    somebody,
)
from tests.integration.web.server import Server


class TestAnInvite:
    async def test_leads_from_its_link_to_an_account(self, house: Server, page: Page, windows: Windows) -> None:
        await page.goto("/admin/invites")
        await page.get_by_role("button", name="New invite").click()
        await page.get_by_role("dialog").get_by_role("radio", name=re.compile("^Curator")).check()
        await page.get_by_role("button", name="Make invite").click()
        newest = page.get_by_role("list", name="Invites").get_by_role("listitem").first
        await expect(newest.get_by_role("heading", name="Curator")).to_be_visible()
        link = await newest.get_by_label("The link", exact=True).input_value()
        assert link.startswith(f"{house.url}/register#")

        async with windows(house, signed_in=False) as (guest, ledger):
            ledger.expect(409, "/api/auth/register")
            ledger.expect(422, "/api/auth/register")
            await guest.goto(link)
            name = guest.get_by_label("Your name")
            await name.fill("ada")
            await guest.get_by_label("Password", exact=True).fill(PASSWORD)
            await guest.get_by_role("button", name="Create account").click()
            await expect(name).to_have_attribute("aria-invalid", "true")
            await expect(guest.locator("#username-problem")).to_contain_text("taken")
            await name.fill("invited.curator")
            await guest.get_by_label("Password", exact=True).fill("short")
            await guest.get_by_role("button", name="Create account").click()
            await expect(guest.get_by_label("Password", exact=True)).to_have_attribute("aria-invalid", "true")
            await guest.get_by_label("Password", exact=True).fill(PASSWORD)
            await guest.get_by_role("button", name="Create account").click()
            await expect(guest.get_by_role("region", name="Recently added films")).to_be_visible()
            await is_in_as(guest, "invited.curator")
            assert not [address for address in ledger.requests if link.partition("#")[2] in address]

        await page.reload()
        await expect(newest).to_contain_text("Used up")

    async def test_that_is_none_is_refused_in_words(self, house: Server, windows: Windows) -> None:
        async with windows(house, signed_in=False) as (page, ledger):
            ledger.expect(403, "/api/auth/register")
            await page.goto("/login")
            await page.get_by_role("link", name="I have an invite").click()
            await page.get_by_label("Invite code").fill("2222-2222-2222-2222")
            await page.get_by_label("Your name").fill("nobody")
            await page.get_by_label("Password", exact=True).fill(PASSWORD)
            await page.get_by_role("button", name="Create account").click()
            await expect(page.get_by_role("alert")).to_contain_text("invite")


class TestALogin:
    async def test_of_a_locked_account_says_so(self, house: Server, windows: Windows) -> None:
        person = await somebody(house)
        async with house.api(await house.token()) as api:
            (await api.patch(f"/api/users/{person.id}", json={"locked": True})).raise_for_status()
        async with windows(house, signed_in=False) as (page, ledger):
            ledger.expect(403, "/api/auth/login")
            await page.goto("/login")
            await sign_in(page, person.name)
            await expect(page.get_by_role("alert")).to_have_text("This account is locked.")

    async def test_that_failed_too_often_says_how_long_to_wait(self, house: Server, windows: Windows) -> None:
        person = await somebody(house)
        async with windows(house, signed_in=False) as (page, ledger):
            ledger.expect(401, "/api/auth/login")
            ledger.expect(429, "/api/auth/login")
            await page.goto("/login")
            async with house.api() as api:
                for _ in range(7):
                    await api.post("/api/auth/login", json={"username": person.name, "password": "wrong wrong"})
            await sign_in(page, person.name)
            await expect(page.get_by_role("alert")).to_contain_text("Too many tries. Wait")
            await expect(page.get_by_role("alert")).to_contain_text("second")

    async def test_leads_to_no_other_site(self, house: Server, windows: Windows) -> None:
        person = await somebody(house)
        async with windows(house, signed_in=False) as (page, _):
            await page.goto("/login?next=//example.org/")
            await sign_in(page, person.name)
            await expect(page).to_have_url(f"{house.url}/")


class TestSigningOut:
    async def test_ends_the_session_at_the_server(self, house: Server, windows: Windows) -> None:
        person = await somebody(house)
        async with windows(house, signed_in=False) as (page, _):
            await sit_down(page, person)
            await page.goto("/")
            await sign_out(page)
        async with house.api(person.token) as api:
            assert (await api.get("/api/users/me")).status_code == 401


class TestAnAuthenticatorApp:
    async def test_is_set_up_and_asked_for(self, house: Server, windows: Windows) -> None:
        person = await somebody(house)
        async with windows(house, signed_in=False) as (page, ledger):
            await sit_down(page, person)
            await page.goto("/account/security")
            await page.get_by_role("button", name="Set up", exact=True).click()
            await expect(page.get_by_role("img", name="QR code for the authenticator app")).to_be_visible()
            secret = (await page.get_by_label("The secret", exact=True).input_value()).replace(" ", "")
            app = pyotp.TOTP(secret)

            ledger.expect(403, "/api/account/second-factors/totp/confirm")
            code = page.get_by_label("Then enter the code it shows")
            await code.fill("000000" if app.now() != "000000" else "111111")
            await page.get_by_role("button", name="Confirm", exact=True).click()
            await expect(page.get_by_role("alert")).to_contain_text("This code is not right.")
            await code.fill(app.now())
            await page.get_by_role("button", name="Confirm", exact=True).click()

            codes = page.get_by_role("list", name="Recovery codes").get_by_role("listitem")
            await expect(codes).to_have_count(10)
            kept = await codes.all_inner_texts()
            await page.get_by_role("button", name="I have kept them").click()
            await expect(page.get_by_text("10 codes left")).to_be_visible()

            await sign_out(page)
            await sign_in(page, person.name)
            await expect(page.get_by_role("heading", name="One more step")).to_be_visible()
            # A code is good once: the next one, which an app shows at most half a minute later.
            await page.get_by_label("Code", exact=True).fill(app.generate_otp(_next_step(app)))
            await page.get_by_role("button", name="Sign in", exact=True).click()
            await is_in_as(page, person.name)

            await sign_out(page)
            await sign_in(page, person.name)
            await page.get_by_role("button", name="Use a recovery code").click()
            ledger.expect(401, "/api/auth/second-factor")
            recovery = page.get_by_label("Recovery code", exact=True)
            await recovery.fill("2222-2222-2222-2222")
            await page.get_by_role("button", name="Sign in", exact=True).click()
            await expect(page.get_by_role("alert")).to_contain_text("That is not right")
            await recovery.fill(kept[3])
            await page.get_by_role("button", name="Sign in", exact=True).click()
            await is_in_as(page, person.name)

            await page.goto("/account/security")
            await expect(page.get_by_text("9 codes left")).to_be_visible()
            await page.get_by_role("button", name="Turn off").click()
            dialog = page.get_by_role("dialog")
            await dialog.get_by_label("Your password").fill(PASSWORD)
            await dialog.get_by_role("button", name="Turn off").click()
            await expect(page.get_by_text("Not set up")).to_be_visible()


def _next_step(app: pyotp.TOTP) -> int:
    return int(time.time()) // app.interval + 1


class TestAPasskey:
    async def test_is_added_named_and_signs_in(self, house: Server, windows: Windows) -> None:
        person = await somebody(house)
        async with windows(house, signed_in=False) as (page, _):
            await carry_authenticator(page, suggests=False)
            await sit_down(page, person)
            await add_passkey(page, "The desk")
            dialog = page.get_by_role("dialog")
            await page.get_by_role("button", name="Rename The desk").click()
            await dialog.get_by_label("Name").fill("The sofa")
            await dialog.get_by_role("button", name="Save").click()
            await expect(page.get_by_role("button", name="Remove The sofa")).to_be_visible()

            await sign_out(page)
            await page.get_by_role("button", name="Use a passkey").click()
            await is_in_as(page, person.name)

            await sign_out(page)
            await sign_in(page, person.name)
            await page.get_by_role("button", name="Use your passkey").click()
            await is_in_as(page, person.name)

            await page.goto("/account/security")
            await expect(page.get_by_text("used just now")).to_be_visible()
            await page.get_by_role("button", name="Remove The sofa").click()
            await dialog.get_by_role("button", name="Remove").click()
            await expect(page.get_by_role("button", name="Remove The sofa")).to_be_hidden()

    async def test_is_suggested_with_the_name(self, house: Server, windows: Windows) -> None:
        person = await somebody(house)
        async with windows(house, signed_in=False) as (page, _):
            await carry_authenticator(page)
            await sit_down(page, person)
            await add_passkey(page, "The desk")
            await page.get_by_role("button", name="Account", exact=True).click()
            async with page.expect_response("**/api/auth/passkeys/login") as login:
                await page.get_by_role("menuitem", name="Sign out").click()
            assert (await login.value).status == 200
            await is_in_as(page, person.name)


class TestADevice:
    async def test_is_linked_with_a_code_of_another(self, house: Server, windows: Windows) -> None:
        person = await somebody(house)
        async with (
            windows(house, signed_in=False) as (desk, _),
            windows(house, signed_in=False) as (sofa, ledger),
        ):
            await sit_down(desk, person)
            await desk.goto("/account/devices")
            await desk.get_by_role("button", name="Make a code").click()
            await expect(desk.get_by_role("timer")).to_contain_text("Good once, for another 9:")
            code = (await desk.get_by_role("img", name="The code is").inner_text()).strip()

            ledger.expect(403, "/api/auth/device-login")
            await sofa.goto("/login")
            await sofa.get_by_role("link", name="Link this device with a code").click()
            await sofa.get_by_label("Code", exact=True).fill("22222" if code != "22222" else "33333")
            await sofa.get_by_label("What this device is called").fill("The sofa")
            await sofa.get_by_role("button", name="Link", exact=True).click()
            await expect(sofa.get_by_role("alert")).to_contain_text("This code is not valid")
            await sofa.get_by_label("Code", exact=True).fill(code.lower())
            await sofa.get_by_role("button", name="Link", exact=True).click()
            await is_in_as(sofa, person.name)

            await desk.get_by_role("button", name="Done").click()
            await expect(desk.get_by_text("The sofa")).to_be_visible()
            await desk.get_by_role("button", name="Sign out The sofa").click()
            await expect(desk.get_by_text("The sofa", exact=True)).to_be_hidden()
            ledger.problems.clear()
            await sofa.goto("/account")
            await expect(sofa.get_by_role("heading", name="Welcome back")).to_be_visible()
            ledger.problems = [problem for problem in ledger.problems if "401" not in problem]


class TestAForgottenPassword:
    async def test_is_replaced_by_the_link_of_an_administrator(
        self, house: Server, page: Page, windows: Windows
    ) -> None:
        person = await somebody(house)
        await page.goto(f"/admin/users/{person.id}")
        await page.get_by_role("button", name="Make a link").click()
        link = await page.get_by_label("The link", exact=True).input_value()

        async with windows(house, signed_in=False) as (guest, ledger):
            await guest.goto(link)
            await guest.get_by_label("New password").fill("a password of my own")
            await guest.get_by_role("button", name="Set password").click()
            await guest.get_by_role("link", name="Sign in").click()
            await sign_in(guest, person.name, "a password of my own")
            await is_in_as(guest, person.name)

            ledger.expect(403, "/api/auth/reset-password")
            await guest.goto("/robots.txt")
            await guest.goto(link)
            await guest.get_by_label("New password").fill("once more the same")
            await guest.get_by_role("button", name="Set password").click()
            await expect(guest.get_by_role("alert")).to_contain_text("This link is not valid")
            assert not [address for address in ledger.requests if link.partition("#")[2] in address]
        async with house.api(person.token) as api:
            assert (await api.get("/api/users/me")).status_code == 401


class TestAnAccountElsewhere:
    @pytest.fixture(autouse=True)
    async def button(self, house: Server, oidc_provider: OidcProvider) -> AsyncIterator[None]:
        async with provider_of(house, oidc_provider):
            yield

    async def test_signs_up_with_an_invite_and_in_from_then_on(
        self, house: Server, windows: Windows, oidc_provider: OidcProvider
    ) -> None:
        code = (await invite(house))["code"]
        async with windows(house, signed_in=False) as (page, ledger):
            await page.goto("/login?next=/libraries")
            await go_through(page, ledger, oidc_provider, "vera", "Continue with House")
            await expect(page.get_by_role("heading", name="Almost in")).to_be_visible()
            await expect(page.get_by_text("House knows you as vera@example.test.")).to_be_visible()
            assert "code=" not in page.url
            await expect(page.get_by_label("Your name here")).to_have_value("vera")
            await page.get_by_label("Invite code").fill(code)
            await page.get_by_role("button", name="Create account").click()
            await expect(page).to_have_url(f"{house.url}/libraries")
            await is_in_as(page, "vera")

            await page.goto("/account/security")
            await expect(page.get_by_role("button", name="Set password")).to_be_visible()
            ledger.expect(409, "/api/auth/oauth/identities/house")
            await page.get_by_role("button", name="Unlink House").click()
            await page.get_by_role("dialog").get_by_role("button", name="Unlink").click()
            await expect(page.get_by_role("status")).to_contain_text("only way to sign in")
        async with windows(house, signed_in=False) as (page, ledger):
            await page.goto("/login")
            await go_through(page, ledger, oidc_provider, "vera", "Continue with House")
            await is_in_as(page, "vera")

    async def test_brings_the_invite_along_that_was_opened(
        self, house: Server, windows: Windows, oidc_provider: OidcProvider
    ) -> None:
        made = await invite(house)
        async with windows(house, signed_in=False) as (page, ledger):
            await page.goto(made["url"])
            await go_through(page, ledger, oidc_provider, "otto", "Continue with House")
            await expect(page.get_by_label("Invite code")).to_have_value(made["code"])
            await page.get_by_role("button", name="Create account").click()
            await is_in_as(page, "otto")

    async def test_is_linked_and_asks_for_the_second_step(
        self, house: Server, windows: Windows, oidc_provider: OidcProvider
    ) -> None:
        person = await somebody(house)
        async with house.api(person.token) as api:
            secret = (await api.post("/api/account/second-factors/totp", json={})).json()["secret"]
            app = pyotp.TOTP(secret)
            confirmed = await api.post("/api/account/second-factors/totp/confirm", json={"code": app.now()})
            confirmed.raise_for_status()
        async with windows(house, signed_in=False) as (page, ledger):
            await sit_down(page, person)
            await page.goto("/account/security")
            await go_through(page, ledger, oidc_provider, "linked-person", "Link House")
            await expect(page).to_have_url(f"{house.url}/account/security")
            await expect(page.get_by_text("linked-person@example.test")).to_be_visible()
        async with windows(house, signed_in=False) as (page, ledger):
            await page.goto("/login")
            await go_through(page, ledger, oidc_provider, "linked-person", "Continue with House")
            await page.get_by_label("Code", exact=True).fill(app.generate_otp(_next_step(app)))
            await page.get_by_role("button", name="Sign in", exact=True).click()
            await is_in_as(page, person.name)

    async def test_that_is_not_told_leads_back_in_words(
        self, house: Server, windows: Windows, oidc_provider: OidcProvider
    ) -> None:
        async with windows(house, signed_in=False) as (page, ledger):
            ledger.let_visit(oidc_provider.issuer, "https://fonts.googleapis.com")
            await page.route("https://fonts.googleapis.com/**", lambda route: route.fulfill(body=""))
            await page.goto("/login")
            await page.get_by_role("button", name="Continue with House").click()
            await page.get_by_role("link", name="[ Cancel ]").click()
            await expect(page.get_by_role("alert")).to_contain_text("You turned back at the provider.")
            await page.get_by_role("link", name="To the sign-in").click()
            await expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()


class TestALinkOfTheFlow:
    async def test_that_somebody_made_up_signs_nobody_in(self, house: Server, windows: Windows) -> None:
        async with windows(house, signed_in=False) as (page, ledger):
            ledger.expect(401, "/api/auth/oauth/exchange")
            await page.goto("/oauth?code=madeup&return=//example.org")
            await expect(page.get_by_role("alert")).to_contain_text("That took too long")
            await expect(page.get_by_role("link", name="To the sign-in")).to_have_attribute("href", "/login")
