"""What plays and what is converted, as administrators and moderators see it and step in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
from playwright.async_api import Page, expect

from tests.integration.web.browser import LAPTOP, PHONE, Ledger, is_accessible
from tests.integration.web.conftest import Windows
from tests.integration.web.people import Person, sit_down, somebody
from tests.integration.web.server import Server
from tests.integration.web.waiting import until

# A client that plays H.264 in HLS: HEVC is converted for it.
_PLAIN = {
    "containers": ["mp4"],
    "video_codecs": [{"codec": "h264"}],
    "audio_codecs": [{"codec": "aac", "max_channels": 2}],
}
_FILM = "Aurora"
_FILE = re.compile(rf"{_FILM} .*\.mkv")


@dataclass(frozen=True)
class Seat:
    """Somebody who plays `_FILM`, without a browser. `segments` are the addresses of its pictures."""

    house: Server
    person: Person
    session: dict[str, Any]
    segments: list[str]

    async def fetch(self, number: int) -> httpx.Response:
        async with self.house.api() as api:
            return await api.get(self.segments[number])

    async def is_at(self, position_ms: int) -> None:
        async with self.house.api(self.person.token) as api:
            path = f"/api/playback/movie/{self.session['media_id']}/heartbeat"
            (await api.post(path, json={"position_ms": position_ms})).raise_for_status()


async def take_seat(house: Server) -> Seat:
    """Somebody new begins the film, which has to be converted for them; the first pictures are there."""
    person = await somebody(house)
    body = {
        "media_type": "movie",
        "media_id": await house.find(_FILM),
        "capabilities": _PLAIN,
        "device": {"name": "Living room", "client": "Telly 1.0"},
    }
    async with house.api(person.token) as api:
        session = (await api.post("/api/playback/sessions", json=body)).raise_for_status().json()
        assert session["mode"] == "transcode", session["reasons"]
        master = (await api.get(session["url"])).raise_for_status().text
        rendition = urljoin(session["url"], next(line for line in master.splitlines() if line and line[0] != "#"))
        listed = (await api.get(rendition)).raise_for_status().text
    segments = [urljoin(rendition, line) for line in listed.splitlines() if line and line[0] != "#"]
    seat = Seat(house, person, session, segments)
    assert (await seat.fetch(0)).status_code == 200
    return seat


async def nobody_plays(house: Server) -> None:
    """End what other tests left playing."""
    async with house.api(await house.token()) as api:
        playing = (await api.get("/api/admin/playback-sessions?active_only=true")).raise_for_status().json()["items"]
        for session in playing:
            await api.post(f"/api/admin/playback-sessions/{session['id']}/terminate")


async def is_fit(page: Page, where: str) -> None:
    """For everybody, and no wider than the window."""
    for size in (LAPTOP, PHONE):
        await page.set_viewport_size(size)
        await is_accessible(page, where)
        over = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0, f"{where} is {over} px wider than {size}"


class TestWhatPlays:
    async def test_is_seen_moves_and_is_ended(self, house: Server, page: Page) -> None:
        await nobody_plays(house)
        await page.goto("/admin/playback")
        await expect(page.get_by_role("heading", name="Nobody is watching")).to_be_visible()

        seat = await take_seat(house)
        row = page.get_by_role("listitem", name=f"{seat.person.name}: {_FILM}")
        await expect(row).to_be_visible()
        await expect(row.get_by_text("Living room · Telly 1.0")).to_be_visible()
        await expect(row.get_by_text("Converted", exact=True)).to_be_visible()
        await expect(row.get_by_text("HEVC video is not supported by this client.").first).to_be_visible()
        await row.get_by_text("Each stream").click()
        await expect(row.get_by_text("HEVC → H.264")).to_be_visible()

        await seat.is_at(10_000)
        place = row.get_by_role("progressbar")
        await expect(place).to_have_attribute("aria-valuetext", re.compile(r"^0:1\d of 0:30$"))
        told = await place.get_attribute("aria-valuetext")
        # It goes on by itself: the next beat of the player is half a minute away.
        await expect(place).not_to_have_attribute("aria-valuetext", told or "")

        await row.get_by_role("button", name=f"End what {seat.person.name} plays").click()
        await page.get_by_role("dialog").get_by_role("button", name="Let it play").click()
        assert (await seat.fetch(1)).status_code == 200
        await row.get_by_role("button", name=f"End what {seat.person.name} plays").click()
        await page.get_by_role("dialog").get_by_role("button", name="End it").click()
        await expect(page.get_by_role("heading", name="Nobody is watching")).to_be_visible()
        assert (await seat.fetch(2)).status_code == 410

    async def test_can_be_taken_along_for_a_report(self, house: Server, page: Page) -> None:
        seat = await take_seat(house)
        await page.goto("/admin/playback")
        async with page.expect_download() as download:
            await page.get_by_role("button", name=f"Debug bundle of what {seat.person.name} plays").click()
        bundle = json.loads(Path(await (await download.value).path()).read_text())
        assert bundle["session"]["id"] == seat.session["id"]
        assert bundle["session"]["username"] == seat.person.name

    async def test_is_not_asked_for_while_the_page_is_hidden(self, house: Server, page: Page, ledger: Ledger) -> None:
        await page.goto("/admin/playback")
        async with page.expect_response("**/api/admin/playback-sessions?*"):
            await expect(page.get_by_role("heading", level=1, name="Playback")).to_be_visible()
        await page.evaluate(_HIDE, True)
        ledger.requests.clear()
        await page.wait_for_timeout(6000)
        assert not [address for address in ledger.requests if "/api/admin/" in address]
        async with page.expect_response("**/api/admin/playback-sessions?*"):
            await page.evaluate(_HIDE, False)


# The page is told that it is out of sight, or seen again: a window without a screen is never hidden by itself.
_HIDE = """(hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event('visibilitychange'));
}"""


class TestAConversion:
    async def test_is_listed_with_all_that_is_known_of_it(self, house: Server, page: Page) -> None:
        await take_seat(house)
        await page.goto("/admin/playback/conversions")
        await page.get_by_role("link", name=_FILE).first.click()
        await expect(page.get_by_role("heading", level=2, name=_FILE)).to_be_visible()
        facts = page.get_by_role("region", name=_FILE)
        await expect(facts.get_by_text(re.compile(r"^Matroska, HEVC|^MP4, HEVC"))).to_be_visible()
        await expect(facts.get_by_text(re.compile(r"^H\.264 .* Mb/s|^H\.264 .* kb/s"))).to_be_visible()
        await expect(page.get_by_role("region", name="Command")).to_contain_text("libx264")
        async with page.expect_download() as download:
            await page.get_by_role("button", name="Debug bundle").click()
        bundle = json.loads(Path(await (await download.value).path()).read_text())
        assert page.url.endswith(f"/{bundle['transcode_session']['id']}")

    async def test_that_runs_is_cancelled(self, house: Server, page: Page) -> None:
        """That it still runs is made up: a film of half a minute may be converted before anybody asks."""
        await take_seat(house)
        async with house.api(await house.token()) as api:
            listed = (await api.get("/api/admin/transcode-sessions")).raise_for_status().json()
        run = listed["items"][0] | {"state": "running", "speed": 2.44, "position_s": 12.5, "ended_at": None}
        running = listed | {"items": [run]}
        await page.route("**/transcode-sessions?active_only=true*", lambda route: route.fulfill(json=running))
        await page.route(f"**/transcode-sessions/{run['id']}/cancel", lambda route: route.fulfill(json=run))
        await page.goto("/admin/playback/conversions")
        row = page.get_by_role("list", name="Running conversions").get_by_role("listitem")
        await expect(row.get_by_text(f"{run['pool_name']} · 2.4 × real time · at 0:12")).to_be_visible()
        await row.get_by_role("button", name=f"Cancel the conversion of {run['file_name']}").click()
        async with page.expect_request(f"**/transcode-sessions/{run['id']}/cancel") as asked:
            await page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()
        assert (await asked.value).method == "POST"
        await expect(page.get_by_role("status")).to_contain_text("It ends within seconds")

    async def test_that_failed_says_why(self, house: Server, page: Page) -> None:
        """The failure is made up, of a conversion that went well."""
        await take_seat(house)
        async with house.api(await house.token()) as api:
            listed = (await api.get("/api/admin/transcode-sessions")).raise_for_status().json()
            whole = (
                (await api.get(f"/api/admin/transcode-sessions/{listed['items'][0]['id']}")).raise_for_status().json()
            )
        failure = {"state": "failed", "error": "the encoder ended with status 187"}
        moments = [{"elapsed_s": 2.0 * n, "position_s": 3.0 * n, "speed": 1.5 / n, "bytes_made": n} for n in (1, 2, 3)]
        run = listed["items"][0] | failure
        detail = (
            whole | failure | {"exit_status": 187, "stderr_tail": "Cannot load libcuda.so.1", "throughput": moments}
        )
        await page.route(
            "**/transcode-sessions?*state=failed*", lambda route: route.fulfill(json=listed | {"items": [run]})
        )
        await page.route(f"**/transcode-sessions/{run['id']}", lambda route: route.fulfill(json=detail))

        await page.goto("/admin/playback/conversions")
        await page.get_by_label("How they ended").select_option("Failed")
        await expect(page).to_have_url(re.compile("state=failed"))
        row = page.get_by_role("list", name="Ended conversions").get_by_role("listitem")
        await expect(row.get_by_text("the encoder ended with status 187")).to_be_visible()
        await row.get_by_role("link").click()
        await expect(page.get_by_text("Failed, ffmpeg ended with status 187")).to_be_visible()
        await expect(page.get_by_role("region", name="What it said last")).to_have_text("Cannot load libcuda.so.1")
        await expect(page.get_by_role("img", name="between 0.5 × and 1.5 × real time")).to_be_visible()

    async def test_of_no_such_end_is_missed_in_words(self, house: Server, page: Page) -> None:
        await page.goto("/admin/playback/conversions?state=failed")
        await expect(page.get_by_text("None ended so.")).to_be_visible()


class TestAPool:
    async def test_takes_another_limit_and_a_rest(self, house: Server, page: Page, ledger: Ledger) -> None:
        async with house.api(await house.token()) as api:
            pool = (await api.get("/api/admin/transcoding/pools")).json()["items"][0]
            path = f"/api/admin/transcoding/pools/{pool['id']}"
            try:
                await page.goto("/admin/playback/pools")
                row = page.get_by_role("listitem", name=pool["name"])
                await expect(row.get_by_text("H.264", exact=False)).to_be_visible()
                await row.get_by_role("button", name=f"Edit {pool['name']}").click()
                dialog = page.get_by_role("dialog")
                limit = dialog.get_by_label("At once")
                ledger.expect(422, path)
                await limit.fill("65")
                await dialog.get_by_role("button", name="Save").click()
                await expect(limit).to_have_attribute("aria-invalid", "true")
                await expect(page.locator("#pool-limit-problem")).to_contain_text("64")
                await limit.fill("7")
                await dialog.get_by_role("button", name="Save").click()
                await expect(row.get_by_role("meter")).to_have_attribute("aria-valuetext", re.compile("^\\d of 7$"))

                async with page.expect_response(f"**{path}/probe") as probed:
                    await row.get_by_role("button", name="Try again").click()
                assert (await probed.value).status == 200
                await expect(row.get_by_text("tried just now")).to_be_visible()

                await row.get_by_role("switch", name="Use it").uncheck()

                async def rests() -> bool:
                    now = (await api.get("/api/admin/transcoding/pools")).json()["items"][0]
                    return now["enabled"] is False and now["max_sessions"] == 7

                await until(rests, "the pool rests")
                await expect(row.get_by_role("switch", name="Use it")).not_to_be_checked()
            finally:
                before = {"max_sessions": pool["max_sessions"], "enabled": True}
                (await api.put(path, json=before)).raise_for_status()

    async def test_of_a_gpu_is_made_and_says_what_it_cannot(self, house: Server, page: Page) -> None:
        """What the scan finds is made up, so the new pool encodes nothing."""
        gpu = {"vendor": "Intel", "name": "Arc A380", "device": "/dev/dri/renderD199", "pci_address": None}
        found = {"node": "attic", "items": [gpu | {"kinds": ["qsv", "vaapi"]}]}
        await page.route("**/api/admin/transcoding/gpus", lambda route: route.fulfill(json=found))
        await page.goto("/admin/playback/pools")
        await page.get_by_role("button", name="Add a pool").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("radio")).to_have_count(2)
        await dialog.get_by_text("VA-API · Intel · /dev/dri/renderD199").click()
        await is_fit(page, "a pool of a GPU")
        await dialog.get_by_role("button", name="Add", exact=True).click()

        row = page.get_by_role("listitem", name="Arc A380")
        await expect(row.get_by_text("VA-API · /dev/dri/renderD199")).to_be_visible()
        await expect(row.get_by_text("Nothing: it is not used")).to_be_visible()
        await row.get_by_text("What did not work").click()
        await expect(row.locator("dt", has_text="H.264")).to_be_visible()
        await is_fit(page, "a pool that encodes nothing")
        await row.get_by_role("button", name="Remove Arc A380").click()
        await dialog.get_by_role("button", name="Remove").click()
        await expect(row).to_have_count(0)

    async def test_that_is_at_work_stays(self, house: Server, page: Page, ledger: Ledger) -> None:
        """The answer is made up: a film of half a minute may be converted before anybody asks."""
        refusal = {"error": {"code": "conflict", "message": "something runs on this pool; end it first"}}
        path = re.compile(r"/api/admin/transcoding/pools/\d+$")
        async with house.api(await house.token()) as api:
            pool = (await api.get("/api/admin/transcoding/pools")).json()["items"][0]
        ledger.expect(409, f"/api/admin/transcoding/pools/{pool['id']}")
        await page.route(path, lambda route: route.fulfill(status=409, json=refusal))
        await page.goto("/admin/playback/pools")
        await page.get_by_role("button", name=f"Remove {pool['name']}").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(page.get_by_text("Something runs on this pool; end it first.")).to_be_visible()
        await expect(page.get_by_role("listitem", name=pool["name"])).to_be_visible()


class TestTheSettings:
    async def test_are_saved_and_refused_at_their_field(self, house: Server, page: Page, ledger: Ledger) -> None:
        path = "/api/admin/transcoding/settings"
        async with house.api(await house.token()) as api:
            before = (await api.get(path)).json()
            try:
                await page.goto("/admin/playback/settings")
                at_once = page.get_by_label("Conversions of pictures at once")
                ledger.expect(422, path)
                await at_once.fill("2000")
                await page.get_by_label("Largest picture").select_option("720p")
                await page.get_by_role("button", name="Save").click()
                await expect(at_once).to_have_attribute("aria-invalid", "true")
                await expect(page.locator("#max_sessions-problem")).to_contain_text("1000")
                assert (await api.get(path)).json() == before

                await at_once.fill("3")
                await page.get_by_role("button", name="Save").click()
                await expect(page.get_by_role("status")).to_contain_text("Saved")
                assert (await api.get(path)).json() == before | {"max_sessions": 3, "max_height": 720}
                await page.reload()
                await expect(at_once).to_have_value("3")
            finally:
                (await api.put(path, json=before)).raise_for_status()


class TestTheForecast:
    async def test_tells_what_plays_and_which_job_would_help(self, house: Server, page: Page) -> None:
        films = house.libraries["Films"]
        async with house.api(await house.token()) as api:
            reply = await api.get(f"/api/admin/transcoding/forecast?library_id={films}&device=chrome")
        (chrome,) = reply.raise_for_status().json()["items"]
        assert chrome["direct_play"] and chrome["transcode"], "the library has too little to forecast"
        await page.goto("/admin/playback/forecast")
        await page.get_by_label("Library", exact=True).select_option("Films")
        row = page.get_by_role("listitem", name="Chrome", exact=True)
        numbers = row.get_by_role("list", name="Chrome in numbers").get_by_role("listitem")
        told = {"Played as it is": "direct_play", "Repackaged": "remux", "Converted": "transcode"}
        expected = [f"{name}: {chrome[field]}" for name, field in told.items() if chrome[field]]
        await expect(numbers).to_have_text(expected)
        await row.get_by_text("Why, and what would help").click()
        await expect(row.get_by_text("HEVC video is not supported by this client.").first).to_be_visible()
        await expect(row.get_by_text(re.compile(r"onvert the picture from HEVC to H\.264")).first).to_be_visible()


class TestAModerator:
    async def test_sees_what_plays_and_no_button_that_would_be_refused(self, house: Server, windows: Windows) -> None:
        seat = await take_seat(house)
        async with windows(house, signed_in=False) as (page, ledger):
            await sit_down(page, await somebody(house, "moderator"))
            await page.goto("/")
            await page.get_by_role("button", name="Account", exact=True).click()
            await page.get_by_role("menuitem", name="Playing now").click()
            row = page.get_by_role("listitem", name=f"{seat.person.name}: {_FILM}")
            await expect(row.get_by_role("button", name="Debug bundle")).to_be_visible()
            await expect(row.get_by_role("button", name="End")).to_have_count(0)
            sections = page.get_by_role("navigation", name="Playback").get_by_role("link")
            await expect(sections).to_have_text(["Playing now", "Conversions", "Forecast"])
            await sections.nth(1).click()
            await page.get_by_role("link", name=_FILE).first.click()
            await expect(page.get_by_role("region", name="Command")).to_be_visible()
            await expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
            await sections.nth(2).click()
            await expect(page.get_by_role("list", name="Forecast")).to_be_visible()
            for path in ("pools", "settings"):
                await page.goto(f"/admin/playback/{path}")
                await expect(page.get_by_text("This page is for administrators.")).to_be_visible()
            reserved = re.compile("/transcoding/(pools|settings|gpus)")
            assert not [address for address in ledger.requests if reserved.search(address)]

    async def test_is_more_than_a_viewer(self, house: Server, windows: Windows) -> None:
        async with windows(house, signed_in=False) as (page, ledger):
            await sit_down(page, await somebody(house))
            for path in ("", "/conversions", "/conversions/1", "/forecast", "/pools", "/settings"):
                await page.goto(f"/admin/playback{path}")
                await expect(page.get_by_role("heading", name="This door is closed")).to_be_visible()
            assert not [address for address in ledger.requests if address.startswith("/api/admin")]


class TestThePages:
    async def test_are_fit_for_everybody(self, house: Server, windows: Windows) -> None:
        seat = await take_seat(house)
        async with windows(house, reduced_motion="reduce") as (page, _):
            row = page.get_by_role("listitem", name=f"{seat.person.name}: {_FILM}")
            await page.goto("/admin/playback")
            await row.get_by_text("Each stream").click()
            await is_fit(page, "what plays")
            await row.get_by_role("button", name=f"End what {seat.person.name} plays").click()
            await expect(page.get_by_role("dialog").get_by_role("button", name="End it")).to_be_visible()
            await is_fit(page, "a question")

            await page.goto("/admin/playback/conversions")
            await expect(page.get_by_role("link", name=_FILE).first).to_be_visible()
            await is_fit(page, "the conversions")
            await page.get_by_role("link", name=_FILE).first.click()
            await expect(page.get_by_role("region", name="Command")).to_be_visible()
            await is_fit(page, "a conversion")

            await page.goto("/admin/playback/forecast")
            await expect(page.get_by_role("list", name="Forecast", exact=True)).to_be_visible()
            for more in await page.get_by_text("Why, and what would help").all():
                await more.click()
            await is_fit(page, "the forecast")

            await page.goto("/admin/playback/pools")
            await expect(page.get_by_role("meter").first).to_be_visible()
            await is_fit(page, "the pools")
            await page.get_by_role("button", name="Add a pool").click()
            await expect(page.get_by_role("dialog").get_by_text(re.compile("in the host"))).to_be_visible()
            await is_fit(page, "a new pool")
            await page.keyboard.press("Escape")
            await page.get_by_role("button", name="Edit", exact=False).first.click()
            await expect(page.get_by_role("dialog").get_by_label("At once")).to_be_visible()
            await is_fit(page, "a pool")

            await page.goto("/admin/playback/settings")
            await expect(page.get_by_role("button", name="Save")).to_be_visible()
            await is_fit(page, "the settings")

    async def test_are_walked_with_the_arrow_keys(self, house: Server, page: Page) -> None:
        seat = await take_seat(house)
        await page.goto("/admin/playback")
        sections = page.get_by_role("navigation", name="Playback")
        await sections.get_by_role("link", name="Playing now").focus()
        await page.keyboard.press("ArrowRight")
        await expect(sections.get_by_role("link", name="Conversions")).to_be_focused()
        row = page.get_by_role("listitem", name=f"{seat.person.name}: {_FILM}")
        await row.get_by_role("link", name=_FILM).focus()
        await page.keyboard.press("ArrowDown")
        more = row.locator("summary")
        await expect(more).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(row.get_by_text("HEVC → H.264")).to_be_visible()
