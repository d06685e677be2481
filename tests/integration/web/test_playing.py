from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, Request, Response, Route, expect

from tests.integration.web.browser import Ledger, Theatre, narrow
from tests.integration.web.server import Server
from tests.integration.web.waiting import until

# What every build of Chromium plays.
PLAIN = {"containers": ["mp4", "webm"], "video_codecs": ["h264", "vp9", "vp8"], "audio_codecs": ["aac", "opus", "mp3"]}


async def _seek_and_reload(theatre: Theatre, length_s: float) -> None:
    """From the beginning to the middle, and there again after a reload; moving and visible all the while."""
    await theatre.shows_a_picture()
    await theatre.page.keyboard.press("5")
    await theatre.reaches(length_s / 2 - 1, length_s / 2 + 8)
    left_at = await theatre.plays_on(by=1.2)
    assert left_at > length_s / 2
    await theatre.shows_a_picture()

    before = theatre.session["id"]
    await theatre.starts(lambda: theatre.page.reload())
    assert theatre.session["id"] != before
    assert left_at - 3 <= await theatre.time() <= left_at + 6
    await theatre.shows_a_picture()


def _treatments(session: dict[str, Any]) -> dict[str, str]:
    return {decision["kind"]: decision["treatment"] for decision in session["decisions"]}


def _segments(ledger: Ledger) -> list[str]:
    return [address for address in ledger.requests if address.endswith(".m4s")]


# What the subtitles say now.
_CUES = """() => [...document.querySelector('video').textTracks].filter((track) => track.mode === 'showing')
    .flatMap((track) => [...(track.activeCues ?? [])].map((cue) => cue.text)).join()"""


class TestAFileTheBrowserPlays:
    async def test_is_sent_as_it_is(self, house: Server, page: Page, ledger: Ledger, theatre: Theatre) -> None:
        parts: list[Response] = []
        page.on("response", lambda response: parts.append(response) if response.url.endswith("/file") else None)
        session = await theatre.open(f"/watch/movie/{await house.find('The Glass Mountain')}")
        assert session["mode"] == "direct_play", session["reasons"]
        await _seek_and_reload(theatre, 40)
        assert parts and {part.status for part in parts} == {206}
        assert not [address for address in ledger.requests if ".m3u8" in address]


class TestSoundTheBrowserDoesNotPlay:
    async def test_is_converted_beside_the_untouched_picture(
        self, house: Server, page: Page, ledger: Ledger, theatre: Theatre
    ) -> None:
        await narrow(page, **PLAIN)
        session = await theatre.open(f"/watch/movie/{await house.find('Night Train to Trieste')}")
        assert session["mode"] == "remux", session["reasons"]
        assert _treatments(session) == {"video": "copy", "audio": "transcode"}
        await _seek_and_reload(theatre, 40)
        assert len(_segments(ledger)) > 3

        await page.keyboard.press("i")
        why = page.get_by_role("complementary", name="How this is played")
        await expect(why.get_by_role("heading", name="Repackaged")).to_be_visible()
        await expect(why).to_contain_text("AC-3")


class TestAPictureTheBrowserDoesNotPlay:
    async def test_is_converted(self, house: Server, page: Page, ledger: Ledger, theatre: Theatre) -> None:
        await narrow(page, **PLAIN)
        session = await theatre.open(f"/watch/movie/{await house.find('Aurora')}")
        assert session["mode"] == "transcode", session["reasons"]
        assert _treatments(session)["video"] == "transcode"
        await _seek_and_reload(theatre, 30)
        assert len(_segments(ledger)) > 3


class TestChoices:
    @pytest.fixture
    async def night_train(self, house: Server, page: Page, theatre: Theatre) -> Theatre:
        await narrow(page, **PLAIN)
        await theatre.open(f"/watch/movie/{await house.find('Night Train to Trieste')}")
        return theatre

    async def test_another_sound_goes_on_where_the_film_is(
        self, page: Page, ledger: Ledger, night_train: Theatre
    ) -> None:
        session = night_train.session
        english, german = session["audio"]
        assert english["selected"] and german["label"].startswith("Deutsch")
        ledger.requests.clear()
        begun = await night_train.time()
        async with page.expect_request(lambda request: request.url.endswith(".m4s")):
            await night_train.choose("Sound", "Deutsch")
        assert begun <= await night_train.plays_on() < begun + 10
        await night_train.is_chosen("Sound", "Deutsch")
        assert "/api/playback/sessions" not in ledger.requests

    async def test_another_quality_goes_on_where_the_film_is(self, page: Page, night_train: Theatre) -> None:
        await page.keyboard.press("3")
        await night_train.reaches(11, 18)
        begun = await night_train.time()
        quality = next(one for one in night_train.session["qualities"] if one["profile"] not in ("auto", "native"))
        await night_train.starts(lambda: night_train.choose("Quality", quality["label"]))
        assert night_train.session["mode"] == "transcode"
        assert begun - 2 <= await night_train.time() <= begun + 8
        await night_train.is_chosen("Quality", quality["label"])
        await night_train.shows_a_picture()

    async def test_subtitles_appear_and_go(self, house: Server, page: Page, theatre: Theatre) -> None:
        await narrow(page, **PLAIN)
        await theatre.open(f"/watch/movie/{await house.find('Aurora')}")

        async def subtitles(words: str) -> None:
            async def are_shown() -> bool:
                shown = await page.evaluate(_CUES)
                return words in shown if words else not shown

            await until(are_shown, f"the subtitles say {words!r}")

        await page.keyboard.press("Space")
        await page.keyboard.press("6")
        await theatre.choose("Subtitles", "English")
        await subtitles("It makes no sound at all.")
        await theatre.choose("Subtitles", "Deutsch")
        await subtitles("Es macht kein Geräusch.")
        await page.keyboard.press("c")
        await subtitles("")
        await theatre.is_chosen("Subtitles", "Off")

    async def test_styled_subtitles_come_in_the_picture(
        self, house: Server, page: Page, ledger: Ledger, theatre: Theatre
    ) -> None:
        def may_have_to_wait(request: Request) -> None:
            # On a busy machine players are told to ask again for what has no encoder yet.
            if request.url.endswith(".m4s"):
                ledger.expect(503, request.url.removeprefix(ledger.origin))

        page.on("request", may_have_to_wait)
        await theatre.open(f"/watch/movie/{await house.find('Aurora')}")
        await theatre.starts(lambda: theatre.choose("Subtitles", "as styled"))
        assert _treatments(theatre.session)["subtitle"] == "burn_in"
        await theatre.is_chosen("Subtitles", "as styled")
        assert await page.evaluate(_CUES) == ""
        await theatre.starts(lambda: theatre.choose("Subtitles", "Off"))
        assert "burn_in" not in _treatments(theatre.session).values()


