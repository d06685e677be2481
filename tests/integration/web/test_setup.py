from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page, expect

from tests.integration.web.browser import LAPTOP, PHONE, is_accessible
from tests.integration.web.conftest import Windows
from tests.integration.web.server import PASSWORD, SETUP_CODE, USERNAME, Server


async def _is_accessible_everywhere(page: Page, where: str) -> None:
    for size in (PHONE, LAPTOP):
        await page.set_viewport_size(size)
        await is_accessible(page, where)


class TestFirstRun:
    async def test_leads_from_the_code_to_a_home_with_films(
        self, new_server: Server, windows: Windows, demo: Path
    ) -> None:
        async with windows(new_server, signed_in=False, reduced_motion="reduce") as (page, ledger):
            await page.goto("/")
            await expect(page).to_have_url(f"{new_server.url}/setup")
            await _is_accessible_everywhere(page, "the account")

            ledger.expect(403, "/api/setup")
            await page.get_by_label("One-time code").fill("NOT-THE-CODE")
            await page.get_by_label("Your name").fill(USERNAME)
            await page.get_by_label("Password", exact=True).fill(PASSWORD)
            await page.get_by_role("button", name="Continue").click()
            await expect(page.get_by_role("alert")).to_be_visible()

            await page.get_by_label("One-time code").fill(SETUP_CODE)
            await page.get_by_role("button", name="Continue").click()
            await expect(page.get_by_role("heading", name="Where are your films?")).to_be_visible()
            new_server.set_up = True
            await _is_accessible_everywhere(page, "the first library")

            await page.get_by_role("button", name="Choose a folder").click()
            # What is typed while the first listing comes is not waited for here.
            await expect(page.get_by_label("Folder on the server")).to_have_value("/")
            await page.get_by_label("Folder on the server").fill(str(demo))
            await page.get_by_role("button", name="Go", exact=True).click()
            await page.get_by_role("button", name="Films", exact=True).click()
            await expect(page.get_by_label("Folder on the server")).to_have_value(str(demo / "Films"))
            await expect(page.get_by_role("button", name="Aurora (2023)")).to_be_visible()
            await _is_accessible_everywhere(page, "the folders")
            await page.get_by_role("button", name="Use this folder").click()

            await expect(page.get_by_role("textbox", name="Name")).to_have_value("Films")
            await page.get_by_role("button", name="Add and scan").click()
            await expect(page.get_by_role("progressbar", name="Scan of Films")).to_be_visible()
            await expect(page.get_by_role("heading", name="The house is open")).to_be_visible(timeout=60_000)
            await _is_accessible_everywhere(page, "the end of the set-up")

            await page.get_by_role("link", name="Go in").click()
            shelf = page.get_by_role("region", name="Recently added films")
            for title in ("Aurora", "The Glass Mountain", "Night Train to Trieste", "Paper Boats"):
                await expect(shelf.get_by_role("link", name=title)).to_be_visible()
            await page.goto("/setup")
            await expect(page).to_have_url(f"{new_server.url}/")
