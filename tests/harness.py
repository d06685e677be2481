"""A whole server in the test's process: real PostgreSQL and Valkey, the real container, no network in between."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from dependency_injector import providers
from quart import Quart
from quart.typing import TestClientProtocol
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from odeion.adapters.memory.transcoding import MemoryEncoderProbe
from odeion.adapters.postgres.migrate import migrate
from odeion.adapters.pyav.probe import PyAvMediaProbe
from odeion.adapters.security.passwords import Argon2PasswordHasher
from odeion.application.identity.ports import PasswordHasher
from odeion.application.libraries.ports import MediaProbe
from odeion.domain.identity.users import Permissions, Role, User
from odeion.domain.task import TaskStatus
from odeion.entrypoints.container import Container, open_container
from odeion.entrypoints.http.app import create_app
from odeion.entrypoints.http.context import AppContext, HttpSettings
from odeion.entrypoints.settings import Settings

SETUP_CODE = "TEST-CODE"
PASSWORD = "correct horse battery"
_TEMPLATE = "odeion_template"
_names = itertools.count(1)


@dataclass(frozen=True)
class Servers:
    """What a test session starts once: the bundled servers, the children that probe files, and what hashes passwords.
    `postgres_url` is of the default database."""

    postgres_url: str
    redis_url: str
    probe: MediaProbe = field(default_factory=lambda: PyAvMediaProbe(workers=2, time_limit_s=60))
    passwords: PasswordHasher = field(default_factory=Argon2PasswordHasher)
    _hashes: dict[str, str] = field(default_factory=dict)

    async def hash_of(self, password: str) -> str:
        """Made once, as that is slow by design: accounts of tests may share it."""
        if password not in self._hashes:
            self._hashes[password] = await self.passwords.hash(password)
        return self._hashes[password]

    def database_url(self, name: str) -> str:
        head, _, rest = self.postgres_url.partition("@/")
        return f"{head}@/{name}?{rest.partition('?')[2]}"

    async def make_template(self) -> None:
        """A migrated database that others are copied from."""
        await self._administer(f"CREATE DATABASE {_TEMPLATE}")
        engine = create_async_engine(self.database_url(_TEMPLATE))
        await migrate(engine)
        await engine.dispose()

    @asynccontextmanager
    async def database(self, template: str | None = _TEMPLATE) -> AsyncIterator[str]:
        """The URL of a fresh database; gone afterwards."""
        name = f"test_{next(_names)}"
        await self._administer(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        try:
            yield self.database_url(name)
        finally:
            # Not by force: that may not end an autovacuum worker. The plain command does, and waits for all others.
            await self._administer(f"DROP DATABASE {name}")

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self.postgres_url.replace("+asyncpg", "", 1))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@dataclass(frozen=True)
class Shelf:
    """A folder of media; every file is a copy of one small clip, and old enough to be at rest."""

    root: Path
    clip: Path

    def put(self, name: str, content: bytes | None = None) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # A few bytes of its own make each file a different one.
        path.write_bytes(self.clip.read_bytes() + name.encode() if content is None else content)
        self.age(path)
        return path

    def age(self, path: Path, seconds: float = 3600) -> None:
        """Make it look as if nobody wrote to it lately."""
        moment = time.time() - seconds
        os.utime(path, (moment, moment))


@dataclass
class Reply:
    status: int
    json: Any
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Client:
    """One person, signed in or not."""

    http: TestClientProtocol
    token: str | None = None
    refresh_token: str | None = None
    user: dict[str, Any] = field(default_factory=dict)

    async def call(
        self, method: str, path: str, json: Any = None, *, headers: dict[str, str] | None = None, data: Any = None
    ) -> Reply:
        sent = dict(headers or {})
        if self.token and "Authorization" not in sent:
            sent["Authorization"] = f"Bearer {self.token}"
        arguments: dict[str, Any] = {"method": method, "headers": sent}
        if json is not None:
            arguments["json"] = json
        if data is not None:
            arguments["data"] = data
        response = await self.http.open(path, **arguments)
        received = {name.lower(): value for name, value in response.headers.items()}
        body = await response.get_data(as_text=False)
        is_json = (response.content_type or "").startswith("application/json")
        parsed = await response.get_json() if is_json and body else None
        return Reply(response.status_code, parsed, received, body)

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.call("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> Reply:
        return await self.call("POST", path, json, **options)

    async def put(self, path: str, json: Any = None, **options: Any) -> Reply:
        return await self.call("PUT", path, json, **options)

    async def patch(self, path: str, json: Any = None, **options: Any) -> Reply:
        return await self.call("PATCH", path, json, **options)

    async def delete(self, path: str, **options: Any) -> Reply:
        return await self.call("DELETE", path, **options)


@dataclass
class Harness:
    """The application with its container, and ways to be somebody."""

    servers: Servers
    settings: Settings
    container: Container
    app: Quart

    @property
    def engine(self) -> AsyncEngine:
        engine: AsyncEngine = self.container.engine()
        return engine

    def anonymous(self) -> Client:
        return Client(self.app.test_client())

    async def user(
        self, role: Role = Role.ADMIN, username: str | None = None, permissions: Permissions | None = None
    ) -> Client:
        """A new account of this role, signed in through the API."""
        name = username or f"{role.value}{next(_names)}"
        password_hash = await self.servers.hash_of(PASSWORD)
        async with self.container.uow()() as tx:
            user = User.create(username=name, password_hash=password_hash, role=role, at=self.container.clock().now())
            user.permissions = permissions or user.permissions
            await tx.users.save(user)
            await tx.commit()
        return await self.sign_in(name)

    async def permit(self, client: Client, permissions: Permissions) -> None:
        """Change what somebody may do, as an administrator would."""
        async with self.container.uow()() as tx:
            user = await tx.users.get(client.user["id"])
            user.permissions = permissions
            await tx.users.save(user)
            await tx.commit()

    async def sign_in(self, username: str, password: str = PASSWORD) -> Client:
        client = self.anonymous()
        reply = await client.post("/api/auth/login", {"username": username, "password": password})
        assert reply.status == 200, reply.json
        client.token, client.refresh_token = reply.json["token"], reply.json["refresh_token"]
        client.user = reply.json["user"]
        return client

    async def run_tasks(self) -> None:
        """Do all background work that waits, as a worker would, and hand on the events."""
        worker = self.container.worker_use_cases()
        while waiting := await self.container.task_board().claimable(at=self.container.clock().now()):
            for task_id in waiting:
                await worker.tasks.run(task_id)
        await worker.relay.drain()

    async def library(self, admin: Client, path: Path, kind: str = "film", name: str | None = None) -> int:
        """A library over `path`, scanned."""
        reply = await admin.post(
            "/api/admin/libraries", {"name": name or f"Library {next(_names)}", "kind": kind, "paths": [str(path)]}
        )
        assert reply.status == 201, reply.json
        library_id: int = reply.json["id"]
        await self.scan(admin, library_id)
        return library_id

    async def scan(self, admin: Client, library_id: int, **options: Any) -> dict[str, Any]:
        reply = await admin.post(f"/api/admin/libraries/{library_id}/scan", options)
        assert reply.status == 202, reply.json
        await self.run_tasks()
        status: dict[str, Any] = (await admin.get(f"/api/libraries/{library_id}/scan")).json
        assert status["state"] in {state.value for state in TaskStatus}
        return status


@asynccontextmanager
async def open_harness(servers: Servers, folder: Path, **overrides: Any) -> AsyncIterator[Harness]:
    """A server over a fresh database; `overrides` replace providers of the container by name."""
    async with servers.database() as database_url:
        settings = Settings(
            data_dir=folder / "data",
            cache_dir=folder / "cache",
            database_url=database_url,
            redis_url=f"{servers.redis_url}?db={next(_names) % 16}",
            web_root=folder / "no-web-app",
            database_pool_size=5,
        )
        async with open_container(settings) as container:
            await container.redis().flushdb()
            # The real one takes seconds; its own tests use it.
            container.encoder_probe.override(providers.Singleton(MemoryEncoderProbe))
            container.probe.override(providers.Object(servers.probe))
            container.passwords.override(providers.Object(servers.passwords))
            for name, replacement in overrides.items():
                getattr(container, name).override(replacement)
            await container.transcode_pools().ensure_default(settings.transcode_limit)
            app = create_app(AppContext(container.use_cases(), HttpSettings()))
            listener = asyncio.create_task(container.bus().run())
            try:
                yield Harness(servers, settings, container, app)
            finally:
                listener.cancel()
                await asyncio.gather(listener, return_exceptions=True)
                await container.producer().close()