class TestKeys:
    async def test_hold_wind_and_quieten(self, house: Server, page: Page, theatre: Theatre) -> None:
        await theatre.open(f"/watch/movie/{await house.find('The Glass Mountain')}")
        await page.keyboard.press("Space")
        await theatre.comes_to("paused", True)
        held = await theatre.time()
        await page.keyboard.press("ArrowRight")
        await theatre.reaches(held + 4.5, held + 5.5)
        await page.keyboard.press("ArrowLeft")
        await theatre.reaches(max(0, held - 0.5), held + 0.5)
        for key, now in (("m", True), ("m", False)):
            await page.keyboard.press(key)
            await theatre.comes_to("muted", now)
        await page.keyboard.press("ArrowDown")
        await theatre.comes_to("volume", 0.95)
        await page.keyboard.press("k")
        await theatre.plays_on()

    async def test_escape_leaves_and_keeps_the_place(self, house: Server, page: Page, theatre: Theatre) -> None:
        film = await house.find("The Glass Mountain")
        await page.goto(f"/film/{film}")
        await theatre.starts(lambda: page.get_by_role("link", name="Play").click())
        await page.keyboard.press("5")
        await theatre.reaches(20, 25)
        await page.keyboard.press("Escape")
        await expect(page).to_have_url(f"{house.url}/film/{film}")
        await expect(page.get_by_role("link", name="Resume")).to_be_visible()


async def _never_answered(route: Route) -> None:
    """Leaves a request open until the page does not want it any more."""


class TestSeries:
    async def test_the_next_episode_follows_by_itself(self, house: Server, page: Page, theatre: Theatre) -> None:
        await narrow(page, **PLAIN)
        await page.goto("/")
        await page.get_by_role("link", name="Harbour Lights").first.click()
        await theatre.starts(lambda: page.get_by_role("link", name="Play S1 E1").click())
        await expect(page.locator("h1 + p")).to_have_text("S1 E1 · The First Ferry")
        await page.keyboard.press("9")
        card = page.get_by_role("region", name="Next episode")
        await expect(card).to_contain_text("Low Water")
        async with page.expect_response(lambda reply: reply.url.endswith("/api/playback/sessions"), timeout=60_000):
            await expect(page.locator("h1 + p")).to_have_text("S1 E2 · Low Water", timeout=60_000)
        await theatre.plays_on()
        # An episode lasts 30 s: it must not be over before it is left.
        await page.keyboard.press("Space")
        await theatre.comes_to("paused", True)
        assert await theatre.time() < 25

        # The third is left before it begins: of one that has begun a position is kept, and it is the one to go on with.
        await page.route("**/api/playback/sessions", _never_answered)
        await page.keyboard.press("n")
        await expect(page.locator("h1 + p")).to_have_text("S1 E3 · A Letter from Ostend")
        await page.keyboard.press("Escape")
        await page.goto("/")
        hero = page.get_by_role("region", name="Harbour Lights")
        await expect(hero).to_contain_text("S1 · E2 · Low Water")
        assert (await hero.inner_text()).count("Low Water") == 1


class TestExtras:
    async def test_a_trailer_plays_and_says_nothing_of_the_film(
        self, house: Server, page: Page, ledger: Ledger, theatre: Theatre
    ) -> None:
        film = await house.find("Kite")
        await page.goto(f"/film/{film}")
        extras = page.get_by_role("region", name="Extras")
        session = await theatre.starts(lambda: extras.get_by_role("link").click())
        assert session["file_id"] == int(page.url.partition("extra=")[2])
        await page.keyboard.press("Space")
        await page.keyboard.press("Escape")
        await expect(page).to_have_url(f"{house.url}/film/{film}")
        await expect(page.get_by_role("link", name="Play", exact=True)).to_be_visible()
        assert not [address for address in ledger.requests if address.startswith("/api/progress/movie")]
