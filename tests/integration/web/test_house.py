"""Everything around the films: who may come in, the shelves, and pages that everybody can use."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Page, Route, ViewportSize, expect

from tests.integration.web.browser import LAPTOP, PHONE, Ledger, Theatre, is_accessible
from tests.integration.web.conftest import Windows
from tests.integration.web.server import PASSWORD, USERNAME, Server
from tests.integration.web.waiting import until


class TestSigningIn:
    async def test_refuses_a_wrong_password_in_plain_words(self, house: Server, windows: Windows) -> None:
        async with windows(house, signed_in=False) as (page, ledger):
            ledger.expect(401, "/api/auth/login")
            await page.goto(f"/library/{house.libraries['Films']}?sort=year")
            await page.get_by_label("Name").fill(USERNAME)
            await page.get_by_label("Password").fill("something else")
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.get_by_role("alert")).to_have_text("That name and password do not go together.")
            await page.get_by_label("Password").fill(PASSWORD)
            await page.keyboard.press("Enter")
            await expect(page).to_have_url(f"{house.url}/library/{house.libraries['Films']}?sort=year")
            await expect(page.get_by_role("heading", name="Films")).to_be_visible()

    async def test_signing_out_closes_the_door(self, house: Server, page: Page) -> None:
        await page.goto("/")
        await page.get_by_role("button", name="Account").click()
        await page.get_by_role("menuitem", name="Sign out").click()
        await expect(page).to_have_url(f"{house.url}/login")
        await page.goto(f"/library/{house.libraries['Films']}")
        await expect(page.get_by_role("button", name="Sign in")).to_be_visible()


_CHANGE_SESSION = """(change) => localStorage.setItem('odeion.session',
    JSON.stringify({ ...JSON.parse(localStorage.getItem('odeion.session')), ...change }))"""


class TestASession:
    async def test_is_renewed_when_it_is_about_to_end(self, page: Page, ledger: Ledger) -> None:
        await page.goto("/")
        # The app reads the session once, when it begins.
        await expect(page.get_by_role("region", name="Recently added films")).to_be_visible()
        ledger.requests.clear()
        await page.evaluate(_CHANGE_SESSION, {"expires_at": "2020-01-01T00:00:00Z"})
        async with page.expect_response("**/api/auth/refresh") as renewal:
            await page.reload()
        assert (await renewal.value).status == 200
        await expect(page.get_by_role("region", name="Recently added films")).to_be_visible()
        calls = [address for address in ledger.requests if address.startswith("/api")]
        assert calls.count("/api/auth/refresh") == 1, calls

    async def test_is_renewed_when_the_server_no_longer_takes_the_token(self, page: Page, ledger: Ledger) -> None:
        await page.goto("/about")
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        token = await page.evaluate("JSON.parse(localStorage.getItem('odeion.session')).token")
        head, _, signature = token.rpartition(".")
        await page.evaluate(_CHANGE_SESSION, {"token": f"{head}.{signature[::-1]}"})
        expected = ("/api/libraries", "/api/users/me", "/api/movies", "/api/series", "/api/progress", "/api/system")
        refused: list[str] = []
        page.on("response", lambda response: refused.append(response.url) if response.status == 401 else None)
        async with page.expect_response("**/api/auth/refresh") as renewal:
            await page.reload()
        assert (await renewal.value).status == 200
        await expect(page.get_by_role("link", name="Odeion, home")).to_be_visible()
        await page.goto("/")
        await expect(page.get_by_role("region", name="Recently added films")).to_be_visible()
        assert refused and all(urlsplit(address).path.startswith(expected) for address in refused)
        # The refused calls are what this is about.
        ledger.problems = [problem for problem in ledger.problems if "401" not in problem]

    async def test_that_is_over_leads_to_the_login(self, house: Server, page: Page, ledger: Ledger) -> None:
        ledger.expect(401, "/api/auth/refresh")
        await page.goto("/")
        await expect(page.get_by_role("region", name="Recently added films")).to_be_visible()
        await page.evaluate(_CHANGE_SESSION, {"expires_at": "2020-01-01T00:00:00Z", "refresh_token": "spent"})
        await page.reload()
        await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        await expect(page).to_have_url(f"{house.url}/login")
        ledger.problems = [problem for problem in ledger.problems if "401" not in problem]


class TestShelves:
    async def test_are_walked_with_the_arrow_keys(self, house: Server, page: Page) -> None:
        await page.goto(f"/library/{house.libraries['Films']}")
        tiles = page.get_by_role("list", name="Films").get_by_role("link")
        await expect(tiles).to_have_count(7)
        await tiles.nth(0).focus()
        await page.keyboard.press("ArrowRight")
        await expect(tiles.nth(1)).to_be_focused()
        await page.keyboard.press("ArrowRight")
        await expect(tiles.nth(2)).to_be_focused()
        await page.keyboard.press("ArrowLeft")
        await expect(tiles.nth(1)).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", level=1, name="Big Buck Bunny")).to_be_visible()
        await page.go_back()
        await expect(tiles).to_have_count(7)

    async def test_of_ten_thousand_films_hold_only_what_is_in_sight(self, house: Server, page: Page) -> None:
        sample = await _films(page, house)
        asked: list[int] = []

        async def answer(route: Route) -> None:
            query = parse_qs(urlsplit(route.request.url).query)
            number, size = int(query["page"][0]), int(query["per_page"][0])
            asked.append(number)
            films = range((number - 1) * size, min(number * size, 10_000))
            items = [{**sample, "id": place + 1, "title": f"Film {place:05}"} for place in films]
            page_of = {"page": number, "per_page": size, "total_items": 10_000, "total_pages": -(-10_000 // size)}
            await route.fulfill(json={**page_of, "items": items})

        await page.route("**/api/movies?*", answer)
        await page.goto(f"/library/{house.libraries['Films']}")
        tiles = page.get_by_role("list", name="Films").get_by_role("listitem")
        await expect(page.get_by_text("10,000 films")).to_be_visible()
        await expect(tiles.first).to_contain_text("Film 00000")
        for share in (0.1, 0.5, 0.85, 1):
            await page.evaluate(
                "(share) => scrollTo({ top: share * document.documentElement.scrollHeight, behavior: 'instant' })",
                share,
            )

            async def shows_them(share: float = share) -> bool:
                return bool(await page.evaluate(_TITLES_IN_PLACE, share))

            await until(shows_them, f"the right titles at {share:.0%}")
            assert await tiles.count() < 200
        await expect(tiles.last).to_contain_text("Film 09999")
        # Only the pages that were rested on, of 167.
        assert len(asked) < 30


async def _films(page: Page, house: Server) -> dict[str, Any]:
    async with house.api(await house.token()) as api:
        film: dict[str, Any] = (await api.get("/api/movies")).raise_for_status().json()["items"][0]
        return film


# Every place in sight shows its own film, near the share of the whole that was scrolled to.
_TITLES_IN_PLACE = """(share) => {
    const places = [...document.querySelectorAll('li[aria-posinset]')];
    const middle = Number(places[Math.floor(places.length / 2)]?.ariaPosInSet);
    return Math.abs(middle / 10000 - share) < 0.02 && places.every((place) =>
        place.textContent.includes(`Film ${String(Number(place.ariaPosInSet) - 1).padStart(5, '0')}`));
}"""


class TestATitle:
    async def test_is_never_taken_for_markup(self, house: Server, page: Page) -> None:
        title = "<img src=x onerror=alert(document.domain)>"
        film = await house.find("Kite")
        async with house.api(await house.token()) as api:
            changed = await api.put(f"/api/movies/{film}/metadata", json={"title": title, "overview": title})
            changed.raise_for_status()
            try:
                await page.goto("/")
                tile = page.get_by_role("region", name="Recently added films").get_by_role("link", name=title)
                await expect(tile).to_be_visible()
                await page.goto(f"/search?q={'onerror'}")
                await expect(page.get_by_role("main").get_by_role("link", name=title)).to_be_visible()
                await page.goto(f"/film/{film}")
                await expect(page.get_by_role("heading", level=1)).to_have_text(title)
                await page.goto(f"/watch/movie/{film}")
                await expect(page.get_by_role("heading", level=1)).to_have_text(title)
                await Theatre(page).plays_on()
                assert await page.locator("img[src=x]").count() == 0
            finally:
                (await api.put(f"/api/movies/{film}/metadata", json={"title": "Kite"})).raise_for_status()


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
class TestEverybody:
    """axe finds nothing to object to."""

    async def test_can_sign_in(self, house: Server, windows: Windows, size: ViewportSize) -> None:
        async with windows(house, signed_in=False, size=size, reduced_motion="reduce") as (page, _):
            await page.goto("/login")
            await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
            await is_accessible(page, "the login")

    async def test_can_find_a_film(self, house: Server, windows: Windows, size: ViewportSize) -> None:
        async with windows(house, size=size, reduced_motion="reduce") as (page, _):
            pages = {
                "/": "Recently added films",
                f"/library/{house.libraries['Films']}": "Aurora",
                f"/film/{await house.find('Aurora')}": "Aurora",
                f"/film/{await house.find('Kite')}": "Extras",
                "/libraries": "Films",
                "/search?q=lights": "Harbour Lights",
                "/about": "Odeion",
            }
            for address, said in pages.items():
                await page.goto(address)
                await expect(page.get_by_role("main").get_by_text(said, exact=True).first).to_be_attached()
                await is_accessible(page, address)
            await page.goto("/")
            await page.get_by_role("link", name="Harbour Lights").first.click()
            await expect(page.get_by_role("tablist", name="Seasons")).to_be_visible()
            await is_accessible(page, "a series")

    async def test_can_watch(self, house: Server, windows: Windows, size: ViewportSize) -> None:
        async with windows(house, size=size, reduced_motion="reduce") as (page, _):
            await Theatre(page).open(f"/watch/movie/{await house.find('The Glass Mountain')}")
            await page.keyboard.press("Space")
            await is_accessible(page, "the player")
            await page.get_by_role("button", name="Quality", exact=True).click()
            await expect(page.get_by_role("menu", name="Quality")).to_be_visible()
            await is_accessible(page, "a menu of the player")
            await page.keyboard.press("Escape")
            await page.keyboard.press("i")
            await expect(page.get_by_role("complementary", name="How this is played")).to_be_visible()
            await is_accessible(page, "the reasons in the player")

    async def test_can_keep_the_house(self, house: Server, windows: Windows, size: ViewportSize, demo: Path) -> None:
        async with windows(house, size=size, reduced_motion="reduce") as (page, _):
            await page.goto("/admin/libraries")
            await expect(page.get_by_role("heading", name="Series")).to_be_visible()
            await is_accessible(page, "the libraries")

            await page.get_by_role("button", name="Add a library").click()
            dialog = page.get_by_role("dialog")
            await expect(dialog.get_by_role("button", name="Choose a folder")).to_be_visible()
            await is_accessible(page, "a new library")
            await dialog.get_by_role("button", name="Choose a folder").click()
            await dialog.get_by_label("Folder on the server").fill(str(demo))
            await dialog.get_by_role("button", name="Go", exact=True).click()
            await expect(dialog.get_by_role("button", name="Series", exact=True)).to_be_visible()
            await is_accessible(page, "the folders")
            await page.keyboard.press("Escape")
            await expect(dialog).to_be_hidden()

            await page.get_by_role("button", name="More for Series").click()
            await is_accessible(page, "the menu of a library")
            await page.get_by_role("menuitem", name="Remove").click()
            await expect(dialog.get_by_role("button", name="Keep it")).to_be_visible()
            await is_accessible(page, "a question")
            await dialog.get_by_role("button", name="Keep it").click()

            await page.goto(f"/film/{await house.find('Aurora')}")
            await page.get_by_role("button", name="Edit what is said about this film").click()
            await expect(dialog.get_by_label("Title", exact=True)).to_have_value("Aurora")
            await is_accessible(page, "the editing of a film")
