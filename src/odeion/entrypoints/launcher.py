"""Starting it all: the bundled servers where no others are given, migrations, then API and worker under supervision."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from odeion.domain.identity import Role
from odeion.domain.library import LibraryKind, LibraryOptions
from odeion.domain.shared.errors import Conflict
from odeion.entrypoints.container import (
    EmbeddedPostgres,
    EmbeddedValkey,
    find_running_postgres,
    find_running_valkey,
    migrate,
    open_container,
    postgres_binaries,
    running,
)
from odeion.entrypoints.demo import make_demo_library
from odeion.entrypoints.logging import configure_logging
from odeion.entrypoints.settings import Settings
from odeion.entrypoints.supervisor import ChildFailed, ChildSpec, Supervisor

# No letter or digit that is easily taken for another.
_CODE_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
DEMO_USER = "demo"
DEMO_PASSWORD = "demo-odeion"  # noqa: S105


async def launch(settings: Settings, *, demo: bool) -> int:
    """Serve until stopped; answers the exit status."""
    configure_logging(settings.log_level)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _stop_by_signal() as stopping:
        async with _servers(settings) as complete:
            if stopping.is_set():
                return 0
            async with open_container(complete) as container:
                await migrate(container.engine())
                first_run = container.use_cases().first_run
                code = settings.setup_code or _new_code()
                if demo:
                    await _make_demo(complete)
                    offered = False
                else:
                    offered = await first_run.offer(code)
            _announce(complete, code if offered else None, demo=demo)
            children = [ChildSpec(name="API", command=_module("http"), env=_environment(complete))]
            if complete.worker:
                children.append(ChildSpec(name="worker", command=_module("worker"), env=_environment(complete)))
            supervisor = Supervisor(children)
            try:
                await supervisor.run()
            except ChildFailed as failure:
                print(f"odeion: {failure}", file=sys.stderr)
                return 1
    return 0


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", f"odeion.entrypoints.{name}.main"]


def _environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, **settings.child_environment()}


class _stop_by_signal:
    """SIGTERM and SIGINT during the start: remembered, and the start is given up in order."""

    def __enter__(self) -> asyncio.Event:
        self._event = asyncio.Event()
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        return self._event

    def _stop(self) -> None:
        self._event.set()
        if self._task is not None:
            self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        return kind is asyncio.CancelledError and self._event.is_set()


@asynccontextmanager
async def _servers(settings: Settings) -> AsyncIterator[Settings]:
    """Run what no URL was given for; yields the settings with both URLs."""
    postgres = None if settings.database_url else EmbeddedPostgres(settings.data_dir)
    valkey = None if settings.redis_url else EmbeddedValkey(settings.data_dir)
    async with running(*(server for server in (postgres, valkey) if server is not None)):
        yield settings.model_copy(
            update={
                "database_url": postgres.url if postgres else settings.database_url,
                "redis_url": valkey.url if valkey else settings.redis_url,
            }
        )


def with_running_servers(settings: Settings) -> Settings:
    """For commands beside a server: fill in the URLs of the bundled servers of this data directory. Raises Conflict
    when they do not run."""
    database_url = settings.database_url or find_running_postgres(settings.data_dir)
    redis_url = settings.redis_url or find_running_valkey(settings.data_dir)
    if database_url is None or redis_url is None:
        raise Conflict(f"no server is running on {settings.data_dir}: start it with `odeion serve`")
    return settings.model_copy(update={"database_url": database_url, "redis_url": redis_url})


def psql_command(settings: Settings) -> tuple[list[str], dict[str, str]]:
    """The bundled psql on the database in use."""
    assert settings.database_url is not None
    dsn = settings.database_url.replace("+asyncpg", "", 1)
    return [str(postgres_binaries() / "psql"), dsn], {**os.environ, "PGAPPNAME": "odeion psql"}


def _new_code() -> str:
    """40 bits, good for one use and throttled."""
    letters = [secrets.choice(_CODE_ALPHABET) for _ in range(8)]
    return f"{''.join(letters[:4])}-{''.join(letters[4:])}"


def _announce(settings: Settings, code: str | None, *, demo: bool) -> None:
    host = "localhost" if settings.host in ("127.0.0.1", "::1", "0.0.0.0", "::") else settings.host  # noqa: S104
    lines = ["", f"  Odeion is at http://{host}:{settings.port}"]
    if code is not None:
        lines.append(f"  Set-up code: {code}   (for the first administrator; good for one use)")
    if demo:
        lines.append(f"  Sign in as {DEMO_USER} with the password {DEMO_PASSWORD}")
    print("\n".join([*lines, ""]), flush=True)


async def _make_demo(settings: Settings) -> None:
    """A small library and an administrator, unless they are there already."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    folder = settings.data_dir / "demo"
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()) as bar:
        job = bar.add_task("Making the demo library", total=1.0)

        def report(title: str, share: float) -> None:
            bar.update(job, completed=share, description=f"Making {title}" if title else "Making the demo library")

        await asyncio.to_thread(make_demo_library, folder, report)
        bar.update(job, completed=1.0, description="The demo library is there")
    async with open_container(settings) as container:
        use_cases = container.use_cases()
        if (await use_cases.first_run.state()).completed:
            return
        viewer = await use_cases.first_run.make_administrator(DEMO_USER, DEMO_PASSWORD)
        assert viewer.role is Role.ADMIN
        for name, kind in (("Films", LibraryKind.FILM), ("Series", LibraryKind.SERIES)):
            library_id = await use_cases.libraries.create(
                viewer, name=name, kind=kind, paths=[str(folder / name)], options=LibraryOptions()
            )
            await use_cases.libraries.start_scan(viewer, library_id)
