"""Starting it all: the bundled servers where no others are given, migrations, then API and worker under supervision."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from odeion.application.shared.viewer import OPERATOR
from odeion.domain.library import LibraryKind, LibraryOptions
from odeion.domain.shared.errors import Conflict, Unavailable
from odeion.domain.shared.ids import LibraryId
from odeion.entrypoints.container import (
    Container,
    EmbeddedPostgres,
    EmbeddedValkey,
    find_running_postgres,
    find_running_valkey,
    migrate,
    open_container,
    postgres_binaries,
    running,
    spawn_guarded,
    stop_process,
)
from odeion.entrypoints.logging import configure_logging
from odeion.entrypoints.settings import Settings
from odeion.entrypoints.supervisor import ChildFailed, ChildSpec, Supervisor

# No letter or digit that is easily taken for another.
_CODE_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
DEMO_USER = "demo"
DEMO_PASSWORD = "demo-odeion"  # noqa: S105
_DEMO_LIBRARIES = (("Films", LibraryKind.FILM), ("Series", LibraryKind.SERIES))


async def launch(settings: Settings, *, demo: bool) -> int:
    """Serve until stopped; answers the exit status."""
    configure_logging(settings.log_level)
    _require_free_port(settings)
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
                    await _prepare_demo(container, complete.data_dir / "demo")
                offered = await first_run.offer(code)
            _announce(complete, code if offered else None, demo=demo)
            children = [ChildSpec(name="API", command=_module("http"), env=_MEMORY | _environment(complete))]
            if complete.worker:
                children.append(ChildSpec(name="worker", command=_module("worker"), env=_environment(complete)))
            supervisor = Supervisor(children)
            try:
                async with _demo_in_background(complete) if demo else nullcontext():
                    await supervisor.run()
            except ChildFailed as failure:
                print(f"odeion: {failure}", file=sys.stderr)
                return 1
    return 0


@asynccontextmanager
async def _demo_in_background(settings: Settings) -> AsyncIterator[None]:
    async with open_container(settings) as container:
        filling = asyncio.create_task(_fill_demo(container, settings.data_dir / "demo"))
        try:
            yield
        finally:
            filling.cancel()
            for outcome in await asyncio.gather(filling, return_exceptions=True):
                if isinstance(outcome, Exception):
                    print(f"odeion: the demo library is not complete: {outcome}", file=sys.stderr)


def _require_free_port(settings: Settings) -> None:
    """Raises Conflict where another program listens: better told at once than found by a child again and again."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            address = f"{settings.host}:{settings.port}"
            raise Conflict(f"cannot listen on {address}: {error.strerror}; choose another --port") from error


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", f"odeion.entrypoints.{name}.main"]


# Segments are cut in buffers of megabytes. glibc would give each of them back to the kernel at once, and have its pages
# zeroed again for the next one, which takes a fifth of the time of a segment.
_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(32 << 20),
    "MALLOC_ARENA_MAX": "2",
}


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


async def _prepare_demo(container: Container, folder: Path) -> None:
    """An administrator and two libraries over the folders the demo is made in, unless somebody is there already."""
    use_cases = container.use_cases()
    if (await use_cases.first_run.state()).completed:
        return
    await use_cases.first_run.make_administrator(DEMO_USER, DEMO_PASSWORD)
    for name, kind in _DEMO_LIBRARIES:
        (folder / name).mkdir(parents=True, exist_ok=True)
        await use_cases.libraries.create(
            OPERATOR, name=name, kind=kind, paths=[str(folder / name)], options=LibraryOptions()
        )


async def _fill_demo(container: Container, folder: Path) -> None:
    """Make what is missing of the demo library, in a process of its own, while the server runs already; scan as films
    become ready."""
    await _scan_demo(container)
    process = await spawn_guarded(
        [sys.executable, "-m", "odeion.entrypoints.demo", str(folder)], stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    columns = (TextColumn("  {task.description}"), BarColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
            job = bar.add_task("Making the demo library", total=1.0)
            async for line in process.stdout:
                share, _, title = line.decode().strip().partition(" ")
                bar.update(job, completed=float(share), description=f"Making the demo library: {title}")
                await _scan_demo(container)
        if await process.wait() != 0:
            raise Unavailable("its films could not be made; see above")
        await _scan_to_the_end(container)
        print("  The demo library is complete.", file=sys.stderr, flush=True)
    finally:
        await stop_process(process, [(signal.SIGTERM, 1.0)])


async def _scan_to_the_end(container: Container) -> None:
    """One more scan after those under way: the last films may have come while one ran."""
    queries = container.use_cases().library_queries
    for _ in range(2):
        while (await queries.list_active_scans(OPERATOR)).items:  # noqa: ASYNC110 - another process does the scan
            await asyncio.sleep(0.5)
        await _scan_demo(container)


async def _scan_demo(container: Container) -> None:
    use_cases = container.use_cases()
    names = {name for name, _ in _DEMO_LIBRARIES}
    for library in (await use_cases.library_queries.list_libraries(OPERATOR)).items:
        if library.name in names:
            with suppress(Conflict):
                await use_cases.libraries.start_scan(OPERATOR, LibraryId(library.id))
