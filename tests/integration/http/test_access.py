"""Who may call what: every route by every kind of caller, held against the table of what was decided.

`access.txt` is that table, written by people: a route that is not in it, or declared otherwise than it says, fails."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import update

from odeion.adapters.postgres.tables.identity import users
from odeion.application.identity.caller import Caller
from odeion.application.identity.sign_in import open_session
from odeion.application.shared.signed_files import FileKind
from odeion.domain.identity.api_keys import Scope
from odeion.domain.identity.users import Permissions, Role
from odeion.domain.shared.ids import UserId
from odeion.entrypoints.http.access import Access
from odeion.entrypoints.http.app import AREAS
from odeion.entrypoints.http.endpoint import Endpoint
from tests.harness import Client, Harness, Servers, open_harness

ENDPOINTS = [endpoint for area in AREAS for endpoint in area.endpoints]
TABLE = Path(__file__).with_name("access.txt")


@dataclass(frozen=True)
class Rule:
    """A line of the table. `scope` is None where no API key gets."""

    access: Access
    scope: Scope | None


def rules() -> dict[tuple[str, str], Rule]:
    found = {}
    for line in TABLE.read_text().splitlines():
        if line and not line.startswith("#"):
            method, path, access, scope = line.split()
            found[method, path] = Rule(Access(access), None if scope == "-" else Scope(scope))
    return found


def test_routes_are_declared_as_decided() -> None:
    declared = {(e.method, e.path): Rule(e.access, e.scope) for e in ENDPOINTS}
    assert declared == rules()


@dataclass(frozen=True)
class Identity:
    """A kind of caller. `role` is what they may act as, None where nothing lets them in; `scope` that of their key."""

    name: str
    role: Role | None
    scope: Scope | None = None
    has_key: bool = False


IDENTITIES = [
    Identity("anonymous", None),
    *(Identity(role.value, role) for role in Role),
    *(Identity(name, None) for name in ("locked", "revoked session", "expired", "forged")),
    *(Identity(name, None) for name in ("refresh token", "file token")),
    *(Identity(f"admin's key: {scope}", Role.ADMIN, scope, True) for scope in Scope),
    *(Identity(f"viewer's key: {scope}", Role.VIEWER, scope, True) for scope in Scope),
    Identity("unknown key", None),
    Identity("key without permission", None),
    Identity("key of a locked user", None),
    Identity("revoked key", None),
]


# Routes for anybody, or for whoever has the key in their path or the token in their query.
_ASKING_NOBODY = (Access.PUBLIC, Access.STREAM, Access.SIGNED)


def expected(rule: Rule, identity: Identity) -> int | None:
    """The status access alone decides; None where the request gets past it."""
    if rule.access in _ASKING_NOBODY:
        return None
    if rule.access is Access.REFRESH:
        return None if identity.name == "refresh token" else 401
    if identity.role is None:
        return 401
    if identity.has_key and (rule.scope is None or identity.scope is not rule.scope):
        return 403
    if rule.access is Access.TOKEN:
        return None
    assert rule.access.role is not None
    return None if identity.role.includes(rule.access.role) else 403


class Callers:
    """Makes a client of each kind, with a fresh session for each call: some operations end the session they are
    called with."""

    def __init__(self, harness: Harness) -> None:
        self._harness = harness
        self._keys: dict[str, str] = {}
        self._ids: dict[str, int] = {}

    async def prepare(self) -> None:
        for role in Role:
            self._ids[role.value] = (await self._harness.user(role)).user["id"]
        for owner, role in (("admin", Role.ADMIN), ("viewer", Role.VIEWER)):
            client = await self._harness.user(role, permissions=Permissions(api_keys=True))
            for scope in Scope:
                self._keys[f"{owner}'s key: {scope}"] = await self._key(client, scope)
        self._keys["unknown key"] = "odn_" + "a" * 52
        outcast = await self._harness.user(Role.VIEWER, permissions=Permissions(api_keys=True))
        self._keys["key without permission"] = await self._key(outcast, *Scope)
        await self._harness.permit(outcast, Permissions(api_keys=False))
        locked = await self._harness.user(Role.ADMIN, "locked")
        self._ids["locked"] = locked.user["id"]
        self._keys["key of a locked user"] = await self._key(locked, *Scope)
        async with self._harness.engine.begin() as connection:
            await connection.execute(update(users).where(users.c.username == "locked").values(is_locked=True))
        careful = await self._harness.user()
        self._keys["revoked key"] = await self._key(careful, *Scope)
        for key in (await careful.get("/api/account/api-keys")).json["items"]:
            assert (await careful.delete(f"/api/account/api-keys/{key['id']}")).status == 204

    async def client(self, identity: Identity) -> Client:
        client = self._harness.anonymous()
        if identity.name != "anonymous":
            client.token = self._keys.get(identity.name) or await self._token(identity.name)
        return client

    async def _key(self, client: Client, *scopes: Scope) -> str:
        reply = await client.post("/api/account/api-keys", {"name": "Script", "scopes": list(scopes)})
        assert reply.status == 201
        key: str = reply.json["key"]
        return key

    async def _token(self, name: str) -> str:
        container = self._harness.container
        caller, now = Caller(user_agent="test", address="127.0.0.1"), container.clock().now()
        async with container.uow()() as tx:
            user = await tx.users.get(UserId(self._ids.get(name, self._ids["admin"])))
            session = await open_session(
                tx, user, caller, tokens=container.tokens(), secrets=container.secrets(), at=now
            )
            await tx.commit()
        claims = container.tokens().read(session.token, at=container.clock().now())
        match name:
            case "refresh token":
                token: str = session.refresh_token
                return token
            case "file token":
                signer = container.file_signer()
                viewer = await container.viewers().find_user(claims.user_id)
                assert viewer is not None
                url = signer.sign(viewer, FileKind.MEDIA, "movie:1:1", file_name="Film.mkv", size_bytes=None).url
                return str(url.partition("token=")[2])
            case "forged":
                return session.token[:-4] + ("AAAA" if session.token[-4:] != "AAAA" else "BBBB")
            case "expired":
                past = container.clock().now().replace(year=2020)
                token = container.tokens().issue(claims, at=past, expires_at=past)
                return token
            case "revoked session":
                reply = await Client(self._harness.app.test_client(), token=session.token).post("/api/auth/sign-out")
                assert reply.status == 204
        return session.token


@pytest.fixture(scope="module")
async def matrix(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Harness]:
    async with open_harness(servers, Path(tmp_path_factory.mktemp("matrix"))) as opened:
        yield opened


@pytest.fixture(scope="module")
async def callers(matrix: Harness) -> Callers:
    made = Callers(matrix)
    await made.prepare()
    return made


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.path}")
async def test_access(endpoint: Endpoint, callers: Callers) -> None:
    rule = rules()[endpoint.method, endpoint.path]
    path = re.sub(r"\{\w+\}", "999999", endpoint.path.replace("{type}", "movie"))
    found: dict[str, int | None] = {}
    wanted: dict[str, int | None] = {}
    for identity in IDENTITIES:
        status = expected(rule, identity)
        if endpoint.access is Access.TOKEN and status is None:
            # An open stream never ends; its own test reads from it.
            continue
        reply = await (await callers.client(identity)).call(endpoint.method, path)
        assert reply.status < 500 or reply.status == 503, identity.name
        if reply.status in (401, 403) and rule.access not in _ASKING_NOBODY:
            assert reply.json["error"]["code"] == {401: "unauthorized", 403: "forbidden"}[reply.status]
            found[identity.name] = reply.status
        else:
            found[identity.name] = None
        wanted[identity.name] = status
    assert found == wanted


@pytest.mark.parametrize(
    "path",
    ["/api//movies", "/api/movies/", "//api/movies", "/API/movies", "/api/%6dovies/../movies", "/api/setup/../movies"],
)
async def test_no_spelling_of_a_path_gets_around_access(path: str, matrix: Harness) -> None:
    reply = await matrix.anonymous().get(path)
    assert reply.status in (401, 404)
    assert "error" in reply.json
