"""What the engine makes, in hls.js and Chromium."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from playwright.async_api import Route

from tests.integration.web.browser import Theatre
from tests.integration.web.conformance import CONVERTED, COPIED, LADDER, switches_rungs, switches_sound
from tests.integration.web.conftest import Windows
from tests.integration.web.drivers import Tab
from tests.integration.web.screening import screening, start_session
from tests.integration.web.server import Server
from tests.integration.web.waiting import in_real_time, until


class TestCopiedPictures:
    @pytest.mark.parametrize("title", ["Edit Lists", "Uneven", "Mixed Groups"])
    @in_real_time
    async def test_play_through_and_after_seeks(self, tab: Tab, picture_house: Server, title: str) -> None:
        session = await start_session(picture_house, title, COPIED)
        assert session["mode"] == "remux"
        async with screening(tab, picture_house, session) as screen:
            await screen.seeks(6)
            await screen.plays_through(rate=4)

    @in_real_time
    async def test_are_not_copied_where_chromium_cannot_begin_in_them(self, tab: Tab, picture_house: Server) -> None:
        session = await start_session(picture_house, "Open Groups", COPIED)
        assert session["mode"] == "transcode"
        assert "the picture has open groups of pictures, and this client cannot seek in these" in session["reasons"]
        async with screening(tab, picture_house, session) as screen:
            await screen.seeks(6)

    @in_real_time
    async def test_of_open_groups_play_through_all_the_same(self, tab: Tab, picture_house: Server) -> None:
        session = await start_session(picture_house, "Open Groups", COPIED | {"open_groups": True})
        assert session["mode"] == "remux"
        async with screening(tab, picture_house, session) as screen:
            await screen.plays_through(rate=4)


class TestAFilmThatBreaksOff:
    @pytest.mark.parametrize(
        ("title", "mode", "containers"),
        [("Open Groups", "remux", []), ("Open Groups of Mpeg", "direct_play", ["mp4"])],
    )
    async def test_goes_on_converted(
        self, windows: Windows, picture_house: Server, title: str, mode: str, containers: list[str]
    ) -> None:
        """As one that is not indexed yet: the app does not tell what Chromium cannot do, and the server would not know
        that it matters."""
        async with windows(picture_house) as (page, _):
            asked: list[dict[str, Any]] = []

            async def claims_all(route: Route) -> None:
                body = json.loads(route.request.post_data or "{}")
                body["capabilities"] |= {"open_groups": True, "containers": containers}
                asked.append(body)
                await route.continue_(post_data=json.dumps(body))

            await page.route("**/api/playback/sessions", claims_all)
            theatre = Theatre(page)
            session = await theatre.open(f"/watch/movie/{await picture_house.find(title)}")
            assert session["mode"] == mode, session["reasons"]
            await page.evaluate("() => { document.querySelector('video').currentTime = 15; }")
            await until(partial(_is_given_up, asked), "the app gives up the picture as it is")
            await theatre.reaches(14, 20)
            await theatre.plays_on()
            await theatre.shows_a_picture()


async def _is_given_up(asked: list[dict[str, Any]]) -> bool:
    return asked[-1]["capabilities"]["video_codecs"] == []


class TestConvertedPictures:
    @pytest.mark.parametrize("title", ["Fifty", "Uneven"])
    @in_real_time
    async def test_play_through_and_after_seeks(self, tab: Tab, picture_house: Server, title: str) -> None:
        session = await start_session(picture_house, title, CONVERTED)
        assert session["mode"] == "transcode"
        async with screening(tab, picture_house, session) as screen:
            await screen.seeks(4)
            await screen.plays_through(rate=4)


class TestAnotherSound:
    @in_real_time
    async def test_comes_without_a_stop(self, tab: Tab, picture_house: Server) -> None:
        session = await start_session(picture_house, "Surround", COPIED)
        assert [audio["codec"] for audio in session["audio"]] == ["ac3", "eac3"]
        async with screening(tab, picture_house, session) as screen:
            await screen.seek(2)
            await switches_sound(screen, 4)


class TestAnotherRung:
    @in_real_time
    async def test_comes_without_a_stop(self, tab: Tab, picture_house: Server) -> None:
        session = await start_session(picture_house, LADDER, COPIED)
        async with screening(tab, picture_house, session, maxBufferLength=6) as screen:
            await switches_rungs(screen, 2)
