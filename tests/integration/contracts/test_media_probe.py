"""What every MediaProbe does, the real one and the one that tests use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from odeion.adapters.memory.media_probe import InMemoryMediaProbe
from odeion.adapters.pyav.probe import PyAvMediaProbe
from odeion.application.libraries.ports import MediaProbe, ProbeRefusal
from odeion.domain.media_file import TechnicalInfo
from tests.media import make_sample


class Harness(ABC):
    """A probe and the files it may be asked for."""

    probe: MediaProbe

    @abstractmethod
    def film(self, name: str) -> str:
        """The path of a file that is a film."""

    @abstractmethod
    def text(self, name: str) -> str:
        """The path of a file that is none, whatever its name says."""


class InMemory(Harness):
    def __init__(self, folder: Path) -> None:
        self.probe = self._probe = InMemoryMediaProbe()

    def film(self, name: str) -> str:
        return f"/films/{name}"

    def text(self, name: str) -> str:
        path = f"/films/{name}"
        self._probe.script(path, ProbeRefusal("not_media", "the content is no video format"))
        return path


class PyAv(Harness):
    def __init__(self, folder: Path) -> None:
        self.probe = PyAvMediaProbe(workers=2, time_limit_s=20)
        self._folder = folder

    def film(self, name: str) -> str:
        return str(make_sample("h264-aac.mp4", self._folder).rename(self._folder / name))

    def text(self, name: str) -> str:
        path = self._folder / name
        path.write_text("This is no film.")
        return str(path)


@pytest.fixture(params=[InMemory, PyAv])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Harness:
    made: Harness = request.param(tmp_path)
    return made


class TestMediaProbe:
    async def test_answers_every_path_once(self, harness: Harness) -> None:
        films = [harness.film(f"{number}.mp4") for number in range(5)]
        texts = [harness.text(f"text-{number}.mkv") for number in range(5)]
        async with harness.probe.session() as session:
            results = [result async for result in session.probe_all([*films, *texts])]
        assert sorted(path for path, _ in results) == sorted([*films, *texts])
        assert {path for path, result in results if isinstance(result, TechnicalInfo)} == set(films)
        assert {result.code for _, result in results if isinstance(result, ProbeRefusal)} == {"not_media"}

    async def test_a_film_has_a_picture_a_length_and_a_container(self, harness: Harness) -> None:
        async with harness.probe.session() as session:
            ((_, info),) = [result async for result in session.probe_all([harness.film("film.mp4")])]
        assert isinstance(info, TechnicalInfo)
        assert info.video[0].width > 0
        assert info.duration_ms > 0
        assert info.container == "mov,mp4,m4a,3gp,3g2,mj2"

    async def test_a_refusal_says_why(self, harness: Harness) -> None:
        async with harness.probe.session() as session:
            ((_, refusal),) = [result async for result in session.probe_all([harness.text("film.mkv")])]
        assert refusal == ProbeRefusal("not_media", "the content is no video format")

    async def test_nothing_to_probe_gives_nothing(self, harness: Harness) -> None:
        async with harness.probe.session() as session:
            assert [result async for result in session.probe_all([])] == []

    async def test_a_session_probes_again_and_again(self, harness: Harness) -> None:
        film = harness.film("film.mp4")
        async with harness.probe.session() as session:
            for _ in range(3):
                assert [path async for path, _ in session.probe_all([film])] == [film]

    async def test_a_probe_has_more_than_one_session(self, harness: Harness) -> None:
        film = harness.film("film.mp4")
        for _ in range(2):
            async with harness.probe.session() as session:
                assert [path async for path, _ in session.probe_all([film])] == [film]

    async def test_leaving_early_harms_nothing(self, harness: Harness) -> None:
        films = [harness.film(f"{number}.mp4") for number in range(8)]
        async with harness.probe.session() as session:
            async for _ in session.probe_all(films):
                break
            assert len([path async for path, _ in session.probe_all(films)]) == 8

    async def test_paths_that_are_no_utf8(self, harness: Harness) -> None:
        film = harness.film(b"Am\xe9lie.mp4".decode("utf-8", "surrogateescape"))
        async with harness.probe.session() as session:
            ((path, info),) = [result async for result in session.probe_all([film])]
        assert path == film
        assert isinstance(info, TechnicalInfo)
