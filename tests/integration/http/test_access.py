"""Who may call what: every route by every kind of caller."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from odeion.adapters.postgres.tables.identity import users
from odeion.domain.identity.users import Role
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.app import AREAS
from odeion.entrypoints.http.endpoint import Endpoint
from tests.harness import Client, Harness, Servers, open_harness

ENDPOINTS = [endpoint for area in AREAS for endpoint in area.endpoints]
CALLERS = ["anonymous", "viewer", "curator", "moderator", "admin", "locked", "revoked", "forged", "api_key", "refresh"]


@pytest.fixture(scope="module")
async def matrix(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Harness]:
    async with open_harness(servers, Path(tmp_path_factory.mktemp("matrix"))) as opened:
        yield opened


@pytest.fixture(scope="module")
async def callers(matrix: Harness) -> dict[str, Client]:
    found = {"anonymous": matrix.anonymous()}
    for role in Role:
        found[role.value] = await matrix.user(role)
    locked = await matrix.user(Role.ADMIN, "locked")
    async with matrix.engine.begin() as connection:
        await connection.execute(update(users).where(users.c.username == "locked").values(is_locked=True))
    revoked = await matrix.user(Role.ADMIN, "revoked")
    await matrix.container.use_cases().sign_in.reset_password("revoked", "another password")
    forged = Client(matrix.app.test_client(), token=(found["admin"].token or "")[:-4] + "AAAA")
    api_key = Client(matrix.app.test_client(), token="odn_" + "a" * 52)
    refresh = Client(matrix.app.test_client(), token=(await matrix.user(Role.ADMIN)).refresh_token)
    return {**found, "locked": locked, "revoked": revoked, "forged": forged, "api_key": api_key, "refresh": refresh}


def expected(endpoint: Endpoint, caller: str) -> int | None:
    """The status access alone decides; None where the request gets past it."""
    if endpoint.access in (Access.PUBLIC, Access.STREAM):
        return None
    if endpoint.access is Access.REFRESH:
        return None if caller == "refresh" else 401
    if caller not in set(Role):
        return 401
    if endpoint.access is Access.TOKEN:
        return None
    required = endpoint.access.role
    assert required is not None
    return None if Role(caller).includes(required) else 403


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
async def test_access(endpoint: Endpoint, caller: str, matrix: Harness, callers: dict[str, Client]) -> None:
    if endpoint.access is Access.TOKEN and expected(endpoint, caller) is None:
        pytest.skip("an open stream never ends; its own test reads from it")
    path = re.sub(r"\{\w+\}", "999999", endpoint.path.replace("{type}", "movie"))
    reply = await callers[caller].call(endpoint.method, path)
    wanted = expected(endpoint, caller)
    if wanted is None:
        if endpoint.access is not Access.PUBLIC and endpoint.access is not Access.STREAM:
            assert reply.status not in (401, 403)
        assert reply.status < 500
    else:
        assert reply.status == wanted
        assert reply.json["error"]["code"] == {401: "unauthorized", 403: "forbidden"}[wanted]


@pytest.mark.parametrize(
    "path",
    ["/api//movies", "/api/movies/", "//api/movies", "/API/movies", "/api/%6dovies/../movies", "/api/setup/../movies"],
)
async def test_no_spelling_of_a_path_gets_around_access(path: str, matrix: Harness) -> None:
    reply = await matrix.anonymous().get(path)
    assert reply.status in (401, 404)
    assert "error" in reply.json
