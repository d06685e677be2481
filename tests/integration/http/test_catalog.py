"""Lists of films and series, and correcting what is known of them."""

from __future__ import annotations

import pytest

from odeion.domain.identity.users import Role
from tests.harness import Client, Harness, Shelf


@pytest.fixture
async def admin(harness: Harness, shelf: Shelf) -> Client:
    client = await harness.user()
    for name in ("The Matrix (1999)", "Amélie (2001)", "WALL·E (2008)", "Alien (1979)", "Zodiac (2007)"):
        shelf.put(f"{name}.mp4")
    await harness.library(client, shelf.root)
    return client


async def titles(client: Client, query: str = "") -> list[str]:
    return [item["title"] for item in (await client.get(f"/api/movies?{query}")).json["items"]]


class TestLists:
    async def test_stand_as_on_a_shelf(self, admin: Client) -> None:
        assert await titles(admin) == ["Alien", "Amélie", "The Matrix", "WALL·E", "Zodiac"]
        assert (await titles(admin, "order=desc"))[0] == "Zodiac"

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("search=amelie", ["Amélie"]),
            ("search=MATR", ["The Matrix"]),
            ("search=the%20mat", ["The Matrix"]),
            ("search=atrix", []),
            ("search=%25", []),
            ("year_from=2000&year_to=2007", ["Amélie", "Zodiac"]),
            ("sort=year&order=asc&per_page=2", ["Alien", "The Matrix"]),
            ("sort=added_at&order=desc&per_page=100", None),
            ("sort=duration", None),
            ("available=false", []),
            ("library_id=999", []),
            ("genre=Drama", []),
        ],
    )
    async def test_are_filtered_and_sorted(self, admin: Client, query: str, expected: list[str] | None) -> None:
        found = await titles(admin, query)
        assert (found == expected) if expected is not None else (len(found) == 5)

    async def test_come_in_pages(self, admin: Client) -> None:
        page = (await admin.get("/api/movies?page=2&per_page=2")).json
        assert [item["title"] for item in page["items"]] == ["The Matrix", "WALL·E"]
        assert {k: page[k] for k in ("page", "per_page", "total_items", "total_pages")} == {
            "page": 2,
            "per_page": 2,
            "total_items": 5,
            "total_pages": 3,
        }
        assert (await admin.get("/api/movies?page=1000000&per_page=100")).json["items"] == []


class TestEditing:
    async def test_changes_only_what_is_given_and_keeps_it(self, harness: Harness, shelf: Shelf, admin: Client) -> None:
        (movie,) = (await admin.get("/api/movies?search=zodiac")).json["items"]
        path = f"/api/movies/{movie['id']}/metadata"
        changed = await admin.put(path, {"title": "A Zodiac", "genres": ["Crime"], "overview": "<b>Who?</b>"})
        assert changed.status == 200
        assert (changed.json["title"], changed.json["sort_title"], changed.json["year"]) == ("A Zodiac", "zodiac", 2007)
        assert changed.json["locked_fields"] == ["genres", "overview", "sort_title", "title"]
        (shelf.root / "Zodiac (2007).mp4").rename(shelf.root / "Zodiac (2008).mp4")
        await harness.scan(admin, movie["library_id"])
        found = (await admin.get(f"/api/movies/{movie['id']}")).json
        assert (found["title"], found["genres"], found["year"]) == ("A Zodiac", ["Crime"], 2008)
        assert await titles(admin, "genre=Crime") == ["A Zodiac"]

    @pytest.mark.parametrize(
        "body",
        [{"title": ""}, {"title": None}, {"genres": None}, {"year": 1}, {"colour": "red"}, {"title": "x" * 501}],
    )
    async def test_refuses_what_cannot_be(self, admin: Client, body: object) -> None:
        (movie,) = (await admin.get("/api/movies?search=zodiac")).json["items"]
        assert (await admin.put(f"/api/movies/{movie['id']}/metadata", body)).status == 422

    async def test_is_for_administrators(self, harness: Harness, admin: Client) -> None:
        (movie,) = (await admin.get("/api/movies?search=zodiac")).json["items"]
        for role in (Role.VIEWER, Role.CURATOR, Role.MODERATOR):
            reply = await (await harness.user(role)).put(f"/api/movies/{movie['id']}/metadata", {"title": "x"})
            assert reply.status == 403

    async def test_of_an_unknown_one_is_not_found(self, admin: Client) -> None:
        assert (await admin.put("/api/movies/999/metadata", {"title": "x"})).status == 404
        assert (await admin.put("/api/series/999/metadata", {"title": "x"})).status == 404
