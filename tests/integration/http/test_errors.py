"""Whatever goes wrong, it is told in the envelope."""

from __future__ import annotations

import pytest

from tests.harness import Harness, Reply


def is_told(reply: Reply, status: int, code: str) -> bool:
    error = (reply.json or {}).get("error", {})
    return (reply.status, error.get("code"), bool(error.get("message"))) == (status, code, True)


class TestFrameworkErrors:
    @pytest.mark.parametrize("path", ["/api/nothing", "/api/movies/1/nothing", "/nothing", "/api/movies%00"])
    async def test_no_such_address(self, harness: Harness, path: str) -> None:
        assert is_told(await (await harness.user()).get(path), 404, "not_found")

    @pytest.mark.parametrize(("method", "path"), [("DELETE", "/api/movies"), ("PATCH", "/api/setup")])
    async def test_a_method_it_does_not_know(self, harness: Harness, method: str, path: str) -> None:
        reply = await harness.anonymous().call(method, path)
        assert is_told(reply, 405, "method_not_allowed")
        assert "GET" in reply.headers["allow"]


class TestValues:
    @pytest.mark.parametrize(
        ("path", "field"),
        [
            ("/api/movies/abc", "path.id"),
            ("/api/movies/0", "path.id"),
            ("/api/movies/-1", "path.id"),
            ("/api/movies/99999999999999999999", "path.id"),
            ("/api/movies?page=0", "query.page"),
            ("/api/movies?page=99999999999", "query.page"),
            ("/api/movies?per_page=101", "query.per_page"),
            ("/api/movies?per_page=x", "query.per_page"),
            ("/api/movies?sort=colour", "query.sort"),
            ("/api/movies?watched=maybe", "query.watched"),
            (f"/api/movies?search={'x' * 201}", "query.search"),
            ("/api/series/1/seasons/x", "path.seasonNumber"),
            ("/api/progress/album/1", "path.type"),
            ("/api/progress/all?view=x", "query.view"),
            ("/api/playback/movie/x/info", "path.id"),
        ],
    )
    async def test_are_refused_by_name(self, harness: Harness, path: str, field: str) -> None:
        reply = await (await harness.user()).get(path)
        assert is_told(reply, 422, "validation_error")
        assert [entry["field"] for entry in reply.json["error"]["fields"]] == [field]

    async def test_one_given_twice_is_ambiguous(self, harness: Harness) -> None:
        assert is_told(await (await harness.user()).get("/api/movies?page=1&page=2"), 400, "bad_request")

    async def test_an_unknown_field_of_a_body_is_a_mistake(self, harness: Harness) -> None:
        reply = await (await harness.user()).put("/api/progress/movie/1", {"position_ms": 1, "positon": 2})
        assert is_told(reply, 422, "validation_error")

    @pytest.mark.parametrize(
        ("path", "what"),
        [
            ("/api/movies/999", "movie"),
            ("/api/series/999", "series"),
            ("/api/series/999/seasons/1", "season"),
            ("/api/episodes/999", "episode"),
            ("/api/episodes/999/next", "episode"),
            ("/api/libraries/999", "library"),
            ("/api/libraries/999/scan", "library"),
            ("/api/progress/movie/999", "movie"),
            ("/api/playback/episode/999/info", "episode"),
            ("/api/playback/movie/999/profiles", "movie"),
        ],
    )
    async def test_an_unknown_id_is_not_found(self, harness: Harness, path: str, what: str) -> None:
        reply = await (await harness.user()).get(path)
        assert is_told(reply, 404, "not_found")
        assert what in reply.json["error"]["message"]


async def test_an_unexpected_error_tells_nothing_of_the_inside(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    async def burst() -> None:
        raise RuntimeError("a secret detail")

    harness.app.add_url_rule("/api/burst", "burst", burst, methods=["GET"])
    reply = await harness.anonymous().get("/api/burst")
    assert is_told(reply, 500, "internal_error")
    assert "secret" not in reply.body.decode()


async def test_answers_carry_what_browsers_must_know(harness: Harness) -> None:
    headers = (await harness.anonymous().get("/api/system/version")).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers
