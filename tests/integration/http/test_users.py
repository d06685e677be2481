"""Everybody's accounts: listing, changing and deleting them, and never losing the last administrator."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import func, select, update

from odeion.adapters.postgres.tables.identity import api_keys, invites, login_sessions, security_events, users
from odeion.application.identity.caller import Caller
from odeion.application.shared.viewer import Viewer
from odeion.domain.identity.users import Role
from odeion.domain.shared.errors import Conflict
from odeion.domain.shared.ids import UserId
from tests.harness import Client, Harness, Shelf

NEW = "battery staple"
CALLER = Caller(user_agent="test", address="127.0.0.1")


async def names(admin: Client, query: str) -> list[str]:
    reply = await admin.get(f"/api/users{query}")
    assert reply.status == 200, reply.json
    return [entry["username"] for entry in reply.json["items"]]


async def patch(admin: Client, client: Client, **changes: Any) -> Any:
    reply = await admin.patch(f"/api/users/{client.user['id']}", changes)
    assert reply.status == 200, reply.json
    return reply.json


async def status_of(client: Client) -> int:
    return (await client.get("/api/users/me")).status


async def count(harness: Harness, table: Any, *where: Any) -> int:
    async with harness.engine.connect() as connection:
        found: int = (await connection.execute(select(func.count()).select_from(table).where(*where))).scalar_one()
    return found


class TestList:
    async def test_shows_accounts_with_role_lock_and_last_use(self, harness: Harness) -> None:
        admin = await harness.user(Role.ADMIN, "ada")
        await harness.user(Role.VIEWER, "theo")
        page = (await admin.get("/api/users")).json
        assert (page["total_items"], page["page"], page["per_page"]) == (2, 1, 20)
        theo = page["items"][1]
        assert (theo["username"], theo["role"], theo["locked"], theo["active_sessions"]) == ("theo", "viewer", False, 1)
        assert theo["last_seen_at"] and theo["permissions"]["downloads"] is True
        assert not {"password", "password_hash"} & set(theo)

    async def test_finds_sorts_and_pages(self, harness: Harness) -> None:
        admin = await harness.user(Role.ADMIN, "ada")
        for role, name in ((Role.VIEWER, "bo_1"), (Role.MODERATOR, "bo21"), (Role.VIEWER, "Cleo")):
            await harness.user(role, name)
        async with harness.engine.begin() as connection:
            await connection.execute(update(users).where(users.c.username == "bo21").values(is_locked=True))
            await connection.execute(update(users).where(users.c.username == "Cleo").values(display_name="Bobby"))
        assert await names(admin, "?search=BO") == ["bo21", "bo_1", "Cleo"]
        assert await names(admin, "?search=o_1") == ["bo_1"]
        assert await names(admin, "?search=%25") == []
        assert await names(admin, "?role=viewer") == ["bo_1", "Cleo"]
        assert await names(admin, "?locked=true") == ["bo21"]
        assert await names(admin, "?sort=created_at&order=desc") == ["Cleo", "bo21", "bo_1", "ada"]
        assert await names(admin, "?per_page=3&page=2") == ["Cleo"]

    async def test_each_has_a_page_of_its_own(self, harness: Harness) -> None:
        admin = await harness.user(Role.ADMIN, "ada")
        await harness.user(Role.VIEWER, "theo")
        theo = (await admin.get("/api/users")).json["items"][1]
        assert (await admin.get(f"/api/users/{theo['id']}")).json == theo
        assert (await admin.get("/api/users/999999")).status == 404

    @pytest.mark.parametrize(
        "query", ["sort=password_hash", "role=owner", "locked=maybe", "per_page=101", "search=%00"]
    )
    async def test_refuses_bad_input(self, harness: Harness, query: str) -> None:
        assert (await (await harness.user()).get(f"/api/users?{query}")).status == 422


class TestChange:
    async def test_a_new_role_ends_the_sessions_and_holds_from_then_on(self, harness: Harness) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER, "theo")
        assert (await patch(admin, client, role="moderator"))["role"] == "moderator"
        assert await status_of(client) == 401
        assert (await (await harness.sign_in("theo")).get("/api/users/invites")).status == 200

    async def test_a_lock_closes_every_way_in_until_it_is_lifted(self, harness: Harness) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER, "theo")
        await patch(admin, client, permissions={"api_keys": True})
        key = (await client.post("/api/account/api-keys", {"name": "x", "scopes": ["account"]})).json["key"]
        code = (await client.post("/api/auth/device-code")).json["code"]
        assert (await patch(admin, client, locked=True))["locked"] is True
        assert await status_of(client) == 401
        assert await status_of(Client(harness.app.test_client(), token=key)) == 401
        assert (await harness.anonymous().post("/api/auth/device-login", {"code": code})).status == 403
        login = {"username": "theo", "password": "correct horse battery"}
        assert (await harness.anonymous().post("/api/auth/login", login)).status == 403
        refresh = {"Authorization": f"Bearer {client.refresh_token}"}
        assert (await harness.anonymous().post("/api/auth/refresh", headers=refresh)).status in (401, 403)
        await patch(admin, client, locked=False)
        assert await status_of(client) == 401
        assert (await harness.sign_in("theo")).token

    async def test_a_new_password_ends_the_sessions(self, harness: Harness) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER, "theo")
        await patch(admin, client, password=NEW)
        assert await status_of(client) == 401
        assert (await harness.sign_in("theo", NEW)).token

    async def test_permissions_hold_from_the_next_request_on(self, harness: Harness) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER)
        key = {"name": "x", "scopes": ["catalog"]}
        assert (await client.post("/api/account/api-keys", key)).status == 403
        changed = await patch(admin, client, permissions={"api_keys": True, "max_rating_age": 12, "max_streams": 2})
        assert (await client.post("/api/account/api-keys", key)).status == 201
        assert (await client.get("/api/users/me")).json["permissions"] == changed["permissions"]
        kept = (await patch(admin, client, permissions={"max_rating_age": None}))["permissions"]
        assert (kept["max_rating_age"], kept["max_streams"], kept["api_keys"]) == (None, 2, True)

    async def test_libraries_must_be_there(self, harness: Harness, shelf: Shelf) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER)
        shelf.put("Film (2001).mp4")
        library_id = await harness.library(admin, shelf.root)
        changed = await patch(admin, client, permissions={"library_ids": [library_id]})
        assert changed["permissions"]["library_ids"] == [library_id]
        refused = await admin.patch(f"/api/users/{client.user['id']}", {"permissions": {"library_ids": [999999]}})
        assert refused.status == 422
        assert refused.json["error"]["fields"][0]["field"] == "body.permissions.library_ids"
        assert (await patch(admin, client, permissions={"library_ids": []}))["permissions"]["library_ids"] == []
        assert (await client.get("/api/libraries")).json["items"] == []

    async def test_a_new_name_signs_in_and_the_old_one_does_not(self, harness: Harness) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER, "theo")
        assert (await patch(admin, client, username="theodora"))["username"] == "theodora"
        assert await status_of(client) == 200
        assert (await harness.sign_in("theodora")).token
        old = {"username": "theo", "password": "correct horse battery"}
        assert (await harness.anonymous().post("/api/auth/login", old)).status == 401

    async def test_a_name_in_use_is_refused_and_nothing_is_changed(self, harness: Harness) -> None:
        admin, client = await harness.user(Role.ADMIN, "ada"), await harness.user(Role.VIEWER, "theo")
        refused = await admin.patch(f"/api/users/{client.user['id']}", {"username": "ADA", "role": "admin"})
        assert (refused.status, refused.json["error"]["code"]) == (409, "conflict")
        assert (await client.get("/api/users/me")).json["role"] == "viewer"

    async def test_nothing_given_changes_nothing(self, harness: Harness) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER)
        before = (await client.get("/api/users/me")).json
        await patch(admin, client)
        await patch(admin, client, permissions={})
        assert (await client.get("/api/users/me")).json == before

    @pytest.mark.parametrize(
        "body",
        [
            {"role": "owner"},
            {"role": None},
            {"locked": None},
            {"locked": "perhaps"},
            {"password": "short"},
            {"password": "x" * 257},
            {"password": None},
            {"username": "a b"},
            {"username": ""},
            {"permissions": None},
            {"permissions": {"downloads": None}},
            {"permissions": {"fly": True}},
            {"permissions": {"max_streams": 0}},
            {"permissions": {"max_rating_age": 22}},
            {"permissions": {"library_ids": ["x"]}},
            {"permissions": {"library_ids": [0]}},
            {"is_admin": True},
        ],
    )
    async def test_refuses_bad_input(self, harness: Harness, body: Any) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER)
        refused = await admin.patch(f"/api/users/{client.user['id']}", body)
        assert (refused.status, refused.json["error"]["code"]) == (422, "validation_error")
        assert await status_of(client) == 200

    async def test_nobody_is_not_found(self, harness: Harness) -> None:
        assert (await (await harness.user()).patch("/api/users/999999", {"locked": True})).status == 404

    @pytest.mark.parametrize("body", [{"role": "viewer"}, {"locked": True}, {"password": NEW}])
    async def test_refuses_ones_own_role_lock_and_password(self, harness: Harness, body: Any) -> None:
        admin = await harness.user()
        await harness.user()
        refused = await admin.patch(f"/api/users/{admin.user['id']}", body)
        assert (refused.status, refused.json["error"]["code"]) == (403, "forbidden")
        assert await status_of(admin) == 200


class TestDelete:
    async def test_takes_what_was_theirs_and_leaves_the_trail(self, harness: Harness) -> None:
        admin, client = await harness.user(), await harness.user(Role.ADMIN, "theo")
        await client.post("/api/account/api-keys", {"name": "x", "scopes": ["catalog"]})
        await client.post("/api/users/invite", {})
        user_id = client.user["id"]
        assert (await admin.delete(f"/api/users/{user_id}")).status == 204
        assert await status_of(client) == 401
        for table, owner in ((login_sessions, "user_id"), (api_keys, "user_id"), (invites, "created_by")):
            assert await count(harness, table, table.c[owner] == user_id) == 0
        assert await count(harness, security_events, security_events.c.username == "theo") >= 3
        assert (await admin.delete(f"/api/users/{user_id}")).status == 404

    async def test_refuses_oneself(self, harness: Harness) -> None:
        admin = await harness.user()
        await harness.user()
        assert (await admin.delete(f"/api/users/{admin.user['id']}")).status == 403
        assert await status_of(admin) == 200


class TestLastAdministrator:
    """Two administrators who take each other's rights in the same moment: one of them stays."""

    @pytest.mark.parametrize("way", ["demote", "lock", "delete", "each in its own way"])
    async def test_stays(self, harness: Harness, way: str) -> None:
        administration = harness.container.use_cases().users
        first, second = (await harness.user()).user["id"], (await harness.user()).user["id"]

        def strike(by: int, target: int, how: str) -> Any:
            viewer = Viewer(UserId(by), Role.ADMIN)
            match how:
                case "demote":
                    return administration.change(viewer, UserId(target), CALLER, role=Role.VIEWER)
                case "lock":
                    return administration.change(viewer, UserId(target), CALLER, locked=True)
            return administration.delete(viewer, UserId(target), CALLER)

        ways = ("lock", "delete") if way == "each in its own way" else (way, way)
        results = await asyncio.gather(
            strike(first, second, ways[0]), strike(second, first, ways[1]), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == ["Conflict", "NoneType"], results
        refused = next(result for result in results if isinstance(result, Conflict))
        assert refused.message == "this is the last administrator"
        assert await count(harness, users, users.c.role == "admin", users.c.is_locked.is_(False)) == 1

    async def test_a_locked_one_does_not_count(self, harness: Harness) -> None:
        first, second = await harness.user(), await harness.user()
        await patch(first, second, locked=True)
        administration = harness.container.use_cases().users
        with pytest.raises(Conflict):
            await administration.delete(Viewer(UserId(second.user["id"]), Role.ADMIN), UserId(first.user["id"]), CALLER)


class TestActivity:
    async def test_shows_history_and_what_is_in_progress(self, harness: Harness, shelf: Shelf) -> None:
        admin, client = await harness.user(), await harness.user(Role.VIEWER)
        for title in ("One", "Two", "Three"):
            shelf.put(f"{title} (2001).mp4")
        await harness.library(admin, shelf.root)
        for position, movie in enumerate((await client.get("/api/movies")).json["items"]):
            body = {"position_ms": 600_000, "duration_ms": 6_000_000, "completed": position == 0}
            assert (await client.put(f"/api/progress/movie/{movie['id']}", body)).status == 200
        # What was watched stays in the history when the person may see it no longer.
        await patch(admin, client, permissions={"library_ids": []})
        assert (await client.get("/api/progress/all")).json["total_items"] == 0
        activity = (await admin.get(f"/api/admin/users/{client.user['id']}/activity?per_page=2")).json
        assert (activity["history"]["total_items"], len(activity["history"]["items"])) == (3, 2)
        assert [entry["kind"] for entry in activity["in_progress"]] == ["resume", "resume"]
        assert (await admin.get(f"/api/admin/users/{admin.user['id']}/activity")).json["history"]["items"] == []

    async def test_nobody_is_not_found(self, harness: Harness) -> None:
        assert (await (await harness.user()).get("/api/admin/users/999999/activity")).status == 404
