"""One's own account, and those of others for administrators: what may be done, and what is not even offered."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.integration.oidc.provider import OidcProvider
from tests.integration.web.browser import LAPTOP, PHONE, Ledger, Theatre, is_accessible, narrow
from tests.integration.web.conftest import Windows
from tests.integration.web.people import (
    PASSWORD,
    carry_authenticator,
    is_in_as,
    provider_of,
    sign_in,
    sit_down,
    somebody,
)
from tests.integration.web.server import Server
from tests.integration.web.waiting import until


class TestAnApiKey:
    async def test_is_made_shown_once_used_and_revoked(self, house: Server, page: Page) -> None:
        await page.goto("/account/api-keys")
        await page.get_by_role("button", name="New key").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name").fill("Kitchen display")
        await dialog.get_by_role("checkbox", name="Progress").check()
        await dialog.get_by_role("button", name="Create").click()
        key = await page.get_by_label("The key", exact=True).input_value()
        async with house.api(key) as api:
            assert (await api.get("/api/movies")).status_code == 200
            assert (await api.get("/api/settings")).status_code == 403

        await page.reload()
        await expect(page.get_by_text("Catalogue, Progress")).to_be_visible()
        assert key not in await page.content()
        await page.get_by_role("button", name="Revoke Kitchen display").click()
        await dialog.get_by_role("button", name="Revoke").click()
        await expect(page.get_by_text("You have none yet.")).to_be_visible()
        async with house.api(key) as api:
            assert (await api.get("/api/movies")).status_code == 401

    async def test_is_not_offered_without_the_permission(self, house: Server, windows: Windows) -> None:
        async with windows(house, signed_in=False) as (page, _):
            await sit_down(page, await somebody(house))
            await page.goto("/account/api-keys")
            await expect(page.get_by_text("API keys are not switched on for your account.")).to_be_visible()
            await expect(page.get_by_role("button", name="New key")).to_be_hidden()


class TestOnesOwnAccount:
    async def test_takes_another_name_and_another_password(self, house: Server, windows: Windows) -> None:
        person = await somebody(house)
        async with windows(house, signed_in=False) as (page, ledger):
            await sit_down(page, person)
            await page.goto("/account")
            await page.get_by_label("Display name").fill("Mira the Second")
            await page.get_by_role("button", name="Save").click()
            await page.get_by_role("button", name="Account", exact=True).click()
            await expect(page.get_by_text("Signed in as Mira the Second")).to_be_visible()
            await page.keyboard.press("Escape")

            await page.get_by_role("link", name="Security").click()
            ledger.expect(422, "/api/users/me/password")
            current = page.get_by_label("Current password")
            await current.fill("not this one")
            await page.get_by_label("New password").fill("a fresh password")
            await page.get_by_role("button", name="Change password").click()
            await expect(page.locator("#current-password-problem")).to_have_text("this is not your current password")
            await current.fill(PASSWORD)
            await page.get_by_role("button", name="Change password").click()
            await expect(page.get_by_role("status")).to_contain_text("other devices are signed out")
            await page.reload()
            await expect(current).to_be_visible()

    async def test_is_signed_out_everywhere_else(self, house: Server, windows: Windows) -> None:
        person = await somebody(house)
        async with windows(house, signed_in=False) as (page, _):
            await page.goto("/login")
            await sign_in(page, person.name)
            await is_in_as(page, person.name)
            await page.goto("/account/devices")
            devices = page.get_by_role("list", name="Devices").get_by_role("listitem")
            await expect(devices).to_have_count(2)
            await page.get_by_role("button", name="Sign out all others").click()
            await page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
            await expect(devices).to_have_count(1)
        async with house.api(person.token) as api:
            assert (await api.get("/api/users/me")).status_code == 401

    async def test_says_what_films_begin_with(self, house: Server, windows: Windows) -> None:
        async with windows(house, signed_in=False) as (page, _):
            await narrow(page, containers=["mp4", "webm"], video_codecs=["h264", "vp9", "vp8"], audio_codecs=["aac"])
            await sit_down(page, await somebody(house))
            await page.goto("/account/playback")
            await page.get_by_label("Quality to begin with").select_option("At most 480p")
            await page.get_by_label("Languages you like to hear").select_option("French")
            await page.get_by_label("Languages you like to hear").select_option("German")
            await page.get_by_role("button", name="German before French").click()
            await page.get_by_role("button", name="Save").click()
            await expect(page.get_by_role("status")).to_contain_text("Saved")

            theatre = Theatre(page)
            await theatre.open(f"/watch/movie/{await house.find('Night Train to Trieste')}")
            await theatre.is_chosen("Quality", "480p")
            await theatre.is_chosen("Sound", "Deutsch")


class TestAPersonsPage:
    async def test_locks_at_once(self, house: Server, page: Page, windows: Windows) -> None:
        person = await somebody(house)
        async with windows(house, signed_in=False) as (theirs, ledger):
            await sit_down(theirs, person)
            await theirs.goto("/")
            await expect(theirs.get_by_role("link", name="Odeion, home")).to_be_visible()

            await page.goto("/admin/users")
            await page.get_by_role("searchbox", name="Search by name").fill(person.name)
            await page.get_by_role("list", name="People").get_by_role("link", name=person.name, exact=False).click()
            await page.get_by_role("switch", name="Locked").check()
            await page.get_by_role("button", name="Save account").click()
            await expect(page.get_by_text("This account is locked: nobody can sign in to it.")).to_be_visible()

            await theirs.get_by_role("link", name="Films", exact=True).first.click()
            await expect(theirs.get_by_role("heading", name="Welcome back")).to_be_visible()
            ledger.problems = [one for one in ledger.problems if not re.search("40[13]", one)]

        await page.goto("/admin/users?locked=true")
        await expect(page.get_by_role("link", name=person.name)).to_be_visible()
        await page.goto(f"/admin/security?username={person.name}&kind=user_locked")
        await expect(page.get_by_role("list", name="Audit trail").get_by_role("listitem")).to_have_count(1)

    async def test_takes_libraries_away(self, house: Server, page: Page, windows: Windows) -> None:
        person = await somebody(house)
        async with windows(house, signed_in=False) as (theirs, _):
            await sit_down(theirs, person)
            await theirs.goto("/libraries")
            await expect(theirs.get_by_role("main").get_by_role("link", name="Series")).to_be_visible()

            await page.goto(f"/admin/users/{person.id}")
            await page.get_by_role("switch", name="All libraries").uncheck()
            await page.get_by_role("checkbox", name="Films").check()
            await page.get_by_label("Highest rating").select_option("From 12 years on")
            await page.get_by_role("switch", name="Also what has no rating").check()
            await page.get_by_label("Playing at once").select_option("At most 2")
            await page.get_by_role("switch", name="Use API keys").check()
            await page.get_by_role("button", name="Save permissions").click()
            await expect(page.get_by_role("status")).to_contain_text("Saved")

            await theirs.reload()
            await expect(theirs.get_by_role("main").get_by_role("link", name="Films")).to_be_visible()
            await expect(theirs.get_by_role("main").get_by_role("link", name="Series")).to_be_hidden()
        async with house.api(await house.token()) as api:
            given = (await api.get(f"/api/users/{person.id}")).json()["permissions"]
        assert given == {
            "api_keys": True,
            "downloads": True,
            "requests": True,
            "watch_together": True,
            "library_ids": [house.libraries["Films"]],
            "max_rating_age": 12,
            "allow_unrated": True,
            "max_streams": 2,
        }

    async def test_takes_second_factors_and_the_account_away(self, house: Server, page: Page) -> None:
        person = await somebody(house)
        await page.goto(f"/admin/users/{person.id}")
        dialog = page.get_by_role("dialog")
        await page.get_by_role("button", name="Reset", exact=True).click()
        await dialog.get_by_role("button", name="Reset").click()
        await expect(page.get_by_role("status")).to_contain_text("taken away")
        await page.get_by_role("button", name="Delete", exact=True).click()
        await dialog.get_by_role("button", name="Delete").click()
        await expect(page).to_have_url(f"{house.url}/admin/users")
        async with house.api(await house.token()) as api:
            assert (await api.get(f"/api/users/{person.id}")).status_code == 404

    async def test_of_oneself_offers_no_lock(self, house: Server, page: Page) -> None:
        await page.goto("/admin/users?search=ada")
        await page.get_by_role("list", name="People").get_by_role("link", name="ada").first.click()
        await expect(page.get_by_role("button", name="Save permissions")).to_be_visible()
        await expect(page.get_by_role("switch", name="Locked")).to_be_hidden()
        await expect(page.get_by_role("button", name="Delete", exact=True)).to_be_hidden()


class TestARole:
    async def test_of_a_moderator_invites_and_no_more(self, house: Server, windows: Windows) -> None:
        async with windows(house, signed_in=False) as (page, _):
            await sit_down(page, await somebody(house, "moderator"))
            await page.goto("/")
            await page.get_by_role("button", name="Account", exact=True).click()
            await expect(page.get_by_role("menuitem", name="Manage people")).to_be_hidden()
            await page.get_by_role("menuitem", name="Invites").click()
            await page.get_by_role("button", name="New invite").click()
            roles = page.get_by_role("dialog").get_by_role("radio")
            await expect(roles).to_have_count(2)
            await page.get_by_role("button", name="Make invite").click()
            await expect(page.get_by_label("The link", exact=True)).to_be_visible()
            await page.get_by_role("button", name="Delete the invite").click()
            await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
            await expect(page.get_by_role("heading", name="No invites")).to_be_visible()
            for path in ("users", "sign-in", "security", "libraries"):
                await page.goto(f"/admin/{path}")
                await expect(page.get_by_text("This page is for administrators.")).to_be_visible()

    async def test_of_a_viewer_opens_no_door_of_the_administration(self, house: Server, windows: Windows) -> None:
        async with windows(house, signed_in=False) as (page, ledger):
            await sit_down(page, await somebody(house))
            for path in ("users", "users/1", "invites", "sign-in", "security", "libraries"):
                await page.goto(f"/admin/{path}")
                await expect(page.get_by_role("heading", name="This door is closed")).to_be_visible()
            await page.get_by_role("button", name="Account", exact=True).click()
            await expect(page.get_by_role("menuitem", name="Your account")).to_be_visible()
            await expect(page.get_by_role("menuitem", name="Invites")).to_be_hidden()
            assert not [address for address in ledger.requests if address.startswith(("/api/admin", "/api/users?"))]


class TestSignInProviders:
    async def test_are_added_tested_and_removed(
        self, house: Server, page: Page, ledger: Ledger, oidc_provider: OidcProvider
    ) -> None:
        made = await oidc_provider.register(f"{house.url}/api/auth/oauth/callback/my-house")
        await page.goto("/admin/sign-in")
        await page.get_by_role("button", name="Add a provider").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Name on the button").fill("My House")
        await dialog.get_by_label("Issuer").fill(made["issuer"])
        await dialog.get_by_label("Client ID").fill(made["client_id"])
        await dialog.get_by_label("Client secret").fill(made["client_secret"])
        ledger.expect(422, "/api/admin/settings/oauth")
        await dialog.get_by_role("button", name="Save").click()
        await expect(dialog.get_by_label("Issuer")).to_have_attribute("aria-invalid", "true")
        await dialog.get_by_role("switch", name="On the local network").check()
        await dialog.get_by_role("button", name="Save").click()

        redirect = page.get_by_label("The redirect address", exact=True)
        await expect(redirect).to_have_value(f"{house.url}/api/auth/oauth/callback/my-house")
        await page.get_by_role("button", name="Test My House").click()
        checks = page.get_by_role("list", name="Test of My House").get_by_role("listitem")
        await expect(checks.first).to_be_visible()
        await expect(page.locator(".checks .bad")).to_have_count(0)

        await page.get_by_role("button", name="Edit My House").click()
        await expect(dialog.get_by_label("Client secret")).to_have_value("")
        await dialog.get_by_label("Name on the button").fill("Our House")
        await dialog.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("heading", name="Our House")).to_be_visible()
        assert made["client_secret"] not in await page.content()
        await expect(page.get_by_text("secret stored")).to_be_visible()

        await page.get_by_role("button", name="Remove Our House").click()
        await dialog.get_by_role("button", name="Remove").click()
        await expect(page.get_by_role("heading", name="No providers")).to_be_visible()


OPEN_PAGES = {
    "/login": "Welcome back",
    "/link": "Link this device",
    "/register#2222-2222-2222-2222": "You are invited",
    "/register": "Sign up",
    "/reset-password#token": "A new password",
    "/reset-password": "This link is not whole",
    "/oauth?error=cancelled": "That did not work",
}
PAGES = {
    "/account": "Profile",
    "/account/playback": "Sound and subtitles",
    "/account/security": "Passkeys",
    "/account/devices": "Signed in on",
    "/account/api-keys": "API keys",
    "/admin/users": "People",
    "/admin/users/1": "Permissions",
    "/admin/invites": "Invites",
    "/admin/sign-in": "Sign-in",
    "/admin/security": "Audit trail",
}
# What opens on a page: where, the button, and what is seen then.
OPENED = [
    ("/account/security", "Set up", "Then enter the code it shows"),
    ("/account/security", "Add a passkey", "To tell it from others"),
    ("/account/devices", "Make a code", "Good once, for another"),
    ("/account/api-keys", "New key", "What it may do"),
    ("/admin/invites", "New invite", "Who comes in is a"),
    ("/admin/sign-in", "Add a provider", "Name on the button"),
    ("/admin/users/1", "Revoke Shelf", "Whatever uses this key is shut out at once"),
]


async def _is_fit(page: Page, where: str) -> None:
    """For everybody, and as wide as the window."""
    for size in (LAPTOP, PHONE):
        await page.set_viewport_size(size)
        await is_accessible(page, where)
        over = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, f"{where} is {over} px wider than {size}"


class TestPages:
    @pytest.fixture
    async def furnished(self, house: Server) -> Server:
        """With a key and an invite, so that there is something to see."""
        async with house.api(await house.token()) as api:
            for path, body in (
                ("/api/account/api-keys", {"name": "Shelf", "scopes": ["catalog"]}),
                ("/api/users/invite", {"role": "viewer"}),
            ):
                (await api.post(path, json=body)).raise_for_status()
        return house

    async def test_for_everybody_are_fit_for_everybody(
        self, house: Server, windows: Windows, oidc_provider: OidcProvider
    ) -> None:
        async with (
            provider_of(house, oidc_provider),
            windows(house, signed_in=False, reduced_motion="reduce") as opened,
        ):
            page, _ = opened
            for path, heading in OPEN_PAGES.items():
                await page.goto("/robots.txt")
                await page.goto(path)
                await expect(page.get_by_role("heading", name=heading)).to_be_visible()
                await _is_fit(page, path)

    async def test_of_an_account_and_the_administration_are_fit_for_everybody(
        self, furnished: Server, windows: Windows, oidc_provider: OidcProvider
    ) -> None:
        async with provider_of(furnished, oidc_provider), windows(furnished, reduced_motion="reduce") as (page, _):
            await carry_authenticator(page)
            for path, heading in PAGES.items():
                await page.goto(path)
                await expect(page.get_by_role("heading", name=heading, exact=True).first).to_be_visible()
                await _is_fit(page, path)
            for path, button, text in OPENED:
                await page.goto(path)
                await page.get_by_role("button", name=button, exact=True).first.click()
                await expect(page.get_by_text(text).first).to_be_visible()
                await _is_fit(page, f"{path}, {button}")

    async def test_are_walked_with_the_arrow_keys(self, furnished: Server, windows: Windows) -> None:
        async with windows(furnished) as (page, _):
            await page.goto("/account")
            await page.get_by_role("link", name="Profile").focus()
            await page.keyboard.press("ArrowRight")
            await expect(page.get_by_role("link", name="Playback")).to_be_focused()
            await page.keyboard.press("Enter")
            await expect(page.get_by_label("Quality to begin with")).to_be_visible()
            await page.goto("/account/api-keys")
            await page.get_by_role("button", name="New key").focus()
            await page.keyboard.press("Enter")
            dialog = page.get_by_role("dialog")

            async def has_focus() -> bool:
                return bool(await dialog.evaluate("(dialog) => dialog.contains(document.activeElement)"))

            await until(has_focus, "the focus is in the dialog")
            await page.keyboard.press("Escape")
            await expect(page.get_by_role("button", name="New key")).to_be_focused()
