"""What the engine makes, in hls.js and Chromium."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from tests.integration.web.conformance import CONVERTED, COPIED, LADDER, switches_rungs, switches_sound
from tests.integration.web.screening import screening, start_session
from tests.integration.web.server import Server


class TestCopiedPictures:
    @pytest.mark.parametrize("title", ["Edit Lists", "Uneven"])
    async def test_play_through_and_after_seeks(self, chromium: Browser, picture_house: Server, title: str) -> None:
        session = await start_session(picture_house, title, COPIED)
        assert session["mode"] == "remux"
        async with screening(chromium, picture_house, session) as screen:
            await screen.seeks(6)
            await screen.plays_through(rate=4)

    async def test_of_open_groups_play_through(self, chromium: Browser, picture_house: Server) -> None:
        session = await start_session(picture_house, "Open Groups", COPIED)
        async with screening(chromium, picture_house, session) as screen:
            await screen.plays_through(rate=4)


class TestConvertedPictures:
    @pytest.mark.parametrize("title", ["Fifty", "Uneven"])
    async def test_play_through_and_after_seeks(self, chromium: Browser, picture_house: Server, title: str) -> None:
        session = await start_session(picture_house, title, CONVERTED)
        assert session["mode"] == "transcode"
        async with screening(chromium, picture_house, session) as screen:
            await screen.seeks(4)
            await screen.plays_through(rate=4)


class TestAnotherSound:
    async def test_comes_without_a_stop(self, chromium: Browser, picture_house: Server) -> None:
        session = await start_session(picture_house, "Surround", COPIED)
        assert [audio["codec"] for audio in session["audio"]] == ["ac3", "eac3"]
        async with screening(chromium, picture_house, session) as screen:
            await screen.seek(2)
            await switches_sound(screen, 4)


class TestAnotherRung:
    async def test_comes_without_a_stop(self, chromium: Browser, picture_house: Server) -> None:
        session = await start_session(picture_house, LADDER, COPIED)
        async with screening(chromium, picture_house, session, maxBufferLength=6) as screen:
            await switches_rungs(screen, 2)
